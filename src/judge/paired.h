// Comparing cells over the blocks that they share.
#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "judge/summary.h"

namespace pollmark {

using BlockValues = std::map<int, double>;  // block -> the metric of its first valid trial

enum class Scale { absolute, relative };
[[nodiscard]] Scale scale_of(std::string_view metric);
// What does not matter, on the metric's scale: min(matters, 0.001), or ln(1 + matters).
[[nodiscard]] double margin_of(std::string_view metric, double matters);

// to - from in every shared block: difference, or ln(to / from). Empty when a relative difference
// is asked of a value that is not above zero.
[[nodiscard]] BlockValues differences(const BlockValues& from, const BlockValues& to, Scale scale);
// The median of differences; nullopt without a shared block.
[[nodiscard]] std::optional<Estimate> paired_difference(const BlockValues& from,
                                                        const BlockValues& to, Scale scale);
// Median of to / from; nullopt without a shared block, or when `from` is not above zero in one.
[[nodiscard]] std::optional<double> paired_ratio(const BlockValues& from, const BlockValues& to);
[[nodiscard]] std::optional<Estimate> estimate_of(const BlockValues& values);

}  // namespace pollmark
