#include "trial/directions.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "fake_ends.h"
#include "trial/trial.h"

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TrialOrder both_ways_order() {
  TrialOrder order = Story::on_model().order;
  order.traffic.direction = Direction::both;
  order.generator_lcores = {2, 3};
  order.receiver_lcores = {4, 5, 6, 7};
  return order;
}

TEST(DirectionsOf, AnOrderThatGoesOneWayIsItself) {
  const TrialOrder order = Story().order;
  EXPECT_THAT(directions_of(order), ElementsAre(order));
  EXPECT_EQ(direction_count(order), 1);
}

TEST(DirectionsOf, BothWaysShareTheLcoresAndTheFlowsButNotTheSeed) {
  TrialOrder order = both_ways_order();
  order.generator_port = "0000:3b:00.0";
  order.receiver_port = "0000:3b:00.1";
  const std::vector<TrialOrder> ways = directions_of(order);
  ASSERT_EQ(ways.size(), 2U);
  EXPECT_EQ(direction_count(order), 2);
  EXPECT_THAT(ways[0].generator_lcores, ElementsAre(2));
  EXPECT_THAT(ways[1].generator_lcores, ElementsAre(3));
  EXPECT_THAT(ways[0].receiver_lcores, ElementsAre(4, 5));
  EXPECT_THAT(ways[1].receiver_lcores, ElementsAre(6, 7));
  EXPECT_EQ(ways[1].generator_port, "0000:3b:00.1");
  EXPECT_EQ(ways[1].receiver_port, "0000:3b:00.0");
  EXPECT_NE(ways[1].seed, ways[0].seed) << "arrivals and stalls of the ways are independent";
  EXPECT_EQ(flow_seed(ways[1]), flow_seed(ways[0]));
  EXPECT_FALSE(ways[0].traffic.answers);
  EXPECT_TRUE(ways[1].traffic.answers);
  for (const TrialOrder& way : ways) EXPECT_EQ(way.traffic.direction, Direction::one_way);
}

// What one way of a trial on the model shows.
TrialResult way_result(const TrialOrder& order, std::int64_t lost_pkts) {
  TrialResult way;
  way.order = order;
  way.valid = true;
  way.intended_pps = 1e6;
  way.offered_pps = 1e6;
  StreamAccount stream;
  stream.from = order.generator_port;
  stream.to = order.receiver_port;
  stream.ledger.set_offered(1000);
  stream.ledger.add(Fate::received, 1000 - lost_pkts);
  stream.ledger.add(Fate::rx_missed, lost_pkts);
  way.streams = {stream};
  QueueAccount queue;
  queue.polled_pkts = 1000 - lost_pkts;
  way.queues = {queue};
  LcoreHealth lcore;
  lcore.role = "receiver q0";
  way.lcores = {lcore};
  way.latency_ns.rx.emplace().record(100 + lost_pkts);
  way.cycles_per_pkt = 100.0;
  way.syscalls_per_pkt = 0.5;
  way.busy_fraction = 0.5;
  way.cpu_cores_used = 0.5;
  way.knobs["rx_ring"] = {"512", "512", KnobState::confirmed, "seen", true};
  way.limited_by = lost_pkts > 0 ? "ring" : "";
  way.limited_why = lost_pkts > 0 ? "rx_missed" : "";
  way.counters["port.ipackets"].delta = 1000;
  return way;
}

TEST(Joined, TheBooksOfBothWaysAddUp) {
  const TrialOrder order = both_ways_order();
  const std::vector<TrialOrder> ways = directions_of(order);
  const TrialResult whole = joined(order, way_result(ways[0], 0), way_result(ways[1], 40));
  EXPECT_EQ(whole.order, order);
  ASSERT_EQ(whole.streams.size(), 2U);
  EXPECT_EQ(whole.streams[1].ledger.pkts(Fate::rx_missed), 40);
  EXPECT_EQ(whole.ledger().offered_pkts(), 2000);
  EXPECT_EQ(whole.ledger().lost_pkts(), 40);
  EXPECT_TRUE(whole.ledger().closes(0));
  EXPECT_EQ(whole.intended_pps, 2e6);
  EXPECT_EQ(whole.offered_pps, 2e6);
  EXPECT_EQ(whole.cpu_cores_used, 1.0);
  EXPECT_EQ(whole.queues[0].stream, 0);
  EXPECT_EQ(whole.queues[1].stream, 1);
  EXPECT_EQ(whole.lcores[1].role, "back receiver q0");
  EXPECT_EQ(whole.latency_ns.rx->count(), 2);
  EXPECT_EQ(whole.counters.size(), 2U);
  EXPECT_TRUE(whole.counters.contains("back.port.ipackets"));
  EXPECT_EQ(whole.limited_by, "ring");
  EXPECT_EQ(whole.limited_why, "back: rx_missed") << "the way that lost is the one that is limited";
}

