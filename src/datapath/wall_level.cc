// Compiled once per ISA level, see meson.build.
#include "datapath/model_steps.h"
#include "datapath/wall.h"

namespace pollmark {
inline namespace PM_ISA_LEVEL {
namespace {

template <Placement kPlacement>
void send_placed(WallLink& link, WallBoard& board, const ModelRun& run) noexcept {
  if (run.stamps == StampSource::dynamic_field)
    send_wall<ModelLink<kPlacement, Origin::capture, Faults::none>>(link, board, *run.traffic);
  else
    send_wall<ModelLink<kPlacement, Origin::flows, Faults::none>>(link, board, *run.traffic);
}

}  // namespace
}  // namespace PM_ISA_LEVEL

namespace PM_ISA_LEVEL {

void poll_wall_model(WallLcore& lcore, WallBoard& board, const ModelRun& run) noexcept {
  const ReceiveLcore& own = *lcore.lcore;
  const auto step = run.stamps == StampSource::dynamic_field
                        ? step_of<StampSource::dynamic_field, WallClock>(run, own)
                    : run.traffic->stack.is_plain()
                        ? step_of<StampSource::payload, WallClock>(run, own)
                        : step_of<StampSource::stacked, WallClock>(run, own);
  poll_wall(lcore, board, *run.traffic, step);
}

void send_wall_model(WallLink& link, WallBoard& board, const ModelRun& run) noexcept {
  switch (run.placement) {
    case Placement::llc:
      return send_placed<Placement::llc>(link, board, run);
    case Placement::hot:
      return send_placed<Placement::hot>(link, board, run);
    case Placement::memory:
      return send_placed<Placement::memory>(link, board, run);
  }
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
