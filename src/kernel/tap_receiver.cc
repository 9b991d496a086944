#include "kernel/tap_receiver.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <string_view>
#include <thread>
#include <utility>

#include "host/cpu_time.h"
#include "host/kernel_counters.h"
#include "host/pinned_thread.h"
#include "host/trial_cpus.h"
#include "kernel/frame_tap.h"
#include "trial/forwarding_receiver.h"

namespace pollmark {
namespace {

constexpr auto kBetweenLooks = std::chrono::milliseconds(2);
constexpr int kLooksPerReading = 25;  // of counters, which takes a millisecond or so

// A closed loop keeps its books itself: to it all counters are context.
constexpr std::array<std::string_view, 7> kLossesOfALoop{
    ".tcp.RetransSegs", ".tcp.InErrs",      ".tcpext.ListenDrops", ".udp.InErrors",
    ".udp.NoPorts",     ".link.tx_dropped", ".link.rx_dropped"};

bool tells_of_loss(Path path, const std::string& name, const CounterSnapshot& snapshot) {
  if (is_closed_loop(path))
    return std::ranges::any_of(kLossesOfALoop,
                               [&](std::string_view end) { return name.ends_with(end); });
  const auto facts = snapshot.facts.find(name);
  return facts != snapshot.facts.end() && facts->second.role == CounterRole::owner;
}

// Where the thread of a trigger runs.
struct WatchCpu {
  int cpu = 0;
  std::string shared_with;  // empty: it is nobody else's
};

Result<WatchCpu> watch_cpu(const TrialOrder& order) {
  PM_TRY(const TrialCpus taken, trial_cpus(order));
  const std::vector<int> all = taken.all();
  for (const int cpu : allowed_cpus()) {
    if (std::ranges::find(all, cpu) == all.end()) return WatchCpu{cpu, ""};
  }
  return WatchCpu{taken.senders.front(), "sender"};
}

class TapReceiver final : public ForwardingReceiver {
 public:
  TapReceiver(const TrialOrder& order, std::unique_ptr<Receiver> receiver, NetdevPlace at_sender,
              NetdevPlace at_receiver, std::vector<int> files)
      : ForwardingReceiver(std::move(receiver)),
        order_(order),
        at_sender_(std::move(at_sender)),
        at_receiver_(std::move(at_receiver)),
        files_(std::move(files)) {
    for (const CaptureAt at : order_.capture.at) {
      taps_.push_back(std::make_unique<FrameTap>(
          order_.capture, at, at == CaptureAt::sender ? at_sender_ : at_receiver_));
    }
  }
  ~TapReceiver() override { end_watch(); }

  Result<void> open() override {
    for (const auto& tap : taps_) PM_TRYV(tap->open());
    return ForwardingReceiver::open();
  }
  Result<void> start() override {
    if (!has_trigger()) return ForwardingReceiver::start();
    PM_TRY(before_, read_losses());
    started_ns_ = wall_ns();
    PM_TRYV(ForwardingReceiver::start());
    return start_watch();
  }
  Result<ReceiverAccount> stop(const std::vector<std::uint32_t>& sent_per_flow) override {
    end_watch();
    if (has_trigger() && !is_triggered()) look_for_gap();  // of the last moments
    if (has_trigger() && !is_triggered()) look_at_counters();
    PM_TRY(ReceiverAccount account, ForwardingReceiver::stop(sent_per_flow));
    for (std::size_t at = 0; at < taps_.size(); ++at)
      account.captures.push_back(finished(*taps_[at], files_[at]));
    return account;
  }
  void abandon() override {
    end_watch();
    ForwardingReceiver::abandon();
  }

 private:
  [[nodiscard]] bool has_trigger() const {
    return order_.capture.trigger == CaptureTrigger::first_loss;
  }
  [[nodiscard]] bool is_triggered() const { return !triggered_by_.empty(); }

