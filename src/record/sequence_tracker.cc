#include "record/sequence_tracker.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace pollmark {

namespace {

constexpr std::size_t kHeaderWords = 2;
constexpr std::uint64_t kAll = ~std::uint64_t{0};

std::uint32_t next_of(const std::uint64_t* words) { return static_cast<std::uint32_t>(words[0]); }
std::uint64_t holes_of(const std::uint64_t* words) { return words[0] >> 32; }
void set_header(std::uint64_t* words, std::uint32_t next, std::uint64_t holes) {
  words[0] = holes << 32 | next;
  // Without holes the number that leaves the window next has arrived: a run of losses ends there.
  if (holes == 0) words[1] = 0;
}

}  // namespace

TrackerTotals& TrackerTotals::operator+=(const TrackerTotals& other) {
  unique += other.unique;
  duplicate += other.duplicate;
  reordered += other.reordered;
  stale += other.stale;
  lost += other.lost;
  gaps += other.gaps;
  loss_runs += other.loss_runs;
  longest_loss_run = std::max(longest_loss_run, other.longest_loss_run);
  return *this;
}

SequenceTracker::SequenceTracker(std::uint32_t flows, std::uint32_t window)
    : flows_(flows),
      window_(window),
      lines_per_flow_((8 * kHeaderWords + window / 8 + sizeof(Line) - 1) / sizeof(Line)) {
  PM_CHECK(std::has_single_bit(window) && window >= 64 && window <= 1024);
  lines_.resize(std::size_t{flows} * lines_per_flow_);
  for (std::size_t flow = 0; flow < flows; ++flow) {
    std::uint64_t* words = lines_[flow * lines_per_flow_].words;
    std::fill_n(words + kHeaderWords, window / 64, kAll);
  }
}

// `numbers` in a row, the next to leave the window, never arrived.
void SequenceTracker::lose(std::uint64_t* words, std::uint64_t numbers) noexcept {
  if (numbers == 0) return;
  if (words[1] == 0) ++totals_.loss_runs;
  words[1] += numbers;
  totals_.lost += static_cast<std::int64_t>(numbers);
  totals_.longest_loss_run =
      std::max(totals_.longest_loss_run, static_cast<std::int64_t>(words[1]));
}

// Moves the window on by `numbers`, all of which enter as not arrived.
void SequenceTracker::advance(std::uint64_t* words, std::uint64_t numbers) noexcept {
  std::uint64_t* bitmap = words + kHeaderWords;
  std::uint32_t next = next_of(words);
  std::uint64_t holes = holes_of(words);
  const std::uint64_t through_window = std::min<std::uint64_t>(numbers, window_);
  for (std::uint64_t left = through_window; left > 0;) {
    const std::uint32_t slot = next & (window_ - 1);
    const std::uint32_t shift = slot & 63U;
    const auto chunk = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, 64 - shift));
    const std::uint64_t mask = (kAll >> (64 - chunk)) << shift;
    std::uint64_t& word = bitmap[slot / 64];
    const std::uint64_t arrived = word & mask;
    if (arrived == mask) {
      words[1] = 0;
    } else if (arrived == 0) {
      lose(words, chunk);
    } else {
      for (std::uint32_t bit = shift; bit < shift + chunk; ++bit) {
        if ((word >> bit & 1U) != 0) {
          words[1] = 0;
        } else {
          lose(words, 1);
        }
      }
    }
    word &= ~mask;
    holes += static_cast<std::uint64_t>(std::popcount(arrived));
    next += chunk;
    left -= chunk;
  }
  lose(words, numbers - through_window);
  next += static_cast<std::uint32_t>(numbers - through_window);
  words[0] = holes << 32 | next;
}

Arrival SequenceTracker::record_unexpected(std::uint32_t flow, std::uint32_t sequence) noexcept {
  std::uint64_t* words = lines_[std::size_t{flow} * lines_per_flow_].words;
  const std::uint32_t next = next_of(words);
  const std::uint32_t ahead = sequence - next;
  const std::uint32_t slot = sequence & (window_ - 1);
  std::uint64_t& word = words[kHeaderWords + slot / 64];
  const std::uint64_t bit = std::uint64_t{1} << (slot & 63U);

  if (ahead < 0x80000000U) {
    if (ahead > 0) ++totals_.gaps;
    // The common case under steady loss: in order, and the number that leaves has arrived.
    if (ahead == 0 && (word & bit) != 0) {
      words[1] = 0;
      words[0] = holes_of(words) << 32 | (sequence + 1U);
    } else {
      advance(words, std::uint64_t{ahead} + 1);
      word |= bit;
      set_header(words, sequence + 1U, holes_of(words) - 1);
    }
    ++totals_.unique;
    return Arrival::in_order;
  }

  const std::uint32_t behind = next - sequence;
  if (behind > window_) {
    ++totals_.stale;
    return Arrival::stale;
  }
  if ((word & bit) != 0) {
    ++totals_.duplicate;
    return Arrival::duplicate;
  }
  word |= bit;
  set_header(words, next, holes_of(words) - 1);
  ++totals_.unique;
  ++totals_.reordered;
  return Arrival::reordered;
}

void SequenceTracker::finish(const std::vector<std::uint32_t>& sent) {
  for (std::uint32_t flow = 0; flow < flows_; ++flow) {
    std::uint64_t* words = lines_[std::size_t{flow} * lines_per_flow_].words;
    const std::uint32_t flow_sent = flow < sent.size() ? sent[flow] : 0;
    const std::uint32_t tail = flow_sent - next_of(words);
    // Beyond half the circle it is the other way round: more arrived than was sent.
    if (tail < 0x80000000U) advance(words, tail);
    advance(words, window_);
    set_header(words, flow_sent, 0);
  }
}

std::optional<TrackerTotals> finish_together(std::span<SequenceTracker* const> trackers,
                                             const std::vector<std::uint32_t>& sent) {
  PM_CHECK(!trackers.empty());
  const std::size_t flows = trackers.front()->flows();
  // A flow of which nothing came is as good the first's as anybody's.
  std::vector<std::size_t> whose(flows, 0);
  for (std::uint32_t flow = 0; flow < flows; ++flow) {
    int seen_by = 0;
    for (std::size_t i = 0; i < trackers.size(); ++i) {
      if (!trackers[i]->has_seen(flow)) continue;
      whose[flow] = i;
      ++seen_by;
    }
    if (seen_by > 1) return std::nullopt;
  }
  TrackerTotals totals;
  for (std::size_t i = 0; i < trackers.size(); ++i) {
    if (!sent.empty()) {
      std::vector<std::uint32_t> own(flows, 0);
      for (std::size_t flow = 0; flow < std::min(flows, sent.size()); ++flow) {
        if (whose[flow] == i) own[flow] = sent[flow];
      }
      trackers[i]->finish(own);
    }
    totals += trackers[i]->totals();
  }
  return totals;
}

}  // namespace pollmark
