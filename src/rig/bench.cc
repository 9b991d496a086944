#include "rig/bench.h"

#include <rte_ethdev.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/tsc.h"
#include "host/cpu_time.h"
#include "rig/bench_ground.h"
#include "rig/eal.h"
#include "rig/level_bench.h"
#include "rig/testpmd_peer.h"

namespace pollmark {
namespace {

constexpr double kPeerSeconds = 0.3;

std::optional<double> ordered_at(std::vector<double> values, double part) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(part * last);
  const auto high = std::min(values.size() - 1, low + (part * last > static_cast<double>(low)));
  return (values[low] + values[high]) / 2.0;
}

// Thread-CPU cost of reading the clock twice, with nothing between.
double clock_ns() {
  std::int64_t sum_ns = 0;
  constexpr int kReadings = 1000;
  for (int i = 0; i < kReadings; ++i) {
    const std::int64_t before_ns = thread_cpu_ns();
    sum_ns += thread_cpu_ns() - before_ns;
  }
  return static_cast<double>(sum_ns) / kReadings;
}

struct Sample {
  double ns = 0.0;
  double packets = 0.0;
};

Sample sample_of(const LevelBench::Work& work, std::uint64_t bursts, double clock,
                 double cycles_per_ns) {
  Sample sample;
  if (!work.prepare) {
    const std::int64_t before_ns = thread_cpu_ns();
    work.loop(bursts);
    sample.ns = static_cast<double>(thread_cpu_ns() - before_ns) - clock;
    sample.packets = static_cast<double>(bursts) * kBenchBurst;
    return sample;
  }
  const Ticks stage_before = work.stage_of != nullptr ? work.stage_of->stage_ticks : 0;
  for (std::uint64_t done = 0; done < bursts; done += kPreparedFrames / kBenchBurst) {
    work.prepare();
    const std::int64_t before_ns = thread_cpu_ns();
    work.loop(bursts);
    sample.ns += static_cast<double>(thread_cpu_ns() - before_ns) - clock;
    sample.packets += kPreparedFrames;
  }
  if (work.stage_of != nullptr)
    sample.ns = static_cast<double>(work.stage_of->stage_ticks - stage_before) / cycles_per_ns;
  return sample;
}

// Bursts that take about that long; what they touch is warm afterwards.
std::uint64_t bursts_for(const LevelBench::Work& work, double seconds, double clock,
                         double cycles_per_ns) {
  std::uint64_t bursts = 256;
  for (;;) {
    const Sample sample = sample_of(work, bursts, clock, cycles_per_ns);
    if (sample.ns > seconds * 5e8 || bursts > 100'000'000) return bursts;
    bursts *= 2;
  }
}

struct Asked {
  const char* what;
  const char* work;
  const char* of;  // another row; nullptr: cycles
  double at_most;
};

constexpr const char* kPeerWork = "testpmd";
constexpr std::array kAsked = {
    Asked{"generate / testpmd txonly multi-flow", "generate", kPeerWork, 0.60},
    Asked{"generate / floor", "generate", "floor", 1.4},
    Asked{"generate imix, 4096 flows / floor", "generate imix", "floor", 1.6},
    Asked{"replay unstamped / floor", "replay", "floor", 1.3},
    Asked{"replay, rewritten at load / copy loop", "replay", "copy loop", 1.15},
    Asked{"RSS, cycles", "hash", nullptr, 6.0},
    Asked{"receive 64 flows, cycles", "receive 64 flows", nullptr, 14.0},
    Asked{"receive 65536 flows, cycles", "receive 65536 flows", nullptr, 24.0},
    Asked{"latency record, cycles", "latency", nullptr, 4.0},
    Asked{"stage hyperscan / bare hs_scan", "stage hyperscan", "hs_scan", 1.0 / 0.95},
    Asked{"model path hot, cycles", "model path", nullptr, 60.0},
};
constexpr double kRssWithoutGfni = 40.0;

const BenchRow* row_of(const std::vector<BenchRow>& rows, std::string_view work,
                       std::string_view isa) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const BenchRow& row) {
    return row.work == work && row.isa == isa;
  });
  return found == rows.end() ? nullptr : &*found;
}

