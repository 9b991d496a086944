#include "kernel/tcp_socket.h"

#include <fmt/format.h>
#include <linux/tcp.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <fstream>
#include <optional>

#include "base/text.h"

namespace pollmark {
namespace {

constexpr std::size_t kRoomForLaterKernels = 1024;

struct TcpInfo {
  tcp_info facts{};
  std::size_t bytes = 0;  // that the kernel filled

  template <typename Field>
  [[nodiscard]] std::optional<std::int64_t> get(Field tcp_info::*field) const {
    const auto* begin = static_cast<const char*>(static_cast<const void*>(&facts));
    const auto* end = static_cast<const char*>(static_cast<const void*>(&(facts.*field) + 1));
    if (static_cast<std::size_t>(end - begin) > bytes) return std::nullopt;
    return static_cast<std::int64_t>(facts.*field);
  }
};

std::optional<TcpInfo> tcp_info_of(int fd) {
  std::array<char, kRoomForLaterKernels> filled{};
  socklen_t bytes = filled.size();
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, filled.data(), &bytes) != 0) return std::nullopt;
  TcpInfo info;
  info.bytes = bytes;
  std::memcpy(&info.facts, filled.data(), sizeof info.facts);
  return info;
}

std::string congestion_control_of(int fd) {
  std::array<char, 16> name{};  // TCP_CA_NAME_MAX
  socklen_t bytes = name.size();
  if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), &bytes) != 0) return {};
  return name.data();
}

Result<void> set_congestion_control(const Socket& socket, const std::string& name) {
  if (setsockopt(socket.fd(), IPPROTO_TCP, TCP_CONGESTION, name.data(),
                 static_cast<socklen_t>(name.size())) == 0) {
    return {};
  }
  const int error = errno;
  std::string known;
  std::ifstream file("/proc/sys/net/ipv4/tcp_available_congestion_control");
  std::getline(file, known);
  return fail(Errc::host_cannot, fmt::format("congestion_control {}: {}; allowed: {}", name,
                                             std::strerror(error), join(split(known, ' '), ", ")));
}

template <typename Value>
void keep(std::optional<std::int64_t>& kept, std::optional<std::int64_t> seen, Value choose) {
  if (seen) kept = kept ? choose(*kept, *seen) : *seen;
}
constexpr auto kLarger = [](std::int64_t a, std::int64_t b) { return std::max(a, b); };
constexpr auto kSmaller = [](std::int64_t a, std::int64_t b) { return std::min(a, b); };
constexpr auto kSum = [](std::int64_t a, std::int64_t b) { return a + b; };

std::optional<double> share(std::int64_t part_us, std::int64_t whole_us) {
  if (whole_us <= 0) return std::nullopt;
  return static_cast<double>(part_us) / static_cast<double>(whole_us);
}

}  // namespace

