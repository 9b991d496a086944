#include "host/proc_counters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/text.h"

namespace pollmark {
namespace {

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lowered;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string text(line);
  std::ranges::replace(text, '\t', ' ');
  for (auto& word : split(text, ' ')) {
    if (!word.empty()) words.push_back(std::move(word));
  }
  return words;
}

std::vector<std::vector<std::string>> rows_of(std::string_view text) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& line : split(text, '\n')) {
    if (auto words = words_of(line); !words.empty()) rows.push_back(std::move(words));
  }
  return rows;
}

std::optional<std::uint64_t> number(std::string_view word, int base = 10) {
  std::uint64_t value = 0;
  const char* end = word.data() + word.size();
  if (word.empty() || std::from_chars(word.data(), end, value, base).ptr != end) return {};
  return value;
}

struct SoftnetColumn {
  std::size_t column;
  std::string_view name;
};
// net/core/net-procfs.c softnet_seq_show.
constexpr std::array kSoftnetColumns{
    SoftnetColumn{0, "processed"},         SoftnetColumn{1, "dropped"},
    SoftnetColumn{2, "time_squeeze"},      SoftnetColumn{9, "received_rps"},
    SoftnetColumn{10, "flow_limit_count"},
};

}  // namespace

NamedCounters parse_snmp(std::string_view text) {
  NamedCounters counters;
  const auto rows = rows_of(text);
  for (std::size_t i = 0; i + 1 < rows.size(); i += 2) {
    const auto& names = rows[i];
    const auto& values = rows[i + 1];
    if (names[0] != values[0] || !names[0].ends_with(':')) continue;
    const std::string protocol = lower(names[0].substr(0, names[0].size() - 1));
    for (std::size_t k = 1; k < std::min(names.size(), values.size()); ++k) {
      if (const auto value = number(values[k])) counters[protocol + "." + names[k]] = *value;
    }
  }
  return counters;
}

NamedCounters parse_snmp6(std::string_view text) {
  NamedCounters counters;
  for (const auto& row : rows_of(text)) {
    const auto six = row[0].find('6');
    if (row.size() != 2 || six == std::string::npos || six + 1 == row[0].size()) continue;
    if (const auto value = number(row[1])) {
      counters[lower(row[0].substr(0, six + 1)) + "." + row[0].substr(six + 1)] = *value;
    }
  }
  return counters;
}

NamedCounters parse_softnet(std::string_view text) {
  NamedCounters totals;
  for (const auto& row : rows_of(text)) {
    if (row.size() < 3) return {};
    for (const auto& [column, name] : kSoftnetColumns) {
      if (column >= row.size()) continue;
      const auto value = number(row[column], 16);
      if (!value) return {};
      totals[std::string(name)] += *value;
    }
  }
  return totals;
}

NamedCounters parse_conntrack(std::string_view text) {
  NamedCounters totals;
  const auto rows = rows_of(text);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].size() != rows[0].size()) return {};
    for (std::size_t k = 0; k < rows[i].size(); ++k) {
      const auto value = number(rows[i][k], 16);
      if (!value) return {};
      auto& total = totals[rows[0][k]];
      total = rows[0][k] == "entries" ? *value : total + *value;
    }
  }
  return totals;
}

std::optional<OpenFiles> parse_file_nr(std::string_view text) {
  const auto words = words_of(trimmed(text));
  if (words.size() != 3) return std::nullopt;
  const auto allocated = number(words[0]);
  const auto max = number(words[2]);
  if (!allocated || !max) return std::nullopt;
  return OpenFiles{.allocated = *allocated, .max = *max};
}

}  // namespace pollmark
