#include "base/line_rate.h"

#include <fmt/format.h>

#include "base/error.h"

namespace pollmark {

namespace {

// Rounding of a percentage or of Gbps must not refuse the line rate itself.
constexpr double kRoundingAllowance = 1e-9;

}  // namespace

double mean_frame_bytes(std::span<const int> sizes) {
  PM_CHECK(!sizes.empty());
  double sum = 0.0;
  for (const int size : sizes) sum += size;
  return sum / static_cast<double>(sizes.size());
}

double line_rate_pps(double link_bps, double frame_bytes) {
  return link_bps / (8.0 * (frame_bytes + kWireOverheadBytes));
}

double frame_time_ns(double link_bps, double frame_bytes) {
  return 8e9 * (frame_bytes + kWireOverheadBytes) / link_bps;
}

double l1_bps(double pps, double frame_bytes) {
  return pps * 8.0 * (frame_bytes + kWireOverheadBytes);
}

double l2_bps(double pps, double frame_bytes) { return pps * 8.0 * frame_bytes; }

Result<double> load_pps(const Load& load, double link_bps, double frame_bytes) {
  const double line_pps = line_rate_pps(link_bps, frame_bytes);
  double pps = 0.0;
  switch (load.unit) {
    case LoadUnit::line_percent:
      pps = line_pps * load.value / 100.0;
      break;
    case LoadUnit::pps:
      pps = load.value;
      break;
    case LoadUnit::l1_bps:
      pps = load.value / (8.0 * (frame_bytes + kWireOverheadBytes));
      break;
    case LoadUnit::l2_bps:
      pps = load.value / (8.0 * frame_bytes);
      break;
    case LoadUnit::max:
      return line_pps;
  }
  if (!(pps > 0.0)) {
    return fail(Errc::bad_experiment,
                fmt::format("load {} must be above zero; allowed: up to {} (the line)", load.text(),
                            si(line_pps, "pps")));
  }
  if (pps > line_pps * (1.0 + kRoundingAllowance)) {
    return fail(Errc::bad_experiment,
                fmt::format("load {} is {}, above the line; allowed: up to {} ({} with frames of "
                            "{:.6g} bytes)",
                            load.text(), si(pps, "pps"), si(line_pps, "pps"), si(link_bps, "bps"),
                            frame_bytes));
  }
  return pps < line_pps ? pps : line_pps;
}

}  // namespace pollmark
