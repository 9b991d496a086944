#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "report/report.h"
#include "support/synthetic_campaign.h"

namespace pollmark {
namespace {

using support::SyntheticCampaign;

TEST(SummaryJson, HoldsEveryCellInPlanOrder) {
  const SyntheticCampaign campaign = support::synthetic_campaign();
  const Json json = summary_json(campaign.input());
  ASSERT_EQ(json["cells"].size(), campaign.summary.cells.size());
  for (std::size_t i = 0; i < json["cells"].size(); ++i) {
    const CellSummary& cell = campaign.summary.cells[i];
    EXPECT_EQ(json["cells"][i]["group"], cell.group);
    for (const auto& [factor, level] : cell.cell) {
      EXPECT_EQ(json["cells"][i]["cell"][factor], level);
    }
    for (const auto& [metric, estimate] : cell.metrics) {
      EXPECT_EQ(json["cells"][i]["metrics"][metric]["median"], estimate.median);
    }
  }
}

TEST(SummaryJson, AbsentIsNullNeverZero) {
  const Json json = summary_json(support::synthetic_campaign().input());
  const Json& socket = json["cells"][24];
  ASSERT_EQ(socket["path"], "udp_socket");
  EXPECT_TRUE(socket["metrics"]["cycles_per_pkt"].is_null());
  EXPECT_TRUE(socket["ledger"]["rx_missed_pkts"].is_null());
  EXPECT_EQ(socket["ledger"]["kernel_qdisc_pkts"], 0);
  const Json& refused = json["cells"][3];
  ASSERT_EQ(refused["state"], "not_run");
  EXPECT_TRUE(refused["ledger"].is_null());
  EXPECT_TRUE(refused["latency_curve"].is_null());
  const Json none = summary_json(support::campaign_without_valid_trials().input());
  EXPECT_TRUE(none["offered_pkts"].is_null());
  EXPECT_TRUE(none["unaccounted_pkts"].is_null());
}

TEST(SummaryJson, ZeroLossIsZeroNotNull) {
  const Json json = summary_json(support::synthetic_campaign().input());
  const Json& cell = json["cells"][8];
  ASSERT_EQ(cell["label"], "rx_offloads=none queues=4 reta=equal rx_ring=2048");
  EXPECT_EQ(cell["metrics"]["loss_ratio"]["median"], 0.0);
  EXPECT_EQ(cell["ledger"]["rx_missed_pkts"], 0);
}

TEST(SummaryJson, BooksOfEveryGroupClose) {
  const Json json = summary_json(support::synthetic_campaign().input());
  for (const Json& group : json["groups"]) {
    for (const Json& books : group["books"]) {
      std::int64_t sum = books["unaccounted_pkts"].get<std::int64_t>();
      for (const auto& [name, pkts] : books["ledger"].items()) {
        const auto fate = fate_from_name(name.substr(0, name.size() - 5));
        ASSERT_TRUE(fate.has_value()) << name;
        if (pkts.is_null()) continue;
        const FateKind kind = fate_kind(*fate);
        if (kind == FateKind::loss || kind == FateKind::end) sum += pkts.get<std::int64_t>();
      }
      EXPECT_EQ(books["offered_pkts"], sum);
    }
  }
}

TEST(SummaryJson, CanBeWrittenWhateverTheNamesHold) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  campaign.provenance.host["hostname"] = "bad\xff\x01name";
  campaign.summary.cells[0].cell["ring\xfe"] = "\x80";
  const std::string text = summary_json(campaign.input()).dump();
  EXPECT_NE(text.find("bad\uFFFD\uFFFDname"), std::string::npos);
}

TEST(SummaryJson, IsTheGoldenOne) {
  std::ifstream file(std::string(GOLDEN_FOLDER) + "/summary.json", std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  EXPECT_EQ(summary_json(support::synthetic_campaign().input()).dump(2) + "\n", content.str());
}

}  // namespace
}  // namespace pollmark
