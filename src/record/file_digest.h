// What tells one input file from another: its size and its CRC-32.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"

namespace pollmark {

// "N bytes, crc32 xxxxxxxx" (IEEE 802.3, as gzip has it) of the whole file: finds a changed file,
// not a forged one.
//   Errors: bad_experiment, the system's words, where the file cannot be read.
[[nodiscard]] Result<std::string> file_digest(const std::filesystem::path& path);

}  // namespace pollmark
