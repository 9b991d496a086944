#include "trial/limited_by.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/line_rate.h"
#include "base/units.h"
#include "trial/validity.h"

namespace pollmark {
namespace {

constexpr double kSaturated = 0.97;
constexpr double kStageShare = 0.5;
constexpr double kAtLineRate = 0.999;
constexpr std::string_view kKernelPrefix = "kernel_";

bool is_kernel(Fate fate) {
  return fate_name(fate).substr(0, kKernelPrefix.size()) == kKernelPrefix;
}

// Losses that more cores, descriptors or buffers could have prevented.
bool is_capacity(Fate fate) {
  return is_kernel(fate) || fate == Fate::rx_missed || fate == Fate::rx_no_mbuf ||
         fate == Fate::sw_ring_overflow || fate == Fate::tx_lost;
}

struct Loss {
  Fate fate = Fate::rx_missed;
  std::int64_t pkts = 0;
};

template <typename Predicate>
std::optional<Loss> largest_loss(const Ledger& ledger, Predicate predicate) {
  std::optional<Loss> largest;
  for (const Fate fate : all_fates()) {
    if (fate_kind(fate) != FateKind::loss || !predicate(fate)) continue;
    const std::int64_t pkts = ledger.pkts_or_zero(fate);
    if (pkts > 0 && (!largest || pkts > largest->pkts)) largest = Loss{fate, pkts};
  }
  return largest;
}

// Share of the time that stalls given to the model took from every lcore.
double stalled_share(const TrialOrder& order) {
  const StallOrder& stalls = order.model.stalls;
  if (order.path != Path::model || stalls.every_ns <= 0) return 0.0;
  if (stalls.kind != StallKind::periodic && stalls.kind != StallKind::poisson) return 0.0;
  return std::min(0.99, static_cast<double>(stalls.for_ns) / static_cast<double>(stalls.every_ns));
}

std::optional<double> line_pps(const TrialOrder& order, const SenderAccount& sender) {
  if (order.path != Path::model || sender.offered_pkts <= 0 || order.model.link_bps <= 0.0) {
    return std::nullopt;
  }
  return line_rate_pps(order.model.link_bps, static_cast<double>(sender.offered_bytes) /
                                                 static_cast<double>(sender.offered_pkts));
}

// The load of the fullest queue: the one that missed most, else the one with the largest share.
std::optional<double> queue_pps(const TrialOrder& order, const ReceiverAccount& receiver,
                                double offered_pps) {
  const QueueAccount* fullest = nullptr;
  for (const QueueAccount& queue : receiver.queues) {
    if (!queue.share) continue;
    const auto rank = [](const QueueAccount& q) {
      return std::pair(q.rx_missed_pkts.value_or(0), *q.share);
    };
    if (fullest == nullptr || rank(queue) > rank(*fullest)) fullest = &queue;
  }
  if (fullest != nullptr) return offered_pps * *fullest->share;
  if (order.receiver.queues == 1) return offered_pps;
  return std::nullopt;
}

// The load of the software ring that overflowed most: that of its rx lcore's queues, which are
// dealt out in turn.
std::optional<double> ring_pps(const ReceiverAccount& receiver, double offered_pps) {
  const auto fullest = std::ranges::max_element(receiver.rings, {}, &RingAccount::overflow_pkts);
  if (fullest == receiver.rings.end()) return std::nullopt;
  double share = 0.0;
  for (const QueueAccount& queue : receiver.queues) {
    if (!queue.share) return std::nullopt;
    if (queue.queue % static_cast<int>(receiver.rings.size()) == fullest->ring)
      share += *queue.share;
  }
  return offered_pps * share;
}

// The length of the stalls: as ordered on the model, else the longest gap seen.
std::optional<std::int64_t> stall_ns(const TrialOrder& order, const ReceiverAccount& receiver) {
  const StallOrder& stalls = order.model.stalls;
  if (order.path == Path::model) {
    if (stalls.kind == StallKind::none) return std::nullopt;
    if (stalls.kind != StallKind::trace && stalls.for_ns > 0) return stalls.for_ns;
    if (receiver.stalls.injected > 0 && receiver.stalls.longest_ns > 0) {
      return receiver.stalls.longest_ns;
    }
    return std::nullopt;
  }
  std::int64_t longest_ns = 0;
  for (const LcoreHealth& lcore : receiver.lcores) {
    if (lcore.polling) longest_ns = std::max(longest_ns, lcore.longest_gap_ns);
  }
  if (longest_ns <= 0) return std::nullopt;
  return longest_ns;
}

class Limiter {
 public:
  Limiter(const TrialOrder& order, const SenderAccount& sender, const ReceiverAccount& receiver,
          const Ledger& ledger)
      : order_(order), sender_(sender), receiver_(receiver), ledger_(ledger) {
    if (sender.window_seconds > 0.0) {
      offered_pps_ = static_cast<double>(sender.offered_pkts) / sender.window_seconds;
    }
  }

