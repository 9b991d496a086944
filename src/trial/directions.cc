#include "trial/directions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pollmark {
namespace {

constexpr std::string_view kThere = "there";
constexpr std::string_view kBack = "back";

template <typename T>
std::optional<T> sum(const std::optional<T>& a, const std::optional<T>& b) {
  return a && b ? std::optional(*a + *b) : std::nullopt;
}
template <typename T>
std::optional<T> larger(const std::optional<T>& a, const std::optional<T>& b) {
  return a && b ? std::optional(std::max(*a, *b)) : std::nullopt;
}
template <typename T>
std::optional<T> smaller(const std::optional<T>& a, const std::optional<T>& b) {
  return a && b ? std::optional(std::min(*a, *b)) : std::nullopt;
}

std::optional<double> weighted(const std::optional<double>& a, std::int64_t weight_a,
                               const std::optional<double>& b, std::int64_t weight_b) {
  if (!a || !b || weight_a + weight_b <= 0) return std::nullopt;
  const auto of_a = static_cast<double>(weight_a);
  const auto of_b = static_cast<double>(weight_b);
  return (*a * of_a + *b * of_b) / (of_a + of_b);
}

template <typename T>
void append(std::vector<T>& all, std::vector<T> more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// "code: sentence" -> "code: way: sentence".
std::string about(std::string_view way, const std::string& reason) {
  const std::size_t colon = reason.find(": ");
  if (colon == std::string::npos) return fmt::format("{}: {}", way, reason);
  return fmt::format("{}: {}: {}", reason.substr(0, colon), way, reason.substr(colon + 2));
}

std::vector<std::string> of_either(const std::vector<std::string>& there,
                                   const std::vector<std::string>& back) {
  std::vector<std::string> all;
  const auto in = [](const std::vector<std::string>& list, const std::string& reason) {
    return std::ranges::find(list, reason) != list.end();
  };
  for (const std::string& reason : there)
    all.push_back(in(back, reason) ? reason : about(kThere, reason));
  for (const std::string& reason : back)
    if (!in(there, reason)) all.push_back(about(kBack, reason));
  return all;
}

std::optional<LatencyHistogram> merged(std::optional<LatencyHistogram> a,
                                       const std::optional<LatencyHistogram>& b) {
  if (!a || !b) return std::nullopt;
  a->merge(*b);
  return a;
}

std::int64_t polled_pkts(const TrialResult& way) {
  std::int64_t polled = 0;
  for (const QueueAccount& queue : way.queues) polled += queue.polled_pkts;
  return polled > 0 ? polled : way.ledger().pkts_or_zero(Fate::received);
}

std::string of_both(const std::string& there, const std::string& back) {
  return there == back ? there : fmt::format("{} there, {} back", there, back);
}

KnobState less_certain(KnobState a, KnobState b) {
  for (const KnobState worst : {KnobState::differs, KnobState::unverifiable})
    if (a == worst || b == worst) return worst;
  return KnobState::confirmed;
}

// Both ways are set alike: a knob that only one of them has is that one's.
std::map<std::string, Knob> knobs_of(std::map<std::string, Knob> there,
                                     const std::map<std::string, Knob>& back) {
  for (const auto& [name, of_back] : back) {
    const auto [at, is_new] = there.try_emplace(name, of_back);
    if (is_new) continue;
    Knob& knob = at->second;
    knob.requested = of_both(knob.requested, of_back.requested);
    knob.effective = of_both(knob.effective, of_back.effective);
    knob.evidence = of_both(knob.evidence, of_back.evidence);
    knob.state = less_certain(knob.state, of_back.state);
    knob.exercised = knob.exercised && of_back.exercised;
  }
  return there;
}

StageAccount stage_of(const StageAccount& there, const StageAccount& back) {
  return {.staged_pkts = there.staged_pkts + back.staged_pkts,
          .cycles_per_pkt = weighted(there.cycles_per_pkt, there.staged_pkts, back.cycles_per_pkt,
                                     back.staged_pkts),
          .matches = sum(there.matches, back.matches),
          .matched_pkts = sum(there.matched_pkts, back.matched_pkts)};
}

StallAccount stalls_of(const StallAccount& there, const StallAccount& back) {
  return {.injected = there.injected + back.injected,
          .excised = there.excised + back.excised,
          .longest_ns = std::max(there.longest_ns, back.longest_ns),
          .excised_ns = there.excised_ns + back.excised_ns,
          .waited_ns = sum(there.waited_ns, back.waited_ns)};
}

GeneratorAccount generator_of(const GeneratorAccount& there, const GeneratorAccount& back) {
  return {.late_p50_ns = larger(there.late_p50_ns, back.late_p50_ns),
          .late_p99_ns = larger(there.late_p99_ns, back.late_p99_ns),
          .late_max_ns = larger(there.late_max_ns, back.late_max_ns),
          .gap_within_256ns = smaller(there.gap_within_256ns, back.gap_within_256ns),
          .capture = there.capture};
}

void put_limit(TrialResult& whole, const TrialResult& there, const TrialResult& back) {
  const bool back_lost_more =
      back.ledger().loss_ratio().value_or(0.0) > there.ledger().loss_ratio().value_or(0.0);
  const TrialResult& way = back_lost_more || there.limited_by.empty() ? back : there;
  whole.limited_by = way.limited_by;
  whole.limited_why = there.limited_why == back.limited_why || way.limited_why.empty()
                          ? way.limited_why
                          : fmt::format("{}: {}", &way == &back ? kBack : kThere, way.limited_why);
}

}  // namespace

TrialResult joined(const TrialOrder& order, TrialResult there, TrialResult back) {
  TrialResult whole;
  put_limit(whole, there, back);
  whole.cycles_per_pkt =
      weighted(there.cycles_per_pkt, polled_pkts(there), back.cycles_per_pkt, polled_pkts(back));
  whole.syscalls_per_pkt = weighted(there.syscalls_per_pkt, polled_pkts(there),
                                    back.syscalls_per_pkt, polled_pkts(back));
  whole.order = order;
  whole.started_utc = there.started_utc;
  if (there.page_size_bytes == back.page_size_bytes) whole.page_size_bytes = there.page_size_bytes;
  whole.pool_nodes = std::move(there.pool_nodes);
  append(whole.pool_nodes, std::move(back.pool_nodes));
  std::ranges::sort(whole.pool_nodes);
  whole.pool_nodes.erase(std::unique(whole.pool_nodes.begin(), whole.pool_nodes.end()),
                         whole.pool_nodes.end());
  whole.isa = of_both(there.isa, back.isa);
  whole.virtual_seconds = std::max(there.virtual_seconds, back.virtual_seconds);
  whole.wall_seconds = std::max(there.wall_seconds, back.wall_seconds);
  whole.valid = there.valid && back.valid;
  whole.invalid_reasons = of_either(there.invalid_reasons, back.invalid_reasons);
  whole.not_checked = of_either(there.not_checked, back.not_checked);
  whole.intended_pps = sum(there.intended_pps, back.intended_pps);
  whole.offered_pps = sum(there.offered_pps, back.offered_pps);

  for (QueueAccount& queue : back.queues) queue.stream = 1;
  for (RingAccount& ring : back.rings) ring.stream = 1;
  for (LcoreHealth& lcore : back.lcores) lcore.role = fmt::format("{} {}", kBack, lcore.role);
  for (TrialResult* way : {&there, &back}) {
    append(whole.streams, std::move(way->streams));
    append(whole.queues, std::move(way->queues));
    append(whole.rings, std::move(way->rings));
    append(whole.lcores, std::move(way->lcores));
  }

  if (there.stage && back.stage) whole.stage = stage_of(*there.stage, *back.stage);
  whole.latency_ns = {
      .rx = merged(std::move(there.latency_ns.rx), back.latency_ns.rx),
      .done = merged(std::move(there.latency_ns.done), back.latency_ns.done),
      .intended = merged(std::move(there.latency_ns.intended), back.latency_ns.intended),
      .round_trip = std::nullopt,  // a closed loop has one direction
      .floor_p50_ns = smaller(there.latency_ns.floor_p50_ns, back.latency_ns.floor_p50_ns)};
  whole.busy_fraction = larger(there.busy_fraction, back.busy_fraction);
  whole.cpu_cores_used = sum(there.cpu_cores_used, back.cpu_cores_used);
  whole.generator = generator_of(there.generator, back.generator);
  whole.stalls = stalls_of(there.stalls, back.stalls);
  append(whole.captures, std::move(there.captures));
  append(whole.captures, std::move(back.captures));
  whole.knobs = knobs_of(std::move(there.knobs), back.knobs);
  whole.counters = std::move(there.counters);
  for (auto& [name, change] : back.counters)
    whole.counters.emplace(fmt::format("{}.{}", kBack, name), std::move(change));
  return whole;
}

}  // namespace pollmark
