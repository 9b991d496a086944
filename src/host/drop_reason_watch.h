// Two readings of the drop reasons as rates, the worst first, and what a terminal and a line of
// JSON say of them.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/drop_reasons.h"

namespace pollmark {

template <typename Where>
struct DropRate {
  Where where;
  DropCount delta;  // in the interval
  double per_s = 0.0;
  DropCount since_start;
};

// Each list is sorted by packets, the most first.
struct DropReasonInterval {
  DropSource source = DropSource::bpf;
  std::vector<DropRate<DropPlace>> places;
  std::optional<std::vector<DropRate<DroppedFlow>>> flows;  // nullopt: not told
  std::int64_t unseen_pkts = 0;                             // in the interval: in none of the lists
};

class DropReasonWatch {
 public:
  // first: where the watch starts; the books may have been open before.
  DropReasonWatch(DropSource source, const DropReading& first)
      : source_(source), first_(first), last_(first) {}

  // seconds: since the reading before, > 0.
  [[nodiscard]] DropReasonInterval step(DropReading now, double seconds);

 private:
  DropSource source_;
  DropReading first_;
  DropReading last_;
};

// Rows of that device, or of no device, alone.
void keep_netdev(DropReasonInterval& interval, const std::string& netdev);

// own_netns: inode of the namespace whose devices need no further name.
[[nodiscard]] std::string drop_reasons_text(const DropReasonInterval& interval,
                                            std::uint32_t own_netns);
[[nodiscard]] nlohmann::json drop_reasons_json(const DropReasonInterval& interval);

}  // namespace pollmark