  Limit limit(double offered_tolerance) const {
    if (const auto why = generator_shortfall(order_, sender_, offered_tolerance)) {
      return {"generator", *why};
    }
    if (ledger_.unaccounted_pkts() != 0) {
      return {"unknown",
              fmt::format("{} frames are unaccounted for", grouped(ledger_.unaccounted_pkts()))};
    }
    if (ledger_.lost_pkts() == 0) return lossless();
    const std::optional<Loss> loss = largest_loss(ledger_, is_capacity);
    if (!loss) {
      const std::optional<Loss> other = largest_loss(ledger_, [](Fate) { return true; });
      return {"unknown",
              other ? fmt::format("{} {}_pkts ({}): no limit of rate", grouped(other->pkts),
                                  fate_name(other->fate), fate_sentence(other->fate))
                    : "the losses have no name"};
    }
    if (is_kernel(loss->fate)) return kernel(*loss);
    if (loss->fate == Fate::tx_lost) {
      return {"generator",
              fmt::format("{} frames were lost on the transmit side", grouped(loss->pkts))};
    }
    if (!receiver_.busy_fraction) {
      return {"unknown", fmt::format("{} {}_pkts; how busy the lcores were was not measured",
                                     grouped(loss->pkts), fate_name(loss->fate))};
    }
    if (saturated()) {
      return busy(fmt::format("{} {}_pkts", grouped(loss->pkts), fate_name(loss->fate)));
    }
    return outrun(*loss);
  }

 private:
  bool saturated() const {
    return receiver_.busy_fraction &&
           *receiver_.busy_fraction >= kSaturated * (1.0 - stalled_share(order_));
  }
  std::string busy_text() const {
    const double stalled = stalled_share(order_);
    if (stalled > 0.0) {
      return fmt::format("the busiest lcore was at work {:.1f} % of the time, stalled {:.1f} %",
                         100.0 * *receiver_.busy_fraction, 100.0 * stalled);
    }
    return fmt::format("the busiest lcore was at work {:.1f} % of the time",
                       100.0 * *receiver_.busy_fraction);
  }

  Limit lossless() const {
    const std::optional<double> line = line_pps(order_, sender_);
    if (line && offered_pps_ >= kAtLineRate * *line) {
      return {"line",
              fmt::format("the line was full ({}) and nothing was lost", si(offered_pps_, "pps"))};
    }
    if (saturated()) {
      if (const auto held = late_text()) return busy(*held);
    }
    if (order_.traffic.load.unit == LoadUnit::max) {
      return {"generator", fmt::format("nothing was lost of the {} that the generator could offer",
                                       si(offered_pps_, "pps"))};
    }
    return {"", "everything offered was received; the load set the rate"};
  }

  // p99 above half of the time that the descriptors of the fullest queue hold: the queue stood more
  // than half full.
  std::optional<std::string> late_text() const {
    const auto& latency =
        receiver_.latency_ns.rx ? receiver_.latency_ns.rx : receiver_.latency_ns.done;
    const std::optional<double> pps = queue_pps(order_, receiver_, offered_pps_);
    if (!latency || !pps || *pps <= 0.0) return std::nullopt;
    const std::optional<std::int64_t> p99_ns = latency->percentile(99.0);
    const double held_ns = 1e9 * static_cast<double>(order_.receiver.rx_ring) / *pps;
    if (!p99_ns || static_cast<double>(*p99_ns) < held_ns / 2.0) return std::nullopt;
    return fmt::format("p99 is {}, more than half of the {} that {} descriptors hold",
                       duration_text(static_cast<double>(*p99_ns)), duration_text(held_ns),
                       order_.receiver.rx_ring);
  }

