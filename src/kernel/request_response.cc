#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "base/tsc.h"
#include "kernel/loop_parts.h"
#include "kernel/socket.h"
#include "kernel/tcp_socket.h"

namespace pollmark {
namespace {

// How long a datagram's receiver sleeps before it looks up. A short timeout costs each round trip
// on an idle CPU: the timer is among the next that it has to wake up for.
constexpr std::int64_t kLookNs = kAnswerTimeoutNs;

std::size_t request_bytes(const TrialOrder& order) {
  return static_cast<std::size_t>(order.closed_loop.message_bytes);
}
std::size_t answer_bytes(const TrialOrder& order) {
  return static_cast<std::size_t>(response_bytes_of(order.closed_loop));
}

void put_sequence(std::vector<std::uint8_t>& message, std::uint32_t sequence) {
  std::memcpy(message.data(), &sequence, sizeof sequence);
}
std::uint32_t sequence_in(const std::vector<std::uint8_t>& message) {
  std::uint32_t sequence = 0;
  std::memcpy(&sequence, message.data(), sizeof sequence);
  return sequence;
}

class RequestClient : public LoopClient {
 public:
  RequestClient(const TrialOrder& order, const NetdevPlace& server)
      : order_(order),
        server_(server),
        request_(request_bytes(order), 0x5a),
        answer_(answer_bytes(order)) {}

  Result<void> run(WindowMeter& meter, const std::atomic<bool>& ending) override {
    const double ns_per_cycle = 1e9 / host_tsc().hz;
    std::uint64_t now = tsc_now();
    for (;;) {
      const bool inside = meter.look(now);
      if (meter.is_over() || ending.load(std::memory_order_relaxed)) break;
      const std::uint64_t asked_at = now;
      put_sequence(request_, ++sequence_);
      ++account_.sent;
      const Turn turn = transact(asked_at);
      now = tsc_now();
      if (turn == Turn::answered) {
        ++account_.received;
        account_.in_window += inside;
        if (inside) {
          round_trips_.record(
              static_cast<std::int64_t>(static_cast<double>(now - asked_at) * ns_per_cycle));
        }
      }
      if (turn == Turn::broken) break;
    }
    meter.finish();
    hang_up();
    return {};
  }
  void interrupt() override { shutdown(socket_.fd(), SHUT_RDWR); }
  ClosedLoopAccount account() override { return account_; }
  std::optional<LatencyHistogram> round_trips() override { return round_trips_; }

 protected:
  enum class Turn { answered, failed, broken };  // broken: no more can be asked
  // The request is sent, its answer awaited. Failures are counted here.
  virtual Turn transact(std::uint64_t asked_at) = 0;
  virtual void hang_up() = 0;
  Turn failed_for(const char* reason, Turn turn) {
    ++account_.failures[reason];
    return turn;
  }

  const TrialOrder order_;
  const NetdevPlace server_;
  Socket socket_;
  std::vector<std::uint8_t> request_;
  std::vector<std::uint8_t> answer_;
  std::uint32_t sequence_ = 0;
  ClosedLoopAccount account_{.unit = ClosedLoopUnit::transactions};

 private:
  LatencyHistogram round_trips_;
};

class TcpRequestClient final : public RequestClient {
 public:
  using RequestClient::RequestClient;

  Result<void> open() override {
    PM_TRY(socket_, make_tcp_socket(order_));
    return socket_.connect(server_.ipv4, server_.frames_to_port);
  }
  std::map<std::string, Knob> knobs() override { return tcp_knobs(order_, socket_); }

 private:
  Turn transact(std::uint64_t /*asked_at*/) override {
    if (send_all(socket_.fd(), request_.data(), request_.size()) < request_.size() ||
        receive_all(socket_.fd(), answer_.data(), answer_.size()) < answer_.size()) {
      return failed_for(errno == 0 ? "closed by the server" : std::strerror(errno), Turn::broken);
    }
    if (sequence_in(answer_) != sequence_) return failed_for("answer to another", Turn::broken);
    return Turn::answered;
  }
  void hang_up() override {
    TcpInfoLog log;
    log.close(socket_.fd());
    account_.tcp = log.account();
    shutdown(socket_.fd(), SHUT_WR);
  }
};

class UdpRequestClient final : public RequestClient {
 public:
  using RequestClient::RequestClient;

