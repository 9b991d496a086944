// The report of RFC 2544 as its section 26 and RFC 9004 want it: a table for each test, and charts.
// The same for the terminal and for HTML.
#pragma once

#include <string>
#include <vector>

#include "judge/rfc2544_summary.h"
#include "report/chart.h"
#include "report/search_table.h"

namespace pollmark {

struct Rfc2544Section {
  Rfc2544Test test = Rfc2544Test::throughput;
  std::string title;
  std::string note;  // what the numbers are
  TextTable table;   // the first two columns name the cell and its frame; no row: no cell has one
  std::vector<std::string> sentences;  // beside the table; and why there is no result, each once
  std::vector<LineChart> charts;
};
// In the order of the tests, those of the order.
[[nodiscard]] std::vector<Rfc2544Section> rfc2544_sections(const Rfc2544Summary& summary);
// "Tests after RFC 2544, shortened", and what is shortened.
[[nodiscard]] std::string rfc2544_heading(const Rfc2544Summary& summary);
[[nodiscard]] std::vector<std::string> rfc2544_notes(const Rfc2544Summary& summary);

}  // namespace pollmark
