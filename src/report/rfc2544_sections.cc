#include "report/rfc2544_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "base/units.h"

namespace pollmark {

namespace {

constexpr std::string_view kModelNote = "model, not a NIC";

std::string frames_per_s(double pps) { return si(pps, "fps"); }

std::string cell_name(const Rfc2544Cell& cell) {
  std::string name = cell.label.empty() ? cell.group : fmt::format("{} {}", cell.group, cell.label);
  if (cell.path == Path::model) name += fmt::format(" ({})", kModelNote);
  return name;
}

std::string stddev_text(const Repetitions& repetitions, std::string (*text)(double)) {
  return repetitions.stddev ? text(*repetitions.stddev) : std::string("-");
}

std::string count_text(double frames) { return fmt::format("{:.1f}", frames); }

// Why cells have no result of a test, each reason once with its cells.
std::vector<std::string> reasons_of(const Rfc2544Summary& summary, Rfc2544Test test) {
  std::vector<std::pair<std::string, std::vector<std::string>>> by_reason;
  for (const Rfc2544Cell& cell : summary.cells) {
    const auto without = cell.without.find(test);
    if (without == cell.without.end()) continue;
    const std::string reason =
        fmt::format("{}: {}", name_of(without->second.kind), without->second.why);
    auto known = std::find_if(by_reason.begin(), by_reason.end(),
                              [&](const auto& each) { return each.first == reason; });
    if (known == by_reason.end()) known = by_reason.insert(by_reason.end(), {reason, {}});
    known->second.push_back(
        fmt::format("{}, {} bytes", cell.label.empty() ? cell.group : cell.label, cell.frame));
  }
  std::vector<std::string> sentences;
  for (const auto& [reason, cells] : by_reason) {
    sentences.push_back(cells.size() == summary.cells.size()
                            ? reason
                            : fmt::format("{} ({})", reason, join(cells, "; ")));
  }
  return sentences;
}

// One chart a group; a line for each combination of the factors but for the frame.
std::map<std::string, LineChart> charts_by_group(const Rfc2544Summary& summary,
                                                 const std::string& x_title,
                                                 const std::string& y_title) {
  std::map<std::string, LineChart> charts;
  for (const Rfc2544Cell& cell : summary.cells) {
    LineChart& chart = charts[cell.group];
    chart.title = cell.group;
    if (cell.path == Path::model) chart.title += fmt::format(" ({})", kModelNote);
    chart.x_title = x_title;
    chart.y_title = y_title;
  }
  return charts;
}

LineChart::Line& line_of(LineChart& chart, const std::string& label) {
  const auto found = std::find_if(chart.lines.begin(), chart.lines.end(),
                                  [&](const LineChart::Line& line) { return line.label == label; });
  if (found != chart.lines.end()) return *found;
  return chart.lines.emplace_back(LineChart::Line{label, {}});
}

std::vector<LineChart> with_lines(std::map<std::string, LineChart> charts, std::size_t least) {
  std::vector<LineChart> kept;
  for (auto& [group, chart] : charts) {
    for (LineChart::Line& line : chart.lines) {
      std::sort(line.points.begin(), line.points.end(),
                [](const auto& a, const auto& b) { return a.x < b.x; });
    }
    const bool any = std::any_of(chart.lines.begin(), chart.lines.end(),
                                 [&](const auto& line) { return line.points.size() >= least; });
    if (any) kept.push_back(std::move(chart));
  }
  return kept;
}

Rfc2544Section throughput_section(const Rfc2544Summary& summary) {
  Rfc2544Section section;
  section.title = "Throughput (26.1)";
  section.note = "The highest rate at which no frame was lost; the mean of the blocks.";
  section.table.headings = {"cell", "frame", "theoretical", "measured", "of theoretical", "blocks"};
  std::map<std::string, LineChart> charts =
      charts_by_group(summary, "frame size, bytes with FCS", "frames per second");
  for (const Rfc2544Cell& cell : summary.cells) {
    LineChart& chart = charts[cell.group];
    const bool one_size = cell.frame_bytes.size() == 1;
    const double bytes = one_size ? cell.frame_bytes.front() : 0.0;
    const std::string line_name = cell.label.empty() ? "measured" : "measured, " + cell.label;
    if (one_size && cell.theoretical_pps) {
      std::vector<LineChart::Point>& points = line_of(chart, "theoretical").points;
      const bool known = std::any_of(points.begin(), points.end(),
                                     [&](const auto& point) { return point.x == bytes; });
      if (!known)
        points.push_back({bytes, *cell.theoretical_pps,
                          fmt::format("{} bytes: {} theoretical", cell.frame,
                                      frames_per_s(*cell.theoretical_pps))});
    }
    if (!cell.throughput_pps) continue;
    const double pps = cell.throughput_pps->mean;
    section.table.rows.push_back(
        {cell_name(cell), cell.frame,
         cell.theoretical_pps ? frames_per_s(*cell.theoretical_pps) : std::string("no line rate"),
         frames_per_s(pps) + (cell.throughput_is_highest ? " (the highest load)" : ""),
         cell.theoretical_pps ? fmt::format("{:.1f} %", 100.0 * pps / *cell.theoretical_pps)
                              : std::string("-"),
         fmt::format("{}", cell.throughput_pps->count)});
    if (one_size)
      line_of(chart, line_name)
          .points.push_back(
              {bytes, pps, fmt::format("{} bytes: {}", cell.frame, frames_per_s(pps))});
  }
  section.sentences = summary.single_figures;
  section.charts = with_lines(std::move(charts), 2);
  return section;
}

Rfc2544Section latency_section(const Rfc2544Summary& summary) {
  Rfc2544Section section;
  section.title = "Latency (26.2)";
  section.note = fmt::format(
      "At the throughput, {} a stream. Of every frame, in place of one that is tagged: from its "
      "last "
      "bit to the end of the receiver's stage on the model, from the sender's hand-over elsewhere; "
      "what software sees, neither definition of RFC 1242.",
      duration_text(summary.order.latency_seconds * 1e9));
  section.table.headings = {"cell",  "frame", "rate",   "media",       "mean",
                            "least", "most",  "stddev", "repetitions", "p99.9"};
  for (const Rfc2544Cell& cell : summary.cells) {
    if (!cell.latency_ns || !cell.throughput_pps) continue;
    const Repetitions& mean = *cell.latency_ns;
    section.table.rows.push_back(
        {cell_name(cell), cell.frame, frames_per_s(cell.throughput_pps->mean),
         cell.path == Path::model ? "model link" : "veth", duration_text(mean.mean),
         duration_text(mean.least), duration_text(mean.most), stddev_text(mean, duration_text),
         fmt::format("{}", mean.count),
         cell.latency_p999_ns ? duration_text(cell.latency_p999_ns->mean) : std::string("-")});
  }
  return section;
}

Rfc2544Section loss_section(const Rfc2544Summary& summary) {
  Rfc2544Section section;
  section.title = "Frame loss rate (26.3)";
  section.note = fmt::format(
      "From the highest load down in steps of {:g} % of it, to two loads in a row without a loss.",
      summary.order.loss_step_percent);
  section.table.headings = {"cell", "frame", "highest load", "lost at each share of it"};
  std::map<std::string, LineChart> charts =
      charts_by_group(summary, "load, % of the highest", "frame loss, %");
  for (const Rfc2544Cell& cell : summary.cells) {
    if (cell.frame_loss.empty()) continue;
    std::vector<std::string> points;
    LineChart::Line& line =
        line_of(charts[cell.group], cell.label.empty()
                                        ? cell.frame + " bytes"
                                        : fmt::format("{} bytes, {}", cell.frame, cell.label));
    for (const FrameLossPoint& point : cell.frame_loss) {
      points.push_back(
          fmt::format("{:g} %: {}", point.load_percent, ratio_text(point.loss_percent / 100.0)));
      line.points.push_back({point.load_percent, point.loss_percent, points.back()});
    }
    section.table.rows.push_back(
        {cell_name(cell), cell.frame, frames_per_s(cell.highest_pps), join(points, ", ")});
  }
  section.charts = with_lines(std::move(charts), 2);
  return section;
}

Rfc2544Section burst_section(const Rfc2544Summary& summary) {
  Rfc2544Section section;
  section.title = "Back-to-back frames (26.4, RFC 9004)";
  section.note = fmt::format(
      "The longest burst at the highest load without a loss, by halving with loss verification to "
      "{} frames, up to {}; each way. The buffer is corrected for what was forwarded meanwhile.",
      summary.order.burst_step_pkts, duration_text(summary.order.burst_cap_seconds * 1e9));
  section.table.headings = {
      "cell",        "frame",          "mean burst",       "least",           "most", "stddev",
      "repetitions", "implied buffer", "corrected buffer", "corrected frames"};
  for (const Rfc2544Cell& cell : summary.cells) {
    if (!cell.burst_pkts) continue;
    const Repetitions& bursts = *cell.burst_pkts;
    const std::string absent = "-";
    section.table.rows.push_back({cell_name(cell), cell.frame, count_text(bursts.mean),
                                  count_text(bursts.least), count_text(bursts.most),
                                  stddev_text(bursts, count_text), fmt::format("{}", bursts.count),
                                  cell.buffer ? duration_text(cell.buffer->implied_ns) : absent,
                                  cell.buffer ? duration_text(cell.buffer->corrected_ns) : absent,
                                  cell.buffer ? count_text(cell.buffer->corrected_pkts) : absent});
  }
  std::map<std::string, LineChart> charts =
      charts_by_group(summary, "rx_ring, descriptors per queue", "corrected buffer, frames");
  for (const BufferLine& buffer : summary.buffer_lines) {
    section.sentences.push_back(fmt::format(
        "{}{}: the corrected buffer grows by {:.3g} frames for each descriptor of rx_ring (1: the "
        "ring is the buffer)",
        buffer.group, buffer.label.empty() ? "" : " " + buffer.label, buffer.slope));
    LineChart& chart = charts[buffer.group];
    LineChart::Line& line =
        line_of(chart, buffer.label.empty() ? "corrected buffer" : buffer.label);
    LineChart::Line ring{"one frame a descriptor", {}};
    for (const BufferPoint& point : buffer.points) {
      const double descriptors = point.rx_ring;
      line.points.push_back(
          {descriptors, point.corrected_pkts,
           fmt::format("rx_ring {}: {} frames", point.rx_ring, count_text(point.corrected_pkts))});
      ring.points.push_back({descriptors, descriptors, fmt::format("rx_ring {}", point.rx_ring)});
    }
    const bool known = std::any_of(chart.lines.begin(), chart.lines.end(),
                                   [&](const auto& each) { return each.label == ring.label; });
    if (!known) chart.lines.push_back(std::move(ring));
  }
  section.charts = with_lines(std::move(charts), 2);
  return section;
}

Rfc2544Section recovery_section(const Rfc2544Summary& summary) {
  Rfc2544Section section;
  section.title = "System recovery (26.5)";
  section.note = fmt::format(
      "{} at 110 % of the throughput, or the highest load where that is lower; then half of it, "
      "until the last frame that was lost.",
      duration_text(summary.order.overload_seconds * 1e9));
  section.table.headings = {"cell",  "frame", "overload", "lowered to", "mean",
                            "least", "most",  "stddev",   "repetitions"};
  const auto seconds_text = [](double seconds) { return duration_text(seconds * 1e9); };
  for (const Rfc2544Cell& cell : summary.cells) {
    if (!cell.recovery_s) continue;
    const Repetitions& recovery = *cell.recovery_s;
    section.table.rows.push_back({cell_name(cell), cell.frame, frames_per_s(cell.overload_pps),
                                  frames_per_s(cell.overload_pps / 2.0),
                                  seconds_text(recovery.mean), seconds_text(recovery.least),
                                  seconds_text(recovery.most), stddev_text(recovery, seconds_text),
                                  fmt::format("{}", recovery.count)});
  }
  return section;
}

Rfc2544Section section_of(Rfc2544Test test, const Rfc2544Summary& summary) {
  switch (test) {
    case Rfc2544Test::throughput:
      return throughput_section(summary);
    case Rfc2544Test::latency:
      return latency_section(summary);
    case Rfc2544Test::frame_loss_rate:
      return loss_section(summary);
    case Rfc2544Test::back_to_back:
      return burst_section(summary);
    case Rfc2544Test::system_recovery:
      return recovery_section(summary);
    case Rfc2544Test::reset:
      return {test, "Reset (26.6)", "", {}, {}, {}};
  }
  PM_CHECK(false);
}

}  // namespace

std::vector<Rfc2544Section> rfc2544_sections(const Rfc2544Summary& summary) {
  std::vector<Rfc2544Section> sections;
  for (const Rfc2544Test test : summary.order.tests) {
    Rfc2544Section section = section_of(test, summary);
    section.test = test;
    for (std::string& reason : reasons_of(summary, test))
      section.sentences.push_back(std::move(reason));
    sections.push_back(std::move(section));
  }
  return sections;
}

std::string rfc2544_heading(const Rfc2544Summary& summary) {
  return summary.shortfalls.empty() ? "Tests of RFC 2544" : fmt::format("Tests {}", summary.title);
}

std::vector<std::string> rfc2544_notes(const Rfc2544Summary& summary) {
  if (summary.shortfalls.empty()) return {};
  return {fmt::format("less than RFC 2544 and RFC 9004 ask: {}", join(summary.shortfalls, "; "))};
}

}  // namespace pollmark
