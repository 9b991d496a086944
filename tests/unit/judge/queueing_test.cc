#include "judge/queueing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace pollmark {
namespace {

// Golden: the sheet of methods, section 10.
TEST(Md1k, LossOfTheWorkedExamples) {
  EXPECT_NEAR(md1k_loss_ratio(0.9, 8), 2.726e-2, 0.0005e-2);
  EXPECT_NEAR(md1k_loss_ratio(0.9, 16), 4.337e-3, 0.0005e-3);
  EXPECT_NEAR(md1k_loss_ratio(0.95, 16), 1.313e-2, 0.0005e-2);
  EXPECT_NEAR(md1k_loss_ratio(0.95, 32), 2.148e-3, 0.0005e-3);
  EXPECT_NEAR(md1k_loss_ratio(0.99, 32), 1.130e-2, 0.0005e-2);
  EXPECT_NEAR(md1k_loss_ratio(1.05, 32), 4.979e-2, 0.0005e-2);
}

TEST(Md1k, Ends) {
  // Room for the one that is served and no other: Erlang's B of one server.
  EXPECT_NEAR(md1k_loss_ratio(0.5, 1), 0.5 / 1.5, 1e-12);
  EXPECT_DOUBLE_EQ(md1k_loss_ratio(0.5, 4097), 0.0);
  // Far above 1 what is lost is what does not fit.
  EXPECT_NEAR(md1k_loss_ratio(2.0, 2049), 0.5, 1e-9);
  EXPECT_NEAR(md1k_loss_ratio(1.05, 4097), 0.05 / 1.05, 1e-6);
  double last = 1.0;
  for (int room = 1; room < 120; ++room) {
    const double lost = md1k_loss_ratio(0.9, room);
    EXPECT_LT(lost, last) << room;
    last = lost;
  }
}

// A queue fed at random, frame by frame.
TEST(Md1k, AgreesWithASimulatedQueue) {
  std::mt19937_64 draw(7);
  const double load = 0.95;
  const int room = 16;
  double backlog = 0.0;  // of work, in service times
  int lost = 0;
  constexpr int kFrames = 4'000'000;
  for (int frame = 0; frame < kFrames; ++frame) {
    const double unit = (static_cast<double>(draw() >> 11) + 0.5) * 0x1p-53;
    backlog = std::max(0.0, backlog + std::log(unit) / load);
    if (std::ceil(backlog) >= room) {
      ++lost;
    } else {
      backlog += 1.0;
    }
  }
  EXPECT_NEAR(static_cast<double>(lost) / kFrames, md1k_loss_ratio(load, room), 0.001);
}

// The exact roots of the sheet, section 9.2.
TEST(PoissonRing, DepthsForOneInAMillion) {
  for (const auto& [load, depth] : {std::pair(0.8, 32), std::pair(0.9, 67), std::pair(0.95, 136),
                                    std::pair(0.98, 343), std::pair(0.99, 688)}) {
    EXPECT_EQ(std::lround(poisson_ring_depth(load, 1e-6)), depth) << load;
  }
}

TEST(StallRing, DescriptorsByStallLength) {
  EXPECT_NEAR(stall_ring_depth(14.8810e6, 20e3), 298, 0.5);
  EXPECT_NEAR(stall_ring_depth(37.2024e6, 500e3), 18'600, 5);
  EXPECT_NEAR(stall_ring_depth(33.437e6, 50e3), 1672, 0.5);
  EXPECT_NEAR(stall_ring_depth(8.1274e6, 5e3, 32.0), 72.6, 0.1);
}

QueueLoad evenly(double arrival_pps, double service_pps) {
  QueueLoad queue;
  queue.arrival_pps = arrival_pps;
  queue.service_pps = service_pps;
  return queue;
}

TEST(StallLoss, IsWhatDoesNotFit) {
  // 20 us at 10 Mpps bring 200 frames, every ms 10 000.
  const QueueLoad queue = evenly(10e6, 20e6);
  const StallProfile stalls{StallTiming::periodic, 1e6, 20e3};
  EXPECT_NEAR(stall_loss_ratio(queue, stalls, 64), 136.0 / 10'000.0, 1e-6);
  EXPECT_NEAR(stall_loss_ratio(queue, stalls, 128), 72.0 / 10'000.0, 1e-6);
  EXPECT_DOUBLE_EQ(stall_loss_ratio(queue, stalls, 256), 0.0);
}

TEST(StallLoss, ABacklogThatIsNotWorkedOffCountsAgain) {
  // 500 frames a stall, 450 worked off before the next: nothing is free after a while but what was.
  const QueueLoad queue = evenly(10e6, 10.5e6);
  const StallProfile stalls{StallTiming::periodic, 1e6, 50e3};
  const double worked_off = 0.5e6 * 950e-6;
  EXPECT_NEAR(stall_loss_ratio(queue, stalls, 512), (500.0 - worked_off) / 10'000.0, 1e-5);
}

TEST(StallLoss, OverloadLosesWhatIsNotServed) {
  const QueueLoad queue = evenly(10e6, 8e6);
  const StallProfile stalls{StallTiming::periodic, 1e6, 100e3};
  EXPECT_NEAR(stall_loss_ratio(queue, stalls, 256), 1.0 - 0.8 * 0.9, 1e-3);
}

TEST(StallLoss, WholeBatchesArrive) {
  QueueLoad queue = evenly(10e6, 100e6);
  queue.batch_frames = 64.0;
  // 200 frames are 3.125 batches: 192 or, in an eighth of the stalls, 256.
  const StallProfile stalls{StallTiming::periodic, 1e6, 20e3};
  EXPECT_NEAR(stall_loss_ratio(queue, stalls, 192), 0.125 * 64.0 / 10'000.0, 1e-6);
}

TEST(StallLoss, RandomArrivalsExceedTheirMean) {
  QueueLoad queue = evenly(10e6, 100e6);
  queue.dispersion = 1.0;
  // Mean 200, deviation sqrt(200): at the mean half of the normal's first absolute moment.
  const StallProfile stalls{StallTiming::periodic, 1e6, 20e3};
  EXPECT_NEAR(stall_loss_ratio(queue, stalls, 200),
              std::sqrt(200.0) / std::sqrt(2.0 * 3.14159265358979) / 10'000.0, 1e-6);
}

TEST(StallLoss, PoissonStallsRunIntoEachOther) {
  const QueueLoad queue = evenly(10e6, 30e6);
  const StallProfile periodic{StallTiming::periodic, 1e6, 20e3};
  const StallProfile poisson{StallTiming::poisson, 1e6, 20e3};
  EXPECT_NEAR(stall_loss_ratio(queue, poisson, 64), stall_loss_ratio(queue, periodic, 64), 0.001);
  // A ring that holds one stall and not two.
  EXPECT_DOUBLE_EQ(stall_loss_ratio(queue, periodic, 256), 0.0);
  const double twice = stall_loss_ratio(queue, poisson, 256);
  EXPECT_GT(twice, 1e-5);
  EXPECT_LT(twice, 1e-3);
  EXPECT_DOUBLE_EQ(stall_loss_ratio(queue, poisson, 256), twice) << "the same draws each time";
}

// Two thirds of the time are stalled, however the stalls overlap: a third of 12 Mpps is served.
TEST(StallLoss, StallsThatOverlapAreServedInTurn) {
  const StallProfile stalls{StallTiming::poisson, 30e3, 20e3};
  EXPECT_NEAR(stall_loss_ratio(evenly(10e6, 12e6), stalls, 256), 0.6, 0.01);
}

TEST(GapLoss, SumsOverTheGapsThatWereSeen) {
  const QueueLoad queue = evenly(10e6, 20e6);
  const std::vector<PollGap> gaps = {{1e3, 1'000'000.0}, {20e3, 10.0}, {100e3, 1.0}};
  // Of 1 s at 10 Mpps: ten gaps of 200 frames and one of 1000.
  EXPECT_NEAR(gap_loss_ratio(queue, gaps, 1e9, 128), (10.0 * 72.0 + 872.0) / 1e7, 1e-12);
  EXPECT_NEAR(gap_loss_ratio(queue, gaps, 1e9, 512), 488.0 / 1e7, 1e-12);
  EXPECT_DOUBLE_EQ(gap_loss_ratio(queue, gaps, 1e9, 1024), 0.0);
}

}  // namespace
}  // namespace pollmark
