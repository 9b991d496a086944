// Sizing from a stored campaign, without running anything.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace pollmark {

struct SizeOrder {
  std::filesystem::path folder;
  std::string target;              // empty: the experiment's own
  std::vector<std::string> where;  // "factor=level": only such cells
  std::string utilisation;         // "70 %"; empty: that
  std::string link;                // "25G"; empty: that of the model, if it is one
  std::string pcie;                // "gen3 x16"; empty: not known
  std::string nic;                 // "18.75 Mpps"; empty: not known
};

// Text, or JSON where that is asked.
enum class SizeFormat { text, json };

// Cores, queues, descriptors and headroom for the target (judge/sizing.h), what binds, and where
// the folder's stalls were stated the miss ratio that the model gives beside the one measured.
// Errors: bad_experiment for whatever cannot be sized: no such folder, another schema, a damaged
// record, a target that cannot be read or that no measured cell supports, a metric that was not
// measured.
[[nodiscard]] Result<std::string> size_folder(const SizeOrder& order, SizeFormat format, int width);

}  // namespace pollmark
