#include "campaign/campaign.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <numeric>
#include <set>

#include "base/stop_signal.h"
#include "base/text.h"
#include "base/tsc.h"
#include "campaign/cell_search.h"
#include "campaign/input_files.h"
#include "campaign/provenance_of_host.h"
#include "campaign/rfc2544_suite.h"
#include "campaign/stored_question.h"
#include "campaign/trial_process.h"
#include "host/numa_placement.h"
#include "host/port_guard.h"
#include "plan/experiment.h"
#include "record/json.h"
#include "report/report.h"
#include "store/folder.h"
#include "store/hist_log.h"

namespace pollmark {
namespace {

// Of what the generator reached at full speed: a load that it can hold.
constexpr double kReachShare = 0.95;

double now_epoch_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Where a cell stands: which of its blocks are settled, and why it cannot be run, if so.
struct CellState {
  std::set<int> valid_blocks;
  std::set<int> searched_blocks;       // of a search: also those that gave up
  std::map<int, int> attempts;         // block -> attempts so far
  std::optional<std::string> refused;  // by this host; not asked again
};

// The state that the stored trials tell of.
std::vector<CellState> state_of(const Plan& plan, const std::vector<TrialResult>& trials,
                                const std::vector<SearchResult>& searches) {
  std::map<std::pair<std::string, std::map<std::string, std::string>>, std::size_t> index;
  for (const Cell& cell : plan.cells) index[{cell.order.group, cell.order.cell}] = cell.index;
  std::vector<CellState> states(plan.cells.size());
  for (const TrialResult& trial : trials) {
    if (trial.order.kind != TrialKind::trial) continue;
    const auto found = index.find({trial.order.group, trial.order.cell});
    if (found == index.end()) continue;
    CellState& state = states[found->second];
    // A refusal by the host belongs to the run that met it; a resumed run asks again.
    if (refusal_of(trial)) continue;
    int& attempts = state.attempts[trial.order.block];
    attempts = std::max(attempts, trial.order.attempt + 1);
    if (trial.valid) state.valid_blocks.insert(trial.order.block);
  }
  for (const SearchResult& search : searches) {
    const auto found = index.find({search.group, search.cell});
    if (found == index.end()) continue;
    CellState& state = states[found->second];
    state.searched_blocks.insert(search.block);
    if (search.complete) state.valid_blocks.insert(search.block);
  }
  return states;
}

constexpr int kCalibrationAttempts = 3;  // until one is not disturbed

// Calibrations that ask the same of the generator have one name.
std::string calibration_name(const TrialOrder& order) {
  const TrafficOrder& traffic = order.traffic;
  const std::string frames =
      traffic.kind == TrafficKind::replay
          ? std::filesystem::path(traffic.pcap).filename().string()
          : fmt::format("{:.0f}_bytes", std::accumulate(traffic.frame_bytes.begin(),
                                                        traffic.frame_bytes.end(), 0.0) /
                                            static_cast<double>(traffic.frame_bytes.size()));
  const std::string sender =
      order.sender == SenderKind::dpdk
          ? ""
          : fmt::format("{}_burst_{}_", name_of(order.sender), traffic.arrivals.burst_frames);
  const std::string_view tapped = order.capture.at.empty() ? "" : "_captured";  // which costs it
  return fmt::format("generator_max_pps_{}{}_{}{}", sender, name_of(order.path), frames, tapped);
}

// What calibrations of one name say.
struct Reach {
  std::optional<double> pps;  // absent: not measured without disturbance
  int attempts = 0;

  void add(const TrialResult& calibration) {
    ++attempts;
    const auto& reasons = calibration.invalid_reasons;
    const bool disturbed = std::any_of(reasons.begin(), reasons.end(), [](const auto& reason) {
      return reason.starts_with("generator_") || reason.starts_with("trial_process_died");
    });
    if (calibration.offered_pps && !disturbed)
      pps = std::max(pps.value_or(0.0), *calibration.offered_pps);
  }
};

class Campaign {
 public:
  Campaign(Plan plan, std::filesystem::path path, Result<ResultsFolder> folder,
           Provenance provenance, std::vector<TrialResult> trials,
           std::vector<SearchResult> searches, const CampaignOrder& order)
      : plan_(std::move(plan)),
        path_(std::move(path)),
        folder_(std::move(folder)),
        provenance_(std::move(provenance)),
        trials_(std::move(trials)),
        searches_(std::move(searches)),
        states_(state_of(plan_, trials_, searches_)),
        quick_(order.quick),
        progress_(order.voice, plan_.schedule.size()) {}

