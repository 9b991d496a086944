// When a receiver of the kernel's path has got all that will come.
#pragma once

#include <chrono>
#include <cstdint>
#include <thread>

#include "host/cpu_time.h"

namespace pollmark {

struct QuietOrder {
  std::int64_t quiet_ns = 0;  // so long nothing more came
  std::int64_t limit_ns = 0;  // at most
};

// count: frames so far; has_waiting: some are there that were not counted yet.
template <typename Count, typename HasWaiting>
void wait_until_quiet(const QuietOrder& order, Count count, HasWaiting has_waiting) {
  const std::int64_t begin_ns = wall_ns();
  std::int64_t seen = -1;
  std::int64_t quiet_since_ns = begin_ns;
  for (;;) {
    const std::int64_t now_ns = wall_ns();
    const std::int64_t now = count();
    if (now != seen || has_waiting()) {
      seen = now;
      quiet_since_ns = now_ns;
    }
    if (now_ns - quiet_since_ns >= order.quiet_ns || now_ns - begin_ns >= order.limit_ns) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace pollmark
