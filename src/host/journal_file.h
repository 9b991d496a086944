// The text of a journal: one JSON line that says whose it is, then one for each change that was
// about to be made. A line is on the disk before its change is made.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/setting.h"

namespace pollmark {

// A network namespace that another process can find again. The number tells a namespace from one
// that took its place; the path, where some process holds it ("/proc/17/ns/net", "/run/netns/lab").
struct NetnsHolder {
  std::string path;  // empty: that of the process that reads the journal
  std::uint64_t inode = 0;
  friend bool operator==(const NetnsHolder&, const NetnsHolder&) = default;
};

struct JournalOwner {
  pid_t pid = 0;
  std::uint64_t started_ticks = 0;  // since boot; tells a process from a later one of its number
  std::string since_utc;
  std::string command;
  // "pid 17 (pollmark run x.toml) since 2026-11-27T18:00:00Z".
  [[nodiscard]] std::string text() const;
};

struct JournalEntry {
  Setting setting;
  NetnsHolder netns;
  SettingReading before;
  std::string requested;  // about to be set
};

struct JournalText {
  JournalOwner owner;
  std::vector<JournalEntry> entries;  // in the order of the changes
};

[[nodiscard]] std::string journal_line(const JournalOwner& owner);
[[nodiscard]] std::string journal_line(const JournalEntry& entry);
// A last line that was cut short belongs to a change that was not made, and is left out. Errors:
// bad_experiment with the file and the line.
[[nodiscard]] Result<JournalText> read_journal(const std::filesystem::path& file);

[[nodiscard]] JournalOwner this_process(const std::string& command);
// Field 22 of /proc/PID/stat; nullopt: no such process.
[[nodiscard]] std::optional<std::uint64_t> started_ticks_of(pid_t pid);

}  // namespace pollmark
