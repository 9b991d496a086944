#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "report/csv_field.h"
#include "report/report.h"

namespace pollmark {

std::string render_rfc2544_csv(const ReportInput& input) {
  PM_CHECK(input.summary.rfc2544.has_value());
  const Rfc2544Summary& summary = *input.summary.rfc2544;
  std::set<std::string> factors;
  for (const Rfc2544Cell& cell : summary.cells) {
    for (const auto& [factor, level] : cell.cell) factors.insert(factor);
  }
  for (const char* own : {"path", "frame"}) factors.erase(own);  // columns of their own
  std::string out = "group";
  for (const std::string& factor : factors) out += fmt::format(",{}", csv_field(factor));
  out += ",path,frame,test,quantity,unit,load_percent,mean,least,most,stddev,repetitions,remark\n";
  for (const Rfc2544Cell& cell : summary.cells) {
    std::string head = csv_field(cell.group);
    for (const std::string& factor : factors) {
      const auto level = cell.cell.find(factor);
      head +=
          fmt::format(",{}", level == cell.cell.end() ? std::string() : csv_field(level->second));
    }
    head += fmt::format(",{},{}", name_of(cell.path), csv_field(cell.frame));
    const auto row = [&](Rfc2544Test test, std::string_view quantity, std::string_view unit,
                         const std::optional<Repetitions>& value) {
      if (!summary.order.has(test)) return;
      out += fmt::format("{},{},{},{},", head, name_of(test), quantity, unit);
      if (value) {
        out += fmt::format(",{},{},{},{},{}", value->mean, value->least, value->most,
                           value->stddev ? fmt::format("{}", *value->stddev) : std::string(),
                           value->count);
      } else {
        out += ",,,,,0";  // no result: empty, so that no reader takes it for a number
      }
      const auto without = cell.without.find(test);
      const std::string remark =
          without == cell.without.end()
              ? std::string(summary.title)
              : fmt::format("{}: {}", name_of(without->second.kind), without->second.why);
      out += fmt::format(",{}\n", csv_field(remark));
    };
    row(Rfc2544Test::throughput, "throughput", "pps", cell.throughput_pps);
    row(Rfc2544Test::latency, "latency", "ns", cell.latency_ns);
    row(Rfc2544Test::latency, "latency_p999", "ns", cell.latency_p999_ns);
    if (summary.order.has(Rfc2544Test::frame_loss_rate)) {
      for (const FrameLossPoint& point : cell.frame_loss) {
        out += fmt::format("{},{},frame_loss,%,{},{},,,,1,{}\n", head,
                           name_of(Rfc2544Test::frame_loss_rate), point.load_percent,
                           point.loss_percent, csv_field(summary.title));
      }
    }
    row(Rfc2544Test::back_to_back, "burst", "pkts", cell.burst_pkts);
    std::optional<Repetitions> buffer_ns;
    if (cell.buffer) buffer_ns = repetitions_of({cell.buffer->corrected_ns});
    row(Rfc2544Test::back_to_back, "corrected_buffer", "ns", buffer_ns);
    row(Rfc2544Test::system_recovery, "recovery", "s", cell.recovery_s);
    row(Rfc2544Test::reset, "reset", "s", std::nullopt);
  }
  return out;
}

}  // namespace pollmark
