#include "host/pinned_thread.h"

#include <gtest/gtest.h>
#include <sched.h>

#include "host/cpu_time.h"

namespace pollmark {
namespace {

TEST(PinnedThread, BodyRunsOnTheCpuAfterPrepare) {
  const int cpu = allowed_cpus().front();
  PinnedThread thread;
  int prepared_on = -1;
  int ran_on = -1;
  const Result<void> started = thread.start(
      cpu,
      [&]() -> Result<void> {
        prepared_on = sched_getcpu();
        return {};
      },
      [&] { ran_on = sched_getcpu(); });
  ASSERT_TRUE(started) << started.error().text();
  EXPECT_EQ(prepared_on, cpu);
  thread.join();
  EXPECT_EQ(ran_on, cpu);
  EXPECT_FALSE(thread.is_started());
}

TEST(PinnedThread, BodyDoesNotRunAfterAnError) {
  bool ran = false;
  PinnedThread thread;
  const auto body = [&] { ran = true; };
  const Result<void> unprepared = thread.start(
      allowed_cpus().front(), [] { return Result<void>(fail(Errc::host_cannot, "no room")); },
      body);
  ASSERT_FALSE(unprepared);
  EXPECT_EQ(unprepared.error().what, "no room");
  const Result<void> nowhere = thread.start(
      100'000, [] { return Result<void>(); }, body);
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, Errc::host_cannot);
  EXPECT_FALSE(ran);
  EXPECT_FALSE(thread.is_started());
}

}  // namespace
}  // namespace pollmark
