// The report's drawings, as SVG in user units of about one CSS pixel: a panel is 352 wide, so that
// it is legible on a phone and stands in a row on a desktop. Colours come from the style sheet
// (classes s0..s5); every series also has its own dash and marker. Points carry their numbers in
// data-* attributes and as <title> tooltips.
#pragma once

#include <string>
#include <vector>

#include "report/markup.h"
#include "report/view.h"

namespace pollmark {

inline constexpr std::size_t kSeriesStyles = 6;

// The series of a figure in the order of their first appearance: a label has one style in all
// panels.
struct Legend {
  std::vector<std::string> labels;
  [[nodiscard]] std::size_t style_of(const std::string& label) const;
};
[[nodiscard]] Legend legend_of(const std::vector<Panel>& panels);
void draw_legend(Markup& out, const Legend& legend);

enum class SetupShape { wide, narrow };
void draw_setup(Markup& out, const ShownGroup& group, SetupShape shape);
// offered, the measured losses one under the other, received; the axis may start above zero and
// then says so.
void draw_waterfall(Markup& out, const ShownBooks& books, const std::string& label);
// group.ring_metric against rx_ring: log2 x, log10 y, exactly zero on its own line below the axis.
// The axes are those of all ring panels of the group.
void draw_rings(Markup& out, const ShownGroup& group, const Panel& panel, const Legend& legend);
// Latency against a log-percentile axis, each curve to its cut.
void draw_curves(Markup& out, const ShownGroup& group, const Panel& panel, const Legend& legend);
// One metric over the group's cells: median and interval, linear from zero.
void draw_dots(Markup& out, const ShownGroup& group, const std::string& metric);

// Lines over two linear axes from zero.
struct LineChart {
  std::string title;
  std::string x_title;
  std::string y_title;
  struct Point {
    double x = 0.0;  // at least 0, as y
    double y = 0.0;
    std::string tooltip;
  };
  struct Line {
    std::string label;
    std::vector<Point> points;  // by rising x
  };
  std::vector<Line> lines;
};
[[nodiscard]] Legend legend_of(const LineChart& chart);
void draw_lines(Markup& out, const LineChart& chart, const Legend& legend);

// "h0" for exactly zero to "h5"; empty for a value that was not measured.
[[nodiscard]] std::string heat_class(const std::optional<double>& ratio);

}  // namespace pollmark
