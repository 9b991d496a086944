#include "campaign/environment.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/text.h"
#include "judge/summary.h"
#include "record/json.h"

namespace pollmark {
namespace {

constexpr const char* kNotRecorded = "not recorded";

using Facts = std::map<std::string, std::string>;
using CellKey = std::pair<std::string, std::map<std::string, std::string>>;

bool counts(const TrialResult& trial) { return is_of_a_cell(trial) && trial.valid; }

Facts provenance_facts(const Provenance& provenance) {
  Facts facts = provenance.host;
  for (auto& [key, value] : facts) {
    // "3 free of 8": what is free changes by itself.
    const std::size_t of = value.find(" free of ");
    if (key.starts_with("hugepages_") && of != std::string::npos) value = value.substr(of + 6);
  }
  facts.insert(provenance.libraries.begin(), provenance.libraries.end());
  for (const auto& [file, digest] : provenance.inputs) facts["input " + file] = digest;
  facts["pollmark_version"] = provenance.pollmark_version;
  return facts;
}

Facts trial_facts(const std::vector<TrialResult>& trials) {
  std::map<std::string, std::set<std::string>> seen;
  for (const TrialResult& trial : trials) {
    if (!counts(trial)) continue;
    seen["page_size"].insert(trial.page_size_bytes ? std::to_string(*trial.page_size_bytes)
                                                   : kNotRecorded);
    seen["isa"].insert(trial.isa.empty() ? kNotRecorded : trial.isa);
    seen["clock"].insert(std::string(name_of(trial.order.clock)));
  }
  Facts facts;
  for (const auto& [key, values] : seen) {
    facts[key] = join(std::vector<std::string>(values.begin(), values.end()), ", ");
  }
  return facts;
}

void flatten(const Json& json, const std::string& prefix, Facts& facts) {
  for (const auto& [key, value] : json.items()) {
    const std::string name = prefix.empty() ? key : prefix + "." + key;
    if (value.is_object()) {
      flatten(value, name, facts);
    } else {
      facts[name] = value.is_string() ? value.get<std::string>() : value.dump();
    }
  }
}

Facts settings_of(const TrialOrder& order) {
  Json json = to_json(order);
  for (const char* own :
       {"kind", "trial", "group", "block", "attempt", "cell", "clock", "seed", "epoch"}) {
    json.erase(own);
  }
  Facts facts;
  flatten(json, "", facts);
  // A search chooses its loads, from what the generator reached on that day.
  if (order.kind != TrialKind::trial) {
    std::erase_if(facts, [](const auto& fact) {
      return fact.first == "traffic.intended_pps" || fact.first.starts_with("traffic.load.");
    });
  }
  return facts;
}

std::map<CellKey, const TrialResult*> first_trials(const std::vector<TrialResult>& trials) {
  std::map<CellKey, const TrialResult*> first;
  for (const TrialResult& trial : trials) {
    if (counts(trial)) first.emplace(CellKey(trial.order.group, trial.order.cell), &trial);
  }
  return first;
}

void add_differences(const Facts& from, const Facts& to,
                     std::map<std::string, EnvironmentDifference>& differences) {
  std::set<std::string> keys;
  for (const auto& [key, value] : from) keys.insert(key);
  for (const auto& [key, value] : to) keys.insert(key);
  const auto value_in = [](const Facts& facts, const std::string& key) {
    const auto value = facts.find(key);
    return value == facts.end() ? std::string(kNotRecorded) : value->second;
  };
  for (const std::string& key : keys) {
    const std::string before = value_in(from, key);
    const std::string after = value_in(to, key);
    if (before != after) differences.emplace(key, EnvironmentDifference{key, before, after});
  }
}

}  // namespace

std::vector<EnvironmentDifference> environment_differences(const StoredCampaign& from,
                                                           const StoredCampaign& to) {
  std::map<std::string, EnvironmentDifference> differences;
  add_differences(provenance_facts(from.provenance), provenance_facts(to.provenance), differences);
  add_differences(trial_facts(from.trials), trial_facts(to.trials), differences);
  const auto firsts = first_trials(from.trials);
  for (const auto& [key, second] : first_trials(to.trials)) {
    const auto first = firsts.find(key);
    if (first == firsts.end()) continue;
    add_differences(settings_of(first->second->order), settings_of(second->order), differences);
  }
  std::vector<EnvironmentDifference> list;
  for (auto& [key, difference] : differences) list.push_back(std::move(difference));
  return list;
}

}  // namespace pollmark
