#include "record/json.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <limits>
#include <set>

#include "support/random_trial.h"

namespace pollmark {
namespace {

using testing_support::RandomTrial;

// Enough of JSON Schema 2020-12 for trial_schema(); a keyword it does not know is a failure.
// Returns the first place that does not fit, empty when all fits.
std::string schema_mistake(const Json& schema, const Json& value, const std::string& place) {
  static const std::set<std::string> kKnown = {
      "$schema",    "title",    "description",          "type",  "const", "enum",
      "properties", "required", "additionalProperties", "items", "anyOf", "minimum"};
  for (const auto& keyword : schema.items()) {
    if (kKnown.count(keyword.key()) == 0) return "unknown keyword " + keyword.key();
  }
  if (schema.contains("const") && schema["const"] != value) return place + ": const";
  if (schema.contains("enum")) {
    bool found = false;
    for (const Json& allowed : schema["enum"]) found = found || allowed == value;
    if (!found) return place + ": enum";
  }
  if (schema.contains("type")) {
    const auto is = [&](const std::string& type) {
      if (type == "null") return value.is_null();
      if (type == "string") return value.is_string();
      if (type == "boolean") return value.is_boolean();
      if (type == "integer") return value.is_number_integer();
      if (type == "number") return value.is_number();
      if (type == "array") return value.is_array();
      return type == "object" && value.is_object();
    };
    bool fits = false;
    if (schema["type"].is_string()) {
      fits = is(schema["type"].get<std::string>());
    } else {
      for (const Json& type : schema["type"]) fits = fits || is(type.get<std::string>());
    }
    if (!fits) return place + ": type";
  }
  // nlohmann compares an unsigned number above 2^63 with a signed one as if it were negative.
  if (schema.contains("minimum") && value.is_number() && !value.is_number_unsigned() &&
      value < schema["minimum"]) {
    return place + ": minimum";
  }
  if (schema.contains("anyOf")) {
    bool fits = false;
    std::string why;
    for (const Json& option : schema["anyOf"]) {
      const std::string found = schema_mistake(option, value, place);
      fits = fits || found.empty();
      if (why.empty()) why = found;
    }
    if (!fits) return why;
  }
  if (schema.contains("required")) {
    for (const Json& key : schema["required"]) {
      if (!value.contains(key.get<std::string>())) return place + ": misses " + key.dump();
    }
  }
  if (value.is_object()) {
    for (const auto& entry : value.items()) {
      const std::string inner = place + "." + entry.key();
      if (schema.contains("properties") && schema["properties"].contains(entry.key())) {
        const std::string why =
            schema_mistake(schema["properties"][entry.key()], entry.value(), inner);
        if (!why.empty()) return why;
      } else if (schema.contains("additionalProperties")) {
        const Json& others = schema["additionalProperties"];
        if (others == false) return inner + ": not in the schema";
        const std::string why = schema_mistake(others, entry.value(), inner);
        if (!why.empty()) return why;
      }
    }
  }
  if (value.is_array() && schema.contains("items")) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string why = schema_mistake(schema["items"], value[i], place + "[]");
      if (!why.empty()) return why;
    }
  }
  return "";
}

// One line, as it stands in trials.jsonl.
Json through_text(const Json& json) { return Json::parse(json.dump()); }

bool same_histogram(const std::optional<LatencyHistogram>& a,
                    const std::optional<LatencyHistogram>& b) {
  return a.has_value() == b.has_value() && (!a || *a == *b);
}

TEST(TrialJson, AnyOrderReadsBack) {
  EXPECT_TRUE(rc::check("every field", [](std::uint64_t seed) {
    const TrialOrder order = RandomTrial(seed).order();
    const Result<TrialOrder> back = trial_order_from_json(through_text(to_json(order)));
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == order);
  }));
}

TEST(TrialJson, AnyResultReadsBack) {
  EXPECT_TRUE(rc::check("every field", [](std::uint64_t seed) {
    const TrialResult trial = RandomTrial(seed).result();
    const Json json = to_json(trial);
    const Result<TrialResult> back = trial_result_from_json(through_text(json));
    RC_ASSERT(back.has_value());
    RC_ASSERT(back->order == trial.order);
    RC_ASSERT(same_histogram(back->latency_ns.rx, trial.latency_ns.rx));
    RC_ASSERT(same_histogram(back->latency_ns.done, trial.latency_ns.done));
    RC_ASSERT(same_histogram(back->latency_ns.intended, trial.latency_ns.intended));
    RC_ASSERT(back->ledger() == trial.ledger());
    RC_ASSERT(to_json(*back).dump() == json.dump());
  }));
}

