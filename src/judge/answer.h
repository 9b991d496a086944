// The declared question, answered in one plain sentence.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "judge/factor_table.h"
#include "judge/summary.h"

namespace pollmark {

// `choose`: "smallest|largest FACTOR equivalent to the best" ("fewest" is smallest, "most" is
// largest), or "best FACTOR".
struct Choose {
  enum class Wish { smallest, largest, best };
  Wish wish = Wish::best;
  std::string factor;
};
// Errors: bad_experiment naming the allowed forms.
[[nodiscard]] Result<Choose> parse_choose(std::string_view text);

// In each combination of the other factors, a level is equivalent to the best level there when the
// interval of its paired difference lies within the margin; below six blocks, when the median does
// (and the answer says that it is a ranking). The choice is the first such level in the wished
// order. Levels that come before it in that order and are neither equivalent nor clearly worse are
// said to be open. Without a wish, and with one comparison to a declared baseline, that comparison
// is the answer.
[[nodiscard]] std::string answer_of(const Question& question, const std::vector<JudgedCell>& cells,
                                    const std::vector<FactorTable>& tables,
                                    const std::vector<Comparison>& comparisons);

}  // namespace pollmark
