// Numbers of a device that ethtool sets in groups: rings (-G), channels (-L), coalescing (-C).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pollmark {

enum class NumberGroup { channels, ring, coalesce };

// name: of channels rx, tx, combined, receive (combined or rx, as the device has them); of ring rx,
// tx; of coalesce rx_usecs, rx_frames, tx_usecs, tx_frames, adaptive_rx. The device must be in the
// calling thread's namespace. Errors: host_cannot with the driver's reason, or "no such ..." for
// another name.
[[nodiscard]] Result<std::uint32_t> read_device_number(std::string_view netdev, NumberGroup group,
                                                       std::string_view name);
// All of the group, and the most that the driver takes: rx_max, tx_max, combined_max. A channel of
// a kind that the driver does not have is 0 with a maximum of 0.
[[nodiscard]] Result<std::map<std::string, std::uint32_t>> read_device_numbers(
    std::string_view netdev, NumberGroup group);
// The other numbers of the group stay as they are.
[[nodiscard]] Result<void> set_device_number(std::string_view netdev, NumberGroup group,
                                             std::string_view name, std::uint32_t value);

}  // namespace pollmark
