// The histogram that hot loops write: 256 steps per octave of ticks (a bin is at most 0.4 % wide),
// turned into a LatencyHistogram of ns after the loops have joined.
#pragma once

#include <cstdint>
#include <cstring>

#include "datapath/clock.h"
#include "datapath/isa_level.h"

namespace pollmark {

inline constexpr std::uint32_t kLatencyStepBits = 8;
inline constexpr std::uint32_t kLatencyTopBit = 40;  // ticks of 2^40 and more share the last bin
inline constexpr std::uint32_t kLatencyBins =
    ((kLatencyTopBit - kLatencyStepBits - 1) << kLatencyStepBits) + (2U << kLatencyStepBits);

// Neighbours of a burst fall into the same bin, where each would wait for the store of the one
// before: they count in tables of their own.
inline constexpr std::uint32_t kLatencyTables = 4;
inline constexpr std::uint32_t kLatencyCounts = kLatencyTables * kLatencyBins;

inline constexpr std::uint32_t kMostRecorded = 64;  // of one record_burst()

// written by: one lcore; read by: control after join
struct LatencyTally {
  std::uint32_t* counts = nullptr;   // [table][bin]; 32 bits, to lie in few cache lines
  std::uint64_t* spilled = nullptr;  // [kLatencyBins]; what counts held before it could wrap
  std::uint64_t since_spill = 0;
  Ticks min = kNever;
  Ticks max = 0;
};

inline namespace PM_ISA_LEVEL {

[[gnu::always_inline]] inline std::uint32_t latency_bin(Ticks ticks) noexcept {
  const std::uint32_t octave =
      63U - kLatencyStepBits -
      static_cast<std::uint32_t>(__builtin_clzll(ticks | ((Ticks{2} << kLatencyStepBits) - 1)));
  const auto bin = (octave << kLatencyStepBits) + static_cast<std::uint32_t>(ticks >> octave);
  return ticks >> kLatencyTopBit != 0 ? kLatencyBins - 1 : bin;
}

// Lowest ticks of a bin; the bin reaches to the next one's lowest.
[[gnu::always_inline]] inline Ticks latency_bin_lowest(std::uint32_t bin) noexcept {
  if (bin < (2U << kLatencyStepBits)) return bin;
  const std::uint32_t octave = (bin >> kLatencyStepBits) - 1;
  return static_cast<Ticks>(bin - (octave << kLatencyStepBits)) << octave;
}

[[gnu::always_inline]] inline void record(LatencyTally& tally, Ticks ticks) noexcept {
  ++tally.counts[latency_bin(ticks)];
  tally.min = ticks < tally.min ? ticks : tally.min;
  tally.max = ticks > tally.max ? ticks : tally.max;
}

// With the number recorded since the last call, now and then: keeps the 32-bit counts from
// wrapping.
[[gnu::always_inline]] inline void keep_from_wrapping(LatencyTally& tally,
                                                      std::uint32_t recorded) noexcept {
  tally.since_spill += recorded;
  if (tally.since_spill < 0x80000000U) [[likely]]
    return;
  for (std::uint32_t at = 0; at < kLatencyCounts; ++at) {
    tally.spilled[at % kLatencyBins] += tally.counts[at];
    tally.counts[at] = 0;
  }
  tally.since_spill = 0;
}

// A burst: frames that came, or were done, at `at`, and had been stamped at stamped_at[0..count).
// Bins first, then counts: the arithmetic is done in vectors.
[[gnu::always_inline]] inline void record_burst(LatencyTally& tally, const Ticks* stamped_at,
                                                std::uint32_t count, Ticks at) noexcept {
  std::uint32_t bins[kMostRecorded];
  Ticks min = tally.min;
  Ticks max = tally.max;
  for (std::uint32_t i = 0; i < count; ++i) {
    const Ticks ticks = at - stamped_at[i];
    min = ticks < min ? ticks : min;
    max = ticks > max ? ticks : max;
    bins[i] = latency_bin(ticks);
  }
  std::uint32_t counted = 0;
  for (; counted + kLatencyTables <= count; counted += kLatencyTables)
    for (std::uint32_t table = 0; table < kLatencyTables; ++table)
      ++tally.counts[table * kLatencyBins + bins[counted + table]];
  for (; counted < count; ++counted) ++tally.counts[bins[counted]];
  tally.min = min;
  tally.max = max;
  keep_from_wrapping(tally, count);
}

// What the tally holds in that bin.
[[nodiscard]] inline std::uint64_t recorded_in(const LatencyTally& tally,
                                               std::uint32_t bin) noexcept {
  std::uint64_t count = tally.spilled[bin];
  for (std::uint32_t table = 0; table < kLatencyTables; ++table)
    count += tally.counts[table * kLatencyBins + bin];
  return count;
}

inline void forget(LatencyTally& tally) noexcept {
  std::memset(tally.counts, 0, kLatencyCounts * sizeof *tally.counts);
  std::memset(tally.spilled, 0, kLatencyBins * sizeof *tally.spilled);
  tally.since_spill = 0;
  tally.min = kNever;
  tally.max = 0;
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
