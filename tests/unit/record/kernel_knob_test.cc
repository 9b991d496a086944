#include "record/kernel_knob.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "record/qdisc_order.h"

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string canonical_text(const std::string& knob, const std::string& text) {
  return canonical_level(*find_kernel_knob(knob), text).value_or("");
}

TEST(KernelKnob, LevelsHaveOneCanonicalText) {
  const std::map<std::string, std::map<std::string, std::string>> vectors = {
      {"gro", {{"on", "on"}, {" off ", "off"}, {"default", "default"}, {"1", ""}, {"", ""}}},
      {"mtu", {{"1400", "1400"}, {"68", "68"}, {"67", ""}, {"65536", ""}, {"1e3", ""}}},
      {"gro_flush_timeout",
       {{"20 us", "20 us"}, {"20000 ns", "20 us"}, {"0 ns", "0 ns"}, {"20", ""}, {"2 s", ""}}},
      {"rps",
       {{"off", "off"},
        {"1", "1"},
        {"3,0,2", "0,2-3"},
        {"0-3", "0-3"},
        {"0-1,1-2", "0-2"},
        {"3-0", ""},
        {"1024", ""},
        {"-1", ""},
        {"0-1-2", ""},
        {"a", ""}}},
      {"irq_affinity", {{"1", "1"}, {"off", ""}}},
      {"tcp_rmem",
       {{"4096 131072 6291456", "4096 131072 6291456"},
        {" 4096  131072 6291456", "4096 131072 6291456"},
        {"4096 131072", ""},
        {"4096 131072 1", ""},
        {"0 1 2", ""}}},
      {"syncookies", {{"2", "2"}, {"3", ""}}},
      {"nft_rules", {{"0", "0"}, {"10000", "10000"}, {"10001", ""}, {"-1", ""}}},
      {"conntrack", {{"on", "on"}, {"off", "off"}, {"1", ""}}},
      {"qdisc",
       {{"default", "default"},
        {"pfifo 1000", "pfifo 1000"},
        {"pfifo 1 k", ""},
        {"pfifo 0", ""},
        {"tbf 100 Mbps 32000 B 256 KiB", "tbf 100 Mbps 32000 B 256 KiB"},
        {"tbf 0.1 Gbps 32000 B 262144 B", "tbf 100 Mbps 32000 B 256 KiB"},
        {"tbf 100 Mbps", ""},
        {"htb 2.5 Gbps 50", "htb 2500 Mbps 50"},
        {"htb 17 Gbps 50", ""},
        {"fq", ""}}},
  };
  for (const auto& [knob, levels] : vectors) {
    for (const auto& [written, wanted] : levels) {
      EXPECT_EQ(canonical_text(knob, written), wanted) << knob << " = " << written;
      if (!wanted.empty()) {
        EXPECT_EQ(canonical_text(knob, wanted), wanted) << knob;
      }
    }
  }
}

TEST(KernelKnob, ARefusalSaysWhatIsAllowed) {
  for (const KernelKnob& knob : all_kernel_knobs()) {
    const auto refused = canonical_level(knob, "no such level");
    ASSERT_FALSE(refused) << knob.name;
    EXPECT_EQ(refused.error().code, Errc::bad_experiment);
    EXPECT_THAT(refused.error().what, HasSubstr("; allowed: \"default\"")) << knob.name;
  }
}

TEST(KernelKnob, EachHasANameOfItsOwnAndASettingOfAKnownKind) {
  const std::set<std::string> kinds{"channels", "ring",  "coalesce", "feature", "netdev",
                                    "irq",      "qdisc", "nft",      "sysctl"};
  std::set<std::string_view> names;
  for (const KernelKnob& knob : all_kernel_knobs()) {
    EXPECT_TRUE(names.insert(knob.name).second) << knob.name;
    EXPECT_TRUE(kinds.contains(std::string(knob.setting.substr(0, knob.setting.find(' ')))));
    EXPECT_FALSE(setting_name(knob).empty()) << knob.name;
    EXPECT_FALSE(knob.sentence.empty()) << knob.name;
    EXPECT_EQ(find_kernel_knob(knob.name), &knob);
  }
  EXPECT_EQ(find_kernel_knob("rx_ring"), nullptr);
}

TEST(KernelKnob, CpusAreListedAscending) {
  EXPECT_THAT(cpus_in("2-3,0").value(), ElementsAre(0, 2, 3));
  EXPECT_FALSE(cpus_in(""));
  EXPECT_FALSE(cpus_in("1,"));
}

}  // namespace
}  // namespace pollmark
