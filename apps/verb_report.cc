#include <cstdio>

#include "apps/verbs.h"
#include "campaign/campaign.h"

namespace pollmark {

void add_report(CLI::App& app, Action& action) {
  static std::vector<std::filesystem::path> folders;
  CLI::App* verb =
      app.add_subcommand("report", "judge and render stored results again")->group("judge");
  verb->add_option("DIR", folders, "results folder(s)")->required();
  verb->footer("Runs nothing. Example: pollmark report results/quickstart-20261121T102500Z");
  verb->callback([&action] {
    action = []() -> Result<int> {
      for (const auto& folder : folders) {
        PM_TRY(CampaignOutcome outcome, report_folder(folder));
        std::fputs(outcome.text.c_str(), stdout);
        if (outcome.record_was_cut)
          std::fprintf(stderr, "%s: the last record is cut short and left out\n", folder.c_str());
        if (outcome.files_not_written)
          return tl::unexpected<Error>(std::move(*outcome.files_not_written));
      }
      return 0;
    };
  });
}

}  // namespace pollmark
