// Numbers and names as the judge's sentences have them.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "judge/summary.h"

namespace pollmark {

// The metric's facts; a name that no metric has gives that name: higher is better for a rate
// (<goal>_mpps), else lower.
[[nodiscard]] MetricFacts metric_facts(std::string_view metric);
// "loss", "p99", "cycles per packet"; the metric's own name where it has none.
[[nodiscard]] std::string metric_word(std::string_view metric);
// With its unit: "2.10 %", "12.3 us", "8.53 Mpps".
[[nodiscard]] std::string value_text(std::string_view metric, double value);
// "2.10 % [1.90 %, 2.40 %]"; without the interval where there is none.
[[nodiscard]] std::string estimate_text(std::string_view metric, const Estimate& estimate);
// A difference on the metric's scale: "+0.12 %" of all frames, or "+3.1 %".
[[nodiscard]] std::string difference_text(std::string_view metric, double difference);
// What a share is a share of: " of all frames", " of the time"; empty for other metrics.
[[nodiscard]] std::string_view whole_text(std::string_view metric);
// "queues=4 reta=3:1:1:1"; "the only setting" when empty.
[[nodiscard]] std::string cell_text(const std::map<std::string, std::string>& cell);

}  // namespace pollmark
