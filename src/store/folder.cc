#include "store/folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "base/text.h"
#include "store/hist_log.h"

namespace pollmark {

namespace fs = std::filesystem;

namespace {

constexpr const char* kLockName = ".lock";
constexpr const char* kTrialsName = "trials.jsonl";
constexpr const char* kSearchesName = "searches.jsonl";
constexpr const char* kExperimentName = "experiment.toml";
constexpr const char* kProvenanceName = "provenance.json";
constexpr const char* kSchemaName = "schema.json";
constexpr const char* kSearchSchemaName = "searches.schema.json";
constexpr const char* kHistName = "hist";
constexpr std::string_view kHalfWritten = ".half-written";
constexpr std::size_t kLinesAtOnce = 32;
constexpr std::size_t kMostThreads = 8;

// Closes on every way out.
class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}
  OpenFile(OpenFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OpenFile& operator=(OpenFile&&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool opened() const { return fd_ >= 0; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

tl::unexpected<Error> io_error(int code, const fs::path& path, std::string_view doing) {
  std::string what;
  switch (code) {
    case ENOSPC:
    case EDQUOT:
      what = fmt::format("cannot {}: no space left on the disk; free some", doing);
      break;
    case EFBIG:
      what = fmt::format("cannot {}: the file size limit is reached; raise it (ulimit -f)", doing);
      break;
    default:
      what = fmt::format("cannot {}: {}", doing, std::strerror(code));
  }
  return fail(Errc::host_cannot, std::move(what), path.string());
}

// 0, or the error number.
int write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

int sync_folder(const fs::path& path) {
  const OpenFile folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.opened() || ::fsync(folder.get()) != 0) return errno;
  return 0;
}

fs::path half_written(const fs::path& path) { return path.string() + std::string(kHalfWritten); }

// A half-written file that is whole gets its name; all of it on disk.
int name_finished(const fs::path& path) {
  const fs::path written = half_written(path);
  {
    const OpenFile file(::open(written.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.opened() || ::fsync(file.get()) != 0) return errno;
  }
  if (::rename(written.c_str(), path.c_str()) != 0) return errno;
  return sync_folder(path.parent_path());
}

Result<void> write_by_rename(const fs::path& path, std::string_view content) {
  const fs::path half = half_written(path);
  int code = 0;
  {
    const OpenFile file(::open(half.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                               S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH));
    if (!file.opened()) return io_error(errno, path, "be written");
    code = write_all(file.get(), content);
    if (code == 0 && ::fsync(file.get()) != 0) code = errno;
  }
  if (code == 0 && ::rename(half.c_str(), path.c_str()) != 0) code = errno;
  if (code != 0) {
    ::unlink(half.c_str());
    return io_error(code, path, "be written");
  }
  if (const int sync_code = sync_folder(path.parent_path()); sync_code != 0) {
    return io_error(sync_code, path, "be written");
  }
  return {};
}

std::optional<std::string> file_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string text;
  std::error_code error;
  if (const auto bytes = fs::file_size(path, error); !error) text.reserve(bytes);
  std::array<char, 1 << 16> part;
  while (file.read(part.data(), part.size()) || file.gcount() > 0) {
    text.append(part.data(), static_cast<std::size_t>(file.gcount()));
  }
  return text;
}

// "123" out of the lock file, or "unknown".
std::string pid_in(const fs::path& lock) {
  const std::string text(trimmed(file_text(lock).value_or("")));
  return text.empty() ? "unknown" : text;
}

tl::unexpected<Error> locked(const fs::path& folder) {
  return fail(Errc::bad_experiment,
              fmt::format("another run (pid {}) is writing here; wait for it or choose another "
                          "folder",
                          pid_in(folder / kLockName)),
              folder.string());
}

bool is_held(const fs::path& folder) {
  const OpenFile file(::open((folder / kLockName).c_str(), O_RDONLY | O_CLOEXEC));
  return file.opened() && ::flock(file.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

// The kernel frees the lock with the process; a lock file without a holder is only a left-over.
Result<int> take_lock(const fs::path& folder) {
  const fs::path path = folder / kLockName;
  for (;;) {
    OpenFile file(
        ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH));
    if (!file.opened()) return io_error(errno, path, "be made");
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return locked(folder);
      return io_error(errno, path, "be locked");
    }
    struct stat held {};
    struct stat named {};
    const bool same = ::fstat(file.get(), &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
                      held.st_ino == named.st_ino && held.st_dev == named.st_dev;
    if (!same) continue;  // its holder removed it between open and flock
    int code = ::ftruncate(file.get(), 0) != 0 ? errno : 0;
    if (code == 0) code = write_all(file.get(), fmt::format("{}\n", ::getpid()));
    if (code != 0) {
      ::unlink(path.c_str());
      return io_error(code, path, "be written");
    }
    return file.release();
  }
}

Result<void> require_empty(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return fail(Errc::bad_experiment, "exists and is not a folder; choose another",
                folder.string());
  }
  fs::directory_iterator entries(folder, error);
  if (error) return io_error(error.value(), folder, "be read");
  for (const fs::directory_entry& entry : entries) {
    if (entry.path().filename() == kLockName) continue;
    if (is_held(folder)) return locked(folder);
    return fail(Errc::bad_experiment,
                "is not empty; choose another folder, or continue it with --resume",
                folder.string());
  }
  return {};
}

// Folders that are missing on the way to path, outermost first.
std::vector<fs::path> missing_folders(const fs::path& path) {
  std::vector<fs::path> missing;
  std::error_code error;
  for (fs::path at = path; !at.empty() && !fs::exists(at, error); at = at.parent_path()) {
    missing.push_back(at);
    if (at == at.parent_path()) break;
  }
  std::reverse(missing.begin(), missing.end());
  return missing;
}

// Removes what create() made, unless it is kept.
class Undo {
 public:
  Undo() = default;
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    std::error_code ignored;
    for (auto path = made_.rbegin(); path != made_.rend(); ++path) fs::remove(*path, ignored);
  }
  void add(fs::path path) { made_.push_back(std::move(path)); }
  void keep() { made_.clear(); }

 private:
  std::vector<fs::path> made_;
};

template <typename Record>
struct StoredLines {
  std::vector<Record> records;
  std::size_t whole_bytes = 0;  // up to the end of the last whole line
  bool last_line_torn = false;
};

template <typename Record>
using FromJson = Result<Record> (*)(const Json&);

// One whole line; nullopt when it is not JSON at all.
template <typename Record>
std::optional<Result<Record>> parse_line(std::string_view line, FromJson<Record> from_json) {
  const Json json = Json::parse(line.begin(), line.end(), nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  return from_json(json);
}

std::vector<std::string_view> whole_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) break;
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// Parsing is all the time that a large folder takes: one thread a CPU, from a few lines on.
template <typename Record>
std::vector<std::optional<Result<Record>>> parsed_lines(const std::vector<std::string_view>& lines,
                                                        FromJson<Record> from_json) {
  std::vector<std::optional<Result<Record>>> parsed(lines.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t from = next.fetch_add(kLinesAtOnce); from < lines.size();
         from = next.fetch_add(kLinesAtOnce)) {
      for (std::size_t i = from; i < std::min(lines.size(), from + kLinesAtOnce); ++i) {
        parsed[i] = parse_line<Record>(lines[i], from_json);
      }
    }
  };
  const std::size_t useful = lines.size() / (2 * kLinesAtOnce);
  const std::size_t cpus = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::jthread> helpers;
  for (std::size_t i = 1; i < std::min({useful, cpus, kMostThreads}); ++i) {
    helpers.emplace_back(work);
  }
  work();
  helpers.clear();
  return parsed;
}

template <typename Record>
Result<StoredLines<Record>> parse_lines(std::string_view text, const char* name,
                                        FromJson<Record> from_json) {
  StoredLines<Record> stored;
  const std::vector<std::string_view> lines = whole_lines(text);
  auto parsed = parsed_lines<Record>(lines, from_json);
  stored.records.reserve(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t end = stored.whole_bytes + lines[i].size() + 1;
    if (!parsed[i]) {
      if (end == text.size()) break;
      return fail(Errc::bad_experiment, fmt::format("line {} is damaged: not JSON", i + 1), name);
    }
    Result<Record>& record = *parsed[i];
    if (!record) {
      return fail(Errc::bad_experiment,
                  fmt::format("line {} is not a record: {}", i + 1, record.error().what), name);
    }
    stored.records.push_back(std::move(*record));
    stored.whole_bytes = end;
  }
  stored.last_line_torn = stored.whole_bytes < text.size();
  return stored;
}

Result<std::string> required_text(const fs::path& folder, const char* name) {
  std::optional<std::string> text = file_text(folder / name);
  if (!text) {
    return fail(Errc::bad_experiment,
                fmt::format("is not a results folder: {} is missing or unreadable", name),
                folder.string());
  }
  return std::move(*text);
}

Result<StoredLines<TrialResult>> stored_trials(const fs::path& folder) {
  PM_TRY(const std::string text, required_text(folder, kTrialsName));
  auto stored = parse_lines(text, kTrialsName, trial_result_from_json);
  if (!stored) return tl::unexpected<Error>(std::move(stored).error().within(folder.string()));
  // A trial that stands twice would count twice.
  std::map<std::int64_t, std::size_t> line_of;
  for (std::size_t i = 0; i < stored->records.size(); ++i) {
    const std::int64_t number = stored->records[i].order.trial;
    if (const auto [first, fresh] = line_of.emplace(number, i + 1); !fresh)
      return fail(Errc::bad_experiment,
                  fmt::format("line {} repeats trial {} of line {}", i + 1, number, first->second),
                  (folder / kTrialsName).string());
  }
  return stored;
}

// A folder without a search has no such file.
Result<StoredLines<SearchResult>> stored_searches(const fs::path& folder) {
  const std::string text = file_text(folder / kSearchesName).value_or("");
  auto stored = parse_lines(text, kSearchesName, search_result_from_json);
  if (!stored) return tl::unexpected<Error>(std::move(stored).error().within(folder.string()));
  return stored;
}

Result<Provenance> stored_provenance(const fs::path& folder) {
  PM_TRY(const std::string text, required_text(folder, kProvenanceName));
  const Json json = Json::parse(text, nullptr, false);
  const fs::path path = folder / kProvenanceName;
  if (json.is_discarded()) {
    return fail(Errc::bad_experiment, "is damaged: not JSON", path.string());
  }
  Result<Provenance> provenance = provenance_from_json(json);
  if (!provenance) {
    return tl::unexpected<Error>(std::move(provenance).error().within(path.string()));
  }
  return provenance;
}

// What a killed run was in the middle of writing.
void remove_half_written(const fs::path& folder) {
  std::vector<fs::path> left;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().string().ends_with(kHalfWritten)) left.push_back(entry->path());
  }
  for (const fs::path& path : left) fs::remove(path, error);
}

