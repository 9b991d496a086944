#include "judge/sizing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <tuple>

#include "base/line_rate.h"
#include "base/text.h"
#include "judge/burst_cost.h"
#include "judge/miss_curve.h"
#include "judge/order_statistics.h"
#include "judge/queueing.h"
#include "judge/target.h"
#include "judge/wording.h"

namespace pollmark {
namespace {

constexpr int kRetaEntries = 128;
constexpr int kLeastRing = 64;
constexpr int kMostRing = 65536;
constexpr double kSameFrame = 0.5;  // bytes

const std::set<std::string>& sized_factors() {
  static const std::set<std::string> kFactors = {"queues", "rx_ring", "reta", "rss_fields",
                                                 "flows",  "frame",   "load"};
  return kFactors;
}

// What a trial tells of its setting.
struct Point {
  const TrialResult* trial = nullptr;
  double frame_bytes = 0.0;
  double cores = 1.0;
  int queues = 1;
  int ring = 0;
  double cost_ns = 0.0;
  double busy = 0.0;  // of a core, on average
  std::optional<double> imbalance;
};

using Setting = std::tuple<std::string, Path, std::map<std::string, std::string>>;

std::optional<double> imbalance_of(const TrialResult& trial) {
  std::map<int, std::pair<double, int>> streams;  // busiest share, queues
  for (const QueueAccount& queue : trial.queues) {
    if (!queue.share) return std::nullopt;
    auto& [busiest, count] = streams[queue.stream];
    busiest = std::max(busiest, *queue.share);
    ++count;
  }
  std::optional<double> most;
  for (const auto& [stream, shares] : streams)
    most = std::max(most.value_or(1.0), shares.first * shares.second);
  return most;
}

std::optional<Point> point_of(const TrialResult& trial) {
  const auto cost = core_ns_per_pkt(trial);
  const auto frame = mean_frame_bytes(trial);
  if (!trial.valid || !is_of_a_cell(trial) || !cost || !frame || !(load_of(trial) > 0.0))
    return std::nullopt;
  Point point;
  point.trial = &trial;
  point.frame_bytes = *frame;
  point.cost_ns = *cost;
  if (polls_descriptors(trial)) point.cores = receiving_cores(trial).value_or(1.0);
  point.queues = std::max(1, trial.order.receiver.queues);
  point.ring = trial.order.receiver.rx_ring;
  point.busy = *cost * static_cast<double>(trial.ledger().pkts(Fate::received).value_or(0)) /
               (trial.virtual_seconds * 1e9 * point.cores);
  point.imbalance = imbalance_of(trial);
  return point;
}

Setting setting_of(const TrialResult& trial) {
  std::map<std::string, std::string> cell = trial.order.cell;
  std::erase_if(cell, [](const auto& level) { return sized_factors().contains(level.first); });
  return {trial.order.group, trial.order.path, std::move(cell)};
}

// Least squares of y = c[0] x[0] + c[1] x[1] + ...; nullopt when the columns are not independent.
template <std::size_t kTerms>
std::optional<std::array<double, kTerms>> least_squares(
    const std::vector<std::array<double, kTerms>>& x, const std::vector<double>& y) {
  std::array<std::array<double, kTerms + 1>, kTerms> m{};
  for (std::size_t row = 0; row < x.size(); ++row) {
    for (std::size_t i = 0; i < kTerms; ++i) {
      for (std::size_t j = 0; j < kTerms; ++j) m[i][j] += x[row][i] * x[row][j];
      m[i][kTerms] += x[row][i] * y[row];
    }
  }
  for (std::size_t i = 0; i < kTerms; ++i) {
    std::size_t pivot = i;
    for (std::size_t j = i + 1; j < kTerms; ++j) {
      if (std::fabs(m[j][i]) > std::fabs(m[pivot][i])) pivot = j;
    }
    std::swap(m[i], m[pivot]);
    if (std::fabs(m[i][i]) < 1e-12) return std::nullopt;
    for (std::size_t j = 0; j < kTerms; ++j) {
      if (j == i) continue;
      const double times = m[j][i] / m[i][i];
      for (std::size_t k = i; k <= kTerms; ++k) m[j][k] -= times * m[i][k];
    }
  }
  std::array<double, kTerms> c{};
  for (std::size_t i = 0; i < kTerms; ++i) c[i] = m[i][kTerms] / m[i][i];
  return c;
}

// Of one block: what the setting costs at the target's frame, by number of cores.
struct BlockAnswer {
  double cost_ns = 0.0;  // at the cores needed
  double imbalance = 1.0;
  int cores = 0;
  std::optional<int> ring;
  const Point* nearest = nullptr;  // the trial that speaks
};

class Sizing {
 public:
  Sizing(const SizingOrder& order, const Setting& setting, std::vector<Point> points)
      : order_(order), points_(std::move(points)) {
    std::tie(sized_.group, sized_.path, sized_.cell) = setting;
    // A table that was skewed on purpose says nothing of how flows spread.
    const auto even = [](const Point& point) {
      return point.trial->order.receiver.reta_weights.empty();
    };
    if (std::ranges::any_of(points_, even))
      std::erase_if(points_, [&](const Point& point) { return !even(point); });
  }

