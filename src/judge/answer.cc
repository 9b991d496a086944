#include "judge/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>

#include "base/text.h"
#include "judge/wording.h"

namespace pollmark {
namespace {

constexpr std::size_t kNamed = 3;  // so many settings are named, the rest counted
constexpr std::string_view kChooseForms =
    "\"smallest FACTOR equivalent to the best\", \"largest FACTOR equivalent to the best\", \"best "
    "FACTOR\"";

enum class Standing { equivalent, open, worse };

std::string named_few(const std::vector<std::string>& names) {
  if (names.size() <= kNamed) return join(names, ", ");
  const std::vector<std::string> few(names.begin(), names.begin() + kNamed);
  return fmt::format("{} and {} more", join(few, ", "), names.size() - kNamed);
}

// What the chosen settings, and no others, have in common: "queues=1"; each by name where no such
// words exist.
std::string shared_setting(const std::vector<std::map<std::string, std::string>>& settings,
                           const std::vector<std::size_t>& chosen) {
  std::map<std::string, std::string> common = settings[chosen.front()];
  for (const std::size_t index : chosen)
    std::erase_if(
        common, [&](const auto& level) { return settings[index].at(level.first) != level.second; });
  const auto matching = [&](const std::map<std::string, std::string>& levels) {
    return std::count_if(settings.begin(), settings.end(), [&](const auto& setting) {
      return std::includes(setting.begin(), setting.end(), levels.begin(), levels.end());
    });
  };
  const auto wanted = static_cast<std::ptrdiff_t>(chosen.size());
  if (matching(common) != wanted) {
    std::vector<std::string> names;
    for (const std::size_t index : chosen) names.push_back(cell_text(settings[index]));
    return named_few(names);
  }
  for (const auto& level : std::map(common)) {
    auto fewer = common;
    fewer.erase(level.first);
    if (!fewer.empty() && matching(fewer) == wanted) common = std::move(fewer);
  }
  return cell_text(common);
}

class Answer {
 public:
  Answer(const Question& question, const std::vector<JudgedCell>& cells,
         const std::vector<FactorTable>& tables, const std::vector<Comparison>& comparisons)
      : question_(question),
        cells_(cells),
        tables_(tables),
        comparisons_(comparisons),
        higher_is_better_(metric_facts(question.metric).higher_is_better),
        scale_(scale_of(question.metric)),
        margin_(margin_of(question.metric, question.matters)) {}

  std::string sentence() const {
    std::vector<std::size_t> measured;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (cells_[i].measured()) measured.push_back(i);
    }
    if (measured.empty()) return nothing();
    std::vector<std::string> clauses;
    std::string group = cells_[measured.front()].summary.group;
    if (!question_.choose.empty()) {
      clauses.push_back(choice(group));
    } else if (const Comparison* only = only_declared()) {
      clauses.push_back(place(measured) + only->sentence);
    } else {
      clauses.push_back(best_of(group));
    }
    for (const std::string& clause : paths()) {
      if (!clause.empty() && std::find(clauses.begin(), clauses.end(), clause) == clauses.end()) {
        clauses.push_back(clause);
      }
    }
    std::string text = join(clauses, "; ");
    for (const std::string_view start : {"on a model", "cannot ", "over the ", "the ", "no "}) {
      if (text.rfind(start, 0) != 0) continue;
      text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    }
    return text + ".";
  }

 private:
  // An A/B: one thing was declared, and one comparison answers it.
  const Comparison* only_declared() const {
    const Comparison* only = nullptr;
    for (const Comparison& comparison : comparisons_) {
      if (comparison.family != Family::declared) continue;
      if (only != nullptr) return nullptr;
      only = &comparison;
    }
    if (only == nullptr || !question_.baseline.contains(only->factor)) return nullptr;
    return only;
  }

  double median(std::size_t cell) const {
    return cells_[cell].summary.metrics.at(question_.metric).median;
  }
  std::string estimate(std::size_t cell) const {
    return estimate_text(question_.metric, cells_[cell].summary.metrics.at(question_.metric));
  }
  bool better(double a, double b) const { return higher_is_better_ ? a > b : a < b; }
  bool on_model(std::size_t cell) const { return cells_[cell].summary.path == Path::model; }
  std::string word() const { return metric_word(question_.metric); }
  // Where the numbers come from a model, the name of the path says so.
  std::string place(const std::vector<std::size_t>& cells) const {
    for (const std::size_t cell : cells) {
      if (on_model(cell)) return "on a model, not a NIC: ";
    }
    return {};
  }
  std::string margin_text() const {
    return scale_ == Scale::absolute ? fmt::format("{:g}{}", margin_, whole_text(question_.metric))
                                     : fmt::format("{:g} %", 100.0 * question_.matters);
  }

