// What the sending loop writes from prepared images against build_frame(), and its books when a
// port takes only a part.
#include "rig/frame_images.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "datapath/stage.h"

namespace pollmark {
namespace {

constexpr std::uint16_t kPort = 3;
constexpr std::size_t kMbufBytes = 12288;

// A port that takes at most `takes` frames of each burst, and a pool cache that never runs out.
struct Rig {
  struct Freer {
    void operator()(void* memory) const { std::free(memory); }
  };
  static inline std::uint16_t takes = 64;
  static inline std::vector<rte_mbuf*> sent;

  std::unique_ptr<std::uint8_t, Freer> memory;
  std::unique_ptr<rte_mempool_cache> cache = std::make_unique<rte_mempool_cache>();
  std::vector<Flow> flows;
  std::vector<FrameShape> shapes;
  FrameImages images;
  std::vector<std::uint8_t> payload = std::vector<std::uint8_t>(9600);
  GeneratorLcore lcore;

  Rig(std::uint32_t flow_count, const std::vector<std::uint32_t>& wire_bytes)
      : memory(static_cast<std::uint8_t*>(std::aligned_alloc(64, kMostSent * kMbufBytes))) {
    std::memset(memory.get(), 0xee, kMostSent * kMbufBytes);
    for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::uint8_t>(i * 37);
    *cache = {};
    cache->size = kMostSent;
    cache->flushthresh = kMostSent;
    cache->len = kMostSent;
    for (std::uint32_t i = 0; i < kMostSent; ++i) cache->objs[i] = mbuf(i);
    for (std::uint32_t number = 0; number < flow_count; ++number) {
      Flow flow{};
      flow.header[12] = 8;
      std::uint8_t* ip = flow.header + kEthernetBytes;
      ip[0] = 0x45;
      ip[8] = 64;
      ip[9] = 17;
      for (int i = 12; i < 24; ++i)
        ip[i] = static_cast<std::uint8_t>((number + 1) * 2654435761U >> i);
      flow.ipv4_sum = folded(sum_words(ip, kIpv4Bytes));
      flow.udp_sum = folded(sum_words(ip + 12, 12) + __builtin_bswap16(17));
      flows.push_back(flow);
    }
    for (const std::uint32_t bytes : wire_bytes) {
      FrameShape shape;
      shape.wire_bytes = bytes;
      shape.data_bytes = bytes - 4;
      shape.ipv4_length = __builtin_bswap16(static_cast<std::uint16_t>(shape.data_bytes - 14));
      shape.udp_length = __builtin_bswap16(static_cast<std::uint16_t>(shape.data_bytes - 34));
      shape.payload_sum = folded(sum_words(payload.data(), shape.data_bytes - kStampedBytes));
      shapes.push_back(shape);
    }
    images = FrameImages(flows, shapes, payload.data(), 0x0003'0001'0001'0080U);
    lcore.access.cache = cache.get();
    lcore.port = kPort;
    lcore.epoch = 9;
    lcore.traffic = images.traffic();

    takes = 64;
    sent.clear();
    static void* data[1] = {nullptr};
    static void* callbacks[1] = {nullptr};
    rte_eth_fp_ops[kPort].txq.data = data;
    rte_eth_fp_ops[kPort].txq.clbk = callbacks;
    rte_eth_fp_ops[kPort].tx_pkt_burst = [](void* /*queue*/, rte_mbuf** mbufs,
                                            std::uint16_t count) -> std::uint16_t {
      const std::uint16_t taken = count < takes ? count : takes;
      sent.insert(sent.end(), mbufs, mbufs + taken);
      return taken;
    };
  }
  rte_mbuf* mbuf(std::uint32_t number) const {
    return reinterpret_cast<rte_mbuf*>(memory.get() + number * kMbufBytes);
  }
  static std::uint8_t* data(rte_mbuf* mbuf) {
    return reinterpret_cast<std::uint8_t*>(mbuf) + kPostedDataOffset;
  }
  // As the rig prepares a pool for PayloadFrom::mbuf.
  void prefill() const {
    for (std::uint32_t i = 0; i < kMostSent; ++i)
      std::memcpy(data(mbuf(i)) + kStampedBytes, payload.data(), payload.size());
  }
  // Frame `number` of the phase.
  [[nodiscard]] std::vector<std::uint8_t> frame(std::uint64_t number, Ticks now) const {
    const std::uint64_t flow = number % flows.size();
    const FrameShape& shape = shapes[number % shapes.size()];
    std::vector<std::uint8_t> bytes(9600);
    build_frame(bytes.data(), flows[flow], shape,
                {kStampMagic, lcore.epoch, static_cast<std::uint16_t>(flow),
                 static_cast<std::uint32_t>(number / flows.size()), now},
                payload.data());
    bytes.resize(shape.data_bytes);
    return bytes;
  }
  static std::vector<std::uint8_t> written(rte_mbuf* mbuf) {
    return {data(mbuf), data(mbuf) + mbuf->data_len};
  }
};

template <PayloadFrom kPayload>
void frames_are_those_of_build_frame() {
  EXPECT_TRUE(rc::check("frames", [] {
    const auto sizes =
        *rc::gen::resize(8, rc::gen::nonEmpty(rc::gen::container<std::vector<std::uint32_t>>(
                                rc::gen::inRange<std::uint32_t>(64, 9005))));
    Rig rig(*rc::gen::inRange<std::uint32_t>(1, 40), sizes);
    if (kPayload == PayloadFrom::mbuf) rig.prefill();
    rig.lcore.at.round = *rc::gen::arbitrary<std::uint32_t>();
    const std::uint64_t first = std::uint64_t{rig.lcore.at.round} * rig.flows.size();
    rig.lcore.at.shape = static_cast<std::uint32_t>(first % sizes.size());
    const auto now = *rc::gen::arbitrary<std::uint64_t>();
    const auto count = *rc::gen::inRange<std::uint32_t>(1, kMostSent + 1);
    RC_ASSERT((send_burst<kPayload, Stamping::stamped>(rig.lcore, count, now)) == count);
    for (std::uint32_t i = 0; i < count; ++i) {
      rte_mbuf* mbuf = Rig::sent[i];
      RC_ASSERT(Rig::written(mbuf) == rig.frame(first + i, now));
      RC_ASSERT(mbuf->pkt_len == mbuf->data_len);
      RC_ASSERT(mbuf->data_off == 128 && mbuf->ol_flags == 0 && mbuf->port == kPort);
      RC_ASSERT(verify_checksums(Rig::data(mbuf), mbuf->data_len) == (kIpv4Good | kL4Good));
    }
  }));
}

TEST(Generate, FramesOverAPrefilledPoolAreThoseOfBuildFrame) {
  frames_are_those_of_build_frame<PayloadFrom::mbuf>();
}

TEST(Generate, FramesWithCopiedPayloadAreThoseOfBuildFrame) {
  frames_are_those_of_build_frame<PayloadFrom::frame>();
}

TEST(Generate, WhateverThePortTakesEveryNumberIsSentOnceAndInOrder) {
  EXPECT_TRUE(rc::check("books", [] {
    Rig rig(*rc::gen::inRange<std::uint32_t>(1, 40), {64, 64, 70});
    rig.prefill();
    std::uint64_t number = 0;
    for (int burst = 0; burst < 30; ++burst) {
      Rig::takes = *rc::gen::inRange<std::uint16_t>(0, 33);
      Rig::sent.clear();
      const std::uint32_t sent =
          send_burst<PayloadFrom::mbuf, Stamping::stamped>(rig.lcore, 32, number);
      RC_ASSERT(sent == Rig::sent.size());
      for (std::size_t i = 0; i < sent; ++i)
        RC_ASSERT(Rig::written(Rig::sent[i]) == rig.frame(number + i, number));
      number += sent;
      // What the port did not take is in the cache again; what it took, it still holds.
      RC_ASSERT(rig.cache->len == kMostSent - sent);
      for (rte_mbuf* mbuf : Rig::sent) rig.cache->objs[rig.cache->len++] = mbuf;
    }
  }));
}

TEST(Generate, ChosenFlowsAreSentInTurnUnderTheirOwnNumbers) {
  Rig rig(9, {64});
  rig.prefill();
  const std::vector<std::uint16_t> chosen = {1, 4, 7};
  const FrameImages images(rig.flows, rig.shapes, rig.payload.data(), 0x0003'0001'0001'0080U,
                           chosen);
  rig.lcore.traffic = images.traffic();
  ASSERT_EQ((send_burst<PayloadFrom::mbuf, Stamping::stamped>(rig.lcore, 8, 5)), 8U);
  for (std::uint32_t i = 0; i < 8; ++i)
    EXPECT_EQ(Rig::written(Rig::sent[i]), rig.frame(i / 3 * 9 + chosen[i % 3], 5)) << i;
}

TEST(Generate, EverySmallSumIsFoldedAsRfc1071Says) {
  for (std::uint32_t sum = 0; sum < 1U << 20; ++sum)
    ASSERT_EQ(inverse_of_small_sum(sum), 0xffffU ^ folded(sum)) << sum;
}

TEST(Generate, MovingOnIsWritingWithoutFrames) {
  EXPECT_TRUE(rc::check("move on", [] {
    Rig rig(*rc::gen::inRange<std::uint32_t>(1, 100), {64, 64, 64, 64, 64});
    rig.prefill();
    Rig other(static_cast<std::uint32_t>(rig.flows.size()), {64, 64, 64, 64, 64});
    const auto by = *rc::gen::inRange<std::uint32_t>(0, kMostSent + 1);
    rte_mbuf* mbufs[kMostSent];
    for (std::uint32_t i = 0; i < kMostSent; ++i) mbufs[i] = rig.mbuf(i);
    write_frames<PayloadFrom::mbuf, Stamping::stamped>(rig.lcore, mbufs, by, 1);
    move_on(other.lcore, by);
    RC_ASSERT(rig.lcore.at.flow == other.lcore.at.flow);
    RC_ASSERT(rig.lcore.at.round == other.lcore.at.round);
    RC_ASSERT(rig.lcore.at.shape == other.lcore.at.shape);
  }));
}

TEST(Replay, SendsTheCaptureInOrderAndNoFrameBeforeItIsBack) {
  EXPECT_TRUE(rc::check("replay", [] {
    Rig rig(1, {64});
    const auto count = *rc::gen::inRange<std::uint32_t>(1, 40);
    std::vector<rte_mbuf*> capture;
    for (std::uint32_t i = 0; i < count; ++i) capture.push_back(rig.mbuf(i));
    std::uint64_t freed = 0;
    ReplayLcore lcore;
    lcore.mbufs = capture.data();
    lcore.count = count;
    lcore.port = kPort;
    lcore.freed = &freed;
    for (int burst = 0; burst < 200; ++burst) {
      Rig::takes = *rc::gen::inRange<std::uint16_t>(0, 40);
      const std::size_t before = Rig::sent.size();
      const std::uint32_t taken = replay_burst(lcore, 32);
      RC_ASSERT(taken == Rig::sent.size() - before);
      const std::uint64_t held = Rig::sent.size() - freed;
      RC_ASSERT(held <= count);
      freed += *rc::gen::inRange<std::uint64_t>(0, held + 1);
    }
    freed = Rig::sent.size();
    Rig::takes = 64;
    RC_ASSERT(replay_burst(lcore, 32) > 0U);
    for (std::size_t i = 0; i < Rig::sent.size(); ++i)
      RC_ASSERT(Rig::sent[i] == capture[i % count]);
  }));
}

}  // namespace
}  // namespace pollmark
