#include "judge/ceilings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>

#include "base/line_rate.h"
#include "base/text.h"

namespace pollmark {
namespace {

constexpr double kMaxPayload = 256.0;
constexpr double kWriteOverhead = 24.0;       // 8 of the link, 16 of a header with 64-bit address
constexpr double kReadOverhead = 24.0;        // a request
constexpr double kCompletionOverhead = 20.0;  // of data that was read
constexpr double kDoorbell = 28.0;            // a write of 4 bytes
constexpr double kDescriptor = 16.0;

// Payloads are cut at kMaxPayload; a mean frame is taken as the largest of its pieces would be.
double pieces(double bytes) { return std::ceil(bytes / kMaxPayload); }

}  // namespace

std::string PcieLink::text() const { return fmt::format("gen{} x{}", generation, lanes); }

Result<PcieLink> parse_pcie(std::string_view text) {
  std::string word;
  for (const char c : text) {
    if (c != ' ') word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (word.starts_with("gen")) word = word.substr(3);
  for (const int generation : {3, 4, 5}) {
    for (const int lanes : {8, 16}) {
      if (word == fmt::format("{}x{}", generation, lanes)) return PcieLink{generation, lanes};
    }
  }
  return fail(
      Errc::bad_experiment,
      fmt::format("PCIe link \"{}\" is not known; allowed: gen3, gen4 or gen5 with x8 or x16: "
                  "\"gen3 x16\"",
                  text));
}

double pcie_raw_bps(const PcieLink& link) {
  const double transfers = 8e9 * std::pow(2.0, link.generation - 3);
  return transfers * link.lanes * 128.0 / 130.0;
}

double pcie_payload_bps(const PcieLink& link) {
  // Symbols after which an acknowledgement is due at the latest, at that width.
  const double ack_limit = link.lanes == 16 ? 168.0 : 203.0;
  return pcie_raw_bps(link) * (1.0 - 8.0 / ack_limit - 8.0 / ack_limit - 4.0 / 1538.0);
}

double pcie_receive_pps(const PcieLink& link, double frame_bytes, const PcieReceive& receive) {
  const double data = frame_bytes - kFcsBytes;
  const double to_host = data + kWriteOverhead * pieces(data) + kDescriptor +
                         kWriteOverhead / receive.completions_per_write +
                         kReadOverhead / receive.descriptors_per_read;
  const double batch = kDescriptor * receive.descriptors_per_read;
  const double to_nic = kDescriptor +
                        kCompletionOverhead * pieces(batch) / receive.descriptors_per_read +
                        kDoorbell / receive.packets_per_doorbell;
  return pcie_payload_bps(link) / 8.0 / std::max(to_host, to_nic);
}

const Ceiling* binding_ceiling(const std::vector<Ceiling>& ceilings) {
  const auto least =
      std::min_element(ceilings.begin(), ceilings.end(),
                       [](const Ceiling& a, const Ceiling& b) { return a.pps < b.pps; });
  return least == ceilings.end() ? nullptr : &*least;
}

}  // namespace pollmark