  SizedSetting answer() {
    const TrialOrder& first = points_.front().trial->order;
    frame_bytes_ = order_.target.frame_bytes.empty()
                       ? points_.front().frame_bytes
                       : mean_frame_bytes(std::span<const int>(order_.target.frame_bytes));
    sized_.target_pps = target_pps(order_.target, frame_bytes_, direction_count(first));
    for (const Point& point : points_) {
      blocks_[point.trial->order.block].push_back(&point);
      most_cores_ = std::max(most_cores_, point.cores);
    }
    if (!frames_in_reach() || !solve()) return std::move(sized_);
    describe();
    return std::move(sized_);
  }

 private:
  void refuse(std::string why) { sized_.refused = std::move(why); }
  void assume(std::string what) {
    auto& list = sized_.assumptions;
    if (std::find(list.begin(), list.end(), what) == list.end()) list.push_back(std::move(what));
  }
  void figure(FigureSource source, std::string name, std::string text) {
    sized_.figures.push_back({std::move(name), std::move(text), source});
  }

  bool frames_in_reach() {
    std::set<double> sizes;
    for (const Point& point : points_) sizes.insert(point.frame_bytes);
    const double least = *sizes.begin();
    const double most = *sizes.rbegin();
    if (frame_bytes_ < least / kMostFrameScale - kSameFrame ||
        frame_bytes_ > most * kMostFrameScale + kSameFrame) {
      refuse(
          fmt::format("frames of {:.4g} bytes are beyond {:g} times what was measured ({:.4g} to "
                      "{:.4g} bytes)",
                      frame_bytes_, kMostFrameScale, least, most));
      return false;
    }
    const bool measured = std::ranges::any_of(
        sizes, [&](double size) { return std::fabs(size - frame_bytes_) < kSameFrame; });
    if (measured) return true;
    if (sizes.size() == 1) {
      assume(
          fmt::format("a frame of {:.4g} bytes takes the core time of one of {:.4g} bytes, the "
                      "only size measured",
                      frame_bytes_, least));
    } else {
      assume(
          fmt::format("core time grows in a straight line with the frame, over {} sizes from "
                      "{:.4g} to {:.4g} bytes",
                      sizes.size(), least, most));
    }
    return true;
  }

  // The trial of the block with this frame and so many cores that speaks best.
  const Point* speaker(const std::vector<const Point*>& block, double frame, double cores) const {
    const Point* best = nullptr;
    const auto distance = [&](const Point& point) {
      const double rings =
          wanted_ring_ > 0 && point.ring > 0
              ? std::fabs(std::log2(static_cast<double>(point.ring) / wanted_ring_))
              : 0.0;
      return std::pair(rings, std::fabs(point.busy - order_.utilisation));
    };
    for (const Point* point : block) {
      if (point->frame_bytes != frame || point->cores != cores) continue;
      if (best == nullptr || distance(*point) < distance(*best)) best = point;
    }
    return best;
  }

  // Core time of a frame in large bursts, over the block's trials like this one; nullopt where
  // their bursts were too much alike.
  static std::optional<double> large_burst_ns(const std::vector<const Point*>& block,
                                              const Point& like) {
    std::vector<const TrialResult*> trials;
    for (const Point* point : block) {
      if (point->frame_bytes == like.frame_bytes && point->cores == like.cores &&
          point->queues == like.queues)
        trials.push_back(point->trial);
    }
    const auto cost = fit_burst_cost(trials);
    if (!cost) return std::nullopt;
    return cost->at(
        std::min<double>(like.trial->order.receiver.burst, kMostBurstScale * cost->most_burst));
  }