Result<int> open_to_append(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                        S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
  if (fd < 0) return io_error(errno, path, "be opened");
  return fd;
}

// A line is there whole or not at all.
Result<void> append_line(int fd, const fs::path& path, const Json& json) {
  const std::string line = json_text(json) + "\n";
  const off_t begin = ::lseek(fd, 0, SEEK_END);
  if (begin < 0) return io_error(errno, path, "be appended to");
  int code = write_all(fd, line);
  if (code == 0 && ::fsync(fd) != 0) code = errno;
  if (code == 0) return {};
  const bool cut = ::ftruncate(fd, begin) == 0 && ::fsync(fd) == 0;
  if (!cut) return io_error(errno, path, "be cut back after a short write");
  return io_error(code, path, "be appended to");
}

Result<void> cut_torn_line(int fd, const fs::path& path, std::size_t whole_bytes) {
  const bool cut = ::ftruncate(fd, static_cast<off_t>(whole_bytes)) == 0 && ::fsync(fd) == 0;
  if (!cut) return io_error(errno, path, "be cut");
  return {};
}

}  // namespace

Result<ResultsFolder> ResultsFolder::create(const fs::path& path, std::string_view experiment_text,
                                            const Provenance& provenance) {
  const fs::path folder_path = path.lexically_normal();
  if (folder_path.empty()) return fail(Errc::bad_experiment, "the results folder has no name");
  std::error_code error;
  if (fs::exists(folder_path, error)) PM_TRYV(require_empty(folder_path));
  Undo undo;
  for (const fs::path& missing : missing_folders(folder_path)) {
    if (!fs::create_directory(missing, error) && error) {
      return io_error(error.value(), folder_path, "be made");
    }
    undo.add(missing);
    const int code = sync_folder(missing.has_parent_path() ? missing.parent_path() : ".");
    if (code != 0) return io_error(code, folder_path, "be made");
  }
  ResultsFolder folder;
  PM_TRY(folder.lock_fd_, take_lock(folder_path));
  folder.path_ = folder_path;
  PM_TRYV(require_empty(folder_path));
  for (const char* name :
       {kExperimentName, kProvenanceName, kSchemaName, kSearchSchemaName, kHistName, kTrialsName}) {
    undo.add(folder_path / name);
  }
  PM_TRYV(folder.write_file(kExperimentName, experiment_text));
  PM_TRYV(folder.write_file(kProvenanceName, json_text(to_json(provenance), 2) + "\n"));
  PM_TRYV(folder.write_file(kSchemaName, json_text(trial_schema(), 2) + "\n"));
  PM_TRYV(folder.write_file(kSearchSchemaName, json_text(search_schema(), 2) + "\n"));
  if (!fs::create_directory(folder_path / kHistName, error) && error) {
    return io_error(error.value(), folder_path / kHistName, "be made");
  }
  PM_TRY(folder.trials_fd_, open_to_append(folder_path / kTrialsName));
  if (const int code = sync_folder(folder_path); code != 0) {
    return io_error(code, folder_path, "be written");
  }
  undo.keep();
  return folder;
}

