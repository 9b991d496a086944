#include "plan/feasibility.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "plan/factors.h"
#include "plan/keys.h"

namespace pollmark {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

// A model order that keeps every rule, with levels of factors set over it.
TrialOrder order_with(const std::vector<std::pair<std::string, std::string>>& levels) {
  TrialOrder order;
  order.traffic.load = {LoadUnit::line_percent, 50.0};
  for (const auto& [factor, level] : levels) PM_CHECK(apply_level(factor, level, order));
  return order;
}

TrialOrder veth_with(std::vector<std::pair<std::string, std::string>> levels) {
  TrialOrder order = order_with({{"path", "dpdk"}, {"load", "100 kpps"}});
  order.generator_port = order.receiver_port = "veth";
  for (const auto& [factor, level] : levels) PM_CHECK(apply_level(factor, level, order));
  return order;
}

TEST(Feasibility, UdpGsoSendsPlainDatagramsInCallsThatHoldABurst) {
  const auto gso = [](std::vector<std::pair<std::string, std::string>> levels) {
    levels.insert(levels.begin(), {"sender", "udp_gso"});
    return refusal(veth_with(std::move(levels)));
  };
  EXPECT_EQ(gso({}), std::nullopt);
  EXPECT_EQ(gso({{"arrivals", "burst 64"}, {"flows", "512"}}), std::nullopt);
  EXPECT_EQ(gso({{"qdisc", "pfifo 100"}}), std::nullopt);
  EXPECT_THAT(gso({{"arrivals", "burst 65"}}), Optional(HasSubstr("up to 64 frames")));
  EXPECT_THAT(gso({{"arrivals", "burst 45"}, {"frame", "1518"}}),
              Optional(HasSubstr("up to 44 frames")));
  EXPECT_THAT(gso({{"arrivals", "poisson"}}), Optional(HasSubstr("poisson with sender udp_gso")));
  EXPECT_THAT(gso({{"flows", "513"}}), Optional(HasSubstr("up to 512 flows")));
  EXPECT_THAT(gso({{"frame", "64 to 128"}}), Optional(HasSubstr("allowed: one")));
  EXPECT_THAT(gso({{"direction", "both"}}), Optional(HasSubstr("direction \"both\"")));
  EXPECT_THAT(gso({{"arrivals", "burst 2"}, {"qdisc", "pfifo 100"}}),
              Optional(HasSubstr("a queueing discipline")));
  EXPECT_THAT(gso({{"load", "max"}, {"qdisc", "pfifo 100"}}),
              Optional(HasSubstr("a queueing discipline")));
}

TEST(Feasibility, TheKernelsPathsRunTheStagesThatTheyHave) {
  for (const char* path : {"udp_socket", "packet_mmap", "af_xdp", "xdp_drop"})
    EXPECT_EQ(refusal(veth_with({{"path", path}})), std::nullopt) << path;
  EXPECT_EQ(refusal(veth_with({{"path", "af_xdp"}, {"stage", "touch"}})), std::nullopt);
  EXPECT_THAT(refusal(veth_with({{"path", "xdp_drop"}, {"stage", "touch"}})),
              Optional(HasSubstr("allowed: none")));
  EXPECT_THAT(refusal(veth_with({{"path", "af_xdp"}, {"stage", "checksum"}})),
              Optional(HasSubstr("stage checksum on af_xdp: not there yet")));
}

TEST(Feasibility, SocketsHaveThreadsOfTheirOwn) {
  const auto sockets = [](const char* path, std::vector<int> lcores, ValidityRule validity) {
    TrialOrder order = veth_with({{"path", path}, {"queues", "3"}});
    order.receiver_lcores = std::move(lcores);
    order.validity = validity;
    return refusal(order);
  };
  for (const char* path : {"udp_socket", "packet_mmap"}) {
    EXPECT_EQ(sockets(path, {}, ValidityRule::strict), std::nullopt) << path;
    EXPECT_EQ(sockets(path, {1, 2, 3}, ValidityRule::strict), std::nullopt) << path;
    EXPECT_EQ(sockets(path, {1}, ValidityRule::as_is), std::nullopt) << path;
    EXPECT_THAT(sockets(path, {1, 2}, ValidityRule::strict),
                Optional(HasSubstr("3 sockets for 2 receiving lcores")))
        << path;
  }
  for (const char* path : {"af_xdp", "xdp_drop"}) {
    EXPECT_THAT(sockets(path, {}, ValidityRule::as_is), Optional(HasSubstr("allowed: 1"))) << path;
  }
}

TEST(Feasibility, AFrameOfAfXdpLiesInOneChunk) {
  EXPECT_EQ(refusal(veth_with({{"path", "af_xdp"}, {"frame", "1518"}})), std::nullopt);
  EXPECT_EQ(refusal(veth_with({{"path", "xdp_drop"}, {"frame", "9000"}})), std::nullopt);
  EXPECT_EQ(refusal(veth_with({{"path", "af_xdp"}, {"frame", "3524"}})), std::nullopt);
  EXPECT_THAT(refusal(veth_with({{"path", "af_xdp"}, {"frame", "3525"}})),
              Optional(HasSubstr("up to 3524, or more with xdp_mode generic")));
  EXPECT_EQ(refusal(veth_with({{"path", "af_xdp"}, {"frame", "3525"}, {"xdp_mode", "generic"}})),
            std::nullopt);
  EXPECT_THAT(refusal(veth_with({{"path", "af_xdp"}, {"frame", "3845"}, {"xdp_mode", "generic"}})),
              Optional(HasSubstr("lies in one chunk; allowed: up to 3844")));
  EXPECT_THAT(refusal(veth_with({{"path", "af_xdp"}, {"mtu", "9000"}})),
              Optional(HasSubstr("mtu 9000 with native XDP")));
}

TEST(Feasibility, KeepsWhatCanRun) {
  EXPECT_EQ(refusal(order_with({})), std::nullopt);
  EXPECT_EQ(refusal(order_with({{"queues", "4"}, {"reta", "4:2:1:1"}})), std::nullopt);
  EXPECT_EQ(refusal(order_with({{"queues", "4"}, {"reta", "equal"}})), std::nullopt);
  EXPECT_EQ(refusal(order_with({{"workers", "1"}, {"ring", "128"}})), std::nullopt);
  EXPECT_EQ(refusal(order_with({{"rx_ring", "64"}, {"burst", "64"}})), std::nullopt);
  EXPECT_EQ(refusal(order_with({{"load", "line"}})), std::nullopt);
  EXPECT_EQ(refusal(veth_with({})), std::nullopt);
  EXPECT_EQ(refusal(veth_with({{"load", "max"}})), std::nullopt);
  EXPECT_EQ(refusal(veth_with({{"path", "udp_socket"}})), std::nullopt);
}

TEST(Feasibility, RefusesEachImpossibleCombination) {
  EXPECT_THAT(refusal(order_with({{"rx_ring", "32"}, {"burst", "33"}})),
              Optional(HasSubstr("rx_ring 32 is below one burst of 33")));
  EXPECT_THAT(refusal(order_with({{"queues", "2"}, {"reta", "1:1:1"}})),
              Optional(HasSubstr("3 weights for 2 queues")));
  EXPECT_THAT(refusal(order_with({{"workers", "2"}})),
              Optional(HasSubstr("without a software ring")));
  EXPECT_THAT(refusal(order_with({{"ring", "1024"}})), Optional(HasSubstr("without workers")));
  EXPECT_THAT(refusal(order_with({{"ring", "127"}, {"workers", "1"}})),
              Optional(HasSubstr("below 4 bursts; allowed: at least 128")));
  EXPECT_THAT(refusal(order_with({{"load", "max"}})), Optional(HasSubstr("allowed: \"line\"")));
  EXPECT_THAT(refusal(order_with({{"load", "40 Mpps"}})), Optional(HasSubstr("above the line")));
  EXPECT_THAT(refusal(order_with({{"path", "dpdk"}})),
              Optional(HasSubstr("needs port = \"veth\"")));
  EXPECT_THAT(refusal(order_with({{"path", "udp_socket"}})),
              Optional(HasSubstr("needs port = \"veth\"")));
  EXPECT_THAT(refusal(veth_with({{"path", "model"}})),
              Optional(HasSubstr("needs port = \"model\"")));
  EXPECT_THAT(refusal(veth_with({{"queues", "2"}})), Optional(HasSubstr("has no RSS")));
  EXPECT_THAT(refusal(veth_with({{"rx_offloads", "checksum"}})), Optional(HasSubstr("has none")));
  EXPECT_THAT(refusal(veth_with({{"path", "udp_socket"}, {"stage", "checksum"}})),
              Optional(HasSubstr("allowed: none, touch")));
  EXPECT_THAT(refusal(veth_with({{"load", "80 %"}})), Optional(HasSubstr("no line rate")));
}

TEST(Feasibility, CorruptionIsPlantedOnlyWhereItIsFound) {
  TrialOrder order = order_with({});
  order.model.faults.corrupt = 0.1;
  EXPECT_THAT(refusal(order), Optional(HasSubstr("could not be found")));
  EXPECT_TRUE(apply_level("stage", "touch", order));
  EXPECT_THAT(refusal(order), Optional(HasSubstr("could not be found")));
  EXPECT_TRUE(apply_level("rx_offloads", "rss_hash", order));
  EXPECT_THAT(refusal(order), Optional(HasSubstr("could not be found")));
  EXPECT_TRUE(apply_level("rx_offloads", "checksum", order));
  EXPECT_EQ(refusal(order), std::nullopt);
  EXPECT_TRUE(apply_level("rx_offloads", "none", order));
  EXPECT_TRUE(apply_level("stage", "checksum", order));
  EXPECT_EQ(refusal(order), std::nullopt);
}

TEST(Feasibility, ReplayNeedsAPathThatSeesForeignFramesAndALoadInPackets) {
  TrialOrder order = veth_with({});
  order.traffic.kind = TrafficKind::replay;
  EXPECT_EQ(refusal(order), std::nullopt);
  EXPECT_TRUE(apply_level("load", "1 Gbps L2", order));
  EXPECT_THAT(refusal(order), Optional(HasSubstr("frame sizes come from the capture")));
  EXPECT_TRUE(apply_level("load", "1 kpps", order));
  EXPECT_TRUE(apply_level("arrivals", "poisson", order));
  EXPECT_THAT(refusal(order), Optional(HasSubstr("allowed: constant")));
  EXPECT_TRUE(apply_level("arrivals", "constant", order));
  EXPECT_TRUE(apply_level("path", "udp_socket", order));
  EXPECT_THAT(refusal(order), Optional(HasSubstr("only frames addressed to it")));
}

TEST(Feasibility, ASocketTakesOnlyPlainDatagramsToItself) {
  const auto refused_with = [](const auto& change) {
    TrialOrder order = veth_with({{"path", "udp_socket"}, {"frame", "128"}});
    change(order.traffic);
    return refusal(order);
  };
  EXPECT_EQ(refused_with([](TrafficOrder& t) { t.src_ip = "198.18.7.7"; }), std::nullopt);
  EXPECT_THAT(refused_with([](TrafficOrder& t) { t.kind = TrafficKind::tcp; }),
              Optional(HasSubstr("TCP on udp_socket")));
  EXPECT_THAT(refused_with([](TrafficOrder& t) { t.ip_version = 6; }),
              Optional(HasSubstr("IPv6 on udp_socket")));
  EXPECT_THAT(refused_with([](TrafficOrder& t) { t.vlan = "5"; }),
              Optional(HasSubstr("a VLAN tag on udp_socket")));
  EXPECT_THAT(refused_with([](TrafficOrder& t) { t.dst_ip = "198.18.7.7"; }),
              Optional(HasSubstr("dst_ip on udp_socket")));
}

TEST(Feasibility, EveryGeneratorLcoreOnVethHasAFlowAndAQueue) {
  TrialOrder order = veth_with({{"flows", "2"}});
  order.generator_lcores = {1, 2};
  EXPECT_EQ(refusal(order), std::nullopt);
  order.generator_lcores = {1, 2, 3};
  EXPECT_THAT(refusal(order), Optional(HasSubstr("3 generator lcores for 2 flows")));
  order.traffic.kind = TrafficKind::replay;
  EXPECT_EQ(refusal(order), std::nullopt) << "a capture's flows are known when it is read";
  order.generator_lcores.resize(17);
  EXPECT_THAT(refusal(order), Optional(HasSubstr("17 generator lcores on veth")));
}

TEST(Feasibility, BothDirectionsHaveLcoresOfTheirOwnAndNoCapture) {
  EXPECT_EQ(refusal(order_with({{"direction", "both"}})), std::nullopt) << "virtual lcores";
  TrialOrder order = veth_with({{"direction", "both"}});
  EXPECT_THAT(refusal(order), Optional(HasSubstr("each way has lcores of its own")));
  order.generator_lcores = {2, 3};
  order.receiver_lcores = {4, 5};
  EXPECT_EQ(refusal(order), std::nullopt);
  order.receiver_lcores = {4, 5, 6};
  EXPECT_THAT(refusal(order), Optional(HasSubstr("allowed: an even number")));
  order.receiver_lcores = {4, 5};
  order.generator_lcores = {2, 3, 6, 7};
  EXPECT_THAT(refusal(order), Optional(HasSubstr("allowed: 2 lcores")));

  order = order_with({{"direction", "both"}, {"queues", "2"}, {"workers", "1"}, {"ring", "256"}});
  order.clock = ClockKind::wall;
  order.generator_lcores = {2, 3};
  order.receiver_lcores = {4, 5};
  EXPECT_THAT(refusal(order), Optional(HasSubstr("allowed: 6")));

  order = order_with({{"direction", "both"}, {"load", "1 Mpps"}});
  order.traffic.kind = TrafficKind::replay;
  EXPECT_THAT(refusal(order), Optional(HasSubstr("the capture says who sends what")));
}

TEST(Feasibility, IntendedRateFollowsLinkAndFrame) {
  // 25G, 64 B: 25e9 / (8 x 84).
  EXPECT_NEAR(*intended_pps(order_with({{"load", "line"}})), 25e9 / (8 * 84.0), 1e-3);
  EXPECT_NEAR(*intended_pps(order_with({{"load", "50 %"}, {"frame", "1518"}, {"link", "100G"}})),
              0.5 * 100e9 / (8 * 1538.0), 1e-3);
  EXPECT_NEAR(*intended_pps(order_with({{"load", "10 Gbps L2"}, {"frame", "256"}})),
              10e9 / (8 * 256.0), 1e-3);
  EXPECT_DOUBLE_EQ(*intended_pps(veth_with({{"load", "1 Gbps L1"}, {"frame", "105"}})), 1e6);
  EXPECT_DOUBLE_EQ(*intended_pps(veth_with({{"load", "max"}})), 0.0);
}

TEST(Feasibility, EveryRuleIsAboutSomethingThatCanBeWritten) {
  for (const Rule& rule : all_rules()) {
    EXPECT_FALSE(rule.about.empty()) << rule.sentence;
    EXPECT_FALSE(rule.sentence.empty());
    for (const std::string& key : rule.about) {
      const bool other = std::any_of(all_keys().begin(), all_keys().end(), [&](const auto& each) {
        return each.key == key && !each.not_yet;
      });
      EXPECT_TRUE(other || find_factor(key)) << key;
    }
  }
}

}  // namespace
}  // namespace pollmark