SearchResult any_search() {
  SearchResult search;
  search.group = "main";
  search.cell = {{"rx_ring", "64"}};
  search.path = Path::udp_socket;
  search.clock = ClockKind::wall;
  search.block = *rc::gen::inRange(0, 100);
  search.min_load_pps = 1.0 / 3.0;
  search.max_load_pps = *rc::gen::inRange(1, 1'000'000) / 7.0;
  if (*rc::gen::arbitrary<bool>()) search.not_reachable_pps = 1e6 / 7.0;
  search.trials = *rc::gen::arbitrary<std::vector<std::int64_t>>();
  search.invalid = *rc::gen::inRange(0, 9);
  search.traffic_seconds = 21.5;
  search.complete = *rc::gen::arbitrary<bool>();
  search.incomplete_why = search.complete ? "" : "no valid trial";
  for (const std::string& name : preset_goal_names()) {
    GoalResult result;
    result.goal = *preset_goal(name);
    result.goal.width = 1.0 / *rc::gen::inRange(3, 300);
    result.regular = *rc::gen::arbitrary<bool>();
    result.irregular_why = result.regular ? "" : "good up to the highest load";
    if (*rc::gen::arbitrary<bool>()) result.lower_bound_pps = 1e7 / 3.0;
    if (*rc::gen::arbitrary<bool>()) result.upper_bound_pps = 1e7 / 2.9;
    if (*rc::gen::arbitrary<bool>()) result.throughput_pps = 1e7 / 3.1;
    if (*rc::gen::arbitrary<bool>()) result.loss_ratio_limit = 3e-8;
    result.bound_trials = *rc::gen::inRange(0, 30);
    result.offered_pkts = *rc::gen::inRange(0, 1'000'000);
    result.lost_pkts = *rc::gen::inRange(0, 1000);
    search.goals.push_back(result);
  }
  return search;
}

TEST(SearchJson, AnySearchReadsBackAndFitsItsSchema) {
  EXPECT_TRUE(rc::check("every field", [] {
    const SearchResult search = any_search();
    const Json json = to_json(search);
    const Result<SearchResult> back = search_result_from_json(through_text(json));
    RC_ASSERT(back.has_value());
    RC_ASSERT(back->max_load_pps == search.max_load_pps);
    RC_ASSERT(back->goals[3].goal == search.goals[3].goal);
    RC_ASSERT(to_json(*back).dump() == json.dump());
    RC_ASSERT(schema_mistake(search_schema(), json, "") == "");
  }));
}

TEST(SearchJson, AnotherSchemaAndAMissingKeyAreRefusedByName) {
  Json json = to_json(SearchResult{});
  json["schema"] = 99;
  EXPECT_NE(search_result_from_json(json).error().what.find("schema 99"), std::string::npos);
  json = to_json(SearchResult{});
  json.erase("complete");
  EXPECT_NE(search_result_from_json(json).error().what.find("\"complete\" is missing"),
            std::string::npos);
}

TEST(TrialJson, AnyProvenanceReadsBack) {
  EXPECT_TRUE(rc::check("every field", [](std::uint64_t seed) {
    const Json json = to_json(RandomTrial(seed).provenance());
    const Result<Provenance> back = provenance_from_json(through_text(json));
    RC_ASSERT(back.has_value());
    RC_ASSERT(to_json(*back).dump() == json.dump());
  }));
}

TEST(TrialJson, EveryRecordFitsTheSchema) {
  const Json schema = trial_schema();
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Json json = through_text(to_json(RandomTrial(seed).result()));
    ASSERT_EQ(schema_mistake(schema, json, "trial"), "") << "seed " << seed;
  }
}

