#include "report/sizing_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "base/units.h"
#include "judge/target.h"
#include "judge/wording.h"
#include "report/readable.h"
#include "report/view.h"

namespace pollmark {
namespace {

constexpr std::size_t kLeastWidth = 60;

Json sized_estimate(const Estimate& estimate) {
  return {{"median", estimate.median},
          {"low", estimate.interval ? Json(estimate.interval->low) : Json(nullptr)},
          {"high", estimate.interval ? Json(estimate.interval->high) : Json(nullptr)},
          {"values", estimate.values}};
}

Json setting_json(const SizedSetting& setting) {
  Json json{{"group", setting.group},
            {"path", name_of(setting.path)},
            {"cell", setting.cell},
            {"refused", setting.refused ? Json(*setting.refused) : Json(nullptr)}};
  if (setting.refused) return json;
  json["verdict"] = name_of(setting.verdict);
  json["sentence"] = setting.sentence;
  json["blocks"] = setting.blocks;
  json["target_pps"] = setting.target_pps;
  json["core_ns_per_pkt"] = sized_estimate(setting.core_ns_per_pkt);
  json["cores"] = sized_estimate(setting.cores);
  json["cores_advised"] = setting.cores_advised;
  json["queues_advised"] = setting.queues_advised;
  json["ring"] = setting.ring ? sized_estimate(*setting.ring) : Json(nullptr);
  json["ring_advised"] = setting.ring ? Json(setting.ring_advised) : Json(nullptr);
  json["headroom"] = sized_estimate(setting.headroom);
  const Ceiling* least = binding_ceiling(setting.ceilings);
  Json ceilings = Json::array();
  for (const Ceiling& ceiling : setting.ceilings)
    ceilings.push_back({{"name", ceiling.name},
                        {"pps", ceiling.pps},
                        {"how", ceiling.how},
                        {"binds", &ceiling == least}});
  json["ceilings"] = std::move(ceilings);
  Json figures = Json::array();
  for (const SizedFigure& figure : setting.figures)
    figures.push_back(
        {{"source", name_of(figure.source)}, {"name", figure.name}, {"text", figure.text}});
  json["figures"] = std::move(figures);
  json["assumptions"] = setting.assumptions;
  return json;
}

void add_setting(const SizedSetting& setting, std::size_t width, std::string& out) {
  out += '\n';
  out += wrapped(
      fmt::format("{}, {}: {}", setting.group, name_of(setting.path), cell_text(setting.cell)),
      width, "", "  ");
  if (setting.refused) {
    out += wrapped("not sized: " + *setting.refused, width, "  ", "    ");
    return;
  }
  out += wrapped(setting.sentence, width, "-> ", "   ");
  for (const FigureSource source :
       {FigureSource::measured, FigureSource::stated, FigureSource::model}) {
    bool first = true;
    for (const SizedFigure& figure : setting.figures) {
      if (figure.source != source) continue;
      if (first) out += fmt::format("  {}\n", name_of(source));
      first = false;
      out += wrapped(fmt::format("{}: {}", figure.name, figure.text), width, "    ", "      ");
    }
  }
  if (setting.assumptions.empty()) return;
  out += "  assumed\n";
  for (const std::string& assumption : setting.assumptions)
    out += wrapped(assumption, width, "    ", "      ");
}

}  // namespace

std::optional<double> apart(double predicted, double measured) {
  if (!(predicted > 0.0) || !(measured > 0.0)) return std::nullopt;
  return std::max(predicted / measured, measured / predicted);
}

std::string render_sizing(const SizingReport& report, int width_columns) {
  const std::size_t width =
      std::max<std::size_t>(kLeastWidth, static_cast<std::size_t>(std::max(0, width_columns)));
  std::string out = wrapped(
      fmt::format("{}, from {}", target_text(report.order.target), report.folder), width, "", "  ");
  if (report.last_record_cut) out += "!  the last record is cut short and left out\n";
  for (const SizedSetting& setting : report.settings) add_setting(setting, width, out);

  bool first = true;
  for (const CellSummary& cell : report.cells) {
    const auto missed = estimate_of(cell, "rx_missed_ratio");
    if (!cell.predicted_missed_ratio || !missed) continue;
    if (first) out += "\nMissed frames: measured, and what the stall model says\n";
    first = false;
    const auto factor = apart(*cell.predicted_missed_ratio, missed->median);
    out += wrapped(fmt::format("{}: {}: measured {}, model says {}{}", cell.group,
                               cell_text(cell.cell), estimate_text("rx_missed_ratio", *missed),
                               ratio_text(*cell.predicted_missed_ratio),
                               factor ? fmt::format(", a factor of {:.2f}", *factor) : ""),
                   width, "  ", "    ");
  }
  return readable(out);
}

Json sizing_json(const SizingReport& report) {
  Json json;
  json["folder"] = readable(report.folder);
  json["target"] = target_text(report.order.target);
  json["utilisation"] = report.order.utilisation;
  Json settings = Json::array();
  for (const SizedSetting& setting : report.settings) settings.push_back(setting_json(setting));
  json["settings"] = std::move(settings);
  Json curve = Json::array();
  for (const CellSummary& cell : report.cells) {
    const auto missed = estimate_of(cell, "rx_missed_ratio");
    if (!cell.predicted_missed_ratio || !missed) continue;
    curve.push_back({{"group", cell.group},
                     {"cell", cell.cell},
                     {"rx_missed_ratio", sized_estimate(*missed)},
                     {"predicted_missed_ratio", *cell.predicted_missed_ratio}});
  }
  json["missed"] = std::move(curve);
  return json;
}

}  // namespace pollmark
