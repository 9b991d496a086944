#include "judge/noise_floor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "judge/comparison.h"
#include "judge/drift.h"
#include "judge/paired.h"
#include "judge/shift.h"
#include "judge/wording.h"

namespace pollmark {
namespace {

constexpr std::size_t kFewestBlocksForMser = 12;
constexpr double kClearlyUnsettled = 0.01;

struct Gate {
  std::map<std::string, std::string> cell;
  BlockValues first;
  BlockValues second;
};

std::string floor_sentence(const NoiseFloor& floor, const Comparison& comparison) {
  std::string text = fmt::format("the same setting twice ({}): ", cell_text(floor.cell));
  if (!floor.interval) {
    return text + fmt::format("no noise floor from {} block{}", floor.blocks,
                              floor.blocks == 1 ? "" : "s");
  }
  text +=
      fmt::format("the second {} over {} blocks; the noise floor is {}{}", change_text(comparison),
                  floor.blocks, size_text(comparison, *floor.floor), whole_text(floor.metric));
  if (floor.passed) return text;
  const bool apart = floor.interval->low > 0.0 || floor.interval->high < 0.0;
  return text + (apart ? "; the gate failed: two equal settings look different, so doubt the "
                         "verdicts below"
                       : "; the gate failed: the noise is larger than what matters");
}

}  // namespace

std::vector<NoiseFloor> noise_floors_of(const Question& question,
                                        const std::vector<TrialResult>& trials) {
  std::map<std::string, Gate> gates;
  for (const TrialResult& trial : trials) {
    if (trial.order.kind != TrialKind::probe || !trial.valid) continue;
    const auto side = trial.order.cell.find(std::string(kGateFactor));
    if (side == trial.order.cell.end()) continue;
    const auto value = metric_of(trial, question.metric);
    if (!value) continue;
    Gate& gate = gates[trial.order.group];
    gate.cell = trial.order.cell;
    gate.cell.erase(std::string(kGateFactor));
    (side->second == "1" ? gate.first : gate.second).emplace(trial.order.block, *value);
  }
  std::vector<NoiseFloor> floors;
  for (const auto& [group, gate] : gates) {
    Comparison comparison =
        compare_paired(question.metric, question.matters, gate.first, gate.second);
    comparison.baseline = "the first";
    NoiseFloor floor;
    floor.group = group;
    floor.cell = gate.cell;
    floor.metric = question.metric;
    floor.blocks = comparison.values;
    floor.difference = comparison.difference;
    floor.interval = comparison.interval;
    // A metric that had to be subtracted against its nature has no floor that others could use.
    if (comparison.scale != scale_of(question.metric)) floor.interval.reset();
    if (floor.interval) {
      floor.floor = (floor.interval->high - floor.interval->low) / 2.0;
      floor.passed = floor.interval->low <= 0.0 && floor.interval->high >= 0.0 &&
                     *floor.floor <= comparison.margin;
    }
    floor.sentence = floor_sentence(floor, comparison);
    floors.push_back(std::move(floor));
  }
  return floors;
}

std::vector<std::string> unsettled_blocks(const Question& question,
                                          const std::vector<JudgedCell>& cells) {
  std::map<std::string, std::vector<const JudgedCell*>> groups;
  for (const JudgedCell& cell : cells) {
    if (cell.measured()) groups[cell.summary.group].push_back(&cell);
  }
  std::vector<std::string> warnings;
  for (const auto& [group, measured] : groups) {
    std::vector<double> means;
    for (const auto& [block, first] : measured.front()->values) {
      double sum = 0.0;
      std::size_t count = 0;
      for (const JudgedCell* cell : measured) {
        const auto value = cell->values.find(block);
        if (value == cell->values.end()) continue;
        sum += value->second;
        ++count;
      }
      if (count == measured.size()) means.push_back(sum / static_cast<double>(count));
    }
    if (means.size() < kFewestBlocksForMser) continue;
    const auto from = steady_from(means, 1);
    if (!from || *from == 0) continue;
    const auto middle = means.begin() + static_cast<std::ptrdiff_t>(*from);
    const Shift shift = unpaired_shift({means.begin(), middle}, {middle, means.end()});
    if (shift.p >= kClearlyUnsettled) continue;
    warnings.push_back(fmt::format(
        "{}: the first {} of {} blocks differ from the rest in {}: the machine had not settled",
        group, *from, means.size(), metric_word(question.metric)));
  }
  return warnings;
}

}  // namespace pollmark