Result<ResultsFolder> ResultsFolder::reopen(const fs::path& path,
                                            std::string_view experiment_text) {
  ResultsFolder folder;
  // Before the lock file is made: not in a folder that is none of ours.
  PM_TRY(const std::string stored_experiment, required_text(path, kExperimentName));
  PM_TRYV(required_text(path, kTrialsName));
  PM_TRY(folder.lock_fd_, take_lock(path));
  folder.path_ = path;
  if (stored_experiment != experiment_text) {
    return fail(Errc::bad_experiment,
                "holds results of another experiment text; resume with the file it was begun with, "
                "or choose another folder",
                path.string());
  }
  PM_TRYV(stored_provenance(path));
  PM_TRY(const auto trials, stored_trials(path));
  PM_TRY(const auto searches, stored_searches(path));
  remove_half_written(path);
  PM_TRY(folder.trials_fd_, open_to_append(path / kTrialsName));
  if (trials.last_line_torn)
    PM_TRYV(cut_torn_line(folder.trials_fd_, path / kTrialsName, trials.whole_bytes));
  if (searches.last_line_torn) {
    PM_TRY(folder.searches_fd_, open_to_append(path / kSearchesName));
    PM_TRYV(cut_torn_line(folder.searches_fd_, path / kSearchesName, searches.whole_bytes));
  }
  return folder;
}