  std::string nothing() const {
    std::map<std::string, int> reasons;
    int trials = 0;
    for (const JudgedCell& cell : cells_) {
      trials += cell.summary.trials;
      if (cell.summary.valid > 0) {
        return fmt::format("Cannot tell: no valid trial measured {}.", question_.metric);
      }
      for (const auto& [code, times] : cell.summary.invalid_reasons) reasons[code] += times;
    }
    std::vector<std::string> parts;
    for (const auto& [code, times] : reasons) parts.push_back(fmt::format("{} {}", code, times));
    if (trials > 0) {
      return fmt::format("Cannot tell: none of {} trials was valid ({}).", trials,
                         join(parts, ", "));
    }
    std::set<std::string> refusals;
    for (const JudgedCell& cell : cells_) {
      if (cell.summary.not_measured) refusals.insert(*cell.summary.not_measured);
    }
    return fmt::format("Cannot tell: nothing was measured ({}).",
                       refusals.empty()
                           ? "no cell"
                           : named_few(std::vector<std::string>(refusals.begin(), refusals.end())));
  }

  // How `level` stands to the best cell of its row; ranking: fewer than six shared blocks, or
  // quick.
  Standing standing(std::size_t best, std::size_t cell, bool& ranking) const {
    if (best == cell) return Standing::equivalent;
    const auto moved = paired_difference(cells_[best].values, cells_[cell].values, scale_);
    if (!moved) {
      return median(best) == median(cell) ? Standing::equivalent : Standing::open;
    }
    if (question_.quick || !moved->interval) {
      ranking = true;
      return std::fabs(moved->median) <= margin_ ? Standing::equivalent : Standing::worse;
    }
    const Interval& interval = *moved->interval;
    if (within_margin(best, cell)) return Standing::equivalent;
    const bool clear = higher_is_better_ ? interval.high < -margin_ : interval.low > margin_;
    return clear ? Standing::worse : Standing::open;
  }

  // Two one-sided tests at 0.05.
  bool within_margin(std::size_t from, std::size_t to) const {
    const auto shift = shift_of(differences(cells_[from].values, cells_[to].values, scale_));
    return shift && is_equivalent(*shift, margin_);
  }

  struct Chosen {
    std::string level;
    std::size_t cell = 0;
    std::vector<std::string> alike;    // "best" only: equivalent to it
    std::vector<std::string> open;     // preferred by the wish, but it cannot be told
    std::optional<std::size_t> worse;  // the last preferred level that is clearly worse
  };

  // order: from the level the wish prefers.
  Chosen choose_in(const FactorRow& row, Choose::Wish wish, const std::vector<std::string>& order,
                   bool& ranking) const {
    std::vector<std::string> levels;
    for (const std::string& level : order) {
      if (row.cells.find(level) != row.cells.end()) levels.push_back(level);
    }
    std::string best = levels.front();
    for (const std::string& level : levels) {
      if (better(median(row.cells.at(level)), median(row.cells.at(best)))) best = level;
    }
    Chosen chosen;
    chosen.level = best;
    chosen.cell = row.cells.at(best);
    for (const std::string& level : levels) {
      const std::size_t cell = row.cells.at(level);
      const Standing stands = standing(row.cells.at(best), cell, ranking);
      if (stands == Standing::equivalent && wish != Choose::Wish::best) {
        chosen.level = level;
        chosen.cell = cell;
        return chosen;
      }
      if (level == best) continue;
      if (stands == Standing::equivalent) chosen.alike.push_back(level);
      if (stands == Standing::open) chosen.open.push_back(level);
      if (stands == Standing::worse) chosen.worse = cell;
    }
    return chosen;
  }

