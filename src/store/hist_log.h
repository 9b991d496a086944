// hist/<trial>.hlog: a trial's latency histograms in HdrHistogram's log format 1.3 (values in ns,
// Interval_Max in ms), one line a kind, tagged rx, done or intended. Opens in HistogramLogAnalyzer.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "record/histogram.h"
#include "record/trial_result.h"

namespace pollmark {

// "hist/12.hlog" for trial 12; "hist/calibration-12.hlog" for another kind; "hist/12.1.hlog" for
// its second attempt.
[[nodiscard]] std::string hist_log_name(const TrialOrder& order);
// "timeline/12.jsonl", numbered alike: a TimelinePoint a line.
[[nodiscard]] std::string timeline_file_name(const TrialOrder& order);
// "capture/12-sender.pcapng", numbered alike.
[[nodiscard]] std::string capture_file_name(const TrialOrder& order, CaptureAt at);
// Empty when no latency was measured.
[[nodiscard]] std::string hist_log_text(const TrialResult& trial);
// Histograms by tag ("" for lines without one); lines of the same tag are merged. Errors:
// bad_experiment naming the line; versions 1.0 to 1.3 are read.
[[nodiscard]] Result<std::map<std::string, LatencyHistogram>> parse_hlog(std::string_view text);
[[nodiscard]] Result<std::map<std::string, LatencyHistogram>> read_hlog(
    const std::filesystem::path& path);

}  // namespace pollmark
