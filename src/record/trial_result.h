// What one trial showed, closed and judged valid or not. One line of trials.jsonl.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record/counters.h"
#include "record/histogram.h"
#include "record/ledger.h"
#include "record/trial_order.h"

namespace pollmark {

inline constexpr int kSchemaVersion = 1;

struct QueueAccount {
  int queue = 0;
  std::int64_t polled_pkts = 0;
  std::optional<std::int64_t> rx_missed_pkts;
  std::optional<double> share;                    // of the frames steered to this queue, 0..1
  std::optional<std::int64_t> occupancy_max;      // filled descriptors, most at once
  std::optional<LatencyHistogram> latency_rx_ns;  // arrival to hand-over by rx_burst
  int stream = 0;  // whose receiving port it is one of: index into streams
};

// What one lcore did, and in real time what it saw of its own scheduling.
struct LcoreHealth {
  std::string role;                 // "generator", "receiver q0", "worker 0"
  bool polling = true;              // a blocking receiver is judged by run-queue delay instead
  std::int64_t longest_gap_ns = 0;  // between successive looks at the clock
  std::int64_t gaps = 0;            // gaps above 20 us
  std::int64_t gap_sum_ns = 0;
  // Thread CPU time / wall time of the window; nullopt where time is virtual: no gaps either.
  std::optional<double> thread_cpu_fraction;
  std::optional<double> runnable_waiting_fraction;  // schedstat run delay / wall
  std::int64_t tolerated_gap_ns = 0;                // ring / pps of its queue; 0: none known
  std::optional<double> busy_fraction;              // of the window
  std::optional<int> node;                          // NUMA node it ran on; nullopt: not told
  std::vector<std::int64_t> bursts;  // calls of rx_burst by the frames that they gave, from
                                     // 0 on; empty: it calls none, or was not told. In
                                     // lockstep empty rounds are skipped, not called
  std::optional<LatencyHistogram> poll_gap_ns;  // from the start of a round to that of the next
};

struct RingAccount {
  int ring = 0;
  int size = 0;
  std::int64_t overflow_pkts = 0;
  std::int64_t high_water = 0;
  int stream = 0;  // as of QueueAccount
};

// What the stage did, over all lcores, in the window.
struct StageAccount {
  std::int64_t staged_pkts = 0;              // frames that it ran on
  std::optional<double> cycles_per_pkt;      // TSC cycles of the stage alone
  std::optional<std::int64_t> matches;       // stage hyperscan: of any expression, at any place
  std::optional<std::int64_t> matched_pkts;  // ... frames with one match or more
};

struct StallAccount {
  std::int64_t injected = 0;  // stalls given to the model
  std::int64_t excised = 0;   // lockstep rule 7; on wall clock: gaps seen
  std::int64_t longest_ns = 0;
  std::int64_t excised_ns = 0;            // sum
  std::optional<std::int64_t> waited_ns;  // lockstep rule 11: for the core, outside all time above
};

struct LossRuns {
  std::int64_t count = 0;
  std::int64_t longest = 0;
};

enum class KnobState : std::uint8_t { confirmed, differs, unverifiable };
[[nodiscard]] std::string_view name_of(KnobState state);

// A setting: requested, read back, and what showed that it acted.
struct Knob {
  std::string requested;
  std::string effective;
  KnobState state = KnobState::unverifiable;
  std::string
      evidence;  // "9 812 checksum verdicts seen"; empty: it did not act, or nothing could show it
  bool exercised = false;
};

// Of the capture that was replayed; packets of the file, however often it was played.
struct CaptureAccount {
  std::int64_t replayed_pkts = 0;   // that are sent
  std::int64_t filtered_pkts = 0;   // did not pass the filter: not sent
  std::int64_t padded_pkts = 0;     // cut short by the snap length, sent with zeros in its place
  std::int64_t rewritten_pkts = 0;  // an address or a tag differs from the file
  friend bool operator==(const CaptureAccount&, const CaptureAccount&) = default;
};

// What became of a capture at one device. Every frame that passed the filter, warm-up and drain
// included, is in exactly one of written, passed_over, not_captured and beyond_limit.
struct TapAccount {
  CaptureAt at = CaptureAt::sender;
  std::string netdev;
  std::string filter;             // as ordered
  std::string file;               // within the results folder; empty: there is none
  std::int64_t written_pkts = 0;  // into the file
  std::int64_t file_bytes = 0;
  std::int64_t passed_over_pkts = 0;   // before what a trigger kept
  std::int64_t not_captured_pkts = 0;  // the tap lost them: its thread was not quick enough
  std::int64_t beyond_limit_pkts = 0;  // came when the memory was full
  std::string triggered_by;            // "sequence gap", or a counter's name; empty: nothing did
  std::optional<double> triggered_s;   // when that was seen, since the receiver was started
  std::optional<int> cpu;              // of the tap's thread; nullopt: it had none in the traffic
  std::string shares_cpu_with;         // "sender": the thread's CPU is also its; empty: nobody's
  std::string failure;                 // why there is no whole file; empty: nothing failed
  friend bool operator==(const TapAccount&, const TapAccount&) = default;
};

struct GeneratorAccount {
  std::optional<std::int64_t> late_p50_ns;  // lateness against the schedule; nullopt on the model
  std::optional<std::int64_t> late_p99_ns;
  std::optional<std::int64_t> late_max_ns;
  std::optional<double> gap_within_256ns;  // share of departure gaps
  std::optional<CaptureAccount> capture;   // nullopt: nothing was replayed
};

enum class ClosedLoopUnit : std::uint8_t { bytes, transactions, connections };
[[nodiscard]] std::string_view name_of(ClosedLoopUnit unit);

// What TCP_INFO told of the client's connections, sampled every 10 ms and at the end.
struct TcpAccount {
  std::int64_t samples = 0;
  std::string congestion_control;
  std::optional<std::int64_t> snd_mss_bytes;
  std::optional<std::int64_t> cwnd_max_segments;
  std::optional<std::int64_t> snd_wnd_max_bytes;  // the receiver's window, as advertised
  std::optional<std::int64_t> rtt_min_ns;
  std::optional<std::int64_t> rtt_mean_ns;    // of the smoothed ones that were sampled
  std::optional<std::int64_t> sent_segments;  // with payload, again or not; all connections, since
                                              // they were made, as the next two
  std::optional<std::int64_t> retransmitted_segments;
  // Of those the segments that the receiver had already: it said so by DSACK, no loss.
  std::optional<std::int64_t> dsacked_segments;
  std::optional<double> rwnd_limited_ratio;    // share of the busy time
  std::optional<double> sndbuf_limited_ratio;  // share of the busy time
  friend bool operator==(const TcpAccount&, const TcpAccount&) = default;
};

// The books of a closed loop, in its own unit and not in packets; warm-up and drain included:
// sent = received + failures + unaccounted.
struct ClosedLoopAccount {
  ClosedLoopUnit unit = ClosedLoopUnit::transactions;
  std::int64_t sent = 0;      // bytes taken by the socket; requests sent; connections attempted
  std::int64_t received = 0;  // bytes read by the server; answered in full
  std::map<std::string, std::int64_t> failures;  // reason -> requests or connections
  std::optional<std::int64_t> served;         // that the server answered; nullopt: of bytes none is
  std::int64_t late = 0;                      // answers after their time was up, which is a failure
  std::int64_t in_window = 0;                 // received in the window
  std::optional<std::int64_t> client_cpu_ns;  // of the client's thread in the window
  std::optional<std::int64_t> server_cpu_ns;
  std::optional<TcpAccount> tcp;  // nullopt over UDP
  // nullopt without taps. Bytes of each segment as it passed the device, headers included.
  std::optional<LatencyHistogram> sender_segment_bytes;
  std::optional<LatencyHistogram> receiver_segment_bytes;
  std::optional<std::int64_t> untapped_segments;  // that the taps had no room for

