// Does the instrument find what was planted? Each fault is injected at its place on the model (or
// in the veth lab) and must be found to the packet under its right name; the truth comes from the
// injector's own counters, not from the ledger.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"

namespace pollmark {

// Each kind of fault gets a sixth of the packets, and one in a thousand of those is planted.
inline constexpr std::int64_t kSelftestLeastPackets = 100'000;

struct SelftestOrder {
  std::int64_t packets = 2'000'000;  // over all fault kinds together; kSelftestLeastPackets or more
  bool kernel = true;                // the veth lab too
  bool figures = false;              // stall law, ring cost and repeatability as well
};

struct Finding {
  enum class Verdict { found, missed, skipped, figure };
  std::string name;  // "drop", "ring too small", ...
  Verdict verdict = Verdict::missed;
  std::string detail;  // the numbers, or the named reason for a skip
};

// `tell` gets each finding as soon as it stands. Errors: the trial process could not be started,
// a stop signal.
[[nodiscard]] Result<std::vector<Finding>> run_selftest(
    const SelftestOrder& order, const std::function<void(const Finding&)>& tell);

}  // namespace pollmark
