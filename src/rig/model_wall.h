// A trial on the model in real time: threads for the links and the receiving lcores, each on a CPU
// of its own, and what they saw of their scheduling.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "datapath/hot_level.h"
#include "datapath/wall.h"
#include "host/numa_placement.h"
#include "host/pinned_thread.h"
#include "record/trial_order.h"
#include "rig/tally_memory.h"
#include "trial/endpoints.h"

namespace pollmark {

struct WallCpus {
  std::vector<int> links;
  std::vector<int> lcores;  // rx lcores, then workers
};

// CPUs for one link for each of the order's generator lcores (one at least, and no more than
// queues: each is fed by one link) and as many receiving lcores as said. CPUs that the order names
// are taken in its order, also where one stands twice; the rest come from the plan, where links
// leave to the lcores what these need.
//   Errors: bad_experiment: too few CPUs, with what would do.
[[nodiscard]] Result<WallCpus> wall_cpus(const TrialOrder& order, int rx_lcores, int workers,
                                         const NumaPlan& plan);

struct WallLcoreOrder {
  ReceiveLcore* lcore = nullptr;
  SequenceTracker* window_tracker = nullptr;
  std::vector<int> producers;  // of a worker: positions among the lcores
  std::string role;            // "receiver q0 q4", "worker 0"
  double pps = 0.0;            // of the fullest queue or ring that it takes from; 0: not known
  int slots = 0;               // of that queue or ring
};

class ModelWall {
 public:
  ModelWall(const HotLevel& level, const ModelRun& run, double tsc_hz, WallCpus cpus,
            const std::atomic<bool>& abandoned);
  ModelWall(const ModelWall&) = delete;
  ModelWall& operator=(const ModelWall&) = delete;
  ~ModelWall();  // abandoned must be set, or every thread joined

  // One link, one lcore for each CPU; before start.
  void prepare(const std::vector<LinkOrder>& links, const std::vector<WallLcoreOrder>& lcores);
  // Ready for the first frame when it returns. Errors: host_cannot (a CPU is not allowed).
  [[nodiscard]] Result<void> start_lcores();
  [[nodiscard]] Result<void> start_links();
  void join_links();
  void join_lcores();
  // False until every receiving lcore has ended by itself.
  [[nodiscard]] bool lcores_ended() const;

  // What the loops have published so far; from any thread.
  [[nodiscard]] LiveTallies live_links() const;
  [[nodiscard]] LiveTallies live_lcores() const;

  // After the joins. Link by link; of all links together.
  [[nodiscard]] std::vector<LinkTallies> link_tallies() const;
  [[nodiscard]] std::uint64_t unsent() const;
  [[nodiscard]] double window_seconds() const;  // as sent: longer than asked where it ran late
  [[nodiscard]] GeneratorAccount generator() const;
  [[nodiscard]] std::vector<LcoreHealth> link_health() const;
  [[nodiscard]] std::vector<LcoreHealth> lcore_health() const;
  [[nodiscard]] const LoopWatch& watch(std::size_t lcore) const {
    return lcores_[lcore]->hot.watch;
  }
  // When the first link's window began, in ticks of the TSC.
  [[nodiscard]] Ticks window_began() const;

 private:
  // One thread and what it knows of its CPU time.
  struct Runner {
    std::string role;
    int cpu = 0;
    std::optional<int> node;  // as found when the window opened
    double pps = 0.0;
    int slots = 0;
    std::int64_t cpu_ns[2] = {0, 0};  // at the window's opening and close
    std::int64_t wall_ns[2] = {0, 0};
    TallyMemory gaps;
    PinnedThread thread;
  };
  struct Link : Runner {
    WallLink hot;
    TallyMemory late;
  };
  struct Lcore : Runner {
    WallLcore hot;
    std::vector<const WallLcore*> producers;
  };

  static void ring(void* runner, WallPhase phase) noexcept;
  [[nodiscard]] LcoreHealth health(const Runner& runner, const LoopWatch& watch) const;
  [[nodiscard]] std::int64_t ns_of(Ticks ticks) const;
  [[nodiscard]] Ticks ticks_of(double ns) const;

  const HotLevel& level_;
  const ModelRun& run_;
  double tsc_hz_;
  WallCpus cpus_;
  WallBoard board_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<Lcore>> lcores_;
};

}  // namespace pollmark
