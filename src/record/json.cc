#include "record/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

namespace pollmark {

namespace {

// ---- writing

// NaN and infinities have no spelling in JSON.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

template <typename T>
Json nullable(const std::optional<T>& value) {
  if (!value) return nullptr;
  if constexpr (std::is_floating_point_v<T>) {
    return number(*value);
  } else {
    return *value;
  }
}

std::string_view name_of(LoadUnit unit) {
  switch (unit) {
    case LoadUnit::line_percent:
      return "line_percent";
    case LoadUnit::pps:
      return "pps";
    case LoadUnit::l1_bps:
      return "l1_bps";
    case LoadUnit::l2_bps:
      return "l2_bps";
    case LoadUnit::max:
      return "max";
  }
  PM_CHECK(false);
}

template <typename Value>
Json object_of(const std::map<std::string, Value>& values) {
  Json json = Json::object();
  for (const auto& [key, value] : values) json[key] = value;
  return json;
}

struct HeaderText {
  const char* key;
  std::string TrafficOrder::*text;
};

std::span<const HeaderText> header_texts() {
  static constexpr std::array<HeaderText, 10> kTexts{{{"src_mac", &TrafficOrder::src_mac},
                                                      {"dst_mac", &TrafficOrder::dst_mac},
                                                      {"qinq", &TrafficOrder::qinq},
                                                      {"vlan", &TrafficOrder::vlan},
                                                      {"src_ip", &TrafficOrder::src_ip},
                                                      {"dst_ip", &TrafficOrder::dst_ip},
                                                      {"src_port", &TrafficOrder::src_port},
                                                      {"dst_port", &TrafficOrder::dst_port},
                                                      {"ttl", &TrafficOrder::ttl},
                                                      {"dscp", &TrafficOrder::dscp}}};
  return kTexts;
}

// What identifies a trial; at the top of its record.
void put_identity(Json& json, const TrialOrder& order) {
  json["kind"] = name_of(order.kind);
  json["trial"] = order.trial;
  json["group"] = order.group;
  json["block"] = order.block;
  json["attempt"] = order.attempt;
  json["cell"] = object_of(order.cell);
  json["path"] = name_of(order.path);
  json["clock"] = name_of(order.clock);
  json["seed"] = order.seed;
}

// The rest of the order; under "order" in a record.
void put_details(Json& json, const TrialOrder& order) {
  json["validity"] = name_of(order.validity);
  json["drop_reasons"] = name_of(order.drop_reasons);
  json["generator_port"] = order.generator_port;
  json["sender"] = name_of(order.sender);
  json["receiver_port"] = order.receiver_port;
  json["line_bps"] = nullable(order.line_bps);
  json["generator_lcores"] = order.generator_lcores;
  json["receiver_lcores"] = order.receiver_lcores;
  const TrafficOrder& traffic = order.traffic;
  json["traffic"] = {
      {"kind", name_of(traffic.kind)},
      {"frame", traffic.frame},
      {"frame_bytes", traffic.frame_bytes},
      {"letters", object_of(traffic.letters)},
      {"flows", traffic.flows},
      {"popularity", number(traffic.popularity)},
      {"ip_version", traffic.ip_version},
      {"tcp_flags", traffic.tcp_flags},
      {"arrivals",
       {{"kind", name_of(traffic.arrivals.kind)},
        {"burst_frames", traffic.arrivals.burst_frames},
        {"on_ns", traffic.arrivals.on_ns},
        {"off_ns", traffic.arrivals.off_ns}}},
      {"load",
       {{"unit", name_of(traffic.load.unit)},
        {"value", number(traffic.load.value)},
        {"text", traffic.load.text()}}},
      {"direction", name_of(traffic.direction)},
      {"intended_pps", number(traffic.intended_pps)},
      {"warmup_pps", number(traffic.warmup_pps)},
      {"pcap", traffic.pcap},
      {"timing", name_of(traffic.timing)},
      {"time_scale", number(traffic.time_scale)},
      {"loops", traffic.loops},
      {"filter", traffic.filter},
      {"cut_short", name_of(traffic.cut_short)},
      {"rewrite", object_of(traffic.rewrite)},
      {"hit_ratio", number(traffic.hit_ratio)},
  };
  for (const HeaderText& field : header_texts()) json["traffic"][field.key] = traffic.*field.text;
  const ModelOrder& model = order.model;
  json["model"] = {
      {"link_bps", number(model.link_bps)},
      {"dma", name_of(model.dma)},
      {"stalls",
       {{"kind", name_of(model.stalls.kind)},
        {"every_ns", model.stalls.every_ns},
        {"for_ns", model.stalls.for_ns},
        {"trace", model.stalls.trace}}},
      {"faults",
       {{"drop", number(model.faults.drop)},
        {"duplicate", number(model.faults.duplicate)},
        {"reorder", number(model.faults.reorder)},
        {"corrupt", number(model.faults.corrupt)},
        {"delay", number(model.faults.delay)},
        {"delay_ns", model.faults.delay_ns}}},
  };
  const ReceiverOrder& receiver = order.receiver;
  json["receiver"] = {
      {"rx_ring", receiver.rx_ring},
      {"queues", receiver.queues},
      {"rss_fields", receiver.rss_fields},
      {"reta_weights", receiver.reta_weights},
      {"rx_offloads", receiver.rx_offloads},
      {"stage", name_of(receiver.stage)},
      {"patterns", receiver.patterns},
      {"workers", receiver.workers},
      {"ring", receiver.ring},
      {"burst", receiver.burst},
      {"socket_buffer_bytes", receiver.socket_buffer_bytes},
      {"udp_gro", receiver.udp_gro},
      {"packet_blocks", receiver.packet_blocks},
      {"packet_block_bytes", receiver.packet_block_bytes},
      {"fanout", name_of(receiver.fanout)},
      {"xdp_mode", name_of(receiver.xdp_mode)},
      {"xdp_rx_ring", receiver.xdp_rx_ring},
      {"xdp_fill_ring", receiver.xdp_fill_ring},
      {"zero_copy", receiver.zero_copy},
      {"need_wakeup", receiver.need_wakeup},
      {"socket_busy_poll_ns", receiver.socket_busy_poll_ns},
      {"pool_mbufs", receiver.pool_mbufs},
      {"numa", name_of(receiver.numa)},
  };
  const ClosedLoopOrder& loop = order.closed_loop;
  json["closed_loop"] = {
      {"streams", loop.streams},
      {"message_bytes", loop.message_bytes},
      {"response_bytes", loop.response_bytes},
      {"no_delay", loop.no_delay},
      {"congestion_control", loop.congestion_control},
      {"listen_backlog", loop.listen_backlog},
      {"taps", loop.taps},
      {"wire", name_of(loop.wire)},
  };
  Json places = Json::array();
  for (const CaptureAt at : order.capture.at) places.push_back(name_of(at));
  json["capture"] = {{"at", std::move(places)},
                     {"filter", order.capture.filter},
                     {"snaplen_bytes", order.capture.snaplen_bytes},
                     {"limit_bytes", order.capture.limit_bytes},
                     {"trigger", name_of(order.capture.trigger)}};
  json["seconds"] = number(order.seconds);
  json["warmup_seconds"] = number(order.warmup_seconds);
  json["wait_before_seconds"] = number(order.wait_before_seconds);
  json["wait_after_seconds"] = number(order.wait_after_seconds);
  json["epoch"] = order.epoch;
  json["pdr_percent"] = number(order.pdr_percent);
  json["kernel_knobs"] = object_of(order.kernel_knobs);
  json["host_allow"] = order.host_allow;
  json["planted_stop_ns"] = order.planted_stop_ns;
}

Json ledger_json(const Ledger& books) {
  Json json = Json::object();
  for (const Fate fate : all_fates()) {
    json[fmt::format("{}_pkts", fate_name(fate))] = nullable(books.pkts(fate));
  }
  return json;
}

Json runs_json(const std::optional<LossRuns>& runs) {
  if (!runs) return nullptr;
  return {{"count", runs->count}, {"longest", runs->longest}};
}

// The books of a stream or of the whole trial.
struct Books {
  Ledger ledger;
  std::int64_t offered_bytes = 0;
  std::int64_t received_bytes = 0;
  std::optional<double> first_loss_s;
  std::optional<double> last_loss_s;
  std::optional<LossRuns> loss_runs;
  std::optional<std::int64_t> reordered_pkts;
};

Books books_of(const StreamAccount& stream) {
  return {stream.ledger,      stream.offered_bytes, stream.received_bytes, stream.first_loss_s,
          stream.last_loss_s, stream.loss_runs,     stream.reordered_pkts};
}

// What one stream did not measure, the sum did not either. First and last loss are those of the
// streams that lost.
Books books_of(const TrialResult& result) {
  Books sum;
  sum.ledger = result.ledger();
  for (std::size_t i = 0; i < result.streams.size(); ++i) {
    const StreamAccount& stream = result.streams[i];
    sum.offered_bytes += stream.offered_bytes;
    sum.received_bytes += stream.received_bytes;
    if (stream.first_loss_s) {
      sum.first_loss_s =
          std::min(sum.first_loss_s.value_or(*stream.first_loss_s), *stream.first_loss_s);
    }
    if (stream.last_loss_s) {
      sum.last_loss_s =
          std::max(sum.last_loss_s.value_or(*stream.last_loss_s), *stream.last_loss_s);
    }
    if (i == 0) {
      sum.loss_runs = stream.loss_runs;
      sum.reordered_pkts = stream.reordered_pkts;
      continue;
    }
    if (sum.loss_runs && stream.loss_runs) {
      sum.loss_runs->count += stream.loss_runs->count;
      sum.loss_runs->longest = std::max(sum.loss_runs->longest, stream.loss_runs->longest);
    } else {
      sum.loss_runs.reset();
    }
    if (sum.reordered_pkts && stream.reordered_pkts) {
      *sum.reordered_pkts += *stream.reordered_pkts;
    } else {
      sum.reordered_pkts.reset();
    }
  }
  return sum;
}

void put_books(Json& json, const Books& books) {
  json["offered_pkts"] = books.ledger.offered_pkts();
  json["offered_bytes"] = books.offered_bytes;
  json["received_pkts"] = nullable(books.ledger.pkts(Fate::received));
  json["received_bytes"] = books.received_bytes;
  json["ledger"] = ledger_json(books.ledger);
  json["unaccounted_pkts"] = books.ledger.unaccounted_pkts();
  json["loss_ratio"] = nullable(books.ledger.loss_ratio());
  json["first_loss_s"] = nullable(books.first_loss_s);
  json["last_loss_s"] = nullable(books.last_loss_s);
  json["loss_runs"] = runs_json(books.loss_runs);
  json["reordered_pkts"] = nullable(books.reordered_pkts);
}

Json histogram_json(const std::optional<LatencyHistogram>& histogram) {
  if (!histogram) return nullptr;
  const LatencyHistogram::Exact exact = histogram->exact();
  return {{"count", histogram->count()},
          {"out_of_range", exact.out_of_range},
          {"min", nullable(exact.min)},
          {"mean", nullable(histogram->mean())},
          {"stddev", nullable(histogram->stddev())},
          {"p50", nullable(histogram->percentile(50))},
          {"p90", nullable(histogram->percentile(90))},
          {"p99", nullable(histogram->percentile(99))},
          {"p999", nullable(histogram->percentile(99.9))},
          {"p9999", nullable(histogram->percentile(99.99))},
          {"max", nullable(exact.max)},
          {"sum", exact.sum},
          {"histogram", histogram->encode()}};
}

Json drops_json(const std::optional<KernelDrops>& drops) {
  if (!drops) return nullptr;
  Json places = Json::array();
  for (const DroppedAt& place : drops->places) {
    places.push_back({{"side", place.side},
                      {"netdev", place.netdev},
                      {"reason", place.reason},
                      {"function", place.function},
                      {"cause", place.cause},
                      {"pkts", place.pkts},
                      {"segments", place.segments},
                      {"role", name_of(place.role)},
                      {"fate", place.fate ? Json(fate_name(*place.fate)) : Json(nullptr)}});
  }
  return {{"source", drops->source}, {"unseen_pkts", drops->unseen_pkts}, {"places", places}};
}

Json streams_json(const std::vector<StreamAccount>& streams) {
  Json json = Json::array();
  for (const StreamAccount& stream : streams) {
    Json item = {{"from", stream.from}, {"to", stream.to}};
    put_books(item, books_of(stream));
    item["tracker_missing_pkts"] = nullable(stream.tracker_missing_pkts);
    item["kernel_other_reasons"] = object_of(stream.kernel_other_reasons);
    item["drops"] = drops_json(stream.drops);
    json.push_back(std::move(item));
  }
  return json;
}

Json queues_json(const std::vector<QueueAccount>& queues) {
  Json json = Json::array();
  for (const QueueAccount& queue : queues) {
    json.push_back({{"stream", queue.stream},
                    {"queue", queue.queue},
                    {"polled_pkts", queue.polled_pkts},
                    {"rx_missed_pkts", nullable(queue.rx_missed_pkts)},
                    {"share", nullable(queue.share)},
                    {"occupancy_max", nullable(queue.occupancy_max)},
                    {"latency_rx_ns", histogram_json(queue.latency_rx_ns)}});
  }
  return json;
}

Json rings_json(const std::vector<RingAccount>& rings) {
  Json json = Json::array();
  for (const RingAccount& ring : rings) {
    json.push_back({{"stream", ring.stream},
                    {"ring", ring.ring},
                    {"size", ring.size},
                    {"overflow_pkts", ring.overflow_pkts},
                    {"high_water", ring.high_water}});
  }
  return json;
}

Json lcores_json(const std::vector<LcoreHealth>& lcores) {
  Json json = Json::array();
  for (const LcoreHealth& lcore : lcores) {
    Json gaps = nullptr;
    if (lcore.thread_cpu_fraction)
      gaps = {{"longest_gap_ns", lcore.longest_gap_ns},
              {"gaps", lcore.gaps},
              {"gap_sum_ns", lcore.gap_sum_ns},
              {"tolerated_gap_ns", lcore.tolerated_gap_ns}};
    json.push_back({{"role", lcore.role},
                    {"polling", lcore.polling},
                    {"scheduling", std::move(gaps)},
                    {"thread_cpu_fraction", nullable(lcore.thread_cpu_fraction)},
                    {"runnable_waiting_fraction", nullable(lcore.runnable_waiting_fraction)},
                    {"busy_fraction", nullable(lcore.busy_fraction)},
                    {"node", nullable(lcore.node)},
                    {"bursts", lcore.bursts},
                    {"poll_gap_ns", histogram_json(lcore.poll_gap_ns)}});
  }
  return json;
}

Json stage_json(const std::optional<StageAccount>& stage) {
  if (!stage) return nullptr;
  return {{"staged_pkts", stage->staged_pkts},
          {"cycles_per_pkt", nullable(stage->cycles_per_pkt)},
          {"matches", nullable(stage->matches)},
          {"matched_pkts", nullable(stage->matched_pkts)}};
}

Json tcp_json(const std::optional<TcpAccount>& tcp) {
  if (!tcp) return nullptr;
  return {{"samples", tcp->samples},
          {"congestion_control", tcp->congestion_control},
          {"snd_mss_bytes", nullable(tcp->snd_mss_bytes)},
          {"cwnd_max_segments", nullable(tcp->cwnd_max_segments)},
          {"snd_wnd_max_bytes", nullable(tcp->snd_wnd_max_bytes)},
          {"rtt_min_ns", nullable(tcp->rtt_min_ns)},
          {"rtt_mean_ns", nullable(tcp->rtt_mean_ns)},
          {"sent_segments", nullable(tcp->sent_segments)},
          {"retransmitted_segments", nullable(tcp->retransmitted_segments)},
          {"dsacked_segments", nullable(tcp->dsacked_segments)},
          {"rwnd_limited_ratio", nullable(tcp->rwnd_limited_ratio)},
          {"sndbuf_limited_ratio", nullable(tcp->sndbuf_limited_ratio)}};
}

Json closed_loop_json(const std::optional<ClosedLoopAccount>& loop) {
  if (!loop) return nullptr;
  return {{"unit", name_of(loop->unit)},
          {"sent", loop->sent},
          {"received", loop->received},
          {"failures", object_of(loop->failures)},
          {"unaccounted", loop->unaccounted()},
          {"served", nullable(loop->served)},
          {"late", loop->late},
          {"in_window", loop->in_window},
          {"client_cpu_ns", nullable(loop->client_cpu_ns)},
          {"server_cpu_ns", nullable(loop->server_cpu_ns)},
          {"tcp", tcp_json(loop->tcp)},
          {"sender_segment_bytes", histogram_json(loop->sender_segment_bytes)},
          {"receiver_segment_bytes", histogram_json(loop->receiver_segment_bytes)},
          {"untapped_segments", nullable(loop->untapped_segments)}};
}

Json capture_json(const std::optional<CaptureAccount>& capture) {
  if (!capture) return nullptr;
  return {{"replayed_pkts", capture->replayed_pkts},
          {"filtered_pkts", capture->filtered_pkts},
          {"padded_pkts", capture->padded_pkts},
          {"rewritten_pkts", capture->rewritten_pkts}};
}

Json captures_json(const std::vector<TapAccount>& captures) {
  Json json = Json::array();
  for (const TapAccount& capture : captures) {
    json.push_back({{"at", name_of(capture.at)},
                    {"netdev", capture.netdev},
                    {"filter", capture.filter},
                    {"file", capture.file},
                    {"written_pkts", capture.written_pkts},
                    {"file_bytes", capture.file_bytes},
                    {"passed_over_pkts", capture.passed_over_pkts},
                    {"not_captured_pkts", capture.not_captured_pkts},
                    {"beyond_limit_pkts", capture.beyond_limit_pkts},
                    {"triggered_by", capture.triggered_by},
                    {"triggered_s", nullable(capture.triggered_s)},
                    {"cpu", nullable(capture.cpu)},
                    {"shares_cpu_with", capture.shares_cpu_with},
                    {"failure", capture.failure}});
  }
  return json;
}

Json knobs_json(const std::map<std::string, Knob>& knobs) {
  Json json = Json::object();
  for (const auto& [name, knob] : knobs) {
    json[name] = {{"requested", knob.requested},
                  {"effective", knob.effective},
                  {"state", name_of(knob.state)},
                  {"evidence", knob.evidence},
                  {"exercised", knob.exercised}};
  }
  return json;
}

Json counters_json(const std::map<std::string, CounterChange>& counters) {
  Json json = Json::object();
  for (const auto& [name, change] : counters) {
    json[name] = {{"before", nullable(change.before)}, {"after", nullable(change.after)},
                  {"delta", nullable(change.delta)},   {"went_backwards", change.went_backwards},
                  {"layer", change.facts.layer},       {"unit", change.facts.unit},
                  {"scope", change.facts.scope},       {"role", name_of(change.facts.role)},
                  {"trust", change.facts.trust},       {"bits", change.facts.bits}};
  }
  return json;
}

// ---- reading

template <typename Enum, std::size_t kCount>
bool take_enum(const Json& json, Enum& out, const std::array<Enum, kCount>& all) {
  if (!json.is_string()) return false;
  for (const Enum value : all) {
    if (name_of(value) == json.get_ref<const std::string&>()) {
      out = value;
      return true;
    }
  }
  return false;
}

// Each take() puts the value into out, or returns what was expected instead.
using Expected = const char*;
constexpr Expected kTaken = nullptr;

Expected take(const Json& json, std::string& out) {
  if (!json.is_string()) return "text";
  out = json.get_ref<const std::string&>();
  return kTaken;
}

Expected take(const Json& json, bool& out) {
  if (!json.is_boolean()) return "true or false";
  out = json.get<bool>();
  return kTaken;
}

template <typename Integer>
requires std::is_integral_v<Integer> Expected take(const Json& json, Integer& out) {
  constexpr Expected kNoun = "an integer in range";
  if (json.is_number_unsigned()) {
    const auto value = json.get<std::uint64_t>();
    if (!std::in_range<Integer>(value)) return kNoun;
    out = static_cast<Integer>(value);
    return kTaken;
  }
  if (!json.is_number_integer()) return kNoun;
  const auto value = json.get<std::int64_t>();
  if (!std::in_range<Integer>(value)) return kNoun;
  out = static_cast<Integer>(value);
  return kTaken;
}

Expected take(const Json& json, double& out) {
  if (json.is_null()) {
    out = std::numeric_limits<double>::quiet_NaN();  // was not finite when written
    return kTaken;
  }
  if (!json.is_number()) return "a number";
  out = json.get<double>();
  return kTaken;
}

template <typename Enum>
requires std::is_enum_v<Enum> Expected take(const Json& json, Enum& out) {
  if (!json.is_string()) return "a name";
  const std::optional<Enum> value = enum_from_name<Enum>(json.get_ref<const std::string&>());
  if (!value) return "a known name";
  out = *value;
  return kTaken;
}

Expected take(const Json& json, LoadUnit& out) {
  static constexpr std::array<LoadUnit, 5> kAll = {
      LoadUnit::line_percent, LoadUnit::pps, LoadUnit::l1_bps, LoadUnit::l2_bps, LoadUnit::max};
  return take_enum(json, out, kAll) ? kTaken : "a unit of load";
}

Expected take(const Json& json, KnobState& out) {
  static constexpr std::array<KnobState, 3> kAll = {KnobState::confirmed, KnobState::differs,
                                                    KnobState::unverifiable};
  return take_enum(json, out, kAll) ? kTaken : "a state of a knob";
}

Expected take(const Json& json, GoalKind& out) {
  static constexpr std::array<GoalKind, 2> kAll = {GoalKind::bounds, GoalKind::max_rate};
  return take_enum(json, out, kAll) ? kTaken : "a kind of goal";
}

Expected take(const Json& json, ClosedLoopUnit& out) {
  static constexpr std::array<ClosedLoopUnit, 3> kAll = {
      ClosedLoopUnit::bytes, ClosedLoopUnit::transactions, ClosedLoopUnit::connections};
  return take_enum(json, out, kAll) ? kTaken : "a unit of a closed loop";
}

Expected take(const Json& json, CounterRole& out) {
  static constexpr std::array<CounterRole, 3> kAll = {CounterRole::owner, CounterRole::echo,
                                                      CounterRole::context};
  return take_enum(json, out, kAll) ? kTaken : "a role of a counter";
}

template <typename T>
Expected take(const Json& json, std::optional<T>& out) {
  out.reset();
  if (json.is_null()) return kTaken;
  return take(json, out.emplace());
}

template <typename T>
Expected take(const Json& json, std::vector<T>& out) {
  if (!json.is_array()) return "a list";
  out.clear();
  for (const Json& item : json) {
    if (const Expected expected = take(item, out.emplace_back()); expected != kTaken) {
      return expected;
    }
  }
  return kTaken;
}

template <typename T>
Expected take(const Json& json, std::map<std::string, T>& out) {
  if (!json.is_object()) return "an object";
  out.clear();
  for (const auto& entry : json.items()) {
    if (const Expected expected = take(entry.value(), out[entry.key()]); expected != kTaken) {
      return expected;
    }
  }
  return kTaken;
}

// Reads the keys of one object. The first mistake anywhere is kept, the rest is skipped.
class Fields {
 public:
  Fields(const Json* json, std::string where, std::optional<Error>& mistake)
      : json_(json), where_(std::move(where)), mistake_(mistake) {
    if (json_ != nullptr && !json_->is_object()) {
      complain("", "is not an object");
      json_ = nullptr;
    }
  }

