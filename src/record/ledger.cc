#include "record/ledger.h"

#include <algorithm>

namespace pollmark {

namespace {

std::size_t index_of(Fate fate) { return static_cast<std::size_t>(fate); }

}  // namespace

void Ledger::add(Fate fate, std::int64_t pkts) {
  std::optional<std::int64_t>& entry = fates_[index_of(fate)];
  entry = entry.value_or(0) + pkts;
}

std::optional<std::int64_t> Ledger::pkts(Fate fate) const { return fates_[index_of(fate)]; }

std::int64_t Ledger::intended_pkts() const { return offered_pkts_ + pkts_or_zero(Fate::tx_unsent); }

std::int64_t Ledger::lost_pkts() const {
  std::int64_t sum = 0;
  for (const Fate fate : all_fates()) {
    if (fate_kind(fate) == FateKind::loss) sum += pkts_or_zero(fate);
  }
  return sum;
}

std::int64_t Ledger::unaccounted_pkts() const {
  return offered_pkts_ - pkts_or_zero(Fate::received) - lost_pkts();
}

bool Ledger::closes(std::int64_t tolerance_pkts) const {
  const std::int64_t open = unaccounted_pkts();
  return -tolerance_pkts <= open && open <= tolerance_pkts;
}

std::optional<double> Ledger::loss_ratio() const {
  const std::optional<std::int64_t> received = pkts(Fate::received);
  if (offered_pkts_ <= 0 || !received) return std::nullopt;
  return static_cast<double>(offered_pkts_ - *received) / static_cast<double>(offered_pkts_);
}

Ledger& Ledger::operator+=(const Ledger& other) {
  const auto blank = [](const Ledger& books) {
    return books.offered_pkts_ == 0 &&
           std::none_of(books.fates_.begin(), books.fates_.end(),
                        [](const std::optional<std::int64_t>& entry) { return entry.has_value(); });
  };
  if (blank(other)) return *this;
  if (blank(*this)) return *this = other;
  for (std::size_t i = 0; i < kFateCount; ++i) {
    if (fates_[i] && other.fates_[i]) {
      fates_[i] = *fates_[i] + *other.fates_[i];
    } else {
      fates_[i].reset();
    }
  }
  offered_pkts_ += other.offered_pkts_;
  return *this;
}

}  // namespace pollmark
