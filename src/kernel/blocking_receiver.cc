#include "kernel/blocking_receiver.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>
#include <utility>

#include "base/tsc.h"

namespace pollmark {
namespace {

Result<void> refuse_what_a_thread_has_not(const TrialOrder& order) {
  const ReceiverOrder& receiver = order.receiver;
  const auto refused = [&](std::string_view what) {
    return fail(Errc::bad_experiment, fmt::format("path {}: {}", name_of(order.path), what));
  };
  if (order.traffic.kind == TrafficKind::replay) return refused("no replay");
  if (receiver.queues != 1) return refused("one queue only");
  if (receiver.workers != 0) return refused("no workers");
  if (receiver.stage != StageKind::none && receiver.stage != StageKind::touch) {
    return refused("stage none or touch");
  }
  if (order.traffic.flows < 1 || order.traffic.flows > 65536) {
    return fail(Errc::bad_experiment, "flows: 1..65536");
  }
  return {};
}

}  // namespace

BlockingReceiver::BlockingReceiver(const TrialOrder& order, NetdevPlace place, TrialCpus cpus,
                                   double tsc_hz, FrameConsumer consumer, std::string_view role,
                                   std::unique_ptr<ArrivalSource> source)
    : place_(std::move(place)),
      cpus_(std::move(cpus)),
      consumer_(consumer),
      role_(role),
      source_(std::move(source)),
      frames_(order, tsc_hz) {}

BlockingReceiver::~BlockingReceiver() { end_thread(); }

Result<void> BlockingReceiver::open() {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(place_.netns_fd));
  auto opened = source_->open(place_);
  if (!opened) opened.error().where = fmt::format("{} {}", place_.netdev, opened.error().where);
  return opened;
}

Result<CounterSnapshot> BlockingReceiver::read_counters() {
  PM_TRY(CounterSnapshot snapshot, read_receiver_counters(place_, consumer_));
  source_->add_counters(snapshot);
  CounterFacts of_port;
  of_port.layer = "port";
  of_port.scope = "port";
  put_counter(snapshot, "receiver.port.warmup_pkts", frames_.warmup_pkts(), of_port);
  return snapshot;
}

Result<void> BlockingReceiver::start() {
  cpu_before_ = cpu_stats();
  started_wall_ns_ = wall_ns();
  const auto receive = [this] {
    while (!ending_.load(std::memory_order_acquire)) {
      if (const auto taken = source_->take(frames_); !taken) {
        thread_error_ = taken.error().text();
        break;
      }
    }
    frames_.finished();
  };
  return thread_.start(
      cpus_.receiver, [] { return Result<void>(); }, receive);
}

Result<void> BlockingReceiver::drain(std::int64_t quiet_ns, std::int64_t limit_ns) {
  const std::int64_t begin_ns = wall_ns();
  std::int64_t seen = -1;
  std::int64_t quiet_since_ns = begin_ns;
  for (;;) {
    const std::int64_t now_ns = wall_ns();
    const std::int64_t count = frames_.arrivals();
    // A thread that sleeps or was not let run leaves its frames where they are.
    if (count != seen || source_->has_waiting()) {
      seen = count;
      quiet_since_ns = now_ns;
    }
    if (now_ns - quiet_since_ns >= quiet_ns || now_ns - begin_ns >= limit_ns) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Result<ReceiverAccount> BlockingReceiver::stop(const std::vector<std::uint32_t>& sent_per_flow) {
  end_thread();
  const std::int64_t wall_total_ns = wall_ns() - started_wall_ns_;
  // The kernel receives in the softirq of the CPU that sends (veth), or of the receiver's.
  const auto softirq_ns = softirq_ns_between(cpu_before_, cpu_stats(), cpus_.all());
  if (!thread_error_.empty()) return fail(Errc::host_cannot, thread_error_, place_.netdev);
  std::optional<double> softirq_cores;
  if (softirq_ns && wall_total_ns > 0) {
    softirq_cores = static_cast<double>(*softirq_ns) / static_cast<double>(wall_total_ns);
  }
  ReceiverAccount account;
  frames_.fill(sent_per_flow, role_, softirq_cores, account);
  source_->add_knobs(account.knobs);
  return account;
}

void BlockingReceiver::end_thread() {
  ending_.store(true, std::memory_order_release);
  thread_.join();
}

Result<std::unique_ptr<Receiver>> make_blocking_receiver(const TrialOrder& order,
                                                         const NetdevPlace& place,
                                                         FrameConsumer consumer,
                                                         std::string_view role,
                                                         std::unique_ptr<ArrivalSource> source) {
  PM_TRYV(refuse_what_a_thread_has_not(order));
  PM_TRY(TrialCpus cpus, trial_cpus(order));
  return std::make_unique<BlockingReceiver>(order, place, std::move(cpus), host_tsc().hz, consumer,
                                            role, std::move(source));
}

}  // namespace pollmark
