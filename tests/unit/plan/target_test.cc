#include "plan/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiment_text.h"

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string targeting(std::string_view target) {
  return std::string(kSmall) + "[target]\n" + std::string(target) + "\n";
}

TEST(TargetKeys, EveryKey) {
  const Experiment read = sound(targeting(
      "rate = \"20 Gbps L2\"\nframe = \"imix\"\nloss = \"1e-6\"\np99 = \"200 us\"\ncores = 4"));
  ASSERT_TRUE(read.target);
  EXPECT_EQ(read.target->rate, (Load{LoadUnit::l2_bps, 20e9}));
  EXPECT_EQ(read.target->frame, "imix");
  EXPECT_EQ(read.target->frame_bytes.size(), 12U);
  EXPECT_DOUBLE_EQ(read.target->loss_ratio, 1e-6);
  EXPECT_EQ(read.target->p99_ns, 200'000);
  EXPECT_EQ(read.target->cores, 4);
}

TEST(TargetKeys, NumbersAsTomlHasThem) {
  const Experiment read = sound(targeting("rate = \"1.5 Mpps\"\nframe = [64, 1518]\nloss = 0.005"));
  EXPECT_THAT(read.target->frame_bytes, ElementsAre(64, 1518));
  EXPECT_DOUBLE_EQ(read.target->loss_ratio, 0.005);
  EXPECT_FALSE(read.target->p99_ns);
  EXPECT_FALSE(read.target->cores);
  EXPECT_DOUBLE_EQ(sound(targeting("rate = \"1 Mpps\"\nloss = \"0.5 %\"")).target->loss_ratio,
                   0.005);
  EXPECT_THAT(sound(targeting("rate = \"1 Mpps\"\nloss = 0.1\nframe = 64")).target->frame_bytes,
              ElementsAre(64));
}

TEST(TargetKeys, NoneIsAskedWithoutTheTable) { EXPECT_FALSE(sound(kSmall).target); }

TEST(TargetKeys, AnOverrideIsATargetToo) {
  const Experiment read =
      sound(targeting("rate = \"1 Mpps\"\nloss = 0.1"), {"target.rate=\"2 Mpps\""});
  EXPECT_DOUBLE_EQ(read.target->rate.value, 2e6);
}

TEST(TargetKeys, MistakesNameThePlaceAndWhatIsAllowed) {
  const struct {
    const char* text;
    const char* what;
  } kRows[] = {
      {"rate = \"20 Gbps\"\nloss = 0.1", "exp.toml:14:8: rate: "},
      {"rate = \"20 Gbps\"\nloss = 0.1", "say the layer"},
      {"rate = \"80 %\"\nloss = 0.1", "depends on the link"},
      {"rate = \"line\"\nloss = 0.1", "depends on the link"},
      {"rate = \"max\"\nloss = 0.1", "depends on the link"},
      {"rate = 20\nloss = 0.1", "rate: "},
      {"rate = \"1 Mpps\"\nloss = 0", "that none is ever lost"},
      {"rate = \"1 Mpps\"\nloss = 1.0", "1 is out of range"},
      {"rate = \"1 Mpps\"\nloss = \"little\"", "\"little\" is not a ratio"},
      {"rate = \"1 Mpps\"\nloss = 0.1\nframe = \"huge\"", "frame: "},
      {"rate = \"1 Mpps\"\nloss = 0.1\np99 = 200", "p99: "},
      {"rate = \"1 Mpps\"\nloss = 0.1\np99 = \"200\"", "allowed: a duration above 0"},
      {"rate = \"1 Mpps\"\nloss = 0.1\ncores = 0", "is not a number of cores"},
      {"rate = \"1 Mpps\"\nloss = 0.1\nrats = 1", "rats"},
      {"rate = \"1 Mpps\"", "exp.toml:13:2: [target] without loss"},
      {"loss = 0.1", "[target] without rate"},
      {"", "[target] without rate"},
  };
  for (const auto& row : kRows) {
    const std::vector<std::string> found = mistakes(targeting(row.text));
    ASSERT_FALSE(found.empty()) << row.text;
    EXPECT_THAT(join(found, "\n"), HasSubstr(row.what)) << row.text;
    for (const std::string& each : found) EXPECT_THAT(each, HasSubstr("allowed:")) << row.text;
  }
}

TEST(TargetText, OnOneLine) {
  const auto target = parse_target("20 Gbps L2, frame imix, loss 1e-6, p99 200 us, cores 4");
  ASSERT_TRUE(target);
  EXPECT_EQ(*target, *sound(targeting("rate = \"20 Gbps L2\"\nframe = \"imix\"\nloss = \"1e-6\"\n"
                                      "p99 = \"200 us\"\ncores = 4"))
                          .target);
  EXPECT_TRUE(parse_target("rate 1 Mpps,loss 0.5 %"));
  EXPECT_EQ(parse_target("loss 0.1, rate 1 Mpps")->rate, parse_target("1 Mpps, loss 0.1")->rate);
}

TEST(TargetText, MistakesSayWhatIsAllowed) {
  for (const auto& [text, what] :
       {std::pair("20 Gbps, loss 1e-6", "say the layer"), std::pair("", "allowed"),
        std::pair("20 Gbps L2", "loss is missing"), std::pair("loss 1e-6", "rate is missing"),
        std::pair("1 Mpps, loss 1e-6, loss 1e-5", "loss stands twice"),
        std::pair("1 Mpps, loss 1e-6, lost 3", "did you mean \"loss\"?"),
        std::pair("1 Mpps, loss 0", "that none is ever lost"),
        std::pair("1 Mpps loss 1e-6", "allowed")}) {
    const auto target = parse_target(text);
    ASSERT_FALSE(target) << text;
    EXPECT_EQ(target.error().code, Errc::bad_experiment);
    EXPECT_THAT(target.error().text(), HasSubstr(what)) << text;
    EXPECT_THAT(target.error().text(), HasSubstr("allowed")) << text;
  }
}

}  // namespace
}  // namespace pollmark
