#include "judge/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/units.h"
#include "judge/loss_limit.h"

namespace pollmark {

namespace {

// Chance of a good trial above the knee, and of a bad one below it, while a goal looks for it.
constexpr double kGoodAbove = 0.1;
constexpr double kBadBelow = 0.3;
// A step that holds this much of the probability is worth deciding.
constexpr double kStandsOut = 0.6;
// Half-width of the guess around what was forwarded, in grid steps.
constexpr double kGuessSteps = 2.0;
// Short trials of one load, before full-length ones must decide it.
constexpr int kMostShortTrials = 3;
constexpr double kSame = 1e-9;

bool same_load(double a, double b) { return std::fabs(a - b) <= kSame * std::max(a, b); }

double loss_of(const SearchTrial& trial) {
  if (trial.offered_pkts <= 0) return 0.0;
  const std::int64_t lost = std::clamp<std::int64_t>(trial.lost_pkts, 0, trial.offered_pkts);
  return static_cast<double>(lost) / static_cast<double>(trial.offered_pkts);
}

double forwarded_pps(const SearchTrial& trial) { return trial.load_pps * (1.0 - loss_of(trial)); }

// The measured trials, and the loads that the generator left to try.
struct Seen {
  std::vector<SearchTrial> measured;
  LoadEvidence loads;
  double max_load_pps = 0.0;
  std::optional<double> not_reachable_pps;
  int invalid_in_a_row = 0;
};

double least_width(const SearchOrder& order) {
  double width = 1.0;
  for (const SearchGoal& goal : order.goals) width = std::min(width, goal.width);
  return width;
}

// An invalid trial, or one that was not offered as ordered, is no evidence of the device.
Seen seen_of(const SearchOrder& order, const std::vector<SearchTrial>& so_far) {
  Seen seen;
  seen.max_load_pps = order.max_load_pps;
  const double width = least_width(order);
  std::set<double> short_of;
  for (const SearchTrial& trial : so_far) {
    switch (trial.outcome) {
      case SearchOutcome::invalid:
        ++seen.invalid_in_a_row;
        continue;
      case SearchOutcome::not_reachable: {
        // Once may be the generator's bad moment.
        if (short_of.insert(trial.load_pps).second) continue;
        const double reached =
            trial.offered_pps > 0.0 ? std::min(trial.offered_pps, trial.load_pps) : trial.load_pps;
        seen.max_load_pps = std::min(seen.max_load_pps, reached * (1.0 - width));
        seen.not_reachable_pps =
            std::min(seen.not_reachable_pps.value_or(trial.load_pps), trial.load_pps);
        break;
      }
      case SearchOutcome::measured:
        seen.measured.push_back(trial);
        seen.loads[trial.load_pps].push_back({trial.duration_ns, loss_of(trial)});
        break;
    }
    seen.invalid_in_a_row = 0;
  }
  return seen;
}

// The loads that may be tried, rising. Within it one goal width lies between neighbours, except
// that the ends of the range take their place in the outermost steps.
std::vector<double> grid_of(const SearchOrder& order, const Seen& seen) {
  const double step = -std::log1p(-least_width(order));
  const double low = std::log(order.min_load_pps);
  const double high = std::log(std::max(order.min_load_pps, seen.max_load_pps));
  const SearchTrial& first = seen.measured.front();
  const double forwarded = std::clamp(forwarded_pps(first), order.min_load_pps, first.load_pps);
  // What the first trial forwarded is the middle of a step, unless it lost too little for that.
  const bool from_top = std::log(first.load_pps / forwarded) < step;
  const double origin = from_top ? std::log(first.load_pps) : std::log(forwarded) + step / 2.0;
  std::vector<double> grid{order.min_load_pps};
  for (double k = std::ceil((low - origin) / step); origin + k * step < high; k += 1.0) {
    const double at = origin + k * step;
    if (at - low < step * (1.0 - kSame) || high - at < step * (1.0 - kSame)) continue;
    if (grid.size() == 1 && at - low > step * (1.0 + kSame)) {
      grid.push_back(std::exp((low + at) / 2.0));
    }
    grid.push_back(std::exp(at));
  }
  if (high - low > step * kSame) {
    const double last = std::log(grid.back());
    if (grid.size() > 1 && high - last > step * (1.0 + kSame)) {
      grid.push_back(std::exp((last + high) / 2.0));
    }
    grid.push_back(std::exp(high));
  }
  // Loads that were tried keep their very number.
  for (double& load : grid) {
    const auto near = seen.loads.lower_bound(load * (1.0 - kSame));
    if (near != seen.loads.end() && same_load(near->first, load)) load = near->first;
  }
  return grid;
}

// One goal on the grid.
class GoalSearch {
 public:
  GoalSearch(const SearchGoal& goal, const Seen& seen, const std::vector<double>& grid)
      : goal_(goal), seen_(seen), grid_(grid), bounds_(relevant_bounds(goal, seen.loads)) {
    while (span_ + 1 < grid_.size() &&
           1.0 - grid_[0] / grid_[span_ + 1] <= goal.width * (1.0 + kSame) &&
           grid_.size() > span_ + 2) {
      ++span_;
    }
  }