  // Core time of the target's frame with so many cores.
  std::optional<double> cost_at(const std::vector<const Point*>& block, double cores,
                                const Point*& nearest) const {
    std::set<double> sizes;
    for (const Point* point : block) {
      if (point->cores == cores) sizes.insert(point->frame_bytes);
    }
    std::vector<std::array<double, 2>> x;
    std::vector<double> y;
    for (const double size : sizes) {
      const Point* point = speaker(block, size, cores);
      const bool nearer = nearest == nullptr || std::fabs(size - frame_bytes_) <
                                                    std::fabs(nearest->frame_bytes - frame_bytes_);
      if (nearer || nearest->cores != cores) nearest = point;
      const double cost = large_burst_ns(block, *point).value_or(point->cost_ns);
      if (std::fabs(size - frame_bytes_) < kSameFrame) {
        nearest = point;
        return cost;
      }
      x.push_back({1.0, size});
      y.push_back(cost);
    }
    if (y.empty()) return std::nullopt;
    if (y.size() == 1) return y.front();
    const auto line = least_squares<2>(x, y);
    if (!line) return std::nullopt;
    const double cost = (*line)[0] + (*line)[1] * frame_bytes_;
    return cost > 0.0 ? std::optional(cost) : std::nullopt;
  }

  std::optional<double> measured_imbalance(const std::vector<const Point*>& block,
                                           int queues) const {
    std::vector<double> seen;
    for (const Point* point : block) {
      if (point->queues == queues && point->imbalance) seen.push_back(*point->imbalance);
    }
    if (seen.empty()) return std::nullopt;
    return median_of(std::move(seen));
  }

  int queues_for(int cores) const {
    return std::max(1, static_cast<int>(std::lround(cores * queues_per_core_)));
  }

  bool solve() {
    std::set<double> counts;
    for (const Point& point : points_) counts.insert(point.cores);
    for (const Point& point : points_) {
      if (point.cores == most_cores_) queues_per_core_ = point.queues / point.cores;
    }
    const bool lockstep = points_.front().trial->order.clock == ClockKind::lockstep;
    fits_ = counts.size() >= 3 && !lockstep;
    if (lockstep) {
      assume(
          "cores do not slow each other down: lockstep has no shared cache or memory to show it");
    } else if (!fits_) {
      assume(
          fmt::format("cores do not slow each other down: scaling needs three numbers of cores, "
                      "measured {}",
                      counts.size()));
    }
    // The ring decides which trials speak for the core time, and the other way round: twice settles
    // it.
    for (int pass = 0; pass < 2; ++pass) {
      answers_.clear();
      for (const auto& [number, block] : blocks_) {
        const auto answer = solve_block(block, counts);
        if (sized_.refused) return false;
        if (answer) answers_.push_back(*answer);
      }
      if (answers_.empty()) {
        refuse("no block measured it at every number of cores");
        return false;
      }
      wanted_ring_ = 0;
      for (const BlockAnswer& answer : answers_)
        wanted_ring_ = std::max(wanted_ring_, answer.ring.value_or(0));
    }
    return true;
  }

  std::optional<BlockAnswer> solve_block(const std::vector<const Point*>& block,
                                         const std::set<double>& counts) {
    BlockAnswer answer;
    std::map<double, double> cost_of;
    for (const double cores : counts) {
      const auto cost = cost_at(block, cores, answer.nearest);
      if (!cost) return std::nullopt;
      cost_of[cores] = *cost;
    }
    const std::optional<ScalingFit> fit = fits_ ? fit_scaling(cost_of) : std::nullopt;
    const double flat = cost_of.rbegin()->second;
    const auto flows = points_.front().trial->order.traffic.flows;
    const int most = static_cast<int>(kMostCoreScale * most_cores_);
    for (int cores = 1; cores <= most; ++cores) {
      const int queues = queues_for(cores);
      const double imbalance =
          measured_imbalance(block, queues).value_or(expected_imbalance(queues, flows));
      const double cost = fit ? fit->at(cores) : flat;
      if (sized_.target_pps * 1e-9 * cost * imbalance > order_.utilisation * cores) continue;
      answer.cores = cores;
      answer.cost_ns = cost;
      answer.imbalance = imbalance;
      answer.ring = ring_of(answer);
      return answer;
    }
    refuse(
        fmt::format("{} at {} a frame needs about {:.0f} cores at {:.0f} % busy, beyond {} times "
                    "the {:.3g} that were measured",
                    si(sized_.target_pps, "pps"), duration_text(flat),
                    std::ceil(sized_.target_pps * 1e-9 * flat / order_.utilisation),
                    100.0 * order_.utilisation, kMostCoreScale, most_cores_));
    return std::nullopt;
  }

