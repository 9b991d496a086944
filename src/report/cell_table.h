// The table of a group, as text: the same cells for the terminal and for HTML.
#pragma once

#include <string>
#include <vector>

#include "report/view.h"

namespace pollmark {

struct TableColumn {
  std::string heading;
  bool numeric = false;  // aligned right
  bool factor = false;
  std::string metric;  // empty: no metric's column
};

struct TableRow {
  const ShownCell* cell = nullptr;
  std::vector<std::string> fields;  // one per column
};

struct CellTable {
  std::vector<TableColumn> columns;
  std::vector<TableRow> rows;
  std::vector<std::string> absent;  // metrics that no cell of the group measured: no column
};

// Columns: each factor that varies, loss ratio with interval, the judged metric where it is
// another, against baseline, p99 latency, cycles per packet, Mpps per core, limited by, valid/all.
// Where the load was searched, the throughput of each goal stands in place of loss and cost.
[[nodiscard]] CellTable cell_table(const View& view, const ShownGroup& group);

}  // namespace pollmark
