// Drivers whose counters tell what happened up to a second ago (bnxt: its NIC writes them into
// memory every stats-block-usecs, 1 s unless set; ixgbe: a timer reads them).
#pragma once

#include <chrono>
#include <memory>

#include "trial/endpoints.h"

namespace pollmark {

inline constexpr std::chrono::milliseconds kDriversLateness{1250};

// The receiver, ready or stopped so much later: what came before the trial is told before its first
// reading of the counters, and what came in it before the last.
[[nodiscard]] std::unique_ptr<Receiver> with_late_counters(
    std::unique_ptr<Receiver> receiver, std::chrono::milliseconds lateness = kDriversLateness);

}  // namespace pollmark
