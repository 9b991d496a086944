#include "kernel/frame_tap.h"

#include <fmt/format.h>
#include <linux/if_ether.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "base/units.h"
#include "host/packet_socket.h"
#include "plan/capture_filter.h"
#include "record/pcapng.h"

namespace pollmark {
namespace {

constexpr std::size_t kTapBlockBytes = 256 << 10;  // the longest snaplen fits twice
// A block that a trickle does not fill is handed over when it is so old, and a little later than
// that everything is. The longer, the less of the ring a trickle takes: 64 MiB last for 50 s.
constexpr unsigned kTapHandOverMs = 200;
constexpr auto kSettleAtMost = std::chrono::milliseconds(2 * kTapHandOverMs + 100);
constexpr std::size_t kWriteBytes = 1 << 20;  // at once
constexpr std::size_t kMacPairBytes = 12;     // in front of a VLAN tag
constexpr std::size_t kVlanTagBytes = 4;

BlockRingShape tap_ring(std::int64_t limit_bytes) {
  return {
      .blocks = static_cast<std::uint32_t>(static_cast<std::size_t>(limit_bytes) / kTapBlockBytes),
      .block_bytes = kTapBlockBytes,
      .slot_bytes = 2048,
      .hand_over_ms = kTapHandOverMs};
}

pcapng::Reception reception_of(unsigned packet_type) {
  switch (packet_type) {
    case PACKET_HOST:
      return pcapng::Reception::unicast;
    case PACKET_BROADCAST:
      return pcapng::Reception::broadcast;
    case PACKET_MULTICAST:
      return pcapng::Reception::multicast;
    case PACKET_OTHERHOST:
      return pcapng::Reception::promiscuous;
    default:
      return pcapng::Reception::unknown;
  }
}

// The address stands behind the header.
pcapng::Packet packet_of(const tpacket3_hdr& frame) {
  sockaddr_ll address{};
  std::memcpy(&address,
              static_cast<const std::uint8_t*>(static_cast<const void*>(&frame)) +
                  TPACKET_ALIGN(int{sizeof frame}),
              sizeof address);
  pcapng::Packet packet;
  packet.time_ns = std::int64_t{frame.tp_sec} * 1'000'000'000 + frame.tp_nsec;
  packet.original_bytes = frame.tp_len;
  const bool leaving = address.sll_pkttype == PACKET_OUTGOING;
  packet.passage = leaving ? pcapng::Passage::leaving : pcapng::Passage::arriving;
  packet.reception = reception_of(address.sll_pkttype);
  return packet;
}

// The kernel keeps a received frame's outer VLAN tag beside it: it is put back where it was.
std::vector<std::uint8_t> with_tag(const tpacket3_hdr& frame) {
  const std::uint16_t type = (frame.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0
                                 ? frame.hv1.tp_vlan_tpid
                                 : std::uint16_t{ETH_P_8021Q};
  const std::uint32_t tci = frame.hv1.tp_vlan_tci;
  const std::uint8_t tag[kVlanTagBytes] = {
      static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type),
      static_cast<std::uint8_t>(tci >> 8), static_cast<std::uint8_t>(tci)};
  std::vector<std::uint8_t> bytes(bytes_of(frame), bytes_of(frame) + frame.tp_snaplen);
  bytes.insert(bytes.begin() + kMacPairBytes, tag, tag + kVlanTagBytes);
  return bytes;
}

void append_frame(std::string& out, const tpacket3_hdr& frame, std::uint64_t lost_before,
                  std::size_t snaplen_bytes) {
  pcapng::Packet packet = packet_of(frame);
  if (lost_before > 0) packet.lost_before = lost_before;
  if ((frame.tp_status & TP_STATUS_VLAN_VALID) == 0 || frame.tp_snaplen < kMacPairBytes)
    return pcapng::append_packet(out, packet, {bytes_of(frame), frame.tp_snaplen});
  packet.original_bytes += kVlanTagBytes;
  std::vector<std::uint8_t> bytes = with_tag(frame);
  bytes.resize(std::min(bytes.size(), snaplen_bytes));
  pcapng::append_packet(out, packet, bytes);
}

// Appends to a file; after the first failure it writes nothing more.
class CaptureFile {
 public:
  explicit CaptureFile(int fd) : fd_(fd) {}
  [[nodiscard]] std::string& pending() { return pending_; }
  void flush_if_large() {
    if (pending_.size() >= kWriteBytes) flush();
  }
  void flush() {
    for (std::size_t at = 0; error_ == 0 && at < pending_.size();) {
      const ssize_t wrote = ::write(fd_, pending_.data() + at, pending_.size() - at);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) {
        error_ = errno;
        break;
      }
      at += static_cast<std::size_t>(wrote);
      bytes_ += wrote;
    }
    pending_.clear();
  }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  // Why it is not whole; empty: it is.
  [[nodiscard]] std::string failure() const {
    return error_ == 0 ? "" : fmt::format("cannot be written: {}", std::strerror(error_));
  }

