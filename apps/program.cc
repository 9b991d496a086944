#include "apps/program.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#include "base/stop_signal.h"
#include "base/text.h"
#include "base/version.h"

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
                  "; allowed: " + join(verbs, ", ") + " (" + app.get_name() + " --help)");
}

std::string usage_mistake(const CLI::App* app, const CLI::Error& error) {
  std::string help = app->get_name();
  for (const CLI::App* verb : app->get_subcommands()) help += " " + verb->get_name();
  return std::string(error.what()) + "; see " + help + " --help\n";
}

// False where results are lost. A pipe whose reader has read enough loses nothing.
bool stdout_took_everything() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return true;
  struct stat facts {};
  return ::fstat(STDOUT_FILENO, &facts) == 0 && S_ISFIFO(facts.st_mode);
}

Error output_lost() { return {Errc::host_cannot, "cannot write all of the output", "stdout"}; }

int tell(const Error& error) {
  std::fprintf(stderr, "%s\n", error.text().c_str());
  return static_cast<int>(error.code);
}

int parse_and_run(const Program& program, int argc, char** argv) {
  for (int i = 0; i < argc; ++i) typed += (i ? " " : "") + shell_quoted(argv[i]);

  CLI::App app{program.description, program.name};
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 ok, 1 a gate said no or a cell has no valid trial, 2 bad experiment or "
      "usage,\n"
      "3 this host cannot, 4 interrupted (results kept), 70 pollmark itself is wrong.\n" +
      program.first_steps);
  Action action;
  program.add_verbs(app, action);

  app.failure_message(usage_mistake);
  if (const auto verb = need_verb(app, argc, argv); !verb) return tell(verb.error());

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (app.exit(error) != 0) return static_cast<int>(Errc::bad_experiment);
    return stdout_took_everything() ? 0 : tell(output_lost());
  }
  catch_stop_signals();
  const Result<int> code = action();
  if (!code) return tell(code.error());
  if (!stdout_took_everything()) return tell(output_lost());
  return *code;
}

}  // namespace

const std::string& command_line() { return typed; }

CLI::Validator not_empty() {
  return {[](const std::string& text) {
            return text.empty() ? std::string("is empty; allowed: a name") : std::string();
          },
          ""};
}

int run_program(const Program& program, int argc, char** argv) {
  try {
    return parse_and_run(program, argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program.name.c_str(), error.what());
    return static_cast<int>(Errc::broken);
  }
}

}  // namespace pollmark
