#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiment_text.h"
#include "plan/experiment.h"
#include "plan/feasibility.h"

namespace pollmark {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;

std::string on_veth(const std::string& path, const std::string& traffic = "",
                    const std::string& rest = "") {
  return "name = \"loop\"\n[generator]\nport = \"veth\"\n[receiver]\nport = \"veth\"\npath = " +
         path + "\n[traffic]\n" + traffic + "\n[trial]\nseconds = 0.5\n" + rest;
}

Result<Plan> planned(const std::string& text) {
  PM_TRY(Experiment experiment, parsed(text));
  return plan_experiment(std::move(experiment));
}

TEST(ClosedLoopPlan, ReadsItsSettingsAndResolvesTheRest) {
  const auto plan = planned(on_veth("\"tcp_stream\"",
                                    "streams = 4\nmessage_bytes = \"64 KiB\"\nno_delay = true\n"
                                    "congestion_control = \"cubic\""));
  ASSERT_TRUE(plan) << plan.error().text();
  ClosedLoopOrder loop = plan->cells.at(0).order.closed_loop;
  EXPECT_EQ(loop.streams, 4);
  EXPECT_EQ(loop.message_bytes, 65'536);
  EXPECT_TRUE(loop.no_delay);
  EXPECT_EQ(loop.congestion_control, "cubic");
  EXPECT_EQ(plan->experiment.judge.metric, "goodput_bps");
  EXPECT_EQ(plan->cells[0].order.traffic.load.unit, LoadUnit::max);
  EXPECT_EQ(plan->cells[0].order.traffic.intended_pps, 0.0);

  const auto stream = planned(on_veth("\"tcp_stream\""));
  ASSERT_TRUE(stream) << stream.error().text();
  EXPECT_EQ(stream->cells.at(0).order.closed_loop.message_bytes, 131'072);
  const auto request = planned(on_veth("\"udp_rr\"", "response_bytes = 1000"));
  ASSERT_TRUE(request) << request.error().text();
  loop = request->cells.at(0).order.closed_loop;
  EXPECT_EQ(loop.message_bytes, 64);
  EXPECT_EQ(loop.response_bytes, 1000);
  EXPECT_EQ(request->experiment.judge.metric, "transactions_per_s");
}

TEST(ClosedLoopPlan, RefusesWhatBelongsToAnOfferedLoad) {
  for (const std::string traffic : {"load = \"1 Mpps\"", "frame = 64", "flows = 4",
                                    "kind = \"udp\"", "src_ip = \"198.18.0.9\""}) {
    EXPECT_THAT(mistakes(on_veth("\"tcp_rr\"", traffic)),
                ElementsAre(AllOf(HasSubstr("exp.toml:8:"), HasSubstr("acts on no path that is"),
                                  HasSubstr("allowed with path dpdk, model"))))
        << traffic;
  }
  const std::string swept = "[factors]\nload = [\"1 Mpps\"]\n";
  EXPECT_THAT(mistakes(on_veth("\"tcp_rr\"", "", swept)),
              ElementsAre(HasSubstr("load does not act on path tcp_rr; allowed on dpdk, model")));
  EXPECT_THAT(mistakes(on_veth("\"tcp_rr\"", "streams = 2")),
              ElementsAre(HasSubstr("streams acts on no path that is used here")));
  const std::string other = on_veth("\"udp_socket\"", "load = \"9 kpps\"\nno_delay = true");
  EXPECT_THAT(mistakes(other), ElementsAre(HasSubstr("no_delay acts on no path")));
}

TEST(ClosedLoopPlan, RefusesLevelsOutOfRange) {
  for (const std::string traffic :
       {"message_bytes = 3", "message_bytes = \"17 MiB\"", "message_bytes = \"many\"",
        "message_bytes = true", "no_delay = \"yes\"", "no_delay = 1",
        "congestion_control = \"Cubic!\"", "congestion_control = \"\"",
        "congestion_control = \"a_name_of_17_long\""}) {
    EXPECT_THAT(mistakes(on_veth("\"tcp_stream\"", traffic)),
                ElementsAre(AllOf(HasSubstr("exp.toml:8:"), HasSubstr("; allowed: "))))
        << traffic;
  }
  EXPECT_THAT(mistakes(on_veth("\"tcp_stream\"", "streams = 65")), SizeIs(1));
}

TEST(ClosedLoopPlan, RefusesWhatCannotRun) {
  EXPECT_THAT(mistakes(on_veth("\"udp_rr\"", "message_bytes = 65508")),
              ElementsAre(HasSubstr("a datagram holds 65507; allowed: up to 65507")));
  std::string text = on_veth("\"tcp_rr\"");
  text.replace(text.find("port = \"veth\""), 13, "port = \"veth\"\nlcores = [0, 1]");
  EXPECT_THAT(mistakes(text), ElementsAre(HasSubstr("several lcores at an end of path tcp_rr")));
  text = on_veth("\"tcp_rr\"");
  while (text.find("\"veth\"") != std::string::npos)
    text.replace(text.find("\"veth\""), 6, "\"model\"");
  EXPECT_THAT(mistakes(text), ElementsAre(HasSubstr("path tcp_rr needs port = \"veth\"")));
  const auto search = planned(on_veth("\"tcp_rr\"", "", "[search]\ngoals = [\"ndr\"]\n"));
  ASSERT_FALSE(search);
  EXPECT_THAT(search.error().what, HasSubstr("a closed loop finds its load by itself"));
  text = on_veth("\"tcp_rr\"");
  text.replace(text.find("seconds = 0.5"), 13, "packets = 5");
  const auto packets = planned(text);
  ASSERT_FALSE(packets);
  EXPECT_THAT(packets.error().what, HasSubstr("packets on path tcp_rr; allowed: seconds"));
}

TEST(ClosedLoopPlan, IsJudgedByWhatItMeasures) {
  EXPECT_THAT(mistakes(on_veth("\"tcp_rr\"", "", "[judge]\nmetric = \"loss_ratio\"\n")),
              ElementsAre(AllOf(HasSubstr("metric: loss_ratio is not measured on path tcp_rr"),
                                HasSubstr("transactions_per_s"))));
  EXPECT_THAT(mistakes(on_veth("\"udp_socket\"", "load = \"1 kpps\"",
                               "[judge]\nmetric = \"goodput_bps\"\n")),
              ElementsAre(HasSubstr("goodput_bps is not measured on path udp_socket")));
  for (const std::string metric : {"latency_p99_ns", "failed_ratio", "cpu_ns_per_transaction"}) {
    EXPECT_THAT(mistakes(on_veth("\"udp_rr\"", "", "[judge]\nmetric = \"" + metric + "\"\n")),
                IsEmpty())
        << metric;
  }
}

TEST(ClosedLoopPlan, WhatIsSaidOfALoadIsForTheOtherGroups) {
  const auto plan = planned(R"(
name = "both"
[generator]
port = "veth"
[receiver]
port = "veth"
[traffic]
load = "10 kpps"
frame = 512
[[group]]
name = "open"
factors = { path = ["udp_socket"] }
[[group]]
name = "closed"
factors = { path = ["udp_rr"], message_bytes = [64, 1024] }
)");
  ASSERT_TRUE(plan) << plan.error().text();
  ASSERT_EQ(plan->cells.size(), 3U);
  EXPECT_EQ(plan->cells[0].order.traffic.intended_pps, 10'000.0);
  EXPECT_EQ(plan->cells[1].order.traffic.load.unit, LoadUnit::max);
  EXPECT_EQ(plan->cells[1].order.traffic.frame_bytes, TrafficOrder{}.frame_bytes);
  EXPECT_EQ(plan->cells[2].order.closed_loop.message_bytes, 1024);
  EXPECT_EQ(plan->cells[2].order.closed_loop.response_bytes, 1024);
  EXPECT_EQ(plan->experiment.judge.metric, "loss_ratio") << "not all of them are closed";
}

}  // namespace
}  // namespace pollmark
