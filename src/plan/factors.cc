#include "plan/factors.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>

#include "base/text.h"
#include "base/units.h"
#include "plan/frame_sizes.h"
#include "record/kernel_knob.h"

namespace pollmark {

namespace {

using Applied = Result<void>;

Applied refused(std::string_view why, std::string_view allowed) {
  return fail(Errc::bad_experiment, fmt::format("{}; allowed: {}", why, allowed));
}

struct Limits {
  std::int64_t least;
  std::int64_t most;
};

std::string limits_text(Limits limits) {
  return fmt::format("{} to {}", limits.least, limits.most);
}

Result<std::int64_t> whole_number(std::string_view text, Limits limits, std::string_view allowed) {
  const std::string_view body = trimmed(text);
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(body.data(), body.data() + body.size(), value);
  if (code != std::errc{} || end != body.data() + body.size()) {
    return fail(Errc::bad_experiment,
                fmt::format("\"{}\" is not a whole number; allowed: {}", text, allowed));
  }
  if (value < limits.least || value > limits.most) {
    return fail(Errc::bad_experiment,
                fmt::format("{} is {}; allowed: {}", value,
                            value < limits.least ? "too small" : "too large", allowed));
  }
  return value;
}

Applied set_int(std::string_view text, Limits limits, std::string_view allowed, int& field) {
  PM_TRY(const std::int64_t value, whole_number(text, limits, allowed));
  field = static_cast<int>(value);
  return {};
}

std::string ratio_of(const std::vector<int>& numbers) {
  std::vector<std::string> parts;
  parts.reserve(numbers.size());
  for (const int number : numbers) parts.push_back(fmt::format("{}", number));
  return join(parts, ":");
}

// Names that later releases bring: refused as such, not as unknown.
using Later = std::vector<std::string_view>;

template <typename Enum>
Applied set_enum(std::string_view text, Enum& field) {
  const std::vector<std::string> names = enum_names<Enum>();
  const std::string_view body = trimmed(text);
  if (const std::optional<Enum> value = enum_from_name<Enum>(body)) {
    field = *value;
    return {};
  }
  const std::string allowed = join(names, ", ");
  const std::string near = did_you_mean(body, names);
  return refused(near.empty()
                     ? fmt::format("\"{}\" is not known", body)
                     : fmt::format("\"{}\" is not known, did you mean \"{}\"?", body, near),
                 allowed);
}

// A list of names: "a+b" or "none"; sorted, each once.
Applied set_names(std::string_view text, const std::vector<std::string>& names, const Later& later,
                  std::vector<std::string>& field) {
  const std::string allowed = join(names, ", ");
  std::vector<std::string> chosen;
  for (const std::string& part : split(text, '+')) {
    const std::string name(trimmed(part));
    if (std::find(later.begin(), later.end(), name) != later.end()) {
      return refused(fmt::format("not yet: \"{}\"", name), allowed);
    }
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      const std::string near = did_you_mean(name, names);
      return refused(near.empty()
                         ? fmt::format("\"{}\" is not known", name)
                         : fmt::format("\"{}\" is not known, did you mean \"{}\"?", name, near),
                     allowed);
    }
    if (std::find(chosen.begin(), chosen.end(), name) != chosen.end()) {
      return refused(fmt::format("\"{}\" stands twice", name), allowed);
    }
    chosen.push_back(name);
  }
  std::sort(chosen.begin(), chosen.end());
  field = std::move(chosen);
  return {};
}

constexpr std::string_view kTruthAllowed = "true, false";
Applied set_truth(std::string_view text, bool& field) {
  const std::string_view body = trimmed(text);
  if (body != "true" && body != "false") {
    return refused(fmt::format("\"{}\" is not known", body), kTruthAllowed);
  }
  field = body == "true";
  return {};
}
std::string truth_level(bool value) { return value ? "true" : "false"; }

// Path.
Applied apply_path(std::string_view text, TrialOrder& order) { return set_enum(text, order.path); }
std::string path_level(const TrialOrder& order) { return std::string(name_of(order.path)); }

Applied apply_sender(std::string_view text, TrialOrder& order) {
  return set_enum(text, order.sender);
}
std::string sender_level(const TrialOrder& order) { return std::string(name_of(order.sender)); }

// Receiver.
constexpr Limits kRxRing{32, 32768};
Applied apply_rx_ring(std::string_view text, TrialOrder& order) {
  return set_int(text, kRxRing, limits_text(kRxRing), order.receiver.rx_ring);
}
std::string rx_ring_level(const TrialOrder& order) {
  return fmt::format("{}", order.receiver.rx_ring);
}

constexpr Limits kQueues{1, 16};
constexpr std::string_view kQueuesAllowed =
    "1 to 16 (at most 16 queues a port: DPDK's ring PMD has no more)";
Applied apply_queues(std::string_view text, TrialOrder& order) {
  return set_int(text, kQueues, kQueuesAllowed, order.receiver.queues);
}
std::string queues_level(const TrialOrder& order) {
  return fmt::format("{}", order.receiver.queues);
}

const std::vector<std::string>& rss_field_names() {
  static const std::vector<std::string> kNames = {"ipv4", "ipv4-tcp", "ipv4-udp",
                                                  "ipv6", "ipv6-tcp", "ipv6-udp"};
  return kNames;
}
Applied apply_rss_fields(std::string_view text, TrialOrder& order) {
  return set_names(text, rss_field_names(),
                   {"ipv4-sctp", "ipv6-sctp", "esp", "l2_payload", "level"},
                   order.receiver.rss_fields);
}
std::string rss_fields_level(const TrialOrder& order) {
  return join(order.receiver.rss_fields, "+");
}

// The table has 128 entries: a share below 1/128 cannot be given.
constexpr int kRetaEntries = 128;
constexpr std::string_view kRetaAllowed =
    "\"equal\", or a list of 1 to 16 weights, one for each queue, each 0 to 128, in sum 1 to 128";
Applied apply_reta(std::string_view text, TrialOrder& order) {
  if (trimmed(text) == "equal") {
    order.receiver.reta_weights.clear();
    return {};
  }
  std::vector<int> weights;
  std::int64_t sum = 0;
  for (const std::string& part : split(text, ':')) {
    PM_TRY(const std::int64_t weight, whole_number(part, {0, kRetaEntries}, kRetaAllowed));
    weights.push_back(static_cast<int>(weight));
    sum += weight;
  }
  if (weights.size() > 16) {
    return refused(fmt::format("{} weights are too many", weights.size()), kRetaAllowed);
  }
  if (sum < 1 || sum > kRetaEntries) {
    return refused(fmt::format("weights {} sum to {}", text, sum), kRetaAllowed);
  }
  order.receiver.reta_weights = std::move(weights);
  return {};
}
std::string reta_level(const TrialOrder& order) {
  if (order.receiver.reta_weights.empty()) return "equal";
  return ratio_of(order.receiver.reta_weights);
}

const std::vector<std::string>& rx_offload_names() {
  static const std::vector<std::string> kNames = {"checksum", "rss_hash"};
  return kNames;
}
Applied apply_rx_offloads(std::string_view text, TrialOrder& order) {
  if (trimmed(text).empty() || trimmed(text) == "none") {
    order.receiver.rx_offloads.clear();
    return {};
  }
  return set_names(text, rx_offload_names(),
                   {"vlan_strip", "scatter", "lro", "gro", "timestamp", "keep_crc"},
                   order.receiver.rx_offloads);
}
std::string rx_offloads_level(const TrialOrder& order) {
  return order.receiver.rx_offloads.empty() ? "none" : join(order.receiver.rx_offloads, "+");
}

constexpr std::string_view kStageAllowed =
    "\"none\", \"touch\", \"checksum\", \"forward\", { kind = \"hyperscan\", patterns = FILE }";
constexpr std::string_view kHyperscan = "hyperscan";
Applied apply_stage(std::string_view text, TrialOrder& order) {
  const std::string_view body = trimmed(text);
  if (body.starts_with(kHyperscan) &&
      (body.size() == kHyperscan.size() || body[kHyperscan.size()] == ':')) {
    const std::string_view file =
        body.size() == kHyperscan.size() ? "" : trimmed(body.substr(kHyperscan.size() + 1));
    if (file.empty()) return refused("hyperscan without patterns", kStageAllowed);
    order.receiver.stage = StageKind::hyperscan;
    order.receiver.patterns = std::string(file);
    return {};
  }
  PM_TRYV(set_enum(text, order.receiver.stage));
  order.receiver.patterns.clear();
  return {};
}
std::string stage_level(const TrialOrder& order) {
  std::string name(name_of(order.receiver.stage));
  if (order.receiver.stage != StageKind::hyperscan) return name;
  return fmt::format("{}:{}", name, order.receiver.patterns);
}

constexpr std::string_view kHitRatioAllowed = "\"0 %\" to \"100 %\"";
Applied apply_hit_ratio(std::string_view text, TrialOrder& order) {
  std::string_view body = trimmed(text);
  if (!body.ends_with('%')) {
    return refused(fmt::format("\"{}\" is not a share", text), kHitRatioAllowed);
  }
  body = trimmed(body.substr(0, body.size() - 1));
  double percent = 0.0;
  const auto [end, code] = std::from_chars(body.data(), body.data() + body.size(), percent);
  if (code != std::errc{} || end != body.data() + body.size() || !(percent >= 0.0) ||
      percent > 100.0) {
    return refused(fmt::format("\"{}\" is out of range", text), kHitRatioAllowed);
  }
  order.traffic.hit_ratio = percent / 100.0;
  return {};
}
std::string hit_ratio_level(const TrialOrder& order) {
  return fmt::format("{:.6g} %", 100.0 * order.traffic.hit_ratio);
}

constexpr Limits kWorkers{0, 16};
Applied apply_workers(std::string_view text, TrialOrder& order) {
  return set_int(text, kWorkers, limits_text(kWorkers), order.receiver.workers);
}
std::string workers_level(const TrialOrder& order) {
  return fmt::format("{}", order.receiver.workers);
}

constexpr Limits kRing{0, 65536};
Applied apply_ring(std::string_view text, TrialOrder& order) {
  return set_int(text, kRing, limits_text(kRing), order.receiver.ring);
}
std::string ring_level(const TrialOrder& order) { return fmt::format("{}", order.receiver.ring); }

constexpr Limits kBurst{1, 64};
Applied apply_burst(std::string_view text, TrialOrder& order) {
  return set_int(text, kBurst, limits_text(kBurst), order.receiver.burst);
}
std::string burst_level(const TrialOrder& order) { return fmt::format("{}", order.receiver.burst); }

constexpr Limits kPoolMbufs{64, 4'194'304};
constexpr std::string_view kPoolAllowed = "\"auto\", or 64 to 4194304";
Applied apply_pool_mbufs(std::string_view text, TrialOrder& order) {
  if (trimmed(text) == "auto") {
    order.receiver.pool_mbufs = 0;
    return {};
  }
  return set_int(text, kPoolMbufs, kPoolAllowed, order.receiver.pool_mbufs);
}
std::string pool_mbufs_level(const TrialOrder& order) {
  return order.receiver.pool_mbufs == 0 ? "auto" : fmt::format("{}", order.receiver.pool_mbufs);
}

constexpr std::string_view kNumaAllowed = "local, remote (on a host with two NUMA nodes or more)";
Applied apply_numa(std::string_view text, TrialOrder& order) {
  return set_enum(text, order.receiver.numa);
}
std::string numa_level(const TrialOrder& order) {
  return std::string(name_of(order.receiver.numa));
}

constexpr std::int64_t kLeastSocketBuffer = 2048;
constexpr std::int64_t kMostSocketBuffer = 1 << 30;
constexpr std::string_view kSocketBufferAllowed = "\"default\", or \"2 KiB\" to \"1 GiB\"";
Applied apply_socket_buffer(std::string_view text, TrialOrder& order) {
  if (trimmed(text) == "default") {
    order.receiver.socket_buffer_bytes = 0;
    return {};
  }
  PM_TRY(const std::int64_t bytes, parse_bytes(text));
  if (bytes < kLeastSocketBuffer || bytes > kMostSocketBuffer) {
    return refused(
        fmt::format("\"{}\" is too {}", text, bytes < kLeastSocketBuffer ? "small" : "large"),
        kSocketBufferAllowed);
  }
  order.receiver.socket_buffer_bytes = bytes;
  return {};
}
std::string socket_buffer_level(const TrialOrder& order) {
  const std::int64_t bytes = order.receiver.socket_buffer_bytes;
  return bytes == 0 ? "default" : bytes_text(bytes);
}

constexpr Limits kPacketBlocks{2, 4096};
Applied apply_packet_blocks(std::string_view text, TrialOrder& order) {
  return set_int(text, kPacketBlocks, limits_text(kPacketBlocks), order.receiver.packet_blocks);
}
std::string packet_blocks_level(const TrialOrder& order) {
  return fmt::format("{}", order.receiver.packet_blocks);
}

constexpr std::int64_t kLeastPacketBlock = 16 << 10;
constexpr std::int64_t kMostPacketBlock = 16 << 20;
constexpr std::string_view kPacketBlockAllowed = "\"16 KiB\" to \"16 MiB\", a power of two";
Applied apply_packet_block(std::string_view text, TrialOrder& order) {
  PM_TRY(const std::int64_t bytes, parse_bytes(text));
  if (bytes < kLeastPacketBlock || bytes > kMostPacketBlock) {
    return refused(
        fmt::format("\"{}\" is too {}", text, bytes < kLeastPacketBlock ? "small" : "large"),
        kPacketBlockAllowed);
  }
  if ((bytes & (bytes - 1)) != 0) {
    return refused(fmt::format("\"{}\" is no power of two", text), kPacketBlockAllowed);
  }
  order.receiver.packet_block_bytes = bytes;
  return {};
}
std::string packet_block_level(const TrialOrder& order) {
  return bytes_text(order.receiver.packet_block_bytes);
}

Applied apply_fanout(std::string_view text, TrialOrder& order) {
  return set_enum(text, order.receiver.fanout);
}
std::string fanout_level(const TrialOrder& order) {
  return std::string(name_of(order.receiver.fanout));
}

Applied apply_udp_gro(std::string_view text, TrialOrder& order) {
  return set_truth(text, order.receiver.udp_gro);
}
std::string udp_gro_level(const TrialOrder& order) { return truth_level(order.receiver.udp_gro); }

Applied apply_xdp_mode(std::string_view text, TrialOrder& order) {
  return set_enum(text, order.receiver.xdp_mode);
}
std::string xdp_mode_level(const TrialOrder& order) {
  return std::string(name_of(order.receiver.xdp_mode));
}

constexpr Limits kXdpRing{64, 65536};
std::string xdp_ring_allowed() { return limits_text(kXdpRing) + ", a power of two"; }
Applied set_xdp_ring(std::string_view text, int& field) {
  int entries = field;
  PM_TRYV(set_int(text, kXdpRing, xdp_ring_allowed(), entries));
  if ((entries & (entries - 1)) != 0) {
    return refused(fmt::format("{} is no power of two", entries), xdp_ring_allowed());
  }
  field = entries;
  return {};
}
Applied apply_xdp_rx_ring(std::string_view text, TrialOrder& order) {
  return set_xdp_ring(text, order.receiver.xdp_rx_ring);
}
std::string xdp_rx_ring_level(const TrialOrder& order) {
  return fmt::format("{}", order.receiver.xdp_rx_ring);
}
Applied apply_xdp_fill_ring(std::string_view text, TrialOrder& order) {
  return set_xdp_ring(text, order.receiver.xdp_fill_ring);
}
std::string xdp_fill_ring_level(const TrialOrder& order) {
  return fmt::format("{}", order.receiver.xdp_fill_ring);
}
Applied apply_zero_copy(std::string_view text, TrialOrder& order) {
  return set_truth(text, order.receiver.zero_copy);
}
std::string zero_copy_level(const TrialOrder& order) {
  return truth_level(order.receiver.zero_copy);
}
Applied apply_need_wakeup(std::string_view text, TrialOrder& order) {
  return set_truth(text, order.receiver.need_wakeup);
}
std::string need_wakeup_level(const TrialOrder& order) {
  return truth_level(order.receiver.need_wakeup);
}

constexpr std::string_view kSocketBusyPollAllowed =
    "\"off\", \"1 us\" to \"10 ms\", whole microseconds";
Applied apply_socket_busy_poll(std::string_view text, TrialOrder& order) {
  std::int64_t ns = 0;
  if (trimmed(text) != "off") {
    PM_TRY(ns, parse_duration_ns(text));
    if (ns < 1000 || ns > 10'000'000 || ns % 1000 != 0) {
      return refused(fmt::format("\"{}\" is no such time", text), kSocketBusyPollAllowed);
    }
  }
  order.receiver.socket_busy_poll_ns = ns;
  return {};
}
std::string socket_busy_poll_level(const TrialOrder& order) {
  const std::int64_t ns = order.receiver.socket_busy_poll_ns;
  return ns == 0 ? "off" : whole_duration_text(ns);
}

// Traffic.
Applied apply_frame(std::string_view text, TrialOrder& order) {
  PM_TRY(FrameSizes sizes, parse_frame_sizes(text, order.traffic.letters));
  order.traffic.frame = std::move(sizes.frame);
  order.traffic.frame_bytes = std::move(sizes.frame_bytes);
  return {};
}
std::string frame_level(const TrialOrder& order) {
  if (!order.traffic.frame.empty()) return order.traffic.frame;
  return ratio_of(order.traffic.frame_bytes);
}

// Every flow has a 5-tuple of its own.
constexpr Limits kFlows{1, 65536};
Applied apply_flows(std::string_view text, TrialOrder& order) {
  return set_int(text, kFlows, limits_text(kFlows), order.traffic.flows);
}
std::string flows_level(const TrialOrder& order) { return fmt::format("{}", order.traffic.flows); }

constexpr double kMostZipf = 4.0;
constexpr std::string_view kPopularityAllowed =
    "\"uniform\", \"zipf\" (exponent 1), \"zipf 0.9\" (exponent above 0, up to 4)";
Applied apply_popularity(std::string_view text, TrialOrder& order) {
  const std::string_view body = trimmed(text);
  if (body == "uniform" || body == "zipf") {
    order.traffic.popularity = body == "zipf" ? 1.0 : 0.0;
    return {};
  }
  if (!body.starts_with("zipf ")) {
    static const std::vector<std::string> kNames = {"uniform", "zipf"};
    const std::string near = did_you_mean(body, kNames);
    return refused(near.empty()
                       ? fmt::format("\"{}\" is not known", body)
                       : fmt::format("\"{}\" is not known, did you mean \"{}\"?", body, near),
                   kPopularityAllowed);
  }
  const std::string_view digits = trimmed(body.substr(5));
  double exponent = 0.0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
  if (code != std::errc{} || end != digits.data() + digits.size() || !(exponent > 0.0) ||
      exponent > kMostZipf) {
    return refused(fmt::format("\"{}\" is no exponent", digits), kPopularityAllowed);
  }
  order.traffic.popularity = exponent;
  return {};
}
std::string popularity_level(const TrialOrder& order) {
  const double exponent = order.traffic.popularity;
  if (exponent == 0.0) return "uniform";
  return exponent == 1.0 ? "zipf" : fmt::format("zipf {}", exponent);
}

constexpr Limits kBurstFrames{2, 4096};
constexpr std::int64_t kLeastOnNs = 1'000;
constexpr std::int64_t kMostOnNs = 60'000'000'000;
constexpr std::string_view kArrivalsAllowed =
    "\"constant\", \"poisson\", \"burst 64\" (2 to 4096 frames back to back), \"on 100 us off 900 "
    "us\" (1 us to 60 s each)";
Applied apply_on_off(std::string_view body, TrialOrder& order) {
  const std::size_t middle = body.find(" off ");
  if (middle == std::string_view::npos) {
    return refused(fmt::format("\"{}\" lacks \"off ...\"", body), kArrivalsAllowed);
  }
  Arrivals arrivals{ArrivalKind::on_off, 1};
  PM_TRY(arrivals.on_ns, parse_duration_ns(body.substr(3, middle - 3)));
  PM_TRY(arrivals.off_ns, parse_duration_ns(body.substr(middle + 5)));
  for (const std::int64_t ns : {arrivals.on_ns, arrivals.off_ns}) {
    if (ns < kLeastOnNs || ns > kMostOnNs) {
      return refused(fmt::format("\"{}\" is out of range", body), kArrivalsAllowed);
    }
  }
  order.traffic.arrivals = arrivals;
  return {};
}
Applied apply_arrivals(std::string_view text, TrialOrder& order) {
  const std::string_view body = trimmed(text);
  if (body == "constant" || body == "poisson") {
    order.traffic.arrivals = {body == "poisson" ? ArrivalKind::poisson : ArrivalKind::constant, 1};
    return {};
  }
  if (body.starts_with("on ")) return apply_on_off(body, order);
  if (!body.starts_with("burst ")) {
    const std::vector<std::string> names = {"constant", "poisson", "burst 64",
                                            "on 100 us off 900 us"};
    const std::string near = did_you_mean(body, names);
    return refused(near.empty()
                       ? fmt::format("\"{}\" is not known", body)
                       : fmt::format("\"{}\" is not known, did you mean \"{}\"?", body, near),
                   kArrivalsAllowed);
  }
  PM_TRY(const std::int64_t frames, whole_number(body.substr(6), kBurstFrames, kArrivalsAllowed));
  order.traffic.arrivals = {ArrivalKind::burst, static_cast<int>(frames)};
  return {};
}
std::string arrivals_level(const TrialOrder& order) {
  const Arrivals& arrivals = order.traffic.arrivals;
  if (arrivals.kind == ArrivalKind::burst) return fmt::format("burst {}", arrivals.burst_frames);
  if (arrivals.kind == ArrivalKind::on_off) {
    return fmt::format("on {} off {}", whole_duration_text(arrivals.on_ns),
                       whole_duration_text(arrivals.off_ns));
  }
  return std::string(name_of(arrivals.kind));
}

Applied apply_direction(std::string_view text, TrialOrder& order) {
  return set_enum(text, order.traffic.direction);
}
std::string direction_level(const TrialOrder& order) {
  return std::string(name_of(order.traffic.direction));
}

Applied apply_load(std::string_view text, TrialOrder& order) {
  PM_TRY(order.traffic.load, Load::parse(text));
  return {};
}
std::string load_level(const TrialOrder& order) { return order.traffic.load.text(); }

// Closed loop.
constexpr Limits kStreams{1, 64};
Applied apply_streams(std::string_view text, TrialOrder& order) {
  return set_int(text, kStreams, limits_text(kStreams), order.closed_loop.streams);
}
std::string streams_level(const TrialOrder& order) {
  return fmt::format("{}", order.closed_loop.streams);
}

constexpr Limits kListenBacklog{1, 4096};
Applied apply_listen_backlog(std::string_view text, TrialOrder& order) {
  return set_int(text, kListenBacklog, limits_text(kListenBacklog),
                 order.closed_loop.listen_backlog);
}
std::string listen_backlog_level(const TrialOrder& order) {
  return fmt::format("{}", order.closed_loop.listen_backlog);
}

constexpr std::int64_t kMostMessage = 16 << 20;
constexpr std::string_view kMessageAllowed = "\"auto\", or 4 to 16777216 (\"16 MiB\")";
Applied set_message(std::string_view text, std::int64_t& field) {
  if (trimmed(text) == "auto") {
    field = 0;
    return {};
  }
  PM_TRY(const std::int64_t bytes, parse_bytes(text));
  if (bytes < kLeastMessageBytes || bytes > kMostMessage) {
    return refused(
        fmt::format("\"{}\" is too {}", text, bytes < kLeastMessageBytes ? "small" : "large"),
        kMessageAllowed);
  }
  field = bytes;
  return {};
}
std::string message_level(std::int64_t bytes) {
  return bytes == 0 ? "auto" : fmt::format("{}", bytes);
}
Applied apply_message_bytes(std::string_view text, TrialOrder& order) {
  return set_message(text, order.closed_loop.message_bytes);
}
std::string message_bytes_level(const TrialOrder& order) {
  return message_level(order.closed_loop.message_bytes);
}
Applied apply_response_bytes(std::string_view text, TrialOrder& order) {
  return set_message(text, order.closed_loop.response_bytes);
}
std::string response_bytes_level(const TrialOrder& order) {
  return message_level(order.closed_loop.response_bytes);
}

Applied apply_no_delay(std::string_view text, TrialOrder& order) {
  return set_truth(text, order.closed_loop.no_delay);
}
Applied apply_taps(std::string_view text, TrialOrder& order) {
  return set_truth(text, order.closed_loop.taps);
}
std::string taps_level(const TrialOrder& order) { return truth_level(order.closed_loop.taps); }
Applied apply_wire(std::string_view text, TrialOrder& order) {
  return set_enum(text, order.closed_loop.wire);
}
std::string wire_level(const TrialOrder& order) {
  return std::string(name_of(order.closed_loop.wire));
}
std::string no_delay_level(const TrialOrder& order) {
  return truth_level(order.closed_loop.no_delay);
}

constexpr std::size_t kMostCongestionControl = 15;  // TCP_CA_NAME_MAX less its zero
constexpr std::string_view kCongestionControlAllowed =
    "\"default\", or a name of net.ipv4.tcp_available_congestion_control";
Applied apply_congestion_control(std::string_view text, TrialOrder& order) {
  const std::string_view body = trimmed(text);
  const bool plain = std::all_of(body.begin(), body.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  if (body.empty() || body.size() > kMostCongestionControl || !plain) {
    return refused(fmt::format("\"{}\" is no name", body), kCongestionControlAllowed);
  }
  order.closed_loop.congestion_control = body == "default" ? "" : std::string(body);
  return {};
}
std::string congestion_control_level(const TrialOrder& order) {
  const std::string& name = order.closed_loop.congestion_control;
  return name.empty() ? "default" : name;
}

// Model.
constexpr double kLeastLinkBps = 10e9;
constexpr double kMostLinkBps = 400e9;
constexpr std::string_view kLinkAllowed = "\"10G\" to \"400G\"";
Applied apply_link(std::string_view text, TrialOrder& order) {
  PM_TRY(const double bps, parse_link_bps(text));
  if (bps < kLeastLinkBps || bps > kMostLinkBps) {
    return refused(fmt::format("\"{}\" is too {}", text, bps < kLeastLinkBps ? "slow" : "fast"),
                   kLinkAllowed);
  }
  order.model.link_bps = bps;
  return {};
}
std::string link_level(const TrialOrder& order) {
  const double giga = order.model.link_bps / 1e9;
  if (giga * 1e9 == order.model.link_bps) return fmt::format("{}G", giga);
  return fmt::format("{}M", order.model.link_bps / 1e6);
}

Applied apply_dma(std::string_view text, TrialOrder& order) {
  return set_enum(text, order.model.dma);
}
std::string dma_level(const TrialOrder& order) { return std::string(name_of(order.model.dma)); }

constexpr std::string_view kStallsAllowed =
    "\"none\", \"every 1 ms for 20 us\", \"poisson 1 ms, 20 us\", \"trace:FILE\"; intervals 1 us "
    "to "
    "60 s, a stall shorter than its interval";
constexpr std::int64_t kLeastStallIntervalNs = 1'000;
constexpr std::int64_t kMostStallIntervalNs = 60'000'000'000;
Applied apply_stalls(std::string_view text, TrialOrder& order) {
  const std::string_view body = trimmed(text);
  StallOrder stalls;
  if (body == "none") {
    order.model.stalls = stalls;
    return {};
  }
  if (body.starts_with("trace:")) {
    const std::string_view file = trimmed(body.substr(6));
    if (file.empty()) return refused("the file of the trace is missing", kStallsAllowed);
    stalls.kind = StallKind::trace;
    stalls.trace = std::string(file);
    order.model.stalls = std::move(stalls);
    return {};
  }
  std::string_view interval;
  std::string_view length;
  if (body.starts_with("every ")) {
    stalls.kind = StallKind::periodic;
    const std::size_t middle = body.find(" for ");
    if (middle == std::string_view::npos) {
      return refused(fmt::format("\"{}\" lacks \"for ...\"", body), kStallsAllowed);
    }
    interval = body.substr(6, middle < 6 ? 0 : middle - 6);
    length = body.substr(middle + 5);
  } else if (body.starts_with("poisson ")) {
    stalls.kind = StallKind::poisson;
    const std::size_t middle = body.find(',');
    if (middle == std::string_view::npos) {
      return refused(fmt::format("\"{}\" lacks the length of a stall", body), kStallsAllowed);
    }
    interval = body.substr(8, middle < 8 ? 0 : middle - 8);
    length = body.substr(middle + 1);
  } else {
    return refused(fmt::format("\"{}\" is not a stall profile", body), kStallsAllowed);
  }
  PM_TRY(stalls.every_ns, parse_duration_ns(interval));
  PM_TRY(stalls.for_ns, parse_duration_ns(length));
  if (stalls.every_ns < kLeastStallIntervalNs || stalls.every_ns > kMostStallIntervalNs ||
      stalls.for_ns < 1 || stalls.for_ns >= stalls.every_ns) {
    return refused(fmt::format("\"{}\" is out of range", body), kStallsAllowed);
  }
  order.model.stalls = std::move(stalls);
  return {};
}
std::string stalls_level(const TrialOrder& order) {
  const StallOrder& stalls = order.model.stalls;
  switch (stalls.kind) {
    case StallKind::none:
      return "none";
    case StallKind::periodic:
      return fmt::format("every {} for {}", whole_duration_text(stalls.every_ns),
                         whole_duration_text(stalls.for_ns));
    case StallKind::poisson:
      return fmt::format("poisson {}, {}", whole_duration_text(stalls.every_ns),
                         whole_duration_text(stalls.for_ns));
    case StallKind::trace:
      return "trace:" + stalls.trace;
  }
  PM_CHECK(false);
}

struct Factor {
  FactorFacts facts;  // default_level is filled from TrialOrder{}
  std::function<Applied(std::string_view, TrialOrder&)> apply;
  std::function<std::string(const TrialOrder&)> level;
};

template <typename Condition>
std::vector<Path> paths_that(Condition is_so) {
  std::vector<Path> paths;
  for (const std::string& name : enum_names<Path>()) {
    const Path path = *enum_from_name<Path>(name);
    if (is_so(path)) paths.push_back(path);
  }
  return paths;
}

// Rules on the input hook see what goes up the stack to a socket, of whatever protocol.
bool is_of_firewall(const KernelKnob& knob) { return knob.setting.starts_with("nft "); }
bool is_of_tcp(const KernelKnob& knob) {
  return knob.reach == KnobReach::netns && !is_of_firewall(knob);
}

Factor kernel_factor(const KernelKnob& knob) {
  const auto obeys = [&knob](Path path) {
    if (is_of_firewall(knob)) return path == Path::udp_socket || is_closed_loop(path);
    const bool is_tcp = is_closed_loop(path) && path != Path::udp_rr;
    return is_tcp || (!is_of_tcp(knob) && (is_closed_loop(path) || is_open_kernel_path(path)));
  };
  const bool is_number = knob.form == KnobForm::whole || knob.form == KnobForm::cpus;
  Factor factor;
  factor.facts = {.name = std::string(knob.name),
                  .table = "kernel",
                  .syntax = is_number ? "integer, or text" : "text",
                  .limits = allowed_levels(knob),
                  .ethtool = std::string(knob.ethtool),
                  .paths = paths_that(obeys),
                  .sentence = std::string(knob.sentence)};
  if (knob.reach == KnobReach::host) {
    factor.facts.sentence +=
        fmt::format(" Of the whole host: needs [host] allow = [\"{}\"].", setting_name(knob));
  }
  if (!knob.not_on_veth.empty()) {
    factor.facts.sentence += fmt::format(" Not on veth: {}.", knob.not_on_veth);
  }
  factor.facts.forms = {LevelForm::text};
  if (is_number) factor.facts.forms.push_back(LevelForm::integer);
  factor.apply = [&knob](std::string_view text, TrialOrder& order) -> Applied {
    PM_TRY(const std::string level, canonical_level(knob, text));
    if (level == "default") {
      order.kernel_knobs.erase(std::string(knob.name));
    } else {
      order.kernel_knobs[std::string(knob.name)] = level;
    }
    return {};
  };
  factor.level = [&knob](const TrialOrder& order) -> std::string {
    const auto found = order.kernel_knobs.find(std::string(knob.name));
    return found == order.kernel_knobs.end() ? "default" : found->second;
  };
  return factor;
}

std::vector<Factor> make_factors() {
  using enum LevelForm;
  const std::vector<Path> every = paths_that([](Path) { return true; });
  const std::vector<Path> offered = offering_paths();
  const std::vector<Path> polled = {Path::dpdk, Path::model};
  const std::vector<Path> model = {Path::model};
  const std::vector<Path> closed = paths_that(is_closed_loop);
  const std::vector<Path> tcp = {Path::tcp_stream, Path::tcp_rr, Path::tcp_crr};
  const std::vector<Path> packet_ring = {Path::packet_mmap};
  const std::vector<Path> xdp_socket = {Path::af_xdp};
  const std::vector<Path> on_veth =
      paths_that([](Path path) { return path == Path::dpdk || is_open_kernel_path(path); });
  std::vector<Factor> list = {
      {{.name = "path",
        .table = "receiver",
        .syntax = "text",
        .limits = join(enum_names<Path>(), ", "),
        .paths = every,
        .costly = true,
        .sentence = "How frames are received. model needs port = \"model\", the others "
                    "port = \"veth\" or devices of the host, \"netdev:eth2\". tcp_stream, tcp_rr, "
                    "tcp_crr and udp_rr are closed loops: no load is "
                    "offered, each message waits for the one before it. Unset: model on a model "
                    "port, else dpdk.",
        .forms = {text}},
       apply_path,
       path_level},
      {{.name = "rx_ring",
        .table = "receiver",
        .syntax = "integer",
        .limits = limits_text(kRxRing) + ", not below burst",
        .ethtool = "-G rx",
        .testpmd = "--rxd",
        .paths = polled,
        .sentence = "Receive descriptors of each queue.",
        .forms = {integer}},
       apply_rx_ring,
       rx_ring_level},
      {{.name = "queues",
        .table = "receiver",
        .syntax = "integer",
        .limits = std::string(kQueuesAllowed),
        .ethtool = "-L combined",
        .testpmd = "--rxq",
        .paths = {Path::dpdk, Path::model, Path::udp_socket, Path::packet_mmap},
        .sentence = "Receive queues, each polled by an lcore of its own. On udp_socket and "
                    "packet_mmap: sockets, each read by a thread of its own, to which the kernel "
                    "deals out the frames by flow (SO_REUSEPORT, or fanout).",
        .forms = {integer}},
       apply_queues,
       queues_level},
      {{.name = "rss_fields",
        .table = "receiver",
        .syntax = "text, or list of text",
        .limits = join(rss_field_names(), ", "),
        .ethtool = "-N rx-flow-hash",
        .testpmd = "port config all rss",
        .paths = polled,
        .sentence = "Which packets' addresses and ports are hashed to choose the queue.",
        .forms = {text, texts}},
       apply_rss_fields,
       rss_fields_level},
      {{.name = "reta",
        .table = "receiver",
        .syntax = "\"equal\", or list of integers",
        .limits = std::string(kRetaAllowed),
        .ethtool = "-X weight",
        .testpmd = "port config 0 rss reta",
        .paths = polled,
        .sentence = "Each queue's share of the RSS redirection table.",
        .forms = {text, integers}},
       apply_reta,
       reta_level},
      {{.name = "rx_offloads",
        .table = "receiver",
        .syntax = "list of text",
        .limits = join(rx_offload_names(), ", ") + "; [] for none",
        .ethtool = "-K rx, rxhash",
        .testpmd = "--rx-offloads",
        .paths = polled,
        .sentence = "Work that the port does. An offload that is off is work that the stage does.",
        .forms = {texts, text}},
       apply_rx_offloads,
       rx_offloads_level},
      {{.name = "burst",
        .table = "receiver",
        .syntax = "integer",
        .limits = limits_text(kBurst),
        .testpmd = "--burst",
        .paths = polled,
        .sentence = "Most frames taken by one rx_burst.",
        .forms = {integer}},
       apply_burst,
       burst_level},
      {{.name = "pool_mbufs",
        .table = "receiver",
        .syntax = "integer, or \"auto\"",
        .limits = std::string(kPoolAllowed),
        .testpmd = "--total-num-mbufs",
        .paths = polled,
        .sentence =
            "Buffers of the pool. auto is enough for every queue; fewer provoke rx_no_mbuf.",
        .forms = {integer, text}},
       apply_pool_mbufs,
       pool_mbufs_level},
      {{.name = "numa",
        .table = "receiver",
        .syntax = "text",
        .limits = std::string(kNumaAllowed),
        .testpmd = "--port-numa-config, --socket-num",
        .paths = polled,
        .sentence = "Where the receiving lcores run. local: on the port's NUMA node; remote: on "
                    "another. Pools and rings lie on the port's node; a port without one takes "
                    "that of its local lcores.",
        .forms = {text}},
       apply_numa,
       numa_level},
      {{.name = "stage",
        .table = "receiver",
        .syntax = "text, or { kind = text, patterns = text }",
        .limits = std::string(kStageAllowed),
        .paths = offered,
        .sentence = "What is done with every frame: nothing, read it, verify its checksums, "
                    "swap its addresses and send it back, or "
                    "search the payload behind the stamp for the expressions of a file (one a "
                    "line: expression, /expression/flags or id:/expression/flags).",
        .forms = {text, kind}},
       apply_stage,
       stage_level},
      {{.name = "workers",
        .table = "receiver",
        .syntax = "integer",
        .limits = limits_text(kWorkers) + "; 0: the receiving lcore runs the stage itself",
        .paths = polled,
        .sentence = "Worker lcores behind the software ring. Needs ring.",
        .forms = {integer}},
       apply_workers,
       workers_level},
      {{.name = "ring",
        .table = "receiver",
        .syntax = "integer",
        .limits = limits_text(kRing) + ", at least 4 bursts; 0 without workers",
        .paths = polled,
        .sentence = "Slots of the software ring between a receiving lcore and the workers.",
        .forms = {integer}},
       apply_ring,
       ring_level},
      {{.name = "socket_buffer",
        .table = "receiver",
        .syntax = "text",
        .limits = std::string(kSocketBufferAllowed),
        .paths = {Path::udp_socket, Path::tcp_stream, Path::tcp_rr},
        .sentence = "SO_RCVBUF of the receiving socket. A TCP connection with the default grows it "
                    "as it needs.",
        .forms = {text}},
       apply_socket_buffer,
       socket_buffer_level},
      {{.name = "udp_gro",
        .table = "receiver",
        .syntax = "true or false",
        .limits = std::string(kTruthAllowed),
        .paths = {Path::udp_socket},
        .sentence = "UDP_GRO of the receiving socket: one receive gives the datagrams of a flow "
                    "that GRO joined. A veth joins only with gro on.",
        .forms = {truth}},
       apply_udp_gro,
       udp_gro_level},
      {{.name = "packet_blocks",
        .table = "receiver",
        .syntax = "integer",
        .limits = limits_text(kPacketBlocks),
        .paths = packet_ring,
        .sentence = "Blocks of the TPACKET_V3 ring: the ring holds packet_blocks x packet_block.",
        .forms = {integer}},
       apply_packet_blocks,
       packet_blocks_level},
      {{.name = "packet_block",
        .table = "receiver",
        .syntax = "text",
        .limits = std::string(kPacketBlockAllowed),
        .paths = packet_ring,
        .sentence = "Size of one block of the TPACKET_V3 ring. A block is handed over when it is "
                    "full, or 1 ms after its first frame.",
        .forms = {text}},
       apply_packet_block,
       packet_block_level},
      {{.name = "fanout",
        .table = "receiver",
        .syntax = "text",
        .limits = join(enum_names<Fanout>(), ", "),
        .paths = packet_ring,
        .sentence = "Which of several sockets gets a frame (PACKET_FANOUT): by the flow, in turn, "
                    "or by the CPU that it came in on. Acts with queues above 1. Frames of a flow "
                    "that come to several sockets are counted, not tracked.",
        .forms = {text}},
       apply_fanout,
       fanout_level},
      {{.name = "sender",
        .table = "generator",
        .syntax = "text",
        .limits = join(enum_names<SenderKind>(), ", "),
        .paths = on_veth,
        .sentence = "What sends on veth. udp_gso: a UDP socket for each flow that hands over each "
                    "burst in one call (UDP_SEGMENT), under load max 64 datagrams; plain headers.",
        .forms = {text}},
       apply_sender,
       sender_level},
      {{.name = "xdp_mode",
        .table = "receiver",
        .syntax = "text",
        .limits = join(enum_names<XdpMode>(), ", "),
        .paths = {Path::af_xdp, Path::xdp_drop},
        .sentence = "Where the program at the XDP hook runs: in the driver, before there is a "
                    "socket buffer, or in the stack, on any device.",
        .forms = {text}},
       apply_xdp_mode,
       xdp_mode_level},
      {{.name = "xdp_rx_ring",
        .table = "receiver",
        .syntax = "integer",
        .limits = xdp_ring_allowed(),
        .paths = xdp_socket,
        .sentence = "Descriptors of the AF_XDP socket's RX ring: frames that the kernel has handed "
                    "over. It is never full while the fill ring is not larger.",
        .forms = {integer}},
       apply_xdp_rx_ring,
       xdp_rx_ring_level},
      {{.name = "xdp_fill_ring",
        .table = "receiver",
        .syntax = "integer",
        .limits = xdp_ring_allowed(),
        .paths = xdp_socket,
        .sentence = "Entries of the AF_XDP socket's fill ring: free frames that the kernel may "
                    "write into.",
        .forms = {integer}},
       apply_xdp_fill_ring,
       xdp_fill_ring_level},
      {{.name = "zero_copy",
        .table = "receiver",
        .syntax = "true or false",
        .limits = std::string(kTruthAllowed),
        .paths = xdp_socket,
        .sentence =
            "The device writes into the socket's own memory (XDP_ZEROCOPY), else the kernel "
            "copies (XDP_COPY).",
        .forms = {truth}},
       apply_zero_copy,
       zero_copy_level},
      {{.name = "need_wakeup",
        .table = "receiver",
        .syntax = "true or false",
        .limits = std::string(kTruthAllowed),
        .paths = xdp_socket,
        .sentence = "The driver says when it has to be woken (XDP_USE_NEED_WAKEUP).",
        .forms = {truth}},
       apply_need_wakeup,
       need_wakeup_level},
      {{.name = "socket_busy_poll",
        .table = "receiver",
        .syntax = "text",
        .limits = std::string(kSocketBusyPollAllowed),
        .paths = {Path::udp_socket, Path::af_xdp},
        .sentence = "SO_BUSY_POLL of the receiving socket: how long its reader polls the device "
                    "itself before it sleeps.",
        .forms = {text}},
       apply_socket_busy_poll,
       socket_busy_poll_level},
      {{.name = "frame",
        .table = "traffic",
        .syntax = "integer, list of integers, or text",
        .limits = std::string(allowed_frame_sizes()),
        .testpmd = "--txpkts",
        .paths = offered,
        .sentence =
            "Frame sizes with FCS, sent in this order again and again. imix: 64, 570 and "
            "1518 in the ratio 7:4:1; imix_594: 64, 594 and 1518. A genome has a letter "
            "for each frame: a=64 b=128 c=256 d=512 e=1024 f=1280 g=1518 h=2112 i=9000, "
            "others by letters. In [factors], \"rfc2544_sizes\" stands for the seven sizes of RFC "
            "2544 section 9.1, each a level.",
        .forms = {integer, integers, text},
        .named_levels = "rfc2544_sizes",
        .levels_named = {64, 128, 256, 512, 1024, 1280, 1518}},
       apply_frame,
       frame_level},
      {{.name = "flows",
        .table = "traffic",
        .syntax = "integer",
        .limits = limits_text(kFlows),
        .testpmd = "--txonly-multi-flow",
        .paths = offered,
        .sentence = "Distinct 5-tuples; the addresses are those of src_ip and dst_ip.",
        .forms = {integer}},
       apply_flows,
       flows_level},
      {{.name = "popularity",
        .table = "traffic",
        .syntax = "text",
        .limits = std::string(kPopularityAllowed),
        .paths = offered,
        .sentence = "How often each flow is sent: in turn, or the k-th flow in proportion to "
                    "1/k^exponent, in a seeded order.",
        .forms = {text}},
       apply_popularity,
       popularity_level},
      {{.name = "hit_ratio",
        .table = "traffic",
        .syntax = "text",
        .limits = std::string(kHitRatioAllowed),
        .paths = model,
        .sentence = "Share of payloads in which stage hyperscan finds a match; the others match "
                    "no expression.",
        .forms = {text}},
       apply_hit_ratio,
       hit_ratio_level},
      {{.name = "arrivals",
        .table = "traffic",
        .syntax = "text",
        .limits = std::string(kArrivalsAllowed),
        .paths = offered,
        .sentence =
            "When frames leave: evenly spaced, at random, in bursts at line rate, or evenly "
            "while on and not at all while off (the load is the mean).",
        .forms = {text}},
       apply_arrivals,
       arrivals_level},
      {{.name = "direction",
        .table = "traffic",
        .syntax = "text",
        .limits = "\"one_way\", \"both\"",
        .paths = offered,
        .sentence = "Frames go from the generator's port to the receiver's, or at the same time "
                    "back as well, at the same load: rates are sums of both ways.",
        .forms = {text}},
       apply_direction,
       direction_level},
      {{.name = "load",
        .table = "traffic",
        .syntax = "text",
        .limits = "\"line\", \"80 %\" of the line, \"12.5 Mpps\", \"40 Gbps L1\", \"40 Gbps L2\", "
                  "\"max\"",
        .paths = offered,
        .sentence = "Offered load. L1 counts preamble and gap, L2 does not; bare Gbps is refused.",
        .forms = {text}},
       apply_load,
       load_level},
      {{.name = "streams",
        .table = "traffic",
        .syntax = "integer",
        .limits = limits_text(kStreams),
        .paths = {Path::tcp_stream, Path::tcp_crr},
        .sentence = "Connections at the same time, all of one thread at each end.",
        .forms = {integer}},
       apply_streams,
       streams_level},
      {{.name = "message_bytes",
        .table = "traffic",
        .syntax = "integer, or text",
        .limits = std::string(kMessageAllowed) + "; udp_rr up to 65507",
        .paths = closed,
        .sentence = "Payload of each write (tcp_stream; auto: 131072) or request (auto: 64).",
        .forms = {integer, text}},
       apply_message_bytes,
       message_bytes_level},
      {{.name = "response_bytes",
        .table = "traffic",
        .syntax = "integer, or text",
        .limits = std::string(kMessageAllowed) + "; udp_rr up to 65507",
        .paths = {Path::tcp_rr, Path::tcp_crr, Path::udp_rr},
        .sentence = "Payload of each answer; auto: as the request.",
        .forms = {integer, text}},
       apply_response_bytes,
       response_bytes_level},
      {{.name = "no_delay",
        .table = "traffic",
        .syntax = "true or false",
        .limits = std::string(kTruthAllowed),
        .paths = tcp,
        .sentence = "TCP_NODELAY of both ends: a short segment is not kept back until the one "
                    "before it is acknowledged.",
        .forms = {truth}},
       apply_no_delay,
       no_delay_level},
      {{.name = "congestion_control",
        .table = "traffic",
        .syntax = "text",
        .limits = std::string(kCongestionControlAllowed),
        .paths = tcp,
        .sentence = "Of both ends' connections. default is the host's; the record names it.",
        .forms = {text}},
       apply_congestion_control,
       congestion_control_level},
      {{.name = "taps",
        .table = "traffic",
        .syntax = "true or false",
        .limits = std::string(kTruthAllowed),
        .paths = {Path::tcp_stream},
        .sentence = "Counts how long the segments are at both devices. It costs CPU of both ends.",
        .forms = {truth}},
       apply_taps,
       taps_level},
      {{.name = "wire",
        .table = "traffic",
        .syntax = "text",
        .limits = join(enum_names<WireKind>(), ", "),
        .paths = closed,
        .sentence = "cut: a bridge between the two ends cuts joined segments to the MTU, as a wire "
                    "behind a NIC's TSO does, so that GRO finds something to join.",
        .forms = {text}},
       apply_wire,
       wire_level},
      {{.name = "listen_backlog",
        .table = "receiver",
        .syntax = "integer",
        .limits = limits_text(kListenBacklog) + ", at most net.core.somaxconn",
        .paths = {Path::tcp_crr},
        .sentence = "Connections that may wait until the server accepts them (listen(2)).",
        .forms = {integer}},
       apply_listen_backlog,
       listen_backlog_level},
      {{.name = "link",
        .table = "model",
        .syntax = "text",
        .limits = std::string(kLinkAllowed),
        .ethtool = "-s speed",
        .paths = model,
        .sentence = "Speed of the modelled link.",
        .forms = {text}},
       apply_link,
       link_level},
      {{.name = "dma",
        .table = "model",
        .syntax = "text",
        .limits = join(enum_names<DmaPlacement>(), ", "),
        .paths = model,
        .sentence =
            "Where a frame lies when it arrives: last-level cache (as DDIO), the core's own "
            "caches, or memory.",
        .forms = {text}},
       apply_dma,
       dma_level},
      {{.name = "stalls",
        .table = "model",
        .syntax = "text",
        .limits = std::string(kStallsAllowed),
        .paths = model,
        .sentence = "When the receiving lcores do not poll. Stalls and bursts are what rings are "
                    "for.",
        .forms = {text}},
       apply_stalls,
       stalls_level},
  };
  for (const KernelKnob& knob : all_kernel_knobs()) {
    if (Factor factor = kernel_factor(knob); !factor.facts.paths.empty()) {
      list.push_back(std::move(factor));
    }
  }
  for (Factor& factor : list) factor.facts.default_level = factor.level(TrialOrder{});
  return list;
}

const std::vector<Factor>& factors() {
  static const std::vector<Factor> kFactors = make_factors();
  return kFactors;
}

const Factor& factor_named(std::string_view name) {
  const auto found = std::find_if(factors().begin(), factors().end(),
                                  [&](const Factor& factor) { return factor.facts.name == name; });
  PM_CHECK(found != factors().end());
  return *found;
}

}  // namespace

const std::vector<FactorFacts>& all_factors() {
  static const std::vector<FactorFacts> kFacts = [] {
    std::vector<FactorFacts> facts;
    for (const Factor& factor : factors()) facts.push_back(factor.facts);
    return facts;
  }();
  return kFacts;
}

const FactorFacts* find_factor(std::string_view name) {
  for (const FactorFacts& facts : all_factors()) {
    if (facts.name == name) return &facts;
  }
  return nullptr;
}

std::vector<Path> offering_paths() {
  return paths_that([](Path path) { return !is_closed_loop(path); });
}

bool acts_on(const FactorFacts& factor, Path path) {
  return std::find(factor.paths.begin(), factor.paths.end(), path) != factor.paths.end();
}

Result<void> apply_level(std::string_view factor, std::string_view level, TrialOrder& order) {
  return factor_named(factor).apply(level, order);
}

std::string level_of(std::string_view factor, const TrialOrder& order) {
  return factor_named(factor).level(order);
}

}  // namespace pollmark
