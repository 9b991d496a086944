#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "experiment_text.h"
#include "plan/experiment.h"
#include "plan/factors.h"

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

Plan planned(std::string_view text, std::vector<std::string> overrides = {}) {
  Result<Plan> plan = plan_experiment(sound(text, std::move(overrides)));
  PM_CHECK(plan);
  return std::move(*plan);
}

std::vector<std::string> labels(const Plan& plan) {
  std::vector<std::string> all;
  for (const Cell& cell : plan.cells) all.push_back(cell.label);
  return all;
}

TEST(Cells, OneAtATimeAreTheBaselineAndEachOtherLevelAlone) {
  const std::string text =
      small_with("rx_ring = [64, 512]",
                 "design = \"one_at_a_time\"\nrx_ring = [64, 512, 4096]\nburst = [8, 16]");
  EXPECT_THAT(labels(planned(text, {"judge.baseline.rx_ring=512"})),
              ElementsAre("rx_ring=512 burst=8", "rx_ring=64 burst=8", "rx_ring=4096 burst=8",
                          "rx_ring=512 burst=16"));
  EXPECT_THAT(labels(planned(text)), ElementsAre("rx_ring=64 burst=8", "rx_ring=512 burst=8",
                                                 "rx_ring=4096 burst=8", "rx_ring=64 burst=16"))
      << "the first levels, where no baseline is declared";
  EXPECT_THAT(planned(text).schedule, SizeIs(4 * 3));
}

TEST(Cells, OneAtATimeTakesALayoutAsOneFactor) {
  const std::string text =
      small_with("rx_ring = [64, 512]",
                 "design = \"one_at_a_time\"\nrx_ring = [64, 512]\nlayout = [{ queues = 1 }, { "
                 "queues = 4 }]");
  EXPECT_THAT(labels(planned(text, {"judge.baseline.queues=4"})),
              ElementsAre("rx_ring=64 queues=4", "rx_ring=512 queues=4", "rx_ring=64 queues=1"));
}

TEST(Cells, AreEveryCombinationInFileOrder) {
  const Plan plan = planned(small_with("rx_ring = [64, 512]",
                                       "rx_ring = [512, 64]\nburst = [8, 16]\nrx_offloads = [[], "
                                       "[\"checksum\"]]"));
  EXPECT_THAT(
      labels(plan),
      ElementsAre(
          "rx_ring=512 burst=8 rx_offloads=none", "rx_ring=512 burst=8 rx_offloads=checksum",
          "rx_ring=512 burst=16 rx_offloads=none", "rx_ring=512 burst=16 rx_offloads=checksum",
          "rx_ring=64 burst=8 rx_offloads=none", "rx_ring=64 burst=8 rx_offloads=checksum",
          "rx_ring=64 burst=16 rx_offloads=none", "rx_ring=64 burst=16 rx_offloads=checksum"));
  for (std::size_t i = 0; i < plan.cells.size(); ++i) {
    const Cell& cell = plan.cells[i];
    EXPECT_EQ(cell.index, i);
    EXPECT_EQ(cell.order.receiver.rx_ring, std::stoi(cell.order.cell.at("rx_ring")));
    EXPECT_EQ(cell.order.receiver.burst, std::stoi(cell.order.cell.at("burst")));
    EXPECT_EQ(cell.order.receiver.rx_offloads.empty(), cell.order.cell.at("rx_offloads") == "none");
    EXPECT_DOUBLE_EQ(cell.order.traffic.intended_pps, 2e6);
    EXPECT_EQ(cell.order.clock, ClockKind::lockstep);
  }
}

TEST(Cells, OneWithoutFactorsIsStillACell) {
  const Plan plan = planned(small_with("rx_ring = [64, 512]\n", ""));
  ASSERT_THAT(plan.cells, SizeIs(1));
  EXPECT_TRUE(plan.cells[0].order.cell.empty());
  EXPECT_THAT(plan.schedule, SizeIs(3));
}

TEST(Cells, ALayoutMovesItsFactorsTogetherUnderTheirOwnNames) {
  const Plan plan = planned(
      small_with("rx_ring = [64, 512]",
                 "layout = [{ queues = 1 }, { queues = 4 }, { queues = 4, reta = [4, 2, 1, 1] }]"));
  EXPECT_THAT(labels(plan),
              ElementsAre("queues=1 reta=equal", "queues=4 reta=equal", "queues=4 reta=4:2:1:1"));
  for (const Cell& cell : plan.cells) {
    EXPECT_THAT(cell.order.cell, SizeIs(2));
    EXPECT_FALSE(cell.refused);
  }
  EXPECT_THAT(plan.cells[2].order.receiver.reta_weights, ElementsAre(4, 2, 1, 1));
}

