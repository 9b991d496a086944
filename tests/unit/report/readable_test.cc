#include "report/readable.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

namespace pollmark {
namespace {

RC_GTEST_PROP(Readable, HoldsAfterOnce, (const std::string& text)) {
  RC_ASSERT(readable(readable(text)) == readable(text));
}

TEST(Readable, ReplacesWhatATerminalOrXmlCannotTake) {
  EXPECT_EQ(readable("gr\u00fc\u00df, \u20ac \U0001F600\n\t"),
            "gr\u00fc\u00df, \u20ac \U0001F600\n\t");
  EXPECT_EQ(readable("\x1b[31mred"), "\uFFFD[31mred");
  EXPECT_EQ(readable("a\xff"
                     "b"),
            "a\uFFFDb");
  EXPECT_EQ(readable("\xc0\xaf"), "\uFFFD\uFFFD") << "overlong";
  EXPECT_EQ(readable("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD") << "surrogate";
  EXPECT_EQ(readable("\xe2\x82"), "\uFFFD\uFFFD") << "cut short";
  EXPECT_EQ(readable("\x7f\xc2\x85\xef\xbf\xbf"), "\uFFFD\uFFFD\uFFFD");
}

TEST(Readable, CountsColumnsNotBytes) {
  EXPECT_EQ(columns_of("\u20ac\u20ac"), 2U);
  EXPECT_EQ(columns_of(""), 0U);
}

TEST(Readable, PrintsEachMetricWithItsUnit) {
  EXPECT_EQ(metric_text("loss_ratio", 0.0), "0");
  EXPECT_EQ(metric_text("loss_ratio", 0.0123), "1.23 %");
  EXPECT_EQ(metric_text("latency_p99_ns", 12345.0), "12.3 us");
  EXPECT_EQ(metric_text("cycles_per_pkt", 118.4), "118 cycles");
  EXPECT_EQ(metric_text("mpps_per_core", 5.9731), "5.97 Mpps");
  EXPECT_EQ(metric_text("received_mpps", 0.0), "0 Mpps");
  EXPECT_EQ(metric_text("busy_fraction", 0.754), "75.4 %");
  EXPECT_EQ(metric_text("sender_segment_bytes", 48'912.4), "48.9 kB");
}

TEST(Readable, SaysNotMeasuredForWhatIsAbsent) {
  EXPECT_EQ(metric_text("loss_ratio", std::nullopt), "not measured");
  EXPECT_EQ(share_text(0, 0), "not measured");
  EXPECT_EQ(share_text(0, 10), "0");
}

TEST(Readable, PrintsAnIntervalWithItsUnitOnce) {
  Estimate estimate{0.004, Interval{0.0035, 0.0046, 0.99}, 8};
  EXPECT_EQ(interval_text("loss_ratio", estimate), "0.35 .. 0.46 %");
  estimate.interval->low = 0.0;
  EXPECT_EQ(interval_text("loss_ratio", estimate), "0 .. 0.46 %");
  EXPECT_EQ(interval_text("latency_p99_ns", {1.0, Interval{900.0, 1500.0, 0.99}, 8}),
            "900 ns .. 1.50 us");
  EXPECT_EQ(interval_text("loss_ratio", {0.004, std::nullopt, 5}), "none, n = 5");
}

TEST(Readable, ShowsADifferenceInItsOwnScale) {
  EXPECT_EQ(difference_text("loss_ratio", Interval{-0.02, -0.01, 0.99}), "-2.00 .. -1.00 %");
  EXPECT_EQ(difference_text("cycles_per_pkt", Interval{std::log(0.5), std::log(2.0), 0.99}),
            "0.5x .. 2.00x");
  EXPECT_EQ(difference_text("cycles_per_pkt", std::nullopt), "none");
}

TEST(Readable, KeepsThreeDigits) {
  EXPECT_EQ(significant(0.0), "0");
  EXPECT_EQ(significant(12345.6), "12346");
  EXPECT_EQ(significant(99.96), "100");
  EXPECT_EQ(significant(9.996), "10.0");
  EXPECT_EQ(significant(0.0123456), "0.0123");
  EXPECT_EQ(significant(1.2e-7), "1.2e-07");
  EXPECT_EQ(significant(-3.14159), "-3.14");
}

}  // namespace
}  // namespace pollmark
