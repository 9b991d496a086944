// What else differed between two stored campaigns, beside what they were meant to compare.
#pragma once

#include <string>
#include <vector>

#include "store/folder.h"

namespace pollmark {

struct EnvironmentDifference {
  std::string key;   // "kernel", "dpdk", "page_size", "traffic.flows", ...
  std::string from;  // "not recorded" where one of them lacks it
  std::string to;
};

// Facts of the host, versions, the pool's page size, the hot loops' ISA level, clock; and every
// setting of the trials of cells that both hold (the first where several cells differ). Measured
// facts (calibration, the loads of a search) and what changes by itself (free hugepages, seeds) are
// left out. By key.
[[nodiscard]] std::vector<EnvironmentDifference> environment_differences(const StoredCampaign& from,
                                                                         const StoredCampaign& to);

}  // namespace pollmark
