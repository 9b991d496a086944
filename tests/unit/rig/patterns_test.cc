#include "rig/patterns.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <bitset>
#include <cmath>
#include <set>

#include "rig/expression_sample.h"
#include "rig/hit_payloads.h"

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::vector<Pattern> parsed(std::string_view text) {
  const auto patterns = parse_patterns(text, "p.txt");
  EXPECT_TRUE(patterns) << patterns.error().text();
  return patterns.value_or(std::vector<Pattern>{});
}

std::string mistake(std::string_view text) {
  const auto patterns = parse_patterns(text, "p.txt");
  if (patterns) return "none";
  EXPECT_EQ(patterns.error().code, Errc::bad_experiment);
  return patterns.error().text();
}

PatternSet compiled(std::string_view text) {
  auto set = PatternSet::compile(parsed(text), "p.txt");
  PM_CHECK(set);
  return std::move(*set);
}

std::vector<int> lines(const PatternSet& set, std::string_view bytes) {
  return set.lines_matching({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

TEST(PatternFile, EachOfTheThreeWaysIsUnderstood) {
  const auto patterns = parsed("# a comment\n\nfoo[0-9]+\r\n/a\\/b/is\n7:/x#y/mHV8W\n");
  ASSERT_EQ(patterns.size(), 3U);
  EXPECT_EQ(patterns[0].expression, "foo[0-9]+");
  EXPECT_EQ(patterns[0].flags, 0U);
  EXPECT_EQ(patterns[0].id, 1U);
  EXPECT_EQ(patterns[0].line, 3);
  EXPECT_EQ(patterns[1].expression, "a\\/b");
  EXPECT_EQ(patterns[1].flags, unsigned{HS_FLAG_CASELESS | HS_FLAG_DOTALL});
  EXPECT_EQ(patterns[1].id, 2U);
  EXPECT_EQ(patterns[2].expression, "x#y");
  EXPECT_EQ(patterns[2].id, 7U);
  EXPECT_EQ(patterns[2].line, 5);
  EXPECT_EQ(patterns[2].flags, unsigned{HS_FLAG_MULTILINE | HS_FLAG_SINGLEMATCH |
                                        HS_FLAG_ALLOWEMPTY | HS_FLAG_UTF8 | HS_FLAG_UCP});
}

TEST(PatternFile, EveryMistakeIsToldWithItsLine) {
  EXPECT_EQ(mistake("/a/q\nfine\n/open\n//\n99999999999:/a/\n5:/a/\n5:/b/\n"),
            "p.txt:1: \"q\" is no flag; allowed: i, s, m, H, V, 8, W\n"
            "p.txt:3: the closing / is missing; allowed: /expression/flags\n"
            "p.txt:4: the expression is empty\n"
            "p.txt:5: id 99999999999 is too large; allowed: 0 to 4294967295\n"
            "p.txt:7: id 5 stands in line 6 already; allowed: each once");
  EXPECT_THAT(mistake(std::string_view("a\0b", 3)), StartsWith("p.txt:1: a NUL byte"));
}

TEST(PatternFile, AnEmptyFileIsRefused) {
  for (const std::string_view text : {"", "\n\n", "# only words\n"})
    EXPECT_EQ(mistake(text), "p.txt: no expression in it; allowed: one a line, 1 or more");
}

TEST(PatternFile, AnythingAtAllIsReadOrRefusedWithAPlace) {
  EXPECT_TRUE(rc::check("never more than text", [](const std::string& text) {
    const auto patterns = parse_patterns(text, "p.txt");
    if (patterns)
      RC_ASSERT(!patterns->empty());
    else
      RC_ASSERT(patterns.error().what.starts_with("p.txt:"));
  }));
}

TEST(PatternSet, WhatTheCompilerRefusesIsToldInItsOwnWordsWithItsLine) {
  const auto set = PatternSet::compile(parsed("good\na(b\n\nx{3,1}\n"), "p.txt");
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code, Errc::bad_experiment);
  EXPECT_THAT(set.error().what, StartsWith("p.txt:2: Missing close parenthesis"));
  EXPECT_THAT(set.error().what, HasSubstr("\np.txt:4: "));
  EXPECT_THAT(set.error().what, Not(HasSubstr("p.txt:1")));
}

TEST(PatternSet, MatchesAreTheExpressionsOwn) {
  const PatternSet set = compiled("abc\n/ABC/i\n^start\n");
  EXPECT_THAT(lines(set, "xxabcxx"), ElementsAre(1, 2));
  EXPECT_THAT(lines(set, "xxAbCxx"), ElementsAre(2));
  EXPECT_THAT(lines(set, "start"), ElementsAre(3));
  EXPECT_THAT(lines(set, " start"), ElementsAre());
}

TEST(PatternSet, AFileThatIsNotThereIsRefused) {
  const auto set = PatternSet::load("/nonexistent/patterns.txt");
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().code, Errc::bad_experiment);
  EXPECT_THAT(set.error().what, HasSubstr("/nonexistent/patterns.txt"));
}

TEST(ExpressionSample, IsAWordOfTheExpression) {
  for (const std::string_view expression :
       {"evil", "GET /[a-z]{3,8}\\.php\\?id=\\d+", "(?:cat|dog)s?", "\\x41\\x{42}C", "[^a]b",
        "^Host: .*example\\.com$", "a{2}b{1,}c{0,2}", "(?i)SeLeCt\\s+\\*", "[\\w-]+@[a-z]+\\.org",
        "x*yz+?", "[]a]]", "a|b|", "\\bword\\b", "user-agent:\\s*curl/\\d\\.\\d"}) {
    const PatternSet set = compiled(fmt::format("/{}/V", expression));
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const auto word = sample_of(expression, seed);
      ASSERT_TRUE(word) << expression;
      if (word->empty()) continue;
      EXPECT_THAT(lines(set, *word), ElementsAre(1)) << expression << " : " << *word;
    }
  }
}