  // Gaps in polling of the setting's lcores, over all its trials of real time.
  void collect_gaps() {
    if (gaps_known_) return;
    gaps_known_ = true;
    for (const Point& point : points_) {
      for (const LcoreHealth& lcore : point.trial->lcores) {
        if (lcore.role.starts_with("generator") || !lcore.poll_gap_ns) continue;
        const LatencyHistogram& seen = *lcore.poll_gap_ns;
        for (std::size_t bin = 0; bin < seen.bins(); ++bin) {
          const std::int64_t count = seen.count_at(bin);
          if (count > 0)
            gaps_.push_back(
                {static_cast<double>(seen.highest_of(bin)), static_cast<double>(count)});
        }
        longest_gap_ns_ = std::max(longest_gap_ns_, static_cast<double>(seen.max().value_or(0)));
        watched_ns_ += point.trial->virtual_seconds * 1e9;
      }
    }
  }

  std::optional<int> ring_of(const BlockAnswer& answer) {
    const TrialResult& trial = *points_.front().trial;
    if (!polls_descriptors(trial)) return std::nullopt;
    const int queues = queues_for(answer.cores);
    const double share = std::min(1.0, answer.imbalance / queues);
    const QueueLoad load =
        queue_load(trial.order.traffic, sized_.target_pps / direction_count(trial.order), share,
                   1e9 / answer.cost_ns * answer.cores / (queues * direction_count(trial.order)));
    const auto stalls = stall_profile(trial.order.model.stalls);
    collect_gaps();
    const bool poisson = trial.order.traffic.arrivals.kind == ArrivalKind::poisson;
    for (int ring = kLeastRing; ring <= kMostRing; ring *= 2) {
      double lost = 0.0;
      if (stalls) {
        lost += stall_loss_ratio(load, *stalls, ring);
      } else if (watched_ns_ > 0.0) {
        lost += gap_loss_ratio(load, gaps_, watched_ns_, ring);
      }
      const double busy = load.arrival_pps / load.service_pps;
      if (poisson && busy < 1.0) lost += md1k_loss_ratio(busy, ring + 1);
      if (lost <= order_.target.loss_ratio) return ring;
    }
    return std::nullopt;
  }

  template <typename Value>
  Estimate over_blocks(Value value) const {
    std::vector<double> values;
    for (const BlockAnswer& answer : answers_) values.push_back(value(answer));
    return estimate_median(std::move(values));
  }

  // The upper end: of the interval, or of all blocks where there is none.
  template <typename Value>
  int upper_end(const Estimate& estimate, Value value) const {
    if (estimate.interval) return static_cast<int>(std::lround(estimate.interval->high));
    int most = 0;
    for (const BlockAnswer& answer : answers_) most = std::max(most, value(answer));
    return most;
  }

  static std::string whole(const Estimate& estimate) {
    if (!estimate.interval) return fmt::format("{:.4g}", estimate.median);
    return fmt::format("{:.4g} [{:.4g}, {:.4g}]", estimate.median, estimate.interval->low,
                       estimate.interval->high);
  }
  static std::string duration(const Estimate& estimate) {
    if (!estimate.interval) return duration_text(estimate.median);
    return fmt::format("{} [{}, {}]", duration_text(estimate.median),
                       duration_text(estimate.interval->low),
                       duration_text(estimate.interval->high));
  }
  static std::string percent(const Estimate& estimate) {
    if (!estimate.interval) return fmt::format("{:+.1f} %", 100.0 * estimate.median);
    return fmt::format("{:+.1f} % [{:+.1f}, {:+.1f}]", 100.0 * estimate.median,
                       100.0 * estimate.interval->low, 100.0 * estimate.interval->high);
  }

