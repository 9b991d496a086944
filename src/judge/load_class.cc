#include "judge/load_class.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace pollmark {

namespace {

// Ties are normal (60 s of 120 s at a ratio of one half); durations are whole nanoseconds, ratios
// are not exact.
constexpr double kSlack = 1e-9;

struct Sums {
  double full_good = 0.0;
  double full_bad = 0.0;
  double short_good = 0.0;
  double short_bad = 0.0;
};

bool is_full(const SearchGoal& goal, const Evidence& trial) {
  return trial.duration_ns >= ns_of(goal.final_trial_seconds);
}

double clamped(double loss_ratio) { return std::clamp(loss_ratio, 0.0, 1.0); }

Sums sums_of(const SearchGoal& goal, const std::vector<Evidence>& trials) {
  Sums sums;
  for (const Evidence& trial : trials) {
    const bool good = clamped(trial.loss_ratio) <= goal.loss_ratio;
    const bool full = is_full(goal, trial);
    double& sum =
        full ? (good ? sums.full_good : sums.full_bad) : (good ? sums.short_good : sums.short_bad);
    sum += static_cast<double>(trial.duration_ns);
  }
  return sums;
}

}  // namespace

std::int64_t ns_of(double seconds) { return std::llround(seconds * 1e9); }

std::string_view name_of(LoadClass load_class) {
  switch (load_class) {
    case LoadClass::undecided:
      return "undecided";
    case LoadClass::lower_bound:
      return "lower_bound";
    case LoadClass::upper_bound:
      return "upper_bound";
  }
  PM_CHECK(false);
}

LoadClass classify(const SearchGoal& goal, const std::vector<Evidence>& trials) {
  const Sums sums = sums_of(goal, trials);
  const double exceed = goal.exceed_ratio;
  const double excess = std::max(0.0, sums.short_bad - sums.short_good * exceed / (1.0 - exceed));
  const double bad = sums.full_bad + excess;
  const double whole =
      std::max(sums.full_good + bad, static_cast<double>(ns_of(goal.duration_sum_seconds)));
  const double allowed = whole * (exceed + kSlack);
  const bool good_at_worst = whole - sums.full_good <= allowed;
  const bool good_at_best = bad <= allowed;
  if (!good_at_best) return LoadClass::upper_bound;
  return good_at_worst ? LoadClass::lower_bound : LoadClass::undecided;
}

double conditional_throughput_pps(const SearchGoal& goal, double load_pps,
                                  const std::vector<Evidence>& trials) {
  std::vector<Evidence> full;
  double total = 0.0;
  for (const Evidence& trial : trials) {
    if (!is_full(goal, trial)) continue;
    full.push_back(trial);
    total += static_cast<double>(trial.duration_ns);
  }
  std::sort(full.begin(), full.end(),
            [](const Evidence& a, const Evidence& b) { return a.loss_ratio < b.loss_ratio; });
  const double whole = std::max(total, static_cast<double>(ns_of(goal.duration_sum_seconds)));
  double remaining = whole * (1.0 - goal.exceed_ratio);
  for (const Evidence& trial : full) {
    remaining -= static_cast<double>(trial.duration_ns);
    if (remaining <= whole * kSlack) return load_pps * (1.0 - clamped(trial.loss_ratio));
  }
  return 0.0;
}

bool RelevantBounds::regular(const SearchGoal& goal) const {
  if (!lower_pps || !upper_pps) return false;
  return (*upper_pps - *lower_pps) / *upper_pps <= goal.width * (1.0 + kSlack) + kSlack;
}

RelevantBounds relevant_bounds(const SearchGoal& goal, const LoadEvidence& loads) {
  RelevantBounds bounds;
  for (const auto& [load_pps, trials] : loads) {
    const LoadClass load_class = classify(goal, trials);
    if (load_class == LoadClass::upper_bound) {
      bounds.upper_pps = load_pps;
      break;
    }
    if (load_class == LoadClass::lower_bound) bounds.lower_pps = load_pps;
  }
  return bounds;
}

}  // namespace pollmark
