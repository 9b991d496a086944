// Prints what a ring's size costs on this machine. Nothing here asserts a time.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "model_outcome.h"
#include "rig/eal.h"

namespace pollmark {
namespace {

constexpr std::array<int, 4> kRings = {128, 512, 2048, 4096};
constexpr int kRepeats = 9;  // the 2nd and the 8th enclose the median with 96.1 %

// A saturated lcore: every burst is full, so that only the ring's size differs.
TEST(Figures, CyclesPerPacketByRingSize) {
  for (const DmaPlacement dma : {DmaPlacement::llc, DmaPlacement::hot, DmaPlacement::memory}) {
    std::array<std::vector<double>, kRings.size()> cycles;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      for (std::size_t ring = 0; ring < kRings.size(); ++ring) {
        TrialOrder order = small_order();
        order.model.link_bps = 400e9;
        order.traffic.intended_pps = 200e6;
        order.model.dma = dma;
        order.receiver.rx_ring = kRings[ring];
        const auto outcome = run(order);
        ASSERT_TRUE(outcome) << outcome.error().text();
        ASSERT_EQ(open_books(*outcome), "");
        ASSERT_TRUE(outcome->receiver.cycles_per_pkt);
        cycles[ring].push_back(*outcome->receiver.cycles_per_pkt);
      }
    }
    for (std::size_t ring = 0; ring < kRings.size(); ++ring) {
      std::sort(cycles[ring].begin(), cycles[ring].end());
      fmt::print("figures: dma {:6}  rx_ring {:4}  cycles_per_pkt {:6.1f}  [{:.1f}, {:.1f}]\n",
                 name_of(dma), kRings[ring], cycles[ring][kRepeats / 2], cycles[ring][1],
                 cycles[ring][kRepeats - 2]);
    }
  }
}

}  // namespace
}  // namespace pollmark

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto eal = pollmark::start_eal({.memory_mib = 64, .use_hugepages = false});
  if (!eal) {
    std::fprintf(stderr, "%s\n", eal.error().text().c_str());
    return 1;
  }
  return RUN_ALL_TESTS();
}
