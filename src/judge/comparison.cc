#include "judge/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "judge/drift.h"
#include "judge/multiplicity.h"
#include "judge/order_statistics.h"
#include "judge/power.h"
#include "judge/shift.h"
#include "judge/wording.h"

namespace pollmark {
namespace {

// log ratios where every value allows them.
Scale scale_for(std::string_view metric, const std::vector<double>& values) {
  const bool above_zero =
      std::all_of(values.begin(), values.end(), [](double value) { return value > 0.0; });
  return above_zero ? scale_of(metric) : Scale::absolute;
}

double margin_for(std::string_view metric, double matters, Scale scale, double baseline) {
  if (scale == scale_of(metric)) return margin_of(metric, matters);
  return matters * std::fabs(baseline);
}

double on_scale(double value, Scale scale) {
  return scale == Scale::absolute ? value : std::log(value);
}

void take_shift(Comparison& comparison, const Shift& shift) {
  comparison.values = shift.values;
  comparison.difference = shift.estimate;
  comparison.interval = shift.interval;
  comparison.p = shift.p;
  comparison.equivalent = is_equivalent(shift, comparison.margin);
}

std::vector<int> shared_blocks(const std::vector<SettingPair>& pairs) {
  std::vector<int> shared;
  for (const auto& [block, value] : *pairs.front().from) {
    const bool everywhere =
        std::all_of(pairs.begin(), pairs.end(), [block = block](const SettingPair& pair) {
          return pair.from->contains(block) && pair.to->contains(block);
        });
    if (everywhere) shared.push_back(block);
  }
  return shared;
}

// Without the combinations that have fewest blocks, where all of them together have too few: one
// setting that was disturbed half of the time must not take the verdict from the others.
// Where none has enough, as in a quick run, all that have as many as any stay: leaving some out
// would help no verdict.
std::vector<SettingPair> with_enough_blocks(std::vector<SettingPair> pairs) {
  std::size_t most = 0;
  for (const SettingPair& pair : pairs) most = std::max(most, shared_blocks({pair}).size());
  const std::size_t enough = std::min<std::size_t>(most, kFewestBlocks);
  while (pairs.size() > 1 && shared_blocks(pairs).size() < enough) {
    const auto fewest = std::min_element(
        pairs.begin(), pairs.end(), [](const SettingPair& a, const SettingPair& b) {
          return shared_blocks({a}).size() < shared_blocks({b}).size();
        });
    if (shared_blocks({*fewest}).size() >= enough) break;
    pairs.erase(fewest);
  }
  return pairs;
}

std::string percent(double share) {
  const double value = 100.0 * share;
  const double size = std::fabs(value);
  if (size == 0.0) return "0";
  if (size >= 99.95) return fmt::format("{:.0f}", value);
  if (size >= 0.995) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2g}", value);
}

// On the scale, as a share: of one, or of the baseline.
double as_share(const Comparison& comparison, double difference) {
  return comparison.scale == Scale::absolute ? difference : std::expm1(difference);
}

std::string interval_text(const Comparison& comparison) {
  if (!comparison.interval) return {};
  if (comparison.scale == Scale::absolute && scale_of(comparison.metric) == Scale::relative) {
    return fmt::format(" [{}, {}]", value_text(comparison.metric, comparison.interval->low),
                       value_text(comparison.metric, comparison.interval->high));
  }
  return fmt::format(" [{}, {}]", percent(as_share(comparison, comparison.interval->low)),
                     percent(as_share(comparison, comparison.interval->high)));
}

bool improves(const Comparison& comparison) {
  return (*comparison.difference > 0.0) == metric_facts(comparison.metric).higher_is_better;
}

std::string units_text(const Comparison& comparison, int count) {
  const bool paired = comparison.pairing == Pairing::paired;
  return fmt::format("{} {}{}", count, paired ? "block" : "trial", count == 1 ? "" : "s");
}

std::string detectable_text(const Comparison& comparison) {
  // 0: every block showed the same difference, which tells of no smallest one.
  if (!comparison.detectable || *comparison.detectable == 0.0) return {};
  return fmt::format("; detectable from {}", size_text(comparison, *comparison.detectable));
}

std::string subject_of(const Comparison& comparison) {
  return comparison.factor.empty() ? comparison.level
                                   : fmt::format("{} {}", comparison.factor, comparison.level);
}

Verdict verdict_of(const Comparison& comparison, Rigour rigour) {
  if (!comparison.idle.empty()) return Verdict::not_exercised;
  if (!comparison.confounded_by.empty()) return Verdict::confounded;
  if (!comparison.difference) return Verdict::cannot_tell;
  if (rigour == Rigour::ranking || comparison.values < kFewestBlocks) return Verdict::ranking_only;
  if (comparison.adjusted_p && *comparison.adjusted_p < kAlpha) {
    if (std::fabs(*comparison.difference) < comparison.margin) return Verdict::tiny;
    return improves(comparison) ? Verdict::better : Verdict::worse;
  }
  return comparison.equivalent ? Verdict::equivalent : Verdict::cannot_tell;
}

std::string reason_text(const Comparison& comparison) {
  switch (comparison.verdict) {
    case Verdict::better:
    case Verdict::worse:
      return fmt::format(": {}{}", name_of(comparison.verdict), detectable_text(comparison));
    case Verdict::tiny:
      return fmt::format(": {}{} than the {} that matters",
                         comparison.equivalent ? "equivalent, " : "", "tiny: less",
                         size_text(comparison, comparison.margin));
    case Verdict::equivalent:
      return fmt::format(": equivalent within {}{}", size_text(comparison, comparison.margin),
                         detectable_text(comparison));
    case Verdict::cannot_tell:
      break;
    case Verdict::not_exercised:
      return fmt::format(": not exercised: nothing shows that {} acted, so no verdict",
                         comparison.idle);
    case Verdict::ranking_only:
      return fmt::format(": a ranking, not a verdict ({})",
                         units_text(comparison, comparison.values));
    case Verdict::confounded:
      return fmt::format(": confounded by {}", comparison.confounded_by);
  }
  std::string text = ": cannot tell";
  if (comparison.p && comparison.adjusted_p && *comparison.p < kAlpha) {
    text += fmt::format(" (p is {:.2g} alone, {:.2g} in its family)", *comparison.p,
                        *comparison.adjusted_p);
  }
  if (comparison.blocks_needed) {
    text += fmt::format("; about {} would tell {} apart",
                        units_text(comparison, *comparison.blocks_needed),
                        size_text(comparison, comparison.margin));
  }
  return text + detectable_text(comparison);
}

std::string sentence_of(const Comparison& comparison) {
  if (!comparison.difference) {
    return fmt::format("{} against {}: cannot tell: {}", subject_of(comparison),
                       comparison.baseline,
                       comparison.pairing == Pairing::paired ? "they share no block"
                                                             : "one of them has no number");
  }
  std::string text = fmt::format("{} {}", subject_of(comparison), change_text(comparison));
  if (comparison.left_out > 0) {
    text += fmt::format(" (mean of {} of {} combinations: the others have too few blocks)",
                        comparison.combinations, comparison.combinations + comparison.left_out);
  } else if (comparison.combinations > 1) {
    text += fmt::format(" (mean of {} combinations)", comparison.combinations);
  }
  text += reason_text(comparison);
  if (comparison.noise_floor && std::fabs(*comparison.difference) < *comparison.noise_floor) {
    text += fmt::format("; below the noise floor of {}",
                        size_text(comparison, *comparison.noise_floor));
  }
  for (const std::string& warning : comparison.warnings) text += "; " + warning;
  return text;
}

// What the differences of a family's size can show, once the family's level is known.
void add_power(Comparison& comparison, double alpha) {
  if (!comparison.spread || comparison.pairing != Pairing::paired) return;
  if (const auto units = detectable_units(comparison.values, alpha)) {
    comparison.detectable = *units * *comparison.spread;
    if (!comparison.interval) return;
    // A few wild blocks do not move the spread, but they do widen the interval: what lies within
    // it was not detected here.
    const double half_width = (comparison.interval->high - comparison.interval->low) / 2.0;
    if (half_width > *comparison.detectable) {
      comparison.spread = half_width / *units;
      comparison.detectable = half_width;
    }
  }
}

void add_need(Comparison& comparison, double alpha) {
  if (comparison.verdict != Verdict::cannot_tell || !comparison.spread) return;
  if (comparison.pairing != Pairing::paired || comparison.margin <= 0.0) return;
  const int needed = blocks_needed(*comparison.spread, comparison.margin, alpha);
  // An unlucky campaign of enough blocks is repeated with more, in mirrored pairs.
  const int more = comparison.values + 2 + comparison.values % 2;
  comparison.blocks_needed = std::max(needed, more);
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::better:
      return "better";
    case Verdict::worse:
      return "worse";
    case Verdict::equivalent:
      return "equivalent";
    case Verdict::tiny:
      return "tiny";
    case Verdict::cannot_tell:
      return "cannot tell";
    case Verdict::not_exercised:
      return "not exercised";
    case Verdict::ranking_only:
      return "ranking only";
    case Verdict::confounded:
      return "confounded";
  }
  PM_CHECK(false);
}

