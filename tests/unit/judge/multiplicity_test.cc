#include "judge/multiplicity.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace pollmark {
namespace {

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-12) << i;
}

TEST(Multiplicity, GoldenFamily) {
  const std::vector<double> p{.001, .012, .03, .04, .2};
  expect_near(holm(p), {.005, .048, .09, .09, .2});
  expect_near(benjamini_hochberg(p), {.005, .03, .05, .05, .2});
}

TEST(Multiplicity, KeepsTheOrderOfTheFamily) {
  expect_near(holm({.2, .001, .04, .012, .03}), {.2, .005, .09, .048, .09});
  expect_near(benjamini_hochberg({.2, .001, .04, .012, .03}), {.2, .005, .05, .03, .05});
  EXPECT_TRUE(holm({}).empty());
  EXPECT_TRUE(benjamini_hochberg({}).empty());
}

RC_GTEST_PROP(MultiplicityProperty, HolmIsStricterThanBenjaminiHochbergThanNothing, ()) {
  const auto drawn = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 1001));
  std::vector<double> p;
  for (const int value : drawn) p.push_back(value / 1000.0);
  const std::vector<double> strict = holm(p);
  const std::vector<double> loose = benjamini_hochberg(p);
  for (std::size_t i = 0; i < p.size(); ++i) {
    RC_ASSERT(p[i] <= loose[i] + 1e-12);
    RC_ASSERT(loose[i] <= strict[i] + 1e-12);
    RC_ASSERT(strict[i] <= std::min(1.0, p[i] * static_cast<double>(p.size())) + 1e-12);
    for (std::size_t j = 0; j < p.size(); ++j) {
      if (p[i] <= p[j]) RC_ASSERT(strict[i] <= strict[j] && loose[i] <= loose[j]);
    }
  }
}

}  // namespace
}  // namespace pollmark
