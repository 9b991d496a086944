#include "kernel/packet_mmap.h"

#include <fmt/format.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
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

// Of a fanout group as packet_fanout(): type, and with a flag above it. Linux 6.2 and later;
// before, a group takes what its device sends as well.
constexpr int kFanoutIgnoresOutgoing = 0x4000;

int fanout_type(Fanout fanout) {
  switch (fanout) {
    case Fanout::hash:
      return PACKET_FANOUT_HASH;
    case Fanout::lb:
      return PACKET_FANOUT_LB;
    case Fanout::cpu:
      return PACKET_FANOUT_CPU;
  }
  PM_CHECK(false);
}

// The sockets of a receiver, among which the kernel shares out the frames. Control thread.
class FanoutGroup {
 public:
  explicit FanoutGroup(Fanout fanout) : fanout_(fanout) {}

  // A socket that is bound. Errors: host_cannot with the kernel's reason.
  Result<void> join(const Socket& socket) {
    if (group_) return socket.set(SOL_PACKET, PACKET_FANOUT, *group_, "PACKET_FANOUT");
    // The kernel chooses a number that no other group of the namespace has.
    const int asked = (fanout_type(fanout_) | PACKET_FANOUT_FLAG_UNIQUEID | kFanoutIgnoresOutgoing)
                      << 16;
    PM_TRYV(socket.set(SOL_PACKET, PACKET_FANOUT, asked, "PACKET_FANOUT"));
    int group = 0;
    socklen_t bytes = sizeof group;
    if (getsockopt(socket.fd(), SOL_PACKET, PACKET_FANOUT, &group, &bytes) != 0) {
      return fail(Errc::host_cannot, std::strerror(errno), "PACKET_FANOUT");
    }
    group_ = group;
    return {};
  }
  [[nodiscard]] Fanout fanout() const { return fanout_; }

 private:
  Fanout fanout_;
  std::optional<int> group_;
};

class PacketMmap final : public ArrivalSource {
 public:
  // group: nullptr of a single socket.
  PacketMmap(const BlockRingShape& shape, std::shared_ptr<FanoutGroup> group)
      : ring_(shape), group_(std::move(group)) {}

  Result<void> open(const NetdevPlace& place) override {
    PM_TRYV(ring_.open());
    // What the sender of the way back puts on the same device is none of this ring's.
    PM_TRYV(ring_.socket().set(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING"));
    PM_TRYV(ring_.bind(place.netdev));
    return group_ ? group_->join(ring_.socket()) : Result<void>();
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

  void add_counters(CounterSnapshot& snapshot, std::string_view which) override {
    take_statistics();
    put_packet_ring_counters(snapshot, total_, which);
  }

  std::int64_t dropped_pkts() override {
    take_statistics();
    return static_cast<std::int64_t>(total_.drops);
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
    knobs["packet_block"] = knob;
    if (!group_) return;
    knob.requested = knob.effective = name_of(group_->fanout());
    knob.evidence = knob.exercised ? "the group chose a socket for each frame" : "";
    knobs["fanout"] = std::move(knob);
  }

 private:
  void take_statistics() {
    if (const auto since_last = take_packet_statistics(ring_.socket().fd())) {
      total_.packets += since_last->packets;
      total_.drops += since_last->drops;
    }
  }

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
  std::shared_ptr<FanoutGroup> group_;
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
  std::shared_ptr<FanoutGroup> group;
  if (receiving_sockets(order) > 1) group = std::make_shared<FanoutGroup>(order.receiver.fanout);
  return make_blocking_receiver(
      order, place, FrameConsumer::packet_ring, "receiver packet ring",
      arrival_sources(order, [&](int) { return std::make_unique<PacketMmap>(shape, group); }));
}

}  // namespace pollmark
