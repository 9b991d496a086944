#include "campaign/knee.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"

namespace pollmark {

namespace {

// Whether most valid trials at that load lose more than the ratio.
Result<bool> is_lossy(TrialRunner& runner, const KneeOrder& order, double load, Knee& knee) {
  int lossy = 0;
  int clean = 0;
  for (int attempt = 0; std::max(lossy, clean) <= order.votes / 2; ++attempt) {
    if (attempt >= order.votes + order.retries)
      return fail(Errc::gate_said_no, fmt::format("too few valid trials at {} in {} attempts",
                                                  si(load, "pps"), order.votes + order.retries));
    TrialOrder trial = order.order;
    trial.kind = TrialKind::search;
    trial.trial = knee.trials++;
    trial.attempt = attempt;
    trial.seed += static_cast<std::uint64_t>(trial.trial);
    trial.traffic.load = Load{LoadUnit::pps, load};
    trial.traffic.intended_pps = load;
    PM_TRY(const TrialResult result, runner.run(trial));
    if (!result.valid) {
      ++knee.invalid;
      continue;
    }
    ++(result.ledger().loss_ratio().value_or(0.0) > order.loss_ratio ? lossy : clean);
  }
  return lossy > clean;
}

}  // namespace

Result<Knee> find_knee(TrialRunner& runner, const KneeOrder& order) {
  PM_CHECK(order.low_pps > 0.0 && order.high_pps > order.low_pps && order.votes % 2 == 1);
  Knee knee;
  double low = order.low_pps;
  double high = order.high_pps;
  for (int round = 0;; ++round) {
    while ((high - low) / high > order.width) {
      const double load = std::sqrt(low * high);
      PM_TRY(const bool lossy, is_lossy(runner, order, load, knee));
      (lossy ? high : low) = load;
    }
    knee.pps = std::sqrt(low * high);
    // One early mistake would have shut the knee out for good.
    PM_TRY(const bool high_is_lossy, is_lossy(runner, order, high, knee));
    if (!high_is_lossy) {
      low = high;
      high = order.high_pps;
    } else {
      PM_TRY(const bool low_is_lossy, is_lossy(runner, order, low, knee));
      if (!low_is_lossy) return knee;
      high = low;
      low = order.low_pps;
    }
    if (round == order.rounds)
      return fail(Errc::gate_said_no,
                  fmt::format("the load that loses too much moves: near {} its own bounds are not "
                              "confirmed",
                              si(knee.pps, "pps")));
  }
}

}  // namespace pollmark
