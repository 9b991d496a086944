// What the tests over a veth pair ask of the books, however much the host disturbed the trial.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "record/trial_result.h"

namespace pollmark {

using Losses = std::map<std::string, std::int64_t>;
inline Losses losses_of(const TrialResult& result) {
  Losses losses;
  for (const Fate fate : all_fates()) {
    if (fate_kind(fate) != FateKind::loss) continue;
    if (const auto pkts = result.ledger().pkts_or_zero(fate); pkts != 0) {
      losses[std::string(fate_name(fate))] = pkts;
    }
  }
  return losses;
}

inline bool has_reason(const TrialResult& result, std::string_view code) {
  for (const auto& reason : result.invalid_reasons) {
    if (reason.starts_with(code)) return true;
  }
  return false;
}

// The books are closed, the echoes agree, and the sequence numbers say the same.
inline void expect_books_closed(const TrialResult& result) {
  EXPECT_EQ(result.ledger().unaccounted_pkts(), 0);
  for (const auto& reason : result.invalid_reasons) {
    for (const char* code : {"books_open", "tracker_disagrees", "echo_disagrees"}) {
      EXPECT_FALSE(reason.starts_with(code)) << reason;
    }
  }
}

}  // namespace pollmark
