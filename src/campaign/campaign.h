// The outer loop: an experiment file becomes trials on disk, a judgement and a report.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "campaign/progress.h"
#include "judge/summary.h"

namespace pollmark {

struct CampaignOrder {
  std::filesystem::path experiment;
  std::filesystem::path folder;        // empty: results/<name>-<UTC>
  std::vector<std::string> overrides;  // --set
  std::string command_line;            // for provenance
  bool resume = false;
  bool quick = false;
  Progress::Voice voice = Progress::Voice::plain;
};

struct CampaignOutcome {
  Summary summary;
  std::filesystem::path folder;
  std::string text;                        // the final table, as printed
  std::optional<Error> files_not_written;  // report.html and the files beside it; text is whole
  bool record_was_cut = false;             // the last one of the folder: left out
  bool interrupted = false;
  bool cell_without_result = false;  // a cell that could run has no valid trial
  bool nothing_could_run = false;    // this host refuses every cell
};

// Runs what is not yet in the folder. Each trial is on disk before the next starts; the report
// files are written at the end, and also after a stop signal. Errors: bad_experiment, host_cannot
// (folder, disk), never for a disturbed trial.
[[nodiscard]] Result<CampaignOutcome> run_campaign(const CampaignOrder& order);

// Judges and renders a stored folder again, without running anything; writes its
// report files. A folder that cannot be written is no error: files_not_written says why.
[[nodiscard]] Result<CampaignOutcome> report_folder(const std::filesystem::path& folder);

// Columns of the terminal on stdout, 100 where it is none.
[[nodiscard]] int output_width();

}  // namespace pollmark
