// Two ends and nothing else said: does it pass, is it the right cable, how fast?
#pragma once

#include <string>

#include "base/error.h"

namespace pollmark {

struct LinkCheck {
  bool passes = false;  // every frame of the probe came back with our own stamp
  std::string text;     // lines for the terminal
};

// from and to: "model" or "veth". path empty: model for the model, udp_socket for veth.
// Errors: bad_experiment (no such port; ends that do not meet), host_cannot.
[[nodiscard]] Result<LinkCheck> check_link(const std::string& from, const std::string& to,
                                           const std::string& path, int frame_bytes);

}  // namespace pollmark
