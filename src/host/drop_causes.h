// What the kernel's drop reasons mean: a plain sentence on each that is met in practice. Data.
#pragma once

#include <string_view>

namespace pollmark {

// As the kernel spells it ("SOCKET_RCVBUFF"). Empty: no more is known than the name says.
[[nodiscard]] std::string_view sentence_on_drop(std::string_view reason);

}  // namespace pollmark
