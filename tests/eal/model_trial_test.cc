// Trials on the model link, end to end through Sender and Receiver. Their books are exact whatever
// this machine is doing; nothing here asserts a time.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rte_malloc.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <optional>
#include <vector>

#include "host/numa_placement.h"
#include "model_outcome.h"
#include "rig/eal.h"
#include "rig/isa.h"
#include "support/capture_file.h"

namespace pollmark {
namespace {

TEST(ModelTrial, OffersWhatTheScheduleAsksAndClosesItsBooks) {
  const auto outcome = run(small_order());
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(outcome->sender.offered_pkts, 100000);
  EXPECT_EQ(outcome->sender.tx_unsent_pkts, 0);
  EXPECT_EQ(outcome->sender.offered_bytes, 6400000);
  EXPECT_EQ(outcome->receiver.received_bytes, 64 * outcome->receiver.received_pkts);
  EXPECT_EQ(open_books(*outcome), "");
  ASSERT_TRUE(outcome->receiver.latency_ns.rx && outcome->receiver.latency_ns.done);
  EXPECT_EQ(outcome->receiver.latency_ns.rx->count(), outcome->receiver.received_pkts);
  EXPECT_EQ(outcome->receiver.latency_ns.done->count(), outcome->receiver.received_pkts);
}

TEST(ModelTrial, BooksCloseWithEveryStackAndThePortsVerdictsAreRight) {
  for (const TrafficKind kind : {TrafficKind::udp, TrafficKind::tcp}) {
    for (const int version : {4, 6}) {
      for (const char* vlan : {"", "5", "5 to 9"}) {
        TrialOrder order = small_order();
        order.seconds = 0.002;
        order.traffic.intended_pps = 5e6;
        order.traffic.kind = kind;
        order.traffic.ip_version = version;
        order.traffic.vlan = vlan;
        if (std::string(vlan) == "5 to 9") order.traffic.qinq = "100";
        order.traffic.frame_bytes = {102, 570};
        order.traffic.popularity = std::string(vlan).empty() ? 1.1 : 0.0;
        order.receiver.queues = 4;
        order.receiver.rss_fields = {"ipv4-tcp", "ipv4-udp", "ipv6-tcp", "ipv6-udp"};
        order.receiver.rx_offloads = {"checksum", "rss_hash"};
        order.receiver.stage = StageKind::checksum;
        order.model.faults.corrupt = 0.01;
        order.model.faults.reorder = 0.01;
        const auto outcome = run(order);
        ASSERT_TRUE(outcome) << outcome.error().text();
        EXPECT_EQ(open_books(*outcome), "") << name_of(kind) << version << vlan;
        EXPECT_EQ(wrong_names(*outcome, order), "") << name_of(kind) << version << vlan;
        EXPECT_EQ(outcome->sender.offered_bytes, 5000 * (102 + 570));
        EXPECT_EQ(outcome->receiver.latency_ns.rx->out_of_range(), 0);
        const Knob& offloads = outcome->receiver.knobs.at("rx_offloads");
        EXPECT_EQ(offloads.state, KnobState::confirmed) << offloads.evidence;
      }
    }
  }
}

TEST(ModelTrial, TheShortStampMeasuresLikeTheLongOne) {
  TrialOrder order = small_order();
  order.traffic.vlan = "5";  // 64 B: no room for the long one
  const auto brief = run(order);
  order.traffic.frame_bytes = {66};
  const auto full = run(order);
  ASSERT_TRUE(brief && full);
  for (const auto* outcome : {&*brief, &*full}) {
    EXPECT_EQ(open_books(*outcome), "");
    EXPECT_EQ(outcome->receiver.latency_ns.rx->count(), outcome->receiver.received_pkts);
    EXPECT_LT(*outcome->receiver.latency_ns.rx->max(), 11'000'000) << "a trial's length";
  }
}

TEST(ModelTrial, OnAndOffOffersItsMean) {
  TrialOrder order = small_order();
  order.traffic.arrivals = {ArrivalKind::on_off, 1, 100'000, 300'000};
  order.traffic.intended_pps = 5e6;
  const auto outcome = run(order);
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(open_books(*outcome), "");
  // 25 whole periods of 2000 frames each.
  EXPECT_NEAR(static_cast<double>(outcome->sender.offered_pkts), 50'000.0, 2.0);
}

TEST(ModelTrial, ReplayKeepsRecordedGapsAndEndsAfterItsPasses) {
  const support::CaptureFile file(support::udp_and_tcp_frames(40));  // a frame a second
  TrialOrder order = small_order();
  order.traffic.kind = TrafficKind::replay;
  order.traffic.pcap = file.path().string();
  order.traffic.timing = ReplayTiming::scaled;
  order.traffic.time_scale = 1e-6;
  order.traffic.intended_pps = 0.0;
  const auto through = run(order);
  ASSERT_TRUE(through) << through.error().text();
  EXPECT_EQ(through->sender.offered_pkts, 10'000) << "a frame a microsecond";
  order.traffic.loops = 7;
  const auto seven = run(order);
  ASSERT_TRUE(seven) << seven.error().text();
  EXPECT_EQ(seven->sender.offered_pkts, 280);
  EXPECT_EQ(seven->sender.tx_unsent_pkts, 0);
  EXPECT_NEAR(seven->sender.window_seconds, 280e-6, 1e-9);
  EXPECT_EQ(open_books(*seven), "");
  order.traffic.timing = ReplayTiming::rate;
  order.traffic.intended_pps = 1e6;
  order.traffic.filter = "udp";
  const auto udp = run(order);
  ASSERT_TRUE(udp) << udp.error().text();
  EXPECT_EQ(udp->sender.offered_pkts, 7 * 20);
  order.traffic.timing = ReplayTiming::original;
  order.traffic.timing = ReplayTiming::scaled;
  order.traffic.time_scale = 1e-9;
  const auto refused = run(order);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().what.find("exceed the line"), std::string::npos);
}

TEST(LockstepRule8, LatenciesAreNeverNegativeAndDoneComesBehindRx) {
  TrialOrder order = small_order();
  order.receiver.stage = StageKind::checksum;
  const auto outcome = run(order);
  ASSERT_TRUE(outcome) << outcome.error().text();
  const LatencyAccount& latency = outcome->receiver.latency_ns;
  EXPECT_EQ(latency.rx->out_of_range(), 0);
  EXPECT_GE(*latency.rx->min(), 0);
  EXPECT_LE(*latency.rx->min(), *latency.done->min());
  EXPECT_LE(*latency.rx->mean(), *latency.done->mean());
}

TEST(LockstepRule1, GroupsSeeTheSameTrafficOneAfterTheOther) {
  // One group, and one per queue: every queue is steered the same frames.
  TrialOrder order = small_order();
  order.receiver.queues = 4;
  order.receiver.rx_ring = 4096;
  order.model.faults.drop = 0.05;
  order.model.faults.duplicate = 0.05;
  const auto apart = run(stretched(order));
  order.receiver_lcores = {0};
  const auto together = run(stretched(order));
  ASSERT_TRUE(apart && together);
  EXPECT_EQ(apart->sender.offered_pkts, together->sender.offered_pkts);
  EXPECT_EQ(apart->sender.sent_per_flow, together->sender.sent_per_flow);
  for (const char* truth : {"injected_drop", "injected_duplicate", "delivered"})
    EXPECT_EQ(apart->injected(truth), together->injected(truth)) << truth;
  ASSERT_EQ(apart->receiver.queues.size(), 4U);
  for (std::size_t queue = 0; queue < 4; ++queue)
    EXPECT_EQ(apart->receiver.queues[queue].share, together->receiver.queues[queue].share);
}

TEST(LockstepRule6, ARingBelowFourBurstsIsRefused) {
  TrialOrder order = small_order();
  order.receiver.workers = 1;
  order.receiver.burst = 32;
  order.receiver.ring = 127;
  const auto refused = make_model_ends(order);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::bad_experiment);
  EXPECT_EQ(refused.error().what, "ring: 127 slots; at least four bursts: 128");
  order.receiver.ring = 128;
  EXPECT_TRUE(make_model_ends(order));
}

TEST(LockstepRule6, OverflowOfTheRingIsAFateOfItsOwn) {
  TrialOrder order = small_order();
  order.model.link_bps = 100e9;
  order.traffic.intended_pps = 0.0;
  order.traffic.frame_bytes = {64};
  order.receiver.rx_ring = 4096;
  order.receiver.workers = 1;
  order.receiver.ring = 128;
  order.receiver.stage = StageKind::checksum;
  order.receiver.queues = 4;  // four rx lcores, one worker: the worker cannot keep up
  const auto outcome = run(order);
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(open_books(*outcome), "");
  EXPECT_GT(outcome->fate(Fate::sw_ring_overflow), 0);
  ASSERT_EQ(outcome->receiver.rings.size(), 4U);
  std::int64_t overflow = 0;
  for (const RingAccount& ring : outcome->receiver.rings) {
    EXPECT_EQ(ring.high_water, 128);
    EXPECT_EQ(ring.size, 128);
    overflow += ring.overflow_pkts;
  }
  EXPECT_EQ(overflow, outcome->fate(Fate::sw_ring_overflow));
}

TEST(LockstepRule9, OfferedIsWhatArrivesInTheWindowAndWarmUpIsOfAnotherEpoch) {
  TrialOrder order = small_order();
  order.seconds = 0.002;
  order.traffic.intended_pps = 14e6;
  order.model.link_bps = 10e9;
  for (const double warmup : {0.0, 0.0003, 0.01}) {
    order.warmup_seconds = warmup;
    const auto outcome = run(order);
    ASSERT_TRUE(outcome) << outcome.error().text();
    EXPECT_EQ(outcome->sender.offered_pkts, 28000) << warmup;
    EXPECT_DOUBLE_EQ(outcome->sender.window_seconds, 0.002);
    EXPECT_EQ(open_books(*outcome), "") << warmup;
    // What still lay in the ring when the window opened came late, and is outside the books.
    EXPECT_LE(outcome->fate(Fate::late), order.receiver.rx_ring);
  }
}

TEST(LockstepRule9, AWarmUpAboveWhatTheLcoreTakesLeavesItsRingFull) {
  TrialOrder order = small_order();
  order.model.link_bps = 400e9;
  order.receiver.rx_ring = 512;
  order.receiver.stage = StageKind::checksum;
  order.seconds = 0.002;
  order.warmup_seconds = 0.001;
  order.traffic.intended_pps = 1e6;
  for (const double warmup_pps : {0.0, 500e6}) {
    order.traffic.warmup_pps = warmup_pps;
    const auto outcome = run(order);
    ASSERT_TRUE(outcome) << outcome.error().text();
    EXPECT_EQ(outcome->sender.offered_pkts, 2000) << "the window is as ordered";
    EXPECT_EQ(open_books(*outcome), "");
    // What lay in the ring when the window opened.
    if (warmup_pps == 0.0)
      EXPECT_LE(outcome->fate(Fate::late), order.receiver.burst);
    else
      EXPECT_GE(outcome->fate(Fate::late), order.receiver.rx_ring / 2);
  }
}

TEST(LockstepRule10, ThePageSizeIsThatOfThisRun) {
  const auto outcome = run(small_order());
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(outcome->receiver.page_size_bytes, eal_facts()->page_size_bytes);
  const auto node = node_of_this_thread();
  EXPECT_EQ(outcome->receiver.pool_nodes, node ? std::vector<int>{*node} : std::vector<int>{});
  EXPECT_EQ(outcome->receiver.lcores.at(0).node, node);
  EXPECT_EQ(outcome->receiver.knobs.at("numa").exercised, node.has_value());
}

// Frames that come in one stall, less the descriptors that hold them.
TEST(Stalls, LoseWhatExceedsTheRingPerStall) {
  TrialOrder order = small_order();
  order.model.link_bps = 25e9;
  order.seconds = 0.05;
  const double pps = 5e6;
  order.traffic.intended_pps = pps;
  order.model.stalls.kind = StallKind::periodic;
  order.model.stalls.every_ns = 1'000'000;
  order.model.stalls.for_ns = 300'000;  // 1500 frames
  for (const int ring : {128, 512, 1024, 2048}) {
    order.receiver.rx_ring = ring;
    const auto outcome = run(stretched(order));
    ASSERT_TRUE(outcome) << outcome.error().text();
    EXPECT_EQ(open_books(*outcome), "");
    const std::int64_t stalls = outcome->receiver.stalls.injected;
    EXPECT_NEAR(static_cast<double>(stalls), 50.0, 1.0);
    const double expected = std::max(0.0, 1500.0 - ring);
    const double lost =
        static_cast<double>(outcome->fate(Fate::rx_missed)) / static_cast<double>(stalls);
    fmt::print("stalls: N {:4}  lost per stall {:7.1f}  lambda T - N {:7.1f}\n", ring, lost,
               expected);
    if (expected == 0.0)
      EXPECT_EQ(outcome->fate(Fate::rx_missed), 0);
    else
      EXPECT_NEAR(lost, expected, 0.05 * expected) << ring;
    EXPECT_EQ(outcome->receiver.knobs.at("stalls").evidence,
              fmt::format("{} stalls injected", stalls));
  }
}

TEST(Stalls, APlantedStopLosesItsFramesOnceAndInTheMiddle) {
  TrialOrder order = small_order();
  order.receiver.rx_ring = 512;
  order.planted_stop_ns = 1'000'000;  // 10 000 frames
  const auto outcome = run(stretched(order));
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(open_books(*outcome), "");
  EXPECT_EQ(outcome->receiver.stalls.injected, 1);
  EXPECT_NEAR(static_cast<double>(outcome->fate(Fate::rx_missed)), 10'000.0 - 512.0, 100.0);
  ASSERT_TRUE(outcome->receiver.first_loss_s && outcome->receiver.last_loss_s);
  EXPECT_GT(*outcome->receiver.first_loss_s, 0.005 * kStretch);
  EXPECT_LT(*outcome->receiver.last_loss_s, 0.0062 * kStretch);
}

TEST(Pool, ThatIsTooSmallIsTheNamedReason) {
  TrialOrder order = small_order();
  order.receiver.rx_ring = 1024;
  order.receiver.pool_mbufs = 96;
  order.model.stalls = {StallKind::periodic, 500'000, 100'000, ""};  // 1000 frames each
  const auto outcome = run(order);
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(open_books(*outcome), "");
  EXPECT_GT(outcome->fate(Fate::rx_no_mbuf), 0);
  EXPECT_EQ(outcome->fate(Fate::rx_missed), 0);
  order.receiver.pool_mbufs = 0;
  const auto enough = run(order);
  ASSERT_TRUE(enough) << enough.error().text();
  EXPECT_EQ(enough->fate(Fate::rx_no_mbuf), 0);
}

TEST(Knobs, ABurstAndAPoolShowWhetherTheyActed) {
  TrialOrder order = small_order();
  order.receiver.burst = 8;
  order.receiver.pool_mbufs = 2048;
  order.model.stalls = {StallKind::periodic, 500'000, 100'000, ""};  // a thousand frames wait then
  const auto busy = run(order);
  ASSERT_TRUE(busy) << busy.error().text();
  EXPECT_EQ(busy->receiver.knobs.at("burst").evidence, "a call of rx_burst gave at most 8 frames");
  EXPECT_TRUE(busy->receiver.knobs.at("burst").exercised);
  EXPECT_TRUE(busy->receiver.knobs.at("pool_mbufs").exercised);
  EXPECT_EQ(busy->receiver.knobs.at("pool_mbufs").effective, "2048");
  order.model.stalls = {};
  order.traffic.intended_pps = 10e3;  // one at a time, a hundred in all
  const auto calm = run(order);
  ASSERT_TRUE(calm) << calm.error().text();
  EXPECT_FALSE(calm->receiver.knobs.at("pool_mbufs").exercised);
}

TEST(Reta, SharesAreThoseThatTheFlowsHashesPredict) {
  TrialOrder order = small_order();
  order.traffic.flows = 16384;
  order.receiver.queues = 4;
  order.receiver.reta_weights = {3, 1, 1, 1};
  const auto outcome = run(order);
  ASSERT_TRUE(outcome) << outcome.error().text();
  const std::vector<double> expected = {0.5, 1.0 / 6, 1.0 / 6, 1.0 / 6};
  for (std::size_t queue = 0; queue < 4; ++queue) {
    const QueueAccount& account = outcome->receiver.queues[queue];
    // 64 or 21 of 128 entries, and random flows over them.
    EXPECT_NEAR(*account.share, expected[queue], 0.02) << queue;
    EXPECT_EQ(account.polled_pkts > 0, true);
  }
  EXPECT_TRUE(outcome->receiver.knobs.at("reta").exercised);
}

TEST(Reta, AQueueWithoutWeightGetsNothing) {
  TrialOrder order = small_order();
  order.receiver.queues = 3;
  order.receiver.reta_weights = {1, 0, 1};
  const auto outcome = run(order);
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(outcome->receiver.queues[1].polled_pkts, 0);
  EXPECT_EQ(*outcome->receiver.queues[1].share, 0.0);
  EXPECT_EQ(open_books(*outcome), "");
}

TEST(Offloads, VerdictsAndHashesAreSeenWhenOnAndNeverWhenOff) {
  TrialOrder order = small_order();
  order.model.faults.corrupt = 0.01;
  order.receiver.rx_ring = 4096;
  order.receiver.stage = StageKind::checksum;
  const auto off = run(stretched(order));
  order.receiver.rx_offloads = {"checksum", "rss_hash"};
  const auto on = run(stretched(order));
  ASSERT_TRUE(off && on);
  // The same frames are found corrupt, by the port's verdict and by our own sum.
  EXPECT_GT(on->fate(Fate::corrupt), 0);
  EXPECT_EQ(on->fate(Fate::corrupt), off->fate(Fate::corrupt));
  const Knob& knob_on = on->receiver.knobs.at("rx_offloads");
  const Knob& knob_off = off->receiver.knobs.at("rx_offloads");
  EXPECT_EQ(knob_on.effective, "checksum+rss_hash");
  EXPECT_EQ(knob_on.state, KnobState::confirmed);
  // A frame that came late shows its hash, and is not looked at any further.
  EXPECT_EQ(
      knob_on.evidence,
      fmt::format("{} checksum verdicts seen; {} hashes seen, 64 of 64 samples recomputed "
                  "alike",
                  on->injected("delivered"), on->injected("delivered") + on->fate(Fate::late)));
  EXPECT_EQ(knob_off.effective, "none");
  EXPECT_EQ(knob_off.state, KnobState::confirmed);
}

TEST(Isa, EveryLevelKeepsTheSameBooks) {
  TrialOrder order = small_order();
  order.traffic.intended_pps = 3e6;
  order.traffic.frame_bytes = {64, 570, 1518};
  order.receiver.rx_ring = 4096;
  order.receiver.queues = 4;
  order.receiver.stage = StageKind::checksum;
  order.model.faults = {0.01, 0.01, 0.01, 0.01, 0.01, 5000};
  const auto levels = runnable_hot_levels();
  ASSERT_FALSE(levels.empty());
  std::optional<Outcome> first;
  for (const HotLevel* level : levels) {
    const auto outcome = carry_out(make_model_ends(order, *level));
    ASSERT_TRUE(outcome) << outcome.error().text();
    EXPECT_EQ(open_books(*outcome), "") << level->name;
    EXPECT_EQ(outcome->receiver.isa, level->name);
    if (!first) first = *outcome;
    // What was still on its way when the window opened hangs on time.
    auto fates = outcome->receiver.fates;
    auto first_fates = first->receiver.fates;
    fates.erase(Fate::late);
    first_fates.erase(Fate::late);
    EXPECT_EQ(fates, first_fates) << level->name;
    EXPECT_EQ(outcome->truth.values, first->truth.values) << level->name;
    EXPECT_EQ(outcome->receiver.received_bytes, first->receiver.received_bytes) << level->name;
    for (std::size_t queue = 0; queue < 4; ++queue)
      EXPECT_EQ(outcome->receiver.queues[queue].share, first->receiver.queues[queue].share);
  }
}

TEST(Replay, CapturedFramesAreTrackedBesideTheirBytes) {
  const support::CaptureFile file(support::udp_and_tcp_frames(50));
  TrialOrder order = small_order();
  order.traffic.kind = TrafficKind::replay;
  order.traffic.pcap = file.path().string();
  order.traffic.intended_pps = 2e6;
  order.receiver.queues = 3;
  order.receiver.rx_ring = 2048;
  order.receiver.rss_fields = {"ipv4-tcp", "ipv4-udp"};
  order.receiver.rx_offloads = {"checksum", "rss_hash"};
  order.model.faults = {0.01, 0.01, 0.0, 0.01, 0.0, 0};
  for (const StageKind stage : {StageKind::none, StageKind::touch, StageKind::checksum}) {
    order.receiver.stage = stage;
    for (const int workers : {0, 2}) {
      order.receiver.workers = workers;
      order.receiver.ring = workers > 0 ? 2048 : 0;
      const auto outcome = run(order);
      ASSERT_TRUE(outcome) << outcome.error().text();
      EXPECT_EQ(outcome->sender.offered_pkts, 20000);
      EXPECT_EQ(open_books(*outcome), "");
      EXPECT_EQ(outcome->fate(Fate::corrupt),
                outcome->injected("injected_corrupt") - outcome->injected("undetectable_corrupt"));
      EXPECT_GT(outcome->fate(Fate::corrupt), 100);
      EXPECT_GT(outcome->injected("undetectable_corrupt"), 0);  // ARP has no checksum
      EXPECT_EQ(outcome->fate(Fate::duplicate), outcome->injected("injected_duplicate"));
    }
  }
}

TEST(Replay, OffersTheCapturesBytesAtTheOrderedRate) {
  const std::vector<std::vector<std::uint8_t>> frames = support::udp_and_tcp_frames(10);
  const support::CaptureFile file(frames);
  TrialOrder order = small_order();
  order.traffic.kind = TrafficKind::replay;
  order.traffic.pcap = file.path().string();
  order.traffic.intended_pps = 1e6;
  const auto outcome = run(order);
  ASSERT_TRUE(outcome) << outcome.error().text();
  std::int64_t pass_bytes = 0;
  for (const auto& frame : frames)
    pass_bytes += std::max<std::int64_t>(64, static_cast<std::int64_t>(frame.size()) + 4);
  EXPECT_EQ(outcome->sender.offered_pkts % 10, 0);
  EXPECT_EQ(outcome->sender.offered_bytes, outcome->sender.offered_pkts / 10 * pass_bytes);
  EXPECT_NEAR(static_cast<double>(outcome->sender.offered_pkts), 10'000.0, 10.0);
}

TEST(Refusals, SayWhatIsAllowed) {
  const auto refused = [](auto&& change) {
    TrialOrder order = small_order();
    change(order);
    auto made = make_model_ends(order);
    if (made) {
      const auto opened = made->sender->open();
      return opened ? std::string("accepted") : opened.error().text();
    }
    EXPECT_EQ(made.error().code, Errc::bad_experiment);
    return made.error().text();
  };
  EXPECT_EQ(refused([](TrialOrder& o) { o.receiver.queues = 17; }),
            "queues: 17; allowed on the model: 1 to 16");
  EXPECT_EQ(refused([](TrialOrder& o) { o.receiver.rx_ring = 0; }),
            "rx_ring: 0; allowed on the model: 1 to 32768");
  EXPECT_EQ(refused([](TrialOrder& o) { o.receiver.burst = 65; }), "burst: 65; allowed: 1 to 64");
  EXPECT_EQ(refused([](TrialOrder& o) { o.traffic.frame_bytes = {63}; }),
            "frame: 63 bytes; allowed: 64 to 9004 (incl. FCS)");
  EXPECT_EQ(refused([](TrialOrder& o) { o.traffic.flows = 65537; }),
            "flows: 65537; allowed: 1 to 65536");
  EXPECT_EQ(refused([](TrialOrder& o) { o.traffic.intended_pps = 38e6; }),
            "load: 38000000 pps exceed the line; allowed: up to 37202381 pps");
  EXPECT_EQ(refused([](TrialOrder& o) { o.model.faults.drop = o.model.faults.delay = 0.6; }),
            "faults: each is a probability, and their sum at most 1");
  EXPECT_EQ(refused([](TrialOrder& o) { o.receiver.rx_offloads = {"lro"}; }),
            "rx_offloads: \"lro\" is none of the model's; allowed: checksum, rss_hash");
  EXPECT_EQ(refused([](TrialOrder& o) {
              o.receiver.reta_weights = {1, 1};
            }),
            "reta: 2 weights for 1 queues; one for each, none negative, one above zero at least");
  EXPECT_EQ(refused([](TrialOrder& o) {
              o.clock = ClockKind::wall;
              o.planted_stop_ns = 1;
            }),
            "a planted stop with clock = \"wall\"; allowed with clock = \"lockstep\"");
}

TEST(Refusals, APoolThatDoesNotFitIsTheHostsAndSaysHowMuchItTakes) {
  TrialOrder order = small_order();
  order.receiver.queues = 16;
  order.receiver.rx_ring = 32768;
  auto ends = make_model_ends(order);
  ASSERT_TRUE(ends);
  const auto opened = ends->sender->open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::host_cannot);
  EXPECT_NE(opened.error().what.find(fmt::format("{} MiB", model_memory_mib(order))),
            std::string::npos)
      << opened.error().text();
}

TEST(Abandon, EndsTheTrialAsInterrupted) {
  TrialOrder order = small_order();
  order.seconds = 1000.0;
  auto ends = make_model_ends(order);
  ASSERT_TRUE(ends);
  ASSERT_TRUE(ends->sender->open());
  ends->sender->abandon();
  const auto joined = ends->sender->join();
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, Errc::interrupted);
}

std::size_t allocated_bytes() {
  rte_malloc_socket_stats stats{};
  std::size_t bytes = 0;
  for (int socket = 0; socket < RTE_MAX_NUMA_NODES; ++socket)
    if (rte_malloc_get_socket_stats(socket, &stats) == 0) bytes += stats.heap_allocsz_bytes;
  return bytes;
}

TEST(Trials, AThousandInOneProcessLeaveNothingBehind) {
  TrialOrder order = small_order();
  order.seconds = 0.0001;
  order.warmup_seconds = 0.00001;
  order.receiver.rx_ring = 128;
  std::size_t after_first = 0;
  for (int trial = 0; trial < 1000; ++trial) {
    order.receiver.queues = 1 + trial % 3;
    order.receiver.workers = trial % 2;
    order.receiver.ring = 256;
    const auto outcome = run(order);
    ASSERT_TRUE(outcome) << trial << ": " << outcome.error().text();
    ASSERT_EQ(open_books(*outcome), "") << trial;
    if (trial == 10) after_first = allocated_bytes();
  }
  EXPECT_EQ(allocated_bytes(), after_first);
}

class PatternFile {
 public:
  explicit PatternFile(std::string_view text) {
    path_ = testing::TempDir() + fmt::format("pollmark-patterns-{}.txt", ::getpid());
    std::ofstream(path_) << text;
  }
  ~PatternFile() { std::remove(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TrialOrder hyperscan_order(const PatternFile& file, double hit_ratio) {
  TrialOrder order = small_order();
  order.traffic.intended_pps = 2e6;
  order.traffic.frame_bytes = {128, 512};
  order.traffic.hit_ratio = hit_ratio;
  order.receiver.stage = StageKind::hyperscan;
  order.receiver.patterns = file.path();
  return order;
}

TEST(HyperscanStage, FindsWhatThePayloadsHold) {
  const PatternFile file("attack[0-9]{2}\n/evil/i\n");
  for (const double ratio : {0.0, 0.25, 1.0}) {
    for (const int workers : {0, 1}) {
      TrialOrder order = hyperscan_order(file, ratio);
      order.receiver.workers = workers;
      order.receiver.ring = workers > 0 ? 1024 : 0;
      const auto outcome = run(order);
      ASSERT_TRUE(outcome) << outcome.error().text();
      EXPECT_EQ(open_books(*outcome), "");
      ASSERT_TRUE(outcome->receiver.stage && outcome->receiver.stage->matched_pkts);
      const StageAccount& stage = *outcome->receiver.stage;
      EXPECT_GT(stage.staged_pkts, 0);
      EXPECT_NEAR(static_cast<double>(*stage.matched_pkts),
                  ratio * static_cast<double>(stage.staged_pkts),
                  ratio == 0.25 ? 0.02 * static_cast<double>(stage.staged_pkts) : 0.0);
      EXPECT_GE(*stage.matches, *stage.matched_pkts);
      EXPECT_EQ(outcome->fate(Fate::stage_dropped), 0);
      EXPECT_EQ(outcome->receiver.knobs.at("hit_ratio").state, KnobState::confirmed);
    }
  }
}

TEST(HyperscanStage, DoesNotSearchTheStamp) {
  // The stamp's first byte, where the payload would begin if the stamp were part of it.
  const PatternFile file("/^\\xb7/s\n");
  const auto outcome = run(hyperscan_order(file, 0.0));
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_GT(outcome->receiver.stage->staged_pkts, 0);
  EXPECT_EQ(*outcome->receiver.stage->matches, 0);
}

TEST(HyperscanStage, SearchesWhatLiesBehindTheHeadersOfACapture) {
  const PatternFile file("needle\n/\\x45\\x00/s\n");  // and how an IPv4 header begins
  const support::CaptureFile capture(
      {support::ipv4_frame(17, 2000, 64), support::ipv4_frame(6, 2000, 64)});
  TrialOrder order = small_order();
  order.traffic.kind = TrafficKind::replay;
  order.traffic.pcap = capture.path();
  order.traffic.intended_pps = 1e6;
  order.receiver.stage = StageKind::hyperscan;
  order.receiver.patterns = file.path();
  const auto outcome = run(order);
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_GT(outcome->receiver.stage->staged_pkts, 0);
  EXPECT_EQ(*outcome->receiver.stage->matches, 0);
}

TEST(ForwardStage, SendsBackWhatTheLineCarries) {
  for (const int workers : {0, 2}) {
    TrialOrder order = small_order();
    order.receiver.stage = StageKind::forward;
    order.receiver.workers = workers;
    order.receiver.ring = workers > 0 ? 1024 : 0;
    const auto outcome = run(order);
    ASSERT_TRUE(outcome) << outcome.error().text();
    EXPECT_EQ(open_books(*outcome), "") << workers;
    EXPECT_EQ(outcome->receiver.received_bytes, 64 * outcome->receiver.received_pkts);
    EXPECT_EQ(outcome->receiver.knobs.at("stage").effective, "forward");
    EXPECT_TRUE(outcome->receiver.knobs.at("stage").exercised);
  }
}

TEST(ForwardStage, AFrameWithoutATransmitDescriptorIsStageDropped) {
  // A backlog that a stall leaves is worked off faster than the line takes it.
  TrialOrder order = small_order();
  order.seconds = 0.02;
  order.model.link_bps = 10e9;
  order.traffic.frame_bytes = {1518};
  order.traffic.intended_pps = 0.8e6;
  order.receiver.rx_ring = 8192;
  order.receiver.stage = StageKind::forward;
  order.model.stalls = {StallKind::periodic, 10'000'000, 4'000'000, ""};
  const auto outcome = run(order);
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(open_books(*outcome), "");
  EXPECT_GT(outcome->fate(Fate::stage_dropped), 0);
  EXPECT_EQ(outcome->fate(Fate::rx_missed), 0);
}

}  // namespace
}  // namespace pollmark

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto eal = pollmark::start_eal({.memory_mib = 256, .use_hugepages = false});
  if (!eal) {
    std::fprintf(stderr, "%s\n", eal.error().text().c_str());
    return 1;
  }
  return RUN_ALL_TESTS();
}
