// Facts about the time stamp counter. Conversion to ns happens at report time only.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace pollmark {

struct TscFacts {
  double hz = 0.0;         // calibrated against CLOCK_MONOTONIC_RAW
  bool invariant = false;  // CPUID 0x80000007 EDX[8]
};

[[nodiscard]] inline std::uint64_t tsc_now() noexcept { return __builtin_ia32_rdtsc(); }
// Two brackets `span_ns` apart, each the tightest of 100 (methods: RFC-neutral; see tsc.cc). Blocks
// for span_ns. Call once at start-up.
[[nodiscard]] TscFacts calibrate_tsc(std::int64_t span_ns = 50'000'000);

}  // namespace pollmark
