#include "judge/wording.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pollmark {
namespace {

TEST(Wording, ValuesCarryTheirUnit) {
  EXPECT_EQ(value_text("loss_ratio", 0.021), "2.10 %");
  EXPECT_EQ(value_text("latency_p99_ns", 12'300), "12.3 us");
  EXPECT_EQ(value_text("received_mpps", 8.53), "8.53 Mpps");
  EXPECT_EQ(value_text("cycles_per_pkt", 211.26), "211.3");
}

TEST(Wording, AnEstimateShowsItsIntervalWhereThereIsOne) {
  Estimate estimate;
  estimate.median = 0.02;
  EXPECT_EQ(estimate_text("loss_ratio", estimate), "2.00 %");
  estimate.interval = Interval{0.01, 0.03, 0.96};
  EXPECT_EQ(estimate_text("loss_ratio", estimate), "2.00 % [1.00 %, 3.00 %]");
}

TEST(Wording, DifferencesAreSharesOrPercentOfTheValue) {
  EXPECT_EQ(difference_text("loss_ratio", -0.02), "-2.00 %");
  EXPECT_EQ(difference_text("cycles_per_pkt", std::log(1.25)), "+25.00 %");
  EXPECT_EQ(difference_text("loss_ratio", 0.0), "0");
}

TEST(Wording, EveryMetricHasAWord) {
  for (const MetricFacts& metric : all_metrics()) {
    EXPECT_NE(metric_word(metric.name), metric.name) << metric.name;
    EXPECT_EQ(metric_facts(metric.name).unit, metric.unit);
  }
  EXPECT_EQ(metric_word("loss_1e4_mpps"), "loss_1e4_mpps");
  EXPECT_TRUE(metric_facts("loss_1e4_mpps").higher_is_better);
  EXPECT_FALSE(metric_facts("no_such_metric").higher_is_better);
}

TEST(Wording, ACellIsNamedByItsLevels) {
  EXPECT_EQ(cell_text({{"queues", "4"}, {"rx_ring", "128"}}), "queues=4 rx_ring=128");
  EXPECT_EQ(cell_text({}), "the only setting");
}

}  // namespace
}  // namespace pollmark
