#include "kernel/lab_knobs.h"

#include <gtest/gtest.h>

#include <string>

namespace pollmark {
namespace {

// All at 100; `after` at 100 but for what the test lets grow.
KnobSigns signs_at_100() {
  KnobSigns signs;
  for (auto sign :
       {&KnobSigns::link_tx_packets, &KnobSigns::link_rx_packets, &KnobSigns::qdisc_packets,
        &KnobSigns::qdisc_drops, &KnobSigns::tcp_segments_sent, &KnobSigns::segments_received,
        &KnobSigns::ip_sent, &KnobSigns::ip_received, &KnobSigns::tcp_segments_received,
        &KnobSigns::syncookies_sent, &KnobSigns::busy_polled_pkts, &KnobSigns::softnet_processed,
        &KnobSigns::softnet_dropped, &KnobSigns::softnet_squeezed, &KnobSigns::softnet_steered,
        &KnobSigns::napi_threads_ns, &KnobSigns::conntrack_entries, &KnobSigns::nft_first_pkts,
        &KnobSigns::nft_last_pkts}) {
    signs.*sign = 100;
  }
  signs.gro_acts = true;
  return signs;
}

KnobEvidence evidence_for(const std::string& knob, const KnobSigns& after) {
  return evidence_of(*find_kernel_knob(knob), signs_at_100(), after);
}

TEST(LabKnobs, AKnobWithoutASignDidNotActAndSaysWhy) {
  for (const KernelKnob& knob : all_kernel_knobs()) {
    const KnobEvidence nothing_moved = evidence_for(std::string(knob.name), signs_at_100());
    EXPECT_FALSE(nothing_moved.exercised) << knob.name;
    EXPECT_FALSE(nothing_moved.text.empty()) << knob.name;
    const KnobEvidence not_told = evidence_for(std::string(knob.name), KnobSigns{});
    EXPECT_FALSE(not_told.exercised) << knob.name;
    EXPECT_FALSE(not_told.text.empty()) << knob.name;
  }
}

TEST(LabKnobs, SegmentsThatCameInFewerPacketsShowThatGroActed) {
  KnobSigns after = signs_at_100();
  *after.segments_received += 1000;
  *after.ip_received += 1000;
  EXPECT_FALSE(evidence_for("gro", after).exercised);
  *after.segments_received += 50;
  EXPECT_TRUE(evidence_for("gro", after).exercised);
  EXPECT_EQ(evidence_for("gro", after).text, "50 segments came joined to others");
}

TEST(LabKnobs, GroBehindAPeerThatDoesNotCutIsHidden) {
  KnobSigns after = signs_at_100();
  *after.segments_received += 50;
  *after.link_rx_packets += 50;
  *after.napi_threads_ns += 50;
  after.gro_acts = false;
  for (const char* knob : {"gro", "threaded_napi", "gro_flush_timeout", "napi_defer_hard_irqs"}) {
    EXPECT_FALSE(evidence_for(knob, after).exercised) << knob;
    EXPECT_EQ(evidence_for(knob, after).text,
              "a veth polls and joins only with its gro on and its peer's tso off, or over a wire "
              "that cuts")
        << knob;
  }
}

TEST(LabKnobs, TsoActsWhereSegmentsLeaveInFewerPackets) {
  KnobSigns after = signs_at_100();
  *after.link_tx_packets += 10;
  EXPECT_FALSE(evidence_for("tso", after).exercised);
  *after.tcp_segments_sent += 400;
  EXPECT_EQ(evidence_for("tso", after).text, "390 TCP segments were sent joined to others");
}

TEST(LabKnobs, GsoActsWhereSegmentsLeaveTheStackInFewerPacketsWhoeverCutsThem) {
  KnobSigns after = signs_at_100();
  *after.tcp_segments_sent += 400;
  *after.link_tx_packets += 400;
  *after.ip_sent += 400;
  EXPECT_FALSE(evidence_for("gso", after).exercised);
  *after.ip_sent -= 390;
  EXPECT_EQ(evidence_for("gso", after).text, "390 TCP segments left the stack joined to others");
  EXPECT_FALSE(evidence_for("tso", after).exercised) << "the stack cut them before the device";
}

TEST(LabKnobs, EachSignShowsItsOwnKnob) {
  const std::map<std::string, std::optional<std::uint64_t> KnobSigns::*> signs = {
      {"rps", &KnobSigns::softnet_steered},
      {"netdev_budget", &KnobSigns::softnet_squeezed},
      {"netdev_max_backlog", &KnobSigns::softnet_processed},
      {"busy_poll", &KnobSigns::busy_polled_pkts},
      {"syncookies", &KnobSigns::syncookies_sent},
      {"tcp_rmem", &KnobSigns::tcp_segments_received},
      {"qdisc", &KnobSigns::qdisc_packets},
      {"threaded_napi", &KnobSigns::napi_threads_ns},
      {"mtu", &KnobSigns::link_rx_packets},
      {"conntrack", &KnobSigns::conntrack_entries},
      {"netdev_tx_ring", &KnobSigns::link_tx_packets}};
  for (const auto& [knob, own] : signs) {
    for (const auto& [other, sign] : signs) {
      KnobSigns after = signs_at_100();
      *(after.*sign) += 7;
      EXPECT_EQ(evidence_for(knob, after).exercised, own == sign) << knob << " by " << other;
    }
  }
}

TEST(LabKnobs, RulesActedWhereEveryPacketReachedTheLastOfThem) {
  KnobSigns after = signs_at_100();
  *after.nft_first_pkts += 7;
  EXPECT_FALSE(evidence_for("nft_rules", after).exercised);
  EXPECT_EQ(evidence_for("nft_rules", after).text, "7 packets at the first rule, 0 at the last");
  *after.nft_last_pkts += 7;
  EXPECT_TRUE(evidence_for("nft_rules", after).exercised);
  EXPECT_EQ(evidence_for("nft_rules", after).text, "7 packets walked all rules");
}

TEST(LabKnobs, ADeviceWithoutAQueueingDisciplineHidesItsLength) {
  KnobSigns after = signs_at_100();
  after.qdisc_packets.reset();
  EXPECT_EQ(evidence_for("tx_queue_len", after).text, "the device has no queueing discipline");
}

TEST(LabKnobs, WhatIsOfTheWholeHostNeedsAPermissionOfTheOrder) {
  TrialOrder order;
  order.kernel_knobs = {{"netdev_budget", "64"}};
  const auto refused = open_host_wide(order, "/nonexistent");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text(),
            "net.core.netdev_budget is a setting of the whole host, and [host] allow does not name "
            "it");
  order.kernel_knobs = {{"mtu", "1400"}};
  const auto none = open_host_wide(order);
  ASSERT_TRUE(none);
  EXPECT_EQ(none->journal, nullptr);
}

}  // namespace
}  // namespace pollmark
