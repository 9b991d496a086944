// One trial on the model link in lockstep, as control sets it up and the hot code carries it out.
#pragma once

#include <atomic>
#include <cstdint>

#include "datapath/lockstep.h"
#include "datapath/model_link.h"
#include "datapath/receive.h"
#include "datapath/software_ring.h"

namespace pollmark {

// lcores joined by software rings; groups run one after the other, each over the whole trial.
struct ModelGroup {
  LinkOrder link;
  ReceiveLcore* const* lcores = nullptr;  // [count]; producers before their workers
  SequenceTracker* const* window_trackers =
      nullptr;                      // [count]; of rx lcores: takes over at the window
  LockstepLcore* clocks = nullptr;  // [count]
  std::uint32_t count = 0;
  // written by the run
  LinkTallies tallies;
  std::uint64_t unsent = 0;
};

struct ModelRun {
  Placement placement = Placement::llc;
  StampSource stamps = StampSource::payload;  // dynamic_field: the traffic is a replay
  StageKind stage = StageKind::none;
  const Traffic* traffic = nullptr;
  LockstepTimes times;  // bracket_ticks is calibrated by the run
  CoreProbe probe;
  ModelGroup* groups = nullptr;
  std::uint32_t group_count = 0;
  const std::atomic<bool>* abandoned = nullptr;
};

}  // namespace pollmark
