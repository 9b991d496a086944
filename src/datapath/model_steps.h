// Which instantiation of the receiving loop an lcore of the model runs: chosen at launch.
#pragma once

#include <cstdint>

#include "datapath/isa_level.h"
#include "datapath/model_run.h"
#include "datapath/receive.h"

namespace pollmark {
inline namespace PM_ISA_LEVEL {

// One iteration; returns the frames that it took.
template <typename Clock>
using StepOf = std::uint32_t (*)(ReceiveLcore&, const Clock&) noexcept;

template <StampSource kStamps, typename Clock, StageKind kStage>
StepOf<Clock> step_of(const ReceiveLcore& lcore) noexcept {
  using Port = ModelPort<kStamps>;
  if (lcore.ring_count > 0) return take_and_finish<Port, Clock, kStamps, kStage>;
  if (lcore.push_to != nullptr) return receive_and_push<Port, Clock, kStamps>;
  return receive_and_finish<Port, Clock, kStamps, kStage, true>;
}

template <StampSource kStamps, typename Clock>
StepOf<Clock> step_of(const ModelRun& run, const ReceiveLcore& lcore) noexcept {
  switch (run.stage) {
    case StageKind::none:
      return step_of<kStamps, Clock, StageKind::none>(lcore);
    case StageKind::touch:
      return step_of<kStamps, Clock, StageKind::touch>(lcore);
    case StageKind::checksum:
      return step_of<kStamps, Clock, StageKind::checksum>(lcore);
    case StageKind::forward:
      return step_of<kStamps, Clock, StageKind::forward>(lcore);
    case StageKind::hyperscan:
      return step_of<kStamps, Clock, StageKind::hyperscan>(lcore);
  }
  return nullptr;
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
