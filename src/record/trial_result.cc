#include "record/trial_result.h"

#include <cmath>

namespace pollmark {

namespace {

constexpr std::string_view kRefused = "refused: ";

std::optional<double> as_double(std::optional<std::int64_t> value) {
  if (!value) return std::nullopt;
  return static_cast<double>(*value);
}

std::optional<double> latency_ns(const TrialResult& trial, double percent) {
  const LatencyHistogram* histogram = latency_of(trial.latency_ns).histogram;
  return histogram ? as_double(histogram->percentile(percent)) : std::nullopt;
}

// Per second of the window, of a closed loop that counts in this unit.
template <ClosedLoopUnit kUnit>
std::optional<double> rate(const TrialResult& trial) {
  if (!trial.closed_loop || trial.closed_loop->unit != kUnit || !(trial.virtual_seconds > 0.0))
    return std::nullopt;
  return static_cast<double>(trial.closed_loop->in_window) / trial.virtual_seconds;
}

std::optional<double> goodput_bps(const TrialResult& trial) {
  const auto bytes_per_s = rate<ClosedLoopUnit::bytes>(trial);
  return bytes_per_s ? std::optional(8.0 * *bytes_per_s) : std::nullopt;
}

// CPU of both threads for each so many of what was received in the window.
std::optional<double> cpu_ns_per(const TrialResult& trial, double units, bool of_bytes) {
  if (!trial.closed_loop || trial.closed_loop->in_window <= 0 ||
      (trial.closed_loop->unit == ClosedLoopUnit::bytes) != of_bytes ||
      !trial.closed_loop->client_cpu_ns || !trial.closed_loop->server_cpu_ns)
    return std::nullopt;
  const ClosedLoopAccount& loop = *trial.closed_loop;
  return units * static_cast<double>(*loop.client_cpu_ns + *loop.server_cpu_ns) /
         static_cast<double>(loop.in_window);
}

std::optional<double> failed_ratio(const TrialResult& trial) {
  if (!trial.closed_loop || trial.closed_loop->unit == ClosedLoopUnit::bytes ||
      trial.closed_loop->sent <= 0)
    return std::nullopt;
  return static_cast<double>(trial.closed_loop->failed()) /
         static_cast<double>(trial.closed_loop->sent);
}

template <std::optional<LatencyHistogram> ClosedLoopAccount::*kTap>
std::optional<double> mean_segment_bytes(const TrialResult& trial) {
  if (!trial.closed_loop || !((*trial.closed_loop).*kTap)) return std::nullopt;
  return ((*trial.closed_loop).*kTap)->mean();
}

// Of what TCP_INFO told.
template <typename Read>
auto of_tcp(const TrialResult& trial, Read read) -> decltype(read(TcpAccount{})) {
  if (!trial.closed_loop || !trial.closed_loop->tcp) return std::nullopt;
  return read(*trial.closed_loop->tcp);
}

// Of the segments that carried payload.
template <std::optional<std::int64_t> TcpAccount::*kPart>
std::optional<double> segment_ratio(const TrialResult& trial) {
  return of_tcp(trial, [](const TcpAccount& tcp) -> std::optional<double> {
    if (!(tcp.*kPart) || tcp.sent_segments.value_or(0) <= 0) return std::nullopt;
    return static_cast<double>(*(tcp.*kPart)) / static_cast<double>(*tcp.sent_segments);
  });
}

std::optional<double> rx_missed_ratio(const TrialResult& trial) {
  const Ledger books = trial.ledger();
  const std::optional<std::int64_t> missed = books.pkts(Fate::rx_missed);
  if (!missed || books.offered_pkts() <= 0) return std::nullopt;
  return static_cast<double>(*missed) / static_cast<double>(books.offered_pkts());
}

std::optional<double> offered_mpps(const TrialResult& trial) {
  if (!trial.offered_pps) return std::nullopt;
  return *trial.offered_pps / 1e6;
}

std::optional<double> received_mpps(const TrialResult& trial) {
  const std::optional<double> offered = offered_mpps(trial);
  const std::optional<double> lost = trial.ledger().loss_ratio();
  if (!offered || !lost) return std::nullopt;
  return *offered * (1.0 - *lost);
}

std::optional<double> mpps_per_core(const TrialResult& trial) {
  const std::optional<double> received = received_mpps(trial);
  if (!received || !trial.cpu_cores_used || !(*trial.cpu_cores_used > 0.0)) return std::nullopt;
  return *received / *trial.cpu_cores_used;
}

// p99 of a trial of kind latency at this percentage of the PDR.
template <int kPercent>
std::optional<double> p99_at(const TrialResult& trial) {
  if (trial.order.kind != TrialKind::latency) return std::nullopt;
  if (std::fabs(trial.order.pdr_percent - kPercent) > 1e-9) return std::nullopt;
  return latency_ns(trial, 99.0);
}

std::optional<double> of_a_search(const TrialResult&) { return std::nullopt; }

std::optional<double> matched_ratio(const TrialResult& trial) {
  if (!trial.stage || !trial.stage->matched_pkts || trial.stage->staged_pkts <= 0) {
    return std::nullopt;
  }
  return static_cast<double>(*trial.stage->matched_pkts) /
         static_cast<double>(trial.stage->staged_pkts);
}

struct Metric {
  MetricFacts facts;
  std::optional<double> (*read)(const TrialResult&);
};

const std::vector<Metric>& metrics() {
  static const std::vector<Metric> kMetrics = {
      {{"loss_ratio", "ratio", false, "share of the offered packets that was not received",
        MetricSource::offered},
       [](const TrialResult& trial) { return trial.ledger().loss_ratio(); }},
      {{"rx_missed_ratio", "ratio", false,
        "share of the offered packets that found no free receive descriptor",
        MetricSource::offered},
       rx_missed_ratio},
      {{"latency_p50_ns", "ns", false, "median latency of the received packets"},
       [](const TrialResult& trial) { return latency_ns(trial, 50.0); }},
      {{"latency_p99_ns", "ns", false, "99th percentile latency of the received packets"},
       [](const TrialResult& trial) { return latency_ns(trial, 99.0); }},
      {{"latency_p999_ns", "ns", false, "99.9th percentile latency of the received packets"},
       [](const TrialResult& trial) { return latency_ns(trial, 99.9); }},
      {{"cycles_per_pkt", "cycles", false, "busy TSC cycles of the receiving lcores per packet",
        MetricSource::offered},
       [](const TrialResult& trial) { return trial.cycles_per_pkt; }},
      {{"syscalls_per_pkt", "calls", false,
        "system calls to get frames or wait for them, per packet", MetricSource::offered},
       [](const TrialResult& trial) { return trial.syscalls_per_pkt; }},
      {{"stage_cycles_per_pkt", "cycles", false,
        "TSC cycles of the stage alone per packet it ran on", MetricSource::offered},
       [](const TrialResult& trial) {
         return trial.stage ? trial.stage->cycles_per_pkt : std::nullopt;
       }},
      {{"matched_ratio", "ratio", true,
        "share of the packets that stage hyperscan found a match in", MetricSource::offered},
       matched_ratio},
      {{"busy_fraction", "share", false, "busy share of the busiest receiving lcore"},
       [](const TrialResult& trial) { return trial.busy_fraction; }},
      {{"offered_mpps", "Mpps", true, "packets per second accepted by the transmit side",
        MetricSource::offered},
       offered_mpps},
      {{"received_mpps", "Mpps", true, "packets per second received", MetricSource::offered},
       received_mpps},
      {{"mpps_per_core", "Mpps per core", true, "packets per second received per core used",
        MetricSource::offered},
       mpps_per_core},
      {{"cpu_cores_used", "cores", false, "cores kept busy by the receiving side"},
       [](const TrialResult& trial) { return trial.cpu_cores_used; }},
      {{"goodput_bps", "bit/s", true, "payload bits per second that the server read",
        MetricSource::closed_loop},
       goodput_bps},
      {{"transactions_per_s", "1/s", true, "requests answered per second",
        MetricSource::closed_loop},
       rate<ClosedLoopUnit::transactions>},
      {{"connections_per_s", "1/s", true, "connections made, answered and closed per second",
        MetricSource::closed_loop},
       rate<ClosedLoopUnit::connections>},
      {{"failed_ratio", "ratio", false, "share of the requests or connections that failed",
        MetricSource::closed_loop},
       failed_ratio},
      {{"cpu_ns_per_kib", "ns", false, "CPU time of both ends per KiB of payload",
        MetricSource::closed_loop},
       [](const TrialResult& trial) { return cpu_ns_per(trial, 1024.0, true); }},
      {{"cpu_ns_per_transaction", "ns", false,
        "CPU time of both ends per request or connection answered", MetricSource::closed_loop},
       [](const TrialResult& trial) { return cpu_ns_per(trial, 1.0, false); }},
      {{"sender_segment_bytes", "bytes", true, "mean segment at the sender's device, with taps",
        MetricSource::closed_loop},
       mean_segment_bytes<&ClosedLoopAccount::sender_segment_bytes>},
      {{"receiver_segment_bytes", "bytes", true, "mean segment at the receiver's device, with taps",
        MetricSource::closed_loop},
       mean_segment_bytes<&ClosedLoopAccount::receiver_segment_bytes>},
      {{"rwnd_limited_ratio", "ratio", false,
        "share of the sending time that waited for the receiver's window",
        MetricSource::closed_loop},
       [](const TrialResult& trial) {
         return of_tcp(trial, [](const TcpAccount& tcp) { return tcp.rwnd_limited_ratio; });
       }},
      {{"snd_wnd_max_bytes", "bytes", true, "greatest window that the receiver advertised",
        MetricSource::closed_loop},
       [](const TrialResult& trial) {
         return of_tcp(trial,
                       [](const TcpAccount& tcp) { return as_double(tcp.snd_wnd_max_bytes); });
       }},
      {{"rtt_mean_ns", "ns", false, "mean of TCP's smoothed round trips",
        MetricSource::closed_loop},
       [](const TrialResult& trial) {
         return of_tcp(trial, [](const TcpAccount& tcp) { return as_double(tcp.rtt_mean_ns); });
       }},
      {{"retransmitted_ratio", "ratio", false, "share of the TCP segments that were sent again",
        MetricSource::closed_loop},
       segment_ratio<&TcpAccount::retransmitted_segments>},
      {{"dsacked_ratio", "ratio", false,
        "share of the TCP segments that were sent again and had arrived before: no loss",
        MetricSource::closed_loop},
       segment_ratio<&TcpAccount::dsacked_segments>},
      {{"ndr_mpps", "Mpps", true, "highest load without loss, by a search", MetricSource::search},
       of_a_search},
      {{"pdr_mpps", "Mpps", true, "highest load with a loss of at most 0.5 %, by a search",
        MetricSource::search},
       of_a_search},
      {{"mrr_mpps", "Mpps", true, "received at the highest load that can be offered",
        MetricSource::search},
       of_a_search},
      {{"rfc2544_mpps", "Mpps", true, "RFC 2544 throughput: no loss in 60 s, by a search",
        MetricSource::search},
       of_a_search},
      {{"latency_p99_at_1_ns", "ns", false, "99th percentile latency at 1 % of the PDR",
        MetricSource::latency},
       p99_at<1>},
      {{"latency_p99_at_10_ns", "ns", false, "99th percentile latency at 10 % of the PDR",
        MetricSource::latency},
       p99_at<10>},
      {{"latency_p99_at_50_ns", "ns", false, "99th percentile latency at 50 % of the PDR",
        MetricSource::latency},
       p99_at<50>},
      {{"latency_p99_at_90_ns", "ns", false, "99th percentile latency at 90 % of the PDR",
        MetricSource::latency},
       p99_at<90>},
  };
  return kMetrics;
}

}  // namespace

std::string_view name_of(KnobState state) {
  switch (state) {
    case KnobState::confirmed:
      return "confirmed";
    case KnobState::differs:
      return "differs";
    case KnobState::unverifiable:
      return "unverifiable";
  }
  PM_CHECK(false);
}

std::string_view name_of(ClosedLoopUnit unit) {
  switch (unit) {
    case ClosedLoopUnit::bytes:
      return "bytes";
    case ClosedLoopUnit::transactions:
      return "transactions";
    case ClosedLoopUnit::connections:
      return "connections";
  }
  PM_CHECK(false);
}

std::int64_t ClosedLoopAccount::failed() const {
  std::int64_t sum = 0;
  for (const auto& [reason, count] : failures) sum += count;
  return sum;
}

JudgedLatency latency_of(const LatencyAccount& latency_ns) {
  const auto measured = [](const std::optional<LatencyHistogram>& histogram) {
    return histogram && histogram->min().has_value();
  };
  if (measured(latency_ns.done)) return {"done", &*latency_ns.done};
  if (measured(latency_ns.rx)) return {"rx", &*latency_ns.rx};
  if (measured(latency_ns.round_trip)) return {"round_trip", &*latency_ns.round_trip};
  return {};
}

Ledger TrialResult::ledger() const {
  Ledger books;
  for (const StreamAccount& stream : streams) books += stream.ledger;
  return books;
}

TrialResult refused_trial(const TrialOrder& order, std::string_view why) {
  TrialResult result;
  result.order = order;
  result.invalid_reasons.push_back(std::string(kRefused) + std::string(why));
  return result;
}

std::optional<std::string> refusal_of(const TrialResult& trial) {
  if (trial.invalid_reasons.empty() || !trial.invalid_reasons.front().starts_with(kRefused))
    return std::nullopt;
  return trial.invalid_reasons.front().substr(kRefused.size());
}

std::optional<double> metric_of(const TrialResult& trial, std::string_view metric) {
  for (const Metric& known : metrics()) {
    if (known.facts.name != metric) continue;
    const std::optional<double> value = known.read(trial);
    if (value && !std::isfinite(*value)) return std::nullopt;
    return value;
  }
  return std::nullopt;
}

bool is_metric_of(const MetricFacts& metric, Path path) {
  if (metric.source == MetricSource::trial) return true;
  return (metric.source == MetricSource::closed_loop) == is_closed_loop(path);
}

const std::vector<MetricFacts>& all_metrics() {
  static const std::vector<MetricFacts> kFacts = [] {
    std::vector<MetricFacts> facts;
    for (const Metric& metric : metrics()) facts.push_back(metric.facts);
    return facts;
  }();
  return kFacts;
}

}  // namespace pollmark
