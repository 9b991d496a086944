// Samples a real-time trial once a second, from a thread that touches nothing but what the loops
// publish.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "record/trial_result.h"
#include "trial/endpoints.h"

namespace pollmark {

// The difference of two readings, and of what only one of them tells nothing.
[[nodiscard]] TimelinePoint timeline_point(double until_s, const LiveTallies& before,
                                           const LiveTallies& now);
// The readings of a sender and its receiver as one; losses add up.
[[nodiscard]] LiveTallies both_ends(const LiveTallies& sender, const LiveTallies& receiver);
// Of two ways side by side: everything adds up, and what only one of them tells is not told.
[[nodiscard]] LiveTallies both_ways(const LiveTallies& a, const LiveTallies& b);

class TimelineSampler {
 public:
  using Clock = std::chrono::steady_clock;
  // Begins at once. read: what all ends have published, from a thread of the sampler.
  explicit TimelineSampler(std::function<LiveTallies()> read,
                           std::chrono::nanoseconds interval = std::chrono::seconds(1));
  TimelineSampler(const TimelineSampler&) = delete;
  TimelineSampler& operator=(const TimelineSampler&) = delete;
  ~TimelineSampler();
  // Takes the last sample and ends. Empty when nothing was ever told.
  [[nodiscard]] std::vector<TimelinePoint> finish();

 private:
  void sample();
  void end();

  const std::function<LiveTallies()> read_;
  const Clock::time_point begin_ = Clock::now();
  LiveTallies last_;
  std::vector<TimelinePoint> points_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace pollmark
