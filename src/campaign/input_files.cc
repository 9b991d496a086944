#include "campaign/input_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/text.h"
#include "rig/capture.h"
#include "rig/hit_payloads.h"
#include "rig/model_stalls.h"

namespace pollmark {

Result<void> check_input_files(const Plan& plan) {
  std::map<std::string, CaptureOrder> captures;  // by what is asked of each
  std::set<std::string> stall_traces;
  for (const Cell& cell : plan.cells) {
    if (cell.refused) continue;
    const TrialOrder& order = cell.order;
    if (order.traffic.kind == TrafficKind::replay) {
      const CaptureOrder asked = capture_order(order.traffic);
      std::string key =
          fmt::format("{}\n{}\n{}", asked.path.string(), asked.filter, name_of(asked.cut_short));
      for (const auto& [field, value] : asked.rewrite) key += '\n' + field + ' ' + value;
      captures.emplace(key, asked);
    }
    if (order.path == Path::model && order.model.stalls.kind == StallKind::trace)
      stall_traces.insert(order.model.stalls.trace);
  }
  std::vector<std::string> mistakes;
  std::set<std::tuple<std::string, double, std::vector<int>>> searched;
  for (const Cell& cell : plan.cells) {
    const TrialOrder& order = cell.order;
    if (cell.refused ||
        !searched
             .insert({order.receiver.patterns, order.traffic.hit_ratio, order.traffic.frame_bytes})
             .second)
      continue;
    const auto checked = check_patterns(order);
    if (checked) continue;
    const std::string text = checked.error().text();
    if (std::find(mistakes.begin(), mistakes.end(), text) == mistakes.end())
      mistakes.push_back(text);
  }
  for (const auto& [key, asked] : captures)
    if (const auto capture = load_capture(asked); !capture)
      mistakes.push_back(capture.error().text());
  for (const std::string& file : stall_traces)
    if (const auto trace = read_stall_trace(file); !trace) mistakes.push_back(trace.error().text());
  if (mistakes.empty()) return {};
  return fail(Errc::bad_experiment, join(mistakes, "\n"));
}

}  // namespace pollmark
