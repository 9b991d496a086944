// Where and how a campaign ran: everything a reader needs to doubt or repeat it.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace pollmark {

struct Provenance {
  std::string pollmark_version;  // version and commit
  std::string started_utc;
  std::string command_line;
  std::string experiment_folder;                   // where names in the experiment (captures) start
  std::vector<std::string> overrides;              // --set, in order
  bool quick = false;                              // --quick
  std::map<std::string, std::string> inputs;       // capture, stall trace, patterns: size, CRC-32
  std::map<std::string, std::string> host;         // cpu_model, cpus, kernel, hypervisor, ...
  std::map<std::string, std::string> libraries;    // dpdk, libpcap, compiler, ...
  std::map<std::string, std::string> calibration;  // tsc_hz, empty_bracket_cycles, ...
  std::vector<std::string> warnings;  // environment: governor, steal, one NUMA node, ...
};

}  // namespace pollmark