TEST(TrialJson, TheSchemaNoticesEveryMissingAndEveryForeignKey) {
  const Json schema = trial_schema();
  const Json json = through_text(to_json(RandomTrial(3).result()));
  for (const auto& entry : json.items()) {
    Json without = json;
    without.erase(entry.key());
    EXPECT_NE(schema_mistake(schema, without, "trial"), "") << entry.key();
    Json mistyped = json;
    mistyped[entry.key()] = Json::array({Json::object()});
    EXPECT_NE(schema_mistake(schema, mistyped, "trial"), "") << entry.key();
  }
  Json more = json;
  more["surprise"] = 1;
  EXPECT_NE(schema_mistake(schema, more, "trial"), "");
}

TEST(TrialJson, TheKeysAreTheContract) {
  const std::vector<std::string> contract = {"schema",
                                             "kind",
                                             "trial",
                                             "group",
                                             "block",
                                             "attempt",
                                             "cell",
                                             "path",
                                             "clock",
                                             "page_size",
                                             "pool_nodes",
                                             "isa",
                                             "seed",
                                             "started_utc",
                                             "virtual_seconds",
                                             "wall_seconds",
                                             "valid",
                                             "invalid_reasons",
                                             "not_checked",
                                             "intended_pps",
                                             "offered_pps",
                                             "offered_pkts",
                                             "offered_bytes",
                                             "received_pkts",
                                             "received_bytes",
                                             "ledger",
                                             "unaccounted_pkts",
                                             "loss_ratio",
                                             "first_loss_s",
                                             "last_loss_s",
                                             "loss_runs",
                                             "reordered_pkts",
                                             "limited_by",
                                             "limited_why",
                                             "streams",
                                             "queues",
                                             "rings",
                                             "lcores",
                                             "stage",
                                             "closed_loop",
                                             "latency_ns",
                                             "cycles_per_pkt",
                                             "syscalls_per_pkt",
                                             "busy_fraction",
                                             "cpu_cores_used",
                                             "generator",
                                             "stalls",
                                             "captures",
                                             "knobs",
                                             "counters",
                                             "order"};
  std::set<std::string> got;
  const Json json = to_json(RandomTrial(1).result());
  for (const auto& entry : json.items()) got.insert(entry.key());
  EXPECT_EQ(got, std::set<std::string>(contract.begin(), contract.end()));
}

TEST(TrialJson, AFateNobodyCountedIsNull) {
  TrialResult trial;
  StreamAccount stream;
  stream.ledger.set_offered(10);
  stream.ledger.add(Fate::received, 8);
  stream.ledger.measured(Fate::rx_missed);
  trial.streams.push_back(stream);
  const Json json = to_json(trial);
  EXPECT_EQ(json["ledger"]["received_pkts"], 8);
  EXPECT_EQ(json["ledger"]["rx_missed_pkts"], 0);
  EXPECT_TRUE(json["ledger"]["rx_no_mbuf_pkts"].is_null());
  EXPECT_EQ(json["ledger"].size(), kFateCount);
  EXPECT_EQ(json["unaccounted_pkts"], 2);
  EXPECT_TRUE(json["latency_ns"]["rx"].is_null());
  EXPECT_TRUE(json["loss_runs"].is_null());
  EXPECT_TRUE(json["reordered_pkts"].is_null());
}

TEST(TrialJson, TheTopSumsTheStreamsOrSaysNull) {
  TrialResult trial;
  StreamAccount one;
  one.ledger.set_offered(10);
  one.ledger.add(Fate::received, 9);
  one.ledger.add(Fate::link_dropped, 1);
  one.offered_bytes = 640;
  one.received_bytes = 576;
  one.first_loss_s = 0.5;
  one.last_loss_s = 0.75;
  one.loss_runs = LossRuns{1, 1};
  one.reordered_pkts = 3;
  StreamAccount other = one;
  other.first_loss_s = 0.25;
  other.loss_runs = LossRuns{2, 5};
  trial.streams = {one, other};
  Json json = to_json(trial);
  EXPECT_EQ(json["offered_pkts"], 20);
  EXPECT_EQ(json["offered_bytes"], 1280);
  EXPECT_EQ(json["received_bytes"], 1152);
  EXPECT_EQ(json["first_loss_s"], 0.25);
  EXPECT_EQ(json["last_loss_s"], 0.75);
  EXPECT_EQ(json["loss_runs"], (Json{{"count", 3}, {"longest", 5}}));
  EXPECT_EQ(json["reordered_pkts"], 6);
  trial.streams[1].reordered_pkts.reset();
  trial.streams[1].loss_runs.reset();
  json = to_json(trial);
  EXPECT_TRUE(json["reordered_pkts"].is_null());
  EXPECT_TRUE(json["loss_runs"].is_null());
}