  // Regular, or a bound at an end of the range.
  [[nodiscard]] bool settled() const {
    if (bounds_.regular(goal_)) return true;
    if (bounds_.upper_pps && *bounds_.upper_pps <= grid_.front() * (1.0 + kSame)) return true;
    return !bounds_.upper_pps && bounds_.lower_pps &&
           *bounds_.lower_pps >= grid_.back() * (1.0 - kSame);
  }

  [[nodiscard]] SearchStep next() const {
    const std::vector<double> chances = chances_of_gaps();
    const Gaps best = most_likely(chances);
    if (best.chance < kStandsOut) {
      const std::optional<std::size_t> middle = median_load(chances);
      if (middle) return trial_at(*middle, goal_.initial_trial_seconds);
    }
    return decide(best);
  }

 private:
  // Neighbouring steps that are as wide as the goal allows. Gap g lies below grid point g: gap 0
  // is below all loads, gap grid.size() above them.
  struct Gaps {
    std::size_t first = 0;
    std::size_t last = 0;
    double chance = 0.0;
  };

  [[nodiscard]] bool is(std::size_t load, LoadClass wanted) const {
    const auto evidence = seen_.loads.find(grid_[load]);
    return evidence != seen_.loads.end() && classify(goal_, evidence->second) == wanted;
  }
  [[nodiscard]] bool decided(std::size_t load) const {
    const auto evidence = seen_.loads.find(grid_[load]);
    return evidence != seen_.loads.end() &&
           classify(goal_, evidence->second) != LoadClass::undecided;
  }
  [[nodiscard]] double full_seconds(std::size_t load) const {
    const auto evidence = seen_.loads.find(grid_[load]);
    if (evidence == seen_.loads.end()) return 0.0;
    double sum = 0.0;
    for (const Evidence& trial : evidence->second) sum += static_cast<double>(trial.duration_ns);
    return sum;
  }

  // Where the knee of this goal is guessed: from what the trials that lost forwarded, at the lowest
  // loads that did; before one lost, from the first.
  [[nodiscard]] double guess_pps() const {
    double lowest = 0.0;
    for (const SearchTrial& trial : seen_.measured) {
      if (loss_of(trial) <= goal_.loss_ratio) continue;
      if (lowest == 0.0 || trial.load_pps < lowest) lowest = trial.load_pps;
    }
    std::vector<double> forwarded;
    for (const SearchTrial& trial : seen_.measured) {
      if (loss_of(trial) <= goal_.loss_ratio || trial.load_pps > lowest * 1.1) continue;
      forwarded.push_back(forwarded_pps(trial));
    }
    if (forwarded.empty()) return forwarded_pps(seen_.measured.front()) / (1.0 - goal_.loss_ratio);
    const auto middle = forwarded.begin() + static_cast<std::ptrdiff_t>(forwarded.size() / 2);
    std::nth_element(forwarded.begin(), middle, forwarded.end());
    return std::max(*middle, grid_.front()) / (1.0 - goal_.loss_ratio);
  }

