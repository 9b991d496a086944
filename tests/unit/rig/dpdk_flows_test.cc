#include "rig/dpdk_flows.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>

#include "datapath/stage.h"

namespace pollmark {
namespace {

NetdevPlace veth_like() {
  NetdevPlace place;
  place.netdev = "a0";
  place.mac = {2, 0, 0, 0, 0, 1};
  place.frames_to_mac = {2, 0, 0, 0, 0, 2};
  place.frames_to_ipv4 = 0xC6120002;
  place.frames_to_port = 9;
  return place;
}

TEST(DpdkFlows, FramesOfAllSizesHaveTheChecksumsThatTheirReceiverComputes) {
  TrafficOrder traffic;
  traffic.frame_bytes = {64, 65, 127, 594, 1517, 1518};
  traffic.flows = 300;
  const auto made = DpdkFlows::prepare(traffic, veth_like());
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

TEST(DpdkFlows, AllGoToOneMacAddressAndPort) {
  TrafficOrder traffic;
  traffic.flows = 1000;
  const auto made = DpdkFlows::prepare(traffic, veth_like());
  ASSERT_TRUE(made);
  for (const auto& flow : made->flows) {
    EXPECT_EQ(
        std::memcmp(flow.header, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00", 14),
        0);
    EXPECT_EQ(std::memcmp(flow.header + 30, "\xc6\x12\x00\x02", 4), 0);
    EXPECT_EQ(std::memcmp(flow.header + 36, "\x00\x09", 2), 0);
  }
}

TEST(DpdkFlows, NoTwoOf65536AreAlikeAndNoneComesFromAnAddressThatTheKernelRefuses) {
  TrafficOrder traffic;
  traffic.flows = 65'536;
  const auto made = DpdkFlows::prepare(traffic, veth_like());
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

TEST(DpdkFlows, SizesThatTheDeviceDoesNotCarryAreRefused) {
  TrafficOrder traffic;
  for (const int bytes : {63, 1519}) {
    traffic.frame_bytes = {64, bytes};
    const auto refused = DpdkFlows::prepare(traffic, veth_like());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::bad_experiment);
    EXPECT_NE(refused.error().what.find(std::to_string(bytes)), std::string::npos);
  }
  traffic.frame_bytes = {};
  EXPECT_FALSE(DpdkFlows::prepare(traffic, veth_like()));
  traffic.frame_bytes = {64};
  traffic.flows = 0;
  EXPECT_FALSE(DpdkFlows::prepare(traffic, veth_like()));
}

}  // namespace
}  // namespace pollmark
