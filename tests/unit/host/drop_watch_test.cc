#include "host/drop_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pollmark {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void put(Survey& survey, const std::string& name, std::uint64_t value, int bits = 64) {
  const LossCause* cause = cause_of(name);
  put_counter(survey.counters, name, value,
              {.layer = std::string(parts_of(name).layer),
               .role = cause == nullptr ? CounterRole::context : cause->role,
               .bits = bits});
}

Survey survey_with(const std::map<std::string, std::uint64_t>& values) {
  Survey survey;
  for (const auto& [name, value] : values) put(survey, name, value);
  return survey;
}

std::vector<std::string> names_of(const std::vector<MovedCounter>& list) {
  std::vector<std::string> names;
  for (const auto& moved : list) names.push_back(moved.counter);
  return names;
}

TEST(DropWatch, WorstIsFirstAndEchoesAndSignsStandApart) {
  DropWatch watch(survey_with({{"udp.NoPorts", 10},
                               {"link.eth0.rx_missed_errors", 10},
                               {"udp.InErrors", 10},
                               {"softnet.time_squeeze", 10},
                               {"link.eth0.rx_packets", 10}}));
  const auto interval = watch.step(survey_with({{"udp.NoPorts", 12},
                                                {"link.eth0.rx_missed_errors", 40},
                                                {"udp.InErrors", 11},
                                                {"softnet.time_squeeze", 13},
                                                {"link.eth0.rx_packets", 1000}}),
                                   0.5);
  EXPECT_EQ(names_of(interval.lost),
            (std::vector<std::string>{"link.eth0.rx_missed_errors", "udp.NoPorts"}));
  EXPECT_EQ(names_of(interval.signs), std::vector<std::string>{"softnet.time_squeeze"});
  EXPECT_EQ(names_of(interval.again), std::vector<std::string>{"udp.InErrors"});
  EXPECT_EQ(interval.lost[0].delta, 30);
  EXPECT_DOUBLE_EQ(interval.lost[0].per_s, 60.0);
  EXPECT_EQ(interval.lost[0].reading, 40U);
}

TEST(DropWatch, WhatStandsStillIsNotToldAgainAndTheStartIsRemembered) {
  DropWatch watch(survey_with({{"udp.NoPorts", 10}}));
  (void)watch.step(survey_with({{"udp.NoPorts", 15}}), 1.0);
  EXPECT_TRUE(watch.step(survey_with({{"udp.NoPorts", 15}}), 1.0).lost.empty());
  const auto interval = watch.step(survey_with({{"udp.NoPorts", 18}}), 1.0);
  EXPECT_EQ(interval.lost.at(0).delta, 3);
  EXPECT_EQ(interval.lost.at(0).since_start, 8);
}

TEST(DropWatch, NarrowCounterThatWrapsWentOnAndAWideOneThatFellWasReset) {
  Survey first;
  put(first, "softnet.dropped", 0xffff'fff0U, 32);
  put(first, "link.eth0.rx_dropped", 500);
  DropWatch watch(first);
  Survey now;
  put(now, "softnet.dropped", 16, 32);
  put(now, "link.eth0.rx_dropped", 3);
  const auto interval = watch.step(now, 1.0);
  EXPECT_EQ(interval.signs.at(0).delta, 32);
  EXPECT_TRUE(interval.lost.empty());
  EXPECT_EQ(interval.reset, std::vector<std::string>{"link.eth0.rx_dropped"});
}

TEST(DropWatch, NewSocketBeganAtZeroUnlessSocketsCouldNotBeReadBefore) {
  const auto with_socket = survey_with({{"udp_socket[0.0.0.0:9#7].drops", 5}});
  DropWatch watch(Survey{});
  EXPECT_EQ(watch.step(with_socket, 1.0).lost.at(0).delta, 5);
  Survey blind;
  blind.not_read["udp_socket"] = "this kernel has no sock_diag";
  DropWatch blind_watch(blind);
  EXPECT_TRUE(blind_watch.step(with_socket, 1.0).lost.empty());
  // A device that came with its counts was not seen at zero.
  DropWatch moved_in(Survey{});
  EXPECT_TRUE(moved_in.step(survey_with({{"link.eth1.rx_dropped", 5}}), 1.0).lost.empty());
}

DropAlarm alarm(const char* text) {
  auto parsed = DropAlarm::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(DropAlarm{});
}

TEST(DropAlarm, FiresAboveItsNumberAndNotAtIt) {
  DropWatch watch(survey_with({{"link.eth0.rx_dropped", 100}, {"link.eth1.rx_dropped", 0}}));
  (void)watch.step(survey_with({{"link.eth0.rx_dropped", 102}, {"link.eth1.rx_dropped", 1}}), 1.0);
  EXPECT_FALSE(alarm("rx_dropped > 3").fired(watch));
  EXPECT_EQ(alarm("rx_dropped > 2").fired(watch), "alarm: rx_dropped rose by 3, more than 2");
  EXPECT_FALSE(alarm("eth1.rx_dropped>1").fired(watch));
  EXPECT_TRUE(alarm("link.eth0.rx_dropped > 1").fired(watch));
  (void)watch.step(survey_with({{"link.eth0.rx_dropped", 104}, {"link.eth1.rx_dropped", 1}}), 1.0);
  EXPECT_TRUE(alarm("rx_dropped > 3").fired(watch));
}

TEST(DropAlarm, OfALevelComparesWhereItStands) {
  Survey survey;
  survey.levels["files.allocated"] = 900;
  DropWatch watch(survey);
  EXPECT_TRUE(alarm("files.allocated > 899").fired(watch));
  EXPECT_FALSE(alarm("allocated > 900").fired(watch));
}

TEST(DropAlarm, NameThatNothingHasIsRefusedWithAGuess) {
  const auto survey = survey_with({{"driver.eth0.rx_discards", 0}});
  EXPECT_TRUE(alarm("rx_discards > 0").need_known(survey));
  const auto known = alarm("rx_discard > 0").need_known(survey);
  ASSERT_FALSE(known);
  EXPECT_EQ(known.error().code, Errc::bad_experiment);
  EXPECT_THAT(known.error().text(), HasSubstr("did you mean \"rx_discards\"?"));
}

TEST(DropAlarm, WhatIsNoAlarmIsRefusedWithTheForm) {
  for (const char* text :
       {"", "rx", "> 3", "rx > ", "rx > -1", "rx > 1.5", "rx > many", "rx < 3"}) {
    const auto parsed = DropAlarm::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().text(), HasSubstr("allowed: 'NAME > N'")) << text;
  }
}

