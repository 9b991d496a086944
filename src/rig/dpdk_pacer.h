// The schedule of a wall-clock generator: absolute, in fixed point, so that nothing accumulates.
// Frame n of a constant load is due at start + n * ticks; being late never moves later frames.
#pragma once

#include <cmath>
#include <cstdint>

#include "datapath/arrivals.h"
#include "datapath/clock.h"
#include "trial/catch_up.h"

namespace pollmark {

// Frames in one burst of the sender: what it can work off at once however slow the schedule is.
inline constexpr std::uint32_t kSenderBurst = 32;
[[nodiscard]] inline Ticks catch_up_ticks(double ticks_per_frame, double tsc_hz) {
  const auto usual = static_cast<Ticks>(static_cast<double>(kCatchUpNs) * 1e-9 * tsc_hz);
  const auto burst = static_cast<Ticks>(ticks_per_frame * kSenderBurst);
  return usual > burst ? usual : burst;
}

struct PacerOrder {
  ArrivalLaw law = ArrivalLaw::constant;
  double ticks_per_frame = 0.0;    // mean; unused for back_to_back
  std::uint32_t burst_frames = 1;  // of ArrivalLaw::burst: due together, as fast as they will go
  std::uint64_t seed = 1;          // of ArrivalLaw::poisson
  Ticks on_ticks = 0;              // of ArrivalLaw::on_off
  Ticks off_ticks = 0;
  // In place of a law: the gap before each slot, in ticks, again and again; nullptr: none.
  const FixedTicks* gaps = nullptr;
  std::uint32_t gap_count = 0;
  std::uint64_t slots = ~std::uint64_t{0};  // there are no more
  Ticks start = 0;
  Ticks end = 0;  // no slot is due at or after it
};

class Pacer {
 public:
  explicit Pacer(const PacerOrder& order) noexcept
      : order_(order), due_(FixedTicks{order.start} << 64) {
    double step = order.ticks_per_frame;
    if (order.law == ArrivalLaw::burst) step *= static_cast<double>(order.burst_frames);
    // In the on times joined together.
    if (order.law == ArrivalLaw::on_off)
      step *= static_cast<double>(order.on_ticks) /
              static_cast<double>(order.on_ticks + order.off_ticks);
    on_start_ = due_;
    const double whole = std::floor(step);
    step_ = FixedTicks{static_cast<std::uint64_t>(whole)} << 64 |
            static_cast<std::uint64_t>(std::ldexp(step - whole, 64));
  }

  [[nodiscard]] bool is_scheduled() const noexcept {
    return order_.law != ArrivalLaw::back_to_back;
  }
  // A slot is left in the schedule. Back to back there always is one.
  [[nodiscard]] bool has_slot() const noexcept {
    if (slot_ >= order_.slots) return false;
    return order_.law == ArrivalLaw::back_to_back || due() < order_.end;
  }
  // When the next slot is due.
  [[nodiscard]] Ticks due() const noexcept { return static_cast<Ticks>(due_ >> 64); }
  void advance() noexcept {
    ++slot_;
    if (order_.gaps != nullptr) {
      if (++gap_ == order_.gap_count) gap_ = 0;
      due_ += order_.gaps[gap_];
      return;
    }
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
      case ArrivalLaw::on_off:
        due_ += step_;
        while (due_ - on_start_ >= FixedTicks{order_.on_ticks} << 64) {
          due_ += FixedTicks{order_.off_ticks} << 64;
          on_start_ += FixedTicks{order_.on_ticks + order_.off_ticks} << 64;
        }
        break;
      case ArrivalLaw::back_to_back:
        break;
    }
  }
  // As so many times advance().
  void advance_by(std::uint32_t slots) noexcept {
    if (order_.gaps == nullptr && order_.law == ArrivalLaw::constant) {
      slot_ += slots;
      due_ += step_ * slots;
      return;
    }
    for (; slots > 0; --slots) advance();
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
  FixedTicks on_start_ = 0;  // of the on time that the next slot falls into
  std::uint64_t slot_ = 0;
  std::uint32_t gap_ = 0;
};

}  // namespace pollmark
