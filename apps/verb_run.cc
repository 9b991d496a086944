#include <cstdio>

#include "apps/verbs.h"
#include "base/text.h"
#include "campaign/campaign.h"

namespace pollmark {

void add_run(CLI::App& app, Action& action) {
  static CampaignOrder order;
  static bool quiet = false;
  CLI::App* verb =
      app.add_subcommand("run", "plan, run every cell, judge and report")->group("measure");
  verb->add_option("EXPERIMENT", order.experiment, "experiment file (TOML)")->required();
  verb->add_option("-o,--output", order.folder,
                   "results folder (default: results/<name>-<UTC>); must not hold anything")
      ->check(not_empty());
  verb->add_flag("--resume", order.resume,
                 "go on in the folder given by -o: runs what is missing, repeats nothing");
  verb->add_flag("--quick", order.quick, "few blocks: a ranking without verdicts");
  verb->add_option("--set", order.overrides,
                   "override a key of the file, e.g. --set trial.blocks=4 (repeatable; stored)")
      ->allow_extra_args(false);
  verb->add_flag("--quiet", quiet, "no progress on stderr");
  verb->footer(
      "The answer and the table go to stdout, progress to stderr, everything else to the folder.\n"
      "Every trial, valid or not, is a line of trials.jsonl there.\n"
      "Example: pollmark run scripts/experiments/quickstart.toml -o /tmp/first");
  verb->callback([&action] {
    action = []() -> Result<int> {
      if (order.resume && order.folder.empty())
        return fail(Errc::bad_experiment, "--resume needs the folder to go on in: -o DIR");
      order.command_line = command_line();
      order.voice = quiet ? Progress::Voice::quiet : Progress::voice_of_stderr();
      PM_TRY(const CampaignOutcome outcome, run_campaign(order));
      std::fputs(outcome.text.c_str(), stdout);
      if (outcome.files_not_written) return tl::unexpected<Error>(*outcome.files_not_written);
      if (outcome.interrupted) {
        std::fprintf(stderr, "stopped; go on with: %s%s\n", command_line().c_str(),
                     order.resume ? ""
                     : order.folder.empty()
                         ? (" --resume -o " + shell_quoted(outcome.folder.string())).c_str()
                         : " --resume");
        return static_cast<int>(Errc::interrupted);
      }
      if (outcome.nothing_could_run) return static_cast<int>(Errc::host_cannot);
      return outcome.cell_without_result ? static_cast<int>(Errc::gate_said_no) : 0;
    };
  });
}

}  // namespace pollmark
