// A results folder. Nobody else touches its files. trials.jsonl and searches.jsonl are append-only:
// one closed record a line, on disk (fsync) before append returns.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "record/json.h"
#include "record/provenance.h"
#include "record/search_result.h"
#include "record/trial_result.h"

namespace pollmark {

struct StoredCampaign {
  std::string experiment_text;
  Provenance provenance;
  std::vector<TrialResult> trials;
  std::vector<SearchResult> searches;  // empty also when searches.jsonl is not there
  // The last line of either file was cut short (power cut, kill -9, full disk): it is ignored and
  // said.
  bool last_line_torn = false;
};

class ResultsFolder {
 public:
  // Makes the folder and its lock. Errors: host_cannot (unwritable, full), bad_experiment (exists
  // and is not empty, or holds another run's lock: the text names its pid).
  [[nodiscard]] static Result<ResultsFolder> create(const std::filesystem::path& path,
                                                    std::string_view experiment_text,
                                                    const Provenance& provenance);
  // For --resume: takes the lock, cuts a torn last line off, and refuses another experiment text
  // (bad_experiment). The lock is flock's: the kernel frees it when the run dies. A forked child
  // holds it too until it execs or exits.
  [[nodiscard]] static Result<ResultsFolder> reopen(const std::filesystem::path& path,
                                                    std::string_view experiment_text);
  // To write report files only: takes the lock and leaves the trials alone; append() is not for it.
  [[nodiscard]] static Result<ResultsFolder> reopen_for_report(const std::filesystem::path& path);
  // Reads without a lock; a folder still being written is readable. Errors: bad_experiment (no such
  // folder, not a results folder, other schema, damaged line N that is not the last).
  [[nodiscard]] static Result<StoredCampaign> read(const std::filesystem::path& path);

  ResultsFolder(ResultsFolder&&) noexcept;
  ResultsFolder& operator=(ResultsFolder&&) noexcept;
  ~ResultsFolder();  // releases the lock

  // For a capture of a trial that is about to run: a new file, open for writing, whose descriptor
  // the caller closes. It is not part of the results, nor under its name (capture_file_name),
  // before the trial is appended. Errors: host_cannot.
  [[nodiscard]] Result<int> open_capture(const TrialOrder& order, CaptureAt at);
  // Of a trial that is not appended.
  void forget_captures(const TrialOrder& order);
  // Writes hist/<trial>.hlog and timeline/<trial>.jsonl (store/hist_log.h), gives the captures that
  // the trial names their names and forgets its others, then appends to trials.jsonl; all on disk
  // when it returns. Errors: host_cannot (disk full, ...): nothing of this trial is left behind,
  // and what was there stays readable.
  [[nodiscard]] Result<void> append(const TrialResult& trial);
  // Appends to searches.jsonl, which is made with the first; on disk when it returns. Errors: as
  // above.
  [[nodiscard]] Result<void> append(const SearchResult& search);
  // Writes a whole file by rename, so that no reader sees half of it. name: relative, may hold
  // folders, which are made. Errors: host_cannot; the former file, if any, stays.
  [[nodiscard]] Result<void> write_file(std::string_view name, std::string_view content);
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  ResultsFolder() = default;
  [[nodiscard]] Result<void> name_captures(const TrialResult& trial);
  std::filesystem::path path_;
  int lock_fd_ = -1;
  int trials_fd_ = -1;
  int searches_fd_ = -1;  // opened with the first search
};

// results/<name>-<UTC>, made unique.
[[nodiscard]] std::filesystem::path default_folder(std::string_view experiment_name,
                                                   double epoch_seconds);

}  // namespace pollmark
