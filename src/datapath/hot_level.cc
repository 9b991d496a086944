// Compiled once per ISA level, see meson.build.
#include "datapath/hot_level.h"

#include <rte_thash.h>

#include "datapath/bench_loops.h"
#include "datapath/generate.h"
#include "datapath/model_steps.h"
#include "datapath/toeplitz.h"
#include "datapath/wall.h"

#define PM_QUOTED_(name) #name
#define PM_QUOTED(name) PM_QUOTED_(name)

namespace pollmark {
inline namespace PM_ISA_LEVEL {
namespace {

using Clock = LockstepClock<HardwareTsc>;
using Step = StepOf<Clock>;

// One group of virtual lcores and the link that feeds it, as run_lockstep moves them.
template <Placement kPlacement, Origin kOrigin, Faults kFaults>
class ModelWorld {
 public:
  ModelWorld(const ModelRun& run, ModelGroup& group) noexcept : run_(run), group_(group) {
    for (std::uint32_t i = 0; i < group.count; ++i) {
      const ReceiveLcore& lcore = *group.lcores[i];
      steps_[i] =
          kOrigin == Origin::capture      ? step_of<StampSource::dynamic_field, Clock>(run, lcore)
          : run.traffic->stack.is_plain() ? step_of<StampSource::payload, Clock>(run, lcore)
                                          : step_of<StampSource::stacked, Clock>(run, lcore);
      group.lcores[i]->epoch = run.traffic->warmup_epoch;
    }
  }

  void open_link() noexcept { link_.open(group_.link); }
  void close_link() noexcept {
    group_.tallies = link_.tallies();
    group_.unsent = link_.unsent();
  }

  [[gnu::always_inline]] inline void deliver(Ticks v) noexcept { link_.deliver(v); }

  [[gnu::always_inline]] inline std::uint32_t waiting(std::uint32_t number, Ticks v) noexcept {
    const ReceiveLcore& lcore = *group_.lcores[number];
    std::uint32_t frames = 0;
    for (std::uint32_t i = 0; i < lcore.queue_count; ++i) {
      const ModelQueue& queue = *lcore.model_queues[i];
      const std::uint32_t filled = queue.enqueued_to - queue.taken_to;
      frames += filled < lcore.burst ? filled : lcore.burst;
    }
    for (std::uint32_t i = 0; i < lcore.ring_count; ++i) {
      const std::uint32_t seen = visible(*lcore.take_from[i], v);
      frames += seen < lcore.burst ? seen : lcore.burst;
    }
    return frames;
  }

  [[gnu::always_inline]] inline std::uint32_t step(std::uint32_t number,
                                                   const Clock& clock) noexcept {
    return steps_[number](*group_.lcores[number], clock);
  }

  [[gnu::always_inline]] inline void settle(std::uint32_t number, Ticks v) noexcept {
    ReceiveLcore& lcore = *group_.lcores[number];
    if (lcore.push_to == nullptr) return;
    announce(*lcore.push_to, v);
    for (std::uint32_t i = 0; i < lcore.pushed_count; ++i) {
      const rte_mbuf* mbuf = lcore.pushed[i];
      place<kPlacement>(bytes_of(mbuf), mbuf->data_len);
      place<kPlacement>(mbuf, sizeof *mbuf);
    }
    lcore.pushed_count = 0;
  }

  void open_window(std::uint32_t number) noexcept {
    pollmark::open_window(*group_.lcores[number], run_.traffic->epoch,
                          group_.window_trackers[number]);
  }

  Ticks next_input(std::uint32_t number, Ticks v) noexcept {
    ReceiveLcore& lcore = *group_.lcores[number];
    Ticks next = kNever;
    if (lcore.queue_count > 0) {
      next = link_.next_arrival();
      for (std::uint32_t i = 0; i < lcore.queue_count; ++i) {
        // An empty round tries again to post what the pool refused.
        ModelQueue& queue = *lcore.model_queues[i];
        if (queue.posted_to - queue.taken_to == queue.descriptors) continue;
        post_free_descriptors(queue, lcore.access);
        if (queue.pool_empty && v + 1 < next) next = v + 1;
      }
    }
    for (std::uint32_t i = 0; i < lcore.ring_count; ++i) {
      const SoftwareRing& ring = *lcore.take_from[i];
      const Ticks item = next_visible(ring);
      if (item < next) next = item;
      // It may push no sooner than in its own next iteration.
      const LockstepLcore& producer = group_.clocks[ring.producer];
      if (!producer.finished && producer.v < next) next = producer.v;
    }
    return next > v ? next : v + 1;
  }

  [[nodiscard]] bool exhausted(std::uint32_t number) const noexcept {
    const ReceiveLcore& lcore = *group_.lcores[number];
    if (lcore.queue_count > 0) return link_.next_arrival() == kNever;
    for (std::uint32_t i = 0; i < lcore.ring_count; ++i) {
      const SoftwareRing& ring = *lcore.take_from[i];
      if (ring.taken_to != ring.pushed_to || !group_.clocks[ring.producer].finished) return false;
    }
    return true;
  }

  [[nodiscard]] bool abandoned() const noexcept {
    return run_.abandoned->load(std::memory_order_relaxed);
  }

 private:
  const ModelRun& run_;
  ModelGroup& group_;
  ModelLink<kPlacement, kOrigin, kFaults> link_;
  Step steps_[2 * kMostInputs] = {};
};

template <Placement kPlacement, Origin kOrigin, Faults kFaults>
void run_groups(ModelRun& run) noexcept {
  for (std::uint32_t i = 0; i < run.group_count; ++i) {
    ModelGroup& group = run.groups[i];
    ModelWorld<kPlacement, kOrigin, kFaults> world(run, group);
    look_at_core<CoreReader<HardwareTsc>>(run.probe, world, LookIn::outside);
    if (i == 0) run.times.bracket_ticks = calibrate_bracket<HardwareTsc>();
    for (std::uint32_t lcore = 0; lcore < group.count; ++lcore)
      group.clocks[lcore].empty_round_ticks =
          calibrate_empty_round<HardwareTsc>(world, lcore, run.times.bracket_ticks);
    world.open_link();
    run_lockstep<HardwareTsc>(world, group.clocks, group.count, run.times, run.probe);
    world.close_link();
    if (run.abandoned->load(std::memory_order_relaxed)) return;
  }
}

template <Placement kPlacement>
void run_placed(ModelRun& run) noexcept {
  const bool faults = run.traffic->has_faults;
  if (run.stamps == StampSource::dynamic_field)
    faults ? run_groups<kPlacement, Origin::capture, Faults::planted>(run)
           : run_groups<kPlacement, Origin::capture, Faults::none>(run);
  else
    faults ? run_groups<kPlacement, Origin::flows, Faults::planted>(run)
           : run_groups<kPlacement, Origin::flows, Faults::none>(run);
}

void run_model(ModelRun& run) noexcept {
  switch (run.placement) {
    case Placement::llc:
      return run_placed<Placement::llc>(run);
    case Placement::hot:
      return run_placed<Placement::hot>(run);
    case Placement::memory:
      return run_placed<Placement::memory>(run);
  }
}

}  // namespace
}  // namespace PM_ISA_LEVEL

namespace PM_ISA_LEVEL {

// ethdev_level.cc
EthdevStep ethdev_step(StampSource stamps, StageKind stage) noexcept;
// wall_level.cc
void poll_wall_model(WallLcore& lcore, WallBoard& board, const ModelRun& run) noexcept;
void send_wall_model(WallLink& link, WallBoard& board, const ModelRun& run) noexcept;

const HotLevel hot_level = {
    .name = PM_QUOTED(PM_ISA_LEVEL),
#ifdef __AVX2__
    .has_avx2 = true,
#else
    .has_avx2 = false,
#endif
#ifdef __AVX512F__
    .has_avx512f = true,
#else
    .has_avx512f = false,
#endif
#ifdef __GFNI__
    .has_gfni = true,
#else
    .has_gfni = false,
#endif
    .run_model = run_model,
    .poll_wall = poll_wall_model,
    .send_wall = send_wall_model,
    .probe_core = probe_core<CoreReader<HardwareTsc>>,
    .hash_tuples = hash_tuples,
    .ethdev_step = ethdev_step,
    .send_burst = send_burst<PayloadFrom::mbuf, Stamping::stamped>,
    .bench = &bench_loops,
};

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
