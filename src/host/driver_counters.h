// What a driver counts by itself: ethtool -S, and the queue statistics of the netdev netlink
// family.
#pragma once

#include <map>
#include <string_view>

#include "base/error.h"
#include "host/proc_counters.h"

namespace pollmark {

// ethtool -S of a device of the calling thread's namespace, under the driver's own names. The names
// are read again each time: a change of channels changes them. Empty: the driver has none.
// Errors: host_cannot with the kernel's reason (a device without a driver's statistics too).
[[nodiscard]] Result<NamedCounters> read_driver_counters(std::string_view netdev);

// Sums over the queues of a device (QSTATS_GET; Linux 6.9 and later), by ifindex. A device whose
// driver keeps none (veth) is not in it, nor is a counter that it does not keep.
// Errors: host_cannot where the kernel lacks the family.
[[nodiscard]] Result<std::map<int, NamedCounters>> read_queue_counters(int netns_fd);

}  // namespace pollmark
