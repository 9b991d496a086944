#include "host/netdev_home.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr const char* kHome =
    "link up 1\n"
    "link mac 02:00:00:00:00:01\n"
    "setting netdev mtu 1500\t1500\n"
    "setting feature tx-tcp-segmentation on\toff\n"
    "conf ipv4/conf/rp_filter 2\n"
    "address 192.0.2.7/24 0218 until 1000 900\n"
    "route 198.51.100.0/24_table_254 02ab";

TEST(NetdevHome, SameIsNoDifferenceInAnyOrderAndAtAnyAge) {
  EXPECT_THAT(home_differences(kHome, kHome), IsEmpty());
  EXPECT_THAT(home_differences(kHome,
                               "address 192.0.2.7/24 0218 until 1001 902\n"
                               "route 198.51.100.0/24_table_254 02ab\n"
                               "link up 1\n"
                               "link mac 02:00:00:00:00:01\n"
                               "conf ipv4/conf/rp_filter 2\n"
                               "setting feature tx-tcp-segmentation on\toff\n"
                               "setting netdev mtu 1500\t1500"),
              IsEmpty());
}

TEST(NetdevHome, WhatIsOtherwiseIsSaidByName) {
  EXPECT_THAT(
      home_differences(kHome,
                       "link up 0\n"
                       "link mac 02:00:00:00:00:01\n"
                       "setting netdev mtu 9000\t9000\n"
                       "setting feature tx-tcp-segmentation on\ton\n"
                       "conf ipv4/conf/rp_filter 0\n"
                       "address 192.0.2.8/24 0219\n"
                       "route 198.51.100.0/24_table_254 02ab"),
      UnorderedElementsAre("up: was 1, is 0", "netdev mtu: was 1500, is 9000",
                           "feature tx-tcp-segmentation: was off (requested on), is on",
                           "ipv4/conf/rp_filter: was 2, is 0", "address 192.0.2.7/24: is gone",
                           "address 192.0.2.8/24: is new"));
}

TEST(NetdevHome, AnAddressOfAnotherScopeIsAnother) {
  EXPECT_THAT(home_differences("address 192.0.2.7/24 0218", "address 192.0.2.7/24 0217"),
              ElementsAre("address 192.0.2.7/24: is gone", "address 192.0.2.7/24: is new"));
}

}  // namespace
}  // namespace pollmark
