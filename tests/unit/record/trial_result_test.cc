#include "record/trial_result.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "record/search_result.h"

namespace pollmark {
namespace {

TrialResult measured_trial() {
  TrialResult trial;
  trial.offered_pps = 10e6;
  trial.cycles_per_pkt = 55.5;
  trial.busy_fraction = 0.75;
  trial.cpu_cores_used = 2.0;
  trial.stage = StageAccount{900, 20.0, 300, 225};
  StreamAccount stream;
  stream.ledger.set_offered(1000);
  stream.ledger.add(Fate::received, 900);
  stream.ledger.add(Fate::rx_missed, 60);
  stream.ledger.add(Fate::sw_ring_overflow, 40);
  trial.streams.push_back(stream);
  LatencyHistogram rx;
  for (int i = 1; i <= 1000; ++i) rx.record(i);
  trial.latency_ns.rx = rx;
  return trial;
}

TrialResult latency_trial(double pdr_percent) {
  TrialResult trial = measured_trial();
  trial.order.kind = TrialKind::latency;
  trial.order.pdr_percent = pdr_percent;
  return trial;
}

TEST(Metrics, EveryMetricOfATrialCanBeMeasured) {
  const TrialResult trial = measured_trial();
  const std::set<std::string> want = {"loss_ratio",     "rx_missed_ratio", "latency_p50_ns",
                                      "latency_p99_ns", "latency_p999_ns", "cycles_per_pkt",
                                      "busy_fraction",  "offered_mpps",    "received_mpps",
                                      "mpps_per_core",  "cpu_cores_used",  "stage_cycles_per_pkt",
                                      "matched_ratio"};
  std::set<std::string> got;
  for (const MetricFacts& metric : all_metrics()) {
    EXPECT_FALSE(metric.unit.empty());
    EXPECT_FALSE(metric.sentence.empty());
    if (metric.source != MetricSource::trial) {
      EXPECT_FALSE(metric_of(trial, metric.name).has_value()) << metric.name;
      continue;
    }
    got.insert(metric.name);
    EXPECT_TRUE(metric_of(trial, metric.name).has_value()) << metric.name;
  }
  EXPECT_EQ(got, want);
}

TEST(Metrics, LatencyAtAShareOfThePdrIsThatOfTheTrialsThere) {
  for (const int percent : {1, 10, 50, 90}) {
    const std::string name = "latency_p99_at_" + std::to_string(percent) + "_ns";
    EXPECT_DOUBLE_EQ(metric_of(latency_trial(percent), name).value(), 990) << name;
    EXPECT_FALSE(metric_of(latency_trial(percent + 1), name).has_value()) << name;
  }
}

TEST(Metrics, ASearchMeasuresItsRegularGoals) {
  SearchResult search;
  search.complete = true;
  GoalResult ndr;
  ndr.goal = *preset_goal("ndr");
  ndr.throughput_pps = 9.5e6;
  search.goals.push_back(ndr);
  EXPECT_FALSE(metric_of(search, "ndr_mpps").has_value());
  search.goals[0].regular = true;
  EXPECT_DOUBLE_EQ(metric_of(search, "ndr_mpps").value(), 9.5);
  EXPECT_FALSE(metric_of(search, "pdr_mpps").has_value());
  search.complete = false;
  EXPECT_FALSE(metric_of(search, "ndr_mpps").has_value());
}

TEST(Metrics, Values) {
  const TrialResult trial = measured_trial();
  EXPECT_DOUBLE_EQ(metric_of(trial, "loss_ratio").value(), 0.1);
  EXPECT_DOUBLE_EQ(metric_of(trial, "stage_cycles_per_pkt").value(), 20.0);
  EXPECT_DOUBLE_EQ(metric_of(trial, "matched_ratio").value(), 0.25);
  EXPECT_DOUBLE_EQ(metric_of(trial, "rx_missed_ratio").value(), 0.06);
  EXPECT_DOUBLE_EQ(metric_of(trial, "latency_p50_ns").value(), 500);
  EXPECT_DOUBLE_EQ(metric_of(trial, "latency_p99_ns").value(), 990);
  EXPECT_DOUBLE_EQ(metric_of(trial, "latency_p999_ns").value(), 999);
  EXPECT_DOUBLE_EQ(metric_of(trial, "offered_mpps").value(), 10.0);
  EXPECT_DOUBLE_EQ(metric_of(trial, "received_mpps").value(), 9.0);
  EXPECT_DOUBLE_EQ(metric_of(trial, "mpps_per_core").value(), 4.5);
  EXPECT_DOUBLE_EQ(metric_of(trial, "cpu_cores_used").value(), 2.0);
}

TEST(Metrics, WhatWasNotMeasuredHasNoValue) {
  const TrialResult nothing;
  for (const MetricFacts& metric : all_metrics()) {
    EXPECT_EQ(metric_of(nothing, metric.name), std::nullopt) << metric.name;
  }
  EXPECT_EQ(metric_of(measured_trial(), "no_such_metric"), std::nullopt);
}

TEST(Metrics, LatencyIsDoneWhereMeasuredElseRx) {
  TrialResult trial = measured_trial();
  LatencyHistogram done;
  trial.latency_ns.done = done;  // there, but empty: nothing was measured
  EXPECT_DOUBLE_EQ(metric_of(trial, "latency_p50_ns").value(), 500);
  done.record(1234);
  trial.latency_ns.done = done;
  EXPECT_DOUBLE_EQ(metric_of(trial, "latency_p50_ns").value(), 1234);
}

TEST(Metrics, WhatIsNotFiniteIsNotMeasured) {
  TrialResult trial = measured_trial();
  trial.cycles_per_pkt = std::nan("");
  trial.cpu_cores_used = 0.0;
  EXPECT_EQ(metric_of(trial, "cycles_per_pkt"), std::nullopt);
  EXPECT_EQ(metric_of(trial, "mpps_per_core"), std::nullopt);
}

TEST(TrialResult, ItsBooksAreTheSumOfTheStreams) {
  TrialResult trial = measured_trial();
  trial.streams.push_back(trial.streams.front());
  const Ledger books = trial.ledger();
  EXPECT_EQ(books.offered_pkts(), 2000);
  EXPECT_EQ(books.pkts(Fate::rx_missed), 120);
  EXPECT_TRUE(books.closes());
  EXPECT_EQ(TrialResult{}.ledger().offered_pkts(), 0);
}

}  // namespace
}  // namespace pollmark