TEST(ExpressionSample, WhatCannotBeWalkedIsNot) {
  for (const std::string_view expression :
       {"(", "a)", "[a", "(?=x)y", "\\p{L}", "a{", "*", "\\", "(?<n>a)", "[[:alpha:]]", "a{9999}"})
    (void)sample_of(expression, 1);  // no expression makes it read beyond its end
  EXPECT_FALSE(sample_of("(a", 1));
  EXPECT_FALSE(sample_of("a)", 1));
  EXPECT_FALSE(sample_of("(?=x)y", 1));
  EXPECT_FALSE(sample_of("\\p{L}", 1));
}

TEST(ExpressionSample, EndsForAnyText) {
  EXPECT_TRUE(rc::check("ends", [](std::uint64_t seed) {
    const auto text = *rc::gen::container<std::string>(
        rc::gen::elementOf(std::string("ab()[]{}|?*+\\^$.,-12x:")));
    (void)sample_of(text, seed);
  }));
}

// Scans every payload as every frame size would carry it.
double share_of_matches(const HitPayloads& made, const PatternSet& set, std::uint32_t bytes) {
  int matching = 0;
  for (const std::uint8_t payload : made.payload_of)
    matching +=
        set.lines_matching({made.bytes.data() + std::size_t{payload} * made.stride_bytes, bytes})
                .empty()
            ? 0
            : 1;
  return matching / double{kPayloadSlots};
}

TEST(HitPayloads, HoldTheChosenShareAtEverySize) {
  const PatternSet set = compiled("attack[0-9]{2}\n/evil/i\n");
  const std::array<std::uint32_t, 3> sizes = {66, 512, 1456};
  for (const double ratio : {0.0, 0.01, 0.25, 0.5, 1.0}) {
    const auto made = make_hit_payloads(set, ratio, sizes, 7);
    ASSERT_TRUE(made) << made.error().text();
    for (const std::uint32_t size : sizes)
      EXPECT_NEAR(share_of_matches(*made, set, size), ratio, 0.5 / kPayloadSlots) << size;
  }
}

TEST(HitPayloads, FollowTheSeedAlone) {
  const PatternSet set = compiled("attack\n");
  const std::array<std::uint32_t, 1> sizes = {100};
  const auto one = make_hit_payloads(set, 0.5, sizes, 1);
  const auto same = make_hit_payloads(set, 0.5, sizes, 1);
  const auto other = make_hit_payloads(set, 0.5, sizes, 2);
  ASSERT_TRUE(one && same && other);
  EXPECT_EQ(one->bytes, same->bytes);
  EXPECT_EQ(one->payload_of, same->payload_of);
  EXPECT_NE(one->bytes, other->bytes);
}

TEST(HitPayloads, AnExpressionThatMatchesEverythingIsRefusedAtAnyShare) {
  const std::array<std::uint32_t, 2> sizes = {100, 1000};
  for (const double ratio : {0.0, 0.5, 1.0}) {
    for (const char* text : {"fine\n/./s\n", "fine\n/x*/V\n", "fine\n[^q]\n"}) {
      const auto made = make_hit_payloads(compiled(text), ratio, sizes, 1);
      ASSERT_FALSE(made) << text;
      EXPECT_EQ(made.error().code, Errc::bad_experiment);
      EXPECT_THAT(made.error().what, StartsWith("p.txt:2: matches everything"));
    }
  }
}

TEST(HitPayloads, WhatNoFrameCanHoldIsRefused) {
  const std::array<std::uint32_t, 2> sizes = {2, 1000};
  const PatternSet set = compiled("a long literal\n");
  EXPECT_TRUE(make_hit_payloads(set, 0.0, sizes, 1));
  const auto made = make_hit_payloads(set, 0.5, sizes, 1);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().what, HasSubstr("2 bytes behind the stamp"));
  // Nearly every kilobyte of noise holds an "a" somewhere, but not every.
  const auto none = make_hit_payloads(compiled("[a-y]\n"), 0.0, sizes, 1);
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().what, StartsWith("p.txt:1: matches nearly every payload"));
}

}  // namespace
}  // namespace pollmark
