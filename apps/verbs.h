// Each verb adds its command to the program. A verb wires and prints; the work is in src/.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "base/error.h"

namespace pollmark {

// Set by the callback of the chosen verb: runs it and gives the exit code, or an error that main()
// prints as one line.
using Action = std::function<Result<int>()>;

void add_bench(CLI::App& app, Action& action);
void add_run(CLI::App& app, Action& action);
void add_plan(CLI::App& app, Action& action);
void add_try(CLI::App& app, Action& action);
void add_factors(CLI::App& app, Action& action);
void add_init(CLI::App& app, Action& action);
void add_report(CLI::App& app, Action& action);
void add_compare(CLI::App& app, Action& action);
void add_restore(CLI::App& app, Action& action);
void add_rss(CLI::App& app, Action& action);
void add_ports(CLI::App& app, Action& action);
void add_drops(CLI::App& app, Action& action);
void add_snapshot(CLI::App& app, Action& action);
void add_size(CLI::App& app, Action& action);
void add_selftest(CLI::App& app, Action& action);

// Refuses "": where leaving an option out means something else.
[[nodiscard]] CLI::Validator not_empty();

// The command line, quoted for a shell: for provenance, and to be typed again.
[[nodiscard]] const std::string& command_line();

}  // namespace pollmark
