// What a number of blocks can show, before and after they are run.
#pragma once

#include <optional>
#include <vector>

namespace pollmark {

inline constexpr int kFewestBlocks = 6;  // below: no finite 95 % interval, no verdict
inline constexpr double kAlpha = 0.05;

// The shift that n paired blocks detect in 4 of 5 campaigns at two-sided level alpha, in units of
// the standard deviation of a block's difference (normal noise). nullopt below six blocks, and
// where no outcome of n blocks could reach alpha (2 / 2^n > alpha).
// From 20 000 simulated campaigns for each n of 6..20; beyond, and for other alpha, in proportion
// to (z(1 - alpha / 2) + z(0.8)) sqrt(1.047 / (n - 2)).
[[nodiscard]] std::optional<double> detectable_units(int n, double alpha = kAlpha);

// Blocks, an even number >= 6, that detect `effect` in 4 of 5 campaigns at level alpha, and show
// equivalence within it as often when there is none. effect > 0; spread: standard deviation of a
// block's difference, >= 0.
[[nodiscard]] int blocks_needed(double spread, double effect, double alpha = kAlpha);

// 1.4826 MAD, which a few wild blocks do not move; the standard deviation where the MAD is 0.
// values: not empty.
[[nodiscard]] double robust_spread(const std::vector<double>& values);

}  // namespace pollmark
