#include "base/tsc.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pollmark {
namespace {

TEST(Tsc, CalibrationsAgree) {
  const TscFacts coarse = calibrate_tsc(5'000'000);
  const TscFacts fine = calibrate_tsc(20'000'000);
  EXPECT_GT(fine.hz, 1e8);
  EXPECT_LT(fine.hz, 1e10);
  // A bracket is below 1 us even on a busy virtual machine: 1e-3 leaves room for two of 2.5 us.
  EXPECT_LT(std::fabs(coarse.hz / fine.hz - 1.0), 1e-3);
  EXPECT_EQ(coarse.invariant, fine.invariant);
}

TEST(Tsc, NeverRunsBackwardsOnOneThread) {
  std::uint64_t last = tsc_now();
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t now = tsc_now();
    EXPECT_GE(now, last);
    last = now;
  }
}

}  // namespace
}  // namespace pollmark
