#include "kernel/received_frames.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/tsc.h"

namespace pollmark {
namespace {

constexpr int kFlows = 4;

// One thread.
class Frames {
 public:
  Frames() : frames_(order(), host_tsc().hz) {}

  // One look that took so many system calls and found so many frames.
  void look(int calls, int frames, std::uint8_t epoch, std::uint16_t flow = 0) {
    for (int i = 0; i < calls; ++i) frames_.count_call();
    if (frames == 0) return;
    std::array<std::uint8_t, PayloadStamp::kBytes> payload{};
    for (int i = 0; i < frames; ++i) {
      PayloadStamp{
          .epoch = epoch, .flow = flow, .sequence = epoch == 1 ? sequence_++ : 0, .tsc = tsc_now()}
          .write(payload.data());
      frames_.take(payload.data(), payload.size(), 64, tsc_now());
    }
    frames_.after_batch(frames, tsc_now());
  }
  void lose(std::uint32_t frames) { sequence_ += frames; }

  ReceivedFrames& ended() {
    frames_.finished();
    return frames_;
  }

 private:
  static TrialOrder order() {
    TrialOrder order;
    order.traffic.flows = kFlows;
    return order;
  }
  ReceivedFrames frames_;
  std::uint32_t sequence_ = 0;
};

ReceiverAccount account_of(std::vector<ReceivedFrames*> threads,
                           const std::vector<std::uint32_t>& sent,
                           const std::vector<std::int64_t>& steered = {}) {
  std::vector<std::string> roles;
  for (std::size_t i = 0; i < threads.size(); ++i) roles.push_back("receiver " + std::to_string(i));
  ReceiverAccount account;
  ReceivedFrames::fill(threads, sent, roles, steered, 0.5, account);
  return account;
}

TEST(ReceivedFrames, CallsOfTheWindowArePerFrameOfTheWindow) {
  Frames frames;
  frames.look(5, 100, 0x81);  // the warm-up
  frames.look(1, 10, 1);
  frames.look(2, 20, 1);
  frames.look(1, 10, 1);
  frames.look(7, 0, 1);  // behind the last frame
  EXPECT_DOUBLE_EQ(account_of({&frames.ended()}, {40}).syscalls_per_pkt.value(), 4.0 / 40.0);
}

TEST(ReceivedFrames, WithoutAFrameOfTheWindowThereAreNoCallsPerFrame) {
  Frames frames;
  frames.look(5, 100, 0x81);
  EXPECT_EQ(account_of({&frames.ended()}, {0}).syscalls_per_pkt, std::nullopt);
}

TEST(ReceivedFrames, ThreadsAreSummedUp) {
  Frames a;
  Frames b;
  Frames idle;
  a.look(3, 30, 1, 1);
  b.look(1, 5, 0x81, 2);
  b.look(1, 4, 1, 2);
  b.lose(6);
  b.look(2, 10, 1, 2);
  const auto account =
      account_of({&a.ended(), &b.ended(), &idle.ended()}, {0, 30, 20, 7}, {30, 30, 0});
  EXPECT_EQ(account.received_pkts, 44);
  EXPECT_EQ(account.received_bytes, 44 * 64);
  ASSERT_TRUE(account.tracker);
  EXPECT_EQ(account.tracker->unique, 44);
  EXPECT_EQ(account.tracker->lost, 6 + 7) << "of the flow that nobody saw too";
  EXPECT_EQ(account.tracker->gaps, 1);
  EXPECT_EQ(account.fates.at(Fate::duplicate), 0);
  ASSERT_TRUE(account.latency_ns.rx);
  EXPECT_EQ(account.latency_ns.rx->count() + account.latency_ns.rx->out_of_range(), 44);
  ASSERT_EQ(account.queues.size(), 3U);
  EXPECT_EQ(account.queues[1].queue, 1);
  EXPECT_EQ(account.queues[1].polled_pkts, 19);
  EXPECT_EQ(account.queues[1].share, 0.5);
  EXPECT_EQ(account.queues[2].share, 0.0);
  EXPECT_EQ(
      account.queues[0].latency_rx_ns->count() + account.queues[0].latency_rx_ns->out_of_range(),
      30);
  EXPECT_DOUBLE_EQ(account.syscalls_per_pkt.value(), 4.0 / 44.0) << "the first of a window is its";
  ASSERT_EQ(account.lcores.size(), 3U);
  EXPECT_EQ(account.lcores[2].role, "receiver 2");
  EXPECT_FALSE(account.lcores[2].thread_cpu_fraction);
  ASSERT_TRUE(account.cpu_cores_used);
  EXPECT_DOUBLE_EQ(*account.cpu_cores_used, 0.5 + *account.lcores[0].thread_cpu_fraction +
                                                *account.lcores[1].thread_cpu_fraction);
  EXPECT_EQ(account.busy_fraction, std::max(*account.lcores[0].thread_cpu_fraction,
                                            *account.lcores[1].thread_cpu_fraction));
  ASSERT_TRUE(account.first_loss_s);
  EXPECT_EQ(account.first_loss_s, account.last_loss_s);
  EXPECT_GT(*account.first_loss_s, 0.0);
}

TEST(ReceivedFrames, AFlowThatCameToTwoThreadsIsCountedAndNotTracked) {
  Frames a;
  Frames b;
  a.look(1, 5, 1, 3);
  b.lose(5);
  b.look(1, 5, 1, 3);
  const auto account = account_of({&a.ended(), &b.ended()}, {0, 0, 0, 12}, {5, 5});
  EXPECT_EQ(account.received_pkts, 10);
  EXPECT_FALSE(account.tracker);
  EXPECT_FALSE(account.first_loss_s) << "the other thread's frames are no gap";
}

}  // namespace
}  // namespace pollmark
