#include "trial/trial.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/text.h"
#include "trial/closed_loop.h"
#include "trial/closing.h"
#include "trial/directions.h"
#include "trial/limited_by.h"
#include "trial/timeline.h"
#include "trial/validity.h"

namespace pollmark {
namespace {

// What upstream says of a name that both sides read is what counts: it was read outermost.
CounterSnapshot both_sides(CounterSnapshot upstream, const CounterSnapshot& downstream) {
  upstream.values.insert(downstream.values.begin(), downstream.values.end());
  upstream.facts.insert(downstream.facts.begin(), downstream.facts.end());
  return upstream;
}

bool agree(const CounterSnapshot& a, const CounterSnapshot& b) {
  if (a.values.size() != b.values.size()) return false;
  for (const auto& [name, value] : a.values) {
    const auto facts = a.facts.find(name);
    if (facts != a.facts.end() && facts->second.role == CounterRole::context) continue;
    const auto other = b.values.find(name);
    if (other == b.values.end() || other->second != value) return false;
  }
  return true;
}

struct SettledCounters {
  CounterSnapshot last;
  bool settled = false;
};

Result<SettledCounters> read_until_settled(Receiver& receiver, const TrialLimits& limits,
                                           const TrialClocks& clocks) {
  SettledCounters counters;
  PM_TRY(counters.last, receiver.read_counters());
  counters.settled = counters.last.values.empty();
  for (int readings = 1; !counters.settled && readings < limits.max_counter_readings; ++readings) {
    clocks.pause_ns(limits.counter_pause_ns);
    PM_TRY(CounterSnapshot next, receiver.read_counters());
    counters.settled = agree(counters.last, next);
    counters.last = std::move(next);
  }
  return counters;
}

StallAccount stalls_of(const TrialOrder& order, const ReceiverAccount& receiver) {
  StallAccount stalls = receiver.stalls;
  if (order.clock != ClockKind::wall || stalls.excised != 0 || stalls.longest_ns != 0) {
    return stalls;
  }
  for (const LcoreHealth& lcore : receiver.lcores) {
    if (!lcore.polling) continue;
    stalls.excised += lcore.gaps;
    stalls.excised_ns += lcore.gap_sum_ns;
    stalls.longest_ns = std::max(stalls.longest_ns, lcore.longest_gap_ns);
  }
  return stalls;
}

std::optional<double> intended_pps_of(const TrialOrder& order, const SenderAccount& sent) {
  const bool recorded =
      order.traffic.kind == TrafficKind::replay && order.traffic.timing != ReplayTiming::rate;
  if (recorded && sent.window_seconds > 0.0)
    return static_cast<double>(sent.intended_pkts) / sent.window_seconds;
  if (!recorded && order.traffic.load.unit != LoadUnit::max) return order.traffic.intended_pps;
  return std::nullopt;
}

// One way of the trial, from open to destruction: what was opened and not handed over is abandoned.
// Destroyed last to first: receiver, sender, books.
class Way {
 public:
  Way(TrialOrder order, Ends ends)
      : order_(std::move(order)),
        books_(std::move(ends.books)),
        sender_(std::move(ends.sender)),
        receiver_(std::move(ends.receiver)) {
    PM_CHECK(sender_ != nullptr && receiver_ != nullptr);
  }
  ~Way() {
    if (finished_) return;
    if (sender_open_) sender_->abandon();
    if (receiver_open_) receiver_->abandon();
  }
  Way(const Way&) = delete;
  Way& operator=(const Way&) = delete;

  Result<void> open() {
    PM_TRYV(receiver_->open());
    receiver_open_ = true;
    PM_TRYV(sender_->open());
    sender_open_ = true;
    return {};
  }

  Result<void> read_counters_before() {
    PM_TRY(CounterSnapshot upstream, sender_->read_counters());
    PM_TRY(const CounterSnapshot downstream, receiver_->read_counters());
    before_ = both_sides(std::move(upstream), downstream);
    if (books_) books_->begin_watch();
    return {};
  }
  Result<void> start_receiver() { return receiver_->start(); }
  Result<void> start_sender() { return sender_->start(); }
  [[nodiscard]] LiveTallies live() const { return both_ends(sender_->live(), receiver_->live()); }

