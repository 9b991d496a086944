// Compiled once per ISA level, see meson.build.
#include "datapath/hot_level.h"
#include "datapath/receive.h"

namespace pollmark {
inline namespace PM_ISA_LEVEL {
namespace {

template <StampSource kStamps, StageKind kStage>
std::uint32_t step(ReceiveLcore& lcore) noexcept {
  return receive_and_finish<EthdevPort, WallClock, kStamps, kStage, kStamps != StampSource::none>(
      lcore, WallClock{});
}

template <StampSource kStamps>
EthdevStep step_of(StageKind stage) noexcept {
  switch (stage) {
    case StageKind::none:
      return step<kStamps, StageKind::none>;
    case StageKind::touch:
      return step<kStamps, StageKind::touch>;
    case StageKind::checksum:
      return step<kStamps, StageKind::checksum>;
    case StageKind::forward:
      return step<kStamps, StageKind::forward>;
    case StageKind::hyperscan:
      return step<kStamps, StageKind::hyperscan>;
  }
  return nullptr;
}

}  // namespace
}  // namespace PM_ISA_LEVEL

namespace PM_ISA_LEVEL {

EthdevStep ethdev_step(StampSource stamps, StageKind stage) noexcept {
  switch (stamps) {
    case StampSource::payload:
      return step_of<StampSource::payload>(stage);
    case StampSource::stacked:
      return step_of<StampSource::stacked>(stage);
    case StampSource::none:
      return step_of<StampSource::none>(stage);
    case StampSource::dynamic_field:  // of the model alone
      return nullptr;
  }
  return nullptr;
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
