// Results and provenance filled at random, every field of them, for round trips.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "record/provenance.h"
#include "record/trial_result.h"

namespace pollmark::testing_support {

class RandomTrial {
 public:
  explicit RandomTrial(std::uint64_t seed) : random_(seed) {}

  TrialOrder order() {
    TrialOrder order;
    order.kind = pick<TrialKind>(8);
    order.trial = integer(0, 1 << 20);
    order.group = text();
    order.block = static_cast<int>(integer(0, 20));
    order.attempt = static_cast<int>(integer(0, 3));
    order.cell = texts_by_name();
    order.path = pick<Path>(7);
    order.clock = pick<ClockKind>(2);
    order.validity = pick<ValidityRule>(2);
    order.generator_port = text();
    order.sender = pick<SenderKind>(2);
    order.receiver_port = text();
    order.generator_lcores = integers();
    order.receiver_lcores = integers();
    order.traffic.kind = pick<TrafficKind>(3);
    order.traffic.frame = text();
    order.traffic.frame_bytes = integers();
    order.traffic.flows = static_cast<int>(integer(1, 65536));
    order.traffic.popularity = real();
    order.traffic.letters = {{text(), static_cast<int>(integer(64, 9000))}};
    order.traffic.ip_version = coin() ? 4 : 6;
    for (std::string* each : {&order.traffic.src_mac, &order.traffic.dst_mac, &order.traffic.qinq,
                              &order.traffic.vlan, &order.traffic.src_ip, &order.traffic.dst_ip,
                              &order.traffic.src_port, &order.traffic.dst_port, &order.traffic.ttl,
                              &order.traffic.dscp, &order.traffic.tcp_flags, &order.traffic.filter})
      *each = text();
    order.traffic.timing = pick<ReplayTiming>(3);
    order.traffic.time_scale = real();
    order.traffic.loops = static_cast<int>(integer(0, 1000));
    order.traffic.cut_short = pick<CutShort>(2);
    order.traffic.rewrite = texts_by_name();
    order.traffic.arrivals = {pick<ArrivalKind>(4), static_cast<int>(integer(1, 64)), integer(),
                              integer()};
    order.traffic.load = {pick<LoadUnit>(5), real()};
    order.traffic.intended_pps = real();
    order.traffic.warmup_pps = real();
    order.traffic.pcap = text();
    order.model.link_bps = real();
    order.model.dma = pick<DmaPlacement>(3);
    order.model.stalls = {pick<StallKind>(4), integer(), integer(), text()};
    order.model.faults = {real(), real(), real(), real(), real(), integer()};
    order.traffic.direction = pick<Direction>(2);
    order.receiver.rx_ring = static_cast<int>(integer(1, 8192));
    order.receiver.queues = static_cast<int>(integer(1, 16));
    order.receiver.rss_fields = texts();
    order.receiver.reta_weights = integers();
    order.receiver.rx_offloads = texts();
    order.receiver.stage = pick<StageKind>(3);
    order.receiver.workers = static_cast<int>(integer(0, 8));
    order.receiver.ring = static_cast<int>(integer(0, 8192));
    order.receiver.burst = static_cast<int>(integer(1, 64));
    order.receiver.socket_buffer_bytes = integer();
    order.receiver.udp_gro = coin();
    order.receiver.packet_blocks = static_cast<int>(integer(2, 4096));
    order.receiver.packet_block_bytes = integer();
    order.receiver.fanout = pick<Fanout>(3);
    order.receiver.xdp_mode = pick<XdpMode>(2);
    order.receiver.xdp_rx_ring = static_cast<int>(integer(64, 65536));
    order.receiver.xdp_fill_ring = static_cast<int>(integer(64, 65536));
    order.receiver.zero_copy = coin();
    order.receiver.need_wakeup = coin();
    order.receiver.socket_busy_poll_ns = integer();
    order.receiver.pool_mbufs = static_cast<int>(integer(0, 1 << 20));
    order.receiver.numa = pick<NumaPlacement>(2);
    order.closed_loop = {
        static_cast<int>(integer(1, 64)),   integer(), integer(),        coin(), text(),
        static_cast<int>(integer(1, 4096)), coin(),    pick<WireKind>(2)};
    order.line_bps = maybe_real();
    if (coin()) order.capture.at.push_back(CaptureAt::sender);
    if (coin()) order.capture.at.push_back(CaptureAt::receiver);
    order.capture.filter = text();
    order.capture.snaplen_bytes = static_cast<int>(integer(1, 65536));
    order.capture.limit_bytes = integer();
    order.capture.trigger = pick<CaptureTrigger>(2);
    order.kernel_knobs = texts_by_name();
    order.host_allow = texts();
    order.drop_reasons = pick<DropReasonsRule>(2);
    order.seconds = real();
    order.warmup_seconds = real();
    order.wait_before_seconds = real();
    order.wait_after_seconds = real();
    order.seed = random_();
    order.epoch = static_cast<std::uint8_t>(integer(0, 255));
    order.pdr_percent = real();
    order.planted_stop_ns = integer();
    return order;
  }

