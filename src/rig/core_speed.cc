#include "rig/core_speed.h"

#include <algorithm>

#include "base/error.h"

namespace pollmark {

double CoreSpeed::usual_chain() const {
  std::vector<double> sorted = last_;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((sorted.size() - 1) / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
}

CoreProbe CoreSpeed::probe(Ticks patience) const {
  CoreProbe probe;
  const Ticks most = kWaitPerWork * worked_ + patience;
  probe.patience = std::min(patience, most > waited_ ? most - waited_ : 0);
  if (last_.empty()) return probe;
  probe.mix_per_chain = mix_per_chain_;
  probe.limit = static_cast<Ticks>(kSharedAbove * mix_per_chain_ * usual_chain());
  return probe;
}

double CoreSpeed::slowdown(const CoreProbe& probe, Ticks took) {
  PM_CHECK(probe.slices > 0 && took >= probe.waited);
  worked_ += took - probe.waited;
  waited_ += probe.waited;
  const double chain = probe.chain.sum / static_cast<double>(probe.slices);
  const double usual = last_.empty() ? chain : usual_chain();
  if (last_.size() < kTrials) {
    last_.push_back(chain);
  } else {
    last_[next_] = chain;
    next_ = (next_ + 1) % kTrials;
  }
  if (mix_per_chain_ == 0.0 || probe.least_mix_per_chain < mix_per_chain_)
    mix_per_chain_ = probe.least_mix_per_chain;
  return chain / usual - 1.0;
}

}  // namespace pollmark
