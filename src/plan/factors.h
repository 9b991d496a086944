// Every factor: what it is called here, in ethtool and in testpmd; how a level is written; its
// limits; on which paths it acts. A factor is also a key: set once in its own table, or swept in
// [factors]. The one list of them; the parser, the help and the `factors` verb read it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "record/trial_order.h"

namespace pollmark {

// How a level may be written in TOML.
enum class LevelForm : std::uint8_t {
  integer,   // 512
  text,      // "80 %"
  integers,  // [4, 2, 1, 1]: canonical 4:2:1:1
  texts,     // ["checksum"]: canonical checksum; several joined by +
  truth,     // true
  kind,      // { kind = "checksum" }
};

struct FactorFacts {
  std::string name;           // TOML key = cell key = CSV column
  std::string table;          // where it is set once: "receiver"
  std::string syntax;         // "integer", "list of ...", ...
  std::string limits;         // "32 to 32768"
  std::string default_level;  // canonical
  std::string ethtool;        // "-G rx"; empty: none
  std::string testpmd;        // "--rxd"; empty: none
  std::vector<Path> paths;    // where it acts
  bool costly = false;        // changes least often (path)
  std::string sentence;
  std::vector<LevelForm> forms;
  std::string named_levels;                // stands in [factors] for the list; empty: no such name
  std::vector<std::int64_t> levels_named;  // the list
};

// The name under which several factors move together: each level is a table of factor = level.
inline constexpr std::string_view kLayout = "layout";

[[nodiscard]] const std::vector<FactorFacts>& all_factors();
// nullptr for a name that is not a factor.
[[nodiscard]] const FactorFacts* find_factor(std::string_view name);
// Those on which a load is offered: all but the closed loops.
[[nodiscard]] std::vector<Path> offering_paths();
[[nodiscard]] bool acts_on(const FactorFacts& factor, Path path);

// Sets the level, given as text (canonical or as a user writes it), in the order. The name must be
// a factor's. Errors: bad_experiment, "what; allowed: ..." without a place; the order is unchanged.
[[nodiscard]] Result<void> apply_level(std::string_view factor, std::string_view level,
                                       TrialOrder& order);
// The canonical text of what the order holds: apply_level(f, level_of(f, order), order) changes
// nothing. The name must be a factor's.
[[nodiscard]] std::string level_of(std::string_view factor, const TrialOrder& order);

}  // namespace pollmark