  Result<void> run() {
    refuse_misplaced();
    PM_TRYV(calibrate());
    PM_TRYV(pass_gate());
    for (std::size_t i = 0; i < plan_.schedule.size() && !stop_requested(); ++i) {
      const ScheduledTrial& scheduled = plan_.schedule[i];
      CellState& state = states_[scheduled.cell];
      if (!plan_.experiment.search) {
        if (state.valid_blocks.contains(scheduled.block) || state.refused) continue;
        PM_TRYV(settle(i, state));
        continue;
      }
      if (!state.searched_blocks.contains(scheduled.block) && !state.refused)
        PM_TRYV(settle_search(i, state));
      if (plan_.experiment.rfc2544 && !state.refused && !stop_requested())
        PM_TRYV(run_rfc2544_tests(i));
      const bool block_ends =
          i + 1 == plan_.schedule.size() || plan_.schedule[i + 1].block != scheduled.block;
      if (block_ends && !stop_requested()) PM_TRYV(measure_latency(scheduled.block));
    }
    return {};
  }

  CampaignOutcome finish() {
    CampaignOutcome outcome;
    outcome.folder = path_;
    outcome.interrupted = stop_requested();
    bool any_can_run = false;
    for (const Cell& cell : plan_.cells) {
      const CellState& state = states_[cell.index];
      if (cell.refused || state.refused) continue;
      any_can_run = true;
      if (state.valid_blocks.empty()) outcome.cell_without_result = true;
    }
    outcome.nothing_could_run = !any_can_run;
    outcome.summary = summarise(question_of(plan_, quick_ ? Rigour::ranking : Rigour::verdicts),
                                trials_, searches_);
    if (outcome.summary.rfc2544 && outcome.summary.rfc2544->any_given_up())
      outcome.cell_without_result = true;
    const ReportInput input{outcome.summary,       provenance_, path_.string(),
                            plan_.experiment.text, &trials_,    plan_.experiment.judge.baseline};
    outcome.text = render_text(input, output_width());
    if (auto written = write_report_files(input); !written)
      outcome.files_not_written = std::move(written).error();
    return outcome;
  }

 private:
  Result<void> write_report_files(const ReportInput& input) {
    if (!folder_) return tl::unexpected<Error>(folder_.error());
    PM_TRYV(folder_->write_file("provenance.json", json_text(to_json(provenance_), 2) + "\n"));
    PM_TRYV(folder_->write_file("summary.json", json_text(summary_json(input), 2) + "\n"));
    PM_TRYV(folder_->write_file("summary.csv", render_csv(input)));
    if (input.summary.rfc2544)
      PM_TRYV(folder_->write_file("rfc2544.csv", render_rfc2544_csv(input)));
    PM_TRYV(folder_->write_file("metrics.prom", render_prom(input)));
    return folder_->write_file("report.html", render_html(input));
  }

  Result<void> store(TrialResult result) {
    PM_CHECK(folder_.has_value());
    PM_TRYV(kept(folder_->append(result)));
    trials_.push_back(std::move(result));
    return {};
  }
  // With a file for each capture that the order asks for; the folder keeps those that were written
  // when the trial is stored.
  Result<TrialResult> carry_out(const TrialOrder& order) {
    std::vector<int> files;
    Result<void> opened;
    for (const CaptureAt at : order.capture.at) {
      auto file = kept(folder_->open_capture(order, at));
      if (!file) {
        opened = tl::unexpected<Error>(std::move(file).error());
        break;
      }
      files.push_back(*file);
    }
    Result<TrialResult> result =
        opened ? runner_.run(order, files)
               : Result<TrialResult>(tl::unexpected<Error>(std::move(opened).error()));
    for (const int file : files) ::close(file);
    if (!result) {
      folder_->forget_captures(order);
      return result;
    }
    for (TapAccount& capture : result->captures) {
      if (capture.file_bytes > 0 && capture.failure.empty())
        capture.file = capture_file_name(order, capture.at);
    }
    return result;
  }
  // A folder that has begun can be gone on with.
  template <typename Value>
  static Result<Value> kept(Result<Value> written) {
    if (written || written.error().code != Errc::host_cannot) return written;
    Error error = std::move(written).error();
    error.what += ", then continue with --resume";
    return tl::unexpected<Error>(std::move(error));
  }

