#include "host/survey.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "host/privilege.h"
#include "kernel/veth_lab.h"

namespace pollmark {
namespace {

#define NEEDS_NETWORK_LAB() \
  if (auto needed = need_network_lab(); !needed) GTEST_SKIP() << needed.error().text()

TrialOrder lab_order() {
  TrialOrder order;
  order.path = Path::udp_socket;
  order.clock = ClockKind::wall;
  order.traffic.frame_bytes = {64};
  return order;
}

Survey survey_of(const NetdevPlace& place) {
  auto survey = read_survey({.netns_fd = place.netns_fd});
  EXPECT_TRUE(survey) << survey.error().text();
  EXPECT_EQ(survey->not_read, (std::map<std::string, std::string>{}));
  return survey ? *std::move(survey) : Survey{};
}

TEST(Survey, WhatADriverDoesNotKeepIsAbsentAndNotZero) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(lab_order());
  ASSERT_TRUE(lab) << lab.error().text();
  const Survey survey = survey_of(lab->receiver_place());
  const auto any = [&](std::string_view prefix) {
    return std::ranges::any_of(survey.counters.values,
                               [&](const auto& entry) { return entry.first.starts_with(prefix); });
  };
  EXPECT_TRUE(any("link.b0.rx_missed_errors"));
  EXPECT_TRUE(any("driver.b0."));
  EXPECT_FALSE(any("driver.lo."));
  EXPECT_FALSE(any("qstats."));
  EXPECT_FALSE(any("qdisc."));
  EXPECT_TRUE(any("softnet.dropped"));
  EXPECT_TRUE(any("ip6.InReceives"));
  EXPECT_TRUE(any("conntrack.drop"));
  EXPECT_TRUE(survey.levels.contains("files.allocated"));
  // It falls: no counter.
  EXPECT_TRUE(survey.levels.contains("tcp.CurrEstab"));
  EXPECT_FALSE(survey.counters.values.contains("tcp.CurrEstab"));
}

TEST(Survey, OfOneDeviceLeavesTheOthersOut) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(lab_order());
  ASSERT_TRUE(lab) << lab.error().text();
  const auto survey = read_survey({.netns_fd = lab->receiver_place().netns_fd, .netdev = "b0"});
  ASSERT_TRUE(survey);
  EXPECT_TRUE(survey->counters.values.contains("link.b0.rx_packets"));
  EXPECT_FALSE(survey->counters.values.contains("link.lo.rx_packets"));
  const auto gone = read_survey({.netns_fd = lab->receiver_place().netns_fd, .netdev = "a0"});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().text(), "a0: no such network device");
}

}  // namespace
}  // namespace pollmark
