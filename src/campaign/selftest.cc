#include "campaign/selftest.h"

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/line_rate.h"
#include "campaign/knee.h"
#include "campaign/trial_process.h"
#include "judge/summary.h"

namespace pollmark {
namespace {

using Verdict = Finding::Verdict;

constexpr double kModelPps = 2e6;     // well below the knee of any x86-64 core of the last decade
constexpr double kFaultsPps = 12e6;   // in bursts: most packets a second of wall time
constexpr int kAttempts = 10;         // a disturbed trial is run again
constexpr double kKneeSeconds = 0.1;  // of one trial of a search, virtual

// Counts hold whatever disturbs the host; what costs or latencies come from asks for strict.
TrialOrder model_order(double pps, double packets) {
  TrialOrder order;
  order.validity = ValidityRule::as_is;
  order.path = Path::model;
  order.clock = ClockKind::lockstep;
  order.traffic.frame_bytes = {64};
  order.traffic.flows = 256;
  order.traffic.load = Load{LoadUnit::pps, pps};
  order.traffic.intended_pps = pps;
  order.receiver.stage = StageKind::checksum;
  order.seconds = packets / pps;
  order.warmup_seconds = std::min(0.01, order.seconds / 10);
  return order;
}

std::int64_t counter_delta(const TrialResult& trial, const std::string& name) {
  const auto found = trial.counters.find(name);
  return found == trial.counters.end() ? -1 : found->second.delta.value_or(-1);
}

std::string books_text(const Ledger& ledger) {
  std::string text = fmt::format("offered {}, received {}", grouped(ledger.offered_pkts()),
                                 grouped(ledger.pkts_or_zero(Fate::received)));
  for (const Fate fate : all_fates())
    if (fate != Fate::received && ledger.pkts_or_zero(fate) != 0)
      text += fmt::format(", {} {}", fate_name(fate), grouped(ledger.pkts_or_zero(fate)));
  return text + fmt::format(", unaccounted {}", grouped(ledger.unaccounted_pkts()));
}

class Selftest {
 public:
  Selftest(const SelftestOrder& order, const std::function<void(const Finding&)>& tell)
      : order_(order), tell_(tell) {}

  Result<std::vector<Finding>> run() {
    PM_TRYV(planted_faults());
    PM_TRYV(losses_by_place());
    PM_TRYV(latency_floor());
    if (order_.kernel) PM_TRYV(kernel());
    if (order_.figures) {
      PM_TRYV(stall_law());
      PM_TRYV(ring_cost());
      for (const KneeSetting& setting : knee_settings()) {
        PM_TRYV(repeatability(setting, "quiet", 0, 0.015));
        PM_TRYV(repeatability(setting, "2 spinning processes a core", 2, 0.02));
      }
    }
    return std::move(findings_);
  }

 private:
  void found(std::string name, Verdict verdict, std::string detail) {
    findings_.push_back({std::move(name), verdict, std::move(detail)});
    tell_(findings_.back());
  }
  void judge(std::string name, bool ok, std::string detail) {
    found(std::move(name), ok ? Verdict::found : Verdict::missed, std::move(detail));
  }

  // A valid trial, or the last invalid one.
  Result<TrialResult> run_until_valid(TrialOrder order) {
    std::optional<TrialResult> last;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      order.trial = next_trial_++;
      order.attempt = attempt;
      order.epoch = static_cast<std::uint8_t>(1 + order.trial % 255);
      PM_TRY(last, runner_.run(order));
      if (last->valid) break;
    }
    return std::move(*last);
  }

  static std::string with_validity(const TrialResult& trial, std::string detail) {
    if (!trial.valid)
      detail += "; invalid: " +
                (trial.invalid_reasons.empty() ? "no reason" : trial.invalid_reasons.front());
    return detail;
  }