  // For each gap the chance that the knee lies there; 0 for gaps that the bounds exclude.
  [[nodiscard]] std::vector<double> chances_of_gaps() const {
    const std::size_t loads = grid_.size();
    // Of the loads below a gap: good is expected; above: bad.
    std::vector<double> if_below(loads, 0.0);
    std::vector<double> if_above(loads, 0.0);
    for (std::size_t i = 0; i < loads; ++i) {
      const auto evidence = seen_.loads.find(grid_[i]);
      if (evidence == seen_.loads.end()) continue;
      for (const Evidence& trial : evidence->second) {
        const bool good = trial.loss_ratio <= goal_.loss_ratio;
        if_below[i] += std::log(good ? 1.0 - kBadBelow : kBadBelow);
        if_above[i] += std::log(good ? kGoodAbove : 1.0 - kGoodAbove);
      }
    }
    double score = 0.0;
    for (const double each : if_above) score += each;
    const double step = -std::log1p(-goal_.width);
    const double guess = std::log(guess_pps());
    std::vector<double> scores(loads + 1);
    double most = -1e300;
    for (std::size_t g = 0; g <= loads; ++g) {
      if (g > 0) score += if_below[g - 1] - if_above[g - 1];
      const double at = g == 0       ? std::log(grid_[0]) - step / 2.0
                        : g == loads ? std::log(grid_[loads - 1]) + step / 2.0
                                     : (std::log(grid_[g - 1]) + std::log(grid_[g])) / 2.0;
      const double off = (at - guess) / (kGuessSteps * step);
      scores[g] = allowed(g) ? score - std::log1p(off * off) : -1e300;
      most = std::max(most, scores[g]);
    }
    double sum = 0.0;
    for (double& each : scores) {
      each = std::exp(each - most);
      sum += each;
    }
    for (double& each : scores) each /= sum;
    return scores;
  }

  [[nodiscard]] bool allowed(std::size_t gap) const {
    // Below a lower bound, or above an upper one, there is no knee. The bounds may lie off the
    // grid.
    if (bounds_.upper_pps && (gap == 0 ? false : grid_[gap - 1] >= *bounds_.upper_pps))
      return false;
    return !(bounds_.lower_pps && gap < grid_.size() && grid_[gap] <= *bounds_.lower_pps);
  }

  [[nodiscard]] Gaps most_likely(const std::vector<double>& chances) const {
    Gaps best;
    for (std::size_t first = 0; first < chances.size(); ++first) {
      if (chances[first] <= 0.0) continue;
      Gaps gaps{first, first, chances[first]};
      // The outermost gaps have one end only.
      for (std::size_t more = 1; more < span_ && first > 0; ++more) {
        if (gaps.last + 2 >= chances.size()) break;
        ++gaps.last;
        gaps.chance += chances[gaps.last];
      }
      if (gaps.chance > best.chance) best = gaps;
    }
    return best;
  }

  // The undecided load that halves the chances best.
  [[nodiscard]] std::optional<std::size_t> median_load(const std::vector<double>& chances) const {
    std::optional<std::size_t> best;
    double best_off = 1.0;
    double below = 0.0;
    for (std::size_t i = 0; i < grid_.size(); ++i) {
      below += chances[i];
      if (decided(i) || below <= 0.0 || below >= 1.0) continue;
      const double off = std::fabs(below - 0.5);
      if (best && off >= best_off) continue;
      best = i;
      best_off = off;
    }
    return best;
  }

  // Trials at the ends of these gaps.
  [[nodiscard]] SearchStep decide(const Gaps& gaps) const {
    std::optional<std::size_t> lower;
    std::optional<std::size_t> upper;
    if (gaps.first > 0 && !is(gaps.first - 1, LoadClass::lower_bound)) lower = gaps.first - 1;
    if (gaps.last < grid_.size() && !is(gaps.last, LoadClass::upper_bound)) upper = gaps.last;
    const bool cheap_upper = goal_.initial_trial_seconds < goal_.final_trial_seconds;
    if (upper && (!lower || cheap_upper || full_seconds(*upper) < full_seconds(*lower))) {
      // One short bad trial decides where none may be bad.
      return trial_at(*upper, goal_.exceed_ratio == 0.0 ? goal_.initial_trial_seconds
                                                        : goal_.final_trial_seconds);
    }
    if (lower) return trial_at(*lower, goal_.final_trial_seconds);
    // Both ends are decided, but farther apart than the goal wants: what lies between is not.
    for (std::size_t load = gaps.first; load < gaps.last; ++load) {
      if (!decided(load)) return trial_at(load, goal_.final_trial_seconds);
    }
    return {};
  }