  [[nodiscard]] std::int64_t failed() const;
  [[nodiscard]] std::int64_t unaccounted() const { return sent - received - failed(); }
};

// Where the kernel gave packets up, and why, in its own words (tracepoint skb:kfree_skb).
struct DroppedAt {
  std::string side;           // whose namespace: "sender", "receiver"; "host": that was not told
  std::string netdev;         // empty: not told
  std::string reason;         // as the kernel spells it: "SOCKET_RCVBUFF"
  std::string function;       // that gave them up
  std::string cause;          // one clause; empty: no more is known than the reason's name says
  std::int64_t pkts = 0;      // as the stack handled them
  std::int64_t segments = 0;  // frames of a wire: a super-packet's one by one
  // owner: the ledger took them from here, no counter has them. echo: the counter of that fate has
  // them already. context: no frames of this way of the trial, copies, or nothing that was missing.
  CounterRole role = CounterRole::context;
  std::optional<Fate> fate;
  friend bool operator==(const DroppedAt&, const DroppedAt&) = default;
};
// From the counters' reading before the trial to that behind it: a second set of books, in which
// warm-up and others' packets stand too.
struct KernelDrops {
  std::string source;             // "bpf"; "tracefs": of the whole host, and no books of the trial
  std::int64_t unseen_pkts = 0;   // dropped, but faster or in more places than could be told apart
  std::vector<DroppedAt> places;  // the most packets first
  friend bool operator==(const KernelDrops&, const KernelDrops&) = default;
};

// One direction of traffic.
struct StreamAccount {
  std::string from;
  std::string to;
  Ledger ledger;
  std::int64_t offered_bytes = 0;
  std::int64_t received_bytes = 0;
  std::optional<std::int64_t> tracker_missing_pkts;  // sent - unique by sequence numbers
  std::optional<std::int64_t> reordered_pkts;        // nullopt: untracked traffic
  std::optional<double> first_loss_s;                // since the window opened
  std::optional<double> last_loss_s;
  std::optional<LossRuns> loss_runs;
  std::map<std::string, std::int64_t> kernel_other_reasons;  // reason -> packets
  std::optional<KernelDrops> drops;                          // nullopt: not watched
};

struct LatencyAccount {
  std::optional<LatencyHistogram> rx;          // arrival to hand-over by rx_burst
  std::optional<LatencyHistogram> done;        // arrival to end of stage
  std::optional<LatencyHistogram> intended;    // scheduled departure to hand-over
  std::optional<LatencyHistogram> round_trip;  // closed loop: request to the end of its answer
  std::optional<std::int64_t> floor_p50_ns;
};

// What happened in one second of a real-time trial, as its threads published it while they were at
// work: each lags by at most 256 rounds of its loop. Sums over the points are the whole. nullopt:
// nobody told.
struct TimelinePoint {
  double until_s = 0.0;  // since the sender was started; the last point ends with the drain
  std::optional<std::int64_t> offered_pkts;
  std::optional<std::int64_t> polled_pkts;
  std::optional<std::int64_t> received_pkts;
  std::optional<std::int64_t> lost_pkts;  // that the threads themselves knew of
  friend bool operator==(const TimelinePoint&, const TimelinePoint&) = default;
};

struct TrialResult {
  TrialOrder order;
  std::string started_utc;
  std::optional<std::int64_t> page_size_bytes;  // of the mbuf pool
  std::vector<int> pool_nodes;  // NUMA nodes that its pages lie on, ascending; empty: not told
  std::string isa;  // level of the hot loops that received: "v3"; empty: a kernel socket's loop
  double virtual_seconds = 0.0;
  double wall_seconds = 0.0;
  bool valid = false;
  std::vector<std::string> invalid_reasons;  // "code: sentence"
  std::vector<std::string> not_checked;
  std::optional<double> intended_pps;  // nullopt for load = "max"
  std::optional<double> offered_pps;
  std::vector<StreamAccount> streams;  // one; with direction = both the way there, the way back
  std::vector<QueueAccount> queues;
  std::vector<RingAccount> rings;
  std::vector<LcoreHealth> lcores;               // sending side first
  std::optional<StageAccount> stage;             // nullopt: no stage, or not told
  std::optional<ClosedLoopAccount> closed_loop;  // nullopt: a load was offered
  LatencyAccount latency_ns;
  std::optional<double> cycles_per_pkt;  // busy TSC cycles of the receiving lcores per frame polled
  // Of the receiving thread in the window, made to get frames or to wait for them, per frame that
  // it took; those of the measuring itself are left out. 0: it polls without any.
  std::optional<double> syscalls_per_pkt;
  std::optional<double> busy_fraction;  // of the busiest receiving lcore, 0..1
  // Receiving side, all threads and softirq that are known; of a closed loop both sides.
  std::optional<double> cpu_cores_used;
  GeneratorAccount generator;
  StallAccount stalls;
  std::vector<TapAccount> captures;  // empty: none ran beside the trial
  std::map<std::string, Knob> knobs;
  std::map<std::string, CounterChange> counters;
  std::string limited_by;   // line, generator, core, stage, ring, pcie, nic, kernel:<layer>,
                            // unknown; empty: nothing
  std::string limited_why;  // one sentence

