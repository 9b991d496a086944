#include "rig/flow_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <unordered_set>

#include "base/line_rate.h"
#include "datapath/lateness.h"
#include "plan/header_fields.h"
#include "rig/dpdk_pacer.h"

namespace pollmark {
namespace {

constexpr std::uint64_t kFlowSalt = 0x666c6f7773000000U;
constexpr std::uint64_t kSlotSalt = 0x736c6f7473000000U;
constexpr std::uint64_t kPayloadSeed = 1;
constexpr std::size_t kPayloadBytes = 16384;
constexpr int kMostFlows = 65536;
constexpr std::uint64_t kMostDraws = 4096;  // of one flow, for a 5-tuple of its own
constexpr std::uint16_t kEtherIpv4 = 0x0800;
constexpr std::uint16_t kEtherIpv6 = 0x86dd;
constexpr std::uint16_t kEtherVlan = 0x8100;
constexpr std::uint16_t kEtherQinq = 0x88a8;
constexpr std::uint8_t kProtocolTcp = 6;
constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::uint16_t kTcpWindow = 65535;

void put(std::uint8_t* at, FieldValue value, int bytes) {
  for (int i = bytes; i-- > 0; value >>= 8) at[i] = static_cast<std::uint8_t>(value);
}

std::uint16_t network_16(std::uint32_t value) {
  return __builtin_bswap16(static_cast<std::uint16_t>(value));
}

// The text of a field as it applies here.
std::string field_text(HeaderField field, const TrafficOrder& traffic,
                       const std::optional<NetdevPlace>& place) {
  if (!text_of(field, traffic).empty()) return text_of(field, traffic);
  const std::string_view usual =
      default_values(field, traffic.ip_version, place ? Path::dpdk : Path::model);
  if (!usual.empty() || !place) return std::string(usual);
  switch (field) {
    case HeaderField::src_mac:
      return mac_text(place->mac);
    case HeaderField::dst_mac:
      return mac_text(place->frames_to_mac);
    case HeaderField::dst_ip:
      return ipv4_text(place->frames_to_ipv4);
    case HeaderField::dst_port:
      return fmt::format("{}", place->frames_to_port);
    default:
      return {};
  }
}

FieldValue drawn_value(const FieldValues& values, std::uint64_t seed, std::uint64_t counter) {
  const FieldValue high = drawn(seed, 2 * counter);
  const FieldValue draw = high << 64 | drawn(seed, 2 * counter + 1);
  const FieldValue count = values.last - values.first + 1;  // 0: all of 128 bits
  return values.first + (count == 0 ? draw : draw % count);
}

// The values of every field of every flow.
class FieldPlan {
 public:
  static Result<FieldPlan> make(const TrafficOrder& traffic, std::uint64_t seed,
                                const std::optional<NetdevPlace>& place) {
    FieldPlan plan;
    plan.seed_ = seed ^ kFlowSalt;
    plan.answers_ = traffic.answers && !place;
    for (const HeaderField field : kHeaderFields) {
      const std::string text = field_text(field, traffic, place);
      if (text.empty()) continue;
      auto values = parse_field_values(field, text, traffic.ip_version);
      if (!values)
        return fail(Errc::bad_experiment,
                    fmt::format("{}: {}", name_of(field), values.error().what));
      plan.values_[index(field)] = std::move(*values);
    }
    return plan;
  }

  [[nodiscard]] bool has(HeaderField field) const { return values_[index(field)].has_value(); }

  // Sets `row` to the values of that flow. False when its 5-tuple cannot be made another's.
  bool next(std::uint64_t flow) {
    for (std::uint64_t draw = 0; draw < kMostDraws; ++draw) {
      fill(flow, draw);
      std::string tuple;
      for (const HeaderField field : kTupleFields) {
        const FieldValue value = row[index(field)];
        tuple.append(reinterpret_cast<const char*>(&value), sizeof value);
      }
      if (seen_.insert(std::move(tuple)).second) return true;
      if (!any_random_) return false;
    }
    return false;
  }

  [[nodiscard]] FieldValue value(HeaderField field) const { return row[index(field)]; }

 private:
  static constexpr std::array kTupleFields = {HeaderField::src_ip, HeaderField::src_port,
                                              HeaderField::dst_ip, HeaderField::dst_port};
  static std::size_t index(HeaderField field) { return static_cast<std::size_t>(field); }

