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
#include "store/file_digest.h"

namespace pollmark {
namespace {

// The same however the experiment was named, and wherever its folder is moved with its files.
std::string name_from(const std::filesystem::path& folder, const std::filesystem::path& file) {
  const std::filesystem::path whole = std::filesystem::absolute(file).lexically_normal();
  const auto name =
      whole.lexically_relative(std::filesystem::absolute(folder / ".").lexically_normal());
  return (name.empty() || *name.begin() == ".." ? whole : name).string();
}

}  // namespace

Result<std::map<std::string, std::string>> check_input_files(const Plan& plan,
                                                             const std::filesystem::path& folder) {
  std::map<std::string, CaptureOrder> captures;  // by what is asked of each
  std::set<std::string> stall_traces;
  std::set<std::filesystem::path> files;
  for (const Cell& cell : plan.cells) {
    if (cell.refused) continue;
    const TrialOrder& order = cell.order;
    if (order.traffic.kind == TrafficKind::replay) {
      const CaptureOrder asked = capture_order(order.traffic);
      std::string key =
          fmt::format("{}\n{}\n{}", asked.path.string(), asked.filter, name_of(asked.cut_short));
      for (const auto& [field, value] : asked.rewrite) key += '\n' + field + ' ' + value;
      captures.emplace(key, asked);
      files.insert(asked.path);
    }
    if (order.path == Path::model && order.model.stalls.kind == StallKind::trace)
      stall_traces.insert(order.model.stalls.trace);
    if (order.receiver.stage == StageKind::hyperscan) files.insert(order.receiver.patterns);
  }
  files.insert(stall_traces.begin(), stall_traces.end());
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
  if (!mistakes.empty()) return fail(Errc::bad_experiment, join(mistakes, "\n"));
  std::map<std::string, std::string> digests;
  for (const std::filesystem::path& file : files) {
    PM_TRY(std::string digest, file_digest(file));
    digests.emplace(name_from(folder, file), std::move(digest));
  }
  return digests;
}

Result<void> check_same_inputs(const std::map<std::string, std::string>& begun,
                               const std::map<std::string, std::string>& now) {
  for (const auto& [file, digest] : begun) {
    const auto current = now.find(file);
    if (current == now.end())
      return fail(Errc::bad_experiment,
                  fmt::format("was an input when this folder was begun ({}); now there is none of "
                              "that name beside the experiment",
                              digest),
                  file);
    if (current->second == digest) continue;
    return fail(Errc::bad_experiment,
                fmt::format("is not the file that this folder was begun with: {}, then {}; put the "
                            "old one back, or begin another folder",
                            current->second, digest),
                file);
  }
  return {};
}

}  // namespace pollmark
