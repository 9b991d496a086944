// What the programs of apps/ share: the command line around the verbs, one line for each mistake,
// and the exit codes.
#pragma once

#include <functional>
#include <string>

#include "apps/verbs.h"

namespace pollmark {

struct Program {
  std::string name;
  std::string description;
  std::string first_steps;  // last line of --help
  std::function<void(CLI::App&, Action&)> add_verbs;
};

// Parses the command line, runs the chosen verb and returns the exit code.
[[nodiscard]] int run_program(const Program& program, int argc, char** argv);

}  // namespace pollmark
