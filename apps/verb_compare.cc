#include <cstdio>

#include "apps/verbs.h"
#include "campaign/campaign.h"
#include "campaign/compare.h"

namespace pollmark {

void add_compare(CLI::App& app, Action& action) {
  static CompareOrder order;
  CLI::App* verb = app.add_subcommand("compare", "verdicts from stored results, without measuring")
                       ->group("judge");
  verb->add_option(
          "DIR", order.folders,
          "results folders: one compares its own levels, two compare B with A, more show a "
          "trend")
      ->required();
  verb->add_option("--by", order.by, "only this factor (one folder)");
  const auto list = [verb](const char* name, std::vector<std::string>& values, const char* what) {
    verb->add_option(name, values, what)->allow_extra_args(false);
  };
  list("--where", order.where, "FACTOR=LEVEL: only cells that have it (repeatable)");
  verb->add_option("--metric", order.metric, "judge by this one (default: the experiment's)");
  verb->add_option("--baseline", order.baseline,
                   "LEVEL of --by, or FACTOR=LEVEL: what others are set against (one folder)");
  list("--expect", order.expect,
       "KEY: this difference of the environment is meant; any other confounds (repeatable)");
  list("--fail-on", order.fail_on, "VERDICT: exit with 1 where it is given (repeatable)");
  verb->footer(
      "Verdicts: better, worse, equivalent, tiny, cannot tell, not exercised, ranking only, "
      "confounded.\n"
      "Exit codes: 0 ok, 1 a verdict of --fail-on, 2 what cannot be compared.\n"
      "Examples: pollmark compare results/a --by rx_ring --baseline 512 --where queues=1\n"
      "          pollmark compare results/before results/after --expect kernel --fail-on worse");
  verb->callback([&action] {
    action = []() -> Result<int> {
      PM_TRY(const CompareOutcome outcome, compare_folders(order, output_width()));
      std::fputs(outcome.text.c_str(), stdout);
      return outcome.gate_said_no ? static_cast<int>(Errc::gate_said_no) : 0;
    };
  });
}

}  // namespace pollmark
