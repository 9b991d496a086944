// Files that a user names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pollmark {

// "is a FIFO", "is a device", "is a socket", "is a folder": what has no end that could be waited
// for. nullopt: an ordinary file (links are followed), or nothing that can be looked at.
[[nodiscard]] std::optional<std::string> not_an_ordinary_file(const std::filesystem::path& file);

// The whole of an ordinary file.
//   what       it should be: "an experiment file (TOML)"
//   most_bytes more is refused unread
//   Errors     bad_experiment with the file, what is wrong and what is allowed
[[nodiscard]] Result<std::string> read_input_file(const std::filesystem::path& file,
                                                  std::string_view what, std::int64_t most_bytes);

}  // namespace pollmark
