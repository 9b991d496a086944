#include "report/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace pollmark {

namespace {

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::size_t in_family(const Summary& summary, Family family) {
  const auto count =
      std::count_if(summary.comparisons.begin(), summary.comparisons.end(),
                    [family](const Comparison& comparison) { return comparison.family == family; });
  return static_cast<std::size_t>(count);
}

bool moved(const Comparison& comparison) {
  return comparison.verdict == Verdict::better || comparison.verdict == Verdict::worse;
}

FindingList against_baseline(const Summary& summary) {
  const std::size_t compared = in_family(summary, Family::declared);
  FindingList list{
      "Against the baseline",
      fmt::format("Hodges-Lehmann estimate, 95 % interval, exact signed ranks over blocks{}",
                  compared > 1 ? "; Holm over " + counted(compared, "comparison") : std::string()),
      {}};
  for (const Comparison& comparison : summary.comparisons) {
    if (comparison.family != Family::declared) continue;
    list.findings.push_back(
        {comparison.group, comparison.sentence, std::string(name_of(comparison.verdict))});
  }
  return list;
}

FindingList of_target(const Summary& summary) {
  FindingList list{"Against the target",
                   "95 % interval over blocks, and of losses the exact binomial limit; headroom in "
                   "load",
                   {}};
  if (!summary.target) return list;
  for (const CellTarget& cell : summary.target->cells)
    list.findings.push_back({cell.group, cell.sentence, std::string(name_of(cell.verdict))});
  return list;
}

FindingList noise(const Summary& summary) {
  FindingList list{"Noise floor", "measured before the campaign, with its blocks", {}};
  for (const NoiseFloor& floor : summary.noise_floors) {
    list.findings.push_back({floor.group, floor.sentence, floor.passed ? "" : "gate failed"});
  }
  return list;
}

FindingList other_metrics(const Summary& summary) {
  FindingList list{"Other metrics that moved",
                   "exploratory: Benjamini-Hochberg over " +
                       counted(in_family(summary, Family::exploratory), "comparison"),
                   {},
                   true};
  for (const Comparison& comparison : summary.comparisons) {
    if (comparison.family != Family::exploratory || !moved(comparison)) continue;
    list.findings.push_back(
        {comparison.group, comparison.sentence, std::string(name_of(comparison.verdict))});
  }
  return list;
}

FindingList interactions(const Summary& summary) {
  FindingList list{"Effects that depend on another factor",
                   "exploratory: Benjamini-Hochberg over " +
                       counted(summary.interactions.size(), "pair") + " of levels",
                   {},
                   true};
  for (const Interaction& interaction : summary.interactions) {
    if (interaction.shown) list.findings.push_back({interaction.group, interaction.sentence, ""});
  }
  return list;
}

}  // namespace

std::vector<FindingList> findings_of(const Summary& summary) {
  std::vector<FindingList> lists;
  for (FindingList list : {of_target(summary), against_baseline(summary), noise(summary),
                           other_metrics(summary), interactions(summary)}) {
    if (!list.findings.empty()) lists.push_back(std::move(list));
  }
  return lists;
}

}  // namespace pollmark
