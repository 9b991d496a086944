#include "trial/clocks.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/tsc.h"
#include "base/units.h"

namespace pollmark {
namespace {

constexpr int kBracketTries = 20;
constexpr double kStepNs = 100'000.0;
constexpr double kRateError = 50e-6;

ClockReading read_host(double tsc_hz) {
  const TscPoint point = tightest_tsc_point(kBracketTries);
  ClockReading reading;
  reading.tsc_cycles = point.tsc_cycles;
  reading.raw_ns = point.raw_ns;
  reading.uncertainty_ns =
      static_cast<std::int64_t>(static_cast<double>(point.bracket_cycles) * 1e9 / tsc_hz / 2.0) + 1;
  return reading;
}

}  // namespace

const TrialClocks& host_clocks() {
  static const TrialClocks kClocks = [] {
    TrialClocks clocks;
    clocks.tsc_hz = host_tsc().hz;
    clocks.read = [hz = clocks.tsc_hz] { return read_host(hz); };
    clocks.epoch_seconds = [] {
      return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch())
          .count();
    };
    clocks.pause_ns = sleep_ns;
    return clocks;
  }();
  return kClocks;
}

std::optional<std::string> tsc_step(const std::vector<ClockReading>& readings, double tsc_hz) {
  PM_CHECK(tsc_hz > 0.0);
  std::optional<std::string> worst;
  double worst_excess_ns = 0.0;
  for (std::size_t i = 1; i < readings.size(); ++i) {
    const ClockReading& from = readings[i - 1];
    const ClockReading& to = readings[i];
    // Two's complement: a TSC that ran backwards gives a negative advance.
    const double tsc_ns =
        static_cast<double>(static_cast<std::int64_t>(to.tsc_cycles - from.tsc_cycles)) * 1e9 /
        tsc_hz;
    const double raw_ns = static_cast<double>(to.raw_ns - from.raw_ns);
    const double allowed_ns = kStepNs + kRateError * std::fabs(raw_ns) +
                              static_cast<double>(from.uncertainty_ns + to.uncertainty_ns);
    const double excess_ns = std::fabs(tsc_ns - raw_ns) - allowed_ns;
    if (excess_ns <= worst_excess_ns) continue;
    worst_excess_ns = excess_ns;
    worst = fmt::format("the TSC advanced by {} ns while CLOCK_MONOTONIC_RAW advanced by {} ns",
                        std::llround(tsc_ns), to.raw_ns - from.raw_ns);
  }
  return worst;
}

}  // namespace pollmark
