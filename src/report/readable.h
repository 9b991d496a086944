// Values as a reader sees them. Host names, labels and experiment text come from outside; numbers
// are printed with '.' whatever the locale.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "judge/summary.h"

namespace pollmark {

inline constexpr std::string_view kNotMeasured = "not measured";

// The text with every byte that is not valid UTF-8, and every control character but newline and
// tab, as U+FFFD: safe for a terminal, JSON and XML.
[[nodiscard]] std::string readable(std::string_view text);
// Columns it takes on a terminal: code points, not bytes.
[[nodiscard]] std::size_t columns_of(std::string_view text);

// Words filled into lines of at most `width` columns; a longer word stands alone and is not cut.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t width,
                                  std::string_view first_indent, std::string_view indent);

// "1 cell", "12 cells".
[[nodiscard]] std::string plural(std::int64_t count, std::string_view noun);
// Three significant digits without an exponent where that stays short: 12345.6 -> "12346",
// 0.0123456 -> "0.0123", 0 -> "0", 1.2e-7 -> "1.2e-07".
[[nodiscard]] std::string significant(double value);
// A value of that metric with its unit: "0.12 %", "12.3 us", "243 cycles", "5.21 Mpps".
[[nodiscard]] std::string metric_text(std::string_view metric, double value);
[[nodiscard]] std::string metric_text(std::string_view metric, const std::optional<double>& value);
// "0.10 .. 0.14 %"; "none, n = 2" where there are too few values for one.
[[nodiscard]] std::string interval_text(std::string_view metric, const Estimate& estimate);
// "loss ratio", "p99 latency"; the name itself where it is not one of all_metrics().
[[nodiscard]] std::string metric_title(std::string_view metric);
// "1.07x"
[[nodiscard]] std::string factor_text(double ratio);
// The interval of a difference as judge keeps it: absolute for shares of one ("-1.68 .. -1.52 %"),
// else a log ratio, shown as its factor ("0.93x .. 0.97x"); "none" below six blocks.
[[nodiscard]] std::string difference_text(std::string_view metric,
                                          const std::optional<Interval>& difference);
// pkts as a share of offered: "0", "0.12 %"; "not measured" when nothing was offered.
[[nodiscard]] std::string share_text(std::int64_t pkts, std::int64_t offered_pkts);

}  // namespace pollmark
