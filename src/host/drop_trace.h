// Drop reasons where BPF cannot be had: an instance of tracefs with the tracepoint skb:kfree_skb.
// It tells reason and function, of the whole host, without namespace or device.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "host/drop_reasons.h"

namespace pollmark {

// The instance goes with the table; one that a killed process left goes when the next one starts.
// Other users' trace buffers are not touched. Errors: host_cannot "tracefs is not mounted", or the
// kernel's reason.
[[nodiscard]] Result<std::unique_ptr<DropTable>> start_drop_trace();

// Of one line of the trace; nullopt: it tells of no drop.
[[nodiscard]] std::optional<DropPlace> parse_drop_event(std::string_view line);

}  // namespace pollmark
