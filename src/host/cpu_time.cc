#include "host/cpu_time.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace pollmark {
namespace {

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

std::int64_t thread_cpu_ns() { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }
std::int64_t wall_ns() { return clock_ns(CLOCK_MONOTONIC); }

std::optional<SchedulerTimes> scheduler_times(pid_t tid) {
  std::ifstream file(tid == 0 ? std::string("/proc/thread-self/schedstat")
                              : fmt::format("/proc/self/task/{}/schedstat", tid));
  SchedulerTimes times;
  if (!(file >> times.on_cpu_ns >> times.waiting_ns >> times.timeslices)) return std::nullopt;
  return times;
}

std::vector<CpuStat> cpu_stats(const std::string& root) {
  std::vector<CpuStat> stats;
  const std::int64_t tick_ns = 1'000'000'000 / std::max(1L, sysconf(_SC_CLK_TCK));
  std::ifstream file(root + "/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("cpu") || line.size() < 4 || line[3] == ' ') continue;
    std::istringstream fields(line.substr(3));
    CpuStat stat;
    // user nice system idle iowait irq softirq steal; guest time is inside user.
    std::int64_t ticks[8] = {};
    fields >> stat.cpu;
    for (auto& tick : ticks) fields >> tick;
    for (const auto tick : ticks) stat.total_ns += tick * tick_ns;
    stat.softirq_ns = ticks[6] * tick_ns;
    stat.steal_ns = ticks[7] * tick_ns;
    stat.busy_ns = stat.total_ns - (ticks[3] + ticks[4]) * tick_ns;
    stats.push_back(stat);
  }
  return stats;
}

std::optional<std::int64_t> softirq_ns_between(std::span<const CpuStat> before,
                                               std::span<const CpuStat> after,
                                               std::span<const int> cpus) {
  std::int64_t sum = 0;
  for (const int cpu : cpus) {
    const auto of_cpu = [cpu](const CpuStat& stat) { return stat.cpu == cpu; };
    const auto then = std::ranges::find_if(before, of_cpu);
    const auto now = std::ranges::find_if(after, of_cpu);
    if (then == before.end() || now == after.end()) return std::nullopt;
    sum += now->softirq_ns - then->softirq_ns;
  }
  return sum;
}

Result<void> pin_this_thread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (cpu < 0 || cpu >= CPU_SETSIZE) return fail(Errc::host_cannot, fmt::format("no CPU {}", cpu));
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  if (const int error = pthread_setaffinity_np(pthread_self(), sizeof set, &set); error != 0) {
    return fail(Errc::host_cannot,
                fmt::format("cannot run on CPU {}: {}", cpu, std::strerror(error)));
  }
  return {};
}

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
  // A thread of its own asks for all; the kernel cuts that down to the cpuset.
  std::thread([&cpus] {
    cpu_set_t set;
    std::memset(&set, 0xff, sizeof set);
    (void)sched_setaffinity(0, sizeof set, &set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) cpus.push_back(cpu);
    }
  }).join();
  return cpus;
}

}  // namespace pollmark
