#include "judge/wording.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "base/text.h"
#include "base/units.h"
#include "judge/paired.h"

namespace pollmark {

MetricFacts metric_facts(std::string_view metric) {
  for (const MetricFacts& facts : all_metrics()) {
    if (facts.name == metric) return facts;
  }
  MetricFacts facts;
  facts.name = std::string(metric);
  // A goal of the user's own.
  facts.higher_is_better = metric.ends_with("_mpps");
  return facts;
}

std::string metric_word(std::string_view metric) {
  static const std::map<std::string_view, std::string> kWords{
      {"busy_fraction", "busy fraction"},
      {"cpu_cores_used", "cores used"},
      {"cycles_per_pkt", "cycles per packet"},
      {"dsacked_ratio", "retransmissions in vain"},
      {"connections_per_s", "connection rate"},
      {"cpu_ns_per_kib", "CPU time per KiB"},
      {"cpu_ns_per_transaction", "CPU time per transaction"},
      {"failed_ratio", "failures"},
      {"goodput_bps", "goodput"},
      {"latency_p50_ns", "p50"},
      {"latency_p999_ns", "p99.9"},
      {"latency_p99_ns", "p99"},
      {"latency_p99_at_1_ns", "p99 at 1 % of the PDR"},
      {"latency_p99_at_10_ns", "p99 at 10 % of the PDR"},
      {"latency_p99_at_50_ns", "p99 at 50 % of the PDR"},
      {"latency_p99_at_90_ns", "p99 at 90 % of the PDR"},
      {"loss_ratio", "loss"},
      {"matched_ratio", "frames with a match"},
      {"mpps_per_core", "rate per core"},
      {"mrr_mpps", "MRR"},
      {"ndr_mpps", "NDR"},
      {"offered_mpps", "offered rate"},
      {"pdr_mpps", "PDR"},
      {"received_mpps", "received rate"},
      {"rfc2544_mpps", "RFC 2544 throughput"},
      {"receiver_segment_bytes", "segment at the receiver"},
      {"retransmitted_ratio", "retransmissions"},
      {"rtt_mean_ns", "mean round trip"},
      {"rwnd_limited_ratio", "time limited by the receiver's window"},
      {"rx_missed_ratio", "missed"},
      {"sender_segment_bytes", "segment at the sender"},
      {"snd_wnd_max_bytes", "advertised window"},
      {"stage_cycles_per_pkt", "cycles of the stage per packet"},
      {"syscalls_per_pkt", "system calls per packet"},
      {"transactions_per_s", "transaction rate"},
  };
  const auto word = kWords.find(metric);
  return word == kWords.end() ? std::string(metric) : word->second;
}

std::string value_text(std::string_view metric, double value) {
  if (scale_of(metric) == Scale::absolute) return ratio_text(value);
  if (metric.find("mpps") != std::string_view::npos) return si(value * 1e6, "pps");
  if (metric.ends_with("_ns") || metric.starts_with("cpu_ns_")) return duration_text(value);
  if (metric.ends_with("_bps")) return si(value, "bit/s");
  if (metric.ends_with("_bytes")) return si(value, "B");
  if (metric.ends_with("_per_s")) return fmt::format("{:.4g}/s", value);
  return fmt::format("{:.4g}", value);
}

std::string estimate_text(std::string_view metric, const Estimate& estimate) {
  if (!estimate.interval) return value_text(metric, estimate.median);
  return fmt::format("{} [{}, {}]", value_text(metric, estimate.median),
                     value_text(metric, estimate.interval->low),
                     value_text(metric, estimate.interval->high));
}

std::string difference_text(std::string_view metric, double difference) {
  const bool absolute = scale_of(metric) == Scale::absolute;
  const double value = absolute ? difference : std::expm1(difference);
  return fmt::format("{}{}", value > 0.0 ? "+" : "", ratio_text(value));
}

std::string_view whole_text(std::string_view metric) {
  if (scale_of(metric) != Scale::absolute) return "";
  if (metric == "failed_ratio") return " of all requests";
  if (metric == "retransmitted_ratio" || metric == "dsacked_ratio") return " of all segments";
  const bool of_time = metric == "rwnd_limited_ratio" || metric.find("_fraction") != metric.npos;
  return of_time ? " of the time" : " of all frames";
}

std::string cell_text(const std::map<std::string, std::string>& cell) {
  if (cell.empty()) return "the only setting";
  std::vector<std::string> parts;
  for (const auto& [factor, level] : cell) parts.push_back(factor + "=" + level);
  return join(parts, " ");
}

}  // namespace pollmark
