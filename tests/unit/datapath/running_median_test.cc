#include "datapath/running_median.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <vector>

namespace pollmark {
namespace {

TEST(RunningMedian, IsTheLowerMedianOfTheLastSixtyFour) {
  EXPECT_TRUE(rc::check("against sorting", [] {
    // Few distinct values: many ties.
    const auto values =
        *rc::gen::container<std::vector<std::uint32_t>>(rc::gen::inRange<std::uint32_t>(0, 40));
    RunningMedian median{};
    for (std::size_t i = 0; i < values.size(); ++i) {
      record(median, values[i]);
      const std::size_t from = i + 1 > kMedianWindow ? i + 1 - kMedianWindow : 0;
      std::vector<std::uint32_t> last(values.begin() + static_cast<std::ptrdiff_t>(from),
                                      values.begin() + static_cast<std::ptrdiff_t>(i + 1));
      std::sort(last.begin(), last.end());
      RC_ASSERT(median_of(median) == last[(last.size() - 1) / 2]);
    }
  }));
}

TEST(RunningMedian, ForgetsWhatLeftTheWindow) {
  RunningMedian median{};
  EXPECT_EQ(median_of(median), 0U);
  for (int i = 0; i < 1000; ++i) record(median, 0xffffffffU);
  EXPECT_EQ(median_of(median), 0xffffffffU);
  for (int i = 0; i < 32; ++i) record(median, 5);
  EXPECT_EQ(median_of(median), 5U);
  for (std::uint32_t i = 0; i < 64; ++i) record(median, i);
  EXPECT_EQ(median_of(median), 31U);
}

}  // namespace
}  // namespace pollmark
