// Per-flow sequence tracking in bounded memory (RFC 4737 reordering; sliding bitmap window).
// One writer: the receiving lcore. noexcept, no allocation after construction.
#pragma once

#include <cstdint>
#include <vector>

namespace pollmark {

enum class Arrival : std::uint8_t { in_order, reordered, duplicate, stale };

struct TrackerTotals {
  std::int64_t unique = 0;
  std::int64_t duplicate = 0;
  std::int64_t reordered = 0;   // unique, but after a later one (RFC 4737: s < NextExp)
  std::int64_t stale = 0;       // further back than the window: duplicate or extremely late
  std::int64_t lost = 0;        // left the window without having arrived; final after finish()
  std::int64_t gaps = 0;        // times the sequence jumped forward
  std::int64_t loss_runs = 0;   // runs of consecutive lost numbers; final after finish()
  std::int64_t longest_loss_run = 0;
  TrackerTotals& operator+=(const TrackerTotals&);
};

// Flows 0..flows-1, each with its own 32-bit sequence from 0 (wraps).
class SequenceTracker {
 public:
  // window: power of two, 64..1024. Memory: flows x (64-byte multiple around 16 + window / 8).
  explicit SequenceTracker(std::uint32_t flows, std::uint32_t window = 256);

  // flow must be below flows().
  Arrival record(std::uint32_t flow, std::uint32_t sequence) noexcept;
  // Closes every flow against the number of frames sent on it: what is missing inside or behind the
  // window becomes lost. sent[flow]: frames offered.
  void finish(const std::vector<std::uint32_t>& sent);

  [[nodiscard]] const TrackerTotals& totals() const { return totals_; }
  [[nodiscard]] std::uint32_t flows() const { return flows_; }
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  // Layout and meaning: see sequence_tracker.cc.
  struct Flow;
  std::uint32_t flows_;
  std::uint32_t window_;
  std::vector<std::uint64_t> state_;
  TrackerTotals totals_;
};

}  // namespace pollmark
