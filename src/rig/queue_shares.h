// What RSS makes of traffic: frames per entry of the RETA, shares per queue, and a RETA that
// spreads them better. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "rig/rss.h"

namespace pollmark {

struct BucketLoad {
  std::array<std::int64_t, kRetaEntries> pkts{};  // by entry: hash modulo 128
  std::int64_t unhashed_pkts = 0;                 // the first queue takes them
  [[nodiscard]] std::int64_t total_pkts() const;
};

// hashes: of rss_hashes, one per tuple. pkts: frames of each tuple; empty: one each.
[[nodiscard]] BucketLoad bucket_load(std::span<const RssTuple> tuples,
                                     std::span<const std::uint32_t> hashes,
                                     std::span<const std::uint32_t> pkts = {});

// Each queue's part of the frames, 0..1; all zero without frames. Entries of the table must be
// below `queues`.
[[nodiscard]] std::vector<double> queue_shares(const BucketLoad& load, const Reta& reta,
                                               int queues);
// The largest share over the mean share; 1 is perfect, 0 without frames.
[[nodiscard]] double imbalance(std::span<const double> shares);

// Heaviest entry first, each to the queue that has least (longest processing time rule): no queue
// exceeds the mean by a whole entry, unless the frames that are not hashed do so alone. Entries
// without frames are spread evenly.
//   queues  1 to 128
[[nodiscard]] Reta balanced_reta(const BucketLoad& load, int queues);

// "6d:5a:56:..." or "6d5a56...", 40 bytes. Errors: bad_experiment.
[[nodiscard]] Result<ToeplitzKey> parse_rss_key(std::string_view text);

}  // namespace pollmark
