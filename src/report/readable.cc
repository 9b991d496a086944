#include "report/readable.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "base/text.h"
#include "base/units.h"

namespace pollmark {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Bytes of the valid UTF-8 sequence at the front of text; 0 when there is none.
std::size_t sequence_bytes(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  unsigned low = 0x80;   // bounds of the second byte: no overlong form, no surrogate,
  unsigned high = 0xBF;  // nothing above U+10FFFF
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (text.size() < length || at(1) < low || at(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((at(i) & 0xC0U) != 0x80) return 0;
  }
  return length;
}

bool ends_with(std::string_view name, std::string_view end) {
  return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 28> kTitles = {{
    {"goodput_bps", "goodput"},
    {"transactions_per_s", "transactions /s"},
    {"connections_per_s", "connections /s"},
    {"cpu_ns_per_kib", "CPU /KiB"},
    {"cpu_ns_per_transaction", "CPU /transaction"},
    {"snd_wnd_max_bytes", "window"},
    {"rwnd_limited_ratio", "waits for window"},
    {"rtt_mean_ns", "mean RTT"},
    {"retransmitted_ratio", "resent"},
    {"dsacked_ratio", "resent in vain"},
    {"sender_segment_bytes", "sender segment"},
    {"receiver_segment_bytes", "receiver segment"},
    {"ndr_mpps", "NDR"},
    {"pdr_mpps", "PDR"},
    {"mrr_mpps", "MRR"},
    {"rfc2544_mpps", "RFC 2544"},
    {"latency_p99_at_50_ns", "p99 at 50 % of PDR"},
    {"loss_ratio", "loss ratio"},
    {"latency_p50_ns", "p50 latency"},
    {"latency_p99_ns", "p99 latency"},
    {"latency_p999_ns", "p99.9 latency"},
    {"cycles_per_pkt", "cycles per packet"},
    {"syscalls_per_pkt", "system calls per packet"},
    {"busy_fraction", "busy fraction"},
    {"offered_mpps", "offered"},
    {"received_mpps", "received"},
    {"mpps_per_core", "Mpps per core"},
    {"rx_missed_ratio", "rx_missed ratio"},
}};

}  // namespace

std::string readable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_bytes(text);
    const auto first = static_cast<unsigned char>(text[0]);
    const bool control =
        first == 0x7F || (first < 0x20 && first != '\n' && first != '\t') ||
        (first == 0xC2 && length == 2 && static_cast<unsigned char>(text[1]) < 0xA0);
    // U+FFFE and U+FFFF are not characters of XML.
    const bool forbidden = length == 3 && first == 0xEF &&
                           static_cast<unsigned char>(text[1]) == 0xBF &&
                           static_cast<unsigned char>(text[2]) >= 0xBE;
    if (length == 0 || control || forbidden) {
      out += kReplacement;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80) ++columns;
  }
  return columns;
}

std::string wrapped(std::string_view text, std::size_t width, std::string_view first_indent,
                    std::string_view indent) {
  std::string out;
  std::string line(first_indent);
  bool empty = true;
  for (const std::string& paragraph : split(text, '\n')) {
    for (const std::string& word : split(paragraph, ' ')) {
      if (word.empty()) continue;
      if (!empty && columns_of(line) + 1 + columns_of(word) > width) {
        out += line + '\n';
        line = indent;
        empty = true;
      }
      if (!empty) line += ' ';
      line += word;
      empty = false;
    }
  }
  return out + line + '\n';
}

std::string plural(std::int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string significant(double value) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  const double size = std::fabs(value);
  if (size == 0.0) return "0";
  if (size < 1e-4) return fmt::format("{:.1e}", value);
  if (size >= 99.95) return fmt::format("{:.0f}", value);
  if (size >= 9.995) return fmt::format("{:.1f}", value);
  if (size >= 0.9995) return fmt::format("{:.2f}", value);
  return fmt::format("{:.3g}", value);
}

std::string metric_text(std::string_view metric, double value) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  if (ends_with(metric, "_ns") || metric.starts_with("cpu_ns_")) return duration_text(value);
  if (ends_with(metric, "_bps")) return si(value, "bit/s");
  if (ends_with(metric, "_bytes")) return si(value, "B");
  if (ends_with(metric, "_ratio")) return ratio_text(value);
  if (ends_with(metric, "_fraction")) return fmt::format("{} %", significant(100.0 * value));
  if (ends_with(metric, "_mpps") || metric == "mpps_per_core") {
    return fmt::format("{} Mpps", significant(value));
  }
  if (metric == "cycles_per_pkt") return fmt::format("{} cycles", significant(value));
  return significant(value);
}

std::string metric_text(std::string_view metric, const std::optional<double>& value) {
  return value ? metric_text(metric, *value) : std::string(kNotMeasured);
}

std::string interval_text(std::string_view metric, const Estimate& estimate) {
  if (!estimate.interval) return fmt::format("none, n = {}", estimate.values);
  std::string low = metric_text(metric, estimate.interval->low);
  const std::string high = metric_text(metric, estimate.interval->high);
  // The unit once, where both ends have the same.
  const std::size_t space = high.rfind(' ');
  if (space != std::string::npos && ends_with(low, high.substr(space))) {
    low.resize(low.size() - (high.size() - space));
  }
  return fmt::format("{} .. {}", low, high);
}

std::string metric_title(std::string_view metric) {
  for (const auto& [name, title] : kTitles) {
    if (name == metric) return std::string(title);
  }
  return std::string(metric);
}

std::string factor_text(double ratio) { return fmt::format("{}x", significant(ratio)); }

std::string difference_text(std::string_view metric, const std::optional<Interval>& difference) {
  if (!difference) return "none";
  if (!ends_with(metric, "_ratio") && !ends_with(metric, "_fraction")) {
    return fmt::format("{} .. {}", factor_text(std::exp(difference->low)),
                       factor_text(std::exp(difference->high)));
  }
  return interval_text(metric, Estimate{0.0, difference, 0});
}

std::string share_text(std::int64_t pkts, std::int64_t offered_pkts) {
  if (offered_pkts == 0) return std::string(kNotMeasured);
  return ratio_text(static_cast<double>(pkts) / static_cast<double>(offered_pkts));
}

}  // namespace pollmark