 private:
  int fd_;
  int error_ = 0;
  std::int64_t bytes_ = 0;
  std::string pending_;
};

std::int64_t epoch_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string what_is_missing(const TapAccount& account, std::int64_t limit_bytes) {
  return fmt::format(
      "{} frames passed over before the trigger, {} not captured, {} beyond the limit of {}",
      account.passed_over_pkts, account.not_captured_pkts, account.beyond_limit_pkts,
      bytes_text(limit_bytes));
}

}  // namespace

FrameTap::FrameTap(const TapOrder& order, CaptureAt at, NetdevPlace place)
    : order_(order), place_(std::move(place)), ring_(tap_ring(order.limit_bytes)) {
  account_.at = at;
  account_.netdev = place_.netdev;
  account_.filter = order.filter;
}

Result<void> FrameTap::open() {
  PM_TRY(auto filter, compile_capture_filter(order_.filter, order_.snaplen_bytes));
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(place_.netns_fd));
  PM_TRYV(ring_.open());
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  PM_TRYV(ring_.socket().set(SOL_SOCKET, SO_ATTACH_FILTER, program, "capture filter"));
  started_ns_ = epoch_ns();
  return ring_.bind(place_.netdev);
}

std::uint32_t FrameTap::waiting_blocks() const {
  std::uint32_t waiting = 0;
  while (waiting < ring_.shape().blocks && ring_.has_waiting(waiting)) ++waiting;
  return waiting;
}

// Frames are lost when every block is full: between those blocks and the one that is filled next.
void FrameTap::look_at_statistics() {
  const auto since_last = take_packet_statistics(ring_.socket().fd());
  if (!since_last) return;
  accepted_pkts_ += since_last->packets;
  dropped_pkts_ += since_last->drops;
  if (since_last->drops > 0)
    losses_.push_back({given_back_ + ring_.shape().blocks, since_last->drops});
}

void FrameTap::pass_over() {
  look_at_statistics();
  for (std::uint32_t held = waiting_blocks(); held > ring_.shape().blocks / 2; --held) {
    account_.passed_over_pkts += ring_.next().count();
    ring_.give_back();
    ++given_back_;
  }
}

void FrameTap::keep() {
  pass_over();
  account_.not_captured_pkts = static_cast<std::int64_t>(dropped_pkts_);
}

// The last block is handed over when it is old enough: then there are as many frames as the kernel
// counted.
void FrameTap::settle() {
  (void)take_no_frames(ring_.socket().fd());
  const auto give_up = std::chrono::steady_clock::now() + kSettleAtMost;
  for (;;) {
    look_at_statistics();
    std::uint64_t pkts = static_cast<std::uint64_t>(account_.passed_over_pkts) + dropped_pkts_;
    for (std::uint32_t ahead = 0; ahead < waiting_blocks(); ++ahead)
      pkts += ring_.next(ahead).count();
    if (pkts >= accepted_pkts_ || std::chrono::steady_clock::now() > give_up) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  look_at_statistics();  // a frame may have come between the two
}

std::uint64_t FrameTap::take_losses_before_next_block() {
  std::uint64_t pkts = 0;
  for (; !losses_.empty() && losses_.front().before_block <= given_back_; losses_.pop_front())
    pkts += losses_.front().pkts;
  return pkts;
}

void FrameTap::write(int file_fd, std::string_view comment) {
  settle();
  account_.beyond_limit_pkts =
      static_cast<std::int64_t>(dropped_pkts_) - account_.not_captured_pkts;
  CaptureFile file(file_fd);
  file.pending() = pcapng::section_header("pollmark", comment) +
                   pcapng::interface_description(
                       {.name = place_.netdev,
                        .description = name_of(account_.at),
                        .filter = order_.filter,
                        .snaplen_bytes = static_cast<std::uint32_t>(order_.snaplen_bytes)});
  for (; ring_.has_waiting(); ++given_back_) {
    std::uint64_t lost_before = take_losses_before_next_block();
    for (const tpacket3_hdr& frame : ring_.next()) {
      append_frame(file.pending(), frame, std::exchange(lost_before, 0),
                   static_cast<std::size_t>(order_.snaplen_bytes));
      file.flush_if_large();
      ++account_.written_pkts;
    }
    ring_.give_back();
  }
  // That the kernel did not hand over in time.
  const std::int64_t left =
      std::max<std::int64_t>(0, static_cast<std::int64_t>(accepted_pkts_ - dropped_pkts_) -
                                    account_.passed_over_pkts - account_.written_pkts);
  account_.not_captured_pkts += left;
  const std::string missing = what_is_missing(account_, order_.limit_bytes);
  file.pending() += pcapng::interface_statistics(
      {.start_ns = started_ns_,
       .end_ns = epoch_ns(),
       .dropped_pkts = dropped_pkts_ + static_cast<std::uint64_t>(left),
       .accepted_pkts = accepted_pkts_,
       .delivered_pkts = static_cast<std::uint64_t>(account_.written_pkts),
       .comment = missing});
  file.flush();
  account_.file_bytes = file.bytes();
  account_.failure = file.failure();
}

void FrameTap::discard() {
  settle();
  account_.not_captured_pkts = static_cast<std::int64_t>(dropped_pkts_);
  account_.passed_over_pkts = static_cast<std::int64_t>(accepted_pkts_ - dropped_pkts_);
}

}  // namespace pollmark