  std::int64_t next_number() const { return static_cast<std::int64_t>(trials_.size()); }

  // Whether a scheduled trial of the cell is neither valid nor out of attempts.
  bool has_work_left(std::size_t cell) const {
    const CellState& state = states_[cell];
    return !state.refused && std::any_of(plan_.schedule.begin(), plan_.schedule.end(),
                                         [&](const ScheduledTrial& scheduled) {
                                           if (scheduled.cell != cell) return false;
                                           const auto attempts =
                                               state.attempts.find(scheduled.block);
                                           return !state.valid_blocks.contains(scheduled.block) &&
                                                  (attempts == state.attempts.end() ||
                                                   attempts->second <= plan_.experiment.retries);
                                         });
  }

  // Placements that this host's NUMA nodes do not give; the other cells of the path run.
  void refuse_misplaced() {
    for (const Cell& cell : plan_.cells) {
      if (cell.refused || !has_work_left(cell.index)) continue;
      const auto placed = numa_plan(cell.order);
      if (placed) continue;
      progress_.say(fmt::format("{}: not measured: {}", cell.label, placed.error().text()));
      refuse_cell(cell.index, placed.error().text());
    }
  }

  // What the generator reaches on each real-time port that the plan uses, once per campaign and
  // kind of frame: a load above it is refused before it could look like the receiver's loss. A
  // generator that the host disturbed tells nothing: then each trial tells of its own
  // (generator_short).
  Result<void> calibrate() {
    std::map<std::string, Reach> reached;
    for (const TrialResult& trial : trials_)
      if (trial.order.kind == TrialKind::calibration)
        reached[calibration_name(trial.order)].add(trial);
    for (const Cell& cell : plan_.cells) {
      // The modelled link has a rate of its own; what a generator could not keep up with is
      // unsent. A closed loop has no generator.
      if (cell.refused || cell.order.clock != ClockKind::wall || cell.order.path == Path::model ||
          is_closed_loop(cell.order.path))
        continue;
      if (!has_work_left(cell.index)) continue;
      const std::string name = calibration_name(cell.order);
      Reach& reach = reached[name];
      while (!reach.pps && reach.attempts < kCalibrationAttempts) {
        if (stop_requested()) return {};
        TrialOrder order = cell.order;
        order.kind = TrialKind::calibration;
        order.trial = next_number();
        order.attempt = reach.attempts;
        order.traffic.load = Load{LoadUnit::max, 0.0};
        order.traffic.intended_pps = 0.0;
        order.seconds = std::min(order.seconds, 0.3);
        progress_.say(fmt::format("calibrating the generator on {}", order.generator_port));
        auto result = carry_out(order);
        if (!result) {
          if (stop_requested()) return {};
          PM_TRYV(refuse(cell.index, std::move(result).error()));
          break;
        }
        reach.add(*result);
        PM_TRYV(store(std::move(*result)));
      }
      if (states_[cell.index].refused || !reach.pps) continue;
      provenance_.calibration[name] = fmt::format("{:.0f}", *reach.pps);
      reach_[cell.index] = kReachShare * *reach.pps;
      if (direction_count(cell.order) * cell.order.traffic.intended_pps > reach_[cell.index])
        refuse_cell(
            cell.index,
            fmt::format("the generator reaches {} on {}; allowed: a load of at most {:g} % of it",
                        si(*reach.pps, "pps"), cell.order.generator_port, 100.0 * kReachShare));
    }
    return {};
  }

