// Cores, queues, descriptors and headroom for a target, from stored trials. What was measured and
// what a model says of it are kept apart, and every assumption is named.
//
// Of each setting (a group and path, and the levels of all factors but those that sizing chooses:
// queues, rx_ring, reta, rss_fields, flows, frame, load) every block gives one answer; the numbers
// are medians over blocks with their intervals.
//   core time a frame   in full bursts, or 4 times the largest mean burst of a trial, where the
//                       block's trials tell what a call costs from what a frame does
//                       (judge/burst_cost.h); else as measured in the trial whose lcores were busy
//                       nearest to the utilisation. Over frame sizes a straight line where two or
//                       more were measured, else the same for all
//   scaling             core time against the number of cores: with three counts a line (Amdahl),
//                       from four on Gunther's universal scalability law; else none. In lockstep
//                       lcores share no cache or memory, so that none could be seen
//   cores               least n with rate x core time(n) x imbalance(n) <= utilisation x n
//   imbalance           the busiest queue over the mean: measured where that many queues were, else
//                       expected of so many random flows: 1 + sqrt(2 Q ln Q / F)
//   ring                least power of two that loses no more than the target allows, by the stall
//                       model (judge/queueing.h) with the stated stalls or the poll gaps that were
//                       seen, and of Poisson arrivals by M/D/1/K
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "judge/ceilings.h"
#include "judge/estimate.h"
#include "judge/summary.h"
#include "record/target.h"
#include "record/trial_result.h"

namespace pollmark {

// What is not extrapolated any further: cores over the most that were measured, and frame sizes
// beyond the range that was measured.
inline constexpr int kMostCoreScale = 4;
inline constexpr double kMostFrameScale = 2.0;
// Bursts larger than so many times the mean burst of any trial are not taken for granted.
inline constexpr double kMostBurstScale = 4.0;

struct SizingOrder {
  Target target;
  double utilisation = 0.7;        // of a core, in (0, 1]
  std::optional<double> link_bps;  // of the port; nullopt: that of the model, if it is one
  std::optional<PcieLink> pcie;    // that the NIC sits on; nullopt: not known
  std::optional<double> nic_pps;   // the NIC's own limit; nullopt: not known
};

enum class FigureSource : std::uint8_t { measured, stated, model };
[[nodiscard]] std::string_view name_of(FigureSource source);  // "measured", "stated", "model says"

struct SizedFigure {
  std::string name;
  std::string text;  // with its unit, its interval and where it comes from
  FigureSource source = FigureSource::measured;
};

struct SizedSetting {
  std::string group;
  Path path = Path::model;
  std::map<std::string, std::string> cell;
  std::optional<std::string> refused;  // why it is not sized; then nothing below is set
  int blocks = 0;
  double target_pps = 0.0;  // both directions together
  Estimate core_ns_per_pkt;
  Estimate cores;
  int cores_advised = 0;  // upper end of the interval
  int queues_advised = 0;
  std::optional<Estimate> ring;  // nullopt: no descriptors to be sized, or none is enough
  int ring_advised = 0;          // upper end; 0 as ring is not set
  Estimate headroom;             // of the cores advised, over the target's rate
  std::vector<Ceiling> ceilings;
  TargetVerdict verdict = TargetVerdict::cannot_tell;  // of the target's rate and cores
  std::vector<SizedFigure> figures;
  std::vector<std::string> assumptions;
  std::string sentence;
};

// n cores over one, of the cost of a frame: 1 + contention (n - 1) + coherence n (n - 1). n over it
// is the universal scalability law; both are held at 0 or above.
struct ScalingFit {
  double one_core = 0.0;
  double contention = 0.0;
  double coherence = 0.0;
  [[nodiscard]] double at(double cores) const;
};
// Least squares over cores -> cost; nullopt below three numbers of cores. Three: no coherence.
[[nodiscard]] std::optional<ScalingFit> fit_scaling(const std::map<double, double>& cost_of);
// Busiest of Q queues over the mean when F random flows of one rate are spread over them.
[[nodiscard]] double expected_imbalance(int queues, int flows);

// Errors: bad_experiment when no valid trial offered a load, when no setting can be sized (each
// reason once), or when the target asks for a p99 and no latency was measured.
[[nodiscard]] Result<std::vector<SizedSetting>> size_for(const SizingOrder& order,
                                                         const std::vector<TrialResult>& trials);

}  // namespace pollmark
