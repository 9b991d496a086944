#include "judge/miss_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>

#include "judge/target.h"

namespace pollmark {
namespace {

bool receives(const LcoreHealth& lcore) { return !lcore.role.starts_with("generator"); }

// The queues that an lcore polls: "receiver q0 q4".
std::vector<int> queues_of(const LcoreHealth& lcore) {
  std::vector<int> queues;
  std::istringstream words(lcore.role);
  for (std::string word; words >> word;) {
    if (word.size() > 1 && word.front() == 'q' &&
        word.find_first_not_of("0123456789", 1) == std::string::npos)
      queues.push_back(std::stoi(word.substr(1)));
  }
  return queues;
}

bool is_predictable(const TrialOrder& order) {
  const bool even = order.traffic.kind != TrafficKind::replay &&
                    order.traffic.arrivals.kind != ArrivalKind::on_off;
  return order.path == Path::model && even && order.receiver.workers == 0 &&
         order.receiver.pool_mbufs == 0 && order.model.faults == FaultOrder{} &&
         order.traffic.direction == Direction::one_way;
}

}  // namespace

std::optional<double> core_ns_per_pkt(const TrialResult& trial) {
  const std::int64_t received = trial.ledger().pkts(Fate::received).value_or(0);
  if (received <= 0 || !(trial.virtual_seconds > 0.0)) return std::nullopt;
  double busy = 0.0;
  bool known = false;
  bool blocks = false;
  for (const LcoreHealth& lcore : trial.lcores) {
    if (!receives(lcore)) continue;
    blocks = blocks || !lcore.polling;
    if (!lcore.busy_fraction) continue;
    known = true;
    busy += *lcore.busy_fraction;
  }
  if (blocks || is_open_kernel_path(trial.order.path)) {
    known = trial.cpu_cores_used.has_value();
    busy = trial.cpu_cores_used.value_or(0.0);
  }
  if (!known || !(busy > 0.0)) return std::nullopt;
  return busy * trial.virtual_seconds * 1e9 / static_cast<double>(received);
}

bool polls_descriptors(const TrialResult& trial) {
  if (trial.order.path != Path::model && trial.order.path != Path::dpdk) return false;
  return std::any_of(trial.lcores.begin(), trial.lcores.end(),
                     [](const LcoreHealth& lcore) { return receives(lcore) && lcore.polling; });
}

QueueLoad queue_load(const TrafficOrder& traffic, double pps, double share, double service_pps) {
  QueueLoad queue;
  queue.arrival_pps = pps * share;
  queue.service_pps = service_pps;
  const bool poisson = traffic.arrivals.kind == ArrivalKind::poisson;
  queue.dispersion = poisson ? 1.0 : 1.0 - share;
  if (traffic.arrivals.kind == ArrivalKind::burst && share == 1.0)
    queue.batch_frames = traffic.arrivals.burst_frames;
  return queue;
}

std::optional<StallProfile> stall_profile(const StallOrder& order) {
  if (order.kind != StallKind::periodic && order.kind != StallKind::poisson) return std::nullopt;
  return StallProfile{
      order.kind == StallKind::periodic ? StallTiming::periodic : StallTiming::poisson,
      static_cast<double>(order.every_ns), static_cast<double>(order.for_ns)};
}

std::optional<double> predicted_missed_ratio(const std::vector<const TrialResult*>& trials,
                                             const std::optional<BurstCost>& burst_cost) {
  if (trials.empty()) return std::nullopt;
  const TrialOrder& order = trials.front()->order;
  const auto stalls = stall_profile(order.model.stalls);
  const double pps = load_of(*trials.front());
  if (!stalls || !is_predictable(order) || !(pps > 0.0)) return std::nullopt;
  std::vector<double> shares(static_cast<std::size_t>(order.receiver.queues), 0.0);
  std::map<int, int> lcore_of;  // queue -> the lcore that polls it
  double cost_ns = 0.0;
  double counted = 0.0;
  for (const TrialResult* trial : trials) {
    const auto cost = core_ns_per_pkt(*trial);
    if (!cost || load_of(*trial) != pps || trial->queues.size() != shares.size()) continue;
    if (std::any_of(trial->queues.begin(), trial->queues.end(), [&](const QueueAccount& queue) {
          return !queue.share || queue.queue < 0 || queue.queue >= order.receiver.queues;
        }))
      continue;
    for (const QueueAccount& queue : trial->queues)
      shares[static_cast<std::size_t>(queue.queue)] += *queue.share;
    cost_ns += *cost;
    counted += 1.0;
    int lcore = 0;
    for (const LcoreHealth& each : trial->lcores) {
      if (!receives(each)) continue;
      for (const int queue : queues_of(each)) lcore_of[queue] = lcore;
      ++lcore;
    }
  }
  if (counted == 0.0) return std::nullopt;
  const double backlog_ns = burst_cost ? burst_cost->at(order.receiver.burst) : cost_ns / counted;
  std::map<int, double> share_of_lcore;
  for (std::size_t queue = 0; queue < shares.size(); ++queue) {
    shares[queue] /= counted;
    share_of_lcore[lcore_of[static_cast<int>(queue)]] += shares[queue];
  }
  double missed = 0.0;
  for (std::size_t queue = 0; queue < shares.size(); ++queue) {
    if (!(shares[queue] > 0.0)) continue;
    // An lcore's time goes to its queues as their frames come.
    const double part = shares[queue] / share_of_lcore[lcore_of[static_cast<int>(queue)]];
    const QueueLoad load = queue_load(order.traffic, pps, shares[queue], part * 1e9 / backlog_ns);
    double lost = stall_loss_ratio(load, *stalls, order.receiver.rx_ring);
    // Between stalls Poisson arrivals may fill a ring by themselves.
    if (order.traffic.arrivals.kind == ArrivalKind::poisson &&
        load.arrival_pps < load.service_pps) {
      const double working = 1.0 - stalls->for_ns / stalls->every_ns;
      lost += (1.0 - lost) * working *
              md1k_loss_ratio(load.arrival_pps / load.service_pps, order.receiver.rx_ring + 1);
    }
    missed += shares[queue] * lost;
  }
  return missed;
}

}  // namespace pollmark
