// The tests of RFC 2544 over the cells of a campaign, as its report wants them. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "judge/rfc2544_tests.h"

namespace pollmark {

// Rates are of both ways together, bursts and buffers of each way.
struct Rfc2544Cell {
  std::string group;
  std::map<std::string, std::string> cell;
  std::string label;  // the factors that vary in the group, but for frame: "rx_ring=64"
  Path path = Path::model;
  std::vector<int> frame_bytes;  // incl. FCS; more than one of a mix
  std::string frame;             // as printed: "64", "imix"
  std::string protocol;          // "UDP over IPv4"
  int ways = 1;
  int rx_ring = 0;                        // descriptors
  std::optional<double> theoretical_pps;  // nullopt: a veth pair has no line rate
  double highest_pps = 0.0;  // the highest load that was offered; 0: nothing was searched
  // Over the blocks.
  std::optional<Repetitions> throughput_pps;
  bool throughput_is_highest = false;  // of every block
  // Over the repetitions of all blocks.
  std::optional<Repetitions> latency_ns;  // of the mean over all frames of each
  std::optional<Repetitions> latency_p999_ns;
  std::vector<FrameLossPoint> frame_loss;  // frames of all blocks together
  std::optional<Repetitions> burst_pkts;
  std::optional<BufferTime> buffer;  // of the mean burst and throughput
  std::optional<Repetitions> recovery_s;
  double overload_pps = 0.0;
  // What has no result, or lacks repetitions, in any block.
  std::map<Rfc2544Test, WithoutResult> without;
};

// Corrected buffer against configured ring (RFC 9004): cells that differ in rx_ring alone. A slope
// of 1 says that the ring is the buffer.
struct BufferPoint {
  std::size_t cell = 0;  // of Rfc2544Summary::cells
  int rx_ring = 0;
  double corrected_pkts = 0.0;
};
struct BufferLine {
  std::string group;
  std::string label;                // the other factors that vary: "frame=64"; may be empty
  std::vector<BufferPoint> points;  // by rising ring; at least two rings
  double slope = 0.0;               // least squares
};

struct Rfc2544Summary {
  Rfc2544Order order;
  std::string title;                        // "RFC 2544", or "after RFC 2544, shortened"
  std::vector<std::string> shortfalls;      // what is less than asked, one clause each
  std::vector<std::string> single_figures;  // section 26.1, one sentence a group
  std::vector<Rfc2544Cell> cells;           // in plan order, those that can run
  std::vector<BufferLine> buffer_lines;

  // A test of a cell that could be measured was not, or not as often as it should.
  [[nodiscard]] bool any_given_up() const;
};

// What is known of a cell: its trials and searches, any block, any order.
struct Rfc2544Source {
  std::string group;
  std::map<std::string, std::string> cell;
  Path path = Path::model;
  std::vector<const TrialResult*> trials;
  std::vector<const SearchResult*> searches;
};
[[nodiscard]] Rfc2544Summary rfc2544_summary(const Rfc2544Order& order, int retries,
                                             const std::vector<Rfc2544Source>& sources);

}  // namespace pollmark
