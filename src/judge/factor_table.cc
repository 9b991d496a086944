#include "judge/factor_table.h"

#include <algorithm>
#include <optional>
#include <set>

#include "base/units.h"

namespace pollmark {
namespace {

std::optional<std::int64_t> quantity_of(const std::string& level) {
  if (const auto count = parse_count(level)) return *count;
  if (const auto bytes = parse_bytes(level)) return *bytes;
  if (const auto ns = parse_duration_ns(level)) return *ns;
  return std::nullopt;
}

FactorTable table_of(const std::vector<JudgedCell>& cells, const std::string& group,
                     const std::string& factor) {
  FactorTable table;
  table.group = group;
  table.factor = factor;
  std::map<std::map<std::string, std::string>, std::size_t> row_of;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const CellSummary& cell = cells[i].summary;
    const auto level = cell.cell.find(factor);
    if (cell.group != group || level == cell.cell.end() || !cells[i].measured()) continue;
    std::map<std::string, std::string> others = cell.cell;
    others.erase(factor);
    const auto [row, is_new] = row_of.emplace(others, table.rows.size());
    if (is_new) table.rows.push_back({std::move(others), {}});
    table.rows[row->second].cells.emplace(level->second, i);
    if (std::find(table.levels.begin(), table.levels.end(), level->second) == table.levels.end()) {
      table.levels.push_back(level->second);
    }
  }
  return table;
}

}  // namespace

std::vector<const FactorRow*> FactorTable::complete_rows() const {
  std::vector<const FactorRow*> complete;
  for (const FactorRow& row : rows) {
    if (row.cells.size() == levels.size()) complete.push_back(&row);
  }
  return complete;
}

std::vector<FactorTable> factor_tables(const std::vector<JudgedCell>& cells) {
  std::vector<std::string> groups;
  std::map<std::string, std::set<std::string>> factors;
  for (const JudgedCell& cell : cells) {
    if (factors.find(cell.summary.group) == factors.end()) groups.push_back(cell.summary.group);
    std::set<std::string>& names = factors[cell.summary.group];
    for (const auto& [factor, level] : cell.summary.cell) names.insert(factor);
  }
  std::vector<FactorTable> tables;
  for (const std::string& group : groups) {
    for (const std::string& factor : factors[group]) {
      tables.push_back(table_of(cells, group, factor));
    }
  }
  return tables;
}

std::vector<std::string> ascending(std::vector<std::string> levels) {
  std::map<std::string, std::int64_t> sizes;
  for (const std::string& level : levels) {
    const auto size = quantity_of(level);
    if (!size) return levels;
    sizes[level] = *size;
  }
  std::stable_sort(levels.begin(), levels.end(),
                   [&](const std::string& a, const std::string& b) { return sizes[a] < sizes[b]; });
  return levels;
}

}  // namespace pollmark
