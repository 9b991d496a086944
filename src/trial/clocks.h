// The clocks that a trial looks at, as functions, so that a test can bring its own time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pollmark {

// The TSC and CLOCK_MONOTONIC_RAW read as one.
struct ClockReading {
  std::uint64_t tsc_cycles = 0;
  std::int64_t raw_ns = 0;
  std::int64_t uncertainty_ns = 0;  // half the bracket around the clock call
};

struct TrialClocks {
  double tsc_hz = 0.0;  // calibrated once per process
  std::function<ClockReading()> read;
  std::function<double()> epoch_seconds;       // UTC
  std::function<void(std::int64_t)> pause_ns;  // blocks for so many ns
};

// This host's. The first call calibrates the TSC and blocks for about 50 ms.
[[nodiscard]] const TrialClocks& host_clocks();

// Whether the TSC stepped between two successive readings: its advance at tsc_hz and that of
// CLOCK_MONOTONIC_RAW differ by more than 100 us + 50 ppm + both uncertainties, or it ran
// backwards. One sentence about the worst pair; nullopt when they agree. 50 ppm is well above what
// a 50 ms calibration errs; 100 us is a tenth of the shortest stall that matters on a wall-clock
// trial.
[[nodiscard]] std::optional<std::string> tsc_step(const std::vector<ClockReading>& readings,
                                                  double tsc_hz);

}  // namespace pollmark
