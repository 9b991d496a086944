#include "judge/burst_cost.h"

#include <algorithm>

#include "judge/miss_curve.h"

namespace pollmark {
namespace {

constexpr double kLeastSpread = 1.25;  // of the calls a frame

}  // namespace

std::optional<double> calls_per_pkt(const TrialResult& trial) {
  double calls = 0.0;
  double pkts = 0.0;
  for (const LcoreHealth& lcore : trial.lcores) {
    for (std::size_t frames = 1; frames < lcore.bursts.size(); ++frames) {
      calls += static_cast<double>(lcore.bursts[frames]);
      pkts += static_cast<double>(frames) * static_cast<double>(lcore.bursts[frames]);
    }
  }
  if (!(pkts > 0.0)) return std::nullopt;
  return calls / pkts;
}

std::optional<BurstCost> fit_burst_cost(const std::vector<const TrialResult*>& trials) {
  double n = 0.0;
  double sum_x = 0.0;
  double sum_y = 0.0;
  double sum_xx = 0.0;
  double sum_xy = 0.0;
  double least = 1.0;
  double most = 0.0;
  for (const TrialResult* trial : trials) {
    const auto x = calls_per_pkt(*trial);
    const auto y = core_ns_per_pkt(*trial);
    if (!x || !y) continue;
    n += 1.0;
    sum_x += *x;
    sum_y += *y;
    sum_xx += *x * *x;
    sum_xy += *x * *y;
    least = std::min(least, *x);
    most = std::max(most, *x);
  }
  if (most < kLeastSpread * least) return std::nullopt;
  const double call_ns = (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x);
  const BurstCost cost{call_ns, (sum_y - call_ns * sum_x) / n, 1.0 / least};
  if (!(cost.call_ns >= 0.0) || !(cost.frame_ns > 0.0)) return std::nullopt;
  return cost;
}

}  // namespace pollmark
