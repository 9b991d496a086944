#include "kernel/udp_socket.h"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/line_rate.h"
#include "base/tsc.h"
#include "base/units.h"
#include "kernel/blocking_receiver.h"
#include "kernel/busy_poll.h"
#include "kernel/joined_datagrams.h"
#include "kernel/socket.h"

namespace pollmark {
namespace {

constexpr std::size_t kBatch = 64;
constexpr std::int64_t kHeaderBytes = 14 + 20 + 8;

std::int64_t frame_bytes_of(std::size_t payload_bytes) {
  return std::max<std::int64_t>(static_cast<std::int64_t>(payload_bytes) + kHeaderBytes + kFcsBytes,
                                kMinFrameBytes);
}

// The most that one receive gives where datagrams come joined.
constexpr std::size_t kJoinedBytes = 65'536;

// Buffers for one recvmmsg.
class Batch {
 public:
  // control_bytes: of what the kernel tells beside each datagram.
  Batch(std::size_t bytes_each, std::size_t control_bytes)
      : bytes_each_(bytes_each),
        control_bytes_(control_bytes),
        memory_(kBatch * bytes_each),
        control_(kBatch * control_bytes),
        vectors_(kBatch),
        headers_(kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors_[i] = {memory_.data() + i * bytes_each_, bytes_each_};
      headers_[i].msg_hdr.msg_iov = &vectors_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
      if (control_bytes_ > 0) headers_[i].msg_hdr.msg_control = control_.data() + i * control_bytes;
    }
  }
  int receive(int fd) {
    if (control_bytes_ > 0) {
      for (mmsghdr& header : headers_) header.msg_hdr.msg_controllen = control_bytes_;
    }
    return recvmmsg(fd, headers_.data(), kBatch, MSG_WAITFORONE, nullptr);
  }
  [[nodiscard]] const std::uint8_t* payload(std::size_t i) const {
    return memory_.data() + i * bytes_each_;
  }
  [[nodiscard]] std::size_t bytes(std::size_t i) const { return headers_[i].msg_len; }
  [[nodiscard]] std::size_t joined_bytes(std::size_t i) {
    return control_bytes_ > 0 ? joined_datagram_bytes(headers_[i].msg_hdr) : 0;
  }

 private:
  std::size_t bytes_each_;
  std::size_t control_bytes_;
  std::vector<std::uint8_t> memory_;
  std::vector<std::uint8_t> control_;
  std::vector<iovec> vectors_;
  std::vector<mmsghdr> headers_;
};

class UdpSocket final : public ArrivalSource {
 public:
  explicit UdpSocket(const ReceiverOrder& order)
      : asked_buffer_bytes_(order.socket_buffer_bytes),
        joined_(order.udp_gro),
        shares_port_(order.queues > 1),
        busy_poll_(order.socket_busy_poll_ns) {}