  void describe() {
    sized_.blocks = static_cast<int>(answers_.size());
    sized_.core_ns_per_pkt = over_blocks([](const BlockAnswer& answer) { return answer.cost_ns; });
    sized_.cores = over_blocks([](const BlockAnswer& answer) { return answer.cores; });
    sized_.cores_advised =
        upper_end(sized_.cores, [](const BlockAnswer& answer) { return answer.cores; });
    sized_.queues_advised = queues_for(sized_.cores_advised);
    if (std::ranges::all_of(answers_, [](const BlockAnswer& answer) { return !!answer.ring; })) {
      sized_.ring = over_blocks([](const BlockAnswer& answer) { return *answer.ring; });
      sized_.ring_advised =
          upper_end(*sized_.ring, [](const BlockAnswer& answer) { return *answer.ring; });
    }
    sized_.headroom = over_blocks([&](const BlockAnswer& answer) {
      return sized_.cores_advised / (sized_.target_pps * 1e-9 * answer.cost_ns * answer.imbalance) -
             1.0;
    });
    if (sized_.blocks < 6)
      assume(fmt::format("{} block{}: no interval, the worst block is taken", sized_.blocks,
                         sized_.blocks == 1 ? "" : "s"));
    say_measured();
    say_models();
    say_ceilings();
    conclude();
  }

  void say_measured() {
    std::vector<double> busy;
    std::vector<double> cycles;
    std::vector<double> p99;
    for (const BlockAnswer& answer : answers_) {
      busy.push_back(answer.nearest->busy);
      if (answer.nearest->trial->cycles_per_pkt)
        cycles.push_back(*answer.nearest->trial->cycles_per_pkt);
      if (const auto own = metric_of(*answer.nearest->trial, "latency_p99_ns")) p99.push_back(*own);
    }
    const Point& spoke = *answers_.front().nearest;
    const std::string where =
        fmt::format("at {:.4g} B, {:.3g} core{} {:.0f} % busy", spoke.frame_bytes, spoke.cores,
                    spoke.cores == 1.0 ? "" : "s", 100.0 * median_of(busy));
    figure(FigureSource::measured, "core time a frame",
           fmt::format("{} {}", duration(over_blocks([](const BlockAnswer& answer) {
                         return answer.nearest->cost_ns;
                       })),
                       where));
    if (cycles.size() == answers_.size())
      figure(FigureSource::measured, "cycles per packet",
             fmt::format("{} {}", whole(estimate_median(std::move(cycles))), where));
    if (p99.size() == answers_.size())
      figure(FigureSource::measured, "p99",
             fmt::format("{} {}", estimate_text("latency_p99_ns", estimate_median(std::move(p99))),
                         where));
    for (const auto& [queues, seen] : imbalances())
      figure(FigureSource::measured, "RSS imbalance",
             fmt::format("{}, the busiest of {} queue{} over the mean",
                         whole(estimate_median(seen)), queues, queues == 1 ? "" : "s"));
    if (watched_ns_ > 0.0)
      figure(FigureSource::measured, "poll gaps",
             fmt::format("longest {} in {} of polling", duration_text(longest_gap_ns_),
                         duration_text(watched_ns_)));
    const StallOrder& stalls = spoke.trial->order.model.stalls;
    if (const auto profile = stall_profile(stalls))
      figure(FigureSource::stated, "stalls",
             fmt::format("{} {} for {}",
                         profile->timing == StallTiming::poisson ? "poisson," : "every",
                         duration_text(profile->every_ns), duration_text(profile->for_ns)));
  }

  // By number of queues, one value a block.
  std::map<int, std::vector<double>> imbalances() const {
    std::map<int, std::vector<double>> seen;
    for (const auto& [number, block] : blocks_) {
      std::set<int> queues;
      for (const Point* point : block) queues.insert(point->queues);
      for (const int each : queues) {
        if (const auto own = measured_imbalance(block, each)) seen[each].push_back(*own);
      }
    }
    return seen;
  }

