#include <fmt/format.h>
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

constexpr int kRoundMs = 10;
constexpr std::int64_t kAcceptLookNs = 10'000'000;
constexpr int kQueueLooks = 16;  // connections from one look at the listen queue to the next

std::uint64_t cycles_of(std::int64_t ns) {
  return static_cast<std::uint64_t>(host_tsc().hz * 1e-9 * static_cast<double>(ns));
}

// One connection on its way: connected, then asked byte by byte, then answered.
struct Attempt {
  Socket socket;
  std::uint64_t began = 0;  // TSC
  bool inside = false;      // began in the window
  std::size_t asked = 0;    // bytes
  std::size_t answered = 0;
};

class ConnectClient final : public LoopClient {
 public:
  ConnectClient(const TrialOrder& order, const NetdevPlace& server)
      : order_(order),
        server_(server),
        request_(static_cast<std::size_t>(order.closed_loop.message_bytes), 0x5a),
        answer_(static_cast<std::size_t>(response_bytes_of(order.closed_loop))),
        attempts_(static_cast<std::size_t>(order.closed_loop.streams)),
        ready_(attempts_.size()) {}

  Result<void> open() override {
    PM_TRY(const Socket sample, make_tcp_socket(order_));
    knobs_ = tcp_knobs(order_, sample);
    return {};
  }

  Result<void> run(WindowMeter& meter, const std::atomic<bool>& ending) override {
    bool under_way = true;
    while (under_way && !ending.load(std::memory_order_relaxed)) {
      const bool inside = meter.look(tsc_now());
      under_way = false;
      for (std::size_t i = 0; i < attempts_.size(); ++i) {
        if (attempts_[i].socket.fd() < 0 && !meter.is_over()) PM_TRYV(begin(i, inside));
        under_way = under_way || attempts_[i].socket.fd() >= 0 || !meter.is_over();
      }
      if (poll(ready_.data(), ready_.size(), kRoundMs) < 0) continue;
      const std::uint64_t now = tsc_now();
      for (std::size_t i = 0; i < attempts_.size(); ++i) go_on(i, now);
    }
    meter.finish();
    return {};
  }

  void interrupt() override {}  // it looks up every kRoundMs
  ClosedLoopAccount account() override { return account_; }
  std::optional<LatencyHistogram> round_trips() override { return round_trips_; }
  std::map<std::string, Knob> knobs() override { return knobs_; }

 private:
  Result<void> begin(std::size_t at, bool inside) {
    Attempt& attempt = attempts_[at];
    attempt = Attempt{};
    PM_TRY(attempt.socket, make_tcp_socket(order_));
    PM_TRYV(attempt.socket.set(SOL_SOCKET, SO_LINGER, linger{1, 0}, "SO_LINGER"));
    PM_TRYV(attempt.socket.set_nonblocking());
    attempt.inside = inside;
    attempt.began = tsc_now();
    ++account_.sent;
    ready_[at] = {attempt.socket.fd(), POLLOUT, 0};
    if (!attempt.socket.connect(server_.ipv4, server_.frames_to_port)) fail_for(at, errno);
    return {};
  }

  void go_on(std::size_t at, std::uint64_t now) {
    Attempt& attempt = attempts_[at];
    if (attempt.socket.fd() < 0) return;
    const short seen = ready_[at].revents;
    if (seen == 0) {
      if (now - attempt.began >= timeout_) end(at, "timed out");
      return;
    }
    if ((seen & (POLLERR | POLLHUP)) != 0) {
      if (const int error = attempt.socket.pending_error(); error != 0) return fail_for(at, error);
    }
    if (attempt.asked < request_.size()) {
      ask(at);
    } else {
      take_answer(at);
    }
  }

