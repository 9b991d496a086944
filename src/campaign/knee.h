// The load at which a setting begins to lose more than a ratio, by bisection on valid trials. Each
// load is decided by the majority of a few trials (near the knee one trial is a draw of lots), and
// the last bracket is confirmed.
#pragma once

#include <vector>

#include "base/error.h"
#include "campaign/trial_process.h"

namespace pollmark {

struct KneeOrder {
  TrialOrder order;           // load, seed and trial number are set here
  double loss_ratio = 0.001;  // loss above it is "too much"
  double low_pps = 0.0;       // taken as loss-free
  double high_pps = 0.0;      // taken as lossy
  double width = 0.002;       // stops when (high - low) / high is at most this
  int votes = 3;              // valid trials per load, odd; fewer where the first ones agree
  int rounds = 3;             // further bisections, where a bound is not confirmed at the end
  int retries = 9;            // per load, for invalid trials
};

struct Knee {
  double pps = 0.0;  // the middle of the last bracket
  int trials = 0;
  int invalid = 0;
};

// Errors: what TrialRunner::run gives; gate_said_no when one load had too few valid trials.
[[nodiscard]] Result<Knee> find_knee(TrialRunner& runner, const KneeOrder& order);

}  // namespace pollmark
