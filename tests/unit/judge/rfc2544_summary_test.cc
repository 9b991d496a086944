#include "judge/rfc2544_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "support/ringed_device.h"

namespace pollmark {
namespace {

using support::RingedDevice;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Cells with every trial that the tests ask for.
struct Bench {
  Rfc2544Order order = support::short_tests();
  std::deque<std::vector<TrialResult>> trials;
  std::deque<SearchResult> searches;
  std::vector<Rfc2544Source> sources;

  void add(RingedDevice device, int frame_bytes, int rx_ring, int blocks = 1) {
    device.stand_in_cell(frame_bytes, rx_ring);
    Rfc2544Source source{"main", device.base.cell, Path::model, {}, {}};
    for (int block = 0; block < blocks; ++block) {
      device.base.block = block;
      searches.push_back(device.searched(order));
      trials.push_back(device.all_trials(order, searches.back(), 0));
      for (const TrialResult& trial : trials.back()) source.trials.push_back(&trial);
      source.searches.push_back(&searches.back());
    }
    sources.push_back(std::move(source));
  }
  [[nodiscard]] Rfc2544Summary summary() const { return rfc2544_summary(order, 3, sources); }
};

TEST(Rfc2544Summary, OnlyWhatIsShortInNothingIsCalledByTheRfcsName) {
  Bench bench;
  bench.order = Rfc2544Order{};
  bench.order.tests = {Rfc2544Test::throughput, Rfc2544Test::latency};
  for (const int bytes : rfc2544_frame_bytes()) bench.add(RingedDevice{}, bytes, 512);
  EXPECT_EQ(bench.summary().title, "RFC 2544");
  EXPECT_THAT(bench.summary().shortfalls, IsEmpty());
  bench.sources.pop_back();
  EXPECT_EQ(bench.summary().title, "after RFC 2544, shortened");
  EXPECT_THAT(bench.summary().shortfalls, ElementsAre("without frames of 1518 bytes"));
  bench.order.latency_repeats = 19;
  EXPECT_THAT(bench.summary().shortfalls, Contains("latency 19 times (20)"));
}

TEST(Rfc2544Summary, CorrectedBuffersAgainstRingsHaveSlopeOne) {
  Bench bench;
  for (const int bytes : {64, 128})
    for (const int ring : {1024, 256, 4096}) bench.add(RingedDevice{}, bytes, ring);
  const Rfc2544Summary summary = bench.summary();
  ASSERT_THAT(summary.buffer_lines, SizeIs(2));
  EXPECT_EQ(summary.buffer_lines[0].label, "frame=64");
  EXPECT_EQ(summary.buffer_lines[1].label, "frame=128");
  for (const BufferLine& line : summary.buffer_lines) {
    ASSERT_THAT(line.points, SizeIs(3));
    EXPECT_EQ(line.points.front().rx_ring, 256);
    EXPECT_EQ(line.points.back().rx_ring, 4096);
    EXPECT_NEAR(line.slope, 1.0, 0.001);
  }
}

TEST(Rfc2544Summary, OneRingIsNoLine) {
  Bench bench;
  bench.add(RingedDevice{}, 64, 256);
  EXPECT_THAT(bench.summary().buffer_lines, IsEmpty());
}

TEST(Rfc2544Summary, RepetitionsOfAllBlocksAreTakenTogether) {
  Bench bench;
  bench.add(RingedDevice{}, 64, 1000, 2);
  const Rfc2544Cell cell = bench.summary().cells.at(0);
  EXPECT_EQ(cell.throughput_pps->count, 2);
  EXPECT_EQ(cell.latency_ns->count, 2 * 3);
  EXPECT_EQ(cell.burst_pkts->count, 2 * 5);
  EXPECT_DOUBLE_EQ(cell.burst_pkts->mean, 5000.0);
  EXPECT_NEAR(cell.buffer->corrected_pkts, 1000.0, 1e-6);
  EXPECT_EQ(cell.recovery_s->count, 2 * 3);
  // 80 and 70 % without a loss, once though both blocks tried them.
  ASSERT_THAT(cell.frame_loss, SizeIs(4));
  EXPECT_DOUBLE_EQ(cell.frame_loss[0].load_percent, 100.0);
  EXPECT_NEAR(cell.frame_loss[0].loss_percent, 20.0, 0.01);
  EXPECT_DOUBLE_EQ(cell.frame_loss[3].loss_percent, 0.0);
}

TEST(Rfc2544Summary, TheSingleFigureNamesRateSizeLimitAndProtocol) {
  Bench bench;
  RingedDevice slow;
  slow.capacity_pps = 4e6;
  bench.add(slow, 128, 256);
  bench.add(RingedDevice{}, 64, 256);
  EXPECT_THAT(bench.summary().single_figures,
              ElementsAre("main: throughput after RFC 2544, shortened: 10.0 Mframes/s with frames "
                          "of 64 bytes, of 14.9 Mframes/s that the link carries (67.2 %), UDP over "
                          "IPv4; model, not a NIC"));
}

TEST(Rfc2544Summary, WhatHasNoResultSaysWhyAndWhetherItCouldHaveHadOne) {
  Bench bench;
  RingedDevice fast;
  fast.capacity_pps = 99e6;
  bench.add(fast, 64, 256);
  Rfc2544Summary summary = bench.summary();
  EXPECT_TRUE(summary.cells.at(0).throughput_is_highest);
  EXPECT_EQ(summary.cells.at(0).without.at(Rfc2544Test::back_to_back).kind,
            NoResult::not_applicable);
  EXPECT_FALSE(summary.any_given_up());
  bench.trials.front().pop_back();
  bench.sources.front().trials.pop_back();
  summary = bench.summary();
  EXPECT_THAT(summary.cells.at(0).without.at(Rfc2544Test::frame_loss_rate).why,
              HasSubstr("the run ended before it"));
  EXPECT_TRUE(summary.any_given_up());
}

}  // namespace
}  // namespace pollmark
