#include "kernel/blocking_receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "base/text.h"
#include "base/tsc.h"
#include "kernel/quiet.h"

namespace pollmark {
Result<void> refuse_what_the_kernel_path_has_not(const TrialOrder& order) {
  const ReceiverOrder& receiver = order.receiver;
  const auto refused = [&](std::string_view what) {
    return fail(Errc::bad_experiment, fmt::format("path {}: {}", name_of(order.path), what));
  };
  if (order.traffic.kind == TrafficKind::replay) return refused("no replay");
  if (receiver.queues < 1 || receiver.queues != receiving_sockets(order)) {
    return refused("one queue only");
  }
  if (receiver.workers != 0) return refused("no workers");
  if (receiver.stage != StageKind::none && receiver.stage != StageKind::touch) {
    return refused("stage none or touch");
  }
  if (order.traffic.flows < 1 || order.traffic.flows > 65536) {
    return fail(Errc::bad_experiment, "flows: 1..65536");
  }
  return {};
}

BlockingReceiver::BlockingReceiver(const TrialOrder& order, NetdevPlace place, TrialCpus cpus,
                                   double tsc_hz, FrameConsumer consumer, std::string_view role,
                                   std::vector<std::unique_ptr<ArrivalSource>> sources)
    : place_(std::move(place)),
      cpus_(std::move(cpus)),
      consumer_(consumer),
      readers_(sources.size()) {
  PM_CHECK(!sources.empty() && sources.size() == cpus_.receivers.size());
  for (std::size_t i = 0; i < sources.size(); ++i) {
    readers_[i].source = std::move(sources[i]);
    readers_[i].frames = std::make_unique<ReceivedFrames>(order, tsc_hz);
    roles_.push_back(sources.size() == 1 ? std::string(role) : fmt::format("{} {}", role, i));
  }
}

BlockingReceiver::~BlockingReceiver() { end_threads(); }

Result<void> BlockingReceiver::open() {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(place_.netns_fd));
  for (Reader& reader : readers_) {
    if (auto opened = reader.source->open(place_); !opened) {
      opened.error().where = fmt::format("{} {}", place_.netdev, opened.error().where);
      return opened;
    }
  }
  return {};
}

Result<CounterSnapshot> BlockingReceiver::read_counters() {
  PM_TRY(CounterSnapshot snapshot, read_receiver_counters(place_, consumer_));
  std::uint64_t warmup_pkts = 0;
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    const std::string which = readers_.size() == 1 ? "" : fmt::format(".{}", i);
    readers_[i].source->add_counters(snapshot, which);
    warmup_pkts += readers_[i].frames->warmup_pkts();
  }
  CounterFacts of_port;
  of_port.layer = "port";
  of_port.scope = "port";
  put_counter(snapshot, "receiver.port.warmup_pkts", warmup_pkts, of_port);
  return snapshot;
}

Result<void> BlockingReceiver::start() {
  softirq_.begin(cpus_.all());
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    Reader& reader = readers_[i];
    const auto receive = [this, &reader] {
      while (!ending_.load(std::memory_order_acquire)) {
        if (const auto taken = reader.source->take(*reader.frames); !taken) {
          reader.error = taken.error().text();
          break;
        }
      }
      reader.frames->finished();
    };
    PM_TRYV(reader.thread.start(
        cpus_.receivers[i], [] { return Result<void>(); }, receive));
  }
  return {};
}

Result<void> BlockingReceiver::drain(std::int64_t quiet_ns, std::int64_t limit_ns) {
  // A thread that sleeps or was not let run leaves its frames where they are.
  wait_until_quiet(
      {quiet_ns, limit_ns},
      [this] {
        std::int64_t arrivals = 0;
        for (const Reader& reader : readers_) arrivals += reader.frames->arrivals();
        return arrivals;
      },
      [this] {
        return std::ranges::any_of(
            readers_, [](const Reader& reader) { return reader.source->has_waiting(); });
      });
  return {};
}

