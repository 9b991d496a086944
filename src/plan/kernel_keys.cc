// [host], and what is asked of settings of the whole host.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "plan/experiment_reader.h"
#include "record/kernel_knob.h"

namespace pollmark {
namespace {

constexpr std::string_view kNetdevPort = "netdev:";

std::vector<std::string> host_settings() {
  std::vector<std::string> names;
  for (const KernelKnob& knob : all_kernel_knobs()) {
    if (knob.reach == KnobReach::host) names.emplace_back(setting_name(knob));
  }
  return names;
}

}  // namespace

void Reader::read_host_allow(const Entry& entry, Draft& draft) {
  const std::vector<std::string> settings = host_settings();
  const std::string allowed =
      fmt::format("a list of {}, and ports in use: \"netdev:eth2\"", join(settings, ", "));
  const toml::array* array = entry.node->as_array();
  if (!array) return wrong_type(draft, entry, "allow", allowed);
  for (const toml::node& element : *array) {
    const auto* text = element.as_string();
    const std::string name = text ? text->get() : "";
    const bool is_port = name.starts_with(kNetdevPort) && name.size() > kNetdevPort.size();
    if (!is_port && std::ranges::find(settings, name) == settings.end()) {
      const std::string near = did_you_mean(name, settings);
      mistake_in(
          draft, element.source(),
          fmt::format("allow: {}{}; allowed: {}",
                      text ? fmt::format("\"{}\" is not known", name) : type_text(element),
                      near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near), allowed));
      continue;
    }
    experiment_.host_allow.push_back(name);
  }
}

// A trial that turns a setting of the whole host changes what others get, too.
void Reader::check_host_wide(Draft& draft) {
  const auto need_permission = [&](const std::string& name, const toml::source_region& at) {
    const KernelKnob* knob = find_kernel_knob(name);
    if (!knob || knob->reach != KnobReach::host) return;
    const std::string setting(setting_name(*knob));
    if (std::ranges::find(experiment_.host_allow, setting) != experiment_.host_allow.end()) return;
    mistake_in(
        draft, at,
        fmt::format("{} is a setting of the whole host; allowed with [host] allow = [\"{}\"]", name,
                    setting));
  };
  for (const auto& [name, level] : draft.group.base.kernel_knobs) {
    if (const Entry* entry = find(draft, "kernel", name)) need_permission(name, entry->at);
  }
  for (const FactorLevels& column : draft.group.factors) {
    for (const auto& [name, level] : column.sets.front()) {
      need_permission(name, find(draft, "factors", column.factor)->at);
    }
  }
}

}  // namespace pollmark
