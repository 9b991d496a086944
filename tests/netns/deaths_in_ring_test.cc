// Ways to die at a ring between two parts of the kernel, or between the kernel and a program.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "deaths.h"
#include "host/file_text.h"
#include "host/netlink.h"
#include "host/turned_knob.h"
#include "obstacles.h"
#include "record/kernel_knob.h"

namespace pollmark {
namespace {

class TapQueue : public ::testing::TestWithParam<int> {};

TEST_P(TapQueue, HoldsItsLengthAndDropsTheRest) {
  if (auto needed = need_network_lab(); !needed) GTEST_SKIP() << needed.error().text();
  const auto netns = Netns::make_anonymous();
  ASSERT_TRUE(netns);
  const auto tap = UnreadTap::make(netns->fd(), "tap0", GetParam());
  ASSERT_TRUE(tap) << tap.error().text();
  NetdevPlace place;
  place.netdev = "tap0";
  place.netns_fd = netns->fd();
  const Autopsy autopsy(place);
  fire(place, {.pps = 0});
  const Findings found = autopsy.findings();
  EXPECT_EQ(found.owners, (Deltas{{"link.tap0.tx_dropped", kFrames - GetParam()}}));
  EXPECT_PRED3(died_of, found, "FULL_RING", kFrames - GetParam());
}

INSTANTIATE_TEST_SUITE_P(Frames, TapQueue, ::testing::Values(16, 64, 256, 1000));

// Threads of the kernel that poll a device of that name, in whatever namespace.
std::set<pid_t> napi_threads_of(const std::string& netdev) {
  std::set<pid_t> threads;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    const auto comm = read_text_at(AT_FDCWD, entry.path() / "comm");
    if (comm && comm->starts_with("napi/" + netdev + "-")) threads.insert(pid);
  }
  return threads;
}

// The receiver polls its veth by a thread of its own, which gets no turn while the frames are sent:
// it is bound to the CPU that a thread of real-time priority sends on.
class DeathsInVethRing : public Deaths {
 protected:
  // veth.c: VETH_RING_SIZE.
  static constexpr std::int64_t kVethRing = 256;

  void SetUp() override {
    Deaths::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (auto needed = need_capability("CAP_SYS_NICE"); !needed) {
      GTEST_SKIP() << needed.error().text();
    }
    const auto others = napi_threads_of("b0");
    for (const char* knob : {"gro", "threaded_napi"}) {
      const auto turned = turn_knob(*find_kernel_knob(knob), "on", "b0",
                                    {.netns_fd = receiver().netns_fd, .root = ""}, nullptr);
      ASSERT_TRUE(turned) << turned.error().text();
    }
    const auto now = napi_threads_of("b0");
    std::ranges::set_difference(now, others, std::back_inserter(threads_));
    ASSERT_FALSE(threads_.empty());
  }

  void fire_without_a_turn_for_the_receiver() {
    std::thread([&] {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(static_cast<std::size_t>(sched_getcpu()), &one);
      ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
      for (const pid_t thread : threads_) {
        ASSERT_EQ(sched_setaffinity(thread, sizeof one, &one), 0) << std::strerror(errno);
      }
      const sched_param urgent{.sched_priority = 1};
      ASSERT_EQ(sched_setscheduler(0, SCHED_FIFO, &urgent), 0) << std::strerror(errno);
      fire(sender(), {.pps = 0});
    }).join();
  }

