#include "kernel/received_frames.h"

#include <gtest/gtest.h>

#include <array>

#include "base/tsc.h"

namespace pollmark {
namespace {

class Frames {
 public:
  Frames() : frames_(order(), host_tsc().hz) {}

  // One look that took so many system calls and found so many frames.
  void look(int calls, int frames, std::uint8_t epoch) {
    for (int i = 0; i < calls; ++i) frames_.count_call();
    if (frames == 0) return;
    std::array<std::uint8_t, PayloadStamp::kBytes> payload{};
    for (int i = 0; i < frames; ++i) {
      PayloadStamp{.epoch = epoch, .sequence = epoch == 1 ? sequence_++ : 0, .tsc = tsc_now()}
          .write(payload.data());
      frames_.take(payload.data(), payload.size(), 64, tsc_now());
    }
    frames_.after_batch(frames, tsc_now());
  }

  std::optional<double> syscalls_per_pkt() {
    frames_.finished();
    ReceiverAccount account;
    frames_.fill({sequence_}, "receiver", std::nullopt, account);
    return account.syscalls_per_pkt;
  }

 private:
  static TrialOrder order() {
    TrialOrder order;
    order.traffic.flows = 1;
    return order;
  }
  ReceivedFrames frames_;
  std::uint32_t sequence_ = 0;
};

TEST(ReceivedFrames, CallsOfTheWindowArePerFrameOfTheWindow) {
  Frames frames;
  frames.look(5, 100, 0x81);  // the warm-up
  frames.look(1, 10, 1);
  frames.look(2, 20, 1);
  frames.look(1, 10, 1);
  frames.look(7, 0, 1);  // behind the last frame
  EXPECT_DOUBLE_EQ(frames.syscalls_per_pkt().value(), 4.0 / 40.0);
}

TEST(ReceivedFrames, WithoutAFrameOfTheWindowThereAreNoCallsPerFrame) {
  Frames frames;
  frames.look(5, 100, 0x81);
  EXPECT_EQ(frames.syscalls_per_pkt(), std::nullopt);
}

}  // namespace
}  // namespace pollmark
