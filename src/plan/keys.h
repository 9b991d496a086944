// Every key of an experiment file: what the parser accepts is what is listed here.
#pragma once

#include <string>
#include <vector>

namespace pollmark {

struct KeyFacts {
  std::string table;  // "" for the top of the file, "trial", "model.faults", ...
  std::string key;
  std::string syntax;    // what is allowed
  std::string sentence;  // empty when the syntax says it all
  bool is_factor = false;
  bool in_group = false;  // may be overridden in a [[group]]
  bool not_yet = false;   // known, and refused: a later release brings it
};

// In the order of tables and keys as documented; the factors' own keys come from all_factors().
[[nodiscard]] const std::vector<KeyFacts>& all_keys();

}  // namespace pollmark
