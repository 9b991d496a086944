#include "plan/header_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/line_rate.h"

namespace pollmark {
namespace {

using ::testing::HasSubstr;
using Kind = FieldValues::Kind;

FieldValues values_of(HeaderField field, std::string_view text, int ip_version = 4) {
  const auto values = parse_field_values(field, text, ip_version);
  if (!values) ADD_FAILURE() << values.error().what;
  return values ? *values : FieldValues{};
}

std::string refusal(HeaderField field, std::string_view text, int ip_version = 4) {
  const auto values = parse_field_values(field, text, ip_version);
  return values ? "accepted" : values.error().what;
}

TEST(HeaderFields, ValuesRangesPrefixesListsAndRandomAreToldApart) {
  const FieldValues one = values_of(HeaderField::src_ip, "198.18.0.1");
  EXPECT_EQ(one.kind, Kind::range);
  EXPECT_TRUE(one.count() == 1 && one.at(0) == 0xC6120001U);
  const FieldValues range = values_of(HeaderField::src_port, "1024 to 1033");
  EXPECT_TRUE(range.count() == 10 && range.at(9) == 1033);
  const FieldValues prefix = values_of(HeaderField::dst_ip, "198.19.0.0/16");
  EXPECT_TRUE(prefix.count() == 65536 && prefix.at(65535) == 0xC613FFFFU);
  const FieldValues list = values_of(HeaderField::vlan, "7, 5, 4094");
  EXPECT_EQ(list.kind, Kind::list);
  EXPECT_TRUE(list.count() == 3 && list.at(0) == 7 && list.at(2) == 4094);
  const FieldValues random = values_of(HeaderField::ttl, "random 3 to 9");
  EXPECT_EQ(random.kind, Kind::random);
  EXPECT_TRUE(random.first == 3 && random.last == 9);
  const FieldValues any = values_of(HeaderField::dscp, "random");
  EXPECT_TRUE(any.kind == Kind::random && any.first == 0 && any.last == 63);
  const FieldValues mac = values_of(HeaderField::src_mac, "02:00:00:00:00:fe to 02:00:00:00:01:01");
  EXPECT_TRUE(mac.count() == 4 && mac.at(3) == 0x020000000101U);
}

TEST(HeaderFields, Ipv6PrefixesCountAllTheirAddresses) {
  const FieldValues net = values_of(HeaderField::src_ip, "2001:2::/48", 6);
  EXPECT_TRUE(net.count() == FieldValue{1} << 80);
  EXPECT_TRUE(net.first >> 80 == 0x200100020000ULL);
  EXPECT_TRUE(values_of(HeaderField::src_ip, "random ::/0", 6).last == ~FieldValue{0});
}

TEST(HeaderFields, WhatIsNoValueIsRefusedWithWhatIs) {
  for (const auto& [field, text] : std::vector<std::pair<HeaderField, std::string>>{
           {HeaderField::src_ip, "198.18.0"},
           {HeaderField::src_ip, "198.18.0.1/16"},
           {HeaderField::src_ip, "198.18.0.9 to 198.18.0.1"},
           {HeaderField::src_ip, "198.18.0.0/33"},
           {HeaderField::src_ip, "2001:2::1"},
           {HeaderField::src_mac, "2:0:0:0:0:1"},
           {HeaderField::src_mac, "02:00:00:00:00"},
           {HeaderField::vlan, "0"},
           {HeaderField::vlan, "4095"},
           {HeaderField::src_port, "65536"},
           {HeaderField::ttl, "0"},
           {HeaderField::dscp, "64"},
           {HeaderField::dscp, "1,,2"},
           {HeaderField::dscp, "randomly"},
           {HeaderField::dscp, ""}}) {
    EXPECT_THAT(refusal(field, text), HasSubstr("is none of its values; allowed: "))
        << name_of(field) << " " << text;
  }
  EXPECT_THAT(refusal(HeaderField::src_ip, "198.18.0.1", 6), HasSubstr("2001:2::1"));
  EXPECT_THAT(refusal(HeaderField::vlan, "1, 2, 1"), HasSubstr("stands twice"));
}

TEST(HeaderFields, OtherAddressesNeedPermission) {
  const auto refused = [](std::string_view text, int version,
                          const std::vector<std::string>& permitted) {
    const auto good =
        check_addresses(values_of(HeaderField::src_ip, text, version), version, permitted);
    return good ? std::string() : good.error().what;
  };
  EXPECT_EQ(refused("198.18.0.0/15", 4, {}), "");
  EXPECT_EQ(refused("random", 4, {}), "");
  EXPECT_EQ(refused("2001:2::/48", 6, {}), "");
  EXPECT_THAT(refused("10.0.0.1", 4, {}),
              HasSubstr("10.0.0.1 is outside 198.18.0.0/15; allowed: addresses in there, or their "
                        "prefix in permitted_addresses"));
  EXPECT_THAT(refused("198.16.0.0/14", 4, {}), HasSubstr("198.16.0.0"));
  EXPECT_THAT(refused("198.19.255.255 to 198.20.0.0", 4, {}), HasSubstr("outside"));
  EXPECT_THAT(refused("198.18.0.1, 10.0.0.1", 4, {}), HasSubstr("10.0.0.1 is outside"));
  EXPECT_THAT(refused("2001:2:1::", 6, {}), HasSubstr("outside 2001:2::/48"));
  EXPECT_EQ(refused("10.0.0.1", 4, {"fd00::/8", "10.0.0.0/8"}), "");
  EXPECT_THAT(refused("10.0.0.0/7", 4, {"10.0.0.0/8"}), HasSubstr("outside"));
  EXPECT_TRUE(check_prefix("10.0.0.0/8"));
  EXPECT_FALSE(check_prefix("10.0.0.1/8"));
  EXPECT_FALSE(check_prefix("everything"));
}

TEST(HeaderFields, FlowsAreAtMostWhatTheTupleFieldsMake) {
  TrafficOrder traffic;
  traffic.src_ip = "198.18.0.1 to 198.18.0.3";
  traffic.src_port = "5, 6";
  traffic.dst_ip = "198.19.0.1";
  traffic.dst_port = "random 1 to 7";
  EXPECT_EQ(*most_flows(traffic, Path::model), 42U);
  traffic.dst_port.clear();
  EXPECT_EQ(*most_flows(traffic, Path::dpdk), 6U) << "one destination on veth";
  EXPECT_GE(*most_flows(TrafficOrder{}, Path::model), 65536U);
  EXPECT_GE(*most_flows(TrafficOrder{}, Path::dpdk), 65536U);
  traffic.ip_version = 6;
  traffic.src_ip = "2001:2::/48";
  traffic.dst_ip = "2001:2::/48";
  EXPECT_EQ(*most_flows(traffic, Path::model), ~std::uint64_t{0});
}

TEST(HeaderFields, TheStampIsShortOnlyWhereTheLongOneDoesNotFit) {
  EXPECT_TRUE(rc::check("stamp", [] {
    TrafficOrder traffic;
    traffic.kind = *rc::gen::element(TrafficKind::udp, TrafficKind::tcp);
    traffic.ip_version = *rc::gen::element(4, 6);
    if (*rc::gen::arbitrary<bool>()) traffic.vlan = "5";
    if (!traffic.vlan.empty() && *rc::gen::arbitrary<bool>()) traffic.qinq = "6";
    traffic.frame_bytes = {1518, *rc::gen::inRange(64, 140)};
    const int room = traffic.frame_bytes[1] - kFcsBytes - header_bytes(traffic);
    const auto bytes = stamp_bytes(traffic);
    if (room >= 16)
      RC_ASSERT(*bytes == 16);
    else if (room >= 12)
      RC_ASSERT(*bytes == 12);
    else
      RC_ASSERT(!bytes);
  }));
  TrafficOrder traffic;
  EXPECT_EQ(*stamp_bytes(traffic), 16) << "64 B with Ethernet, IPv4 and UDP";
  traffic.vlan = "5";
  EXPECT_EQ(*stamp_bytes(traffic), 12) << "64 B with one tag";
  traffic.ip_version = 6;
  EXPECT_THAT(stamp_bytes(traffic).error().what,
              HasSubstr("frame 64 is below headers and stamp; allowed: at least 82"));
}

TEST(HeaderFields, TcpFlagsAreTheBitsOfRfc9293) {
  EXPECT_EQ(*parse_tcp_flags("fin"), 0x01);
  EXPECT_EQ(*parse_tcp_flags("syn+ack"), 0x12);
  EXPECT_EQ(*parse_tcp_flags("cwr + ece"), 0xc0);
  EXPECT_THAT(parse_tcp_flags("sny").error().what, HasSubstr("did you mean \"syn\""));
  EXPECT_FALSE(parse_tcp_flags(""));
}

}  // namespace
}  // namespace pollmark
