#include <fmt/format.h>

#include <cstdio>
#include <optional>

#include "apps/verbs.h"
#include "campaign/input_files.h"
#include "campaign/planned_frames.h"
#include "host/port_guard.h"
#include "judge/power.h"
#include "plan/experiment.h"
#include "plan/print.h"

namespace pollmark {

namespace {

constexpr std::int64_t kUsualPackets = 1000;
constexpr std::int64_t kMostPackets = 10'000'000;

// What so many blocks can show, before any noise is known.
std::string detectable_text(const Plan& plan) {
  int comparisons = 0;
  for (const Group& group : plan.experiment.groups) {
    for (const FactorLevels& factor : group.factors) {
      comparisons += static_cast<int>(factor.levels.size()) - 1;
    }
  }
  if (comparisons < 1) return {};
  const int blocks = plan.experiment.blocks;
  const auto units = detectable_units(blocks, kAlpha / comparisons);
  if (units) {
    return fmt::format(
        "{} blocks find a difference of {:.2f} times what one block's difference spreads, in 4 of "
        "5 campaigns ({} comparison{})\n",
        blocks, *units, comparisons, comparisons == 1 ? "" : "s");
  }
  return fmt::format("{} block{} give no verdict on {} comparison{}; from {} on\n", blocks,
                     blocks == 1 ? "" : "s", comparisons, comparisons == 1 ? "" : "s",
                     blocks_needed(0.0, 1.0, kAlpha / comparisons));
}

}  // namespace

void add_plan(CLI::App& app, Action& action) {
  static std::filesystem::path experiment;
  static ReadOptions options;
  static std::optional<std::int64_t> packets;
  static std::optional<std::size_t> cell;
  static std::filesystem::path capture;
  CLI::App* verb =
      app.add_subcommand("plan", "print cells, order, refusals and time; touch nothing")
          ->group("measure");
  verb->add_option("EXPERIMENT", experiment, "experiment file (TOML)")->required();
  verb->add_flag("--quick", options.quick, "as run --quick would");
  verb->add_option("--set", options.overrides, "override a key of the file (repeatable)")
      ->allow_extra_args(false);
  CLI::Option* write = verb->add_option("-w,--write", capture,
                                        "write the frames that would be sent to this pcap file")
                           ->check(not_empty());
  verb->add_option("--packets", packets, "how many (1000)")
      ->needs(write)
      ->check(CLI::Range(std::int64_t{1}, kMostPackets));
  verb->add_option("--cell", cell, "of which cell, as numbered (the first that can run)")
      ->needs(write);
  verb->footer(
      "Examples: pollmark plan scripts/experiments/quickstart.toml --set trial.blocks=6\n"
      "          pollmark plan scripts/experiments/replay.toml --packets 100 -w frames.pcap");
  verb->callback([&action] {
    action = []() -> Result<int> {
      options.line_bps = line_bps_of;
      PM_TRY(Experiment read, read_experiment(experiment, options));
      PM_TRY(const Plan plan, plan_experiment(std::move(read)));
      PM_TRYV(
          check_input_files(plan, experiment.parent_path()).map([](const auto& /*digests*/) {}));
      if (capture.empty()) {
        std::fputs(render_plan(plan).c_str(), stdout);
        std::fputs(detectable_text(plan).c_str(), stdout);
        return 0;
      }
      PM_TRY(
          const std::int64_t written,
          write_planned_frames(plan, experiment, cell, packets.value_or(kUsualPackets), capture));
      std::fputs(fmt::format("{}: {} frames\n", capture.string(), written).c_str(), stdout);
      return 0;
    };
  });
}

}  // namespace pollmark
