#include "judge/effects.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/units.h"
#include "judge/contrasts.h"
#include "judge/order_statistics.h"
#include "judge/power.h"
#include "judge/shift.h"
#include "judge/wording.h"

namespace pollmark {
namespace {

struct LevelValue {
  std::string level;
  double median = 0.0;  // over the combinations
  double mean = 0.0;    // tells levels apart that differ in fewer than half of the combinations
};

class EffectOf {
 public:
  EffectOf(const Question& question, const std::vector<JudgedCell>& cells, const FactorTable& table)
      : question_(question),
        cells_(cells),
        table_(table),
        rows_(table.complete_rows()),
        higher_is_better_(metric_facts(question.metric).higher_is_better),
        scale_(scale_of(question.metric)) {}

  FactorEffect take() && {
    effect_.group = table_.group;
    effect_.factor = table_.factor;
    effect_.metric = question_.metric;
    effect_.combinations = static_cast<int>(rows_.size());
    if (rows_.empty()) {
      effect_.verdict = "cannot tell";
      effect_.sentence = fmt::format(
          "{}: cannot tell: no combination of the other factors has a number at every level",
          table_.factor);
      return std::move(effect_);
    }
    rank_levels();
    const std::string idle = idle_level(cells_, rows_, table_.factor, table_.levels);
    effect_.exercised = idle.empty();
    compare();
    if (!effect_.exercised) effect_.verdict = "not exercised";
    word(idle);
    return std::move(effect_);
  }

 private:
  const JudgedCell& cell(const FactorRow& row, const std::string& level) const {
    return cells_[row.cells.at(level)];
  }
  double median(const FactorRow& row, const std::string& level) const {
    return cell(row, level).summary.metrics.at(question_.metric).median;
  }

  void rank_levels() {
    std::vector<LevelValue> ranked;
    for (const std::string& level : table_.levels) {
      std::vector<double> medians;
      for (const FactorRow* row : rows_) medians.push_back(median(*row, level));
      const double sum = std::accumulate(medians.begin(), medians.end(), 0.0);
      const double count = static_cast<double>(medians.size());
      ranked.push_back({level, median_of(std::move(medians)), sum / count});
    }
    // Stable: of equal levels the first of the plan ranks first.
    std::stable_sort(ranked.begin(), ranked.end(), [&](const auto& a, const auto& b) {
      if (a.median != b.median) return (a.median < b.median) != higher_is_better_;
      return a.mean != b.mean && (a.mean < b.mean) != higher_is_better_;
    });
    effect_.best_level = ranked.front().level;
    effect_.best = ranked.front().median;
    effect_.worst_level = ranked.back().level;
    effect_.worst = ranked.back().median;
  }

  void compare() {
    std::map<int, std::vector<double>> by_block;
    for (const FactorRow* row : rows_) {
      const BlockValues moved = differences(cell(*row, effect_.worst_level).values,
                                            cell(*row, effect_.best_level).values, scale_);
      for (const auto& [block, value] : moved) by_block[block].push_back(value);
      const auto shift = shift_of(moved);
      if (shift &&
          (!strongest_ || std::fabs(shift->estimate) > std::fabs(strongest_move_.estimate))) {
        strongest_ = row;
        strongest_move_ = *shift;
      }
    }
    BlockValues overall;
    for (auto& [block, values] : by_block) overall[block] = median_of(std::move(values));
    effect_.blocks = static_cast<int>(overall.size());
    const auto shift = shift_of(overall);
    if (!shift) {
      effect_.verdict = "cannot tell";
      return;
    }
    effect_.difference = shift->interval;
    if (all_equal()) {
      effect_.verdict = "no difference";
    } else if (question_.quick || !shift->interval) {
      effect_.verdict = "ranking only";
    } else {
      effect_.verdict = verdict_of(*shift);
    }
  }

  bool all_equal() const {
    const double first = cell(*rows_.front(), table_.levels.front()).values.begin()->second;
    for (const FactorRow* row : rows_) {
      for (const std::string& level : table_.levels) {
        for (const auto& [block, value] : cell(*row, level).values) {
          if (value != first) return false;
        }
      }
    }
    return true;
  }

  // Worst and best were picked among all pairs of levels, the strongest row among all rows.
  bool is_clear(const Shift& shift, std::size_t picked_among) const {
    const double pairs =
        static_cast<double>(table_.levels.size() * (table_.levels.size() - 1)) / 2.0;
    return shift.p * pairs * static_cast<double>(picked_among) < kAlpha;
  }