  Result<void> open(const NetdevPlace& place) override {
    batch_.emplace(joined_ ? kJoinedBytes : static_cast<std::size_t>(place.mtu),
                   joined_ ? CMSG_SPACE(sizeof(int)) : 0);
    PM_TRY(socket_, Socket::open(SOCK_DGRAM));
    PM_TRYV(socket_.set_receive_buffer(asked_buffer_bytes_));
    PM_TRYV(busy_poll_.ask(socket_.fd()));
    if (joined_) PM_TRYV(socket_.set(IPPROTO_UDP, UDP_GRO, 1, "UDP_GRO"));
    if (shares_port_) PM_TRYV(socket_.set(SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT"));
    PM_TRYV(socket_.set_receive_timeout(std::int64_t{kWakeUpMs} * 1'000'000));
    return socket_.bind(place.frames_to_ipv4, place.frames_to_port);
  }

  Result<void> take(ReceivedFrames& frames) override {
    const int got = batch_->receive(socket_.fd());
    frames.count_call();
    const std::uint64_t now = tsc_now();
    if (got < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {};
      return fail(Errc::host_cannot, std::strerror(errno), "recvmmsg");
    }
    const auto count = static_cast<std::size_t>(got);
    std::int64_t datagrams = 0;
    for (std::size_t i = 0; i < count; ++i) {
      datagrams += cut_datagrams(batch_->payload(i), batch_->bytes(i), batch_->joined_bytes(i),
                                 [&](const std::uint8_t* payload, std::size_t bytes) {
                                   frames.take(payload, bytes, frame_bytes_of(bytes), now);
                                 });
    }
    receives_ += got;
    datagrams_ += datagrams;
    if (count == kBatch || most_queued_bytes_ == 0) look_at_queue();
    frames.after_batch(datagrams, now);
    return {};
  }

  bool has_waiting() const override {
    int waiting_bytes = 0;
    return ioctl(socket_.fd(), SIOCINQ, &waiting_bytes) == 0 && waiting_bytes > 0;
  }

  void add_counters(CounterSnapshot& snapshot, std::string_view which) override {
    busy_poll_.look(snapshot);
    if (const auto memory = socket_memory(socket_.fd())) {
      CounterFacts facts{
          .layer = "socket", .scope = "socket", .role = CounterRole::owner, .bits = 32};
      if (joined_) {
        facts.unit = "super_packets";
        facts.role = CounterRole::echo;
      }
      put_counter(snapshot, fmt::format("receiver.socket{}.drops", which), memory->drops, facts);
    }
  }

  void add_knobs(std::map<std::string, Knob>& knobs) const override {
    const auto memory = socket_memory(socket_.fd());
    Knob knob = socket_buffer_knob(asked_buffer_bytes_, memory, most_queued_bytes_);
    if (knob.exercised) knob.evidence += fmt::format(", {} frames dropped", memory->drops);
    knobs["socket_buffer"] = std::move(knob);
    knobs["udp_gro"] = gro_knob();
    busy_poll_.add_knob(knobs);
  }

  // Of what came joined at least so many.
  std::int64_t dropped_pkts() override {
    const auto memory = socket_memory(socket_.fd());
    return memory ? memory->drops : 0;
  }

 private:
  void look_at_queue() {
    if (const auto memory = socket_memory(socket_.fd())) {
      most_queued_bytes_ = std::max(most_queued_bytes_, memory->queued_bytes);
    }
  }

  Knob gro_knob() const {
    int on = 0;
    socklen_t bytes = sizeof on;
    Knob knob;
    knob.requested = joined_ ? "true" : "false";
    if (getsockopt(socket_.fd(), IPPROTO_UDP, UDP_GRO, &on, &bytes) == 0) {
      knob.effective = on != 0 ? "true" : "false";
      knob.state = (on != 0) == joined_ ? KnobState::confirmed : KnobState::differs;
    }
    if (!joined_) {
      knob.exercised = true;
      knob.evidence = "off";
    } else if (datagrams_ > receives_) {
      knob.exercised = true;
      knob.evidence =
          fmt::format("{} datagrams came in {}", grouped(datagrams_), grouped(receives_));
    } else {
      knob.evidence = "no two datagrams came joined (a veth joins only with gro on)";
    }
    return knob;
  }

  std::int64_t asked_buffer_bytes_;
  bool joined_;
  bool shares_port_;
  BusyPoll busy_poll_;
  Socket socket_;
  // Thread: rw while it runs, wo the others; control: ro after join.
  std::optional<Batch> batch_;
  std::uint32_t most_queued_bytes_ = 0;
  std::int64_t receives_ = 0;
  std::int64_t datagrams_ = 0;
};

}  // namespace

Result<std::unique_ptr<Receiver>> make_udp_socket_receiver(const TrialOrder& order,
                                                           const NetdevPlace& place) {
  if (order.traffic.kind != TrafficKind::udp) {
    return fail(Errc::bad_experiment, "path udp_socket: traffic kind udp only");
  }
  return make_blocking_receiver(order, place, FrameConsumer::udp_socket, "receiver socket",
                                arrival_sources(order, [&](int /*number*/) {
                                  return std::make_unique<UdpSocket>(order.receiver);
                                }));
}

}  // namespace pollmark
