#include "trial/validity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string_view>

#include "base/text.h"
#include "base/units.h"

namespace pollmark {
namespace {

constexpr double kSendGrainPkts = 64.0;  // the longest transmit burst
constexpr double kPoissonSigmas = 5.0;
constexpr std::string_view kNuma = "numa";  // the knob whose difference has a code of its own

std::string_view leaf_of(std::string_view counter) {
  const std::size_t dot = counter.rfind('.');
  return dot == std::string_view::npos ? counter : counter.substr(dot + 1);
}

bool counts_link_changes(std::string_view counter) {
  static constexpr std::array<std::string_view, 4> kNames{"carrier_changes", "carrier_up_count",
                                                          "carrier_down_count", "link_down_events"};
  return std::find(kNames.begin(), kNames.end(), leaf_of(counter)) != kNames.end();
}

bool counts_pause_frames(std::string_view counter) {
  const std::string_view leaf = leaf_of(counter);
  for (const std::string_view word : {"pause", "xoff", "xon"}) {
    if (leaf.find(word) != std::string_view::npos) return true;
  }
  return false;
}

bool names_burst_mode(std::string_view knob) {
  return knob == "rx_burst_mode" || knob == "tx_burst_mode";
}

class Verdict {
 public:
  Verdict(const TrialEvidence& evidence, const TrialLimits& limits)
      : evidence_(evidence), limits_(limits), wall_(evidence.order.clock == ClockKind::wall) {}

  Validity take() && {
    if (evidence_.books.closed_loop) {
      check_loop_books(*evidence_.books.closed_loop);
    } else {
      check_books();
      check_generator();
    }
    check_counters_backwards();
    for (const std::string& doubt : evidence_.books.echo_doubts) invalid("echo_disagrees", doubt);
    if (!evidence_.books.closed_loop) check_tracker();
    if (wall_) {
      if (evidence_.books.closed_loop) {
        check_waiting("generator_stalled", evidence_.sender.lcores);
        check_waiting("receiver_starved", evidence_.receiver.lcores);
      } else {
        check_lcores("receiver", "receiver_stalled", evidence_.receiver.lcores);
        check_lcores("generator", "generator_stalled", evidence_.sender.lcores);
        check_blocking_receivers();
      }
    } else {
      check_disturbance();
    }
    check_knobs();
    if (evidence_.tsc_step) invalid("tsc_step", *evidence_.tsc_step);
    check_device();
    check_captures();
    check_rest();
    return std::move(validity_);
  }

 private:
  void invalid(std::string_view code, std::string_view sentence) {
    validity_.invalid_reasons.push_back(fmt::format("{}: {}", code, sentence));
  }
  void of_host(std::string_view code, const std::string& sentence) {
    if (evidence_.order.validity == ValidityRule::as_is) {
      validity_.not_checked.push_back(fmt::format("as_is: {}: {}", code, sentence));
    } else {
      invalid(code, sentence);
    }
  }
  void not_checked(std::string clause) { validity_.not_checked.push_back(std::move(clause)); }

  void check_books() {
    const Ledger& ledger = evidence_.books.stream.ledger;
    for (const std::string& contradiction : evidence_.books.contradictions) {
      invalid("books_open", contradiction);
    }
    if (ledger.closes(limits_.unaccounted_tolerance)) return;
    const std::int64_t open_pkts = ledger.unaccounted_pkts();
    invalid("books_open", fmt::format("{} of {} offered frames are {}",
                                      grouped(std::abs(open_pkts)), grouped(ledger.offered_pkts()),
                                      open_pkts > 0 ? "unaccounted for" : "counted twice"));
  }

  void check_loop_books(const ClosedLoopAccount& loop) {
    for (const std::string& contradiction : evidence_.books.contradictions) {
      invalid("books_open", contradiction);
    }
    if (const std::int64_t open = loop.unaccounted(); open != 0) {
      invalid("books_open",
              fmt::format("{} of {} {} sent are {}", grouped(std::abs(open)), grouped(loop.sent),
                          name_of(loop.unit), open > 0 ? "unaccounted for" : "counted twice"));
    }
    if (loop.in_window <= 0)
      invalid("generator_short", fmt::format("no {} in the window", name_of(loop.unit)));
    if (loop.untapped_segments.value_or(0) > 0)
      not_checked("segment lengths: the taps had no room for some (untapped_segments)");
  }

