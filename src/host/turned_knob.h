// Turns a knob of the kernel's path on a device, and reads it back.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "host/journal.h"
#include "host/setting.h"
#include "record/kernel_knob.h"

namespace pollmark {

// The settings that the knob stands for on this device: a family of features, a file for each
// queue, the device's interrupts. Errors: host_cannot when the device has none.
[[nodiscard]] Result<std::vector<Setting>> settings_of(const KernelKnob& knob,
                                                       const std::string& netdev,
                                                       const SettingGround& ground);
// The level as the kernel writes it: "20 us" -> "20000", CPUs 0 and 1 -> "3".
[[nodiscard]] std::string kernel_text(const KernelKnob& knob, const std::string& level);
// Whether that is what the kernel's text says ("00000003" is "3"; a token bucket rounds).
[[nodiscard]] bool says(const KernelKnob& knob, const std::string& effective,
                        const std::string& level);

// journal: through which the changes go; nullptr where the namespace is its own undo.
// Errors: host_cannot with the driver's words.
[[nodiscard]] Result<void> turn_knob(const KernelKnob& knob, const std::string& level,
                                     const std::string& netdev, const SettingGround& ground,
                                     Journal* journal);
// What it reads now, as a level where it can be told so. Errors: host_cannot when it is not at the
// level: "b0: tso: asked for on, stays off".
[[nodiscard]] Result<void> check_knob(const KernelKnob& knob, const std::string& level,
                                      const std::string& netdev, const SettingGround& ground);

}  // namespace pollmark
