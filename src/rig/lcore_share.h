// How several sending lcores share one schedule: a flow belongs to one of them, which sends its
// frames when the schedule has them. So together they send what one lcore would, each frame when it
// is due, and the order within a flow is kept.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "datapath/arrivals.h"
#include "rig/dpdk_pacer.h"

namespace pollmark {

// The frames of one lcore among those of the schedule, which come in passes: over all flows, over
// all slots of their popularity, or over the capture.
struct LcoreShare {
  std::uint32_t pass_frames = 1;     // of all lcores
  std::uint32_t first = 0;           // in a pass, its first one
  std::vector<std::uint32_t> steps;  // [its frames of a pass]; from each to its next. Empty: none
  [[nodiscard]] bool is_whole() const { return steps.size() == pass_frames; }
};

// owner_of: [frame of a pass] the lcore that sends it, below `lcores`. Returns one share per lcore.
[[nodiscard]] std::vector<LcoreShare> share_out(std::span<const std::uint8_t> owner_of, int lcores);

// Who sends each frame of a capture: by a hash over addresses and ports that is the same for both
// directions. Hosts between which a frame without ports goes (a fragment, ICMP) are told from
// others by their addresses alone: fragments stay with what they belong to. Without IP: lcore 0.
[[nodiscard]] std::vector<std::uint8_t> owners_of_capture(std::span<const ReplayFrame> frames,
                                                          int lcores);

// Calls visit(position, times) for each of its positions in a pass: how often that one is among the
// lcore's first `frames`.
template <typename Visit>
void visit_first(const LcoreShare& share, std::int64_t frames, Visit&& visit) {
  const auto own = static_cast<std::int64_t>(share.steps.size());
  std::uint32_t position = share.first;
  for (std::int64_t i = 0; i < own; ++i) {
    visit(position, frames / own + (i < frames % own ? 1 : 0));
    position += share.steps[static_cast<std::size_t>(i)];
  }
}

// Bytes of the lcore's first `frames`. Frame n of the schedule has sizes[n mod sizes.size()].
[[nodiscard]] std::int64_t bytes_of_first(const LcoreShare& share, std::int64_t frames,
                                          std::span<const std::uint32_t> sizes);

// Which of `sizes` the lcore's frames have, until it begins anew; empty when that is above `most`.
[[nodiscard]] std::vector<std::uint32_t> sizes_in_turn(const LcoreShare& share, std::uint32_t sizes,
                                                       std::size_t most);

// The slots of one lcore in the schedule of all: as Pacer. The share is the caller's to keep.
class SharedPacer {
 public:
  SharedPacer(const PacerOrder& order, const LcoreShare& share) noexcept
      : pacer_(order),
        steps_(share.steps.data()),
        count_(static_cast<std::uint32_t>(share.steps.size())) {
    pacer_.advance_by(share.first);
  }
  [[nodiscard]] bool is_scheduled() const noexcept { return pacer_.is_scheduled(); }
  [[nodiscard]] bool has_slot() const noexcept { return count_ != 0 && pacer_.has_slot(); }
  [[nodiscard]] Ticks due() const noexcept { return pacer_.due(); }
  void advance() noexcept {
    pacer_.advance_by(steps_[at_]);
    if (++at_ == count_) at_ = 0;
  }
  std::int64_t give_up_before(Ticks oldest) noexcept {
    if (!is_scheduled()) return 0;
    std::int64_t given_up = 0;
    for (; has_slot() && due() < oldest; ++given_up) advance();
    return given_up;
  }

 private:
  Pacer pacer_;
  const std::uint32_t* steps_;
  std::uint32_t count_;
  std::uint32_t at_ = 0;
};

}  // namespace pollmark