  template <typename T>
  void read(const std::string& key, T& out) {
    const Json* value = find(key);
    if (value == nullptr) return;
    if (const Expected expected = take(*value, out); expected != kTaken) {
      complain(key, fmt::format("is not {}", expected));
    }
  }

  // A key that earlier records of this schema do not have: what they lack keeps its default.
  template <typename T>
  void read_since(const std::string& key, T& out) {
    if (has(key)) read(key, out);
  }
  [[nodiscard]] bool has(const std::string& key) const {
    return json_ != nullptr && json_->contains(key);
  }

  Fields object(const std::string& key) { return {find(key), place(key), mistake_}; }

  [[nodiscard]] bool is_null(const std::string& key) {
    const Json* value = find(key);
    return value == nullptr || value->is_null();
  }

  template <typename T, typename Read>
  void read_list(const std::string& key, std::vector<T>& out, const Read& read_item) {
    const Json* list = find(key);
    if (list == nullptr) return;
    if (!list->is_array()) return complain(key, "is not a list");
    out.clear();
    for (const Json& item : *list) {
      Fields fields(&item, fmt::format("{}[{}]", place(key), out.size()), mistake_);
      read_item(fields, out.emplace_back());
    }
  }

  template <typename T, typename Read>
  void read_map(const std::string& key, std::map<std::string, T>& out, const Read& read_item) {
    const Json* object = find(key);
    if (object == nullptr) return;
    if (!object->is_object()) return complain(key, "is not an object");
    out.clear();
    for (const auto& entry : object->items()) {
      Fields fields(&entry.value(), fmt::format("{}.{}", place(key), entry.key()), mistake_);
      read_item(fields, out[entry.key()]);
    }
  }

