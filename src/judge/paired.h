// Comparing cells over the blocks that they share.
#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "judge/scale.h"
#include "judge/shift.h"
#include "judge/summary.h"

namespace pollmark {

using BlockValues = std::map<int, double>;  // block -> the metric of its first valid trial

// to - from in every shared block: difference, or ln(to / from). Empty when a relative difference
// is asked of a value that is not above zero.
[[nodiscard]] BlockValues differences(const BlockValues& from, const BlockValues& to, Scale scale);
// Hodges-Lehmann's estimate of the differences with its exact interval (judge/shift.h), in the
// place of a median; nullopt without a shared block.
[[nodiscard]] std::optional<Estimate> paired_difference(const BlockValues& from,
                                                        const BlockValues& to, Scale scale);
// Hodges-Lehmann's shift of differences; nullopt of none.
[[nodiscard]] std::optional<Shift> shift_of(const BlockValues& differences);
// Median of to / from; nullopt without a shared block, or when `from` is not above zero in one.
[[nodiscard]] std::optional<double> paired_ratio(const BlockValues& from, const BlockValues& to);
[[nodiscard]] std::optional<Estimate> estimate_of(const BlockValues& values);

}  // namespace pollmark
