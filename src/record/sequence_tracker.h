// Per-flow sequence tracking in bounded memory (RFC 4737 reordering; sliding bitmap window).
// One writer: the receiving lcore. noexcept, no allocation after construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace pollmark {

enum class Arrival : std::uint8_t { in_order, reordered, duplicate, stale };

struct TrackerTotals {
  std::int64_t unique = 0;
  std::int64_t duplicate = 0;
  std::int64_t reordered = 0;  // unique, but after a later one (RFC 4737: s < NextExp)
  std::int64_t stale = 0;      // further back than the window: duplicate or extremely late
  std::int64_t lost = 0;       // left the window without having arrived; final after finish()
  std::int64_t gaps = 0;       // times the sequence jumped forward
  std::int64_t loss_runs = 0;  // runs of consecutive lost numbers; final after finish()
  std::int64_t longest_loss_run = 0;
  TrackerTotals& operator+=(const TrackerTotals&);
};

// Flows 0..flows-1, each with its own 32-bit sequence from 0 (wraps).
//
// Every flow has the next expected number and one bit for each of the `window` numbers before it.
// The number of unset bits (holes) shares a word with the next number: a flow without holes that
// gets the number it waits for costs one compare and touches one cache line.
class SequenceTracker {
 public:
  // window: power of two, 64..1024. Memory: flows x (64-byte multiple around 16 + window / 8).
  explicit SequenceTracker(std::uint32_t flows, std::uint32_t window = 256);

  // flow must be below flows(). Always inlined: loops built for different ISA levels must not share
  // one copy of it.
  [[gnu::always_inline]] Arrival record(std::uint32_t flow, std::uint32_t sequence) noexcept {
    std::uint64_t& next_and_holes = lines_[std::size_t{flow} * lines_per_flow_].words[0];
    if (next_and_holes == sequence) [[likely]] {
      next_and_holes = sequence + 1U;  // wraps in 32 bits; no holes
      ++totals_.unique;
      return Arrival::in_order;
    }
    return record_unexpected(flow, sequence);
  }
  // The same for a caller that counts: true for the number that the flow waits for, whose count is
  // add_in_order()'s; false where nothing was done, and record() must be asked. Keeps the sum out
  // of memory, where each frame would wait for the store of the one before.
  [[gnu::always_inline]] bool follows(std::uint32_t flow, std::uint32_t sequence) noexcept {
    std::uint64_t& next_and_holes = lines_[std::size_t{flow} * lines_per_flow_].words[0];
    if (next_and_holes != sequence) [[unlikely]]
      return false;
    next_and_holes = sequence + 1U;
    return true;
  }
  [[gnu::always_inline]] void add_in_order(std::int64_t numbers) noexcept {
    totals_.unique += numbers;
  }
  // Fetches a flow's state ahead of its record. Any number will do: one that is no flow is not
  // read.
  [[gnu::always_inline]] void prefetch(std::uint32_t flow) const noexcept {
    __builtin_prefetch(lines_.data() + std::size_t{flow} * lines_per_flow_, 1);
  }
  // Closes every flow against the number of frames sent on it: what is missing inside or behind the
  // window becomes lost. sent[flow]: frames offered, modulo 2^32; flows beyond its end were not
  // offered anything. Afterwards unique + lost equals the sum of sent (each flow modulo 2^32), as
  // long as nothing arrived that was not sent. Once only; nothing may be recorded afterwards.
  void finish(const std::vector<std::uint32_t>& sent);

  // Whether a number of the flow was recorded: until 2^32 have been, in a row.
  [[nodiscard]] bool has_seen(std::uint32_t flow) const {
    return lines_[std::size_t{flow} * lines_per_flow_].words[0] != 0;
  }

  [[nodiscard]] const TrackerTotals& totals() const { return totals_; }
  [[nodiscard]] std::uint32_t flows() const { return flows_; }
  [[nodiscard]] std::size_t memory_bytes() const { return lines_.size() * sizeof(Line); }

 private:
  // words[0] of a flow: next expected number, holes << 32. words[1]: lost numbers in a row just
  // before the window. words[2..]: bit (s % window) is set when s, of the last `window` numbers
  // before the next one, has arrived. The numbers before 0 count as arrived.
  struct alignas(64) Line {
    std::uint64_t words[8];
  };

  Arrival record_unexpected(std::uint32_t flow, std::uint32_t sequence) noexcept;
  void advance(std::uint64_t* words, std::uint64_t numbers) noexcept;
  void lose(std::uint64_t* words, std::uint64_t numbers) noexcept;

  std::uint32_t flows_;
  std::uint32_t window_;
  std::size_t lines_per_flow_;
  std::vector<Line> lines_;
  TrackerTotals totals_;
};

// Finishes the trackers of several receiving threads, each of which got all frames of some of the
// flows, and sums them up. All have as many flows. sent: as of finish(); empty: they are not
// finished. nullopt: frames of one flow came to several threads, so that no tracker can tell what
// is missing of it; none was finished.
[[nodiscard]] std::optional<TrackerTotals> finish_together(
    std::span<SequenceTracker* const> trackers, const std::vector<std::uint32_t>& sent);

}  // namespace pollmark