  [[nodiscard]] SearchStep trial_at(std::size_t load, double seconds) const {
    int short_trials = 0;
    const auto evidence = seen_.loads.find(grid_[load]);
    if (evidence != seen_.loads.end()) {
      for (const Evidence& trial : evidence->second) {
        if (trial.duration_ns < ns_of(goal_.final_trial_seconds)) ++short_trials;
      }
    }
    if (short_trials >= kMostShortTrials) seconds = goal_.final_trial_seconds;
    return {SearchStep::Kind::trial, grid_[load], ns_of(seconds), {}};
  }

  const SearchGoal& goal_;
  const Seen& seen_;
  const std::vector<double>& grid_;
  RelevantBounds bounds_;
  std::size_t span_ = 1;  // grid steps within the goal's width
};

// Full-length trials at the highest load, for a goal of kind max_rate.
std::vector<SearchTrial> at_max(const SearchGoal& goal, const Seen& seen) {
  std::vector<SearchTrial> trials;
  for (const SearchTrial& trial : seen.measured) {
    if (!same_load(trial.load_pps, seen.max_load_pps)) continue;
    if (trial.duration_ns >= ns_of(goal.final_trial_seconds)) trials.push_back(trial);
  }
  return trials;
}

std::int64_t total_ns(const std::vector<SearchTrial>& trials) {
  std::int64_t sum = 0;
  for (const SearchTrial& trial : trials) sum += trial.duration_ns;
  return sum;
}

void add_counts(GoalResult& result, const std::vector<SearchTrial>& trials) {
  for (const SearchTrial& trial : trials) {
    ++result.bound_trials;
    result.offered_pkts += trial.offered_pkts;
    result.lost_pkts += std::clamp<std::int64_t>(trial.lost_pkts, 0, trial.offered_pkts);
  }
  result.loss_ratio_limit = loss_ratio_limit(result.lost_pkts, result.offered_pkts);
}

GoalResult max_rate_result(const SearchGoal& goal, const Seen& seen) {
  GoalResult result;
  result.goal = goal;
  const std::vector<SearchTrial> trials = at_max(goal, seen);
  add_counts(result, trials);
  if (trials.empty()) {
    result.irregular_why = "no valid trial at the highest load";
    return result;
  }
  double sum = 0.0;
  for (const SearchTrial& trial : trials) sum += forwarded_pps(trial);
  result.throughput_pps = sum / static_cast<double>(trials.size());
  result.regular = total_ns(trials) >= ns_of(goal.duration_sum_seconds);
  if (!result.regular) result.irregular_why = "the search ended before its seconds were full";
  return result;
}

std::string why_irregular(const SearchOrder& order, const Seen& seen,
                          const RelevantBounds& bounds) {
  if (!bounds.upper_pps && bounds.lower_pps && same_load(*bounds.lower_pps, seen.max_load_pps)) {
    return seen.not_reachable_pps
               ? fmt::format("good up to {}; the generator does not reach {}",
                             si(seen.max_load_pps, "pps"), si(*seen.not_reachable_pps, "pps"))
               : fmt::format("good up to the highest load, {}", si(seen.max_load_pps, "pps"));
  }
  if (bounds.upper_pps && *bounds.upper_pps <= order.min_load_pps * (1.0 + kSame)) {
    return fmt::format("bad even at the lowest load, {}", si(order.min_load_pps, "pps"));
  }
  return "the search ended before its bounds were close enough";
}

GoalResult bounds_result(const SearchOrder& order, const SearchGoal& goal, const Seen& seen) {
  GoalResult result;
  result.goal = goal;
  const RelevantBounds bounds = relevant_bounds(goal, seen.loads);
  result.lower_bound_pps = bounds.lower_pps;
  result.upper_bound_pps = bounds.upper_pps;
  result.regular = bounds.regular(goal);
  if (!result.regular) result.irregular_why = why_irregular(order, seen, bounds);
  if (!bounds.lower_pps) return result;
  result.throughput_pps =
      conditional_throughput_pps(goal, *bounds.lower_pps, seen.loads.at(*bounds.lower_pps));
  std::vector<SearchTrial> full;
  for (const SearchTrial& trial : seen.measured) {
    if (trial.load_pps != *bounds.lower_pps) continue;
    if (trial.duration_ns >= ns_of(goal.final_trial_seconds)) full.push_back(trial);
  }
  add_counts(result, full);
  return result;
}

}  // namespace

SearchStep next_step(const SearchOrder& order, const std::vector<SearchTrial>& so_far) {
  PM_CHECK(!order.goals.empty());
  PM_CHECK(order.min_load_pps > 0.0 && order.max_load_pps > order.min_load_pps);
  const Seen seen = seen_of(order, so_far);
  if (seen.invalid_in_a_row > order.retries) {
    return {SearchStep::Kind::given_up, 0.0, 0,
            fmt::format("no valid trial at {} in {} attempts", si(so_far.back().load_pps, "pps"),
                        seen.invalid_in_a_row)};
  }
  if (seen.max_load_pps <= order.min_load_pps) {
    return {SearchStep::Kind::given_up, 0.0, 0,
            fmt::format("the generator does not reach {}", si(so_far.back().load_pps, "pps"))};
  }
  if (seen.measured.empty()) {
    double seconds = order.goals.front().initial_trial_seconds;
    for (const SearchGoal& goal : order.goals) {
      seconds = std::min(seconds, goal.initial_trial_seconds);
    }
    return {SearchStep::Kind::trial, seen.max_load_pps, ns_of(seconds), {}};
  }
  const std::vector<double> grid = grid_of(order, seen);
  for (const SearchGoal& goal : order.goals) {
    if (goal.kind == GoalKind::max_rate) {
      if (total_ns(at_max(goal, seen)) >= ns_of(goal.duration_sum_seconds)) continue;
      return {SearchStep::Kind::trial, seen.max_load_pps, ns_of(goal.final_trial_seconds), {}};
    }
    const GoalSearch search(goal, seen, grid);
    if (search.settled()) continue;
    SearchStep step = search.next();
    if (step.kind == SearchStep::Kind::trial) return step;
  }
  return {};
}

std::vector<GoalResult> goal_results(const SearchOrder& order,
                                     const std::vector<SearchTrial>& so_far) {
  const Seen seen = seen_of(order, so_far);
  std::vector<GoalResult> results;
  for (const SearchGoal& goal : order.goals) {
    results.push_back(goal.kind == GoalKind::max_rate ? max_rate_result(goal, seen)
                                                      : bounds_result(order, goal, seen));
  }
  return results;
}

SearchTrial search_trial_of(const TrialResult& trial) {
  SearchTrial seen;
  seen.load_pps = direction_count(trial.order) * trial.order.traffic.intended_pps;
  seen.duration_ns = ns_of(trial.order.seconds);
  const Ledger books = trial.ledger();
  seen.offered_pkts = books.offered_pkts();
  seen.lost_pkts = books.lost_pkts();
  seen.offered_pps = trial.offered_pps.value_or(0.0);
  if (trial.valid) return seen;
  const bool only_short =
      !trial.invalid_reasons.empty() &&
      std::all_of(trial.invalid_reasons.begin(), trial.invalid_reasons.end(),
                  [](const std::string& why) { return why.starts_with("generator_short"); });
  seen.outcome = only_short ? SearchOutcome::not_reachable : SearchOutcome::invalid;
  return seen;
}

SearchResult search_result_of(const SearchOrder& order, const std::vector<TrialResult>& trials,
                              const std::string& incomplete_why) {
  PM_CHECK(!trials.empty());
  SearchResult result;
  const TrialOrder& first = trials.front().order;
  result.group = first.group;
  result.cell = first.cell;
  result.path = first.path;
  result.clock = first.clock;
  result.block = first.block;
  result.min_load_pps = order.min_load_pps;
  result.max_load_pps = order.max_load_pps;
  std::vector<SearchTrial> seen;
  for (const TrialResult& trial : trials) {
    seen.push_back(search_trial_of(trial));
    result.trials.push_back(trial.order.trial);
    if (!trial.valid) ++result.invalid;
    result.traffic_seconds += trial.order.seconds;
  }
  result.not_reachable_pps = seen_of(order, seen).not_reachable_pps;
  result.complete = incomplete_why.empty();
  result.incomplete_why = incomplete_why;
  result.goals = goal_results(order, seen);
  return result;
}

}  // namespace pollmark
