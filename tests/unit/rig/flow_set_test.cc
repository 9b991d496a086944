#include "rig/flow_set.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <set>
#include <string>
#include <tuple>

#include "datapath/stage.h"
#include "plan/header_fields.h"
#include "support/parsed_frame.h"
#include "support/veth_like.h"

namespace pollmark {
namespace {

TEST(FlowSet, FramesOfAllSizesHaveTheChecksumsThatTheirReceiverComputes) {
  TrafficOrder traffic;
  traffic.frame_bytes = {64, 65, 127, 594, 1517, 1518};
  traffic.flows = 300;
  const auto made = FlowSet::prepare(traffic, 1, support::veth_like());
  ASSERT_TRUE(made) << made.error().text();
  for (const auto& flow : made->flows) {
    for (const auto& shape : made->shapes) {
      std::vector<std::uint8_t> frame(2048);
      build_frame(frame.data(), flow, shape, Stamp{kStampMagic, 3, 17, 99, 0x123456789abcdef0U},
                  made->payload.data());
      EXPECT_EQ(verify_checksums(frame.data(), shape.data_bytes), kIpv4Good | kL4Good);
    }
  }
}

TEST(FlowSet, TheWayBackAnswersTheFlowsOfTheWayThere) {
  TrafficOrder traffic;
  traffic.flows = 100;
  traffic.src_port = "random 5000 to 6000";
  traffic.dst_port = "53, 80, 443";
  const auto there = FlowSet::prepare(traffic, 7, std::nullopt);
  traffic.answers = true;
  const auto back = FlowSet::prepare(traffic, 7, std::nullopt);
  ASSERT_TRUE(there && back);
  for (std::size_t flow = 0; flow < 100; ++flow) {
    const std::uint8_t* out = there->flows[flow].header;
    const std::uint8_t* in = back->flows[flow].header;
    for (const auto& [from, to, bytes] :
         {std::tuple(0, 6, 6), std::tuple(6, 0, 6), std::tuple(26, 30, 4), std::tuple(30, 26, 4),
          std::tuple(34, 36, 2), std::tuple(36, 34, 2)})
      EXPECT_EQ(std::memcmp(out + from, in + to, static_cast<std::size_t>(bytes)), 0)
          << "flow " << flow << " at " << from;
  }
}

TEST(FlowSet, AllGoToOneMacAddressAndPort) {
  TrafficOrder traffic;
  traffic.flows = 1000;
  const auto made = FlowSet::prepare(traffic, 1, support::veth_like());
  ASSERT_TRUE(made);
  for (const auto& flow : made->flows) {
    EXPECT_EQ(
        std::memcmp(flow.header, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00", 14),
        0);
    EXPECT_EQ(std::memcmp(flow.header + 30, "\xc6\x12\x00\x02", 4), 0);
    EXPECT_EQ(std::memcmp(flow.header + 36, "\x00\x09", 2), 0);
  }
}

TEST(FlowSet, NoTwoOf65536AreAlikeAndNoneComesFromAnAddressThatTheKernelRefuses) {
  TrafficOrder traffic;
  traffic.flows = 65'536;
  const auto made = FlowSet::prepare(traffic, 1, support::veth_like());
  ASSERT_TRUE(made);
  std::set<std::string> tuples;
  for (const auto& flow : made->flows) {
    tuples.emplace(flow.header + 26, flow.header + 38);
    EXPECT_EQ(flow.header[26], 198);
    EXPECT_EQ(flow.header[27], 19);
    EXPECT_LT(flow.header[28], 128);  // 198.19.255.255 is the network's broadcast address
  }
  EXPECT_EQ(tuples.size(), 65'536U);
}

TEST(FlowSet, SizesThatTheDeviceDoesNotCarryAreRefused) {
  TrafficOrder traffic;
  for (const int bytes : {63, 1519}) {
    traffic.frame_bytes = {64, bytes};
    const auto refused = FlowSet::prepare(traffic, 1, support::veth_like());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::bad_experiment);
    EXPECT_NE(refused.error().what.find(std::to_string(bytes)), std::string::npos);
  }
  traffic.frame_bytes = {};
  EXPECT_FALSE(FlowSet::prepare(traffic, 1, support::veth_like()));
  traffic.frame_bytes = {64};
  traffic.flows = 0;
  EXPECT_FALSE(FlowSet::prepare(traffic, 1, support::veth_like()));
}

// The first frames that are sent, taken apart by another parser.
std::vector<support::ParsedFrame> sent(const FlowSet& set, std::size_t frames) {
  const Traffic traffic = set.traffic();
  std::vector<std::uint32_t> tcp_bytes(set.flows.size(), 0);
  FrameCursor cursor;
  cursor.open(traffic, set.stack.l4 == L4Kind::tcp ? tcp_bytes.data() : nullptr);
  std::vector<support::ParsedFrame> parsed;
  std::vector<std::uint8_t> data(10'000);
  for (std::size_t i = 0; i < frames; ++i) {
    FrameIdentity frame;
    cursor.identify(frame);
    const Stamp stamp{kStampMagic, 1, static_cast<std::uint16_t>(frame.flow), frame.sequence, 77};
    if (traffic.tall == nullptr)
      build_frame(data.data(), traffic.flows[frame.flow], traffic.shapes[frame.position], stamp,
                  traffic.payload);
    else
      build_any_frame(data.data(), traffic.stack, traffic.tall[frame.flow],
                      traffic.shapes[frame.position], stamp, frame.tcp_sequence, traffic.payload);
    parsed.push_back(support::parse_frame(data.data(), traffic.shapes[frame.position].data_bytes));
    cursor.advance();
  }
  return parsed;
}

FlowSet made(const TrafficOrder& traffic, std::uint64_t seed = 1) {
  auto set = FlowSet::prepare(traffic, seed, std::nullopt);
  if (!set) ADD_FAILURE() << set.error().text();
  return set ? std::move(*set) : FlowSet{};
}

TEST(FlowSet, EveryFlowsTupleIsItsOwnWhateverTheFields) {
  EXPECT_TRUE(rc::check("tuples", [] {
    TrafficOrder traffic;
    traffic.kind = *rc::gen::element(TrafficKind::udp, TrafficKind::tcp);
    traffic.ip_version = *rc::gen::element(4, 6);
    if (*rc::gen::arbitrary<bool>()) traffic.vlan = "5 to 9";
    if (!traffic.vlan.empty() && *rc::gen::arbitrary<bool>()) traffic.qinq = "6, 8";
    const bool v4 = traffic.ip_version == 4;
    traffic.src_ip = *rc::gen::element<std::string>("", v4 ? "198.18.0.0/29" : "2001:2::/125",
                                                    v4 ? "random 198.18.0.0/29" : "random");
    traffic.src_port = *rc::gen::element<std::string>("", "9", "1, 5, 8", "random 1 to 99");
    traffic.dst_port = *rc::gen::element<std::string>("7 to 16", "random 7 to 16");
    traffic.dscp = *rc::gen::element<std::string>("", "46", "random");
    traffic.ttl = *rc::gen::element<std::string>("", "1 to 3");
    traffic.frame_bytes = {128, *rc::gen::inRange(100, 300)};
    const auto most = *most_flows(traffic, Path::model);
    traffic.flows = *rc::gen::inRange(1, static_cast<int>(std::min<std::uint64_t>(most, 300)) + 1);
    const FlowSet set = made(traffic, *rc::gen::arbitrary<std::uint64_t>());
    const auto flows = static_cast<std::size_t>(traffic.flows);
    const auto frames = sent(set, 2 * flows);
    std::set<std::string> tuples;
    for (std::size_t i = 0; i < frames.size(); ++i) {
      RC_ASSERT(frames[i].sound);
      RC_ASSERT(frames[i].payload_at == set.stack.stamp_at);
      RC_ASSERT(frames[i].ip_version == traffic.ip_version);
      RC_ASSERT(frames[i].protocol == (traffic.kind == TrafficKind::tcp ? 6 : 17));
      RC_ASSERT(frames[i].tuple() == frames[i % flows].tuple());
      RC_ASSERT(frames[i].dst_port >= 7 && frames[i].dst_port <= 16);
      if (traffic.dscp == "46") RC_ASSERT(frames[i].dscp == 46);
      RC_ASSERT(frames[i].ttl == (traffic.ttl.empty() ? 64 : static_cast<int>(i % flows % 3) + 1));
      tuples.insert(frames[i].tuple());
    }
    RC_ASSERT(tuples.size() == flows);
  }));
}

TEST(FlowSet, TagsStandInOrderWithTheirTypes) {
  TrafficOrder traffic;
  traffic.frame_bytes = {128};
  traffic.flows = 6;
  traffic.vlan = "5, 7";
  traffic.qinq = "100 to 102";
  const auto frames = sent(made(traffic), 6);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(frames[i].tag_types, (std::vector<int>{0x88a8, 0x8100}));
    EXPECT_EQ(frames[i].tags,
              (std::vector<int>{100 + static_cast<int>(i % 3), i % 2 == 0 ? 5 : 7}));
  }
}

TEST(FlowSet, TcpSegmentsOfAFlowCouldBeMerged) {
  TrafficOrder traffic;
  traffic.kind = TrafficKind::tcp;
  traffic.frame_bytes = {128, 570, 1518};
  traffic.flows = 5;
  const FlowSet set = made(traffic);
  const auto frames = sent(set, 60);
  for (std::size_t i = 5; i < frames.size(); ++i) {
    const auto& before = frames[i - 5];
    const auto payload = set.shapes[(i - 5) % 3].data_bytes - set.stack.stamp_at;
    EXPECT_EQ(frames[i].tcp_sequence, before.tcp_sequence + payload);
    EXPECT_EQ(frames[i].tcp_flags, 0x10);
    EXPECT_EQ(frames[i].tcp_ack, before.tcp_ack);
  }
}

TEST(FlowSet, ShortFramesCarryTheShortStamp) {
  TrafficOrder traffic;
  traffic.vlan = "5";
  EXPECT_EQ(made(traffic).stack.stamp, StampKind::brief);
  traffic.frame_bytes = {66};
  EXPECT_EQ(made(traffic).stack.stamp, StampKind::full);
  traffic.qinq = "6";
  traffic.frame_bytes = {64};
  const auto refused = FlowSet::prepare(traffic, 1, std::nullopt);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("allowed: at least 66"), std::string::npos);
}

TEST(FlowSet, MoreFlowsThanTuplesAreRefused) {
  TrafficOrder traffic;
  traffic.src_ip = "198.18.0.1 to 198.18.0.9";
  traffic.dst_ip = "198.19.0.1";
  traffic.src_port = "5";
  traffic.dst_port = "random 1 to 4";
  traffic.flows = 36;
  EXPECT_EQ(made(traffic).flows.size(), 36U) << "every one of them is found";
  traffic.flows = 37;
  EXPECT_FALSE(FlowSet::prepare(traffic, 1, std::nullopt));
}

TEST(FlowSet, ZipfGivesEachRankItsShare) {
  EXPECT_TRUE(rc::check("zipf", [] {
    const auto flows = *rc::gen::inRange(1U, 3000U);
    const double exponent = *rc::gen::element(0.3, 0.8, 1.0, 1.3);
    const std::vector<std::uint32_t> counts = zipf_counts(flows, exponent);
    const auto total = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    RC_ASSERT(std::has_single_bit(total));
    double norm = 0.0;
    for (std::uint32_t k = 1; k <= flows; ++k) norm += std::pow(k, -exponent);
    for (std::uint32_t k = 1; k <= flows; ++k) {
      const double due = static_cast<double>(total) * std::pow(k, -exponent) / norm;
      RC_ASSERT(counts[k - 1] >= 1U);
      RC_ASSERT(std::abs(counts[k - 1] - due) <= 1.0 + 0.1 * due);
    }
  }));
}

TEST(FlowSet, WhatIsSentHasTheSharesOfZipf) {
  TrafficOrder traffic;
  traffic.flows = 50;
  traffic.popularity = 1.0;
  const FlowSet set = made(traffic);
  const Traffic view = set.traffic();
  FrameCursor cursor;
  cursor.open(view, nullptr);
  std::vector<std::uint32_t> seen(50, 0);
  const std::size_t frames = set.slots.size() + 1000;
  for (std::size_t i = 0; i < frames; ++i) {
    FrameIdentity frame;
    cursor.identify(frame);
    ASSERT_EQ(frame.sequence, seen[frame.flow]) << "a flow's numbers have no gap";
    ++seen[frame.flow];
    cursor.advance();
  }
  EXPECT_EQ(seen, set.sent_per_flow(frames));
  EXPECT_NEAR(static_cast<double>(seen[0]) / seen[9], 10.0, 0.5);
  // Mixed, not sorted: the first flow's turns are spread over the pass.
  std::size_t early = 0;
  for (std::size_t i = 0; i < set.slots.size() / 10; ++i) early += set.slots[i].flow == 0 ? 1U : 0U;
  EXPECT_NEAR(static_cast<double>(early), set.flow_per_pass[0] / 10.0, 200.0);
}

TEST(FlowSet, SizesAndBytesAreSentExactlyInTheirOrder) {
  TrafficOrder traffic;
  traffic.frame_bytes = {64, 64, 594, 1518};
  traffic.flows = 3;
  const FlowSet set = made(traffic);
  const Traffic view = set.traffic();
  FrameCursor cursor;
  cursor.open(view, nullptr);
  for (std::size_t i = 0; i < 1000; ++i) {
    FrameIdentity frame;
    cursor.identify(frame);
    ASSERT_EQ(set.shapes[frame.position].wire_bytes,
              static_cast<std::uint32_t>(traffic.frame_bytes[i % 4]));
    cursor.advance();
  }
}

}  // namespace
}  // namespace pollmark
