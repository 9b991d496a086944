// Every factor: what it is called here, in ethtool and in testpmd; how a level is written; its
// limits; on which paths it acts.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "record/trial_order.h"

namespace pollmark {

struct FactorFacts {
  std::string name;           // TOML key = cell key = CSV column
  std::string syntax;         // "integer", "list of ...", ...
  std::string limits;         // "4..32768, a power of two on the model"
  std::string default_level;  // canonical
  std::string ethtool;        // "-G rx"; empty: none
  std::string testpmd;        // "--rxd"; empty: none
  std::vector<Path> paths;    // where it acts
  bool costly = false;        // changes least often (path)
  std::string sentence;
};

[[nodiscard]] const std::vector<FactorFacts>& all_factors();

}  // namespace pollmark
