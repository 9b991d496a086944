#include "rig/dpdk_flows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/line_rate.h"
#include "datapath/arrivals.h"

namespace pollmark {
namespace {

constexpr std::uint32_t kFirstSource = 0xC6130000;  // 198.19.0.0
constexpr std::uint64_t kPayloadSeed = 1;

void put_16(std::uint8_t* at, std::uint32_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}
void put_32(std::uint8_t* at, std::uint32_t value) {
  put_16(at, value >> 16);
  put_16(at + 2, value & 0xffffU);
}
std::uint16_t network_16(std::uint32_t value) {
  return __builtin_bswap16(static_cast<std::uint16_t>(value));
}

Flow make_flow(std::uint32_t number, const NetdevPlace& place) {
  Flow flow{};
  std::memcpy(flow.header, place.frames_to_mac.data(), 6);
  std::memcpy(flow.header + 6, place.mac.data(), 6);
  put_16(flow.header + 12, 0x0800);
  std::uint8_t* ip = flow.header + kEthernetBytes;
  ip[0] = 0x45;
  put_16(ip + 6, 0x4000);  // do not fragment
  ip[8] = 64;
  ip[9] = 17;
  put_32(ip + 12, kFirstSource + (number & 0x7fffU));
  put_32(ip + 16, place.frames_to_ipv4);
  std::uint8_t* udp = ip + kIpv4Bytes;
  put_16(udp, 1024U + ((number >> 15) << 14) + (number & 0x3fffU));
  put_16(udp + 2, place.frames_to_port);
  flow.ipv4_sum = folded(sum_words(ip, kIpv4Bytes));
  flow.udp_sum = folded(sum_words(ip + 12, 12) + network_16(17));
  return flow;
}

}  // namespace

Result<DpdkFlows> DpdkFlows::prepare(const TrafficOrder& traffic, const NetdevPlace& place) {
  if (traffic.flows < 1 || traffic.flows > 65536) {
    return fail(Errc::bad_experiment, fmt::format("flows: {}; allowed: 1 to 65536", traffic.flows));
  }
  const int largest = place.mtu + static_cast<int>(kEthernetBytes) + kFcsBytes;
  if (traffic.frame_bytes.empty()) return fail(Errc::bad_experiment, "frame: no size given");
  for (const int bytes : traffic.frame_bytes) {
    if (bytes < kMinFrameBytes || bytes > largest) {
      return fail(Errc::bad_experiment,
                  fmt::format("frame: {} bytes; allowed on {}: {} to {} (incl. FCS)", bytes,
                              place.netdev, kMinFrameBytes, largest));
    }
  }
  DpdkFlows made;
  for (int number = 0; number < traffic.flows; ++number) {
    made.flows.push_back(make_flow(static_cast<std::uint32_t>(number), place));
  }
  made.payload.resize(static_cast<std::size_t>(std::max(largest, 64)));
  for (std::size_t at = 0; at < made.payload.size(); ++at) {
    made.payload[at] = static_cast<std::uint8_t>(drawn(kPayloadSeed, at));
  }
  for (const int bytes : traffic.frame_bytes) {
    FrameShape shape;
    shape.wire_bytes = static_cast<std::uint32_t>(bytes);
    shape.data_bytes = shape.wire_bytes - std::uint32_t{kFcsBytes};
    shape.ipv4_length = network_16(shape.data_bytes - kEthernetBytes);
    shape.udp_length = network_16(shape.data_bytes - kEthernetBytes - kIpv4Bytes);
    shape.payload_sum = folded(sum_words(made.payload.data(), shape.data_bytes - kStampedBytes));
    made.shapes.push_back(shape);
  }
  return made;
}

}  // namespace pollmark
