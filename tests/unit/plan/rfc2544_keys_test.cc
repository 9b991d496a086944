#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "experiment_text.h"
#include "plan/experiment.h"
#include "plan/print.h"

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// kSmall with this [rfc2544] in place of its load and blocks.
std::string testing_with(std::string_view rfc2544, std::string_view more = "") {
  std::string text = small_with("load = \"2 Mpps\"\n", "");
  const std::string blocks = "[trial]\nblocks = 3\n";
  text.erase(text.find(blocks), blocks.size());
  return text + std::string(more) + "[rfc2544]\n" + std::string(rfc2544) + "\n";
}

TEST(Rfc2544Keys, AnEmptyTableIsTheStrictPreset) {
  const Experiment read = sound(testing_with(""));
  ASSERT_TRUE(read.rfc2544);
  EXPECT_EQ(*read.rfc2544, Rfc2544Order{});
  ASSERT_TRUE(read.search);
  EXPECT_THAT(read.search->goals, ElementsAre(*preset_goal("rfc2544")));
  EXPECT_THAT(read.search->latency_at, IsEmpty());
  EXPECT_EQ(read.judge.metric, "rfc2544_mpps");
  EXPECT_EQ(read.blocks, 1) << "repeats are within";
  EXPECT_EQ(read.groups.front().base.wait_before_seconds, 5.0);
  EXPECT_EQ(read.groups.front().base.wait_after_seconds, 2.0);
}

