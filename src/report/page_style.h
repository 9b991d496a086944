// The page's style sheet and its one script. No '<' or '&' in either: the page is well-formed XML.
#pragma once

#include <string>

namespace pollmark {

[[nodiscard]] std::string page_style();
// Opens every <details> for printing and closes them again.
[[nodiscard]] std::string page_script();

}  // namespace pollmark