  void say_models() {
    const bool full = std::ranges::all_of(blocks_, [](const auto& block) {
      return large_burst_ns(block.second, *block.second.front()).has_value();
    });
    figure(
        FigureSource::model, "core time of the target's frame",
        fmt::format(
            "{} with {:.4g} B{}", duration(sized_.core_ns_per_pkt), frame_bytes_,
            full ? fmt::format(" in full bursts, or {:g} times those seen", kMostBurstScale) : ""));
    if (!full && polls_descriptors(*points_.front().trial))
      assume(
          "a frame takes as long at the target's load as where it was measured: bursts were too "
          "much "
          "alike to tell what a call costs and what a frame does");
    figure(FigureSource::model, "cores",
           fmt::format("{} at {:.0f} % busy", whole(sized_.cores), 100.0 * order_.utilisation));
    const int queues = sized_.queues_advised;
    const bool seen = imbalances().contains(queues);
    figure(
        FigureSource::model, "queues",
        fmt::format("{}, imbalance {} ({})", queues,
                    whole(over_blocks([](const BlockAnswer& answer) { return answer.imbalance; })),
                    seen ? "as measured" : "expected of random flows"));
    if (!seen && queues > 1) {
      const int floor_entries = (kRetaEntries + queues - 1) / queues;
      assume(
          fmt::format("{} flows of one rate fall on {} queues at random; a table of {} entries "
                      "spreads them no better than {:.3g}",
                      points_.front().trial->order.traffic.flows, queues, kRetaEntries,
                      static_cast<double>(floor_entries * queues) / kRetaEntries));
    }
    if (fits_) figure(FigureSource::model, "scaling", scaling_text());
    say_ring();
    figure(FigureSource::model, "headroom",
           fmt::format("{} over the target with {} core{} wholly busy", percent(sized_.headroom),
                       sized_.cores_advised, sized_.cores_advised == 1 ? "" : "s"));
  }

  std::string scaling_text() const {
    std::map<double, std::vector<double>> costs;
    for (const Point& point : points_) costs[point.cores].push_back(point.cost_ns);
    std::map<double, double> medians;
    for (auto& [cores, seen] : costs) medians[cores] = median_of(seen);
    const auto fit = fit_scaling(medians);
    if (!fit) return "none";
    return fmt::format("contention {:.3g}, coherence {:.3g} over {} numbers of cores up to {:.3g}",
                       fit->contention, fit->coherence, medians.size(), most_cores_);
  }

  void say_ring() {
    const TrialResult& trial = *points_.front().trial;
    if (!polls_descriptors(trial)) {
      assume("no ring is sized: nothing here polls descriptors");
      return;
    }
    if (trial.order.receiver.workers > 0)
      assume("the software rings to the workers hold what they held in these trials");
    const bool stated = stall_profile(trial.order.model.stalls).has_value();
    if (!stated && watched_ns_ == 0.0)
      assume("the lcores never stall: no stalls were stated, and poll gaps were not measured");
    if (!stated && watched_ns_ > 0.0)
      assume("poll gaps stay as they were in these trials, and a backlog is gone before the next");
    assume(fmt::format("frames arrive as in the trials: {}",
                       name_of(trial.order.traffic.arrivals.kind)));
    if (!sized_.ring) {
      figure(FigureSource::model, "ring",
             fmt::format("no ring up to {} descriptors loses as little", kMostRing));
      return;
    }
    figure(FigureSource::model, "ring",
           fmt::format("{} descriptors a queue for loss up to {}", whole(*sized_.ring),
                       ratio_text(order_.target.loss_ratio)));
    const double queue_pps = sized_.target_pps / direction_count(trial.order) *
                             over_blocks([](const BlockAnswer& a) { return a.imbalance; }).median /
                             sized_.queues_advised;
    figure(FigureSource::model, "stall that it holds",
           duration_text(sized_.ring_advised * 1e9 / queue_pps));
    const TrafficOrder& traffic = trial.order.traffic;
    if (const auto stalls = stall_profile(trial.order.model.stalls))
      figure(FigureSource::model, "descriptors that a stall fills",
             fmt::format("{:.0f}", std::ceil(stall_ring_depth(queue_pps, stalls->for_ns,
                                                              traffic.arrivals.burst_frames - 1))));
    const double busy = queue_pps * sized_.core_ns_per_pkt.median * 1e-9 * sized_.queues_advised /
                        sized_.cores_advised;
    if (traffic.arrivals.kind == ArrivalKind::poisson && busy < 1.0)
      figure(FigureSource::model, "descriptors that Poisson arrivals fill",
             fmt::format("{:.0f}, exceeded by {} of them without any stall",
                         std::ceil(poisson_ring_depth(busy, order_.target.loss_ratio)),
                         ratio_text(order_.target.loss_ratio)));
  }