  // One kind of fault a trial, the packets spread evenly over the kinds.
  Result<void> planted_faults() {
    struct Kind {
      const char* name;
      double FaultOrder::*rate;
      std::optional<Fate> fate;  // where it must show; nullopt: reordered_pkts or nowhere
    };
    constexpr std::array<Kind, 5> kKinds{{{"drop", &FaultOrder::drop, Fate::link_dropped},
                                          {"duplicate", &FaultOrder::duplicate, Fate::duplicate},
                                          {"reorder", &FaultOrder::reorder, std::nullopt},
                                          {"corrupt", &FaultOrder::corrupt, Fate::corrupt},
                                          {"delay", &FaultOrder::delay, std::nullopt}}};
    std::int64_t unaccounted = 0;
    std::int64_t packets = 0;
    constexpr double kMostPerTrial = 20e6;
    const double share = static_cast<double>(order_.packets) / (kKinds.size() + 1);
    // Equal trials: in a small last one nothing might be planted.
    const int trials = std::max(1, static_cast<int>(std::ceil(share / kMostPerTrial)));
    for (std::size_t k = 0; k <= kKinds.size(); ++k) {
      const bool all = k == kKinds.size();
      const std::string name = all ? "all faults at once" : kKinds[k].name;
      std::int64_t injected = 0;
      std::int64_t seen = 0;
      std::int64_t kind_packets = 0;
      bool ok = true;
      std::string books;
      for (int t = 0; t < trials; ++t) {
        TrialOrder order = model_order(kFaultsPps, share / trials);
        order.model.link_bps = 100e9;
        order.receiver.rx_ring = 4096;
        order.seed = 1000 + static_cast<std::uint64_t>(next_trial_);
        order.receiver.queues = 2;
        const bool delay = !all && kKinds[k].rate == &FaultOrder::delay;
        if (delay) {
          // The frames behind it in its flow overtake a delayed frame: of one flow, the very next.
          order.traffic.flows = 1;
          order.traffic.load = Load{LoadUnit::pps, kModelPps};
          order.traffic.intended_pps = kModelPps;
          order.seconds = share / trials / kModelPps;
        }
        for (std::size_t i = 0; i < kKinds.size(); ++i)
          if (all || i == k) order.model.faults.*kKinds[i].rate = 0.001;
        PM_TRY(const TrialResult trial, run_until_valid(order));
        const Ledger ledger = trial.ledger();
        kind_packets += ledger.offered_pkts();
        unaccounted += std::abs(ledger.unaccounted_pkts());
        ok = ok && trial.valid && ledger.closes();
        for (std::size_t i = 0; i < kKinds.size(); ++i) {
          if (!all && i != k) continue;
          const std::int64_t planted =
              counter_delta(trial, fmt::format("model.injected_{}", kKinds[i].name));
          std::optional<std::int64_t> counted;
          if (kKinds[i].fate) counted = ledger.pkts(*kKinds[i].fate);
          // Together they may undo each other: only a trial of one kind is compared exactly.
          if (!kKinds[i].fate && !all) counted = trial.streams.at(0).reordered_pkts;
          if (!counted) continue;
          injected += planted;
          seen += *counted;
          // Nothing overtakes the last frame of a trial.
          const std::int64_t unseen = planted - *counted;
          ok = ok && planted > 0 && unseen >= 0 && unseen <= (delay ? 1 : 0);
        }
        books = with_validity(trial, books_text(ledger));
      }
      packets += kind_packets;
      judge(name, ok,
            fmt::format("injected {}, found {} in {} packets ({})", grouped(injected),
                        grouped(seen), grouped(kind_packets), books));
    }
    judge("books close", unaccounted == 0,
          fmt::format("unaccounted_pkts = {} over {} packets", unaccounted, grouped(packets)));
    return {};
  }

  Result<void> expect_fate(const std::string& name, const TrialOrder& order, Fate fate) {
    PM_TRY(const TrialResult trial, run_until_valid(order));
    const Ledger ledger = trial.ledger();
    const std::int64_t pkts = ledger.pkts_or_zero(fate);
    const bool extra = fate_kind(fate) == FateKind::extra;
    judge(name, trial.valid && ledger.closes() && pkts > 0 && (extra || ledger.lost_pkts() == pkts),
          with_validity(trial, books_text(ledger)));
    return {};
  }

