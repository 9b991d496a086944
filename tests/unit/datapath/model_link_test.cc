// The link side of the model, without EAL: rings and mbufs in plain memory.
#include "datapath/model_link.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "datapath/stage.h"

namespace pollmark {
namespace {

constexpr std::size_t kElementBytes = kPostedDataOffset + 2048;

struct Freer {
  void operator()(void* memory) const { std::free(memory); }
};

// One queue whose driver side is played by the test.
struct Device {
  std::unique_ptr<void, Freer> ring_memory;
  std::unique_ptr<std::uint8_t, Freer> elements;
  std::vector<rte_mbuf*> posted;
  std::vector<Completion> completions;
  ModelQueue queue;
  ModelQueue* queues[1] = {&queue};
  std::uint32_t next_element = 0;
  std::uint32_t element_count;

  explicit Device(std::uint32_t descriptors)
      : posted(std::bit_ceil(descriptors)),
        completions(std::bit_ceil(descriptors)),
        element_count(4 * descriptors) {
    ring_memory.reset(std::aligned_alloc(
        64, static_cast<std::size_t>(rte_ring_get_memsize(rte_align32pow2(descriptors + 1)))));
    auto* ring = static_cast<rte_ring*>(ring_memory.get());
    EXPECT_EQ(
        rte_ring_init(ring, "rx", descriptors, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ), 0);
    elements.reset(
        static_cast<std::uint8_t*>(std::aligned_alloc(64, element_count * kElementBytes)));
    std::fill_n(elements.get(), element_count * kElementBytes, std::uint8_t{0xee});
    queue.ring = ring;
    queue.posted = posted.data();
    queue.completions = completions.data();
    queue.mask = static_cast<std::uint32_t>(posted.size()) - 1;
    queue.descriptors = descriptors;
    post(descriptors);
  }
  rte_mbuf* element(std::uint32_t number) {
    return reinterpret_cast<rte_mbuf*>(elements.get() + (number % element_count) * kElementBytes);
  }
  void post(std::uint32_t count) {
    for (; count > 0; --count) posted[queue.posted_to++ & queue.mask] = element(next_element++);
  }
  std::vector<rte_mbuf*> take(std::uint32_t most) {
    std::vector<rte_mbuf*> taken(most);
    taken.resize(rte_ring_sc_dequeue_burst(queue.ring, reinterpret_cast<void**>(taken.data()), most,
                                           nullptr));
    queue.taken_to += static_cast<std::uint32_t>(taken.size());
    return taken;
  }
};

struct Order {
  std::vector<Flow> flows;
  FrameShape shape;
  std::vector<std::uint8_t> payload = std::vector<std::uint8_t>(64, 1);
  FixedTicks line_time = FixedTicks{50} << 64;
  FixedTicks gap = FixedTicks{100} << 64;
  std::vector<std::uint8_t> place_of;
  std::vector<HeldFrame> lanes;
  std::vector<std::uint32_t> latest;
  Traffic traffic;
  LinkOrder link;

