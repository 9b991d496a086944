#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "base/units.h"
#include "report/readable.h"

namespace pollmark {

namespace {

constexpr double kPanelWidth = 352.0;
constexpr double kPlotHeight = 236.0;
constexpr double kLeft = 58.0;
constexpr double kRight = 340.0;
constexpr double kTop = 24.0;
constexpr double kBottom = 198.0;

constexpr std::string_view kDashes[kSeriesStyles] = {"", "7 3", "2 3", "9 3 2 3", "5 2", "1 2"};

std::string px(double value) { return fmt::format("{:.1f}", value); }

// Position along an axis; log axes are given logarithms.
struct AxisScale {
  double low = 0.0;
  double high = 1.0;
  double from = 0.0;
  double to = 1.0;
  [[nodiscard]] double at(double value) const {
    return high == low ? from : from + (value - low) / (high - low) * (to - from);
  }
};

void open_svg(Markup& out, double width, double height, const std::string& label,
              const std::string& classes) {
  out.open("svg", {{"class", classes},
                   {"viewBox", fmt::format("0 0 {:.0f} {:.0f}", width, height)},
                   {"width", fmt::format("{:.0f}", width)},
                   {"height", fmt::format("{:.0f}", height)},
                   {"role", "img"},
                   {"aria-label", label}})
      .newline();
}

void write(Markup& out, double x, double y, const std::string& classes, const std::string& anchor,
           const std::string& content) {
  out.leaf("text", {{"class", classes}, {"x", px(x)}, {"y", px(y)}, {"text-anchor", anchor}},
           content);
}

void line(Markup& out, const std::string& classes, double x1, double y1, double x2, double y2) {
  out.mark("line",
           {{"class", classes}, {"x1", px(x1)}, {"y1", px(y1)}, {"x2", px(x2)}, {"y2", px(y2)}});
}

// The marker of a series, centred on (x, y).
std::string marker_path(std::size_t style, double x, double y, double r) {
  switch (style % kSeriesStyles) {
    case 0:
      return fmt::format(
          "M{:.1f} {:.1f}a{:.1f} {:.1f} 0 1 0 {:.1f} 0a{:.1f} {:.1f} 0 1 0 {:.1f} 0z", x - r, y, r,
          r, 2 * r, r, r, -2 * r);
    case 1:
      return fmt::format("M{:.1f} {:.1f}h{:.1f}v{:.1f}h{:.1f}z", x - r, y - r, 2 * r, 2 * r,
                         -2 * r);
    case 2:
      return fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}h{:.1f}z", x, y - 1.2 * r, 1.2 * r, 2.1 * r,
                         -2.4 * r);
    case 3:
      return fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}l{:.1f} {:.1f}l{:.1f} {:.1f}z", x,
                         y - 1.35 * r, 1.35 * r, 1.35 * r, -1.35 * r, 1.35 * r, -1.35 * r,
                         -1.35 * r);
    case 4:
      return fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}h{:.1f}z", x, y + 1.2 * r, 1.2 * r, -2.1 * r,
                         -2.4 * r);
    default:
      return fmt::format("M{:.1f} {:.1f}h{:.1f}v{:.1f}h{:.1f}z", x - 1.4 * r, y - 0.6 * r, 2.8 * r,
                         1.2 * r, -2.8 * r);
  }
}

std::optional<double> ring_size(const ShownGroup& group, const ShownCell& cell) {
  for (std::size_t f = 0; f < group.factors.size(); ++f) {
    if (group.factors[f].factor != "rx_ring") continue;
    const std::string& level = cell.levels[f];
    int size = 0;
    const auto [end, code] = std::from_chars(level.data(), level.data() + level.size(), size);
    if (code != std::errc{} || size <= 0) return std::nullopt;
    return static_cast<double>(size);
  }
  return std::nullopt;
}

// Whole decades around all positive values; both ends nullopt-safe.
struct Decades {
  int low = 0;
  int high = 0;
};

// part times a power of ten, as a ratio: "20 %", "0.01 %", "1e-05".
std::string ratio_tick(int exponent, int part) {
  if (exponent < -4) return fmt::format("{}e{:+03d}", part, exponent);
  if (exponent >= -2)
    return fmt::format("{}{} %", part, std::string(static_cast<std::size_t>(exponent + 2), '0'));
  return fmt::format("0.{}{} %", std::string(static_cast<std::size_t>(-exponent - 3), '0'), part);
}

