#include "judge/rfc2544.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace pollmark {

namespace {

// What is known of burst lengths: the shortest that lost twice in a row, the longest below it that
// lost nothing, and one that lost once and is to be tried again.
struct BurstBounds {
  std::optional<std::int64_t> good_pkts;
  std::optional<std::int64_t> bad_pkts;
  std::optional<std::int64_t> doubted_pkts;
};

BurstBounds burst_bounds(const std::vector<BurstTrial>& trials) {
  BurstBounds bounds;
  for (const BurstTrial& trial : trials) {
    if (trial.lost_pkts <= 0) {
      bounds.doubted_pkts.reset();
    } else if (bounds.doubted_pkts == trial.burst_pkts) {
      bounds.bad_pkts = std::min(bounds.bad_pkts.value_or(trial.burst_pkts), trial.burst_pkts);
      bounds.doubted_pkts.reset();
    } else {
      bounds.doubted_pkts = trial.burst_pkts;
    }
  }
  for (const BurstTrial& trial : trials) {
    if (trial.lost_pkts > 0 || (bounds.bad_pkts && trial.burst_pkts >= *bounds.bad_pkts)) continue;
    bounds.good_pkts = std::max(bounds.good_pkts.value_or(trial.burst_pkts), trial.burst_pkts);
  }
  return bounds;
}

}  // namespace

std::optional<double> next_frame_loss_load(double max_load_pps,
                                           const std::vector<FrameLossTrial>& so_far,
                                           double step_percent) {
  PM_CHECK(max_load_pps > 0.0 && step_percent > 0.0 && step_percent <= 10.0);
  const std::size_t count = so_far.size();
  if (count >= 2 && so_far[count - 1].lost_pkts <= 0 && so_far[count - 2].lost_pkts <= 0)
    return std::nullopt;
  const double percent = 100.0 - step_percent * static_cast<double>(count);
  if (percent < step_percent / 2.0) return std::nullopt;
  return max_load_pps * percent / 100.0;
}

std::vector<FrameLossPoint> frame_loss_curve(double max_load_pps,
                                             const std::vector<FrameLossTrial>& trials) {
  std::vector<FrameLossPoint> curve;
  for (const FrameLossTrial& trial : trials) {
    if (trial.offered_pkts <= 0) continue;
    curve.push_back(
        {100.0 * trial.load_pps / max_load_pps,
         100.0 * static_cast<double>(trial.lost_pkts) / static_cast<double>(trial.offered_pkts)});
  }
  return curve;
}

std::optional<std::int64_t> next_burst(const BurstOrder& order,
                                       const std::vector<BurstTrial>& so_far) {
  PM_CHECK(order.min_burst_pkts >= 1 && order.max_burst_pkts > order.min_burst_pkts);
  PM_CHECK(order.step_pkts >= 1);
  const BurstBounds bounds = burst_bounds(so_far);
  if (bounds.doubted_pkts) return bounds.doubted_pkts;
  if (!bounds.bad_pkts) {
    if (bounds.good_pkts == order.max_burst_pkts) return std::nullopt;
    return order.max_burst_pkts;
  }
  if (!bounds.good_pkts) {
    if (bounds.bad_pkts == order.min_burst_pkts) return std::nullopt;
    return order.min_burst_pkts;
  }
  const std::int64_t gap_pkts = *bounds.bad_pkts - *bounds.good_pkts;
  if (gap_pkts <= order.step_pkts) return std::nullopt;
  return *bounds.good_pkts + gap_pkts / 2;
}

std::optional<std::int64_t> longest_burst(const BurstOrder& order,
                                          const std::vector<BurstTrial>& trials) {
  if (next_burst(order, trials)) return std::nullopt;
  return burst_bounds(trials).good_pkts;
}

bool burst_is_at_limit(const BurstOrder& order, std::int64_t longest_pkts) {
  return longest_pkts + order.step_pkts >= order.max_burst_pkts;
}

std::optional<BufferTime> buffer_time(double mean_burst_pkts, double max_pps,
                                      double throughput_pps) {
  PM_CHECK(mean_burst_pkts >= 0.0 && max_pps > 0.0 && throughput_pps >= 0.0);
  if (throughput_pps >= max_pps) return std::nullopt;
  BufferTime buffer;
  buffer.implied_ns = mean_burst_pkts / max_pps * 1e9;
  buffer.corrected_ns = buffer.implied_ns * (1.0 - throughput_pps / max_pps);
  buffer.corrected_pkts = buffer.corrected_ns / 1e9 * max_pps;
  return buffer;
}

double buffer_time_at_ns(const BufferTime& buffer, double max_pps, double rate_pps) {
  PM_CHECK(rate_pps > 0.0);
  return buffer.corrected_ns * max_pps / rate_pps;
}

double recovery_seconds(double lowered_at_s, std::optional<double> last_loss_s) {
  return last_loss_s ? std::max(0.0, *last_loss_s - lowered_at_s) : 0.0;
}

std::optional<Repetitions> repetitions_of(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  Repetitions result;
  result.count = static_cast<int>(values.size());
  const double count = static_cast<double>(values.size());
  for (const double value : values) result.mean += value / count;
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  result.least = *least;
  result.most = *most;
  if (values.size() < 2) return result;
  double squares = 0.0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.stddev = std::sqrt(squares / (count - 1.0));
  return result;
}

}  // namespace pollmark
