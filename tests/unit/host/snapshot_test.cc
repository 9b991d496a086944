#include "host/snapshot.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace pollmark {
namespace {

LinkStats stats(std::uint64_t rx_packets, std::uint64_t rx_bytes, std::uint64_t tx_packets,
                std::uint64_t tx_bytes) {
  return {{"rx_packets", rx_packets},
          {"rx_bytes", rx_bytes},
          {"tx_packets", tx_packets},
          {"tx_bytes", tx_bytes}};
}

TEST(TrafficShape, IsRatesAndTheMeanFrameOfTheLook) {
  const auto shape = traffic_shape(stats(100, 6000, 50, 3000), stats(300, 206'000, 50, 3000), 0.5);
  ASSERT_TRUE(shape);
  EXPECT_DOUBLE_EQ(shape->rx_pps, 400.0);
  EXPECT_DOUBLE_EQ(shape->rx_bps, 3.2e6);
  EXPECT_EQ(shape->rx_mean_frame_bytes, 1000.0);
  EXPECT_DOUBLE_EQ(shape->tx_pps, 0.0);
  EXPECT_EQ(shape->tx_mean_frame_bytes, std::nullopt);
}

TEST(TrafficShape, OfACounterThatFellIsNotMeasured) {
  EXPECT_FALSE(traffic_shape(stats(100, 6000, 50, 3000), stats(99, 7000, 60, 4000), 1.0));
  EXPECT_FALSE(traffic_shape({}, {}, 1.0));
}

TEST(TrafficShape, StandsAtItsDeviceAndNullWhereItWasNotMeasured) {
  nlohmann::json snapshot = {{"netdevs", {{{"netdev", "a0"}}, {{"netdev", "b0"}}}}};
  put_traffic(snapshot, "a0", traffic_shape(stats(0, 0, 0, 0), stats(10, 600, 0, 0), 1.0));
  put_traffic(snapshot, "b0", std::nullopt);
  EXPECT_EQ(snapshot["netdevs"][0]["traffic"]["rx_mean_frame_bytes"], 60.0);
  EXPECT_TRUE(snapshot["netdevs"][0]["traffic"]["tx_mean_frame_bytes"].is_null());
  EXPECT_TRUE(snapshot["netdevs"][1]["traffic"].is_null());
}

}  // namespace
}  // namespace pollmark