TEST(TrialJson, NoNumberIsEverNanOrInfinite) {
  TrialResult trial;
  trial.wall_seconds = std::nan("");
  trial.offered_pps = std::numeric_limits<double>::infinity();
  trial.cycles_per_pkt = -std::numeric_limits<double>::infinity();
  trial.order.traffic.intended_pps = std::nan("");
  const Json json = to_json(trial);
  EXPECT_TRUE(json["wall_seconds"].is_null());
  EXPECT_TRUE(json["offered_pps"].is_null());
  EXPECT_TRUE(json["cycles_per_pkt"].is_null());
  EXPECT_EQ(schema_mistake(trial_schema(), through_text(json), "trial"), "");
  const Result<TrialResult> back = trial_result_from_json(json);
  ASSERT_TRUE(back.has_value()) << back.error().text();
  EXPECT_TRUE(std::isnan(back->wall_seconds));
  EXPECT_EQ(back->offered_pps, std::nullopt);
}

TEST(TrialJson, EveryMissingOrMistypedKeyIsRefusedByName) {
  TrialResult trial = RandomTrial(4).result();
  const Json json = to_json(trial);
  const std::set<std::string> derived = {
      "offered_pkts", "offered_bytes", "received_pkts", "ledger",    "received_bytes",
      "loss_ratio",   "first_loss_s",  "last_loss_s",   "loss_runs", "reordered_pkts"};
  // Earlier records lack them.
  const std::set<std::string> later = {"lcores",           "stage",   "pool_nodes", "closed_loop",
                                       "syscalls_per_pkt", "captures"};
  for (const auto& entry : json.items()) {
    if (derived.count(entry.key()) != 0) continue;
    Json without = json;
    without.erase(entry.key());
    Json mistyped = json;
    mistyped[entry.key()] = Json::array({Json::object()});
    const std::vector<Json> bad_ones =
        later.count(entry.key()) != 0 ? std::vector{mistyped} : std::vector{without, mistyped};
    for (const Json& bad : bad_ones) {
      const Result<TrialResult> read = trial_result_from_json(bad);
      ASSERT_FALSE(read.has_value()) << entry.key();
      EXPECT_EQ(read.error().code, Errc::bad_experiment);
      EXPECT_NE(read.error().what.find(entry.key()), std::string::npos) << read.error().what;
    }
  }
}

TEST(TrialJson, ARecordOfAnEarlierReleaseIsReadWithWhatItLacksAsNotMeasured) {
  TrialResult trial;
  trial.queues.push_back({0, 10, 0, 1.0, 5, std::nullopt});
  trial.stage = StageAccount{5, 1.0, 2, 2};
  trial.lcores.resize(1);
  trial.pool_nodes = {1};
  trial.order.receiver.numa = NumaPlacement::remote;
  trial.order.drop_reasons = DropReasonsRule::off;
  trial.streams.resize(1);
  trial.streams[0].drops.emplace();
  Json json = to_json(trial);
  json["lcores"][0].erase("node");
  EXPECT_FALSE(trial_result_from_json(json)->lcores[0].node);
  json.erase("lcores");
  json.erase("pool_nodes");
  json["order"].erase("drop_reasons");
  json["streams"][0].erase("drops");
  json["order"]["receiver"].erase("numa");
  json.erase("stage");
  json.erase("closed_loop");
  json.erase("captures");
  json["latency_ns"].erase("round_trip");
  json["order"].erase("closed_loop");
  json["order"].erase("line_bps");
  json["order"].erase("capture");
  json["queues"][0].erase("latency_rx_ns");
  json["order"]["traffic"].erase("hit_ratio");
  json["order"]["receiver"].erase("patterns");
  const Result<TrialResult> read = trial_result_from_json(json);
  ASSERT_TRUE(read.has_value()) << read.error().text();
  EXPECT_FALSE(read->stage);
  EXPECT_TRUE(read->lcores.empty());
  EXPECT_TRUE(read->pool_nodes.empty());
  EXPECT_EQ(read->order.receiver.numa, NumaPlacement::local);
  EXPECT_EQ(read->order.drop_reasons, DropReasonsRule::on);
  EXPECT_FALSE(read->streams[0].drops);
  EXPECT_FALSE(read->queues[0].latency_rx_ns);
}