  // Not part of the record: a file of its own, timeline/<trial>.jsonl.
  std::vector<TimelinePoint> timeline;

  // The sum of the streams' books.
  [[nodiscard]] Ledger ledger() const;
};

// A record that says why a trial could not be carried out at all: it is not a trial, and no number
// is in it. why: what this host lacks, or what is wrong with the cell.
[[nodiscard]] TrialResult refused_trial(const TrialOrder& order, std::string_view why);
// Why it could not be carried out; nullopt for a trial that ran.
[[nodiscard]] std::optional<std::string> refusal_of(const TrialResult& trial);

// One scalar of a trial by its metric name (loss_ratio, latency_p50_ns, latency_p99_ns,
// latency_p999_ns, cycles_per_pkt, syscalls_per_pkt, busy_fraction, offered_mpps, received_mpps,
// mpps_per_core, cpu_cores_used, rx_missed_ratio, stage_cycles_per_pkt, matched_ratio; of a closed
// loop goodput_bps, transactions_per_s, connections_per_s and others; of trials of kind latency
// also latency_p99_at_50_ns and so on); nullopt when it was not measured, or is no metric of a
// trial. Latency is latency_of().
[[nodiscard]] std::optional<double> metric_of(const TrialResult& trial, std::string_view metric);
// trial: of every trial of kind trial. offered: of those that offered a load. closed_loop: of
// those that did not. search: of a search (metric_of a SearchResult). latency: of trials of kind
// latency.
// The latency that a trial is judged by: `done` where measured, else `rx`, else `round_trip`.
struct JudgedLatency {
  std::string_view kind;                        // its JSON key
  const LatencyHistogram* histogram = nullptr;  // nullptr: none was measured
};
[[nodiscard]] JudgedLatency latency_of(const LatencyAccount& latency_ns);
enum class MetricSource : std::uint8_t { trial, offered, closed_loop, search, latency };
struct MetricFacts {
  std::string name;
  std::string unit;
  bool higher_is_better = false;
  std::string sentence;
  MetricSource source = MetricSource::trial;
};
[[nodiscard]] const std::vector<MetricFacts>& all_metrics();
// Whether trials of that path can have it at all.
[[nodiscard]] bool is_metric_of(const MetricFacts& metric, Path path);

}  // namespace pollmark
