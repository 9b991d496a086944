// What a receive ring loses, by models: Poisson arrivals at a lossless poller, and pollers that
// stall. None of it is measured.
#pragma once

#include <cstdint>
#include <vector>

namespace pollmark {

// Loss ratio of an M/D/1/K queue: Poisson arrivals, one service time, room for `room` frames of
// which one is being served (a ring of N descriptors: N + 1). By the embedded chain at departures;
// below about 1e-13 the sum has no digits left, and 0 is given.
//   load  arrival rate times service time, above 0
//   room  1 or more. O(room)
[[nodiscard]] double md1k_loss_ratio(double load, int room);
// Descriptors that Poisson arrivals exceed with that probability: ln(1 / p) / ln z, z > 1 the root
// of ln z = load (z - 1).
//   load in (0, 1), probability in (0, 1)
[[nodiscard]] double poisson_ring_depth(double load, double probability);
// Descriptors that a stall fills: rate times length, and a burst on top.
[[nodiscard]] double stall_ring_depth(double pps, double stall_ns, double burst_frames = 0.0);

// Frames of one queue, and who serves it.
struct QueueLoad {
  double arrival_pps = 0.0;
  double service_pps = 0.0;   // while it is served
  double batch_frames = 1.0;  // that arrive back to back
  // Variance over mean of the frames that arrive within a stall: 1 for Poisson arrivals, about
  // 1 - share where RSS picks a share of an even stream; 0 where they arrive evenly.
  double dispersion = 0.0;
};

enum class StallTiming : std::uint8_t { periodic, poisson };
struct StallProfile {
  StallTiming timing = StallTiming::periodic;
  double every_ns = 0.0;  // from start to start; a mean of poisson
  double for_ns = 0.0;    // each
};

// Share of frames that find no descriptor: what arrives in a stall beyond the free ones, where a
// backlog is worked off between stalls. Fluid between stalls; Poisson stalls are drawn, always the
// same ones.
[[nodiscard]] double stall_loss_ratio(const QueueLoad& queue, const StallProfile& stalls, int ring);

// The same from gaps that were seen: count of each length within watched_ns. A backlog is taken to
// be worked off before the next gap.
struct PollGap {
  double length_ns = 0.0;
  double count = 0.0;
};
[[nodiscard]] double gap_loss_ratio(const QueueLoad& queue, const std::vector<PollGap>& gaps,
                                    double watched_ns, int ring);

}  // namespace pollmark
