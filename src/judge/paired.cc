#include "judge/paired.h"

#include <algorithm>
#include <cmath>

#include "judge/order_statistics.h"
#include "judge/shift.h"

namespace pollmark {
BlockValues differences(const BlockValues& from, const BlockValues& to, Scale scale) {
  BlockValues result;
  for (const auto& [block, start] : from) {
    const auto end = to.find(block);
    if (end == to.end()) continue;
    if (scale == Scale::absolute) {
      result[block] = end->second - start;
    } else {
      if (start <= 0.0 || end->second <= 0.0) return {};
      result[block] = std::log(end->second / start);
    }
  }
  return result;
}

std::optional<Estimate> estimate_of(const BlockValues& values) {
  if (values.empty()) return std::nullopt;
  std::vector<double> list;
  list.reserve(values.size());
  for (const auto& [block, value] : values) list.push_back(value);
  return estimate_median(std::move(list));
}

std::optional<Estimate> paired_difference(const BlockValues& from, const BlockValues& to,
                                          Scale scale) {
  const auto shift = shift_of(differences(from, to, scale));
  if (!shift) return std::nullopt;
  return Estimate{shift->estimate, shift->interval, shift->values};
}

std::optional<Shift> shift_of(const BlockValues& differences) {
  if (differences.empty()) return std::nullopt;
  std::vector<double> list;
  list.reserve(differences.size());
  for (const auto& [block, value] : differences) list.push_back(value);
  return paired_shift(list);
}

std::optional<double> paired_ratio(const BlockValues& from, const BlockValues& to) {
  std::vector<double> ratios;
  for (const auto& [block, base] : from) {
    const auto value = to.find(block);
    if (value == to.end()) continue;
    if (base <= 0.0) return std::nullopt;
    ratios.push_back(value->second / base);
  }
  if (ratios.empty()) return std::nullopt;
  return median_of(std::move(ratios));
}

}  // namespace pollmark
