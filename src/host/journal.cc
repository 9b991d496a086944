#include "host/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "base/text.h"
#include "host/file_text.h"
#include "host/netdev_home.h"
#include "host/netns.h"

namespace pollmark {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".journal";
constexpr char kDismissed = 'd';  // said to the guardian: the process itself has put back
// How long a change waits for the guardian of a process that has just died.
constexpr auto kGuardianPatience = std::chrono::seconds(5);

tl::unexpected<Error> cannot_write(int reason, const fs::path& file) {
  return fail(
      Errc::host_cannot,
      fmt::format("the journal cannot be written: {}; nothing was changed", std::strerror(reason)),
      file.string());
}

// Of the whole host, while one run looks who holds a setting and notes that it does.
Result<FileHandle> lock_folder(const fs::path& folder) {
  const fs::path file = folder / "lock";
  FileHandle lock(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (lock.fd() < 0 || flock(lock.fd(), LOCK_EX) != 0) return cannot_write(errno, file);
  return lock;
}

bool is_locked(const fs::path& file) {
  const FileHandle handle(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  return handle.fd() >= 0 && flock(handle.fd(), LOCK_EX | LOCK_NB) != 0;
}

bool is_alive(const JournalOwner& owner) {
  return started_ticks_of(owner.pid) == owner.started_ticks;
}

// All of it, or as if nothing had been written.
Result<void> append_durably(int fd, const std::string& line, const fs::path& file) {
  const off_t before = lseek(fd, 0, SEEK_END);
  int reason = 0;
  std::size_t done = 0;
  while (done < line.size() && reason == 0) {
    const ssize_t wrote = write(fd, line.data() + done, line.size() - done);
    if (wrote >= 0) {
      done += static_cast<std::size_t>(wrote);
    } else if (errno != EINTR) {
      reason = errno;
    }
  }
  if (reason == 0 && fsync(fd) != 0) reason = errno;
  if (reason == 0) return {};
  (void)ftruncate(fd, before);
  return cannot_write(reason, file);
}

Result<void> sync_folder(const fs::path& folder) {
  const FileHandle handle(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (handle.fd() < 0 || fsync(handle.fd()) != 0) return cannot_write(errno, folder);
  return {};
}

std::uint64_t own_netns_inode() {
  const auto own = Netns::current();
  return own ? own->inode() : 0;
}

// A descriptor of the namespace, none (-1) for that of the process; nullopt: it is no more.
std::optional<FileHandle> open_netns(const NetnsHolder& netns) {
  if (netns.path.empty()) {
    if (own_netns_inode() != netns.inode) return std::nullopt;
    return FileHandle();
  }
  FileHandle handle(open(netns.path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts {};
  if (handle.fd() < 0 || fstat(handle.fd(), &facts) != 0 || facts.st_ino != netns.inode) {
    return std::nullopt;
  }
  return handle;
}

bool same_setting(const JournalEntry& a, const JournalEntry& b) {
  return a.setting == b.setting && a.netns == b.netns;
}

// Each setting once, as it was before its first change, in the order in which settings that reset
// others come first.
std::vector<JournalEntry> first_changes(const std::vector<JournalEntry>& entries) {
  std::vector<JournalEntry> firsts;
  for (const JournalEntry& entry : entries) {
    const bool known = std::ranges::any_of(
        firsts, [&](const JournalEntry& each) { return same_setting(each, entry); });
    if (!known) firsts.push_back(entry);
  }
  std::ranges::stable_sort(firsts, {}, [](const JournalEntry& each) { return each.setting.kind; });
  return firsts;
}

Setting home_of(const std::string& netdev) { return {SettingKind::home, "home", netdev}; }

struct PutBack {
  std::size_t settings = 0;
  std::vector<std::string> gone;
  Differences differences;
};

std::string reading_text(const SettingReading& reading) {
  if (reading.requested == reading.effective) return reading.effective;
  return fmt::format("{} (requested {})", reading.effective, reading.requested);
}

// As it was before that change. Errors: why not.
Result<void> undo(const JournalEntry& entry, const std::string& root) {
  const auto netns = open_netns(entry.netns);
  if (!netns) return {};
  if (entry.setting.kind == SettingKind::home) {
    return bring_netdev_home(entry.setting.netdev, netns->fd(), entry.requested,
                             entry.before.requested);
  }
  return write_setting(entry.setting, entry.before.requested, {netns->fd(), root});
}

Result<SettingReading> reading_of(const JournalEntry& entry, const std::string& root) {
  const auto netns = open_netns(entry.netns);
  if (!netns) return fail(Errc::host_cannot, "its network namespace is gone");
  return read_setting(entry.setting, {netns->fd(), root});
}

bool is_gone(const JournalEntry& entry, const std::string& root) {
  const auto netns = open_netns(entry.netns);
  if (netns && entry.setting.kind == SettingKind::home)
    return netdev_is_gone(entry.setting.netdev, netns->fd(), entry.requested);
  return !netns || !still_there(entry.setting, {netns->fd(), root});
}

// None: as it was.
Differences differences_of(const JournalEntry& first, const Result<SettingReading>& now,
                           const Result<void>& undone) {
  Differences differences;
  if (now && *now == first.before) return differences;
  const std::string reason = undone ? "" : ": " + undone.error().what;
  if (now && first.setting.kind == SettingKind::home) {
    differences = home_differences(first.before.requested, now->requested);
    for (std::string& each : differences)
      each = fmt::format("{} {}{}", first.setting.netdev, each, reason);
    return differences;
  }
  differences.push_back(
      fmt::format("{}: was {}, is {}{}", first.setting.text(),
                  first.setting.kind == SettingKind::home ? "here" : reading_text(first.before),
                  now ? reading_text(*now) : "not to be read (" + now.error().what + ")", reason));
  return differences;
}

// The last change first, one by one: what could be set then can be set back now, while a setting
// may be refused where another one has gone its way before it (threaded NAPI without GRO on a
// veth). What then differs, because one took another along, is set once more.
PutBack put_back_all(const std::vector<JournalEntry>& entries, const std::string& root) {
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) (void)undo(*entry, root);
  PutBack done;
  const std::vector<JournalEntry> firsts = first_changes(entries);
  for (const JournalEntry& first : firsts) {
    if (!differences_of(first, reading_of(first, root), {}).empty()) (void)undo(first, root);
  }
  for (const JournalEntry& first : firsts) {
    const auto now = reading_of(first, root);
    if (differences_of(first, now, {}).empty()) {
      ++done.settings;
    } else if (is_gone(first, root)) {
      done.gone.push_back(first.setting.text());
    } else {
      const auto undone = undo(first, root);
      for (std::string& each : differences_of(first, now, undone))
        done.differences.push_back(std::move(each));
    }
  }
  return done;
}

fs::path netns_file(const fs::path& journal, std::string_view name) {
  return journal.parent_path() / fmt::format("{}.{}.netns", journal.stem().string(), name);
}

// The journal, and the namespaces that were kept beside it.
void forget(const fs::path& file) {
  const std::string stem = file.stem().string() + ".";
  std::error_code error;
  std::vector<std::string> kept;
  for (fs::directory_iterator it(file.parent_path(), error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename();
    if (name.starts_with(stem) && name.ends_with(".netns")) kept.push_back(it->path());
  }
  for (const std::string& each : kept) Netns::let_go_of(each);
  unlink(file.c_str());
}

void tell_differences(const Differences& differences, const fs::path& file) {
  for (const std::string& difference : differences) {
    std::fprintf(stderr, "not put back: %s (%s)\n", difference.c_str(), file.c_str());
  }
}

// The guardian's life. It has the journal's lock, and the reading end of a pipe that this process
// alone can write to.
[[noreturn]] void stand_guard(int pipe_fd, int journal_fd, const fs::path& file,
                              const std::string& root) {
  setsid();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) std::signal(signal, SIG_IGN);
  prctl(PR_SET_NAME, "pollmark-guard");
  if (chdir("/") != 0) _exit(1);
  // Whoever reads the process's output waits for no guardian; what went wrong is told on stderr.
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(nowhere, STDIN_FILENO);
  dup2(nowhere, STDOUT_FILENO);
  const unsigned low = static_cast<unsigned>(std::min(pipe_fd, journal_fd));
  const unsigned high = static_cast<unsigned>(std::max(pipe_fd, journal_fd));
  if (low > 3) close_range(3, low - 1, 0);
  if (high > low + 1) close_range(low + 1, high - 1, 0);
  close_range(high + 1, ~0U, 0);
  char byte = 0;
  while (read(pipe_fd, &byte, 1) < 0 && errno == EINTR) {
  }
  if (byte == kDismissed || !fs::exists(file)) _exit(0);
  const auto journal = read_journal(file);
  if (!journal) {
    std::fprintf(stderr, "not put back: %s\n", journal.error().text().c_str());
    _exit(1);
  }
  const PutBack done = put_back_all(journal->entries, root);
  tell_differences(done.differences, file);
  if (done.differences.empty()) forget(file);
  _exit(done.differences.empty() ? 0 : 1);
}

// Twice forked, so that the guardian is nobody's child that would have to be waited for. Returns
// the writing end.
Result<FileHandle> post_guardian(int journal_fd, const fs::path& file, const std::string& root) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return fail(Errc::host_cannot, fmt::format("pipe: {}", std::strerror(errno)));
  }
  const FileHandle reading(ends[0]);
  FileHandle writing(ends[1]);
  const pid_t child = fork();
  if (child < 0) return fail(Errc::host_cannot, fmt::format("fork: {}", std::strerror(errno)));
  if (child == 0) {
    const pid_t guardian = fork();
    if (guardian != 0) _exit(guardian < 0 ? 1 : 0);
    stand_guard(ends[0], journal_fd, file, root);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return fail(Errc::host_cannot, "no guardian could be started");
  }
  return writing;
}

}  // namespace

struct Journal::State {
  JournalOrder order;
  fs::path file;
  FileHandle handle;  // with the lock; the guardian has it too
  FileHandle guard;
  std::vector<JournalEntry> entries;
  bool over = false;

  // The change, and before it what it may take along, as if that were set to what it is: so that
  // all of it is read before anything moves, and compared in the end. The folder is locked.
  [[nodiscard]] Result<std::vector<JournalEntry>> to_note(const Setting& setting,
                                                          const NetnsHolder& netns,
                                                          const std::string& requested) const {
    const auto held = open_netns(netns);
    if (!held) return fail(Errc::host_cannot, "its network namespace is gone", setting.text());
    const SettingGround ground{held->fd(), order.root};
    std::vector<JournalEntry> noted;
    for (const Setting& along : taken_along_by(setting, ground)) {
      JournalEntry entry{along, netns, {}, {}};
      if (is_ours(entry)) continue;
      PM_TRYV(need_free(entry));
      PM_TRY(entry.before, read_setting(along, ground));
      entry.requested = entry.before.requested;
      noted.push_back(std::move(entry));
    }
    JournalEntry entry{setting, netns, {}, requested};
    PM_TRYV(need_free(entry));
    PM_TRY(entry.before, read_setting(setting, ground));
    noted.push_back(std::move(entry));
    return noted;
  }

  // On the disk before it is made.
  [[nodiscard]] Result<void> note(const Setting& setting, const NetnsHolder& netns,
                                  const std::string& requested) {
    PM_TRY(const FileHandle locked, lock_folder(order.folder));
    PM_TRY(const std::vector<JournalEntry> noted, to_note(setting, netns, requested));
    std::string lines;
    for (const JournalEntry& entry : noted) lines += journal_line(entry);
    PM_TRYV(append_durably(handle.fd(), lines, file));
    entries.insert(entries.end(), noted.begin(), noted.end());
    return {};
  }

  [[nodiscard]] Result<NetnsHolder> keep(const Netns& netns, std::string_view name) const {
    const std::string at = netns_file(file, name);
    PM_TRYV(netns.keep_at(at));
    return NetnsHolder{at, netns.inode()};
  }

  [[nodiscard]] bool is_ours(const JournalEntry& entry) const {
    return std::ranges::any_of(entries,
                               [&](const JournalEntry& each) { return same_setting(each, entry); });
  }

  // Errors: another run has changed it.
  [[nodiscard]] Result<void> need_free(const JournalEntry& wanted) const {
    if (is_ours(wanted)) return {};
    for (const fs::path& other : journals_in(order.folder)) {
      if (other == file) continue;
      const auto journal = read_journal(other);
      if (!journal) continue;  // its owner has noted no change yet, or has just removed it
      const bool has_it = std::ranges::any_of(journal->entries, [&](const JournalEntry& each) {
        return each.setting == wanted.setting && each.netns.inode == wanted.netns.inode;
      });
      if (!has_it) continue;
      if (is_alive(journal->owner)) {
        return fail(Errc::host_cannot, "held by " + journal->owner.text(), wanted.setting.text());
      }
      const auto end = std::chrono::steady_clock::now() + kGuardianPatience;
      while (is_locked(other) && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      if (!fs::exists(other)) continue;
      return fail(Errc::host_cannot,
                  fmt::format("not put back by {}; run: pollmark restore {}", journal->owner.text(),
                              other.string()),
                  wanted.setting.text());
    }
    return {};
  }
};

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}
Journal::Journal(Journal&&) noexcept = default;
Journal& Journal::operator=(Journal&&) noexcept = default;

Journal::~Journal() {
  if (state_ != nullptr && !state_->over) tell_differences(put_back(), state_->file);
}

Result<Journal> Journal::open(const JournalOrder& order) {
  auto state = std::make_unique<State>();
  state->order = order;
  std::error_code error;
  state->order.folder = fs::absolute(order.folder, error);  // the guardian stands elsewhere
  const fs::path& folder = state->order.folder;
  fs::create_directories(folder, error);
  if (error) return cannot_write(error.value(), folder);
  static std::atomic<int> count{0};
  const JournalOwner owner = this_process(order.command);
  state->file =
      folder / fmt::format("{}-{}-{}{}", owner.pid, owner.started_ticks, count++, kSuffix);
  state->handle = FileHandle(
      ::open(state->file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600));
  const auto ready = [&]() -> Result<void> {
    if (state->handle.fd() < 0 || flock(state->handle.fd(), LOCK_EX | LOCK_NB) != 0) {
      return cannot_write(errno, state->file);
    }
    PM_TRYV(append_durably(state->handle.fd(), journal_line(owner), state->file));
    PM_TRYV(sync_folder(folder));
    PM_TRY(state->guard, post_guardian(state->handle.fd(), state->file, order.root));
    return {};
  }();
  if (ready) return Journal(std::move(state));
  if (state->handle.fd() >= 0) unlink(state->file.c_str());
  return tl::unexpected<Error>(ready.error());
}

Result<SettingReading> Journal::change(const Setting& setting, const NetnsHolder& netns,
                                       const std::string& requested) {
  PM_CHECK(!state_->over);
  const auto inside = open_netns(netns);
  if (!inside) return fail(Errc::host_cannot, "its network namespace is gone", setting.text());
  const SettingGround ground{inside->fd(), state_->order.root};
  PM_TRYV(state_->note(setting, netns, requested));
  PM_TRYV(write_setting(setting, requested, ground));
  return read_setting(setting, ground);
}

Result<NetnsHolder> Journal::make_netns(std::string_view name) {
  PM_TRY(const Netns made, Netns::make_anonymous());
  return state_->keep(made, name);
}

Result<NetnsHolder> Journal::keep_own_netns(std::string_view name) {
  PM_TRY(const Netns own, Netns::current());
  return state_->keep(own, name);
}

Result<void> Journal::lend(const std::string& netdev, const NetnsHolder& home,
                           const NetnsHolder& away) {
  PM_CHECK(!state_->over);
  const Setting setting = home_of(netdev);
  PM_TRYV(state_->note(setting, home, away.path));
  const auto here = open_netns(home);
  if (!here) return fail(Errc::host_cannot, "its network namespace is gone", setting.text());
  return send_netdev_away(netdev, here->fd(), away.path);
}

Result<void> Journal::need_netdev_free(const std::string& netdev) {
  PM_TRY(const FileHandle locked, lock_folder(state_->order.folder));
  return state_->need_free({home_of(netdev), netns_held(-1), {}, ""});
}

Differences Journal::put_back() {
  PM_CHECK(!state_->over);
  PutBack done = put_back_all(state_->entries, state_->order.root);
  if (done.differences.empty()) forget(state_->file);
  (void)!write(state_->guard.fd(), &kDismissed, 1);
  state_->handle = {};
  state_->over = true;
  return std::move(done.differences);
}

const fs::path& Journal::file() const { return state_->file; }

fs::path state_folder() {
  const char* named = std::getenv("POLLMARK_STATE");
  return named != nullptr && *named != '\0' ? fs::path(named) : fs::path("/run/pollmark");
}

NetnsHolder netns_held(int netns_fd) {
  if (netns_fd < 0) return {"", own_netns_inode()};
  struct stat facts {};
  const bool open = fstat(netns_fd, &facts) == 0;
  return {fmt::format("/proc/{}/fd/{}", getpid(), netns_fd), open ? facts.st_ino : 0};
}

Result<Restored> restore_journal(const fs::path& file, const std::string& root) {
  const FileHandle lock(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (lock.fd() < 0) return fail(Errc::host_cannot, std::strerror(errno), file.string());
  Restored restored;
  restored.file = file;
  restored.in_use = flock(lock.fd(), LOCK_EX | LOCK_NB) != 0;
  PM_TRY(const JournalText journal, read_journal(file));
  restored.owner = journal.owner;
  if (restored.in_use) return restored;
  PutBack done = put_back_all(journal.entries, root);
  restored.settings = done.settings;
  restored.gone = std::move(done.gone);
  restored.differences = std::move(done.differences);
  if (restored.differences.empty()) forget(file);
  return restored;
}

void wait_for_guardians_of(pid_t pid, const fs::path& folder) {
  const std::string owner = fmt::format("{}-", pid);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (const fs::path& file : journals_in(folder)) {
    if (!file.filename().string().starts_with(owner)) continue;
    while (is_locked(file) && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

std::vector<fs::path> journals_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == kSuffix) files.push_back(it->path());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace pollmark
