// A trial on the model link carried out through its two ends, and its books looked at.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>

#include "base/error.h"
#include "record/fate.h"
#include "rig/model_ends.h"

namespace pollmark {

struct Outcome {
  SenderAccount sender;
  ReceiverAccount receiver;
  CounterSnapshot truth;

  [[nodiscard]] std::int64_t fate(Fate which) const {
    const auto found = receiver.fates.find(which);
    return found == receiver.fates.end() ? 0 : found->second;
  }
  [[nodiscard]] std::int64_t losses() const {
    std::int64_t sum = 0;
    for (const auto& [which, pkts] : receiver.fates)
      if (fate_kind(which) == FateKind::loss) sum += pkts;
    return sum;
  }
  [[nodiscard]] std::int64_t unaccounted() const {
    return sender.offered_pkts - receiver.received_pkts - losses();
  }
  [[nodiscard]] std::int64_t injected(const std::string& what) const {
    return static_cast<std::int64_t>(truth.values.at("model." + what));
  }
};

inline Result<Outcome> carry_out(Result<Ends> made) {
  PM_TRY(Ends ends, std::move(made));
  PM_TRYV(ends.receiver->open());
  PM_TRYV(ends.sender->open());
  PM_TRYV(ends.receiver->start());
  PM_TRYV(ends.sender->start());
  Outcome outcome;
  PM_TRY(outcome.sender, ends.sender->join());
  PM_TRYV(ends.receiver->drain(0, 10'000'000'000));
  PM_TRY(outcome.receiver, ends.receiver->stop(outcome.sender.sent_per_flow));
  PM_TRY(outcome.truth, ends.sender->read_counters());
  return outcome;
}

inline Result<Outcome> run(const TrialOrder& order) { return carry_out(make_model_ends(order)); }

// A hundred thousand frames in a hundredth of a second.
inline TrialOrder small_order() {
  TrialOrder order;
  order.seconds = 0.01;
  order.warmup_seconds = 0.001;
  order.traffic.intended_pps = 10e6;
  return order;
}

// A sanitizer makes the core ten times slower and more.
#ifdef __SANITIZE_ADDRESS__
inline constexpr int kStretch = 50;
#else
inline constexpr int kStretch = 1;
#endif

// The same frames in kStretch times the time, for a core that must keep up.
inline TrialOrder stretched(TrialOrder order) {
  order.seconds *= kStretch;
  order.warmup_seconds *= kStretch;
  order.traffic.intended_pps /= kStretch;
  order.model.stalls.every_ns *= kStretch;
  order.model.stalls.for_ns *= kStretch;
  order.planted_stop_ns *= kStretch;
  return order;
}

// What is open in the books; empty when nothing is.
inline std::string open_books(const Outcome& outcome) {
  if (outcome.unaccounted() != 0) return fmt::format("unaccounted {}", outcome.unaccounted());
  if (!outcome.receiver.tracker) return "untracked";
  const TrackerTotals& tracker = *outcome.receiver.tracker;
  if (tracker.unique != outcome.receiver.received_pkts)
    return fmt::format("tracker unique {} received {}", tracker.unique,
                       outcome.receiver.received_pkts);
  if (tracker.lost != outcome.losses())
    return fmt::format("tracker lost {} losses {}", tracker.lost, outcome.losses());
  if (tracker.stale != 0) return fmt::format("stale {}", tracker.stale);
  if (outcome.sender.intended_pkts != outcome.sender.offered_pkts + outcome.sender.tx_unsent_pkts)
    return "intended";
  std::int64_t sent = 0;
  for (const std::uint32_t frames : outcome.sender.sent_per_flow) sent += frames;
  if (sent != outcome.sender.offered_pkts) return "sent_per_flow";
  return "";
}

// What was injected, by the link's own count, against the receiver's ledger.
inline std::string wrong_names(const Outcome& outcome, const TrialOrder& order) {
  const auto differs = [&](Fate fate, const char* truth) {
    return outcome.fate(fate) != outcome.injected(truth);
  };
  if (differs(Fate::link_dropped, "injected_drop")) return "drop";
  if (differs(Fate::duplicate, "injected_duplicate")) return "duplicate";
  const bool looks =
      order.receiver.stage == StageKind::checksum || !order.receiver.rx_offloads.empty();
  if (looks && order.receiver.workers == 0 && differs(Fate::corrupt, "injected_corrupt"))
    return "corrupt";
  if (!looks && outcome.fate(Fate::corrupt) != 0) return "corrupt, unseen";
  if (outcome.receiver.tracker->reordered != outcome.injected("overtaken")) return "overtaken";
  return "";
}

}  // namespace pollmark