  Order(Device& device, std::uint32_t flow_count)
      : flows(flow_count), place_of(flow_count, 0), latest(flow_count, 0) {
    shape.data_bytes = 60;
    shape.wire_bytes = 64;
    shape.ipv4_length = __builtin_bswap16(46);
    shape.udp_length = __builtin_bswap16(26);
    shape.payload_sum = 0x0101;
    for (Flow& flow : flows) {
      flow = Flow{};
      flow.header[12] = 8;
      flow.header[14] = 0x45;
      flow.header[23] = 17;
      flow.ipv4_sum = folded(sum_words(flow.header + 14, 20));
      flow.udp_sum = folded(std::uint64_t{__builtin_bswap16(17)});
      flow.rss_hash = 0xabcd0000U + static_cast<std::uint32_t>(&flow - flows.data());
    }
    traffic.flows = flows.data();
    traffic.flow_count = flow_count;
    traffic.shapes = &shape;
    traffic.payload = payload.data();
    traffic.line_time = &line_time;
    traffic.gap = &gap;
    traffic.window_start = 1000;
    traffic.window_end = 101'000;
    traffic.warmup_epoch = 0x81;
    traffic.held_capacity = 1024;
    lanes.resize(kHeldLanes * std::size_t{1024});
    link.traffic = &traffic;
    link.lanes = lanes.data();
    link.queues = device.queues;
    link.queue_count = 1;
    link.place_of = place_of.data();
    link.latest = latest.data();
    link.flow_count = flow_count;
  }
};

Stamp stamp_in(const rte_mbuf* mbuf) {
  Stamp stamp;
  std::memcpy(&stamp,
              reinterpret_cast<const std::uint8_t*>(mbuf) + kPostedDataOffset + kHeaderBytes,
              sizeof stamp);
  return stamp;
}

using PlainLink = ModelLink<Placement::hot, Origin::flows, Faults::none>;
using FaultyLink = ModelLink<Placement::hot, Origin::flows, Faults::planted>;

TEST(ModelLink, FramesTakeTheOldestPostedMbufAndComeOutInOrder) {
  Device device(8);
  Order order(device, 3);
  PlainLink link;
  link.open(order.link);
  std::uint32_t expected = 0;
  Ticks before = 0;
  for (Ticks now = 0; now < 3000; now += 250) {
    link.deliver(now);
    for (rte_mbuf* mbuf : device.take(8)) {
      EXPECT_EQ(mbuf, device.element(expected++));
      const Stamp stamp = stamp_in(mbuf);
      EXPECT_EQ(stamp.magic, kStampMagic);
      EXPECT_LE(stamp.ticks, now);
      EXPECT_TRUE(stamp.ticks > before || expected == 1);
      before = stamp.ticks;
      device.post(1);
    }
  }
  EXPECT_GT(expected, 25U);
  EXPECT_EQ(device.queue.missed, 0U);
}

TEST(LockstepRule3, EveryFrameWithArrivalUpToVIsDeliveredAndNoOther) {
  EXPECT_TRUE(rc::check("delivery", [] {
    Device device(64);
    Order order(device, *rc::gen::inRange(1U, 9U));
    PlainLink link;
    link.open(order.link);
    Ticks now = 0;
    std::uint64_t frames = 0;
    while (link.next_arrival() != kNever) {
      now += *rc::gen::inRange<Ticks>(1, 6000);
      link.deliver(now);
      RC_ASSERT(link.next_arrival() > now);
      for (rte_mbuf* mbuf : device.take(64)) {
        RC_ASSERT(stamp_in(mbuf).ticks <= now);
        ++frames;
      }
      device.post(device.queue.descriptors - (device.queue.posted_to - device.queue.taken_to));
    }
    const LinkTallies& tallies = link.tallies();
    RC_ASSERT(tallies.offered == 1000U);
    RC_ASSERT(tallies.offered == tallies.delivered + device.queue.missed);
    RC_ASSERT(tallies.offered_bytes == 64000U);
    RC_ASSERT(frames >= tallies.delivered);  // those of the warm-up as well
  }));
}

TEST(LockstepRule3, WithoutAPostedMbufAFrameIsCountedAndNeverBuilt) {
  Device device(4);
  Order order(device, 1);
  order.traffic.window_start = 100;
  order.traffic.window_end = 1100;
  PlainLink link;
  link.open(order.link);
  link.deliver(10'000);
  // The warm-up is too short for a frame: four of the window's ten find a descriptor.
  EXPECT_EQ(device.queue.filled_to, 4U);
  EXPECT_EQ(device.queue.missed, 6U);
  EXPECT_EQ(device.queue.no_mbuf, 0U);
  EXPECT_EQ(link.tallies().delivered, 4U);
  EXPECT_EQ(link.tallies().offered, 10U);
  EXPECT_EQ(device.queue.occupancy_max, 4U);
  const auto* rest = reinterpret_cast<const std::uint8_t*>(device.element(4));
  EXPECT_TRUE(
      std::all_of(rest, rest + 4 * kElementBytes, [](std::uint8_t b) { return b == 0xee; }));
  EXPECT_EQ(link.tallies().first_loss, 100U + 4 * 100);
  EXPECT_EQ(link.tallies().last_loss, 100U + 9 * 100);
}

TEST(ModelLink, AnEmptyPoolIsTheReasonWhenTheLastRefillFoundItEmpty) {
  Device device(4);
  Order order(device, 1);
  order.traffic.window_start = 100;
  order.traffic.window_end = 1100;
  device.queue.pool_empty = true;
  PlainLink link;
  link.open(order.link);
  link.deliver(10'000);
  EXPECT_EQ(device.queue.missed, 0U);
  EXPECT_EQ(device.queue.no_mbuf, 6U);
}

TEST(ModelLink, DoesNotLookIntoTheMbufItself) {
  Device device(64);
  Order order(device, 1);
  PlainLink link;
  link.open(order.link);
  link.deliver(3000);
  for (std::uint32_t i = 0; i < 20; ++i) {
    const auto* head = reinterpret_cast<const std::uint8_t*>(device.element(i));
    EXPECT_TRUE(std::all_of(head, head + sizeof(rte_mbuf), [](auto b) { return b == 0xee; }));
  }
}

TEST(ModelLink, CompletionsCarryWhatTheOffloadsPromise) {
  for (const bool on : {false, true}) {
    Device device(64);
    Order order(device, 2);
    order.link.rss_hash = on;
    order.link.checksum = on;
    PlainLink link;
    link.open(order.link);
    link.deliver(3000);
    const Completion& completion = device.completions[1];
    EXPECT_EQ(completion.pkt_len, 60U);
    EXPECT_EQ(completion.data_len, 60U);
    EXPECT_EQ(completion.rss_hash, on ? 0xabcd0001U : 0U);
    EXPECT_EQ(completion.ol_flags, on ? RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_IP_CKSUM_GOOD |
                                            RTE_MBUF_F_RX_L4_CKSUM_GOOD
                                      : 0U);
  }
}

TEST(ModelLink, DamageBreaksTheChecksumAndNeverTheStamp) {
  Device device(1024);
  Order order(device, 4);
  order.traffic.has_faults = true;
  order.traffic.faults.corrupt = order.traffic.faults.delay = ~std::uint64_t{0};
  order.link.checksum = true;
  FaultyLink link;
  link.open(order.link);
  link.deliver(60'000);
  EXPECT_GT(link.tallies().corrupted, 500U);
  std::uint32_t slot = 0;
  for (rte_mbuf* mbuf : device.take(1024)) {
    const Stamp stamp = stamp_in(mbuf);
    EXPECT_EQ(stamp.magic, kStampMagic);
    EXPECT_LT(stamp.flow, 4);
    const auto* data = reinterpret_cast<const std::uint8_t*>(mbuf) + kPostedDataOffset;
    EXPECT_EQ(verify_checksums(data, 60), kIpv4Good | kL4Bad);
    EXPECT_EQ(device.completions[slot++].ol_flags,
              RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD);
  }
}

TEST(ModelLink, AMissedCopyIsNoLostFrameAndAMissedOriginalIsMadeGoodByItsCopy) {
  // Every frame is doubled; the device has room for one frame at a time.
  Device device(1);
  Order order(device, 1);
  order.traffic.has_faults = true;
  order.traffic.faults.duplicate = order.traffic.faults.corrupt = order.traffic.faults.delay =
      order.traffic.faults.reorder = ~std::uint64_t{0};
  FaultyLink link;
  link.open(order.link);
  std::uint64_t frames = 0;
  while (link.next_arrival() != kNever) {
    link.deliver(link.next_arrival());
    // The driver looks every third passage.
    static int turn = 0;
    if (++turn % 3 != 0) continue;
    for (rte_mbuf* mbuf : device.take(1)) frames += stamp_in(mbuf).epoch == 1 ? 1U : 0U;
    device.post(device.queue.descriptors - (device.queue.posted_to - device.queue.taken_to));
  }
  for (rte_mbuf* mbuf : device.take(1)) frames += stamp_in(mbuf).epoch == 1 ? 1U : 0U;
  const LinkTallies& tallies = link.tallies();
  EXPECT_EQ(tallies.offered, 1000U);
  // Unique frames that arrived, and those without any delivered copy.
  EXPECT_EQ(tallies.offered, frames - tallies.duplicated + device.queue.missed);
  EXPECT_GT(device.queue.missed_copies, 0U);
}

}  // namespace
}  // namespace pollmark
