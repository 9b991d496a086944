// What `plan -w` writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/error.h"
#include "plan/experiment.h"

namespace pollmark {

// Writes the first `packets` frames of the window of that cell's first trial (rig/frame_preview.h).
//   cell     number as printed, from 1; nullopt: the first that can run
//   returns  frames written
//   Errors: bad_experiment (no such cell, a refused one, `path` is the experiment or one of its
//   inputs), those of write_frames().
[[nodiscard]] Result<std::int64_t> write_planned_frames(const Plan& plan,
                                                        const std::filesystem::path& experiment,
                                                        std::optional<std::size_t> cell,
                                                        std::int64_t packets,
                                                        const std::filesystem::path& path);

}  // namespace pollmark
