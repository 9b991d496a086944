// A target as written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "record/target.h"

namespace pollmark {

// "rate", "frame", "loss", "p99", "cores", in this order.
[[nodiscard]] const std::vector<std::string>& target_keys();
// What may be written for that key.
[[nodiscard]] std::string_view allowed_target(std::string_view key);
// Reads one of them. Errors: bad_experiment, "what; allowed: ..."; a bare "Gbps" is refused, and so
// is a loss of 0: no count of frames could show it.
[[nodiscard]] Result<void> set_target(std::string_view key, std::string_view text, Target& target);

// "20 Gbps L2, frame imix, loss 1e-6, p99 200 us, cores 4": the rate first, then keys with their
// values in any order. rate and loss must be there. Errors: bad_experiment.
[[nodiscard]] Result<Target> parse_target(std::string_view text);

}  // namespace pollmark
