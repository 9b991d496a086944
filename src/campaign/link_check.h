// Two ends and nothing else said: does it pass, is it the right cable, how fast?
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace pollmark {

struct LinkCheck {
  bool passes = false;  // every frame of the probe came back with our own stamp
  std::string text;     // lines for the terminal
};

// from and to: "model", "veth", or two network devices ("netdev:eth2"). path empty: model for the
// model, else udp_socket. allow: devices in use that may be taken all the same, as [host] allow.
// Errors: bad_experiment (no such port; ends that do not meet), host_cannot.
[[nodiscard]] Result<LinkCheck> check_link(const std::string& from, const std::string& to,
                                           const std::string& path, int frame_bytes,
                                           std::vector<std::string> allow);

}  // namespace pollmark
