// What the core itself did in the trials of one process, from the readings of
// datapath/core_probe.h.
#pragma once

#include <cstddef>
#include <vector>

#include "datapath/core_probe.h"

namespace pollmark {

class CoreSpeed {
 public:
  static constexpr std::size_t kTrials = 64;
  static constexpr Ticks kWaitPerWork = 4;

  // For the next trial: which mix counts as shared, by what is known so far. It may wait for
  // `patience`, and all trials together for that and kWaitPerWork times as long as they have
  // worked: where a core is shared for good, waiting does not help.
  [[nodiscard]] CoreProbe probe(Ticks patience) const;

  // Takes the readings of a trial (slices > 0) in; took: its real time, waits included, in ticks.
  // Returns how much dearer the chain was than the median of the last kTrials, > -1; 0 for the
  // first. That median covers half a minute to some minutes: a passing frequency does not move it,
  // a new one does, in the end.
  [[nodiscard]] double slowdown(const CoreProbe& probe, Ticks took);

  // How much dearer the mix was than the median of the trials before, > -1; 0 for the first. Where
  // a core is always shared, this tells whether it was so as usual. slices > 0; asked before
  // slowdown.
  [[nodiscard]] double mix_slowdown(const CoreProbe& probe) const;

 private:
  [[nodiscard]] double usual_chain() const;  // ticks; last_ is not empty

  std::vector<double> last_;      // ring, chain ticks of each trial
  std::vector<double> last_mix_;  // ring beside it, mix ticks
  std::size_t next_ = 0;
  Ticks worked_ = 0;
  Ticks waited_ = 0;
  double mix_per_chain_ = 0.0;  // the least of any slice: nobody beside. 0: nothing is known
};

}  // namespace pollmark
