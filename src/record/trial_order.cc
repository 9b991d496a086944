#include "record/trial_order.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"

namespace pollmark {

namespace {

// Names in the order of the enumerators.
template <typename Enum>
struct Names;
template <>
struct Names<Path> {
  static constexpr std::array<std::string_view, 10> kAll = {
      "dpdk",     "model",      "udp_socket", "packet_mmap", "af_xdp",
      "xdp_drop", "tcp_stream", "tcp_rr",     "tcp_crr",     "udp_rr"};
};
template <>
struct Names<SenderKind> {
  static constexpr std::array<std::string_view, 2> kAll = {"dpdk", "udp_gso"};
};
template <>
struct Names<ClockKind> {
  static constexpr std::array<std::string_view, 2> kAll = {"wall", "lockstep"};
};
template <>
struct Names<TrafficKind> {
  static constexpr std::array<std::string_view, 3> kAll = {"udp", "tcp", "replay"};
};
template <>
struct Names<Direction> {
  static constexpr std::array<std::string_view, 2> kAll = {"one_way", "both"};
};
template <>
struct Names<ArrivalKind> {
  static constexpr std::array<std::string_view, 4> kAll = {"constant", "poisson", "burst",
                                                           "on_off"};
};
template <>
struct Names<ReplayTiming> {
  static constexpr std::array<std::string_view, 3> kAll = {"rate", "original", "scaled"};
};
template <>
struct Names<CutShort> {
  static constexpr std::array<std::string_view, 2> kAll = {"refuse", "pad"};
};
template <>
struct Names<DmaPlacement> {
  static constexpr std::array<std::string_view, 3> kAll = {"llc", "hot", "memory"};
};
template <>
struct Names<StallKind> {
  static constexpr std::array<std::string_view, 4> kAll = {"none", "periodic", "poisson", "trace"};
};
template <>
struct Names<NumaPlacement> {
  static constexpr std::array<std::string_view, 2> kAll = {"local", "remote"};
};
template <>
struct Names<WireKind> {
  static constexpr std::array<std::string_view, 2> kAll = {"whole", "cut"};
};
template <>
struct Names<StageKind> {
  static constexpr std::array<std::string_view, 5> kAll = {"none", "touch", "checksum", "forward",
                                                           "hyperscan"};
};
template <>
struct Names<XdpMode> {
  static constexpr std::array<std::string_view, 2> kAll = {"native", "generic"};
};
template <>
struct Names<Fanout> {
  static constexpr std::array<std::string_view, 3> kAll = {"hash", "lb", "cpu"};
};
template <>
struct Names<CaptureAt> {
  static constexpr std::array<std::string_view, 2> kAll = {"sender", "receiver"};
};
template <>
struct Names<CaptureTrigger> {
  static constexpr std::array<std::string_view, 2> kAll = {"none", "first_loss"};
};
template <>
struct Names<TrialKind> {
  static constexpr std::array<std::string_view, 8> kAll = {
      "trial", "calibration", "search", "probe", "latency", "frame_loss", "burst", "recovery"};
};
template <>
struct Names<ValidityRule> {
  static constexpr std::array<std::string_view, 2> kAll = {"strict", "as_is"};
};
template <>
struct Names<DropReasonsRule> {
  static constexpr std::array<std::string_view, 2> kAll = {"on", "off"};
};

template <typename Enum>
std::string_view known_name(Enum value) {
  const auto index = static_cast<std::size_t>(value);
  PM_CHECK(index < Names<Enum>::kAll.size());
  return Names<Enum>::kAll[index];
}

constexpr std::uint64_t kBackSalt = 0x6261636b00000000U;

void keep_first_half(std::vector<int>& lcores) { lcores.resize((lcores.size() + 1) / 2); }
void keep_second_half(std::vector<int>& lcores) {
  lcores.erase(lcores.begin(), lcores.begin() + static_cast<std::ptrdiff_t>(lcores.size() + 1) / 2);
}

}  // namespace

std::vector<TrialOrder> directions_of(const TrialOrder& order) {
  if (order.traffic.direction != Direction::both) return {order};
  TrialOrder there = order;
  there.traffic.direction = Direction::one_way;
  TrialOrder back = order;
  back.traffic.direction = Direction::one_way;
  back.traffic.answers = true;
  back.seed ^= kBackSalt;
  std::swap(back.generator_port, back.receiver_port);
  for (auto lcores : {&TrialOrder::generator_lcores, &TrialOrder::receiver_lcores}) {
    keep_first_half(there.*lcores);
    keep_second_half(back.*lcores);
  }
  return {std::move(there), std::move(back)};
}

std::optional<std::string> netdev_of_port(std::string_view port) {
  constexpr std::string_view kKind = "netdev:";
  if (!port.starts_with(kKind) || port.size() == kKind.size()) return std::nullopt;
  return std::string(port.substr(kKind.size()));
}

int direction_count(const TrialOrder& order) {
  return order.traffic.direction == Direction::both ? 2 : 1;
}

bool is_open_kernel_path(Path path) {
  return path == Path::udp_socket || path == Path::packet_mmap || path == Path::af_xdp ||
         path == Path::xdp_drop;
}

bool has_drop_reasons(Path path) { return path == Path::udp_socket || path == Path::af_xdp; }

bool is_closed_loop(Path path) {
  switch (path) {
    case Path::tcp_stream:
    case Path::tcp_rr:
    case Path::tcp_crr:
    case Path::udp_rr:
      return true;
    case Path::dpdk:
    case Path::model:
    case Path::udp_socket:
    case Path::packet_mmap:
    case Path::af_xdp:
    case Path::xdp_drop:
      return false;
  }
  PM_CHECK(false);
}

int receiving_sockets(const TrialOrder& order) {
  const bool may_share = order.path == Path::udp_socket || order.path == Path::packet_mmap;
  return may_share ? order.receiver.queues : 1;
}

int most_gso_segments(const TrafficOrder& traffic) {
  constexpr int kHeadersAndFcs = 14 + 20 + 8 + 4;
  const int payload = std::max(1, traffic.frame_bytes.front() - kHeadersAndFcs);
  return std::clamp(kMostUdpPayloadBytes / payload, 1, kMostGsoSegments);
}

std::int64_t response_bytes_of(const ClosedLoopOrder& loop) {
  return loop.response_bytes > 0 ? loop.response_bytes : loop.message_bytes;
}

std::uint64_t flow_seed(const TrialOrder& order) {
  return order.traffic.answers ? order.seed ^ kBackSalt : order.seed;
}

std::string_view name_of(Path value) { return known_name(value); }
std::string_view name_of(SenderKind value) { return known_name(value); }
std::string_view name_of(ClockKind value) { return known_name(value); }
std::string_view name_of(TrafficKind value) { return known_name(value); }
std::string_view name_of(Direction value) { return known_name(value); }
std::string_view name_of(ArrivalKind value) { return known_name(value); }
std::string_view name_of(ReplayTiming value) { return known_name(value); }
std::string_view name_of(CutShort value) { return known_name(value); }
std::string_view name_of(DmaPlacement value) { return known_name(value); }
std::string_view name_of(StallKind value) { return known_name(value); }
std::string_view name_of(NumaPlacement value) { return known_name(value); }
std::string_view name_of(WireKind value) { return known_name(value); }
std::string_view name_of(StageKind value) { return known_name(value); }
std::string_view name_of(XdpMode value) { return known_name(value); }
std::string_view name_of(Fanout value) { return known_name(value); }
std::string_view name_of(CaptureAt value) { return known_name(value); }
std::string_view name_of(CaptureTrigger value) { return known_name(value); }
std::string_view name_of(TrialKind value) { return known_name(value); }
std::string_view name_of(ValidityRule value) { return known_name(value); }
std::string_view name_of(DropReasonsRule value) { return known_name(value); }

template <typename Enum>
std::optional<Enum> enum_from_name(std::string_view name) {
  for (std::size_t i = 0; i < Names<Enum>::kAll.size(); ++i) {
    if (Names<Enum>::kAll[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

template <typename Enum>
std::vector<std::string> enum_names() {
  return {Names<Enum>::kAll.begin(), Names<Enum>::kAll.end()};
}

#define PM_INSTANTIATE(Enum)                                     \
  template std::optional<Enum> enum_from_name(std::string_view); \
  template std::vector<std::string> enum_names<Enum>();
PM_INSTANTIATE(Path)
PM_INSTANTIATE(SenderKind)
PM_INSTANTIATE(ClockKind)
PM_INSTANTIATE(TrafficKind)
PM_INSTANTIATE(Direction)
PM_INSTANTIATE(ArrivalKind)
PM_INSTANTIATE(ReplayTiming)
PM_INSTANTIATE(CutShort)
PM_INSTANTIATE(DmaPlacement)
PM_INSTANTIATE(StallKind)
PM_INSTANTIATE(NumaPlacement)
PM_INSTANTIATE(WireKind)
PM_INSTANTIATE(StageKind)
PM_INSTANTIATE(XdpMode)
PM_INSTANTIATE(Fanout)
PM_INSTANTIATE(CaptureAt)
PM_INSTANTIATE(CaptureTrigger)
PM_INSTANTIATE(TrialKind)
PM_INSTANTIATE(ValidityRule)
PM_INSTANTIATE(DropReasonsRule)
#undef PM_INSTANTIATE

}  // namespace pollmark
