// Quantities as a user writes and reads them. Parsing refuses what is ambiguous; every refusal
// names the allowed forms. Numbers are printed with '.' whatever the locale.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pollmark {

// How the offered load was asked for. Line percentages and Gbps need the link and the mean frame.
enum class LoadUnit { line_percent, pps, l1_bps, l2_bps, max };

struct Load {
  LoadUnit unit = LoadUnit::line_percent;
  double value = 100.0;  // percent, packets/s or bits/s; unused for max

  // "line", "80 %", "12.5 Mpps", "40 Gbps L1", "40 Gbps L2", "max". A bare Gbps is refused: say
  // the layer.
  [[nodiscard]] static Result<Load> parse(std::string_view text);
  [[nodiscard]] std::string text() const;
  friend bool operator==(const Load&, const Load&) = default;
};

// "25G", "100 Gbps", "10G" -> bits/s.
[[nodiscard]] Result<double> parse_link_bps(std::string_view text);
// "256 KiB", "16 MiB", "1500", "4 kB" -> bytes.
[[nodiscard]] Result<std::int64_t> parse_bytes(std::string_view text);
// In the largest unit that keeps it whole: 1048576 -> "1 MiB", 2049 -> "2049 B". Reads back exactly.
[[nodiscard]] std::string bytes_text(std::int64_t bytes);
// "20 us", "1 ms", "1.5 s", "300 ns" -> ns; a bare number is refused.
[[nodiscard]] Result<std::int64_t> parse_duration_ns(std::string_view text);
// "2 M", "500 k", "1e6", "64" -> a count.
[[nodiscard]] Result<std::int64_t> parse_count(std::string_view text);

// Three significant digits with an SI prefix: si(12345678, "pps") = "12.3 Mpps".
[[nodiscard]] std::string si(double value, std::string_view unit);
// ns as "840 ns", "12.3 us", "1.20 ms", "2.00 s".
[[nodiscard]] std::string duration_text(double ns);
// As an experiment says it, in the largest unit that keeps it whole: "20 us", "1 ms". Reads back
// exactly.
[[nodiscard]] std::string whole_duration_text(std::int64_t ns);
// 1234567 -> "1 234 567".
[[nodiscard]] std::string grouped(std::int64_t value);
// A ratio as "0", "0.12 %", "3.4e-07".
[[nodiscard]] std::string ratio_text(double ratio);

}  // namespace pollmark