  void fill(std::uint64_t flow, std::uint64_t draw) {
    any_random_ = false;
    FieldValue turn = flow;
    const auto set = [&](HeaderField field, FieldValue place, std::uint64_t again) {
      const auto& values = values_[index(field)];
      if (!values) return;
      if (values->kind == FieldValues::Kind::random) {
        row[index(field)] =
            drawn_value(*values, seed_ + 0x100 * index(field), flow + again * kMostFlows);
      } else {
        row[index(field)] = values->at(place % values->count());
      }
    };
    for (const HeaderField field : kTupleFields) {
      const auto& values = values_[index(field)];
      set(field, turn, draw);
      if (!values) continue;
      if (values->kind == FieldValues::Kind::random)
        any_random_ = true;
      else
        turn /= values->count();
    }
    for (const HeaderField field : kHeaderFields)
      if (std::find(kTupleFields.begin(), kTupleFields.end(), field) == kTupleFields.end())
        set(field, flow, 0);
    if (!answers_) return;
    for (const auto& [src, dst] : {std::pair(HeaderField::src_mac, HeaderField::dst_mac),
                                   std::pair(HeaderField::src_ip, HeaderField::dst_ip),
                                   std::pair(HeaderField::src_port, HeaderField::dst_port)})
      std::swap(row[index(src)], row[index(dst)]);
  }

  bool answers_ = false;
  std::uint64_t seed_ = 0;
  std::array<std::optional<FieldValues>, kHeaderFields.size()> values_;
  std::array<FieldValue, kHeaderFields.size()> row{};
  std::unordered_set<std::string> seen_;
  bool any_random_ = false;
};

TallHeader make_header(const FrameStack& stack, const FieldPlan& plan, std::uint8_t tcp_flags,
                       std::uint32_t first_sequence) {
  TallHeader header{};
  std::uint8_t* at = header.bytes;
  put(at, plan.value(HeaderField::dst_mac), 6);
  put(at + 6, plan.value(HeaderField::src_mac), 6);
  at += 12;
  for (const auto& [field, type] :
       {std::pair{HeaderField::qinq, kEtherQinq}, std::pair{HeaderField::vlan, kEtherVlan}}) {
    if (!plan.has(field)) continue;
    put(at, type, 2);
    put(at + 2, plan.value(field), 2);
    at += kTagBytes;
  }
  const bool ipv4 = stack.ip == IpKind::ipv4;
  put(at, ipv4 ? kEtherIpv4 : kEtherIpv6, 2);
  std::uint8_t* ip = header.bytes + stack.ip_at;
  const std::uint8_t protocol = stack.l4 == L4Kind::tcp ? kProtocolTcp : kProtocolUdp;
  const auto traffic_class = static_cast<std::uint32_t>(plan.value(HeaderField::dscp)) << 2;
  std::uint32_t address_bytes = 4;
  if (ipv4) {
    ip[0] = 0x45;
    ip[1] = static_cast<std::uint8_t>(traffic_class);
    put(ip + 6, 0x4000, 2);  // do not fragment
    ip[8] = static_cast<std::uint8_t>(plan.value(HeaderField::ttl));
    ip[9] = protocol;
  } else {
    put(ip, 0x60000000U | traffic_class << 20, 4);
    ip[6] = protocol;
    ip[7] = static_cast<std::uint8_t>(plan.value(HeaderField::ttl));
    address_bytes = 16;
  }
  std::uint8_t* addresses = header.bytes + stack.addresses_at();
  put(addresses, plan.value(HeaderField::src_ip), static_cast<int>(address_bytes));
  put(addresses + address_bytes, plan.value(HeaderField::dst_ip), static_cast<int>(address_bytes));
  std::uint8_t* l4 = header.bytes + stack.l4_at;
  put(l4, plan.value(HeaderField::src_port), 2);
  put(l4 + 2, plan.value(HeaderField::dst_port), 2);
  std::uint32_t l4_header = kUdpBytes;
  if (stack.l4 == L4Kind::tcp) {
    l4_header = kTcpBytes;
    header.first_sequence = first_sequence;
    put(l4 + 8, (tcp_flags & 0x10U) != 0 ? 1 : 0, 4);  // acknowledged: the same in every segment
    l4[12] = 5 << 4;
    l4[13] = tcp_flags;
    put(l4 + 14, kTcpWindow, 2);
  }
  if (ipv4) header.ip_sum = folded(sum_words(ip, kIpv4Bytes));
  header.l4_sum = folded(sum_words(addresses, 2 * address_bytes) + network_16(protocol) +
                         sum_words(l4, l4_header));
  return header;
}

Flow plain_flow(const TallHeader& header) {
  Flow flow{};
  std::memcpy(flow.header, header.bytes, sizeof flow.header);
  flow.ipv4_sum = header.ip_sum;
  flow.udp_sum = header.l4_sum;
  return flow;
}

FrameShape make_shape(const FrameStack& stack, int frame_bytes,
                      const std::vector<std::uint8_t>& payload) {
  FrameShape shape;
  shape.wire_bytes = static_cast<std::uint32_t>(frame_bytes);
  shape.data_bytes = static_cast<std::uint32_t>(frame_bytes - kFcsBytes);
  shape.ipv4_length = network_16(shape.data_bytes - stack.length_omits());
  shape.udp_length = network_16(shape.data_bytes - stack.l4_at);
  shape.payload_sum = folded(sum_words(payload.data(), shape.data_bytes - stack.least_bytes()));
  return shape;
}

}  // namespace

std::vector<std::uint32_t> zipf_counts(std::uint32_t flows, double exponent) {
  const std::uint64_t total =
      std::bit_ceil(std::max<std::uint64_t>(65536, 16 * std::uint64_t{flows}));
  std::vector<double> due(flows);
  for (std::uint32_t flow = 0; flow < flows; ++flow)
    due[flow] = std::pow(static_cast<double>(flow) + 1.0, -exponent);
  // One for each first, the rest by largest remainders.
  const auto spare = static_cast<double>(total - flows);
  const double scale = static_cast<double>(total) / std::accumulate(due.begin(), due.end(), 0.0);
  double above = 0.0;
  for (double& each : due) above += each = std::max(0.0, each * scale - 1.0);
  std::vector<std::uint32_t> counts(flows, 1);
  std::uint64_t given = flows;
  for (std::uint32_t flow = 0; flow < flows; ++flow) {
    due[flow] *= spare / above;
    const double whole = std::floor(due[flow]);
    counts[flow] += static_cast<std::uint32_t>(whole);
    given += static_cast<std::uint64_t>(whole);
    due[flow] -= whole;
  }
  std::vector<std::uint32_t> order(flows);
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return due[a] > due[b]; });
  for (std::size_t i = 0; given < total; ++i, ++given) ++counts[order[i % flows]];
  return counts;
}

