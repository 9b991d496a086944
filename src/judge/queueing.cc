#include "judge/queueing.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace pollmark {
namespace {

constexpr double kNoDigits = 1e-13;
constexpr double kNegligible = 1e-20;
constexpr int kPeriods = 2000;  // of periodic stalls: the backlog settles within a few
constexpr int kDraws = 50'000;  // of Poisson ones

// The n-th number in (0, 1) of a fixed sequence (SplitMix64).
double unit_draw(std::uint64_t n) {
  std::uint64_t z = (n + 1) * 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  z ^= z >> 31;
  return (static_cast<double>(z >> 11) + 0.5) * 0x1p-53;
}

// Mean of max(0, K - room), K the frames of a stall with this mean.
double excess(double mean, double room, const QueueLoad& queue) {
  const double variance = queue.dispersion * mean;
  if (variance < 1.0) {
    // Whole batches: one of two counts.
    const double batches = mean / queue.batch_frames;
    const double whole = std::floor(batches);
    const double more = batches - whole;
    return (1.0 - more) * std::max(0.0, whole * queue.batch_frames - room) +
           more * std::max(0.0, (whole + 1.0) * queue.batch_frames - room);
  }
  const double spread = std::sqrt(variance);
  const double z = (mean - room) / spread;
  const double below = 0.5 * std::erfc(-z / std::numbers::sqrt2);
  return spread * std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi) +
         (mean - room) * below;
}

}  // namespace

double md1k_loss_ratio(double load, int room) {
  PM_CHECK(load > 0.0 && room >= 1);
  // a[j]: j arrivals while one is served.
  std::vector<double> a{std::exp(-load)};
  while (static_cast<double>(a.size()) <= load || a.back() > kNegligible)
    a.push_back(a.back() * load / static_cast<double>(a.size()));
  // States seen at departures, up to a factor.
  std::vector<double> p{1.0};
  double sum = 1.0;
  for (int next = 1; next < room; ++next) {
    const auto j = static_cast<std::size_t>(next - 1);
    double value = p[j] - (j < a.size() ? p[0] * a[j] : 0.0);
    const std::size_t first = j + 1 >= a.size() ? j + 2 - a.size() : 1;
    for (std::size_t i = std::max<std::size_t>(first, 1); i <= j; ++i) value -= p[i] * a[j + 1 - i];
    p.push_back(std::max(0.0, value / a[0]));
    sum += p.back();
    // Above a load of 1 they grow without end.
    if (sum > 1e200) {
      for (double& each : p) each /= sum;
      sum = 1.0;
    }
  }
  const double lost = 1.0 - 1.0 / (p[0] / sum + load);
  return lost < kNoDigits ? 0.0 : lost;
}

double poisson_ring_depth(double load, double probability) {
  PM_CHECK(load > 0.0 && load < 1.0 && probability > 0.0 && probability < 1.0);
  double low = 1.0 + 1e-12;
  double high = 2.0;
  const auto beyond = [load](double z) { return std::log(z) < load * (z - 1.0); };
  while (!beyond(high)) high *= 2.0;
  for (int step = 0; step < 200; ++step) {
    const double middle = (low + high) / 2.0;
    (beyond(middle) ? high : low) = middle;
  }
  return -std::log(probability) / std::log(high);
}

double stall_ring_depth(double pps, double stall_ns, double burst_frames) {
  return pps * stall_ns * 1e-9 + burst_frames;
}

double stall_loss_ratio(const QueueLoad& queue, const StallProfile& stalls, int ring) {
  PM_CHECK(queue.arrival_pps > 0.0 && queue.service_pps > 0.0 && queue.batch_frames >= 1.0);
  PM_CHECK(stalls.every_ns > 0.0 && stalls.for_ns >= 0.0 && ring >= 1);
  const double arrivals = queue.arrival_pps * 1e-9;  // a ns
  const double gained = arrivals - queue.service_pps * 1e-9;
  const double room = ring;
  const double of_a_stall = arrivals * stalls.for_ns;
  const bool drawn = stalls.timing == StallTiming::poisson;
  double backlog = 0.0;
  double owed_ns = 0.0;  // of stalls that began before the last one was over
  double lost = 0.0;
  double offered = 0.0;
  for (int stall = 0; stall < (drawn ? kDraws : kPeriods); ++stall) {
    const double gap_ns =
        drawn ? -std::log(unit_draw(static_cast<std::uint64_t>(stall))) * stalls.every_ns
              : stalls.every_ns;
    lost += excess(of_a_stall, room - backlog, queue);
    backlog = std::min(room, backlog + of_a_stall);
    const double work_ns = gap_ns - stalls.for_ns - owed_ns;
    owed_ns = std::max(0.0, -work_ns);
    const double level = backlog + gained * std::max(0.0, work_ns);
    lost += std::max(0.0, level - room);
    backlog = std::clamp(level, 0.0, room);
    offered += arrivals * gap_ns;
  }
  const double ratio = lost / offered;
  return ratio < kNoDigits ? 0.0 : std::min(ratio, 1.0);
}

double gap_loss_ratio(const QueueLoad& queue, const std::vector<PollGap>& gaps, double watched_ns,
                      int ring) {
  PM_CHECK(queue.arrival_pps > 0.0 && watched_ns > 0.0 && ring >= 1);
  const double arrivals = queue.arrival_pps * 1e-9;
  double lost = 0.0;
  for (const PollGap& gap : gaps) lost += gap.count * excess(arrivals * gap.length_ns, ring, queue);
  return std::clamp(lost / (arrivals * watched_ns), 0.0, 1.0);
}

}  // namespace pollmark
