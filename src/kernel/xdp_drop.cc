#include "kernel/xdp_drop.h"

#include <fmt/format.h>

#include <utility>

#include "base/line_rate.h"
#include "base/units.h"
#include "host/kernel_counters.h"
#include "host/softirq_share.h"
#include "host/trial_cpus.h"
#include "kernel/blocking_receiver.h"
#include "kernel/quiet.h"
#include "kernel/xdp_program.h"

namespace pollmark {
namespace {

class XdpDrop final : public Receiver {
 public:
  XdpDrop(const TrialOrder& order, NetdevPlace place, TrialCpus cpus)
      : order_(order), place_(std::move(place)), cpus_(std::move(cpus)) {}

  Result<void> open() override {
    PM_TRY(const ScopedNetns inside, ScopedNetns::enter(place_.netns_fd));
    auto program = XdpProgram::count_and_drop(place_, order_);
    if (!program) {
      Error error = std::move(program).error();
      error.where = fmt::format("{} {}", place_.netdev, error.where);
      return tl::unexpected<Error>(std::move(error));
    }
    program_ = std::move(*program);
    return {};
  }

  Result<CounterSnapshot> read_counters() override {
    PM_TRY(CounterSnapshot snapshot, read_receiver_counters(place_, FrameConsumer::xdp));
    PM_TRY(const pm_xdp_tally tally, read_tally());
    put_counter(snapshot, "receiver.xdp.pkts", tally.pkts,
                {.layer = "xdp", .scope = "port", .role = CounterRole::echo});
    put_counter(snapshot, "receiver.port.warmup_pkts", tally.warmup_pkts,
                {.layer = "port", .scope = "port"});
    return snapshot;
  }

  Result<void> start() override {
    softirq_.begin(cpus_.all());
    return {};
  }

  Result<void> drain(std::int64_t quiet_ns, std::int64_t limit_ns) override {
    wait_until_quiet(
        {quiet_ns, limit_ns},
        [this] {
          const auto tally = program_->tally();
          return tally ? static_cast<std::int64_t>(tally->pkts) : 0;
        },
        [] { return false; });
    return {};
  }

  Result<ReceiverAccount> stop(const std::vector<std::uint32_t>& /*sent_per_flow*/) override {
    PM_TRY(const pm_xdp_tally tally, read_tally());
    ReceiverAccount account;
    const auto pkts = [](std::uint64_t count) { return static_cast<std::int64_t>(count); };
    account.received_pkts = pkts(tally.window_pkts);
    account.received_bytes = pkts(tally.window_bytes) + account.received_pkts * kFcsBytes;
    account.fates[Fate::foreign] = pkts(tally.pkts - tally.window_pkts - tally.warmup_pkts);
    account.fates[Fate::late] = pkts(tally.late_pkts);
    account.queues.push_back({.queue = 0, .polled_pkts = pkts(tally.pkts), .share = 1.0});
    account.cpu_cores_used = softirq_.cores();
    if (tally.pkts > 0) account.syscalls_per_pkt = 0.0;
    Knob mode = program_->mode_knob();
    mode.exercised = tally.pkts > 0;
    if (mode.exercised) {
      mode.evidence = fmt::format("{} frames reached the program",
                                  grouped(static_cast<std::int64_t>(tally.pkts)));
    }
    account.knobs["xdp_mode"] = std::move(mode);
    return account;
  }

  void abandon() override { program_.reset(); }

 private:
  Result<pm_xdp_tally> read_tally() const {
    PM_CHECK(program_.has_value());
    if (const auto tally = program_->tally()) return *tally;
    return fail(Errc::host_cannot, "its counts cannot be read", place_.netdev + " XDP program");
  }

  TrialOrder order_;
  NetdevPlace place_;
  TrialCpus cpus_;
  std::optional<XdpProgram> program_;
  SoftirqShare softirq_;
};

}  // namespace

Result<std::unique_ptr<Receiver>> make_xdp_drop_receiver(const TrialOrder& order,
                                                         const NetdevPlace& place) {
  PM_TRYV(refuse_what_the_kernel_path_has_not(order));
  if (order.receiver.stage != StageKind::none) {
    return fail(Errc::bad_experiment, "path xdp_drop: stage none");
  }
  if (order.planted_stop_ns > 0) {
    return fail(Errc::bad_experiment, "path xdp_drop: has no thread that could stop");
  }
  PM_TRY(TrialCpus cpus, trial_cpus(order));
  return std::make_unique<XdpDrop>(order, place, std::move(cpus));
}

}  // namespace pollmark
