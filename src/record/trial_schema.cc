// JSON Schema of one line of trials.jsonl. Every key is required and no other is allowed: a record
// and its schema are shipped together.
#include <fmt/format.h>

#include <initializer_list>
#include <utility>

#include "record/json.h"

namespace pollmark {

namespace {

Json typed(std::string_view type) { return {{"type", type}}; }
Json text() { return typed("string"); }
Json truth() { return typed("boolean"); }
Json integer() { return typed("integer"); }
Json count() { return {{"type", "integer"}, {"minimum", 0}}; }
Json maybe(std::string_view type) { return {{"type", Json::array({type, "null"})}}; }
Json maybe_integer() { return maybe("integer"); }
Json maybe_count() { return {{"type", Json::array({"integer", "null"})}, {"minimum", 0}}; }
// null: not measured, or not finite.
Json maybe_number() { return maybe("number"); }
Json list_of(Json items) { return {{"type", "array"}, {"items", std::move(items)}}; }
Json map_of(Json values) {
  return {{"type", "object"}, {"additionalProperties", std::move(values)}};
}
Json either_null_or(Json schema) {
  return {{"anyOf", Json::array({std::move(schema), typed("null")})}};
}
Json one_of(const std::vector<std::string>& names) { return {{"enum", names}}; }
template <typename Enum>
Json name_of_a() {
  return one_of(enum_names<Enum>());
}

using Properties = std::initializer_list<std::pair<const char*, Json>>;

void add(Json& object, Properties properties) {
  for (const auto& [key, schema] : properties) {
    object["properties"][key] = schema;
    object["required"].push_back(key);
  }
}

Json object(Properties properties) {
  Json schema = {{"type", "object"},
                 {"properties", Json::object()},
                 {"required", Json::array()},
                 {"additionalProperties", false}};
  add(schema, properties);
  return schema;
}

Json described(Json schema, std::string_view sentence) {
  schema["description"] = sentence;
  return schema;
}

Json ledger() {
  Json schema = object({});
  for (const Fate fate : all_fates()) {
    const std::string key = fmt::format("{}_pkts", fate_name(fate));
    add(schema, {{key.c_str(), described(maybe_integer(), fate_sentence(fate))}});
  }
  return schema;
}

void add_books(Json& schema) {
  add(schema,
      {{"offered_pkts", described(integer(), "accepted by the transmit side, after its drain")},
       {"offered_bytes", integer()},
       {"received_pkts", maybe_integer()},
       {"received_bytes", integer()},
       {"ledger", ledger()},
       {"unaccounted_pkts", described(integer(), "offered - received - losses; 0 in closed books")},
       {"loss_ratio", maybe_number()},
       {"first_loss_s", maybe_number()},
       {"last_loss_s", maybe_number()},
       {"loss_runs", either_null_or(object({{"count", integer()}, {"longest", integer()}}))},
       {"reordered_pkts", maybe_integer()}});
}

Json drops() {
  std::vector<std::string> fates;
  for (const Fate fate : all_fates()) fates.emplace_back(fate_name(fate));
  return described(
      either_null_or(
          object({{"source", one_of({"bpf", "tracefs"})},
                  {"unseen_pkts", described(count(), "dropped, but not told apart")},
                  {"places",
                   list_of(object(
                       {{"side", one_of({"sender", "receiver", "host"})},
                        {"netdev", text()},
                        {"reason", described(text(), "as the kernel spells it")},
                        {"function", described(text(), "of the kernel, that gave them up")},
                        {"cause", text()},
                        {"pkts", described(count(), "as the stack handled them, warm-up included")},
                        {"segments", described(count(), "frames of a wire")},
                        {"role", described(one_of({"owner", "echo", "context"}),
                                           "owner: no counter has them, echo: one has")},
                        {"fate", either_null_or(one_of(fates))}}))}})),
      "packets that the kernel gave up, in its own words; null: not watched");
}

Json stream() {
  Json schema = object({{"from", text()}, {"to", text()}});
  add_books(schema);
  add(schema, {{"tracker_missing_pkts", maybe_integer()},
               {"kernel_other_reasons", described(map_of(integer()), "reason -> packets")},
               {"drops", drops()}});
  return schema;
}

Json histogram() {
  return either_null_or(
      object({{"count", count()},
              {"out_of_range", count()},
              {"min", maybe_count()},
              {"mean", maybe_number()},
              {"stddev", maybe_number()},
              {"p50", maybe_count()},
              {"p90", maybe_count()},
              {"p99", maybe_count()},
              {"p999", maybe_count()},
              {"p9999", maybe_count()},
              {"max", maybe_count()},
              {"sum", described(text(), "decimal digits; may exceed 64 bits")},
              {"histogram", described(text(), "HdrHistogram V2, deflated, base64")}}));
}

Json closed_loop() {
  const Json tcp = object({{"samples", count()},
                           {"congestion_control", text()},
                           {"snd_mss_bytes", maybe_count()},
                           {"cwnd_max_segments", maybe_count()},
                           {"snd_wnd_max_bytes", maybe_count()},
                           {"rtt_min_ns", maybe_count()},
                           {"rtt_mean_ns", maybe_count()},
                           {"sent_segments", maybe_count()},
                           {"retransmitted_segments", maybe_count()},
                           {"dsacked_segments", maybe_count()},
                           {"rwnd_limited_ratio", maybe_number()},
                           {"sndbuf_limited_ratio", maybe_number()}});
  return described(
      either_null_or(object(
          {{"unit", one_of({"bytes", "transactions", "connections"})},
           {"sent", described(count(), "of that unit; warm-up included")},
           {"received", described(count(), "read by the server, or answered in full")},
           {"failures", described(map_of(count()), "reason -> requests or connections")},
           {"unaccounted", described(integer(), "sent - received - failures; 0 in closed books")},
           {"served", described(maybe_count(), "answered by the server")},
           {"late", described(count(), "answers after their time was up")},
           {"in_window", described(count(), "received in the window")},
           {"client_cpu_ns", maybe_count()},
           {"server_cpu_ns", maybe_count()},
           {"tcp", either_null_or(tcp)},
           {"sender_segment_bytes", histogram()},
           {"receiver_segment_bytes", histogram()},
           {"untapped_segments", maybe_count()}})),
      "books of a path that waits for each answer, in its own unit; null: a load was offered");
}

Json order() {
  const Json traffic = object(
      {{"kind", name_of_a<TrafficKind>()},
       {"frame", described(text(), "as asked, where it is more than sizes")},
       {"frame_bytes", list_of(integer())},
       {"letters", described(map_of(integer()), "a genome's own letters -> bytes")},
       {"flows", integer()},
       {"popularity", described(maybe_number(), "exponent of Zipf's law; 0: all flows alike")},
       {"ip_version", integer()},
       {"src_mac", text()},
       {"dst_mac", text()},
       {"qinq", text()},
       {"vlan", text()},
       {"src_ip", text()},
       {"dst_ip", text()},
       {"src_port", text()},
       {"dst_port", text()},
       {"ttl", text()},
       {"dscp", text()},
       {"tcp_flags", text()},
       {"arrivals", object({{"kind", name_of_a<ArrivalKind>()},
                            {"burst_frames", integer()},
                            {"on_ns", integer()},
                            {"off_ns", integer()}})},
       {"load", object({{"unit", one_of({"line_percent", "pps", "l1_bps", "l2_bps", "max"})},
                        {"value", maybe_number()},
                        {"text", text()}})},
       {"direction", name_of_a<Direction>()},
       {"intended_pps", maybe_number()},
       {"warmup_pps", described(maybe_number(), "of the warm-up; 0: as the window")},
       {"pcap", text()},
       {"timing", name_of_a<ReplayTiming>()},
       {"time_scale", maybe_number()},
       {"loops", described(integer(), "passes over the capture; 0: until the time is over")},
       {"filter", text()},
       {"cut_short", name_of_a<CutShort>()},
       {"rewrite", described(map_of(text()), "header field -> its value")},

       {"hit_ratio", maybe_number()}});
  const Json model = object({{"link_bps", maybe_number()},
                             {"dma", name_of_a<DmaPlacement>()},
                             {"stalls", object({{"kind", name_of_a<StallKind>()},
                                                {"every_ns", integer()},
                                                {"for_ns", integer()},
                                                {"trace", text()}})},
                             {"faults", object({{"drop", maybe_number()},
                                                {"duplicate", maybe_number()},
                                                {"reorder", maybe_number()},
                                                {"corrupt", maybe_number()},
                                                {"delay", maybe_number()},
                                                {"delay_ns", integer()}})}});
  const Json receiver = object({{"rx_ring", integer()},
                                {"queues", integer()},
                                {"rss_fields", list_of(text())},
                                {"reta_weights", list_of(integer())},
                                {"rx_offloads", list_of(text())},
                                {"stage", name_of_a<StageKind>()},
                                {"patterns", text()},
                                {"workers", integer()},
                                {"ring", integer()},
                                {"burst", integer()},
                                {"socket_buffer_bytes", integer()},
                                {"udp_gro", truth()},
                                {"packet_blocks", integer()},
                                {"packet_block_bytes", integer()},
                                {"fanout", name_of_a<Fanout>()},
                                {"xdp_mode", name_of_a<XdpMode>()},
                                {"xdp_rx_ring", integer()},
                                {"xdp_fill_ring", integer()},
                                {"zero_copy", truth()},
                                {"need_wakeup", truth()},
                                {"socket_busy_poll_ns", integer()},
                                {"pool_mbufs", integer()},
                                {"numa", name_of_a<NumaPlacement>()}});
  return object(
      {{"validity", name_of_a<ValidityRule>()},
       {"drop_reasons", name_of_a<DropReasonsRule>()},
       {"generator_port", text()},
       {"sender", name_of_a<SenderKind>()},
       {"receiver_port", text()},
       {"line_bps", described(maybe_number(), "of a cable between netdevs, as their drivers tell")},
       {"generator_lcores", list_of(integer())},
       {"receiver_lcores", list_of(integer())},
       {"traffic", traffic},
       {"model", model},
       {"receiver", receiver},
       {"closed_loop", object({{"streams", integer()},
                               {"message_bytes", integer()},
                               {"response_bytes", integer()},
                               {"no_delay", truth()},
                               {"congestion_control", text()},
                               {"listen_backlog", integer()},
                               {"taps", truth()},
                               {"wire", name_of_a<WireKind>()}})},
       {"capture", object({{"at", list_of(name_of_a<CaptureAt>())},
                           {"filter", text()},
                           {"snaplen_bytes", integer()},
                           {"limit_bytes", integer()},
                           {"trigger", name_of_a<CaptureTrigger>()}})},
       {"seconds", maybe_number()},
       {"warmup_seconds", maybe_number()},
       {"wait_before_seconds", described(maybe_number(), "RFC 2544 section 23")},
       {"wait_after_seconds", described(maybe_number(), "RFC 2544 section 23")},
       {"epoch", integer()},
       {"pdr_percent", maybe_number()},
       {"kernel_knobs", described(map_of(text()), "knob of the kernel's path -> level")},
       {"host_allow", described(list_of(text()), "what of the whole host may be changed")},
       {"planted_stop_ns", integer()}});
}

}  // namespace

Json trial_schema() {
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                 {"title", "a line of pollmark's trials.jsonl"},
                 {"description", "null means: not measured"}};
  schema.update(object(
      {{"schema", {{"const", kSchemaVersion}}},
       {"kind", name_of_a<TrialKind>()},
       {"trial", integer()},
       {"group", text()},
       {"block", integer()},
       {"attempt", integer()},
       {"cell", described(map_of(text()), "factor -> level")},
       {"path", name_of_a<Path>()},
       {"clock", name_of_a<ClockKind>()},
       {"seed", integer()},
       {"page_size", described(maybe_integer(), "bytes, of the mbuf pool")},
       {"pool_nodes", described(list_of(integer()), "NUMA nodes of the mbuf pool; []: not told")},
       {"isa", text()},
       {"started_utc", text()},
       {"virtual_seconds", maybe_number()},
       {"wall_seconds", maybe_number()},
       {"valid", truth()},
       {"invalid_reasons", list_of(text())},
       {"not_checked", list_of(text())},
       {"intended_pps", maybe_number()},
       {"offered_pps", maybe_number()}}));
  add_books(schema);
  add(schema,
      {{"limited_by", text()},
       {"limited_why", text()},
       {"streams", list_of(stream())},
       {"queues", list_of(object({{"stream", integer()},
                                  {"queue", integer()},
                                  {"polled_pkts", integer()},
                                  {"rx_missed_pkts", maybe_integer()},
                                  {"share", maybe_number()},
                                  {"occupancy_max", maybe_integer()},
                                  {"latency_rx_ns", histogram()}}))},
       {"rings", list_of(object({{"stream", integer()},
                                 {"ring", integer()},
                                 {"size", integer()},
                                 {"overflow_pkts", integer()},
                                 {"high_water", integer()}}))},
       {"lcores",
        list_of(object({{"role", text()},
                        {"polling", truth()},
                        {"scheduling",
                         described(either_null_or(object({{"longest_gap_ns", integer()},
                                                          {"gaps", integer()},
                                                          {"gap_sum_ns", integer()},
                                                          {"tolerated_gap_ns", integer()}})),
                                   "gaps between looks at the clock; null where time is virtual")},
                        {"thread_cpu_fraction", maybe_number()},
                        {"runnable_waiting_fraction", maybe_number()},
                        {"busy_fraction", maybe_number()},
                        {"node", described(maybe_integer(), "NUMA node it ran on")},
                        {"bursts", described(list_of(integer()),
                                             "calls of rx_burst by the frames that they gave")},
                        {"poll_gap_ns", histogram()}}))},
       {"stage", either_null_or(object({{"staged_pkts", integer()},
                                        {"cycles_per_pkt", maybe_number()},
                                        {"matches", maybe_count()},
                                        {"matched_pkts", maybe_count()}}))},
       {"closed_loop", closed_loop()},
       {"latency_ns", object({{"rx", histogram()},
                              {"done", histogram()},
                              {"intended", histogram()},
                              {"round_trip", histogram()},
                              {"floor_p50", maybe_integer()}})},
       {"cycles_per_pkt", maybe_number()},
       {"syscalls_per_pkt", maybe_number()},
       {"busy_fraction", maybe_number()},
       {"cpu_cores_used", maybe_number()},
       {"generator",
        object({{"late_ns", object({{"p50", maybe_integer()},
                                    {"p99", maybe_integer()},
                                    {"max", maybe_integer()}})},
                {"gap_within_256ns", maybe_number()},
                {"capture", either_null_or(object({{"replayed_pkts", integer()},
                                                   {"filtered_pkts", integer()},
                                                   {"padded_pkts", integer()},
                                                   {"rewritten_pkts", integer()}}))}})},
       {"stalls", object({{"injected", integer()},
                          {"excised", integer()},
                          {"longest_ns", integer()},
                          {"excised_ns", integer()},
                          {"waited_ns", maybe_integer()}})},
       {"captures", described(list_of(object({{"at", name_of_a<CaptureAt>()},
                                              {"netdev", text()},
                                              {"filter", text()},
                                              {"file", described(text(), "empty: none")},
                                              {"written_pkts", count()},
                                              {"file_bytes", count()},
                                              {"passed_over_pkts", count()},
                                              {"not_captured_pkts", count()},
                                              {"beyond_limit_pkts", count()},
                                              {"triggered_by", text()},
                                              {"triggered_s", maybe_number()},
                                              {"cpu", maybe_integer()},
                                              {"shares_cpu_with", text()},
                                              {"failure", text()}})),
                              "taps that ran beside the trial; their copies are in its CPU time")},
       {"knobs", map_of(object({{"requested", text()},
                                {"effective", text()},
                                {"state", one_of({"confirmed", "differs", "unverifiable"})},
                                {"evidence", text()},
                                {"exercised", truth()}}))},
       {"counters", map_of(object({{"before", maybe_count()},
                                   {"after", maybe_count()},
                                   {"delta", maybe_integer()},
                                   {"went_backwards", truth()},
                                   {"layer", text()},
                                   {"unit", text()},
                                   {"scope", text()},
                                   {"role", one_of({"owner", "echo", "context"})},
                                   {"trust", text()},
                                   {"bits", integer()}}))},
       {"order", order()}});
  return schema;
}

