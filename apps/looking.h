// What the verbs that look at a host for a while share.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pollmark {

// "1s" given to an option. Errors: bad_experiment with the option's name and the allowed forms.
[[nodiscard]] Result<std::chrono::steady_clock::duration> duration_option(std::string_view option,
                                                                          const std::string& text);
[[nodiscard]] double epoch_seconds_now();
// False when a stop signal came first.
[[nodiscard]] bool wait_until(std::chrono::steady_clock::time_point due);

}  // namespace pollmark