Result<FrameStack> frame_stack(const TrafficOrder& traffic) {
  PM_TRY(const int stamp, stamp_bytes(traffic));
  return make_stack((traffic.vlan.empty() ? 0U : 1U) + (traffic.qinq.empty() ? 0U : 1U),
                    traffic.ip_version == 6 ? IpKind::ipv6 : IpKind::ipv4,
                    traffic.kind == TrafficKind::tcp ? L4Kind::tcp : L4Kind::udp,
                    stamp == sizeof(Stamp) ? StampKind::full : StampKind::brief);
}

bool carries_lateness(const TrafficOrder& traffic, const FrameStack& stack, double ticks_per_frame,
                      double tsc_hz) {
  if (traffic.kind == TrafficKind::replay || !(ticks_per_frame > 0.0)) return false;
  const int smallest = *std::min_element(traffic.frame_bytes.begin(), traffic.frame_bytes.end());
  return static_cast<std::uint32_t>(smallest - kFcsBytes) >= stack.least_bytes() + kLatenessBytes &&
         catch_up_ticks(ticks_per_frame, tsc_hz) <= kMostLateness;
}

Result<FlowSet> FlowSet::prepare(const TrafficOrder& traffic, std::uint64_t seed,
                                 const std::optional<NetdevPlace>& place) {
  if (traffic.flows < 1 || traffic.flows > kMostFlows)
    return fail(Errc::bad_experiment,
                fmt::format("flows: {}; allowed: 1 to {}", traffic.flows, kMostFlows));
  if (traffic.frame_bytes.empty()) return fail(Errc::bad_experiment, "frame: no size given");
  const int largest =
      place ? place->mtu + static_cast<int>(kEthernetBytes) + kFcsBytes : 9000 + kFcsBytes;
  for (const int bytes : traffic.frame_bytes)
    if (bytes < kMinFrameBytes || bytes > largest)
      return fail(
          Errc::bad_experiment,
          fmt::format("frame: {} bytes; allowed{}: {} to {} (incl. FCS)", bytes,
                      place ? " on " + place->netdev : std::string(), kMinFrameBytes, largest));
  PM_TRY(const std::uint8_t tcp_flags, parse_tcp_flags(traffic.tcp_flags));
  if (!traffic.qinq.empty() && traffic.vlan.empty())
    return fail(Errc::bad_experiment, "qinq without an inner tag; allowed with vlan");

  FlowSet made;
  PM_TRY(made.stack, frame_stack(traffic));
  PM_TRY(FieldPlan plan, FieldPlan::make(traffic, seed, place));
  for (int number = 0; number < traffic.flows; ++number) {
    const auto flow = static_cast<std::uint64_t>(number);
    if (!plan.next(flow))
      return fail(Errc::bad_experiment,
                  fmt::format("flows: {} from addresses and ports that make fewer; allowed: fewer, "
                              "or more of src_ip, src_port, dst_ip, dst_port",
                              traffic.flows));
    const TallHeader header =
        make_header(made.stack, plan, tcp_flags,
                    static_cast<std::uint32_t>(drawn(seed ^ kFlowSalt ^ kSlotSalt, flow)));
    if (made.stack.is_plain()) {
      made.flows.push_back(plain_flow(header));
    } else {
      made.flows.emplace_back();
      made.tall.push_back(header);
    }
  }
  made.payload.resize(kPayloadBytes);
  for (std::size_t at = 0; at < made.payload.size(); ++at)
    made.payload[at] = static_cast<std::uint8_t>(drawn(kPayloadSeed, at));
  // How late a frame leaves is written there.
  std::fill_n(made.payload.begin(), kLatenessBytes, std::uint8_t{0});
  for (const int bytes : traffic.frame_bytes)
    made.shapes.push_back(make_shape(made.stack, bytes, made.payload));

  if (traffic.popularity > 0.0) {
    made.flow_per_pass = zipf_counts(static_cast<std::uint32_t>(traffic.flows), traffic.popularity);
    for (std::uint32_t flow = 0; flow < made.flow_per_pass.size(); ++flow)
      made.slots.insert(made.slots.end(), made.flow_per_pass[flow], FlowSlot{flow, 0});
    for (std::size_t left = made.slots.size(); left > 1; --left)
      std::swap(made.slots[left - 1], made.slots[drawn(seed ^ kSlotSalt, left) % left]);
    std::vector<std::uint32_t> sequence(made.flow_per_pass.size(), 0);
    for (FlowSlot& slot : made.slots) slot.sequence = sequence[slot.flow]++;
  }
  return made;
}

