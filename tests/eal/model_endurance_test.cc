// The books over very many packets and every fault at once. POLLMARK_ENDURANCE_PKTS: how many
// (default 10^8).
#include <gtest/gtest.h>

#include <cstdlib>

#include "model_outcome.h"
#include "rig/eal.h"

namespace pollmark {
namespace {

double packets_asked() {
  const char* asked = std::getenv("POLLMARK_ENDURANCE_PKTS");
  return asked == nullptr ? 1e8 : std::strtod(asked, nullptr);
}

TEST(Endurance, NotOnePacketIsUnaccountedOverAllFaults) {
  const double packets = packets_asked();
  ASSERT_GE(packets, 1e5);
  TrialOrder order = small_order();
  // Above what the lcore can take: rx_missed is among the fates.
  order.model.link_bps = 100e9;
  order.traffic.intended_pps = 40e6;
  order.traffic.flows = 64;
  order.receiver.rx_ring = 512;
  order.receiver.stage = StageKind::touch;
  order.receiver.rx_offloads = {"checksum"};
  order.model.faults = {0.001, 0.001, 0.001, 0.001, 0.001, 5000};
  order.seconds = packets / order.traffic.intended_pps;
  const auto outcome = run(order);
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(open_books(*outcome), "");
  EXPECT_NEAR(static_cast<double>(outcome->sender.intended_pkts), packets, 1.0);
  fmt::print(
      "endurance: offered {} received {} rx_missed {} link_dropped {} corrupt {} "
      "duplicate {} reordered {} unaccounted {}\n",
      outcome->sender.offered_pkts, outcome->receiver.received_pkts, outcome->fate(Fate::rx_missed),
      outcome->fate(Fate::link_dropped), outcome->fate(Fate::corrupt),
      outcome->fate(Fate::duplicate), outcome->receiver.tracker->reordered, outcome->unaccounted());
  for (const Fate fate : {Fate::link_dropped, Fate::corrupt, Fate::duplicate})
    EXPECT_GT(outcome->fate(fate), 0) << fate_name(fate);
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
