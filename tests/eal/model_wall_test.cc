// The model on the wall clock: links and lcores on threads of their own. Nothing here asserts a
// time, or that nothing was lost: on a busy machine frames are missed, and each has its fate.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

#include "datapath/wall.h"
#include "host/cpu_time.h"
#include "host/numa_placement.h"
#include "model_outcome.h"
#include "rig/eal.h"

namespace pollmark {
namespace {

// CPUs of one NUMA node of this machine, again and again: where there are too few, lcores share
// them.
std::vector<int> cpus(std::size_t count, std::size_t from) {
  const std::vector<int> allowed = numa_plan({}, numa_topology())->receiver_cpus;
  std::vector<int> chosen;
  for (std::size_t i = 0; i < count; ++i) chosen.push_back(allowed[(from + i) % allowed.size()]);
  return chosen;
}

TrialOrder wall_order(std::size_t lcores) {
  TrialOrder order = small_order();
  order.clock = ClockKind::wall;
  order.seconds = 0.05;
  order.warmup_seconds = 0.005;
  order.traffic.intended_pps = 0.4e6;
  order.generator_lcores = cpus(1, 0);
  order.receiver_lcores = cpus(lcores, 1);
  return order;
}

TEST(ModelWall, ClosesItsBooksWithOneLcoreAtEachEnd) {
  const auto outcome = run(wall_order(1));
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(outcome->sender.intended_pkts, 20000);
  EXPECT_EQ(open_books(*outcome), "");
  const auto node = node_of_this_thread();
  EXPECT_EQ(outcome->receiver.lcores.at(0).node.has_value(), node.has_value());
  EXPECT_EQ(outcome->receiver.knobs.at("numa").exercised, node.has_value());
  EXPECT_GT(outcome->receiver.received_pkts, 0);
  EXPECT_EQ(outcome->receiver.latency_ns.rx->count(), outcome->receiver.received_pkts);
  EXPECT_EQ(outcome->receiver.latency_ns.done->count(), outcome->receiver.received_pkts);
}

TEST(ModelWall, ClosesItsBooksOverManyQueuesAndSeveralLinks) {
  TrialOrder order = wall_order(2);
  order.generator_lcores = cpus(2, 0);
  order.receiver.queues = 4;
  order.receiver.rx_ring = 64;
  order.receiver.burst = 16;
  order.traffic.frame_bytes = {64, 570, 1518};
  order.traffic.arrivals = {ArrivalKind::poisson, 1};
  order.receiver.stage = StageKind::checksum;
  order.receiver.rx_offloads = {"rss_hash"};
  const auto outcome = run(order);
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(open_books(*outcome), "");
  EXPECT_EQ(outcome->sender.lcores.size(), 2U);
  EXPECT_EQ(outcome->receiver.lcores.size(), 2U);
  EXPECT_EQ(outcome->receiver.lcores[0].role, "receiver q0 q2");
  ASSERT_EQ(outcome->receiver.queues.size(), 4U);
}

TEST(ModelWall, ClosesItsBooksBehindASoftwareRing) {
  for (const int workers : {1, 2}) {
    TrialOrder order = wall_order(2 + static_cast<std::size_t>(workers));
    order.receiver.queues = 2;
    order.receiver.workers = workers;
    order.receiver.ring = 128;
    order.receiver.stage = StageKind::touch;
    const auto outcome = run(order);
    ASSERT_TRUE(outcome) << outcome.error().text();
    EXPECT_EQ(open_books(*outcome), "") << workers;
    ASSERT_EQ(outcome->receiver.rings.size(), 2U);
    std::int64_t overflow = 0;
    for (const RingAccount& ring : outcome->receiver.rings) {
      overflow += ring.overflow_pkts;
      EXPECT_LE(ring.high_water, 128);
      EXPECT_GE(ring.high_water, 1);
    }
    EXPECT_EQ(overflow, outcome->fate(Fate::sw_ring_overflow));
  }
}

TEST(ModelWall, APoolThatIsTooSmallIsARefusedDescriptor) {
  TrialOrder order = wall_order(1);
  order.receiver.rx_ring = 512;
  order.receiver.pool_mbufs = 128;
  const auto outcome = run(order);
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(open_books(*outcome), "");
}

TEST(ModelWall, WhatIsDueWhenTheWindowIsOverStaysUnsent) {
  // More than any CPU sends: the schedule is put off, and its rest given up.
  TrialOrder order = wall_order(1);
  order.seconds = 0.005;
  order.model.link_bps = 400e9;
  order.traffic.intended_pps = 590e6;
  const auto outcome = run(order);
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_GT(outcome->sender.tx_unsent_pkts, 0);
  EXPECT_EQ(open_books(*outcome), "");
}

TEST(ModelWall, EveryLcoreTellsOfItsGaps) {
  const auto outcome = run(wall_order(1));
  ASSERT_TRUE(outcome) << outcome.error().text();
  ASSERT_EQ(outcome->sender.lcores.size(), 1U);
  ASSERT_EQ(outcome->receiver.lcores.size(), 1U);
  for (const LcoreHealth* health : {&outcome->sender.lcores[0], &outcome->receiver.lcores[0]}) {
    EXPECT_GT(health->longest_gap_ns, 0) << health->role;
    EXPECT_GT(health->tolerated_gap_ns, 0) << health->role;
    EXPECT_GT(health->thread_cpu_fraction, 0.0) << health->role;
  }
  EXPECT_TRUE(outcome->sender.generator.late_p99_ns);
  EXPECT_TRUE(outcome->sender.generator.gap_within_256ns);
}

TEST(ModelWall, LinksThatStartApartBeginTheWindowTogether) {
  WallBoard board;
  const std::atomic<bool> abandoned{false};
  board.abandoned = &abandoned;
  board.links = 3;
  board.lcores = 1;
  std::vector<Ticks> began(board.links);
  {
    std::vector<std::jthread> threads;
    threads.emplace_back([&] {
      while (board.phase.load(std::memory_order_acquire) != WallPhase::window)
        std::this_thread::yield();
      board.lcores_opened.fetch_add(1, std::memory_order_release);
    });
    for (std::size_t link = 0; link < began.size(); ++link)
      threads.emplace_back([&, link] {
        EXPECT_TRUE(wait_for_window(board, 500 - (link == 1 ? 0 : 100 * link)));
        began[link] = board.window_at.load(std::memory_order_relaxed);
      });
  }
  EXPECT_EQ(began, std::vector<Ticks>(3, 500));
}

TEST(ModelWall, AnAbandonedTrialEnds) {
  TrialOrder order = wall_order(1);
  order.seconds = 600.0;
  auto made = make_model_ends(order);
  ASSERT_TRUE(made);
  ASSERT_TRUE(made->receiver->open());
  ASSERT_TRUE(made->sender->open());
  ASSERT_TRUE(made->receiver->start());
  ASSERT_TRUE(made->sender->start());
  made->sender->abandon();
  const auto sent = made->sender->join();
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, Errc::interrupted);
}

TEST(ModelWall, RefusesWhatOnlyLockstepHas) {
  TrialOrder order = wall_order(1);
  order.model.faults.drop = 0.1;
  EXPECT_FALSE(make_model_ends(order));
  order = wall_order(1);
  order.model.stalls = {StallKind::periodic, 1'000'000, 20'000, ""};
  EXPECT_FALSE(make_model_ends(order));
}

}  // namespace
}  // namespace pollmark

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto eal = pollmark::start_eal({.memory_mib = 256, .use_hugepages = false});
  if (!eal) {
    fmt::print(stderr, "{}\n", eal.error().text());
    return 1;
  }
  return RUN_ALL_TESTS();
}