  Result<void> join() {
    PM_TRY(sent_, sender_->join());
    return {};
  }
  Result<void> drain(const TrialLimits& limits, const TrialClocks& clocks) {
    const std::int64_t begin_ns = clocks.read().raw_ns;
    PM_TRYV(receiver_->drain(limits.quiet_ns, limits.drain_limit_ns));
    drain_ns_ = clocks.read().raw_ns - begin_ns;
    return {};
  }
  Result<void> stop() {
    PM_TRY(got_, receiver_->stop(sent_.sent_per_flow));
    return {};
  }
  Result<void> read_counters_after(const TrialLimits& limits, const TrialClocks& clocks) {
    PM_TRY(const SettledCounters downstream, read_until_settled(*receiver_, limits, clocks));
    PM_TRY(CounterSnapshot upstream, sender_->read_counters());
    after_ = both_sides(std::move(upstream), downstream.last);
    settled_ = downstream.settled;
    if (books_) books_->end_watch();
    return {};
  }
  // Nothing is left to be abandoned.
  void finish() { finished_ = true; }

  // Closed and judged, without the time that all of it took. Hands over what it has.
  TrialResult result(const TrialLimits& limits, const std::optional<std::string>& tsc_step);

 private:
  TrialOrder order_;
  std::unique_ptr<CounterBooks> books_;
  std::unique_ptr<Sender> sender_;
  std::unique_ptr<Receiver> receiver_;
  bool sender_open_ = false;
  bool receiver_open_ = false;
  bool finished_ = false;
  CounterSnapshot before_;
  CounterSnapshot after_;
  SenderAccount sent_;
  ReceiverAccount got_;
  std::int64_t drain_ns_ = 0;
  bool settled_ = true;
};

TrialResult Way::result(const TrialLimits& limits, const std::optional<std::string>& tsc_step) {
  TrialResult result;
  result.order = order_;
  result.counters = difference(before_, after_);
  ClosedBooks books = close_books(order_, sent_, got_, result.counters, books_.get());
  const TrialEvidence evidence{order_,          sent_,    got_,      books,
                               result.counters, tsc_step, drain_ns_, settled_};
  Validity validity = validity_of(evidence, limits);
  result.valid = validity.invalid_reasons.empty();
  result.invalid_reasons = std::move(validity.invalid_reasons);
  result.not_checked = std::move(validity.not_checked);
  if (books_) {
    for (std::string& clause : books_->not_checked())
      result.not_checked.push_back(std::move(clause));
  }

  Limit limit =
      books.closed_loop
          ? closed_loop_limit(*books.closed_loop, sent_.window_seconds, result.counters)
          : limited_by(order_, sent_, got_, books.stream.ledger, limits.offered_tolerance);
  result.limited_by = std::move(limit.by);
  result.limited_why = std::move(limit.why);

  result.virtual_seconds = sent_.window_seconds;
  if (books.closed_loop) {
    result.closed_loop = std::move(books.closed_loop);
  } else {
    result.intended_pps = intended_pps_of(order_, sent_);
    if (sent_.window_seconds > 0.0)
      result.offered_pps = static_cast<double>(sent_.offered_pkts) / sent_.window_seconds;
    result.streams.push_back(std::move(books.stream));
  }
  result.generator = sent_.generator;
  result.stalls = stalls_of(order_, got_);
  result.page_size_bytes = got_.page_size_bytes;
  result.pool_nodes = std::move(got_.pool_nodes);
  result.isa = std::move(got_.isa);
  result.queues = std::move(got_.queues);
  result.rings = std::move(got_.rings);
  result.stage = got_.stage;
  result.lcores = std::move(sent_.lcores);
  result.lcores.insert(result.lcores.end(), std::make_move_iterator(got_.lcores.begin()),
                       std::make_move_iterator(got_.lcores.end()));
  result.latency_ns = std::move(got_.latency_ns);
  result.latency_ns.round_trip = std::move(sent_.round_trip_ns);
  result.cycles_per_pkt = got_.cycles_per_pkt;
  result.syscalls_per_pkt = got_.syscalls_per_pkt;
  result.busy_fraction = got_.busy_fraction;
  result.cpu_cores_used = result.closed_loop ? cores_used(*result.closed_loop, sent_.window_seconds)
                                             : got_.cpu_cores_used;
  result.captures = std::move(got_.captures);
  result.knobs = std::move(got_.knobs);
  result.knobs.merge(std::move(sent_.knobs));
  return result;
}

// What RFC 2544 section 23 has a trial wait for; virtual time has nothing on its way.
bool waits(const TrialOrder& order) { return order.path != Path::model; }

TrialLimits with_wait_after(const TrialOrder& order, TrialLimits limits) {
  if (!waits(order)) return limits;
  const auto wait_ns = static_cast<std::int64_t>(order.wait_after_seconds * 1e9);
  if (wait_ns <= limits.quiet_ns) return limits;
  limits.drain_limit_ns += wait_ns - limits.quiet_ns;
  limits.quiet_ns = wait_ns;
  return limits;
}

using Ways = std::vector<std::unique_ptr<Way>>;

Ways ways_of(const TrialOrder& order, std::vector<Ends> ends) {
  std::vector<TrialOrder> orders = directions_of(order);
  PM_CHECK(orders.size() == ends.size());
  Ways ways;
  for (std::size_t at = 0; at < ends.size(); ++at)
    ways.push_back(std::make_unique<Way>(std::move(orders[at]), std::move(ends[at])));
  return ways;
}

LiveTallies live_of(const Ways& ways) {
  LiveTallies all = ways.front()->live();
  for (std::size_t at = 1; at < ways.size(); ++at) all = both_ways(all, ways[at]->live());
  return all;
}

}  // namespace

Result<TrialResult> run_trial(const TrialOrder& order, std::vector<Ends> ends,
                              const TrialLimits& given, const TrialClocks& clocks) {
  const TrialLimits limits = with_wait_after(order, given);
  const Ways ways = ways_of(order, std::move(ends));
  const std::string started_utc = utc_text(clocks.epoch_seconds());
  std::vector<ClockReading> readings{clocks.read()};

  for (const auto& way : ways) PM_TRYV(way->open());
  if (waits(order) && order.wait_before_seconds > 0.0)
    clocks.pause_ns(static_cast<std::int64_t>(order.wait_before_seconds * 1e9));
  for (const auto& way : ways) PM_TRYV(way->read_counters_before());
  for (const auto& way : ways) PM_TRYV(way->start_receiver());
  readings.push_back(clocks.read());
  for (const auto& way : ways) PM_TRYV(way->start_sender());
  std::optional<TimelineSampler> timeline;
  if (order.clock == ClockKind::wall) timeline.emplace([&ways] { return live_of(ways); });
  for (const auto& way : ways) PM_TRYV(way->join());
  readings.push_back(clocks.read());
  for (const auto& way : ways) PM_TRYV(way->drain(limits, clocks));
  readings.push_back(clocks.read());
  std::vector<TimelinePoint> points;
  if (timeline) points = timeline->finish();
  for (const auto& way : ways) PM_TRYV(way->stop());
  for (const auto& way : ways) PM_TRYV(way->read_counters_after(limits, clocks));
  readings.push_back(clocks.read());
  for (const auto& way : ways) way->finish();

  const std::optional<std::string> step = tsc_step(readings, clocks.tsc_hz);
  TrialResult result = ways.front()->result(limits, step);
  if (ways.size() == 2)
    result = joined(order, std::move(result), ways.back()->result(limits, step));
  result.started_utc = started_utc;
  result.timeline = std::move(points);
  result.wall_seconds = static_cast<double>(readings.back().raw_ns - readings.front().raw_ns) / 1e9;
  return result;
}

Result<TrialResult> run_trial(const TrialOrder& order, Ends ends, const TrialLimits& limits,
                              const TrialClocks& clocks) {
  std::vector<Ends> one_way;
  one_way.push_back(std::move(ends));
  return run_trial(order, std::move(one_way), limits, clocks);
}

}  // namespace pollmark
