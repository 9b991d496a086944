// What the hardware around the cores can carry at most, by models: the line, PCIe, the NIC.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pollmark {

// Generations 3 to 5, with 8 or 16 lanes.
struct PcieLink {
  int generation = 3;
  int lanes = 16;
  [[nodiscard]] std::string text() const;  // "gen3 x16"
};
// "gen3 x16", "Gen 4 x8", "5x16". Errors: bad_experiment.
[[nodiscard]] Result<PcieLink> parse_pcie(std::string_view text);

// Each direction, after line coding. bit/s.
[[nodiscard]] double pcie_raw_bps(const PcieLink& link);
// What is left of it for transaction-layer packets, with acknowledgements, flow control and skips
// taken off (Neugebauer et al., SIGCOMM 2018; payloads of at most 256 bytes).
[[nodiscard]] double pcie_payload_bps(const PcieLink& link);

// How a NIC moves what it receives.
struct PcieReceive {
  double completions_per_write = 1.0;  // of 16 bytes
  double descriptors_per_read = 32.0;  // of 16 bytes
  double packets_per_doorbell = 32.0;
};
// Frames per second that fit the link when each is written to memory (without its FCS) with its
// completion, and its descriptor is read; the lesser of both directions. Transmitting beside it is
// not in it.
[[nodiscard]] double pcie_receive_pps(const PcieLink& link, double frame_bytes,
                                      const PcieReceive& receive = {});

struct Ceiling {
  std::string name;  // "line", "pcie", "nic"
  double pps = 0.0;
  std::string how;  // "25 Gbps", "gen3 x16, a model"
};
// The least of them; nullptr of none.
[[nodiscard]] const Ceiling* binding_ceiling(const std::vector<Ceiling>& ceilings);

}  // namespace pollmark