  Limit busy(const std::string& effect) const {
    if (receiver_.stage && receiver_.stage->cycles_per_pkt && receiver_.cycles_per_pkt &&
        *receiver_.cycles_per_pkt > 0.0) {
      const double share = *receiver_.stage->cycles_per_pkt / *receiver_.cycles_per_pkt;
      if (share >= kStageShare) {
        return {"stage", fmt::format("{}; {}, {:.0f} % of its cycles in the stage {}", effect,
                                     busy_text(), 100.0 * share, name_of(order_.receiver.stage))};
      }
    }
    std::string why = fmt::format("{}; {}", effect, busy_text());
    if (receiver_.cycles_per_pkt) {
      why += fmt::format(" at {:.0f} cycles per frame", *receiver_.cycles_per_pkt);
    }
    return {"core", why};
  }

  Limit kernel(const Loss& loss) const {
    const std::string layer(fate_name(loss.fate).substr(kKernelPrefix.size()));
    std::string why = fmt::format("{} {}_pkts: {}", grouped(loss.pkts), fate_name(loss.fate),
                                  fate_sentence(loss.fate));
    if (receiver_.busy_fraction) why += "; " + busy_text();
    return {"kernel:" + layer, why};
  }

  Limit outrun(const Loss& loss) const {
    if (loss.fate == Fate::rx_no_mbuf) {
      const int mbufs = order_.receiver.pool_mbufs;
      return {"ring",
              fmt::format("{} rx_no_mbuf_pkts: the pool{} ran empty while {}", grouped(loss.pkts),
                          mbufs > 0 ? fmt::format(" of {} mbufs", mbufs) : "", busy_text())};
    }
    const bool software = loss.fate == Fate::sw_ring_overflow;
    const int slots = software ? order_.receiver.ring : order_.receiver.rx_ring;
    const std::string_view slots_name = software ? "slots" : "descriptors";
    const std::string name(fate_name(loss.fate));
    const std::optional<std::int64_t> stall = stall_ns(order_, receiver_);
    const std::optional<double> pps =
        software ? ring_pps(receiver_, offered_pps_) : queue_pps(order_, receiver_, offered_pps_);
    if (stall && pps) {
      const double frames = *pps * static_cast<double>(*stall) / 1e9;
      const std::string product =
          fmt::format("{} x {} = {:.0f} frames", duration_text(static_cast<double>(*stall)),
                      si(*pps, "pps"), frames);
      if (frames > slots) {
        return {"ring",
                fmt::format("{} during stalls: {} outrun {} {}", name, product, slots, slots_name)};
      }
      return {"ring",
              fmt::format("{} though a stall of {} fits {} {}: bursts, or stalls before the "
                          "last backlog was worked off; {}",
                          name, product, slots, slots_name, busy_text())};
    }
    if (stall) {
      return {"ring", fmt::format("{}: stalls of {} or bursts outran {} {}; {}", name,
                                  duration_text(static_cast<double>(*stall)), slots, slots_name,
                                  busy_text())};
    }
    if (order_.traffic.arrivals.kind == ArrivalKind::burst) {
      return {"ring",
              fmt::format("{}: bursts of {} frames outran {} {}; {}", name,
                          order_.traffic.arrivals.burst_frames, slots, slots_name, busy_text())};
    }
    return {"ring", fmt::format("{}: stalls or bursts outran {} {}; {}", name, slots, slots_name,
                                busy_text())};
  }

  const TrialOrder& order_;
  const SenderAccount& sender_;
  const ReceiverAccount& receiver_;
  const Ledger& ledger_;
  double offered_pps_ = 0.0;
};

}  // namespace

Limit limited_by(const TrialOrder& order, const SenderAccount& sender,
                 const ReceiverAccount& receiver, const Ledger& ledger, double offered_tolerance) {
  return Limiter(order, sender, receiver, ledger).limit(offered_tolerance);
}

}  // namespace pollmark
