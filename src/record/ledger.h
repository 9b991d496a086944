// The books of one stream of one trial, in packets (wire frames).
//
//   intended = offered + tx_unsent
//   offered  = received + sum(losses) + unaccounted
// Extras (duplicate, foreign, late) stand outside the sum. A fate that nobody counted is absent
// (nullopt), not zero; it contributes nothing to the sum, so what it hides stays in unaccounted.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "record/fate.h"

namespace pollmark {

class Ledger {
 public:
  // Adds pkts (any sign; counters may need correcting) and marks the fate as measured.
  void add(Fate fate, std::int64_t pkts);
  // Marks the fate as measured, with at least zero.
  void measured(Fate fate) { add(fate, 0); }
  // Frames accepted by the transmit side, after its drain.
  void set_offered(std::int64_t pkts) { offered_pkts_ = pkts; }

  [[nodiscard]] std::optional<std::int64_t> pkts(Fate fate) const;
  [[nodiscard]] std::int64_t pkts_or_zero(Fate fate) const { return pkts(fate).value_or(0); }
  [[nodiscard]] std::int64_t offered_pkts() const { return offered_pkts_; }
  [[nodiscard]] std::int64_t intended_pkts() const;
  [[nodiscard]] std::int64_t lost_pkts() const;  // sum of the measured losses
  [[nodiscard]] std::int64_t unaccounted_pkts() const;
  // |unaccounted| <= tolerance. Negative unaccounted is double counting: open books too.
  [[nodiscard]] bool closes(std::int64_t tolerance_pkts = 0) const;
  // (offered - received) / offered; nullopt when nothing was offered.
  [[nodiscard]] std::optional<double> loss_ratio() const;

  // Sums books of the same kind (queues into a stream, streams into a trial). A fate is measured in
  // the sum only when it is measured on both sides or the other side offered nothing and has no
  // fates at all.
  Ledger& operator+=(const Ledger& other);
  friend bool operator==(const Ledger&, const Ledger&) = default;

 private:
  std::array<std::optional<std::int64_t>, kFateCount> fates_{};
  std::int64_t offered_pkts_ = 0;
};

}  // namespace pollmark
