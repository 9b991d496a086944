#include "base/tsc.h"

#include <cpuid.h>

#include <cerrno>
#include <ctime>
#include <limits>

namespace pollmark {

namespace {

constexpr int kCalibrationTries = 100;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

bool has_invariant_tsc() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(0x80000007U, &eax, &ebx, &ecx, &edx) != 0 && (edx & (1U << 8)) != 0;
}

}  // namespace

TscPoint tightest_tsc_point(int tries) {
  PM_CHECK(tries > 0);
  TscPoint best;
  best.bracket_cycles = std::numeric_limits<std::uint64_t>::max();
  for (int i = 0; i < tries; ++i) {
    timespec now{};
    const std::uint64_t before = tsc_now();
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    const std::uint64_t bracket_cycles = tsc_now() - before;
    if (bracket_cycles >= best.bracket_cycles) continue;
    best.bracket_cycles = bracket_cycles;
    best.tsc_cycles = before + bracket_cycles / 2;
    best.raw_ns = static_cast<std::int64_t>(now.tv_sec) * kNsPerSecond + now.tv_nsec;
  }
  return best;
}

void sleep_ns(std::int64_t ns) {
  timespec left{static_cast<time_t>(ns / kNsPerSecond), static_cast<long>(ns % kNsPerSecond)};
  while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
  }
}

TscFacts calibrate_tsc(std::int64_t span_ns) {
  PM_CHECK(span_ns > 0);
  const TscPoint first = tightest_tsc_point(kCalibrationTries);
  sleep_ns(span_ns);
  const TscPoint second = tightest_tsc_point(kCalibrationTries);
  PM_CHECK(second.raw_ns > first.raw_ns);
  TscFacts facts;
  facts.hz = static_cast<double>(second.tsc_cycles - first.tsc_cycles) * 1e9 /
             static_cast<double>(second.raw_ns - first.raw_ns);
  facts.invariant = has_invariant_tsc();
  return facts;
}

const TscFacts& host_tsc() {
  static const TscFacts kFacts = calibrate_tsc();
  return kFacts;
}

}  // namespace pollmark
