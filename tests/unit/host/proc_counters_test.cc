#include "host/proc_counters.h"

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

TEST(Snmp6, NamesAreSplitBehindTheSixOfTheirProtocol) {
  const auto counters = parse_snmp6(
      "Ip6InReceives                   \t6\n"
      "Icmp6InType134                  \t2\n"
      "UdpLite6NoPorts                 \t3\n"
      "ifindex                         \t4\n"
      "Ip6                             \t5\n"
      "Ip6InDiscards\n");
  EXPECT_EQ(counters, (NamedCounters{
                          {"ip6.InReceives", 6}, {"icmp6.InType134", 2}, {"udplite6.NoPorts", 3}}));
}

TEST(Softnet, RowsOfAllCpusAreSummedAndAreHexadecimal) {
  const auto totals = parse_softnet(
      "0000001a 0000000f 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000002 "
      "00000003 00000000 00000000 00000000 00000000\n"
      "000000ff 00000001 00000010 00000000 00000000 00000000 00000000 00000000 00000000 00000010 "
      "00000000 00000000 00000001 00000000 00000000\n");
  EXPECT_EQ(totals, (NamedCounters{{"processed", 0x119},
                                   {"dropped", 16},
                                   {"time_squeeze", 17},
                                   {"received_rps", 18},
                                   {"flow_limit_count", 3}}));
}

TEST(Softnet, ColumnsThatAnOlderKernelLacksAreAbsent) {
  const auto totals = parse_softnet("0000001a 0000000f 00000001 00000000 00000000 00000000\n");
  EXPECT_EQ(totals, (NamedCounters{{"processed", 26}, {"dropped", 15}, {"time_squeeze", 1}}));
}

TEST(Softnet, TextThatIsNoSuchTableIsAbsentAndNotZero) {
  EXPECT_TRUE(parse_softnet("").empty());
  EXPECT_TRUE(parse_softnet("0000001a 0000000f\n").empty());
  EXPECT_TRUE(parse_softnet("one two three four\n").empty());
}

TEST(Conntrack, ColumnsAreSummedAndTheEntriesThatRepeatAreNot) {
  const auto totals = parse_conntrack(
      "entries  clashres found new invalid ignore delete chainlength insert insert_failed drop "
      "early_drop icmp_error  expect_new expect_create expect_delete search_restart\n"
      "00000040  00000000 00000000 00000000 00000001 00000000 00000000 00000000 00000000 00000002 "
      "00000700 00000006 00000000  00000000 00000000 00000000 00000000\n"
      "00000040  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
      "0000008a 00000000 00000000  00000000 00000000 00000000 00000005\n");
  EXPECT_EQ(totals.at("entries"), 64U);
  EXPECT_EQ(totals.at("drop"), 1930U);
  EXPECT_EQ(totals.at("early_drop"), 6U);
  EXPECT_EQ(totals.at("insert_failed"), 2U);
  EXPECT_EQ(totals.at("search_restart"), 5U);
}

TEST(Conntrack, RowsThatDoNotFitTheHeaderAreAbsent) {
  EXPECT_TRUE(parse_conntrack("").empty());
  EXPECT_TRUE(parse_conntrack("entries drop\n00000001\n").empty());
  EXPECT_TRUE(parse_conntrack("entries drop\n00000001 zz\n").empty());
}

TEST(FileNr, TellsTheAllocatedAndTheMost) {
  const auto files = parse_file_nr("1088\t0\t2466170\n");
  ASSERT_TRUE(files);
  EXPECT_EQ(files->allocated, 1088U);
  EXPECT_EQ(files->max, 2466170U);
  EXPECT_FALSE(parse_file_nr("1088"));
  EXPECT_FALSE(parse_file_nr("a b c"));
}

}  // namespace
}  // namespace pollmark
