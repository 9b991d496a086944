#include "store/file_digest.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include "record/input_digest.h"

namespace pollmark {

Result<std::string> file_digest(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, 65536> chunk{};
  InputDigest digest;
  while (file) {
    file.read(chunk.data(), chunk.size());
    digest.add(std::string_view(chunk.data(), static_cast<std::size_t>(file.gcount())));
  }
  if (!file.eof()) return fail(Errc::bad_experiment, std::strerror(errno), path.string());
  return digest.text();
}

}  // namespace pollmark
