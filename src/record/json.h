// The nouns as JSON: the contract of trials.jsonl (names as in record/*.h and the shipped schema),
// and of the pipe to a trial's process. null = not measured. Key order is stable.
#pragma once

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "record/provenance.h"
#include "record/search_result.h"
#include "record/trial_order.h"
#include "record/trial_result.h"

namespace pollmark {

using Json = nlohmann::ordered_json;

[[nodiscard]] Json to_json(const TrialOrder& order);
[[nodiscard]] Result<TrialOrder> trial_order_from_json(const Json& json);
// With histograms encoded (HdrHistogram V2 base64) beside their percentiles.
[[nodiscard]] Json to_json(const TrialResult& result);
// Errors: bad_experiment naming the missing or mistyped key, or an unknown schema number.
[[nodiscard]] Result<TrialResult> trial_result_from_json(const Json& json);
[[nodiscard]] Json to_json(const SearchResult& search);
// Errors: as for a trial.
[[nodiscard]] Result<SearchResult> search_result_from_json(const Json& json);
// A line of timeline/<trial>.jsonl. Errors: as above.
[[nodiscard]] Json to_json(const TimelinePoint& point);
[[nodiscard]] Result<TimelinePoint> timeline_point_from_json(const Json& json);
// Text of it in UTF-8; a byte that is none becomes U+FFFD (a file may be named so). indent: columns
// a level; -1: one line.
[[nodiscard]] std::string json_text(const Json& json, int indent = -1);
[[nodiscard]] Json to_json(const Provenance& provenance);
[[nodiscard]] Result<Provenance> provenance_from_json(const Json& json);
// JSON Schema (draft 2020-12) of one line of trials.jsonl; shipped in every results folder.
[[nodiscard]] Json trial_schema();
// The same of a line of searches.jsonl.
[[nodiscard]] Json search_schema();

}  // namespace pollmark
