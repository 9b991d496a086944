// Latency histogram with HdrHistogram's bucket layout (HdrHistogram_c src/hdr_histogram.c), so that
// its files open in the usual tools.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
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

  // False for a layout that no histogram can have.
  [[nodiscard]] bool possible() const;
  friend bool operator==(const HistogramLayout&, const HistogramLayout&) = default;
};

// Values are ns unless an owner says otherwise. One writer; readers after the lcores have joined.
class LatencyHistogram {
 public:
  // layout must be possible().
  explicit LatencyHistogram(HistogramLayout layout = {});

  // O(1). A value below zero or above the highest is counted in out_of_range(), never in a bin.
  // Always inlined: loops built for different ISA levels must not share one copy of it.
  [[gnu::always_inline]] void record(std::int64_t value) noexcept {
    // Inside [min, max] is inside the range too: one test, hardly ever taken, serves both.
    if ((value < min_) | (value > max_)) [[unlikely]] {
      if (!widen(value, 1)) return;
    }
    ++counts_[index_of(value)];
    const auto addend = static_cast<std::uint64_t>(value);
    std::uint64_t& sum = sums_[addend % kSums];
    if (__builtin_add_overflow(sum, addend, &sum)) [[unlikely]]
      ++sum_carries_;
  }
  void record(std::int64_t value, std::int64_t count) noexcept;
  // Adds every bin. Same layout: exact. Other layout: re-recorded at the middle of each bin.
  void merge(const LatencyHistogram& other);

  [[nodiscard]] std::int64_t count() const;  // O(bins)
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
  [[nodiscard]] std::size_t bins() const { return bins_; }
  // value: 0..highest.
  [[gnu::always_inline]] [[nodiscard]] std::size_t index_of(std::int64_t value) const noexcept {
    const auto bits = static_cast<std::uint64_t>(value);
    // Magnitude above the finest bucket; the bucket's own bits of the value; bucket 0 is twice as
    // long as the others, hence no special case for it.
    const unsigned shift = 63U ^ static_cast<unsigned>(std::countl_zero(bits | mask_));
    const unsigned drop = shift - half_magnitude_;
    return (std::size_t{drop - unit_magnitude_} << half_magnitude_) + (bits >> drop);
  }
  [[nodiscard]] std::int64_t lowest_of(std::size_t index) const noexcept;
  [[nodiscard]] std::int64_t highest_of(std::size_t index) const noexcept;
  [[nodiscard]] std::int64_t count_at(std::size_t index) const;

  // Keeps the counts in a few KiB instead of 8 B a bin, for histograms that are read a few times
  // and kept by the thousand. Every reader works as before, more slowly; recording and merging
  // into it unpack it.
  void pack();

  // HdrHistogram V2 compressed encoding, base64 ("HISTFAAA..."). Exact min, max and sum are not
  // part of that format: what decode() returns has them from its bins' edges and middles.
  [[nodiscard]] std::string encode() const;
  // It is packed. Errors: bad_experiment with the reason for anything that is not such a histogram.
  [[nodiscard]] static Result<LatencyHistogram> decode(std::string_view base64);

  // What the encoding leaves out.
  struct Exact {
    std::optional<std::int64_t> min;
    std::optional<std::int64_t> max;
    std::string sum;  // decimal; may exceed 64 bits
    std::int64_t out_of_range = 0;
  };
  [[nodiscard]] Exact exact() const;
  // Puts it back after decode(). Errors: bad_experiment when it contradicts the bins.
  [[nodiscard]] Result<void> restore(const Exact& exact);

  // Same layout, bins, out_of_range, min, max and sum; packed or not.
  friend bool operator==(const LatencyHistogram& a, const LatencyHistogram& b) {
    return a.layout_ == b.layout_ && a.min() == b.min() && a.max() == b.max() &&
           a.out_of_range_ == b.out_of_range_ && a.sum() == b.sum() &&
           a.packed_counts() == b.packed_counts();
  }

 private:
  // 6e9 samples of 10 s are 6e19 ns: beyond 64 bits.
  __extension__ using Sum = unsigned __int128;

  // The exact sum lies in several parts, by the value's last bits: a single one would make each
  // record wait for the store of the one before (5.2 against 3.9 cycles, x86-64-v3 at 2.3 GHz TSC).
  static constexpr std::size_t kSums = 8;

  struct WithoutCounts {};
  LatencyHistogram(HistogramLayout layout, WithoutCounts);

  [[nodiscard]] Sum sum() const;
  void set_sum(Sum sum);

  // The counts as HdrHistogram's V2 payload.
  [[nodiscard]] std::string packed_counts() const;
  // visit(index, count) for every bin that is not empty, in order, until it returns false.
  template <typename Visit>
  void each_bin(Visit visit) const;
  void unpack();

  // Takes value into [min, max]; false, after counting it, when it is out of range.
  bool widen(std::int64_t value, std::int64_t count) noexcept;
  [[nodiscard]] std::int64_t middle_of(std::size_t index) const noexcept;

  HistogramLayout layout_;
  unsigned unit_magnitude_ = 0;
  unsigned half_magnitude_ = 0;
  std::uint64_t mask_ = 0;
  std::vector<std::int64_t> counts_;  // empty while packed
  std::int64_t out_of_range_ = 0;
  std::int64_t min_ = std::numeric_limits<std::int64_t>::max();
  std::int64_t max_ = std::numeric_limits<std::int64_t>::min();
  std::array<std::uint64_t, kSums> sums_{};
  std::uint64_t sum_carries_ = 0;  // out of any part: 2^64 each
  std::size_t bins_ = 0;
  // While packed, min_ > max_ sends every recording to widen(), which unpacks.
  struct Packed {
    std::string counts;
    std::int64_t total = 0;
    std::int64_t min = 0;
    std::int64_t max = 0;
  };
  std::optional<Packed> packed_;
};

}  // namespace pollmark
