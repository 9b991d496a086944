#include "judge/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <random>

#include "campaigns.h"

namespace pollmark {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Levels kSmall{{"rx_ring", "128"}};
const Levels kLarge{{"rx_ring", "512"}};

TEST(Summary, CellsStandInPlanOrder) {
  Campaign campaign;
  campaign.add(kLarge, {1, 2});
  campaign.add(kSmall, {3, 4});
  const Summary summary = campaign.summary();
  ASSERT_EQ(summary.cells.size(), 2U);
  EXPECT_EQ(summary.cells[0].cell, kLarge);
  EXPECT_EQ(summary.cells[1].cell, kSmall);
  EXPECT_EQ(summary.trials, 4);
  EXPECT_EQ(summary.valid, 4);
  EXPECT_EQ(summary.metric, "loss_ratio");
}

TEST(Summary, AnInvalidTrialEntersNoNumber) {
  Campaign campaign;
  campaign.add(kSmall, {100, 200, 300});
  const Summary clean = campaign.summary();
  TrialResult disturbed = invalid(trial_of(kSmall, 3, 900'000), "receiver_stalled: 5 ms");
  LatencyHistogram late;
  late.record(1'000'000);
  disturbed.latency_ns.done = late;
  disturbed.limited_by = "core";
  disturbed.cycles_per_pkt = 1.0;
  disturbed.not_checked = {"something"};
  disturbed.knobs["rx_ring"].effective = "7";
  campaign.trials.push_back(disturbed);
  const Summary summary = campaign.summary();
  const CellSummary& cell = summary.cells.front();
  EXPECT_EQ(cell.trials, 4);
  EXPECT_EQ(cell.valid, 3);
  EXPECT_EQ(cell.invalid_reasons, (std::map<std::string, int>{{"receiver_stalled", 1}}));
  EXPECT_DOUBLE_EQ(cell.metrics.at("loss_ratio").median, 2e-4);
  EXPECT_EQ(cell.metrics.size(), clean.cells.front().metrics.size());
  EXPECT_EQ(cell.metrics.count("cycles_per_pkt"), 0U);
  EXPECT_EQ(cell.ledger, clean.cells.front().ledger);
  EXPECT_FALSE(cell.latency_ns.has_value());
  EXPECT_EQ(cell.limited_by, "ring");
  EXPECT_THAT(cell.not_checked, ElementsAre());
  EXPECT_EQ(cell.knobs.at("rx_ring").effective, "128");
  EXPECT_EQ(summary.ledger, clean.ledger);
  EXPECT_EQ(summary.answer, clean.answer);
}

TEST(Summary, WhereFramesDiedIsSummedOverValidTrialsByFateTheMostFirst) {
  const auto place = [](const std::string& reason, std::int64_t pkts, std::optional<Fate> fate) {
    DroppedAt at;
    at.side = "receiver";
    at.reason = reason;
    at.pkts = pkts;
    at.segments = 2 * pkts;
    at.fate = fate;
    return at;
  };
  Campaign campaign;
  campaign.add(kSmall, {100, 200});
  for (TrialResult& trial : campaign.trials) {
    trial.streams[0].drops = KernelDrops{
        "bpf",
        0,
        {place("OTHERS", 900, std::nullopt), place("XDP", 9, Fate::kernel_other),
         place("IP_LOCALNET", 30, Fate::kernel_other), place("NO_SOCKET", 4, Fate::kernel_udp)}};
  }
  campaign.trials.push_back(invalid(campaign.trials[0], "receiver_stalled: 5 ms"));
  const std::vector<DroppedAt> drops = campaign.summary().cells.at(0).drops;
  EXPECT_THAT(drops, ElementsAre(place("NO_SOCKET", 8, Fate::kernel_udp),
                                 place("IP_LOCALNET", 60, Fate::kernel_other),
                                 place("XDP", 18, Fate::kernel_other)));
}

TEST(Summary, CalibrationsAndProbesAreNotJudged) {
  Campaign campaign;
  campaign.add(kSmall, {100});
  for (const TrialKind kind : {TrialKind::calibration, TrialKind::probe}) {
    TrialResult other = trial_of(kSmall, 0, 500'000);
    other.order.kind = kind;
    campaign.trials.push_back(other);
  }
  const Summary summary = campaign.summary();
  EXPECT_EQ(summary.trials, 1);
  EXPECT_EQ(summary.cells.front().trials, 1);
  EXPECT_DOUBLE_EQ(summary.cells.front().metrics.at("loss_ratio").median, 1e-4);
  EXPECT_EQ(summary.ledger.offered_pkts(), 1'000'000);
}

TEST(Summary, AMetricThatNoTrialMeasuredIsAbsent) {
  rc::check([] {
    Campaign campaign;
    campaign.plan(kSmall);
    std::map<std::string, int> measured;
    const int blocks = *rc::gen::inRange(1, 15);
    for (int block = 0; block < blocks; ++block) {
      TrialResult trial = trial_of(kSmall, block, *rc::gen::inRange(0, 1000));
      if (*rc::gen::arbitrary<bool>()) trial.cycles_per_pkt = 200.0;
      if (*rc::gen::arbitrary<bool>()) trial.busy_fraction = 0.5;
      if (*rc::gen::arbitrary<bool>()) trial.cpu_cores_used = 1.0;
      if (*rc::gen::arbitrary<bool>()) trial.offered_pps.reset();
      if (*rc::gen::arbitrary<bool>()) {
        LatencyHistogram rx;
        rx.record(100);
        trial.latency_ns.rx = rx;
      }
      for (const MetricFacts& metric : all_metrics()) {
        if (metric_of(trial, metric.name)) ++measured[metric.name];
      }
      campaign.trials.push_back(trial);
    }
    const CellSummary cell = campaign.summary().cells.front();
    RC_ASSERT(cell.metrics.size() == measured.size());
    for (const auto& [name, times] : measured) RC_ASSERT(cell.metrics.at(name).values == times);
  });
}

TEST(Summary, TheOrderOfTheTrialsDoesNotMatter) {
  Campaign campaign;
  campaign.question.baseline = {{"rx_ring", "128"}};
  campaign.question.choose = "smallest rx_ring equivalent to the best";
  for (const char* queues : {"1", "4"}) {
    for (const char* ring : {"128", "512"}) {
      campaign.add({{"queues", queues}, {"rx_ring", ring}}, {});
    }
  }
  rc::check([&] {
    campaign.trials.clear();
    for (const Question::PlannedCell& cell : campaign.question.cells) {
      for (int block = 0; block < 7; ++block) {
        for (int attempt = 0; attempt < 2; ++attempt) {
          TrialResult trial = trial_of(cell.cell, block, *rc::gen::inRange(0, 30'000));
          trial.order.attempt = attempt;
          trial.order.trial = static_cast<std::int64_t>(campaign.trials.size());
          trial.limited_by = *rc::gen::element<std::string>("", "ring", "core");
          trial.limited_why = trial.limited_by + std::to_string(trial.order.trial);
          if (*rc::gen::arbitrary<bool>()) trial = invalid(trial, "too_disturbed: yes");
          campaign.trials.push_back(trial);
        }
      }
    }
    const Summary first = campaign.summary();
    std::mt19937 random(*rc::gen::arbitrary<std::uint32_t>());
    std::shuffle(campaign.trials.begin(), campaign.trials.end(), random);
    const Summary second = campaign.summary();
    RC_ASSERT(first.answer == second.answer);
    RC_ASSERT(first.ledger == second.ledger);
    RC_ASSERT(first.effects.size() == second.effects.size());
    for (std::size_t i = 0; i < first.effects.size(); ++i) {
      RC_ASSERT(first.effects[i].sentence == second.effects[i].sentence);
    }
    for (std::size_t i = 0; i < first.cells.size(); ++i) {
      const CellSummary& a = first.cells[i];
      const CellSummary& b = second.cells[i];
      RC_ASSERT(a.cell == b.cell);
      RC_ASSERT(a.limited_by == b.limited_by);
      RC_ASSERT(a.limited_why == b.limited_why);
      RC_ASSERT(a.ledger == b.ledger);
      RC_ASSERT(a.ratio_to_baseline == b.ratio_to_baseline);
      RC_ASSERT(a.not_measured == b.not_measured);
      RC_ASSERT(a.metrics.size() == b.metrics.size());
      for (const auto& [name, estimate] : a.metrics) {
        RC_ASSERT(estimate.median == b.metrics.at(name).median);
      }
    }
  });
}

TEST(Summary, BooksAreTheSumOfTheValidTrialsWhateverEachCouldCount) {
  rc::check([] {
    Campaign campaign;
    campaign.plan(kSmall);
    campaign.plan(kLarge);
    std::map<Fate, std::int64_t> sums;
    std::int64_t offered_pkts = 0;
    const int trials = *rc::gen::inRange(0, 12);
    for (int i = 0; i < trials; ++i) {
      TrialResult trial = trial_of(*rc::gen::arbitrary<bool>() ? kSmall : kLarge, i, 0);
      Ledger ledger;
      std::int64_t left_pkts = 1'000'000;
      for (const Fate fate : all_fates()) {
        if (fate_kind(fate) != FateKind::loss || *rc::gen::arbitrary<bool>()) continue;
        const std::int64_t pkts = *rc::gen::inRange<std::int64_t>(0, 1000);
        ledger.add(fate, pkts);
        left_pkts -= pkts;
      }
      ledger.add(Fate::received, left_pkts);
      ledger.set_offered(1'000'000);
      trial.streams.front().ledger = ledger;
      trial.valid = *rc::gen::arbitrary<bool>();
      campaign.trials.push_back(trial);
      if (!trial.valid) continue;
      offered_pkts += 1'000'000;
      for (const Fate fate : all_fates()) {
        if (ledger.pkts(fate)) sums[fate] += *ledger.pkts(fate);
      }
    }
    const Summary summary = campaign.summary();
    RC_ASSERT(summary.ledger.offered_pkts() == offered_pkts);
    RC_ASSERT(summary.ledger.unaccounted_pkts() == 0);
    for (const Fate fate : all_fates()) {
      const auto own = sums.find(fate);
      RC_ASSERT(summary.ledger.pkts(fate).has_value() == (own != sums.end()));
      if (own != sums.end()) RC_ASSERT(summary.ledger.pkts(fate) == own->second);
      RC_ASSERT(summary.ledger.pkts_or_zero(fate) ==
                summary.cells[0].ledger.pkts_or_zero(fate) +
                    summary.cells[1].ledger.pkts_or_zero(fate));
    }
  });
}

TEST(Summary, RatiosArePairedOverSharedBlocks) {
  Campaign campaign;
  campaign.question.baseline = {{"rx_ring", "128"}};
  campaign.add(kSmall, {100, 200, 400, 800});
  campaign.add(kLarge, {50, 50, 100, 80});
  campaign.trials[3].valid = false;  // block 3 of the baseline
  const Summary summary = campaign.summary();
  EXPECT_TRUE(summary.cells[0].ratio_to_baseline.empty()) << "it is the baseline";
  EXPECT_DOUBLE_EQ(summary.cells[1].ratio_to_baseline.at("loss_ratio"), 0.25);
}

TEST(Summary, ABlockIsComparedByItsFirstValidTrial) {
  Campaign campaign;
  campaign.question.baseline = {{"rx_ring", "128"}};
  campaign.add(kSmall, {100});
  campaign.add(kLarge, {900, 0});
  campaign.trials[1].valid = false;
  campaign.trials[2].order.block = 0;
  campaign.trials[2].order.attempt = 1;
  TrialResult third = trial_of(kLarge, 0, 50);
  third.order.attempt = 2;
  campaign.trials.insert(campaign.trials.begin(), third);
  const CellSummary cell = campaign.summary().cells[1];
  EXPECT_DOUBLE_EQ(cell.ratio_to_baseline.at("loss_ratio"), 0.0);
  EXPECT_EQ(cell.metrics.at("loss_ratio").values, 2);
}

TEST(Summary, TenThousandTrialsAreJudgedWhole) {
  Campaign campaign;
  campaign.question.baseline = {{"rx_ring", "0"}};
  campaign.question.choose = "smallest rx_ring equivalent to the best";
  LatencyHistogram done(HistogramLayout{1, 200'000, 2});
  for (int i = 1; i < 1000; ++i) done.record(i * 100);
  for (int ring = 0; ring < 100; ++ring) {
    campaign.add({{"rx_ring", std::to_string(ring)}}, around(1000, 300, 100, ring));
  }
  for (TrialResult& trial : campaign.trials) trial.latency_ns.done = done;
  const Summary summary = campaign.summary();
  EXPECT_EQ(summary.valid, 10'000);
  EXPECT_EQ(summary.ledger.offered_pkts(), 10'000'000'000);
  EXPECT_EQ(summary.cells[99].latency_ns.value().count(), 99'900);
  EXPECT_EQ(summary.cells[99].ratio_to_baseline.count("latency_p99_ns"), 1U);
}

TEST(Summary, ABaselineOfZeroGivesNoRatio) {
  Campaign campaign;
  campaign.question.baseline = {{"rx_ring", "128"}};
  campaign.add(kSmall, {0, 200});
  campaign.add(kLarge, {50, 50});
  const CellSummary cell = campaign.summary().cells[1];
  EXPECT_EQ(cell.ratio_to_baseline.count("loss_ratio"), 0U);
  EXPECT_DOUBLE_EQ(cell.ratio_to_baseline.at("offered_mpps"), 1.0);
}

TEST(Summary, TheBaselineKeepsTheOtherFactors) {
  Campaign campaign;
  campaign.question.baseline = {{"rx_ring", "128"}};
  campaign.add({{"queues", "1"}, {"rx_ring", "128"}}, {100});
  campaign.add({{"queues", "4"}, {"rx_ring", "128"}}, {1000});
  campaign.add({{"queues", "4"}, {"rx_ring", "512"}}, {500});
  EXPECT_DOUBLE_EQ(campaign.summary().cells[2].ratio_to_baseline.at("loss_ratio"), 0.5);
}

TEST(Summary, EachGroupTakesItsOwnFactorsOfTheBaseline) {
  Campaign campaign;
  campaign.question.baseline = {{"path", "udp_socket"}, {"rx_ring", "128"}};
  campaign.add(kSmall, {100});
  campaign.add(kLarge, {50});
  campaign.add({{"path", "udp_socket"}}, {400}, Path::udp_socket, "kernel");
  campaign.add({{"path", "dpdk"}}, {100}, Path::dpdk, "kernel");
  campaign.add({{"queues", "4"}}, {7}, Path::model, "other");
  const Summary summary = campaign.summary();
  EXPECT_DOUBLE_EQ(summary.cells[1].ratio_to_baseline.at("loss_ratio"), 0.5);
  EXPECT_DOUBLE_EQ(summary.cells[3].ratio_to_baseline.at("loss_ratio"), 0.25);
  for (const std::size_t without : {0U, 2U, 4U}) {
    EXPECT_TRUE(summary.cells[without].ratio_to_baseline.empty()) << without;
  }
}

// The layouts 1 queue, 4 equal, 4 skewed set queues and reta together: no full factorial.
TEST(Summary, LayoutsAreComparedWhereOnlyOneFactorDiffers) {
  Campaign campaign;
  for (const char* ring : {"128", "512"}) {
    campaign.add({{"queues", "1"}, {"reta", "equal"}, {"rx_ring", ring}}, around(9'000, 11, 12, 0));
    campaign.add({{"queues", "4"}, {"reta", "equal"}, {"rx_ring", ring}}, around(100, 11, 12, 3));
    campaign.add({{"queues", "4"}, {"reta", "4:2:1:1"}, {"rx_ring", ring}},
                 around(5'000, 11, 12, 5));
  }
  const Summary summary = campaign.summary();
  ASSERT_EQ(summary.effects.size(), 3U);
  const FactorEffect& queues = summary.effects[0];
  EXPECT_EQ(queues.factor, "queues");
  EXPECT_EQ(queues.combinations, 2);
  EXPECT_NEAR(queues.worst, 0.009, 1e-9);
  EXPECT_NEAR(queues.best, 0.0001, 1e-9);
  const FactorEffect& reta = summary.effects[1];
  EXPECT_EQ(reta.factor, "reta");
  EXPECT_EQ(reta.combinations, 2);
  EXPECT_EQ(reta.best_level, "equal");
  EXPECT_NEAR(reta.worst, 0.005, 1e-9);
  EXPECT_EQ(summary.effects[2].combinations, 3);
}

TEST(Summary, LatencyIsMergedOverValidTrialsDoneBeforeRx) {
  Campaign campaign;
  campaign.add(kSmall, {0, 0});
  LatencyHistogram rx;
  rx.record(100, 5);
  LatencyHistogram done;
  done.record(900, 7);
  campaign.trials[0].latency_ns.rx = rx;
  campaign.trials[1].latency_ns.rx = rx;
  EXPECT_EQ(campaign.summary().cells[0].latency_kind, "rx");
  EXPECT_EQ(campaign.summary().cells[0].latency_ns.value().count(), 10);
  campaign.trials[0].latency_ns.done = done;
  campaign.trials[1].latency_ns.done = done;
  EXPECT_EQ(campaign.summary().cells[0].latency_kind, "done");
  EXPECT_EQ(campaign.summary().cells[0].latency_ns.value().count(), 14);
  EXPECT_EQ(campaign.summary().cells[0].latency_ns.value().max(), 900);
}

TEST(Summary, LimitedByIsTheMostFrequentOfValidTrials) {
  Campaign campaign;
  campaign.add(kSmall, {1, 1, 1, 1});
  campaign.trials[0].limited_by = campaign.trials[2].limited_by = "core";
  campaign.trials[0].limited_why = "first";
  campaign.trials[2].limited_why = "second";
  campaign.trials[3].valid = false;
  const CellSummary cell = campaign.summary().cells[0];
  EXPECT_EQ(cell.limited_by, "core");
  EXPECT_EQ(cell.limited_why, "second");
}

TEST(Summary, WhatCouldNotBeCheckedIsSaidOnce) {
  Campaign campaign;
  campaign.add(kSmall, {1, 1});
  campaign.trials[0].not_checked = {"pause frames", "link flap"};
  campaign.trials[1].not_checked = {"link flap"};
  EXPECT_THAT(campaign.summary().cells[0].not_checked, ElementsAre("link flap", "pause frames"));
}

TEST(Summary, ACellWithoutANumberSaysWhyAndWhatWouldMendIt) {
  Campaign campaign;
  campaign.plan(kSmall);
  campaign.plan(kLarge);
  campaign.plan({{"rx_ring", "4096"}});
  campaign.question.cells[0].refused = "needs CAP_NET_ADMIN";
  campaign.trials.push_back(invalid(trial_of(kLarge, 0, 0), "receiver_stalled: 5 ms"));
  campaign.trials.push_back(invalid(trial_of(kLarge, 1, 0), "receiver_stalled: 9 ms"));
  campaign.trials.push_back(invalid(trial_of(kLarge, 2, 0), "books_open: 3"));
  const Summary summary = campaign.summary();
  EXPECT_EQ(summary.cells[0].not_measured, "needs CAP_NET_ADMIN");
  EXPECT_EQ(summary.cells[1].not_measured,
            "none of 3 trials was valid: books_open 1, receiver_stalled 2; to mend it: give the "
            "receiver a core of its own, or validity = \"as_is\"");
  EXPECT_EQ(summary.cells[2].not_measured, "no trial was run");
  for (const CellSummary& cell : summary.cells) {
    EXPECT_TRUE(cell.metrics.empty());
    EXPECT_EQ(cell.valid, 0);
  }
  campaign.trials.push_back(trial_of(kLarge, 3, 0));
  EXPECT_FALSE(campaign.summary().cells[1].not_measured.has_value());
}

TEST(Summary, ATrialCountsEachOfItsReasonsOnce) {
  Campaign campaign;
  campaign.plan(kSmall);
  TrialResult trial = invalid(trial_of(kSmall, 0, 0), "");
  trial.invalid_reasons = {"receiver_stalled: a", "receiver_stalled: b", "tsc_step: c"};
  campaign.trials.push_back(trial);
  EXPECT_EQ(campaign.summary().cells[0].invalid_reasons,
            (std::map<std::string, int>{{"receiver_stalled", 1}, {"tsc_step", 1}}));
}

TEST(Summary, TrialsOfAnUnplannedCellAreShownAfterThePlan) {
  Campaign campaign;
  campaign.plan(kSmall);
  campaign.trials = {trial_of({{"rx_ring", "9"}}, 0, 0), trial_of(kLarge, 0, 0)};
  const Summary summary = campaign.summary();
  ASSERT_EQ(summary.cells.size(), 3U);
  EXPECT_EQ(summary.cells[1].cell, kLarge);
  EXPECT_EQ(summary.cells[2].cell.at("rx_ring"), "9");
}

TEST(Summary, TheSameCellInTwoGroupsIsTwoCells) {
  Campaign campaign;
  campaign.add(kSmall, {100});
  campaign.add(kSmall, {500}, Path::model, "other");
  const Summary summary = campaign.summary();
  EXPECT_DOUBLE_EQ(summary.cells[0].metrics.at("loss_ratio").median, 1e-4);
  EXPECT_DOUBLE_EQ(summary.cells[1].metrics.at("loss_ratio").median, 5e-4);
}

}  // namespace
}  // namespace pollmark