Decades ring_decades(const ShownGroup& group) {
  double least = std::numeric_limits<double>::infinity();
  double most = 0.0;
  for (const Panel& panel : group.ring_panels) {
    for (const Series& series : panel.series) {
      for (const std::size_t c : series.cells) {
        const auto estimate = estimate_of(*group.cells[c].summary, group.ring_metric);
        if (!estimate) continue;
        std::vector<double> values{estimate->median};
        if (estimate->interval)
          values = {estimate->median, estimate->interval->low, estimate->interval->high};
        for (const double value : values) {
          if (!(value > 0.0) || !std::isfinite(value)) continue;
          least = std::min(least, value);
          most = std::max(most, value);
        }
      }
    }
  }
  if (most == 0.0) return {-6, -3};
  Decades decades{static_cast<int>(std::floor(std::log10(least))),
                  static_cast<int>(std::ceil(std::log10(most)))};
  if (decades.low == decades.high) decades.high += 1;
  return decades;
}

// Whether the model gives the cell a share of missed frames that lies on the axis.
bool predicts_at(const ShownGroup& group, const ShownCell& cell, const Decades& decades) {
  const std::optional<double>& predicted = cell.summary->predicted_missed_ratio;
  return group.ring_metric == "rx_missed_ratio" && predicted &&
         *predicted >= std::pow(10.0, decades.low) && *predicted <= std::pow(10.0, decades.high);
}

// The words of a text in lines of at most `columns`.
std::vector<std::string> in_lines(const std::string& text, std::size_t columns) {
  std::vector<std::string> lines;
  for (const std::string& word : split(text, ' ')) {
    if (!lines.empty() && columns_of(lines.back()) + 1 + columns_of(word) <= columns) {
      lines.back() += fmt::format(" {}", word);
    } else {
      lines.push_back(word);
    }
  }
  return lines;
}

void arrow(Markup& out, double x1, double y1, double x2, double y2) {
  line(out, "flow", x1, y1, x2, y2);
  const double size = 5.0;
  const bool down = std::fabs(y2 - y1) > std::fabs(x2 - x1);
  out.mark("path", {{"class", "flowhead"},
                    {"d", down ? fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}h{:.1f}z", x2, y2, -size,
                                             -1.6 * size, 2 * size)
                               : fmt::format("M{:.1f} {:.1f}l{:.1f} {:.1f}v{:.1f}z", x2, y2,
                                             -1.6 * size, -size, 2 * size)}});
}

// A glyph for a station: what it does with frames. 60 x 24 at (x, y).
void glyph(Markup& out, const ShownGroup& group, std::size_t station, double x, double y) {
  const int queues = group.most_queues;
  const auto box = [&](const std::string& classes, double bx, double by, double w, double h) {
    out.mark("rect", {{"class", classes},
                      {"x", px(bx)},
                      {"y", px(by)},
                      {"width", px(w)},
                      {"height", px(h)},
                      {"rx", "1.5"}});
  };
  switch (station) {
    case 0:  // frames in a row
      for (int i = 0; i < 4; ++i) box("fill0", x + 14.0 * i, y + 7.0, 10.0, 10.0);
      break;
    case 1:  // a line with two frames under way
      line(out, "flow", x, y + 12.0, x + 58.0, y + 12.0);
      box("fill0", x + 10.0, y + 7.0, 10.0, 10.0);
      box("fill0", x + 36.0, y + 7.0, 10.0, 10.0);
      break;
    case 2: {  // one column of descriptors a queue, as many as the most
      const int columns = std::clamp(queues, 1, 8);
      for (int q = 0; q < columns; ++q) {
        for (int slot = 0; slot < 4; ++slot) {
          const bool filled = slot >= 3 - q % 3;
          box(filled ? "fill0" : "slot", x + 9.0 * q, y + 6.0 * slot, 7.0, 4.6);
        }
      }
      break;
    }
    case 3: {  // one core a queue
      const int cores = std::clamp(queues, 1, 8);
      for (int q = 0; q < cores; ++q) box("core", x + 13.0 * q, y + 7.0, 10.0, 10.0);
      break;
    }
    default:  // read to the end
      if (group.setup.back().facts == std::vector<std::string>{"none"}) break;
      for (int i = 0; i < 3; ++i) {
        line(out, "flow", x, y + 6.0 + 6.0 * i, x + (i == 2 ? 18.0 : 30.0), y + 6.0 + 6.0 * i);
      }
      out.mark("path", {{"class", "tick2"},
                        {"d", fmt::format("M{:.1f} {:.1f}l5 5l10 -11", x + 36, y + 12)}});
  }
}

