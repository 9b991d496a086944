// Trials whose cost is known, to size from.
#pragma once

#include <string>
#include <vector>

#include "judge/summary.h"

namespace pollmark {

struct KnownCost {
  double core_ns = 100.0;  // of a frame
  int cores = 1;           // and queues
  double load_pps = 5e6;
  int ring = 512;
  std::vector<int> frame_bytes{64};
  std::vector<double> shares;  // of the queues; empty: all alike
};

// One second of it, in that block, on the model on wall clock.
inline TrialResult trial_of_cost(const KnownCost& known, int block) {
  TrialResult trial;
  trial.order.group = "main";
  trial.order.cell = {{"queues", std::to_string(known.cores)},
                      {"rx_ring", std::to_string(known.ring)}};
  trial.order.block = block;
  trial.order.clock = ClockKind::wall;
  trial.order.traffic.frame_bytes = known.frame_bytes;
  trial.order.traffic.intended_pps = known.load_pps;
  trial.order.traffic.flows = 1024;
  trial.order.receiver.queues = known.cores;
  trial.order.receiver.rx_ring = known.ring;
  trial.valid = true;
  trial.virtual_seconds = 1.0;
  trial.offered_pps = known.load_pps;
  StreamAccount stream;
  const auto frames = static_cast<std::int64_t>(known.load_pps);
  stream.ledger.set_offered(frames);
  stream.ledger.add(Fate::received, frames);
  stream.ledger.add(Fate::rx_missed, 0);
  trial.streams.push_back(stream);
  for (int core = 0; core < known.cores; ++core) {
    const double share =
        known.shares.empty() ? 1.0 / known.cores : known.shares[static_cast<std::size_t>(core)];
    LcoreHealth lcore;
    lcore.role = "receiver q" + std::to_string(core);
    lcore.busy_fraction = share * known.load_pps * known.core_ns * 1e-9;
    trial.lcores.push_back(lcore);
    QueueAccount queue;
    queue.queue = core;
    queue.share = share;
    trial.queues.push_back(queue);
  }
  return trial;
}

inline std::vector<TrialResult> trials_of_cost(const std::vector<KnownCost>& known,
                                               int blocks = 6) {
  std::vector<TrialResult> trials;
  for (int block = 0; block < blocks; ++block) {
    for (const KnownCost& each : known) trials.push_back(trial_of_cost(each, block));
  }
  return trials;
}

}  // namespace pollmark
