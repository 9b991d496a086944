// Lockstep rule 7: whether the window's second half was dearer than its first, at equal work. Work
// is compared with its like because it moves by itself: near the knee a backlog fills the bursts,
// and a frame of a full burst costs less than one that came alone.
#pragma once

#include <cstdint>
#include <optional>

#include "datapath/clock.h"

namespace pollmark {

inline constexpr double kLeastHalfWork = 1000;  // of few frames the cost scatters too much

// Iterations of one lcore with one amount of work, as charged, by half of the window.
struct HalfCost {
  Ticks ticks[2] = {0, 0};
  std::uint64_t iterations[2] = {0, 0};
};

// What the same iterations cost in each half; sums over works and lcores.
class HalfDrift {
 public:
  // costs: [max_work + 1], by work; read after the run.
  void add(const HalfCost* costs, std::uint32_t max_work) noexcept {
    for (std::uint32_t work = 1; work <= max_work; ++work) {
      const HalfCost& cost = costs[work];
      ticks_ += static_cast<double>(cost.ticks[0] + cost.ticks[1]);
      if (cost.iterations[0] == 0 || cost.iterations[1] == 0) continue;
      const double weight = static_cast<double>(
          cost.iterations[0] < cost.iterations[1] ? cost.iterations[0] : cost.iterations[1]);
      work_ += weight * work;
      for (int half = 0; half < 2; ++half) {
        const double mean =
            static_cast<double>(cost.ticks[half]) / static_cast<double>(cost.iterations[half]);
        compared_[half] += weight * mean;
      }
    }
  }

  // Relative change from the first half to the second, > -1. nullopt where fewer than
  // kLeastHalfWork frames can be compared, or where less than a tenth of the time went into work
  // that both halves had.
  [[nodiscard]] std::optional<double> value() const noexcept {
    if (work_ < kLeastHalfWork || compared_[0] + compared_[1] < 0.1 * ticks_) return std::nullopt;
    return compared_[1] / compared_[0] - 1.0;
  }

 private:
  double ticks_ = 0.0;
  double work_ = 0.0;  // frames of each half that are compared
  double compared_[2] = {0.0, 0.0};
};

}  // namespace pollmark