Result<ResultsFolder> ResultsFolder::reopen_for_report(const fs::path& path) {
  ResultsFolder folder;
  PM_TRYV(required_text(path, kExperimentName));
  PM_TRY(folder.lock_fd_, take_lock(path));
  folder.path_ = path;
  return folder;
}

Result<StoredCampaign> ResultsFolder::read(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    return fail(Errc::bad_experiment, "no such folder", path.string());
  }
  StoredCampaign campaign;
  PM_TRY(campaign.experiment_text, required_text(path, kExperimentName));
  PM_TRY(campaign.provenance, stored_provenance(path));
  PM_TRY(auto trials, stored_trials(path));
  PM_TRY(auto searches, stored_searches(path));
  campaign.trials = std::move(trials.records);
  campaign.searches = std::move(searches.records);
  campaign.last_line_torn = trials.last_line_torn || searches.last_line_torn;
  return campaign;
}

ResultsFolder::ResultsFolder(ResultsFolder&& other) noexcept
    : path_(std::move(other.path_)),
      lock_fd_(std::exchange(other.lock_fd_, -1)),
      trials_fd_(std::exchange(other.trials_fd_, -1)),
      searches_fd_(std::exchange(other.searches_fd_, -1)) {}

ResultsFolder& ResultsFolder::operator=(ResultsFolder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_fd_, other.lock_fd_);
  std::swap(trials_fd_, other.trials_fd_);
  std::swap(searches_fd_, other.searches_fd_);
  return *this;
}

