// How much CPU a thread had, how long it waited for one, and what the kernel did on each CPU.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace pollmark {

// CPU time of the calling thread (CLOCK_THREAD_CPUTIME_ID).
[[nodiscard]] std::int64_t thread_cpu_ns();
// Monotonic wall clock.
[[nodiscard]] std::int64_t wall_ns();

struct SchedulerTimes {
  std::int64_t on_cpu_ns = 0;
  std::int64_t waiting_ns = 0;  // runnable, but not running
  std::int64_t timeslices = 0;
};
// /proc/self/task/<tid>/schedstat; nullopt where the kernel keeps none. tid 0: the calling thread.
[[nodiscard]] std::optional<SchedulerTimes> scheduler_times(pid_t tid = 0);

// One CPU of /proc/stat since boot, in ns; the kernel's clock ticks are the resolution (10 ms at
// the usual 100 Hz).
struct CpuStat {
  int cpu = 0;
  std::int64_t softirq_ns = 0;
  std::int64_t steal_ns = 0;
  std::int64_t busy_ns = 0;  // all but idle and iowait
  std::int64_t total_ns = 0;
};
// root: prefix of /proc, for a test.
[[nodiscard]] std::vector<CpuStat> cpu_stats(const std::string& root = "");
// Sum over the CPUs named of after - before of softirq time; nullopt when a CPU is not in both.
[[nodiscard]] std::optional<std::int64_t> softirq_ns_between(std::span<const CpuStat> before,
                                                             std::span<const CpuStat> after,
                                                             std::span<const int> cpus);

// Pins the calling thread to that CPU. Errors: host_cannot when the CPU is not there or not
// allowed.
[[nodiscard]] Result<void> pin_this_thread(int cpu);
// CPUs that this process may use, ascending: those of its cpuset. A narrower affinity is no limit
// here, because EAL narrows the calling thread's own.
[[nodiscard]] std::vector<int> allowed_cpus();

}  // namespace pollmark