  TrialResult result() {
    TrialResult trial;
    trial.order = order();
    trial.started_utc = "2026-11-21T10:25:00Z";
    trial.page_size_bytes = maybe_integer();
    trial.pool_nodes = integers();
    trial.isa = text();
    trial.virtual_seconds = real();
    trial.wall_seconds = real();
    trial.valid = coin();
    trial.invalid_reasons = texts();
    trial.not_checked = texts();
    trial.intended_pps = maybe_real();
    trial.offered_pps = maybe_real();
    for (std::int64_t i = integer(0, 2); i > 0; --i) trial.streams.push_back(stream());
    for (std::int64_t i = integer(0, 3); i > 0; --i) {
      trial.queues.push_back({static_cast<int>(integer(0, 15)), integer(), maybe_integer(),
                              maybe_real(), maybe_integer(), histogram(),
                              static_cast<int>(integer(0, 1))});
    }
    for (std::int64_t i = integer(0, 2); i > 0; --i) {
      trial.rings.push_back({static_cast<int>(i), static_cast<int>(integer(1, 4096)), integer(),
                             integer(), static_cast<int>(integer(0, 1))});
    }
    if (coin()) trial.closed_loop = closed_loop();
    trial.latency_ns = {histogram(), histogram(), histogram(), histogram(), maybe_integer()};
    trial.cycles_per_pkt = maybe_real();
    trial.syscalls_per_pkt = maybe_real();
    trial.busy_fraction = maybe_real();
    trial.cpu_cores_used = maybe_real();
    trial.generator = {maybe_integer(), maybe_integer(), maybe_integer(), maybe_real(), {}};
    if (coin()) trial.generator.capture = {integer(), integer(), integer(), integer()};
    trial.stalls = {integer(), integer(), integer(), integer(), maybe_integer()};
    for (std::int64_t i = integer(0, 2); i > 0; --i) trial.captures.push_back(capture());
    for (std::int64_t i = integer(0, 3); i > 0; --i) {
      trial.knobs[text()] = {text(), text(), pick<KnobState>(3), text(), coin()};
    }
    for (std::int64_t i = integer(0, 3); i > 0; --i) {
      CounterChange change;
      if (coin()) change.before = random_();
      if (coin()) change.after = random_();
      change.delta = maybe_integer();
      change.went_backwards = coin();
      change.facts = {text(), text(), text(), pick<CounterRole>(3), text(), coin() ? 32 : 64};
      trial.counters[text()] = change;
    }
    if (coin())
      trial.stage = {integer(), maybe_real(), maybe_integer_from(0), maybe_integer_from(0)};
    for (std::int64_t i = integer(0, 3); i > 0; --i) trial.lcores.push_back(lcore());
    trial.limited_by = text();
    trial.limited_why = text();
    return trial;
  }

  Provenance provenance() {
    return {text(),          text(),          text(),          text(),          texts(), coin(),
            texts_by_name(), texts_by_name(), texts_by_name(), texts_by_name(), texts()};
  }

