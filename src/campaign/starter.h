// An experiment to begin with, as the text of its file: for this machine, or like a host that a
// snapshot was taken of. Pure: what is read of a machine is handed in.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace pollmark {

// What decides which paths an experiment on this machine may have.
struct StarterMachine {
  int cpus = 1;
  std::string no_lab;    // why there is no veth lab ("needs CAP_NET_ADMIN"); empty: there is one
  bool has_bpf = false;  // XDP programs may be loaded
};

// On a veth pair where the machine can, else on the model.
[[nodiscard]] std::string starter_experiment(const StarterMachine& machine);

struct ReproductionOrder {
  std::string netdev;  // of the snapshot; empty: the busiest
  int cpus = 1;        // of the machine that is to run it: a veth has as many queues
};

struct Reproduction {
  std::string text;
  std::string netdev;
  std::string why;  // this device
};

// The experiment whose two ends are veths set as the device of the snapshot is, under the load that
// the snapshot saw: by UDP, and by a TCP stream. Each value says where it comes from; what the
// snapshot does not tell, and what no veth takes, stands in it as a comment with the reason.
//   snapshot  JSON of `snapshot`
//   Errors    bad_experiment: no JSON (with the place), no snapshot, no such device
[[nodiscard]] Result<Reproduction> reproduce_host(std::string_view snapshot,
                                                  const ReproductionOrder& order);

}  // namespace pollmark
