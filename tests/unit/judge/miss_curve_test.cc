#include "judge/miss_curve.h"

#include <gtest/gtest.h>

#include "sizing_campaign.h"

namespace pollmark {
namespace {

std::optional<double> predicted(const TrialResult& trial) {
  return predicted_missed_ratio({&trial}, std::nullopt);
}

// 20 us every ms at 10 Mpps: 200 frames of every 10 000.
TrialResult stalled(const KnownCost& known) {
  TrialResult trial = trial_of_cost(known, 0);
  trial.order.clock = ClockKind::lockstep;
  trial.order.model.stalls = {StallKind::periodic, 1'000'000, 20'000, ""};
  return trial;
}

TEST(CoreTime, IsWhatTheLcoresWereBusy) {
  EXPECT_NEAR(core_ns_per_pkt(trial_of_cost({}, 0)).value(), 100.0, 1e-9);
  EXPECT_NEAR(core_ns_per_pkt(trial_of_cost({.core_ns = 50.0, .cores = 4}, 0)).value(), 50.0, 1e-9);
  TrialResult trial = trial_of_cost({}, 0);
  LcoreHealth generator;
  generator.role = "generator";
  generator.busy_fraction = 1.0;
  trial.lcores.insert(trial.lcores.begin(), generator);
  EXPECT_NEAR(core_ns_per_pkt(trial).value(), 100.0, 1e-9) << "the sender's time is not counted";
  // The kernel's share of the work is in what the cores were used, not in the thread.
  trial.order.path = Path::udp_socket;
  EXPECT_FALSE(core_ns_per_pkt(trial).has_value());
  trial.cpu_cores_used = 1.5;
  EXPECT_NEAR(core_ns_per_pkt(trial).value(), 300.0, 1e-9);
}

TEST(MissCurve, OneQueue) {
  const KnownCost known{.core_ns = 30.0, .load_pps = 10e6, .ring = 64};
  EXPECT_NEAR(predicted(stalled(known)).value(), 0.0136, 1e-6);
  KnownCost held = known;
  held.ring = 256;
  EXPECT_DOUBLE_EQ(predicted(stalled(held)).value(), 0.0);
}

TEST(MissCurve, EachQueueHasItsShare) {
  // Of 200 frames the first queue gets 160, the other 40: only the first loses.
  const KnownCost known{
      .core_ns = 30.0, .cores = 2, .load_pps = 10e6, .ring = 64, .shares = {0.8, 0.2}};
  EXPECT_NEAR(predicted(stalled(known)).value(), 0.0096, 0.0002);
}

TEST(MissCurve, AnLcoreWithTwoQueuesWorksOffBoth) {
  TrialResult trial =
      stalled({.core_ns = 90.0, .cores = 2, .load_pps = 10e6, .ring = 64, .shares = {0.5, 0.5}});
  // Two lcores, each less than half busy.
  const double apart = predicted(trial).value();
  // One lcore for both, nearly always busy: of the 128 frames that the rings hold after a stall, 49
  // are worked off before the next.
  trial.lcores.pop_back();
  trial.lcores[0].role = "receiver q0 q1";
  trial.lcores[0].busy_fraction = 0.995;
  EXPECT_GT(predicted(trial).value(), 1.8 * apart);
}

// 95 ns a frame in small bursts, 30 ns in full ones: the backlog of a stall is gone before the
// next.
TEST(MissCurve, ABacklogIsWorkedOffInFullBursts) {
  TrialResult trial = stalled({.core_ns = 99.9, .load_pps = 10e6, .ring = 256});
  trial.order.receiver.burst = 32;
  EXPECT_GT(predicted(trial).value(), 0.01);
  const BurstCost cost{64.0, 28.0};
  EXPECT_NEAR(cost.at(32.0), 30.0, 1e-12);
  EXPECT_DOUBLE_EQ(predicted_missed_ratio({&trial}, cost).value(), 0.0);
}

TEST(MissCurve, PoissonArrivalsLoseBetweenStallsToo) {
  TrialResult trial = stalled({.core_ns = 95.0, .load_pps = 10e6, .ring = 15});
  trial.order.model.stalls.every_ns = 1'000'000'000;
  trial.order.traffic.arrivals.kind = ArrivalKind::poisson;
  EXPECT_NEAR(predicted(trial).value(), 1.313e-2, 0.01e-2);
}

TEST(MissCurve, SaysNothingWhereItHasNoModel) {
  const KnownCost known{.core_ns = 30.0, .load_pps = 10e6, .ring = 64};
  EXPECT_FALSE(predicted_missed_ratio({}, std::nullopt).has_value());
  const auto without = [&](auto change) {
    TrialResult trial = stalled(known);
    change(trial);
    return predicted(trial).has_value();
  };
  EXPECT_TRUE(without([](TrialResult&) {}));
  EXPECT_FALSE(without([](TrialResult& t) { t.order.model.stalls.kind = StallKind::none; }));
  EXPECT_FALSE(without([](TrialResult& t) { t.order.model.stalls.kind = StallKind::trace; }));
  EXPECT_FALSE(without([](TrialResult& t) { t.order.path = Path::dpdk; }));
  EXPECT_FALSE(without([](TrialResult& t) { t.order.model.faults.drop = 0.1; }));
  EXPECT_FALSE(without([](TrialResult& t) { t.order.receiver.workers = 1; }));
  EXPECT_FALSE(without([](TrialResult& t) { t.order.receiver.pool_mbufs = 256; }));
  EXPECT_FALSE(without([](TrialResult& t) { t.order.traffic.kind = TrafficKind::replay; }));
  EXPECT_FALSE(
      without([](TrialResult& t) { t.order.traffic.arrivals.kind = ArrivalKind::on_off; }));
  EXPECT_FALSE(without([](TrialResult& t) { t.lcores.front().busy_fraction.reset(); }));
  EXPECT_FALSE(without([](TrialResult& t) { t.queues.front().share.reset(); }));
}

}  // namespace
}  // namespace pollmark
