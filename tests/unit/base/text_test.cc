#include "base/text.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace pollmark {
namespace {

const std::vector<std::string> kWords = {"rx_ring", "queues",      "rss_fields",
                                         "reta",    "rx_offloads", "path"};

TEST(DidYouMean, FindsTheSlip) {
  EXPECT_EQ(did_you_mean("rx_rng", kWords), "rx_ring");
  EXPECT_EQ(did_you_mean("rx_rign", kWords), "rx_ring");
  EXPECT_EQ(did_you_mean("Queues", kWords), "queues");
  EXPECT_EQ(did_you_mean("rss_feilds", kWords), "rss_fields");
  EXPECT_EQ(did_you_mean("rx_ofloads", kWords), "rx_offloads");
  EXPECT_EQ(did_you_mean("pth", kWords), "path");
}

TEST(DidYouMean, LongWordsMayDifferByAThird) {
  EXPECT_EQ(did_you_mean("rx_offloadxyz", kWords), "rx_offloads");
}

TEST(DidYouMean, StaysSilentWhenNothingIsNear) {
  EXPECT_EQ(did_you_mean("latency", kWords), "");
  EXPECT_EQ(did_you_mean("", kWords), "");
  EXPECT_EQ(did_you_mean("zz", kWords), "");
  EXPECT_EQ(did_you_mean("queues", std::span<const std::string>{}), "");
}

TEST(DidYouMean, SwappedNeighboursAreOneSlip) {
  const std::vector<std::string> near = {"rtab", "reta"};
  EXPECT_EQ(did_you_mean("rtea", near), "reta");
}

TEST(DidYouMean, TheNearestWins) {
  const std::vector<std::string> near = {"burst", "bursts", "bursty"};
  EXPECT_EQ(did_you_mean("bursts", near), "bursts");
  EXPECT_EQ(did_you_mean("burt", near), "burst");
}

TEST(Text, SplitAndJoinAreInverse) {
  EXPECT_EQ(split("a,,b,", ','), (std::vector<std::string>{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), (std::vector<std::string>{""}));
  EXPECT_EQ(join(std::vector<std::string>{}, ", "), "");
  EXPECT_EQ(join(std::vector<std::string>{"a", "b", "c"}, ", "), "a, b, c");
  EXPECT_TRUE(rc::check("join(split(text)) is the text", [](const std::string& text) {
    RC_ASSERT(join(split(text, 'a'), "a") == text);
  }));
}

TEST(Text, AShellReadsAQuotedWordAsItWas) {
  EXPECT_EQ(shell_quoted("results/a-1.toml"), "results/a-1.toml");
  EXPECT_EQ(shell_quoted("a b"), "'a b'");
  EXPECT_EQ(shell_quoted("load=\"50 %\" $HOME"), "'load=\"50 %\" $HOME'");
  EXPECT_EQ(shell_quoted("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_quoted(""), "''");
}

TEST(Text, TrimmedTakesBlanksFromBothEndsOnly) {
  EXPECT_EQ(trimmed("  a b\t\r\n"), "a b");
  EXPECT_EQ(trimmed(" \t "), "");
  EXPECT_EQ(trimmed(""), "");
}

TEST(Text, UtcIsIso8601) {
  EXPECT_EQ(utc_text(0.0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(utc_text(951827696.75), "2000-02-29T12:34:56Z");
  EXPECT_EQ(utc_compact(951827696.75), "20000229T123456Z");
  EXPECT_EQ(utc_text(4102444799.0), "2099-12-31T23:59:59Z");
}

}  // namespace
}  // namespace pollmark
