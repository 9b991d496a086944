#include "report/view.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/text.h"
#include "base/units.h"
#include "report/readable.h"

namespace pollmark {

namespace {

// Factors that say which queue a packet goes to.
constexpr std::string_view kLayoutFactors[] = {"queues", "reta", "rss_fields"};
constexpr std::string_view kRingFactor = "rx_ring";
constexpr std::size_t kMostSeries = 6;

bool is_layout(std::string_view factor) {
  return std::find(std::begin(kLayoutFactors), std::end(kLayoutFactors), factor) !=
         std::end(kLayoutFactors);
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Numbers in rising order; else as they stand.
void order_levels(std::vector<std::string>& levels) {
  const bool numbers = std::all_of(levels.begin(), levels.end(), [](const std::string& level) {
    return whole_number(level).has_value();
  });
  if (!numbers) return;
  std::stable_sort(levels.begin(), levels.end(), [](const std::string& a, const std::string& b) {
    return *whole_number(a) < *whole_number(b);
  });
}

void add_once(std::vector<std::string>& values, std::string value) {
  if (std::find(values.begin(), values.end(), value) == values.end()) {
    values.push_back(std::move(value));
  }
}

std::string listed(std::vector<std::string> values, std::string_view before = {},
                   std::string_view after = {}) {
  order_levels(values);
  return fmt::format("{}{}{}", before, join(values, ", "), after);
}

std::string numbers_text(const std::vector<int>& numbers, std::string_view between) {
  std::string text;
  for (const int number : numbers) {
    if (!text.empty()) text += between;
    text += fmt::format("{}", number);
  }
  return text;
}

void find_factors(ShownGroup& group) {
  // In the order of first appearance, the one that changes slowest first, as in the plan.
  std::vector<std::string> names;
  std::map<std::string, std::vector<std::string>> levels;
  std::map<std::string, std::size_t> first_change;
  for (std::size_t i = 0; i < group.cells.size(); ++i) {
    for (const auto& [factor, level] : group.cells[i].summary->cell) {
      add_once(names, factor);
      add_once(levels[factor], level);
      if (levels[factor].size() == 2) first_change.try_emplace(factor, i);
    }
  }
  std::stable_sort(names.begin(), names.end(), [&](const std::string& a, const std::string& b) {
    const auto change = [&](const std::string& name) {
      const auto found = first_change.find(name);
      return found == first_change.end() ? std::size_t{0} : found->second;
    };
    return change(a) > change(b);
  });
  for (const std::string& name : names) {
    const bool everywhere =
        std::all_of(group.cells.begin(), group.cells.end(),
                    [&](const ShownCell& cell) { return cell.summary->cell.count(name) > 0; });
    if (levels[name].size() > 1 || !everywhere) {
      order_levels(levels[name]);
      group.factors.push_back({name, levels[name]});
    } else {
      group.fixed.emplace_back(name, levels[name].front());
    }
  }
  for (ShownCell& cell : group.cells) {
    std::vector<std::string> parts;
    for (const ShownFactor& factor : group.factors) {
      const auto found = cell.summary->cell.find(factor.factor);
      cell.levels.push_back(found == cell.summary->cell.end() ? std::string() : found->second);
      if (!cell.levels.back().empty()) {
        parts.push_back(fmt::format("{}={}", factor.factor, cell.levels.back()));
      }
    }
    cell.label = parts.empty() ? "the only cell" : join(parts, " ");
  }
}

// The cell's levels of these factors (positions in group.factors): "queues 4, reta equal".
std::string levels_text(const ShownGroup& group, const ShownCell& cell,
                        const std::vector<std::size_t>& factors) {
  std::vector<std::string> parts;
  for (const std::size_t f : factors) {
    if (cell.levels[f].empty()) continue;
    parts.push_back(fmt::format("{} {}", group.factors[f].factor, cell.levels[f]));
  }
  return join(parts, ", ");
}

std::size_t combinations(const ShownGroup& group, const std::vector<std::size_t>& cells,
                         const std::vector<std::size_t>& factors) {
  std::set<std::string> seen;
  for (const std::size_t c : cells) seen.insert(levels_text(group, group.cells[c], factors));
  return seen.size();
}

// Cells sorted into panels by the levels of `panel_factors`, and there into series.
std::vector<Panel> panels_of(const ShownGroup& group, const std::vector<std::size_t>& cells,
                             const std::vector<std::size_t>& panel_factors,
                             const std::vector<std::size_t>& series_factors) {
  std::vector<Panel> panels;
  for (const std::size_t c : cells) {
    const std::string title = levels_text(group, group.cells[c], panel_factors);
    auto panel = std::find_if(panels.begin(), panels.end(),
                              [&](const Panel& known) { return known.title == title; });
    if (panel == panels.end()) panel = panels.insert(panels.end(), Panel{title, {}});
    const std::string label = levels_text(group, group.cells[c], series_factors);
    auto series = std::find_if(panel->series.begin(), panel->series.end(),
                               [&](const Series& known) { return known.label == label; });
    if (series == panel->series.end()) {
      series = panel->series.insert(panel->series.end(), Series{label, {}});
    }
    series->cells.push_back(c);
  }
  return panels;
}

std::optional<std::size_t> position_of(const ShownGroup& group, std::string_view factor) {
  for (std::size_t f = 0; f < group.factors.size(); ++f) {
    if (group.factors[f].factor == factor) return f;
  }
  return std::nullopt;
}

void sort_by_level(const ShownGroup& group, std::size_t factor, std::vector<std::size_t>& cells) {
  const std::vector<std::string>& levels = group.factors[factor].levels;
  const auto rank = [&](std::size_t c) {
    return std::find(levels.begin(), levels.end(), group.cells[c].levels[factor]) - levels.begin();
  };
  std::stable_sort(cells.begin(), cells.end(),
                   [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
}

void arrange_rings(ShownGroup& group) {
  const std::optional<std::size_t> ring = position_of(group, kRingFactor);
  if (!ring) return;
  const std::vector<std::string>& rings = group.factors[*ring].levels;
  const bool numbers = std::all_of(rings.begin(), rings.end(), [](const std::string& level) {
    return whole_number(level).value_or(0) > 0;
  });
  if (!numbers || rings.size() < 2) return;

  std::vector<std::size_t> cells;
  bool missed_measured = false;
  bool any_measured = false;
  for (std::size_t c = 0; c < group.cells.size(); ++c) {
    if (group.cells[c].levels[*ring].empty() || group.cells[c].state == CellState::not_run)
      continue;
    cells.push_back(c);
    any_measured = any_measured || group.cells[c].state == CellState::measured;
    if (group.cells[c].summary->metrics.count("rx_missed_ratio") > 0) missed_measured = true;
  }
  if (!any_measured) return;
  group.ring_metric = missed_measured ? "rx_missed_ratio" : "loss_ratio";

  std::vector<std::size_t> layout;
  std::vector<std::size_t> others;
  for (std::size_t f = 0; f < group.factors.size(); ++f) {
    if (f == *ring) continue;
    (is_layout(group.factors[f].factor) ? layout : others).push_back(f);
  }
  std::vector<std::size_t> panel_factors = others.empty() ? std::vector<std::size_t>{} : layout;
  std::vector<std::size_t> series_factors = others.empty() ? layout : others;
  while (!series_factors.empty() && combinations(group, cells, series_factors) > kMostSeries) {
    panel_factors.push_back(series_factors.front());
    series_factors.erase(series_factors.begin());
  }
  group.ring_panels = panels_of(group, cells, panel_factors, series_factors);
  for (Panel& panel : group.ring_panels) {
    for (Series& series : panel.series) sort_by_level(group, *ring, series.cells);
  }

  if (layout.empty()) return;
  for (const Panel& panel : panels_of(group, cells, others, layout)) {
    HeatPanel heat{panel.title, {}, rings, {}};
    for (const Series& series : panel.series) {
      heat.rows.push_back(series.label);
      std::vector<std::optional<std::size_t>> row(rings.size());
      for (const std::size_t c : series.cells) {
        const auto column = std::find(rings.begin(), rings.end(), group.cells[c].levels[*ring]);
        row[static_cast<std::size_t>(column - rings.begin())] = c;
      }
      heat.cells.push_back(std::move(row));
    }
    group.heat_panels.push_back(std::move(heat));
  }
}

void arrange_curves(ShownGroup& group) {
  std::vector<std::size_t> cells;
  for (std::size_t c = 0; c < group.cells.size(); ++c) {
    if (group.cells[c].curve) cells.push_back(c);
  }
  if (cells.empty()) return;
  std::vector<std::size_t> panel_factors;
  std::vector<std::size_t> series_factors;
  // Ring sizes are compared within a panel; without them whatever varies last.
  std::size_t compared = position_of(group, kRingFactor).value_or(group.factors.size());
  if (compared == group.factors.size() && !group.factors.empty()) {
    compared = group.factors.size() - 1;
  }
  for (std::size_t f = 0; f < group.factors.size(); ++f) {
    (f == compared ? series_factors : panel_factors).push_back(f);
  }
  if (combinations(group, cells, panel_factors) * combinations(group, cells, series_factors) <=
      kMostSeries) {
    series_factors.insert(series_factors.begin(), panel_factors.begin(), panel_factors.end());
    panel_factors.clear();
  }
  group.curve_panels = panels_of(group, cells, panel_factors, series_factors);
  if (compared >= group.factors.size()) return;
  // Panels keep at most kMostSeries lines each; more levels than that open a further panel.
  std::vector<Panel> split;
  for (Panel& panel : group.curve_panels) {
    std::vector<std::size_t> ordered;
    for (const Series& series : panel.series) ordered.push_back(series.cells.front());
    sort_by_level(group, compared, ordered);
    std::vector<Series> sorted;
    for (const std::size_t c : ordered) {
      const auto series = std::find_if(panel.series.begin(), panel.series.end(),
                                       [&](const Series& s) { return s.cells.front() == c; });
      sorted.push_back(*series);
    }
    for (std::size_t from = 0; from < sorted.size(); from += kMostSeries) {
      Panel part{panel.title, {}};
      for (std::size_t s = from; s < std::min(sorted.size(), from + kMostSeries); ++s) {
        part.series.push_back(sorted[s]);
      }
      split.push_back(std::move(part));
    }
  }
  group.curve_panels = std::move(split);
}

void sum_books(ShownGroup& group) {
  for (const ShownCell& cell : group.cells) {
    if (cell.state != CellState::measured) continue;
    const CellSummary& summary = *cell.summary;
    auto books = std::find_if(group.books.begin(), group.books.end(),
                              [&](const ShownBooks& known) { return known.path == summary.path; });
    if (books == group.books.end()) {
      books = group.books.insert(group.books.end(), ShownBooks{});
      books->path = summary.path;
    }
    if (summary.closed_loop) add_closed_loop(books->closed_loop, *summary.closed_loop);
    add_drops(books->drops, summary.drops);
    books->ledger.set_offered(books->ledger.offered_pkts() + summary.ledger.offered_pkts());
    for (const Fate fate : all_fates()) {
      const std::optional<std::int64_t> pkts = summary.ledger.pkts(fate);
      if (!pkts) continue;
      books->ledger.add(fate, *pkts);
      books->counting_cells[fate] += 1;
    }
    books->cells += 1;
    books->trials += summary.valid;
  }
}

std::string frames_text(const std::vector<int>& frame_bytes) {
  std::vector<int> sizes = frame_bytes;
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return fmt::format("{} B", numbers_text(sizes, "/"));
}

std::string arrivals_text(const Arrivals& arrivals) {
  if (arrivals.kind == ArrivalKind::burst)
    return fmt::format("bursts of {}", arrivals.burst_frames);
  if (arrivals.kind == ArrivalKind::on_off)
    return fmt::format("on {} off {}", whole_duration_text(arrivals.on_ns),
                       whole_duration_text(arrivals.off_ns));
  return std::string(name_of(arrivals.kind));
}

std::string stalls_text(const StallOrder& stalls) {
  if (stalls.kind == StallKind::none) return "no stalls";
  if (stalls.kind == StallKind::trace) return "stalls from a trace";
  return fmt::format("stalls {} {} for {}", stalls.kind == StallKind::poisson ? "poisson" : "every",
                     whole_duration_text(stalls.every_ns), whole_duration_text(stalls.for_ns));
}

std::string replayed_text(const CaptureAccount& capture) {
  std::string text = fmt::format("{} captured frames", capture.replayed_pkts);
  if (capture.filtered_pkts > 0) text += fmt::format(", {} filtered out", capture.filtered_pkts);
  if (capture.padded_pkts > 0) text += fmt::format(", {} padded", capture.padded_pkts);
  if (capture.rewritten_pkts > 0) text += fmt::format(", {} rewritten", capture.rewritten_pkts);
  return text;
}

std::string intended_text(const TrafficOrder& traffic) {
  const bool said_in_pps = traffic.load.unit == LoadUnit::pps;
  const char* each_way = traffic.direction == Direction::both ? " each way" : "";
  if (traffic.intended_pps <= 0.0 || said_in_pps) return traffic.load.text() + each_way;
  return fmt::format("{} ({}){}", traffic.load.text(), si(traffic.intended_pps, "pps"), each_way);
}

// "64 bytes", "64 there, 1024 back".
std::string messages_text(const TrialOrder& order) {
  const ClosedLoopOrder& loop = order.closed_loop;
  if (order.path == Path::tcp_stream || loop.message_bytes == response_bytes_of(loop))
    return bytes_text(loop.message_bytes);
  return fmt::format("{} there, {} back", bytes_text(loop.message_bytes),
                     bytes_text(response_bytes_of(loop)));
}

void draw_closed_loop(ShownGroup& group, const std::vector<const TrialResult*>& trials) {
  std::vector<std::string> ports, paths, messages, streams, controls;
  for (const TrialResult* trial : trials) {
    const TrialOrder& order = trial->order;
    add_once(ports, order.generator_port);
    add_once(paths, std::string(name_of(order.path)));
    add_once(messages, messages_text(order));
    add_once(streams, fmt::format("{}", order.closed_loop.streams));
    if (trial->closed_loop && trial->closed_loop->tcp)
      add_once(controls, trial->closed_loop->tcp->congestion_control);
  }
  Station client{"client", {listed(paths), listed(messages, "messages of ")}};
  client.facts.push_back(
      listed(streams, "", streams == std::vector<std::string>{"1"} ? " stream" : " streams"));
  if (!controls.empty()) client.facts.push_back(listed(controls, "congestion control "));
  Station link{"link", {listed(ports, "port ")}};
  if (ports == std::vector<std::string>{"veth"}) link.facts.push_back("veth pair");
  group.setup = {client, link, {"server", {"kernel sockets"}}};
}

void draw_setup(ShownGroup& group, const std::vector<const TrialResult*>& trials) {
  if (trials.empty()) return;
  if (std::all_of(group.paths.begin(), group.paths.end(), is_closed_loop))
    return draw_closed_loop(group, trials);
  std::vector<std::string> ports, kinds, frames, flows, captures, arrivals, loads, links, stalls,
      dma, clocks, receiver_ports, queues, rings, retas, fields, offloads, buffers, bursts, workers,
      sw_rings, cpus, stages, paths;
  for (const TrialResult* trial : trials) {
    const TrialOrder& order = trial->order;
    const bool model = order.path == Path::model;
    add_once(paths, std::string(name_of(order.path)));
    add_once(ports, order.generator_port);
    add_once(receiver_ports, order.receiver_port);
    add_once(kinds, std::string(name_of(order.traffic.kind)));
    if (order.traffic.kind != TrafficKind::replay) {
      add_once(frames, order.traffic.frame.empty() ? frames_text(order.traffic.frame_bytes)
                                                   : order.traffic.frame);
      add_once(flows, fmt::format("{}", order.traffic.flows));
    }
    if (trial->generator.capture) add_once(captures, replayed_text(*trial->generator.capture));
    add_once(arrivals, arrivals_text(order.traffic.arrivals));
    add_once(loads, intended_text(order.traffic));
    add_once(clocks, std::string(name_of(order.clock)));
    if (model) {
      add_once(links, fmt::format("{:g} Gbps", order.model.link_bps / 1e9));
      add_once(stalls, stalls_text(order.model.stalls));
      add_once(dma, std::string(name_of(order.model.dma)));
    }
    if (order.path == Path::udp_socket) {
      add_once(buffers, order.receiver.socket_buffer_bytes == 0
                            ? std::string("the host's default")
                            : bytes_text(order.receiver.socket_buffer_bytes));
    } else if (order.path == Path::packet_mmap) {
      add_once(buffers, fmt::format("{} blocks of {}", order.receiver.packet_blocks,
                                    bytes_text(order.receiver.packet_block_bytes)));
    } else if (order.path == Path::af_xdp) {
      add_once(buffers, fmt::format("fill ring of {}, RX ring of {}", order.receiver.xdp_fill_ring,
                                    order.receiver.xdp_rx_ring));
    } else if (order.path != Path::xdp_drop) {
      add_once(queues, fmt::format("{}", order.receiver.queues));
      add_once(rings, fmt::format("{}", order.receiver.rx_ring));
      if (order.receiver.queues > 1) {
        add_once(retas, order.receiver.reta_weights.empty()
                            ? std::string("equal")
                            : numbers_text(order.receiver.reta_weights, ":"));
        add_once(fields, join(order.receiver.rss_fields, "+"));
      }
      add_once(offloads, order.receiver.rx_offloads.empty()
                             ? std::string("none")
                             : join(order.receiver.rx_offloads, "+"));
      add_once(bursts, fmt::format("{}", order.receiver.burst));
      group.most_queues = std::max(group.most_queues, order.receiver.queues);
    }
    if (receiving_sockets(order) > 1) {
      add_once(queues, fmt::format("{}", order.receiver.queues));
      group.most_queues = std::max(group.most_queues, order.receiver.queues);
    }
    if (order.receiver.workers > 0) {
      add_once(workers, fmt::format("{}", order.receiver.workers));
      add_once(sw_rings, fmt::format("{}", order.receiver.ring));
    }
    if (!order.receiver_lcores.empty() && !model) {
      add_once(cpus, numbers_text(order.receiver_lcores, " "));
    }
    add_once(stages, std::string(name_of(order.receiver.stage)));
  }

  Station generator{"generator", {listed(ports, "port "), listed(kinds)}};
  if (!frames.empty()) generator.facts.back() += fmt::format(" {}", listed(frames));
  if (!captures.empty()) generator.facts.push_back(listed(captures));
  if (!flows.empty()) generator.facts.push_back(listed(flows, "", " flows"));
  generator.facts.push_back(listed(arrivals, "", " arrivals"));
  generator.facts.push_back(listed(loads, "load "));

  Station link{"link", {}};
  if (!links.empty()) {
    link.facts = {listed(links, "modelled ")};
    link.facts.push_back(listed(stalls));
    link.facts.push_back(listed(dma, "dma "));
  }
  if (ports == std::vector<std::string>{"veth"}) link.facts.push_back("veth pair");
  add_once(link.facts, listed(clocks, "", " clock"));

  Station queue{buffers.empty() ? "queues" : "receive side", {listed(receiver_ports, "port ")}};
  if (paths.size() > 1 || !buffers.empty()) queue.facts.push_back(listed(paths));
  if (!queues.empty()) {
    queue.facts.push_back(
        listed(queues, "", queues == std::vector<std::string>{"1"} ? " queue" : " queues"));
    queue.facts.push_back(listed(rings, "", " descriptors"));
    if (!retas.empty()) {
      queue.facts.push_back(listed(retas, "reta "));
      queue.facts.push_back(listed(fields, "rss "));
    }
    queue.facts.push_back(listed(offloads, "offloads "));
  }
  if (!buffers.empty()) queue.facts.push_back(listed(buffers, "socket buffer "));

  Station lcores{buffers.empty() ? "rx lcores" : "receivers", {}};
  if (!bursts.empty()) lcores.facts.push_back(listed(bursts, "bursts of "));
  if (!cpus.empty()) lcores.facts.push_back(listed(cpus, "CPU "));
  if (!workers.empty()) {
    lcores.facts.push_back(listed(sw_rings, "software ring "));
    lcores.facts.push_back(listed(workers, "", " workers"));
  }
  Station stage{"stage", {listed(stages)}};
  group.setup = {generator, link, queue, lcores, stage};
}

void collect_knobs(View& view, const ShownGroup& group) {
  for (const ShownCell& cell : group.cells) {
    if (cell.state != CellState::measured) continue;
    for (const auto& [name, knob] : cell.summary->knobs) {
      // A setting that never varies carries no verdict, so it needs no evidence; a setting that was
      // not taken over is shown wherever it occurs.
      const bool varies = position_of(group, name).has_value();
      const bool differs = knob.state == KnobState::differs;
      if (!differs && (!varies || knob.exercised)) continue;
      auto known = std::find_if(view.not_exercised.begin(), view.not_exercised.end(),
                                [&, &name = name, &knob = knob](const UnexercisedLevel& level) {
                                  return level.group == group.name && level.factor == name &&
                                         level.requested == knob.requested &&
                                         level.effective == knob.effective &&
                                         level.state == knob.state;
                                });
      if (known == view.not_exercised.end()) {
        known = view.not_exercised.insert(
            view.not_exercised.end(),
            {group.name, name, knob.requested, knob.effective, knob.state, knob.evidence, 0});
      }
      known->cells += 1;
    }
  }
}

void collect_unchecked(View& view, const ShownGroup& group) {
  for (const ShownCell& cell : group.cells) {
    for (const std::string& what : cell.summary->not_checked) {
      auto known = std::find_if(
          view.not_checked.begin(), view.not_checked.end(),
          [&](const UncheckedFact& fact) { return fact.group == group.name && fact.what == what; });
      if (known == view.not_checked.end()) {
        known = view.not_checked.insert(view.not_checked.end(), {group.name, what, 0});
      }
      known->cells += 1;
    }
  }
}

void collect_captures(View& view, const ShownGroup& group, const TrialResult& trial) {
  for (const TapAccount& capture : trial.captures) {
    auto known = std::find_if(view.captures.begin(), view.captures.end(), [&](const auto& shown) {
      return shown.group == group.name && shown.at == capture.at;
    });
    if (known == view.captures.end()) {
      ShownCapture shown;
      shown.group = group.name;
      shown.at = capture.at;
      known = view.captures.insert(view.captures.end(), shown);
    }
    ++known->trials;
    if (!capture.file.empty()) {
      ++known->files;
      known->written_pkts += capture.written_pkts;
    }
    known->not_captured_pkts += capture.not_captured_pkts;
    known->beyond_limit_pkts += capture.beyond_limit_pkts;
    const bool waits = trial.order.capture.trigger != CaptureTrigger::none;
    if (waits && capture.triggered_by.empty()) ++known->untriggered;
    if (!capture.shares_cpu_with.empty()) known->shares_cpu_with = capture.shares_cpu_with;
  }
}

std::string label_of(const ShownGroup& group, const TrialResult& trial) {
  for (const ShownCell& cell : group.cells) {
    if (cell.summary->cell == trial.order.cell && cell.summary->path == trial.order.path) {
      return cell.label;
    }
  }
  std::vector<std::string> parts;
  for (const auto& [factor, level] : trial.order.cell) {
    parts.push_back(fmt::format("{}={}", factor, level));
  }
  return join(parts, " ");
}

// As in judge: of a baseline over several groups, each group has some factors only.
bool has_baseline_levels(const std::map<std::string, std::string>& baseline,
                         const std::map<std::string, std::string>& cell) {
  bool any = false;
  for (const auto& [factor, level] : baseline) {
    const auto own = cell.find(factor);
    if (own == cell.end()) continue;
    if (own->second != level) return false;
    any = true;
  }
  return any;
}

CellState state_of(const CellSummary& cell) {
  if (cell.valid > 0) return CellState::measured;
  return cell.trials == 0 ? CellState::not_run : CellState::no_valid_trial;
}

}  // namespace

std::string_view name_of(CellState state) {
  switch (state) {
    case CellState::measured:
      return "measured";
    case CellState::not_run:
      return "not_run";
    case CellState::no_valid_trial:
      return "no_valid_trial";
  }
  PM_CHECK(false);
}

std::optional<LatencyCurve> latency_curve(const LatencyHistogram& histogram, std::string kind) {
  // Share of the samples above the point, per decade: literals, so that every machine prints the
  // same points.
  static constexpr double kAbove[] = {1.0, 0.8, 0.65, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.125};
  static constexpr double kDecades[] = {1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001, 0.000001};
  const auto samples = static_cast<double>(histogram.count());
  if (histogram.count() < kSamplesAbove) return std::nullopt;
  LatencyCurve curve{
      std::move(kind), histogram.count(), histogram.out_of_range(), histogram.max(), {}, 0.0};
  for (const double decade : kDecades) {
    for (const double step : kAbove) {
      const double above = decade * step;
      if (samples * above < static_cast<double>(kSamplesAbove)) return curve;
      const double percent = 100.0 * (1.0 - above);
      const std::optional<std::int64_t> ns = histogram.percentile(percent);
      if (!ns) return curve;
      curve.points.push_back({percent, *ns});
      curve.cut_percent = percent;
    }
  }
  return curve;
}

std::string capture_text(const ShownCapture& capture) {
  const auto counted = [](std::int64_t pkts) {
    return pkts == 0 ? std::string("none") : grouped(pkts);
  };
  std::string text = fmt::format(
      "{}: at the {}: {} with {} frames; {} beyond the limit, {} not captured", capture.group,
      name_of(capture.at), plural(capture.files, "file"), grouped(capture.written_pkts),
      counted(capture.beyond_limit_pkts), counted(capture.not_captured_pkts));
  if (capture.untriggered > 0)
    text += fmt::format("; no loss, and so no file, in {}", plural(capture.untriggered, "trial"));
  if (!capture.shares_cpu_with.empty())
    text += fmt::format("; its thread shared a CPU with the {}", capture.shares_cpu_with);
  return text;
}

std::optional<Estimate> estimate_of(const CellSummary& cell, const std::string& metric) {
  const auto found = cell.metrics.find(metric);
  if (found == cell.metrics.end()) return std::nullopt;
  return found->second;
}

View view_of(const ReportInput& input) {
  View view;
  view.input = &input;
  view.all_model = !input.summary.cells.empty();
  for (std::size_t i = 0; i < input.summary.cells.size(); ++i) {
    const CellSummary& summary = input.summary.cells[i];
    auto group = std::find_if(view.groups.begin(), view.groups.end(),
                              [&](const ShownGroup& known) { return known.name == summary.group; });
    if (group == view.groups.end()) {
      group = view.groups.insert(view.groups.end(), ShownGroup{});
      group->name = summary.group;
    }
    ShownCell cell;
    cell.index = i;
    cell.summary = &summary;
    cell.state = state_of(summary);
    if (cell.state == CellState::measured && summary.latency_ns) {
      cell.curve = latency_curve(*summary.latency_ns, summary.latency_kind);
    }
    view.cells_measured += cell.state == CellState::measured ? 1 : 0;
    view.cells_not_run += cell.state == CellState::not_run ? 1 : 0;
    view.cells_no_valid_trial += cell.state == CellState::no_valid_trial ? 1 : 0;
    view.unaccounted_pkts += summary.ledger.unaccounted_pkts();
    view.offered_pkts += summary.ledger.offered_pkts();
    for (const auto& [code, times] : summary.invalid_reasons) view.invalid_reasons[code] += times;
    cell.baseline = has_baseline_levels(input.baseline, summary.cell);
    group->cells.push_back(std::move(cell));
    if (std::find(group->paths.begin(), group->paths.end(), summary.path) == group->paths.end()) {
      group->paths.push_back(summary.path);
    }
    group->model = group->model || summary.path == Path::model;
    view.any_model = view.any_model || summary.path == Path::model;
    view.all_model = view.all_model && summary.path == Path::model;
  }
  for (ShownGroup& group : view.groups) {
    find_factors(group);
    sum_books(group);
    arrange_rings(group);
    arrange_curves(group);
    std::vector<const TrialResult*> trials;
    if (input.trials != nullptr) {
      for (const TrialResult& trial : *input.trials) {
        if (!is_of_a_cell(trial) || trial.order.group != group.name) continue;
        trials.push_back(&trial);
        if (refusal_of(trial)) continue;
        collect_captures(view, group, trial);
        if (!trial.valid) {
          view.invalid.push_back({trial.order.trial, group.name, label_of(group, trial),
                                  trial.order.block, trial.order.attempt, trial.invalid_reasons});
        } else if (const auto floor = trial.latency_ns.floor_p50_ns) {
          if (group.floor_p50_ns.empty()) group.floor_p50_ns = {*floor, *floor};
          group.floor_p50_ns[0] = std::min(group.floor_p50_ns[0], *floor);
          group.floor_p50_ns[1] = std::max(group.floor_p50_ns[1], *floor);
        }
      }
    }
    // Trials ran in random order; the set-up lists levels in the order of the plan.
    std::map<std::map<std::string, std::string>, std::size_t> place;
    for (std::size_t c = 0; c < group.cells.size(); ++c) {
      place.emplace(group.cells[c].summary->cell, c);
    }
    std::stable_sort(trials.begin(), trials.end(), [&](const TrialResult* a, const TrialResult* b) {
      const auto of = [&](const TrialResult* trial) {
        const auto found = place.find(trial->order.cell);
        return found == place.end() ? place.size() : found->second;
      };
      return of(a) < of(b);
    });
    draw_setup(group, trials);
    bool kernel = false;
    bool dpdk = false;
    for (const ShownCell& cell : group.cells) {
      if (cell.state != CellState::measured) continue;
      kernel = kernel || is_open_kernel_path(cell.summary->path);
      dpdk = dpdk || cell.summary->path == Path::dpdk;
    }
    group.compares_kernel = kernel && dpdk;
    collect_knobs(view, group);
    collect_unchecked(view, group);
  }
  return view;
}

}  // namespace pollmark
