#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

#include "apps/verbs.h"
#include "base/input_file.h"
#include "campaign/starter.h"
#include "host/facts.h"
#include "host/privilege.h"
#include "host/trial_cpus.h"
#include "plan/experiment.h"

namespace pollmark {
namespace {

constexpr std::int64_t kMostSnapshotBytes = 64 << 20;
constexpr std::string_view kWhatSnapshot =
    "what `pollmark snapshot` prints, in a file; - for stdin";

struct InitOptions {
  std::filesystem::path from;
  std::string netdev;
  std::filesystem::path output;
  bool force = false;
};

Result<std::string> read_stdin() {
  std::string text;
  std::string chunk(1 << 16, '\0');
  while (const std::size_t got = std::fread(chunk.data(), 1, chunk.size(), stdin)) {
    text.append(chunk, 0, got);
    if (text.size() > static_cast<std::size_t>(kMostSnapshotBytes)) {
      return fail(Errc::bad_experiment, fmt::format("is too long; allowed: {}", kWhatSnapshot),
                  "-");
    }
  }
  return text;
}

StarterMachine this_machine() {
  StarterMachine machine{.cpus = read_host_facts().cpu.logical_cpus,
                         .has_bpf = has_capability("CAP_BPF")};
  if (const auto lab = need_network_lab(); !lab) {
    machine.no_lab = lab.error().text();
  } else if (const auto cpus = trial_cpus(TrialOrder{}); !cpus) {
    machine.no_lab = cpus.error().text();
  }
  return machine;
}

Result<std::string> make_text(const InitOptions& options) {
  const StarterMachine machine = this_machine();
  if (options.from.empty()) return starter_experiment(machine);
  PM_TRY(const std::string snapshot,
         options.from == "-" ? read_stdin()
                             : read_input_file(options.from, kWhatSnapshot, kMostSnapshotBytes));
  auto made = reproduce_host(snapshot, {.netdev = options.netdev, .cpus = machine.cpus});
  if (!made) return fail(made.error().code, made.error().what, options.from.string());
  std::fprintf(stderr, "%s: %s\n", made->netdev.c_str(), made->why.c_str());
  return std::move(made->text);
}

// What is printed is what `plan` takes.
Result<void> check_that_it_plans(const std::string& text) {
  auto read = parse_experiment(text, "init", {});
  if (!read) return fail(Errc::broken, read.error().text());
  const auto plan = plan_experiment(std::move(*read));
  if (!plan) return fail(Errc::broken, plan.error().text());
  return {};
}

Result<void> write_file(const InitOptions& options, const std::string& text) {
  const std::string name = options.output.string();
  if (const auto other = not_an_ordinary_file(options.output)) {
    return fail(Errc::bad_experiment, *other + "; allowed: the name of a file", name);
  }
  const int fd =
      open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | (options.force ? O_TRUNC : O_EXCL), 0666);
  if (fd < 0 && errno == EEXIST) {
    return fail(Errc::bad_experiment, "is there already; allowed: another name, or --force", name);
  }
  if (fd < 0) return fail(Errc::host_cannot, std::strerror(errno), name);
  FILE* file = fdopen(fd, "w");
  PM_CHECK(file != nullptr);
  const bool written = std::fputs(text.c_str(), file) >= 0;
  if (std::fclose(file) != 0 || !written)
    return fail(Errc::host_cannot, std::strerror(errno), name);
  return {};
}

}  // namespace

void add_init(CLI::App& app, Action& action) {
  static InitOptions options;
  CLI::App* verb = app.add_subcommand("init", "an experiment to begin with, or like another host")
                       ->group("measure");
  CLI::Option* from = verb->add_option("--from", options.from,
                                       "make it like the host of this snapshot (- for stdin)")
                          ->check(not_empty());
  verb->add_option("--netdev", options.netdev, "like this device of it (default: the busiest)")
      ->check(not_empty())
      ->needs(from);
  CLI::Option* output =
      verb->add_option("-o,--output", options.output, "write it to this file (default: print it)")
          ->check(not_empty());
  verb->add_flag("--force", options.force, "even if the file is there already")->needs(output);
  verb->footer(
      "On a veth pair where this user may make one, else on the model. Touches nothing but FILE.\n"
      "Examples: pollmark init -o first.toml\n"
      "          pollmark snapshot > web1.json; pollmark init --from web1.json -o web1.toml");
  verb->callback([&action] {
    action = []() -> Result<int> {
      PM_TRY(const std::string text, make_text(options));
      PM_TRYV(check_that_it_plans(text));
      if (options.output.empty()) {
        std::fputs(text.c_str(), stdout);
        return 0;
      }
      PM_TRYV(write_file(options, text));
      const std::string name = options.output.string();
      std::fputs(fmt::format("{}: written; next: pollmark plan {}\n", name, name).c_str(), stdout);
      return 0;
    };
  });
}

}  // namespace pollmark