// 1, 2 or 5 times a power of ten, some five of which reach the value.
double round_step(double most) {
  if (!(most > 0.0)) return 1.0;
  const double rough = most / 5.0;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double part : {1.0, 2.0, 5.0})
    if (rough <= part * power * (1.0 + 1e-9)) return part * power;
  return 10.0 * power;
}

// "0", "250", "1.5k", "20M".
std::string trimmed_si(double value) {
  if (value >= 1e6) return fmt::format("{:g}M", value / 1e6);
  if (value >= 1e4) return fmt::format("{:g}k", value / 1e3);
  return fmt::format("{:g}", value);
}

std::string clipped_label(const std::string& label, std::size_t columns) {
  if (columns_of(label) <= columns) return label;
  std::string out;
  std::size_t taken = 0;
  for (std::size_t i = 0; i < label.size(); ++i) {
    if ((static_cast<unsigned char>(label[i]) & 0xC0U) != 0x80 && taken++ == columns - 1) break;
    out += label[i];
  }
  return out + "\u2026";
}

}  // namespace

std::size_t Legend::style_of(const std::string& label) const {
  const auto found = std::find(labels.begin(), labels.end(), label);
  return static_cast<std::size_t>(found - labels.begin()) % kSeriesStyles;
}

Legend legend_of(const std::vector<Panel>& panels) {
  Legend legend;
  for (const Panel& panel : panels) {
    for (const Series& series : panel.series) {
      if (std::find(legend.labels.begin(), legend.labels.end(), series.label) ==
          legend.labels.end()) {
        legend.labels.push_back(series.label);
      }
    }
  }
  return legend;
}

void draw_legend(Markup& out, const Legend& legend) {
  if (legend.labels.size() == 1 && legend.labels.front().empty()) return;
  out.open("ul", {{"class", "legend"}});
  for (std::size_t i = 0; i < legend.labels.size(); ++i) {
    const std::size_t style = i % kSeriesStyles;
    out.open("li");
    out.open(
        "svg",
        {{"viewBox", "0 0 34 14"}, {"width", "34"}, {"height", "14"}, {"aria-hidden", "true"}});
    out.mark("line", {{"class", fmt::format("s{} curve", style)},
                      {"x1", "1"},
                      {"y1", "7"},
                      {"x2", "33"},
                      {"y2", "7"},
                      {"stroke-dasharray", std::string(kDashes[style])}});
    out.mark("path",
             {{"class", fmt::format("s{} dot", style)}, {"d", marker_path(style, 17, 7, 4)}});
    out.close();
    out.text(legend.labels[i].empty() ? "all" : legend.labels[i]).close();
  }
  out.close().newline();
}

void draw_setup(Markup& out, const ShownGroup& group, SetupShape shape) {
  if (group.setup.empty()) return;
  const bool wide = shape == SetupShape::wide;
  const double box_width = wide ? 190.0 : 344.0;
  const double gap = wide ? 26.0 : 20.0;
  const std::size_t columns = wide ? 29 : 40;
  constexpr double kLine = 15.0;
  std::vector<std::vector<std::string>> facts;
  std::size_t most = 0;
  for (const Station& station : group.setup) {
    std::vector<std::string> lines;
    for (const std::string& fact : station.facts) {
      for (std::string& part : in_lines(fact, columns)) lines.push_back(std::move(part));
    }
    most = std::max(most, lines.size());
    facts.push_back(std::move(lines));
  }
  const auto box_height = [&](std::size_t lines) {
    return (wide ? 72.0 : 40.0) + kLine * static_cast<double>(lines);
  };
  const auto stations = static_cast<double>(facts.size());
  double height = 2.0 + box_height(most);
  if (!wide) {
    height = 2.0 + gap * (stations - 1.0);
    for (const auto& lines : facts) height += box_height(lines.size());
  }
  const double width = wide ? 2.0 + box_width * stations + gap * (stations - 1.0) : kPanelWidth;
  open_svg(out, width, height, fmt::format("Set-up of group {}", group.name),
           wide ? "setup wide" : "setup narrow");
  double x = wide ? 1.0 : 4.0;
  double y = 1.0;
  for (std::size_t s = 0; s < facts.size(); ++s) {
    const double tall = box_height(wide ? most : facts[s].size());
    out.mark("rect", {{"class", "station"},
                      {"x", px(x)},
                      {"y", px(y)},
                      {"width", px(box_width)},
                      {"height", px(tall)},
                      {"rx", "7"}});
    glyph(out, group, s, wide ? x + 12.0 : x + box_width - 116.0, y + (wide ? 34.0 : 7.0));
    write(out, x + 12.0, y + 22.0, "name", "start", group.setup[s].name);
    double line_y = y + (wide ? 76.0 : 42.0);
    for (const std::string& fact : facts[s]) {
      write(out, x + 12.0, line_y, "fact", "start", fact);
      line_y += kLine;
    }
    if (s + 1 < facts.size()) {
      if (wide) {
        arrow(out, x + box_width + 3.0, y + 46.0, x + box_width + gap - 3.0, y + 46.0);
      } else {
        arrow(out, x + box_width / 2, y + tall + 2.0, x + box_width / 2, y + tall + gap - 2.0);
      }
    }
    if (wide) {
      x += box_width + gap;
    } else {
      y += tall + gap;
    }
  }
  out.close().newline();
}

