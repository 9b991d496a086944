#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiment_text.h"
#include "plan/capture_filter.h"
#include "plan/print.h"

namespace pollmark {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string capturing(const std::string& capture, const std::string& path = "\"udp_socket\"",
                      const std::string& traffic = "load = \"1 kpps\"",
                      const std::string& rest = "") {
  return "name = \"tapped\"\n[generator]\nport = \"veth\"\n[receiver]\nport = "
         "\"veth\"\n[traffic]\n" +
         traffic + "\n[factors]\npath = [" + path + "]\n[trial]\nseconds = 0.5\n" + rest +
         "[capture]\n" + capture;
}

TEST(CaptureKeys, AreReadAndStandInThePlan) {
  Experiment experiment =
      sound(capturing("at = [\"receiver\", \"sender\"]\nfilter = \"udp port 9\"\nsnaplen = 96\n"
                      "limit = \"16 MiB\"\ntrigger = \"first_loss\"\n",
                      "\"udp_socket\""));
  const TapOrder capture = experiment.groups.at(0).base.capture;
  EXPECT_THAT(capture.at, ElementsAre(CaptureAt::sender, CaptureAt::receiver));
  EXPECT_EQ(capture.filter, "udp port 9");
  EXPECT_EQ(capture.snaplen_bytes, 96);
  EXPECT_EQ(capture.limit_bytes, 16 << 20);
  EXPECT_EQ(capture.trigger, CaptureTrigger::first_loss);
  const auto plan = plan_experiment(std::move(experiment));
  ASSERT_TRUE(plan) << plan.error().text();
  EXPECT_EQ(plan->cells.at(0).order.capture, capture);
  EXPECT_THAT(render_plan(*plan),
              HasSubstr("at the sender and the receiver, 96 bytes of each frame, up to 16 MiB"));
}

TEST(CaptureKeys, NothingIsCapturedUnlessAsked) {
  const Experiment experiment = sound(kSmall);
  EXPECT_THAT(experiment.groups.at(0).base.capture.at, IsEmpty());
}

TEST(CaptureKeys, AFilterThatIsNoneIsAMistakeInLibpcapsWords) {
  const auto found = mistakes(capturing("at = [\"sender\"]\nfilter = \"udp prot 9\"\n"));
  EXPECT_THAT(found, ElementsAre(AllOf(HasSubstr("exp.toml:14:"), HasSubstr("filter: "),
                                       HasSubstr("syntax error"), HasSubstr("allowed: "))));
  const auto compiled = compile_capture_filter("udp prot 9", 256);
  ASSERT_FALSE(compiled);
  EXPECT_THAT(found.at(0), HasSubstr(compiled.error().what));
}

TEST(CaptureKeys, WrongValuesAreNamedWithWhatIsAllowed) {
  EXPECT_THAT(mistakes(capturing("at = [\"middle\"]\n")),
              ElementsAre(AllOf(HasSubstr("\"middle\" is not known"), HasSubstr("\"receiver\""))));
  EXPECT_THAT(mistakes(capturing("at = [\"sender\", \"sender\"]\n")),
              ElementsAre(HasSubstr("stands twice")));
  EXPECT_THAT(mistakes(capturing("at = [\"sender\"]\nsnaplen = 13\n")),
              ElementsAre(HasSubstr("snaplen")));
  EXPECT_THAT(mistakes(capturing("at = [\"sender\"]\nlimit = \"1 MiB\"\n")),
              ElementsAre(AllOf(HasSubstr("out of range"), HasSubstr("2 MiB"))));
  EXPECT_THAT(mistakes(capturing("at = [\"sender\"]\ntrigger = \"loss\"\n")),
              ElementsAre(HasSubstr("first_loss")));
  EXPECT_THAT(mistakes(capturing("snaplen = 64\n")), ElementsAre(HasSubstr("without at")));
}

TEST(CaptureKeys, ATapThatWouldSeeNothingIsRefusedWithTheReason) {
  EXPECT_THAT(mistakes(small_with("[trial]", "[capture]\nat = [\"sender\"]\n[trial]")),
              ElementsAre(HasSubstr("its frames pass no device")));
  Experiment experiment =
      sound(capturing("at = [\"sender\", \"receiver\"]\n",
                      "\"udp_socket\", \"af_xdp\", \"xdp_drop\"", "load = \"1 kpps\""));
  const auto plan = plan_experiment(std::move(experiment));
  ASSERT_TRUE(plan) << plan.error().text();
  for (const Cell& cell : plan->cells) {
    if (cell.order.path == Path::udp_socket) {
      EXPECT_FALSE(cell.refused) << *cell.refused;
    } else {
      ASSERT_TRUE(cell.refused);
      EXPECT_THAT(*cell.refused, HasSubstr("XDP takes the frames before a tap"));
    }
  }
  EXPECT_THAT(mistakes(capturing("at = [\"sender\"]\n", "\"af_xdp\"", "load = \"1 kpps\"")),
              IsEmpty());
}

TEST(CaptureKeys, WhatATapOrItsTriggerCannotTellIsRefused) {
  const std::string both = "at = [\"sender\", \"receiver\"]\n";
  EXPECT_THAT(
      mistakes(capturing(both + "filter = \"udp\"\n", "\"dpdk\"", "load = \"1 kpps\"\nvlan = 5")),
      ElementsAre(HasSubstr("takes the outer tag off")));
  EXPECT_THAT(mistakes(capturing("at = [\"sender\"]\nfilter = \"udp\"\n", "\"dpdk\"",
                                 "load = \"1 kpps\"\nvlan = 5")),
              IsEmpty());
  EXPECT_THAT(mistakes(capturing(both, "\"udp_socket\"", "", "[search]\ngoals = [\"ndr\"]\n")),
              Contains(HasSubstr("[capture] beside [search]")));
  EXPECT_THAT(mistakes(capturing(both + "trigger = \"first_loss\"\n", "\"dpdk\"",
                                 "load = \"1 kpps\"\ndirection = \"both\"")),
              Contains(HasSubstr("trigger first_loss with direction")));
}

TEST(CaptureFilter, KeepsAsManyBytesAsAsked) {
  const auto all = compile_capture_filter("", 77);
  ASSERT_TRUE(all) << all.error().text();
  ASSERT_EQ(all->size(), 1U);
  EXPECT_EQ(all->at(0).code, BPF_RET | BPF_K);
  EXPECT_EQ(all->at(0).k, 77U);
  EXPECT_THAT(*compile_capture_filter("tcp", 77), Not(::testing::SizeIs(1)));
}

}  // namespace
}  // namespace pollmark
