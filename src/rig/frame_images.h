// Flows and shapes laid out as the sending loop reads them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "datapath/generate.h"

namespace pollmark {

// rearm: of the mbufs to send (rearm_of). payload: what lies behind the stamp of every frame; kept
// by the caller, readable to 64 bytes beyond the longest frame's. chosen: the flows to lay out, by
// number, in the order that they are sent in; empty: all.
class FrameImages {
 public:
  FrameImages() = default;
  FrameImages(std::span<const Flow> flows, std::span<const FrameShape> shapes,
              const std::uint8_t* payload, std::uint64_t rearm,
              std::span<const std::uint16_t> chosen = {});

  [[nodiscard]] PreparedTraffic traffic() const;  // points into this object

 private:
  std::vector<FlowImage> images_;
  std::vector<std::uint32_t> ipv4_sums_;
  std::vector<std::uint32_t> udp_sums_;
  std::vector<std::uint32_t> ipv4_lengths_;
  std::vector<std::uint32_t> udp_lengths_;
  std::vector<std::uint32_t> shape_sums_;
  std::vector<MbufFields> fields_;
  std::uint32_t shape_count_ = 0;
  const std::uint8_t* payload_ = nullptr;
};

// Lays that payload into every mbuf of the pool, where a stamped frame has it: for
// PayloadFrom::mbuf. bytes: what fits behind the stamp, at most.
void lay_payload(rte_mempool* pool, const std::uint8_t* payload, std::uint32_t bytes);

}  // namespace pollmark
