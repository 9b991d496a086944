// A stored campaign with what it was asked, and the cells of it that are looked at.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "judge/summary.h"
#include "plan/experiment.h"
#include "store/folder.h"

namespace pollmark {

struct JudgedFolder {
  std::string name;  // as printed
  StoredCampaign stored;
  Plan plan;
  Question question;
};
// Errors: bad_experiment for no such folder, another schema, a damaged record.
[[nodiscard]] Result<JudgedFolder> read_judged_folder(const std::filesystem::path& path);

struct Condition {
  std::string factor;
  std::string level;
};
// "FACTOR=LEVEL", as that option has it. Errors: bad_experiment.
[[nodiscard]] Result<Condition> condition_of(std::string_view option, const std::string& text);
[[nodiscard]] std::string quoted_list(const std::set<std::string>& names);
// factor -> levels of the stored trials.
[[nodiscard]] std::map<std::string, std::set<std::string>> levels_of(
    const std::vector<TrialResult>& trials);
// Errors: bad_experiment when no trial has that level.
[[nodiscard]] Result<void> require_level(const JudgedFolder& folder, std::string_view option,
                                         const Condition& condition);
// Leaves only cells that have all of these levels. Errors: bad_experiment when one was not
// measured.
[[nodiscard]] Result<void> keep_cells(JudgedFolder& folder, const std::vector<Condition>& where);

}  // namespace pollmark
