#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/report.h"
#include "report/rfc2544_sections.h"
#include "support/ringed_device.h"
#include "texts.h"

namespace pollmark {
namespace {

using support::RingedDevice;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// Two rings at 64 bytes, and a size at which the device keeps up with the line.
ReportInput measured() {
  const Rfc2544Order order = support::short_tests();
  Question question;
  question.name = "tested";
  question.metric = "throughput_mpps";
  question.rfc2544 = order;
  std::vector<TrialResult> trials;
  std::vector<SearchResult> searches;
  const auto add = [&](int frame_bytes, int rx_ring, double capacity_pps) {
    RingedDevice device;
    device.capacity_pps = capacity_pps;
    device.stand_in_cell(frame_bytes, rx_ring);
    question.cells.push_back({"main", device.base.cell, Path::model, {}});
    searches.push_back(device.searched(order));
    const std::vector<TrialResult> own =
        device.all_trials(order, searches.back(), static_cast<std::int64_t>(trials.size()));
    trials.insert(trials.end(), own.begin(), own.end());
  };
  add(64, 256, 10e6);
  add(64, 1024, 10e6);
  add(512, 1024, 99e6);
  ReportInput input;
  input.summary = summarise(question, trials, searches);
  input.folder = "results/tested";
  return input;
}

const Rfc2544Section& section_of(const std::vector<Rfc2544Section>& sections, Rfc2544Test test) {
  for (const Rfc2544Section& section : sections)
    if (section.test == test) return section;
  PM_CHECK(false);
}

TEST(Rfc2544Report, HasATableForEachTestAsSection26AsksForIt) {
  const ReportInput input = measured();
  const auto sections = rfc2544_sections(*input.summary.rfc2544);
  ASSERT_THAT(sections, SizeIs(6));
  const Rfc2544Section& throughput = section_of(sections, Rfc2544Test::throughput);
  EXPECT_THAT(throughput.table.rows.at(0), ElementsAre("main rx_ring=256 (model, not a NIC)", "64",
                                                       "14.9 Mfps", "10.0 Mfps", "67.2 %", "1"));
  EXPECT_THAT(throughput.table.rows.at(2).at(3), HasSubstr("(the highest load)"));
  EXPECT_THAT(throughput.sentences, Contains(HasSubstr("with frames of 512 bytes")));
  EXPECT_THAT(section_of(sections, Rfc2544Test::latency).table.rows, SizeIs(3));
  EXPECT_THAT(section_of(sections, Rfc2544Test::frame_loss_rate).table.rows.at(0).at(3),
              HasSubstr("100 %: 20.00 %, 90 %: 11.11 %, 80 %: 0"));
  const Rfc2544Section& bursts = section_of(sections, Rfc2544Test::back_to_back);
  ASSERT_THAT(bursts.table.rows, SizeIs(2));
  EXPECT_EQ(bursts.table.rows.at(1).at(2), "5120.0");
  EXPECT_EQ(bursts.table.rows.at(1).back(), "1024.0");
  EXPECT_THAT(bursts.sentences,
              ElementsAre(HasSubstr("main frame=64: the corrected buffer grows by 1 frames for "
                                    "each descriptor"),
                          HasSubstr("not applicable: the throughput is the highest load")));
  EXPECT_THAT(bursts.sentences.back(), HasSubstr("(rx_ring=1024, 512 bytes)"));
  EXPECT_THAT(section_of(sections, Rfc2544Test::system_recovery).table.rows.at(0),
              Contains("1.00 ms"));
  const Rfc2544Section& reset = section_of(sections, Rfc2544Test::reset);
  EXPECT_THAT(reset.table.rows, IsEmpty());
  EXPECT_THAT(reset.sentences, ElementsAre(HasSubstr("not applicable: needs a port")));
}

TEST(Rfc2544Report, ChartsHoldTheoreticalAndMeasuredLinesAndTheBufferAgainstTheRing) {
  const ReportInput input = measured();
  const auto sections = rfc2544_sections(*input.summary.rfc2544);
  const LineChart& throughput = section_of(sections, Rfc2544Test::throughput).charts.at(0);
  std::vector<std::string> labels;
  for (const LineChart::Line& line : throughput.lines) labels.push_back(line.label);
  EXPECT_THAT(labels,
              ElementsAre("theoretical", "measured, rx_ring=256", "measured, rx_ring=1024"));
  EXPECT_THAT(throughput.lines[0].points, SizeIs(2));
  EXPECT_NEAR(throughput.lines[0].points[0].y, 14'880'952.0, 1.0);
  const LineChart& buffer = section_of(sections, Rfc2544Test::back_to_back).charts.at(0);
  ASSERT_THAT(buffer.lines, SizeIs(2));
  EXPECT_DOUBLE_EQ(buffer.lines[0].points[1].x, 1024.0);
  EXPECT_NEAR(buffer.lines[0].points[1].y, 1024.0, 0.1);
  Markup out;
  draw_lines(out, buffer, legend_of(buffer));
  const std::string svg = out.take();
  EXPECT_THAT(svg, HasSubstr("data-x=\"1024\""));
  EXPECT_THAT(svg, HasSubstr("rx_ring 1024: 1024.0 frames"));
}

TEST(Rfc2544Report, IsInTextAndPageWithItsTitleAndTheModelNamed) {
  const ReportInput input = measured();
  for (const std::string& text : {render_text(input, 200), render_html(input)}) {
    EXPECT_THAT(text, HasSubstr("Tests after RFC 2544, shortened"));
    EXPECT_THAT(text, Not(HasSubstr("Tests of RFC 2544")));
    EXPECT_THAT(text, HasSubstr("less than RFC 2544 and RFC 9004 ask: trials of 1.00 s (60.0 s)"));
    EXPECT_THAT(text, HasSubstr("Back-to-back frames (26.4, RFC 9004)"));
    EXPECT_THAT(text, HasSubstr("1024.0"));
    EXPECT_THAT(text, HasSubstr("(model, not a NIC)"));
  }
  for (const int width : {60, 100, 200}) {
    for (const std::string& line : lines_of(render_text(input, width)))
      EXPECT_LE(line.size(), static_cast<std::size_t>(width)) << line;
  }
}

TEST(Rfc2544Report, JsonHoldsEveryNumberAndNullForWhatHasNone) {
  const ReportInput input = measured();
  const Json json = summary_json(input).at("rfc2544");
  EXPECT_EQ(json["title"], "after RFC 2544, shortened");
  EXPECT_EQ(json["settings"]["preset"], "short");
  EXPECT_EQ(json["cells"].size(), 3U);
  const Json& cell = json["cells"][1];
  EXPECT_DOUBLE_EQ(cell["burst_pkts"]["mean"], 5120.0);
  EXPECT_EQ(cell["burst_pkts"]["repetitions"], 5);
  EXPECT_NEAR(cell["buffer"]["corrected_pkts"], 1024.0, 0.1);
  EXPECT_DOUBLE_EQ(cell["throughput_pps"]["mean"], 10e6);
  EXPECT_TRUE(cell["model"]);
  EXPECT_TRUE(json["cells"][2]["burst_pkts"].is_null());
  EXPECT_EQ(json["cells"][2]["without"]["back_to_back"]["kind"], "not applicable");
  EXPECT_NEAR(json["buffer_lines"][0]["slope"], 1.0, 0.001);
  ReportInput other;
  EXPECT_TRUE(summary_json(other).at("rfc2544").is_null());
}

TEST(Rfc2544Report, CsvHasOneRowPerQuantityAndLoadAndEmptyForWhatHasNone) {
  const std::vector<std::string> lines = lines_of(render_rfc2544_csv(measured()));
  EXPECT_EQ(lines.at(0),
            "group,rx_ring,path,frame,test,quantity,unit,load_percent,mean,least,most,stddev,"
            "repetitions,remark");
  EXPECT_THAT(lines, Contains("main,1024,model,64,back_to_back,burst,pkts,,5120,5120,5120,0,5,"
                              "\"after RFC 2544, shortened\""));
  EXPECT_THAT(lines, Contains(HasSubstr("main,256,model,64,frame_loss_rate,frame_loss,%,90,")));
  EXPECT_THAT(lines, Contains(HasSubstr("main,1024,model,512,back_to_back,burst,pkts,,,,,,0,\"not "
                                        "applicable: the throughput")));
  EXPECT_THAT(lines, Contains(HasSubstr("64,reset,reset,s,,,,,,0,not applicable")));
}

}  // namespace
}  // namespace pollmark
