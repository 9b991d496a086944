#include "kernel/udp_socket.h"

#include <fmt/format.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/line_rate.h"
#include "base/tsc.h"
#include "kernel/blocking_receiver.h"
#include "kernel/socket.h"

namespace pollmark {
namespace {

constexpr std::size_t kBatch = 64;
constexpr std::int64_t kHeaderBytes = 14 + 20 + 8;

struct SocketMemory {
  std::uint32_t queued_bytes = 0;
  std::uint32_t buffer_bytes = 0;
  std::uint32_t drops = 0;
};

std::optional<SocketMemory> socket_memory(int fd) {
  std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
  socklen_t size = sizeof values;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values.data(), &size) != 0 ||
      size < (SK_MEMINFO_DROPS + 1) * sizeof values[0]) {
    return std::nullopt;
  }
  return SocketMemory{.queued_bytes = values[SK_MEMINFO_RMEM_ALLOC],
                      .buffer_bytes = values[SK_MEMINFO_RCVBUF],
                      .drops = values[SK_MEMINFO_DROPS]};
}

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
  explicit UdpSocket(std::int64_t buffer_bytes) : asked_buffer_bytes_(buffer_bytes) {}

  Result<void> open(const NetdevPlace& place) override {
    batch_.emplace(static_cast<std::size_t>(place.mtu));
    const auto of_device = [&](auto outcome) {
      if (!outcome)
        outcome.error().where = fmt::format("{} {}", place.netdev, outcome.error().where);
      return outcome;
    };
    PM_TRY(socket_, of_device(Socket::open(SOCK_DGRAM)));
    PM_TRYV(of_device(set_buffer()));
    PM_TRYV(of_device(socket_.set_receive_timeout(std::int64_t{kWakeUpMs} * 1'000'000)));
    return of_device(socket_.bind(place.frames_to_ipv4, place.frames_to_port));
  }

  Result<void> take(ReceivedFrames& frames) override {
    const int got = batch_->receive(socket_.fd());
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
    Knob knob;
    knob.requested = asked_buffer_bytes_ > 0 ? fmt::format("{}", asked_buffer_bytes_) : "default";
    if (const auto memory = socket_memory(socket_.fd())) {
      // The kernel keeps twice what was asked for: its own book-keeping counts too (socket(7)).
      const std::int64_t effective = memory->buffer_bytes / 2;
      knob.effective = fmt::format("{}", effective);
      knob.state = asked_buffer_bytes_ <= 0 || asked_buffer_bytes_ == effective
                       ? KnobState::confirmed
                       : KnobState::differs;
      knob.exercised = most_queued_bytes_ > 0;
      if (knob.exercised) {
        knob.evidence = fmt::format("held up to {} of {} bytes incl. overhead, {} frames dropped",
                                    most_queued_bytes_, memory->buffer_bytes, memory->drops);
      }
    }
    knobs["socket_buffer"] = std::move(knob);
  }

 private:
  Result<void> set_buffer() const {
    if (asked_buffer_bytes_ <= 0) return {};
    const auto bytes = static_cast<int>(std::min<std::int64_t>(asked_buffer_bytes_, 1 << 30));
    // FORCE: not capped by rmem_max, which a namespace cannot change.
    return socket_.set(SOL_SOCKET, SO_RCVBUFFORCE, bytes, "SO_RCVBUFFORCE");
  }

  void look_at_queue() {
    if (const auto memory = socket_memory(socket_.fd())) {
      most_queued_bytes_ = std::max(most_queued_bytes_, memory->queued_bytes);
    }
  }

  std::int64_t asked_buffer_bytes_;
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
                                std::make_unique<UdpSocket>(order.receiver.socket_buffer_bytes));
}

}  // namespace pollmark