  Result<void> losses_by_place() {
    TrialOrder ring = model_order(kModelPps, 200e3);
    ring.receiver.rx_ring = 64;
    ring.model.stalls = {StallKind::periodic, 1'000'000, 100'000, ""};
    PM_TRYV(expect_fate("receive ring too small for a stall", ring, Fate::rx_missed));

    TrialOrder pool = model_order(kModelPps, 200e3);
    pool.receiver.rx_ring = 512;
    pool.receiver.pool_mbufs = 256;
    pool.model.stalls = {StallKind::periodic, 1'000'000, 300'000, ""};
    PM_TRYV(expect_fate("mbuf pool too small", pool, Fate::rx_no_mbuf));

    // After a stall the rx lcore hands over a whole receive ring at once, faster than one worker
    // checks payloads.
    TrialOrder workers = model_order(2 * kModelPps, 400e3);
    workers.traffic.frame_bytes = {512};
    workers.receiver.workers = 1;
    workers.receiver.ring = 128;
    workers.receiver.rx_ring = 2048;
    workers.model.stalls = {StallKind::periodic, 1'000'000, 300'000, ""};
    PM_TRYV(expect_fate("software ring to the workers too small", workers, Fate::sw_ring_overflow));

    TrialOrder late = model_order(kModelPps, 200e3);
    late.model.faults.delay = 0.05;
    late.model.faults.delay_ns = 1'000'000;
    PM_TRYV(expect_fate("frames of the warm-up that arrive in the window", late, Fate::late));
    return {};
  }

  Result<void> latency_floor() {
    TrialOrder order = model_order(100e3, 20e3);
    order.validity = ValidityRule::strict;
    order.receiver.stage = StageKind::none;
    PM_TRY(const TrialResult trial, run_until_valid(order));
    if (!trial.latency_ns.rx || trial.latency_ns.rx->count() == 0) {
      found("latency floor", Verdict::missed, with_validity(trial, "no latency recorded"));
      return {};
    }
    if (!trial.valid) {
      found("latency floor", Verdict::skipped, with_validity(trial, "no quiet trial"));
      return {};
    }
    const LatencyHistogram& rx = *trial.latency_ns.rx;
    found("latency floor of the model path", Verdict::figure,
          fmt::format("p50 {} ns, p99 {} ns, max {} ns over {} packets at 100 kpps",
                      *rx.percentile(50), *rx.percentile(99), *rx.max(), grouped(rx.count())));
    return {};
  }

  TrialOrder veth_order() {
    TrialOrder order;
    order.path = Path::udp_socket;
    order.clock = ClockKind::wall;
    order.generator_port = "veth";
    order.receiver_port = "veth";
    order.traffic.frame_bytes = {64};
    order.traffic.load = Load{LoadUnit::pps, 50e3};
    order.traffic.intended_pps = 50e3;
    order.receiver.socket_buffer_bytes = 4 << 20;
    order.seconds = 0.3;
    order.warmup_seconds = 0.05;
    return order;
  }

  // A 5 ms stop of the receiver, between two undisturbed neighbours.
  Result<void> kernel() {
    for (const auto& [path, buffer] : {std::pair{Path::udp_socket, 64 << 10}, {Path::dpdk, 0}}) {
      const std::string name = fmt::format("5 ms stop of the receiver, {}", name_of(path));
      std::array<std::optional<TrialResult>, 3> trials;
      for (std::size_t i = 0; i < trials.size(); ++i) {
        TrialOrder order = veth_order();
        order.path = path;
        order.receiver.rx_ring = 128;
        if (buffer > 0) order.receiver.socket_buffer_bytes = i == 1 ? buffer : 4 << 20;
        if (path == Path::dpdk && i != 1) order.receiver.rx_ring = 4096;
        if (i == 1) order.planted_stop_ns = 5'000'000;
        auto trial = i == 1 ? runner_.run(order) : run_until_valid(order);
        if (!trial) {
          if (trial.error().code != Errc::host_cannot)
            return tl::unexpected<Error>(std::move(trial).error());
          found(name, Verdict::skipped, trial.error().text());
          break;
        }
        trials[i] = std::move(*trial);
      }
      if (!trials[2]) continue;
      const Ledger hit = trials[1]->ledger();
      const Fate own = path == Path::dpdk ? Fate::kernel_packet_ring : Fate::kernel_socket_buffer;
      const bool shows = !trials[1]->valid || hit.pkts_or_zero(own) > 0;
      judge(name, trials[0]->valid && trials[2]->valid && shows && hit.closes(),
            fmt::format("stopped trial: {}; {}; neighbours {} and {}",
                        trials[1]->valid ? "valid" : trials[1]->invalid_reasons.front(),
                        books_text(hit), trials[0]->valid ? "valid" : "invalid",
                        trials[2]->valid ? "valid" : "invalid"));
    }
    return {};
  }

  // Loss per stall against max(0, lambda T - N).
  Result<void> stall_law() {
    constexpr double kPps = 5e6;
    constexpr std::int64_t kStallNs = 300'000;  // lambda T = 1500
    for (const int ring : {128, 512, 1024, 2048}) {
      TrialOrder order = model_order(kPps, 1e6);
      order.receiver.stage = StageKind::none;
      order.receiver.rx_ring = ring;
      order.model.stalls = {StallKind::periodic, 2'000'000, kStallNs, ""};
      PM_TRY(const TrialResult trial, run_until_valid(order));
      const double per_stall =
          static_cast<double>(trial.ledger().pkts_or_zero(Fate::rx_missed)) /
          static_cast<double>(std::max<std::int64_t>(1, trial.stalls.injected));
      const double law = std::max(0.0, kPps * 1e-9 * static_cast<double>(kStallNs) - ring);
      judge(fmt::format("stall law, ring {}", ring),
            trial.valid && std::abs(per_stall - law) <= 0.05 * law,
            with_validity(trial, fmt::format("{:.1f} lost a stall, max(0, lambda T - N) = {:.0f}",
                                             per_stall, law)));
    }
    return {};
  }

  // Cycles per packet against the number of posted descriptors, on a saturated lcore: every burst
  // is full, every posted descriptor comes round, so that only the ring's size differs.
  Result<void> ring_cost() {
    std::array<std::vector<double>, 2> cycles;
    constexpr std::array<int, 2> kRings{128, 4096};
    for (int repeat = 0; repeat < 20; ++repeat) {
      for (std::size_t i = 0; i < 2; ++i) {
        const std::size_t which = (i + static_cast<std::size_t>(repeat)) % 2;
        TrialOrder order = model_order(100e6, 5e6);
        order.validity = ValidityRule::strict;
        order.model.link_bps = 100e9;
        order.receiver.stage = StageKind::touch;
        order.receiver.rx_ring = kRings[which];
        order.model.dma = DmaPlacement::llc;
        PM_TRY(const TrialResult trial, run_until_valid(order));
        if (trial.valid && trial.cycles_per_pkt) cycles[which].push_back(*trial.cycles_per_pkt);
      }
    }
    if (cycles[0].empty() || cycles[1].empty()) {
      found("ring size costs cache", Verdict::missed, "no valid trial");
      return {};
    }
    std::vector<double> ratios;
    for (std::size_t i = 0; i < std::min(cycles[0].size(), cycles[1].size()); ++i)
      ratios.push_back(cycles[1][i] / cycles[0][i]);
    const Estimate small = estimate_median(cycles[0]);
    const Estimate large = estimate_median(cycles[1]);
    const Estimate ratio = estimate_median(ratios);
    const bool above = ratio.interval && ratio.interval->low > 1.0;
    judge("ring size costs cache", above,
          fmt::format("saturated, {:.1f} cycles/pkt at 128, {:.1f} at 4096; ratio {:.3f}{}",
                      small.median, large.median, ratio.median,
                      ratio.interval ? fmt::format(" [{:.3f}, {:.3f}]", ratio.interval->low,
                                                   ratio.interval->high)
                                     : ""));
    return {};
  }

  // Processes that spin on a CPU until the guard ends them.
  class Spinners {
   public:
    explicit Spinners(int per_cpu) {
      const long cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
      for (int cpu = 0; cpu < cpus; ++cpu)
        for (int i = 0; i < per_cpu; ++i) start(cpu);
    }
    ~Spinners() {
      for (const pid_t pid : pids_) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
      }
    }
    Spinners(const Spinners&) = delete;
    Spinners& operator=(const Spinners&) = delete;

   private:
    void start(int cpu) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(static_cast<std::size_t>(cpu), &set);
        ::sched_setaffinity(0, sizeof set, &set);
        ::alarm(1200);
        for (;;) __builtin_ia32_pause();
      }
      if (pid > 0) pids_.push_back(pid);
    }
    std::vector<pid_t> pids_;
  };

