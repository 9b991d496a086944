// Latency histogram with HdrHistogram's bucket layout (HdrHistogram_c src/hdr_histogram.c), so that
// its files open in the usual tools.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pollmark {

struct HistogramLayout {
  std::int64_t lowest = 1;                // >= 1, lowest discernible value
  std::int64_t highest = 10'000'000'000;  // >= 2 lowest; 10 s in ns
  int significant_figures = 3;            // 1..5
  friend bool operator==(const HistogramLayout&, const HistogramLayout&) = default;
};

// Values are ns unless an owner says otherwise. One writer; readers after the lcores have joined.
class LatencyHistogram {
 public:
  explicit LatencyHistogram(HistogramLayout layout = {});

  // O(1). A value below zero or above the highest is counted in out_of_range(), never in a bin.
  void record(std::int64_t value, std::int64_t count = 1) noexcept;
  // Adds every bin. Same layout: exact. Other layout: re-recorded at the middle of each bin.
  void merge(const LatencyHistogram& other);

  [[nodiscard]] std::int64_t count() const { return count_; }
  [[nodiscard]] std::int64_t out_of_range() const { return out_of_range_; }
  [[nodiscard]] std::optional<std::int64_t> min() const;  // exact; nullopt when empty
  [[nodiscard]] std::optional<std::int64_t> max() const;  // exact; nullopt when empty
  [[nodiscard]] std::optional<double> mean() const;       // exact sum / count
  [[nodiscard]] std::optional<double> stddev() const;     // from bin middles
  // Value at or below which `percent` of the recorded values lie: nearest rank,
  // max(1, floor(percent/100 count + 0.5)), upper edge of its bin (lower edge for 0).
  //   percent [0, 100]; nullopt when empty
  [[nodiscard]] std::optional<std::int64_t> percentile(double percent) const;

  [[nodiscard]] const HistogramLayout& layout() const { return layout_; }
  [[nodiscard]] std::size_t bins() const { return counts_.size(); }
  [[nodiscard]] std::size_t index_of(std::int64_t value) const noexcept;
  [[nodiscard]] std::int64_t lowest_of(std::size_t index) const noexcept;
  [[nodiscard]] std::int64_t highest_of(std::size_t index) const noexcept;
  [[nodiscard]] std::int64_t count_at(std::size_t index) const { return counts_[index]; }

  // HdrHistogram V2 compressed encoding, base64 ("HISTFAAA..."). Exact min, max and sum are not part
  // of that format.
  [[nodiscard]] std::string encode() const;
  // Errors: bad_experiment with the reason for anything that is not such a histogram.
  [[nodiscard]] static Result<LatencyHistogram> decode(std::string_view base64);

  friend bool operator==(const LatencyHistogram&, const LatencyHistogram&) = default;

 private:
  HistogramLayout layout_;
  int unit_magnitude_ = 0;
  int half_magnitude_ = 0;
  std::int64_t mask_ = 0;
  std::vector<std::int64_t> counts_;
  std::int64_t count_ = 0;
  std::int64_t out_of_range_ = 0;
  std::int64_t min_ = 0;
  std::int64_t max_ = 0;
  double sum_ = 0.0;
};

}  // namespace pollmark