std::span<const std::uint8_t> FlowSet::header(std::size_t flow) const {
  if (tall.empty()) return {flows[flow].header, kHeaderBytes};
  return {tall[flow].bytes, stack.stamp_at};
}

Traffic FlowSet::traffic() const {
  Traffic traffic;
  traffic.flows = flows.data();
  traffic.flow_count = static_cast<std::uint32_t>(flows.size());
  traffic.shapes = shapes.data();
  traffic.shape_count = static_cast<std::uint32_t>(shapes.size());
  traffic.payload = payload.data();
  traffic.stack = stack;
  if (!tall.empty()) traffic.tall = tall.data();
  if (!slots.empty()) {
    traffic.slots = slots.data();
    traffic.slot_count = static_cast<std::uint32_t>(slots.size());
    traffic.flow_per_pass = flow_per_pass.data();
  }
  return traffic;
}

std::vector<std::uint32_t> FlowSet::sent_per_flow(std::uint64_t frames) const {
  std::vector<std::uint32_t> sent(flows.size(), 0);
  const std::uint64_t turns = slots.empty() ? flows.size() : slots.size();
  const std::uint64_t passes = frames / turns;
  const std::uint64_t rest = frames % turns;
  if (slots.empty()) {
    for (std::size_t flow = 0; flow < sent.size(); ++flow)
      sent[flow] = static_cast<std::uint32_t>(passes + (flow < rest ? 1 : 0));
    return sent;
  }
  for (std::size_t flow = 0; flow < sent.size(); ++flow)
    sent[flow] = static_cast<std::uint32_t>(passes * flow_per_pass[flow]);
  for (std::size_t turn = 0; turn < rest; ++turn) ++sent[slots[turn].flow];
  return sent;
}

}  // namespace pollmark
