#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "apps/verbs.h"
#include "base/text.h"
#include "campaign/stop_signal.h"
#include "campaign/trial_process.h"
#include "campaign/version.h"

namespace pollmark {
namespace {

std::string typed;

std::vector<std::string> verbs_of(CLI::App& app) {
  std::vector<std::string> verbs;
  for (const CLI::App* verb : app.get_subcommands({})) verbs.push_back(verb->get_name());
  return verbs;
}

// What is wrong with the first word, if it should be a verb and is none.
Result<void> need_verb(CLI::App& app, int argc, char** argv) {
  if (argc > 1 && argv[1][0] == '-') return {};
  const std::vector<std::string> verbs = verbs_of(app);
  const std::string word = argc > 1 ? argv[1] : "";
  if (std::find(verbs.begin(), verbs.end(), word) != verbs.end()) return {};
  const std::string guess = did_you_mean(word, verbs);
  return fail(Errc::bad_experiment,
              (word.empty() ? "a verb is missing" : "no such verb: \"" + word + "\"") +
                  (guess.empty() ? "" : ", did you mean \"" + guess + "\"?") +
                  "; allowed: " + join(verbs, ", ") + " (pollmark --help)");
}

std::string usage_mistake(const CLI::App* app, const CLI::Error& error) {
  std::string help = "pollmark";
  for (const CLI::App* verb : app->get_subcommands()) help += " " + verb->get_name();
  return std::string(error.what()) + "; see " + help + " --help\n";
}

// False where results are lost. A pipe whose reader has read enough loses nothing.
bool stdout_took_everything() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
  struct stat facts {};
  return ::fstat(STDOUT_FILENO, &facts) == 0 && S_ISFIFO(facts.st_mode);
}

int tell(const Error& error) {
  std::fprintf(stderr, "%s\n", error.text().c_str());
  return static_cast<int>(error.code);
}

int run_program(int argc, char** argv) {
  for (int i = 0; i < argc; ++i) typed += (i ? " " : "") + shell_quoted(argv[i]);

  CLI::App app{
      "pollmark: how much traffic does this host take on this NIC, with these settings; where does "
      "every lost packet go; which setting is worth changing?",
      "pollmark"};
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 ok, 1 a gate said no or a cell has no valid trial, 2 bad experiment or "
      "usage,\n"
      "3 this host cannot, 4 interrupted (results kept), 70 pollmark itself is wrong.\n"
      "First steps: pollmark run scripts/experiments/quickstart.toml   (pollmark VERB --help)");
  Action action;
  add_run(app, action);
  add_plan(app, action);
  add_try(app, action);
  add_factors(app, action);
  add_compare(app, action);
  add_report(app, action);
  add_rss(app, action);
  add_ports(app, action);
  add_selftest(app, action);
  add_bench(app, action);

  app.failure_message(usage_mistake);
  if (const auto verb = need_verb(app, argc, argv); !verb) return tell(verb.error());

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(Errc::bad_experiment);
  }
  catch_stop_signals();
  const Result<int> code = action();
  if (!code) return tell(code.error());
  if (!stdout_took_everything())
    return tell(Error{Errc::host_cannot, "cannot write all of the output", "stdout"});
  return *code;
}

}  // namespace

const std::string& command_line() { return typed; }

}  // namespace pollmark

int main(int argc, char** argv) {
  constexpr int kTrialSocket = 3;
  try {
    if (argc == 2 && std::string_view(argv[1]) == pollmark::kTrialProcessVerb)
      return pollmark::serve_trials(kTrialSocket);
    return pollmark::run_program(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pollmark: %s\n", error.what());
    return static_cast<int>(pollmark::Errc::broken);
  }
}
