#include "campaign/planned_frames.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/veth_lab.h"
#include "rig/frame_preview.h"

namespace pollmark {

Result<std::int64_t> write_planned_frames(const Plan& plan, std::optional<std::size_t> cell,
                                          std::int64_t packets, const std::filesystem::path& path) {
  if (cell && (*cell < 1 || *cell > plan.cells.size())) {
    return fail(Errc::bad_experiment,
                fmt::format("cell {}; allowed: 1 to {}", *cell, plan.cells.size()));
  }
  if (cell && plan.cells[*cell - 1].refused) {
    return fail(Errc::bad_experiment,
                fmt::format("cell {} is refused: {}", *cell, *plan.cells[*cell - 1].refused));
  }
  const auto scheduled = std::min_element(
      plan.schedule.begin(), plan.schedule.end(), [&](const auto& a, const auto& b) {
        const auto rank = [&](const ScheduledTrial& trial) {
          return cell ? (trial.cell + 1 == *cell ? 0 : 1) : static_cast<int>(trial.cell);
        };
        return rank(a) < rank(b);
      });
  const auto number = static_cast<std::size_t>(scheduled - plan.schedule.begin());
  const TrialOrder order = order_of(plan, number, 0, static_cast<std::int64_t>(number));
  std::optional<NetdevPlace> place;
  if (order.path != Path::model) {
    PM_TRY(place, lab_sender_place(order));
  }
  return write_frames(order, place, packets, path);
}

}  // namespace pollmark
