#include "host/journal_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/text.h"
#include "host/file_text.h"

namespace pollmark {
namespace {

using JournalJson = nlohmann::ordered_json;

constexpr int kJournalFormat = 1;

// Names and commands are bytes; JSON is UTF-8.
std::string line_of(const JournalJson& json) {
  return json.dump(-1, ' ', false, JournalJson::error_handler_t::replace) + "\n";
}

std::optional<std::string> text_in(const JournalJson& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

template <typename Number>
std::optional<Number> number_in_json(const JournalJson& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<Number>();
}

std::optional<SettingKind> kind_named(const std::optional<std::string>& name) {
  for (int i = 0; i <= static_cast<int>(kLastSettingKind); ++i) {
    const auto kind = static_cast<SettingKind>(i);
    if (name && name_of(kind) == *name) return kind;
  }
  return std::nullopt;
}

std::optional<SettingReading> reading_in(const JournalJson& json) {
  const auto found = json.find("before");
  if (found == json.end() || !found->is_object()) return std::nullopt;
  const auto requested = text_in(*found, "requested");
  const auto effective = text_in(*found, "effective");
  if (!requested || !effective) return std::nullopt;
  return SettingReading{*requested, *effective};
}

std::optional<JournalOwner> owner_in(const JournalJson& json) {
  const auto pid = number_in_json<pid_t>(json, "pid");
  const auto ticks = number_in_json<std::uint64_t>(json, "started_ticks");
  const auto since = text_in(json, "since_utc");
  const auto command = text_in(json, "command");
  if (number_in_json<int>(json, "journal") != kJournalFormat || !pid || !ticks || !since ||
      !command) {
    return std::nullopt;
  }
  return JournalOwner{*pid, *ticks, *since, *command};
}

std::optional<JournalEntry> entry_in(const JournalJson& json) {
  const auto kind = kind_named(text_in(json, "kind"));
  const auto name = text_in(json, "name");
  const auto netdev = text_in(json, "netdev");
  const auto netns = text_in(json, "netns");
  const auto inode = number_in_json<std::uint64_t>(json, "netns_inode");
  const auto before = reading_in(json);
  const auto requested = text_in(json, "requested");
  if (!kind || !name || !netdev || !netns || !inode || !before || !requested) return std::nullopt;
  return JournalEntry{{*kind, *name, *netdev}, {*netns, *inode}, *before, *requested};
}

}  // namespace

std::string JournalOwner::text() const {
  return fmt::format("pid {} ({}) since {}", pid, command, since_utc);
}

std::string journal_line(const JournalOwner& owner) {
  return line_of({{"journal", kJournalFormat},
                  {"pid", owner.pid},
                  {"started_ticks", owner.started_ticks},
                  {"since_utc", owner.since_utc},
                  {"command", owner.command}});
}

std::string journal_line(const JournalEntry& entry) {
  return line_of(
      {{"kind", name_of(entry.setting.kind)},
       {"name", entry.setting.name},
       {"netdev", entry.setting.netdev},
       {"netns", entry.netns.path},
       {"netns_inode", entry.netns.inode},
       {"before", {{"requested", entry.before.requested}, {"effective", entry.before.effective}}},
       {"requested", entry.requested}});
}

Result<JournalText> read_journal(const std::filesystem::path& file) {
  PM_TRY(const std::string text, read_text_at(AT_FDCWD, file.string()));
  JournalText journal;
  const std::vector<std::string> lines = split(text, '\n');
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const JournalJson json = JournalJson::parse(lines[i], nullptr, false);
    const bool last = i + 1 == lines.size();
    const auto wrong = [&](std::string_view what) {
      return fail(Errc::bad_experiment, std::string(what),
                  fmt::format("{}:{}", file.string(), i + 1));
    };
    if (!json.is_object()) {
      if (last && i > 0) break;
      return wrong("is no line of a journal");
    }
    if (i == 0) {
      const auto owner = owner_in(json);
      if (!owner) return wrong("does not say whose journal this is");
      journal.owner = *owner;
      continue;
    }
    auto entry = entry_in(json);
    if (!entry) return wrong("is no change of a setting");
    journal.entries.push_back(std::move(*entry));
  }
  return journal;
}

JournalOwner this_process(const std::string& command) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  return {getpid(), started_ticks_of(getpid()).value_or(0), utc_text(now.count()), command};
}

std::optional<std::uint64_t> started_ticks_of(pid_t pid) {
  const auto stat = read_text_at(AT_FDCWD, fmt::format("/proc/{}/stat", pid));
  if (!stat) return std::nullopt;
  // The name, in brackets, may hold anything.
  std::istringstream fields(stat->substr(std::min(stat->rfind(')') + 1, stat->size())));
  // One that is dead and not yet waited for holds nothing.
  std::string state;
  if (!(fields >> state) || state == "Z" || state == "X") return std::nullopt;
  constexpr int kFieldsBetween = 18;  // ppid (4) to itrealvalue (21)
  std::string skipped;
  for (int i = 0; i < kFieldsBetween; ++i) fields >> skipped;
  std::uint64_t ticks = 0;
  if (!(fields >> ticks)) return std::nullopt;
  return ticks;
}

}  // namespace pollmark