TEST(Joined, CyclesAreOfAllFramesAndBusyIsTheBusiest) {
  const TrialOrder order = both_ways_order();
  const std::vector<TrialOrder> ways = directions_of(order);
  TrialResult there = way_result(ways[0], 0);
  TrialResult back = way_result(ways[1], 500);
  back.cycles_per_pkt = 160.0;
  back.syscalls_per_pkt = 1.1;
  back.busy_fraction = 0.9;
  const TrialResult whole = joined(order, there, back);
  EXPECT_DOUBLE_EQ(whole.syscalls_per_pkt.value(), 0.7) << "1000 at 0.5 and 500 at 1.1";
  EXPECT_DOUBLE_EQ(whole.cycles_per_pkt.value(), 120.0) << "1000 at 100 and 500 at 160";
  EXPECT_EQ(whole.busy_fraction, 0.9);
}

TEST(Joined, WhatOnlyOneWayTellsIsNotMeasured) {
  const TrialOrder order = both_ways_order();
  const std::vector<TrialOrder> ways = directions_of(order);
  TrialResult back = way_result(ways[1], 0);
  back.cycles_per_pkt.reset();
  back.latency_ns.rx.reset();
  back.offered_pps.reset();
  back.cpu_cores_used.reset();
  const TrialResult whole = joined(order, way_result(ways[0], 0), back);
  EXPECT_EQ(whole.cycles_per_pkt, std::nullopt);
  EXPECT_FALSE(whole.latency_ns.rx.has_value());
  EXPECT_EQ(whole.offered_pps, std::nullopt);
  EXPECT_EQ(whole.cpu_cores_used, std::nullopt);
}

TEST(Joined, IsValidWhereBothWaysAreAndSaysWhichIsNot) {
  const TrialOrder order = both_ways_order();
  const std::vector<TrialOrder> ways = directions_of(order);
  TrialResult there = way_result(ways[0], 0);
  TrialResult back = way_result(ways[1], 0);
  back.valid = false;
  there.invalid_reasons = {"tsc_step: by 3 us"};
  back.invalid_reasons = {"tsc_step: by 3 us", "too_disturbed: 7 % were interrupted"};
  back.knobs["rx_ring"] = {"512", "256", KnobState::differs, "read", false};
  const TrialResult whole = joined(order, there, back);
  EXPECT_FALSE(whole.valid);
  EXPECT_THAT(whole.invalid_reasons,
              ElementsAre("tsc_step: by 3 us", "too_disturbed: back: 7 % were interrupted"));
  EXPECT_EQ(whole.knobs.at("rx_ring").state, KnobState::differs);
  EXPECT_EQ(whole.knobs.at("rx_ring").effective, "512 there, 256 back");
  EXPECT_FALSE(whole.knobs.at("rx_ring").exercised);
}

TEST(RunTrial, RunsBothWaysBeforeItDrainsEither) {
  Story story = Story::on_model();
  story.order = both_ways_order();
  std::vector<Ends> ends;
  ends.push_back(story.ends());
  ends.push_back(story.ends());
  const auto result = run_trial(story.order, std::move(ends), {}, story.clocks());
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_TRUE(result->valid) << result->invalid_reasons.front();
  EXPECT_EQ(result->streams.size(), 2U);
  EXPECT_EQ(result->ledger().offered_pkts(), 2 * story.sent.offered_pkts);
  const auto first = [&](const std::string& call) {
    return std::ranges::find(story.journal, call) - story.journal.begin();
  };
  const auto last = [&](const std::string& call) {
    return story.journal.rend() -
           std::ranges::find(story.journal.rbegin(), story.journal.rend(), call);
  };
  EXPECT_LT(last("receiver.start"), first("sender.start") + 1) << "ready before the first frame";
  EXPECT_LT(last("sender.join"), first("receiver.drain") + 1);
  EXPECT_EQ(std::ranges::count(story.journal, "receiver.destroyed"), 2);
}

TEST(RunTrial, GivesBothWaysUpWhenTheSecondCannotOpen) {
  Story there = Story::on_model();
  Story back = Story::on_model();
  back.fails = "sender.open";
  std::vector<Ends> ends;
  ends.push_back(there.ends());
  ends.push_back(back.ends());
  const auto result = run_trial(both_ways_order(), std::move(ends), {}, there.clocks());
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().text(), HasSubstr("sender.open failed"));
  EXPECT_THAT(there.journal, ::testing::Contains("sender.abandon"));
  EXPECT_THAT(there.journal, ::testing::Contains("receiver.abandon"));
  EXPECT_THAT(back.journal, ::testing::Contains("receiver.abandon"));
}

}  // namespace
}  // namespace pollmark