  void check_captures() {
    std::vector<std::string> places;
    for (const TapAccount& capture : evidence_.receiver.captures) {
      places.emplace_back(name_of(capture.at));
      if (!capture.failure.empty())
        invalid("capture_failed",
                fmt::format("at the {}: {}", name_of(capture.at), capture.failure));
    }
    if (places.empty()) return;
    not_checked(fmt::format(
        "CPU without captures: taps at the {} copied frames, in the time of whoever sent or "
        "received them",
        join(places, " and the ")));
  }

  void check_generator() {
    if (evidence_.order.traffic.load.unit == LoadUnit::max) {
      not_checked("offered against intended: load = \"max\" measures and does not judge");
      return;
    }
    if (const auto why =
            generator_shortfall(evidence_.order, evidence_.sender, limits_.offered_tolerance)) {
      invalid("generator_short", *why);
    }
  }

  void check_counters_backwards() {
    for (const auto& [name, change] : evidence_.counters) {
      if (!change.went_backwards) continue;
      invalid("counter_backwards",
              fmt::format("{} fell from {} to {}", name, change.before.value_or(0),
                          change.after.value_or(0)));
    }
  }

  void check_tracker() {
    const SenderAccount& sender = evidence_.sender;
    const std::optional<TrackerTotals>& tracker = evidence_.receiver.tracker;
    if (!tracker || sender.sent_per_flow.empty()) {
      not_checked("sequence numbers: this traffic is counted, not tracked");
      return;
    }
    const std::int64_t sent_pkts =
        std::accumulate(sender.sent_per_flow.begin(), sender.sent_per_flow.end(), std::int64_t{0});
    if (sent_pkts != sender.offered_pkts) {
      invalid("tracker_disagrees",
              fmt::format("the flows' sequence numbers say that {} frames were sent, the sender {}",
                          grouped(sent_pkts), grouped(sender.offered_pkts)));
    }
    const std::int64_t received_pkts = evidence_.receiver.received_pkts;
    if (tracker->unique != received_pkts) {
      invalid("tracker_disagrees",
              fmt::format("{} frames arrived once by their sequence numbers, {} were counted "
                          "received",
                          grouped(tracker->unique), grouped(received_pkts)));
    }
    if (tracker->lost != sent_pkts - tracker->unique) {
      invalid("tracker_disagrees",
              fmt::format("the tracker lost {} frames, but of {} sent {} arrived",
                          grouped(tracker->lost), grouped(sent_pkts), grouped(tracker->unique)));
    }
  }

  void check_lcores(std::string_view end, std::string_view code,
                    const std::vector<LcoreHealth>& lcores) {
    if (lcores.empty()) {
      not_checked(fmt::format("{} stalls: no lcore reported its gaps", end));
      return;
    }
    for (const LcoreHealth& lcore : lcores) {
      if (!lcore.polling) continue;
      if (lcore.tolerated_gap_ns <= 0) {
        not_checked(fmt::format("{}: how long a gap its queue holds is not known (longest: {})",
                                lcore.role,
                                duration_text(static_cast<double>(lcore.longest_gap_ns))));
      } else if (lcore.longest_gap_ns > lcore.tolerated_gap_ns) {
        of_host(code, fmt::format("{} did not poll for {}; {} are tolerated", lcore.role,
                                  duration_text(static_cast<double>(lcore.longest_gap_ns)),
                                  duration_text(static_cast<double>(lcore.tolerated_gap_ns))));
      }
      if (lcore.thread_cpu_fraction &&
          *lcore.thread_cpu_fraction < limits_.min_thread_cpu_fraction) {
        of_host(code, fmt::format("{} had its CPU for {:.1f} % of the window; {:.1f} % are needed",
                                  lcore.role, 100.0 * *lcore.thread_cpu_fraction,
                                  100.0 * limits_.min_thread_cpu_fraction));
      }
    }
  }