Result<Socket> make_tcp_socket(const TrialOrder& order) {
  PM_TRY(Socket socket, Socket::open(SOCK_STREAM));
  const ClosedLoopOrder& loop = order.closed_loop;
  if (loop.no_delay) PM_TRYV(socket.set(IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY"));
  if (!loop.congestion_control.empty())
    PM_TRYV(set_congestion_control(socket, loop.congestion_control));
  return socket;
}

Result<Socket> make_tcp_listener(const TrialOrder& order, const NetdevPlace& place, int backlog) {
  PM_TRY(Socket socket, make_tcp_socket(order));
  PM_TRYV(socket.set(SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR"));
  PM_TRYV(socket.set_receive_buffer(order.receiver.socket_buffer_bytes));
  PM_TRYV(socket.bind(place.ipv4, place.frames_to_port));
  PM_TRYV(socket.listen(backlog));
  return socket;
}

Result<Socket> accept_tcp(const Socket& listener) {
  for (;;) {
    Socket taken(accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    if (taken.fd() >= 0) return taken;
    if (errno != EINTR) return fail(Errc::host_cannot, std::strerror(errno), "accept");
  }
}

std::map<std::string, Knob> tcp_knobs(const TrialOrder& order, const Socket& socket) {
  const ClosedLoopOrder& loop = order.closed_loop;
  Knob control;
  control.requested = loop.congestion_control.empty() ? "default" : loop.congestion_control;
  control.effective = congestion_control_of(socket.fd());
  control.state = loop.congestion_control.empty() || control.effective == loop.congestion_control
                      ? KnobState::confirmed
                      : KnobState::differs;
  control.exercised = !control.effective.empty();
  control.evidence = "the connection names it";
  Knob no_delay;
  int set = 0;
  socklen_t bytes = sizeof set;
  no_delay.requested = loop.no_delay ? "true" : "false";
  if (getsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &set, &bytes) == 0) {
    no_delay.effective = set != 0 ? "true" : "false";
    no_delay.state =
        no_delay.effective == no_delay.requested ? KnobState::confirmed : KnobState::differs;
    no_delay.exercised = true;
    no_delay.evidence = "read back from the connection";
  }
  return {{"congestion_control", std::move(control)}, {"no_delay", std::move(no_delay)}};
}

std::optional<ListenQueue> listen_queue(int fd) {
  const auto info = tcp_info_of(fd);
  if (!info) return std::nullopt;
  // Of a listening socket these two fields have another meaning (net/ipv4/tcp.c, tcp_get_info).
  return ListenQueue{.queued = info->facts.tcpi_unacked, .backlog = info->facts.tcpi_sacked};
}

void ReceiveQueueLog::look(int connection_fd) {
  if (looks_++ % kEvery != 0) return;
  std::uint8_t first = 0;
  if (recv(connection_fd, &first, 1, MSG_PEEK) <= 0) return;  // the read meets the same
  if (const auto memory = socket_memory(connection_fd)) {
    memory_ = memory;
    most_queued_bytes_ = std::max(most_queued_bytes_, memory->queued_bytes);
  }
}

std::map<std::string, Knob> ReceiveQueueLog::knobs(const TrialOrder& order) const {
  return {{"socket_buffer",
           socket_buffer_knob(order.receiver.socket_buffer_bytes, memory_, most_queued_bytes_)}};
}

void TcpInfoLog::sample(int fd) {
  const auto info = tcp_info_of(fd);
  if (!info) return;
  ++account_.samples;
  if (account_.congestion_control.empty()) account_.congestion_control = congestion_control_of(fd);
  keep(account_.snd_mss_bytes, info->get(&tcp_info::tcpi_snd_mss), kLarger);
  keep(account_.cwnd_max_segments, info->get(&tcp_info::tcpi_snd_cwnd), kLarger);
  keep(account_.snd_wnd_max_bytes, info->get(&tcp_info::tcpi_snd_wnd), kLarger);
  if (const auto us = info->get(&tcp_info::tcpi_min_rtt))
    keep(account_.rtt_min_ns, 1000 * *us, kSmaller);
  if (const auto us = info->get(&tcp_info::tcpi_rtt)) rtt_sum_ns_ += 1000 * *us;
}

void TcpInfoLog::close(int fd) {
  sample(fd);
  const auto info = tcp_info_of(fd);
  if (!info) return;
  keep(account_.sent_segments, info->get(&tcp_info::tcpi_data_segs_out), kSum);
  keep(account_.retransmitted_segments, info->get(&tcp_info::tcpi_total_retrans), kSum);
  keep(account_.dsacked_segments, info->get(&tcp_info::tcpi_dsack_dups), kSum);
  busy_us_ += info->get(&tcp_info::tcpi_busy_time).value_or(0);
  rwnd_limited_us_ += info->get(&tcp_info::tcpi_rwnd_limited).value_or(0);
  sndbuf_limited_us_ += info->get(&tcp_info::tcpi_sndbuf_limited).value_or(0);
}

TcpAccount TcpInfoLog::account() const {
  TcpAccount account = account_;
  if (account.samples > 0) account.rtt_mean_ns = rtt_sum_ns_ / account.samples;
  account.rwnd_limited_ratio = share(rwnd_limited_us_, busy_us_);
  account.sndbuf_limited_ratio = share(sndbuf_limited_us_, busy_us_);
  return account;
}

}  // namespace pollmark
