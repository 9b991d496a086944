// Bytes that an expression should match, made from the expression itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pollmark {

// Walks the expression and draws one of its words: alternatives and repetitions by the seed,
// open-ended repetitions at most 3 above their least. Anchors and word boundaries yield nothing, a
// caseless expression yields the case that it is written in. Only a proposal: whether it matches is
// the compiled database's to say.
//   returns  nullopt for syntax outside literals, escapes, classes, groups, alternatives and
//            repetitions
[[nodiscard]] std::optional<std::string> sample_of(std::string_view expression, std::uint64_t seed);

}  // namespace pollmark
