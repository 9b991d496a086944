#include <gtest/gtest.h>

#include <locale>
#include <sstream>

#include "report/readable.h"
#include "report/report.h"
#include "support/synthetic_campaign.h"
#include "texts.h"

namespace pollmark {
namespace {

using support::SyntheticCampaign;

TEST(TerminalText, FitsTheTerminal) {
  const SyntheticCampaign campaign = support::judged_campaign();
  for (int width = 60; width <= 200; width += 7) {
    for (const std::string& line : lines_of(render_text(campaign.input(), width))) {
      EXPECT_LE(columns_of(line), static_cast<std::size_t>(width)) << line;
      EXPECT_TRUE(line.empty() || line.back() != ' ') << line;
    }
  }
  EXPECT_EQ(render_text(campaign.input(), 3), render_text(campaign.input(), 60));
}

TEST(TerminalText, OpensWithQuestionAndAnswer) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  const auto lines = lines_of(render_text(campaign.input(), 120));
  EXPECT_EQ(lines[0], campaign.summary.question);
  EXPECT_EQ(lines[1], "-> " + campaign.summary.answer);
}

TEST(TerminalText, HoldsEveryNumberOfEveryMeasuredCellAtAnyWidth) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  for (const int width : {60, 80, 120, 160}) {
    const std::string text = render_text(campaign.input(), width);
    for (const CellSummary& cell : campaign.summary.cells) {
      for (const char* metric : {"loss_ratio", "latency_p99_ns"}) {
        const auto estimate = cell.metrics.find(metric);
        if (estimate == cell.metrics.end()) continue;
        EXPECT_NE(text.find(metric_text(metric, estimate->second.median)), std::string::npos)
            << width << " " << metric;
      }
    }
  }
}

TEST(TerminalText, SaysNotMeasuredAndNeverZeroForIt) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  for (const std::string& line : lines_of(render_text(campaign.input(), 120))) {
    if (line.find("udp_socket  400 kpps") == std::string::npos) continue;
    EXPECT_NE(line.find("not measured"), std::string::npos) << line;
  }
}

TEST(TerminalText, ShowsOnlyMeasuredFatesAndAlwaysUnaccounted) {
  const std::string text = render_text(support::synthetic_campaign().input(), 100);
  EXPECT_NE(text.find("- unaccounted_pkts"), std::string::npos);
  EXPECT_EQ(text.find("tx_lost_pkts"), std::string::npos);
  SyntheticCampaign open = support::synthetic_campaign();
  open.summary.cells[0].ledger.add(Fate::rx_missed, -7);
  const std::string broken = render_text(open.input(), 100);
  EXPECT_NE(broken.find("the books do not close"), std::string::npos);
  EXPECT_NE(broken.find("7  the books"), std::string::npos);
}

TEST(TerminalText, SaysWhereFramesDiedInTheKernelsWords) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  EXPECT_EQ(render_text(campaign.input(), 100).find("where they died"), std::string::npos);
  DroppedAt place;
  place.side = "receiver";
  place.reason = "IP_LOCALNET";
  place.function = "ip_rcv_finish_core";
  place.cause = "a martian";
  place.pkts = 1234;
  place.fate = Fate::kernel_other;
  campaign.summary.cells[0].drops = {place};
  const std::string text = render_text(campaign.input(), 100);
  EXPECT_NE(text.find("kernel_other: IP_LOCALNET in ip_rcv_finish_core, receiver: 1 234 packets\n"
                      "        a martian\n"),
            std::string::npos)
      << text;
}

TEST(TerminalText, GivesReasonsForWhatHasNoNumber) {
  const std::string text = render_text(support::synthetic_campaign().input(), 200);
  EXPECT_NE(text.find("reta has 4 weights for 1 queue"), std::string::npos);
  EXPECT_NE(text.find("isolate a core for the receiver"), std::string::npos);
  EXPECT_NE(text.find("generator_short x8"), std::string::npos);
  EXPECT_NE(text.find("rx_offloads=checksum (confirmed, effective checksum): 9 cells"),
            std::string::npos);
}

TEST(TerminalText, CapturesAreSummedByEndWithWhatTheyLack) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  ASSERT_GE(campaign.trials.size(), 2U);
  TapAccount capture;
  capture.at = CaptureAt::receiver;
  capture.file = "capture/0-receiver.pcapng";
  capture.written_pkts = 1500;
  capture.beyond_limit_pkts = 7;
  campaign.trials[0].captures = {capture};
  capture.written_pkts = 0;
  capture.beyond_limit_pkts = 0;
  capture.file.clear();
  capture.shares_cpu_with = "sender";
  campaign.trials[1].captures = {capture};
  campaign.trials[1].order.group = campaign.trials[0].order.group;
  campaign.trials[1].order.capture.trigger = CaptureTrigger::first_loss;
  const std::string text = render_text(campaign.input(), 300);
  EXPECT_NE(text.find("Captures, whose cost is in the CPU figures"), std::string::npos);
  EXPECT_NE(text.find("at the receiver: 1 file with 1 500 frames; 7 beyond the limit, none not "
                      "captured; no loss, and so no file, in 1 trial; its thread shared a CPU with "
                      "the sender"),
            std::string::npos)
      << text;
}

TEST(TerminalText, OfACampaignWithoutValidTrialsIsReasons) {
  const std::string text = render_text(support::campaign_without_valid_trials().input(), 120);
  EXPECT_NE(text.find("No valid trial"), std::string::npos);
  EXPECT_NE(text.find("too_disturbed"), std::string::npos);
  EXPECT_EQ(text.find("offered_pkts"), std::string::npos);
  EXPECT_EQ(text.find(" 0 %"), std::string::npos);
}

TEST(TerminalText, LetsNoEscapeSequenceThrough) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  campaign.summary.cells[0].cell["reta"] = "\x1b[2J";
  campaign.provenance.warnings.push_back("\x07");
  for (const char c : render_text(campaign.input(), 100)) {
    EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 || c == '\n');
  }
}

TEST(TerminalText, IsTheGoldenOne) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  EXPECT_EQ(render_text(campaign.input(), 120), content_of(GOLDEN_FOLDER "/report.txt"));
  EXPECT_EQ(render_text(campaign.input(), 80), content_of(GOLDEN_FOLDER "/report_80.txt"));
}

class CommaDecimal : public std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

TEST(Report, IsTheSameUnderACommaDecimalLocale) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  const ReportInput input = campaign.input();
  const auto all = [&] {
    return render_text(input, 100) + render_html(input) + render_csv(input) + render_prom(input) +
           summary_json(input).dump();
  };
  const std::string plain = all();
  const std::locale before =
      std::locale::global(std::locale(std::locale::classic(), new CommaDecimal));
  std::ostringstream probe;
  probe << 1234.5;
  const std::string comma = all();
  std::locale::global(before);
  EXPECT_EQ(probe.str(), "1.234,5") << "the locale did not act";
  EXPECT_EQ(comma, plain);
}

}  // namespace
}  // namespace pollmark
