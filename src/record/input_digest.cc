#include "record/input_digest.h"

#include <fmt/format.h>
#include <zlib.h>

namespace pollmark {

void InputDigest::add(std::string_view bytes) {
  crc_ = static_cast<std::uint32_t>(
      ::crc32_z(crc_, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  bytes_ += bytes.size();
}

std::string InputDigest::text() const {
  return fmt::format("{} bytes, crc32 {:08x}", bytes_, crc_);
}

}  // namespace pollmark
