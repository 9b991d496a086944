// Knobs of an order on a veth lab of the test's own; settings of the whole host in a tree of files.
#include "kernel/lab_knobs.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "closed_books.h"
#include "frame_gun.h"
#include "host/file_text.h"
#include "host/nft_rules.h"
#include "host/privilege.h"
#include "host/setting.h"
#include "kernel/books.h"
#include "kernel/udp_socket.h"
#include "kernel/veth_lab.h"
#include "network_lab.h"
#include "trial/trial.h"

namespace pollmark {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

class KnobsOverVeth : public ::testing::Test {
 protected:
  void SetUp() override {
    if (auto needed = need_network_lab(); !needed) GTEST_SKIP() << needed.error().text();
    order_.path = Path::udp_socket;
    order_.clock = ClockKind::wall;
  }

  Result<std::unique_ptr<LabKnobs>> turn(const HostWide& host = {}) {
    if (!lab_) {
      auto lab = VethLab::create(order_);
      if (!lab) return tl::unexpected<Error>(lab.error());
      lab_ = std::move(*lab);
    }
    return LabKnobs::turn(order_, lab_->sender_place(), lab_->receiver_place(), host);
  }
  [[nodiscard]] std::string at_sender(const Setting& setting) const {
    return read_setting(setting, {lab_->sender_place().netns_fd, ""})
        .value_or(SettingReading{})
        .effective;
  }
  [[nodiscard]] std::string at_receiver(const Setting& setting) const {
    return read_setting(setting, {lab_->receiver_place().netns_fd, ""})
        .value_or(SettingReading{})
        .effective;
  }

