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
  trial.syscalls_per_pkt = 0.02;
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

TrialResult looped_trial(ClosedLoopUnit unit) {
  TrialResult trial;
  trial.virtual_seconds = 2.0;
  ClosedLoopAccount& loop = trial.closed_loop.emplace();
  loop.unit = unit;
  loop.sent = 4000;
  loop.received = 3900;
  loop.failures = {{"timed out", 60}, {"Connection refused", 40}};
  loop.in_window = 3000;
  loop.client_cpu_ns = 5'000'000;
  loop.server_cpu_ns = 1'000'000;
  loop.tcp = {.snd_wnd_max_bytes = 65'535,
              .rtt_mean_ns = 70'000,
              .sent_segments = 1000,
              .retransmitted_segments = 50,
              .dsacked_segments = 40,
              .rwnd_limited_ratio = 0.25};
  LatencyHistogram segments;
  segments.record(1500);
  segments.record(500);
  loop.sender_segment_bytes = loop.receiver_segment_bytes = segments;
  for (int i = 1; i <= 1000; ++i) trial.latency_ns.round_trip.emplace().record(i);
  return trial;
}

TEST(Metrics, OfAClosedLoopAreInItsOwnUnit) {
  const TrialResult asked = looped_trial(ClosedLoopUnit::transactions);
  EXPECT_EQ(asked.closed_loop->unaccounted(), 0);
  EXPECT_EQ(metric_of(asked, "transactions_per_s"), 1500.0);
  EXPECT_EQ(metric_of(asked, "cpu_ns_per_transaction"), 2000.0);
  EXPECT_EQ(metric_of(asked, "failed_ratio"), 0.025);
  EXPECT_EQ(metric_of(asked, "rwnd_limited_ratio"), 0.25);
  EXPECT_EQ(metric_of(asked, "snd_wnd_max_bytes"), 65'535.0);
  EXPECT_EQ(metric_of(asked, "rtt_mean_ns"), 70'000.0);
  EXPECT_EQ(metric_of(asked, "retransmitted_ratio"), 0.05);
  EXPECT_EQ(metric_of(asked, "dsacked_ratio"), 0.04);
  EXPECT_EQ(metric_of(asked, "sender_segment_bytes"), 1000.0);
  EXPECT_TRUE(metric_of(asked, "latency_p50_ns"));
  const TrialResult streamed = looped_trial(ClosedLoopUnit::bytes);
  EXPECT_EQ(metric_of(streamed, "goodput_bps"), 12'000.0);
  EXPECT_EQ(metric_of(streamed, "cpu_ns_per_kib"), 2'048'000.0);
  const TrialResult connected = looped_trial(ClosedLoopUnit::connections);
  EXPECT_EQ(metric_of(connected, "connections_per_s"), 1500.0);
  for (const MetricFacts& metric : all_metrics()) {
    if (metric.source != MetricSource::closed_loop) continue;
    EXPECT_FALSE(metric_of(measured_trial(), metric.name)) << metric.name;
    int units = 0;
    for (const TrialResult* trial : {&asked, &streamed, &connected})
      units += metric_of(*trial, metric.name).has_value();
    EXPECT_GE(units, 1) << metric.name;
  }
  for (const std::string name : {"loss_ratio", "offered_mpps", "goodput_bps", "cpu_ns_per_kib"})
    EXPECT_FALSE(metric_of(asked, name)) << name;
}

TEST(Metrics, EveryMetricOfATrialCanBeMeasured) {
  const TrialResult trial = measured_trial();
  const std::set<std::string> want = {"loss_ratio",           "rx_missed_ratio", "latency_p50_ns",
                                      "latency_p99_ns",       "latency_p999_ns", "cycles_per_pkt",
                                      "syscalls_per_pkt",     "busy_fraction",   "offered_mpps",
                                      "received_mpps",        "mpps_per_core",   "cpu_cores_used",
                                      "stage_cycles_per_pkt", "matched_ratio"};
  std::set<std::string> got;
  for (const MetricFacts& metric : all_metrics()) {
    EXPECT_FALSE(metric.unit.empty());
    EXPECT_FALSE(metric.sentence.empty());
    if (metric.source != MetricSource::trial && metric.source != MetricSource::offered) {
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
