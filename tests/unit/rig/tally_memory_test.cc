#include "rig/tally_memory.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace pollmark {
namespace {

constexpr double kTscHz = 2.3e9;

double ns_of(Ticks ticks) { return static_cast<double>(ticks) * 1e9 / kTscHz; }

TEST(TallyMemory, HistogramHasEveryValueAtMostHalfABinAside) {
  EXPECT_TRUE(rc::check("ticks -> ns", [] {
    // 10^10 ticks are 4.3 s: within the histogram's range.
    auto values = *rc::gen::nonEmpty(rc::gen::container<std::vector<Ticks>>(
        rc::gen::map(rc::gen::pair(rc::gen::inRange<Ticks>(1, 10'000'000'000),
                                   rc::gen::inRange<unsigned>(0, 34)),
                     [](const auto& drawn) { return drawn.first >> drawn.second; })));
    TallyMemory memory;
    LatencyTally tally = memory.tally();
    for (const Ticks value : values) record(tally, value);
    LatencyHistogram histogram;
    add_tally(histogram, tally, kTscHz);
    std::sort(values.begin(), values.end());
    RC_ASSERT(histogram.count() == static_cast<std::int64_t>(values.size()));
    RC_ASSERT(histogram.out_of_range() == 0);
    RC_ASSERT(*histogram.min() == std::llround(ns_of(values.front())));
    RC_ASSERT(*histogram.max() == std::llround(ns_of(values.back())));
    double sum = 0.0;
    for (const Ticks value : values) sum += ns_of(value);
    const double mean = sum / static_cast<double>(values.size());
    RC_ASSERT(std::abs(*histogram.mean() - mean) <= 0.002 * mean + 0.5);
  }));
}

// One below the middle of its bin, one above.
TEST(TallyMemory, NothingLiesBeyondTheLeastAndTheGreatest) {
  for (const Ticks value : {Ticks{813'694'976}, Ticks{4'293'918'720}}) {
    TallyMemory memory;
    LatencyTally tally = memory.tally();
    for (int i = 0; i < 3; ++i) record(tally, value);
    LatencyHistogram histogram;
    add_tally(histogram, tally, kTscHz);
    EXPECT_EQ(histogram.min(), std::llround(ns_of(value)));
    EXPECT_EQ(histogram.max(), std::llround(ns_of(value)));
  }
}

TEST(TallyMemory, WhatWasSpilledCountsToo) {
  TallyMemory memory;
  LatencyTally tally = memory.tally();
  for (int i = 0; i < 10; ++i) record(tally, 1000);
  keep_from_wrapping(tally, 0x80000000U);
  for (int i = 0; i < 5; ++i) record(tally, 1000);
  LatencyHistogram histogram;
  add_tally(histogram, tally, 1e9);
  add_tally(histogram, tally, 1e9);
  EXPECT_EQ(histogram.count(), 30);
}

TEST(TallyMemory, AnEmptyTallyAddsNothing) {
  TallyMemory memory;
  LatencyHistogram histogram;
  add_tally(histogram, memory.tally(), kTscHz);
  EXPECT_EQ(histogram.count(), 0);
}

}  // namespace
}  // namespace pollmark