TEST(Cells, ALayoutLevelTakesTheRestFromWhatIsSetOnce) {
  std::string text = small_with("rx_ring = [64, 512]", "layout = [{ queues = 2 }, { burst = 8 }]");
  const Plan plan = planned(text);
  EXPECT_THAT(labels(plan), ElementsAre("queues=2 burst=32", "queues=1 burst=8"));
}

TEST(Cells, ImpossibleOnesAreRefusedWithAReasonAndNotScheduled) {
  const Plan plan = planned(
      small_with("rx_ring = [64, 512]", "queues = [1, 4]\nreta = [\"equal\", [3, 1, 1, 1]]"));
  ASSERT_THAT(plan.cells, SizeIs(4));
  EXPECT_FALSE(plan.cells[0].refused);
  EXPECT_THAT(plan.cells[1].refused, ::testing::Optional(HasSubstr("4 weights for 1 queue")));
  EXPECT_FALSE(plan.cells[2].refused);
  EXPECT_FALSE(plan.cells[3].refused);
  EXPECT_THAT(plan.schedule, SizeIs(9));
  for (const ScheduledTrial& trial : plan.schedule) EXPECT_NE(trial.cell, 1U);
}

TEST(Cells, AnExperimentWithoutARunnableCellIsRefused) {
  const auto plan =
      plan_experiment(sound(small_with("rx_ring = [64, 512]", "workers = [1, 2]\nburst = [4, 8]")));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, Errc::bad_experiment);
  EXPECT_THAT(plan.error().text(), HasSubstr("no cell can run: 1 worker without a software ring"));
}

TEST(Cells, TooManyAreRefusedBeforeTheyAreMade) {
  std::string ring;
  for (int i = 0; i < 200; ++i) ring += (i ? ", " : "") + std::to_string(64 + i);
  const auto plan = plan_experiment(
      sound(small_with("rx_ring = [64, 512]", "rx_ring = [" + ring + "]\nflows = [" + ring + "]")));
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().text(), HasSubstr("allowed: up to 10000 cells"));
}

TEST(Cells, PacketsBecomeSecondsAtTheCellsOwnRate) {
  const Plan plan =
      planned(small_with("blocks = 3", "packets = \"1 M\""),
              {"factors.rx_ring=[64]", "factors.frame=[64, 1518]", "traffic={load=\"10 %\"}"});
  ASSERT_THAT(plan.cells, SizeIs(2));
  for (const Cell& cell : plan.cells) {
    EXPECT_NEAR(cell.order.seconds * cell.order.traffic.intended_pps, 1e6, 1e-3);
  }
  EXPECT_GT(plan.cells[1].order.seconds, 10 * plan.cells[0].order.seconds);
}

TEST(Cells, TrialOfLessThanOneFrameIsRefused) {
  std::string text = small_with("load = \"2 Mpps\"\n", "");
  text += "seconds = 1\n";
  text.replace(text.find("rx_ring = [64, 512]"), 19, "load = [\"0.5 pps\", \"1 pps\"]");
  const Plan plan = planned(text);
  ASSERT_THAT(plan.cells, SizeIs(2));
  EXPECT_THAT(plan.cells[0].refused,
              ::testing::Optional(HasSubstr("0.5 frames in 1 s; allowed: at least one frame")));
  EXPECT_FALSE(plan.cells[1].refused);
}

constexpr std::string_view kPaths = R"(name = "paths"
[generator]
port = "veth"
[receiver]
port = "veth"
[traffic]
load = "10 kpps"
[factors]
path = ["udp_socket", "dpdk"]
frame = [64, 128, 256, 512, 1024, 1518]
[trial]
blocks = 8
)";

TEST(Schedule, PathChangesLeastOftenWithinABlock) {
  const Plan plan = planned(kPaths);
  std::set<Path> first;
  for (int block = 0; block < 8; ++block) {
    int changes = 0;
    std::optional<Path> last;
    for (const ScheduledTrial& trial : plan.schedule) {
      if (trial.block != block) continue;
      const Path path = plan.cells[trial.cell].order.path;
      if (!last) first.insert(path);
      if (last && *last != path) ++changes;
      last = path;
    }
    EXPECT_EQ(changes, 1) << "block " << block;
  }
  EXPECT_THAT(first, SizeIs(2)) << "which path goes first is drawn anew in each block";
}

TEST(Schedule, BlocksFollowOneAnother) {
  const Plan plan = planned(kPaths);
  EXPECT_TRUE(std::is_sorted(plan.schedule.begin(), plan.schedule.end(),
                             [](const auto& a, const auto& b) { return a.block < b.block; }));
}

