#include "rig/core_speed.h"

#include <algorithm>

#include "base/error.h"

namespace pollmark {

namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double mean_mix(const CoreProbe& probe) {
  PM_CHECK(probe.slices > 0);
  return probe.mix.sum / static_cast<double>(probe.slices);
}

}  // namespace

double CoreSpeed::usual_chain() const { return median(last_); }

double CoreSpeed::mix_slowdown(const CoreProbe& probe) const {
  return last_mix_.empty() ? 0.0 : mean_mix(probe) / median(last_mix_) - 1.0;
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
    last_mix_.push_back(mean_mix(probe));
  } else {
    last_[next_] = chain;
    last_mix_[next_] = mean_mix(probe);
    next_ = (next_ + 1) % kTrials;
  }
  if (mix_per_chain_ == 0.0 || probe.least_mix_per_chain < mix_per_chain_)
    mix_per_chain_ = probe.least_mix_per_chain;
  return chain / usual - 1.0;
}

}  // namespace pollmark
