#include "campaign/judged_folder.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "campaign/stored_question.h"

namespace pollmark {
namespace {

bool holds(const std::vector<Condition>& conditions,
           const std::map<std::string, std::string>& cell) {
  return std::all_of(conditions.begin(), conditions.end(), [&](const Condition& condition) {
    const auto level = cell.find(condition.factor);
    return level != cell.end() && level->second == condition.level;
  });
}

}  // namespace

Result<Condition> condition_of(std::string_view option, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return fail(Errc::bad_experiment, fmt::format("{} {}: allowed: FACTOR=LEVEL", option, text));
  }
  return Condition{text.substr(0, equals), text.substr(equals + 1)};
}

std::string quoted_list(const std::set<std::string>& names) {
  return join(std::vector<std::string>(names.begin(), names.end()), ", ");
}

// factor -> levels of the stored trials.
std::map<std::string, std::set<std::string>> levels_of(const std::vector<TrialResult>& trials) {
  std::map<std::string, std::set<std::string>> levels;
  for (const TrialResult& trial : trials) {
    if (!is_of_a_cell(trial)) continue;
    for (const auto& [factor, level] : trial.order.cell) levels[factor].insert(level);
  }
  return levels;
}

Result<void> require_level(const JudgedFolder& folder, std::string_view option,
                           const Condition& condition) {
  const auto levels = levels_of(folder.stored.trials);
  const auto known = levels.find(condition.factor);
  if (known == levels.end()) {
    std::set<std::string> factors;
    for (const auto& [factor, values] : levels) factors.insert(factor);
    return fail(Errc::bad_experiment,
                fmt::format("{}: no factor {}; allowed: {}", option, condition.factor,
                            quoted_list(factors)),
                folder.name);
  }
  if (!known->second.contains(condition.level)) {
    return fail(Errc::bad_experiment,
                fmt::format("{}: {} was not measured at {}; allowed: {}", option, condition.factor,
                            condition.level, quoted_list(known->second)),
                folder.name);
  }
  return {};
}

Result<JudgedFolder> read_judged_folder(const std::filesystem::path& path) {
  JudgedFolder folder;
  folder.name = path.lexically_normal().string();
  while (folder.name.size() > 1 && folder.name.back() == '/') folder.name.pop_back();
  PM_TRY(folder.stored, ResultsFolder::read(path));
  PM_TRY(folder.plan, stored_plan(path, folder.stored));
  folder.question =
      question_of(folder.plan, folder.stored.provenance.quick ? Rigour::ranking : Rigour::verdicts);
  return folder;
}

Result<void> keep_cells(JudgedFolder& folder, const std::vector<Condition>& where) {
  for (const Condition& condition : where) PM_TRYV(require_level(folder, "--where", condition));
  std::erase_if(folder.stored.trials, [&](const TrialResult& trial) {
    return is_of_a_cell(trial) && !holds(where, trial.order.cell);
  });
  std::erase_if(folder.stored.searches,
                [&](const SearchResult& search) { return !holds(where, search.cell); });
  std::erase_if(folder.question.cells,
                [&](const Question::PlannedCell& cell) { return !holds(where, cell.cell); });
  return {};
}

}  // namespace pollmark
