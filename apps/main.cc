#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "apps/verbs.h"
#include "campaign/stop_signal.h"
#include "campaign/trial_process.h"
#include "campaign/version.h"

namespace pollmark {
namespace {

std::string typed;

int run_program(int argc, char** argv) {
  for (int i = 0; i < argc; ++i) typed += (i ? " " : "") + std::string(argv[i]);

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
  add_report(app, action);
  add_ports(app, action);
  add_selftest(app, action);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(Errc::bad_experiment);
  }
  catch_stop_signals();
  const Result<int> code = action();
  if (code) return *code;
  std::fprintf(stderr, "%s\n", code.error().text().c_str());
  return static_cast<int>(code.error().code);
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