Json search_schema() {
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                 {"title", "a line of pollmark's searches.jsonl"},
                 {"description", "null means: not known"}};
  const Json goal = object({{"name", text()},
                            {"kind", one_of({"bounds", "max_rate"})},
                            {"loss_ratio", typed("number")},
                            {"exceed_ratio", typed("number")},
                            {"width", typed("number")},
                            {"initial_trial_seconds", typed("number")},
                            {"final_trial_seconds", typed("number")},
                            {"duration_sum_seconds", typed("number")},
                            {"regular", truth()},
                            {"irregular_why", text()},
                            {"lower_bound_pps", maybe_number()},
                            {"upper_bound_pps", maybe_number()},
                            {"throughput_pps", maybe_number()},
                            {"bound_trials", count()},
                            {"offered_pkts", count()},
                            {"lost_pkts", count()},
                            {"loss_ratio_limit", maybe_number()}});
  schema.update(object({{"schema", {{"const", kSchemaVersion}}},
                        {"group", text()},
                        {"block", integer()},
                        {"cell", described(map_of(text()), "factor -> level")},
                        {"path", name_of_a<Path>()},
                        {"clock", name_of_a<ClockKind>()},
                        {"min_load_pps", typed("number")},
                        {"max_load_pps", typed("number")},
                        {"not_reachable_pps", maybe_number()},
                        {"trials", described(list_of(integer()), "of kind search, in order")},
                        {"invalid", count()},
                        {"traffic_seconds", typed("number")},
                        {"complete", truth()},
                        {"incomplete_why", text()},
                        {"goals", list_of(goal)}}));
  return schema;
}

}  // namespace pollmark
