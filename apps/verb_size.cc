#include <cstdio>

#include "apps/verbs.h"
#include "campaign/campaign.h"
#include "campaign/size.h"

namespace pollmark {

void add_size(CLI::App& app, Action& action) {
  static SizeOrder order;
  static bool json = false;
  CLI::App* verb = app.add_subcommand("size",
                                      "cores, queues, descriptors and headroom for a target, from "
                                      "stored results")
                       ->group("judge");
  verb->add_option("DIR", order.folder, "results folder")->required();
  verb->add_option("--target", order.target,
                   "a rate, then frame, loss, p99, cores (default: the experiment's [target])");
  verb->add_option("--where", order.where, "FACTOR=LEVEL: only cells that have it (repeatable)")
      ->allow_extra_args(false);
  verb->add_option("--utilisation", order.utilisation,
                   "of a core, the rest is kept free (default: 70 %)");
  verb->add_option("--link", order.link, "speed of the port: 25G (default: the model's)");
  verb->add_option("--pcie", order.pcie, "what the NIC sits on: \"gen3 x16\"");
  verb->add_option("--nic", order.nic, "the NIC's own limit: \"18.75 Mpps\"");
  verb->add_flag("--json", json, "the same as JSON");
  verb->footer(
      "Runs nothing. What was measured and what a model says of it are printed apart.\n"
      "Exit codes: 0 ok, 2 what cannot be sized: nothing is extrapolated beyond 4 times the cores\n"
      "or 2 times the frame sizes that were measured.\n"
      "Example: pollmark size results/a --target \"20 Gbps L2, frame imix, loss 1e-6\" --pcie "
      "\"gen4 x8\"");
  verb->callback([&action] {
    action = []() -> Result<int> {
      PM_TRY(const std::string text,
             size_folder(order, json ? SizeFormat::json : SizeFormat::text, output_width()));
      std::fputs(text.c_str(), stdout);
      return 0;
    };
  });
}

}  // namespace pollmark
