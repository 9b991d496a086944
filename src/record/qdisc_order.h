// The queueing discipline at the root of a device, as ordered and as read back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pollmark {

struct QdiscOrder {
  // host_default: what the kernel itself gives the device. pfifo: a queue of so many frames. tbf: a
  // token bucket. htb: one class of that rate with a pfifo in it.
  enum class Kind : std::uint8_t { host_default, pfifo, tbf, htb };
  Kind kind = Kind::host_default;
  std::int64_t rate_bps = 0;      // of tbf and htb
  std::int64_t bucket_bytes = 0;  // of tbf
  std::int64_t limit_bytes = 0;   // of tbf
  std::int64_t limit_frames = 0;  // of pfifo and htb
  friend bool operator==(const QdiscOrder&, const QdiscOrder&) = default;

  // "default", "pfifo 1000", "tbf 100 Mbps 32000 B 256 KiB" (rate, bucket, limit), "htb 1 Gbps 50"
  // (rate, frames). Errors: bad_experiment, "what; allowed: ...".
  [[nodiscard]] static Result<QdiscOrder> parse(std::string_view text);
  [[nodiscard]] std::string text() const;  // reads back as the same
};

inline constexpr std::string_view kQdiscAllowed =
    "\"default\", \"pfifo 1000\" (frames), \"tbf 100 Mbps 32000 B 256 KiB\" (rate 1 Mbps to 16 "
    "Gbps, "
    "bucket, limit), \"htb 1 Gbps 50\" (rate, frames)";

}  // namespace pollmark
