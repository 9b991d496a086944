// What every generator in real time has in common.
#pragma once

#include <cstdint>

namespace pollmark {

// Debt that a late generator works off by sending back to back: slots older than this are given up
// and counted (tx_unsent). It bounds the burst that a stall of the generator sends at a receiver.
inline constexpr std::int64_t kCatchUpNs = 1'000'000;

}  // namespace pollmark
