#include "kernel/blocking_receiver.h"

#include <fmt/format.h>

#include <utility>

#include "base/tsc.h"
#include "kernel/quiet.h"

namespace pollmark {
Result<void> refuse_what_the_kernel_path_has_not(const TrialOrder& order) {
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
  softirq_.begin(cpus_.all());
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
  // A thread that sleeps or was not let run leaves its frames where they are.
  wait_until_quiet(
      {quiet_ns, limit_ns}, [this] { return frames_.arrivals(); },
      [this] { return source_->has_waiting(); });
  return {};
}

Result<ReceiverAccount> BlockingReceiver::stop(const std::vector<std::uint32_t>& sent_per_flow) {
  end_thread();
  // The kernel receives in the softirq of the CPU that sends (veth), or of the receiver's.
  const std::optional<double> softirq_cores = softirq_.cores();
  if (!thread_error_.empty()) return fail(Errc::host_cannot, thread_error_, place_.netdev);
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
  PM_TRYV(refuse_what_the_kernel_path_has_not(order));
  PM_TRY(TrialCpus cpus, trial_cpus(order));
  return std::make_unique<BlockingReceiver>(order, place, std::move(cpus), host_tsc().hz, consumer,
                                            role, std::move(source));
}

}  // namespace pollmark
