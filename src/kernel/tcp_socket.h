// TCP sockets of the closed-loop paths, and what TCP_INFO tells of them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "host/netns.h"
#include "kernel/socket.h"
#include "record/trial_result.h"

namespace pollmark {

// With the order's no_delay and congestion control, not connected. Errors: host_cannot, for a
// congestion control that the kernel does not have with those that it has.
[[nodiscard]] Result<Socket> make_tcp_socket(const TrialOrder& order);
// Bound to the place's address, listening; what it accepts inherits the receive buffer.
[[nodiscard]] Result<Socket> make_tcp_listener(const TrialOrder& order, const NetdevPlace& place,
                                               int backlog);
// The next connection. Blocks; errors: host_cannot, also after the listener's shutdown.
[[nodiscard]] Result<Socket> accept_tcp(const Socket& listener);

// congestion_control and no_delay as read back from a connection.
[[nodiscard]] std::map<std::string, Knob> tcp_knobs(const TrialOrder& order, const Socket& socket);

struct ListenQueue {
  std::int64_t queued = 0;   // connections that wait to be accepted
  std::int64_t backlog = 0;  // of them at most, by listen() and somaxconn
};
[[nodiscard]] std::optional<ListenQueue> listen_queue(int fd);

// What waited in the receive buffers of a server's connections. One thread.
class ReceiveQueueLog {
 public:
  // Just before a blocking read of a connection. Each kEvery-th call waits until there is something
  // to read, and looks at how much; the others cost nothing.
  void look(int connection_fd);
  // socket_buffer as the connections had it, and whether anything was seen in it.
  [[nodiscard]] std::map<std::string, Knob> knobs(const TrialOrder& order) const;

 private:
  static constexpr std::uint32_t kEvery = 64;
  std::uint32_t looks_ = 0;
  std::optional<SocketMemory> memory_;
  std::uint32_t most_queued_bytes_ = 0;
};

// One thread. The kernel's struct is longer than this header's, or shorter: what it did not fill
// is not measured.
class TcpInfoLog {
 public:
  static constexpr std::int64_t kEveryNs = 10'000'000;

  // Greatest windows, round trips.
  void sample(int fd);
  // The last sample of a connection, with its totals.
  void close(int fd);
  [[nodiscard]] TcpAccount account() const;

 private:
  TcpAccount account_;
  std::int64_t rtt_sum_ns_ = 0;
  std::int64_t busy_us_ = 0;
  std::int64_t rwnd_limited_us_ = 0;
  std::int64_t sndbuf_limited_us_ = 0;
};

}  // namespace pollmark
