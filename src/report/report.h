// Renders a summary. Text and HTML are rendered from the same Summary and JSON; nothing is computed
// here that is not in them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "judge/summary.h"
#include "record/json.h"
#include "record/provenance.h"

namespace pollmark {

struct ReportInput {
  Summary summary;
  Provenance provenance;
  std::string folder;           // as printed
  std::string experiment_text;  // verbatim, for "how to reproduce"
  // Every trial, for the lists of invalid and refused ones and for curves.
  const std::vector<TrialResult>* trials = nullptr;
  // Of the judge: factor -> level. Only says which cell is the baseline; empty = not said.
  std::map<std::string, std::string> baseline;
};

// The final table for stdout. width: columns of the terminal, at least 60.
[[nodiscard]] std::string render_text(const ReportInput& input, int width);
// One file, no network, light and dark, phone to desktop.
[[nodiscard]] std::string render_html(const ReportInput& input);
[[nodiscard]] Json summary_json(const ReportInput& input);
[[nodiscard]] Json comparison_json(const Comparison& comparison);
// Tidy: one row per cell x metric.
[[nodiscard]] std::string render_csv(const ReportInput& input);
// The results of the tests of RFC 2544, tidy: one row per cell, test, quantity and load. Only where
// summary.rfc2544 is there.
[[nodiscard]] std::string render_rfc2544_csv(const ReportInput& input);
[[nodiscard]] Json rfc2544_json(const Rfc2544Summary& summary);
// node_exporter textfile.
[[nodiscard]] std::string render_prom(const ReportInput& input);

}  // namespace pollmark
