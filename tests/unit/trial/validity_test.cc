#include "trial/validity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "fake_ends.h"

namespace pollmark {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

struct Cause {
  std::string code;
  std::string what;
  std::function<void(Story&)> plant;
};

// The lies and disturbances that a path could bring, each alone.
const std::vector<Cause>& causes() {
  static const std::vector<Cause> kCauses{
      {"books_open", "a loss that nobody counted",
       [](Story& s) { s.charged[Fate::kernel_socket_buffer] = 39; }},
      {"books_open", "a loss that two counted", [](Story& s) { s.charged[Fate::kernel_udp] = 40; }},
      {"books_open", "a sender whose intended is not offered and unsent",
       [](Story& s) { s.sent.tx_unsent_pkts = 7; }},
      {"books_open", "a fate below zero, made up for elsewhere",
       [](Story& s) {
         s.charged[Fate::kernel_socket_buffer] = 45;
         s.charged[Fate::kernel_udp] = -5;
       }},
      {"books_open", "a receiver that counts the sender's fate",
       [](Story& s) { s.got.fates[Fate::tx_unsent] = 3; }},
      {"books_open", "queues that do not add up",
       [](Story& s) {
         s.charged.clear();
         s.got.fates[Fate::rx_missed] = 40;
         QueueAccount queue;
         queue.rx_missed_pkts = 39;
         s.got.queues = {queue};
       }},
      {"books_open", "software rings that do not add up",
       [](Story& s) {
         s.charged.clear();
         s.got.fates[Fate::sw_ring_overflow] = 40;
         s.got.rings = {RingAccount{0, 64, 41, 64}};
       }},
      {"generator_short", "frames that it could not offer",
       [](Story& s) {
         s.sent.intended_pkts = 100'101;
         s.sent.tx_unsent_pkts = 101;
       }},
      {"generator_short", "a schedule thinner than ordered",
       [](Story& s) { s.order.traffic.intended_pps = 1.002e6; }},
      {"generator_short", "more than was ordered",
       [](Story& s) { s.order.traffic.intended_pps = 0.998e6; }},
      {"generator_short", "a window longer than ordered",
       [](Story& s) { s.sent.window_seconds = 0.102; }},
      {"counter_backwards", "a counter that was reset",
       [](Story& s) { s.count("receiver.ip.InReceives", CounterRole::owner, 90'000, 500); }},
      {"echo_disagrees", "an echo that differs from its owner",
       [](Story& s) { s.doubts = {"udp.RcvbufErrors 39, socket.drops 40"}; }},
      {"tracker_disagrees", "received more than arrived by their numbers",
       [](Story& s) {
         s.got.tracker->unique = 99'959;
         s.got.tracker->lost = 41;
       }},
      {"tracker_disagrees", "a sender that sent other numbers than it says",
       [](Story& s) {
         s.sent.sent_per_flow = {60'001, 40'000};
         s.got.tracker->lost = 41;
       }},
      {"tracker_disagrees", "a tracker that lost another number than is missing",
       [](Story& s) { s.got.tracker->lost = 39; }},
      {"receiver_stalled", "a gap longer than the ring holds",
       [](Story& s) { s.got.lcores[0].longest_gap_ns = 500'001; }},
      {"receiver_stalled", "a polling receiver without its CPU",
       [](Story& s) { s.got.lcores[0].thread_cpu_fraction = 0.98; }},
      {"generator_stalled", "a gap of the generator",
       [](Story& s) { s.sent.lcores[0].longest_gap_ns = 5'000'000; }},
      {"generator_stalled", "a generator without its CPU",
       [](Story& s) { s.sent.lcores[0].thread_cpu_fraction = 0.5; }},
      {"receiver_starved", "a blocking receiver that waited for a CPU and lost",
       [](Story& s) { s.got.lcores[1].runnable_waiting_fraction = 0.01; }},
      {"too_disturbed", "too many excised iterations",
       [](Story& s) {
         s = Story::on_model();
         s.got.excised_share = 0.0051;
       }},
      {"too_disturbed", "halves of different cost",
       [](Story& s) {
         s = Story::on_model();
         s.got.half_drift = -0.031;
       }},
      {"too_disturbed", "a slower core",
       [](Story& s) {
         s = Story::on_model();
         s.got.core_slowdown = 0.041;
       }},
      {"too_disturbed", "a core that another thread used",
       [](Story& s) {
         s = Story::on_model();
         s.got.core_shared = 0.041;
       }},
      {"too_disturbed", "a core that was shared more than usual",
       [](Story& s) {
         s = Story::on_model();
         s.got.core_shared = 0.8;
         s.got.core_mix_slowdown = 0.041;
       }},
      {"knob_differs", "a ring that came out smaller",
       [](Story& s) {
         s.got.knobs["rx_ring"] = Knob{"4096", "2048", KnobState::differs, "", false};
       }},
      {"numa_misplaced", "an lcore on another node than was ordered",
       [](Story& s) {
         s.got.knobs["numa"] =
             Knob{"local", "mbuf pool on node 0, receiving lcores on node 1", KnobState::differs,
                  "mbuf pool on node 0, receiving lcores on node 1", false};
       }},
      {"tsc_step", "a TSC that stepped", [](Story& s) { s.tsc_steps_ns = 400'000; }},
      {"link_flap", "a carrier that changed",
       [](Story& s) { s.count("receiver.link.carrier_changes", CounterRole::context, 2, 4); }},
      {"pause_frames", "pause frames that came",
       [](Story& s) { s.count("receiver.link.rx_pause_frames", CounterRole::context, 0, 1); }},
      {"path_drift", "another burst function than expected",
       [](Story& s) {
         s.got.knobs["rx_burst_mode"] =
             Knob{"Vector AVX2", "Scalar", KnobState::differs, "", false};
       }},
      {"capture_failed", "a capture that no disk had room for",
       [](Story& s) {
         s.got.captures.resize(1);
         s.got.captures[0].failure = "cannot be written: No space left on device";
       }},
      {"drain_timeout", "frames that kept coming",
       [](Story& s) { s.drain_takes_ns = 3'000'000'000; }},
  };
  return kCauses;
}

TEST(Validity, EachCauseGivesItsOwnCodeAndNoOther) {
  for (const Cause& cause : causes()) {
    Story story;
    cause.plant(story);
    const auto result = story.run();
    ASSERT_TRUE(result) << cause.what;
    EXPECT_FALSE(result->valid) << cause.what;
    EXPECT_EQ(codes_of(result->invalid_reasons), std::set<std::string>{cause.code})
        << cause.what << ": " << join(result->invalid_reasons, "; ");
    for (const std::string& reason : result->invalid_reasons) {
      EXPECT_THAT(reason, StartsWith(cause.code + ": "));
      EXPECT_GT(reason.size(), cause.code.size() + 12) << "a reason has a sentence";
    }
  }
}

TEST(Validity, EveryCodeHasACause) {
  std::set<std::string> codes;
  for (const Cause& cause : causes()) codes.insert(cause.code);
  EXPECT_EQ(codes,
            (std::set<std::string>{
                "books_open", "generator_short", "counter_backwards", "echo_disagrees",
                "tracker_disagrees", "receiver_stalled", "generator_stalled", "receiver_starved",
                "too_disturbed", "knob_differs", "numa_misplaced", "tsc_step", "link_flap",
                "pause_frames", "path_drift", "capture_failed", "drain_timeout"}));
}

TEST(Validity, JustInsideEveryLimitIsValid) {
  Story story;
  story.sent.intended_pkts = 100'100;
  story.sent.tx_unsent_pkts = 100;
  story.got.lcores[0].longest_gap_ns = 500'000;
  story.got.lcores[0].thread_cpu_fraction = 0.99;
  story.got.lcores[1].runnable_waiting_fraction = 0.0099;
  story.sent.lcores[0].longest_gap_ns = 1'000'000;
  story.drain_takes_ns = 1'999'000'000;
  story.tsc_steps_ns = 90'000;
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_THAT(result->invalid_reasons, ElementsAre());

  Story model = Story::on_model();
  model.got.excised_share = 0.005;
  model.got.half_drift = 0.03;
  model.got.core_slowdown = -0.04;
  model.got.core_shared = 0.04;
  EXPECT_TRUE(model.run()->valid);
  model.got.core_shared = 0.8;
  model.got.core_mix_slowdown = -0.04;
  EXPECT_TRUE(model.run()->valid) << "as much as in the trials before";
}

TEST(Validity, AThirtyTwoBitCounterThatWrapsDidNotFall) {
  Story story;
  story.count("receiver.port.imissed", CounterRole::owner, 4'294'967'290U, 10);
  for (CounterSnapshot& reading : story.receiver_readings) {
    reading.facts["receiver.port.imissed"].bits = 32;
  }
  EXPECT_TRUE(story.run()->valid);
}

TEST(Validity, TheToleranceOfTheProfileClosesTheBooks) {
  Story story;
  story.charged[Fate::kernel_socket_buffer] = 38;
  TrialLimits limits;
  limits.unaccounted_tolerance = 2;
  const auto result = story.run(limits);
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->valid);
  EXPECT_EQ(result->ledger().unaccounted_pkts(), 2) << "said, never hidden";
}

TEST(Validity, ABlockingReceiverThatWaitedButLostNothingIsValid) {
  Story story;
  story.got.lcores[1].runnable_waiting_fraction = 0.4;
  story.got.received_pkts = 100'000;
  story.got.tracker->unique = 100'000;
  story.got.tracker->lost = 0;
  story.charged.clear();
  EXPECT_TRUE(story.run()->valid);
}

TEST(Validity, AMaximumLoadIsMeasuredAndNotJudged) {
  Story story;
  story.order.traffic.load = Load{LoadUnit::max, 0.0};
  story.order.traffic.intended_pps = 0.0;
  story.sent.intended_pkts = 150'000;
  story.sent.tx_unsent_pkts = 50'000;
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->valid);
  EXPECT_THAT(result->not_checked, Contains(HasSubstr("load = \"max\"")));
}

TEST(Validity, ACaptureIsNamedBecauseItsCostIsInTheCpu) {
  Story story;
  story.got.captures.resize(2);
  story.got.captures[1].at = CaptureAt::receiver;
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->valid);
  EXPECT_THAT(result->not_checked,
              Contains(StartsWith("CPU without captures: taps at the sender and the receiver")));
  EXPECT_EQ(result->captures.size(), 2U);
}

TEST(Validity, PoissonAndBurstArrivalsHaveTheirOwnGrain) {
  Story poisson;
  poisson.order.traffic.arrivals.kind = ArrivalKind::poisson;
  poisson.order.traffic.intended_pps = 1.01e6;  // 1 % off: 3.2 standard deviations
  EXPECT_TRUE(poisson.run()->valid);
  poisson.order.traffic.intended_pps = 1.05e6;
  EXPECT_FALSE(poisson.run()->valid);

  Story burst;
  burst.order.traffic.arrivals = Arrivals{ArrivalKind::burst, 1024};
  burst.order.traffic.intended_pps = 1.01e6;
  EXPECT_TRUE(burst.run()->valid);
  burst.order.traffic.intended_pps = 1.012e6;
  EXPECT_FALSE(burst.run()->valid);
}

TEST(Validity, AsIsTurnsWhatTheHostDidIntoLabelsAndNothingElse) {
  for (const Cause& cause : causes()) {
    Story story;
    cause.plant(story);
    story.order.validity = ValidityRule::as_is;
    const auto result = story.run();
    ASSERT_TRUE(result);
    const bool of_host = cause.code == "receiver_stalled" || cause.code == "generator_stalled" ||
                         cause.code == "receiver_starved" || cause.code == "too_disturbed";
    EXPECT_EQ(result->valid, of_host) << cause.what;
    if (of_host) {
      EXPECT_THAT(result->not_checked, Contains(StartsWith("as_is: " + cause.code + ": ")));
    }
  }
}

TEST(Validity, WallClockRulesDoNotApplyInLockstepNorTheOtherWayRound) {
  Story model = Story::on_model();
  LcoreHealth stalled;
  stalled.longest_gap_ns = 1'000'000'000;
  stalled.tolerated_gap_ns = 1;
  stalled.thread_cpu_fraction = 0.1;
  model.got.lcores = {stalled};
  model.sent.lcores = {stalled};
  EXPECT_TRUE(model.run()->valid);

  Story wall;
  wall.got.excised_share = 0.5;
  wall.got.half_drift = 0.5;
  EXPECT_TRUE(wall.run()->valid);
}

TEST(Validity, WhatCannotBeCheckedIsListed) {
  Story story;
  story.order.path = Path::dpdk;
  story.sent.sent_per_flow.clear();
  story.sent.lcores.clear();
  story.got.lcores[0].tolerated_gap_ns = 0;
  story.got.lcores[1].runnable_waiting_fraction.reset();
  story.got.knobs["rx_ring"] = Knob{"1024", "", KnobState::unverifiable, "", false};
  for (CounterSnapshot& reading : story.receiver_readings) {
    reading.values.erase("receiver.link.carrier_changes");
    reading.values.erase("receiver.link.rx_pause_frames");
  }
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->valid);
  EXPECT_THAT(
      result->not_checked,
      ElementsAre("sequence numbers: this traffic is counted, not tracked",
                  "receiver q0: how long a gap its queue holds is not known (longest: 40.0 us)",
                  "generator stalls: no lcore reported its gaps",
                  "receiver: its run-queue delay cannot be read",
                  "rx_ring: set to 1024, cannot be read back",
                  "link flap: no counter of link changes was read",
                  "pause frames: no counter of them was read",
                  "path drift: the driver does not tell its burst function"));
}

TEST(Validity, LockstepWithoutItsMeasuresSaysSo) {
  Story story = Story::on_model();
  story.got.excised_share.reset();
  story.got.half_drift.reset();
  story.got.core_slowdown.reset();
  story.got.core_shared.reset();
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->valid);
  EXPECT_EQ(result->not_checked.size(), 4U);
}

TEST(Validity, ALinkCounterThatVanishedIsNotAFlapButUnchecked) {
  Story story;
  story.receiver_readings.back().values.erase("receiver.link.carrier_changes");
  const auto result = story.run();
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->valid);
  EXPECT_THAT(result->not_checked, Contains(StartsWith("link flap")));
}

TEST(Validity, AGeneratorThatIsShortIsNeverTheDevicesLoss) {
  Story story;
  story.sent.intended_pkts = 150'000;
  story.sent.tx_unsent_pkts = 50'000;
  story.order.traffic.intended_pps = 1.5e6;
  const auto result = story.run();
  ASSERT_TRUE(result);
  const Ledger ledger = result->ledger();
  EXPECT_EQ(ledger.lost_pkts(), 40);
  EXPECT_DOUBLE_EQ(ledger.loss_ratio().value(), 40.0 / 100'000.0);
  EXPECT_EQ(result->limited_by, "generator");
}

}  // namespace
}  // namespace pollmark
