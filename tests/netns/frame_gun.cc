#include "frame_gun.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "base/tsc.h"
#include "host/kernel_counters.h"
#include "host/netlink.h"

namespace pollmark {
namespace {

constexpr std::size_t kIp = 14;
constexpr std::size_t kUdp = 34;
constexpr std::size_t kPayload = 42;

template <typename T>
void put(FrameBytes& frame, std::size_t at, T value) {
  std::memcpy(frame.data() + at, &value, sizeof value);
}
void put16(FrameBytes& frame, std::size_t at, std::size_t value) {
  put(frame, at, htons(static_cast<std::uint16_t>(value)));
}

std::uint32_t sum_of(const FrameBytes& frame, std::size_t from, std::size_t to) {
  std::uint32_t sum = 0;
  for (std::size_t at = from; at < to; at += 2) {
    sum += static_cast<std::uint32_t>(frame[at]) << 8;
    if (at + 1 < to) sum += frame[at + 1];
  }
  return sum;
}
std::size_t folded(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffffU) + (sum >> 16);
  return ~sum & 0xffffU;
}

}  // namespace

void repair_checksums(FrameBytes& frame) {
  put16(frame, kIp + 10, 0);
  put16(frame, kIp + 10, folded(sum_of(frame, kIp, kUdp)));
  put16(frame, kUdp + 6, 0);
  const std::size_t length = frame.size() - kUdp;
  const std::size_t sum = folded(sum_of(frame, kUdp, frame.size()) + sum_of(frame, kIp + 12, kUdp) +
                                 17U + static_cast<std::uint32_t>(length));
  put16(frame, kUdp + 6, sum == 0 ? 0xffff : sum);
}

FrameBytes stamped_frame(const NetdevPlace& place, std::uint8_t epoch, std::uint16_t flow,
                         std::uint32_t sequence, std::size_t bytes_without_fcs) {
  FrameBytes frame(bytes_without_fcs);
  std::memcpy(frame.data(), place.frames_to_mac.data(), 6);
  std::memcpy(frame.data() + 6, place.mac.data(), 6);
  put16(frame, 12, 0x0800);
  frame[kIp] = 0x45;
  put16(frame, kIp + 2, bytes_without_fcs - kIp);
  frame[kIp + 8] = 64;
  frame[kIp + 9] = 17;
  put(frame, kIp + 12, htonl(0xC6130001U + flow));  // 198.19.x.y
  put(frame, kIp + 16, htonl(place.frames_to_ipv4));
  put16(frame, kUdp, 1024U + flow % 60000U);
  put16(frame, kUdp + 2, place.frames_to_port);
  put16(frame, kUdp + 4, bytes_without_fcs - kUdp);
  frame[kPayload] = 0xB7;
  frame[kPayload + 1] = epoch;
  put(frame, kPayload + 2, flow);
  put(frame, kPayload + 4, sequence);
  put(frame, kPayload + 8, tsc_now());
  repair_checksums(frame);
  return frame;
}

FrameGun::FrameGun(GunOrder order, NetdevPlace place)
    : order_(std::move(order)), place_(std::move(place)) {}

FrameGun::~FrameGun() {
  if (fd_ >= 0) close(fd_);
}

Result<void> FrameGun::open() {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(place_.netns_fd));
  fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = static_cast<int>(if_nametoindex(place_.netdev.c_str()));
  if (fd_ < 0 || bind(fd_, static_cast<const sockaddr*>(static_cast<const void*>(&address)),
                      sizeof address) != 0) {
    return fail(Errc::host_cannot, std::strerror(errno), "frame gun");
  }
  const int bypass = order_.around_qdisc ? 1 : 0;
  // Never waits for frames that wait themselves.
  constexpr int kRoomyBytes = 64 << 20;
  if (setsockopt(fd_, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof bypass) != 0 ||
      setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &kRoomyBytes, sizeof kRoomyBytes) != 0) {
    return fail(Errc::host_cannot, std::strerror(errno), "frame gun");
  }
  return {};
}

Result<CounterSnapshot> FrameGun::read_counters() {
  PM_TRY(CounterSnapshot snapshot, read_sender_counters(place_));
  put_counter(snapshot, "sender.port.accepted_pkts", static_cast<std::uint64_t>(accepted_pkts_),
              {});
  put_counter(snapshot, "sender.port.warmup_pkts", static_cast<std::uint64_t>(warmup_pkts_), {});
  return snapshot;
}

Result<SenderAccount> FrameGun::join() {
  using Clock = std::chrono::steady_clock;
  SenderAccount account;
  account.sent_per_flow.assign(order_.flows, 0);
  auto next = Clock::now();
  const auto wait_for_turn = [&] {
    if (order_.pps <= 0) return;
    while (Clock::now() < next) {
    }
    next += std::chrono::nanoseconds(1'000'000'000 / order_.pps);
  };
  for (std::int64_t i = 0; i < order_.warmup_frames; ++i) {
    wait_for_turn();
    FrameBytes frame = stamped_frame(place_, static_cast<std::uint8_t>(order_.epoch + 100), 0,
                                     static_cast<std::uint32_t>(i), order_.bytes_without_fcs);
    if (order_.spoil_warmup) order_.spoil_warmup(frame, i);
    if (send(fd_, frame.data(), frame.size(), 0) > 0) ++warmup_pkts_;
  }
  const auto begin = Clock::now();
  for (std::int64_t i = 0; i < order_.frames; ++i) {
    if (order_.before) order_.before(i);
    wait_for_turn();
    const auto flow = static_cast<std::uint16_t>(i % order_.flows);
    FrameBytes frame = stamped_frame(place_, order_.epoch, flow, account.sent_per_flow[flow],
                                     order_.bytes_without_fcs);
    if (order_.spoil) order_.spoil(frame, i);
    ++account.intended_pkts;
    const int times = order_.times ? order_.times(i) : 1;
    for (int k = 0; k < times; ++k) {
      const bool sent = send(fd_, frame.data(), frame.size(), 0) > 0;
      // A refusal (ENOBUFS) is a drop that the device or qdisc counts: offered all the same.
      if (!sent && errno != ENOBUFS) return fail(Errc::host_cannot, std::strerror(errno), "send");
      ++accepted_pkts_;
    }
    ++account.offered_pkts;
    account.offered_bytes += static_cast<std::int64_t>(frame.size() + 4);
    ++account.sent_per_flow[flow];
  }
  accepted_pkts_ += warmup_pkts_;
  account.window_seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return account;
}

}  // namespace pollmark
