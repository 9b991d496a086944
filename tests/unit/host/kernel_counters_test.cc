#include "host/kernel_counters.h"

#include <gtest/gtest.h>

namespace pollmark {
namespace {

TEST(Snmp, PairsOfLinesBecomeNamedCounters) {
  const auto counters = parse_snmp(
      "Ip: Forwarding InReceives InHdrErrors\n"
      "Ip: 2 18446744073709551615 7\n"
      "Tcp: MaxConn ActiveOpens\n"
      "Tcp: -1 3\n"
      "UdpLite: NoPorts\n"
      "UdpLite: 4\n");
  EXPECT_EQ(counters.at("ip.InReceives"), 18446744073709551615U);
  EXPECT_EQ(counters.at("ip.InHdrErrors"), 7U);
  EXPECT_EQ(counters.at("tcp.ActiveOpens"), 3U);
  EXPECT_FALSE(counters.contains("tcp.MaxConn"));
  EXPECT_EQ(counters.at("udplite.NoPorts"), 4U);
}

TEST(Snmp, LinesThatDoNotPairAreLeftOut) {
  EXPECT_TRUE(parse_snmp("").empty());
  EXPECT_TRUE(parse_snmp("Ip: InReceives\nUdp: 5\n").empty());
  const auto shorter = parse_snmp("Ip: A B C\nIp: 1 2\n");
  EXPECT_EQ(shorter.size(), 2U);
}

TEST(Softnet, RowsOfAllCpusAreSummedAndAreHexadecimal) {
  const auto totals = parse_softnet(
      "0000001a 0000000f 00000001 00000000 00000000 00000000\n"
      "000000ff 00000001 00000010 00000000 00000000 00000000\n");
  ASSERT_TRUE(totals);
  EXPECT_EQ(totals->dropped, 16U);
  EXPECT_EQ(totals->time_squeeze, 17U);
}

TEST(Softnet, TextThatIsNoSuchTableIsAbsentAndNotZero) {
  EXPECT_FALSE(parse_softnet(""));
  EXPECT_FALSE(parse_softnet("0000001a 0000000f\n"));
  EXPECT_FALSE(parse_softnet("one two three four\n"));
}

}  // namespace
}  // namespace pollmark
