// Whether a cell carries a target: yes, no, or cannot tell, and how far it is from it.
//
// Every valid trial of the cell is evidence at its load, those of its searches too. Loss and
// latency are taken not to fall when the load rises. Hence in each block the least load from the
// target on speaks for it, and the greatest load up to the target against it; a load at the target
// does both. Which loads speak is fixed before any loss is looked at.
//
// A criterion is met when the 95 % interval of the median over blocks lies within what the target
// allows and, of losses, when the exact binomial limit over all their frames does too; it is broken
// when both lie outside. All else, and fewer than six blocks, cannot be told.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "judge/factor_table.h"
#include "record/target.h"

namespace pollmark {

// That load in frames per second, both directions together. frame_bytes: mean of the frames.
[[nodiscard]] double target_pps(const Target& target, double frame_bytes, int directions);
// "20 Gbps L2, frame imix, loss up to 1e-06, p99 up to 200 us, up to 4 cores"
[[nodiscard]] std::string target_text(const Target& target);
// Mean size of the frames that the trial offered, FCS included; nullopt when none was.
[[nodiscard]] std::optional<double> mean_frame_bytes(const TrialResult& trial);
// Whether the trial's frames are those that the target names; true when it names none.
[[nodiscard]] bool has_target_frames(const Target& target, const TrialResult& trial);
// Cores that the receiving side keeps: its lcores where it polls, else what it used; nullopt when
// neither is known.
[[nodiscard]] std::optional<double> receiving_cores(const TrialResult& trial);
// Frames per second that the trial was to offer, both directions together; 0 when it is not known.
[[nodiscard]] double load_of(const TrialResult& trial);

// One of them for each cell, in their order.
[[nodiscard]] TargetAnswer judge_target(const Target& target, Rigour rigour,
                                        const std::vector<JudgedCell>& cells);

}  // namespace pollmark