void draw_waterfall(Markup& out, const ShownBooks& books, const std::string& label) {
  const Ledger& ledger = books.ledger;
  const std::int64_t offered = ledger.offered_pkts();
  struct Row {
    std::string name;
    std::string value;
    std::string classes;
    std::int64_t from = 0;
    std::int64_t to = 0;
  };
  std::vector<Row> rows;
  rows.push_back({"offered_pkts", grouped(offered), "all", 0, offered});
  std::int64_t level = offered;
  std::int64_t lowest = offered;
  const auto lose = [&](const std::string& name, std::int64_t pkts, const std::string& classes) {
    std::string value = grouped(pkts);
    if (pkts != 0) value += fmt::format("  ({})", share_text(pkts, offered));
    rows.push_back({name, value, classes, level - pkts, level});
    level -= pkts;
    lowest = std::min(lowest, level);
  };
  for (const Fate fate : all_fates()) {
    if (fate_kind(fate) != FateKind::loss || !ledger.pkts(fate)) continue;
    lose(fmt::format("{}_pkts", fate_name(fate)), *ledger.pkts(fate), "lost");
  }
  lose("unaccounted_pkts", ledger.unaccounted_pkts(), "open");
  const std::optional<std::int64_t> received = ledger.pkts(Fate::received);
  rows.push_back({"received_pkts",
                  received
                      ? fmt::format("{}  ({})", grouped(*received), share_text(*received, offered))
                      : std::string(kNotMeasured),
                  "all", 0, received.value_or(0)});
  lowest = std::min(lowest, received.value_or(lowest));

  // Losses below a fifth would be slivers on an axis from zero.
  const auto whole = static_cast<double>(offered);
  const double lost = whole - static_cast<double>(lowest);
  const bool cut = offered > 0 && lost > 0.0 && lost < 0.2 * whole;
  const double start = cut ? whole - 1.6 * lost : 0.0;
  const AxisScale x{start, std::max(whole, start + 1.0), 0.0, kPanelWidth - 4.0};
  constexpr double kRow = 33.0;
  const double height = kRow * static_cast<double>(rows.size()) + (cut ? 18.0 : 4.0);
  open_svg(out, kPanelWidth, height, label, "waterfall");
  double y = 0.0;
  for (const Row& row : rows) {
    write(out, 2.0, y + 13.0, "code", "start", row.name);
    write(out, kPanelWidth - 2.0, y + 13.0, "num", "end", row.value);
    const double from = std::max(x.at(static_cast<double>(row.from)), 0.0);
    const double to = x.at(static_cast<double>(row.to));
    line(out, "rule", 0.0, y + 23.0, kPanelWidth - 2.0, y + 23.0);
    if (row.from != row.to) {
      const double bar = std::max(std::fabs(to - from), 2.0);
      out.open("rect", {{"class", fmt::format("bar {}", row.classes)},
                        {"x", px(std::min(from, to) + 1.0)},
                        {"y", px(y + 18.0)},
                        {"width", px(bar)},
                        {"height", "10"},
                        {"data-pkts", fmt::format("{}", row.to - row.from)}});
      out.leaf("title", fmt::format("{}: {}", row.name, row.value)).close();
    } else {
      line(out, "edge", to + 1.0, y + 18.0, to + 1.0, y + 28.0);
    }
    if (cut && row.from == 0) {
      out.mark("path",
               {{"class", "break"}, {"d", fmt::format("M8 {:.1f}l5 -14m4 14l5 -14", y + 30.0)}});
    }
    y += kRow;
    out.newline();
  }
  if (cut) {
    write(out, 2.0, height - 5.0, "small", "start",
          fmt::format("bars start at {} of offered, not at 0", ratio_text(start / whole)));
  }
  out.close().newline();
}