ResultsFolder::~ResultsFolder() {
  if (trials_fd_ >= 0) ::close(trials_fd_);
  if (searches_fd_ >= 0) ::close(searches_fd_);
  if (lock_fd_ < 0) return;
  if (!path_.empty()) ::unlink((path_ / kLockName).c_str());
  ::close(lock_fd_);
}

Result<void> ResultsFolder::append(const TrialResult& trial) {
  PM_CHECK(trials_fd_ >= 0);
  const fs::path path = path_ / kTrialsName;
  const std::string hist_name = hist_log_name(trial.order);
  const std::string hist_text = hist_log_text(trial);
  if (!hist_text.empty()) PM_TRYV(write_file(hist_name, hist_text));
  const std::string timeline_name = timeline_file_name(trial.order);
  std::string timeline_text;
  for (const TimelinePoint& point : trial.timeline)
    timeline_text += json_text(to_json(point)) + "\n";
  if (!timeline_text.empty()) PM_TRYV(write_file(timeline_name, timeline_text));
  Result<void> appended = name_captures(trial);
  if (appended) appended = append_line(trials_fd_, path, to_json(trial));
  forget_captures(trial.order);
  if (appended) return appended;
  for (const TapAccount& capture : trial.captures)
    if (!capture.file.empty()) ::unlink((path_ / capture.file).c_str());
  if (!hist_text.empty()) ::unlink((path_ / hist_name).c_str());
  if (!timeline_text.empty()) ::unlink((path_ / timeline_name).c_str());
  return appended;
}

Result<int> ResultsFolder::open_capture(const TrialOrder& order, CaptureAt at) {
  const fs::path path = path_ / capture_file_name(order, at);
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) return io_error(error.value(), path, "be written");
  const int fd = ::open(half_written(path).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                        S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
  if (fd < 0) return io_error(errno, path, "be written");
  return fd;
}

void ResultsFolder::forget_captures(const TrialOrder& order) {
  for (const CaptureAt at : order.capture.at)
    ::unlink(half_written(path_ / capture_file_name(order, at)).c_str());
}

Result<void> ResultsFolder::name_captures(const TrialResult& trial) {
  for (const TapAccount& capture : trial.captures) {
    if (capture.file.empty()) continue;
    const fs::path path = path_ / capture.file;
    if (const int code = name_finished(path); code != 0) return io_error(code, path, "be written");
  }
  return {};
}

Result<void> ResultsFolder::append(const SearchResult& search) {
  const fs::path path = path_ / kSearchesName;
  if (searches_fd_ < 0) {
    PM_TRY(searches_fd_, open_to_append(path));
    if (const int code = sync_folder(path_); code != 0)
      return io_error(code, path, "be appended to");
  }
  return append_line(searches_fd_, path, to_json(search));
}

Result<void> ResultsFolder::write_file(std::string_view name, std::string_view content) {
  const fs::path relative(name);
  PM_CHECK(!relative.empty() && relative.is_relative());
  for (const fs::path& part : relative) PM_CHECK(part != "..");
  const fs::path path = path_ / relative;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) return io_error(error.value(), path, "be written");
  return write_by_rename(path, content);
}

fs::path default_folder(std::string_view experiment_name, double epoch_seconds) {
  std::string name;
  for (const char c : experiment_name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_';
    if (plain && !(name.empty() && c == '.')) {
      name += c;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  if (name.empty()) name = "experiment";
  const fs::path wanted =
      fs::path("results") / fmt::format("{}-{}", name, utc_compact(epoch_seconds));
  fs::path path = wanted;
  std::error_code error;
  for (int n = 2; fs::exists(path, error); ++n) path = fmt::format("{}-{}", wanted.string(), n);
  return path;
}

}  // namespace pollmark