  // The A/A gate. What it finds is printed with the result; it stops nothing.
  Result<void> pass_gate() {
    std::map<std::pair<std::size_t, int>, std::array<bool, 2>> valid;  // cell and block -> side
    std::map<std::pair<std::size_t, int>, std::array<int, 2>> attempts;
    for (const TrialResult& trial : trials_) {
      if (trial.order.kind != TrialKind::probe) continue;
      for (const GateTrial& gate : plan_.gate) {
        const Cell& cell = plan_.cells[gate.cell];
        if (trial.order.group != cell.order.group || trial.order.block != gate.block) continue;
        const auto side = trial.order.cell.find("aa");
        if (side == trial.order.cell.end() || side->second != fmt::format("{}", gate.side))
          continue;
        const auto at = static_cast<std::size_t>(gate.side - 1);
        attempts[{gate.cell, gate.block}][at] = trial.order.attempt + 1;
        if (trial.valid) valid[{gate.cell, gate.block}][at] = true;
      }
    }
    for (std::size_t i = 0; i < plan_.gate.size() && !stop_requested(); ++i) {
      const GateTrial& gate = plan_.gate[i];
      const auto at = static_cast<std::size_t>(gate.side - 1);
      bool& settled = valid[{gate.cell, gate.block}][at];
      int& tried = attempts[{gate.cell, gate.block}][at];
      if (!has_work_left(gate.cell)) continue;
      while (!settled && tried <= plan_.experiment.retries && !stop_requested()) {
        const TrialOrder order = gate_order_of(plan_, i, tried, next_number());
        progress_.say(fmt::format("A/A gate, {}: block {} of {}", order.group, gate.block + 1,
                                  plan_.experiment.aa_blocks));
        auto result = carry_out(order);
        if (!result) {
          if (stop_requested()) return {};
          PM_TRYV(refuse(gate.cell, std::move(result).error()));
          break;
        }
        ++tried;
        settled = result->valid;
        if (!settled) progress_.trial_was_invalid(join(result->invalid_reasons, "; "));
        PM_TRYV(store(std::move(*result)));
      }
    }
    return {};
  }

  void refuse_cell(std::size_t index, const std::string& why) {
    states_[index].refused = why;
    TrialOrder order = plan_.cells[index].order;
    order.trial = next_number();
    // Losing this line would lose only the reason; the cell has no number either way.
    (void)store(refused_trial(order, why));
  }

  // What this host cannot for one cell it may well for others of the path: a placement, a pool, a
  // capture. The same reason is said once. Other errors end the campaign.
  Result<void> refuse(std::size_t index, Error error) {
    const Path path = plan_.cells[index].order.path;
    if (error.code == Errc::bad_experiment) {
      progress_.say(fmt::format("{}: refused: {}", plan_.cells[index].label, error.text()));
      refuse_cell(index, error.text());
      return {};
    }
    if (error.code != Errc::host_cannot) return tl::unexpected<Error>(std::move(error));
    if (said_.emplace(path, error.text()).second)
      progress_.say(fmt::format("{}: not measured: {}", name_of(path), error.text()));
    refuse_cell(index, error.text());
    return {};
  }

  // Runs one scheduled trial until it is valid or its attempts are used up.
  Result<void> settle(std::size_t scheduled, CellState& state) {
    const ScheduledTrial& which = plan_.schedule[scheduled];
    const Cell& cell = plan_.cells[which.cell];
    int& attempts = state.attempts[which.block];
    while (attempts <= plan_.experiment.retries && !stop_requested()) {
      const TrialOrder order = order_of(plan_, scheduled, attempts, next_number());
      progress_.trial_starts(scheduled + 1, fmt::format("{} {}", cell.order.group, cell.label),
                             direction_count(order) * order.traffic.intended_pps, order.attempt,
                             remaining_seconds(scheduled));
      const auto before = std::chrono::steady_clock::now();
      auto result = carry_out(order);
      if (!result) {
        if (stop_requested()) return {};
        return refuse(which.cell, std::move(result).error());
      }
      count_time(before);
      ++attempts;
      const bool valid = result->valid;
      if (!valid) progress_.trial_was_invalid(join(result->invalid_reasons, "; "));
      PM_TRYV(store(std::move(*result)));
      if (valid) {
        state.valid_blocks.insert(which.block);
        return {};
      }
    }
    return {};
  }

