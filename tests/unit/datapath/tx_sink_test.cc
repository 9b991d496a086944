#include "datapath/tx_sink.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>

namespace pollmark {
namespace {

TEST(SwapMacs, ExchangesTheTwoAddressesAndNothingElse) {
  std::array<std::uint8_t, 16> frame{};
  std::iota(frame.begin(), frame.end(), std::uint8_t{0});
  swap_macs(frame.data());
  const std::array<std::uint8_t, 16> want = {6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 12, 13, 14, 15};
  EXPECT_EQ(frame, want);
  swap_macs(frame.data());
  for (std::uint8_t i = 0; i < 16; ++i) EXPECT_EQ(frame[i], i);
}

TEST(TxSink, HoldsDescriptorsUntilTheLineHasCarriedTheirFrames) {
  std::array<rte_mbuf*, 4> held{};
  std::array<Ticks, 4> leaves_at{};
  TxSink sink;
  sink.held = held.data();
  sink.leaves_at = leaves_at.data();
  sink.mask = 3;
  sink.ticks_per_byte = 1.0;
  std::array<rte_mbuf, 6> mbufs{};
  std::array<rte_mbuf*, 6> frames{};
  for (std::size_t i = 0; i < frames.size(); ++i) {
    mbufs[i].pkt_len = 76;  // 100 ticks on the line
    frames[i] = &mbufs[i];
  }
  EXPECT_EQ(send_to(sink, PoolAccess{}, frames.data(), 6, 1000), 4U);
  EXPECT_EQ(leaves_at[0], 1100U);
  EXPECT_EQ(leaves_at[3], 1400U);
  EXPECT_EQ(send_to(sink, PoolAccess{}, frames.data() + 4, 2, 1050), 0U);
}

TEST(TxSink, PartsOfATickAddUpOnTheLine) {
  std::array<rte_mbuf*, 1024> held{};
  std::array<Ticks, 1024> leaves_at{};
  TxSink sink;
  sink.held = held.data();
  sink.leaves_at = leaves_at.data();
  sink.mask = 1023;
  sink.ticks_per_byte = 0.0275;  // 10.0 and 100 bytes: 2.75 ticks
  rte_mbuf mbuf{};
  mbuf.pkt_len = 76;
  std::array<rte_mbuf*, 1000> frames{};
  frames.fill(&mbuf);
  EXPECT_EQ(send_to(sink, PoolAccess{}, frames.data(), 1000, 1000), 1000U);
  EXPECT_EQ(leaves_at[999], 1000U + 2750U);
}

}  // namespace
}  // namespace pollmark
