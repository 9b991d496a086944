#include "report/view.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "support/synthetic_campaign.h"

namespace pollmark {
namespace {

using support::SyntheticCampaign;

RC_GTEST_PROP(LatencyCurve, EndsWhereFewerThanTenSamplesRemain, ()) {
  LatencyHistogram histogram;
  const int samples = *rc::gen::inRange(0, 40000);
  for (int i = 0; i < samples; ++i) histogram.record(100 + i);
  const auto curve = latency_curve(histogram, "rx");
  if (samples < 10) {
    RC_ASSERT(!curve.has_value());
    return;
  }
  RC_ASSERT(curve.has_value());
  RC_ASSERT(curve->points.front().percent == 0.0);
  RC_ASSERT(curve->points.back().percent == curve->cut_percent);
  double last = -1.0;
  std::int64_t last_ns = 0;
  for (const CurvePoint& point : curve->points) {
    RC_ASSERT(point.percent > last);
    RC_ASSERT(point.ns >= last_ns);
    RC_ASSERT(samples * (1.0 - point.percent / 100.0) >= 10.0 - 1e-6);
    RC_ASSERT(point.ns == *histogram.percentile(point.percent));
    last = point.percent;
    last_ns = point.ns;
  }
  // Not cut early: a quarter nearer to 100 % would be too few.
  RC_ASSERT(samples * (1.0 - curve->cut_percent / 100.0) * 0.75 < 10.0);
}

TEST(View, SeparatesWhatVariesFromWhatIsFixed) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  for (CellSummary& cell : campaign.summary.cells) cell.cell["frame"] = "64";
  const ReportInput input = campaign.input();
  const View view = view_of(input);
  ASSERT_EQ(view.groups.size(), 2U);
  std::vector<std::string> names;
  for (const ShownFactor& factor : view.groups[0].factors) names.push_back(factor.factor);
  EXPECT_EQ(names, (std::vector<std::string>{"rx_offloads", "queues", "reta", "rx_ring"}));
  EXPECT_EQ(view.groups[0].factors[3].levels, (std::vector<std::string>{"128", "512", "2048"}));
  EXPECT_EQ(view.groups[0].fixed,
            (std::vector<std::pair<std::string, std::string>>{{"frame", "64"}}));
  EXPECT_EQ(view.groups[0].cells[0].label, "rx_offloads=none queues=1 reta=equal rx_ring=128");
}

TEST(View, SumsBooksOfAPathAndSaysHowManyCellsCountAFate) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  const ReportInput input = campaign.input();
  const View view = view_of(input);
  for (const ShownGroup& group : view.groups) {
    for (const ShownBooks& books : group.books) {
      std::int64_t offered = 0;
      std::int64_t received = 0;
      for (const ShownCell& cell : group.cells) {
        if (cell.summary->path != books.path) continue;
        offered += cell.summary->ledger.offered_pkts();
        received += cell.summary->ledger.pkts_or_zero(Fate::received);
      }
      EXPECT_EQ(books.ledger.offered_pkts(), offered);
      EXPECT_EQ(books.ledger.pkts_or_zero(Fate::received), received);
      EXPECT_EQ(books.ledger.unaccounted_pkts(), 0);
      EXPECT_EQ(books.counting_cells.at(Fate::received), books.cells);
    }
  }
  // A path's books never take another path's fates in.
  ASSERT_EQ(view.groups[1].books.size(), 2U);
  EXPECT_FALSE(view.groups[1].books[0].ledger.pkts(Fate::kernel_packet_ring).has_value());
  EXPECT_FALSE(view.groups[1].books[1].ledger.pkts(Fate::kernel_socket_buffer).has_value());
}

TEST(View, ShowsEveryMeasuredCellOfARingFactorOnceInThePlots) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  const ReportInput input = campaign.input();
  const View view = view_of(input);
  std::set<std::size_t> rings;
  std::set<std::size_t> curves;
  std::set<std::size_t> heat;
  const ShownGroup& group = view.groups[0];
  for (const Panel& panel : group.ring_panels) {
    EXPECT_LE(panel.series.size(), 6U);
    for (const Series& series : panel.series) {
      for (const std::size_t c : series.cells) EXPECT_TRUE(rings.insert(c).second);
    }
  }
  for (const Panel& panel : group.curve_panels) {
    for (const Series& series : panel.series) {
      for (const std::size_t c : series.cells) EXPECT_TRUE(curves.insert(c).second);
    }
  }
  for (const HeatPanel& panel : group.heat_panels) {
    for (const auto& row : panel.cells) {
      for (const auto& c : row) {
        if (c) {
          EXPECT_TRUE(heat.insert(*c).second);
        }
      }
    }
  }
  for (std::size_t c = 0; c < group.cells.size(); ++c) {
    const std::size_t wanted = group.cells[c].state == CellState::measured ? 1U : 0U;
    EXPECT_EQ(rings.count(c), wanted);
    EXPECT_EQ(curves.count(c), wanted);
    EXPECT_EQ(heat.count(c), wanted);
  }
}

