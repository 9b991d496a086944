#include <cstdio>
#include <string>
#include <vector>

#include "apps/verbs.h"
#include "campaign/link_check.h"

namespace pollmark {

void add_try(CLI::App& app, Action& action) {
  static std::string from;
  static std::string to;
  static std::string path;
  static int frame_bytes = 64;
  static std::vector<std::string> allow;
  CLI::App* verb =
      app.add_subcommand("try", "two ports, no file: does it pass, is it the right cable, how fast")
          ->group("measure");
  verb->add_option("A", from, "sending port: model, veth, netdev:eth2")->required();
  verb->add_option("B", to, "receiving port (default: the same)");
  verb->add_option("--path", path,
                   "model; udp_socket (default on devices), packet_mmap, af_xdp, xdp_drop, dpdk");
  verb->add_option("--frame", frame_bytes, "bytes including the FCS")->capture_default_str();
  verb->add_option("--allow", allow,
                   "a device that is in use, to be taken all the same: netdev:eth2 (repeatable)")
      ->allow_extra_args(false);
  verb->footer("Exit code 1 when frames were lost. Example: pollmark try model");
  verb->callback([&action] {
    action = []() -> Result<int> {
      PM_TRY(const LinkCheck check,
             check_link(from, to.empty() ? from : to, path, frame_bytes, allow));
      std::fputs(check.text.c_str(), stdout);
      return check.passes ? 0 : static_cast<int>(Errc::gate_said_no);
    };
  });
}

}  // namespace pollmark
