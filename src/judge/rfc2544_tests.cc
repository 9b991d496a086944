#include "judge/rfc2544_tests.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "base/units.h"

namespace pollmark {

namespace {

constexpr double kOverload = 1.1;  // of the throughput; section 26.5

// A test that is under way: its next trial; or over: no next trial, and perhaps why no result.
struct TestState {
  std::optional<Rfc2544Trial> next;
  std::optional<WithoutResult> without;
};

// The trials of one kind, in the order in which they were run.
struct KindTrials {
  std::vector<const TrialResult*> valid;
  int count = 0;             // invalid ones too
  int invalid_in_a_row = 0;  // since the last valid one
  std::string last_reason;
};

bool is_of_test(const TrialResult& trial, TrialKind kind) {
  if (trial.order.kind != kind || refusal_of(trial)) return false;
  return kind != TrialKind::latency || trial.order.pdr_percent == 0.0;
}

KindTrials trials_of(TrialKind kind, const std::vector<const TrialResult*>& trials) {
  KindTrials found;
  for (const TrialResult* trial : trials) {
    if (!is_of_test(*trial, kind)) continue;
    ++found.count;
    if (trial->valid) {
      found.valid.push_back(trial);
      found.invalid_in_a_row = 0;
    } else {
      ++found.invalid_in_a_row;
      found.last_reason = join(trial->invalid_reasons, "; ");
    }
  }
  return found;
}

TestState over(NoResult kind, std::string why) { return {{}, WithoutResult{kind, std::move(why)}}; }

// The trial with its place among those of its kind; given up after too many invalid attempts.
TestState proposed(Rfc2544Trial trial, const KindTrials& so_far, int retries) {
  if (so_far.invalid_in_a_row > retries) {
    return over(NoResult::not_measured,
                fmt::format("given up at {} after {} invalid attempts: {}", trial.what,
                            so_far.invalid_in_a_row, so_far.last_reason));
  }
  trial.nth = so_far.count;
  trial.attempt = so_far.invalid_in_a_row;
  return {std::move(trial), {}};
}

TestState latency_state(const Rfc2544Order& order, const Rfc2544Ground& ground,
                        const KindTrials& so_far) {
  if (!so_far.valid.empty() && latency_of(so_far.valid.front()->latency_ns).histogram == nullptr)
    return over(NoResult::not_applicable, "this path measures no latency");
  const auto done = static_cast<int>(so_far.valid.size());
  if (done >= order.latency_repeats) return {};
  Rfc2544Trial trial;
  trial.test = Rfc2544Test::latency;
  trial.kind = TrialKind::latency;
  trial.load_pps = ground.throughput_pps;
  trial.seconds = order.latency_seconds;
  trial.what = fmt::format("latency, {} of {}", done + 1, order.latency_repeats);
  return proposed(std::move(trial), so_far, ground.retries);
}

double load_of(const TrialResult& trial) {
  return direction_count(trial.order) * trial.order.traffic.intended_pps;
}

std::vector<FrameLossTrial> frame_loss_trials(const KindTrials& so_far) {
  std::vector<FrameLossTrial> trials;
  for (const TrialResult* trial : so_far.valid) {
    const Ledger books = trial->ledger();
    trials.push_back({load_of(*trial), books.offered_pkts(), books.lost_pkts()});
  }
  return trials;
}

TestState frame_loss_state(const Rfc2544Order& order, const Rfc2544Ground& ground,
                           const KindTrials& so_far) {
  const auto load_pps =
      next_frame_loss_load(ground.highest_pps, frame_loss_trials(so_far), order.loss_step_percent);
  if (!load_pps) return {};
  Rfc2544Trial trial;
  trial.test = Rfc2544Test::frame_loss_rate;
  trial.kind = TrialKind::frame_loss;
  trial.load_pps = *load_pps;
  trial.seconds = order.trial_seconds;
  trial.what = fmt::format("frame loss at {:.4g} %", 100.0 * *load_pps / ground.highest_pps);
  return proposed(std::move(trial), so_far, ground.retries);
}

struct BurstState {
  std::vector<double> longest_pkts;    // of each repetition that is over, as offered
  std::vector<BurstTrial> repetition;  // that is under way
  bool at_limit = false;               // the last one ended within a step of the longest burst
};

// The most frames that got through of those as long as the search's answer: a sender may fall short
// of what was ordered.
double offered_of(std::int64_t burst_pkts, const std::vector<const TrialResult*>& repetition) {
  double offered = 0.0;
  for (const TrialResult* trial : repetition) {
    const Ledger books = trial->ledger();
    if (ordered_burst_pkts(trial->order) != burst_pkts || books.lost_pkts() > 0) continue;
    offered = std::max(offered,
                       static_cast<double>(books.offered_pkts()) / direction_count(trial->order));
  }
  return offered;
}

BurstState replayed_bursts(const BurstOrder& bursts, const KindTrials& so_far) {
  BurstState state;
  std::vector<const TrialResult*> own;
  for (const TrialResult* trial : so_far.valid) {
    own.push_back(trial);
    state.repetition.push_back({ordered_burst_pkts(trial->order), trial->ledger().lost_pkts()});
    if (next_burst(bursts, state.repetition)) continue;
    const auto longest = longest_burst(bursts, state.repetition);
    state.longest_pkts.push_back(longest ? offered_of(*longest, own) : 0.0);
    state.at_limit = longest && burst_is_at_limit(bursts, *longest);
    state.repetition.clear();
    own.clear();
  }
  return state;
}

TestState burst_state(const Rfc2544Order& order, const Rfc2544Ground& ground,
                      const KindTrials& so_far) {
  if (ground.throughput_is_highest())
    return over(NoResult::not_applicable,
                "the throughput is the highest load, so that no burst is too long (RFC 9004)");
  const BurstOrder bursts = burst_order_of(order, ground);
  const BurstState state = replayed_bursts(bursts, so_far);
  if (state.at_limit)
    return over(
        NoResult::invalid,
        fmt::format("a burst of {} frames, within a step of the longest that is tried ({}), "
                    "lost nothing: raise burst_cap_seconds",
                    grouped(static_cast<std::int64_t>(state.longest_pkts.back())),
                    duration_text(order.burst_cap_seconds * 1e9)));
  const auto done = static_cast<int>(state.longest_pkts.size());
  if (done >= order.burst_repeats) return {};
  const auto burst_pkts = next_burst(bursts, state.repetition);
  PM_CHECK(burst_pkts.has_value());
  Rfc2544Trial trial;
  trial.test = Rfc2544Test::back_to_back;
  trial.kind = TrialKind::burst;
  trial.load_pps = ground.highest_pps;
  trial.seconds = static_cast<double>(*burst_pkts) * ground.ways / ground.highest_pps;
  trial.warmup_seconds = 0.0;
  trial.what = fmt::format("burst of {} frames, {} of {}", grouped(*burst_pkts), done + 1,
                           order.burst_repeats);
  return proposed(std::move(trial), so_far, ground.retries);
}

// From the change on; nullopt: frames were lost, and nobody saw when.
std::optional<double> recovery_of(const TrialResult& trial) {
  if (trial.ledger().lost_pkts() <= 0) return recovery_seconds(0.0, std::nullopt);
  std::optional<double> last_loss_s;
  for (const StreamAccount& stream : trial.streams) {
    if (stream.last_loss_s) last_loss_s = std::max(last_loss_s.value_or(0.0), *stream.last_loss_s);
  }
  if (!last_loss_s) return std::nullopt;
  return recovery_seconds(0.0, last_loss_s);
}

bool any_untimed(const KindTrials& recovery) {
  return std::any_of(recovery.valid.begin(), recovery.valid.end(),
                     [](const TrialResult* trial) { return !recovery_of(*trial); });
}

TestState recovery_state(const Rfc2544Order& order, const Rfc2544Ground& ground,
                         const KindTrials& so_far) {
  if (ground.throughput_is_highest())
    return over(NoResult::not_applicable,
                "the throughput is the highest load: there is no overload to recover from");
  // Those without a loss alone would look as if it recovered at once.
  if (any_untimed(so_far))
    return over(NoResult::not_applicable, "frames were lost, and this path does not tell when");
  const auto done = static_cast<int>(so_far.valid.size());
  if (done >= order.recovery_repeats) return {};
  Rfc2544Trial trial;
  trial.test = Rfc2544Test::system_recovery;
  trial.kind = TrialKind::recovery;
  trial.warmup_pps = std::min(kOverload * ground.throughput_pps, ground.highest_pps);
  trial.warmup_seconds = order.overload_seconds;
  trial.load_pps = *trial.warmup_pps / 2.0;
  trial.seconds = order.recovery_seconds;
  trial.what = fmt::format("recovery, {} of {}", done + 1, order.recovery_repeats);
  return proposed(std::move(trial), so_far, ground.retries);
}

TestState reset_state() {
  return over(
      NoResult::not_applicable,
      "needs a port that can be restarted while the sender goes on; those of a model and of "
      "a veth pair live and die with the trial");
}

TestState state_of(Rfc2544Test test, const Rfc2544Order& order, const Rfc2544Ground& ground,
                   const std::vector<const TrialResult*>& trials) {
  if (test == Rfc2544Test::throughput) return {};
  if (test == Rfc2544Test::reset) return reset_state();
  if (test == Rfc2544Test::frame_loss_rate)
    return frame_loss_state(order, ground, trials_of(TrialKind::frame_loss, trials));
  if (!(ground.throughput_pps > 0.0))
    return over(NoResult::not_measured,
                fmt::format("there is no throughput: {}", ground.why_no_throughput));
  if (test == Rfc2544Test::latency)
    return latency_state(order, ground, trials_of(TrialKind::latency, trials));
  if (test == Rfc2544Test::back_to_back)
    return burst_state(order, ground, trials_of(TrialKind::burst, trials));
  return recovery_state(order, ground, trials_of(TrialKind::recovery, trials));
}

void take_latency(const KindTrials& latency, Rfc2544Values& values) {
  for (const TrialResult* trial : latency.valid) {
    const LatencyHistogram* histogram = latency_of(trial->latency_ns).histogram;
    const auto mean_ns = histogram == nullptr ? std::nullopt : histogram->mean();
    if (!mean_ns) continue;
    values.latency_mean_ns.push_back(*mean_ns);
    if (const auto p999_ns = histogram->percentile(99.9))
      values.latency_p999_ns.push_back(static_cast<double>(*p999_ns));
  }
}

}  // namespace

std::string_view name_of(NoResult kind) {
  switch (kind) {
    case NoResult::not_applicable:
      return "not applicable";
    case NoResult::not_measured:
      return "not measured";
    case NoResult::invalid:
      return "invalid";
  }
  PM_CHECK(false);
}

Rfc2544Ground rfc2544_ground(const SearchResult& search,
                             const std::vector<const TrialResult*>& trials, int retries) {
  PM_CHECK(search.goals.size() == 1);
  const GoalResult& goal = search.goals.front();
  Rfc2544Ground ground;
  ground.retries = retries;
  ground.highest_pps = search.max_load_pps;
  if (search.not_reachable_pps) ground.highest_pps = 0.0;
  for (const TrialResult* trial : trials) {
    if (trial->order.kind != TrialKind::search) continue;
    ground.ways = direction_count(trial->order);
    if (search.not_reachable_pps && trial->valid)
      ground.highest_pps = std::max(ground.highest_pps, load_of(*trial));
  }
  ground.why_no_throughput = search.complete ? goal.irregular_why : search.incomplete_why;
  if (search.complete && goal.lower_bound_pps) ground.throughput_pps = *goal.lower_bound_pps;
  return ground;
}

BurstOrder burst_order_of(const Rfc2544Order& order, const Rfc2544Ground& ground) {
  BurstOrder bursts;
  const double cap_pkts = order.burst_cap_seconds * ground.highest_pps / ground.ways;
  bursts.max_burst_pkts = std::max(bursts.min_burst_pkts + 1, static_cast<std::int64_t>(cap_pkts));
  bursts.step_pkts = order.burst_step_pkts;
  return bursts;
}

std::int64_t ordered_burst_pkts(const TrialOrder& order) {
  return std::llround(order.seconds * order.traffic.intended_pps);
}

std::optional<Rfc2544Trial> next_rfc2544_trial(const Rfc2544Order& order,
                                               const Rfc2544Ground& ground,
                                               const std::vector<const TrialResult*>& trials) {
  if (!(ground.highest_pps > 0.0)) return std::nullopt;
  for (const Rfc2544Test test : order.tests) {
    TestState state = state_of(test, order, ground, trials);
    if (state.next) return std::move(state.next);
  }
  return std::nullopt;
}

Rfc2544Values rfc2544_values(const Rfc2544Order& order, const Rfc2544Ground& ground,
                             const std::vector<const TrialResult*>& trials) {
  Rfc2544Values values;
  if (!(ground.highest_pps > 0.0)) return values;
  take_latency(trials_of(TrialKind::latency, trials), values);
  for (const FrameLossTrial& trial : frame_loss_trials(trials_of(TrialKind::frame_loss, trials))) {
    values.frame_loss.push_back({trial.load_pps, 100.0 * trial.load_pps / ground.highest_pps,
                                 trial.offered_pkts, trial.lost_pkts});
  }
  if (ground.throughput_pps > 0.0 && !ground.throughput_is_highest()) {
    BurstState bursts =
        replayed_bursts(burst_order_of(order, ground), trials_of(TrialKind::burst, trials));
    if (!bursts.at_limit) values.burst_pkts = std::move(bursts.longest_pkts);
    const KindTrials recovery = trials_of(TrialKind::recovery, trials);
    for (const TrialResult* trial : recovery.valid) {
      values.overload_pps = direction_count(trial->order) * trial->order.traffic.warmup_pps;
      if (!any_untimed(recovery)) values.recovery_s.push_back(*recovery_of(*trial));
    }
  }
  for (const Rfc2544Test test : order.tests) {
    TestState state = state_of(test, order, ground, trials);
    if (!state.without && state.next)
      state.without = WithoutResult{NoResult::not_measured, "the run ended before it"};
    if (state.without) values.without.emplace_back(test, std::move(*state.without));
  }
  return values;
}

}  // namespace pollmark
