// By how much one sample lies above another: Hodges-Lehmann's estimate with the exact interval and
// p of the rank test that belongs to it. No distribution is assumed; a paired test asks only that
// the differences would be symmetric if nothing differed, which exchanging the two sides ensures.
#pragma once

#include <optional>
#include <vector>

#include "judge/interval.h"
#include "judge/order_statistics.h"

namespace pollmark {

struct Shift {
  double estimate = 0.0;
  std::optional<Interval> interval;     // coverage >= 0.95; nullopt where none is finite
  std::optional<Interval> interval_90;  // >= 0.90: equivalence by two one-sided tests at 0.05
  double p = 1.0;                       // two-sided; of no shift
  int values = 0;                       // pairs, or those of the smaller sample
};

// Paired, by Wilcoxon's signed ranks. estimate: median of the Walsh averages (d_i + d_j) / 2,
// i <= j. p: exact up to 50 non-zero differences (zeros are dropped, ties have mid-ranks, all sign
// flips are counted), beyond that normal with continuity correction.
// differences: not empty, finite.
[[nodiscard]] Shift paired_shift(const std::vector<double>& differences);
// Rank k of that interval: [W(k), W(M + 1 - k)] of the M sorted Walsh averages of n differences,
// k = #{t : P(T+ <= t) <= (1 - coverage) / 2}; nullopt when k would be 0 (n < 6 for 0.95).
[[nodiscard]] std::optional<SymmetricRank> walsh_rank(int n, double coverage = 0.95);

// Unpaired, by Mann and Whitney: how far `to` lies above `from`. estimate: median of all
// differences to_j - from_i. p and interval: exact up to 20 values a side, beyond that normal (with
// ties and continuity). Both not empty, finite.
[[nodiscard]] Shift unpaired_shift(const std::vector<double>& from, const std::vector<double>& to);
// U of `from`: pairs in which from_i > to_j, ties counted half.
[[nodiscard]] double mann_whitney_u(const std::vector<double>& from, const std::vector<double>& to);

// Two one-sided tests at 0.05: the 90 % interval lies within [-margin, margin].
[[nodiscard]] bool is_equivalent(const Shift& shift, double margin);

}  // namespace pollmark
