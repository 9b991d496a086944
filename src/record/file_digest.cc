#include "record/file_digest.h"

#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>

namespace pollmark {

Result<std::string> file_digest(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::array<char, 65536> chunk{};
  uLong crc = ::crc32(0, nullptr, 0);
  std::uint64_t bytes = 0;
  while (file) {
    file.read(chunk.data(), chunk.size());
    const auto got = static_cast<uInt>(file.gcount());
    crc = ::crc32(crc, reinterpret_cast<const Bytef*>(chunk.data()), got);
    bytes += got;
  }
  if (!file.eof()) return fail(Errc::bad_experiment, std::strerror(errno), path.string());
  return fmt::format("{} bytes, crc32 {:08x}", bytes, crc);
}

}  // namespace pollmark