  std::int64_t integer() {
    const auto bits = static_cast<int>(integer(1, 62));
    return integer(-(std::int64_t{1} << bits) / 4, std::int64_t{1} << bits);
  }
  std::int64_t integer(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  bool coin() { return integer(0, 1) == 1; }

  std::optional<LatencyHistogram> histogram() {
    if (coin()) return std::nullopt;
    LatencyHistogram histogram;
    for (std::int64_t i = integer(0, 200); i > 0; --i) {
      histogram.record(integer(-1, std::int64_t{1} << integer(0, 34)), integer(1, 1000));
    }
    return histogram;
  }

 private:
  template <typename Enum>
  Enum pick(int names) {
    return static_cast<Enum>(integer(0, names - 1));
  }

  // Any finite double, whole and simple ones among them.
  double real() {
    if (coin()) return static_cast<double>(integer()) / 1000.0;
    const auto value = std::bit_cast<double>(random_());
    return std::isfinite(value) ? value : 0.25;
  }

  std::optional<double> maybe_real() {
    if (coin()) return std::nullopt;
    return real();
  }
  std::optional<std::int64_t> maybe_integer() {
    if (coin()) return std::nullopt;
    return integer();
  }

  std::string text() {
    static const std::array<std::string, 8> kPieces = {
        "rx_ring", "\"", "\\", "\n", "\xc3\xa9", " ", "512", std::string(1, '\0')};
    std::string text;
    for (std::int64_t i = integer(0, 5); i > 0; --i) {
      text += kPieces[static_cast<std::size_t>(integer(0, 7))];
    }
    return text;
  }
  std::vector<std::string> texts() {
    std::vector<std::string> list;
    for (std::int64_t i = integer(0, 3); i > 0; --i) list.push_back(text());
    return list;
  }
  std::map<std::string, std::string> texts_by_name() {
    std::map<std::string, std::string> map;
    for (std::int64_t i = integer(0, 3); i > 0; --i) map[text()] = text();
    return map;
  }
  std::vector<int> integers() {
    std::vector<int> list;
    for (std::int64_t i = integer(0, 4); i > 0; --i) {
      list.push_back(static_cast<int>(integer(-5, 9000)));
    }
    return list;
  }

  StreamAccount stream() {
    StreamAccount stream;
    stream.from = text();
    stream.to = text();
    stream.ledger.set_offered(integer(0, std::int64_t{1} << 40));
    for (const Fate fate : all_fates()) {
      if (coin()) stream.ledger.add(fate, integer(-2, std::int64_t{1} << 40));
    }
    stream.offered_bytes = integer();
    stream.received_bytes = integer();
    stream.tracker_missing_pkts = maybe_integer();
    stream.reordered_pkts = maybe_integer();
    stream.first_loss_s = maybe_real();
    stream.last_loss_s = maybe_real();
    if (coin()) stream.loss_runs = LossRuns{integer(), integer()};
    for (std::int64_t i = integer(0, 2); i > 0; --i)
      stream.kernel_other_reasons[text()] = integer();
    if (coin()) stream.drops = drops();
    return stream;
  }

  KernelDrops drops() {
    KernelDrops drops{coin() ? "bpf" : "tracefs", integer(0, 1000), {}};
    for (std::int64_t i = integer(0, 3); i > 0; --i) {
      drops.places.push_back({coin() ? "sender" : "host", text(), text(), text(), text(),
                              integer(0, std::int64_t{1} << 40), integer(0, std::int64_t{1} << 40),
                              pick<CounterRole>(3), std::nullopt});
      if (coin()) drops.places.back().fate = pick<Fate>(static_cast<int>(kFateCount));
    }
    return drops;
  }

  TapAccount capture() {
    TapAccount capture;
    capture.at = pick<CaptureAt>(2);
    capture.netdev = text();
    capture.filter = text();
    capture.file = text();
    capture.written_pkts = integer(0, std::int64_t{1} << 40);
    capture.file_bytes = integer(0, std::int64_t{1} << 40);
    capture.passed_over_pkts = integer(0, std::int64_t{1} << 40);
    capture.not_captured_pkts = integer(0, std::int64_t{1} << 40);
    capture.beyond_limit_pkts = integer(0, std::int64_t{1} << 40);
    capture.triggered_by = text();
    capture.triggered_s = maybe_real();
    if (coin()) capture.cpu = static_cast<int>(integer(0, 1023));
    capture.shares_cpu_with = text();
    capture.failure = text();
    return capture;
  }

  ClosedLoopAccount closed_loop() {
    ClosedLoopAccount loop;
    loop.unit = pick<ClosedLoopUnit>(3);
    loop.sent = integer(0, std::int64_t{1} << 40);
    loop.received = integer(0, std::int64_t{1} << 40);
    for (std::int64_t i = integer(0, 2); i > 0; --i) loop.failures[text()] = integer(0, 1000);
    loop.served = maybe_integer_from(0);
    loop.late = integer(0, 1000);
    loop.in_window = integer(0, std::int64_t{1} << 40);
    loop.client_cpu_ns = maybe_integer_from(0);
    loop.server_cpu_ns = maybe_integer_from(0);
    if (coin()) {
      loop.tcp = {integer(0, 1000),      text(),
                  maybe_integer_from(0), maybe_integer_from(0),
                  maybe_integer_from(0), maybe_integer_from(0),
                  maybe_integer_from(0), maybe_integer_from(0),
                  maybe_integer_from(0), maybe_integer_from(0),
                  maybe_real(),          maybe_real()};
    }
    loop.sender_segment_bytes = histogram();
    loop.receiver_segment_bytes = histogram();
    loop.untapped_segments = maybe_integer_from(0);
    return loop;
  }

  std::optional<std::int64_t> maybe_integer_from(std::int64_t low) {
    if (coin()) return std::nullopt;
    return integer(low, std::int64_t{1} << 40);
  }

  LcoreHealth lcore() {
    LcoreHealth lcore;
    lcore.role = text();
    lcore.polling = coin();
    lcore.thread_cpu_fraction = maybe_real();
    // Without a clock of its own an lcore tells of no gaps.
    if (lcore.thread_cpu_fraction) {
      lcore.longest_gap_ns = integer();
      lcore.gaps = integer();
      lcore.gap_sum_ns = integer();
      lcore.tolerated_gap_ns = integer();
    }
    lcore.runnable_waiting_fraction = maybe_real();
    lcore.busy_fraction = maybe_real();
    if (coin()) lcore.node = static_cast<int>(integer(0, 31));
    for (std::int64_t i = integer(0, 4); i > 0; --i) lcore.bursts.push_back(integer());
    lcore.poll_gap_ns = histogram();
    return lcore;
  }

  std::mt19937_64 random_;
};

}  // namespace pollmark::testing_support
