#include "trial/timeline.h"

#include <gtest/gtest.h>

#include <atomic>

namespace pollmark {
namespace {

TEST(TimelinePoint, IsTheRiseBetweenTwoReadings) {
  LiveTallies before;
  before.offered_pkts = 100;
  before.received_pkts = 90;
  LiveTallies now;
  now.offered_pkts = 250;
  now.received_pkts = 200;
  now.lost_pkts = 7;
  const TimelinePoint point = timeline_point(2.0, before, now);
  EXPECT_EQ(point.until_s, 2.0);
  EXPECT_EQ(point.offered_pkts, 150);
  EXPECT_EQ(point.received_pkts, 110);
  EXPECT_EQ(point.lost_pkts, 7) << "nothing was told before: it counts from zero";
  EXPECT_EQ(point.polled_pkts, std::nullopt) << "nobody told";
}

TEST(LiveTallies, OfBothEndsAddTheirLosses) {
  LiveTallies sender;
  sender.offered_pkts = 10;
  sender.lost_pkts = 1;
  LiveTallies receiver;
  receiver.received_pkts = 8;
  receiver.lost_pkts = 2;
  const LiveTallies both = both_ends(sender, receiver);
  EXPECT_EQ(both.offered_pkts, 10);
  EXPECT_EQ(both.received_pkts, 8);
  EXPECT_EQ(both.lost_pkts, 3);
  EXPECT_EQ(both.polled_pkts, std::nullopt);
  EXPECT_EQ(both_ends(sender, LiveTallies{}).lost_pkts, 1);
}

// Publishes a number that the test drives.
struct Teller {
  LiveTallies live() {
    ++asked;
    LiveTallies live;
    if (tells) live.received_pkts = received.load();
    return live;
  }
  std::atomic<int> asked{0};
  std::atomic<std::int64_t> received{0};
  bool tells = true;
};

TEST(LiveTallies, OfTwoWaysAddUpWhereBothTell) {
  LiveTallies there;
  there.offered_pkts = 10;
  there.received_pkts = 8;
  LiveTallies back;
  back.offered_pkts = 5;
  const LiveTallies both = both_ways(there, back);
  EXPECT_EQ(both.offered_pkts, 15);
  EXPECT_EQ(both.received_pkts, std::nullopt) << "half of it is not the whole";
}

TEST(TimelineSampler, PointsAddUpToTheWhole) {
  Teller teller;
  TimelineSampler sampler([&] { return teller.live(); }, std::chrono::milliseconds(1));
  while (teller.asked.load() < 5) teller.received += 3;
  teller.received += 1000;
  const std::vector<TimelinePoint> points = sampler.finish();
  ASSERT_GE(points.size(), 6U);
  std::int64_t sum = 0;
  double until = 0.0;
  for (const TimelinePoint& point : points) {
    ASSERT_TRUE(point.received_pkts);
    EXPECT_EQ(point.offered_pkts, std::nullopt);
    EXPECT_GE(*point.received_pkts, 0);
    EXPECT_GT(point.until_s, until);
    until = point.until_s;
    sum += *point.received_pkts;
  }
  EXPECT_EQ(sum, teller.received.load());
}

TEST(TimelineSampler, TellsNothingWhereNobodyTells) {
  Teller teller;
  teller.tells = false;
  TimelineSampler sampler([&] { return teller.live(); });
  EXPECT_TRUE(sampler.finish().empty());
}

}  // namespace
}  // namespace pollmark
