// What tells one version of an input file from another.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pollmark {

// Size and CRC-32 (IEEE 802.3, as gzip has it) of bytes added in order: finds a changed file, not a
// forged one.
class InputDigest {
 public:
  void add(std::string_view bytes);
  [[nodiscard]] std::string text() const;  // "N bytes, crc32 xxxxxxxx"

 private:
  std::uint64_t bytes_ = 0;
  std::uint32_t crc_ = 0;
};

}  // namespace pollmark
