// How long the segments are that pass a device: an AF_PACKET socket beside the stack that takes
// their lengths alone.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/error.h"
#include "host/netns.h"
#include "host/pinned_thread.h"
#include "kernel/block_ring.h"
#include "record/histogram.h"

namespace pollmark {

// One control thread; a thread of its own reads. What the stack hands to the device, or the device
// to the stack, before it is cut or after it was joined: with TSO or GRO up to 64 KiB. Segments
// without payload are not counted.
class SegmentTap {
 public:
  enum class Direction { leaving, arriving };

  SegmentTap();
  ~SegmentTap();
  SegmentTap(const SegmentTap&) = delete;
  SegmentTap& operator=(const SegmentTap&) = delete;

  // In the calling thread's namespace; from now on it counts, on that CPU.
  // Errors: host_cannot with the kernel's reason.
  [[nodiscard]] Result<void> open(const NetdevPlace& place, Direction direction, int cpu);
  // Takes what is there, and ends.
  void close();
  // After close().
  [[nodiscard]] const LatencyHistogram& segment_bytes() const { return segment_bytes_; }
  // That found no room in the ring.
  [[nodiscard]] std::int64_t untapped() const { return untapped_; }

 private:
  void read();

  BlockRing ring_;
  LatencyHistogram segment_bytes_;  // thread: wo while it runs
  std::int64_t untapped_ = 0;
  std::atomic<bool> ending_{false};
  PinnedThread thread_;
};

}  // namespace pollmark
