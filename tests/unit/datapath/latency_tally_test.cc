#include "datapath/latency_tally.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <vector>

namespace pollmark {
namespace {

struct Bins {
  std::vector<std::uint32_t> counts = std::vector<std::uint32_t>(kLatencyCounts, 0);
  std::vector<std::uint64_t> spilled = std::vector<std::uint64_t>(kLatencyBins, 0);
  LatencyTally tally;
  Bins() {
    tally.counts = counts.data();
    tally.spilled = spilled.data();
  }
};

TEST(LatencyTally, EveryTickCountLiesInItsBinAndBinsAreNarrow) {
  EXPECT_TRUE(rc::check("bin bounds", [] {
    const auto shift = *rc::gen::inRange(0, 40);
    const Ticks ticks = *rc::gen::arbitrary<std::uint64_t>() >> (63 - shift);
    if (ticks >> kLatencyTopBit != 0) return;
    const std::uint32_t bin = latency_bin(ticks);
    RC_ASSERT(bin < kLatencyBins);
    RC_ASSERT(latency_bin_lowest(bin) <= ticks);
    RC_ASSERT(latency_bin_lowest(bin + 1) > ticks);
    const Ticks width = latency_bin_lowest(bin + 1) - latency_bin_lowest(bin);
    RC_ASSERT(width == 1 || static_cast<double>(width) <= 0.004 * static_cast<double>(ticks));
  }));
}

TEST(LatencyTally, ABurstIsItsFramesOneByOne) {
  EXPECT_TRUE(rc::check("burst", [] {
    Bins burst;
    Bins single;
    const Ticks at = *rc::gen::arbitrary<std::uint64_t>() >> *rc::gen::inRange(1, 50);
    for (int round = 0; round < 3; ++round) {
      Ticks stamped_at[kMostRecorded];
      const auto count = *rc::gen::inRange<std::uint32_t>(0, kMostRecorded + 1);
      for (std::uint32_t i = 0; i < count; ++i) {
        stamped_at[i] = at - *rc::gen::inRange<Ticks>(0, at / 2 + 1);
        record(single.tally, at - stamped_at[i]);
      }
      record_burst(burst.tally, stamped_at, count, at);
    }
    for (std::uint32_t bin = 0; bin < kLatencyBins; ++bin)
      RC_ASSERT(recorded_in(burst.tally, bin) == recorded_in(single.tally, bin));
    RC_ASSERT(burst.tally.min == single.tally.min);
    RC_ASSERT(burst.tally.max == single.tally.max);
  }));
}

TEST(LatencyTally, BinsFollowWithoutGapAndTheLastTakesTheRest) {
  for (std::uint32_t bin = 0; bin + 1 < kLatencyBins; ++bin) {
    ASSERT_EQ(latency_bin(latency_bin_lowest(bin)), bin);
    ASSERT_EQ(latency_bin(latency_bin_lowest(bin + 1) - 1), bin);
  }
  EXPECT_EQ(latency_bin((Ticks{1} << kLatencyTopBit) - 1), kLatencyBins - 1);
  EXPECT_EQ(latency_bin(kNever), kLatencyBins - 1);
}

TEST(LatencyTally, CountsMoreThanThirtyTwoBitsHold) {
  Bins bins;
  record(bins.tally, 1000);
  bins.counts[latency_bin(1000)] = 0xfffffff0U;
  bins.tally.since_spill = 0x7fffffffU;
  keep_from_wrapping(bins.tally, 1);
  EXPECT_EQ(recorded_in(bins.tally, latency_bin(1000)), 0xfffffff0U);
  EXPECT_EQ(bins.counts[latency_bin(1000)], 0U);
  EXPECT_EQ(bins.spilled[latency_bin(1000)], 0xfffffff0U);
  record(bins.tally, 1000);
  keep_from_wrapping(bins.tally, 1);
  EXPECT_EQ(bins.counts[latency_bin(1000)], 1U);
  EXPECT_EQ(bins.tally.min, 1000U);
  EXPECT_EQ(bins.tally.max, 1000U);
  forget(bins.tally);
  EXPECT_EQ(bins.spilled[latency_bin(1000)], 0U);
  EXPECT_GT(bins.tally.min, bins.tally.max);
}

}  // namespace
}  // namespace pollmark