const std::vector<Verdict>& all_verdicts() {
  static const std::vector<Verdict> kVerdicts{
      Verdict::better,      Verdict::worse,         Verdict::equivalent,   Verdict::tiny,
      Verdict::cannot_tell, Verdict::not_exercised, Verdict::ranking_only, Verdict::confounded};
  return kVerdicts;
}

Comparison compare_paired(std::string_view metric, double matters,
                          const std::vector<SettingPair>& all_pairs) {
  PM_CHECK(!all_pairs.empty());
  Comparison comparison;
  comparison.metric = metric;
  comparison.scale = scale_of(metric);
  const std::vector<SettingPair> pairs = with_enough_blocks(all_pairs);
  const std::vector<int> shared = shared_blocks(pairs);
  comparison.combinations = static_cast<int>(pairs.size());
  comparison.left_out = static_cast<int>(all_pairs.size() - pairs.size());
  if (shared.empty()) return comparison;
  std::vector<double> from;
  std::vector<double> to;
  std::vector<double> all;
  for (const int block : shared) {
    for (const SettingPair& pair : pairs) {
      from.push_back(pair.from->at(block));
      to.push_back(pair.to->at(block));
    }
  }
  all = from;
  all.insert(all.end(), to.begin(), to.end());
  comparison.scale = scale_for(metric, all);
  comparison.from = median_of(from);
  comparison.to = median_of(to);
  comparison.margin = margin_for(metric, matters, comparison.scale, *comparison.from);
  // One value a block: trials of a block share its disturbances, and an outer factor's set-up.
  std::vector<double> differences;
  for (const int block : shared) {
    double sum = 0.0;
    for (const SettingPair& pair : pairs) {
      sum += on_scale(pair.to->at(block), comparison.scale) -
             on_scale(pair.from->at(block), comparison.scale);
    }
    differences.push_back(sum / static_cast<double>(pairs.size()));
  }
  take_shift(comparison, paired_shift(differences));
  comparison.spread = robust_spread(differences);
  const Drift drift = drift_of(differences);
  if (differences.size() >= kFewestBlocks && drift.drifts()) {
    comparison.warnings.push_back(
        fmt::format("the difference drifts over the blocks (Spearman {:+.2f})", drift.spearman));
  }
  if (differences.size() >= kFewestBlocks && drift.correlated()) {
    comparison.warnings.push_back(
        fmt::format("neighbouring blocks are not independent (lag 1: {:+.2f})", drift.lag1));
  }
  return comparison;
}

