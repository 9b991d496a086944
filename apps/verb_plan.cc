#include <fmt/format.h>

#include <cstdio>

#include "apps/verbs.h"
#include "campaign/input_files.h"
#include "judge/power.h"
#include "plan/experiment.h"
#include "plan/print.h"

namespace pollmark {

namespace {

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
  CLI::App* verb =
      app.add_subcommand("plan", "print cells, order, refusals and time; touch nothing")
          ->group("measure");
  verb->add_option("EXPERIMENT", experiment, "experiment file (TOML)")->required();
  verb->add_flag("--quick", options.quick, "as run --quick would");
  verb->add_option("--set", options.overrides, "override a key of the file (repeatable)")
      ->allow_extra_args(false);
  verb->footer("Example: pollmark plan scripts/experiments/quickstart.toml --set trial.blocks=6");
  verb->callback([&action] {
    action = []() -> Result<int> {
      PM_TRY(Experiment read, read_experiment(experiment, options));
      PM_TRY(const Plan plan, plan_experiment(std::move(read)));
      PM_TRYV(check_input_files(plan));
      std::fputs(render_plan(plan).c_str(), stdout);
      std::fputs(detectable_text(plan).c_str(), stdout);
      return 0;
    };
  });
}

}  // namespace pollmark
