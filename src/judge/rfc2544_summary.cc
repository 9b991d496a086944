#include "judge/rfc2544_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/line_rate.h"
#include "base/text.h"
#include "base/units.h"

namespace pollmark {

namespace {

std::string protocol_of(const TrafficOrder& traffic) {
  return fmt::format("{} over IPv{}", traffic.kind == TrafficKind::tcp ? "TCP" : "UDP",
                     traffic.ip_version);
}

void take_order(const TrialOrder& order, Rfc2544Cell& cell) {
  const TrafficOrder& traffic = order.traffic;
  cell.frame_bytes = traffic.frame_bytes;
  std::vector<std::string> sizes;
  for (const int bytes : traffic.frame_bytes) sizes.push_back(fmt::format("{}", bytes));
  cell.frame = traffic.frame.empty() ? join(sizes, ":") : traffic.frame;
  cell.protocol = protocol_of(traffic);
  cell.ways = direction_count(order);
  cell.rx_ring = order.receiver.rx_ring;
  if (order.path == Path::model)
    cell.theoretical_pps =
        cell.ways * line_rate_pps(order.model.link_bps, mean_frame_bytes(traffic.frame_bytes));
}

// Frames of all blocks at the same share of the highest load.
std::vector<FrameLossPoint> pooled_loss(const std::vector<Rfc2544Values>& blocks) {
  std::map<std::int64_t, LossAtLoad, std::greater<>> by_load;  // of a millionth of a percent
  for (const Rfc2544Values& values : blocks) {
    for (const LossAtLoad& loss : values.frame_loss) {
      LossAtLoad& sum = by_load[std::llround(loss.load_percent * 1e6)];
      sum.load_percent = loss.load_percent;
      sum.offered_pkts += loss.offered_pkts;
      sum.lost_pkts += loss.lost_pkts;
    }
  }
  std::vector<FrameLossTrial> trials;
  for (const auto& [key, loss] : by_load)
    trials.push_back({loss.load_percent, loss.offered_pkts, loss.lost_pkts});
  return frame_loss_curve(100.0, trials);
}

std::optional<Repetitions> joined_repetitions(const std::vector<Rfc2544Values>& blocks,
                                              std::vector<double> Rfc2544Values::*part) {
  std::vector<double> values;
  for (const Rfc2544Values& block : blocks)
    values.insert(values.end(), (block.*part).begin(), (block.*part).end());
  return repetitions_of(values);
}

Rfc2544Cell cell_of(const Rfc2544Order& order, int retries, const Rfc2544Source& source) {
  Rfc2544Cell cell;
  cell.group = source.group;
  cell.cell = source.cell;
  cell.path = source.path;
  if (!source.trials.empty()) take_order(source.trials.front()->order, cell);
  std::vector<const TrialResult*> trials = source.trials;
  std::stable_sort(trials.begin(), trials.end(), [](const TrialResult* a, const TrialResult* b) {
    return a->order.trial < b->order.trial;
  });
  std::vector<Rfc2544Values> blocks;
  std::vector<double> throughput_pps;
  cell.throughput_is_highest = true;
  for (const SearchResult* search : source.searches) {
    std::vector<const TrialResult*> of_block;
    for (const TrialResult* trial : trials)
      if (trial->order.block == search->block) of_block.push_back(trial);
    const Rfc2544Ground ground = rfc2544_ground(*search, of_block, retries);
    cell.highest_pps = std::max(cell.highest_pps, ground.highest_pps);
    if (ground.throughput_pps > 0.0) {
      throughput_pps.push_back(ground.throughput_pps);
      cell.throughput_is_highest = cell.throughput_is_highest && ground.throughput_is_highest();
    } else {
      cell.without.emplace(Rfc2544Test::throughput,
                           WithoutResult{NoResult::not_measured, ground.why_no_throughput});
    }
    blocks.push_back(rfc2544_values(order, ground, of_block));
    for (const auto& [test, without] : blocks.back().without) cell.without.emplace(test, without);
    cell.overload_pps = std::max(cell.overload_pps, blocks.back().overload_pps);
  }
  if (blocks.empty()) {
    for (const Rfc2544Test test : order.tests)
      cell.without.emplace(test, WithoutResult{NoResult::not_measured, "no search has ended"});
  }
  cell.throughput_pps = repetitions_of(throughput_pps);
  cell.throughput_is_highest = cell.throughput_is_highest && cell.throughput_pps.has_value();
  cell.latency_ns = joined_repetitions(blocks, &Rfc2544Values::latency_mean_ns);
  cell.latency_p999_ns = joined_repetitions(blocks, &Rfc2544Values::latency_p999_ns);
  cell.frame_loss = pooled_loss(blocks);
  cell.burst_pkts = joined_repetitions(blocks, &Rfc2544Values::burst_pkts);
  cell.recovery_s = joined_repetitions(blocks, &Rfc2544Values::recovery_s);
  if (cell.burst_pkts && cell.throughput_pps)
    cell.buffer = buffer_time(cell.burst_pkts->mean, cell.highest_pps / cell.ways,
                              cell.throughput_pps->mean / cell.ways);
  return cell;
}

// What the campaign's traffic lacks.
void add_traffic_shortfalls(const std::vector<Rfc2544Source>& sources,
                            std::vector<std::string>& clauses) {
  std::set<int> sizes;
  std::vector<std::string> arrivals;
  bool mixed = false;
  for (const Rfc2544Source& source : sources) {
    if (source.trials.empty()) continue;
    const TrafficOrder& traffic = source.trials.front()->order.traffic;
    if (traffic.frame_bytes.size() == 1) sizes.insert(traffic.frame_bytes.front());
    mixed = mixed || traffic.frame_bytes.size() > 1;
    if (traffic.arrivals.kind != ArrivalKind::constant && arrivals.empty())
      arrivals.emplace_back(name_of(traffic.arrivals.kind));
  }
  std::vector<std::string> missing;
  for (const int bytes : rfc2544_frame_bytes())
    if (!sizes.contains(bytes)) missing.push_back(fmt::format("{}", bytes));
  if (!missing.empty()) clauses.push_back("without frames of " + join(missing, ", ") + " bytes");
  if (mixed) clauses.emplace_back("frames of several sizes at once");
  if (!arrivals.empty()) clauses.push_back(fmt::format("arrivals {} (constant)", arrivals.front()));
}

std::string single_figure(const std::string& group, const std::vector<Rfc2544Cell>& cells,
                          const std::string& title) {
  const Rfc2544Cell* best = nullptr;
  for (const Rfc2544Cell& cell : cells) {
    if (cell.group != group || !cell.throughput_pps) continue;
    if (best == nullptr || cell.throughput_pps->mean > best->throughput_pps->mean) best = &cell;
  }
  if (best == nullptr) return {};
  const double pps = best->throughput_pps->mean;
  std::string text = fmt::format("{}: throughput {}: {} with frames of {} bytes, ", group, title,
                                 si(pps, "frames/s"), best->frame);
  text += best->theoretical_pps ? fmt::format("of {} that the link carries ({:.1f} %)",
                                              si(*best->theoretical_pps, "frames/s"),
                                              100.0 * pps / *best->theoretical_pps)
                                : std::string("on a link without a rate of its own");
  text += ", " + best->protocol;
  if (best->ways > 1) text += ", both ways together";
  if (best->path == Path::model) text += "; model, not a NIC";
  return text;
}

double slope_of(const std::vector<BufferPoint>& points) {
  const auto count = static_cast<double>(points.size());
  double mean_x = 0.0;
  double mean_y = 0.0;
  for (const BufferPoint& point : points) {
    mean_x += point.rx_ring / count;
    mean_y += point.corrected_pkts / count;
  }
  double products = 0.0;
  double squares = 0.0;
  for (const BufferPoint& point : points) {
    products += (point.rx_ring - mean_x) * (point.corrected_pkts - mean_y);
    squares += (point.rx_ring - mean_x) * (point.rx_ring - mean_x);
  }
  return products / squares;
}

// The factors that vary in the cell's group, but for one.
std::string label_without(const std::string& left_out, const Rfc2544Cell& cell,
                          const std::vector<Rfc2544Cell>& cells) {
  std::vector<std::string> parts;
  for (const auto& [factor, level] : cell.cell) {
    if (factor == left_out) continue;
    const bool varies = std::any_of(cells.begin(), cells.end(), [&](const Rfc2544Cell& other) {
      const auto own = other.cell.find(factor);
      return other.group == cell.group && own != other.cell.end() && own->second != level;
    });
    if (varies) parts.push_back(fmt::format("{}={}", factor, level));
  }
  return join(parts, " ");
}

std::vector<BufferLine> buffer_lines_of(const std::vector<Rfc2544Cell>& cells) {
  std::vector<BufferLine> lines;
  for (std::size_t at = 0; at < cells.size(); ++at) {
    const Rfc2544Cell& cell = cells[at];
    if (!cell.cell.contains("rx_ring") || !cell.buffer) continue;
    const std::string label = label_without("rx_ring", cell, cells);
    auto line = std::find_if(lines.begin(), lines.end(), [&](const BufferLine& each) {
      return each.group == cell.group && each.label == label;
    });
    if (line == lines.end()) line = lines.insert(lines.end(), {cell.group, label, {}, 0.0});
    line->points.push_back({at, cell.rx_ring, cell.buffer->corrected_pkts});
  }
  std::erase_if(lines, [](const BufferLine& line) { return line.points.size() < 2; });
  for (BufferLine& line : lines) {
    std::sort(line.points.begin(), line.points.end(),
              [](const BufferPoint& a, const BufferPoint& b) { return a.rx_ring < b.rx_ring; });
    line.slope = slope_of(line.points);
  }
  return lines;
}

}  // namespace

bool Rfc2544Summary::any_given_up() const {
  return std::any_of(cells.begin(), cells.end(), [](const Rfc2544Cell& cell) {
    return std::any_of(cell.without.begin(), cell.without.end(),
                       [](const auto& each) { return each.second.kind == NoResult::not_measured; });
  });
}

Rfc2544Summary rfc2544_summary(const Rfc2544Order& order, int retries,
                               const std::vector<Rfc2544Source>& sources) {
  Rfc2544Summary summary;
  summary.order = order;
  summary.shortfalls = rfc2544_shortfalls(order);
  add_traffic_shortfalls(sources, summary.shortfalls);
  summary.title = summary.shortfalls.empty() ? "RFC 2544" : "after RFC 2544, shortened";
  std::vector<std::string> groups;
  for (const Rfc2544Source& source : sources) {
    summary.cells.push_back(cell_of(order, retries, source));
    if (std::find(groups.begin(), groups.end(), source.group) == groups.end())
      groups.push_back(source.group);
  }
  for (const std::string& group : groups) {
    std::string sentence = single_figure(group, summary.cells, summary.title);
    if (!sentence.empty()) summary.single_figures.push_back(std::move(sentence));
  }
  for (Rfc2544Cell& cell : summary.cells) cell.label = label_without("frame", cell, summary.cells);
  summary.buffer_lines = buffer_lines_of(summary.cells);
  return summary;
}

}  // namespace pollmark
