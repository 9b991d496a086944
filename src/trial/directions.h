// Two one-way results side by side as the result of one trial. Pure.
#pragma once

#include "record/trial_result.h"

namespace pollmark {

// order: the trial's, with direction = both. there, back: of directions_of(order), over the same
// time; both ran.
//
// Packets, rates and cores add up; what only one way tells is nullopt. cycles_per_pkt is per frame
// of both ways, busy_fraction that of the busiest lcore, a histogram that of all frames; of the
// generators the one that kept its schedule worse, of a knob the less certain state. Limited by
// what limits the way that lost the larger share. Counters of the way back are named "back.<name>",
// its lcores "back <role>"; reasons say which way they are about, unless they are about both.
[[nodiscard]] TrialResult joined(const TrialOrder& order, TrialResult there, TrialResult back);

}  // namespace pollmark