  void say_ceilings() {
    const TrialOrder& first = points_.front().trial->order;
    const double ways = direction_count(first);
    const bool model = sized_.path == Path::model;
    if (const auto link = order_.link_bps ? order_.link_bps
                          : model         ? std::optional(first.model.link_bps)
                                          : std::nullopt)
      sized_.ceilings.push_back(
          {"line", ways * line_rate_pps(*link, frame_bytes_), si(*link, "bps")});
    if (order_.pcie)
      sized_.ceilings.push_back({"pcie", ways * pcie_receive_pps(*order_.pcie, frame_bytes_),
                                 order_.pcie->text() + ", a model of receiving alone"});
    if (order_.nic_pps) sized_.ceilings.push_back({"nic", ways * *order_.nic_pps, "as stated"});
    const Ceiling* least = binding_ceiling(sized_.ceilings);
    for (const Ceiling& ceiling : sized_.ceilings)
      figure(FigureSource::model, "ceiling: " + ceiling.name,
             fmt::format("{} ({}){}", si(ceiling.pps, "pps"), ceiling.how,
                         &ceiling == least ? ": it binds" : ""));
    for (const auto& [known, name, option] :
         {std::tuple(order_.link_bps || model, "the line", "--link"),
          std::tuple(order_.pcie.has_value(), "PCIe", "--pcie"),
          std::tuple(order_.nic_pps.has_value(), "the NIC", "--nic")}) {
      if (!known) assume(fmt::format("{} sets no limit: none was stated ({})", name, option));
    }
  }

  // Why the latency that was measured does not show the target's p99; empty when it does.
  std::string late_text() const {
    if (!order_.target.p99_ns) return {};
    std::vector<double> p99;
    for (const BlockAnswer& answer : answers_) {
      if (const auto own = metric_of(*answer.nearest->trial, "latency_p99_ns")) p99.push_back(*own);
    }
    if (p99.empty()) return "p99 was not measured here";
    const Estimate seen = estimate_median(std::move(p99));
    const auto allowed = static_cast<double>(*order_.target.p99_ns);
    if (seen.interval && seen.interval->high <= allowed) return {};
    return fmt::format("p99 was {} where it was as busy, {} allowed{}",
                       estimate_text("latency_p99_ns", seen), duration_text(allowed),
                       seen.interval ? "" : ", without an interval");
  }

  void conclude() {
    const Ceiling* least = binding_ceiling(sized_.ceilings);
    const std::string model = sized_.path == Path::model ? "on a model, not a NIC: " : "";
    const std::string wanted = si(sized_.target_pps, "pps");
    if (least != nullptr && sized_.target_pps > least->pps * (1.0 + 1e-9)) {
      sized_.verdict = TargetVerdict::no;
      sized_.sentence = fmt::format("{}no: {} are above the {}, which carries {} at most", model,
                                    wanted, least->name, si(least->pps, "pps"));
      return;
    }
    const auto cores = [](int count) {
      return fmt::format("{} core{}", count, count == 1 ? "" : "s");
    };
    const bool ringless = polls_descriptors(*points_.front().trial) && !sized_.ring;
    std::string text = fmt::format("{} with {} queue{}", cores(sized_.cores_advised),
                                   sized_.queues_advised, sized_.queues_advised == 1 ? "" : "s");
    if (sized_.ring) text += fmt::format(" of {} descriptors", sized_.ring_advised);
    text += fmt::format(" for {}, headroom {}", wanted, percent(sized_.headroom));
    if (least != nullptr)
      text += fmt::format("; the {} binds at {}", least->name, si(least->pps, "pps"));
    if (ringless) {
      sized_.verdict = TargetVerdict::no;
      sized_.sentence = fmt::format("{}no: no ring up to {} descriptors holds loss to {}", model,
                                    kMostRing, ratio_text(order_.target.loss_ratio));
      return;
    }
    sized_.verdict = TargetVerdict::yes;
    if (const std::string late = late_text(); !late.empty()) {
      sized_.verdict = TargetVerdict::cannot_tell;
      text += "; " + late;
    }
    if (order_.target.cores && sized_.cores_advised > *order_.target.cores) {
      const bool all = std::ranges::all_of(
          answers_, [&](const BlockAnswer& answer) { return answer.cores > *order_.target.cores; });
      sized_.verdict = all ? TargetVerdict::no : TargetVerdict::cannot_tell;
      text += fmt::format("; {} allowed", cores(*order_.target.cores));
    }
    sized_.sentence = fmt::format("{}{}: {}", model, name_of(sized_.verdict), text);
  }

