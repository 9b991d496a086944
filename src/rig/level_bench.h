// One ISA level's hot loops, each with a state of its own, ready to be measured.
#pragma once

#include <rte_ring.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "datapath/bench_loops.h"
#include "datapath/hot_level.h"
#include "rig/bench_ground.h"
#include "rig/capture_pool.h"
#include "rig/frame_images.h"
#include "rig/model_nic.h"
#include "rig/model_traffic.h"
#include "rig/patterns.h"
#include "rig/rss.h"
#include "rig/tally_memory.h"

namespace pollmark {

inline constexpr std::uint32_t kPreparedFrames = 1024;  // as many as a receive ring holds

// What one level of the hot code works on. One per level: every loop of it finds its own state as
// it left it.
class LevelBench {
  // A link of its own for each work: frames that nobody tracks would be missing to who does.
  struct ModelStand {
    struct Freer {
      void operator()(void* memory) const { std::free(memory); }
    };
    std::unique_ptr<ModelNic> nic;
    Traffic traffic;
    ReceiveLcore lcore;
    ModelQueue* queue = nullptr;
    std::vector<std::uint8_t> place_of;
    TallyMemory rx;
    TallyMemory done;
    std::unique_ptr<SequenceTracker> tracker;
    std::unique_ptr<void, Freer> state;
    ModelBench bench;
  };

 public:
  static Result<std::unique_ptr<LevelBench>> make(const HotLevel& level, rte_mempool* pool,
                                                  std::uint16_t port, double tsc_hz);

  [[nodiscard]] const HotLevel& level() const { return level_; }

  // Sends that many bursts through a loop; a work with `prepare` takes all prepared frames.
  using Loop = std::function<void(std::uint64_t)>;
  struct Work {
    std::string name;
    std::string does;
    Loop loop;
    // Called before each kPreparedFrames frames, outside the measured time; empty: not needed.
    std::function<void()> prepare;
    // Where only the stage is meant: by its own ticks, as a trial's stage_cycles_per_pkt.
    const ReceiveTallies* stage_of = nullptr;
    std::string not_measured;  // why this host cannot; empty: it can
  };
  [[nodiscard]] const std::vector<Work>& works() const { return works_; }
  [[nodiscard]] std::int64_t tracker_bytes() const {
    return static_cast<std::int64_t>(many_tracker_->memory_bytes());
  }
  // Every frame that was received was one: valid, in order, once.
  void check_books() const {
    for (const ReceiveLcore* lcore :
         {&few_frames_->lcore, &many_frames_->lcore, &long_frames_->lcore})
      PM_CHECK(lcore->tallies.received == lcore->tallies.polled);
    for (const auto& tracker : trackers_)
      PM_CHECK(tracker->totals().gaps == 0 && tracker->totals().duplicate == 0);
    for (const ModelStand* stand : {&modelled_, &modelled_llc_}) {
      if (stand->tracker == nullptr) continue;
      // The first few frames on the link are of its warm-up.
      const ReceiveTallies& tallies = stand->lcore.tallies;
      PM_CHECK(tallies.received + tallies.late == tallies.polled && tallies.late < kBenchBurst);
      PM_CHECK(stand->tracker->totals().gaps == 0);
    }
  }
  ~LevelBench();

 private:
  LevelBench(const HotLevel& level, double tsc_hz) : level_(level), tsc_hz_(tsc_hz) {}
  Result<void> open_model(ModelStand& stand, Placement placement);
  Result<void> load_patterns();
  void add_works();

  const HotLevel& level_;
  double tsc_hz_;
  std::optional<ModelTraffic> few_;
  std::optional<ModelTraffic> mixed_;
  std::optional<ModelTraffic> many_;
  std::optional<ModelTraffic> long_;
  FrameImages few_images_;
  FrameImages mixed_images_;
  FrameImages many_images_;
  FrameImages long_images_;
  GeneratorLcore few_sender_;
  GeneratorLcore mixed_sender_;
  GeneratorLcore few_writer_;
  GeneratorLcore many_writer_;
  GeneratorLcore long_writer_;
  GeneratorLcore scan_writer_;  // of frames that nobody follows
  GeneratorLcore copier_;
  std::unique_ptr<CapturePool> capture_;
  ReplayLcore replay_;
  Pool prepared_pool_;
  std::vector<rte_mbuf*> prepared_mbufs_;
  std::unique_ptr<PreparedFrames> few_frames_;
  std::unique_ptr<PreparedFrames> many_frames_;
  std::unique_ptr<PreparedFrames> long_frames_;
  PreparedFrames captured_;
  std::optional<PatternSet> patterns_;
  Scratch scratch_;
  std::vector<std::unique_ptr<SequenceTracker>> trackers_;
  SequenceTracker* few_tracker_ = nullptr;
  SequenceTracker* many_tracker_ = nullptr;
  std::array<TallyMemory, 7> counts_;
  LatencyTally tally_;
  std::array<Ticks, kBenchBurst> stamped_at_{};
  std::array<std::uint8_t, std::size_t{kBenchBurst} * 12> tuples_{};
  std::array<std::uint8_t, kBenchBurst> queues_{};
  Reta reta_{};
  rte_ring* ring_ = nullptr;
  ModelStand polled_;
  ModelStand modelled_;
  ModelStand modelled_llc_;
  std::uint32_t few_flow_ = 0;
  std::uint32_t few_round_ = 0;
  std::uint32_t many_flow_ = 0;
  std::uint32_t many_round_ = 0;
  std::vector<Work> works_;
};

}  // namespace pollmark
