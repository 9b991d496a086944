#include "trial/trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "fake_ends.h"

namespace pollmark {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

std::vector<std::string> without_destruction(const Story& story) {
  std::vector<std::string> calls;
  for (const std::string& call : story.journal) {
    if (call.find("destroyed") == std::string::npos) calls.push_back(call);
  }
  return calls;
}

TEST(Trial, FollowsTheLifecycleInOrder) {
  Story story;
  ASSERT_TRUE(story.run());
  EXPECT_THAT(
      story.journal,
      ElementsAre("receiver.open", "sender.open", "sender.read_counters", "receiver.read_counters",
                  "books.begin_watch", "receiver.start", "sender.start", "sender.join",
                  "receiver.drain", "receiver.stop", "receiver.read_counters", "pause",
                  "receiver.read_counters", "sender.read_counters", "books.end_watch",
                  "receiver.destroyed", "sender.destroyed", "books.destroyed"));
}

// A reading takes milliseconds of a CPU: none of it may be a worker's.
TEST(Trial, NoCounterIsReadWhileAnEndIsAtWork) {
  Story story;
  ASSERT_TRUE(story.run());
  const auto& calls = story.journal;
  const auto first = std::find_if(calls.begin(), calls.end(),
                                  [](const std::string& call) { return call.ends_with(".start"); });
  const auto last = std::find(calls.begin(), calls.end(), "receiver.stop");
  ASSERT_LT(first, last);
  for (auto call = first; call != last; ++call) {
    EXPECT_FALSE(call->ends_with("read_counters") || call->ends_with("_watch")) << *call;
  }
}

TEST(Trial, WhatTheBooksCouldNotWatchIsSaid) {
  Story story;
  story.unwatched = {"drop reasons: needs CAP_BPF"};
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->valid);
  EXPECT_THAT(result->not_checked, Contains("drop reasons: needs CAP_BPF"));
}

TEST(Trial, TheDrainIsGivenItsLimits) {
  Story story;
  TrialLimits limits;
  limits.quiet_ns = 123;
  limits.drain_limit_ns = 456'000'000;
  ASSERT_TRUE(story.run(limits));
  EXPECT_EQ(story.drain_quiet_ns, 123);
  EXPECT_EQ(story.drain_limit_ns, 456'000'000);
}

