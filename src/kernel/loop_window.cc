#include "kernel/loop_window.h"

#include <algorithm>

namespace pollmark {

LcoreHealth WindowMeter::health(const char* role, double seconds) const {
  LcoreHealth health;
  health.role = role;
  health.polling = false;
  health.node = node_;
  const double window_ns = seconds * 1e9;
  if (state_ != State::after || !(window_ns > 0.0)) return health;
  const auto cpu_ns = static_cast<double>(closed_cpu_ns_ - opened_cpu_ns_);
  health.thread_cpu_fraction = std::min(1.0, cpu_ns / window_ns);
  health.busy_fraction = health.thread_cpu_fraction;
  if (opened_times_ && closed_times_) {
    health.runnable_waiting_fraction =
        static_cast<double>(closed_times_->waiting_ns - opened_times_->waiting_ns) / window_ns;
  }
  return health;
}

}  // namespace pollmark
