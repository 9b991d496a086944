#include "host/turned_knob.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace pollmark {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

const KernelKnob& knob_named(const std::string& name) { return *find_kernel_knob(name); }

TEST(TurnedKnob, EveryKnobStandsForSettingsOfAKnownKind) {
  for (const KernelKnob& knob : all_kernel_knobs()) {
    if (knob.setting.find('*') != std::string_view::npos) continue;  // asks the device
    const auto settings = settings_of(knob, "b0", {});
    ASSERT_TRUE(settings) << knob.name;
    EXPECT_FALSE(settings->empty()) << knob.name;
    for (const Setting& setting : *settings) {
      EXPECT_FALSE(setting.name.empty()) << knob.name;
      EXPECT_EQ(setting.netdev.empty(), knob.reach != KnobReach::device) << knob.name;
    }
  }
}

TEST(TurnedKnob, LevelsAreWrittenAsTheKernelWantsThem) {
  EXPECT_EQ(kernel_text(knob_named("gro"), "on"), "on");
  EXPECT_EQ(kernel_text(knob_named("threaded_napi"), "on"), "1");
  EXPECT_EQ(kernel_text(knob_named("gro_flush_timeout"), "20 us"), "20000");
  EXPECT_EQ(kernel_text(knob_named("rps"), "0-1"), "3");
  EXPECT_EQ(kernel_text(knob_named("rps"), "off"), "0");
  EXPECT_EQ(kernel_text(knob_named("rps"), "33"), "2,00000000");
  EXPECT_EQ(kernel_text(knob_named("irq_affinity"), "0-1"), "0-1");
  EXPECT_EQ(kernel_text(knob_named("mtu"), "9000"), "9000");
}

TEST(TurnedKnob, WhatReadsBackIsUnderstood) {
  EXPECT_TRUE(says(knob_named("rps"), "00000000,00000003", "0-1"));
  EXPECT_TRUE(says(knob_named("rps"), "0", "off"));
  EXPECT_FALSE(says(knob_named("rps"), "1", "0-1"));
  EXPECT_TRUE(says(knob_named("threaded_napi"), "0", "off"));
  EXPECT_FALSE(says(knob_named("rfs"), "128", "100"));
  // The kernel keeps a token bucket in ticks of 64 ns.
  EXPECT_TRUE(
      says(knob_named("qdisc"), "tbf 100 Mbps 32750 B 256 KiB", "tbf 100 Mbps 32 KiB 256 KiB"));
  EXPECT_FALSE(
      says(knob_named("qdisc"), "tbf 90 Mbps 32 KiB 256 KiB", "tbf 100 Mbps 32 KiB 256 KiB"));
  EXPECT_FALSE(says(knob_named("qdisc"), "default", "pfifo 50"));
}

TEST(TurnedKnob, AFileForEachQueueIsFoundAndADeviceWithoutOneSaysSo) {
  std::string base = fs::temp_directory_path() / "pollmark-knob-XXXXXX";
  ASSERT_NE(mkdtemp(base.data()), nullptr);
  for (const char* queue : {"rx-0", "rx-1"}) {
    const fs::path folder = fs::path(base) / "sys/class/net/b0/queues" / queue;
    fs::create_directories(folder);
    std::ofstream(folder / "rps_cpus") << "0\n";
  }
  const SettingGround ground{-1, base};
  const auto settings = settings_of(knob_named("rps"), "b0", ground);
  ASSERT_TRUE(settings) << settings.error().text();
  EXPECT_THAT(*settings, ElementsAre(Setting{SettingKind::netdev, "queues/rx-0/rps_cpus", "b0"},
                                     Setting{SettingKind::netdev, "queues/rx-1/rps_cpus", "b0"}));
  EXPECT_TRUE(turn_knob(knob_named("rps"), "0-1", "b0", ground, nullptr));
  EXPECT_TRUE(check_knob(knob_named("rps"), "0-1", "b0", ground));
  EXPECT_EQ(check_knob(knob_named("rps"), "1", "b0", ground).error().text(),
            "b0: rps: asked for 1, stays 3");
  EXPECT_EQ(settings_of(knob_named("xps"), "b0", ground).error().text(),
            "b0: xps: has no queues/tx-*/xps_cpus");
  EXPECT_EQ(settings_of(knob_named("irq_affinity"), "b0", ground).error().text(),
            "b0: irq_affinity: has no interrupts");
  fs::create_directories(fs::path(base) / "sys/class/net/b0/device/msi_irqs/77");
  EXPECT_THAT(settings_of(knob_named("irq_affinity"), "b0", ground).value(),
              ElementsAre(Setting{SettingKind::irq, "77", ""}));
  fs::remove_all(base);
}

}  // namespace
}  // namespace pollmark