  // Of the cell and block; nullopt: of every kind.
  std::vector<TrialResult> stored_trials(const ScheduledTrial& which,
                                         std::optional<TrialKind> kind = std::nullopt) const {
    const TrialOrder& own = plan_.cells[which.cell].order;
    std::vector<TrialResult> stored;
    for (const TrialResult& trial : trials_) {
      const TrialOrder& order = trial.order;
      if (kind && order.kind != *kind) continue;
      if (order.block != which.block || order.group != own.group) continue;
      if (order.cell == own.cell && !refusal_of(trial)) stored.push_back(trial);
    }
    return stored;
  }

  // The loads of a search. Its first trial was at the highest: one that goes on keeps that.
  SearchOrder loads_of(std::size_t cell, const std::vector<TrialResult>& stored) const {
    SearchOrder order;
    order.goals = plan_.experiment.search->goals;
    order.retries = plan_.experiment.retries;
    const TrialOrder& own = plan_.cells[cell].order;
    const int ways = direction_count(own);
    order.min_load_pps = ways * plan_.cells[cell].min_load_pps;
    order.max_load_pps = ways * own.traffic.intended_pps;
    const auto reach = reach_.find(cell);
    if (order.max_load_pps == 0.0 && reach != reach_.end()) order.max_load_pps = reach->second;
    if (!stored.empty()) order.max_load_pps = ways * stored.front().order.traffic.intended_pps;
    if (order.min_load_pps == 0.0) order.min_load_pps = order.max_load_pps / 1000.0;
    return order;
  }

  Result<void> settle_search(std::size_t scheduled, CellState& state) {
    const ScheduledTrial& which = plan_.schedule[scheduled];
    const Cell& cell = plan_.cells[which.cell];
    std::vector<TrialResult> stored = stored_trials(which, TrialKind::search);
    const SearchOrder order = loads_of(which.cell, stored);
    if (!(order.max_load_pps > order.min_load_pps)) {
      refuse_cell(which.cell,
                  order.max_load_pps > 0.0
                      ? fmt::format("the generator holds {}; allowed: a min_load below it",
                                    si(order.max_load_pps, "pps"))
                      : std::string("what the generator reaches could not be measured undisturbed; "
                                    "allowed: [search] max_load"));
      return {};
    }
    const auto before = std::chrono::steady_clock::now();
    auto search =
        search_cell(order, std::move(stored),
                    [&](double load_pps, double seconds, int nth) -> Result<TrialResult> {
                      TrialOrder trial =
                          search_order_of(plan_, scheduled, TrialKind::search, nth, next_number());
                      trial.seconds = seconds;
                      put_load(trial, load_pps);
                      const std::string what = fmt::format("{} {}, trial {} of a search",
                                                           cell.order.group, cell.label, nth + 1);
                      return run_and_store(scheduled, trial, what);
                    });
    if (!search) {
      if (stop_requested()) return {};
      return refuse(which.cell, std::move(search).error());
    }
    count_time(before);
    PM_TRYV(kept(folder_->append(*search)));
    state.searched_blocks.insert(which.block);
    if (search->complete) {
      state.valid_blocks.insert(which.block);
    } else {
      progress_.say(fmt::format("{}: search given up: {}", cell.label, search->incomplete_why));
    }
    searches_.push_back(std::move(*search));
    return {};
  }

  // load_pps: of both ways together.
  static void put_load(TrialOrder& order, double load_pps) {
    order.traffic.intended_pps = load_pps / direction_count(order);
    order.traffic.load = Load{LoadUnit::pps, order.traffic.intended_pps};
  }

  // A stop signal is the error `interrupted`.
  Result<TrialResult> run_and_store(std::size_t scheduled, const TrialOrder& order,
                                    const std::string& what) {
    if (stop_requested()) return fail(Errc::interrupted, "stopped");
    progress_.trial_starts(scheduled + 1, what, direction_count(order) * order.traffic.intended_pps,
                           order.attempt, remaining_seconds(scheduled));
    PM_TRY(TrialResult result, carry_out(order));
    if (!result.valid) progress_.trial_was_invalid(join(result.invalid_reasons, "; "));
    PM_TRYV(store(result));
    return result;
  }