void draw_rings(Markup& out, const ShownGroup& group, const Panel& panel, const Legend& legend) {
  const Decades decades = ring_decades(group);
  constexpr double kZero = kBottom - 8.0;    // the line of exactly zero
  constexpr double kFloor = kBottom - 26.0;  // the lowest decade
  const AxisScale y{static_cast<double>(decades.low), static_cast<double>(decades.high), kFloor,
                    kTop};
  std::vector<double> rings;
  for (const Panel& any : group.ring_panels) {
    for (const Series& series : any.series) {
      for (const std::size_t c : series.cells) {
        const auto ring = ring_size(group, group.cells[c]);
        if (ring && std::find(rings.begin(), rings.end(), *ring) == rings.end())
          rings.push_back(*ring);
      }
    }
  }
  std::sort(rings.begin(), rings.end());
  const AxisScale x{std::log2(rings.front()), std::log2(rings.back()), kLeft + 26.0, kRight - 22.0};
  const std::string what = metric_title(group.ring_metric);
  open_svg(out, kPanelWidth, kPlotHeight,
           fmt::format("{} against ring size. {}", what, panel.title), "plot rings");
  write(out, 2.0, 12.0, "axis", "start", what);
  const int step = decades.high - decades.low > 6 ? 2 : 1;
  for (int e = decades.low; e <= decades.high; ++e) {
    line(out, "grid", kLeft, y.at(e), kRight, y.at(e));
    if (decades.high - decades.low <= 2 && e < decades.high) {
      for (const int part : {2, 5}) {
        const double at = y.at(e + std::log10(part));
        line(out, "grid", kLeft, at, kRight, at);
        write(out, kLeft - 6.0, at + 4.0, "tick", "end", ratio_tick(e, part));
      }
    }
    if ((e - decades.low) % step != 0) continue;
    out.leaf("text",
             {{"class", "tick"},
              {"x", px(kLeft - 6.0)},
              {"y", px(y.at(e) + 4.0)},
              {"text-anchor", "end"},
              {"data-y", fmt::format("{}", y.at(e))},
              {"data-exponent", fmt::format("{}", e)}},
             ratio_tick(e, 1));
  }
  line(out, "zero", kLeft, kZero, kRight, kZero);
  write(out, kLeft - 6.0, kZero + 4.0, "tick", "end", "0");
  line(out, "axisline", kLeft, kTop, kLeft, kFloor);
  out.mark(
      "path",
      {{"class", "break"},
       {"d", fmt::format("M{:.1f} {:.1f}l8 -4m-8 8l8 -4", kLeft - 4.0, (kFloor + kZero) / 2.0)}});
  line(out, "axisline", kLeft, kBottom, kRight, kBottom);
  double last_label = -100.0;
  for (const double ring : rings) {
    const double at = x.at(std::log2(ring));
    line(out, "axisline", at, kBottom, at, kBottom + 4.0);
    if (at - last_label < 30.0) continue;
    write(out, at, kBottom + 17.0, "tick", "middle", fmt::format("{:.0f}", ring));
    last_label = at;
  }
  write(out, kRight, kPlotHeight - 4.0, "axis", "end", "rx_ring, descriptors per queue (log2)");
  out.newline();
  for (std::size_t s = 0; s < panel.series.size(); ++s) {
    const Series& series = panel.series[s];
    const std::size_t style = legend.style_of(series.label);
    // Side by side, so that intervals do not hide each other.
    const double beside =
        7.0 * (static_cast<double>(s) - (static_cast<double>(panel.series.size()) - 1.0) / 2.0);
    const auto level = [&](double value) { return value > 0.0 ? y.at(std::log10(value)) : kZero; };
    std::string path;
    std::string model;  // its line stops at what is below the axis
    Markup marks;
    for (const std::size_t c : series.cells) {
      const ShownCell& cell = group.cells[c];
      const auto ring = ring_size(group, cell);
      if (ring && predicts_at(group, cell, decades)) {
        const double predicted = *cell.summary->predicted_missed_ratio;
        model += fmt::format("{}{:.1f} {:.1f}", model.empty() ? "M" : "L",
                             x.at(std::log2(*ring)) + beside, y.at(std::log10(predicted)));
      }
      const auto estimate = estimate_of(*cell.summary, group.ring_metric);
      if (!ring || !estimate) continue;
      const double at = x.at(std::log2(*ring)) + beside;
      const double up = level(estimate->median);
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", at, up);
      if (estimate->interval) {
        const double low = level(estimate->interval->low);
        const double high = level(estimate->interval->high);
        marks.mark(
            "path",
            {{"class", fmt::format("s{} whisker", style)},
             {"d", fmt::format("M{:.1f} {:.1f}h6m-3 0V{:.1f}m-3 0h6", at - 3.0, low, high)}});
      }
      marks.open(
          "path",
          {{"class", fmt::format("s{} dot{}", style, estimate->median > 0.0 ? "" : " hollow")},
           {"d", marker_path(style, at, up, 4.0)},
           {"data-cell", fmt::format("{}", cell.index)},
           {"data-x", fmt::format("{:.0f}", *ring)},
           {"data-value", fmt::format("{}", estimate->median)},
           {"data-y", fmt::format("{}", up)}});
      marks.leaf("title", fmt::format("{}: {} {} ({})", cell.label, what,
                                      metric_text(group.ring_metric, estimate->median),
                                      interval_text(group.ring_metric, *estimate)));
      marks.close().newline();
    }
    if (!path.empty()) {
      out.mark("path", {{"class", fmt::format("s{} curve", style)},
                        {"d", path},
                        {"stroke-dasharray", std::string(kDashes[style])}});
    }
    if (!model.empty()) {
      out.open("path", {{"class", fmt::format("s{} curve model", style)}, {"d", model}});
      out.leaf("title", fmt::format("{}: what the stall model says", series.label)).close();
    }
    out.verbatim(marks.take());
  }
  out.close().newline();
}

