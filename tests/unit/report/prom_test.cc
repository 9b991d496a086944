#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "report/report.h"
#include "support/synthetic_campaign.h"
#include "texts.h"

namespace pollmark {
namespace {

using support::SyntheticCampaign;

// The exposition grammar; samples stand under their own HELP and TYPE, no series twice.
void expect_exposition(const std::string& text) {
  static const std::regex kHelp(R"(# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) [^\n]+)");
  static const std::regex kType(R"(# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) gauge)");
  static const std::regex kSample(
      R"re(([a-zA-Z_:][a-zA-Z0-9_:]*)\{([a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*")*)\} (-?[0-9.]+(?:e[+-]?[0-9]+)?|nan|-?inf))re");
  ASSERT_FALSE(text.empty());
  EXPECT_EQ(text.back(), '\n');
  std::set<std::string> families;
  std::set<std::string> series;
  std::string help;
  std::string type;
  for (const std::string& line : lines_of(text)) {
    std::smatch match;
    if (std::regex_match(line, match, kHelp)) {
      help = match[1];
      EXPECT_TRUE(families.insert(help).second) << help << " twice";
    } else if (std::regex_match(line, match, kType)) {
      type = match[1];
      EXPECT_EQ(type, help);
    } else if (std::regex_match(line, match, kSample)) {
      EXPECT_EQ(match[1], type) << line;
      EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line;
      // No label twice.
      static const std::regex kLabel(R"re(([a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\]|\\.)*")re");
      const std::string labels = match[2];
      std::set<std::string> names;
      for (auto it = std::sregex_iterator(labels.begin(), labels.end(), kLabel);
           it != std::sregex_iterator(); ++it) {
        EXPECT_TRUE(names.insert((*it)[1]).second) << line;
      }
    } else {
      ADD_FAILURE() << "not of the exposition format: " << line;
    }
  }
  EXPECT_GT(series.size(), 0U);
}

TEST(Prom, EveryLineIsOfTheExpositionFormat) {
  expect_exposition(render_prom(support::synthetic_campaign().input()));
  expect_exposition(render_prom(support::campaign_without_valid_trials().input()));
}

TEST(Prom, EscapesLabelsAndRenamesWhatIsNoLabel) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  campaign.summary.name = "a \"quoted\" \\ name\nin two lines";
  campaign.summary.cells[0].cell["9 odd-name"] = "x";
  campaign.summary.cells[0].cell["group"] = "a factor called group";
  campaign.summary.cells[0].cell["state"] = "a factor called state";
  const std::string text = render_prom(campaign.input());
  expect_exposition(text);
  EXPECT_NE(text.find(R"(experiment="a \"quoted\" \\ name\nin two lines")"), std::string::npos);
}

TEST(Prom, WhatWasNotMeasuredHasNoSample) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  std::size_t samples = 0;
  for (const std::string& line : lines_of(render_prom(campaign.input()))) {
    if (line.rfind("pollmark_cycles_per_pkt{", 0) == 0) {
      ++samples;
      EXPECT_EQ(line.find("udp_socket"), std::string::npos) << line;
    }
  }
  std::size_t measured = 0;
  for (const CellSummary& cell : campaign.summary.cells) {
    measured += cell.metrics.count("cycles_per_pkt");
  }
  EXPECT_EQ(samples, measured);
  const std::string none = render_prom(support::campaign_without_valid_trials().input());
  EXPECT_EQ(none.find("pollmark_loss_ratio"), std::string::npos);
  EXPECT_EQ(none.find("pollmark_unaccounted_pkts"), std::string::npos);
  EXPECT_NE(none.find("pollmark_trials"), std::string::npos);
}

TEST(Prom, BooksAddUp) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  std::int64_t offered = 0;
  std::int64_t ended = 0;
  for (const std::string& line : lines_of(render_prom(campaign.input()))) {
    const std::size_t space = line.rfind(' ');
    if (line.rfind("pollmark_offered_pkts{", 0) == 0) offered += std::stoll(line.substr(space + 1));
    if (line.rfind("pollmark_unaccounted_pkts{", 0) == 0)
      ended += std::stoll(line.substr(space + 1));
    static const std::regex kFate("pollmark_([a-z_]+)_pkts\\{.*");
    std::smatch match;
    if (!std::regex_match(line, match, kFate)) continue;
    const auto fate = fate_from_name(match[1].str());
    if (!fate) continue;
    const FateKind kind = fate_kind(*fate);
    if (kind == FateKind::loss || kind == FateKind::end)
      ended += std::stoll(line.substr(space + 1));
  }
  EXPECT_GT(offered, 0);
  EXPECT_EQ(offered, ended);
}

TEST(Prom, IsTheGoldenOne) {
  std::ifstream file(std::string(GOLDEN_FOLDER) + "/metrics.prom", std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  EXPECT_EQ(render_prom(support::synthetic_campaign().input()), content.str());
}

}  // namespace
}  // namespace pollmark
