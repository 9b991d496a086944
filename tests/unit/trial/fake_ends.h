// Two ends that do nothing but tell a prepared story, and write down in which order they were
// asked.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "trial/trial.h"

namespace pollmark {

// A trial's story. As constructed: 100 000 frames on the veth at 1 Mpps, 40 of them lost in the
// socket buffer, everything in order, every check possible.
struct Story {
  TrialOrder order;
  SenderAccount sent;
  ReceiverAccount got;
  // Readings by turn; the last one repeats. Empty: the side reads no counters.
  std::vector<CounterSnapshot> sender_readings;
  std::vector<CounterSnapshot> receiver_readings;
  std::map<Fate, std::int64_t> charged;  // what the books make of the counters
  std::vector<std::string> doubts;
  std::vector<std::string> unwatched;
  std::string fails;  // "sender.open", ...: this call returns an error
  Errc fails_with = Errc::host_cannot;
  std::int64_t drain_takes_ns = 1'000'000;
  std::int64_t tsc_steps_ns = 0;  // during the window

  std::vector<std::string> journal;
  std::int64_t drain_quiet_ns = 0;  // as asked of the receiver
  std::int64_t drain_limit_ns = 0;
  std::int64_t now_ns = 1'000'000'000;
  std::int64_t tsc_offset_ns = 0;

  Story() {
    order.path = Path::udp_socket;
    order.clock = ClockKind::wall;
    order.generator_port = "veth";
    order.receiver_port = "veth";
    order.seconds = 0.1;
    order.traffic.load = Load{LoadUnit::pps, 1e6};
    order.traffic.intended_pps = 1e6;
    sent.intended_pkts = 100'000;
    sent.offered_pkts = 100'000;
    sent.offered_bytes = 6'400'000;
    sent.sent_per_flow = {60'000, 40'000};
    sent.window_seconds = 0.1;
    LcoreHealth generator;
    generator.role = "generator";
    generator.thread_cpu_fraction = 1.0;
    generator.longest_gap_ns = 30'000;
    generator.tolerated_gap_ns = 1'000'000;
    sent.lcores = {generator};
    got.received_pkts = 99'960;
    got.received_bytes = 99'960 * 64;
    got.fates[Fate::corrupt] = 0;
    got.fates[Fate::duplicate] = 3;
    got.fates[Fate::foreign] = 2;
    got.fates[Fate::late] = 1;
    TrackerTotals tracker;
    tracker.unique = 99'960;
    tracker.lost = 40;
    tracker.reordered = 5;
    tracker.loss_runs = 4;
    tracker.longest_loss_run = 20;
    got.tracker = tracker;
    LcoreHealth blocking;
    blocking.role = "receiver";
    blocking.polling = false;
    blocking.runnable_waiting_fraction = 0.001;
    LcoreHealth polling;
    polling.role = "receiver q0";
    polling.thread_cpu_fraction = 1.0;
    polling.longest_gap_ns = 40'000;
    polling.gaps = 2;
    polling.gap_sum_ns = 65'000;
    polling.tolerated_gap_ns = 500'000;
    got.lcores = {polling, blocking};
    got.knobs["rx_ring"] = Knob{"1024", "1024", KnobState::confirmed, "", false};
    got.isa = "v3";
    got.page_size_bytes = 4096;
    got.pool_nodes = {1};
    charged[Fate::kernel_socket_buffer] = 40;
    count("sender.link.tx_packets", CounterRole::echo, 5, 100'005);
    count("receiver.socket.drops", CounterRole::owner, 7, 47);
    count("receiver.link.carrier_changes", CounterRole::context, 2, 2);
    count("receiver.link.rx_pause_frames", CounterRole::context, 0, 0);
  }

  // The same on the model in lockstep.
  static Story on_model() {
    Story story;
    story.order.path = Path::model;
    story.order.clock = ClockKind::lockstep;
    story.order.generator_port = "model";
    story.order.receiver_port = "model";
    story.sent.lcores.clear();
    story.got.lcores.clear();
    story.sender_readings.clear();
    story.receiver_readings.clear();
    story.charged.clear();
    story.got.fates[Fate::rx_missed] = 40;
    QueueAccount queue;
    queue.rx_missed_pkts = 40;
    queue.share = 1.0;
    story.got.queues = {queue};
    story.got.excised_share = 0.001;
    story.got.half_drift = -0.004;
    story.got.core_slowdown = 0.002;
    story.got.core_shared = 0.01;
    return story;
  }

  // A counter that reads `before` at first and `after` from the second reading on.
  void count(const std::string& name, CounterRole role, std::uint64_t before, std::uint64_t after) {
    auto& readings = name.rfind("sender", 0) == 0 ? sender_readings : receiver_readings;
    readings.resize(std::max<std::size_t>(readings.size(), 2));
    for (CounterSnapshot& reading : readings) {
      reading.values[name] = after;
      reading.facts[name].role = role;
    }
    readings.front().values[name] = before;
  }

  [[nodiscard]] Result<void> note(const std::string& call) {
    journal.push_back(call);
    if (call == fails) return fail(fails_with, call + " failed");
    return {};
  }
  TrialClocks clocks();
  Ends ends();
  Result<TrialResult> run(const TrialLimits& limits = {}) {
    return run_trial(order, ends(), limits, clocks());
  }
};

inline CounterSnapshot turn(const std::vector<CounterSnapshot>& readings, std::size_t& next) {
  if (readings.empty()) return {};
  const std::size_t index = std::min(next++, readings.size() - 1);
  return readings[index];
}

class FakeSender final : public Sender {
 public:
  explicit FakeSender(Story& story) : story_(story) {}
  ~FakeSender() override { story_.journal.push_back("sender.destroyed"); }
  Result<void> open() override { return story_.note("sender.open"); }
  Result<CounterSnapshot> read_counters() override {
    PM_TRYV(story_.note("sender.read_counters"));
    return turn(story_.sender_readings, reading_);
  }
  Result<void> start() override { return story_.note("sender.start"); }
  Result<SenderAccount> join() override {
    PM_TRYV(story_.note("sender.join"));
    story_.now_ns += static_cast<std::int64_t>(story_.sent.window_seconds * 1e9);
    story_.tsc_offset_ns += story_.tsc_steps_ns;
    return story_.sent;
  }
  void abandon() override { story_.journal.push_back("sender.abandon"); }

