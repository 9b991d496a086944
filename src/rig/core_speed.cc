#include "rig/core_speed.h"

#include <algorithm>

#include "base/error.h"

namespace pollmark {

double CoreSpeed::slowdown(double ticks) {
  PM_CHECK(ticks > 0.0);
  double usual = ticks;
  if (!last_.empty()) {
    std::vector<double> sorted = last_;
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    usual = *middle;
  }
  if (last_.size() < kTrials) {
    last_.push_back(ticks);
  } else {
    last_[next_] = ticks;
    next_ = (next_ + 1) % kTrials;
  }
  return ticks / usual - 1.0;
}

}  // namespace pollmark
