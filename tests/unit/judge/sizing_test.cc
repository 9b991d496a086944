#include "judge/sizing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "sizing_campaign.h"

namespace pollmark {
namespace {

SizingOrder order_of(double mpps, double loss_ratio = 1e-6) {
  SizingOrder order;
  order.target.rate = {LoadUnit::pps, mpps * 1e6};
  order.target.loss_ratio = loss_ratio;
  return order;
}

SizedSetting sized(const SizingOrder& order, const std::vector<TrialResult>& trials) {
  const auto settings = size_for(order, trials);
  EXPECT_TRUE(settings) << (settings ? "" : settings.error().text());
  EXPECT_EQ(settings->size(), 1U);
  return settings->front();
}

std::string refusal(const SizingOrder& order, const std::vector<TrialResult>& trials) {
  const auto settings = size_for(order, trials);
  EXPECT_FALSE(settings);
  if (settings) return {};
  EXPECT_EQ(settings.error().code, Errc::bad_experiment);
  return settings.error().text();
}

bool assumes(const SizedSetting& setting, std::string_view part) {
  return std::ranges::any_of(setting.assumptions, [part](const std::string& assumption) {
    return assumption.find(part) != std::string::npos;
  });
}

const SizedFigure* figure_of(const SizedSetting& setting, FigureSource source,
                             std::string_view name) {
  for (const SizedFigure& figure : setting.figures) {
    if (figure.source == source && figure.name == name) return &figure;
  }
  return nullptr;
}

TEST(Sizing, CoresByCoreTimeAndUtilisation) {
  // 100 ns a frame at 70 %: 7 Mpps a core.
  const auto trials = trials_of_cost({{.core_ns = 100.0}});
  EXPECT_EQ(sized(order_of(6.9), trials).cores_advised, 1);
  SizingOrder half = order_of(5.1);
  half.utilisation = 0.5;
  // Two random queues are not alike: 1 + sqrt(4 ln 2 / 1024).
  const SizedSetting two = sized(half, trials);
  EXPECT_EQ(two.cores_advised, 2);
  EXPECT_EQ(two.queues_advised, 2);
  EXPECT_TRUE(two.cores.interval.has_value());
  EXPECT_NEAR(two.core_ns_per_pkt.median, 100.0, 1e-9);
  const double imbalance = 1.0 + std::sqrt(4.0 * std::log(2.0) / 1024.0);
  EXPECT_NEAR(two.headroom.median, 2.0 / (5.1e6 * 100e-9 * imbalance) - 1.0, 1e-9);
  EXPECT_TRUE(assumes(two, "1024 flows of one rate fall on 2 queues at random"));
  EXPECT_TRUE(assumes(two, "scaling needs three numbers of cores, measured 1"));
}

// What was measured with so many queues goes before what is expected of them.
TEST(Sizing, MeasuredImbalanceComesFirst) {
  const SizedSetting setting =
      sized(order_of(10.0), trials_of_cost({{.core_ns = 100.0, .cores = 2, .shares = {0.8, 0.2}}}));
  // 10 Mpps x 100 ns x 1.6 is more than two cores at 70 %.
  EXPECT_GT(setting.cores_advised, 2);
  const SizedFigure* seen = figure_of(setting, FigureSource::measured, "RSS imbalance");
  ASSERT_NE(seen, nullptr);
  EXPECT_NE(seen->text.find("1.6"), std::string::npos) << seen->text;
}

TEST(Sizing, ASkewedTableIsLeftAsideWhereAnEvenOneWasMeasured) {
  std::vector<TrialResult> trials = trials_of_cost({{.cores = 2, .shares = {0.5, 0.5}}});
  for (TrialResult trial : trials_of_cost({{.cores = 2, .shares = {0.9, 0.1}}})) {
    trial.order.receiver.reta_weights = {9, 1};
    trials.push_back(trial);
  }
  const SizedSetting setting = sized(order_of(13.9), trials);
  EXPECT_EQ(setting.cores_advised, 2);
}

TEST(Sizing, TheIntervalIsOverBlocks) {
  std::vector<TrialResult> trials;
  for (int block = 0; block < 6; ++block)
    trials.push_back(trial_of_cost({.core_ns = 95.0 + 2.0 * block}, block));
  const SizedSetting setting = sized(order_of(7.0), trials);
  ASSERT_TRUE(setting.core_ns_per_pkt.interval.has_value());
  EXPECT_NEAR(setting.core_ns_per_pkt.interval->low, 95.0, 1e-9);
  EXPECT_NEAR(setting.core_ns_per_pkt.interval->high, 105.0, 1e-9);
  EXPECT_EQ(setting.cores.interval->low, 1.0);
  EXPECT_EQ(setting.cores_advised, 2) << "the upper end";
}

TEST(Sizing, FewBlocksTakeTheWorstOne) {
  std::vector<TrialResult> trials = {trial_of_cost({.core_ns = 60.0}, 0),
                                     trial_of_cost({.core_ns = 60.0}, 1),
                                     trial_of_cost({.core_ns = 120.0}, 2)};
  const SizedSetting setting = sized(order_of(7.0), trials);
  EXPECT_FALSE(setting.cores.interval.has_value());
  EXPECT_EQ(setting.cores_advised, 2);
  EXPECT_TRUE(assumes(setting, "3 blocks: no interval"));
}

TEST(Sizing, CoreTimeOfAFrameInBetweenIsOnTheLine) {
  const auto trials = trials_of_cost(
      {{.core_ns = 100.0, .frame_bytes = {64}}, {.core_ns = 300.0, .frame_bytes = {1064}}});
  SizingOrder order = order_of(1.0);
  order.target.frame = "564";
  order.target.frame_bytes = {564};
  const SizedSetting setting = sized(order, trials);
  EXPECT_NEAR(setting.core_ns_per_pkt.median, 200.0, 1e-9);
  EXPECT_TRUE(assumes(setting, "in a straight line"));
  order.target.frame_bytes = {1064};
  EXPECT_NEAR(sized(order, trials).core_ns_per_pkt.median, 300.0, 1e-9);
  EXPECT_FALSE(assumes(sized(order, trials), "straight line"));
}

TEST(Sizing, OneFrameSizeIsTakenForItsNeighboursAndSaysSo) {
  const auto trials = trials_of_cost({{.core_ns = 100.0, .frame_bytes = {64}}});
  SizingOrder order = order_of(1.0);
  order.target.frame_bytes = {100};
  EXPECT_TRUE(assumes(sized(order, trials), "the only size measured"));
  order.target.frame_bytes = {1518};
  EXPECT_NE(refusal(order, trials).find("beyond 2 times what was measured"), std::string::npos);
}

TEST(Sizing, NoMoreCoresThanFourTimesWhatWasMeasured) {
  const auto trials = trials_of_cost({{.core_ns = 100.0, .cores = 2}});
  EXPECT_LE(sized(order_of(45.0), trials).cores_advised, 8);
  const std::string why = refusal(order_of(100.0), trials);
  EXPECT_NE(why.find("needs about 15 cores"), std::string::npos) << why;
  EXPECT_NE(why.find("beyond 4 times the 2 that were measured"), std::string::npos) << why;
}

TEST(Sizing, TheTrialThatIsBusyLikeTheTargetSpeaks) {
  // At a low load a frame costs more: bursts are short.
  const auto trials =
      trials_of_cost({{.core_ns = 200.0, .load_pps = 0.1e6}, {.core_ns = 100.0, .load_pps = 7e6}});
  EXPECT_NEAR(sized(order_of(6.0), trials).core_ns_per_pkt.median, 100.0, 1e-9);
}

// A poller under little load looks busy: what it carries is what full bursts cost.
TEST(Sizing, LargerBurstsAreWhatACoreCarries) {
  std::vector<TrialResult> trials = trials_of_cost(
      {{.core_ns = 85.0, .load_pps = 9e6}, {.core_ns = 40.0, .load_pps = 15e6, .ring = 1024}});
  EXPECT_TRUE(assumes(sized(order_of(5.0), trials), "bursts were too much alike"));
  for (TrialResult& trial : trials) {
    trial.lcores.front().bursts.assign(33, 0);
    trial.lcores.front().bursts[trial.order.receiver.rx_ring == 512 ? 1 : 4] = 1000;
  }
  // 60 ns a call and 25 ns a frame: 28.75 ns in bursts of 16, four times those that were seen.
  const SizedSetting setting = sized(order_of(24.0), trials);
  EXPECT_NEAR(setting.core_ns_per_pkt.median, 28.75, 1e-9);
  EXPECT_EQ(setting.cores_advised, 1);
  EXPECT_FALSE(assumes(setting, "bursts were too much alike"));
}

TEST(Sizing, ScalingIsFittedFromThreeNumbersOfCores) {
  const auto cost = [](int cores) {
    return KnownCost{.core_ns = 100.0 * (1.0 + 0.1 * (cores - 1)), .cores = cores};
  };
  const SizedSetting setting = sized(order_of(20.0), trials_of_cost({cost(1), cost(2), cost(4)}));
  EXPECT_FALSE(assumes(setting, "do not slow each other down"));
  ASSERT_NE(figure_of(setting, FigureSource::model, "scaling"), nullptr);
  EXPECT_NEAR(setting.core_ns_per_pkt.median, 100.0 * (1.0 + 0.1 * (setting.cores_advised - 1)),
              1e-6);
  // Lcores of a lockstep share nothing that could slow them.
  std::vector<TrialResult> lockstep = trials_of_cost({cost(1), cost(2), cost(4)});
  for (TrialResult& trial : lockstep) trial.order.clock = ClockKind::lockstep;
  const SizedSetting alone = sized(order_of(20.0), lockstep);
  EXPECT_TRUE(assumes(alone, "lockstep has no shared cache"));
  EXPECT_EQ(figure_of(alone, FigureSource::model, "scaling"), nullptr);
}

TEST(Scaling, FindsTheLawThatMadeTheNumbers) {
  std::map<double, double> costs;
  for (const double n : {1.0, 2.0, 4.0, 8.0})
    costs[n] = 50.0 * (1.0 + 0.05 * (n - 1.0) + 0.01 * n * (n - 1.0));
  const auto fit = fit_scaling(costs);
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->one_core, 50.0, 1e-9);
  EXPECT_NEAR(fit->contention, 0.05, 1e-9);
  EXPECT_NEAR(fit->coherence, 0.01, 1e-9);
  EXPECT_NEAR(fit->at(16.0), 50.0 * (1.0 + 0.75 + 2.4), 1e-6);
  costs.erase(8.0);
  EXPECT_DOUBLE_EQ(fit_scaling(costs)->coherence, 0.0) << "three points give no third number";
  costs.erase(4.0);
  EXPECT_FALSE(fit_scaling(costs));
}

TEST(Scaling, NothingGetsCheaperBeyondNoise) {
  const auto fit = fit_scaling({{1.0, 100.0}, {2.0, 99.0}, {4.0, 98.0}, {8.0, 97.0}});
  ASSERT_TRUE(fit);
  EXPECT_DOUBLE_EQ(fit->contention, 0.0);
  EXPECT_DOUBLE_EQ(fit->coherence, 0.0);
  EXPECT_NEAR(fit->at(64.0), 98.5, 1e-9);
}

TEST(Imbalance, OfRandomFlows) {
  EXPECT_DOUBLE_EQ(expected_imbalance(1, 1), 1.0);
  EXPECT_NEAR(expected_imbalance(4, 1024), 1.0 + std::sqrt(8.0 * std::log(4.0) / 1024.0), 1e-12);
  // 128 entries of a table on 12 queues: 11 of 10.67.
  EXPECT_NEAR(expected_imbalance(12, 1'000'000'000), 1.03125, 1e-12);
  EXPECT_DOUBLE_EQ(expected_imbalance(4, 1), 4.0) << "one flow is on one queue";
}

// 20 us every ms at 10 Mpps bring 200 frames.
TEST(Sizing, RingByTheStatedStalls) {
  std::vector<TrialResult> trials = trials_of_cost({{.core_ns = 30.0, .load_pps = 10e6}});
  for (TrialResult& trial : trials)
    trial.order.model.stalls = {StallKind::periodic, 1'000'000, 20'000, ""};
  const SizedSetting setting = sized(order_of(10.0), trials);
  ASSERT_TRUE(setting.ring.has_value());
  EXPECT_EQ(setting.ring_advised, 256);
  EXPECT_EQ(sized(order_of(10.0, 0.01), trials).ring_advised, 128) << "0.72 % is allowed";
  ASSERT_NE(figure_of(setting, FigureSource::stated, "stalls"), nullptr);
  const SizedFigure* holds = figure_of(setting, FigureSource::model, "stall that it holds");
  ASSERT_NE(holds, nullptr);
  EXPECT_EQ(holds->text, "25.6 us");
  const SizedFigure* fills =
      figure_of(setting, FigureSource::model, "descriptors that a stall fills");
  ASSERT_NE(fills, nullptr);
  EXPECT_EQ(fills->text, "200");
  EXPECT_EQ(figure_of(setting, FigureSource::model, "descriptors that Poisson arrivals fill"),
            nullptr);
  // 30 ns a frame: a third busy.
  for (TrialResult& trial : trials) trial.order.traffic.arrivals.kind = ArrivalKind::poisson;
  const SizedSetting random = sized(order_of(10.0, 1e-9), trials);
  EXPECT_NE(figure_of(random, FigureSource::model, "descriptors that Poisson arrivals fill"),
            nullptr);
  EXPECT_EQ(random.ring_advised, 512) << "more than 256 of 200 on average come now and then";
}

TEST(Sizing, RingByTheGapsThatWereSeen) {
  std::vector<TrialResult> trials = trials_of_cost({{.core_ns = 30.0, .load_pps = 10e6}});
  EXPECT_EQ(sized(order_of(10.0), trials).ring_advised, 64);
  EXPECT_TRUE(assumes(sized(order_of(10.0), trials), "never stall"));
  for (TrialResult& trial : trials) {
    LatencyHistogram& gaps =
        trial.lcores.front().poll_gap_ns.emplace(HistogramLayout{1, 1'000'000'000, 3});
    gaps.record(200, 1'000'000);
    gaps.record(90'000, 1000);
  }
  const SizedSetting setting = sized(order_of(10.0), trials);
  EXPECT_EQ(setting.ring_advised, 1024) << "900 frames";
  EXPECT_TRUE(assumes(setting, "poll gaps stay as they were"));
  ASSERT_NE(figure_of(setting, FigureSource::measured, "poll gaps"), nullptr);
}

TEST(Sizing, NoRingIsEnoughForALongStall) {
  std::vector<TrialResult> trials = trials_of_cost({{.core_ns = 30.0, .load_pps = 10e6}});
  for (TrialResult& trial : trials)
    trial.order.model.stalls = {StallKind::periodic, 1'000'000'000, 10'000'000, ""};
  const SizedSetting setting = sized(order_of(10.0), trials);
  EXPECT_FALSE(setting.ring.has_value());
  EXPECT_EQ(setting.verdict, TargetVerdict::no);
  EXPECT_NE(setting.sentence.find("no ring up to 65536"), std::string::npos) << setting.sentence;
}

TEST(Sizing, WhatBindsIsNamed) {
  const auto trials = trials_of_cost({{.core_ns = 20.0, .load_pps = 10e6}});
  SizingOrder order = order_of(30.0);
  order.link_bps = 25e9;
  const SizedSetting line = sized(order, trials);
  ASSERT_EQ(line.ceilings.size(), 1U);
  EXPECT_NEAR(line.ceilings.front().pps, 37.2024e6, 100.0);
  EXPECT_EQ(line.verdict, TargetVerdict::yes);
  EXPECT_TRUE(assumes(line, "PCIe sets no limit"));
  order.nic_pps = 18.75e6;
  const SizedSetting nic = sized(order, trials);
  EXPECT_EQ(nic.verdict, TargetVerdict::no);
  EXPECT_NE(nic.sentence.find("above the nic, which carries 18.8 Mpps at most"), std::string::npos)
      << nic.sentence;
  order.nic_pps.reset();
  order.pcie = PcieLink{3, 16};
  order.link_bps = 100e9;
  EXPECT_EQ(binding_ceiling(sized(order, trials).ceilings)->name, "pcie");
}

TEST(Sizing, CoresOfTheTarget) {
  const auto trials = trials_of_cost({{.core_ns = 100.0}});
  SizingOrder order = order_of(13.0);
  order.target.cores = 2;
  EXPECT_EQ(sized(order, trials).verdict, TargetVerdict::yes);
  order.target.cores = 1;
  EXPECT_EQ(sized(order, trials).verdict, TargetVerdict::no);
}

TEST(Sizing, AP99ThatNobodyMeasuredIsRefused) {
  std::vector<TrialResult> trials = trials_of_cost({{.core_ns = 100.0}});
  SizingOrder order = order_of(5.0);
  order.target.p99_ns = 100'000;
  EXPECT_NE(refusal(order, trials).find("no latency was measured"), std::string::npos);
  for (TrialResult& trial : trials)
    trial.latency_ns.rx.emplace(HistogramLayout{1, 1'000'000'000, 3}).record(50'000, 1000);
  EXPECT_EQ(sized(order, trials).verdict, TargetVerdict::yes);
  order.target.p99_ns = 20'000;
  EXPECT_EQ(sized(order, trials).verdict, TargetVerdict::cannot_tell);
}

TEST(Sizing, NothingToSizeFrom) {
  EXPECT_NE(refusal(order_of(5.0), {}).find("nothing to size from"), std::string::npos);
  std::vector<TrialResult> trials = trials_of_cost({{}});
  for (TrialResult& trial : trials) trial.valid = false;
  EXPECT_NE(refusal(order_of(5.0), trials).find("nothing to size from"), std::string::npos);
}

TEST(Sizing, OneAnswerForEachSetting) {
  std::vector<TrialResult> trials = trials_of_cost({{.core_ns = 100.0}});
  for (TrialResult trial : trials_of_cost({{.core_ns = 200.0, .load_pps = 3e6}})) {
    trial.order.cell["stage"] = "touch";
    trials.push_back(trial);
  }
  for (TrialResult trial : trials_of_cost({{.core_ns = 5000.0, .load_pps = 0.1e6}})) {
    trial.order.cell["stage"] = "hyperscan:p";
    trials.push_back(trial);
  }
  const auto settings = size_for(order_of(6.0), trials);
  ASSERT_TRUE(settings);
  ASSERT_EQ(settings->size(), 3U);
  EXPECT_EQ(settings->at(0).cores_advised, 1);
  EXPECT_TRUE(settings->at(1).refused.has_value()) << "43 cores";
  EXPECT_EQ(settings->at(2).cores_advised, 2);
}

}  // namespace
}  // namespace pollmark