Result<ReceiverAccount> BlockingReceiver::stop(const std::vector<std::uint32_t>& sent_per_flow) {
  end_threads();
  // The kernel receives in the softirq of the CPU that sends (veth), or of the receiver's.
  const std::optional<double> softirq_cores = softirq_.cores();
  std::vector<ReceivedFrames*> frames;
  std::vector<std::int64_t> steered_pkts;
  for (Reader& reader : readers_) {
    if (!reader.error.empty()) return fail(Errc::host_cannot, reader.error, place_.netdev);
    frames.push_back(reader.frames.get());
    steered_pkts.push_back(reader.frames->arrivals() + reader.source->dropped_pkts());
  }
  ReceiverAccount account;
  ReceivedFrames::fill(frames, sent_per_flow, roles_, steered_pkts, softirq_cores, account);
  account.knobs = knobs_of_sources();
  account.knobs["queues"] = sockets_knob(steered_pkts);
  return account;
}

void BlockingReceiver::end_threads() {
  ending_.store(true, std::memory_order_release);
  for (Reader& reader : readers_) reader.thread.join();
}

Knob BlockingReceiver::sockets_knob(std::span<const std::int64_t> steered_pkts) const {
  Knob knob;
  knob.requested = knob.effective = fmt::format("{}", readers_.size());
  knob.state = KnobState::confirmed;
  const std::int64_t sum =
      std::accumulate(steered_pkts.begin(), steered_pkts.end(), std::int64_t{0});
  const auto used = std::ranges::count_if(steered_pkts, [](std::int64_t pkts) { return pkts > 0; });
  knob.exercised = used > 1 || (used == 1 && readers_.size() == 1);
  if (used == 0) {
    knob.evidence = "no frame came";
  } else if (readers_.size() == 1) {
    knob.evidence = "all frames came to one socket";
  } else if (used == 1) {
    knob.evidence = fmt::format("all frames came to one of {} sockets", readers_.size());
  } else {
    std::vector<std::string> shares;
    for (const std::int64_t pkts : steered_pkts) {
      shares.push_back(
          fmt::format("{:.1f} %", 100.0 * static_cast<double>(pkts) / static_cast<double>(sum)));
    }
    knob.evidence = "shares " + join(shares, ", ");
  }
  const std::size_t cpus = std::set(cpus_.receivers.begin(), cpus_.receivers.end()).size();
  if (cpus < readers_.size())
    knob.evidence +=
        fmt::format("; {} threads shared {} CPU{}", readers_.size(), cpus, cpus == 1 ? "" : "s");
  return knob;
}

// Sources are set alike; one that acted shows that the knob does.
std::map<std::string, Knob> BlockingReceiver::knobs_of_sources() const {
  std::map<std::string, Knob> all;
  for (std::size_t i = 0; i < readers_.size(); ++i) {
    std::map<std::string, Knob> own;
    readers_[i].source->add_knobs(own);
    for (auto& [name, knob] : own) {
      const auto [at, is_first] = all.try_emplace(name, knob);
      if (is_first) continue;
      Knob& sum = at->second;
      if (knob.state == KnobState::differs) sum.state = knob.state;
      if (knob.effective != sum.effective) sum.effective += ", " + knob.effective;
      if (knob.evidence != sum.evidence && !knob.evidence.empty())
        sum.evidence += (sum.evidence.empty() ? "" : "; ") + knob.evidence;
      sum.exercised = sum.exercised || knob.exercised;
    }
  }
  return all;
}

Result<std::unique_ptr<Receiver>> make_blocking_receiver(
    const TrialOrder& order, const NetdevPlace& place, FrameConsumer consumer,
    std::string_view role, std::vector<std::unique_ptr<ArrivalSource>> sources) {
  PM_TRYV(refuse_what_the_kernel_path_has_not(order));
  PM_TRY(TrialCpus cpus, trial_cpus(order));
  return std::make_unique<BlockingReceiver>(order, place, std::move(cpus), host_tsc().hz, consumer,
                                            role, std::move(sources));
}

}  // namespace pollmark