  const SizingOrder& order_;
  std::vector<Point> points_;
  std::map<int, std::vector<const Point*>> blocks_;
  std::vector<BlockAnswer> answers_;
  SizedSetting sized_;
  double frame_bytes_ = 0.0;
  double most_cores_ = 1.0;
  double queues_per_core_ = 1.0;
  bool fits_ = false;
  int wanted_ring_ = 0;
  bool gaps_known_ = false;
  std::vector<PollGap> gaps_;
  double watched_ns_ = 0.0;
  double longest_gap_ns_ = 0.0;
};

}  // namespace

std::string_view name_of(FigureSource source) {
  switch (source) {
    case FigureSource::measured:
      return "measured";
    case FigureSource::stated:
      return "stated";
    case FigureSource::model:
      return "model says";
  }
  PM_CHECK(false);
}

double ScalingFit::at(double cores) const {
  return one_core * (1.0 + contention * (cores - 1.0) + coherence * cores * (cores - 1.0));
}

std::optional<ScalingFit> fit_scaling(const std::map<double, double>& cost_of) {
  if (cost_of.size() < 3) return std::nullopt;
  std::vector<double> y;
  std::vector<std::array<double, 3>> both;
  std::vector<std::array<double, 2>> contention;
  std::vector<std::array<double, 2>> coherence;
  double mean = 0.0;
  for (const auto& [cores, cost] : cost_of) {
    y.push_back(cost);
    both.push_back({1.0, cores - 1.0, cores * (cores - 1.0)});
    contention.push_back({1.0, cores - 1.0});
    coherence.push_back({1.0, cores * (cores - 1.0)});
    mean += cost / static_cast<double>(cost_of.size());
  }
  const auto fit = [](double one, double s, double k) {
    return one > 0.0 && s >= 0.0 && k >= 0.0 ? std::optional(ScalingFit{one, s / one, k / one})
                                             : std::nullopt;
  };
  if (cost_of.size() >= 4) {
    if (const auto c = least_squares<3>(both, y)) {
      if (const auto fitted = fit((*c)[0], (*c)[1], (*c)[2])) return fitted;
    }
    // What came out below 0 is held there: the rest is fitted again, contention first.
  }
  if (const auto c = least_squares<2>(contention, y)) {
    if (const auto fitted = fit((*c)[0], (*c)[1], 0.0)) return fitted;
  }
  if (cost_of.size() >= 4) {
    if (const auto c = least_squares<2>(coherence, y)) {
      if (const auto fitted = fit((*c)[0], 0.0, (*c)[1])) return fitted;
    }
  }
  return ScalingFit{mean, 0.0, 0.0};
}

double expected_imbalance(int queues, int flows) {
  PM_CHECK(queues >= 1 && flows >= 1);
  const double q = queues;
  const double spread = std::sqrt(2.0 * q * std::log(q) / flows);
  return std::min(q, std::max(1.0 + spread, std::ceil(kRetaEntries / q) * q / kRetaEntries));
}

Result<std::vector<SizedSetting>> size_for(const SizingOrder& order,
                                           const std::vector<TrialResult>& trials) {
  PM_CHECK(order.utilisation > 0.0 && order.utilisation <= 1.0);
  std::map<Setting, std::vector<Point>> settings;
  bool timed = false;
  for (const TrialResult& trial : trials) {
    const auto point = point_of(trial);
    if (!point) continue;
    settings[setting_of(trial)].push_back(*point);
    timed = timed || metric_of(trial, "latency_p99_ns").has_value();
  }
  if (settings.empty())
    return fail(Errc::bad_experiment,
                "no valid trial offered a load and measured the core time of a frame: nothing to "
                "size from");
  if (order.target.p99_ns && !timed)
    return fail(Errc::bad_experiment,
                "the target has a p99, but no latency was measured; allowed: a target without p99");
  std::vector<SizedSetting> sized;
  std::vector<std::string> reasons;
  for (auto& [setting, points] : settings) {
    sized.push_back(Sizing(order, setting, std::move(points)).answer());
    if (sized.back().refused)
      reasons.push_back(fmt::format("{}: {}", cell_text(sized.back().cell), *sized.back().refused));
  }
  if (reasons.size() == sized.size()) return fail(Errc::bad_experiment, join(reasons, "\n"));
  return sized;
}

}  // namespace pollmark
