// Samples a real-time trial once a second, from a thread that touches nothing but what the loops
// publish.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "record/trial_result.h"
#include "trial/endpoints.h"

namespace pollmark {

// The difference of two readings, and of what only one of them tells nothing.
[[nodiscard]] TimelinePoint timeline_point(double until_s, const LiveTallies& before,
                                           const LiveTallies& now);
// Both ends' readings as one; losses add up.
[[nodiscard]] LiveTallies both_ends(const LiveTallies& sender, const LiveTallies& receiver);

class TimelineSampler {
 public:
  using Clock = std::chrono::steady_clock;
  // Begins at once. Both ends must outlive it.
  TimelineSampler(const Sender& sender, const Receiver& receiver,
                  std::chrono::nanoseconds interval = std::chrono::seconds(1));
  TimelineSampler(const TimelineSampler&) = delete;
  TimelineSampler& operator=(const TimelineSampler&) = delete;
  ~TimelineSampler();
  // Takes the last sample and ends. Empty when neither end tells anything.
  [[nodiscard]] std::vector<TimelinePoint> finish();

 private:
  void sample();
  void end();

  const Sender& sender_;
  const Receiver& receiver_;
  const Clock::time_point begin_ = Clock::now();
  LiveTallies last_;
  std::vector<TimelinePoint> points_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace pollmark
