#include "report/sizing_report.h"

#include <gtest/gtest.h>

namespace pollmark {
namespace {

SizingReport report() {
  SizingReport report;
  report.folder = "results/a";
  report.order.target.rate = {LoadUnit::pps, 10e6};
  report.order.target.loss_ratio = 1e-6;
  SizedSetting setting;
  setting.group = "main";
  setting.cell = {{"stage", "touch"}};
  setting.blocks = 6;
  setting.target_pps = 10e6;
  setting.cores = Estimate{2.0, Interval{2.0, 3.0, 0.969}, 6};
  setting.cores_advised = 3;
  setting.queues_advised = 3;
  setting.ceilings = {{"line", 37e6, "25 Gbps"}, {"pcie", 21e6, "gen3 x16"}};
  setting.verdict = TargetVerdict::yes;
  setting.figures = {{"cores", "2 [2, 3]", FigureSource::model},
                     {"core time a frame", "100 ns", FigureSource::measured},
                     {"stalls", "every 1 ms", FigureSource::stated}};
  setting.assumptions = {"the NIC sets no limit"};
  setting.sentence = "yes: 3 cores";
  report.settings.push_back(setting);
  SizedSetting refused;
  refused.group = "main";
  refused.cell = {{"stage", "none"}};
  refused.refused = "beyond 4 times";
  report.settings.push_back(refused);
  CellSummary cell;
  cell.group = "main";
  cell.cell = {{"rx_ring", "64"}};
  cell.metrics["rx_missed_ratio"] = Estimate{0.010, std::nullopt, 3};
  cell.predicted_missed_ratio = 0.012;
  report.cells.push_back(cell);
  return report;
}

TEST(SizingReport, MeasuredStatedAndModelAreApartInThisOrder) {
  EXPECT_EQ(render_sizing(report(), 100),
            "10 Mpps, loss up to 1.0e-06, from results/a\n"
            "\n"
            "main, model: stage=touch\n"
            "-> yes: 3 cores\n"
            "  measured\n"
            "    core time a frame: 100 ns\n"
            "  stated\n"
            "    stalls: every 1 ms\n"
            "  model says\n"
            "    cores: 2 [2, 3]\n"
            "  assumed\n"
            "    the NIC sets no limit\n"
            "\n"
            "main, model: stage=none\n"
            "  not sized: beyond 4 times\n"
            "\n"
            "Missed frames: measured, and what the stall model says\n"
            "  main: rx_ring=64: measured 1.00 %, model says 1.20 %, a factor of 1.20\n");
}

TEST(SizingReport, ACutRecordIsSaid) {
  SizingReport cut = report();
  cut.last_record_cut = true;
  EXPECT_NE(render_sizing(cut, 100).find("the last record is cut short and left out"),
            std::string::npos);
}

TEST(SizingReport, JsonHoldsEveryNumber) {
  const Json json = sizing_json(report());
  const Json& first = json.at("settings").at(0);
  EXPECT_EQ(first.at("cores").at("high"), 3.0);
  EXPECT_EQ(first.at("cores_advised"), 3);
  EXPECT_TRUE(first.at("ring").is_null());
  EXPECT_TRUE(first.at("ring_advised").is_null()) << "absent is not 0";
  EXPECT_EQ(first.at("ceilings").at(0).at("binds"), false);
  EXPECT_EQ(first.at("ceilings").at(1).at("binds"), true);
  EXPECT_EQ(first.at("figures").at(1).at("source"), "measured");
  EXPECT_EQ(json.at("settings").at(1).at("refused"), "beyond 4 times");
  EXPECT_FALSE(json.at("settings").at(1).contains("cores"));
  EXPECT_EQ(json.at("missed").at(0).at("predicted_missed_ratio"), 0.012);
}

TEST(SizingReport, HowFarApartTwoRatiosAre) {
  EXPECT_DOUBLE_EQ(apart(0.03, 0.02).value(), 1.5);
  EXPECT_DOUBLE_EQ(apart(0.02, 0.03).value(), 1.5);
  EXPECT_FALSE(apart(0.0, 0.02).has_value());
  EXPECT_FALSE(apart(0.02, 0.0).has_value());
}

}  // namespace
}  // namespace pollmark
