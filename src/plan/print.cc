#include "plan/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "plan/factors.h"
#include "plan/keys.h"

namespace pollmark {

namespace {

using Out = std::back_insert_iterator<std::string>;

std::string number(std::size_t value) { return grouped(static_cast<std::int64_t>(value)); }

std::string counted(std::size_t value, std::string_view noun) {
  const std::string_view end = value == 1 ? "" : noun.ends_with("ch") ? "es" : "s";
  return fmt::format("{} {}{}", number(value), noun, end);
}

// Breaks text at spaces so that no line passes `width`; later lines begin with `indent` spaces.
std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
  std::string out;
  std::size_t column = indent;
  for (const std::string& word : split(text, ' ')) {
    if (column > indent && column + 1 + word.size() > width) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

std::string path_names(const std::vector<Path>& paths) {
  std::vector<std::string> names;
  names.reserve(paths.size());
  for (const Path path : paths) names.emplace_back(name_of(path));
  return join(names, ", ");
}

// The load as asked, and in packets per second where that is another thing.
std::string offered(const TrialOrder& order) {
  const Load& load = order.traffic.load;
  const char* each_way = direction_count(order) > 1 ? " each way" : "";
  if (load.unit == LoadUnit::pps || load.unit == LoadUnit::max) return load.text() + each_way;
  return fmt::format("{} = {}{}", load.text(), si(order.traffic.intended_pps, "pps"), each_way);
}

bool is_swept(const Group& group, std::string_view factor) {
  return std::any_of(group.factors.begin(), group.factors.end(), [&](const FactorLevels& column) {
    return std::any_of(column.sets.front().begin(), column.sets.front().end(),
                       [&](const auto& set) { return set.first == factor; });
  });
}

std::string capture_text(const TapOrder& capture) {
  std::vector<std::string> places;
  for (const CaptureAt at : capture.at) places.emplace_back(name_of(at));
  std::string text =
      fmt::format("at the {}, {} bytes of each frame, up to {} a file", join(places, " and the "),
                  capture.snaplen_bytes, bytes_text(capture.limit_bytes));
  if (!capture.filter.empty()) text += fmt::format(", filter \"{}\"", capture.filter);
  if (capture.trigger != CaptureTrigger::none)
    text += fmt::format(", from the {}", name_of(capture.trigger));
  return text;
}

void print_group(const Plan& plan, const Group& group, Out out) {
  std::size_t cells = 0;
  std::size_t refused = 0;
  const Cell* first = nullptr;
  std::vector<Path> paths;
  for (const Cell& cell : plan.cells) {
    if (cell.order.group != group.name) continue;
    ++cells;
    if (cell.refused) ++refused;
    if (!first) first = &cell;
    if (std::find(paths.begin(), paths.end(), cell.order.path) == paths.end()) {
      paths.push_back(cell.order.path);
    }
  }
  fmt::format_to(out, "group {}: {}", group.name, counted(cells, "cell"));
  if (refused > 0) fmt::format_to(out, ", {} refused", number(refused));
  if (group.design == Design::one_at_a_time) fmt::format_to(out, ", one at a time");
  fmt::format_to(out, ", path {}", path_names(paths));
  if (!first) return;
  const TrialOrder& order = first->order;
  if (order.path == Path::model) fmt::format_to(out, " (a model, not a NIC)");
  fmt::format_to(out, "\n");
  for (const FactorLevels& column : group.factors) {
    fmt::format_to(out, "  {:<12} {}\n", column.factor,
                   wrapped(join(column.levels, " | "), 100, 15));
  }
  std::vector<std::string> once;
  for (const FactorFacts& factor : all_factors()) {
    const bool acts =
        std::any_of(paths.begin(), paths.end(), [&](Path path) { return acts_on(factor, path); });
    const bool of_capture =
        order.traffic.kind == TrafficKind::replay &&
        (factor.name == "frame" || factor.name == "flows" || factor.name == "popularity");
    const bool searched = plan.experiment.search && factor.name == "load";
    const bool without_patterns =
        factor.name == "hit_ratio" && order.receiver.stage != StageKind::hyperscan;
    // Of the many knobs of the kernel only those that somebody asked for.
    const bool left_alone =
        factor.table == "kernel" && level_of(factor.name, group.base) == factor.default_level;
    if (!acts || of_capture || searched || without_patterns || left_alone ||
        factor.name == "path" || is_swept(group, factor.name)) {
      continue;
    }
    const bool plain =
        factor.name == "load" && !is_swept(group, "frame") && !is_swept(group, "link");
    once.push_back(fmt::format("{}={}", factor.name,
                               plain ? offered(order) : level_of(factor.name, group.base)));
  }
  if (order.traffic.kind == TrafficKind::replay) {
    once.push_back("pcap=" + std::filesystem::path(order.traffic.pcap).filename().string());
  }
  fmt::format_to(out, "  {:<12} {}\n", "set once", wrapped(join(once, ", "), 100, 15));
  if (!order.capture.at.empty()) {
    fmt::format_to(out, "  {:<12} {}\n", "capture", wrapped(capture_text(order.capture), 100, 15));
  }
  if (plan.experiment.search) {
    const std::string highest =
        order.traffic.load.unit == LoadUnit::max ? "what the generator reaches" : offered(order);
    fmt::format_to(out, "  {:<12} up to {}, {} clock, {} validity\n\n", "search", highest,
                   name_of(order.clock), name_of(order.validity));
    return;
  }
  const std::string length = group.packets > 0 ? fmt::format("{} packets", grouped(group.packets))
                                               : fmt::format("{} s", group.base.seconds);
  fmt::format_to(out, "  {:<12} {} after {} s of warm-up, {} clock, {} validity\n\n", "trial",
                 length, group.base.warmup_seconds, name_of(order.clock), name_of(order.validity));
}

void print_search(const SearchPlan& search, Out out) {
  fmt::format_to(out, "searched for, in every cell and block\n");
  for (const SearchGoal& goal : search.goals) {
    fmt::format_to(out, "  {:<12} {}\n", goal.name, wrapped(attributes_text(goal), 100, 15));
  }
  const SearchCost cost = expected_cost(search.goals);
  fmt::format_to(out, "  {:<12} about {} trials, {} of traffic on a steady device\n", "cost",
                 cost.trials, duration_text(cost.seconds * 1e9));
  if (!search.latency_at.empty()) {
    std::vector<std::string> percents;
    for (const double percent : search.latency_at) percents.push_back(fmt::format("{:g}", percent));
    fmt::format_to(out, "  {:<12} at {} % of the least PDR of a group, after a block's searches\n",
                   "latency", join(percents, ", "));
  }
  fmt::format_to(out, "\n");
}

void print_rfc2544(const Plan& plan, Out out) {
  const Rfc2544Order& tests = *plan.experiment.rfc2544;
  const std::vector<std::string> shortfalls = rfc2544_shortfalls(tests);
  if (shortfalls.empty()) {
    fmt::format_to(out, "tests of RFC 2544, behind each search\n");
  } else {
    fmt::format_to(out, "tests after RFC 2544, shortened, behind each search\n");
    fmt::format_to(out, "  {:<15} {}\n", "shortened", wrapped(join(shortfalls, ", "), 100, 18));
  }
  const auto first = std::find_if(plan.cells.begin(), plan.cells.end(),
                                  [](const Cell& cell) { return !cell.refused; });
  PM_CHECK(first != plan.cells.end());
  for (const Rfc2544Cost& cost :
       expected_costs(tests, first->order.traffic.intended_pps, first->order.warmup_seconds)) {
    fmt::format_to(out, "  {:<15} {}, {} of traffic\n", name_of(cost.test),
                   counted(static_cast<std::size_t>(cost.trials), "trial"),
                   duration_text(cost.seconds * 1e9));
  }
  if (tests.has(Rfc2544Test::reset))
    fmt::format_to(out, "  {:<15} not applicable: no port here can be restarted\n",
                   name_of(Rfc2544Test::reset));
  fmt::format_to(out, "  as if cell {} carried half of its highest load\n\n", first->index + 1);
}

}  // namespace

std::string render_plan(const Plan& plan) {
  std::string text;
  const Out out = std::back_inserter(text);
  const Experiment& experiment = plan.experiment;
  fmt::format_to(out, "{}\n", experiment.name);
  if (!experiment.question.empty()) fmt::format_to(out, "{}\n", experiment.question);
  for (const std::string& assignment : experiment.overrides) {
    fmt::format_to(out, "--set {}\n", assignment);
  }
  fmt::format_to(out, "\n");
  for (const Group& group : experiment.groups) print_group(plan, group, out);
  if (experiment.search) print_search(*experiment.search, out);
  if (experiment.rfc2544) print_rfc2544(plan, out);
  const JudgeOrder& judge = experiment.judge;
  fmt::format_to(out, "judged by {}, from {} on", judge.metric, ratio_text(judge.matters));
  for (const auto& [factor, level] : judge.baseline) {
    fmt::format_to(out, "{} {}={}", factor == judge.baseline.begin()->first ? ", against" : ",",
                   factor, level);
  }
  fmt::format_to(out, "\n");
  if (!judge.choose.empty()) fmt::format_to(out, "to choose: {}\n", judge.choose);
  fmt::format_to(out, "\n");

  fmt::format_to(out, "cells\n");
  std::size_t refused = 0;
  for (const Cell& cell : plan.cells) {
    fmt::format_to(out, "{:>5}  {:<10} {}\n",
                   cell.refused ? "-" : fmt::format("{}", cell.index + 1), cell.order.group,
                   cell.label);
    if (cell.refused) ++refused;
  }
  if (refused > 0) {
    fmt::format_to(out, "\nrefused\n");
    for (const Cell& cell : plan.cells) {
      if (!cell.refused) continue;
      fmt::format_to(out, "       {:<10} {}\n                  {}\n", cell.order.group, cell.label,
                     *cell.refused);
    }
  }
  std::vector<std::string> first_block;
  for (const ScheduledTrial& trial : plan.schedule) {
    if (trial.block == 0) first_block.push_back(fmt::format("{}", trial.cell + 1));
  }
  fmt::format_to(out, "\norder of block 1 of {} (seed {}): {}\n", experiment.blocks,
                 experiment.seed, wrapped(join(first_block, " "), 100, 2));
  if (experiment.budget_ns > 0) {
    fmt::format_to(out, "{} blocks fit into the budget of {}\n", experiment.blocks,
                   duration_text(static_cast<double>(experiment.budget_ns)));
  }
  if (!plan.gate.empty()) {
    fmt::format_to(out, "first the A/A gate: {} in {}\n", counted(plan.gate.size(), "trial"),
                   counted(static_cast<std::size_t>(experiment.aa_blocks), "block"));
  }
  fmt::format_to(
      out, "\n{} in {} of {}, up to {} each: about {}\n",
      counted(plan.schedule.size(), experiment.rfc2544  ? "suite"
                                    : experiment.search ? "search"
                                                        : "trial"),
      counted(static_cast<std::size_t>(experiment.blocks), "block"),
      counted(plan.cells.size() - refused, "cell"),
      experiment.retries == 1 ? "1 retry" : fmt::format("{} retries", experiment.retries),
      duration_text(plan.expected_seconds * 1e9));
  return text;
}

std::string render_factors() {
  std::string text;
  const Out out = std::back_inserter(text);
  fmt::format_to(
      out,
      "Each may be set once in its table, or swept in [factors] as a list of levels; every "
      "combination\nis a cell. Several that move together: layout = [{{ queues = 1 }}, {{ "
      "queues = 4, reta = [4, 2, 1, 1] }}]\n");
  for (const FactorFacts& factor : all_factors()) {
    fmt::format_to(out, "\n{}  [{}]\n", factor.name, factor.table);
    fmt::format_to(out, "  {}\n", wrapped(factor.sentence, 100, 2));
    const auto line = [&](std::string_view name, std::string_view value) {
      if (!value.empty()) fmt::format_to(out, "  {:<9} {}\n", name, wrapped(value, 100, 12));
    };
    line("level", factor.syntax);
    line("allowed", factor.limits);
    line("default", factor.name == "path" ? "by the port" : factor.default_level);
    line("acts on", path_names(factor.paths));
    line("ethtool", factor.ethtool);
    line("testpmd", factor.testpmd);
  }
  return text;
}

std::string render_keys() {
  std::string text;
  const Out out = std::back_inserter(text);
  std::string table = "(none)";
  for (const KeyFacts& key : all_keys()) {
    if (key.not_yet) continue;
    if (key.table != table) {
      if (table != "(none)") fmt::format_to(out, "\n");
      if (!key.table.empty()) fmt::format_to(out, "[{}]\n", key.table);
      table = key.table;
    }
    fmt::format_to(out, "  {:<21} {}\n", key.key, wrapped(key.syntax, 100, 24));
    if (!key.sentence.empty()) {
      fmt::format_to(out, "  {:<21} {}\n", "", wrapped(key.sentence, 100, 24));
    }
  }
  fmt::format_to(
      out,
      "\n[factors]\n  FACTOR                a list of levels; `pollmark factors` names each\n"
      "  layout                a list of tables: several factors that move together\n"
      "\n[[group]]\n  name                  letters, digits, _ and -, up to 40\n"
      "  factors               another factorial in place of [factors]\n"
      "  generator receiver traffic model trial: values that differ from the tables above\n");
  return text;
}

}  // namespace pollmark
