#include "judge/contrasts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "judge/multiplicity.h"
#include "judge/paired.h"
#include "judge/power.h"
#include "judge/shift.h"
#include "judge/wording.h"
#include "record/kernel_knob.h"

namespace pollmark {
namespace {

constexpr double kLatencyMatters = 0.05;  // exploratory latencies: below it nothing is named

// Factors that a knob of the same name carries: without it nothing shows that a level acted.
bool needs_knob(std::string_view factor) {
  static constexpr std::array<std::string_view, 25> kNames{
      "burst",        "dma",           "fanout",      "hit_ratio",   "numa",
      "packet_block", "packet_blocks", "pool_mbufs",  "queues",      "reta",
      "ring",         "rss_fields",    "rx_offloads", "rx_ring",     "socket_buffer",
      "stalls",       "udp_gro",       "wire",        "workers",     "xdp_mode",
      "xdp_rx_ring",  "xdp_fill_ring", "zero_copy",   "need_wakeup", "socket_busy_poll"};
  return std::find(kNames.begin(), kNames.end(), factor) != kNames.end() ||
         find_kernel_knob(factor) != nullptr;
}

bool asks_for_nothing(std::string_view level) {
  static constexpr std::array<std::string_view, 8> kLevels{"",        "0",    "[]",  "auto",
                                                           "default", "none", "off", "whole"};
  return std::find(kLevels.begin(), kLevels.end(), level) != kLevels.end();
}

double matters_for(const Question& question, const std::string& metric) {
  if (metric == question.metric || !metric.starts_with("latency_")) return question.matters;
  return std::max(question.matters, kLatencyMatters);
}

std::vector<const FactorRow*> rows_with(const FactorTable& table, const std::string& a,
                                        const std::string& b) {
  std::vector<const FactorRow*> rows;
  for (const FactorRow& row : table.rows) {
    if (row.cells.contains(a) && row.cells.contains(b)) rows.push_back(&row);
  }
  return rows;
}

const BlockValues* values_of(const JudgedCell& cell, const std::string& metric) {
  const auto values = cell.blocks.find(metric);
  return values == cell.blocks.end() ? nullptr : &values->second;
}

// nullopt where no combination has that metric on both sides.
std::optional<Comparison> contrast_of(const Question& question,
                                      const std::vector<JudgedCell>& cells,
                                      const FactorTable& table, const std::string& baseline,
                                      const std::string& level, const std::string& metric) {
  const std::vector<const FactorRow*> rows = rows_with(table, baseline, level);
  std::vector<SettingPair> pairs;
  for (const FactorRow* row : rows) {
    const BlockValues* from = values_of(cells[row->cells.at(baseline)], metric);
    const BlockValues* to = values_of(cells[row->cells.at(level)], metric);
    if (from != nullptr && to != nullptr) pairs.push_back({from, to});
  }
  if (pairs.empty()) return std::nullopt;
  Comparison comparison = compare_paired(metric, matters_for(question, metric), pairs);
  comparison.group = table.group;
  comparison.factor = table.factor;
  comparison.level = level;
  comparison.baseline = baseline;
  comparison.family = metric == question.metric ? Family::declared : Family::exploratory;
  const std::string idle = idle_level(cells, rows, table.factor, {baseline, level});
  if (!idle.empty()) comparison.idle = fmt::format("{} = {}", table.factor, idle);
  return comparison;
}

// One way in which two factors may depend on each other.
struct Corner {
  const FactorTable* table;
  std::string baseline;
  std::string level;
  std::string other_factor;
  std::string other_baseline;
  std::string other_level;
};

// Per block the mean, over the combinations of the remaining factors, of the effect at the other
// level minus the effect at the other baseline.
std::vector<double> differences_at(const Question& question, const std::vector<JudgedCell>& cells,
                                   const Corner& corner) {
  const Scale scale = scale_of(question.metric);
  std::map<int, std::vector<double>> by_block;
  std::size_t combinations = 0;
  const std::vector<const FactorRow*> rows =
      rows_with(*corner.table, corner.baseline, corner.level);
  std::map<std::map<std::string, std::string>, const FactorRow*> by_others;
  for (const FactorRow* row : rows) by_others.emplace(row->others, row);
  const auto effect_in = [&](const FactorRow& row) {
    return differences(cells[row.cells.at(corner.baseline)].values,
                       cells[row.cells.at(corner.level)].values, scale);
  };
  for (const FactorRow* low : rows) {
    const auto own = low->others.find(corner.other_factor);
    if (own == low->others.end() || own->second != corner.other_baseline) continue;
    std::map<std::string, std::string> others = low->others;
    others[corner.other_factor] = corner.other_level;
    const auto high = by_others.find(others);
    if (high == by_others.end()) continue;
    ++combinations;
    for (const auto& [block, value] :
         differences(effect_in(*low), effect_in(*high->second), Scale::absolute)) {
      by_block[block].push_back(value);
    }
  }
  std::vector<double> means;
  for (const auto& [block, values] : by_block) {
    if (values.size() != combinations) continue;
    double sum = 0.0;
    for (const double value : values) sum += value;
    means.push_back(sum / static_cast<double>(combinations));
  }
  return means;
}

std::string interaction_sentence(const Interaction& interaction) {
  return fmt::format(
      "{} {} against {}: the effect on {} is {}{} {} with {} {} than with {} [{}, {}]",
      interaction.factor, interaction.level, interaction.baseline, metric_word(interaction.metric),
      difference_text(interaction.metric, std::fabs(interaction.difference)).substr(1),
      whole_text(interaction.metric), interaction.difference > 0.0 ? "higher" : "lower",
      interaction.with_factor, interaction.with_level, interaction.with_baseline,
      difference_text(interaction.metric, interaction.interval.low),
      difference_text(interaction.metric, interaction.interval.high));
}

}  // namespace

std::string idle_level(const std::vector<JudgedCell>& cells,
                       const std::vector<const FactorRow*>& rows, const std::string& factor,
                       const std::vector<std::string>& levels) {
  if (!needs_knob(factor)) return {};
  for (const std::string& level : levels) {
    if (asks_for_nothing(level)) continue;
    for (const FactorRow* row : rows) {
      for (const TrialResult* trial : cells[row->cells.at(level)].valid) {
        const auto knob = trial->knobs.find(factor);
        if (knob == trial->knobs.end() || !knob->second.exercised) return level;
      }
    }
  }
  return {};
}

std::string baseline_level(const Question& question, const FactorTable& table) {
  const auto declared = question.baseline.find(table.factor);
  const auto known = [&](const std::string& level) {
    return std::find(table.levels.begin(), table.levels.end(), level) != table.levels.end();
  };
  if (declared != question.baseline.end() && known(declared->second)) return declared->second;
  return table.levels.front();
}

std::vector<Comparison> level_contrasts(const Question& question,
                                        const std::vector<JudgedCell>& cells,
                                        const std::vector<FactorTable>& tables) {
  std::vector<std::string> metrics{question.metric};
  for (const MetricFacts& facts : all_metrics()) {
    if (facts.name != question.metric) metrics.push_back(facts.name);
  }
  std::vector<Comparison> contrasts;
  for (const std::string& metric : metrics) {
    for (const FactorTable& table : tables) {
      if (table.levels.size() < 2) continue;
      const std::string baseline = baseline_level(question, table);
      for (const std::string& level : table.levels) {
        if (level == baseline) continue;
        auto contrast = contrast_of(question, cells, table, baseline, level, metric);
        if (contrast) contrasts.push_back(std::move(*contrast));
      }
    }
  }
  return contrasts;
}

std::vector<Interaction> interactions_of(const Question& question,
                                         const std::vector<JudgedCell>& cells,
                                         const std::vector<FactorTable>& tables) {
  std::vector<Interaction> found;
  for (std::size_t a = 0; a < tables.size(); ++a) {
    for (std::size_t b = a + 1; b < tables.size(); ++b) {
      const FactorTable& table = tables[a];
      const FactorTable& other = tables[b];
      if (table.group != other.group || table.levels.size() < 2 || other.levels.size() < 2)
        continue;
      const std::string baseline = baseline_level(question, table);
      const std::string other_baseline = baseline_level(question, other);
      for (const std::string& level : table.levels) {
        if (level == baseline) continue;
        for (const std::string& other_level : other.levels) {
          if (other_level == other_baseline) continue;
          const std::vector<double> moved =
              differences_at(question, cells,
                             {&table, baseline, level, other.factor, other_baseline, other_level});
          if (static_cast<int>(moved.size()) < kFewestBlocks) continue;
          const Shift shift = paired_shift(moved);
          Interaction interaction;
          interaction.group = table.group;
          interaction.metric = question.metric;
          interaction.factor = table.factor;
          interaction.level = level;
          interaction.baseline = baseline;
          interaction.with_factor = other.factor;
          interaction.with_level = other_level;
          interaction.with_baseline = other_baseline;
          interaction.blocks = shift.values;
          interaction.difference = shift.estimate;
          interaction.interval = *shift.interval;
          interaction.p = shift.p;
          found.push_back(std::move(interaction));
        }
      }
    }
  }
  std::vector<double> p;
  for (const Interaction& interaction : found) p.push_back(interaction.p);
  const std::vector<double> adjusted = benjamini_hochberg(p);
  const double margin = margin_of(question.metric, question.matters);
  for (std::size_t i = 0; i < found.size(); ++i) {
    found[i].adjusted_p = adjusted[i];
    found[i].shown =
        !question.quick && adjusted[i] < kAlpha && std::fabs(found[i].difference) >= margin;
    found[i].sentence = interaction_sentence(found[i]);
  }
  return found;
}

}  // namespace pollmark