  void check_blocking_receivers() {
    const Ledger& ledger = evidence_.books.stream.ledger;
    const bool lost = ledger.offered_pkts() != ledger.pkts_or_zero(Fate::received);
    for (const LcoreHealth& lcore : evidence_.receiver.lcores) {
      if (lcore.polling) continue;
      if (!lcore.runnable_waiting_fraction) {
        not_checked(fmt::format("{}: its run-queue delay cannot be read", lcore.role));
      } else if (lost && *lcore.runnable_waiting_fraction >= limits_.max_runnable_waiting) {
        of_host("receiver_starved",
                fmt::format("{} was runnable but waited for a CPU for {:.1f} % of the window, and "
                            "frames were lost",
                            lcore.role, 100.0 * *lcore.runnable_waiting_fraction));
      }
    }
  }

  // Of a closed loop every wait slows the whole: nothing need be lost.
  void check_waiting(std::string_view code, const std::vector<LcoreHealth>& lcores) {
    for (const LcoreHealth& lcore : lcores) {
      if (!lcore.runnable_waiting_fraction) {
        not_checked(fmt::format("{}: its run-queue delay cannot be read", lcore.role));
      } else if (*lcore.runnable_waiting_fraction >= limits_.max_loop_waiting) {
        of_host(code, fmt::format("{} was runnable but waited for a CPU for {:.1f} % of the window",
                                  lcore.role, 100.0 * *lcore.runnable_waiting_fraction));
      }
    }
  }

  void check_disturbance() {
    const ReceiverAccount& receiver = evidence_.receiver;
    if (!receiver.excised_share) {
      not_checked("disturbance: the share of excised iterations was not measured");
    } else if (*receiver.excised_share > limits_.max_excised_share) {
      of_host("too_disturbed",
              fmt::format("{:.2f} % of the iterations were interrupted; {:.2f} % are tolerated",
                          100.0 * *receiver.excised_share, 100.0 * limits_.max_excised_share));
    }
    if (!receiver.half_drift) {
      not_checked("disturbance: the cost of the two halves was not measured");
    } else if (std::fabs(*receiver.half_drift) > limits_.max_half_drift) {
      of_host(
          "too_disturbed",
          fmt::format("the same work cost {:+.1f} % in the second half against the first; {:.1f} % "
                      "are tolerated",
                      100.0 * *receiver.half_drift, 100.0 * limits_.max_half_drift));
    }
    if (!receiver.core_slowdown) {
      not_checked("disturbance: the core's own speed was not measured");
    } else if (std::fabs(*receiver.core_slowdown) > limits_.max_core_slowdown) {
      of_host("too_disturbed",
              fmt::format("the core took {:+.1f} % time for fixed work against the trials before "
                          "(another frequency); {:.1f} % are tolerated",
                          100.0 * *receiver.core_slowdown, 100.0 * limits_.max_core_slowdown));
    }
    if (!receiver.core_shared) {
      not_checked("disturbance: whether another thread used the core was not measured");
    } else if (*receiver.core_shared > limits_.max_core_shared && !shared_as_usual(receiver)) {
      of_host("too_disturbed",
              fmt::format("another thread used the physical core at {:.1f} % of the looks at it; "
                          "{:.1f} % are tolerated (another guest, or a sibling), or as much "
                          "sharing as in the trials before",
                          100.0 * *receiver.core_shared, 100.0 * limits_.max_core_shared));
    }
  }

  // On a core that is always shared, trials compare where they were slowed alike.
  bool shared_as_usual(const ReceiverAccount& receiver) const {
    return receiver.core_mix_slowdown &&
           std::fabs(*receiver.core_mix_slowdown) <= limits_.max_core_slowdown;
  }

  void check_knobs() {
    for (const auto* knobs : {&evidence_.receiver.knobs, &evidence_.sender.knobs}) check(*knobs);
  }

  void check(const std::map<std::string, Knob>& knobs) {
    for (const auto& [name, knob] : knobs) {
      if (names_burst_mode(name)) continue;
      if (knob.state == KnobState::differs && name == kNuma) {
        invalid("numa_misplaced",
                fmt::format("{} was ordered: {}", knob.requested, knob.effective));
      } else if (knob.state == KnobState::differs) {
        invalid("knob_differs", fmt::format("{} was set to {} and reads back {}", name,
                                            knob.requested, knob.effective));
      } else if (knob.state == KnobState::unverifiable) {
        not_checked(fmt::format("{}: set to {}, cannot be read back", name, knob.requested));
      }
    }
  }

