// What kept a trial from receiving more. Pure.
#pragma once

#include <string>

#include "trial/endpoints.h"

namespace pollmark {

struct Limit {
  // line, generator, core, stage, ring, kernel:<layer>, unknown; empty: nothing did, the load set
  // the rate
  std::string by;
  std::string why;  // one sentence with the numbers
};

// generator       the generator was short of what was intended, or at load "max" of the line
// line            offered at line rate (model; within 0.1 %) and nothing lost
// kernel:<layer>  the largest loss is the kernel's; <layer> is the fate without "kernel_"
// core, stage     frames missed a descriptor or a software ring (or p99 exceeds half of what the
//                 descriptors hold) while the busiest lcore was at work for >= 97 % of the time
//                 that no injected stall took from it; stage where the stage took half of its
//                 cycles or more. Where the stage's cycles were not measured: core
// ring            the same losses with a less busy lcore: stalls or bursts outran the descriptors
// unknown         anything else, an unmeasured busy fraction included. Losses that are no limit of
//                 rate (planted drops, corruption) are named there
[[nodiscard]] Limit limited_by(const TrialOrder& order, const SenderAccount& sender,
                               const ReceiverAccount& receiver, const Ledger& ledger,
                               double offered_tolerance = 0.001);

}  // namespace pollmark