  // What follows the search of a cell and block. Each trial is asked of what is stored, so that a
  // run that goes on finds its place.
  Result<void> run_rfc2544_tests(std::size_t scheduled) {
    const ScheduledTrial& which = plan_.schedule[scheduled];
    const Cell& cell = plan_.cells[which.cell];
    const auto search =
        std::find_if(searches_.begin(), searches_.end(), [&](const SearchResult& each) {
          return each.block == which.block && each.group == cell.order.group &&
                 each.cell == cell.order.cell;
        });
    if (search == searches_.end()) return {};
    const auto before = std::chrono::steady_clock::now();
    auto ended = run_rfc2544_suite(
        *plan_.experiment.rfc2544, *search, plan_.experiment.retries, stored_trials(which),
        [&](const Rfc2544Trial& trial) -> Result<TrialResult> {
          TrialOrder order =
              search_order_of(plan_, scheduled, trial.kind, trial.nth, next_number());
          order.attempt = trial.attempt;
          order.seconds = trial.seconds;
          if (trial.warmup_seconds) order.warmup_seconds = *trial.warmup_seconds;
          if (trial.warmup_pps)
            order.traffic.warmup_pps = *trial.warmup_pps / direction_count(order);
          put_load(order, trial.load_pps);
          return run_and_store(scheduled, order,
                               fmt::format("{} {}, {}", cell.order.group, cell.label, trial.what));
        });
    if (!ended) {
      if (stop_requested()) return {};
      return refuse(which.cell, std::move(ended).error());
    }
    spent_seconds_ +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    return {};
  }

  // The throughput of the goal pdr in this block; nullopt where it has none.
  std::optional<double> pdr_of(const Cell& cell, int block) const {
    for (const SearchResult& search : searches_) {
      if (search.block != block || search.group != cell.order.group) continue;
      if (search.cell != cell.order.cell || !search.complete) continue;
      for (const GoalResult& goal : search.goals) {
        if (goal.goal.name == "pdr" && goal.throughput_pps.value_or(0.0) > 0.0)
          return goal.throughput_pps;
      }
    }
    return std::nullopt;
  }

  // Cells of a group are compared at the same loads, so that the least of their PDRs decides.
  Result<void> measure_latency(int block) {
    std::map<std::string, double> least_pdr;
    for (const Cell& cell : plan_.cells) {
      const auto pdr = pdr_of(cell, block);
      if (!pdr) continue;
      const auto [least, first] = least_pdr.emplace(cell.order.group, *pdr);
      if (!first) least->second = std::min(least->second, *pdr);
    }
    for (std::size_t i = 0; i < plan_.schedule.size(); ++i) {
      const ScheduledTrial& which = plan_.schedule[i];
      const Cell& cell = plan_.cells[which.cell];
      if (which.block != block || !pdr_of(cell, block) || states_[which.cell].refused) continue;
      for (const double percent : plan_.experiment.search->latency_at) {
        if (stop_requested()) return {};
        auto measured = measure_latency_at(i, percent, least_pdr.at(cell.order.group));
        if (measured) continue;
        if (stop_requested()) return {};
        PM_TRYV(refuse(which.cell, std::move(measured).error()));
        break;
      }
    }
    return {};
  }

  Result<void> measure_latency_at(std::size_t scheduled, double percent, double pdr_pps) {
    const ScheduledTrial& which = plan_.schedule[scheduled];
    const Cell& cell = plan_.cells[which.cell];
    const std::vector<TrialResult> stored = stored_trials(which, TrialKind::latency);
    int attempts = 0;
    for (const TrialResult& trial : stored) {
      if (trial.order.pdr_percent != percent) continue;
      if (trial.valid) return {};
      ++attempts;
    }
    int nth = static_cast<int>(stored.size());
    for (; attempts <= plan_.experiment.retries; ++attempts, ++nth) {
      TrialOrder order = search_order_of(plan_, scheduled, TrialKind::latency, nth, next_number());
      order.attempt = attempts;
      order.pdr_percent = percent;
      put_load(order, pdr_pps * percent / 100.0);
      PM_TRY(const TrialResult result,
             run_and_store(scheduled, order,
                           fmt::format("{} {}, latency at {:g} % of the PDR", cell.order.group,
                                       cell.label, percent)));
      if (result.valid) return {};
    }
    return {};
  }

