#include "store/hist_log.h"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/text.h"

namespace pollmark {

namespace {

constexpr std::array<std::string_view, 4> kVersionLines = {
    "#[Histogram log format version 1.0]", "#[Histogram log format version 1.1]",
    "#[Histogram log format version 1.2]", "#[Histogram log format version 1.3]"};
constexpr std::string_view kTagPrefix = "Tag=";

// Seconds since the epoch of "2026-11-21T10:25:00Z"; 0 for any other text.
std::int64_t epoch_seconds(const std::string& utc) {
  std::tm time{};
  int end = 0;
  const int fields = std::sscanf(utc.c_str(), "%d-%d-%dT%d:%d:%dZ%n", &time.tm_year, &time.tm_mon,
                                 &time.tm_mday, &time.tm_hour, &time.tm_min, &time.tm_sec, &end);
  if (fields != 6 || static_cast<std::size_t>(end) != utc.size()) return 0;
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  return timegm(&time);
}

void put_line(std::string& text, std::string_view tag, double seconds,
              const std::optional<LatencyHistogram>& histogram) {
  if (!histogram) return;
  text += fmt::format("{}{},0.000,{:.3f},{:.3f},{}\n", kTagPrefix, tag, seconds,
                      static_cast<double>(histogram->max().value_or(0)) / 1e6, histogram->encode());
}

tl::unexpected<Error> bad_line(std::size_t number, std::string_view why) {
  return fail(Errc::bad_experiment, fmt::format("line {} {}", number, why));
}

// "12", "calibration-12", "12.1".
std::string numbered(const TrialOrder& order) {
  std::string name;
  if (order.kind != TrialKind::trial) name += fmt::format("{}-", name_of(order.kind));
  name += fmt::format("{}", order.trial);
  if (order.attempt > 0) name += fmt::format(".{}", order.attempt);
  return name;
}

}  // namespace

std::string hist_log_name(const TrialOrder& order) {
  return fmt::format("hist/{}.hlog", numbered(order));
}

std::string timeline_file_name(const TrialOrder& order) {
  return fmt::format("timeline/{}.jsonl", numbered(order));
}

std::string capture_file_name(const TrialOrder& order, CaptureAt at) {
  return fmt::format("capture/{}-{}.pcapng", numbered(order), name_of(at));
}

std::string hist_log_text(const TrialResult& trial) {
  std::string lines;
  put_line(lines, "rx", trial.order.seconds, trial.latency_ns.rx);
  put_line(lines, "done", trial.order.seconds, trial.latency_ns.done);
  put_line(lines, "intended", trial.order.seconds, trial.latency_ns.intended);
  put_line(lines, "round_trip", trial.order.seconds, trial.latency_ns.round_trip);
  if (lines.empty()) return lines;
  // The reference C reader takes header lines of at most 127 characters.
  const std::int64_t start = epoch_seconds(trial.started_utc);
  return fmt::format(
      "#[pollmark: latency in ns of {} {}]\n"
      "#[Histogram log format version 1.3]\n"
      "#[StartTime: {}.000 (seconds since epoch), {}]\n"
      "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
      "{}",
      name_of(trial.order.kind), trial.order.trial, start, utc_text(static_cast<double>(start)),
      lines);
}

Result<std::map<std::string, LatencyHistogram>> parse_hlog(std::string_view text) {
  std::map<std::string, LatencyHistogram> histograms;
  bool version_seen = false;
  std::size_t number = 0;
  for (const std::string& line : split(text, '\n')) {
    ++number;
    if (line.empty()) continue;
    if (line.front() == '#') {
      for (const std::string_view known : kVersionLines) {
        version_seen = version_seen || trimmed(line) == known;
      }
      continue;
    }
    if (line.front() == '"') continue;
    if (!version_seen) {
      return bad_line(number, "comes before a log format version; allowed: 1.0 to 1.3");
    }
    std::vector<std::string> fields = split(trimmed(line), ',');
    std::string tag;
    if (fields.front().starts_with(kTagPrefix)) {
      tag = fields.front().substr(kTagPrefix.size());
      fields.erase(fields.begin());
    }
    if (fields.size() != 4) {
      return bad_line(number, "does not have start, length, maximum and histogram");
    }
    Result<LatencyHistogram> histogram = LatencyHistogram::decode(fields[3]);
    if (!histogram) return bad_line(number, histogram.error().what);
    const auto [known, added] = histograms.try_emplace(tag, *histogram);
    if (!added) known->second.merge(*histogram);
  }
  if (!version_seen) return fail(Errc::bad_experiment, "not a histogram log: no format version");
  return histograms;
}

Result<std::map<std::string, LatencyHistogram>> read_hlog(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::bad_experiment, "cannot be read", path.string());
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto histograms = parse_hlog(text);
  if (!histograms)
    return tl::unexpected<Error>(std::move(histograms).error().within(path.string()));
  return histograms;
}

}  // namespace pollmark
