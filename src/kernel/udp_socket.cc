#include "kernel/udp_socket.h"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/line_rate.h"
#include "base/tsc.h"
#include "kernel/blocking_receiver.h"
#include "kernel/busy_poll.h"
#include "kernel/socket.h"

namespace pollmark {
namespace {

constexpr std::size_t kBatch = 64;
constexpr std::int64_t kHeaderBytes = 14 + 20 + 8;

std::int64_t frame_bytes_of(std::size_t payload_bytes) {
  return std::max<std::int64_t>(static_cast<std::int64_t>(payload_bytes) + kHeaderBytes + kFcsBytes,
                                kMinFrameBytes);
}

// Buffers for one recvmmsg.
class Batch {
 public:
  explicit Batch(std::size_t bytes_each)
      : bytes_each_(bytes_each), memory_(kBatch * bytes_each), vectors_(kBatch), headers_(kBatch) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors_[i] = {memory_.data() + i * bytes_each_, bytes_each_};
      headers_[i].msg_hdr.msg_iov = &vectors_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  int receive(int fd) { return recvmmsg(fd, headers_.data(), kBatch, MSG_WAITFORONE, nullptr); }
  [[nodiscard]] const std::uint8_t* payload(std::size_t i) const {
    return memory_.data() + i * bytes_each_;
  }
  [[nodiscard]] std::size_t bytes(std::size_t i) const { return headers_[i].msg_len; }

 private:
  std::size_t bytes_each_;
  std::vector<std::uint8_t> memory_;
  std::vector<iovec> vectors_;
  std::vector<mmsghdr> headers_;
};

class UdpSocket final : public ArrivalSource {
 public:
  explicit UdpSocket(const ReceiverOrder& order)
      : asked_buffer_bytes_(order.socket_buffer_bytes), busy_poll_(order.socket_busy_poll_ns) {}

  Result<void> open(const NetdevPlace& place) override {
    batch_.emplace(static_cast<std::size_t>(place.mtu));
    PM_TRY(socket_, Socket::open(SOCK_DGRAM));
    PM_TRYV(socket_.set_receive_buffer(asked_buffer_bytes_));
    PM_TRYV(busy_poll_.ask(socket_.fd()));
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
    for (std::size_t i = 0; i < count; ++i) {
      frames.take(batch_->payload(i), batch_->bytes(i), frame_bytes_of(batch_->bytes(i)), now);
    }
    if (count == kBatch || most_queued_bytes_ == 0) look_at_queue();
    frames.after_batch(got, now);
    return {};
  }

  bool has_waiting() const override {
    int waiting_bytes = 0;
    return ioctl(socket_.fd(), SIOCINQ, &waiting_bytes) == 0 && waiting_bytes > 0;
  }

  void add_counters(CounterSnapshot& snapshot) override {
    busy_poll_.look(snapshot);
    const auto memory = socket_memory(socket_.fd());
    if (!memory) return;
    CounterFacts facts;
    facts.layer = "socket";
    facts.scope = "socket";
    facts.role = CounterRole::owner;
    facts.bits = 32;
    put_counter(snapshot, "receiver.socket.drops", memory->drops, facts);
  }

  void add_knobs(std::map<std::string, Knob>& knobs) const override {
    const auto memory = socket_memory(socket_.fd());
    Knob knob = socket_buffer_knob(asked_buffer_bytes_, memory, most_queued_bytes_);
    if (knob.exercised) knob.evidence += fmt::format(", {} frames dropped", memory->drops);
    knobs["socket_buffer"] = std::move(knob);
    busy_poll_.add_knob(knobs);
  }

 private:
  void look_at_queue() {
    if (const auto memory = socket_memory(socket_.fd())) {
      most_queued_bytes_ = std::max(most_queued_bytes_, memory->queued_bytes);
    }
  }

  std::int64_t asked_buffer_bytes_;
  BusyPoll busy_poll_;
  Socket socket_;
  std::optional<Batch> batch_;           // thread: rw while it runs
  std::uint32_t most_queued_bytes_ = 0;  // thread: wo; control: ro after join
};

}  // namespace

Result<std::unique_ptr<Receiver>> make_udp_socket_receiver(const TrialOrder& order,
                                                           const NetdevPlace& place) {
  if (order.traffic.kind != TrafficKind::udp) {
    return fail(Errc::bad_experiment, "path udp_socket: traffic kind udp only");
  }
  return make_blocking_receiver(order, place, FrameConsumer::udp_socket, "receiver socket",
                                std::make_unique<UdpSocket>(order.receiver));
}

}  // namespace pollmark
