#include "base/tsc.h"

#include <cpuid.h>

#include <cerrno>
#include <ctime>
#include <limits>

namespace pollmark {

namespace {

constexpr int kBracketTries = 100;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

struct ClockPoint {
  std::uint64_t tsc = 0;  // middle of the bracket
  std::int64_t ns = 0;
};

// tsc, clock, tsc; of all tries the one with the shortest distance between the two tsc readings,
// so that an interrupt between them cannot shift the point.
ClockPoint tightest_point() {
  ClockPoint best;
  std::uint64_t best_width = std::numeric_limits<std::uint64_t>::max();
  for (int i = 0; i < kBracketTries; ++i) {
    timespec now{};
    const std::uint64_t before = tsc_now();
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    const std::uint64_t after = tsc_now();
    if (after - before >= best_width) continue;
    best_width = after - before;
    best.tsc = before + best_width / 2;
    best.ns = static_cast<std::int64_t>(now.tv_sec) * kNsPerSecond + now.tv_nsec;
  }
  return best;
}

void sleep_ns(std::int64_t ns) {
  timespec left{static_cast<time_t>(ns / kNsPerSecond), static_cast<long>(ns % kNsPerSecond)};
  while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
  }
}

bool has_invariant_tsc() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(0x80000007U, &eax, &ebx, &ecx, &edx) != 0 && (edx & (1U << 8)) != 0;
}

}  // namespace

TscFacts calibrate_tsc(std::int64_t span_ns) {
  PM_CHECK(span_ns > 0);
  const ClockPoint first = tightest_point();
  sleep_ns(span_ns);
  const ClockPoint second = tightest_point();
  PM_CHECK(second.ns > first.ns);
  TscFacts facts;
  facts.hz =
      static_cast<double>(second.tsc - first.tsc) * 1e9 / static_cast<double>(second.ns - first.ns);
  facts.invariant = has_invariant_tsc();
  return facts;
}

}  // namespace pollmark
