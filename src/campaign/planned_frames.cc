#include "campaign/planned_frames.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "kernel/netdev_lab.h"
#include "kernel/veth_lab.h"
#include "rig/frame_preview.h"

namespace pollmark {
namespace {

Result<void> refuse_inputs(const Plan& plan, const std::filesystem::path& experiment,
                           const std::filesystem::path& path) {
  std::set<std::string> inputs{experiment.string()};
  for (const Cell& cell : plan.cells)
    inputs.insert(
        {cell.order.traffic.pcap, cell.order.receiver.patterns, cell.order.model.stalls.trace});
  for (const std::string& input : inputs) {
    std::error_code neither;
    if (!input.empty() && std::filesystem::equivalent(input, path, neither))
      return fail(Errc::bad_experiment, "is an input of this experiment; allowed: another file",
                  path.string());
  }
  return {};
}

}  // namespace

Result<std::int64_t> write_planned_frames(const Plan& plan, const std::filesystem::path& experiment,
                                          std::optional<std::size_t> cell, std::int64_t packets,
                                          const std::filesystem::path& path) {
  if (cell && (*cell < 1 || *cell > plan.cells.size())) {
    return fail(Errc::bad_experiment,
                fmt::format("cell {}; allowed: 1 to {}", *cell, plan.cells.size()));
  }
  if (cell && plan.cells[*cell - 1].refused) {
    return fail(Errc::bad_experiment,
                fmt::format("cell {} is refused: {}", *cell, *plan.cells[*cell - 1].refused));
  }
  PM_TRYV(refuse_inputs(plan, experiment, path));
  const auto scheduled = std::min_element(
      plan.schedule.begin(), plan.schedule.end(), [&](const auto& a, const auto& b) {
        const auto rank = [&](const ScheduledTrial& trial) {
          return cell ? (trial.cell + 1 == *cell ? 0 : 1) : static_cast<int>(trial.cell);
        };
        return rank(a) < rank(b);
      });
  const auto number = static_cast<std::size_t>(scheduled - plan.schedule.begin());
  const TrialOrder order = order_of(plan, number, 0, static_cast<std::int64_t>(number));
  if (is_closed_loop(order.path)) {
    return fail(
        Errc::bad_experiment,
        fmt::format("path {}: the kernel makes its packets; allowed: a cell of another path",
                    name_of(order.path)));
  }
  std::vector<PlannedWay> ways;
  for (TrialOrder& way : directions_of(order)) {
    std::optional<NetdevPlace> place;
    if (way.path != Path::model) {
      PM_TRY(place, is_on_netdevs(way) ? netdev_sender_place(way) : lab_sender_place(way));
    }
    ways.push_back({std::move(way), std::move(place)});
  }
  return write_frames(ways, packets, path);
}

}  // namespace pollmark