  std::vector<pid_t> threads_;
};

TEST_F(DeathsInVethRing, AreTheSendersDevicesAndTheReceiversByReason) {
  const Autopsy at_sender(sender());
  const Autopsy at_receiver(receiver());
  fire_without_a_turn_for_the_receiver();
  const Findings to = at_receiver.findings_once([](const Findings& now) {
    return now.owners == Deltas{{"udp.NoPorts", kVethRing}};
  });
  EXPECT_EQ(to.owners, (Deltas{{"udp.NoPorts", kVethRing}}));
  EXPECT_EQ(at_sender.findings().owners, (Deltas{{"link.a0.tx_dropped", kFrames - kVethRing}}));
  if (!to.reasons) return;
  EXPECT_EQ(*to.reasons,
            (Deltas{{"NO_SOCKET", kVethRing}, {"NOT_SPECIFIED", kFrames - kVethRing}}));
}

TEST_F(DeathsInVethRing, MoveIntoAQdiscThatHoldsFramesBack) {
  constexpr int kLimit = 1000;
  auto netlink = Netlink::open(sender().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_pfifo("a0", kLimit));
  const Autopsy at_sender(sender());
  const Autopsy at_receiver(receiver());
  fire_without_a_turn_for_the_receiver();
  const auto delivered = [](const Findings& found) { return found.owned_pkts(); };
  // Kernels before 6.17 do not hold back: they lose at the device what the ring does not take.
  const Findings to = at_receiver.findings_once([&](const Findings& now) {
    return delivered(now) + at_sender.findings().owned_pkts() == kFrames;
  });
  const Findings from = at_sender.findings();
  EXPECT_EQ(delivered(to) + from.owned_pkts(), kFrames);
  EXPECT_EQ(to.owners.size(), 1U);
  if (!from.owners.contains("link.a0.tx_dropped")) {
    EXPECT_EQ(from.owners.count("qdisc.a0.pfifo[1: root].drops"), 1U);
    EXPECT_PRED3(died_of, from, "QDISC_DROP", from.owned_pkts());
  }
}

// Frames are steered to a CPU that does not receive for a while; its backlog holds 1000.
class DeathsInBacklog : public Deaths {
 protected:
  void SetUp() override {
    Deaths::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    for (const char* needed : {"CAP_BPF", "CAP_SYS_NICE"}) {
      if (auto has = need_capability(needed); !has) GTEST_SKIP() << has.error().text();
    }
    cpu_set_t allowed;
    ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &allowed)) cpus_.push_back(cpu);
    }
    if (cpus_.size() < 2) GTEST_SKIP() << "needs two cpus";
    const auto steered = turn_knob(*find_kernel_knob("rps"), std::to_string(cpus_[1]), "b0",
                                   {.netns_fd = receiver().netns_fd, .root = ""}, nullptr);
    ASSERT_TRUE(steered) << steered.error().text();
  }

  static void run_urgently_on(std::size_t cpu) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    const sched_param urgent{.sched_priority = 1};
    ASSERT_EQ(sched_setscheduler(0, SCHED_FIFO, &urgent), 0) << std::strerror(errno);
  }

  void fire_while_receiving_is_held_up() {
    const auto held = HeldUpReceiving::prepare();
    ASSERT_TRUE(held) << held.error().text();
    FrameGun gun({.frames = kFrames, .pps = 0}, sender());
    ASSERT_TRUE(gun.open());
    std::atomic<bool> about_to_hold = false;
    std::thread holder([&] {
      run_urgently_on(cpus_[1]);
      about_to_hold = true;
      const auto ran = held->run();
      EXPECT_TRUE(ran) << ran.error().text();
    });
    std::thread([&] {
      run_urgently_on(cpus_[0]);
      while (!about_to_hold) {
      }
      EXPECT_TRUE(gun.join());
    }).join();
    holder.join();
  }

  std::vector<std::size_t> cpus_;
};

TEST_F(DeathsInBacklog, AreCountedAtBothEndsOfVethByTheHostAndOnceByReason) {
  std::int64_t lost = 0;
  // Another guest can hold a CPU of ours up, and the frames get through.
  for (int attempt = 0; attempt < 20 && lost == 0; ++attempt) {
    const Autopsy at_sender(sender());
    const Autopsy at_receiver(receiver());
    fire_while_receiving_is_held_up();
    Findings found =
        at_receiver.findings_once([](const Findings& now) { return now.owned_pkts() == kFrames; });
    lost = found.owners["link.b0.rx_dropped"];
    EXPECT_EQ(found.owners["udp.NoPorts"] + lost, kFrames);
    EXPECT_EQ(found.owned_pkts(), kFrames);
    EXPECT_EQ(at_sender.findings().owned_pkts(), lost);
    EXPECT_GE(found.signs["softnet.dropped"], lost);  // of the whole host
    ASSERT_TRUE(found.reasons);
    EXPECT_EQ((*found.reasons)["CPU_BACKLOG"], lost);
  }
  EXPECT_GT(lost, 0);
}

}  // namespace
}  // namespace pollmark
