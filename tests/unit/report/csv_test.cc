#include <gtest/gtest.h>

#include "report/report.h"
#include "support/synthetic_campaign.h"
#include "texts.h"

namespace pollmark {
namespace {

using support::SyntheticCampaign;

std::vector<std::vector<std::string>> read_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1);
  std::string field;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"') {
        field += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        field += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',' || c == '\n') {
      rows.back().push_back(field);
      field.clear();
      if (c == '\n' && i + 1 < text.size()) rows.emplace_back();
    } else {
      field += c;
    }
  }
  return rows;
}

TEST(Csv, HasOneRowPerCellAndMetric) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  const auto rows = read_csv(render_csv(campaign.input()));
  EXPECT_EQ(rows.size(), 1 + campaign.summary.cells.size() * all_metrics().size());
  EXPECT_EQ(rows[0],
            (std::vector<std::string>{"group", "load", "queues", "reta", "rx_offloads", "rx_ring",
                                      "path", "metric", "unit", "median", "low", "high",
                                      "confidence", "values", "trials", "valid", "attributes"}));
  for (const auto& row : rows) EXPECT_EQ(row.size(), rows[0].size());
}

TEST(Csv, NumbersAreThoseOfTheSummaryAndAbsentIsEmpty) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  const auto rows = read_csv(render_csv(campaign.input()));
  std::size_t r = 1;
  for (const CellSummary& cell : campaign.summary.cells) {
    for (const MetricFacts& facts : all_metrics()) {
      const auto& row = rows[r++];
      EXPECT_EQ(row[0], cell.group);
      EXPECT_EQ(row[7], facts.name);
      const auto estimate = cell.metrics.find(facts.name);
      if (estimate == cell.metrics.end()) {
        EXPECT_EQ(row[9], "");
        EXPECT_EQ(row[13], "0");
        continue;
      }
      EXPECT_EQ(std::stod(row[9]), estimate->second.median);
      if (estimate->second.interval) {
        EXPECT_EQ(std::stod(row[10]), estimate->second.interval->low);
        EXPECT_EQ(std::stod(row[11]), estimate->second.interval->high);
      } else {
        EXPECT_EQ(row[10] + row[11] + row[12], "");
      }
      EXPECT_EQ(row[13], std::to_string(estimate->second.values));
    }
  }
}

TEST(Csv, QuotesWhatItMust) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  campaign.summary.cells[0].cell["reta"] = "3,1 \"odd\"\nline";
  const auto rows = read_csv(render_csv(campaign.input()));
  EXPECT_EQ(rows.size(), 1 + campaign.summary.cells.size() * all_metrics().size());
  EXPECT_EQ(rows[1][3], "3,1 \"odd\"\nline");
}

TEST(Csv, IsTheGoldenOne) {
  EXPECT_EQ(render_csv(support::synthetic_campaign().input()),
            content_of(GOLDEN_FOLDER "/summary.csv"));
}

}  // namespace
}  // namespace pollmark
