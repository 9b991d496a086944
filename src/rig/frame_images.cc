#include "rig/frame_images.h"

#include <algorithm>
#include <cstring>

namespace pollmark {

FrameImages::FrameImages(std::span<const Flow> flows, std::span<const FrameShape> shapes,
                         const std::uint8_t* payload, std::uint64_t rearm,
                         std::span<const std::uint16_t> chosen)
    : shape_count_(static_cast<std::uint32_t>(shapes.size())), payload_(payload) {
  const std::size_t count = chosen.empty() ? flows.size() : chosen.size();
  for (std::size_t at = 0; at < count; ++at) {
    const std::uint16_t stamped = chosen.empty() ? static_cast<std::uint16_t>(at) : chosen[at];
    const Flow& flow = flows[stamped];
    FlowImage image{};
    std::memcpy(image.bytes, flow.header, kHeaderBytes);
    std::memcpy(image.bytes + kHeaderBytes + offsetof(Stamp, flow), &stamped, sizeof stamped);
    std::memcpy(image.bytes + kStampedBytes, payload, sizeof image.bytes - kStampedBytes);
    if (shapes.size() == 1) {
      const FrameShape& shape = shapes.front();
      const auto checksum =
          static_cast<std::uint16_t>(~folded(std::uint64_t{flow.ipv4_sum} + shape.ipv4_length));
      std::memcpy(image.bytes + kEthernetBytes + 2, &shape.ipv4_length, 2);
      std::memcpy(image.bytes + kEthernetBytes + 10, &checksum, 2);
    }
    images_.push_back(image);
    ipv4_sums_.push_back(folded(flow.ipv4_sum));
    udp_sums_.push_back(folded(std::uint64_t{flow.udp_sum} + stamped));
  }
  for (std::size_t at = 0; at < shapes.size() + kMostSent; ++at) {
    const FrameShape& shape = shapes[at % shapes.size()];
    ipv4_lengths_.push_back(shape.ipv4_length);
    udp_lengths_.push_back(shape.udp_length);
    shape_sums_.push_back(folded(2U * std::uint64_t{shape.udp_length} + shape.payload_sum));
    MbufFields fields{};
    fields.rearm = rearm;
    fields.pkt_len = shape.data_bytes;
    fields.data_len = static_cast<std::uint16_t>(shape.data_bytes);
    fields_.push_back(fields);
  }
}

PreparedTraffic FrameImages::traffic() const {
  PreparedTraffic traffic;
  traffic.images = images_.data();
  traffic.ipv4_sums = ipv4_sums_.data();
  traffic.udp_sums = udp_sums_.data();
  traffic.flow_count = static_cast<std::uint32_t>(images_.size());
  traffic.ipv4_lengths = ipv4_lengths_.data();
  traffic.udp_lengths = udp_lengths_.data();
  traffic.shape_sums = shape_sums_.data();
  traffic.fields = fields_.data();
  traffic.shape_count = shape_count_;
  traffic.payload = payload_;
  return traffic;
}

void lay_payload(rte_mempool* pool, const std::uint8_t* payload, std::uint32_t bytes) {
  struct Payload {
    const std::uint8_t* data;
    std::uint32_t bytes;
  } what{payload, bytes};
  rte_mempool_obj_iter(
      pool,
      [](rte_mempool* /*pool*/, void* argument, void* mbuf, unsigned /*index*/) {
        const auto& from = *static_cast<const Payload*>(argument);
        const std::uint32_t room = static_cast<rte_mbuf*>(mbuf)->buf_len - RTE_PKTMBUF_HEADROOM;
        std::memcpy(static_cast<std::uint8_t*>(mbuf) + kPostedDataOffset + kStampedBytes, from.data,
                    std::min(from.bytes, room - kStampedBytes));
      },
      &what);
}

}  // namespace pollmark
