// Frames as they pass a device, kept in an AF_PACKET ring and written as pcapng when the traffic
// has ended.
#pragma once

#include <cstdint>
#include <deque>
#include <string_view>

#include "base/error.h"
#include "host/netns.h"
#include "kernel/block_ring.h"
#include "record/trial_order.h"
#include "record/trial_result.h"

namespace pollmark {

// The kernel copies each frame that passes the filter into the ring, in the time of whoever sends
// or receives it: what the stack hands to the device behind its queueing discipline, before it is
// cut, and what the device hands to the stack, after it was joined. Nothing else runs while frames
// pass: the ring is the memory that `limit` bounds, and a full one takes no more.
class FrameTap {
 public:
  FrameTap(const TapOrder& order, CaptureAt at, NetdevPlace place);

  // From now on it takes frames. Any thread. Errors: host_cannot with the kernel's reason;
  // bad_experiment for the filter.
  [[nodiscard]] Result<void> open();

  // Of a trigger; one thread, until it has ended. Lets go all but the newest frames, half of the
  // ring at most.
  void pass_over();
  // What is in the ring now, and what comes, is kept.
  void keep();

  // Control thread, when no other uses it: takes no more frames, waits until the kernel has handed
  // over what it has (0.4 s at most), and writes it to the file. comment: of the section.
  void write(int file_fd, std::string_view comment);
  // Instead of write(): a trigger did not come.
  void discard();
  // After either, without the trigger and the thread, which are the caller's to tell.
  [[nodiscard]] TapAccount account() const { return account_; }

 private:
  struct Loss {
    std::uint64_t before_block = 0;  // counted from the first that the kernel filled
    std::uint64_t pkts = 0;
  };
  void look_at_statistics();
  void settle();
  [[nodiscard]] std::uint32_t waiting_blocks() const;
  [[nodiscard]] std::uint64_t take_losses_before_next_block();

  TapOrder order_;
  NetdevPlace place_;
  BlockRing ring_;
  TapAccount account_;
  std::int64_t started_ns_ = 0;      // since the epoch
  std::uint64_t accepted_pkts_ = 0;  // by the filter, dropped or not
  std::uint64_t dropped_pkts_ = 0;
  std::uint64_t given_back_ = 0;  // blocks
  std::deque<Loss> losses_;       // ascending; those while frames were passed over
};

}  // namespace pollmark
