// The receive loop's body, fed by hand.
#include "datapath/receive.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <vector>

namespace pollmark {
namespace {

constexpr std::uint8_t kEpoch = 5;

// Frames in plain memory, handed over in the order in which they were added.
struct Frames {
  struct Freer {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::vector<std::unique_ptr<std::uint8_t, Freer>> memory;
  static inline std::deque<rte_mbuf*> waiting;
  static inline std::size_t freed = 0;
  std::vector<std::uint8_t> payload = std::vector<std::uint8_t>(2000, 9);
  Flow flow{};

  Frames() {
    waiting.clear();
    freed = 0;
    flow.header[12] = 8;
    flow.header[14] = 0x45;
    flow.header[23] = 17;
    flow.ipv4_sum = folded(sum_words(flow.header + 14, 20));
    flow.udp_sum = __builtin_bswap16(17);
  }
  rte_mbuf* add(const Stamp& stamp, std::uint32_t data_bytes = 60) {
    memory.emplace_back(static_cast<std::uint8_t*>(std::aligned_alloc(64, 4096)));
    std::memset(memory.back().get(), 0, 4096);
    auto* mbuf = reinterpret_cast<rte_mbuf*>(memory.back().get());
    mbuf->buf_addr = memory.back().get() + sizeof(rte_mbuf);
    mbuf->data_off = RTE_PKTMBUF_HEADROOM;
    mbuf->data_len = static_cast<std::uint16_t>(data_bytes);
    mbuf->pkt_len = data_bytes;
    FrameShape shape;
    shape.data_bytes = data_bytes;
    shape.ipv4_length = __builtin_bswap16(static_cast<std::uint16_t>(data_bytes - 14));
    shape.udp_length = __builtin_bswap16(static_cast<std::uint16_t>(data_bytes - 34));
    shape.payload_sum = folded(sum_words(payload.data(), data_bytes - kStampedBytes));
    build_frame(data(mbuf), flow, shape, stamp, payload.data());
    waiting.push_back(mbuf);
    return mbuf;
  }
  static std::uint8_t* data(rte_mbuf* mbuf) {
    return static_cast<std::uint8_t*>(mbuf->buf_addr) + mbuf->data_off;
  }
};

struct HandPort {
  static std::uint32_t receive(ReceiveLcore& lcore, std::uint32_t /*input*/,
                               rte_mbuf** mbufs) noexcept {
    std::uint32_t count = 0;
    while (count < lcore.burst && !Frames::waiting.empty()) {
      mbufs[count++] = Frames::waiting.front();
      Frames::waiting.pop_front();
    }
    return count;
  }
  static void free(ReceiveLcore& /*lcore*/, rte_mbuf** /*mbufs*/, std::uint32_t count) noexcept {
    Frames::freed += count;
  }
};

struct HandClock {
  static constexpr bool kLockstep = true;
  static Ticks not_after(Ticks stamp, Ticks /*now*/) noexcept { return stamp; }
  Ticks ticks = 1000;
  Ticks now() const noexcept { return ticks; }
};

struct Lcore {
  SequenceTracker tracker{4};
  std::vector<std::uint32_t> rx_counts = std::vector<std::uint32_t>(kLatencyCounts, 0);
  std::vector<std::uint32_t> done_counts = std::vector<std::uint32_t>(kLatencyCounts, 0);
  std::vector<std::uint64_t> spilled = std::vector<std::uint64_t>(kLatencyBins, 0);
  ReceiveLcore lcore;
  Lcore() {
    lcore.queue_count = 1;
    lcore.flows = 4;
    lcore.epoch = kEpoch;
    lcore.tracker = &tracker;
    lcore.rx_of[0].counts = rx_counts.data();
    lcore.rx_of[0].spilled = spilled.data();
    lcore.done.counts = done_counts.data();
    lcore.done.spilled = spilled.data();
  }
  template <StageKind kStage = StageKind::none>
  std::uint32_t turn() {
    return receive_and_finish<HandPort, HandClock, StampSource::payload, kStage, true>(lcore,
                                                                                       HandClock{});
  }
};

Stamp stamp(std::uint32_t sequence, std::uint16_t flow = 0) {
  return {kStampMagic, kEpoch, flow, sequence, 400};
}

TEST(Receive, ValidUniqueFramesAreReceivedWithTheirBytesAndLatency) {
  Frames frames;
  Lcore lcore;
  for (std::uint32_t i = 0; i < 40; ++i)
    frames.add(stamp(i / 4, static_cast<std::uint16_t>(i % 4)));
  EXPECT_EQ(lcore.turn(), 32U);
  EXPECT_EQ(lcore.turn(), 8U);
  EXPECT_EQ(lcore.turn(), 0U);
  EXPECT_EQ(lcore.lcore.tallies.received, 40U);
  EXPECT_EQ(lcore.lcore.tallies.received_bytes, 40U * 64);
  EXPECT_EQ(recorded_in(lcore.lcore.rx_of[0], latency_bin(600)), 40U);
  EXPECT_EQ(Frames::freed, 40U);
}

TEST(Receive, AFrameThatComesAgainLeavesItsNeighboursLatenciesAlone) {
  Frames frames;
  Lcore lcore;
  for (const std::uint32_t sequence : {0U, 1U, 1U, 2U, 0U, 3U}) {
    Stamp one = stamp(sequence);
    one.ticks = 400 - 10 * sequence;
    frames.add(one);
  }
  EXPECT_EQ(lcore.turn(), 6U);
  EXPECT_EQ(lcore.lcore.tallies.received, 4U);
  EXPECT_EQ(lcore.lcore.tallies.duplicate, 2U);
  EXPECT_EQ(lcore.lcore.tallies.received_bytes, 4U * 64);
  for (const Ticks latency : {600U, 610U, 620U, 630U})
    EXPECT_EQ(recorded_in(lcore.lcore.rx_of[0], latency_bin(latency)), 1U) << latency;
}

TEST(Receive, TheWindowBeginsWithEmptyHistograms) {
  Lcore lcore;
  std::vector<std::uint32_t> counts(kLatencyCounts, 0);
  lcore.lcore.intended.counts = counts.data();
  lcore.lcore.intended.spilled = lcore.spilled.data();
  lcore.lcore.lateness_offset = 58;
  record(lcore.lcore.intended, 7);
  record(lcore.lcore.rx_of[0], 7);
  open_window(lcore.lcore, kEpoch, nullptr);
  EXPECT_EQ(recorded_in(lcore.lcore.intended, latency_bin(7)), 0U);
  EXPECT_EQ(recorded_in(lcore.lcore.rx_of[0], latency_bin(7)), 0U);
}

TEST(Receive, EveryUnexpectedArrivalHasItsOwnName) {
  Frames frames;
  Lcore lcore;
  frames.add(stamp(0));
  Frames::data(frames.add(stamp(1)))[kHeaderBytes] ^= 1;  // magic
  frames.add({kStampMagic, kEpoch - 1, 0, 2, 400});       // another trial's
  frames.add(stamp(3, 4));                                // no such flow
  frames.add(stamp(0));                                   // again
  rte_mbuf* cut = frames.add(stamp(4), 200);
  cut->data_len = 100;
  cut->pkt_len = 100;
  rte_mbuf* tiny = frames.add(stamp(5));
  tiny->data_len = 40;
  tiny->pkt_len = 40;
  lcore.turn();
  const ReceiveTallies& tallies = lcore.lcore.tallies;
  EXPECT_EQ(tallies.polled, 7U);
  EXPECT_EQ(tallies.received, 1U);
  EXPECT_EQ(tallies.foreign, 2U);
  EXPECT_EQ(tallies.late, 1U);
  EXPECT_EQ(tallies.corrupt, 2U);
  EXPECT_EQ(tallies.duplicate, 1U);
  EXPECT_EQ(Frames::freed, 7U);
}

TEST(Receive, TheChecksumStageFindsDamageAndOthersDoNotLook) {
  for (const bool looks : {false, true}) {
    Frames frames;
    Lcore lcore;
    frames.add(stamp(0));
    Frames::data(frames.add(stamp(1)))[59] ^= 4;
    frames.add(stamp(2));
    if (looks)
      lcore.turn<StageKind::checksum>();
    else
      lcore.turn<StageKind::touch>();
    EXPECT_EQ(lcore.lcore.tallies.corrupt, looks ? 1U : 0U);
    EXPECT_EQ(lcore.lcore.tallies.received, looks ? 2U : 3U);
    EXPECT_EQ(lcore.lcore.tallies.staged, 3U);
  }
}

TEST(Receive, WithTheOffloadOnThePortsVerdictIsTaken) {
  Frames frames;
  Lcore lcore;
  frames.add(stamp(0))->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  frames.add(stamp(1))->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
  frames.add(stamp(2))->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_BAD;
  frames.add(stamp(3))->ol_flags = 0;  // no verdict
  // Damaged, but the port says good: it is believed.
  rte_mbuf* believed = frames.add(stamp(4));
  Frames::data(believed)[59] ^= 4;
  believed->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  lcore.lcore.port_checks = true;
  lcore.turn<StageKind::checksum>();
  EXPECT_EQ(lcore.lcore.tallies.corrupt, 2U);
  EXPECT_EQ(lcore.lcore.tallies.received, 3U);
  EXPECT_EQ(lcore.lcore.tallies.verdicts, 4U);
}

TEST(Receive, HashesAreCountedAndSampledWithTheirTuple) {
  Frames frames;
  Lcore lcore;
  for (std::uint32_t i = 0; i < 64; ++i) {
    rte_mbuf* mbuf = frames.add(stamp(i));
    mbuf->ol_flags = RTE_MBUF_F_RX_RSS_HASH;
    mbuf->hash.rss = 0x1234;
  }
  lcore.turn();
  lcore.turn();
  EXPECT_EQ(lcore.lcore.tallies.hashes, 64U);
  ASSERT_EQ(lcore.lcore.tallies.hash_samples, 1U);  // one in a thousand
  EXPECT_EQ(lcore.lcore.tallies.hash_sample[0].hash, 0x1234U);
}

}  // namespace
}  // namespace pollmark
