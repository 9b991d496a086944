#include "campaign/cell_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "support/simulated_device.h"

namespace pollmark {
namespace {

using ::testing::HasSubstr;

// A trial as the campaign would store it.
TrialResult stored(const SearchTrial& seen, int nth) {
  TrialResult trial;
  trial.order.kind = TrialKind::search;
  trial.order.trial = 100 + nth;
  trial.order.block = 3;
  trial.order.cell = {{"rx_ring", "64"}};
  trial.order.traffic.intended_pps = seen.load_pps;
  trial.order.seconds = static_cast<double>(seen.duration_ns) / 1e9;
  trial.offered_pps = seen.load_pps;
  trial.valid = true;
  StreamAccount stream;
  stream.ledger.set_offered(seen.offered_pkts);
  stream.ledger.add(Fate::rx_missed, seen.lost_pkts);
  stream.ledger.add(Fate::received, seen.offered_pkts - seen.lost_pkts);
  trial.streams.push_back(stream);
  return trial;
}

// The same trial for the same load and turn, so that a search can be run twice.
TrialResult run_on_device(double load_pps, double seconds, int nth) {
  SimulatedDevice device;
  device.stall_chance = 0.1;
  device.random.seed(static_cast<std::uint64_t>(nth) + 1);
  return stored(device.run(load_pps, ns_of(seconds)), nth);
}

RC_GTEST_PROP(CellSearch, ResumedAnywhereItEndsTheSame, ()) {
  const SearchOrder order = order_of_presets({"ndr", "pdr"});
  std::vector<TrialResult> trials;
  const auto whole = search_cell(order, {}, [&](double load_pps, double seconds, int nth) {
    trials.push_back(run_on_device(load_pps, seconds, nth));
    return Result<TrialResult>(trials.back());
  });
  RC_ASSERT(whole.has_value());
  trials.resize(*rc::gen::inRange<std::size_t>(0, trials.size() + 1));
  std::size_t run = 0;
  const auto resumed = search_cell(order, trials, [&](double load_pps, double seconds, int nth) {
    ++run;
    return Result<TrialResult>(run_on_device(load_pps, seconds, nth));
  });
  RC_ASSERT(resumed.has_value());
  RC_ASSERT(run + trials.size() == whole->trials.size());
  RC_ASSERT(resumed->trials == whole->trials);
  RC_ASSERT(resumed->goals[0].throughput_pps == whole->goals[0].throughput_pps);
  RC_ASSERT(resumed->goals[1].offered_pkts == whole->goals[1].offered_pkts);
}

TEST(CellSearch, TheRecordNamesItsTrialsAndItsCell) {
  const SearchOrder order = order_of_presets({"ndr"});
  const auto search = search_cell(order, {}, [](double load_pps, double seconds, int nth) {
    return Result<TrialResult>(run_on_device(load_pps, seconds, nth));
  });
  ASSERT_TRUE(search.has_value());
  EXPECT_TRUE(search->complete);
  EXPECT_EQ(search->block, 3);
  EXPECT_EQ(search->cell.at("rx_ring"), "64");
  EXPECT_EQ(search->trials.front(), 100);
  EXPECT_DOUBLE_EQ(search->traffic_seconds, static_cast<double>(search->trials.size()));
  EXPECT_EQ(search->max_load_pps, order.max_load_pps);
}

TEST(CellSearch, AStopSignalEndsItWithoutARecord) {
  const auto search = search_cell(order_of_presets({"ndr"}), {}, [](double, double, int) {
    return Result<TrialResult>(fail(Errc::interrupted, "stopped"));
  });
  ASSERT_FALSE(search.has_value());
  EXPECT_EQ(search.error().code, Errc::interrupted);
}

TEST(CellSearch, DisturbedTrialsGiveARecordThatIsNotComplete) {
  SearchOrder order = order_of_presets({"ndr"});
  order.retries = 1;
  const auto search = search_cell(order, {}, [](double load_pps, double seconds, int nth) {
    TrialResult trial = run_on_device(load_pps, seconds, nth);
    trial.valid = false;
    trial.invalid_reasons = {"too_disturbed: by the test"};
    return Result<TrialResult>(trial);
  });
  ASSERT_TRUE(search.has_value());
  EXPECT_FALSE(search->complete);
  EXPECT_EQ(search->invalid, 2);
  EXPECT_THAT(search->incomplete_why, HasSubstr("no valid trial"));
  EXPECT_FALSE(metric_of(*search, "ndr_mpps").has_value());
}

// The generator ends at 8 Mpps and says so; the device's books show a loss that is not its own.
TEST(CellSearch, AGeneratorThatFallsShortIsNoLossOfTheDevice) {
  const auto search =
      search_cell(order_of_presets({"ndr"}), {}, [](double load_pps, double seconds, int nth) {
        TrialResult trial = run_on_device(std::min(load_pps, 8e6), seconds, nth);
        trial.order.traffic.intended_pps = load_pps;
        trial.offered_pps = std::min(load_pps, 8e6);
        trial.valid = load_pps <= 8e6;
        if (!trial.valid) trial.invalid_reasons = {"generator_short: offered 8 Mpps"};
        return Result<TrialResult>(trial);
      });
  ASSERT_TRUE(search.has_value());
  EXPECT_TRUE(search->complete);
  EXPECT_TRUE(search->not_reachable_pps.has_value());
  EXPECT_FALSE(search->goals[0].upper_bound_pps.has_value());
  EXPECT_NEAR(search->goals[0].lower_bound_pps.value(), 8e6, 0.01 * 8e6);
}

}  // namespace
}  // namespace pollmark