  TrialOrder order_;
  std::optional<VethLab> lab_;
};

TEST_F(KnobsOverVeth, EachIsTurnedAtItsOwnEnd) {
  order_.kernel_knobs = {{"gro", "on"},         {"threaded_napi", "on"},
                         {"mtu", "4000"},       {"qdisc", "pfifo 50"},
                         {"rps", "0-1"},        {"channels", "2"},
                         {"tcp_rmem", "1 2 3"}, {"somaxconn", "77"},
                         {"tx_queue_len", "9"}, {"gro_flush_timeout", "20 us"},
                         {"nft_rules", "300"},  {"conntrack", "on"}};
  const auto knobs = turn();
  ASSERT_TRUE(knobs) << knobs.error().text();
  using enum SettingKind;
  EXPECT_EQ(at_receiver({feature, "rx-gro", "b0"}), "on");
  EXPECT_EQ(at_sender({feature, "rx-gro", "a0"}), "off");
  EXPECT_EQ(at_receiver({netdev, "threaded", "b0"}), "1");
  EXPECT_EQ(at_receiver({netdev, "mtu", "b0"}), "4000");
  EXPECT_EQ(at_sender({netdev, "mtu", "a0"}), "4000");
  EXPECT_EQ(lab_->sender_place().mtu, 4000);
  EXPECT_EQ(at_sender({qdisc, "root", "a0"}), "pfifo 50");
  EXPECT_EQ(at_receiver({qdisc, "root", "b0"}), "default");
  EXPECT_EQ(at_receiver({netdev, "queues/rx-0/rps_cpus", "b0"}), "3");
  EXPECT_EQ(at_receiver({netdev, "queues/rx-1/rps_cpus", "b0"}), "3");
  EXPECT_EQ(at_receiver({netdev, "gro_flush_timeout", "b0"}), "20000");
  EXPECT_EQ(at_sender({sysctl, "net.ipv4.tcp_rmem", ""}), "1 2 3");
  EXPECT_EQ(at_receiver({sysctl, "net.ipv4.tcp_rmem", ""}), "1 2 3");
  EXPECT_EQ(at_receiver({sysctl, "net.core.somaxconn", ""}), "77");
  EXPECT_EQ(at_sender({netdev, "tx_queue_len", "a0"}), "9");
  EXPECT_EQ(at_receiver({nft, "rules", ""}), "300");
  EXPECT_EQ(at_receiver({nft, "conntrack", ""}), "1");
  EXPECT_EQ(at_sender({nft, "rules", ""}), "0");
  EXPECT_EQ(at_sender({nft, "conntrack", ""}), "0");
  (*knobs)->begin();
  const auto told = (*knobs)->knobs();
  EXPECT_EQ(told.size(), order_.kernel_knobs.size());
  for (const auto& [name, knob] : told) {
    EXPECT_EQ(knob.requested, order_.kernel_knobs.at(name));
    EXPECT_EQ(knob.state, KnobState::confirmed);
    EXPECT_FALSE(knob.exercised) << name << ": " << knob.evidence;
  }
}

TEST_F(KnobsOverVeth, EveryPacketWalksEveryRuleAndNoRuleTakesOne) {
  NEEDS_NETWORK_LAB();
  order_ = veth_order(Path::udp_socket);
  order_.traffic.flows = 8;
  order_.seconds = 0.04;
  order_.receiver.socket_buffer_bytes = 16 << 20;
  order_.kernel_knobs = {{"nft_rules", "1000"}, {"conntrack", "on"}};
  auto knobs = turn();
  ASSERT_TRUE(knobs) << knobs.error().text();
  auto socket = make_udp_socket_receiver(order_, lab_->receiver_place());
  ASSERT_TRUE(socket) << socket.error().text();
  Ends ends;
  ends.receiver = with_knobs(std::move(*socket), std::move(*knobs));
  ends.books = make_kernel_books(order_).value();
  ends.sender =
      std::make_unique<FrameGun>(GunOrder{.frames = 2000, .flows = 8}, lab_->sender_place());
  const auto result = run_trial(order_, std::move(ends));
  ASSERT_TRUE(result) << result.error().text();
  expect_books_closed(*result);
  EXPECT_EQ(result->ledger().pkts(Fate::received), 2000);
  const Knob& rules = result->knobs.at("nft_rules");
  EXPECT_TRUE(rules.exercised);
  EXPECT_EQ(rules.evidence, "2 000 packets walked all rules");
  const Knob& conntrack = result->knobs.at("conntrack");
  EXPECT_TRUE(conntrack.exercised);
  EXPECT_EQ(conntrack.evidence, "8 connections came to be tracked");
}

TEST_F(KnobsOverVeth, RulesAreReplacedAndTakenAwayWhole) {
  ASSERT_TRUE(turn());
  const int netns = lab_->receiver_place().netns_fd;
  const auto count = [&](NftTable table) { return read_nft_rules(netns, table).value().rules; };
  EXPECT_EQ(count(NftTable::walk), 0) << "none were put";
  ASSERT_TRUE(put_nft_rules(netns, NftTable::conntrack, 1));
  // 128 go over at once.
  for (const int rules : {1, 2, 128, 129, 1000, 3, 0, 0}) {
    ASSERT_TRUE(put_nft_rules(netns, NftTable::walk, rules)) << rules;
    EXPECT_EQ(count(NftTable::walk), rules);
    const NftRules found = read_nft_rules(netns, NftTable::walk).value();
    const auto none_yet = rules == 0 ? std::nullopt : std::optional<std::uint64_t>(0);
    EXPECT_EQ(found.first_pkts, none_yet) << rules;
    EXPECT_EQ(found.last_pkts, none_yet) << rules << ": the last one counts";
    EXPECT_EQ(count(NftTable::conntrack), 1) << "of a table of its own";
  }
}

TEST_F(KnobsOverVeth, NoRulesAreALevelThatReadsBack) {
  order_.kernel_knobs = {{"nft_rules", "0"}, {"conntrack", "off"}};
  const auto knobs = turn();
  ASSERT_TRUE(knobs) << knobs.error().text();
  (*knobs)->begin();
  EXPECT_EQ((*knobs)->knobs().at("nft_rules").evidence, "0, read back");
  EXPECT_EQ((*knobs)->knobs().at("conntrack").evidence, "off, read back");
}

TEST_F(KnobsOverVeth, WhatTheDeviceRefusesIsSaidInTheDriversWords) {
  const std::map<std::pair<std::string, std::string>, std::string> refusals = {
      {{"netdev_rx_ring", "512"}, "b0: netdev_rx_ring: ethtool: Operation not supported"},
      {{"coalescing", "5"}, "b0: coalescing: ethtool: Operation not supported"},
      {{"lro", "on"}, "b0: lro: is off, fixed by the driver"},
      {{"threaded_napi", "on"}, "b0: threaded_napi: Operation not supported"},
      {{"irq_affinity", "0"}, "b0: irq_affinity: has no interrupts"},
      {{"rfs", "100"}, "b0: rfs: asked for 100, stays 128"}};
  for (const auto& [knob, words] : refusals) {
    order_.kernel_knobs = {{knob.first, knob.second}};
    const auto knobs = turn();
    ASSERT_FALSE(knobs) << knob.first;
    EXPECT_EQ(knobs.error().code, Errc::host_cannot);
    EXPECT_EQ(knobs.error().text(), words);
  }
  order_.kernel_knobs = {{"lro", "off"}, {"threaded_napi", "off"}};
  const auto as_it_is = turn();
  EXPECT_TRUE(as_it_is) << as_it_is.error().text();
}

// A level of each that is not what a fresh veth has.
std::string another_level(const KernelKnob& knob) {
  const std::map<std::string_view, std::string> of_its_own = {
      {"channels", "2"},      {"mtu", "4000"},        {"rfs", "256"},
      {"tx_checksum", "off"}, {"sg", "off"},          {"tso", "off"},
      {"gso", "off"},         {"rx_checksum", "off"}, {"udp_segmentation", "off"}};
  if (const auto own = of_its_own.find(knob.name); own != of_its_own.end()) return own->second;
  const std::map<KnobForm, std::string> of_its_form = {
      {KnobForm::on_off, "on"},      {KnobForm::whole, "1"},
      {KnobForm::cpus, "0"},         {KnobForm::triple, "4096 8192 16384"},
      {KnobForm::duration, "20 us"}, {KnobForm::qdisc, "pfifo 9"}};
  return of_its_form.at(knob.form);
}

TEST_F(KnobsOverVeth, ATurnedKnobReadsBackOrTheTableSaysWhyNoVethTakesIt) {
  NEEDS_NETWORK_LAB();  // two channels, and XPS, need two CPUs
  // One after the other on the same pair, as a trial turns them: threads poll with GRO alone.
  for (const KernelKnob& knob : all_kernel_knobs()) {
    if (knob.reach == KnobReach::host) continue;
    order_.kernel_knobs = {{std::string(knob.name), another_level(knob)}};
    const auto knobs = turn();
    EXPECT_EQ(knobs.has_value(), knob.not_on_veth.empty())
        << knob.name << ": " << (knobs ? "taken" : knobs.error().text());
  }
}

TEST_F(KnobsOverVeth, AKnobThatAnotherTookAlongIsFound) {
  order_.kernel_knobs = {{"tso", "on"}, {"tx_checksum", "off"}};
  const auto knobs = turn();
  ASSERT_FALSE(knobs);
  EXPECT_EQ(knobs.error().text(), "a0: tso: asked for on, stays off");
}

TEST_F(KnobsOverVeth, WhatIsOfTheWholeHostGoesThroughTheJournalAndBack) {
  std::string base = fs::temp_directory_path() / "pollmark-knobs-XXXXXX";
  ASSERT_NE(mkdtemp(base.data()), nullptr);
  const fs::path file = fs::path(base) / "proc/sys/net/core/netdev_budget";
  fs::create_directories(file.parent_path());
  std::ofstream(file) << "300\n";
  setenv("POLLMARK_STATE", (base + "/state").c_str(), 1);
  order_.kernel_knobs = {{"netdev_budget", "64"}};
  order_.host_allow = {"net.core.netdev_budget"};
  {
    auto host = open_host_wide(order_, base);
    ASSERT_TRUE(host) << host.error().text();
    {
      const auto there = turn(*host);
      ASSERT_TRUE(there) << there.error().text();
      EXPECT_EQ(read_text_at(AT_FDCWD, file).value(), "64");
      EXPECT_EQ(journals_in(base + "/state").size(), 1U);
    }
    EXPECT_EQ(read_text_at(AT_FDCWD, file).value(), "64");
  }
  EXPECT_EQ(read_text_at(AT_FDCWD, file).value(), "300");
  EXPECT_THAT(journals_in(base + "/state"), IsEmpty());
  unsetenv("POLLMARK_STATE");
  fs::remove_all(base);
}

}  // namespace
}  // namespace pollmark
