#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "apps/verbs.h"
#include "base/units.h"
#include "campaign/judgement_check.h"
#include "campaign/selftest.h"

namespace pollmark {
namespace {

const char* verdict_text(Finding::Verdict verdict) {
  switch (verdict) {
    case Finding::Verdict::found:
      return "ok     ";
    case Finding::Verdict::missed:
      return "FAILED ";
    case Finding::Verdict::skipped:
      return "skipped";
    case Finding::Verdict::figure:
      return "figure ";
  }
  return "";
}

}  // namespace

void add_selftest(CLI::App& app, Action& action) {
  static SelftestOrder order;
  static std::string packets;
  static bool no_kernel = false;
  static bool judgement = false;
  CLI::App* verb = app.add_subcommand("selftest", "inject every fault, find each under its name")
                       ->group("trust");
  verb->add_option("--packets", packets, "at least so many over all fault kinds (default 2 M)");
  verb->add_flag("--figures", order.figures,
                 "also the stall law, the cache cost of rings, and repeatability (minutes)");
  verb->add_flag(
      "--judgement", judgement,
      "instead: 30 A/A and 30 A/B comparisons on this machine, 12 blocks each (minutes)");
  verb->add_flag("--no-kernel", no_kernel, "leave the veth lab out");
  verb->footer("Exit code 1 when something planted was not found. Example: pollmark selftest");
  verb->callback([&action] {
    action = []() -> Result<int> {
      if (!packets.empty()) {
        auto count = parse_count(packets);
        if (!count) return tl::unexpected<Error>(std::move(count).error().within("--packets"));
        if (*count < kSelftestLeastPackets)
          return fail(Errc::bad_experiment,
                      fmt::format("{} is too small: hardly a fault would be planted; allowed: at "
                                  "least {}",
                                  grouped(*count), grouped(kSelftestLeastPackets)),
                      "--packets");
        order.packets = *count;
      }
      order.kernel = !no_kernel;
      const auto tell = [](const Finding& finding) {
        std::printf("%s  %s: %s\n", verdict_text(finding.verdict), finding.name.c_str(),
                    finding.detail.c_str());
        std::fflush(stdout);
      };
      PM_TRY(const auto findings,
             judgement ? run_judgement_check(tell) : run_selftest(order, tell));
      return std::any_of(
                 findings.begin(), findings.end(),
                 [](const Finding& finding) { return finding.verdict == Finding::Verdict::missed; })
                 ? static_cast<int>(Errc::gate_said_no)
                 : 0;
    };
  });
}

}  // namespace pollmark
