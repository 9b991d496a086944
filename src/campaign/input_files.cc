#include "campaign/input_files.h"

#include <set>
#include <string>
#include <vector>

#include "base/text.h"
#include "rig/capture.h"
#include "rig/model_stalls.h"

namespace pollmark {

Result<void> check_input_files(const Plan& plan) {
  std::set<std::string> captures;
  std::set<std::string> stall_traces;
  for (const Cell& cell : plan.cells) {
    if (cell.refused) continue;
    const TrialOrder& order = cell.order;
    if (order.traffic.kind == TrafficKind::replay) captures.insert(order.traffic.pcap);
    if (order.path == Path::model && order.model.stalls.kind == StallKind::trace)
      stall_traces.insert(order.model.stalls.trace);
  }
  std::vector<std::string> mistakes;
  for (const std::string& file : captures)
    if (const auto capture = load_capture(file); !capture)
      mistakes.push_back(capture.error().text());
  for (const std::string& file : stall_traces)
    if (const auto trace = read_stall_trace(file); !trace) mistakes.push_back(trace.error().text());
  if (mistakes.empty()) return {};
  return fail(Errc::bad_experiment, join(mistakes, "\n"));
}

}  // namespace pollmark