  void complain(const std::string& key, std::string_view what) {
    if (mistake_) return;
    mistake_ = Error{Errc::bad_experiment, fmt::format("\"{}\" {}", place(key), what), {}};
  }

 private:
  const Json* find(const std::string& key) {
    if (json_ == nullptr || mistake_) return nullptr;
    const auto found = json_->find(key);
    if (found != json_->end()) return &*found;
    complain(key, "is missing");
    return nullptr;
  }

  [[nodiscard]] std::string place(const std::string& key) const {
    if (where_.empty() || key.empty()) return where_ + key;
    return where_ + "." + key;
  }

  const Json* json_;  // nullptr: the object itself could not be read
  std::string where_;
  std::optional<Error>& mistake_;
};

// The first mistake of a record that carries another number, or none.
Result<void> check_schema(Fields& in, const std::optional<Error>& mistake) {
  int schema = 0;
  in.read("schema", schema);
  if (!mistake && schema != kSchemaVersion) {
    return fail(Errc::bad_experiment,
                fmt::format("schema {} is not known; allowed: {}", schema, kSchemaVersion));
  }
  return {};
}

void read_identity(Fields& in, TrialOrder& order) {
  in.read("kind", order.kind);
  in.read("trial", order.trial);
  in.read("group", order.group);
  in.read("block", order.block);
  in.read("attempt", order.attempt);
  in.read("cell", order.cell);
  in.read("path", order.path);
  in.read("clock", order.clock);
  in.read("seed", order.seed);
}

void read_traffic(Fields in, TrafficOrder& traffic) {
  in.read("kind", traffic.kind);
  in.read_since("frame", traffic.frame);
  in.read("frame_bytes", traffic.frame_bytes);
  in.read_since("letters", traffic.letters);
  in.read("flows", traffic.flows);
  in.read_since("popularity", traffic.popularity);
  in.read_since("ip_version", traffic.ip_version);
  in.read_since("tcp_flags", traffic.tcp_flags);
  for (const HeaderText& field : header_texts()) in.read_since(field.key, traffic.*field.text);
  Fields arrivals = in.object("arrivals");
  arrivals.read("kind", traffic.arrivals.kind);
  arrivals.read("burst_frames", traffic.arrivals.burst_frames);
  arrivals.read_since("on_ns", traffic.arrivals.on_ns);
  arrivals.read_since("off_ns", traffic.arrivals.off_ns);
  Fields load = in.object("load");
  load.read("unit", traffic.load.unit);
  load.read("value", traffic.load.value);
  in.read_since("direction", traffic.direction);
  in.read("intended_pps", traffic.intended_pps);
  in.read_since("warmup_pps", traffic.warmup_pps);
  in.read("pcap", traffic.pcap);
  in.read_since("timing", traffic.timing);
  in.read_since("time_scale", traffic.time_scale);
  in.read_since("loops", traffic.loops);
  in.read_since("filter", traffic.filter);
  in.read_since("cut_short", traffic.cut_short);
  in.read_since("rewrite", traffic.rewrite);
  in.read_since("hit_ratio", traffic.hit_ratio);
}

void read_model(Fields in, ModelOrder& model) {
  in.read("link_bps", model.link_bps);
  in.read("dma", model.dma);
  Fields stalls = in.object("stalls");
  stalls.read("kind", model.stalls.kind);
  stalls.read("every_ns", model.stalls.every_ns);
  stalls.read("for_ns", model.stalls.for_ns);
  stalls.read("trace", model.stalls.trace);
  Fields faults = in.object("faults");
  faults.read("drop", model.faults.drop);
  faults.read("duplicate", model.faults.duplicate);
  faults.read("reorder", model.faults.reorder);
  faults.read("corrupt", model.faults.corrupt);
  faults.read("delay", model.faults.delay);
  faults.read("delay_ns", model.faults.delay_ns);
}

void read_receiver(Fields in, ReceiverOrder& receiver) {
  in.read("rx_ring", receiver.rx_ring);
  in.read("queues", receiver.queues);
  in.read("rss_fields", receiver.rss_fields);
  in.read("reta_weights", receiver.reta_weights);
  in.read("rx_offloads", receiver.rx_offloads);
  in.read("stage", receiver.stage);
  in.read_since("patterns", receiver.patterns);
  in.read("workers", receiver.workers);
  in.read("ring", receiver.ring);
  in.read("burst", receiver.burst);
  in.read("socket_buffer_bytes", receiver.socket_buffer_bytes);
  in.read_since("udp_gro", receiver.udp_gro);
  in.read_since("packet_blocks", receiver.packet_blocks);
  in.read_since("packet_block_bytes", receiver.packet_block_bytes);
  in.read_since("fanout", receiver.fanout);
  in.read_since("xdp_mode", receiver.xdp_mode);
  in.read_since("xdp_rx_ring", receiver.xdp_rx_ring);
  in.read_since("xdp_fill_ring", receiver.xdp_fill_ring);
  in.read_since("zero_copy", receiver.zero_copy);
  in.read_since("need_wakeup", receiver.need_wakeup);
  in.read_since("socket_busy_poll_ns", receiver.socket_busy_poll_ns);
  in.read("pool_mbufs", receiver.pool_mbufs);
  in.read_since("numa", receiver.numa);
}

void read_closed_loop(Fields in, ClosedLoopOrder& loop) {
  in.read("streams", loop.streams);
  in.read("message_bytes", loop.message_bytes);
  in.read("response_bytes", loop.response_bytes);
  in.read("no_delay", loop.no_delay);
  in.read("congestion_control", loop.congestion_control);
  in.read("listen_backlog", loop.listen_backlog);
  in.read("taps", loop.taps);
  in.read("wire", loop.wire);
}

void read_capture(Fields in, TapOrder& capture) {
  in.read("at", capture.at);
  in.read("filter", capture.filter);
  in.read("snaplen_bytes", capture.snaplen_bytes);
  in.read("limit_bytes", capture.limit_bytes);
  in.read("trigger", capture.trigger);
}

void read_details(Fields in, TrialOrder& order) {
  in.read("validity", order.validity);
  in.read_since("drop_reasons", order.drop_reasons);
  in.read("generator_port", order.generator_port);
  in.read_since("sender", order.sender);
  in.read("receiver_port", order.receiver_port);
  in.read_since("line_bps", order.line_bps);
  in.read("generator_lcores", order.generator_lcores);
  in.read("receiver_lcores", order.receiver_lcores);
  read_traffic(in.object("traffic"), order.traffic);
  read_model(in.object("model"), order.model);
  read_receiver(in.object("receiver"), order.receiver);
  if (in.has("closed_loop")) read_closed_loop(in.object("closed_loop"), order.closed_loop);
  if (in.has("capture")) read_capture(in.object("capture"), order.capture);
  in.read("seconds", order.seconds);
  in.read("warmup_seconds", order.warmup_seconds);
  in.read_since("wait_before_seconds", order.wait_before_seconds);
  in.read_since("wait_after_seconds", order.wait_after_seconds);
  in.read("epoch", order.epoch);
  in.read("pdr_percent", order.pdr_percent);
  in.read_since("kernel_knobs", order.kernel_knobs);
  in.read_since("host_allow", order.host_allow);
  in.read("planted_stop_ns", order.planted_stop_ns);
}

void read_drops(Fields in, KernelDrops& drops) {
  in.read("source", drops.source);
  in.read("unseen_pkts", drops.unseen_pkts);
  in.read_list("places", drops.places, [](Fields& item, DroppedAt& place) {
    item.read("side", place.side);
    item.read("netdev", place.netdev);
    item.read("reason", place.reason);
    item.read("function", place.function);
    item.read("cause", place.cause);
    item.read("pkts", place.pkts);
    item.read("segments", place.segments);
    item.read("role", place.role);
    if (item.is_null("fate")) return;
    std::string fate;
    item.read("fate", fate);
    place.fate = fate_from_name(fate);
    if (!place.fate) item.complain("fate", "is not a known name");
  });
}

void read_stream(Fields& in, StreamAccount& stream) {
  in.read("from", stream.from);
  in.read("to", stream.to);
  std::int64_t offered = 0;
  in.read("offered_pkts", offered);
  stream.ledger.set_offered(offered);
  in.read("offered_bytes", stream.offered_bytes);
  in.read("received_bytes", stream.received_bytes);
  Fields ledger = in.object("ledger");
  for (const Fate fate : all_fates()) {
    std::optional<std::int64_t> pkts;
    ledger.read(fmt::format("{}_pkts", fate_name(fate)), pkts);
    if (pkts) stream.ledger.add(fate, *pkts);
  }
  in.read("first_loss_s", stream.first_loss_s);
  in.read("last_loss_s", stream.last_loss_s);
  if (!in.is_null("loss_runs")) {
    Fields runs = in.object("loss_runs");
    stream.loss_runs.emplace();
    runs.read("count", stream.loss_runs->count);
    runs.read("longest", stream.loss_runs->longest);
  }
  in.read("reordered_pkts", stream.reordered_pkts);
  in.read("tracker_missing_pkts", stream.tracker_missing_pkts);
  in.read("kernel_other_reasons", stream.kernel_other_reasons);
  if (in.has("drops") && !in.is_null("drops")) {
    read_drops(in.object("drops"), stream.drops.emplace());
  }
}

void read_histogram(Fields& latency, const std::string& key, std::optional<LatencyHistogram>& out) {
  out.reset();
  if (latency.is_null(key)) return;
  Fields in = latency.object(key);
  std::string encoded;
  LatencyHistogram::Exact exact;
  in.read("histogram", encoded);
  in.read("min", exact.min);
  in.read("max", exact.max);
  in.read("sum", exact.sum);
  in.read("out_of_range", exact.out_of_range);
  Result<LatencyHistogram> histogram = LatencyHistogram::decode(encoded);
  if (!histogram) return in.complain("histogram", "is " + histogram.error().what);
  if (const Result<void> whole = histogram->restore(exact); !whole) {
    return in.complain("", "is damaged: " + whole.error().what);
  }
  out = std::move(*histogram);
}

void read_tcp(Fields in, TcpAccount& tcp) {
  in.read("samples", tcp.samples);
  in.read("congestion_control", tcp.congestion_control);
  in.read("snd_mss_bytes", tcp.snd_mss_bytes);
  in.read("cwnd_max_segments", tcp.cwnd_max_segments);
  in.read("snd_wnd_max_bytes", tcp.snd_wnd_max_bytes);
  in.read("rtt_min_ns", tcp.rtt_min_ns);
  in.read("rtt_mean_ns", tcp.rtt_mean_ns);
  in.read("sent_segments", tcp.sent_segments);
  in.read("retransmitted_segments", tcp.retransmitted_segments);
  in.read("dsacked_segments", tcp.dsacked_segments);
  in.read("rwnd_limited_ratio", tcp.rwnd_limited_ratio);
  in.read("sndbuf_limited_ratio", tcp.sndbuf_limited_ratio);
}

void read_closed_loop(Fields in, ClosedLoopAccount& loop) {
  in.read("unit", loop.unit);
  in.read("sent", loop.sent);
  in.read("received", loop.received);
  in.read("failures", loop.failures);
  in.read("served", loop.served);
  in.read("late", loop.late);
  in.read("in_window", loop.in_window);
  in.read("client_cpu_ns", loop.client_cpu_ns);
  in.read("server_cpu_ns", loop.server_cpu_ns);
  if (!in.is_null("tcp")) read_tcp(in.object("tcp"), loop.tcp.emplace());
  read_histogram(in, "sender_segment_bytes", loop.sender_segment_bytes);
  read_histogram(in, "receiver_segment_bytes", loop.receiver_segment_bytes);
  in.read("untapped_segments", loop.untapped_segments);
  std::int64_t unaccounted = 0;
  in.read("unaccounted", unaccounted);
  if (unaccounted != loop.unaccounted())
    in.complain("unaccounted", "is not what sent, received and failures give");
}

void read_tap(Fields& in, TapAccount& capture) {
  in.read("at", capture.at);
  in.read("netdev", capture.netdev);
  in.read("filter", capture.filter);
  in.read("file", capture.file);
  in.read("written_pkts", capture.written_pkts);
  in.read("file_bytes", capture.file_bytes);
  in.read("passed_over_pkts", capture.passed_over_pkts);
  in.read("not_captured_pkts", capture.not_captured_pkts);
  in.read("beyond_limit_pkts", capture.beyond_limit_pkts);
  in.read("triggered_by", capture.triggered_by);
  in.read("triggered_s", capture.triggered_s);
  in.read("cpu", capture.cpu);
  in.read("shares_cpu_with", capture.shares_cpu_with);
  in.read("failure", capture.failure);
}

void read_lcore(Fields& in, LcoreHealth& lcore) {
  in.read("role", lcore.role);
  in.read("polling", lcore.polling);
  if (!in.is_null("scheduling")) {
    Fields scheduling = in.object("scheduling");
    scheduling.read("longest_gap_ns", lcore.longest_gap_ns);
    scheduling.read("gaps", lcore.gaps);
    scheduling.read("gap_sum_ns", lcore.gap_sum_ns);
    scheduling.read("tolerated_gap_ns", lcore.tolerated_gap_ns);
  }
  in.read("thread_cpu_fraction", lcore.thread_cpu_fraction);
  in.read("runnable_waiting_fraction", lcore.runnable_waiting_fraction);
  in.read("busy_fraction", lcore.busy_fraction);
  in.read_since("node", lcore.node);
  in.read("bursts", lcore.bursts);
  read_histogram(in, "poll_gap_ns", lcore.poll_gap_ns);
}

}  // namespace

Json to_json(const TrialOrder& order) {
  Json json = Json::object();
  put_identity(json, order);
  put_details(json, order);
  return json;
}

Result<TrialOrder> trial_order_from_json(const Json& json) {
  std::optional<Error> mistake;
  TrialOrder order;
  Fields in(&json, "", mistake);
  read_identity(in, order);
  read_details(in, order);
  if (mistake) return tl::unexpected<Error>(std::move(*mistake));
  return order;
}

Json to_json(const TrialResult& result) {
  Json json = Json::object();
  json["schema"] = kSchemaVersion;
  put_identity(json, result.order);
  json["page_size"] = nullable(result.page_size_bytes);
  json["pool_nodes"] = result.pool_nodes;
  json["isa"] = result.isa;
  json["started_utc"] = result.started_utc;
  json["virtual_seconds"] = number(result.virtual_seconds);
  json["wall_seconds"] = number(result.wall_seconds);
  json["valid"] = result.valid;
  json["invalid_reasons"] = result.invalid_reasons;
  json["not_checked"] = result.not_checked;
  json["intended_pps"] = nullable(result.intended_pps);
  json["offered_pps"] = nullable(result.offered_pps);
  put_books(json, books_of(result));
  json["limited_by"] = result.limited_by;
  json["limited_why"] = result.limited_why;
  json["streams"] = streams_json(result.streams);
  json["queues"] = queues_json(result.queues);
  json["rings"] = rings_json(result.rings);
  json["lcores"] = lcores_json(result.lcores);
  json["stage"] = stage_json(result.stage);
  json["closed_loop"] = closed_loop_json(result.closed_loop);
  json["latency_ns"] = {{"rx", histogram_json(result.latency_ns.rx)},
                        {"done", histogram_json(result.latency_ns.done)},
                        {"intended", histogram_json(result.latency_ns.intended)},
                        {"round_trip", histogram_json(result.latency_ns.round_trip)},
                        {"floor_p50", nullable(result.latency_ns.floor_p50_ns)}};
  json["cycles_per_pkt"] = nullable(result.cycles_per_pkt);
  json["syscalls_per_pkt"] = nullable(result.syscalls_per_pkt);
  json["busy_fraction"] = nullable(result.busy_fraction);
  json["cpu_cores_used"] = nullable(result.cpu_cores_used);
  json["generator"] = {{"late_ns",
                        {{"p50", nullable(result.generator.late_p50_ns)},
                         {"p99", nullable(result.generator.late_p99_ns)},
                         {"max", nullable(result.generator.late_max_ns)}}},
                       {"gap_within_256ns", nullable(result.generator.gap_within_256ns)},
                       {"capture", capture_json(result.generator.capture)}};
  json["stalls"] = {{"injected", result.stalls.injected},
                    {"excised", result.stalls.excised},
                    {"longest_ns", result.stalls.longest_ns},
                    {"excised_ns", result.stalls.excised_ns},
                    {"waited_ns", nullable(result.stalls.waited_ns)}};
  json["captures"] = captures_json(result.captures);
  json["knobs"] = knobs_json(result.knobs);
  json["counters"] = counters_json(result.counters);
  Json order = Json::object();
  put_details(order, result.order);
  json["order"] = std::move(order);
  return json;
}

Json to_json(const TimelinePoint& point) {
  return {{"until_s", number(point.until_s)},
          {"offered_pkts", nullable(point.offered_pkts)},
          {"polled_pkts", nullable(point.polled_pkts)},
          {"received_pkts", nullable(point.received_pkts)},
          {"lost_pkts", nullable(point.lost_pkts)}};
}

Result<TimelinePoint> timeline_point_from_json(const Json& json) {
  std::optional<Error> mistake;
  Fields in(&json, "", mistake);
  TimelinePoint point;
  in.read("until_s", point.until_s);
  in.read("offered_pkts", point.offered_pkts);
  in.read("polled_pkts", point.polled_pkts);
  in.read("received_pkts", point.received_pkts);
  in.read("lost_pkts", point.lost_pkts);
  if (mistake) return tl::unexpected<Error>(std::move(*mistake));
  return point;
}

Result<TrialResult> trial_result_from_json(const Json& json) {
  std::optional<Error> mistake;
  Fields in(&json, "", mistake);
  PM_TRYV(check_schema(in, mistake));
  TrialResult result;
  read_identity(in, result.order);
  read_details(in.object("order"), result.order);
  in.read("page_size", result.page_size_bytes);
  in.read_since("pool_nodes", result.pool_nodes);
  in.read("isa", result.isa);
  in.read("started_utc", result.started_utc);
  in.read("virtual_seconds", result.virtual_seconds);
  in.read("wall_seconds", result.wall_seconds);
  in.read("valid", result.valid);
  in.read("invalid_reasons", result.invalid_reasons);
  in.read("not_checked", result.not_checked);
  in.read("intended_pps", result.intended_pps);
  in.read("offered_pps", result.offered_pps);
  std::int64_t unaccounted = 0;
  in.read("unaccounted_pkts", unaccounted);
  in.read("limited_by", result.limited_by);
  in.read("limited_why", result.limited_why);
  in.read_list("streams", result.streams, read_stream);
  in.read_list("queues", result.queues, [](Fields& item, QueueAccount& queue) {
    item.read_since("stream", queue.stream);
    item.read("queue", queue.queue);
    item.read("polled_pkts", queue.polled_pkts);
    item.read("rx_missed_pkts", queue.rx_missed_pkts);
    item.read("share", queue.share);
    item.read("occupancy_max", queue.occupancy_max);
    if (item.has("latency_rx_ns")) read_histogram(item, "latency_rx_ns", queue.latency_rx_ns);
  });
  in.read_list("rings", result.rings, [](Fields& item, RingAccount& ring) {
    item.read_since("stream", ring.stream);
    item.read("ring", ring.ring);
    item.read("size", ring.size);
    item.read("overflow_pkts", ring.overflow_pkts);
    item.read("high_water", ring.high_water);
  });
  if (in.has("lcores")) in.read_list("lcores", result.lcores, read_lcore);
  if (in.has("stage") && !in.is_null("stage")) {
    Fields stage = in.object("stage");
    StageAccount& account = result.stage.emplace();
    stage.read("staged_pkts", account.staged_pkts);
    stage.read("cycles_per_pkt", account.cycles_per_pkt);
    stage.read("matches", account.matches);
    stage.read("matched_pkts", account.matched_pkts);
  }
  if (in.has("closed_loop") && !in.is_null("closed_loop"))
    read_closed_loop(in.object("closed_loop"), result.closed_loop.emplace());
  Fields latency = in.object("latency_ns");
  read_histogram(latency, "rx", result.latency_ns.rx);
  read_histogram(latency, "done", result.latency_ns.done);
  read_histogram(latency, "intended", result.latency_ns.intended);
  if (latency.has("round_trip"))
    read_histogram(latency, "round_trip", result.latency_ns.round_trip);
  latency.read("floor_p50", result.latency_ns.floor_p50_ns);
  in.read("cycles_per_pkt", result.cycles_per_pkt);
  if (in.has("syscalls_per_pkt")) in.read("syscalls_per_pkt", result.syscalls_per_pkt);
  in.read("busy_fraction", result.busy_fraction);
  in.read("cpu_cores_used", result.cpu_cores_used);
  Fields generator = in.object("generator");
  Fields late = generator.object("late_ns");
  late.read("p50", result.generator.late_p50_ns);
  late.read("p99", result.generator.late_p99_ns);
  late.read("max", result.generator.late_max_ns);
  generator.read("gap_within_256ns", result.generator.gap_within_256ns);
  if (generator.has("capture") && !generator.is_null("capture")) {
    Fields capture = generator.object("capture");
    CaptureAccount& account = result.generator.capture.emplace();
    capture.read("replayed_pkts", account.replayed_pkts);
    capture.read("filtered_pkts", account.filtered_pkts);
    capture.read("padded_pkts", account.padded_pkts);
    capture.read("rewritten_pkts", account.rewritten_pkts);
  }
  Fields stalls = in.object("stalls");
  stalls.read("injected", result.stalls.injected);
  stalls.read("excised", result.stalls.excised);
  stalls.read("longest_ns", result.stalls.longest_ns);
  stalls.read("excised_ns", result.stalls.excised_ns);
  stalls.read_since("waited_ns", result.stalls.waited_ns);
  if (in.has("captures")) in.read_list("captures", result.captures, read_tap);
  in.read_map("knobs", result.knobs, [](Fields& item, Knob& knob) {
    item.read("requested", knob.requested);
    item.read("effective", knob.effective);
    item.read("state", knob.state);
    item.read("evidence", knob.evidence);
    item.read("exercised", knob.exercised);
  });
  in.read_map("counters", result.counters, [](Fields& item, CounterChange& change) {
    item.read("before", change.before);
    item.read("after", change.after);
    item.read("delta", change.delta);
    item.read("went_backwards", change.went_backwards);
    item.read("layer", change.facts.layer);
    item.read("unit", change.facts.unit);
    item.read("scope", change.facts.scope);
    item.read("role", change.facts.role);
    item.read("trust", change.facts.trust);
    item.read("bits", change.facts.bits);
  });
  // The sums at the top are copies: where they contradict the streams, somebody edited the line.
  std::int64_t offered = 0;
  std::optional<std::int64_t> received;
  std::optional<double> loss_ratio;
  in.read("offered_pkts", offered);
  in.read("received_pkts", received);
  in.read("loss_ratio", loss_ratio);
  const Ledger books = result.ledger();
  const auto differs = [&](const std::optional<double>& expected) {
    if (!loss_ratio || !expected) return loss_ratio.has_value() != expected.has_value();
    return std::fabs(*loss_ratio - *expected) > 1e-12;
  };
  for (const auto& [key, wrong] :
       {std::pair{"unaccounted_pkts", unaccounted != books.unaccounted_pkts()},
        std::pair{"offered_pkts", offered != books.offered_pkts()},
        std::pair{"received_pkts", received != books.pkts(Fate::received)},
        std::pair{"loss_ratio", differs(books.loss_ratio())}}) {
    if (!mistake && wrong) in.complain(key, "is not what the streams' ledgers give");
  }
  if (mistake) return tl::unexpected<Error>(std::move(*mistake));
  return result;
}

Json to_json(const SearchResult& search) {
  Json json = Json::object();
  json["schema"] = kSchemaVersion;
  json["group"] = search.group;
  json["block"] = search.block;
  json["cell"] = object_of(search.cell);
  json["path"] = name_of(search.path);
  json["clock"] = name_of(search.clock);
  json["min_load_pps"] = number(search.min_load_pps);
  json["max_load_pps"] = number(search.max_load_pps);
  json["not_reachable_pps"] = nullable(search.not_reachable_pps);
  json["trials"] = search.trials;
  json["invalid"] = search.invalid;
  json["traffic_seconds"] = number(search.traffic_seconds);
  json["complete"] = search.complete;
  json["incomplete_why"] = search.incomplete_why;
  json["goals"] = Json::array();
  for (const GoalResult& result : search.goals) {
    const SearchGoal& goal = result.goal;
    json["goals"].push_back({{"name", goal.name},
                             {"kind", name_of(goal.kind)},
                             {"loss_ratio", number(goal.loss_ratio)},
                             {"exceed_ratio", number(goal.exceed_ratio)},
                             {"width", number(goal.width)},
                             {"initial_trial_seconds", number(goal.initial_trial_seconds)},
                             {"final_trial_seconds", number(goal.final_trial_seconds)},
                             {"duration_sum_seconds", number(goal.duration_sum_seconds)},
                             {"regular", result.regular},
                             {"irregular_why", result.irregular_why},
                             {"lower_bound_pps", nullable(result.lower_bound_pps)},
                             {"upper_bound_pps", nullable(result.upper_bound_pps)},
                             {"throughput_pps", nullable(result.throughput_pps)},
                             {"bound_trials", result.bound_trials},
                             {"offered_pkts", result.offered_pkts},
                             {"lost_pkts", result.lost_pkts},
                             {"loss_ratio_limit", nullable(result.loss_ratio_limit)}});
  }
  return json;
}

Result<SearchResult> search_result_from_json(const Json& json) {
  std::optional<Error> mistake;
  Fields in(&json, "", mistake);
  PM_TRYV(check_schema(in, mistake));
  SearchResult search;
  in.read("group", search.group);
  in.read("block", search.block);
  in.read("cell", search.cell);
  in.read("path", search.path);
  in.read("clock", search.clock);
  in.read("min_load_pps", search.min_load_pps);
  in.read("max_load_pps", search.max_load_pps);
  in.read("not_reachable_pps", search.not_reachable_pps);
  in.read("trials", search.trials);
  in.read("invalid", search.invalid);
  in.read("traffic_seconds", search.traffic_seconds);
  in.read("complete", search.complete);
  in.read("incomplete_why", search.incomplete_why);
  in.read_list("goals", search.goals, [](Fields& item, GoalResult& result) {
    SearchGoal& goal = result.goal;
    item.read("name", goal.name);
    item.read("kind", goal.kind);
    item.read("loss_ratio", goal.loss_ratio);
    item.read("exceed_ratio", goal.exceed_ratio);
    item.read("width", goal.width);
    item.read("initial_trial_seconds", goal.initial_trial_seconds);
    item.read("final_trial_seconds", goal.final_trial_seconds);
    item.read("duration_sum_seconds", goal.duration_sum_seconds);
    item.read("regular", result.regular);
    item.read("irregular_why", result.irregular_why);
    item.read("lower_bound_pps", result.lower_bound_pps);
    item.read("upper_bound_pps", result.upper_bound_pps);
    item.read("throughput_pps", result.throughput_pps);
    item.read("bound_trials", result.bound_trials);
    item.read("offered_pkts", result.offered_pkts);
    item.read("lost_pkts", result.lost_pkts);
    item.read("loss_ratio_limit", result.loss_ratio_limit);
  });
  if (mistake) return tl::unexpected<Error>(std::move(*mistake));
  return search;
}

std::string json_text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json to_json(const Provenance& provenance) {
  return {{"schema", kSchemaVersion},
          {"pollmark_version", provenance.pollmark_version},
          {"started_utc", provenance.started_utc},
          {"command_line", provenance.command_line},
          {"experiment_folder", provenance.experiment_folder},
          {"overrides", provenance.overrides},
          {"quick", provenance.quick},
          {"inputs", object_of(provenance.inputs)},
          {"host", object_of(provenance.host)},
          {"libraries", object_of(provenance.libraries)},
          {"calibration", object_of(provenance.calibration)},
          {"warnings", provenance.warnings}};
}

Result<Provenance> provenance_from_json(const Json& json) {
  std::optional<Error> mistake;
  Fields in(&json, "", mistake);
  PM_TRYV(check_schema(in, mistake));
  Provenance provenance;
  in.read("pollmark_version", provenance.pollmark_version);
  in.read("started_utc", provenance.started_utc);
  in.read("command_line", provenance.command_line);
  in.read("experiment_folder", provenance.experiment_folder);
  in.read("overrides", provenance.overrides);
  in.read("quick", provenance.quick);
  in.read_since("inputs", provenance.inputs);
  in.read("host", provenance.host);
  in.read("libraries", provenance.libraries);
  in.read("calibration", provenance.calibration);
  in.read("warnings", provenance.warnings);
  if (mistake) return tl::unexpected<Error>(std::move(*mistake));
  return provenance;
}

}  // namespace pollmark
