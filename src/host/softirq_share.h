// The CPU that the kernel's softirqs took on the CPUs of a trial.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "host/cpu_time.h"

namespace pollmark {

// Control thread.
class SoftirqShare {
 public:
  void begin(std::vector<int> cpus) {
    cpus_ = std::move(cpus);
    before_ = cpu_stats();
    began_ns_ = wall_ns();
  }
  // Cores' worth since begin(); nullopt: the kernel does not tell.
  [[nodiscard]] std::optional<double> cores() const {
    const std::int64_t wall = wall_ns() - began_ns_;
    const auto softirq_ns = softirq_ns_between(before_, cpu_stats(), cpus_);
    if (!softirq_ns || wall <= 0) return std::nullopt;
    return static_cast<double>(*softirq_ns) / static_cast<double>(wall);
  }

 private:
  std::vector<int> cpus_;
  std::vector<CpuStat> before_;
  std::int64_t began_ns_ = 0;
};

}  // namespace pollmark
