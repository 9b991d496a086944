#include "report/report.h"

namespace pollmark {

namespace {

template <typename T>
Json value_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json repetitions_json(const std::optional<Repetitions>& repetitions) {
  if (!repetitions) return nullptr;
  return {{"repetitions", repetitions->count},
          {"mean", repetitions->mean},
          {"least", repetitions->least},
          {"most", repetitions->most},
          {"stddev", value_or_null(repetitions->stddev)}};
}

Json settings_json(const Rfc2544Order& order) {
  Json tests = Json::array();
  for (const Rfc2544Test test : order.tests) tests.push_back(name_of(test));
  return {{"preset", order.preset},
          {"tests", std::move(tests)},
          {"trial_seconds", order.trial_seconds},
          {"width", order.width},
          {"latency_seconds", order.latency_seconds},
          {"latency_repeats", order.latency_repeats},
          {"loss_step_percent", order.loss_step_percent},
          {"burst_cap_seconds", order.burst_cap_seconds},
          {"burst_step_pkts", order.burst_step_pkts},
          {"burst_repeats", order.burst_repeats},
          {"overload_seconds", order.overload_seconds},
          {"recovery_seconds", order.recovery_seconds},
          {"recovery_repeats", order.recovery_repeats},
          {"wait_before_seconds", order.wait_before_seconds},
          {"wait_after_seconds", order.wait_after_seconds}};
}

Json rfc2544_cell_json(const Rfc2544Cell& cell) {
  Json loss = Json::array();
  for (const FrameLossPoint& point : cell.frame_loss)
    loss.push_back({{"load_percent", point.load_percent}, {"loss_percent", point.loss_percent}});
  Json without = Json::object();
  for (const auto& [test, reason] : cell.without)
    without[std::string(name_of(test))] = {{"kind", name_of(reason.kind)}, {"why", reason.why}};
  Json buffer = nullptr;
  if (cell.buffer)
    buffer = {{"implied_ns", cell.buffer->implied_ns},
              {"corrected_ns", cell.buffer->corrected_ns},
              {"corrected_pkts", cell.buffer->corrected_pkts}};
  return {{"group", cell.group},
          {"cell", cell.cell},
          {"path", name_of(cell.path)},
          {"model", cell.path == Path::model},
          {"frame", cell.frame},
          {"frame_bytes", cell.frame_bytes},
          {"protocol", cell.protocol},
          {"ways", cell.ways},
          {"rx_ring", cell.rx_ring},
          {"theoretical_pps", value_or_null(cell.theoretical_pps)},
          {"highest_pps", cell.highest_pps > 0.0 ? Json(cell.highest_pps) : Json(nullptr)},
          {"throughput_pps", repetitions_json(cell.throughput_pps)},
          {"throughput_is_highest",
           cell.throughput_pps ? Json(cell.throughput_is_highest) : Json(nullptr)},
          {"latency_ns", repetitions_json(cell.latency_ns)},
          {"latency_p999_ns", repetitions_json(cell.latency_p999_ns)},
          {"frame_loss", std::move(loss)},
          {"burst_pkts", repetitions_json(cell.burst_pkts)},
          {"buffer", std::move(buffer)},
          {"overload_pps", cell.overload_pps > 0.0 ? Json(cell.overload_pps) : Json(nullptr)},
          {"recovery_s", repetitions_json(cell.recovery_s)},
          {"without", std::move(without)}};
}

}  // namespace

Json rfc2544_json(const Rfc2544Summary& summary) {
  Json cells = Json::array();
  for (const Rfc2544Cell& cell : summary.cells) cells.push_back(rfc2544_cell_json(cell));
  Json lines = Json::array();
  for (const BufferLine& line : summary.buffer_lines) {
    Json points = Json::array();
    for (const BufferPoint& point : line.points)
      points.push_back({{"rx_ring", point.rx_ring}, {"corrected_pkts", point.corrected_pkts}});
    lines.push_back({{"group", line.group},
                     {"label", line.label},
                     {"points", std::move(points)},
                     {"slope", line.slope}});
  }
  return {{"title", summary.title},
          {"shortfalls", summary.shortfalls},
          {"settings", settings_json(summary.order)},
          {"single_figures", summary.single_figures},
          {"cells", std::move(cells)},
          {"buffer_lines", std::move(lines)}};
}

}  // namespace pollmark
