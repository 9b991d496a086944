// Closing the books: the sender's account, the receiver's fates and the counters that others keep
// become the ledger of one stream. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "trial/endpoints.h"

namespace pollmark {

struct ClosedBooks {
  StreamAccount stream;
  std::optional<ClosedLoopAccount> closed_loop;  // then the stream stays empty
  std::vector<std::string> echo_doubts;          // sentences of CounterBooks::charge
  // Why the two accounts contradict themselves, whatever the ledger's sum says: one sentence each.
  std::vector<std::string> contradictions;
};

// books may be null. The receiver's fates must be losses and extras; anything else, a fate below
// zero, per-queue counts that do not add up to the stream's, and a sender whose intended is not
// offered + tx_unsent are contradictions, never repaired.
[[nodiscard]] ClosedBooks close_books(const TrialOrder& order, const SenderAccount& sender,
                                      const ReceiverAccount& receiver,
                                      const std::map<std::string, CounterChange>& changes,
                                      const CounterBooks* books);

}  // namespace pollmark
