// What a report shows, arranged once. JSON, terminal text and HTML are three spellings of a View,
// so they cannot disagree; summary_json() holds every number of it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report/report.h"

namespace pollmark {

struct ShownFactor {
  std::string factor;
  std::vector<std::string> levels;  // numbers in rising order, else in plan order
};

// not_run: refused, or the campaign ended before its first trial; the reason stands in
// CellSummary::not_measured.
enum class CellState : std::uint8_t { measured, not_run, no_valid_trial };

// One point of a latency curve: `percent` of the frames took at most `ns`.
struct CurvePoint {
  double percent = 0.0;
  std::int64_t ns = 0;
};

struct LatencyCurve {
  std::string kind;  // "done", "rx" or "round_trip"
  std::int64_t count = 0;
  std::int64_t out_of_range = 0;
  std::optional<std::int64_t> max_ns;
  // Up to the last percentile that still has kSamplesAbove samples above it.
  std::vector<CurvePoint> points;
  double cut_percent = 0.0;  // of the last point
};
inline constexpr std::int64_t kSamplesAbove = 10;

struct ShownCell {
  std::size_t index = 0;  // in Summary::cells
  const CellSummary* summary = nullptr;
  CellState state = CellState::measured;
  std::string
      label;  // the varying factors: "rx_ring=128 queues=4"; "the only cell" when none varies
  bool baseline = false;
  std::vector<std::string> levels;  // one per ShownFactor of the group; empty: the factor is not in
                                    // this cell
  std::optional<LatencyCurve> curve;
};

// The books of a path's measured cells, summed. A fate is in the sum where any cell counted it; how
// many did is said.
struct ShownBooks {
  Path path = Path::model;
  std::optional<ClosedLoopAccount> closed_loop;  // of a closed loop: the ledger stays empty
  Ledger ledger;
  std::map<Fate, int> counting_cells;
  std::vector<DroppedAt> drops;  // as of CellSummary
  int cells = 0;
  int trials = 0;
};

// A plot's line: cells that differ only in x.
struct Series {
  std::string label;
  std::vector<std::size_t> cells;  // positions in ShownGroup::cells
};
struct Panel {
  std::string title;  // the levels that hold in it; empty when there is one panel only
  std::vector<Series> series;
};
struct HeatPanel {
  std::string title;
  std::vector<std::string> rows;   // layouts
  std::vector<std::string> rings;  // columns
  std::vector<std::vector<std::optional<std::size_t>>>
      cells;  // [row][column]; nullopt: no such cell
};

// One station of the set-up, in the order a packet passes them, with every value that occurs in the
// group's trials: {"queues", {"1, 4 queues", "128, 512, 2048 descriptors"}}.
struct Station {
  std::string name;
  std::vector<std::string> facts;
};

struct ShownGroup {
  std::string name;
  std::vector<Path> paths;
  bool model = false;                                      // any cell on the modelled link
  std::vector<ShownFactor> factors;                        // those that vary
  std::vector<std::pair<std::string, std::string>> fixed;  // those that do not
  std::vector<ShownCell> cells;
  std::vector<ShownBooks> books;
  std::vector<Station> setup;              // empty: no trial is known
  int most_queues = 0;                     // over its trials
  std::string ring_metric;                 // rx_missed_ratio where measured, else loss_ratio
  std::vector<Panel> ring_panels;          // x = rx_ring; empty unless it varies
  std::vector<HeatPanel> heat_panels;      // empty unless rx_ring and a layout vary
  std::vector<Panel> curve_panels;         // of the cells with a curve
  bool compares_kernel = false;            // a kernel path and dpdk, both with numbers
  std::vector<std::int64_t> floor_p50_ns;  // least and greatest of the trials; empty: not measured
};

struct InvalidTrial {
  std::int64_t trial = 0;
  std::string group;
  std::string label;
  int block = 0;
  int attempt = 0;
  std::vector<std::string> reasons;
};

struct UnexercisedLevel {
  std::string group;
  std::string factor;
  std::string requested;
  std::string effective;
  KnobState state = KnobState::unverifiable;
  std::string evidence;  // why nothing acted, in the first of its cells; empty: not told
  int cells = 0;
};

// What a group's trials captured at one end, summed.
struct ShownCapture {
  std::string group;
  CaptureAt at = CaptureAt::sender;
  int trials = 0;
  int files = 0;
  std::int64_t written_pkts = 0;
  std::int64_t not_captured_pkts = 0;
  std::int64_t beyond_limit_pkts = 0;
  int untriggered = 0;          // trials whose trigger did not come
  std::string shares_cpu_with;  // of a trial whose tap had a thread; empty: nobody
};

struct UncheckedFact {
  std::string group;
  std::string what;
  int cells = 0;
};

struct View {
  const ReportInput* input = nullptr;
  bool any_model = false;
  bool all_model = false;
  std::vector<ShownGroup> groups;
  std::vector<InvalidTrial> invalid;           // empty also when the trials are not given
  std::map<std::string, int> invalid_reasons;  // code -> times, over all cells
  std::vector<UnexercisedLevel> not_exercised;
  std::vector<UncheckedFact> not_checked;
  std::vector<ShownCapture> captures;  // empty also when the trials are not given
  std::int64_t unaccounted_pkts = 0;   // sum over the cells
  std::int64_t offered_pkts = 0;
  int cells_measured = 0;
  int cells_not_run = 0;
  int cells_no_valid_trial = 0;
};

// Pointers in the view go into `input`, which must outlive it.
[[nodiscard]] View view_of(const ReportInput& input);

[[nodiscard]] std::string_view name_of(CellState state);
// "main: at the sender: 6 files with 12 345 frames; 200 beyond the limit, none not captured".
[[nodiscard]] std::string capture_text(const ShownCapture& capture);
// The curve of a histogram at the report's fixed percentiles; nullopt below 10 samples.
[[nodiscard]] std::optional<LatencyCurve> latency_curve(const LatencyHistogram& histogram,
                                                        std::string kind);
[[nodiscard]] std::optional<Estimate> estimate_of(const CellSummary& cell,
                                                  const std::string& metric);

}  // namespace pollmark
