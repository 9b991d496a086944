// The schedule of a wall-clock generator: absolute, in fixed point, so that nothing accumulates.
// Frame n of a constant load is due at start + n * ticks; being late never moves later frames.
#pragma once

#include <cmath>
#include <cstdint>

#include "datapath/arrivals.h"
#include "datapath/clock.h"

namespace pollmark {

// Debt that a late generator works off by sending back to back: slots older than this are given up
// and counted (tx_unsent). It bounds the burst that a stall of the generator sends at a receiver.
inline constexpr std::int64_t kCatchUpNs = 1'000'000;

struct PacerOrder {
  ArrivalLaw law = ArrivalLaw::constant;
  double ticks_per_frame = 0.0;    // mean; unused for back_to_back
  std::uint32_t burst_frames = 1;  // of ArrivalLaw::burst: due together, as fast as they will go
  std::uint64_t seed = 1;          // of ArrivalLaw::poisson
  Ticks start = 0;
  Ticks end = 0;  // no slot is due at or after it
};

class Pacer {
 public:
  explicit Pacer(const PacerOrder& order) noexcept
      : order_(order), due_(FixedTicks{order.start} << 64) {
    const double step = order.law == ArrivalLaw::burst
                            ? order.ticks_per_frame * static_cast<double>(order.burst_frames)
                            : order.ticks_per_frame;
    const double whole = std::floor(step);
    step_ = FixedTicks{static_cast<std::uint64_t>(whole)} << 64 |
            static_cast<std::uint64_t>(std::ldexp(step - whole, 64));
  }

  // A slot is left in the schedule. Back to back there always is one.
  [[nodiscard]] bool has_slot() const noexcept {
    return order_.law == ArrivalLaw::back_to_back || due() < order_.end;
  }
  // When the next slot is due.
  [[nodiscard]] Ticks due() const noexcept { return static_cast<Ticks>(due_ >> 64); }
  void advance() noexcept {
    ++slot_;
    switch (order_.law) {
      case ArrivalLaw::constant:
        due_ += step_;
        break;
      case ArrivalLaw::poisson: {
        const double gap = -std::log(drawn_unit(order_.seed, slot_)) * order_.ticks_per_frame;
        due_ += FixedTicks{static_cast<std::uint64_t>(gap * 0x1.0p16)} << 48;
        break;
      }
      case ArrivalLaw::burst:
        if (slot_ % order_.burst_frames == 0) due_ += step_;
        break;
      case ArrivalLaw::back_to_back:
        break;
    }
  }
  // Slots that were due before `oldest` are given up; returns how many.
  std::int64_t give_up_before(Ticks oldest) noexcept {
    if (order_.law == ArrivalLaw::back_to_back) return 0;
    std::int64_t given_up = 0;
    for (; has_slot() && due() < oldest; ++given_up) advance();
    return given_up;
  }

 private:
  PacerOrder order_;
  FixedTicks due_ = 0;
  FixedTicks step_ = 0;
  std::uint64_t slot_ = 0;
};

}  // namespace pollmark
