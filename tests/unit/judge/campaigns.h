// Campaigns with a known truth.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "judge/summary.h"

namespace pollmark {

using Levels = std::map<std::string, std::string>;

// A valid trial on the model: one million frames offered at 5 Mpps, of which lost_pkts missed.
inline TrialResult trial_of(const Levels& cell, int block, std::int64_t lost_pkts) {
  TrialResult trial;
  trial.order.group = "main";
  trial.order.cell = cell;
  trial.order.block = block;
  trial.order.path = Path::model;
  trial.valid = true;
  trial.offered_pps = 5e6;
  StreamAccount stream;
  stream.ledger.set_offered(1'000'000);
  stream.ledger.add(Fate::received, 1'000'000 - lost_pkts);
  stream.ledger.add(Fate::rx_missed, lost_pkts);
  trial.streams.push_back(stream);
  if (lost_pkts > 0) {
    trial.limited_by = "ring";
    trial.limited_why = "stalls outrun the descriptors";
  }
  for (const auto& [factor, level] : cell) {
    trial.knobs[factor] = Knob{level, level, KnobState::confirmed, "seen to act", true};
  }
  return trial;
}

inline TrialResult invalid(TrialResult trial, const std::string& reason) {
  trial.valid = false;
  trial.invalid_reasons = {reason};
  return trial;
}

// Cells and trials of one group, cell by cell.
struct Campaign {
  Question question;
  std::vector<TrialResult> trials;

  Campaign() {
    question.name = "test";
    question.question = "Which?";
  }
  void plan(const Levels& cell, Path path = Path::model, const std::string& group = "main") {
    question.cells.push_back({group, cell, path, {}});
  }
  // Blocks 0.. with these losses.
  void add(const Levels& cell, const std::vector<std::int64_t>& lost_pkts, Path path = Path::model,
           const std::string& group = "main") {
    plan(cell, path, group);
    int block = 0;
    for (const std::int64_t lost : lost_pkts) {
      TrialResult trial = trial_of(cell, block++, lost);
      trial.order.path = path;
      trial.order.group = group;
      trials.push_back(std::move(trial));
    }
  }
  [[nodiscard]] Summary summary() const { return summarise(question, trials); }
};

// n losses around a middle, the same in every run: middle - spread .. middle + spread, shuffled by
// a fixed pattern so that blocks of two cells are not in step.
inline std::vector<std::int64_t> around(std::int64_t middle, std::int64_t spread, int n,
                                        int phase) {
  std::vector<std::int64_t> losses;
  for (int i = 0; i < n; ++i) {
    const int step = (i * 5 + phase) % n;
    losses.push_back(middle - spread + 2 * spread * step / (n - 1));
  }
  return losses;
}

}  // namespace pollmark
