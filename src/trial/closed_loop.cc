#include "trial/closed_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/units.h"

namespace pollmark {
namespace {

constexpr double kThreadSaturated = 0.97;
constexpr double kMostOfTheTime = 0.5;

std::int64_t rose_by(const std::map<std::string, CounterChange>& changes, const char* name) {
  const auto found = changes.find(name);
  return found == changes.end() ? 0 : found->second.delta.value_or(0);
}

std::optional<std::int64_t> sum_of(std::optional<std::int64_t> a, std::optional<std::int64_t> b) {
  return a && b ? std::optional(*a + *b) : std::nullopt;
}

std::optional<Limit> limit_of_tcp(const std::optional<TcpAccount>& tcp) {
  if (!tcp) return std::nullopt;
  if (tcp->rwnd_limited_ratio.value_or(0.0) > kMostOfTheTime) {
    return Limit{"kernel:receive_window",
                 fmt::format("the sender waited for the receiver's window {:.1f} % of the time",
                             100.0 * *tcp->rwnd_limited_ratio)};
  }
  if (tcp->sndbuf_limited_ratio.value_or(0.0) > kMostOfTheTime) {
    return Limit{"kernel:send_buffer",
                 fmt::format("the sender waited for room in its send buffer {:.1f} % of the time",
                             100.0 * *tcp->sndbuf_limited_ratio)};
  }
  return std::nullopt;
}

}  // namespace

ClosedLoopAccount close_loop(ClosedLoopAccount client, const ServingAccount& server,
                             std::vector<std::string>& contradictions) {
  ClosedLoopAccount loop = std::move(client);
  if (loop.unit == ClosedLoopUnit::bytes) {
    loop.received = server.served;
    loop.in_window = server.served_in_window;
  } else {
    loop.served = server.served;
    if (server.served < loop.received || server.served > loop.sent) {
      contradictions.push_back(
          fmt::format("the client sent {} and got {} answers, the server gave {}",
                      grouped(loop.sent), grouped(loop.received), grouped(server.served)));
    }
  }
  loop.server_cpu_ns = server.cpu_ns;
  loop.receiver_segment_bytes = server.segment_bytes;
  loop.untapped_segments = sum_of(loop.untapped_segments, server.untapped_segments);
  return loop;
}

Limit closed_loop_limit(const ClosedLoopAccount& loop, double window_seconds,
                        const std::map<std::string, CounterChange>& changes) {
  if (loop.failed() > 0) {
    if (const std::int64_t overflows = rose_by(changes, "receiver.tcpext.ListenOverflows")) {
      return {"kernel:listen_queue",
              fmt::format("{} of {} {} failed; the listen queue overflowed {} times",
                          grouped(loop.failed()), grouped(loop.sent), name_of(loop.unit),
                          grouped(overflows))};
    }
  }
  if (const auto limit = limit_of_tcp(loop.tcp)) return *limit;
  const double window_ns = window_seconds * 1e9;
  const bool client = loop.client_cpu_ns.value_or(0) >= loop.server_cpu_ns.value_or(0);
  const double busiest =
      static_cast<double>((client ? loop.client_cpu_ns : loop.server_cpu_ns).value_or(0));
  if (window_ns > 0.0 && busiest >= kThreadSaturated * window_ns) {
    return {"core",
            fmt::format("the {}'s thread was at work {:.1f} % of the time",
                        client ? "client" : "server", 100.0 * std::min(1.0, busiest / window_ns))};
  }
  if (loop.unit == ClosedLoopUnit::bytes)
    return {"unknown", "neither a window, nor the send buffer, nor an end's thread was the limit"};
  return {"round_trip", "each message waits for the one before it"};
}

std::optional<double> cores_used(const ClosedLoopAccount& loop, double window_seconds) {
  if (!loop.client_cpu_ns || !loop.server_cpu_ns || !(window_seconds > 0.0)) return std::nullopt;
  return static_cast<double>(*loop.client_cpu_ns + *loop.server_cpu_ns) / (window_seconds * 1e9);
}

}  // namespace pollmark