  Result<void> open() override {
    PM_TRY(socket_, Socket::open(SOCK_DGRAM));
    PM_TRYV(socket_.set_receive_timeout(kLookNs));
    return socket_.connect(server_.ipv4, server_.frames_to_port);
  }
  std::map<std::string, Knob> knobs() override { return {}; }

 private:
  Turn transact(std::uint64_t asked_at) override {
    if (send(socket_.fd(), request_.data(), request_.size(), 0) < 0)
      return failed_for(std::strerror(errno), Turn::failed);
    const auto patience =
        static_cast<std::uint64_t>(host_tsc().hz * 1e-9 * static_cast<double>(kAnswerTimeoutNs));
    for (;;) {
      const ssize_t got = recv(socket_.fd(), answer_.data(), answer_.size(), 0);
      const bool in_time = tsc_now() - asked_at < patience;
      if (got == static_cast<ssize_t>(answer_.size())) {
        if (in_time && sequence_in(answer_) == sequence_) return Turn::answered;
        ++account_.late;
      } else if (got >= 0) {
        return failed_for("answer cut short", Turn::failed);
      } else if (errno != EAGAIN && errno != EINTR) {
        return failed_for(std::strerror(errno), Turn::failed);
      }
      if (!in_time) return failed_for("timed out", Turn::failed);
    }
  }
  void hang_up() override {}
};

class RequestServer : public LoopServer {
 public:
  RequestServer(const TrialOrder& order, const NetdevPlace& place)
      : order_(order),
        place_(place),
        pause_(order),
        request_(request_bytes(order)),
        answer_(answer_bytes(order), 0xa5) {}
  void interrupt() override { shutdown(socket_.fd(), SHUT_RDWR); }
  ServingAccount account() override { return account_; }

 protected:
  void look(WindowMeter& meter) {
    const std::uint64_t now = tsc_now();
    meter.look(now);
    pause_.when_due(meter, now);
  }
  void make_answer() { put_sequence(answer_, sequence_in(request_)); }

  const TrialOrder order_;
  const NetdevPlace place_;
  PlantedPause pause_;
  Socket socket_;
  std::vector<std::uint8_t> request_;
  std::vector<std::uint8_t> answer_;
  ServingAccount account_;
};

class TcpRequestServer final : public RequestServer {
 public:
  using RequestServer::RequestServer;

  Result<void> open() override {
    PM_TRY(socket_, make_tcp_listener(order_, place_, 1));
    return {};
  }
  Result<void> run(WindowMeter& meter, const std::atomic<bool>& /*ending*/) override {
    PM_TRY(const Socket connection, accept_tcp(socket_));
    for (;;) {
      queue_.look(connection.fd());
      if (receive_all(connection.fd(), request_.data(), request_.size()) < request_.size()) break;
      look(meter);
      make_answer();
      if (send_all(connection.fd(), answer_.data(), answer_.size()) < answer_.size()) break;
      ++account_.served;
    }
    meter.finish();
    return {};
  }
  std::map<std::string, Knob> knobs() override { return queue_.knobs(order_); }

 private:
  ReceiveQueueLog queue_;
};

class UdpRequestServer final : public RequestServer {
 public:
  using RequestServer::RequestServer;

  Result<void> open() override {
    PM_TRY(socket_, Socket::open(SOCK_DGRAM));
    PM_TRYV(socket_.set_receive_timeout(kLookNs));
    return socket_.bind(place_.ipv4, place_.frames_to_port);
  }
  Result<void> run(WindowMeter& meter, const std::atomic<bool>& ending) override {
    while (!ending.load(std::memory_order_relaxed)) {
      sockaddr_in from{};
      auto* address = static_cast<sockaddr*>(static_cast<void*>(&from));
      socklen_t bytes = sizeof from;
      const ssize_t got =
          recvfrom(socket_.fd(), request_.data(), request_.size(), 0, address, &bytes);
      look(meter);
      if (got != static_cast<ssize_t>(request_.size())) continue;
      make_answer();
      if (sendto(socket_.fd(), answer_.data(), answer_.size(), 0, address, bytes) >= 0)
        ++account_.served;
    }
    meter.finish();
    return {};
  }
};

}  // namespace

LoopParts request_response_parts(const TrialOrder& order, const NetdevPlace& server) {
  if (order.path == Path::tcp_rr) {
    return {std::make_unique<TcpRequestClient>(order, server),
            std::make_unique<TcpRequestServer>(order, server)};
  }
  return {std::make_unique<UdpRequestClient>(order, server),
          std::make_unique<UdpRequestServer>(order, server)};
}

}  // namespace pollmark