  // What bounds the load, and the search for it.
  struct KneeSetting {
    const char* limit;
    KneeOrder search;
  };

  static std::array<KneeSetting, 2> knee_settings() {
    KneeOrder search;
    search.order = model_order(kModelPps, 1.0);
    search.order.validity = ValidityRule::strict;
    search.order.traffic.frame_bytes = {256};
    search.order.model.link_bps = 100e9;  // neither is the line
    search.order.receiver.queues = 1;
    search.order.receiver.rx_ring = 512;
    search.order.seconds = kKneeSeconds;
    search.order.warmup_seconds = 0.01;
    search.retries = 50;  // a host with neighbours disturbs more trials than not
    search.low_pps = 0.5e6;
    search.high_pps = line_rate_pps(search.order.model.link_bps, 256);

    // The quickstart's pauses: 512 frames of ring are too few above 8.68 Mpps, N / (T - 0.001 P).
    KneeSetting ring{"the ring", search};
    ring.search.order.model.stalls = {StallKind::periodic, 1'000'000, 60'000, ""};

    // Where frames stay in the core's own caches, a backlog makes each dearer, and so feeds
    // itself: between two loads both few and many losses are stable, and chance picks one.
    KneeSetting core{"the core", search};
    core.search.order.model.dma = DmaPlacement::memory;
    core.search.width = 0.01;
    core.search.votes = 5;
    return {ring, core};
  }

  // Ten searches for the load that loses 0.1 %.
  Result<void> repeatability(const KneeSetting& setting, const char* host, int spinners_per_cpu,
                             double limit) {
    const std::string name = fmt::format("repeatability, {} is the limit, {}", setting.limit, host);
    const Spinners spinners(spinners_per_cpu);
    std::vector<double> knees;
    int trials = 0;
    int invalid = 0;
    for (int search = 0; search < 10; ++search) {
      KneeOrder order = setting.search;
      order.order.seed = 1 + 1000 * static_cast<std::uint64_t>(search);
      auto knee = find_knee(runner_, order);
      if (!knee) {
        if (knee.error().code == Errc::interrupted)
          return tl::unexpected<Error>(std::move(knee).error());
        found(name, Verdict::missed, knee.error().text());
        return {};
      }
      knees.push_back(knee->pps);
      trials += knee->trials;
      invalid += knee->invalid;
    }
    const double mean =
        std::accumulate(knees.begin(), knees.end(), 0.0) / static_cast<double>(knees.size());
    double squares = 0.0;
    for (const double knee : knees) squares += (knee - mean) * (knee - mean);
    const double variation = std::sqrt(squares / static_cast<double>(knees.size() - 1)) / mean;
    judge(name, variation <= limit,
          fmt::format(
              "load that loses 0.1 %: mean {}, coefficient of variation {:.2f} % (asked "
              "{:.1f} %), 10 searches from {} to {}, {} trials of {} s, {} invalid and run again",
              si(mean, "pps"), 100 * variation, 100 * limit,
              si(*std::min_element(knees.begin(), knees.end()), "pps"),
              si(*std::max_element(knees.begin(), knees.end()), "pps"), trials, kKneeSeconds,
              invalid));
    return {};
  }

  const SelftestOrder& order_;
  const std::function<void(const Finding&)>& tell_;
  TrialRunner runner_;
  std::vector<Finding> findings_;
  std::int64_t next_trial_ = 0;
};

}  // namespace

Result<std::vector<Finding>> run_selftest(const SelftestOrder& order,
                                          const std::function<void(const Finding&)>& tell) {
  return Selftest(order, tell).run();
}

}  // namespace pollmark
