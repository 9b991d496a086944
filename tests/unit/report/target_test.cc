// A target and the stall model in every output.
#include <gtest/gtest.h>

#include "report/report.h"
#include "support/synthetic_campaign.h"

namespace pollmark {
namespace {

using support::SyntheticCampaign;

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

SyntheticCampaign targeted() {
  SyntheticCampaign campaign = support::synthetic_campaign();
  TargetAnswer answer;
  answer.target.rate = {LoadUnit::l2_bps, 20e9};
  answer.target.frame = "imix";
  answer.target.loss_ratio = 1e-6;
  answer.target.cores = 4;
  answer.sentence = "20 Gbps L2: made up";
  for (const CellSummary& cell : campaign.summary.cells) {
    CellTarget judged;
    judged.group = cell.group;
    judged.cell = cell.cell;
    judged.target_pps = 7e6;
    judged.criteria.push_back({"loss", TargetVerdict::cannot_tell, "too few, and no more"});
    judged.sentence = "too few, and no more";
    answer.cells.push_back(judged);
  }
  answer.cells.front().verdict = TargetVerdict::yes;
  answer.cells.front().headroom_low = 0.25;
  campaign.summary.target = answer;
  return campaign;
}

TEST(TargetReport, EveryOutputHasIt) {
  const SyntheticCampaign campaign = targeted();
  const std::string text = render_text(campaign.input(), 120);
  EXPECT_TRUE(holds(text, "-> Target 20 Gbps L2: made up\n"));
  EXPECT_TRUE(holds(text, "\nAgainst the target\n"));
  EXPECT_TRUE(holds(text, "model: too few, and no more\n"));
  const std::string page = render_html(campaign.input());
  EXPECT_TRUE(holds(page, "Target 20 Gbps L2: made up"));
  EXPECT_TRUE(holds(page, "<h2>Against the target</h2>"));
  EXPECT_TRUE(holds(page, ">cannot tell</span>"));
  const std::string csv = render_csv(campaign.input());
  EXPECT_TRUE(holds(csv, ",target_headroom,ratio,,0.25,,,,"));
  EXPECT_TRUE(holds(csv, ",\"too few, and no more\"\n"));
}

TEST(TargetReport, JsonHoldsEveryNumber) {
  const Json json = summary_json(targeted().input()).at("target");
  EXPECT_EQ(json.at("rate"), "20 Gbps L2");
  EXPECT_EQ(json.at("frame"), "imix");
  EXPECT_EQ(json.at("loss_ratio"), 1e-6);
  EXPECT_TRUE(json.at("p99_ns").is_null());
  EXPECT_EQ(json.at("cores"), 4);
  const Json& first = json.at("cells").at(0);
  EXPECT_EQ(first.at("verdict"), "yes");
  EXPECT_EQ(first.at("target_pps"), 7e6);
  EXPECT_EQ(first.at("headroom_low"), 0.25);
  EXPECT_TRUE(first.at("headroom_high").is_null());
  EXPECT_EQ(first.at("criteria").at(0).at("name"), "loss");
  EXPECT_EQ(json.at("cells").at(1).at("verdict"), "cannot tell");
}

TEST(TargetReport, NothingOfItWhereNoneWasAsked) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  EXPECT_FALSE(holds(render_text(campaign.input(), 120), "Target"));
  EXPECT_FALSE(holds(render_html(campaign.input()), "Against the target"));
  EXPECT_FALSE(holds(render_csv(campaign.input()), "target_headroom"));
  EXPECT_TRUE(summary_json(campaign.input()).at("target").is_null());
}

TEST(MissCurveReport, ThePlotHasTheModelBesideTheMeasurement) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  EXPECT_FALSE(holds(render_html(campaign.input()), "curve model"));
  EXPECT_FALSE(holds(render_csv(campaign.input()), "predicted_missed_ratio"));
  for (CellSummary& cell : campaign.summary.cells) {
    const auto missed = cell.metrics.find("rx_missed_ratio");
    if (missed != cell.metrics.end() && missed->second.median > 0.0)
      cell.predicted_missed_ratio = 1.1 * missed->second.median;
  }
  const std::string page = render_html(campaign.input());
  EXPECT_TRUE(holds(page, " curve model\" d=\"M"));
  EXPECT_TRUE(holds(page, "what the stall model says"));
  EXPECT_TRUE(holds(page, "No measurement."));
  EXPECT_TRUE(holds(render_csv(campaign.input()), ",predicted_missed_ratio,ratio,"));
  bool any = false;
  const Json json = summary_json(campaign.input());
  for (const Json& cell : json.at("cells"))
    any = any || cell.at("predicted_missed_ratio").is_number();
  EXPECT_TRUE(any);
}

}  // namespace
}  // namespace pollmark
