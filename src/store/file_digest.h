// What tells one version of an input file from another, read from the file.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"

namespace pollmark {

// InputDigest of the whole file: "N bytes, crc32 xxxxxxxx".
//   Errors: bad_experiment, the system's words, where the file cannot be read.
[[nodiscard]] Result<std::string> file_digest(const std::filesystem::path& path);

}  // namespace pollmark
