// A range that covers a true value with a known probability.
#pragma once

namespace pollmark {

struct Interval {
  double low = 0.0;
  double high = 0.0;
  double confidence = 0.0;  // exact coverage of the order statistics, >= what was asked
  friend bool operator==(const Interval&, const Interval&) = default;
};

}  // namespace pollmark
