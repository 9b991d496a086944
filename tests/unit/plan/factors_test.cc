#include "plan/factors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/line_rate.h"
#include "plan/frame_sizes.h"
#include "record/kernel_knob.h"

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Text of a level -> canonical text; empty: refused.
std::string canonical(const std::string& factor, const std::string& text) {
  TrialOrder order;
  const TrialOrder before = order;
  if (!apply_level(factor, text, order)) {
    EXPECT_EQ(order, before) << factor << ": a refused level must change nothing";
    return "";
  }
  return level_of(factor, order);
}

// A level of a kernel knob that is canonical, and not its default.
std::string level_of_form(const std::string& name) {
  const KernelKnob* knob = find_kernel_knob(name);
  if (knob == nullptr) return "";
  const std::map<KnobForm, std::string> levels = {
      {KnobForm::on_off, "on"},      {KnobForm::whole, std::to_string(knob->most)},
      {KnobForm::cpus, "0-1"},       {KnobForm::triple, "4096 8192 16384"},
      {KnobForm::duration, "20 us"}, {KnobForm::qdisc, "pfifo 9"}};
  return levels.at(knob->form);
}

TEST(Factors, LevelsHaveOneCanonicalText) {
  const std::map<std::string, std::map<std::string, std::string>> vectors = {
      {"path", {{"model", "model"}, {" udp_socket ", "udp_socket"}, {"Model", ""}}},
      {"rx_ring", {{"32", "32"}, {"32768", "32768"}, {"31", ""}, {"32769", ""}, {"1e3", ""}}},
      {"queues", {{"1", "1"}, {"16", "16"}, {"17", ""}, {"0", ""}, {"4.0", ""}}},
      {"rss_fields",
       {{"ipv4-udp", "ipv4-udp"}, {"ipv6+ipv4", "ipv4+ipv6"}, {"ipv4+ipv4", ""}, {"", ""}}},
      {"reta",
       {{"equal", "equal"},
        {"4:2:1:1", "4:2:1:1"},
        {"0:1", "0:1"},
        {"0:0", ""},
        {"128", "128"},
        {"129", ""},
        {"64:65", ""},
        {"-1:2", ""},
        {"1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1", ""}}},
      {"rx_offloads",
       {{"", "none"}, {"none", "none"}, {"rss_hash+checksum", "checksum+rss_hash"}, {"tso", ""}}},
      {"burst", {{"1", "1"}, {"64", "64"}, {"65", ""}}},
      {"pool_mbufs", {{"auto", "auto"}, {"64", "64"}, {"0", ""}, {"63", ""}}},
      {"direction", {{"one_way", "one_way"}, {" both ", "both"}, {"back", ""}, {"", ""}}},
      {"numa", {{"local", "local"}, {" remote", "remote"}, {"any", ""}, {"1", ""}}},
      {"stage",
       {{"none", "none"},
        {"checksum", "checksum"},
        {"hyperscan:p.txt", "hyperscan:p.txt"},
        {"hyperscan: a b", "hyperscan:a b"},
        {"hyperscan", ""},
        {"hyperscan:", ""},
        {"hyperscans", ""},
        {"forward", "forward"}}},
      {"hit_ratio",
       {{"0 %", "0 %"},
        {"12.5%", "12.5 %"},
        {"100 %", "100 %"},
        {"0.1 %", "0.1 %"},
        {"100.1 %", ""},
        {"-1 %", ""},
        {"0.5", ""},
        {"nan %", ""},
        {"%", ""}}},
      {"workers", {{"0", "0"}, {"16", "16"}, {"17", ""}}},
      {"ring", {{"0", "0"}, {"65536", "65536"}, {"65537", ""}}},
      {"packet_blocks", {{"2", "2"}, {"4096", "4096"}, {"1", ""}, {"4097", ""}}},
      {"packet_block",
       {{"16 KiB", "16 KiB"},
        {"1048576", "1 MiB"},
        {"16 MiB", "16 MiB"},
        {"8 KiB", ""},
        {"32 MiB", ""},
        {"48 KiB", ""}}},
      {"udp_gro", {{"true", "true"}, {"false", "false"}, {"on", ""}, {"1", ""}}},
      {"fanout", {{"hash", "hash"}, {" lb", "lb"}, {"cpu", "cpu"}, {"rnd", ""}, {"", ""}}},
      {"sender", {{"dpdk", "dpdk"}, {"udp_gso", "udp_gso"}, {"gso", ""}}},
      {"xdp_mode", {{"native", "native"}, {" generic", "generic"}, {"skb", ""}, {"", ""}}},
      {"xdp_rx_ring", {{"64", "64"}, {"65536", "65536"}, {"32", ""}, {"131072", ""}, {"96", ""}}},
      {"xdp_fill_ring", {{"64", "64"}, {"4096", "4096"}, {"32", ""}, {"100", ""}}},
      {"zero_copy", {{"true", "true"}, {"false", "false"}, {"copy", ""}}},
      {"need_wakeup", {{"true", "true"}, {"false", "false"}, {"0", ""}}},
      {"socket_busy_poll",
       {{"off", "off"},
        {"20 us", "20 us"},
        {"10 ms", "10 ms"},
        {"0 us", ""},
        {"1500 ns", ""},
        {"11 ms", ""},
        {"20", ""}}},
      {"socket_buffer",
       {{"default", "default"},
        {"256 KiB", "256 KiB"},
        {"262144", "256 KiB"},
        {"16 MiB", "16 MiB"},
        {"1 GiB", "1 GiB"},
        {"2049", "2049 B"},
        {"2047", ""},
        {"2 GiB", ""}}},
      {"streams", {{"1", "1"}, {"64", "64"}, {"0", ""}, {"65", ""}}},
      {"message_bytes",
       {{"auto", "auto"},
        {"4", "4"},
        {"128 KiB", "131072"},
        {"16 MiB", "16777216"},
        {"3", ""},
        {"0", ""},
        {"16777217", ""},
        {"many", ""}}},
      {"response_bytes", {{"auto", "auto"}, {"1000", "1000"}, {"3", ""}, {"17 MiB", ""}}},
      {"listen_backlog", {{"1", "1"}, {"4096", "4096"}, {"0", ""}, {"4097", ""}}},
      {"wire", {{"whole", "whole"}, {"cut", "cut"}, {"short", ""}}},
      {"taps", {{"true", "true"}, {"false", "false"}, {"both", ""}}},
      {"no_delay", {{"true", "true"}, {"false", "false"}, {"on", ""}, {"1", ""}}},
      {"congestion_control",
       {{"default", "default"}, {" cubic ", "cubic"}, {"Cubic", ""}, {"", ""}, {"a b", ""}}},
      {"frame",
       {{"64", "64"},
        {"9000", "9000"},
        {"63", ""},
        {"imix", "imix"},
        {"imix_570", "imix"},
        {"imix_594", "imix_594"},
        {"64 to 1518", "64 to 1518"},
        {"aabg", "aabg"},
        {"aaBg", ""},
        {"64:1518", "64:1518"},
        {":", ""}}},
      {"flows", {{"1", "1"}, {"65536", "65536"}, {"65537", ""}, {"0", ""}}},
      {"popularity",
       {{"uniform", "uniform"},
        {"zipf", "zipf"},
        {"zipf 1.0", "zipf"},
        {"zipf 0.9", "zipf 0.9"},
        {"zipf 0", ""},
        {"zipf 4.1", ""},
        {"zipf x", ""}}},
      {"arrivals",
       {{"constant", "constant"},
        {"on 100 us off 0.9 ms", "on 100 us off 900 us"},
        {"on 100 us off 0 us", ""},
        {"on off 1 ms", ""},
        {"on 100 us", ""},

        {"poisson", "poisson"},
        {"burst 64", "burst 64"},
        {"burst 1", ""},
        {"burst", ""},
        {"burst 4097", ""}}},
      {"load",
       {{"line", "line"},
        {"100 %", "line"},
        {"80%", "80 %"},
        {"12.5 Mpps", "12.5 Mpps"},
        {"12500 kpps", "12.5 Mpps"},
        {"40 Gbps L1", "40 Gbps L1"},
        {"40 Gbps", ""},
        {"max", "max"},
        {"0 pps", ""}}},
      {"link",
       {{"25G", "25G"}, {"100 Gbps", "100G"}, {"2.5G", ""}, {"800G", ""}, {"12.5G", "12.5G"}}},
      {"dma", {{"llc", "llc"}, {"hot", "hot"}, {"memory", "memory"}, {"cold", ""}}},
      {"stalls",
       {{"none", "none"},
        {"every 1 ms for 20 us", "every 1 ms for 20 us"},
        {"every 1000 us for 0.02 ms", "every 1 ms for 20 us"},
        {"poisson 1 ms, 20 us", "poisson 1 ms, 20 us"},
        {"trace:gaps.txt", "trace:gaps.txt"},
        {"trace:", ""},
        {"every 1 ms", ""},
        {"every 1 ms for 1 ms", ""},
        {"every for 1 ms", ""},
        {"poisson 1 ms", ""},
        {"poisson ,", ""},
        {"every 1 ms for 0 ns", ""},
        {"sometimes", ""}}},
  };
  for (const FactorFacts& factor : all_factors()) {
    if (factor.table == "kernel") continue;  // tests/unit/record/kernel_knob_test.cc
    ASSERT_TRUE(vectors.contains(factor.name)) << factor.name << " has no vector";
    for (const auto& [written, wanted] : vectors.at(factor.name)) {
      EXPECT_EQ(canonical(factor.name, written), wanted) << factor.name << " = " << written;
      // Reading the canonical text again changes nothing.
      if (!wanted.empty()) {
        EXPECT_EQ(canonical(factor.name, wanted), wanted) << factor.name;
      }
    }
  }
}

