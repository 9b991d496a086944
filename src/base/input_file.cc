#include "base/input_file.h"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <system_error>

#include "base/units.h"

namespace pollmark {

std::optional<std::string> not_an_ordinary_file(const std::filesystem::path& file) {
  std::error_code error;
  switch (std::filesystem::status(file, error).type()) {
    case std::filesystem::file_type::directory:
      return "is a folder";
    case std::filesystem::file_type::fifo:
      return "is a FIFO";
    case std::filesystem::file_type::socket:
      return "is a socket";
    case std::filesystem::file_type::character:
    case std::filesystem::file_type::block:
      return "is a device";
    default:
      return std::nullopt;
  }
}

Result<std::string> read_input_file(const std::filesystem::path& file, std::string_view what,
                                    std::int64_t most_bytes) {
  const auto refused = [&](std::string_view why) {
    return fail(Errc::bad_experiment, fmt::format("{}; allowed: {}", why, what), file.string());
  };
  if (const auto other = not_an_ordinary_file(file)) return refused(*other);
  std::error_code error;
  const auto bytes = std::filesystem::file_size(file, error);
  if (!error && bytes > static_cast<std::uintmax_t>(most_bytes)) {
    return refused(fmt::format("has {} bytes, more than {}", bytes, bytes_text(most_bytes)));
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return refused(std::filesystem::exists(file, error) ? "cannot be read" : "no such file");
  }
  return std::string{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

}  // namespace pollmark
