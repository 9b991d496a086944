// Facts about the time stamp counter. Conversion to ns happens at report time only.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace pollmark {

struct TscFacts {
  double hz = 0.0;         // calibrated against CLOCK_MONOTONIC_RAW
  bool invariant = false;  // CPUID 0x80000007 EDX[8]
};

// The TSC and CLOCK_MONOTONIC_RAW read as one.
struct TscPoint {
  std::uint64_t tsc_cycles = 0;  // middle of the bracket around the clock call
  std::int64_t raw_ns = 0;
  std::uint64_t bracket_cycles = 0;
};

[[nodiscard]] inline std::uint64_t tsc_now() noexcept { return __builtin_ia32_rdtsc(); }
// Of so many tries (1 or more) the one with the tightest bracket: an interrupt inside cannot shift
// it.
[[nodiscard]] TscPoint tightest_tsc_point(int tries);
// Blocks for that long, whatever signals come.
void sleep_ns(std::int64_t ns);
// The TSC's advance over `span_ns` (above zero) of CLOCK_MONOTONIC_RAW, between two points, each
// the tightest of 100 tries. Blocks for span_ns: call once at start-up.
[[nodiscard]] TscFacts calibrate_tsc(std::int64_t span_ns = 50'000'000);
// Of this host: calibrated at the first call, which blocks for 50 ms. Any thread.
[[nodiscard]] const TscFacts& host_tsc();

}  // namespace pollmark
