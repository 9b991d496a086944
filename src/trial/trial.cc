#include "trial/trial.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "trial/closing.h"
#include "trial/limited_by.h"
#include "trial/timeline.h"
#include "trial/validity.h"

namespace pollmark {
namespace {

// The ends from open to destruction. Whatever was opened and not handed over is abandoned.
// Destroyed last to first: receiver, sender, books.
class OpenEnds {
 public:
  explicit OpenEnds(Ends ends)
      : books_(std::move(ends.books)),
        sender_(std::move(ends.sender)),
        receiver_(std::move(ends.receiver)) {
    PM_CHECK(sender_ != nullptr && receiver_ != nullptr);
  }
  ~OpenEnds() {
    if (finished_) return;
    if (sender_open_) sender_->abandon();
    if (receiver_open_) receiver_->abandon();
  }
  OpenEnds(const OpenEnds&) = delete;
  OpenEnds& operator=(const OpenEnds&) = delete;

  Result<void> open() {
    PM_TRYV(receiver_->open());
    receiver_open_ = true;
    PM_TRYV(sender_->open());
    sender_open_ = true;
    return {};
  }
  void finished() { finished_ = true; }
  Sender& sender() { return *sender_; }
  Receiver& receiver() { return *receiver_; }
  const CounterBooks* books() const { return books_.get(); }

 private:
  std::unique_ptr<CounterBooks> books_;
  std::unique_ptr<Sender> sender_;
  std::unique_ptr<Receiver> receiver_;
  bool sender_open_ = false;
  bool receiver_open_ = false;
  bool finished_ = false;
};

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

}  // namespace

Result<TrialResult> run_trial(const TrialOrder& order, Ends ends, const TrialLimits& limits,
                              const TrialClocks& clocks) {
  OpenEnds open_ends(std::move(ends));
  Sender& sender = open_ends.sender();
  Receiver& receiver = open_ends.receiver();

  TrialResult result;
  result.order = order;
  result.started_utc = utc_text(clocks.epoch_seconds());
  std::vector<ClockReading> readings{clocks.read()};

  PM_TRYV(open_ends.open());
  PM_TRY(CounterSnapshot sender_before, sender.read_counters());
  PM_TRY(const CounterSnapshot receiver_before, receiver.read_counters());
  const CounterSnapshot before = both_sides(std::move(sender_before), receiver_before);

  PM_TRYV(receiver.start());
  readings.push_back(clocks.read());
  PM_TRYV(sender.start());
  std::optional<TimelineSampler> timeline;
  if (order.clock == ClockKind::wall) timeline.emplace(sender, receiver);
  PM_TRY(const SenderAccount sent, sender.join());
  readings.push_back(clocks.read());
  PM_TRYV(receiver.drain(limits.quiet_ns, limits.drain_limit_ns));
  readings.push_back(clocks.read());
  if (timeline) result.timeline = timeline->finish();
  const std::int64_t drain_ns =
      readings[readings.size() - 1].raw_ns - readings[readings.size() - 2].raw_ns;
  PM_TRY(ReceiverAccount got, receiver.stop(sent.sent_per_flow));

  PM_TRY(const SettledCounters receiver_after, read_until_settled(receiver, limits, clocks));
  PM_TRY(CounterSnapshot sender_after, sender.read_counters());
  const CounterSnapshot after = both_sides(std::move(sender_after), receiver_after.last);
  readings.push_back(clocks.read());
  open_ends.finished();

  result.counters = difference(before, after);
  const ClosedBooks books = close_books(order, sent, got, result.counters, open_ends.books());
  const TrialEvidence evidence{order,
                               sent,
                               got,
                               books,
                               result.counters,
                               tsc_step(readings, clocks.tsc_hz),
                               drain_ns,
                               receiver_after.settled};
  Validity validity = validity_of(evidence, limits);
  result.valid = validity.invalid_reasons.empty();
  result.invalid_reasons = std::move(validity.invalid_reasons);
  result.not_checked = std::move(validity.not_checked);

  Limit limit = limited_by(order, sent, got, books.stream.ledger, limits.offered_tolerance);
  result.limited_by = std::move(limit.by);
  result.limited_why = std::move(limit.why);

  result.virtual_seconds = sent.window_seconds;
  result.wall_seconds = static_cast<double>(readings.back().raw_ns - readings.front().raw_ns) / 1e9;
  const bool recorded =
      order.traffic.kind == TrafficKind::replay && order.traffic.timing != ReplayTiming::rate;
  if (recorded && sent.window_seconds > 0.0) {
    result.intended_pps = static_cast<double>(sent.intended_pkts) / sent.window_seconds;
  } else if (!recorded && order.traffic.load.unit != LoadUnit::max) {
    result.intended_pps = order.traffic.intended_pps;
  }
  if (sent.window_seconds > 0.0) {
    result.offered_pps = static_cast<double>(sent.offered_pkts) / sent.window_seconds;
  }
  result.streams.push_back(books.stream);
  result.generator = sent.generator;
  result.stalls = stalls_of(order, got);
  result.page_size_bytes = got.page_size_bytes;
  result.pool_nodes = std::move(got.pool_nodes);
  result.isa = std::move(got.isa);
  result.queues = std::move(got.queues);
  result.rings = std::move(got.rings);
  result.stage = got.stage;
  result.lcores = sent.lcores;
  result.lcores.insert(result.lcores.end(), std::make_move_iterator(got.lcores.begin()),
                       std::make_move_iterator(got.lcores.end()));
  result.latency_ns = std::move(got.latency_ns);
  result.cycles_per_pkt = got.cycles_per_pkt;
  result.busy_fraction = got.busy_fraction;
  result.cpu_cores_used = got.cpu_cores_used;
  result.knobs = std::move(got.knobs);
  return result;
}

}  // namespace pollmark