  void ask(std::size_t at) {
    Attempt& attempt = attempts_[at];
    const ssize_t sent = send(attempt.socket.fd(), request_.data() + attempt.asked,
                              request_.size() - attempt.asked, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR) fail_for(at, errno);
      return;
    }
    attempt.asked += static_cast<std::size_t>(sent);
    if (attempt.asked == request_.size()) ready_[at].events = POLLIN;
  }

  void take_answer(std::size_t at) {
    Attempt& attempt = attempts_[at];
    const ssize_t got =
        recv(attempt.socket.fd(), answer_.data(), answer_.size() - attempt.answered, 0);
    if (got < 0) {
      if (errno != EAGAIN && errno != EINTR) fail_for(at, errno);
      return;
    }
    if (got == 0) return end(at, "closed by the server");
    attempt.answered += static_cast<std::size_t>(got);
    if (attempt.answered < answer_.size()) return;
    ++account_.received;
    if (attempt.inside) {
      ++account_.in_window;
      round_trips_.record(static_cast<std::int64_t>(static_cast<double>(tsc_now() - attempt.began) *
                                                    1e9 / host_tsc().hz));
    }
    close(at);
  }

  void fail_for(std::size_t at, int error) { end(at, std::strerror(error)); }
  void end(std::size_t at, const char* reason) {
    ++account_.failures[reason];
    close(at);
  }
  void close(std::size_t at) {
    attempts_[at].socket = Socket();
    ready_[at].fd = -1;
  }

  const TrialOrder order_;
  const NetdevPlace server_;
  const std::uint64_t timeout_ = cycles_of(kConnectionTimeoutNs);
  std::vector<std::uint8_t> request_;
  std::vector<std::uint8_t> answer_;
  std::vector<Attempt> attempts_;
  std::vector<pollfd> ready_;  // of the attempt at the same place
  ClosedLoopAccount account_{.unit = ClosedLoopUnit::connections};
  LatencyHistogram round_trips_;
  std::map<std::string, Knob> knobs_;
};

class ConnectServer final : public LoopServer {
 public:
  ConnectServer(const TrialOrder& order, const NetdevPlace& place)
      : order_(order),
        place_(place),
        pause_(order),
        request_(static_cast<std::size_t>(order.closed_loop.message_bytes)),
        answer_(static_cast<std::size_t>(response_bytes_of(order.closed_loop)), 0xa5) {}

  Result<void> open() override {
    PM_TRY(listener_, make_tcp_listener(order_, place_, order_.closed_loop.listen_backlog));
    return listener_.set_receive_timeout(kAcceptLookNs);
  }

  Result<void> run(WindowMeter& meter, const std::atomic<bool>& ending) override {
    while (!ending.load(std::memory_order_relaxed)) {
      const Result<Socket> connection = accept_tcp(listener_);
      const std::uint64_t now = tsc_now();
      meter.look(now);
      pause_.when_due(meter, now);
      if (connection) {
        serve(*connection);
      } else if (errno != EAGAIN && errno != ECONNABORTED) {
        if (ending.load(std::memory_order_relaxed)) break;  // interrupted
        return tl::unexpected(connection.error());
      }
    }
    meter.finish();
    return {};
  }

  void interrupt() override { shutdown(listener_.fd(), SHUT_RDWR); }
  ServingAccount account() override { return account_; }

  std::map<std::string, Knob> knobs() override {
    Knob knob;
    knob.requested = fmt::format("{}", order_.closed_loop.listen_backlog);
    if (const auto queue = listen_queue(listener_.fd())) {
      knob.effective = fmt::format("{}", queue->backlog);
      knob.state = knob.effective == knob.requested ? KnobState::confirmed : KnobState::differs;
      knob.exercised = most_queued_ > 0;
      if (knob.exercised)
        knob.evidence = fmt::format("held up to {} connections at a look", most_queued_);
    }
    return {{"listen_backlog", std::move(knob)}};
  }

 private:
  void serve(const Socket& connection) {
    if (++accepted_ % kQueueLooks == 1) {
      if (const auto queue = listen_queue(listener_.fd()))
        most_queued_ = std::max(most_queued_, queue->queued);
    }
    // It has the listener's.
    if (!connection.set_receive_timeout(kConnectionTimeoutNs)) return;
    if (receive_all(connection.fd(), request_.data(), request_.size()) < request_.size()) return;
    if (send_all(connection.fd(), answer_.data(), answer_.size()) < answer_.size()) return;
    ++account_.served;
  }

  const TrialOrder order_;
  const NetdevPlace place_;
  PlantedPause pause_;
  Socket listener_;
  std::vector<std::uint8_t> request_;
  std::vector<std::uint8_t> answer_;
  std::int64_t accepted_ = 0;
  std::int64_t most_queued_ = 0;
  ServingAccount account_;
};

}  // namespace

LoopParts tcp_crr_parts(const TrialOrder& order, const NetdevPlace& server) {
  return {std::make_unique<ConnectClient>(order, server),
          std::make_unique<ConnectServer>(order, server)};
}

}  // namespace pollmark