  std::string choice(std::string& group) const {
    const auto choose = parse_choose(question_.choose);
    if (!choose) return fmt::format("{}; {}", choose.error().text(), best_of(group));
    const FactorTable* table = nullptr;
    for (const FactorTable& candidate : tables_) {
      if (candidate.factor != choose->factor || candidate.rows.empty()) continue;
      table = &candidate;
      break;
    }
    if (table == nullptr) {
      return fmt::format("cannot choose a {}: it was not measured; {}", choose->factor,
                         best_of(group));
    }
    group = table->group;
    std::vector<std::string> order = ascending(table->levels);
    if (choose->wish == Choose::Wish::largest) std::reverse(order.begin(), order.end());

    bool ranking = false;
    std::vector<std::size_t> used;
    std::map<std::string, std::vector<Chosen>> by_level;
    std::map<std::string, std::vector<std::size_t>> rows_by_level;
    std::vector<std::map<std::string, std::string>> settings;
    std::size_t rows = 0;
    for (const FactorRow& row : table->rows) {
      if (row.cells.size() < 2) continue;
      ++rows;
      const Chosen chosen = choose_in(row, choose->wish, order, ranking);
      by_level[chosen.level].push_back(chosen);
      rows_by_level[chosen.level].push_back(settings.size());
      settings.push_back(row.others);
      used.push_back(chosen.cell);
    }
    if (rows == 0) {
      return fmt::format("cannot choose a {}: only one level was measured; {}", choose->factor,
                         best_of(group));
    }
    std::string text = place(used);
    const std::string in_all =
        rows > 1 ? fmt::format(" in all {} combinations of the other factors", rows) : "";
    if (choose->wish == Choose::Wish::best && !ranking && all_alike(*table, by_level)) {
      return text + fmt::format("no {} is better than another{} ({}; equivalent is within {})",
                                choose->factor, in_all, example(by_level.begin()->second),
                                margin_text());
    }
    const std::string wish = wish_text(*choose);
    if (by_level.size() == 1) {
      const auto& [level, chosen] = *by_level.begin();
      text += fmt::format("{} is the {}{} ({}{})", level, wish, in_all, example(chosen),
                          within_text(*choose));
    } else {
      // The level that most settings ask for stands for itself; the others name their settings.
      std::string most = by_level.begin()->first;
      for (const auto& [level, chosen] : by_level)
        if (chosen.size() > by_level.at(most).size()) most = level;
      text += fmt::format("the {} is {} ({})", wish, most, example(by_level.at(most)));
      std::string joint = ", but ";
      for (const std::string& level : order) {
        const auto chosen = by_level.find(level);
        if (chosen == by_level.end() || level == most) continue;
        text +=
            fmt::format("{}{} with {} ({})", joint, level,
                        shared_setting(settings, rows_by_level.at(level)), example(chosen->second));
        joint = " and ";
      }
      text += within_text(*choose);
    }
    text += open_text(by_level);
    if (ranking) text += "; a ranking, not a verdict: fewer than six blocks or --quick";
    return text;
  }

  // Every level of the table is equivalent to the best of its row.
  static bool all_alike(const FactorTable& table,
                        const std::map<std::string, std::vector<Chosen>>& by_level) {
    return std::ranges::all_of(by_level, [&](const auto& chosen) {
      return std::ranges::all_of(chosen.second, [&](const Chosen& row) {
        return row.alike.size() + 1 == table.levels.size();
      });
    });
  }

  static std::string wish_text(const Choose& choose) {
    switch (choose.wish) {
      case Choose::Wish::smallest:
        return fmt::format("smallest {} equivalent to the best", choose.factor);
      case Choose::Wish::largest:
        return fmt::format("largest {} equivalent to the best", choose.factor);
      case Choose::Wish::best:
        break;
    }
    return fmt::format("best {}", choose.factor);
  }
  std::string within_text(const Choose& choose) const {
    if (choose.wish == Choose::Wish::best) return {};
    return fmt::format("; equivalent is within {}", margin_text());
  }

  // The numbers of one row: where a preferred level is clearly worse, else the first.
  std::string example(const std::vector<Chosen>& chosen) const {
    const Chosen* shown = &chosen.front();
    double widest = -1.0;
    for (const Chosen& row : chosen) {
      if (!row.worse) continue;
      const double width = std::fabs(median(*row.worse) - median(row.cell));
      if (width > widest) {
        widest = width;
        shown = &row;
      }
    }
    std::string text = fmt::format("{} {}", word(), estimate(shown->cell));
    if (!shown->worse) return text;
    // Only the chosen factor differs between the two.
    for (const auto& [factor, level] : cells_[*shown->worse].summary.cell) {
      const auto own = cells_[shown->cell].summary.cell.find(factor);
      if (own != cells_[shown->cell].summary.cell.end() && own->second != level) {
        text += fmt::format(" against {} at {}", estimate(*shown->worse), level);
      }
    }
    return text;
  }