Comparison compare_paired(std::string_view metric, double matters,
                          const std::map<int, double>& from, const std::map<int, double>& to) {
  return compare_paired(metric, matters, {SettingPair{&from, &to}});
}

Comparison compare_unpaired(std::string_view metric, double matters,
                            const std::vector<double>& from, const std::vector<double>& to) {
  Comparison comparison;
  comparison.metric = metric;
  comparison.pairing = Pairing::unpaired;
  comparison.scale = scale_of(metric);
  if (!from.empty()) comparison.from = median_of(from);
  if (!to.empty()) comparison.to = median_of(to);
  if (from.empty() || to.empty()) return comparison;
  std::vector<double> all = from;
  all.insert(all.end(), to.begin(), to.end());
  comparison.scale = scale_for(metric, all);
  comparison.margin = margin_for(metric, matters, comparison.scale, *comparison.from);
  std::vector<double> starts;
  std::vector<double> ends;
  for (const double value : from) starts.push_back(on_scale(value, comparison.scale));
  for (const double value : to) ends.push_back(on_scale(value, comparison.scale));
  take_shift(comparison, unpaired_shift(starts, ends));
  return comparison;
}

void give_verdicts(std::vector<Comparison>& comparisons, Rigour rigour) {
  for (const Family family : {Family::declared, Family::exploratory}) {
    std::vector<double> p;
    for (const Comparison& comparison : comparisons) {
      if (comparison.family == family && comparison.p) p.push_back(*comparison.p);
    }
    const std::vector<double> adjusted =
        family == Family::declared ? holm(p) : benjamini_hochberg(p);
    const double alpha = kAlpha / static_cast<double>(std::max<std::size_t>(1, p.size()));
    std::size_t next = 0;
    for (Comparison& comparison : comparisons) {
      if (comparison.family != family) continue;
      if (comparison.p) comparison.adjusted_p = adjusted[next++];
      // Of a family's comparisons the first must reach alpha / m: what is promised is promised for
      // it. Exploratory ones are planned for as if alone.
      const double level = family == Family::declared ? alpha : kAlpha;
      add_power(comparison, level);
      comparison.verdict = verdict_of(comparison, rigour);
      add_need(comparison, level);
      comparison.sentence = sentence_of(comparison);
    }
  }
}

