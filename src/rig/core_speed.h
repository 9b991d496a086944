// The core's own speed over the trials of one process, from the fixed work of
// datapath/core_probe.h.
#pragma once

#include <cstddef>
#include <vector>

namespace pollmark {

// Of the last trials. The median of half a minute to some minutes: an episode of a neighbour does
// not move it, a new frequency does, in the end.
class CoreSpeed {
 public:
  static constexpr std::size_t kTrials = 64;

  // How much dearer the fixed work was than usual, > -1; 0 for the first. ticks > 0 is then one of
  // the last.
  [[nodiscard]] double slowdown(double ticks);

 private:
  std::vector<double> last_;  // ring
  std::size_t next_ = 0;
};

}  // namespace pollmark
