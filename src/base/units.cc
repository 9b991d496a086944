#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

#include "base/text.h"

namespace pollmark {

namespace {

constexpr std::string_view kLoadForms =
    "allowed: line, max, 80 %, 12.5 Mpps, 40 Gbps L1, 40 Gbps L2";
constexpr std::string_view kLinkForms = "allowed: 25G, 100 Gbps, 100M; 1 Mbps to 10 Tbps";
constexpr std::string_view kByteForms = "allowed: 1500, 4 kB, 256 KiB, 16 MiB, 1 GiB";
constexpr std::string_view kDurationForms = "allowed: 300 ns, 20 us, 1 ms, 1.5 s, 10 min, 24 h";
constexpr std::string_view kCountForms = "allowed: 64, 1e6, 500 k, 2 M, 1 G";

struct Quantity {
  double number = 0.0;
  std::string_view unit;  // trimmed; may be empty
};

tl::unexpected<Error> refused(std::string_view text, std::string_view why, std::string_view forms) {
  return fail(Errc::bad_experiment, fmt::format("\"{}\": {}; {}", text, why, forms));
}

Result<Quantity> parse_quantity(std::string_view text, std::string_view forms) {
  const std::string_view body = trimmed(text);
  if (body.empty()) return refused(text, "a value is missing", forms);
  if (body.front() == '-') return refused(text, "must not be negative", forms);
  const bool starts_number = (body.front() >= '0' && body.front() <= '9') || body.front() == '.';
  if (!starts_number) return refused(text, "does not start with a number", forms);
  Quantity quantity;
  const auto [end, code] = std::from_chars(body.data(), body.data() + body.size(), quantity.number);
  if (code != std::errc{} || !std::isfinite(quantity.number)) {
    return refused(text, "is not a number that fits", forms);
  }
  quantity.unit = trimmed(body.substr(static_cast<std::size_t>(end - body.data())));
  return quantity;
}

struct Unit {
  std::string_view name;
  double factor;
};

std::optional<double> factor_of(std::string_view unit, std::span<const Unit> units) {
  for (const Unit& known : units) {
    if (known.name == unit) return known.factor;
  }
  return std::nullopt;
}

constexpr Unit kPpsUnits[] = {
    {"pps", 1.0}, {"kpps", 1e3}, {"Kpps", 1e3}, {"Mpps", 1e6}, {"Gpps", 1e9}};
constexpr Unit kBpsUnits[] = {{"bps", 1.0},    {"kbps", 1e3},   {"Mbps", 1e6},
                              {"Gbps", 1e9},   {"Tbps", 1e12},  {"bit/s", 1.0},
                              {"kbit/s", 1e3}, {"Mbit/s", 1e6}, {"Gbit/s", 1e9}};
constexpr Unit kLinkUnits[] = {{"M", 1e6},      {"G", 1e9},      {"T", 1e12},
                               {"Mbps", 1e6},   {"Gbps", 1e9},   {"Tbps", 1e12},
                               {"Mbit/s", 1e6}, {"Gbit/s", 1e9}, {"Tbit/s", 1e12}};
constexpr Unit kByteUnits[] = {{"", 1.0},          {"B", 1.0},           {"kB", 1e3},
                               {"MB", 1e6},        {"GB", 1e9},          {"KiB", 1024.0},
                               {"MiB", 1048576.0}, {"GiB", 1073741824.0}};
constexpr Unit kDurationUnits[] = {{"ns", 1.0}, {"us", 1e3},   {"\u00b5s", 1e3}, {"ms", 1e6},
                                   {"s", 1e9},  {"min", 60e9}, {"h", 3600e9}};
constexpr Unit kCountUnits[] = {{"", 1.0}, {"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}};

// number * factor as an integer: refused unless it is whole (to 1e-9 of itself) and fits.
Result<std::int64_t> parse_whole(std::string_view text, std::span<const Unit> units,
                                 std::string_view noun, std::string_view forms) {
  PM_TRY(const Quantity quantity, parse_quantity(text, forms));
  const std::optional<double> factor = factor_of(quantity.unit, units);
  if (!factor) {
    if (quantity.unit.empty()) return refused(text, "the unit is missing", forms);
    return refused(text, fmt::format("\"{}\" is not a unit of {}", quantity.unit, noun), forms);
  }
  const double value = quantity.number * *factor;
  if (!(value < 9.2e18)) return refused(text, "is too large", forms);
  const double whole = std::round(value);
  if (std::fabs(value - whole) > 1e-9 * std::max(1.0, whole)) {
    return refused(text, fmt::format("is not a whole number of {}", noun), forms);
  }
  return static_cast<std::int64_t>(whole);
}

// Three significant digits: 12.3, 1.20, 123.
std::string three_digits(double value) {
  const double size = std::fabs(value);
  if (size >= 99.95) return fmt::format("{:.0f}", value);
  if (size >= 9.995) return fmt::format("{:.1f}", value);
  if (size >= 0.9995) return fmt::format("{:.2f}", value);
  return fmt::format("{:.3g}", value);
}

// value in the largest step that keeps it at or above one after rounding to three digits.
std::string stepped(double value, std::span<const Unit> steps, std::string_view unit) {
  if (!std::isfinite(value)) return fmt::format("{} {}{}", value, steps.front().name, unit);
  const Unit* chosen = &steps.front();
  for (const Unit& step : steps) {
    if (std::fabs(value) >= 0.9995 * step.factor) chosen = &step;
  }
  const bool plain = chosen == &steps.front();
  const std::string number = plain && value == std::round(value)
                                 ? fmt::format("{:.0f}", value)
                                 : three_digits(value / chosen->factor);
  return fmt::format("{} {}{}", number, chosen->name, unit);
}

// The largest prefix whose text reads back to exactly the same value.
std::string exact_text(double value, std::string_view unit, std::string_view suffix) {
  static constexpr Unit kSteps[] = {{"G", 1e9}, {"M", 1e6}, {"k", 1e3}};
  for (const Unit& step : kSteps) {
    const double scaled = value / step.factor;
    if (scaled >= 1.0 && scaled * step.factor == value) {
      return fmt::format("{} {}{}{}", scaled, step.name, unit, suffix);
    }
  }
  return fmt::format("{} {}{}", value, unit, suffix);
}

}  // namespace

Result<Load> Load::parse(std::string_view text) {
  const std::string_view body = trimmed(text);
  if (body == "line") return Load{LoadUnit::line_percent, 100.0};
  if (body == "max") return Load{LoadUnit::max, 0.0};
  PM_TRY(const Quantity quantity, parse_quantity(text, kLoadForms));
  if (!(quantity.number > 0.0)) return refused(text, "must be above zero", kLoadForms);
  if (quantity.unit.empty()) return refused(text, "the unit is missing", kLoadForms);
  if (quantity.unit == "%") {
    if (quantity.number > 100.0) return refused(text, "is above the line (100 %)", kLoadForms);
    return Load{LoadUnit::line_percent, quantity.number};
  }
  if (const auto factor = factor_of(quantity.unit, kPpsUnits)) {
    const double pps = quantity.number * *factor;
    if (!std::isfinite(pps)) return refused(text, "is too large", kLoadForms);
    return Load{LoadUnit::pps, pps};
  }
  std::string_view rate = quantity.unit;
  std::optional<LoadUnit> layer;
  if (rate.size() > 2) {
    const std::string_view last = rate.substr(rate.size() - 2);
    if (last == "L1" || last == "l1") layer = LoadUnit::l1_bps;
    if (last == "L2" || last == "l2") layer = LoadUnit::l2_bps;
    if (layer) rate = trimmed(rate.substr(0, rate.size() - 2));
  }
  const std::optional<double> factor = factor_of(rate, kBpsUnits);
  const bool bare_prefix = rate == "k" || rate == "M" || rate == "G" || rate == "T";
  if (!layer && (factor || bare_prefix)) {
    return refused(text, "say the layer: Gbps L1 or Gbps L2", kLoadForms);
  }
  if (!factor) {
    return refused(text, fmt::format("\"{}\" is not a unit of load", quantity.unit), kLoadForms);
  }
  const double bps = quantity.number * *factor;
  if (!std::isfinite(bps)) return refused(text, "is too large", kLoadForms);
  return Load{*layer, bps};
}

std::string Load::text() const {
  switch (unit) {
    case LoadUnit::line_percent:
      return value == 100.0 ? std::string("line") : fmt::format("{} %", value);
    case LoadUnit::pps:
      return exact_text(value, "pps", "");
    case LoadUnit::l1_bps:
      return exact_text(value, "bps", " L1");
    case LoadUnit::l2_bps:
      return exact_text(value, "bps", " L2");
    case LoadUnit::max:
      return "max";
  }
  PM_CHECK(false);
}

Result<double> parse_link_bps(std::string_view text) {
  PM_TRY(const Quantity quantity, parse_quantity(text, kLinkForms));
  const std::optional<double> factor = factor_of(quantity.unit, kLinkUnits);
  if (!factor) {
    if (quantity.unit.empty()) return refused(text, "the unit is missing", kLinkForms);
    return refused(text, fmt::format("\"{}\" is not a unit of link speed", quantity.unit),
                   kLinkForms);
  }
  const double bps = quantity.number * *factor;
  if (!(bps >= 1e6 && bps <= 10e12)) return refused(text, "is no link speed", kLinkForms);
  return bps;
}

Result<std::int64_t> parse_bytes(std::string_view text) {
  return parse_whole(text, kByteUnits, "bytes", kByteForms);
}

Result<std::int64_t> parse_duration_ns(std::string_view text) {
  return parse_whole(text, kDurationUnits, "nanoseconds", kDurationForms);
}

Result<std::int64_t> parse_count(std::string_view text) {
  return parse_whole(text, kCountUnits, "things counted", kCountForms);
}

std::string si(double value, std::string_view unit) {
  static constexpr Unit kSteps[] = {{"", 1.0}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}};
  return stepped(value, kSteps, unit);
}

std::string duration_text(double ns) {
  static constexpr Unit kSteps[] = {{"ns", 1.0}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
  return stepped(ns, kSteps, "");
}

std::string whole_duration_text(std::int64_t ns) {
  if (ns != 0 && ns % 1'000'000'000 == 0) return fmt::format("{} s", ns / 1'000'000'000);
  if (ns != 0 && ns % 1'000'000 == 0) return fmt::format("{} ms", ns / 1'000'000);
  if (ns != 0 && ns % 1'000 == 0) return fmt::format("{} us", ns / 1'000);
  return fmt::format("{} ns", ns);
}

std::string grouped(std::int64_t value) {
  const std::string digits = fmt::format("{}", value);
  const std::size_t first = value < 0 ? 1 : 0;
  std::string text = digits.substr(0, first);
  for (std::size_t i = first; i < digits.size(); ++i) {
    if (i > first && (digits.size() - i) % 3 == 0) text += ' ';
    text += digits[i];
  }
  return text;
}

std::string ratio_text(double ratio) {
  if (!std::isfinite(ratio)) return fmt::format("{}", ratio);
  if (ratio == 0.0) return "0";
  if (ratio == 1.0) return "100 %";
  const double size = std::fabs(ratio);
  if (size >= 0.001) return fmt::format("{:.2f} %", 100.0 * ratio);
  if (size >= 1e-5) return fmt::format("{:.2g} %", 100.0 * ratio);
  return fmt::format("{:.1e}", ratio);
}

std::string bytes_text(std::int64_t bytes) {
  if (bytes == 0) return "0 B";
  if (bytes % (1 << 30) == 0) return fmt::format("{} GiB", bytes >> 30);
  if (bytes % (1 << 20) == 0) return fmt::format("{} MiB", bytes >> 20);
  if (bytes % (1 << 10) == 0) return fmt::format("{} KiB", bytes >> 10);
  return fmt::format("{} B", bytes);
}

}  // namespace pollmark