void draw_curves(Markup& out, const ShownGroup& group, const Panel& panel, const Legend& legend) {
  double farthest = 2.0;
  double least = std::numeric_limits<double>::infinity();
  double most = 0.0;
  const auto take = [&](double ns) {
    least = std::min(least, std::max(ns, 1.0));
    most = std::max(most, std::max(ns, 1.0));
  };
  const auto along = [](double percent) { return -std::log10(1.0 - percent / 100.0); };
  for (const Panel& any : group.curve_panels) {
    for (const Series& series : any.series) {
      for (const std::size_t c : series.cells) {
        const LatencyCurve& curve = *group.cells[c].curve;
        farthest = std::max(farthest, along(curve.cut_percent));
        for (const CurvePoint& point : curve.points) take(static_cast<double>(point.ns));
      }
    }
  }
  // A floor far below every curve is said beside the plot, not drawn: it would flatten the curves.
  const bool floor_drawn =
      !group.floor_p50_ns.empty() && static_cast<double>(group.floor_p50_ns.front()) > 0.2 * least;
  if (floor_drawn) take(static_cast<double>(group.floor_p50_ns.front()));
  const AxisScale x{0.0, farthest, kLeft, kRight - 6.0};
  double low = std::log10(least);
  double high = std::log10(most);
  const double spread = std::max(high - low, 0.3);
  low -= 0.04 * spread;
  high += 0.06 * spread;
  const AxisScale y{low, std::max(high, low + 0.3), kBottom, kTop};

  open_svg(out, kPanelWidth, kPlotHeight, fmt::format("Latency percentiles. {}", panel.title),
           "plot curves");
  write(out, 2.0, 12.0, "axis", "start", "latency (log)");
  const int first_decade = static_cast<int>(std::floor(y.low));
  const int last_decade = static_cast<int>(std::ceil(y.high));
  const bool few = y.high - y.low < 1.7;
  for (int e = first_decade; e <= last_decade; ++e) {
    for (const double step : {1.0, 2.0, 5.0}) {
      const double value = std::log10(step) + e;
      if (value < y.low || value > y.high) continue;
      const bool labelled = step == 1.0 || few;
      if (!labelled) continue;
      line(out, "grid", kLeft, y.at(value), kRight, y.at(value));
      // 1, 10, 100 of a unit, without the zeros behind the point.
      const double ns = step * std::pow(10.0, e);
      std::string label = ns < 999.5     ? fmt::format("{:.0f} ns", ns)
                          : ns < 999.5e3 ? fmt::format("{:.0f} us", ns / 1e3)
                          : ns < 999.5e6 ? fmt::format("{:.0f} ms", ns / 1e6)
                                         : fmt::format("{:.0f} s", ns / 1e9);
      out.leaf("text",
               {{"class", "tick"},
                {"x", px(kLeft - 6.0)},
                {"y", px(y.at(value) + 4.0)},
                {"text-anchor", "end"},
                {"data-y", fmt::format("{}", y.at(value))},
                {"data-ns", fmt::format("{:.0f}", ns)}},
               label);
    }
  }
  struct Tick {
    double percent;
    const char* label;
  };
  static constexpr Tick kTicks[] = {{0.0, "0"},         {50.0, "50"},        {90.0, "90"},
                                    {99.0, "99"},       {99.9, "99.9"},      {99.99, "99.99"},
                                    {99.999, "99.999"}, {99.9999, "99.9999"}};
  double free_from = 0.0;
  for (const Tick& tick : kTicks) {
    if (along(tick.percent) > farthest + 1e-9) continue;
    const double at = x.at(along(tick.percent));
    line(out, "grid", at, kTop, at, kBottom);
    const double half = 3.2 * static_cast<double>(std::string_view(tick.label).size());
    if (at - half < free_from || at + half > kPanelWidth) continue;
    free_from = at + half + 3.0;
    out.leaf("text",
             {{"class", "tick"},
              {"x", px(at)},
              {"y", px(kBottom + 17.0)},
              {"text-anchor", "middle"},
              {"data-percent", tick.label},
              {"data-x", fmt::format("{}", at)}},
             tick.label);
  }
  line(out, "axisline", kLeft, kTop, kLeft, kBottom);
  line(out, "axisline", kLeft, kBottom, kRight, kBottom);
  write(out, kRight, kPlotHeight - 4.0, "axis", "end", "percent of received frames (log)");
  if (floor_drawn) {
    const double at =
        y.at(std::log10(std::max(1.0, static_cast<double>(group.floor_p50_ns.front()))));
    line(out, "zero", kLeft, at, kRight, at);
    write(out, kRight, at - 4.0, "small", "end", "own floor, p50");
  }
  out.newline();
  for (const Series& series : panel.series) {
    const std::size_t style = legend.style_of(series.label);
    for (const std::size_t c : series.cells) {
      const ShownCell& cell = group.cells[c];
      const LatencyCurve& curve = *cell.curve;
      std::string path;
      Markup marks;
      for (std::size_t p = 0; p < curve.points.size(); ++p) {
        const CurvePoint& point = curve.points[p];
        const double at = x.at(along(point.percent));
        const double up = y.at(std::log10(std::max(1.0, static_cast<double>(point.ns))));
        path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", at, up);
        const bool last = p + 1 == curve.points.size();
        const bool named = std::any_of(std::begin(kTicks), std::end(kTicks), [&](const Tick& tick) {
          return std::fabs(tick.percent - point.percent) < 1e-9;
        });
        if (!named && !last) continue;
        marks.open("path", {{"class", fmt::format("s{} dot", style)},
                            {"d", marker_path(style, at, up, 3.2)},
                            {"data-cell", fmt::format("{}", cell.index)},
                            {"data-percent", fmt::format("{}", point.percent)},
                            {"data-ns", fmt::format("{}", point.ns)}});
        marks.leaf(
            "title",
            fmt::format("{}: {:.6g} % within {}{}", cell.label, point.percent,
                        duration_text(static_cast<double>(point.ns)),
                        last ? fmt::format("; cut here: fewer than {} samples above", kSamplesAbove)
                             : std::string()));
        marks.close();
      }
      out.mark("path", {{"class", fmt::format("s{} curve", style)},
                        {"d", path},
                        {"data-cell", fmt::format("{}", cell.index)},
                        {"stroke-dasharray", std::string(kDashes[style])}});
      out.verbatim(marks.take()).newline();
    }
  }
  out.close().newline();
}

