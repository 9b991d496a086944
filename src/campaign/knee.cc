#include "campaign/knee.h"

#include <fmt/format.h>

#include <cmath>

#include "base/units.h"

namespace pollmark {

Result<Knee> find_knee(TrialRunner& runner, const KneeOrder& order) {
  PM_CHECK(order.low_pps > 0.0 && order.high_pps > order.low_pps);
  Knee knee;
  double low = order.low_pps;
  double high = order.high_pps;
  while ((high - low) / high > order.width) {
    const double load = std::sqrt(low * high);
    bool settled = false;
    for (int attempt = 0; attempt <= order.retries && !settled; ++attempt) {
      TrialOrder trial = order.order;
      trial.kind = TrialKind::search;
      trial.trial = knee.trials++;
      trial.attempt = attempt;
      trial.traffic.load = Load{LoadUnit::pps, load};
      trial.traffic.intended_pps = load;
      PM_TRY(const TrialResult result, runner.run(trial));
      if (!result.valid) {
        ++knee.invalid;
        continue;
      }
      settled = true;
      (result.ledger().loss_ratio().value_or(0.0) > order.loss_ratio ? high : low) = load;
    }
    if (!settled)
      return fail(Errc::gate_said_no, fmt::format("no valid trial at {} in {} attempts",
                                                  si(load, "pps"), order.retries + 1));
  }
  knee.pps = std::sqrt(low * high);
  return knee;
}

}  // namespace pollmark