  std::string verdict_of(const Shift& overall) const {
    const double margin = margin_of(question_.metric, question_.matters);
    if (is_clear(overall, 1) && !is_equivalent(overall, margin)) return "differs";
    if (strongest_move_.interval && is_clear(strongest_move_, rows_.size()) &&
        !is_equivalent(strongest_move_, margin)) {
      return "differs in some combinations";
    }
    return is_equivalent(overall, margin) ? "equivalent" : "cannot tell";
  }

  void word(const std::string& idle) {
    const std::string& metric = question_.metric;
    std::string& text = effect_.sentence;
    if (effect_.verdict == "no difference") {
      text = fmt::format("{}: {} {} at every level: no difference", table_.factor,
                         metric_word(metric), value_text(metric, effect_.best));
    } else {
      text = fmt::format("{} {} -> {}: {} {} -> {}", table_.factor, effect_.worst_level,
                         effect_.best_level, metric_word(metric), value_text(metric, effect_.worst),
                         value_text(metric, effect_.best));
      if (rows_.size() > 1) text += fmt::format(" (median of {} combinations)", rows_.size());
    }
    if (!effect_.exercised) {
      text += fmt::format("; not exercised: nothing shows that {} = {} acted, so no verdict",
                          table_.factor, idle);
      return;
    }
    if (effect_.verdict == "no difference") return;
    if (strongest_ != nullptr && rows_.size() > 1) {
      text += fmt::format("; most with {}: {} -> {}", cell_text(strongest_->others),
                          value_text(metric, median(*strongest_, effect_.worst_level)),
                          value_text(metric, median(*strongest_, effect_.best_level)));
    }
    word_verdict();
    const std::string reason = reason_text();
    if (!reason.empty()) text += "; " + reason;
  }

  void word_verdict() {
    const std::string& metric = question_.metric;
    std::string& text = effect_.sentence;
    const std::string interval =
        effect_.difference ? fmt::format("[{}, {}]{} over {} blocks",
                                         difference_text(metric, effect_.difference->low),
                                         difference_text(metric, effect_.difference->high),
                                         whole_text(metric), effect_.blocks)
                           : std::string();
    if (effect_.verdict == "ranking only") {
      text += fmt::format("; ranking only ({} block{})", effect_.blocks,
                          effect_.blocks == 1 ? "" : "s");
    } else if (effect_.verdict == "cannot tell") {
      text += interval.empty() ? std::string("; cannot tell: the two levels share no block")
                               : fmt::format("; cannot tell: the difference is {}", interval);
    } else if (effect_.verdict == "equivalent") {
      text += fmt::format("; equivalent: the difference is {}", interval);
    } else if (effect_.verdict == "differs in some combinations") {
      text += fmt::format("; only in some combinations: over all the difference is {}", interval);
    } else {
      text += fmt::format("; the difference is {}", interval);
    }
  }

  // Of the worse level, where the factor moved most.
  std::string reason_text() const {
    if (strongest_ == nullptr) return {};
    const CellSummary& worst = cell(*strongest_, effect_.worst_level).summary;
    if (!worst.limited_by.empty()) {
      return fmt::format("at {} limited by {}: {}", effect_.worst_level, worst.limited_by,
                         worst.limited_why);
    }
    const std::string loss = largest_loss_text(worst.ledger);
    return loss.empty() ? loss : fmt::format("at {} {}", effect_.worst_level, loss);
  }

  const Question& question_;
  const std::vector<JudgedCell>& cells_;
  const FactorTable& table_;
  std::vector<const FactorRow*> rows_;
  bool higher_is_better_;
  Scale scale_;
  FactorEffect effect_;
  const FactorRow* strongest_ = nullptr;
  Shift strongest_move_;
};

}  // namespace

std::vector<FactorEffect> factor_effects(const Question& question,
                                         const std::vector<JudgedCell>& cells,
                                         const std::vector<FactorTable>& tables) {
  std::vector<FactorEffect> effects;
  for (const FactorTable& table : tables) {
    if (table.levels.size() < 2) continue;
    effects.push_back(EffectOf(question, cells, table).take());
  }
  return effects;
}

std::string largest_loss_text(const Ledger& ledger) {
  std::optional<Fate> largest;
  for (const Fate fate : all_fates()) {
    if (fate_kind(fate) != FateKind::loss || ledger.pkts_or_zero(fate) <= 0) continue;
    if (!largest || ledger.pkts_or_zero(fate) > ledger.pkts_or_zero(*largest)) largest = fate;
  }
  if (!largest) return {};
  return fmt::format("{} {} of {} frames", fate_name(*largest),
                     grouped(ledger.pkts_or_zero(*largest)), grouped(ledger.offered_pkts()));
}

}  // namespace pollmark
