// What each of the hot loops costs: thread-CPU cycles per packet, from alternating repeats.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "datapath/hot_level.h"

namespace pollmark {

struct BenchOrder {
  std::vector<const HotLevel*> levels;  // at least one
  int repeats = 7;                      // 1 or more
  double sample_seconds = 0.01;         // CPU time of each sample, about
  bool with_peer = true;                // dpdk-testpmd, where it is installed
};

// One work. cycles: thread CPU seconds (CLOCK_THREAD_CPUTIME_ID; for the peer its lcore's
// schedstat) x TSC Hz / packets, one per repeat.
struct BenchRow {
  std::string work;  // "generate", "receive 64 flows", ...
  std::string isa;   // "v4"; "peer" for dpdk-testpmd
  std::string does;  // what one packet goes through
  std::vector<double> cycles;
  std::string not_measured;  // the reason, where cycles is empty
  [[nodiscard]] std::optional<double> median() const;
  [[nodiscard]] std::optional<double> lowest() const;
  [[nodiscard]] std::optional<double> highest() const;
};

// A row against another of the same repeats, or against a number of cycles.
struct BenchRatio {
  std::string what;
  std::string isa;
  std::vector<double> ratios;  // one per repeat
  double at_most = 0.0;        // what the project asks of itself
  std::string not_measured;
  [[nodiscard]] std::optional<double> median() const;
  [[nodiscard]] std::optional<double> lowest() const;
  [[nodiscard]] std::optional<double> highest() const;
};

struct BenchReport {
  double tsc_hz = 0.0;
  std::int64_t page_size_bytes = 0;
  int repeats = 0;
  std::string peer;  // "dpdk-testpmd", or why it did not run
  std::vector<BenchRow> rows;
  std::vector<BenchRatio> ratios;  // cycles themselves where a row is held against a number
  std::int64_t tracker_bytes = 0;  // of 65 536 flows
};

// Starts EAL with a net_null port; the calling thread runs everything. progress: after each repeat,
// with its number from 1.
//   Errors: host_cannot with DPDK's reason.
[[nodiscard]] Result<BenchReport> run_bench(const BenchOrder& order,
                                            const std::function<void(int)>& progress);

}  // namespace pollmark
