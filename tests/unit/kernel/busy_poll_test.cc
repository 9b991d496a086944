#include "kernel/busy_poll.h"

#include <gtest/gtest.h>

namespace pollmark {
namespace {

Knob knob_after(const std::vector<std::uint64_t>& readings) {
  BusyPoll busy_poll(50'000);
  for (const std::uint64_t polled : readings) {
    CounterSnapshot snapshot;
    snapshot.values["receiver.tcpext.BusyPollRxPackets"] = polled;
    busy_poll.look(snapshot);
  }
  busy_poll.look({});  // one that does not tell
  std::map<std::string, Knob> knobs;
  busy_poll.add_knob(knobs);
  return knobs.at("socket_busy_poll");
}

TEST(BusyPoll, IsExercisedByTheFramesThatReadersPolledDuringTheTrial) {
  const Knob knob = knob_after({1000, 1003, 3200});
  EXPECT_EQ(knob.requested, "50 us");
  EXPECT_TRUE(knob.exercised);
  EXPECT_EQ(knob.evidence, "2 200 frames were polled by their reader");
}

TEST(BusyPoll, IsNotExercisedWhereNoneWasPolledOrNothingIsTold) {
  EXPECT_FALSE(knob_after({7, 7}).exercised);
  EXPECT_EQ(knob_after({7, 7}).evidence, "no frame was polled by its reader");
  EXPECT_FALSE(knob_after({}).exercised);
  EXPECT_EQ(knob_after({}).evidence, "frames polled by their reader: not told");
}

TEST(BusyPoll, ThatNobodyAskedForIsNoKnob) {
  std::map<std::string, Knob> knobs;
  BusyPoll(0).add_knob(knobs);
  EXPECT_TRUE(knobs.empty());
}

}  // namespace
}  // namespace pollmark