  // The model has no link state, no pause frames and no choice of burst function: nothing to check.
  void check_device() {
    bool link_known = false;
    bool pause_known = false;
    for (const auto& [name, change] : evidence_.counters) {
      const bool link = counts_link_changes(name);
      const bool pause = !link && counts_pause_frames(name);
      if (!change.delta) continue;
      link_known = link_known || link;
      pause_known = pause_known || pause;
      if (*change.delta <= 0) continue;
      if (link) invalid("link_flap", fmt::format("{} rose by {}", name, *change.delta));
      if (pause) invalid("pause_frames", fmt::format("{} rose by {}", name, *change.delta));
    }
    bool burst_mode_known = false;
    for (const auto& [name, knob] : evidence_.receiver.knobs) {
      if (!names_burst_mode(name) || knob.state == KnobState::unverifiable) continue;
      burst_mode_known = true;
      if (knob.state == KnobState::differs) {
        invalid("path_drift",
                fmt::format("{} is {}, expected {}", name, knob.effective, knob.requested));
      }
    }
    if (evidence_.order.path == Path::model) return;
    if (!link_known) not_checked("link flap: no counter of link changes was read");
    if (!pause_known) not_checked("pause frames: no counter of them was read");
    if (evidence_.order.path == Path::dpdk && !burst_mode_known) {
      not_checked("path drift: the driver does not tell its burst function");
    }
  }

  void check_rest() {
    if (evidence_.drain_ns >= limits_.drain_limit_ns) {
      invalid("drain_timeout", fmt::format("frames still came {} after the last was sent",
                                           duration_text(static_cast<double>(evidence_.drain_ns))));
    }
    if (!evidence_.counters_settled) {
      invalid("drain_timeout", fmt::format("no two of {} readings of the receiving side's counters "
                                           "after the drain agreed",
                                           limits_.max_counter_readings));
    }
  }

  const TrialEvidence& evidence_;
  const TrialLimits& limits_;
  bool wall_;
  Validity validity_;
};

}  // namespace

Validity validity_of(const TrialEvidence& evidence, const TrialLimits& limits) {
  return Verdict(evidence, limits).take();
}

std::optional<std::string> generator_shortfall(const TrialOrder& order, const SenderAccount& sender,
                                               double offered_tolerance) {
  const TrafficOrder& traffic = order.traffic;
  if (traffic.load.unit == LoadUnit::max) return std::nullopt;
  const double offered_pkts = static_cast<double>(sender.offered_pkts);
  const double intended_pkts = static_cast<double>(sender.intended_pkts);
  if (std::fabs(offered_pkts - intended_pkts) > offered_tolerance * intended_pkts ||
      sender.intended_pkts <= 0) {
    return fmt::format("offered {} of {} intended frames", grouped(sender.offered_pkts),
                       grouped(sender.intended_pkts));
  }
  // The recorded gaps say how many there are, and a number of passes how many of them.
  if (traffic.kind == TrafficKind::replay &&
      (traffic.timing != ReplayTiming::rate || traffic.loops > 0)) {
    return std::nullopt;
  }
  const double ordered_pkts = traffic.intended_pps * order.seconds;
  double grain_pkts = kSendGrainPkts;
  if (traffic.arrivals.kind == ArrivalKind::burst) {
    grain_pkts = std::max(grain_pkts, static_cast<double>(traffic.arrivals.burst_frames));
  }
  if (traffic.arrivals.kind == ArrivalKind::poisson) {
    grain_pkts += kPoissonSigmas * std::sqrt(ordered_pkts);
  }
  if (traffic.arrivals.kind == ArrivalKind::on_off) {
    // The window may end before an on time or behind it.
    grain_pkts += traffic.intended_pps * static_cast<double>(traffic.arrivals.off_ns) * 1e-9;
  }
  const double room_pps = (offered_tolerance * ordered_pkts + grain_pkts) / order.seconds;
  const double offered_pps =
      sender.window_seconds > 0.0 ? offered_pkts / sender.window_seconds : 0.0;
  if (std::fabs(offered_pps - traffic.intended_pps) > room_pps) {
    return fmt::format("offered {}, {} were ordered", si(offered_pps, "pps"),
                       si(traffic.intended_pps, "pps"));
  }
  return std::nullopt;
}

}  // namespace pollmark
