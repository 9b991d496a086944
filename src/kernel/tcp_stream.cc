#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/tsc.h"
#include "kernel/loop_parts.h"
#include "kernel/socket.h"
#include "kernel/tcp_socket.h"

namespace pollmark {
namespace {

constexpr std::size_t kReadBytes = std::size_t{128} << 10;
constexpr std::int64_t kCloseTimeoutNs = 2'000'000'000;
constexpr int kPollMs = 10;

std::vector<pollfd> polled(const std::vector<Socket>& sockets, short events) {
  std::vector<pollfd> list;
  for (const Socket& socket : sockets) list.push_back({socket.fd(), events, 0});
  return list;
}

void interrupt_all(const std::vector<Socket>& sockets) {
  for (const Socket& socket : sockets) shutdown(socket.fd(), SHUT_RDWR);
}

class StreamClient final : public LoopClient {
 public:
  StreamClient(const TrialOrder& order, const NetdevPlace& server)
      : order_(order),
        server_(server),
        message_(static_cast<std::size_t>(order.closed_loop.message_bytes), 0x5a) {}

  Result<void> open() override {
    for (int i = 0; i < order_.closed_loop.streams; ++i) {
      PM_TRY(Socket socket, make_tcp_socket(order_));
      PM_TRYV(socket.connect(server_.ipv4, server_.frames_to_port));
      PM_TRYV(socket.set_receive_timeout(kCloseTimeoutNs));
      sockets_.push_back(std::move(socket));
    }
    return {};
  }

  Result<void> run(WindowMeter& meter, const std::atomic<bool>& ending) override {
    std::vector<pollfd> ready = polled(sockets_, POLLOUT);
    const auto every = static_cast<std::uint64_t>(host_tsc().hz * 1e-9 *
                                                  static_cast<double>(TcpInfoLog::kEveryNs));
    std::uint64_t due = tsc_now();
    while (!ending.load(std::memory_order_relaxed)) {
      const std::uint64_t now = tsc_now();
      meter.look(now);
      if (meter.is_over()) break;
      if (now >= due) {
        for (const Socket& socket : sockets_) log_.sample(socket.fd());
        due = now + every;
      }
      if (!(sockets_.size() == 1 ? write(sockets_.front().fd(), 0) : write_round(ready))) break;
    }
    meter.finish();
    for (const Socket& socket : sockets_) shutdown(socket.fd(), SHUT_WR);
    for (const Socket& socket : sockets_) {
      // The server closes when it has read the last byte.
      std::uint8_t nothing = 0;
      (void)receive_all(socket.fd(), &nothing, 1);
      log_.close(socket.fd());
    }
    return {};
  }

  void interrupt() override { interrupt_all(sockets_); }
  ClosedLoopAccount account() override {
    ClosedLoopAccount account{.unit = ClosedLoopUnit::bytes, .sent = sent_bytes_};
    account.tcp = log_.account();
    return account;
  }
  std::optional<LatencyHistogram> round_trips() override { return std::nullopt; }
  std::map<std::string, Knob> knobs() override { return tcp_knobs(order_, sockets_.front()); }

 private:
  // False when the connection is gone.
  bool write(int fd, int flags) {
    const ssize_t sent = send(fd, message_.data(), message_.size(), MSG_NOSIGNAL | flags);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    sent_bytes_ += sent;
    return true;
  }
  bool write_round(std::vector<pollfd>& ready) {
    if (poll(ready.data(), ready.size(), kPollMs) < 0) return errno == EINTR;
    return std::ranges::all_of(ready, [this](const pollfd& one) {
      return one.revents == 0 || write(one.fd, MSG_DONTWAIT);
    });
  }

  const TrialOrder order_;
  const NetdevPlace server_;
  std::vector<Socket> sockets_;
  std::vector<std::uint8_t> message_;
  std::int64_t sent_bytes_ = 0;
  TcpInfoLog log_;
};

class StreamServer final : public LoopServer {
 public:
  StreamServer(const TrialOrder& order, const NetdevPlace& place)
      : order_(order), place_(place), pause_(order), read_(kReadBytes) {}

  Result<void> open() override {
    PM_TRY(listener_, make_tcp_listener(order_, place_, order_.closed_loop.streams));
    return {};
  }

  Result<void> run(WindowMeter& meter, const std::atomic<bool>& /*ending*/) override {
    for (int i = 0; i < order_.closed_loop.streams; ++i) {
      PM_TRY(Socket connection, accept_tcp(listener_));
      connections_.push_back(std::move(connection));
    }
    std::vector<pollfd> ready = polled(connections_, POLLIN);
    bool sound = true;
    while (sound && !ready.empty()) {
      if (ready.size() > 1 && poll(ready.data(), ready.size(), -1) < 0) {
        if (errno == EINTR) continue;
        break;
      }
      const bool alone = ready.size() == 1;
      for (pollfd& one : ready) {
        if (alone || one.revents != 0) sound = read(one, meter) && sound;
      }
      std::erase_if(ready, [](const pollfd& one) { return one.fd < 0; });
    }
    meter.finish();
    connections_.clear();
    if (sound) return {};
    return fail(Errc::host_cannot, std::strerror(read_error_), "recv");
  }

  void interrupt() override { shutdown(listener_.fd(), SHUT_RDWR); }
  ServingAccount account() override { return account_; }
  std::map<std::string, Knob> knobs() override { return queue_.knobs(order_); }

 private:
  // fd -1 from the end of the stream on. False on an error.
  bool read(pollfd& from, WindowMeter& meter) {
    queue_.look(from.fd);
    const ssize_t got = recv(from.fd, read_.data(), read_.size(), 0);
    if (got < 0) {
      if (errno == EINTR) return true;
      read_error_ = errno;
      return false;
    }
    if (got == 0) from.fd = -1;
    const std::uint64_t now = tsc_now();
    account_.served += got;
    if (meter.look(now)) account_.served_in_window += got;
    pause_.when_due(meter, now);
    return true;
  }

  const TrialOrder order_;
  const NetdevPlace place_;
  PlantedPause pause_;
  Socket listener_;
  std::vector<Socket> connections_;
  std::vector<std::uint8_t> read_;
  ReceiveQueueLog queue_;
  int read_error_ = 0;
  ServingAccount account_;
};

}  // namespace

LoopParts tcp_stream_parts(const TrialOrder& order, const NetdevPlace& server) {
  return {std::make_unique<StreamClient>(order, server),
          std::make_unique<StreamServer>(order, server)};
}

}  // namespace pollmark