  static std::string counted(const std::map<std::string, std::vector<Chosen>>& by_level,
                             std::vector<std::string> Chosen::*list) {
    std::map<std::string, int> times;
    for (const auto& [level, rows] : by_level) {
      for (const Chosen& chosen : rows) {
        for (const std::string& other : chosen.*list) ++times[other];
      }
    }
    std::vector<std::string> parts;
    for (const auto& [level, count] : times) {
      parts.push_back(fmt::format("{} in {} combination{}", level, count, count == 1 ? "" : "s"));
    }
    return join(parts, ", ");
  }

  static std::string open_text(const std::map<std::string, std::vector<Chosen>>& by_level) {
    std::string text;
    const std::string alike = counted(by_level, &Chosen::alike);
    const std::string open = counted(by_level, &Chosen::open);
    if (!alike.empty()) text += "; equivalent to it: " + alike;
    if (!open.empty()) text += "; cannot tell of " + open;
    return text;
  }

  std::string best_of(const std::string& group) const {
    std::vector<std::size_t> ranked;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      if (cells_[i].summary.group == group && cells_[i].measured()) ranked.push_back(i);
    }
    std::stable_sort(ranked.begin(), ranked.end(),
                     [&](std::size_t a, std::size_t b) { return better(median(a), median(b)); });
    const std::size_t best = ranked.front();
    const int values = cells_[best].summary.metrics.at(question_.metric).values;
    std::string text = place(ranked);
    if (ranked.size() == 1) {
      return text + fmt::format("{} is {} with {} ({} valid trial{})", word(), estimate(best),
                                cell_text(cells_[best].summary.cell), values,
                                values == 1 ? "" : "s");
    }
    if (scale_ == Scale::absolute && !higher_is_better_ && all_zero(ranked)) {
      return text + fmt::format(
                        "{} is 0 with all {} settings: at this load they cannot be told "
                        "apart",
                        word(), ranked.size());
    }
    bool ranking = false;
    std::vector<std::string> alike;
    std::vector<std::string> open;
    std::optional<std::size_t> next_clear;
    for (std::size_t i = 1; i < ranked.size(); ++i) {
      const Telling told = tell(best, ranked[i], ranking);
      const std::string name =
          fmt::format("{} ({})", cell_text(cells_[ranked[i]].summary.cell), estimate(ranked[i]));
      if (told == Telling::equivalent) alike.push_back(name);
      if (told == Telling::open) open.push_back(name);
      if (told == Telling::different && !next_clear) next_clear = ranked[i];
    }
    const std::string best_name =
        fmt::format("{} ({} {})", cell_text(cells_[best].summary.cell), word(), estimate(best));
    if (ranking) {
      std::vector<std::string> names;
      for (const std::size_t cell : ranked) {
        names.push_back(
            fmt::format("{} ({})", cell_text(cells_[cell].summary.cell), estimate(cell)));
      }
      return text + fmt::format(
                        "by {}, best first: {}; a ranking, not a verdict: fewer than six "
                        "blocks or --quick",
                        word(), named_few(names));
    }
    if (!open.empty()) {
      text += fmt::format("cannot tell {} from {}", best_name, named_few(open));
      if (!alike.empty()) text += fmt::format("; equivalent to it: {}", named_few(alike));
      return text;
    }
    text += fmt::format("{} is best", best_name);
    if (!alike.empty()) {
      text += fmt::format(", equivalent within {} to {}", margin_text(), named_few(alike));
    }
    if (next_clear) {
      text += fmt::format(", ahead of {} ({})", cell_text(cells_[*next_clear].summary.cell),
                          estimate(*next_clear));
    }
    return text;
  }

  enum class Telling { equivalent, open, different };
  Telling tell(std::size_t best, std::size_t other, bool& ranking) const {
    const auto moved = paired_difference(cells_[best].values, cells_[other].values, scale_);
    if (!moved) return Telling::open;
    if (question_.quick || !moved->interval) {
      ranking = true;
      return Telling::open;
    }
    const Interval& interval = *moved->interval;
    if (within_margin(best, other)) return Telling::equivalent;
    const bool clear = interval.low > 0.0 || interval.high < 0.0;
    return clear ? Telling::different : Telling::open;
  }

