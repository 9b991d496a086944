#include "host/drop_reason_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "host/drop_causes.h"
#include "host/drop_trace.h"

namespace pollmark {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint32_t kOwn = 40;

DropPlace place(const std::string& reason, const std::string& netdev = "b0",
                std::uint32_t netns = kOwn) {
  return {.netns = netns,
          .netdev = netdev,
          .reason = reason,
          .function = "somewhere",
          .ethertype = 0x0800};
}

DropReading reading_of(const std::map<DropPlace, DropCount>& places, std::int64_t unseen_pkts = 0) {
  DropReading reading;
  reading.places = places;
  reading.unseen_pkts = unseen_pkts;
  return reading;
}

DroppedFlow flow_from(const std::string& source) {
  return {.netns = kOwn,
          .reason = "NO_SOCKET",
          .ip_protocol = 17,
          .source = source,
          .destination = "198.18.0.2:9"};
}

DropReading with_flows(const DropReading::Flows& flows) {
  DropReading reading = reading_of({{place("NO_SOCKET"), {1, 1}}});
  reading.flows = flows;
  return reading;
}

TEST(DropReasonWatch, CountsFromTheFirstReadingAndPutsTheWorstFirst) {
  const auto reading = [](std::int64_t no_socket, std::int64_t unseen_pkts) {
    return reading_of({{place("NO_SOCKET"), {no_socket, 8 * no_socket}}, {place("XDP"), {5, 5}}},
                      unseen_pkts);
  };
  DropReasonWatch watch(DropSource::bpf, reading(10, 3));
  (void)watch.step(reading(14, 3), 1.0);
  auto now = reading(16, 8);
  now.places[place("TC_INGRESS")] = {9, 9};
  const auto interval = watch.step(now, 2.0);
  ASSERT_EQ(interval.places.size(), 2U);
  EXPECT_EQ(interval.places[0].where.reason, "TC_INGRESS");
  EXPECT_EQ(interval.places[0].per_s, 4.5);
  EXPECT_EQ(interval.places[1].delta.pkts, 2);
  EXPECT_EQ(interval.places[1].delta.segments, 16);
  EXPECT_EQ(interval.places[1].since_start.pkts, 6);
  EXPECT_EQ(interval.unseen_pkts, 5);
  EXPECT_FALSE(interval.flows);
}

TEST(DropReasonWatch, AFlowThatMadeRoomAndCameBackBeganAtZero) {
  DropReasonWatch watch(DropSource::bpf, with_flows({{flow_from("a"), {100, 100}}}));
  const auto interval =
      watch.step(with_flows({{flow_from("a"), {40, 40}}, {flow_from("b"), {50, 50}}}), 1.0);
  ASSERT_TRUE(interval.flows);
  ASSERT_EQ(interval.flows->size(), 2U);
  EXPECT_EQ(interval.flows->at(0).where.source, "b");
  EXPECT_EQ(interval.flows->at(1).delta.pkts, 40);
  EXPECT_EQ(interval.flows->at(1).since_start.pkts, 40);
}

DropReasonInterval interval_of(DropSource source, const DropReading& reading) {
  return DropReasonWatch(source, {}).step(reading, 2.0);
}

TEST(DropReasons, TextHasPlaceCountRateAndASentence) {
  const auto interval = interval_of(
      DropSource::bpf,
      reading_of({{place("SOCKET_RCVBUFF"), {8, 64}}, {place("XDP", "if7", 41), {2, 2}}}, 5));
  const auto text = drop_reasons_text(interval, kOwn);
  EXPECT_THAT(text, HasSubstr("    4 /s  SOCKET_RCVBUFF in somewhere, b0  (8 in the interval, 64 "
                              "frames of a wire, 8 since the start)\n"));
  EXPECT_THAT(text, HasSubstr("its program reads too slowly"));
  EXPECT_THAT(text, HasSubstr("XDP in somewhere, if7, netns 41  (2 in the interval, 2 since"));
  EXPECT_THAT(text, HasSubstr("and 5 packets more, unattributed: the table of places was full"));
  EXPECT_EQ(drop_reasons_text(interval_of(DropSource::bpf, {}), kOwn), "");
}

TEST(DropReasons, TellOfAPacketOnItsWayOutThatItWas) {
  DropPlace out = place("NEIGH_FAILED");
  out.direction = DropDirection::out;
  DropPlace in = place("NO_SOCKET");
  in.direction = DropDirection::in;
  const auto interval = interval_of(DropSource::bpf, reading_of({{out, {3, 3}}, {in, {2, 2}}}));
  const auto text = drop_reasons_text(interval, kOwn);
  EXPECT_THAT(text, HasSubstr("NEIGH_FAILED in somewhere, b0, on its way out  ("));
  EXPECT_THAT(text, HasSubstr("NO_SOCKET in somewhere, b0  ("));
  const auto places = drop_reasons_json(interval).at("places");
  EXPECT_EQ(places.at(0).at("direction"), "out");
  EXPECT_EQ(places.at(1).at("direction"), "in");
}

TEST(DropReasons, TerminalShowsTheWorstAndSaysHowManyMore) {
  std::map<DropPlace, DropCount> places;
  for (int k = 0; k < 25; ++k) places[place("XDP", "b" + std::to_string(k))] = {100 + k, 100 + k};
  const auto text = drop_reasons_text(interval_of(DropSource::bpf, reading_of(places)), kOwn);
  EXPECT_THAT(text, HasSubstr("b24  ("));
  EXPECT_THAT(text, Not(HasSubstr("b4  (")));
  EXPECT_THAT(text, HasSubstr("and 5 more (--json has them)"));
}

TEST(DropReasons, JsonTellsWhatItsSourceTellsAndNullForTheRest) {
  const auto bpf = drop_reasons_json(
      interval_of(DropSource::bpf, with_flows({{flow_from("198.19.0.1:1024"), {3, 3}}})));
  EXPECT_EQ(bpf.at("source"), "bpf");
  EXPECT_EQ(bpf.at("places").at(0).at("netdev"), "b0");
  EXPECT_EQ(bpf.at("places").at(0).at("delta").at("segments"), 1);
  EXPECT_EQ(bpf.at("flows").at(0).at("source"), "198.19.0.1:1024");
  EXPECT_EQ(bpf.at("flows").at(0).at("per_s"), 1.5);
  const auto tracefs = drop_reasons_json(
      interval_of(DropSource::tracefs, reading_of({{place("NO_SOCKET", "", 0), {1, 1}}})));
  EXPECT_EQ(tracefs.at("source"), "tracefs");
  EXPECT_TRUE(tracefs.at("flows").is_null());
  EXPECT_TRUE(tracefs.at("places").at(0).at("netns").is_null());
  EXPECT_TRUE(tracefs.at("places").at(0).at("netdev").is_null());
  EXPECT_TRUE(tracefs.at("places").at(0).at("direction").is_null());
  EXPECT_TRUE(tracefs.at("places").at(0).at("delta").at("segments").is_null());
}

TEST(DropReasons, OfOneDeviceKeepsWhatIsOfNoDevice) {
  auto interval = interval_of(DropSource::bpf, reading_of({{place("XDP", "b0"), {1, 1}},
                                                           {place("XDP", "b1"), {1, 1}},
                                                           {place("XDP", ""), {1, 1}}}));
  keep_netdev(interval, "b0");
  ASSERT_EQ(interval.places.size(), 2U);
  EXPECT_EQ(interval.places[0].where.netdev + interval.places[1].where.netdev, "b0");
}

TEST(DropCauses, OfAReasonWithoutASentenceTheNameAloneIsTold) {
  EXPECT_EQ(sentence_on_drop("NO_SOCKET"), "no program listens there");
  EXPECT_EQ(sentence_on_drop("XFRM_POLICY"), "an IPsec policy forbade it");
  EXPECT_EQ(sentence_on_drop("SOMETHING_OF_LINUX_8"), "");
}

TEST(DropTrace, AnEventIsReadInTheFormsOfSeveralKernels) {
  const auto now = parse_drop_event(
      "            bash-372     [001] ..s1. 32531.652056: kfree_skb: skbaddr=0000000002ee7514 "
      "rx_sk=0000000000000000 protocol=2048 location=__udp4_lib_rcv+0x4bc/0xd00 reason: NO_SOCKET");
  ASSERT_TRUE(now);
  EXPECT_EQ(*now,
            (DropPlace{.reason = "NO_SOCKET", .function = "__udp4_lib_rcv", .ethertype = 2048}));
  const auto linux_6_1 = parse_drop_event(
      "  <idle>-0       [000] ..s.   100.5: kfree_skb: skbaddr=00000000efc84597 protocol=34525 "
      "location=000000004a1b2c3d reason: NOT_SPECIFIED");
  ASSERT_TRUE(linux_6_1);
  EXPECT_EQ(linux_6_1->function, "000000004a1b2c3d");
  EXPECT_EQ(linux_6_1->ethertype, 34525);
  EXPECT_FALSE(parse_drop_event("CPU:1 [LOST 1957944 EVENTS]"));
  EXPECT_FALSE(parse_drop_event(""));
}

}  // namespace
}  // namespace pollmark
