#include "rig/pacing_bench.h"

#include <rte_ethdev.h>

#include <atomic>

#include "base/tsc.h"
#include "rig/bench_ground.h"
#include "rig/eal.h"
#include "rig/paced_send.h"
#include "rig/rss.h"

namespace pollmark {

namespace {
constexpr double kPacingStallNs = 2000.0;
}

Result<std::vector<PacingRow>> run_pacing_bench(const HotLevel& level, double seconds) {
  EalOrder eal;
  eal.memory_mib = kBenchMemoryMib;
  eal.vdevs = {"net_null0"};
  PM_TRY(const EalFacts facts, start_eal(eal));
  (void)facts;
  const double hz = calibrate_tsc().hz;
  PM_TRY(const Pool pool, make_bench_pool("bench_pacing", kBenchSendMbufs, kBenchSendCache));
  PM_TRY(const std::uint16_t port, start_null_port(pool.get()));
  PM_TRY(const Reta reta, make_reta(1, {}));
  PM_TRY(const ModelTraffic made,
         ModelTraffic::prepare(bench_order(64, {64}), level, reta, hz, nullptr));
  const FrameImages images = images_of(made, port);
  PacedOrder paced;
  const auto ticks_of = [&](double ns) { return static_cast<Ticks>(ns * hz * 1e-9); };
  paced.catch_up_ticks = ticks_of(static_cast<double>(kCatchUpNs));
  paced.stall_ticks = ticks_of(kPacingStallNs);
  for (std::size_t at = 0; at < kNearNs.size(); ++at)
    paced.near_ticks[at] = ticks_of(static_cast<double>(kNearNs[at]));
  const std::atomic<bool> go_on{false};
  std::vector<PacingRow> rows;
  for (const double pps : {1e5, 1e6, 5e6}) {
    GeneratorLcore lcore = generator_of(images, pool.get(), port);
    PacerOrder order;
    order.ticks_per_frame = hz / pps;
    order.start = tsc_now() + ticks_of(1e6);
    order.end = order.start + ticks_of(seconds * 1e9);
    Pacer pacer(order);
    PacedTallies tallies;
    send_paced<HardwareTsc>(
        pacer, order.end, paced, go_on,
        [&](const Ticks* /*due*/, std::uint32_t count, Ticks now) {
          return level.send_burst(lcore, count, now);
        },
        tallies);
    PacingRow row;
    row.asked_pps = pps;
    row.sent_pps = static_cast<double>(tallies.accepted_pkts) / seconds;
    if (tallies.gap_ticks > 0)
      row.rate_error =
          static_cast<double>(tallies.ideal_gap_ticks) / static_cast<double>(tallies.gap_ticks) -
          1.0;
    row.gaps = tallies.departure_gaps;
    const auto share = [&](std::int64_t gaps) {
      return tallies.departure_gaps == 0
                 ? 0.0
                 : static_cast<double>(gaps) / static_cast<double>(tallies.departure_gaps);
    };
    for (const std::int64_t near : tallies.near) row.within.push_back(share(near));
    row.back_to_back = share(tallies.back_to_back);
    row.stalls = tallies.stalls;
    row.stalled_share = static_cast<double>(tallies.stalled_ticks) / hz / seconds;
    row.longest_stall_ns =
        static_cast<std::int64_t>(static_cast<double>(tallies.longest_gap_ticks) / hz * 1e9);
    row.gaps_behind_stalls = tallies.stalled_departure_gaps;
    row.given_up_pkts = tallies.given_up_pkts;
    rows.push_back(row);
  }
  rte_eth_dev_stop(port);
  return rows;
}

}  // namespace pollmark