TEST(Rfc2544Keys, SingleValuesGoBeforeThePresetWhereverItStands) {
  const Experiment read = sound(testing_with(R"(burst_repeats = 7
burst_step_pkts = 32
burst_cap_seconds = "3 ms"
trial_seconds = 0.5
width = "1 %"
loss_step_percent = 5
latency_seconds = 2
latency_repeats = 4
overload_seconds = "1 s"
recovery_seconds = 0.5
recovery_repeats = 6
wait_before_seconds = 1
wait_after_seconds = "500 ms"
tests = ["reset", "back_to_back"]
preset = "short")"));
  Rfc2544Order expected = *rfc2544_preset("short");
  expected.burst_repeats = 7;
  expected.burst_step_pkts = 32;
  expected.burst_cap_seconds = 0.003;
  expected.trial_seconds = 0.5;
  expected.width = 0.01;
  expected.loss_step_percent = 5.0;
  expected.latency_seconds = 2.0;
  expected.latency_repeats = 4;
  expected.overload_seconds = 1.0;
  expected.recovery_seconds = 0.5;
  expected.recovery_repeats = 6;
  expected.wait_before_seconds = 1.0;
  expected.wait_after_seconds = 0.5;
  expected.tests = {Rfc2544Test::throughput, Rfc2544Test::back_to_back, Rfc2544Test::reset};
  EXPECT_EQ(*read.rfc2544, expected) << "the throughput is always there, and first";
  EXPECT_EQ(read.judge.metric, "throughput_mpps");
}

struct RefusedTests {
  std::string rfc2544;
  std::string says;
};

TEST(Rfc2544Keys, EveryMistakeIsRefusedWithItsPlaceAndWhatIsAllowed) {
  for (const RefusedTests& each : std::vector<RefusedTests>{
           {"preset = \"quick\"",
            "exp.toml:11:10: preset: \"quick\" is not known; allowed: strict, "
            "short"},
           {"tests = [\"latencies\"]",
            "exp.toml:11:10: tests: \"latencies\" is not known, did you "
            "mean \"latency\"?"},
           {"tests = [\"reset\", \"reset\"]", "tests: reset stands twice"},
           {"tests = []", "tests: none; allowed: a list of throughput"},
           {"tests = \"latency\"", "tests: text; allowed"},
           {"trial_seconds = 0", "trial_seconds: 0 s is out of range"},
           {"burst_cap_seconds = 31",
            "burst_cap_seconds: 31 s is out of range; allowed: up to 30 s"},
           {"loss_step_percent = 11", "loss_step_percent: 11 is out of range; allowed: 0.1 to 10"},
           {"loss_step_percent = \"5 %\"", "loss_step_percent: text; allowed: 0.1 to 10"},
           {"burst_repeats = 0", "burst_repeats: 0 is too small"},
           {"width = 0", "width 0 is out of range"},
           {"burst_repeat = 3", "did you mean \"burst_repeats\"?"},
           {"[search]\ngoals = [\"ndr\"]", "[search] beside [rfc2544]"}}) {
    EXPECT_THAT(mistakes(testing_with(each.rfc2544)), ::testing::Contains(HasSubstr(each.says)))
        << each.rfc2544;
  }
}

TEST(Rfc2544Keys, WhatTheTestsDecideCannotBeSaidElsewhere) {
  EXPECT_THAT(mistakes(std::string(kSmall) + "[rfc2544]\n"),
              ElementsAre(HasSubstr("exp.toml:8:1: load beside [rfc2544]")));
  EXPECT_THAT(mistakes(testing_with(""), {"trial.packets=1000"}),
              ElementsAre(HasSubstr("packets beside [rfc2544]")));
  EXPECT_THAT(mistakes(testing_with(""), {"trial.seconds=1"}),
              ElementsAre(HasSubstr("seconds beside [rfc2544]")));
  EXPECT_THAT(mistakes(testing_with(""), {"trial.aa_blocks=6"}),
              ElementsAre(HasSubstr("aa_blocks beside [rfc2544]")));
  EXPECT_THAT(mistakes(testing_with("", "[judge]\nmetric = \"loss_ratio\"\n")),
              ElementsAre(HasSubstr("loss_ratio is not measured where the load is searched")));
  EXPECT_EQ(sound(testing_with(""), {"trial.blocks=4"}).blocks, 4);
  EXPECT_EQ(sound(testing_with("preset = \"short\"", "[judge]\nmetric = \"throughput_mpps\"\n"))
                .judge.metric,
            "throughput_mpps");
}

TEST(Rfc2544Keys, AClosedLoopIsRefusedWithTheReason) {
  std::string text = testing_with("preset = \"short\"");
  const std::string factors = "[factors]\nrx_ring = [64, 512]\n";
  text.replace(text.find(factors), factors.size(), "");
  for (const std::string port : {"generator", "receiver"}) {
    const std::string model = "[" + port + "]\nport = \"model\"";
    text.replace(text.find(model), model.size(), "[" + port + "]\nport = \"veth\"");
  }
  text += "[factors]\npath = [\"udp_socket\", \"tcp_rr\"]\n";
  const auto plan = plan_experiment(sound(text));
  ASSERT_TRUE(plan) << plan.error().text();
  ASSERT_THAT(plan->cells, SizeIs(2));
  EXPECT_FALSE(plan->cells[0].refused.has_value());
  EXPECT_THAT(plan->cells[1].refused.value(), HasSubstr("a closed loop finds its load by itself"));
}

TEST(Rfc2544Keys, ThePlanTellsTrialsTimeAndWhatIsShortened) {
  const auto plan = plan_experiment(sound(testing_with("preset = \"short\"")));
  ASSERT_TRUE(plan) << plan.error().text();
  const std::string text = render_plan(*plan);
  EXPECT_THAT(text, HasSubstr("tests after RFC 2544, shortened, behind each search"));
  EXPECT_THAT(text, HasSubstr("trials of 1.00 s (60.0 s)"));
  EXPECT_THAT(text, HasSubstr("latency         3 trials, 3.30 s of traffic"));
  EXPECT_THAT(text, HasSubstr("frame_loss_rate 7 trials"));
  EXPECT_THAT(text, HasSubstr("back_to_back"));
  EXPECT_THAT(text, HasSubstr("reset           not applicable"));
  EXPECT_THAT(text, HasSubstr("2 suites in 1 block of 2 cells"));
  const auto longer =
      plan_experiment(sound(testing_with("preset = \"short\"\nlatency_repeats = 20")));
  EXPECT_GT(longer->expected_seconds, plan->expected_seconds);
  const auto strict = plan_experiment(sound(testing_with("")));
  EXPECT_THAT(render_plan(*strict), HasSubstr("tests of RFC 2544, behind each search"));
}

TEST(Rfc2544Keys, EachKindOfTrialHasSeedsOfItsOwn) {
  const auto plan = plan_experiment(sound(testing_with("preset = \"short\"")));
  ASSERT_TRUE(plan);
  std::set<std::uint64_t> seeds;
  const std::vector<TrialKind> kinds = {TrialKind::search, TrialKind::latency,
                                        TrialKind::frame_loss, TrialKind::burst,
                                        TrialKind::recovery};
  for (const TrialKind kind : kinds) {
    for (int nth = 0; nth < 10; ++nth) {
      const TrialOrder order = search_order_of(*plan, 0, kind, nth, 5);
      EXPECT_EQ(order.kind, kind);
      seeds.insert(order.seed);
      EXPECT_EQ(order.seed, search_order_of(*plan, 1, kind, nth, 6).seed) << "cells see the same";
    }
  }
  EXPECT_THAT(seeds, SizeIs(kinds.size() * 10));
}

}  // namespace
}  // namespace pollmark
