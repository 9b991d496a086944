// The benchmarks of RFC 2544 section 26 beside throughput, as procedures: each says which trial
// comes next, from the trials so far, and what they amount to. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pollmark {

// ---- Frame loss rate (26.3): from the highest load down in steps of at most a tenth of it, until
// two loads in a row lose nothing.

struct FrameLossTrial {
  double load_pps = 0.0;
  std::int64_t offered_pkts = 0;
  std::int64_t lost_pkts = 0;
};
struct FrameLossPoint {
  double load_percent = 0.0;  // of the highest load
  double loss_percent = 0.0;
};
// The next load; nullopt when the curve is complete (also when the next step would be no load). The
// trials stand in the order they were run, valid ones only. 0 < step_percent <= 10.
[[nodiscard]] std::optional<double> next_frame_loss_load(double max_load_pps,
                                                         const std::vector<FrameLossTrial>& so_far,
                                                         double step_percent = 10.0);
[[nodiscard]] std::vector<FrameLossPoint> frame_loss_curve(
    double max_load_pps, const std::vector<FrameLossTrial>& trials);

// ---- Back-to-back frames (RFC 9004): the longest burst at line rate without a loss, by halving
// with loss verification: a burst that lost is tried once more before it is believed.

struct BurstOrder {
  std::int64_t min_burst_pkts = 1;
  std::int64_t max_burst_pkts = 0;  // of the longest burst time; above min_burst_pkts
  std::int64_t step_pkts = 1;       // resolution; reported
};
struct BurstTrial {
  std::int64_t burst_pkts = 0;
  std::int64_t lost_pkts = 0;
};
// The next burst length; nullopt when the longest is known.
[[nodiscard]] std::optional<std::int64_t> next_burst(const BurstOrder& order,
                                                     const std::vector<BurstTrial>& so_far);
// The longest burst without a loss; nullopt when even the shortest lost, or the search is not over.
[[nodiscard]] std::optional<std::int64_t> longest_burst(const BurstOrder& order,
                                                        const std::vector<BurstTrial>& trials);
// Within a step of the longest allowed: the result is the limit's, not the device's.
[[nodiscard]] bool burst_is_at_limit(const BurstOrder& order, std::int64_t longest_pkts);

// RFC 9004 section 5.5. implied: what the mean burst fills; corrected: without what was forwarded
// meanwhile.
struct BufferTime {
  double implied_ns = 0.0;
  double corrected_ns = 0.0;
  double corrected_pkts = 0.0;  // at the highest rate
};
// nullopt: the throughput is the highest rate, so that no burst is too long (not applicable).
[[nodiscard]] std::optional<BufferTime> buffer_time(double mean_burst_pkts, double max_pps,
                                                    double throughput_pps);
// The time that the buffer holds at another rate.
[[nodiscard]] double buffer_time_at_ns(const BufferTime& buffer, double max_pps, double rate_pps);

// ---- System recovery (26.5): from the change to the lower load until the last loss. The RFC
// subtracts the other way round, which would be negative. 0 when nothing was lost after it.
[[nodiscard]] double recovery_seconds(double lowered_at_s, std::optional<double> last_loss_s);

// ---- Repetitions (26.2, 26.4, RFC 9004 section 5.4).
struct Repetitions {
  int count = 0;
  double mean = 0.0;
  double least = 0.0;
  double most = 0.0;
  std::optional<double> stddev;  // of the sample; nullopt below two
};
[[nodiscard]] std::optional<Repetitions> repetitions_of(const std::vector<double>& values);

}  // namespace pollmark
