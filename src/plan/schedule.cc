// Cells of a plan, the order of their trials, and how long they take.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "plan/experiment.h"
#include "plan/factors.h"
#include "plan/feasibility.h"

namespace pollmark {

namespace {

constexpr std::size_t kMostCells = 10'000;
constexpr std::size_t kMostTrials = 1'000'000;
constexpr double kMostTrialSeconds = 3600.0;
constexpr int kFewestBudgetBlocks = 6;

// Processor time of a frame in lockstep: built, delivered, polled, carried through its stage.
// Measured on a busy 2-core VM: 0.15 us with one queue, 0.42 us with four, 0.52 us with sixteen
// (256 B, checksum in software).
constexpr double kLockstepFrameSeconds = 0.3e-6;
// Process, ports and pools of a lockstep trial; measured there too.
constexpr double kLockstepSetUpSeconds = 0.1;
// Process, ports and namespaces of a trial on a wall clock, and its drain: 0.3 to 0.4 s there.
constexpr double kWallSetUpSeconds = 0.5;

// SplitMix64 (Steele, Lea, Flood 2014): a bijection with full avalanche.
std::uint64_t mixed(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9U;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebU;
  return value ^ (value >> 31);
}

// What is drawn from a seed; keeps the streams apart.
enum class Draw : std::uint64_t { order = 1, traffic = 2, gate = 3, search = 4 };

std::uint64_t seed_of(std::uint64_t experiment_seed, int block, Draw draw) {
  return mixed(mixed(experiment_seed) ^
               mixed(static_cast<std::uint64_t>(block) * 4 + static_cast<std::uint64_t>(draw)));
}

class Shuffler {
 public:
  explicit Shuffler(std::uint64_t seed) : state_(seed) {}