void draw_dots(Markup& out, const ShownGroup& group, const std::string& metric) {
  double most = 0.0;
  std::vector<const ShownCell*> cells;
  for (const ShownCell& cell : group.cells) {
    if (cell.state == CellState::not_run) continue;
    cells.push_back(&cell);
    const auto estimate = estimate_of(*cell.summary, metric);
    if (!estimate) continue;
    most = std::max({most, estimate->median, estimate->interval ? estimate->interval->high : 0.0});
  }
  const AxisScale x{0.0, most > 0.0 ? most : 1.0, 8.0, kPanelWidth - 12.0};
  constexpr double kRow = 35.0;
  open_svg(out, kPanelWidth, kRow * static_cast<double>(cells.size()) + 4.0,
           fmt::format("{} by cell", metric_title(metric)), "dots");
  double y = 0.0;
  for (const ShownCell* cell : cells) {
    const std::size_t style = cell->summary->path == Path::dpdk ? 0 : 1;
    const auto estimate = estimate_of(*cell->summary, metric);
    const std::string value =
        estimate ? metric_text(metric, estimate->median) : std::string(kNotMeasured);
    write(out, 2.0, y + 13.0, "fact", "start", clipped_label(cell->label, 38));
    write(out, kPanelWidth - 2.0, y + 13.0, "num", "end", value);
    line(out, "rule", 8.0, y + 24.0, kPanelWidth - 12.0, y + 24.0);
    line(out, "edge", 8.0, y + 20.0, 8.0, y + 28.0);
    if (estimate) {
      if (estimate->interval) {
        out.mark("path", {{"class", fmt::format("s{} whisker", style)},
                          {"d", fmt::format("M{:.1f} {:.1f}v8m0 -4H{:.1f}m0 -4v8",
                                            x.at(estimate->interval->low), y + 20.0,
                                            x.at(estimate->interval->high))}});
      }
      out.open("path", {{"class", fmt::format("s{} dot", style)},
                        {"d", marker_path(style, x.at(estimate->median), y + 24.0, 4.5)},
                        {"data-cell", fmt::format("{}", cell->index)},
                        {"data-value", fmt::format("{}", estimate->median)}});
      out.leaf("title",
               fmt::format("{}: {} ({})", cell->label, value, interval_text(metric, *estimate)));
      out.close();
    }
    y += kRow;
    out.newline();
  }
  out.close().newline();
}

