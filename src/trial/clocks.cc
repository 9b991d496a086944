#include "trial/clocks.h"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <ctime>
#include <limits>

#include "base/error.h"
#include "base/tsc.h"
#include "base/units.h"

namespace pollmark {
namespace {

constexpr int kBracketTries = 20;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr double kStepNs = 100'000.0;
constexpr double kRateError = 50e-6;

// tsc, clock, tsc: the tightest of a few, so that an interrupt inside cannot look like a step.
ClockReading read_host(double tsc_hz) {
  ClockReading best;
  std::uint64_t best_width_cycles = std::numeric_limits<std::uint64_t>::max();
  for (int i = 0; i < kBracketTries; ++i) {
    timespec now{};
    const std::uint64_t before = tsc_now();
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    const std::uint64_t width_cycles = tsc_now() - before;
    if (width_cycles >= best_width_cycles) continue;
    best_width_cycles = width_cycles;
    best.tsc_cycles = before + width_cycles / 2;
    best.raw_ns = static_cast<std::int64_t>(now.tv_sec) * kNsPerSecond + now.tv_nsec;
  }
  best.uncertainty_ns =
      static_cast<std::int64_t>(static_cast<double>(best_width_cycles) * 1e9 / tsc_hz / 2.0) + 1;
  return best;
}

void sleep_ns(std::int64_t ns) {
  timespec left{static_cast<time_t>(ns / kNsPerSecond), static_cast<long>(ns % kNsPerSecond)};
  while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
  }
}

}  // namespace

const TrialClocks& host_clocks() {
  static const TrialClocks kClocks = [] {
    TrialClocks clocks;
    clocks.tsc_hz = calibrate_tsc().hz;
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
