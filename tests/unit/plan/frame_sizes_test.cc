#include "plan/frame_sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/line_rate.h"

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<int> sizes(std::string_view text, const std::map<std::string, int>& letters = {}) {
  const auto parsed = parse_frame_sizes(text, letters);
  if (!parsed) ADD_FAILURE() << parsed.error().what;
  return parsed ? parsed->frame_bytes : std::vector<int>{};
}

std::string refusal(std::string_view text, const std::map<std::string, int>& letters = {}) {
  const auto parsed = parse_frame_sizes(text, letters);
  return parsed ? "accepted" : parsed.error().what;
}

TEST(FrameSizes, AGenomeIsSentLetterByLetter) {
  // RFC 6985 section 4.
  EXPECT_THAT(sizes("abcdefghi"), ElementsAre(64, 128, 256, 512, 1024, 1280, 1518, 2112, 9000));
  EXPECT_THAT(sizes("aaaBg", {{"B", 594}}), ElementsAre(64, 64, 64, 594, 1518));
  EXPECT_THAT(sizes("az", {{"z", 1500}}), ElementsAre(64, 1500));
}

TEST(FrameSizes, AnUndeclaredLetterIsNamed) {
  EXPECT_THAT(refusal("aabz"), HasSubstr("\"aabz\" as a genome: letter z is not declared; allowed: "
                                         "a to i, others with letters = { z = BYTES }"));
  EXPECT_THAT(refusal("aBC", {{"B", 594}}), HasSubstr("letter C is not declared; allowed: a to i, "
                                                      "B, others with letters = { C = BYTES }"));
  EXPECT_THAT(refusal("imiks"), HasSubstr("did you mean \"imix\""));
  EXPECT_THAT(refusal("aj"), HasSubstr("letter j")) << "16000 is above the largest frame";
}

TEST(FrameSizes, BothDefinitionsOfImixHaveTheirMeans) {
  EXPECT_NEAR(mean_frame_bytes(sizes("imix")), 353.83, 0.01);
  EXPECT_EQ(sizes("imix_570"), sizes("imix"));
  EXPECT_NEAR(mean_frame_bytes(sizes("imix_594")), 361.83, 0.01);
  EXPECT_EQ(parse_frame_sizes("imix_570", {})->frame, "imix");
}

TEST(FrameSizes, ARangeHasEverySizeOnceOrIsEvenlySpread) {
  EXPECT_TRUE(rc::check("range", [] {
    const int least = *rc::gen::inRange(64, 2000);
    const int most = *rc::gen::inRange(least, std::min(9001, least + 3000));
    const std::vector<int> all = sizes(std::to_string(least) + " to " + std::to_string(most));
    const std::set<int> distinct(all.begin(), all.end());
    RC_ASSERT(distinct.size() == all.size());
    RC_ASSERT(all.size() == static_cast<std::size_t>(std::min(most - least + 1, 1024)));
    RC_ASSERT(*distinct.begin() == least);
    RC_ASSERT(*distinct.rbegin() == most);
    RC_ASSERT(std::abs(mean_frame_bytes(all) - (least + most) / 2.0) <= 1.0);
    // It leaps: no run of ten sizes climbs all the way.
    for (std::size_t i = 0; all.size() >= 16 && i + 10 <= all.size(); ++i)
      RC_ASSERT(!std::is_sorted(all.begin() + static_cast<std::ptrdiff_t>(i),
                                all.begin() + static_cast<std::ptrdiff_t>(i + 10)));
  }));
  EXPECT_THAT(refusal("1518 to 64"), HasSubstr("is no range"));
  EXPECT_THAT(refusal("63 to 1518"), HasSubstr("63 is too small"));
  EXPECT_THAT(refusal("64 to 9001"), HasSubstr("9001 is too large"));
}

TEST(FrameSizes, ListsHaveLimits) {
  EXPECT_THAT(sizes("64:1518"), ElementsAre(64, 1518));
  EXPECT_THAT(refusal(""), HasSubstr("not a whole number"));
  EXPECT_THAT(refusal(std::string(1025, 'a')), HasSubstr("1025 sizes are too many"));
}

}  // namespace
}  // namespace pollmark