  // Fisher-Yates, the same on every machine and library.
  template <typename T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  // Uniform in [0, bound) without bias.
  std::size_t below(std::size_t bound) {
    const std::uint64_t reject_above = UINT64_MAX - UINT64_MAX % bound;
    for (;;) {
      state_ += 0x9e3779b97f4a7c15U;
      const std::uint64_t draw = mixed(state_);
      if (draw < reject_above) return static_cast<std::size_t>(draw % bound);
    }
  }
  std::uint64_t state_;
};

std::size_t count_cells(const Group& group) {
  std::size_t cells = 1;
  for (const FactorLevels& column : group.factors) {
    if (column.sets.empty()) return 0;
    if (cells > kMostCells) return cells;
    if (group.design == Design::one_at_a_time) {
      cells += column.sets.size() - 1;
    } else {
      cells *= column.sets.size();
    }
  }
  return cells;
}

// The first of the column's levels that the baseline names; where it names none, the first.
std::size_t baseline_level(const FactorLevels& column,
                           const std::map<std::string, std::string>& baseline) {
  for (std::size_t level = 0; level < column.sets.size(); ++level) {
    const bool is_it =
        std::all_of(column.sets[level].begin(), column.sets[level].end(), [&](const auto& set) {
          const auto named = baseline.find(set.first);
          return named == baseline.end() || named->second == set.second;
        });
    if (is_it) return level;
  }
  return 0;
}

// A level of every column for each cell of the group; count_cells(group) of them.
std::vector<std::vector<std::size_t>> choices_of(
    const Group& group, const std::map<std::string, std::string>& baseline) {
  std::vector<std::vector<std::size_t>> choices;
  std::vector<std::size_t> choice(group.factors.size(), 0);
  if (group.design == Design::one_at_a_time) {
    for (std::size_t column = 0; column < choice.size(); ++column)
      choice[column] = baseline_level(group.factors[column], baseline);
    choices.push_back(choice);
    for (std::size_t column = 0; column < choice.size(); ++column) {
      for (std::size_t level = 0; level < group.factors[column].sets.size(); ++level) {
        if (level == choice[column]) continue;
        choices.push_back(choice);
        choices.back()[column] = level;
      }
    }
    return choices;
  }
  for (std::size_t n = count_cells(group); n > 0; --n) {
    choices.push_back(choice);
    // The last factor turns fastest.
    for (std::size_t column = choice.size(); column-- > 0;) {
      if (++choice[column] < group.factors[column].sets.size()) break;
      choice[column] = 0;
    }
  }
  return choices;
}

// The range of a search's loads; the highest is the cell's load.
void put_loads(const SearchPlan& search, Cell& cell) {
  TrialOrder& order = cell.order;
  if (is_closed_loop(order.path)) {
    cell.refused = fmt::format(
        "a search on path {}: a closed loop finds its load by itself; allowed without [search] and "
        "[rfc2544]",
        name_of(order.path));
    return;
  }
  if (search.max_load) {
    order.traffic.load = *search.max_load;
  } else {
    order.traffic.load = order.path == Path::model ? Load{} : Load{LoadUnit::max, 0.0};
  }
  cell.refused = refusal(order);
  if (cell.refused) return;
  const double max_pps = *intended_pps(order);
  TrialOrder least = order;
  if (search.min_load) least.traffic.load = *search.min_load;
  const Result<double> min_pps = search.min_load ? intended_pps(least) : max_pps / 1000.0;
  if (!min_pps) {
    cell.refused = min_pps.error().what;
    return;
  }
  cell.min_load_pps = *min_pps;
  if (max_pps > 0.0 && cell.min_load_pps >= max_pps) {
    cell.refused = fmt::format("min_load {} is not below max_load {}", si(*min_pps, "pps"),
                               si(max_pps, "pps"));
  }
}

constexpr std::int64_t kStreamMessageBytes = 131'072;
constexpr std::int64_t kRequestBytes = 64;

// A closed loop offers no load: whatever the file says of one is for other groups.
void close_the_loop(TrialOrder& order) {
  order.traffic = TrafficOrder{};
  order.traffic.load = Load{LoadUnit::max, 0.0};
  ClosedLoopOrder& loop = order.closed_loop;
  if (loop.message_bytes == 0)
    loop.message_bytes = order.path == Path::tcp_stream ? kStreamMessageBytes : kRequestBytes;
  if (loop.response_bytes == 0) loop.response_bytes = loop.message_bytes;
}

Cell make_cell(const Group& group, const std::vector<std::size_t>& choice,
               const std::optional<SearchPlan>& search) {
  Cell cell;
  TrialOrder& order = cell.order;
  order = group.base;
  order.group = group.name;
  std::vector<std::string> label;
  for (std::size_t column = 0; column < group.factors.size(); ++column) {
    for (const auto& [factor, level] : group.factors[column].sets[choice[column]]) {
      PM_CHECK(apply_level(factor, level, order));
      order.cell[factor] = level;
      label.push_back(fmt::format("{}={}", factor, level));
    }
  }
  cell.label = label.empty() ? "(no factor)" : join(label, " ");
  if (order.path != Path::model) order.clock = ClockKind::wall;
  if (is_closed_loop(order.path)) close_the_loop(order);
  if (search) {
    put_loads(*search, cell);
  } else {
    cell.refused = refusal(order);
  }
  if (cell.refused) return cell;
  order.traffic.intended_pps = *intended_pps(order);
  if (group.packets > 0) {
    if (order.traffic.intended_pps == 0.0) {
      cell.refused = is_closed_loop(order.path)
                         ? fmt::format("packets on path {}; allowed: seconds", name_of(order.path))
                     : order.traffic.load.unit == LoadUnit::max
                         ? "packets with load \"max\"; allowed: seconds"
                         : "packets with the recorded timing; allowed: seconds, loops";
      return cell;
    }
    order.seconds = static_cast<double>(group.packets) / order.traffic.intended_pps;
    if (order.seconds > kMostTrialSeconds) {
      cell.refused =
          fmt::format("{} packets take {:.0f} s at {}; allowed: up to {:.0f} s", group.packets,
                      order.seconds, si(order.traffic.intended_pps, "pps"), kMostTrialSeconds);
    }
  } else if (const double frames = order.traffic.intended_pps * order.seconds;
             frames > 0.0 && frames < 1.0) {
    cell.refused = fmt::format("{} is {:.2g} frames in {} s; allowed: at least one frame a trial",
                               si(order.traffic.intended_pps, "pps"), frames, order.seconds);
  }
  return cell;
}

double expected_seconds_of(const TrialOrder& order) {
  const double window = order.seconds + order.warmup_seconds;
  if (order.clock == ClockKind::wall) return window + kWallSetUpSeconds;
  // One way is simulated after the other.
  return direction_count(order) *
         (kLockstepSetUpSeconds + window * order.traffic.intended_pps * kLockstepFrameSeconds);
}

// A search's loads gather around what the device carries, which is not known: half of the highest
// load is taken for it.
double expected_seconds_of(const TrialOrder& highest, const SearchPlan& search) {
  const SearchCost cost = expected_cost(search.goals);
  TrialOrder order = highest;
  order.traffic.intended_pps /= 2.0;
  order.seconds = cost.seconds / std::max(1, cost.trials);
  double sum = cost.trials * expected_seconds_of(order);
  order.seconds = highest.seconds;
  for (const double percent : search.latency_at) {
    order.traffic.intended_pps = highest.traffic.intended_pps / 2.0 * percent / 100.0;
    sum += expected_seconds_of(order);
  }
  return sum;
}

// Of the tests behind the search for the throughput, which waits as they do.
double expected_seconds_of(const TrialOrder& highest, const Rfc2544Order& tests,
                           int search_trials) {
  double sum = 0.0;
  int trials = search_trials;
  for (const Rfc2544Cost& cost :
       expected_costs(tests, highest.traffic.intended_pps, highest.warmup_seconds)) {
    TrialOrder order = highest;
    order.warmup_seconds = 0.0;
    order.seconds = cost.seconds / std::max(1, cost.trials);
    order.traffic.intended_pps = cost.mean_pps;
    sum += cost.trials * expected_seconds_of(order);
    trials += cost.trials;
  }
  if (highest.path == Path::model) return sum;
  return sum + trials * (tests.wait_before_seconds + tests.wait_after_seconds);
}

// Of what one cell and block takes: a trial, or a search and what follows it.
double expected_seconds_of(const Experiment& experiment, const TrialOrder& order) {
  if (!experiment.search) return expected_seconds_of(order);
  double sum = expected_seconds_of(order, *experiment.search);
  if (experiment.rfc2544)
    sum += expected_seconds_of(order, *experiment.rfc2544,
                               expected_cost(experiment.search->goals).trials);
  return sum;
}

// Everything that costs much to change.
std::vector<std::string> costly_levels(const TrialOrder& order) {
  std::vector<std::string> levels{order.receiver_port};
  for (const FactorFacts& factor : all_factors()) {
    if (factor.costly) levels.push_back(level_of(factor.name, order));
  }
  return levels;
}

// Every cell of a block sees the same traffic.
TrialOrder numbered(const Plan& plan, TrialOrder order, int block, int attempt,
                    std::int64_t trial_number) {
  PM_CHECK(trial_number >= 0);
  order.block = block;
  order.attempt = attempt;
  order.trial = trial_number;
  order.seed = seed_of(plan.experiment.seed, block, Draw::traffic);
  order.epoch = static_cast<std::uint8_t>(1 + trial_number % 255);
  return order;
}

// What every second block repeats backwards.
template <typename T>
void mirror(std::vector<T>& schedule, std::size_t begin, int block) {
  const std::size_t end = schedule.size();
  for (std::size_t i = end; i > begin; --i) {
    schedule.push_back(schedule[i - 1]);
    schedule.back().block = block;
  }
}

bool is_baseline(const Experiment& experiment, const Cell& cell) {
  const auto& baseline = experiment.judge.baseline;
  return std::all_of(cell.order.cell.begin(), cell.order.cell.end(), [&](const auto& level) {
    const auto declared = baseline.find(level.first);
    return declared == baseline.end() || declared->second == level.second;
  });
}

// In each group the cell at the baseline, else the first that can run.
std::vector<std::size_t> gate_cells(const Experiment& experiment, const std::vector<Cell>& cells) {
  std::map<std::string, std::size_t> chosen;
  for (const Cell& cell : cells) {
    if (cell.refused) continue;
    const auto known = chosen.find(cell.order.group);
    if (known == chosen.end()) {
      chosen.emplace(cell.order.group, cell.index);
    } else if (is_baseline(experiment, cell) && !is_baseline(experiment, cells[known->second])) {
      known->second = cell.index;
    }
  }
  std::vector<std::size_t> indices;
  for (const auto& [group, index] : chosen) indices.push_back(index);
  return indices;
}

void schedule_gate(const Experiment& experiment, Plan& plan) {
  if (experiment.aa_blocks == 0) return;
  for (const std::size_t cell : gate_cells(experiment, plan.cells)) {
    for (int block = 0; block < experiment.aa_blocks; block += 2) {
      std::vector<GateTrial> pair{{cell, block, 1}, {cell, block, 2}};
      Shuffler shuffler(seed_of(experiment.seed, block, Draw::gate));
      shuffler.shuffle(pair);
      const std::size_t begin = plan.gate.size();
      plan.gate.insert(plan.gate.end(), pair.begin(), pair.end());
      if (block + 1 < experiment.aa_blocks) mirror(plan.gate, begin, block + 1);
    }
  }
  for (const GateTrial& trial : plan.gate) {
    plan.expected_seconds += expected_seconds_of(plan.cells[trial.cell].order);
  }
}

// Mirrored pairs need an even number; fewer than six give no verdict.
Result<int> blocks_within(const Experiment& experiment, const Plan& plan) {
  double block_seconds = 0.0;
  for (const Cell& cell : plan.cells) {
    if (!cell.refused) block_seconds += expected_seconds_of(experiment, cell.order);
  }
  const double budget_seconds = static_cast<double>(experiment.budget_ns) * 1e-9;
  const double left = budget_seconds - plan.expected_seconds;
  const int blocks =
      block_seconds > 0.0 ? static_cast<int>(std::min(left / block_seconds, 1000.0)) : 0;
  if (blocks < kFewestBudgetBlocks) {
    return fail(
        Errc::bad_experiment,
        fmt::format(
            "budget = {} gives {} blocks; allowed: from {}, which {} blocks take",
            duration_text(budget_seconds * 1e9), std::max(blocks, 0),
            duration_text((plan.expected_seconds + kFewestBudgetBlocks * block_seconds) * 1e9),
            kFewestBudgetBlocks));
  }
  return blocks - blocks % 2;
}

}  // namespace

Result<Plan> plan_experiment(Experiment experiment) {
  Plan plan;
  std::size_t count = 0;
  for (const Group& group : experiment.groups) count += count_cells(group);
  const std::size_t trials = count * static_cast<std::size_t>(experiment.blocks);
  if (count > kMostCells || trials > kMostTrials) {
    return fail(Errc::bad_experiment,
                fmt::format("{} cells in {} blocks are too many; allowed: up to {} cells and {} "
                            "trials",
                            count > kMostCells ? fmt::format("more than {}", kMostCells)
                                               : fmt::format("{}", count),
                            experiment.blocks, kMostCells, kMostTrials));
  }
  for (const Group& group : experiment.groups) {
    for (const auto& choice : choices_of(group, experiment.judge.baseline)) {
      plan.cells.push_back(make_cell(group, choice, experiment.search));
      plan.cells.back().index = plan.cells.size() - 1;
    }
  }
  schedule_gate(experiment, plan);
  if (experiment.budget_ns > 0) {
    PM_TRY(experiment.blocks, blocks_within(experiment, plan));
  }
  for (int block = 0; block < experiment.blocks; block += 2) {
    const std::size_t begin = plan.schedule.size();
    std::map<std::vector<std::string>, std::vector<std::size_t>> by_cost;
    for (const Cell& cell : plan.cells) {
      if (!cell.refused) by_cost[costly_levels(cell.order)].push_back(cell.index);
    }
    std::vector<std::vector<std::size_t>> runs;
    runs.reserve(by_cost.size());
    for (auto& [levels, cells] : by_cost) runs.push_back(std::move(cells));
    Shuffler shuffler(seed_of(experiment.seed, block, Draw::order));
    shuffler.shuffle(runs);
    for (std::vector<std::size_t>& cells : runs) {
      shuffler.shuffle(cells);
      for (const std::size_t cell : cells) plan.schedule.push_back({cell, block});
    }
    if (block + 1 < experiment.blocks) mirror(plan.schedule, begin, block + 1);
  }
  if (plan.schedule.empty()) {
    std::vector<std::string> reasons;
    for (const Cell& cell : plan.cells) {
      const bool known = std::find(reasons.begin(), reasons.end(), *cell.refused) != reasons.end();
      if (!known) reasons.push_back(*cell.refused);
    }
    return fail(Errc::bad_experiment, "no cell can run: " + join(reasons, "; "));
  }
  for (const ScheduledTrial& trial : plan.schedule) {
    plan.expected_seconds += expected_seconds_of(experiment, plan.cells[trial.cell].order);
  }
  plan.experiment = std::move(experiment);
  return plan;
}

TrialOrder order_of(const Plan& plan, std::size_t scheduled, int attempt,
                    std::int64_t trial_number) {
  PM_CHECK(scheduled < plan.schedule.size());
  const ScheduledTrial& trial = plan.schedule[scheduled];
  return numbered(plan, plan.cells[trial.cell].order, trial.block, attempt, trial_number);
}

TrialOrder gate_order_of(const Plan& plan, std::size_t gate, int attempt,
                         std::int64_t trial_number) {
  PM_CHECK(gate < plan.gate.size());
  const GateTrial& trial = plan.gate[gate];
  TrialOrder order =
      numbered(plan, plan.cells[trial.cell].order, trial.block, attempt, trial_number);
  order.kind = TrialKind::probe;
  order.cell["aa"] = fmt::format("{}", trial.side);
  return order;
}

TrialOrder search_order_of(const Plan& plan, std::size_t scheduled, TrialKind kind, int nth,
                           std::int64_t trial_number) {
  PM_CHECK(kind != TrialKind::trial && kind != TrialKind::calibration && kind != TrialKind::probe);
  PM_CHECK(nth >= 0);
  TrialOrder order = order_of(plan, scheduled, 0, trial_number);
  order.kind = kind;
  // Searches and latency trials take turns; each kind of RFC 2544 has a stream of its own.
  const bool rfc2544 = kind != TrialKind::search && kind != TrialKind::latency;
  const std::uint64_t turn = static_cast<std::uint64_t>(nth) * 2 + (kind == TrialKind::latency);
  const std::uint64_t stream = seed_of(plan.experiment.seed, order.block, Draw::search);
  order.seed = mixed((rfc2544 ? mixed(stream ^ static_cast<std::uint64_t>(kind)) : stream) + turn);
  return order;
}

}  // namespace pollmark
