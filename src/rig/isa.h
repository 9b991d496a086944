// Which compilation of the hot code this process runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "datapath/hot_level.h"

namespace pollmark {

// Levels that this CPU (and its kernel) can run, best first; never empty on a supported host.
[[nodiscard]] std::vector<const HotLevel*> runnable_hot_levels();
// The level of that name.
//   Errors: bad_experiment for another name than v2, v3, v4; host_cannot when the CPU lacks it.
[[nodiscard]] Result<const HotLevel*> hot_level_named(std::string_view name);
// Chosen once per process: POLLMARK_ISA if set, else the best that runs here. A level whose GFNI
// hash disagrees with the Microsoft verification vectors is not taken.
//   Errors: as hot_level_named; host_cannot on a CPU below x86-64-v2.
[[nodiscard]] Result<const HotLevel*> chosen_hot_level();

// Whether this CPU has the instruction.
[[nodiscard]] bool has_cldemote();
[[nodiscard]] bool has_clflushopt();

}  // namespace pollmark
