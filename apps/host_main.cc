#include "apps/program.h"

namespace pollmark {
namespace {

void add_verbs(CLI::App& app, Action& action) {
  add_drops(app, action);
  add_snapshot(app, action);
  add_restore(app, action);
}

}  // namespace
}  // namespace pollmark

int main(int argc, char** argv) {
  return pollmark::run_program(
      {.name = "pollmark-host",
       .description = "pollmark-host: where do packets die on this host, and how is it set? Needs "
                      "neither DPDK nor Hyperscan.",
       .first_steps = "First steps: pollmark-host drops --once   (pollmark-host VERB --help)",
       .add_verbs = pollmark::add_verbs},
      argc, argv);
}