TEST(Trial, WaitsOfTheOrderComeBehindTheOpeningAndBehindTheTraffic) {
  Story story;
  story.order.wait_before_seconds = 5.0;
  story.order.wait_after_seconds = 2.0;
  const std::int64_t began_ns = story.now_ns;
  ASSERT_TRUE(story.run());
  EXPECT_EQ(story.journal.at(2), "pause");
  EXPECT_EQ(story.journal.at(3), "sender.read_counters");
  EXPECT_GE(story.now_ns - began_ns, 5'000'000'000);
  EXPECT_EQ(story.drain_quiet_ns, 2'000'000'000);
  EXPECT_GT(story.drain_limit_ns, 3'900'000'000) << "as long beyond the quiet time as ever";
}

TEST(Trial, TheModelWaitsForNothing) {
  Story story = Story::on_model();
  story.order.wait_before_seconds = 5.0;
  story.order.wait_after_seconds = 2.0;
  ASSERT_TRUE(story.run());
  EXPECT_EQ(story.journal.at(2), "sender.read_counters");
  EXPECT_EQ(story.drain_quiet_ns, TrialLimits{}.quiet_ns);
}

TEST(Trial, AnUndisturbedTrialIsValidAndItsBooksClose) {
  Story story;
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_THAT(result->invalid_reasons, ElementsAre());
  EXPECT_TRUE(result->valid);
  const Ledger ledger = result->ledger();
  EXPECT_EQ(ledger.offered_pkts(), 100'000);
  EXPECT_EQ(ledger.pkts(Fate::received), 99'960);
  EXPECT_EQ(ledger.pkts(Fate::kernel_socket_buffer), 40);
  EXPECT_EQ(ledger.pkts(Fate::duplicate), 3);
  EXPECT_EQ(ledger.pkts(Fate::rx_missed), std::nullopt) << "nobody counted it";
  EXPECT_EQ(ledger.unaccounted_pkts(), 0);
}

TEST(Trial, AnUndisturbedModelTrialIsValid) {
  Story story = Story::on_model();
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_THAT(result->invalid_reasons, ElementsAre());
  EXPECT_THAT(result->not_checked, ElementsAre());
}

TEST(Trial, TheResultCarriesWhatTheEndsTold) {
  Story story;
  story.got.first_loss_s = 0.02;
  story.got.last_loss_s = 0.09;
  story.got.cycles_per_pkt = 210.0;
  story.got.busy_fraction = 0.8;
  story.got.cpu_cores_used = 1.4;
  story.sent.generator.late_p99_ns = 800;
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->order, story.order);
  EXPECT_EQ(result->started_utc, utc_text(1'795'256'700.0));
  EXPECT_EQ(result->isa, "v3");
  EXPECT_EQ(result->page_size_bytes, 4096);
  EXPECT_EQ(result->pool_nodes, std::vector<int>{1});
  EXPECT_DOUBLE_EQ(result->virtual_seconds, 0.1);
  EXPECT_DOUBLE_EQ(result->wall_seconds, 0.103);  // window, 1 ms of drain, one pause
  EXPECT_DOUBLE_EQ(result->intended_pps.value(), 1e6);
  EXPECT_DOUBLE_EQ(result->offered_pps.value(), 1e6);
  EXPECT_EQ(result->cycles_per_pkt, 210.0);
  EXPECT_EQ(result->busy_fraction, 0.8);
  EXPECT_EQ(result->cpu_cores_used, 1.4);
  EXPECT_EQ(result->generator.late_p99_ns, 800);
  EXPECT_EQ(result->stalls.excised, 2) << "gaps of the polling lcores, on wall clock";
  EXPECT_EQ(result->stalls.excised_ns, 65'000);
  EXPECT_EQ(result->stalls.longest_ns, 40'000);
  ASSERT_EQ(result->streams.size(), 1U);
  const StreamAccount& stream = result->streams.front();
  EXPECT_EQ(stream.tracker_missing_pkts, 40);
  EXPECT_EQ(stream.reordered_pkts, 5);
  EXPECT_EQ(stream.loss_runs.value().count, 4);
  EXPECT_EQ(stream.loss_runs.value().longest, 20);
  EXPECT_EQ(stream.first_loss_s, 0.02);
  EXPECT_EQ(stream.last_loss_s, 0.09);
  EXPECT_EQ(stream.received_bytes, 99'960 * 64);
  EXPECT_EQ(result->counters.at("receiver.socket.drops").delta, 40);
  EXPECT_EQ(result->counters.at("sender.link.tx_packets").delta, 100'000);
  EXPECT_EQ(result->limited_by, "kernel:socket_buffer");
}

TEST(Trial, WhatWasNotMeasuredIsAbsentNotZero) {
  Story story;
  story.sent.sent_per_flow.clear();
  story.got.tracker.reset();
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->valid);
  EXPECT_EQ(result->cycles_per_pkt, std::nullopt);
  EXPECT_EQ(result->latency_ns.rx, std::nullopt);
  const StreamAccount& stream = result->streams.front();
  EXPECT_EQ(stream.tracker_missing_pkts, std::nullopt);
  EXPECT_EQ(stream.reordered_pkts, std::nullopt);
  EXPECT_FALSE(stream.loss_runs.has_value());
  EXPECT_EQ(stream.first_loss_s, std::nullopt);
}

TEST(Trial, AMaximumLoadHasNoIntendedRate) {
  Story story;
  story.order.traffic.load = Load{LoadUnit::max, 0.0};
  story.order.traffic.intended_pps = 0.0;
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->valid);
  EXPECT_EQ(result->intended_pps, std::nullopt);
  EXPECT_DOUBLE_EQ(result->offered_pps.value(), 1e6);
}

TEST(Trial, AReceiverThatDoesNotOpenLeavesTheSenderUntouched) {
  Story story;
  story.fails = "receiver.open";
  const auto result = story.run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::host_cannot);
  EXPECT_THAT(without_destruction(story), ElementsAre("receiver.open"));
}

TEST(Trial, ASenderThatDoesNotOpenClosesTheReceiver) {
  Story story;
  story.fails = "sender.open";
  const auto result = story.run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().what, "sender.open failed");
  EXPECT_THAT(without_destruction(story),
              ElementsAre("receiver.open", "sender.open", "receiver.abandon"));
}

TEST(Trial, AnErrorAtAnyLaterStepAbandonsBothEnds) {
  for (const char* step : {"sender.read_counters", "receiver.read_counters", "receiver.start",
                           "sender.start", "sender.join", "receiver.drain", "receiver.stop"}) {
    Story story;
    story.fails = step;
    ASSERT_FALSE(story.run()) << step;
    const auto calls = without_destruction(story);
    ASSERT_GE(calls.size(), 3U);
    EXPECT_EQ(calls[calls.size() - 3], step);
    EXPECT_EQ(calls[calls.size() - 2], "sender.abandon") << step;
    EXPECT_EQ(calls[calls.size() - 1], "receiver.abandon") << step;
  }
}

TEST(Trial, AnAbandonedTrialIsAnInterruptionAndNoResult) {
  Story story;
  story.fails = "sender.join";
  story.fails_with = Errc::interrupted;
  const auto result = story.run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::interrupted);
  EXPECT_THAT(story.journal, Contains("receiver.abandon"));
  EXPECT_THAT(story.journal, Not(Contains("receiver.stop")));
}

TEST(Trial, AFinishedTrialIsNotAbandoned) {
  Story story;
  ASSERT_TRUE(story.run());
  EXPECT_THAT(story.journal, Not(Contains("sender.abandon")));
  EXPECT_THAT(story.journal, Not(Contains("receiver.abandon")));
}

// Readings of the receiving side: first before the trial, then `after` by turn.
void read_by_turn(Story& story, const std::vector<std::uint64_t>& after, CounterRole role) {
  story.receiver_readings.clear();
  CounterSnapshot reading;
  reading.values["receiver.socket.drops"] = 7;
  reading.facts["receiver.socket.drops"].role = role;
  story.receiver_readings.push_back(reading);
  for (const std::uint64_t value : after) {
    reading.values["receiver.socket.drops"] = value;
    story.receiver_readings.push_back(reading);
  }
}

TEST(Trial, CountersThatMoveLateAreReadUntilTwoAgree) {
  Story story;
  read_by_turn(story, {30, 45, 47, 47, 99}, CounterRole::owner);
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->valid);
  EXPECT_EQ(result->counters.at("receiver.socket.drops").delta, 40);
  EXPECT_EQ(std::count(story.journal.begin(), story.journal.end(), "receiver.read_counters"), 5);
}

TEST(Trial, CountersThatNeverRestAreADrainTimeoutAfterFiveReadings) {
  Story story;
  read_by_turn(story, {30, 40, 45, 46, 47, 47}, CounterRole::owner);
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_EQ(codes_of(result->invalid_reasons), std::set<std::string>{"drain_timeout"});
  EXPECT_EQ(std::count(story.journal.begin(), story.journal.end(), "receiver.read_counters"), 6);
}

TEST(Trial, ContextCountersMayMoveOn) {
  Story story;
  read_by_turn(story, {1, 2, 3, 4, 5, 6}, CounterRole::context);
  story.receiver_readings.front().values["receiver.socket.drops"] = 0;
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->valid);
  EXPECT_EQ(std::count(story.journal.begin(), story.journal.end(), "receiver.read_counters"), 3);
}

TEST(Trial, ACounterThatComesAndGoesDoesNotAgree) {
  Story story;
  read_by_turn(story, {47, 47}, CounterRole::owner);
  story.receiver_readings[1].values.erase("receiver.socket.drops");
  story.receiver_readings[1].values["receiver.other"] = 47;
  ASSERT_TRUE(story.run());
  EXPECT_EQ(std::count(story.journal.begin(), story.journal.end(), "receiver.read_counters"), 4);
}

TEST(Trial, WithoutBooksNoCounterIsCharged) {
  Story story = Story::on_model();
  Ends ends = story.ends();
  ends.books.reset();
  const auto result = run_trial(story.order, std::move(ends), {}, story.clocks());
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->valid);
}

}  // namespace
}  // namespace pollmark
