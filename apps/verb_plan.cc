#include <cstdio>

#include "apps/verbs.h"
#include "campaign/input_files.h"
#include "plan/experiment.h"
#include "plan/print.h"

namespace pollmark {

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
      return 0;
    };
  });
}

}  // namespace pollmark
