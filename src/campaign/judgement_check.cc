#include "campaign/judgement_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <random>

#include "campaign/trial_process.h"
#include "judge/comparison.h"
#include "judge/order_statistics.h"
#include "judge/power.h"

namespace pollmark {
namespace {

constexpr int kRuns = 30;
constexpr int kBlocks = 12;
constexpr int kMostAlarms = 4;
constexpr int kFewestWorse = 24;
constexpr int kCalibrationBlocks = 40;
constexpr double kBurn = 0.03;
constexpr double kMatters = 0.01;
constexpr int kFrameBytes = 512;
constexpr int kAttempts = 6;
constexpr double kPps = 4e6;
constexpr double kFrames = 120e3;

class JudgementCheck {
 public:
  explicit JudgementCheck(const std::function<void(const Finding&)>& tell) : tell_(tell) {}

  Result<std::vector<Finding>> run() {
    PM_TRY(const int burning_bytes, calibrate());
    int alarms = 0;
    int worse = 0;
    std::vector<double> shares;
    for (int run = 0; run < kRuns; ++run) {
      std::array<std::map<int, double>, 3> arms;  // the setting, the same again, the slower stage
      for (int block = 0; block < kBlocks; block += 2) {
        std::vector<std::size_t> order{0, 1, 2};
        std::shuffle(order.begin(), order.end(), random_);
        PM_TRYV(measure(order, block, burning_bytes, arms));
        std::reverse(order.begin(), order.end());
        PM_TRYV(measure(order, block + 1, burning_bytes, arms));
      }
      const Comparison same = judged(arms[0], arms[1]);
      const Comparison slower = judged(arms[0], arms[2]);
      if (same.p && *same.p < kAlpha) ++alarms;
      if (slower.verdict == Verdict::worse) ++worse;
      if (slower.difference) shares.push_back(std::expm1(*slower.difference));
      if (same.spread) spreads_.push_back(*same.spread);
    }
    if (shares.empty()) {
      found("judgement", Finding::Verdict::missed, "no valid trial");
      return std::move(findings_);
    }
    found("equal settings",
          alarms <= kMostAlarms ? Finding::Verdict::found : Finding::Verdict::missed,
          fmt::format("{} of {} A/A comparisons of {} blocks with p < {}; allowed: {}; a block's "
                      "difference spreads by {:.2f} %",
                      alarms, kRuns, kBlocks, kAlpha, kMostAlarms, 100.0 * median_of(spreads_)));
    found(
        "a stage that burns 3 % more",
        worse >= kFewestWorse ? Finding::Verdict::found : Finding::Verdict::missed,
        fmt::format("called worse in {} of {} runs of {} blocks; allowed: from {}; {} B instead of "
                    "{} B, by which it took {:.2f} % more cycles per frame over all runs",
                    worse, kRuns, kBlocks, kFewestWorse, burning_bytes, kFrameBytes,
                    100.0 * median_of(shares)));
    found("trials", Finding::Verdict::figure,
          fmt::format("{} run, {} of them invalid", trials_, invalid_));
    return std::move(findings_);
  }

 private:
  void found(std::string name, Finding::Verdict verdict, std::string detail) {
    findings_.push_back({std::move(name), verdict, std::move(detail)});
    tell_(findings_.back());
  }

  static Comparison judged(const std::map<int, double>& from, const std::map<int, double>& to) {
    std::vector<Comparison> family{compare_paired("cycles_per_pkt", kMatters, from, to)};
    give_verdicts(family, Rigour::verdicts);
    return family.front();
  }

  // nullopt when none of the attempts was valid.
  Result<std::optional<double>> cycles_of(int frame_bytes, int block) {
    TrialOrder order;
    order.path = Path::model;
    order.clock = ClockKind::lockstep;
    order.traffic.frame_bytes = {frame_bytes};
    order.traffic.flows = 256;
    order.traffic.load = Load{LoadUnit::pps, kPps};
    order.traffic.intended_pps = kPps;
    order.model.link_bps = 100e9;
    order.seed = 1 + static_cast<std::uint64_t>(block);
    order.receiver.stage = StageKind::checksum;
    order.receiver.rx_ring = 512;
    order.seconds = kFrames / kPps;
    order.warmup_seconds = order.seconds / 10;
    order.block = block;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      order.attempt = attempt;
      order.trial = trials_;
      order.epoch = static_cast<std::uint8_t>(1 + trials_ % 255);
      ++trials_;
      PM_TRY(const TrialResult trial, runner_.run(order));
      if (trial.valid) return trial.cycles_per_pkt;
      ++invalid_;
    }
    return std::optional<double>();
  }

  Result<void> measure(const std::vector<std::size_t>& order, int block, int burning_bytes,
                       std::array<std::map<int, double>, 3>& arms) {
    for (const std::size_t arm : order) {
      PM_TRY(const auto cycles, cycles_of(arm == 2 ? burning_bytes : kFrameBytes, block));
      if (cycles) arms[arm][block] = *cycles;
    }
    return {};
  }

  // A frame as much longer as 3 % of the cycles take: by the cost of frames twice as long, then, as
  // the cost of a byte is not quite constant, by that of the frames so found.
  Result<int> calibrate() {
    double more = kFrameBytes;
    for (int step = 0; step < 2; ++step) {
      std::array<std::map<int, double>, 2> sides;
      for (int block = 0; block < kCalibrationBlocks; ++block) {
        for (int i = 0; i < 2; ++i) {
          const auto side = static_cast<std::size_t>((i + block) % 2);
          const int bytes = kFrameBytes + (side == 1 ? static_cast<int>(more) : 0);
          PM_TRY(const auto cycles, cycles_of(bytes, block));
          if (cycles) sides[side][block] = *cycles;
        }
      }
      const Comparison longer = judged(sides[0], sides[1]);
      if (!longer.difference)
        return fail(Errc::gate_said_no,
                    "no valid trial to calibrate with: the machine is too busy");
      more = std::round(more * kBurn / std::expm1(*longer.difference));
      if (!(more >= 1.0 && more <= kFrameBytes))
        return fail(Errc::gate_said_no, "the cost of longer frames cannot be told: too much noise");
    }
    return kFrameBytes + static_cast<int>(more);
  }

  const std::function<void(const Finding&)>& tell_;
  std::vector<Finding> findings_;
  std::vector<double> spreads_;
  TrialRunner runner_;
  std::mt19937_64 random_{1};
  std::int64_t trials_ = 0;
  std::int64_t invalid_ = 0;
};

}  // namespace

Result<std::vector<Finding>> run_judgement_check(const std::function<void(const Finding&)>& tell) {
  return JudgementCheck(tell).run();
}

}  // namespace pollmark
