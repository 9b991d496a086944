#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <vector>

#include "apps/verbs.h"
#include "host/journal.h"

namespace pollmark {
namespace {

std::string restored_text(const Restored& restored) {
  std::string text = fmt::format("{}: {}", restored.file.string(), restored.owner.text());
  if (restored.in_use) return text + ": at work, left alone\n";
  text += fmt::format(": {} setting{} as before\n", restored.settings,
                      restored.settings == 1 ? "" : "s");
  for (const std::string& gone : restored.gone) text += fmt::format("  gone: {}\n", gone);
  for (const std::string& difference : restored.differences)
    text += fmt::format("  not put back: {}\n", difference);
  return text;
}

// One that cannot be read keeps none of the others from being put back.
Result<int> restore_all(const std::vector<std::filesystem::path>& files) {
  bool all = true;
  for (const std::filesystem::path& file : files) {
    const auto restored = restore_journal(file);
    if (!restored && files.size() == 1) return tl::unexpected<Error>(restored.error());
    all = all && restored && !restored->in_use && restored->differences.empty();
    std::fputs(
        restored ? restored_text(*restored).c_str() : (restored.error().text() + "\n").c_str(),
        stdout);
  }
  return all ? 0 : static_cast<int>(Errc::gate_said_no);
}

}  // namespace

void add_restore(CLI::App& app, Action& action) {
  CLI::App* verb =
      app.add_subcommand("restore", "put back what a run that was cut off left changed")
          ->group("trust");
  verb->footer(
      "Reads the journals below $POLLMARK_STATE, else /run/pollmark. Exit code 1: something is "
      "not\n"
      "as it was, or a run is at work. Example: " +
      app.get_name() + " restore");
  static std::string journal;
  verb->add_option("JOURNAL", journal, "one journal; without it all of them");
  verb->callback([&action] {
    action = []() -> Result<int> {
      if (!journal.empty()) return restore_all({journal});
      const auto journals = journals_in(state_folder());
      if (journals.empty())
        fmt::print("nothing to put back: no journal in {}\n", state_folder().string());
      return restore_all(journals);
    };
  });
}

}  // namespace pollmark
