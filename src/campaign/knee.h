// The load at which a setting begins to lose more than a ratio, by bisection on valid trials.
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
  int retries = 3;            // per load, for invalid trials
};

struct Knee {
  double pps = 0.0;  // the middle of the last bracket
  int trials = 0;
  int invalid = 0;
};

// Errors: what TrialRunner::run gives; gate_said_no when one load had no valid trial.
[[nodiscard]] Result<Knee> find_knee(TrialRunner& runner, const KneeOrder& order);

}  // namespace pollmark
