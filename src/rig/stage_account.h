// What the tallies of one lcore, or their sum, say of the stage.
#pragma once

#include "datapath/receive.h"
#include "record/trial_result.h"

namespace pollmark {

[[nodiscard]] inline StageAccount stage_account(const ReceiveTallies& tallies, StageKind kind) {
  StageAccount stage;
  stage.staged_pkts = static_cast<std::int64_t>(tallies.staged);
  if (tallies.staged > 0) {
    stage.cycles_per_pkt =
        static_cast<double>(tallies.stage_ticks) / static_cast<double>(tallies.staged);
  }
  if (kind == StageKind::hyperscan) {
    stage.matches = static_cast<std::int64_t>(tallies.matches);
    stage.matched_pkts = static_cast<std::int64_t>(tallies.matched);
  }
  return stage;
}

}  // namespace pollmark