 private:
  Story& story_;
  std::size_t reading_ = 0;
};

class FakeReceiver final : public Receiver {
 public:
  explicit FakeReceiver(Story& story) : story_(story) {}
  ~FakeReceiver() override { story_.journal.push_back("receiver.destroyed"); }
  Result<void> open() override { return story_.note("receiver.open"); }
  Result<CounterSnapshot> read_counters() override {
    PM_TRYV(story_.note("receiver.read_counters"));
    return turn(story_.receiver_readings, reading_);
  }
  Result<void> start() override { return story_.note("receiver.start"); }
  Result<void> drain(std::int64_t quiet_ns, std::int64_t limit_ns) override {
    story_.drain_quiet_ns = quiet_ns;
    story_.drain_limit_ns = limit_ns;
    story_.now_ns += std::min(story_.drain_takes_ns, limit_ns);
    return story_.note("receiver.drain");
  }
  Result<ReceiverAccount> stop(const std::vector<std::uint32_t>& sent_per_flow) override {
    PM_TRYV(story_.note("receiver.stop"));
    PM_CHECK(sent_per_flow == story_.sent.sent_per_flow);
    return story_.got;
  }
  void abandon() override { story_.journal.push_back("receiver.abandon"); }

 private:
  Story& story_;
  std::size_t reading_ = 0;
};

class FakeBooks final : public CounterBooks {
 public:
  explicit FakeBooks(Story& story) : story_(story) {}
  ~FakeBooks() override { story_.journal.push_back("books.destroyed"); }
  void charge(const std::map<std::string, CounterChange>& changes, StreamAccount& stream,
              std::vector<std::string>& doubts) const override {
    (void)changes;
    for (const auto& [fate, pkts] : story_.charged) stream.ledger.add(fate, pkts);
    doubts = story_.doubts;
  }
  void begin_watch() override { story_.journal.push_back("books.begin_watch"); }
  void end_watch() override { story_.journal.push_back("books.end_watch"); }
  [[nodiscard]] std::vector<std::string> not_checked() const override { return story_.unwatched; }

 private:
  Story& story_;
};

inline Ends Story::ends() {
  Ends ends;
  ends.sender = std::make_unique<FakeSender>(*this);
  ends.receiver = std::make_unique<FakeReceiver>(*this);
  ends.books = std::make_unique<FakeBooks>(*this);
  return ends;
}

inline TrialClocks Story::clocks() {
  TrialClocks clocks;
  clocks.tsc_hz = 2e9;
  clocks.read = [this] {
    ClockReading reading;
    reading.raw_ns = now_ns;
    reading.tsc_cycles = static_cast<std::uint64_t>((now_ns + tsc_offset_ns) * 2);
    reading.uncertainty_ns = 20;
    return reading;
  };
  clocks.epoch_seconds = [] { return 1'795'256'700.0; };
  clocks.pause_ns = [this](std::int64_t ns) {
    journal.push_back("pause");
    now_ns += ns;
  };
  return clocks;
}

// "books_open" of "books_open: sentence", each once.
inline std::set<std::string> codes_of(const std::vector<std::string>& reasons) {
  std::set<std::string> codes;
  for (const std::string& reason : reasons) codes.insert(reason.substr(0, reason.find(':')));
  return codes;
}

}  // namespace pollmark