  bool all_zero(const std::vector<std::size_t>& cells) const {
    for (const std::size_t cell : cells) {
      for (const auto& [block, value] : cells_[cell].values) {
        if (value != 0.0) return false;
      }
    }
    return true;
  }

  // Where the same netdevs carried both the kernel's path and DPDK's.
  std::vector<std::string> paths() const {
    std::vector<std::string> clauses;
    for (const FactorTable& table : tables_) {
      if (table.factor != "path") continue;
      for (const FactorRow& row : table.rows) {
        const auto dpdk = row.cells.find("dpdk");
        if (dpdk == row.cells.end()) continue;
        for (const auto& [path, cell] : row.cells) {
          const auto of = enum_from_name<Path>(path);
          if (of && is_open_kernel_path(*of))
            clauses.push_back(path_clause(row, dpdk->second, path, cell));
        }
      }
    }
    if (clauses.size() > kNamed) clauses.resize(kNamed);
    if (!clauses.empty()) return clauses;
    std::set<std::string> missing;
    for (const JudgedCell& cell : cells_) {
      if (cell.summary.path == Path::model || !cell.summary.not_measured) continue;
      missing.insert(fmt::format("{} was not measured: {}", name_of(cell.summary.path),
                                 *cell.summary.not_measured));
    }
    return {missing.begin(), missing.end()};
  }

  std::string path_clause(const FactorRow& row, std::size_t dpdk, std::string_view kernels,
                          std::size_t socket) const {
    std::string text = fmt::format("over the same link{}{}, dpdk has {} {} and {} {}",
                                   row.others.empty() ? "" : " with ",
                                   row.others.empty() ? "" : cell_text(row.others), word(),
                                   estimate(dpdk), kernels, estimate(socket));
    const auto received = [&](std::size_t cell) -> std::optional<Estimate> {
      const auto& metrics = cells_[cell].summary.metrics;
      const auto found = metrics.find("received_mpps");
      if (question_.metric == "received_mpps" || found == metrics.end()) return std::nullopt;
      return found->second;
    };
    if (received(dpdk) && received(socket)) {
      text += fmt::format(" (received {} and {})", estimate_text("received_mpps", *received(dpdk)),
                          estimate_text("received_mpps", *received(socket)));
    }
    bool ranking = false;
    const bool dpdk_first = better(median(dpdk), median(socket));
    switch (tell(dpdk_first ? dpdk : socket, dpdk_first ? socket : dpdk, ranking)) {
      case Telling::equivalent:
        return text + ": equivalent";
      case Telling::different:
        return text + fmt::format(": {} is ahead", dpdk_first ? "dpdk" : kernels);
      case Telling::open:
        break;
    }
    return text + (ranking ? ": a ranking, not a verdict" : ": cannot tell which is ahead");
  }

  const Question& question_;
  const std::vector<JudgedCell>& cells_;
  const std::vector<FactorTable>& tables_;
  const std::vector<Comparison>& comparisons_;
  bool higher_is_better_;
  Scale scale_;
  double margin_;
};

}  // namespace

Result<Choose> parse_choose(std::string_view text) {
  std::vector<std::string> words;
  for (const std::string& word : split(text, ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  const auto refused = [&] {
    return fail(Errc::bad_experiment,
                fmt::format("choose = \"{}\" is not understood; allowed: {}", text, kChooseForms));
  };
  if (words.size() < 2) return refused();
  Choose choose;
  choose.factor = words[1];
  const std::vector<std::string> rest(words.begin() + 2, words.end());
  const bool equivalent = rest == std::vector<std::string>{"equivalent", "to", "the", "best"};
  if (words[0] == "best" && rest.empty()) {
    choose.wish = Choose::Wish::best;
  } else if ((words[0] == "smallest" || words[0] == "fewest") && equivalent) {
    choose.wish = Choose::Wish::smallest;
  } else if ((words[0] == "largest" || words[0] == "most") && equivalent) {
    choose.wish = Choose::Wish::largest;
  } else {
    return refused();
  }
  return choose;
}

std::string answer_of(const Question& question, const std::vector<JudgedCell>& cells,
                      const std::vector<FactorTable>& tables,
                      const std::vector<Comparison>& comparisons) {
  return Answer(question, cells, tables, comparisons).sentence();
}

}  // namespace pollmark
