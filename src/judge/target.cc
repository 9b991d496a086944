#include "judge/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/line_rate.h"
#include "base/text.h"
#include "judge/loss_limit.h"
#include "judge/order_statistics.h"
#include "judge/wording.h"

namespace pollmark {
namespace {

constexpr double kSameLoad = 1e-3;  // what offered may differ from intended
constexpr std::size_t kTargetsNamed = 4;
constexpr int kLeastBlocks = 6;

std::string pps_text(double pps) { return si(pps, "pps"); }

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// The trials of each block that speak on one side of the target.
struct Evidence {
  double load_pps = 0.0;  // of the block that is nearest to the target
  std::map<int, std::vector<const TrialResult*>> blocks;
};

enum class Side { from_target_on, up_to_target };

Evidence evidence_of(const std::vector<const TrialResult*>& trials, double target, Side side) {
  const bool above = side == Side::from_target_on;
  const auto nearer = [above](double a, double b) { return above ? a < b : a > b; };
  std::map<int, double> loads;
  for (const TrialResult* trial : trials) {
    const double load = load_of(*trial);
    const bool speaks =
        above ? load >= target * (1.0 - kSameLoad) : load <= target * (1.0 + kSameLoad);
    if (!(load > 0.0) || !speaks) continue;
    const auto [known, first] = loads.emplace(trial->order.block, load);
    if (!first && nearer(load, known->second)) known->second = load;
  }
  Evidence evidence;
  for (const TrialResult* trial : trials) {
    const auto load = loads.find(trial->order.block);
    if (load != loads.end() && load_of(*trial) == load->second)
      evidence.blocks[trial->order.block].push_back(trial);
  }
  for (const auto& [block, load] : loads) {
    if (evidence.load_pps == 0.0 || nearer(load, evidence.load_pps)) evidence.load_pps = load;
  }
  return evidence;
}

std::int64_t lost_of(const Ledger& ledger) {
  return std::max<std::int64_t>(0, ledger.offered_pkts() - ledger.pkts(Fate::received).value_or(0));
}

// Over blocks; nullopt without one.
std::optional<Estimate> over_blocks(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  return estimate_median(std::move(values));
}

std::string too_few(const Evidence& evidence) {
  return fmt::format("{}: an interval needs {}", counted(evidence.blocks.size(), "block"),
                     kLeastBlocks);
}

struct Losses {
  std::optional<Estimate> ratio;
  std::int64_t offered_pkts = 0;
  std::int64_t lost_pkts = 0;
};

Losses losses_of(const Evidence& evidence) {
  Losses losses;
  std::vector<double> ratios;
  for (const auto& [block, trials] : evidence.blocks) {
    std::int64_t offered = 0;
    std::int64_t lost = 0;
    for (const TrialResult* trial : trials) {
      const Ledger ledger = trial->ledger();
      offered += ledger.offered_pkts();
      lost += lost_of(ledger);
    }
    if (offered == 0) continue;
    ratios.push_back(static_cast<double>(lost) / static_cast<double>(offered));
    losses.offered_pkts += offered;
    losses.lost_pkts += std::min(lost, offered);
  }
  losses.ratio = over_blocks(std::move(ratios));
  return losses;
}

TargetCriterion loss_criterion(const Target& target, double wanted_pps, const Evidence& above,
                               const Evidence& below) {
  TargetCriterion criterion{"loss", TargetVerdict::cannot_tell, {}};
  const double allowed = target.loss_ratio;
  const Losses at_least = losses_of(above);
  const Losses at_most = losses_of(below);
  if (at_most.ratio && at_most.ratio->interval && at_most.ratio->interval->low > allowed &&
      *loss_ratio_floor(at_most.lost_pkts, at_most.offered_pkts) > allowed) {
    criterion.verdict = TargetVerdict::no;
    criterion.why = fmt::format("loss is {} at {}", estimate_text("loss_ratio", *at_most.ratio),
                                pps_text(below.load_pps));
    return criterion;
  }
  if (!at_least.ratio) {
    criterion.why = below.load_pps > 0.0
                        ? fmt::format("the highest load tried is {}, of {}",
                                      pps_text(below.load_pps), pps_text(wanted_pps))
                        : std::string("no load was offered");
    return criterion;
  }
  const double limit = *loss_ratio_limit(at_least.lost_pkts, at_least.offered_pkts);
  const std::string seen =
      fmt::format("{} of {} frames lost at {}: true loss below {}", grouped(at_least.lost_pkts),
                  grouped(at_least.offered_pkts), pps_text(above.load_pps), ratio_text(limit));
  if (!at_least.ratio->interval) {
    criterion.why = fmt::format("{}, but {}", seen, too_few(above));
    return criterion;
  }
  const bool within = at_least.ratio->interval->high <= allowed;
  if (within && limit <= allowed) {
    criterion.verdict = TargetVerdict::yes;
    criterion.why = seen;
    return criterion;
  }
  criterion.why = seen;
  if (within && at_least.lost_pkts == 0) {
    criterion.why +=
        fmt::format("; {} frames without a loss would do", si(-std::log(0.05) / allowed, ""));
  } else {
    criterion.why += fmt::format(", median over blocks {}; up to {} is allowed",
                                 estimate_text("loss_ratio", *at_least.ratio), ratio_text(allowed));
    if (above.load_pps > wanted_pps * (1.0 + kSameLoad))
      criterion.why += ", and no load nearer to the target was tried";
  }
  return criterion;
}

// The median of each block's p99, where it was measured.
std::optional<Estimate> p99_of(const Evidence& evidence) {
  std::vector<double> values;
  for (const auto& [block, trials] : evidence.blocks) {
    std::vector<double> own;
    for (const TrialResult* trial : trials) {
      if (const auto p99 = metric_of(*trial, "latency_p99_ns")) own.push_back(*p99);
    }
    if (!own.empty()) values.push_back(median_of(std::move(own)));
  }
  return over_blocks(std::move(values));
}

TargetCriterion p99_criterion(std::int64_t allowed_ns, const Evidence& above,
                              const Evidence& below) {
  TargetCriterion criterion{"p99", TargetVerdict::cannot_tell, {}};
  const auto allowed = static_cast<double>(allowed_ns);
  const auto at_least = p99_of(above);
  const auto at_most = p99_of(below);
  const auto said = [](const Estimate& p99, const Evidence& evidence) {
    return fmt::format("p99 is {} at {}", estimate_text("latency_p99_ns", p99),
                       pps_text(evidence.load_pps));
  };
  if (at_most && at_most->interval && at_most->interval->low > allowed) {
    criterion.verdict = TargetVerdict::no;
    criterion.why = said(*at_most, below);
  } else if (!at_least && !at_most) {
    criterion.why = "latency was not measured";
  } else if (!at_least) {
    criterion.why = fmt::format("{}, and was measured at no higher load", said(*at_most, below));
  } else if (!at_least->interval) {
    criterion.why = fmt::format("{}, but {}", said(*at_least, above), too_few(above));
  } else {
    criterion.why = said(*at_least, above);
    if (at_least->interval->high <= allowed) criterion.verdict = TargetVerdict::yes;
  }
  return criterion;
}

TargetCriterion cores_criterion(int allowed, const std::vector<const TrialResult*>& trials) {
  TargetCriterion criterion{"cores", TargetVerdict::cannot_tell, {}};
  std::optional<double> least;
  std::optional<double> most;
  for (const TrialResult* trial : trials) {
    const auto cores = receiving_cores(*trial);
    if (!cores) continue;
    least = std::min(least.value_or(*cores), *cores);
    most = std::max(most.value_or(*cores), *cores);
  }
  if (!most) {
    criterion.why = "the cores that it took were not measured";
    return criterion;
  }
  criterion.why = fmt::format("it takes {:.3g} core{}", *most, *most == 1.0 ? "" : "s");
  if (*most <= allowed) criterion.verdict = TargetVerdict::yes;
  if (*least > allowed) criterion.verdict = TargetVerdict::no;
  return criterion;
}

// The goal that allows as much loss as the target does, or the least less; nullptr without one that
// has a throughput.
const GoalSummary* goal_of(const CellSummary& cell, double loss_ratio) {
  const GoalSummary* best = nullptr;
  for (const GoalSummary& goal : cell.goals) {
    if (goal.goal.kind != GoalKind::bounds || goal.goal.loss_ratio > loss_ratio) continue;
    if (!goal.throughput_mpps && !goal.at_least_mpps) continue;
    if (best == nullptr || goal.goal.loss_ratio > best->goal.loss_ratio) best = &goal;
  }
  return best;
}

void add_headroom(const CellSummary& cell, double loss_ratio, const TargetCriterion& loss,
                  const Evidence& above, const Evidence& below, CellTarget& answer) {
  const double wanted = *answer.target_pps;
  const auto over = [&](double mpps) { return mpps * 1e6 / wanted - 1.0; };
  if (const GoalSummary* goal = goal_of(cell, loss_ratio)) {
    if (goal->throughput_mpps && goal->throughput_mpps->interval) {
      answer.headroom_low = over(goal->throughput_mpps->interval->low);
      answer.headroom_high = over(goal->throughput_mpps->interval->high);
      return;
    }
    if (!goal->throughput_mpps) answer.headroom_low = over(*goal->at_least_mpps);
    return;
  }
  if (loss.verdict == TargetVerdict::yes) answer.headroom_low = above.load_pps / wanted - 1.0;
  if (loss.verdict == TargetVerdict::no) answer.headroom_high = below.load_pps / wanted - 1.0;
}

std::string headroom_text(const CellTarget& cell) {
  const auto percent = [](double ratio) { return fmt::format("{:+.1f} %", 100.0 * ratio); };
  if (cell.headroom_low && cell.headroom_high)
    return fmt::format("headroom {} to {}", percent(*cell.headroom_low),
                       percent(*cell.headroom_high));
  if (cell.headroom_low) return fmt::format("headroom at least {}", percent(*cell.headroom_low));
  if (cell.headroom_high) return fmt::format("headroom at most {}", percent(*cell.headroom_high));
  return {};
}

CellTarget judge_cell_target(const Target& target, Rigour rigour, const JudgedCell& judged) {
  CellTarget answer;
  answer.group = judged.summary.group;
  answer.cell = judged.summary.cell;
  const auto open = [&](std::string name, std::string why) {
    answer.criteria.push_back({std::move(name), TargetVerdict::cannot_tell, std::move(why)});
  };
  std::optional<double> frame_bytes;
  if (!judged.valid.empty()) frame_bytes = mean_frame_bytes(*judged.valid.front());
  if (judged.valid.empty()) {
    open("loss", judged.summary.not_measured.value_or("nothing was measured"));
  } else if (!frame_bytes) {
    open("loss", "no load was offered");
  } else if (!has_target_frames(target, *judged.valid.front())) {
    open("frame", fmt::format("measured with frames of {:.4g} bytes, not with {}", *frame_bytes,
                              target.frame));
  } else {
    const double wanted =
        target_pps(target, *frame_bytes, direction_count(judged.valid.front()->order));
    answer.target_pps = wanted;
    const Evidence above = evidence_of(judged.valid, wanted, Side::from_target_on);
    const Evidence below = evidence_of(judged.valid, wanted, Side::up_to_target);
    const TargetCriterion loss = loss_criterion(target, wanted, above, below);
    answer.criteria.push_back(loss);
    if (target.p99_ns) {
      // Where no latency was recorded at the loads that speak for losses, other loads may speak.
      std::vector<const TrialResult*> timed;
      for (const TrialResult* trial : judged.valid) {
        if (metric_of(*trial, "latency_p99_ns")) timed.push_back(trial);
      }
      answer.criteria.push_back(p99_criterion(*target.p99_ns,
                                              evidence_of(timed, wanted, Side::from_target_on),
                                              evidence_of(timed, wanted, Side::up_to_target)));
    }
    if (target.cores) answer.criteria.push_back(cores_criterion(*target.cores, judged.valid));
    add_headroom(judged.summary, target.loss_ratio, loss, above, below, answer);
  }
  const auto any = [&](TargetVerdict verdict) {
    return std::ranges::any_of(answer.criteria, [verdict](const TargetCriterion& criterion) {
      return criterion.verdict == verdict;
    });
  };
  answer.verdict = any(TargetVerdict::no)            ? TargetVerdict::no
                   : any(TargetVerdict::cannot_tell) ? TargetVerdict::cannot_tell
                                                     : TargetVerdict::yes;
  if (rigour == Rigour::ranking && answer.verdict != TargetVerdict::cannot_tell) {
    answer.verdict = TargetVerdict::cannot_tell;
    open("loss", "a quick run gives no verdict");
  }
  // A verdict stands on what decided it; yes on all.
  std::vector<std::string> whys;
  for (const TargetCriterion& criterion : answer.criteria) {
    if (answer.verdict == TargetVerdict::yes || criterion.verdict == answer.verdict)
      whys.push_back(criterion.why);
  }
  if (const std::string headroom = headroom_text(answer); !headroom.empty())
    whys.push_back(headroom);
  answer.sentence =
      fmt::format("{}: {}: {}", cell_text(answer.cell), name_of(answer.verdict), join(whys, "; "));
  return answer;
}

std::string sentence_of(const TargetAnswer& answer, const std::vector<JudgedCell>& cells) {
  const bool groups = std::ranges::any_of(answer.cells, [&](const CellTarget& cell) {
    return cell.group != answer.cells.front().group;
  });
  std::vector<std::string> parts;
  for (const auto& [verdict, said] :
       {std::pair(TargetVerdict::yes, "yes with"), std::pair(TargetVerdict::no, "no with"),
        std::pair(TargetVerdict::cannot_tell, "cannot tell of")}) {
    std::vector<std::string> names;
    for (const CellTarget& cell : answer.cells) {
      if (cell.verdict == verdict)
        names.push_back((groups ? cell.group + " " : "") + cell_text(cell.cell));
    }
    if (names.empty()) continue;
    const std::size_t count = names.size();
    if (count > kTargetsNamed) names.resize(kTargetsNamed);
    parts.push_back(fmt::format(
        "{} {}{}", said, join(names, ", "),
        count > kTargetsNamed ? fmt::format(" and {} more", count - kTargetsNamed) : ""));
  }
  const bool model = std::ranges::any_of(
      cells, [](const JudgedCell& cell) { return cell.summary.path == Path::model; });
  return fmt::format("{}{}: {}", target_text(answer.target), model ? ", on a model, not a NIC" : "",
                     join(parts, "; "));
}

}  // namespace

std::string_view name_of(TargetVerdict verdict) {
  switch (verdict) {
    case TargetVerdict::yes:
      return "yes";
    case TargetVerdict::no:
      return "no";
    case TargetVerdict::cannot_tell:
      return "cannot tell";
  }
  PM_CHECK(false);
}

double target_pps(const Target& target, double frame_bytes, int directions) {
  double pps = target.rate.value;
  if (target.rate.unit == LoadUnit::l1_bps) pps /= l1_bps(1.0, frame_bytes);
  if (target.rate.unit == LoadUnit::l2_bps) pps /= l2_bps(1.0, frame_bytes);
  return pps * directions;
}

std::string target_text(const Target& target) {
  std::string text = target.rate.text();
  if (!target.frame.empty()) text += fmt::format(", frame {}", target.frame);
  text += fmt::format(", loss up to {}", ratio_text(target.loss_ratio));
  if (target.p99_ns)
    text += fmt::format(", p99 up to {}", duration_text(static_cast<double>(*target.p99_ns)));
  if (target.cores)
    text += fmt::format(", up to {}", counted(static_cast<std::size_t>(*target.cores), "core"));
  return text;
}

std::optional<double> mean_frame_bytes(const TrialResult& trial) {
  const TrafficOrder& traffic = trial.order.traffic;
  if (is_closed_loop(trial.order.path)) return std::nullopt;
  if (traffic.kind != TrafficKind::replay)
    return mean_frame_bytes(std::span<const int>(traffic.frame_bytes));
  double bytes = 0.0;
  double pkts = 0.0;
  for (const StreamAccount& stream : trial.streams) {
    bytes += static_cast<double>(stream.offered_bytes);
    pkts += static_cast<double>(stream.ledger.offered_pkts());
  }
  if (!(pkts > 0.0)) return std::nullopt;
  return bytes / pkts;
}

bool has_target_frames(const Target& target, const TrialResult& trial) {
  if (target.frame_bytes.empty()) return true;
  if (trial.order.traffic.kind == TrafficKind::replay) return false;
  std::vector<int> wanted = target.frame_bytes;
  std::vector<int> sent = trial.order.traffic.frame_bytes;
  std::sort(wanted.begin(), wanted.end());
  std::sort(sent.begin(), sent.end());
  return wanted == sent;
}

std::optional<double> receiving_cores(const TrialResult& trial) {
  int lcores = 0;
  for (const LcoreHealth& lcore : trial.lcores) {
    if (lcore.role.starts_with("generator")) continue;
    if (!lcore.polling) return trial.cpu_cores_used;
    ++lcores;
  }
  if (lcores == 0) return trial.cpu_cores_used;
  return lcores;
}

double load_of(const TrialResult& trial) {
  const double intended = direction_count(trial.order) * trial.order.traffic.intended_pps;
  return intended > 0.0 ? intended : trial.offered_pps.value_or(0.0);
}

TargetAnswer judge_target(const Target& target, Rigour rigour,
                          const std::vector<JudgedCell>& cells) {
  TargetAnswer answer;
  answer.target = target;
  for (const JudgedCell& cell : cells)
    answer.cells.push_back(judge_cell_target(target, rigour, cell));
  answer.sentence = sentence_of(answer, cells);
  return answer;
}

}  // namespace pollmark