TEST(Factors, EachIsDescribedWhole) {
  std::set<std::string> names;
  for (const FactorFacts& factor : all_factors()) {
    EXPECT_TRUE(names.insert(factor.name).second) << factor.name << " stands twice";
    EXPECT_FALSE(factor.table.empty()) << factor.name;
    EXPECT_FALSE(factor.syntax.empty()) << factor.name;
    EXPECT_FALSE(factor.limits.empty()) << factor.name;
    EXPECT_FALSE(factor.paths.empty()) << factor.name;
    EXPECT_FALSE(factor.forms.empty()) << factor.name;
    EXPECT_FALSE(factor.sentence.empty()) << factor.name;
    EXPECT_EQ(factor.default_level, level_of(factor.name, TrialOrder{})) << factor.name;
    EXPECT_EQ(canonical(factor.name, factor.default_level), factor.default_level) << factor.name;
    EXPECT_EQ(find_factor(factor.name)->name, factor.name);
  }
  EXPECT_EQ(find_factor("rx_rings"), nullptr);
}

TEST(Factors, ALevelChangesItsOwnFieldAlone) {
  // Two levels of each that differ from the default; every other factor must stay as it was.
  const std::map<std::string, std::string> other = {{"path", "dpdk"},
                                                    {"rx_ring", "64"},
                                                    {"queues", "7"},
                                                    {"rss_fields", "ipv6"},
                                                    {"reta", "1:2"},
                                                    {"rx_offloads", "checksum"},
                                                    {"burst", "8"},
                                                    {"pool_mbufs", "99"},
                                                    {"stage", "touch"},
                                                    {"workers", "3"},
                                                    {"ring", "256"},
                                                    {"socket_buffer", "1 MiB"},
                                                    {"udp_gro", "true"},
                                                    {"fanout", "lb"},
                                                    {"packet_blocks", "8"},
                                                    {"packet_block", "64 KiB"},
                                                    {"sender", "udp_gso"},
                                                    {"xdp_mode", "generic"},
                                                    {"xdp_rx_ring", "256"},
                                                    {"xdp_fill_ring", "512"},
                                                    {"zero_copy", "true"},
                                                    {"need_wakeup", "false"},
                                                    {"socket_busy_poll", "50 us"},
                                                    {"numa", "remote"},
                                                    {"frame", "imix"},
                                                    {"flows", "5"},
                                                    {"popularity", "zipf 0.8"},
                                                    {"hit_ratio", "3 %"},
                                                    {"arrivals", "burst 9"},
                                                    {"direction", "both"},
                                                    {"load", "3 Mpps"},
                                                    {"streams", "3"},
                                                    {"message_bytes", "100"},
                                                    {"response_bytes", "200"},
                                                    {"listen_backlog", "7"},
                                                    {"taps", "true"},
                                                    {"wire", "cut"},
                                                    {"no_delay", "true"},
                                                    {"congestion_control", "reno"},
                                                    {"link", "40G"},
                                                    {"dma", "memory"},
                                                    {"stalls", "poisson 1 ms, 2 us"}};
  for (const FactorFacts& factor : all_factors()) {
    TrialOrder order;
    const std::string level =
        factor.table == "kernel" ? level_of_form(factor.name) : other.at(factor.name);
    ASSERT_TRUE(apply_level(factor.name, level, order)) << factor.name;
    EXPECT_EQ(level_of(factor.name, order), level);
    for (const FactorFacts& each : all_factors()) {
      if (each.name == factor.name) continue;
      EXPECT_EQ(level_of(each.name, order), each.default_level)
          << factor.name << " on " << each.name;
    }
  }
}