TEST(View, ManySeriesBecomeMorePanelsNotMoreLines) {
  Summary summary;
  summary.metric = "loss_ratio";
  for (int offload = 0; offload < 9; ++offload) {
    for (const char* ring : {"64", "128"}) {
      CellSummary cell;
      cell.group = "many";
      cell.cell = {{"rx_offloads", "made-up-" + std::to_string(offload)}, {"rx_ring", ring}};
      cell.trials = 1;
      cell.valid = 1;
      cell.metrics["loss_ratio"] = {0.1, std::nullopt, 1};
      summary.cells.push_back(cell);
    }
  }
  ReportInput input;
  input.summary = summary;
  const View view = view_of(input);
  EXPECT_EQ(view.groups[0].ring_panels.size(), 9U);
  for (const Panel& panel : view.groups[0].ring_panels) EXPECT_LE(panel.series.size(), 6U);
}

TEST(View, NamesTheStateOfEachCell) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  const ReportInput input = campaign.input();
  const View view = view_of(input);
  EXPECT_EQ(view.cells_measured, 21);
  EXPECT_EQ(view.cells_not_run, 6);
  EXPECT_EQ(view.cells_no_valid_trial, 1);
  EXPECT_EQ(view.invalid.size(),
            static_cast<std::size_t>(campaign.summary.trials - campaign.summary.valid));
  ASSERT_EQ(view.not_exercised.size(), 1U);
  EXPECT_EQ(view.not_exercised[0].factor, "rx_offloads");
  EXPECT_EQ(view.not_exercised[0].requested, "checksum");
  EXPECT_EQ(view.not_exercised[0].cells, 9);
  EXPECT_EQ(view.not_exercised[0].evidence, "made up: no verdict was seen");
}

TEST(View, DrawsTheSetUpFromTheTrialsAndNotWithoutThem) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  ReportInput input = campaign.input();
  const View view = view_of(input);
  ASSERT_EQ(view.groups[0].setup.size(), 5U);
  EXPECT_EQ(view.groups[0].setup[1].facts[0], "modelled 25 Gbps");
  EXPECT_EQ(view.groups[0].setup[1].facts[1], "stalls every 1 ms for 20 us");
  EXPECT_EQ(view.groups[0].setup[2].facts[1], "1, 4 queues");
  EXPECT_EQ(view.groups[0].setup[2].facts[2], "128, 512, 2048 descriptors");
  EXPECT_EQ(view.groups[0].most_queues, 4);
  input.trials = nullptr;
  EXPECT_TRUE(view_of(input).groups[0].setup.empty());
}

TEST(View, TheBaselineIsKnownByTheFactorsThatAGroupHas) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  campaign.baseline = {{"rx_ring", "512"}, {"path", "udp_socket"}};
  const ReportInput input = campaign.input();
  for (const ShownGroup& group : view_of(input).groups) {
    for (const ShownCell& cell : group.cells) {
      const bool wanted = group.name == "synthetic-model"
                              ? cell.summary->cell.at("rx_ring") == "512"
                              : cell.summary->cell.at("path") == "udp_socket";
      EXPECT_EQ(cell.baseline, wanted) << cell.label;
    }
  }
  campaign.baseline.clear();
  const ReportInput unsaid = campaign.input();
  EXPECT_FALSE(view_of(unsaid).groups[0].cells[1].baseline);
}

TEST(View, KernelAndDpdkAreComparedOnlyWhereBothHaveNumbers) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  ReportInput input = campaign.input();
  EXPECT_FALSE(view_of(input).groups[0].compares_kernel);
  EXPECT_TRUE(view_of(input).groups[1].compares_kernel);
  for (CellSummary& cell : input.summary.cells) {
    if (cell.path == Path::udp_socket) cell.valid = 0;
  }
  EXPECT_FALSE(view_of(input).groups[1].compares_kernel);
}

}  // namespace
}  // namespace pollmark
