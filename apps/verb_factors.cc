#include <cstdio>

#include "apps/verbs.h"
#include "plan/print.h"

namespace pollmark {

void add_factors(CLI::App& app, Action& action) {
  CLI::App* verb =
      app.add_subcommand("factors", "every factor: levels, limits, ethtool and testpmd names")
          ->group("measure");
  verb->footer("Example: pollmark factors");
  verb->callback([&action] {
    action = []() -> Result<int> {
      std::fputs(render_factors().c_str(), stdout);
      return 0;
    };
  });
}

}  // namespace pollmark
