// The two ends of a trial. Virtual per trial, never per packet. Every call comes from one control
// thread; hot loops run behind start()/join() on threads (wall clock) or inside join() (lockstep).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "record/counters.h"
#include "record/histogram.h"
#include "record/sequence_tracker.h"
#include "record/trial_order.h"
#include "record/trial_result.h"

namespace pollmark {

struct SenderAccount {
  std::int64_t intended_pkts = 0;            // scheduled in the window
  std::int64_t offered_pkts = 0;             // accepted by TX in the window, after drain
  std::int64_t offered_bytes = 0;            // incl. FCS
  std::int64_t tx_unsent_pkts = 0;           // intended - offered
  std::vector<std::uint32_t> sent_per_flow;  // window only; empty: untracked (plain replay)
  double window_seconds = 0.0;
  // Of a closed loop, as the client knows it: instead of the packets above, which stay 0.
  std::optional<ClosedLoopAccount> closed_loop;
  std::optional<LatencyHistogram> round_trip_ns;
  std::map<std::string, Knob> knobs;
  GeneratorAccount generator;
  std::vector<LcoreHealth> lcores;
};

// What the server of a closed loop knows of it.
struct ServingAccount {
  std::int64_t served = 0;                        // bytes read, or requests answered
  std::int64_t served_in_window = 0;              // bytes only
  std::optional<std::int64_t> cpu_ns;             // of its thread in the window
  std::optional<LatencyHistogram> segment_bytes;  // of a tap
  std::optional<std::int64_t> untapped_segments;
};

struct ReceiverAccount {
  std::int64_t received_pkts = 0;      // unique, valid, reached the end of the stage
  std::int64_t received_bytes = 0;     // incl. FCS
  std::map<Fate, std::int64_t> fates;  // losses and extras that this side itself counted
  std::optional<TrackerTotals> tracker;
  std::optional<ServingAccount> serving;  // of a closed loop: instead of packets
  std::vector<QueueAccount> queues;
  std::vector<RingAccount> rings;
  LatencyAccount latency_ns;
  std::optional<double> cycles_per_pkt;
  std::optional<double> syscalls_per_pkt;
  std::optional<StageAccount> stage;
  std::optional<double> busy_fraction;
  std::optional<double> cpu_cores_used;
  StallAccount stalls;
  std::optional<double> first_loss_s;
  std::optional<double> last_loss_s;
  std::optional<double> half_drift;         // lockstep rule 7: relative change at equal work
  std::optional<double> core_slowdown;      // lockstep: its frequency, against the last trials
  std::optional<double> core_shared;        // lockstep rule 11: share of the looks at the core
  std::optional<double> core_mix_slowdown;  // lockstep rule 11: of the mix, against the last trials
  std::optional<double> excised_share;      // lockstep rule 7: share of iterations
  std::vector<TapAccount> captures;
  std::map<std::string, Knob> knobs;
  std::optional<std::int64_t> page_size_bytes;
  std::vector<int> pool_nodes;  // NUMA nodes of the mbuf pool; empty: not told
  std::string isa;  // ISA level of the hot loops that received: "v3"; empty: none of them did
  std::vector<LcoreHealth> lcores;
};

// What an end has published of itself while its threads are at work; window only, rising. nullopt:
// it does not tell.
struct LiveTallies {
  std::optional<std::int64_t> offered_pkts;
  std::optional<std::int64_t> polled_pkts;
  std::optional<std::int64_t> received_pkts;
  std::optional<std::int64_t> lost_pkts;
  std::optional<std::int64_t> gaps;  // times the sequence jumped forward
};

class Sender {
 public:
  virtual ~Sender() = default;
  // Between start() and the end of the trial, from any thread, while the control thread is in
  // another call: relaxed loads of what the loops publish, never of what they work on.
  [[nodiscard]] virtual LiveTallies live() const { return {}; }
  // Acquires ports, pools, captures. Errors: host_cannot, bad_experiment.
  [[nodiscard]] virtual Result<void> open() = 0;
  // Counters on the sending side that bear on the books. May be empty.
  [[nodiscard]] virtual Result<CounterSnapshot> read_counters() = 0;
  // Begins warm-up, then the window, both as ordered. Returns at once on wall clock; on lockstep
  // nothing runs before join().
  [[nodiscard]] virtual Result<void> start() = 0;
  // Until the window is over and the transmit side is drained.
  [[nodiscard]] virtual Result<SenderAccount> join() = 0;
  // The trial is given up: release everything, whatever state the end is in. run_trial calls it on
  // every end it opened when a later step fails; a join() under way returns Errc::interrupted.
  virtual void abandon() = 0;
};

class Receiver {
 public:
  virtual ~Receiver() = default;
  [[nodiscard]] virtual LiveTallies live() const { return {}; }  // as Sender::live
  [[nodiscard]] virtual Result<void> open() = 0;
  [[nodiscard]] virtual Result<CounterSnapshot> read_counters() = 0;
  // Ready for the first frame when it returns.
  [[nodiscard]] virtual Result<void> start() = 0;
  // Polls on until nothing valid has come for quiet_ns, or limit_ns has passed (RFC 2544 s.23 d;
  // lockstep drains inside Sender::join and returns at once).
  [[nodiscard]] virtual Result<void> drain(std::int64_t quiet_ns, std::int64_t limit_ns) = 0;
  // Stops the loops and hands over. sent_per_flow closes the tracker; empty when untracked.
  [[nodiscard]] virtual Result<ReceiverAccount> stop(
      const std::vector<std::uint32_t>& sent_per_flow) = 0;
  virtual void abandon() = 0;  // as Sender::abandon
};

// Turns the counters' changes over the trial into fates that neither side counted itself (kernel
// owners), asserting that echoes equal their owners. A path whose ends count all themselves brings
// none.
class CounterBooks {
 public:
  virtual ~CounterBooks() = default;
  // Adds owner fates to stream.ledger, kernel_other reasons to stream. Appends a sentence to
  // doubts for every echo that disagrees with its owner.
  virtual void charge(const std::map<std::string, CounterChange>& changes, StreamAccount& stream,
                      std::vector<std::string>& doubts) const = 0;
  // What the books watch themselves, besides the counters: called right after the readings of the
  // counters before the traffic and behind it. It only ever lacks; not_checked says what.
  virtual void begin_watch() {}
  virtual void end_watch() {}
  [[nodiscard]] virtual std::vector<std::string> not_checked() const { return {}; }
};

// Of one way. run_trial destroys the receiver first, then the sender, then the books: whatever the
// two ends stand on may be held by the books.
struct Ends {
  std::unique_ptr<Sender> sender;
  std::unique_ptr<Receiver> receiver;
  std::unique_ptr<CounterBooks> books;
};

}  // namespace pollmark