TEST(TimelineJson, APointIsReadBackAsItWasWritten) {
  const TimelinePoint point{1.5, 10, std::nullopt, 0, 3};
  const Json json = through_text(to_json(point));
  EXPECT_TRUE(json["polled_pkts"].is_null());
  const Result<TimelinePoint> back = timeline_point_from_json(json);
  ASSERT_TRUE(back.has_value()) << back.error().text();
  EXPECT_EQ(*back, point);
  EXPECT_FALSE(timeline_point_from_json(Json{{"until_s", 1.0}}));
}

TEST(TrialJson, AMistakeDeepInsideIsNamedWithItsPlace) {
  TrialResult trial;
  trial.streams.resize(2);
  Json json = to_json(trial);
  json["streams"][1]["ledger"]["rx_missed_pkts"] = "many";
  EXPECT_EQ(trial_result_from_json(json).error().what,
            "\"streams[1].ledger.rx_missed_pkts\" is not an integer in range");
  json = to_json(trial);
  json["order"]["traffic"]["arrivals"].erase("kind");
  EXPECT_EQ(trial_result_from_json(json).error().what,
            "\"order.traffic.arrivals.kind\" is missing");
  json = to_json(trial);
  json["order"]["epoch"] = 256;
  EXPECT_EQ(trial_result_from_json(json).error().what,
            "\"order.epoch\" is not an integer in range");
  json = to_json(trial);
  json["order"]["model"]["dma"] = "l2";
  EXPECT_EQ(trial_result_from_json(json).error().what, "\"order.model.dma\" is not a known name");
}

TEST(TrialJson, AnotherSchemaIsRefused) {
  Json json = to_json(TrialResult{});
  json["schema"] = kSchemaVersion + 1;
  EXPECT_EQ(trial_result_from_json(json).error().what, "schema 2 is not known; allowed: 1");
  Json provenance = to_json(Provenance{});
  provenance["schema"] = 0;
  EXPECT_FALSE(provenance_from_json(provenance).has_value());
}

TEST(TrialJson, BooksThatWereEditedAreRefused) {
  TrialResult trial;
  StreamAccount stream;
  stream.ledger.set_offered(10);
  stream.ledger.add(Fate::received, 10);
  trial.streams.push_back(stream);
  Json json = to_json(trial);
  json["streams"][0]["ledger"]["received_pkts"] = 9;
  EXPECT_EQ(trial_result_from_json(json).error().what,
            "\"unaccounted_pkts\" is not what the streams' ledgers give");
  for (const char* key : {"offered_pkts", "received_pkts", "loss_ratio"}) {
    json = to_json(trial);
    json[key] = 9;
    EXPECT_EQ(trial_result_from_json(json).error().what,
              std::string("\"") + key + "\" is not what the streams' ledgers give");
  }
}

TEST(TrialJson, ADamagedHistogramIsRefused) {
  TrialResult trial;
  trial.latency_ns.rx.emplace();
  trial.latency_ns.rx->record(500);
  Json json = to_json(trial);
  json["latency_ns"]["rx"]["max"] = 900;
  EXPECT_FALSE(trial_result_from_json(json).has_value());
  json = to_json(trial);
  json["latency_ns"]["rx"]["histogram"] = "HISTFAAA";
  EXPECT_NE(trial_result_from_json(json).error().what.find("latency_ns.rx.histogram"),
            std::string::npos);
}

TEST(TrialJson, WhatIsNoObjectIsRefused) {
  for (const Json& json : {Json(3), Json("text"), Json::array(), Json(nullptr)}) {
    EXPECT_FALSE(trial_result_from_json(json).has_value());
    EXPECT_FALSE(trial_order_from_json(json).has_value());
    EXPECT_FALSE(provenance_from_json(json).has_value());
  }
}

}  // namespace
}  // namespace pollmark