DropInterval interval_of(const std::map<std::string, std::uint64_t>& deltas) {
  auto zero = deltas;
  for (auto& entry : zero) entry.second = 0;
  return DropWatch(survey_with(zero)).step(survey_with(deltas), 2.0);
}

TEST(DropsText, SaysCauseAndRemedyWithTheDevice) {
  const auto text = drops_text(
      interval_of({{"link.eth0.rx_missed_errors", 3000}, {"udp.InErrors", 7}}), 1'763'635'000.0);
  EXPECT_THAT(text, HasSubstr("1.50 k/s  link.eth0.rx_missed_errors  (3 000 in the interval"));
  EXPECT_THAT(text, HasSubstr("the NIC had no free receive descriptor"));
  EXPECT_THAT(text, HasSubstr("remedy: ethtool -G eth0 rx N"));
  EXPECT_THAT(text, HasSubstr("Counted again, not to be added: udp.InErrors 7\n"));
  EXPECT_THAT(text, Not(HasSubstr("nothing was lost")));
}

TEST(DropsText, SaysThatNothingWasLostAndWhatCouldNotBeRead) {
  DropInterval interval = interval_of({});
  interval.not_read["packet_socket"] = "needs CAP_NET_ADMIN";
  const auto text = drops_text(interval, 0.0);
  EXPECT_THAT(text, HasSubstr("nothing was lost"));
  EXPECT_THAT(text, HasSubstr("packet_socket: not measured (needs CAP_NET_ADMIN)"));
}

TEST(DropsJson, OneLineHoldsWhatTheTextHolds) {
  const auto json = drops_json(interval_of({{"udp.NoPorts", 4}}), 0.0);
  EXPECT_EQ(json.at("lost").at(0).at("counter"), "udp.NoPorts");
  EXPECT_EQ(json.at("lost").at(0).at("delta"), 4);
  EXPECT_EQ(json.at("lost").at(0).at("per_s"), 2.0);
  EXPECT_EQ(json.at("utc"), "1970-01-01T00:00:00Z");
  EXPECT_EQ(json.dump().find('\n'), std::string::npos);
}

TEST(NodeExporter, EachCollectorIsNamedOnceWithWhatItMustShow) {
  EXPECT_EQ(node_exporter_text({"link.eth0.rx_missed_errors", "link.eth1.rx_dropped",
                                "udp.RcvbufErrors", "tcpext.ListenDrops", "softnet.dropped",
                                "driver.eth0.[0]: rx_discards", "qdisc.eth0.htb[1: root].drops",
                                "qdisc.eth0.pfifo[10:].drops", "udp_socket[0.0.0.0:9#7].drops"}),
            "--collector.ethtool --collector.ethtool.metrics-include='^(_0_rx_discards)$'\n"
            "--collector.netdev --collector.netdev.enable-detailed-metrics\n"
            "--collector.netstat "
            "--collector.netstat.fields='^(TcpExt_ListenDrops|Udp_RcvbufErrors)$'\n"
            "--collector.qdisc\n"
            "--collector.softnet\n"
            "# no collector shows qdisc.eth0.pfifo[10:].drops\n"
            "# no collector shows udp_socket[0.0.0.0:9#7].drops\n");
  EXPECT_EQ(node_exporter_text({}), "# nothing moved\n");
}

}  // namespace
}  // namespace pollmark