BenchRatio ratio_of(const Asked& asked, const HotLevel& level, const std::vector<BenchRow>& rows) {
  BenchRatio ratio;
  ratio.what = asked.what;
  ratio.isa = level.name;
  ratio.at_most = asked.of == nullptr && std::string_view(asked.work) == "hash" && !level.has_gfni
                      ? kRssWithoutGfni
                      : asked.at_most;
  const BenchRow* row = row_of(rows, asked.work, level.name);
  PM_CHECK(row != nullptr);
  if (asked.of == nullptr) {
    ratio.ratios = row->cycles;
    return ratio;
  }
  const bool peer = std::string_view(asked.of) == kPeerWork;
  const BenchRow* of = row_of(rows, asked.of, peer ? "peer" : level.name);
  PM_CHECK(of != nullptr);
  ratio.not_measured = of->not_measured;
  for (std::size_t i = 0; i < std::min(row->cycles.size(), of->cycles.size()); ++i)
    ratio.ratios.push_back(row->cycles[i] / of->cycles[i]);
  return ratio;
}

}  // namespace

std::optional<double> BenchRow::median() const { return ordered_at(cycles, 0.5); }
std::optional<double> BenchRow::lowest() const { return ordered_at(cycles, 0.0); }
std::optional<double> BenchRow::highest() const { return ordered_at(cycles, 1.0); }
std::optional<double> BenchRatio::median() const { return ordered_at(ratios, 0.5); }
std::optional<double> BenchRatio::lowest() const { return ordered_at(ratios, 0.0); }
std::optional<double> BenchRatio::highest() const { return ordered_at(ratios, 1.0); }

Result<BenchReport> run_bench(const BenchOrder& order, const std::function<void(int)>& progress) {
  EalOrder eal;
  eal.memory_mib = kBenchMemoryMib * static_cast<std::int64_t>(order.levels.size());
  eal.vdevs = {"net_null0"};
  PM_TRY(const EalFacts facts, start_eal(eal));
  BenchReport report;
  report.tsc_hz = calibrate_tsc().hz;
  report.page_size_bytes = facts.page_size_bytes;
  report.repeats = order.repeats;
  PM_TRY(const Pool pool, make_bench_pool("bench_tx", kBenchSendMbufs, kBenchSendCache));
  PM_TRY(const std::uint16_t port, start_null_port(pool.get()));

  std::vector<std::unique_ptr<LevelBench>> benches;
  for (const HotLevel* level : order.levels) {
    PM_TRY(auto bench, LevelBench::make(*level, pool.get(), port, report.tsc_hz));
    benches.push_back(std::move(bench));
  }
  report.tracker_bytes = benches.front()->tracker_bytes();

  const double clock = clock_ns();
  const double cycles_per_ns = report.tsc_hz * 1e-9;
  std::vector<std::vector<std::uint64_t>> bursts;
  for (const auto& bench : benches) {
    bursts.emplace_back();
    for (const LevelBench::Work& work : bench->works()) {
      const bool runs = work.not_measured.empty();
      bursts.back().push_back(runs ? bursts_for(work, order.sample_seconds, clock, cycles_per_ns)
                                   : 0);
      report.rows.push_back({work.name, bench->level().name, work.does, {}, work.not_measured});
    }
  }
  report.rows.push_back(
      {kPeerWork, "peer", "txonly --txonly-multi-flow on net_null, 64 B", {}, {}});
  std::optional<TestpmdPeer> peer;
  if (order.with_peer) {
    auto started = TestpmdPeer::start(facts.cpu, "--txonly-multi-flow");
    if (started)
      peer.emplace(std::move(*started));
    else
      report.peer = started.error().text();
  } else {
    report.peer = "not asked for";
  }

  for (int repeat = 1; repeat <= order.repeats; ++repeat) {
    std::size_t row = 0;
    for (std::size_t level = 0; level < benches.size(); ++level) {
      for (std::size_t at = 0; at < benches[level]->works().size(); ++at) {
        BenchRow& measured = report.rows[row++];
        if (!measured.not_measured.empty()) continue;
        const Sample sample =
            sample_of(benches[level]->works()[at], bursts[level][at], clock, cycles_per_ns);
        measured.cycles.push_back(sample.ns * cycles_per_ns / sample.packets);
      }
      benches[level]->check_books();
    }
    if (peer) {
      auto sample = peer->send_for(kPeerSeconds);
      if (sample) {
        report.rows.back().cycles.push_back(static_cast<double>(sample->cpu_ns) * cycles_per_ns /
                                            static_cast<double>(sample->packets));
      } else {
        report.peer = sample.error().text();
        peer.reset();
      }
    }
    progress(repeat);
  }
  report.rows.back().not_measured = report.peer;
  if (report.peer.empty()) report.peer = "dpdk-testpmd";
  for (const HotLevel* level : order.levels)
    for (const Asked& asked : kAsked) report.ratios.push_back(ratio_of(asked, *level, report.rows));
  benches.clear();
  rte_eth_dev_stop(port);
  return report;
}

}  // namespace pollmark