TEST(Schedule, CellsOfABlockSeeTheSameTrafficAndBlocksDiffer) {
  const Plan plan = planned(kSmall);
  std::map<int, std::set<std::uint64_t>> seeds;
  std::set<std::uint64_t> all;
  for (std::size_t i = 0; i < plan.schedule.size(); ++i) {
    const TrialOrder order = order_of(plan, i, static_cast<int>(i % 2), 100 + static_cast<int>(i));
    seeds[order.block].insert(order.seed);
    all.insert(order.seed);
    EXPECT_EQ(order.block, plan.schedule[i].block);
    EXPECT_EQ(order.attempt, static_cast<int>(i % 2));
    EXPECT_EQ(order.trial, 100 + static_cast<int>(i));
    EXPECT_EQ(order.cell, plan.cells[plan.schedule[i].cell].order.cell);
  }
  EXPECT_THAT(seeds, SizeIs(3));
  for (const auto& [block, of_block] : seeds) EXPECT_THAT(of_block, SizeIs(1)) << block;
  EXPECT_THAT(all, SizeIs(3));
  const Plan other = planned(kSmall, {"trial.seed=2"});
  EXPECT_FALSE(all.contains(order_of(other, 0, 0, 0).seed));
}

TEST(Schedule, EpochsAreNeverZeroAndNeighboursDiffer) {
  const Plan plan = planned(kSmall);
  int last = 0;
  for (std::int64_t trial = 0; trial < 600; ++trial) {
    const int epoch = order_of(plan, 0, 0, trial).epoch;
    EXPECT_NE(epoch, 0);
    EXPECT_NE(epoch, last);
    EXPECT_EQ(epoch, 1 + static_cast<int>(trial % 255));
    last = epoch;
  }
}

TEST(Schedule, TimeGrowsWithTrialsAndWithFrames) {
  const double once = planned(kSmall).expected_seconds;
  EXPECT_GT(once, 0.0);
  EXPECT_DOUBLE_EQ(planned(kSmall, {"trial.blocks=6"}).expected_seconds, 2 * once);
  EXPECT_GT(planned(kSmall, {"trial.seconds=3"}).expected_seconds, 2 * once);
  EXPECT_GT(planned(kSmall, {"traffic.load=6 Mpps"}).expected_seconds, 2 * once);
  // On a wall clock a trial lasts as long as it says, and longer.
  EXPECT_GT(planned(kPaths).expected_seconds, 12 * 8 * 1.1);
}

// A factorial of random size, some of whose cells are impossible.
struct Factorial {
  std::string text;
  std::size_t cells = 0;
  int blocks = 0;
};

Factorial any_factorial() {
  const auto some = [](std::vector<std::string> pool) {
    return *rc::gen::suchThat(rc::gen::exec([pool] {
                                std::vector<std::string> chosen;
                                for (const std::string& each : pool) {
                                  if (*rc::gen::arbitrary<bool>()) chosen.push_back(each);
                                }
                                return chosen;
                              }),
                              [](const auto& chosen) { return !chosen.empty(); });
  };
  const auto rings = some({"32", "64", "256", "4096"});
  const auto bursts = some({"16", "48", "64"});
  const auto retas = some({"\"equal\"", "[1]", "[3, 1]"});
  const auto queues = some({"1", "2"});
  Factorial factorial;
  factorial.blocks = *rc::gen::inRange(1, 6);
  factorial.cells = rings.size() * bursts.size() * retas.size() * queues.size();
  factorial.text =
      small_with("rx_ring = [64, 512]", "rx_ring = [" + join(rings, ",") + "]\nburst = [" +
                                            join(bursts, ",") + "]\nreta = [" + join(retas, ",") +
                                            "]\nqueues = [" + join(queues, ",") + "]");
  return factorial;
}

RC_GTEST_PROP(Schedule, HoldsEachRunnableCellOncePerBlock, ()) {
  const Factorial factorial = any_factorial();
  const auto seed = *rc::gen::inRange(0, 1 << 30);
  const auto plan =
      plan_experiment(sound(factorial.text, {"trial.seed=" + std::to_string(seed),
                                             "trial.blocks=" + std::to_string(factorial.blocks)}));
  if (!plan) RC_DISCARD("no cell can run");
  RC_ASSERT(plan->cells.size() == factorial.cells);
  std::map<std::pair<int, std::size_t>, int> times;
  for (const ScheduledTrial& trial : plan->schedule) ++times[{trial.block, trial.cell}];
  for (int block = 0; block < factorial.blocks; ++block) {
    for (const Cell& cell : plan->cells) {
      RC_ASSERT((times[{block, cell.index}] == (cell.refused ? 0 : 1)));
    }
  }
  // Every cell is another one.
  std::set<std::pair<std::string, std::map<std::string, std::string>>> cells;
  for (const Cell& cell : plan->cells) cells.insert({cell.order.group, cell.order.cell});
  RC_ASSERT(cells.size() == plan->cells.size());
}

