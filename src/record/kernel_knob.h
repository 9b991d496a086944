// The knobs of the kernel's network path: what each is called here and by the kernel, whose it is,
// and at which end of a trial it is turned. The one list of them: the factors of an experiment, the
// settings of a host and the verdicts all read it. In an order, TrialOrder::kernel_knobs holds the
// levels that somebody asked for; what nobody asked for is left as it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pollmark {

// Whose it is. What is of the whole host changes others' traffic too: it needs a permission.
enum class KnobReach : std::uint8_t { device, netns, host };
// Whose device or namespace it is turned on.
enum class KnobEnd : std::uint8_t { sender, receiver, both };
enum class KnobForm : std::uint8_t {
  on_off,    // "on", "off"
  whole,     // 1400
  duration,  // "20 us"
  triple,    // "4096 131072 6291456": least, first, most
  cpus,      // "off", "1", "0,2-3"
  qdisc,     // QdiscOrder
};

struct KernelKnob {
  std::string_view name;     // factor = key of [kernel] = knob of a result
  std::string_view setting;  // kind and names of host/setting.h: "feature rx-gro"; several names
                             // are one family; * stands for every queue
  KnobForm form = KnobForm::whole;
  KnobEnd end = KnobEnd::receiver;
  KnobReach reach = KnobReach::device;
  std::int64_t least = 0;  // of whole, duration (ns) and triple
  std::int64_t most = 0;
  std::string_view ethtool;
  std::string_view sentence;
  std::string_view not_on_veth = {};  // why no veth takes any level but "off"; empty: it does
};

// In the order in which they are turned: what takes another one along comes before it.
[[nodiscard]] const std::vector<KernelKnob>& all_kernel_knobs();
// nullptr for a name that is none.
[[nodiscard]] const KernelKnob* find_kernel_knob(std::string_view name);

// The level as a user writes it -> its canonical text. Errors: bad_experiment, "what; allowed:
// ...".
[[nodiscard]] Result<std::string> canonical_level(const KernelKnob& knob, std::string_view text);
// The kernel's own name of it, without the kind: "net.core.netdev_budget".
[[nodiscard]] std::string_view setting_name(const KernelKnob& knob);
[[nodiscard]] std::string allowed_levels(const KernelKnob& knob);
// "0,2-3" -> 0 2 3, ascending. Errors: bad_experiment.
[[nodiscard]] Result<std::vector<int>> cpus_in(std::string_view text);

}  // namespace pollmark