Legend legend_of(const LineChart& chart) {
  Legend legend;
  for (const LineChart::Line& each : chart.lines) legend.labels.push_back(each.label);
  return legend;
}

void draw_lines(Markup& out, const LineChart& chart, const Legend& legend) {
  double farthest = 0.0;
  double most = 0.0;
  for (const LineChart::Line& each : chart.lines) {
    for (const LineChart::Point& point : each.points) {
      farthest = std::max(farthest, point.x);
      most = std::max(most, point.y);
    }
  }
  const double x_step = round_step(farthest);
  const double y_step = round_step(most);
  const AxisScale x{0.0, farthest > 0.0 ? farthest : 1.0, kLeft, kRight - 10.0};
  const AxisScale y{0.0, y_step * std::ceil(std::max(most, y_step) / y_step - 1e-9), kBottom, kTop};
  open_svg(out, kPanelWidth, kPlotHeight,
           fmt::format("{} against {}. {}", chart.y_title, chart.x_title, chart.title),
           "plot lines");
  write(out, 2.0, 12.0, "axis", "start", chart.y_title);
  for (int n = 0; n * y_step <= y.high * (1.0 + 1e-9); ++n) {
    const double value = n * y_step;
    line(out, "grid", kLeft, y.at(value), kRight, y.at(value));
    out.leaf("text",
             {{"class", "tick"},
              {"x", px(kLeft - 6.0)},
              {"y", px(y.at(value) + 4.0)},
              {"text-anchor", "end"},
              {"data-y", fmt::format("{}", y.at(value))},
              {"data-value", fmt::format("{}", value)}},
             trimmed_si(value));
  }
  for (int n = 0; n * x_step <= x.high * (1.0 + 1e-9); ++n) {
    const double value = n * x_step;
    line(out, "axisline", x.at(value), kBottom, x.at(value), kBottom + 4.0);
    write(out, x.at(value), kBottom + 17.0, "tick", "middle", trimmed_si(value));
  }
  line(out, "axisline", kLeft, kTop, kLeft, kBottom);
  line(out, "axisline", kLeft, kBottom, kRight, kBottom);
  write(out, kRight, kPlotHeight - 4.0, "axis", "end", chart.x_title);
  out.newline();
  for (const LineChart::Line& each : chart.lines) {
    const std::size_t style = legend.style_of(each.label);
    std::string path;
    Markup marks;
    for (const LineChart::Point& point : each.points) {
      const double at = x.at(point.x);
      const double up = y.at(point.y);
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", at, up);
      marks.open("path", {{"class", fmt::format("s{} dot", style)},
                          {"d", marker_path(style, at, up, 4.0)},
                          {"data-x", fmt::format("{}", point.x)},
                          {"data-value", fmt::format("{}", point.y)},
                          {"data-y", fmt::format("{}", up)}});
      marks.leaf("title", point.tooltip);
      marks.close().newline();
    }
    if (!path.empty()) {
      out.mark("path", {{"class", fmt::format("s{} curve", style)},
                        {"d", path},
                        {"stroke-dasharray", std::string(kDashes[style])}});
    }
    out.verbatim(marks.take());
  }
  out.close().newline();
}

std::string heat_class(const std::optional<double>& ratio) {
  if (!ratio) return "";
  if (*ratio == 0.0) return "h0";
  if (*ratio < 1e-5) return "h1";
  if (*ratio < 1e-4) return "h2";
  if (*ratio < 1e-3) return "h3";
  if (*ratio < 1e-2) return "h4";
  return "h5";
}

}  // namespace pollmark