std::string size_text(const Comparison& comparison, double difference) {
  if (comparison.scale == Scale::absolute && scale_of(comparison.metric) == Scale::relative) {
    return value_text(comparison.metric, difference);
  }
  return percent(as_share(comparison, difference)) + " %";
}

std::string change_text(const Comparison& comparison) {
  PM_CHECK(comparison.difference.has_value());
  const std::string& metric = comparison.metric;
  const double difference = *comparison.difference;
  const std::string interval = interval_text(comparison);
  const std::string_view of = comparison.scale == scale_of(metric) ? whole_text(metric) : "";
  if (difference == 0.0) {
    return fmt::format("has the same {} as {}{}", metric_word(metric), comparison.baseline,
                       interval);
  }
  const bool more = difference > 0.0;
  const std::string size = size_text(comparison, difference);
  const std::string_view bare = size.front() == '-' ? std::string_view(size).substr(1) : size;
  // "loses 0.2 % of all frames more than 512": verb, what is counted, and after the size.
  struct Words {
    std::string_view metric, verb, after;
  };
  static constexpr Words kMore[] = {{"loss_ratio", "loses", ""},
                                    {"rx_missed_ratio", "misses", ""},
                                    {"retransmitted_ratio", "retransmits", ""},
                                    {"dsacked_ratio", "retransmits in vain", ""},
                                    {"rwnd_limited_ratio", "waits for the window", ""},
                                    {"busy_fraction", "is busy", ""},
                                    {"offered_mpps", "is offered", ""},
                                    {"mpps_per_core", "carries", " per core"},
                                    {"cpu_cores_used", "keeps", " cores busy"}};
  for (const Words& words : kMore) {
    if (words.metric != metric) continue;
    return fmt::format("{} {}{} {}{} than {}{}", words.verb, bare, of, more ? "more" : "less",
                       words.after, comparison.baseline, interval);
  }
  if (metric.ends_with("_mpps")) {
    return fmt::format("carries {} {} than {}{}", bare, more ? "more" : "less", comparison.baseline,
                       interval);
  }
  if (metric.starts_with("latency_") || metric == "rtt_mean_ns") {
    return fmt::format("has a {} {} {} than {}{}", metric_word(metric), bare,
                       more ? "longer" : "shorter", comparison.baseline, interval);
  }
  if (metric.ends_with("_bytes")) {
    return fmt::format("has a {} {} {} than {}{}", metric_word(metric), bare,
                       more ? "larger" : "smaller", comparison.baseline, interval);
  }
  if (metric == "cycles_per_pkt") {
    return fmt::format("takes {} {} cycles per packet than {}{}", bare, more ? "more" : "fewer",
                       comparison.baseline, interval);
  }
  return fmt::format("has a {} {}{} {} than {}{}", metric_word(metric), bare, of,
                     more ? "higher" : "lower", comparison.baseline, interval);
}

}  // namespace pollmark
