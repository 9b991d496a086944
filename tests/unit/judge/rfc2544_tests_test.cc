#include "judge/rfc2544_tests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <functional>

#include "base/error.h"
#include "support/ringed_device.h"

namespace pollmark {
namespace {

using support::pointers_to;
using support::RingedDevice;
using support::short_tests;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Change = std::function<void(const Rfc2544Trial& trial, TrialResult& result)>;

// Everything that the tests ask of the device, from `trials` on.
std::vector<TrialResult> all_trials(const Rfc2544Order& order, const RingedDevice& device,
                                    std::vector<TrialResult> trials = {},
                                    const Change& change = {}) {
  if (trials.empty()) trials.push_back(device.search_trial(0));
  const SearchResult search = device.searched(order);
  while (const auto next = next_rfc2544_trial(order, rfc2544_ground(search, pointers_to(trials), 2),
                                              pointers_to(trials))) {
    trials.push_back(device.run(*next, static_cast<std::int64_t>(trials.size())));
    if (change) change(*next, trials.back());
    PM_CHECK(trials.size() < 5000);
  }
  return trials;
}

Rfc2544Values values_of(const Rfc2544Order& order, const RingedDevice& device,
                        const std::vector<TrialResult>& trials) {
  return rfc2544_values(order, rfc2544_ground(device.searched(order), pointers_to(trials), 2),
                        pointers_to(trials));
}

std::string why(const Rfc2544Values& values, Rfc2544Test test) {
  for (const auto& [each, without] : values.without) {
    if (each == test) return std::string(name_of(without.kind)) + ": " + without.why;
  }
  return {};
}

std::vector<const TrialResult*> of_kind(TrialKind kind, const std::vector<TrialResult>& trials) {
  std::vector<const TrialResult*> found;
  for (const TrialResult& trial : trials)
    if (trial.order.kind == kind) found.push_back(&trial);
  return found;
}

TEST(Rfc2544Suite, TestsFollowOneAnotherAtTheLoadsThatTheRfcSays) {
  const Rfc2544Order order = short_tests();
  const RingedDevice device;
  const std::vector<TrialResult> trials = all_trials(order, device);
  std::vector<TrialKind> kinds;
  for (const TrialResult& trial : trials)
    if (kinds.empty() || kinds.back() != trial.order.kind) kinds.push_back(trial.order.kind);
  EXPECT_THAT(kinds, ElementsAre(TrialKind::search, TrialKind::latency, TrialKind::frame_loss,
                                 TrialKind::burst, TrialKind::recovery));
  for (const TrialResult* trial : of_kind(TrialKind::latency, trials))
    EXPECT_DOUBLE_EQ(trial->order.traffic.intended_pps, 10e6) << "at the throughput";
  std::vector<double> loss_loads;
  for (const TrialResult* trial : of_kind(TrialKind::frame_loss, trials))
    loss_loads.push_back(trial->order.traffic.intended_pps / 1e6);
  EXPECT_THAT(loss_loads, ElementsAre(12.5, 11.25, 10.0, 8.75)) << "80 % and 70 % lose nothing";
  for (const TrialResult* trial : of_kind(TrialKind::burst, trials)) {
    EXPECT_DOUBLE_EQ(trial->order.traffic.intended_pps, 12.5e6);
    EXPECT_EQ(trial->order.warmup_seconds, 0.0) << "from idle";
  }
  ASSERT_THAT(of_kind(TrialKind::recovery, trials), SizeIs(3));
  const TrialOrder& recovery = of_kind(TrialKind::recovery, trials).front()->order;
  EXPECT_DOUBLE_EQ(recovery.traffic.warmup_pps, 11e6);
  EXPECT_DOUBLE_EQ(recovery.traffic.intended_pps, 5.5e6);
  EXPECT_EQ(recovery.warmup_seconds, order.overload_seconds);
}

TEST(Rfc2544Suite, ResultsAreThoseOfTheDevice) {
  const Rfc2544Order order = short_tests();
  const RingedDevice device;
  const Rfc2544Values values = values_of(order, device, all_trials(order, device));
  EXPECT_THAT(values.latency_mean_ns, SizeIs(3));
  EXPECT_THAT(values.latency_mean_ns, Each(20'000.0));
  ASSERT_THAT(values.frame_loss, SizeIs(4));
  EXPECT_DOUBLE_EQ(values.frame_loss[0].load_percent, 100.0);
  EXPECT_EQ(values.frame_loss[0].lost_pkts, 2'500'000 - 1000);
  EXPECT_EQ(values.frame_loss[2].lost_pkts, 0);
  // A ring of 1000 frames at 4/5 of the line: 1000 / (1 - 0.8).
  EXPECT_THAT(values.burst_pkts, SizeIs(order.burst_repeats));
  EXPECT_THAT(values.burst_pkts, Each(5000.0));
  EXPECT_THAT(values.recovery_s, Each(0.001));
  EXPECT_DOUBLE_EQ(values.overload_pps, 11e6);
  EXPECT_THAT(why(values, Rfc2544Test::reset), HasSubstr("not applicable: needs a port"));
  EXPECT_THAT(values.without, SizeIs(1));
}

RC_GTEST_PROP(Rfc2544Suite, ResumedAnywhereItEndsTheSame, ()) {
  Rfc2544Order order = short_tests();
  order.burst_repeats = 2;
  RingedDevice device;
  device.ring_pkts = *rc::gen::inRange(1, 5000);
  device.ways = *rc::gen::inRange(1, 3);
  const std::vector<TrialResult> whole = all_trials(order, device);
  std::vector<TrialResult> part = whole;
  part.resize(*rc::gen::inRange<std::size_t>(1, whole.size() + 1));
  const std::vector<TrialResult> resumed = all_trials(order, device, part);
  RC_ASSERT(resumed.size() == whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) RC_ASSERT(resumed[i].order == whole[i].order);
}

RC_GTEST_PROP(Rfc2544Suite, TheCorrectedBufferIsTheRingWhateverTheDevice, ()) {
  Rfc2544Order order = short_tests();
  order.burst_repeats = 1;
  RingedDevice device;
  device.ways = *rc::gen::inRange(1, 3);
  device.ring_pkts = *rc::gen::inRange(16, 5000);
  device.capacity_pps = *rc::gen::inRange(20, 90) / 100.0 * device.line_pps;
  const Rfc2544Values values = values_of(order, device, all_trials(order, device));
  RC_ASSERT(values.burst_pkts.size() == 1U);
  const auto buffer = buffer_time(values.burst_pkts.front(), device.line_pps / device.ways,
                                  device.capacity_pps / device.ways);
  RC_ASSERT(std::fabs(buffer->corrected_pkts - device.ring_pkts) < 1.5);
}

TEST(Rfc2544Suite, ABurstIsAsLongAsWhatWasReallyOffered) {
  Rfc2544Order order = short_tests();
  order.burst_repeats = 1;
  RingedDevice device;
  device.offered_share = 0.9995;
  const Rfc2544Values values = values_of(order, device, all_trials(order, device));
  ASSERT_THAT(values.burst_pkts, SizeIs(1));
  EXPECT_NEAR(values.burst_pkts.front(), 5000.0, 1.01) << "not the 5003 that were ordered";
}

TEST(Rfc2544Suite, AtTheHighestLoadThereIsNeitherALongestBurstNorAnOverload) {
  const Rfc2544Order order = short_tests();
  RingedDevice device;
  device.capacity_pps = 20e6;
  const std::vector<TrialResult> trials = all_trials(order, device);
  EXPECT_THAT(of_kind(TrialKind::burst, trials), IsEmpty());
  EXPECT_THAT(of_kind(TrialKind::recovery, trials), IsEmpty());
  EXPECT_THAT(of_kind(TrialKind::frame_loss, trials), SizeIs(2));
  const Rfc2544Values values = values_of(order, device, trials);
  EXPECT_THAT(why(values, Rfc2544Test::back_to_back),
              HasSubstr("not applicable: the throughput is the highest load, so that no burst"));
  EXPECT_THAT(why(values, Rfc2544Test::system_recovery), HasSubstr("no overload"));
  EXPECT_THAT(values.latency_mean_ns, SizeIs(3));
}

TEST(Rfc2544Suite, ABurstAtTheCapIsInvalidAndSaysWhatToRaise) {
  const Rfc2544Order order = short_tests();  // 125 000 frames at most
  RingedDevice device;
  device.ring_pkts = 30'000;
  const std::vector<TrialResult> trials = all_trials(order, device);
  EXPECT_THAT(of_kind(TrialKind::burst, trials), SizeIs(1)) << "another would end the same";
  const Rfc2544Values values = values_of(order, device, trials);
  EXPECT_THAT(values.burst_pkts, IsEmpty());
  EXPECT_THAT(why(values, Rfc2544Test::back_to_back),
              HasSubstr("invalid: a burst of 125 000 frames"));
  EXPECT_THAT(why(values, Rfc2544Test::back_to_back), HasSubstr("raise burst_cap_seconds"));
}

TEST(Rfc2544Suite, AnInvalidTrialIsRunAgainAndTooManyGiveUpThatTestOnly) {
  const Rfc2544Order order = short_tests();
  const RingedDevice device;
  const auto spoil = [](TrialKind kind, int times) {
    return [kind, times](const Rfc2544Trial& trial, TrialResult& result) {
      if (trial.kind != kind || trial.attempt >= times) return;
      result.valid = false;
      result.invalid_reasons = {"too_disturbed: by a neighbour"};
    };
  };
  std::vector<TrialResult> trials = all_trials(order, device, {}, spoil(TrialKind::burst, 1));
  EXPECT_THAT(values_of(order, device, trials).burst_pkts, Each(5000.0));
  EXPECT_THAT(values_of(order, device, trials).burst_pkts, SizeIs(order.burst_repeats));
  trials = all_trials(order, device, {}, spoil(TrialKind::frame_loss, 99));
  EXPECT_THAT(of_kind(TrialKind::frame_loss, trials), SizeIs(3)) << "two retries";
  const Rfc2544Values values = values_of(order, device, trials);
  EXPECT_THAT(why(values, Rfc2544Test::frame_loss_rate),
              HasSubstr("not measured: given up at frame loss at 100 % after 3 invalid attempts: "
                        "too_disturbed: by a neighbour"));
  EXPECT_THAT(values.burst_pkts, SizeIs(order.burst_repeats));
}

TEST(Rfc2544Suite, WithoutAThroughputOnlyTheLossIsMeasured) {
  const Rfc2544Order order = short_tests();
  const RingedDevice device;
  SearchResult search = device.searched(order);
  search.goals.front().lower_bound_pps.reset();
  search.goals.front().irregular_why = "bad even at the lowest load";
  std::vector<TrialResult> trials{device.search_trial(0)};
  const Rfc2544Ground ground = rfc2544_ground(search, pointers_to(trials), 2);
  while (const auto next = next_rfc2544_trial(order, ground, pointers_to(trials)))
    trials.push_back(device.run(*next, 1));
  EXPECT_THAT(of_kind(TrialKind::frame_loss, trials), SizeIs(trials.size() - 1));
  const Rfc2544Values values = rfc2544_values(order, ground, pointers_to(trials));
  EXPECT_THAT(why(values, Rfc2544Test::latency),
              "not measured: there is no throughput: bad even at the lowest load");
}

TEST(Rfc2544Suite, TheHighestLoadIsOneThatTheGeneratorOffered) {
  const Rfc2544Order order = short_tests();
  const RingedDevice device;
  SearchResult search = device.searched(order);
  search.not_reachable_pps = 12.5e6;
  std::vector<TrialResult> trials{device.search_trial(0), device.search_trial(1),
                                  device.search_trial(2)};
  trials[0].valid = false;
  trials[1].order.traffic.intended_pps = 11.5e6;
  trials[2].order.traffic.intended_pps = 9e6;
  EXPECT_DOUBLE_EQ(rfc2544_ground(search, pointers_to(trials), 2).highest_pps, 11.5e6);
}

TEST(Rfc2544Suite, TheOverloadIsNeverAboveTheHighestLoad) {
  const Rfc2544Order order = short_tests();
  RingedDevice device;
  device.capacity_pps = 12e6;
  const std::vector<TrialResult> trials = all_trials(order, device);
  const TrialOrder& recovery = of_kind(TrialKind::recovery, trials).front()->order;
  EXPECT_DOUBLE_EQ(recovery.traffic.warmup_pps, 12.5e6);
  EXPECT_DOUBLE_EQ(recovery.traffic.intended_pps, 6.25e6);
}

TEST(Rfc2544Suite, LossesWithoutATimeGiveNoRecoveryAndNoLossGivesZero) {
  const Rfc2544Order order = short_tests();
  const RingedDevice device;
  const auto without_times = [](const Rfc2544Trial&, TrialResult& result) {
    for (StreamAccount& stream : result.streams) stream.last_loss_s.reset();
  };
  const std::vector<TrialResult> trials = all_trials(order, device, {}, without_times);
  EXPECT_THAT(of_kind(TrialKind::recovery, trials), SizeIs(1)) << "others would end the same";
  Rfc2544Values values = values_of(order, device, trials);
  EXPECT_THAT(values.recovery_s, IsEmpty());
  EXPECT_THAT(why(values, Rfc2544Test::system_recovery),
              HasSubstr("not applicable: frames were lost, and this path does not tell when"));
  const auto without_losses = [](const Rfc2544Trial& trial, TrialResult& result) {
    if (trial.kind != TrialKind::recovery) return;
    for (StreamAccount& stream : result.streams) {
      stream.ledger.add(Fate::rx_missed, -1);
      stream.ledger.add(Fate::received, 1);
      stream.last_loss_s.reset();
    }
  };
  values = values_of(order, device, all_trials(order, device, {}, without_losses));
  EXPECT_THAT(values.recovery_s, ElementsAre(0.0, 0.0, 0.0));
}

TEST(Rfc2544Suite, APathThatMeasuresNoLatencyIsAskedOnce) {
  const Rfc2544Order order = short_tests();
  const RingedDevice device;
  const auto without_latency = [](const Rfc2544Trial&, TrialResult& result) {
    result.latency_ns = {};
  };
  const std::vector<TrialResult> trials = all_trials(order, device, {}, without_latency);
  EXPECT_THAT(of_kind(TrialKind::latency, trials), SizeIs(1));
  EXPECT_EQ(why(values_of(order, device, trials), Rfc2544Test::latency),
            "not applicable: this path measures no latency");
}

TEST(Rfc2544Suite, LatencyAtSharesOfThePdrIsNoneOfIts) {
  const Rfc2544Order order = short_tests();
  const RingedDevice device;
  std::vector<TrialResult> trials{device.search_trial(0)};
  Rfc2544Trial latency;
  trials.push_back(device.run(latency, 1));
  trials.back().order.pdr_percent = 50.0;
  const auto next = next_rfc2544_trial(
      order, rfc2544_ground(device.searched(order), pointers_to(trials), 2), pointers_to(trials));
  ASSERT_TRUE(next);
  EXPECT_EQ(next->what, "latency, 1 of 3");
}

TEST(Rfc2544Suite, OnlyTheTestsOfTheOrderAreRun) {
  Rfc2544Order order = short_tests();
  order.tests = {Rfc2544Test::throughput, Rfc2544Test::system_recovery};
  const RingedDevice device;
  const std::vector<TrialResult> trials = all_trials(order, device);
  EXPECT_THAT(trials, SizeIs(1 + 3));
  EXPECT_THAT(values_of(order, device, trials).without, IsEmpty());
}

}  // namespace
}  // namespace pollmark