std::vector<std::size_t> order_of_cells(const Plan& plan) {
  std::vector<std::size_t> cells;
  for (const ScheduledTrial& trial : plan.schedule) cells.push_back(trial.cell);
  return cells;
}

// 24 cells in 4 blocks: two seeds agree by chance once in 24!^4.
constexpr std::string_view kLongRings =
    "factors.rx_ring=[64,65,66,67,68,69,70,71,72,73,74,75,76,77,78,79,80,81,82,83,84,85,86,87]";

RC_GTEST_PROP(Schedule, SameSeedSameOrderOtherSeedOtherOrder, ()) {
  const auto seed = *rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 62);
  const auto other = *rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 62);
  RC_PRE(seed != other);
  const auto with = [](std::int64_t value) {
    return order_of_cells(planned(kSmall, {std::string(kLongRings), "trial.blocks=4",
                                           "trial.seed=" + std::to_string(value)}));
  };
  RC_ASSERT(with(seed) == with(seed));
  RC_ASSERT(with(seed) != with(other));
}

TEST(Schedule, EveryPlaceInABlockFallsToEveryCell) {
  // 400 blocks of 4 cells: each of 16 counts expects 100, sigma 8.7; 5 sigma holds for ever with a
  // fixed seed.
  const Plan plan = planned(kSmall, {"factors.rx_ring=[64,65,66,67]", "trial.blocks=400"});
  std::map<std::pair<std::size_t, std::size_t>, int> times;
  for (std::size_t i = 0; i < plan.schedule.size(); ++i) ++times[{i % 4, plan.schedule[i].cell}];
  for (std::size_t place = 0; place < 4; ++place) {
    for (std::size_t cell = 0; cell < 4; ++cell) {
      EXPECT_NEAR((times[{place, cell}]), 100, 44) << place << " " << cell;
    }
  }
}

TEST(Schedule, EverySecondBlockMirrorsTheOneBeforeIt) {
  const Plan plan = planned(small_with("rx_ring = [64, 512]", "rx_ring = [64, 128, 256, 512]"),
                            {"trial.blocks=5"});
  std::vector<std::vector<std::size_t>> blocks(5);
  for (const ScheduledTrial& trial : plan.schedule)
    blocks[static_cast<std::size_t>(trial.block)].push_back(trial.cell);
  for (const std::size_t first : {std::size_t{0}, std::size_t{2}}) {
    std::vector<std::size_t> reversed = blocks[first];
    std::reverse(reversed.begin(), reversed.end());
    EXPECT_EQ(blocks[first + 1], reversed);
  }
  EXPECT_EQ(blocks[4].size(), 4U) << "an odd last block stands alone";
}

TEST(Schedule, ABudgetPicksAnEvenNumberOfBlocks) {
  const std::string text = small_with("blocks = 3", "budget = \"1 min\"");
  const Plan plan = planned(text);
  EXPECT_GE(plan.experiment.blocks, 6);
  EXPECT_EQ(plan.experiment.blocks % 2, 0);
  EXPECT_LE(plan.expected_seconds, 60.0);
  const Plan twice = planned(small_with("blocks = 3", "budget = \"2 min\""));
  EXPECT_NEAR(twice.experiment.blocks, 2 * plan.experiment.blocks, 2);
  const auto refused = plan_experiment(sound(small_with("blocks = 3", "budget = \"1 ms\"")));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, HasSubstr("gives 0 blocks; allowed: from "));
}

TEST(Schedule, TheGateMeasuresTheBaselineTwiceABlock) {
  const Plan plan = planned(small_with("rx_ring = [64, 512]", "rx_ring = [64, 512]"),
                            {"trial.aa_blocks=4", "judge.baseline.rx_ring=512"});
  ASSERT_THAT(plan.gate, SizeIs(8));
  for (std::size_t i = 0; i < plan.gate.size(); ++i) {
    const TrialOrder order = gate_order_of(plan, i, 0, static_cast<std::int64_t>(i));
    EXPECT_EQ(order.kind, TrialKind::probe);
    EXPECT_EQ(order.cell.at("rx_ring"), "512");
    EXPECT_EQ(order.cell.at("aa"), std::to_string(plan.gate[i].side));
    EXPECT_EQ(order.block, static_cast<int>(i / 2));
    EXPECT_EQ(order.receiver.rx_ring, 512);
  }
  EXPECT_NE(plan.gate[0].side, plan.gate[1].side);
  EXPECT_EQ(plan.gate[2].side, plan.gate[1].side) << "the second block mirrors the first";
  EXPECT_GT(plan.expected_seconds,
            planned(small_with("rx_ring = [64, 512]", "rx_ring = [64, 512]")).expected_seconds);
  EXPECT_THAT(planned(small_with("rx_ring = [64, 512]", "rx_ring = [64, 512]")).gate, SizeIs(0));
}

}  // namespace
}  // namespace pollmark
