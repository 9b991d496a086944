#include "kernel/packet_mmap.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/line_rate.h"
#include "base/tsc.h"
#include "host/packet_socket.h"
#include "kernel/blocking_receiver.h"
#include "kernel/frame_payload.h"
#include "kernel/socket.h"

namespace pollmark {
namespace {

constexpr unsigned kRetireMs = 1;      // the kernel's least
constexpr unsigned kSlotBytes = 2048;  // only asked for: V3 packs frames of any size into a block
constexpr std::uint32_t kFramesPerClock = 64;

class PacketMmap final : public ArrivalSource {
 public:
  PacketMmap(int blocks, std::int64_t block_bytes)
      : blocks_(static_cast<std::uint32_t>(blocks)),
        block_bytes_(static_cast<std::size_t>(block_bytes)) {}
  ~PacketMmap() override {
    if (memory_ != nullptr) munmap(memory_, blocks_ * block_bytes_);
  }
  PacketMmap(const PacketMmap&) = delete;
  PacketMmap& operator=(const PacketMmap&) = delete;

  Result<void> open(const NetdevPlace& place) override {
    // Bound to nothing until the ring is there: no frame before it.
    socket_ = Socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (socket_.fd() < 0) return refused("AF_PACKET socket");
    PM_TRYV(socket_.set(SOL_PACKET, PACKET_VERSION, int{TPACKET_V3}, "TPACKET_V3"));
    // What the sender of the way back puts on the same device is none of this ring's.
    PM_TRYV(socket_.set(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1, "PACKET_IGNORE_OUTGOING"));
    tpacket_req3 ring{};
    ring.tp_block_size = static_cast<unsigned>(block_bytes_);
    ring.tp_block_nr = blocks_;
    ring.tp_frame_size = kSlotBytes;
    ring.tp_frame_nr = static_cast<unsigned>(blocks_ * block_bytes_ / kSlotBytes);
    ring.tp_retire_blk_tov = kRetireMs;
    PM_TRYV(socket_.set(SOL_PACKET, PACKET_RX_RING, ring,
                        fmt::format("ring of {} blocks of {} bytes", blocks_, block_bytes_)));
    // The kernel maps a ring of exactly its size, or nothing: this reads the size back.
    void* memory = mmap(nullptr, blocks_ * block_bytes_, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_POPULATE, socket_.fd(), 0);
    if (memory == MAP_FAILED) return refused("mapping of its ring");
    memory_ = static_cast<std::uint8_t*>(memory);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex(place.netdev.c_str()));
    if (bind(socket_.fd(), static_cast<const sockaddr*>(static_cast<const void*>(&address)),
             sizeof address) != 0) {
      return refused("bind");
    }
    return {};
  }

  Result<void> take(ReceivedFrames& frames) override {
    if (!has_waiting()) {
      pollfd wait{.fd = socket_.fd(), .events = POLLIN | POLLERR, .revents = 0};
      if (poll(&wait, 1, kWakeUpMs) > 0 && (wait.revents & POLLERR) != 0) return device_error();
      if (!has_waiting()) return {};
    }
    const std::uint32_t at = next_.load(std::memory_order_relaxed);
    take_block(header_of(at), frames);
    // With the one in hand, which may have been held for a while.
    while (most_filled_ < blocks_ && is_filled((at + most_filled_) % blocks_)) ++most_filled_;
    std::atomic_ref(header_of(at).block_status).store(TP_STATUS_KERNEL, std::memory_order_release);
    next_.store((at + 1) % blocks_, std::memory_order_relaxed);
    return {};
  }

  bool has_waiting() const override { return is_filled(next_.load(std::memory_order_relaxed)); }

  void add_counters(CounterSnapshot& snapshot) override {
    if (const auto since_last = take_packet_statistics(socket_.fd())) {
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
      knob.evidence = fmt::format("up to {} of {} blocks held frames at once, {} frames dropped",
                                  most_filled_, blocks_, total_.drops);
    }
    knob.requested = knob.effective = fmt::format("{}", blocks_);
    knobs["packet_blocks"] = knob;
    knob.requested = knob.effective = fmt::format("{}", block_bytes_);
    knobs["packet_block"] = std::move(knob);
  }

 private:
  static Result<void> refused(const char* what) {
    return fail(Errc::host_cannot, std::strerror(errno), what);
  }

  Result<void> device_error() const {
    const int error = socket_.pending_error();
    if (error == 0) return {};
    return fail(Errc::host_cannot, std::strerror(error), "AF_PACKET socket");
  }

  // Blocks are filled in order: where this one is not to be taken yet, none behind it is.
  bool is_filled(std::uint32_t block) const {
    auto& status = const_cast<__u32&>(header_of(block).block_status);
    return (std::atomic_ref(status).load(std::memory_order_acquire) & TP_STATUS_USER) != 0;
  }

  tpacket_hdr_v1& header_of(std::uint32_t block) const {
    auto* description = static_cast<tpacket_block_desc*>(
        static_cast<void*>(memory_ + std::size_t{block} * block_bytes_));
    return description->hdr.bh1;
  }

  static void take_block(const tpacket_hdr_v1& header, ReceivedFrames& frames) {
    const std::uint32_t count = header.num_pkts;
    const auto* at = static_cast<const std::uint8_t*>(static_cast<const void*>(&header)) -
                     offsetof(tpacket_block_desc, hdr) + header.offset_to_first_pkt;
    std::uint64_t now = tsc_now();
    for (std::uint32_t i = 0; i < count; ++i) {
      if (i % kFramesPerClock == 0) now = tsc_now();
      const auto& frame = *static_cast<const tpacket3_hdr*>(static_cast<const void*>(at));
      take_frame({at + frame.tp_mac, frame.tp_snaplen}, frame.tp_len, now, frames);
      at += frame.tp_next_offset;
    }
    frames.after_batch(count, now);
  }

  static void take_frame(std::span<const std::uint8_t> bytes, std::uint32_t frame_bytes,
                         std::uint64_t now, ReceivedFrames& frames) {
    const auto payload = frame_payload(bytes);
    if (!payload) {
      frames.take_foreign();
      return;
    }
    frames.take(payload->data(), payload->size(),
                std::max<std::int64_t>(std::int64_t{frame_bytes} + kFcsBytes, kMinFrameBytes), now);
  }

  std::uint32_t blocks_;
  std::size_t block_bytes_;
  Socket socket_;
  std::uint8_t* memory_ = nullptr;
  std::atomic<std::uint32_t> next_{0};  // block that is taken next. Thread: wo; control: ro
  std::uint32_t most_filled_ = 0;       // blocks at once. Thread: wo; control: ro after join
  PacketStatistics total_;              // control
};

}  // namespace

Result<std::unique_ptr<Receiver>> make_packet_mmap_receiver(const TrialOrder& order,
                                                            const NetdevPlace& place) {
  return make_blocking_receiver(order, place, FrameConsumer::packet_ring, "receiver packet ring",
                                std::make_unique<PacketMmap>(order.receiver.packet_blocks,
                                                             order.receiver.packet_block_bytes));
}

}  // namespace pollmark
