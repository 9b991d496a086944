// On which scale values of a metric are set against each other, and what does not matter there.
#pragma once

#include <string_view>

namespace pollmark {

// Shares of one (*_ratio, *_fraction) may be exactly zero, and 0.001 % against 0.002 % is no
// doubling that matters: they are subtracted. All else is above zero and compared by log ratio.
enum class Scale { absolute, relative };
[[nodiscard]] Scale scale_of(std::string_view metric);
// What does not matter, on the metric's scale: min(matters, 0.001), or ln(1 + matters).
[[nodiscard]] double margin_of(std::string_view metric, double matters);

}  // namespace pollmark
