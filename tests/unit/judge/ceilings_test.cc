#include "judge/ceilings.h"

#include <gtest/gtest.h>

namespace pollmark {
namespace {

// The sheet of methods, section 9.4.
TEST(Pcie, RatesOfTheLinks) {
  EXPECT_NEAR(pcie_raw_bps({3, 8}), 63.0e9, 0.05e9);
  EXPECT_NEAR(pcie_raw_bps({3, 16}), 126.0e9, 0.05e9);
  EXPECT_NEAR(pcie_raw_bps({4, 8}), 126.0e9, 0.05e9);
  EXPECT_NEAR(pcie_raw_bps({4, 16}), 252.1e9, 0.05e9);
  EXPECT_NEAR(pcie_raw_bps({5, 16}), 504.1e9, 0.05e9);
  EXPECT_NEAR(pcie_payload_bps({3, 8}), 57.9e9, 0.05e9);
  EXPECT_NEAR(pcie_payload_bps({3, 16}), 113.7e9, 0.05e9);
  EXPECT_NEAR(pcie_payload_bps({4, 16}), 227.4e9, 0.05e9);
  EXPECT_NEAR(pcie_payload_bps({5, 16}), 454.8e9, 0.05e9);
}

TEST(Pcie, FramesOf64BytesByCompletionsAWrite) {
  const struct {
    int generation;
    double mpps[3];  // with 1, 4 and 8 completions a write
  } kRows[] = {{3, {114, 133, 137}}, {4, {228, 266, 274}}, {5, {456, 533, 548}}};
  for (const auto& row : kRows) {
    const double completions[] = {1.0, 4.0, 8.0};
    for (std::size_t i = 0; i < 3; ++i) {
      const PcieReceive receive{.completions_per_write = completions[i]};
      EXPECT_NEAR(pcie_receive_pps({row.generation, 16}, 64.0, receive) / 1e6, row.mpps[i], 0.55)
          << row.generation << " " << completions[i];
    }
  }
}

// What the sheet concludes: the line rate of 100G with 64 B is out of reach of Gen3 x16, and that
// of 200G of Gen4 x16.
TEST(Pcie, LineRatesOutOfReach) {
  EXPECT_LT(pcie_receive_pps({3, 16}, 64.0), 148.8095e6);
  EXPECT_LT(pcie_receive_pps({4, 16}, 64.0), 297.6190e6);
  EXPECT_GT(pcie_receive_pps({4, 16}, 64.0), 148.8095e6);
}

TEST(Pcie, LongFramesAreCutInPieces) {
  const double short_frame = pcie_receive_pps({3, 16}, 260.0);
  const double long_frame = pcie_receive_pps({3, 16}, 261.0);
  EXPECT_GT(short_frame / long_frame, 1.05) << "a byte more is a packet more";
}

TEST(Pcie, ReadsALink) {
  for (const char* text : {"gen4 x8", "Gen4 x8", "4x8", "GEN4X8"}) {
    const auto link = parse_pcie(text);
    ASSERT_TRUE(link) << text;
    EXPECT_EQ(link->text(), "gen4 x8");
  }
  for (const char* text : {"", "gen2 x8", "gen4 x4", "gen4", "x8", "gen44 x8"}) {
    const auto link = parse_pcie(text);
    ASSERT_FALSE(link) << text;
    EXPECT_EQ(link.error().code, Errc::bad_experiment);
    EXPECT_NE(link.error().what.find("allowed:"), std::string::npos);
  }
}

TEST(Ceilings, TheLeastBinds) {
  EXPECT_EQ(binding_ceiling({}), nullptr);
  const std::vector<Ceiling> ceilings = {{"line", 37e6, ""}, {"pcie", 21e6, ""}, {"nic", 30e6, ""}};
  EXPECT_EQ(binding_ceiling(ceilings)->name, "pcie");
}

}  // namespace
}  // namespace pollmark
