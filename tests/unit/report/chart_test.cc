#include "report/chart.h"

#include <gtest/gtest.h>

#include <cmath>
#include <regex>
#include <set>

#include "report/report.h"
#include "support/synthetic_campaign.h"
#include "support/xml_outline.h"

namespace pollmark {
namespace {

using support::SyntheticCampaign;
using support::XmlElement;
using support::XmlOutline;

struct Point {
  double x = 0.0;
  double y = 0.0;
};

// "M1.0 2.0L3.0 4.0"
std::vector<Point> vertices(const std::string& path) {
  std::vector<Point> points;
  static const std::regex kVertex("[ML](-?[0-9.]+) (-?[0-9.]+)");
  for (auto it = std::sregex_iterator(path.begin(), path.end(), kVertex);
       it != std::sregex_iterator(); ++it) {
    points.push_back({std::stod((*it)[1]), std::stod((*it)[2])});
  }
  return points;
}

bool has_class(const XmlElement& element, const std::string& name) {
  const auto classes = element.attributes.find("class");
  if (classes == element.attributes.end()) return false;
  return (" " + classes->second + " ").find(" " + name + " ") != std::string::npos;
}

std::vector<const XmlElement*> below(const XmlOutline& page, const XmlElement& above) {
  std::vector<const XmlElement*> found;
  for (const XmlElement& element : page.elements) {
    if (page.is_below(element, above)) found.push_back(&element);
  }
  return found;
}

// A scale read off an axis: two labelled ticks and a straight line between them.
struct Axis {
  std::vector<std::pair<double, double>> ticks;  // value on the axis, pixel
  [[nodiscard]] double at(double value) const {
    const auto& [v0, p0] = ticks.front();
    const auto& [v1, p1] = ticks.back();
    return p0 + (value - v0) / (v1 - v0) * (p1 - p0);
  }
};

double number(const XmlElement& element, const std::string& name) {
  return std::stod(element.attributes.at(name));
}

class Charts : public testing::Test {
 protected:
  void draw(const SyntheticCampaign& campaign) {
    json_ = summary_json(campaign.input());
    page_ = support::read_xml(render_html(campaign.input()));
    ASSERT_EQ(page_.mistake, "");
  }
  [[nodiscard]] std::vector<const XmlElement*> plots(const std::string& name) const {
    std::vector<const XmlElement*> found;
    for (const XmlElement* svg : page_.with_tag("svg")) {
      if (has_class(*svg, name)) found.push_back(svg);
    }
    return found;
  }
  [[nodiscard]] const Json& cell_of(const XmlElement& element) const {
    return json_["cells"][std::stoul(element.attributes.at("data-cell"))];
  }
  Json json_;
  XmlOutline page_;
};

TEST_F(Charts, RingPlotsStandWhereTheSummarySays) {
  draw(support::synthetic_campaign());
  std::size_t points = 0;
  std::size_t zeros = 0;
  for (const XmlElement* svg : plots("rings")) {
    Axis axis;
    double zero_line = 0.0;
    std::vector<const XmlElement*> dots;
    std::vector<Point> curves;
    for (const XmlElement* element : below(page_, *svg)) {
      if (element->attributes.count("data-exponent") > 0) {
        axis.ticks.emplace_back(number(*element, "data-exponent"), number(*element, "data-y"));
      }
      if (has_class(*element, "zero")) zero_line = number(*element, "y1");
      if (element->attributes.count("data-value") > 0) dots.push_back(element);
      if (has_class(*element, "curve")) {
        for (const Point& point : vertices(element->attributes.at("d"))) curves.push_back(point);
      }
    }
    ASSERT_GE(axis.ticks.size(), 2U);
    ASSERT_EQ(dots.size(), curves.size());
    for (std::size_t i = 0; i < dots.size(); ++i) {
      const Json& cell = cell_of(*dots[i]);
      const double median = cell["metrics"]["rx_missed_ratio"]["median"].get<double>();
      EXPECT_EQ(number(*dots[i], "data-value"), median);
      EXPECT_EQ(dots[i]->attributes.at("data-x"), cell["cell"]["rx_ring"].get<std::string>());
      const double wanted = median > 0.0 ? axis.at(std::log10(median)) : zero_line;
      EXPECT_NEAR(curves[i].y, wanted, 0.11) << cell["label"];
      EXPECT_EQ(has_class(*dots[i], "hollow"), median == 0.0);
      // A zero lies below every decade of the axis, and inside the drawing.
      if (median == 0.0) {
        ++zeros;
        for (const auto& [exponent, y] : axis.ticks) EXPECT_GT(curves[i].y, y + 5.0);
        EXPECT_LT(curves[i].y, 236.0);
      }
      ++points;
    }
  }
  EXPECT_EQ(points, 18U);
  EXPECT_GE(zeros, 2U);
}

TEST_F(Charts, CurvesAreTheSummarysPoints) {
  draw(support::synthetic_campaign());
  std::size_t curves = 0;
  for (const XmlElement* svg : plots("curves")) {
    Axis x;
    Axis y;
    for (const XmlElement* element : below(page_, *svg)) {
      if (element->tag != "text") continue;
      if (element->attributes.count("data-percent") > 0) {
        x.ticks.emplace_back(-std::log10(1.0 - number(*element, "data-percent") / 100.0),
                             number(*element, "data-x"));
      }
      if (element->attributes.count("data-ns") > 0) {
        y.ticks.emplace_back(std::log10(number(*element, "data-ns")), number(*element, "data-y"));
      }
    }
    ASSERT_GE(x.ticks.size(), 4U);
    ASSERT_GE(y.ticks.size(), 2U);
    for (const XmlElement* element : below(page_, *svg)) {
      if (!has_class(*element, "curve")) continue;
      ++curves;
      const Json& points = cell_of(*element)["latency_curve"]["points"];
      const std::vector<Point> drawn = vertices(element->attributes.at("d"));
      ASSERT_EQ(drawn.size(), points.size());
      for (std::size_t i = 0; i < drawn.size(); ++i) {
        const double percent = points[i][0].get<double>();
        EXPECT_NEAR(drawn[i].x, x.at(-std::log10(1.0 - percent / 100.0)), 0.11);
        EXPECT_NEAR(drawn[i].y, y.at(std::log10(points[i][1].get<double>())), 0.11);
      }
    }
  }
  EXPECT_EQ(curves, 21U);
}

TEST_F(Charts, HeatmapPrintsEachNumberAndZeroIsBare) {
  draw(support::synthetic_campaign());
  std::size_t cells = 0;
  std::size_t bare = 0;
  for (const XmlElement* td : page_.with_attribute("data-value")) {
    if (td->tag != "td") continue;
    ++cells;
    const double median = cell_of(*td)["metrics"]["loss_ratio"]["median"].get<double>();
    EXPECT_EQ(number(*td, "data-value"), median);
    EXPECT_EQ(has_class(*td, "h0"), median == 0.0);
    if (median == 0.0) {
      ++bare;
      EXPECT_EQ(td->text, "0");
    }
  }
  EXPECT_EQ(cells, 18U);
  EXPECT_GE(bare, 2U);
}

TEST_F(Charts, HeatRisesWithLoss) {
  EXPECT_EQ(heat_class(std::nullopt), "");
  EXPECT_EQ(heat_class(0.0), "h0");
  std::string last = "h0";
  for (const double ratio : {1e-12, 1e-5, 1e-4, 1e-3, 1e-2, 1.0}) {
    EXPECT_GE(heat_class(ratio), last) << ratio;
    EXPECT_NE(heat_class(ratio), "h0");
    last = heat_class(ratio);
  }
  EXPECT_EQ(last, "h5");
}

TEST_F(Charts, WaterfallsLoseWhatTheLedgerLost) {
  draw(support::synthetic_campaign());
  std::size_t books = 0;
  for (const Json& group : json_["groups"]) books += group["books"].size();
  const auto falls = plots("waterfall");
  ASSERT_EQ(falls.size(), books);
  std::size_t index = 0;
  for (const Json& group : json_["groups"]) {
    for (const Json& kept : group["books"]) {
      std::int64_t lost = 0;
      std::vector<std::pair<double, double>> bars;  // of the losses: left, right
      for (const XmlElement* element : below(page_, *falls[index])) {
        if (!has_class(*element, "lost")) continue;
        lost += std::stoll(element->attributes.at("data-pkts"));
        const double left = number(*element, "x");
        bars.emplace_back(left, left + number(*element, "width"));
      }
      EXPECT_EQ(lost, kept["lost_pkts"].get<std::int64_t>());
      for (std::size_t i = 1; i < bars.size(); ++i)
        EXPECT_LE(bars[i].second, bars[i - 1].first + 2.1);
      ++index;
    }
  }
}

TEST_F(Charts, DotsOfTheKernelPanelAreTheSummarysMedians) {
  draw(support::synthetic_campaign());
  std::size_t dots = 0;
  for (const XmlElement* svg : plots("dots")) {
    const std::string label = svg->attributes.at("aria-label");
    std::string metric;
    for (const auto& [name, title] :
         {std::pair<const char*, const char*>{"loss_ratio", "loss ratio by cell"},
          {"received_mpps", "received by cell"},
          {"mpps_per_core", "Mpps per core by cell"},
          {"cycles_per_pkt", "cycles per packet by cell"},
          {"latency_p50_ns", "p50 latency by cell"},
          {"latency_p99_ns", "p99 latency by cell"}}) {
      if (label == title) metric = name;
    }
    ASSERT_NE(metric, "") << label;
    for (const XmlElement* element : below(page_, *svg)) {
      if (element->attributes.count("data-value") == 0) continue;
      ++dots;
      EXPECT_EQ(number(*element, "data-value"),
                cell_of(*element)["metrics"][metric]["median"].get<double>());
    }
  }
  EXPECT_EQ(dots, 17U);
}

TEST_F(Charts, EverySeriesHasItsOwnDashAndMarker) {
  draw(support::synthetic_campaign());
  std::map<std::string, std::pair<std::string, std::string>> seen;
  Markup out;
  draw_legend(out, Legend{{"a", "b", "c", "d", "e", "f"}});
  const XmlOutline legend = support::read_xml(out.take());
  std::set<std::string> dashes;
  std::set<std::string> markers;
  for (const XmlElement* line : legend.with_tag("line")) {
    dashes.insert(line->attributes.at("stroke-dasharray"));
  }
  for (const XmlElement* marker : legend.with_tag("path"))
    markers.insert(marker->attributes.at("d"));
  EXPECT_EQ(dashes.size(), 6U);
  EXPECT_EQ(markers.size(), 6U);
}

TEST_F(Charts, AllZeroLossIsDrawnOnTheZeroLine) {
  SyntheticCampaign campaign = support::synthetic_campaign();
  for (CellSummary& cell : campaign.summary.cells) {
    for (auto& [metric, estimate] : cell.metrics) {
      if (metric == "rx_missed_ratio" || metric == "loss_ratio") {
        estimate = {0.0, Interval{0.0, 0.0, 0.99}, 8};
      }
    }
  }
  draw(campaign);
  std::size_t hollow = 0;
  for (const XmlElement* svg : plots("rings")) {
    for (const XmlElement* element : below(page_, *svg)) {
      if (has_class(*element, "hollow")) ++hollow;
      for (const auto& [name, value] : element->attributes) {
        EXPECT_EQ(value.find("inf"), std::string::npos) << name;
        EXPECT_EQ(value.find("nan"), std::string::npos) << name;
      }
    }
  }
  EXPECT_EQ(hollow, 18U);
}

}  // namespace
}  // namespace pollmark
