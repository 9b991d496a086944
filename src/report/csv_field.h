// One field of a CSV file.
#pragma once

#include <string>
#include <string_view>

namespace pollmark {

// RFC 4180: readable(), and quoted where it holds a comma, a quote or a line break.
[[nodiscard]] std::string csv_field(std::string_view text);

}  // namespace pollmark
