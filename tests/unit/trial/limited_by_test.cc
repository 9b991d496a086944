#include "trial/limited_by.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fake_ends.h"

namespace pollmark {
namespace {

using testing::HasSubstr;

// 64-byte frames at 10 Mpps for 0.1 s on a modelled 25G link, one queue of 128 descriptors, 2 %
// lost there while the lcore was at work for 80 % of the time.
struct Case {
  TrialOrder order;
  SenderAccount sent;
  ReceiverAccount got;
  std::map<Fate, std::int64_t> losses{{Fate::rx_missed, 20'000}};

  Case() {
    order.seconds = 0.1;
    order.traffic.load = Load{LoadUnit::pps, 1e7};
    order.traffic.intended_pps = 1e7;
    order.receiver.rx_ring = 128;
    sent.intended_pkts = sent.offered_pkts = 1'000'000;
    sent.offered_bytes = 64'000'000;
    sent.window_seconds = 0.1;
    got.busy_fraction = 0.8;
    got.cycles_per_pkt = 200.0;
  }
  [[nodiscard]] Limit limit() const {
    Ledger ledger;
    ledger.set_offered(sent.offered_pkts);
    std::int64_t lost_pkts = 0;
    for (const auto& [fate, pkts] : losses) {
      ledger.add(fate, pkts);
      lost_pkts += pkts;
    }
    ledger.add(Fate::received, sent.offered_pkts - lost_pkts);
    return limited_by(order, sent, got, ledger);
  }
};

TEST(LimitedBy, NothingWhenEverythingArrivedBelowTheLine) {
  Case c;
  c.losses = {{Fate::rx_missed, 0}};
  EXPECT_EQ(c.limit().by, "");
  EXPECT_EQ(c.limit().why, "everything offered was received; the load set the rate");
}

TEST(LimitedBy, TheLineWhenItWasFullAndNothingWasLost) {
  Case c;
  c.losses.clear();
  c.sent.offered_pkts = c.sent.intended_pkts = 3'720'238;  // 25G at 64 bytes
  c.sent.offered_bytes = c.sent.offered_pkts * 64;
  c.order.traffic.intended_pps = 37'202'381.0;
  EXPECT_EQ(c.limit().by, "line");
  c.order.path = Path::dpdk;  // no line is known there
  EXPECT_EQ(c.limit().by, "");
}

TEST(LimitedBy, AFullLineThatLosesIsNotLimitedByTheLine) {
  Case c;
  c.sent.offered_pkts = c.sent.intended_pkts = 3'720'238;
  c.sent.offered_bytes = c.sent.offered_pkts * 64;
  c.order.traffic.intended_pps = 37'202'381.0;
  EXPECT_EQ(c.limit().by, "ring");
}

TEST(LimitedBy, TheGeneratorWhenItWasShortWhateverWasLost) {
  Case c;
  c.sent.intended_pkts = 1'200'000;
  EXPECT_EQ(c.limit().by, "generator");
  EXPECT_THAT(c.limit().why, HasSubstr("1 000 000 of 1 200 000"));
}

TEST(LimitedBy, TheGeneratorWhenAMaximumLoadLosesNothing) {
  Case c;
  c.losses.clear();
  c.order.traffic.load = Load{LoadUnit::max, 0.0};
  c.order.traffic.intended_pps = 0.0;
  EXPECT_EQ(c.limit().by, "generator");
}

TEST(LimitedBy, TheCoreFromNinetySevenPercentBusy) {
  Case c;
  c.got.busy_fraction = 0.97;
  EXPECT_EQ(c.limit().by, "core");
  EXPECT_THAT(c.limit().why, HasSubstr("20 000 rx_missed_pkts"));
  EXPECT_THAT(c.limit().why, HasSubstr("97.0 %"));
  EXPECT_THAT(c.limit().why, HasSubstr("200 cycles per frame"));
  c.got.busy_fraction = 0.969;
  EXPECT_EQ(c.limit().by, "ring");
}

TEST(LimitedBy, TheStageFromHalfOfTheCycles) {
  Case c;
  c.got.busy_fraction = 0.99;
  c.order.receiver.stage = StageKind::checksum;
  EXPECT_EQ(c.limit().by, "core") << "the stage's cycles were not measured";
  c.got.stage.emplace().cycles_per_pkt = 100.0;
  EXPECT_EQ(c.limit().by, "stage");
  EXPECT_THAT(c.limit().why, HasSubstr("50 % of its cycles in the stage checksum"));
  c.got.stage->cycles_per_pkt = 99.0;
  EXPECT_EQ(c.limit().by, "core");
}

TEST(LimitedBy, TimeTakenByInjectedStallsIsNoIdleTime) {
  Case c;
  c.order.model.stalls = StallOrder{StallKind::periodic, 1'000'000, 100'000, ""};
  c.got.busy_fraction = 0.88;  // of the 90 % that were left
  EXPECT_EQ(c.limit().by, "core");
  c.got.busy_fraction = 0.86;
  EXPECT_EQ(c.limit().by, "ring");
}

TEST(LimitedBy, TheRingNamesStallLoadAndDescriptors) {
  Case c;
  c.order.model.stalls = StallOrder{StallKind::periodic, 1'000'000, 20'000, ""};
  QueueAccount queue;
  queue.share = 0.85;
  c.got.queues = {queue};
  EXPECT_EQ(c.limit().by, "ring");
  EXPECT_EQ(c.limit().why,
            "rx_missed during stalls: 20.0 us x 8.50 Mpps = 170 frames outrun 128 descriptors");
}

TEST(LimitedBy, TheRingOfTheQueueThatMissedMost) {
  Case c;
  c.order.receiver.queues = 2;
  c.order.model.stalls = StallOrder{StallKind::periodic, 1'000'000, 50'000, ""};
  QueueAccount even;
  even.share = 0.6;
  even.rx_missed_pkts = 0;
  QueueAccount missing;
  missing.share = 0.4;
  missing.rx_missed_pkts = 20'000;
  c.got.queues = {even, missing};
  EXPECT_THAT(c.limit().why, HasSubstr("50.0 us x 4.00 Mpps = 200 frames"));
}

TEST(LimitedBy, AStallThatFitsTheRingIsNotSaidToOutrunIt) {
  Case c;
  c.order.model.stalls = StallOrder{StallKind::periodic, 1'000'000, 5'000, ""};
  EXPECT_EQ(c.limit().by, "ring");
  EXPECT_THAT(c.limit().why, HasSubstr("50 frames fits 128 descriptors"));
}

TEST(LimitedBy, BurstsAreNamedWhereThereAreNoStalls) {
  Case c;
  c.order.traffic.arrivals = Arrivals{ArrivalKind::burst, 256};
  EXPECT_EQ(c.limit().by, "ring");
  EXPECT_THAT(c.limit().why, HasSubstr("bursts of 256 frames outran 128 descriptors"));
}

TEST(LimitedBy, SoftwareRingsAndMbufPoolsAreNamed) {
  Case c;
  c.losses = {{Fate::sw_ring_overflow, 500}, {Fate::rx_missed, 3}};
  c.order.receiver.ring = 256;
  c.order.receiver.workers = 2;
  EXPECT_EQ(c.limit().by, "ring");
  EXPECT_THAT(c.limit().why, HasSubstr("256 slots"));
  c.losses = {{Fate::rx_no_mbuf, 500}};
  c.order.receiver.pool_mbufs = 200;
  EXPECT_EQ(c.limit().by, "ring");
  EXPECT_THAT(c.limit().why, HasSubstr("pool of 200 mbufs"));
  c.order.receiver.pool_mbufs = 0;
  EXPECT_THAT(c.limit().why, HasSubstr("the pool ran empty"));
}

TEST(LimitedBy, ASoftwareRingIsOutrunByAllQueuesOfItsLcore) {
  Case c;
  c.losses = {{Fate::sw_ring_overflow, 500}};
  c.order.receiver.ring = 256;
  c.order.receiver.workers = 2;
  c.order.receiver.queues = 4;
  c.order.model.stalls = {StallKind::periodic, 1'000'000, 100'000, ""};
  c.got.busy_fraction = 0.3;
  c.got.queues.resize(4);
  for (int queue = 0; queue < 4; ++queue) {
    c.got.queues[static_cast<std::size_t>(queue)].queue = queue;
    c.got.queues[static_cast<std::size_t>(queue)].share = queue % 2 == 0 ? 0.4 : 0.1;
  }
  c.got.rings = {RingAccount{0, 256, 450, 256}, RingAccount{1, 256, 50, 256}};
  const double offered_pps = static_cast<double>(c.sent.offered_pkts) / c.sent.window_seconds;
  EXPECT_THAT(c.limit().why, HasSubstr(fmt::format("x {} =", si(0.8 * offered_pps, "pps"))));
}

TEST(LimitedBy, TheKernelLayerThatLostMost) {
  Case c;
  c.order.path = Path::udp_socket;
  c.losses = {{Fate::kernel_socket_buffer, 900}, {Fate::kernel_backlog, 100}};
  c.got.busy_fraction = 0.99;
  EXPECT_EQ(c.limit().by, "kernel:socket_buffer");
  c.losses[Fate::kernel_backlog] = 901;
  EXPECT_EQ(c.limit().by, "kernel:backlog");
}

TEST(LimitedBy, PlantedDropsAreNoLimitOfRate) {
  Case c;
  c.losses = {{Fate::link_dropped, 5000}, {Fate::corrupt, 10}};
  EXPECT_EQ(c.limit().by, "unknown");
  EXPECT_THAT(c.limit().why, HasSubstr("link_dropped"));
  c.losses[Fate::rx_missed] = 1;
  EXPECT_EQ(c.limit().by, "ring");
}

TEST(LimitedBy, UnknownWhereTheBusyFractionWasNotMeasured) {
  Case c;
  c.got.busy_fraction.reset();
  EXPECT_EQ(c.limit().by, "unknown");
}

TEST(LimitedBy, OpenBooksHaveNoLimit) {
  Case c;
  Ledger ledger;
  ledger.set_offered(1'000'000);
  ledger.add(Fate::received, 999'000);
  ledger.add(Fate::rx_missed, 900);
  EXPECT_EQ(limited_by(c.order, c.sent, c.got, ledger).by, "unknown");
}

TEST(LimitedBy, ABusyCoreThatOnlyDelaysIsTheLimit) {
  Case c;
  c.losses.clear();
  c.got.busy_fraction = 0.99;
  EXPECT_EQ(c.limit().by, "") << "no latency was measured";
  LatencyHistogram rx;
  rx.record(5'000, 1000);  // 128 descriptors hold 12.8 us at 10 Mpps
  c.got.latency_ns.rx = rx;
  EXPECT_EQ(c.limit().by, "");
  rx.record(7'000, 1000);
  c.got.latency_ns.rx = rx;
  EXPECT_EQ(c.limit().by, "core");
  EXPECT_THAT(c.limit().why, HasSubstr("128 descriptors hold"));
}

}  // namespace
}  // namespace pollmark
