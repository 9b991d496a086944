#include "judge/factor_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pollmark {
namespace {

using testing::ElementsAre;

JudgedCell cell_of(const std::string& group, std::map<std::string, std::string> levels,
                   bool measured = true) {
  JudgedCell cell;
  cell.summary.group = group;
  cell.summary.cell = std::move(levels);
  if (measured) cell.values[0] = 1.0;
  return cell;
}

TEST(FactorTable, RowsAreCombinationsOfTheOtherFactors) {
  const std::vector<JudgedCell> cells{cell_of("a", {{"rx_ring", "128"}, {"queues", "1"}}),
                                      cell_of("a", {{"rx_ring", "512"}, {"queues", "1"}}),
                                      cell_of("a", {{"rx_ring", "128"}, {"queues", "4"}}),
                                      cell_of("a", {{"rx_ring", "512"}, {"queues", "4"}}, false),
                                      cell_of("b", {{"path", "dpdk"}})};
  const std::vector<FactorTable> tables = factor_tables(cells);
  ASSERT_EQ(tables.size(), 3U);
  EXPECT_EQ(tables[0].factor, "queues");
  EXPECT_EQ(tables[1].factor, "rx_ring");
  EXPECT_EQ(tables[2].group, "b");
  EXPECT_THAT(tables[1].levels, ElementsAre("128", "512"));
  ASSERT_EQ(tables[1].rows.size(), 2U);
  EXPECT_EQ(tables[1].rows[0].cells.at("512"), 1U);
  ASSERT_EQ(tables[1].complete_rows().size(), 1U) << "a cell without a number leaves a gap";
  EXPECT_EQ(tables[1].complete_rows().front()->others.at("queues"), "1");
}

TEST(FactorTable, QuantitiesAscendByValueAndNamesStayInPlanOrder) {
  EXPECT_THAT(ascending({"2048", "128", "512"}), ElementsAre("128", "512", "2048"));
  EXPECT_THAT(ascending({"16 MiB", "256 KiB", "1 MiB"}), ElementsAre("256 KiB", "1 MiB", "16 MiB"));
  EXPECT_THAT(ascending({"equal", "3:1:1:1"}), ElementsAre("equal", "3:1:1:1"));
}

}  // namespace
}  // namespace pollmark
