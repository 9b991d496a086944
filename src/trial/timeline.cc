#include "trial/timeline.h"

#include <utility>

namespace pollmark {
namespace {

using Count = std::optional<std::int64_t>;

Count rise(const Count& before, const Count& now) {
  if (!now) return std::nullopt;
  return *now - before.value_or(0);
}

Count either(const Count& a, const Count& b) { return a ? a : b; }

Count sum(const Count& a, const Count& b) { return a && b ? Count(*a + *b) : std::nullopt; }

}  // namespace

TimelinePoint timeline_point(double until_s, const LiveTallies& before, const LiveTallies& now) {
  return {until_s, rise(before.offered_pkts, now.offered_pkts),
          rise(before.polled_pkts, now.polled_pkts), rise(before.received_pkts, now.received_pkts),
          rise(before.lost_pkts, now.lost_pkts)};
}

LiveTallies both_ends(const LiveTallies& sender, const LiveTallies& receiver) {
  LiveTallies both;
  both.offered_pkts = either(sender.offered_pkts, receiver.offered_pkts);
  both.polled_pkts = either(receiver.polled_pkts, sender.polled_pkts);
  both.received_pkts = either(receiver.received_pkts, sender.received_pkts);
  both.lost_pkts = either(sender.lost_pkts, receiver.lost_pkts);
  if (sender.lost_pkts && receiver.lost_pkts)
    both.lost_pkts = *sender.lost_pkts + *receiver.lost_pkts;
  both.gaps = receiver.gaps;
  return both;
}

LiveTallies both_ways(const LiveTallies& a, const LiveTallies& b) {
  return {sum(a.offered_pkts, b.offered_pkts), sum(a.polled_pkts, b.polled_pkts),
          sum(a.received_pkts, b.received_pkts), sum(a.lost_pkts, b.lost_pkts),
          sum(a.gaps, b.gaps)};
}

TimelineSampler::TimelineSampler(std::function<LiveTallies()> read,
                                 std::chrono::nanoseconds interval)
    : read_(std::move(read)) {
  thread_ = std::thread([this, interval] {
    std::unique_lock lock(mutex_);
    for (auto next = begin_ + interval; !ending_; next += interval) {
      if (wake_.wait_until(lock, next, [this] { return ending_; })) return;
      sample();
    }
  });
}

TimelineSampler::~TimelineSampler() { end(); }

void TimelineSampler::end() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void TimelineSampler::sample() {
  const LiveTallies now = read_();
  const std::chrono::duration<double> since = Clock::now() - begin_;
  points_.push_back(timeline_point(since.count(), last_, now));
  last_ = now;
}

std::vector<TimelinePoint> TimelineSampler::finish() {
  end();
  sample();
  const bool told =
      last_.offered_pkts || last_.polled_pkts || last_.received_pkts || last_.lost_pkts;
  return told ? std::move(points_) : std::vector<TimelinePoint>{};
}

}  // namespace pollmark
