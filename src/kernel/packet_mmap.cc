#include "kernel/packet_mmap.h"

#include <fmt/format.h>
#include <linux/if_packet.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/tsc.h"
#include "host/packet_socket.h"
#include "kernel/block_ring.h"
#include "kernel/blocking_receiver.h"

namespace pollmark {
namespace {

constexpr unsigned kHandOverMs = 1;  // the kernel's least
constexpr std::uint32_t kSlotBytes = 2048;
constexpr std::uint32_t kFramesPerClock = 64;

class PacketMmap final : public ArrivalSource {
 public:
  explicit PacketMmap(const BlockRingShape& shape) : ring_(shape) {}

  Result<void> open(const NetdevPlace& place) override {
    PM_TRYV(ring_.open());
    // What the sender of the way back puts on the same device is none of this ring's.
    PM_TRYV(ring_.socket().set(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING"));
    return ring_.bind(place.netdev);
  }

  Result<void> take(ReceivedFrames& frames) override {
    if (!ring_.has_waiting()) {
      frames.count_call();
      PM_TRYV(ring_.wait(kWakeUpMs));
      if (!ring_.has_waiting()) return {};
    }
    take_block(ring_.next(), frames);
    // With the one in hand, which may have been held for a while.
    while (most_filled_ < blocks() && ring_.has_waiting(most_filled_)) ++most_filled_;
    ring_.give_back();
    return {};
  }

  bool has_waiting() const override { return ring_.has_waiting(); }

  void add_counters(CounterSnapshot& snapshot) override {
    if (const auto since_last = take_packet_statistics(ring_.socket().fd())) {
      total_.packets += since_last->packets;
      total_.drops += since_last->drops;
    }
    put_packet_ring_counters(snapshot, total_);
  }

  void add_knobs(std::map<std::string, Knob>& knobs) const override {
    Knob knob;
    knob.state = KnobState::confirmed;
    knob.exercised = most_filled_ > 0;
    if (knob.exercised) {
      knob.evidence =
          fmt::format("up to {} of {} blocks held frames at once", most_filled_, blocks());
    }
    knob.requested = knob.effective = fmt::format("{}", blocks());
    knobs["packet_blocks"] = knob;
    knob.requested = knob.effective = fmt::format("{}", ring_.shape().block_bytes);
    knobs["packet_block"] = std::move(knob);
  }

 private:
  std::uint32_t blocks() const { return ring_.shape().blocks; }

  static void take_block(const BlockRing::Frames& block, ReceivedFrames& frames) {
    std::uint64_t now = tsc_now();
    std::uint32_t taken = 0;
    for (const tpacket3_hdr& frame : block) {
      if (taken++ % kFramesPerClock == 0) now = tsc_now();
      frames.take_frame({bytes_of(frame), frame.tp_snaplen}, frame.tp_len, now);
    }
    frames.after_batch(taken, now);
  }

  BlockRing ring_;
  std::uint32_t most_filled_ = 0;  // blocks at once. Thread: wo; control: ro after join
  PacketStatistics total_;         // control
};

}  // namespace

Result<std::unique_ptr<Receiver>> make_packet_mmap_receiver(const TrialOrder& order,
                                                            const NetdevPlace& place) {
  const BlockRingShape shape{
      .blocks = static_cast<std::uint32_t>(order.receiver.packet_blocks),
      .block_bytes = static_cast<std::size_t>(order.receiver.packet_block_bytes),
      .slot_bytes = kSlotBytes,
      .hand_over_ms = kHandOverMs};
  return make_blocking_receiver(order, place, FrameConsumer::packet_ring, "receiver packet ring",
                                std::make_unique<PacketMmap>(shape));
}

}  // namespace pollmark