  Result<CounterSnapshot> read_losses() const {
    const bool loop = is_closed_loop(order_.path);
    PM_TRY(CounterSnapshot all,
           loop ? read_stack_counters(at_sender_, "sender") : read_sender_counters(at_sender_));
    PM_TRY(const CounterSnapshot more,
           loop ? read_stack_counters(at_receiver_, "receiver")
                : read_receiver_counters(at_receiver_, *consumer_of(order_.path)));
    all.values.insert(more.values.begin(), more.values.end());
    all.facts.insert(more.facts.begin(), more.facts.end());
    return all;
  }

  Result<void> start_watch() {
    PM_TRY(watch_cpu_, watch_cpu(order_));
    return thread_.start(
        watch_cpu_.cpu, [] { return Result<void>(); }, [this] { watch(); });
  }
  void end_watch() {
    ending_.store(true, std::memory_order_release);
    thread_.join();
  }

  // The thread.
  void watch() {
    for (int looks = 1; !ending_.load(std::memory_order_acquire); ++looks) {
      std::this_thread::sleep_for(kBetweenLooks);
      for (const auto& tap : taps_) tap->pass_over();
      look_for_gap();
      if (!is_triggered() && looks % kLooksPerReading == 0) look_at_counters();
      if (is_triggered()) return;
    }
  }

  // The thread, or after it.
  void look_for_gap() {
    if (live().gaps.value_or(0) > 0) trigger("sequence gap");
  }
  void look_at_counters() {
    const auto now = read_losses();
    if (!now) return;
    if (const auto name = loss_between(order_.path, before_, *now)) trigger(*name);
  }
  void trigger(std::string_view by) {
    triggered_by_ = by;
    triggered_ns_ = wall_ns() - started_ns_;
    for (const auto& tap : taps_) tap->keep();
  }

  // Written, or dropped where the trigger did not come.
  TapAccount finished(FrameTap& tap, int file) const {
    if (has_trigger() && !is_triggered()) {
      tap.discard();
    } else {
      tap.write(file, comment());
    }
    TapAccount account = tap.account();
    if (!has_trigger()) return account;
    account.cpu = watch_cpu_.cpu;
    account.shares_cpu_with = watch_cpu_.shared_with;
    if (!is_triggered()) return account;
    account.triggered_by = triggered_by_;
    account.triggered_s = static_cast<double>(triggered_ns_) / 1e9;
    return account;
  }

  std::string comment() const {
    std::string text = fmt::format("trial {}, path {}", order_.trial, name_of(order_.path));
    for (const auto& [factor, level] : order_.cell) text += fmt::format(", {}={}", factor, level);
    if (is_triggered()) {
      text += fmt::format("; first loss seen {:.3f} s after the start: {}",
                          static_cast<double>(triggered_ns_) / 1e9, triggered_by_);
    }
    return text;
  }

  const TrialOrder order_;
  const NetdevPlace at_sender_;
  const NetdevPlace at_receiver_;
  const std::vector<int> files_;
  std::vector<std::unique_ptr<FrameTap>> taps_;  // thread: pass_over and keep, while it runs
  CounterSnapshot before_;
  std::int64_t started_ns_ = 0;
  WatchCpu watch_cpu_;
  std::string triggered_by_;  // thread: wo while it runs; empty: nothing was lost yet
  std::int64_t triggered_ns_ = 0;
  std::atomic<bool> ending_{false};
  PinnedThread thread_;  // last: joined before what it uses goes away
};

}  // namespace

std::optional<std::string> loss_between(Path path, const CounterSnapshot& before,
                                        const CounterSnapshot& now) {
  for (const auto& [name, value] : now.values) {
    if (!tells_of_loss(path, name, now)) continue;
    const auto earlier = before.values.find(name);
    if (earlier != before.values.end() && value != earlier->second) return name;
  }
  return std::nullopt;
}

Result<std::unique_ptr<Receiver>> with_captures(const TrialOrder& order,
                                                std::unique_ptr<Receiver> receiver,
                                                const NetdevPlace& at_sender,
                                                const NetdevPlace& at_receiver,
                                                const std::vector<int>& files) {
  if (order.capture.at.empty()) return receiver;
  PM_CHECK(files.size() == order.capture.at.size());
  return std::make_unique<TapReceiver>(order, std::move(receiver), at_sender, at_receiver, files);
}

}  // namespace pollmark
