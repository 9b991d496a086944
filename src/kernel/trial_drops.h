// The watch on the kernel's drop reasons in the two namespaces of one trial. Both of its ways share
// it: a packet is counted once.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "host/drop_reasons.h"
#include "host/netns.h"
#include "kernel/drop_ledger.h"
#include "record/trial_order.h"

namespace pollmark {

struct TrialDrops {
  // Since the start; empty: nothing is watched. Control threads, one at a time.
  std::function<Result<DropReading>()> read;
  DropSource source = DropSource::bpf;
  // For the trial's not_checked: what this host or the order withholds; empty: nothing.
  std::string not_watched;
  WayNamespaces there;     // of the way there; of the way back they are exchanged
  bool both_ways = false;  // frames of two ways die in them
};

// By BPF, else by tracefs (host/drop_reasons.h); nullptr where the path is not one to watch. The
// program is loaded in a tenth of a second and counts as long as the pointer lives; the places are
// needed at the start alone. What cannot be had is no error.
[[nodiscard]] std::shared_ptr<const TrialDrops> watch_trial_drops(const TrialOrder& order,
                                                                  const NetdevPlace& sender,
                                                                  const NetdevPlace& receiver);

}  // namespace pollmark
