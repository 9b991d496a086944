#include <cstdio>
#include <exception>
#include <string_view>

#include "apps/program.h"
#include "campaign/trial_process.h"

namespace pollmark {
namespace {

void add_verbs(CLI::App& app, Action& action) {
  add_run(app, action);
  add_plan(app, action);
  add_try(app, action);
  add_factors(app, action);
  add_init(app, action);
  add_compare(app, action);
  add_size(app, action);
  add_report(app, action);
  add_rss(app, action);
  add_ports(app, action);
  add_drops(app, action);
  add_snapshot(app, action);
  add_selftest(app, action);
  add_bench(app, action);
  add_restore(app, action);
}

int serve() {
  constexpr int kTrialSocket = 3;
  try {
    return serve_trials(kTrialSocket);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pollmark: %s\n", error.what());
    return static_cast<int>(Errc::broken);
  }
}

}  // namespace
}  // namespace pollmark

int main(int argc, char** argv) {
  using namespace pollmark;
  if (argc == 2 && std::string_view(argv[1]) == kTrialProcessVerb) return serve();
  return run_program(
      {.name = "pollmark",
       .description = "pollmark: how much traffic does this host take on this NIC, with these "
                      "settings; where does every lost packet go; which setting is worth changing?",
       .first_steps = "First steps: pollmark run scripts/experiments/quickstart.toml   "
                      "(pollmark VERB --help)",
       .add_verbs = add_verbs},
      argc, argv);
}