TEST(Factors, ImixIsSevenFourOneAndSpread) {
  const std::vector<int>& frames = imix_frame_bytes();
  ASSERT_EQ(frames.size(), 12U);
  EXPECT_EQ(std::count(frames.begin(), frames.end(), 64), 7);
  EXPECT_EQ(std::count(frames.begin(), frames.end(), 570), 4);
  EXPECT_EQ(std::count(frames.begin(), frames.end(), 1518), 1);
  EXPECT_NEAR(mean_frame_bytes(frames), 353.83, 0.01);
  // Every stretch of n frames, going round, holds its share of each size to within one frame.
  const std::map<int, double> share = {{64, 7.0 / 12}, {570, 4.0 / 12}, {1518, 1.0 / 12}};
  for (std::size_t begin = 0; begin < 12; ++begin) {
    std::map<int, int> seen;
    for (std::size_t n = 1; n <= 12; ++n) {
      ++seen[frames[(begin + n - 1) % 12]];
      for (const auto& [size, part] : share) {
        EXPECT_LT(std::abs(seen[size] - part * static_cast<double>(n)), 1.5) << begin << " " << n;
      }
    }
  }
}

TEST(Factors, AKernelKnobLeftAtItsDefaultIsNotInTheOrder) {
  TrialOrder order;
  ASSERT_TRUE(apply_level("gro", "on", order));
  EXPECT_EQ(order.kernel_knobs, (std::map<std::string, std::string>{{"gro", "on"}}));
  ASSERT_TRUE(apply_level("gro", "default", order));
  EXPECT_EQ(order, TrialOrder{});
}

TEST(Factors, WhatIsOnTheInputHookActsOnWhatGoesUpTheStackAlone) {
  for (const char* name : {"nft_rules", "conntrack"}) {
    EXPECT_THAT(find_factor(name)->paths, ElementsAre(Path::udp_socket, Path::tcp_stream,
                                                      Path::tcp_rr, Path::tcp_crr, Path::udp_rr))
        << name;
  }
  EXPECT_THAT(find_factor("tcp_rmem")->paths,
              ElementsAre(Path::tcp_stream, Path::tcp_rr, Path::tcp_crr));
}

TEST(Factors, AnUnknownNameIsMetWithANearOne) {
  TrialOrder order;
  EXPECT_THAT(apply_level("path", "xdp_dropp", order).error().what, HasSubstr("is not known"));
  EXPECT_THAT(apply_level("stage", "touhc", order).error().what,
              HasSubstr("did you mean \"touch\""));
  EXPECT_THAT(apply_level("arrivals", "poison", order).error().what,
              HasSubstr("did you mean \"poisson\""));
}

}  // namespace
}  // namespace pollmark
