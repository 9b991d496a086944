#include "base/line_rate.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <cmath>

namespace pollmark {
namespace {

constexpr std::array<double, 7> kLinks = {10e9, 25e9, 40e9, 50e9, 100e9, 200e9, 400e9};

struct Row {
  double frame_bytes;
  std::array<double, 7> mpps;  // one per link
  double l2_share;             // of the line
  double frame_ns_100g;
};

// Most Mpps per frame size and link, to four decimals.
constexpr std::array<Row, 8> kTable = {{
    {64, {14.8810, 37.2024, 59.5238, 74.4048, 148.8095, 297.6190, 595.2381}, .7619, 6.72},
    {128, {8.4459, 21.1149, 33.7838, 42.2297, 84.4595, 168.9189, 337.8378}, .8649, 11.84},
    {256, {4.5290, 11.3225, 18.1159, 22.6449, 45.2899, 90.5797, 181.1594}, .9275, 22.08},
    {512, {2.3496, 5.8741, 9.3985, 11.7481, 23.4962, 46.9925, 93.9850}, .9624, 42.56},
    {1024, {1.1973, 2.9933, 4.7893, 5.9866, 11.9732, 23.9464, 47.8927}, .9808, 83.52},
    {1280, {0.9615, 2.4038, 3.8462, 4.8077, 9.6154, 19.2308, 38.4615}, .9846, 104.00},
    {1518, {0.8127, 2.0319, 3.2510, 4.0637, 8.1274, 16.2549, 32.5098}, .9870, 123.04},
    {9000, {0.1386, 0.3465, 0.5543, 0.6929, 1.3858, 2.7716, 5.5432}, .9978, 721.60},
}};

TEST(LineRate, EveryCellOfTheTableToFourDecimals) {
  for (const Row& row : kTable) {
    for (std::size_t link = 0; link < kLinks.size(); ++link) {
      EXPECT_NEAR(line_rate_pps(kLinks[link], row.frame_bytes) / 1e6, row.mpps[link], 0.5001e-4)
          << row.frame_bytes << " bytes at " << kLinks[link];
    }
    EXPECT_NEAR(frame_time_ns(100e9, row.frame_bytes), row.frame_ns_100g, 0.005);
    const double line_pps = line_rate_pps(100e9, row.frame_bytes);
    EXPECT_NEAR(l2_bps(line_pps, row.frame_bytes) / 100e9, row.l2_share, 0.5001e-4);
    EXPECT_NEAR(l1_bps(line_pps, row.frame_bytes) / 100e9, 1.0, 1e-12);
  }
}

TEST(LineRate, MixesGoByTheirMeanFrame) {
  const std::array<int, 12> imix = {64, 64, 64, 64, 64, 64, 64, 570, 570, 570, 570, 1518};
  const double mean = mean_frame_bytes(imix);
  EXPECT_NEAR(mean, 353.83, 0.005);
  EXPECT_NEAR(line_rate_pps(10e9, mean) / 1e6, 3.344, 0.5e-3);
  EXPECT_NEAR(line_rate_pps(400e9, mean) / 1e6, 133.749, 0.5e-3);
  EXPECT_NEAR(frame_time_ns(100e9, mean), 29.91, 0.005);
  const std::array<int, 12> imix_594 = {64, 64, 64, 64, 64, 64, 64, 594, 594, 594, 594, 1518};
  EXPECT_NEAR(mean_frame_bytes(imix_594), 361.83, 0.005);
  EXPECT_NEAR(line_rate_pps(100e9, mean_frame_bytes(imix_594)) / 1e6, 32.737, 0.5e-3);
}

TEST(LoadPps, ResolvesEveryUnit) {
  const double line = line_rate_pps(25e9, 64);
  EXPECT_DOUBLE_EQ(load_pps({LoadUnit::line_percent, 100.0}, 25e9, 64).value(), line);
  EXPECT_DOUBLE_EQ(load_pps({LoadUnit::line_percent, 50.0}, 25e9, 64).value(), line / 2);
  EXPECT_DOUBLE_EQ(load_pps({LoadUnit::pps, 12.5e6}, 25e9, 64).value(), 12.5e6);
  EXPECT_DOUBLE_EQ(load_pps({LoadUnit::l1_bps, 6.72e9}, 25e9, 64).value(), 1e7);
  EXPECT_DOUBLE_EQ(load_pps({LoadUnit::l2_bps, 5.12e9}, 25e9, 64).value(), 1e7);
  EXPECT_DOUBLE_EQ(load_pps({LoadUnit::max, 0.0}, 25e9, 64).value(), line);
}

TEST(LoadPps, RefusesWhatTheLineCannotCarryAndNamesTheLimit) {
  for (const Load load : {Load{LoadUnit::pps, 38e6}, Load{LoadUnit::l1_bps, 25.1e9},
                          Load{LoadUnit::l2_bps, 25e9}, Load{LoadUnit::line_percent, 100.1}}) {
    const Result<double> pps = load_pps(load, 25e9, 64);
    ASSERT_FALSE(pps.has_value()) << load.text();
    EXPECT_EQ(pps.error().code, Errc::bad_experiment);
    EXPECT_NE(pps.error().what.find("above the line; allowed: up to 37.2 Mpps"), std::string::npos)
        << pps.error().what;
  }
}

TEST(LoadPps, RefusesNothingAndLess) {
  for (const double value : {0.0, -1.0, std::nan("")}) {
    for (const LoadUnit unit :
         {LoadUnit::pps, LoadUnit::l1_bps, LoadUnit::l2_bps, LoadUnit::line_percent}) {
      EXPECT_FALSE(load_pps({unit, value}, 25e9, 64).has_value()) << value;
    }
  }
}

TEST(LoadPps, TheWholeLineIsAllowedInEveryUnit) {
  EXPECT_TRUE(rc::check("no rounding refuses the line itself", [] {
    const double link = 1e9 * *rc::gen::inRange(1, 401);
    const double frame = *rc::gen::inRange(64, 9001);
    const double line = line_rate_pps(link, frame);
    for (const Load load :
         {Load{LoadUnit::l1_bps, l1_bps(line, frame)}, Load{LoadUnit::l2_bps, l2_bps(line, frame)},
          Load{LoadUnit::pps, line}, Load{LoadUnit::line_percent, 100.0}}) {
      const Result<double> pps = load_pps(load, link, frame);
      RC_ASSERT(pps.has_value());
      RC_ASSERT(*pps <= line);
      RC_ASSERT(std::fabs(*pps / line - 1.0) < 1e-12);
    }
  }));
}

}  // namespace
}  // namespace pollmark