  void count_time(std::chrono::steady_clock::time_point before) {
    spent_seconds_ +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
    ++run_;
  }

  // From what trials took so far; from the plan before the first one ended.
  double remaining_seconds(std::size_t scheduled) const {
    const double share = static_cast<double>(plan_.schedule.size() - scheduled);
    if (run_ == 0)
      return plan_.expected_seconds * share / static_cast<double>(plan_.schedule.size());
    return spent_seconds_ / run_ * share;
  }

  Plan plan_;
  std::filesystem::path path_;
  Result<ResultsFolder> folder_;  // or why nothing can be written there
  Provenance provenance_;
  std::vector<TrialResult> trials_;
  std::vector<SearchResult> searches_;
  std::vector<CellState> states_;
  std::map<std::size_t, double> reach_;  // cell on a wall clock -> pps that its generator holds
  bool quick_;
  std::set<std::pair<Path, std::string>> said_;  // why something was not measured
  Progress progress_;
  TrialRunner runner_;
  double spent_seconds_ = 0.0;
  int run_ = 0;
};

}  // namespace

int output_width() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 60) return size.ws_col;
  return 100;
}

Result<CampaignOutcome> run_campaign(const CampaignOrder& order) {
  ReadOptions options;
  options.overrides = order.overrides;
  options.quick = order.quick;
  options.line_bps = line_bps_of;
  PM_TRY(Experiment experiment, read_experiment(order.experiment, options));
  PM_TRY(Plan plan, plan_experiment(std::move(experiment)));
  PM_TRY(auto inputs, check_input_files(plan, order.experiment.parent_path()));
  const double started = now_epoch_seconds();
  Provenance provenance = provenance_of_host();
  provenance.started_utc = utc_text(started);
  provenance.command_line = order.command_line;
  provenance.experiment_folder = order.experiment.parent_path().string();
  provenance.overrides = order.overrides;
  provenance.quick = order.quick;
  provenance.inputs = std::move(inputs);

  const auto folder_path =
      order.folder.empty() ? default_folder(plan.experiment.name, started) : order.folder;
  auto folder = order.resume ? ResultsFolder::reopen(folder_path, plan.experiment.text)
                             : ResultsFolder::create(folder_path, plan.experiment.text, provenance);
  if (!folder) return tl::unexpected<Error>(std::move(folder).error());
  const std::filesystem::path path = folder->path();
  std::vector<TrialResult> trials;
  std::vector<SearchResult> searches;
  if (order.resume) {
    // Read when nobody else can write there any more.
    PM_TRY(StoredCampaign stored, ResultsFolder::read(folder_path));
    trials = std::move(stored.trials);
    searches = std::move(stored.searches);
    provenance.calibration = stored.provenance.calibration;
    provenance.started_utc = stored.provenance.started_utc;
    if (stored.provenance.overrides != order.overrides || stored.provenance.quick != order.quick)
      return fail(Errc::bad_experiment,
                  fmt::format("the folder was begun with other options; resume with those of: {}",
                              stored.provenance.command_line),
                  folder_path.string());
    PM_TRYV(check_same_inputs(stored.provenance.inputs, provenance.inputs));
  }

  Campaign campaign(std::move(plan), path, std::move(folder), std::move(provenance),
                    std::move(trials), std::move(searches), order);
  PM_TRYV(campaign.run());
  return campaign.finish();
}

Result<CampaignOutcome> report_folder(const std::filesystem::path& folder_path) {
  PM_TRY(StoredCampaign stored, ResultsFolder::read(folder_path));
  PM_TRY(Plan plan, stored_plan(folder_path, stored));
  CampaignOrder order;
  order.quick = stored.provenance.quick;
  order.voice = Progress::Voice::quiet;
  auto folder = ResultsFolder::reopen_for_report(folder_path);
  if (!folder && folder.error().code != Errc::host_cannot)
    return tl::unexpected<Error>(std::move(folder).error());
  CampaignOutcome outcome =
      Campaign(std::move(plan), folder_path, std::move(folder), std::move(stored.provenance),
               std::move(stored.trials), std::move(stored.searches), order)
          .finish();
  outcome.record_was_cut = stored.last_line_torn;
  return outcome;
}

}  // namespace pollmark
