#include "host/cpu_time.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

namespace pollmark {
namespace {

TEST(ThreadCpu, SleepingCostsWallTimeButNoCpuTime) {
  const auto wall = wall_ns();
  const auto cpu = thread_cpu_ns();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_GE(wall_ns() - wall, 50'000'000);
  EXPECT_LT(thread_cpu_ns() - cpu, 25'000'000);
}

TEST(ThreadCpu, SpinningUntilCpuTimePassesTakesAtLeastThatMuchWallTime) {
  const auto wall = wall_ns();
  const auto cpu = thread_cpu_ns();
  while (thread_cpu_ns() - cpu < 5'000'000) {
  }
  EXPECT_GE(wall_ns() - wall, 4'900'000);
}

TEST(SchedulerTimes, OfTheCallingThreadNeverFallAndOfANonThreadAreAbsent) {
  const auto before = scheduler_times();
  if (!before) GTEST_SKIP() << "needs /proc/thread-self/schedstat";
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const auto after = scheduler_times();
  ASSERT_TRUE(after);
  EXPECT_GE(after->on_cpu_ns, before->on_cpu_ns);
  EXPECT_GE(after->waiting_ns, before->waiting_ns);
  EXPECT_FALSE(scheduler_times(0x7ffffff0));
}

TEST(CpuStats, FieldsAreTakenFromTheirColumns) {
  const auto root =
      std::filesystem::temp_directory_path() / ("pollmark_stat_" + std::to_string(getpid()));
  std::filesystem::create_directories(root / "proc");
  std::ofstream(root / "proc/stat") << "cpu  9 9 9 9 9 9 9 9 0 0\n"
                                       "cpu0 1 2 3 4 5 6 7 8 9 10\n"
                                       "cpu11 10 0 0 90 0 0 5 0 0 0\n"
                                       "intr 5\n";
  const auto stats = cpu_stats(root.string());
  std::filesystem::remove_all(root);
  const std::int64_t tick_ns = 1'000'000'000 / sysconf(_SC_CLK_TCK);
  ASSERT_EQ(stats.size(), 2U);
  EXPECT_EQ(stats[0].cpu, 0);
  EXPECT_EQ(stats[0].softirq_ns, 7 * tick_ns);
  EXPECT_EQ(stats[0].steal_ns, 8 * tick_ns);
  EXPECT_EQ(stats[0].total_ns, 36 * tick_ns);
  EXPECT_EQ(stats[0].busy_ns, 27 * tick_ns);
  EXPECT_EQ(stats[1].cpu, 11);
  EXPECT_EQ(stats[1].total_ns, 105 * tick_ns);
}

TEST(CpuStats, SoftirqTimeIsSummedOverTheNamedCpusOnly) {
  const std::vector<CpuStat> before{{.cpu = 0, .softirq_ns = 10}, {.cpu = 1, .softirq_ns = 100}};
  const std::vector<CpuStat> after{{.cpu = 0, .softirq_ns = 15}, {.cpu = 1, .softirq_ns = 170}};
  EXPECT_EQ(softirq_ns_between(before, after, std::vector{0}), 5);
  EXPECT_EQ(softirq_ns_between(before, after, std::vector{0, 1}), 75);
  EXPECT_EQ(softirq_ns_between(before, after, std::vector{2}), std::nullopt);
}

TEST(Pinning, ThreadRunsOnTheCpuItWasGiven) {
  const auto cpus = allowed_cpus();
  ASSERT_FALSE(cpus.empty());
  int seen = -1;
  std::thread([&] {
    if (pin_this_thread(cpus.back())) seen = sched_getcpu();
  }).join();
  EXPECT_EQ(seen, cpus.back());
}

TEST(Pinning, CpuThatIsNotThereIsAHostThatCannot) {
  const auto pinned = pin_this_thread(100'000);
  ASSERT_FALSE(pinned);
  EXPECT_EQ(pinned.error().code, Errc::host_cannot);
}

}  // namespace
}  // namespace pollmark
