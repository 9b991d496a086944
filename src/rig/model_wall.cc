#include "rig/model_wall.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "host/cpu_time.h"

namespace pollmark {
namespace {

constexpr double kStallNs = 20'000.0;         // a longer round is none of ours
constexpr double kLinkCatchUpNs = 1'000'000;  // debt that a link works off
constexpr double kLeadNs = 50'000.0;
constexpr double kLinkNearNs = 256.0;

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

Result<WallCpus> wall_cpus(const TrialOrder& order, int rx_lcores, int workers,
                           const NumaPlan& plan) {
  const auto lcores = static_cast<std::size_t>(rx_lcores) + static_cast<std::size_t>(workers);
  const std::size_t links = std::clamp<std::size_t>(
      order.generator_lcores.size(), 1, static_cast<std::size_t>(order.receiver.queues));
  WallCpus cpus;
  cpus.links = order.generator_lcores;
  cpus.links.resize(std::min(cpus.links.size(), links));
  cpus.lcores = order.receiver_lcores;
  cpus.lcores.resize(std::min(cpus.lcores.size(), lcores));
  const auto taken = [&](int cpu) {
    return std::count(cpus.links.begin(), cpus.links.end(), cpu) +
               std::count(cpus.lcores.begin(), cpus.lcores.end(), cpu) >
           0;
  };
  const auto is_free = [&](int cpu) { return !taken(cpu); };
  for (const int cpu : plan.sender_cpus) {
    if (cpus.links.size() == links) break;
    if (taken(cpu)) continue;
    const auto spare = std::ranges::count_if(plan.receiver_cpus, is_free) -
                       static_cast<std::ptrdiff_t>(lcores - cpus.lcores.size());
    if (spare > 0 || std::ranges::find(plan.receiver_cpus, cpu) == plan.receiver_cpus.end())
      cpus.links.push_back(cpu);
  }
  for (const int cpu : plan.receiver_cpus)
    if (cpus.lcores.size() < lcores && is_free(cpu)) cpus.lcores.push_back(cpu);
  if (cpus.links.size() == links && cpus.lcores.size() == lcores) return cpus;
  const std::string of_the_node =
      plan.receiver_cpus.size() == plan.sender_cpus.size()
          ? std::string()
          : fmt::format(", {} of them on the lcores' NUMA node", plan.receiver_cpus.size());
  return fail(Errc::bad_experiment,
              fmt::format("clock: \"wall\" needs a CPU for each of {}, {} and {}; this process may "
                          "use {}{}; allowed: clock = \"lockstep\", fewer queues or workers, or "
                          "fewer lcores that poll several queues",
                          plural(links, "generator"),
                          plural(static_cast<std::size_t>(rx_lcores), "receiving lcore"),
                          plural(static_cast<std::size_t>(workers), "worker"),
                          plural(plan.sender_cpus.size(), "CPU"), of_the_node));
}

ModelWall::ModelWall(const HotLevel& level, const ModelRun& run, double tsc_hz, WallCpus cpus,
                     const std::atomic<bool>& abandoned)
    : level_(level), run_(run), tsc_hz_(tsc_hz), cpus_(std::move(cpus)) {
  board_.abandoned = &abandoned;
}

ModelWall::~ModelWall() {
  join_links();
  join_lcores();
}

std::int64_t ModelWall::ns_of(Ticks ticks) const {
  return static_cast<std::int64_t>(std::llround(static_cast<double>(ticks) * 1e9 / tsc_hz_));
}

Ticks ModelWall::ticks_of(double ns) const { return static_cast<Ticks>(ns * tsc_hz_ * 1e-9); }

void ModelWall::prepare(const std::vector<LinkOrder>& links,
                        const std::vector<WallLcoreOrder>& lcores) {
  PM_CHECK(links.size() == cpus_.links.size() && lcores.size() == cpus_.lcores.size());
  board_.links = static_cast<std::uint32_t>(links.size());
  board_.lcores = static_cast<std::uint32_t>(lcores.size());
  for (std::size_t at = 0; at < links.size(); ++at) {
    auto link = std::make_unique<Link>();
    link->role = links.size() == 1 ? "generator" : fmt::format("generator {}", at);
    link->cpu = cpus_.links[at];
    link->hot.order = links[at];
    link->hot.catch_up_ticks = ticks_of(kLinkCatchUpNs);
    link->hot.lead_ticks = ticks_of(kLeadNs);
    link->hot.pacing.near_ticks = ticks_of(kLinkNearNs);
    link->hot.pacing.late = link->late.tally();
    link->hot.watch.gaps = link->gaps.tally();
    link->hot.watch.disturbed_ticks = ticks_of(kStallNs);
    link->hot.bell = ring;
    link->hot.listener = static_cast<Runner*>(link.get());
    links_.push_back(std::move(link));
  }
  for (std::size_t at = 0; at < lcores.size(); ++at) {
    auto lcore = std::make_unique<Lcore>();
    lcore->role = lcores[at].role;
    lcore->cpu = cpus_.lcores[at];
    lcore->pps = lcores[at].pps;
    lcore->slots = lcores[at].slots;
    lcore->hot.lcore = lcores[at].lcore;
    lcore->hot.window_tracker = lcores[at].window_tracker;
    lcore->hot.watch.gaps = lcore->gaps.tally();
    lcore->hot.watch.disturbed_ticks = ticks_of(kStallNs);
    lcore->hot.bell = ring;
    lcore->hot.listener = static_cast<Runner*>(lcore.get());
    lcores_.push_back(std::move(lcore));
  }
  for (std::size_t at = 0; at < lcores.size(); ++at) {
    Lcore& lcore = *lcores_[at];
    for (const int producer : lcores[at].producers)
      lcore.producers.push_back(&lcores_[static_cast<std::size_t>(producer)]->hot);
    lcore.hot.producers = lcore.producers.data();
    lcore.hot.producer_count = static_cast<std::uint32_t>(lcore.producers.size());
  }
}

void ModelWall::ring(void* runner, WallPhase phase) noexcept {
  auto& listener = *static_cast<Runner*>(runner);
  const int at = phase == WallPhase::window ? 0 : 1;
  if (at == 0) listener.node = node_of_this_thread();
  listener.cpu_ns[at] = thread_cpu_ns();
  listener.wall_ns[at] = pollmark::wall_ns();
}

Result<void> ModelWall::start_lcores() {
  for (const auto& lcore : lcores_)
    PM_TRYV(lcore->thread.start(
        lcore->cpu, [] { return Result<void>(); },
        [this, hot = &lcore->hot] { level_.poll_wall(*hot, board_, run_); }));
  return {};
}

Result<void> ModelWall::start_links() {
  for (const auto& link : links_)
    PM_TRYV(link->thread.start(
        link->cpu, [] { return Result<void>(); },
        [this, hot = &link->hot] { level_.send_wall(*hot, board_, run_); }));
  return {};
}

void ModelWall::join_links() {
  for (const auto& link : links_) link->thread.join();
}

void ModelWall::join_lcores() {
  for (const auto& lcore : lcores_) lcore->thread.join();
}

bool ModelWall::lcores_ended() const {
  return std::all_of(lcores_.begin(), lcores_.end(), [](const std::unique_ptr<Lcore>& lcore) {
    return lcore->hot.ended.load(std::memory_order_acquire);
  });
}

LiveTallies ModelWall::live_links() const {
  LiveTallies live;
  live.offered_pkts = live.lost_pkts = 0;
  for (const auto& link : links_) {
    *live.offered_pkts +=
        static_cast<std::int64_t>(link->hot.pulse.offered.load(std::memory_order_relaxed));
    *live.lost_pkts +=
        static_cast<std::int64_t>(link->hot.pulse.lost.load(std::memory_order_relaxed));
  }
  return live;
}

LiveTallies ModelWall::live_lcores() const {
  LiveTallies live;
  live.polled_pkts = live.received_pkts = live.lost_pkts = 0;
  for (const auto& lcore : lcores_) {
    const LivePulse& pulse = lcore->hot.pulse;
    *live.polled_pkts += static_cast<std::int64_t>(pulse.polled.load(std::memory_order_relaxed));
    *live.received_pkts +=
        static_cast<std::int64_t>(pulse.received.load(std::memory_order_relaxed));
    *live.lost_pkts += static_cast<std::int64_t>(pulse.lost.load(std::memory_order_relaxed));
  }
  return live;
}

std::vector<LinkTallies> ModelWall::link_tallies() const {
  std::vector<LinkTallies> tallies;
  for (const auto& link : links_) tallies.push_back(link->hot.tallies);
  return tallies;
}

std::uint64_t ModelWall::unsent() const {
  // What the line could not carry every link has seen; what was given up is each link's own.
  std::uint64_t frames = links_.front()->hot.unsent;
  for (const auto& link : links_) frames += link->hot.given_up;
  return frames;
}

Ticks ModelWall::window_began() const {
  Ticks began = kNever;
  for (const auto& link : links_) began = std::min(began, link->hot.watch.opened_at);
  return began;
}

double ModelWall::window_seconds() const {
  const Ticks asked = run_.traffic->window_end - run_.traffic->window_start;
  Ticks longest = asked;
  for (const auto& link : links_) {
    const WallLink& hot = link->hot;
    // The first frame is due `lead` after the window opened.
    const Ticks spent = hot.over_at - hot.watch.opened_at;
    longest = std::max(longest, spent > hot.lead_ticks ? spent - hot.lead_ticks : 0);
  }
  return static_cast<double>(longest) / tsc_hz_;
}

GeneratorAccount ModelWall::generator() const {
  LatencyHistogram late;
  std::uint64_t gaps = 0;
  std::uint64_t near = 0;
  for (const auto& link : links_) {
    add_tally(late, link->hot.pacing.late, tsc_hz_);
    gaps += link->hot.pacing.gaps;
    near += link->hot.pacing.gaps_near;
  }
  GeneratorAccount account;
  account.late_p50_ns = late.percentile(50.0);
  account.late_p99_ns = late.percentile(99.0);
  account.late_max_ns = late.max();
  if (gaps > 0) account.gap_within_256ns = static_cast<double>(near) / static_cast<double>(gaps);
  return account;
}

LcoreHealth ModelWall::health(const Runner& runner, const LoopWatch& watch) const {
  LcoreHealth health;
  health.role = runner.role;
  health.polling = true;
  health.node = runner.node;
  health.longest_gap_ns = ns_of(watch.gaps.min > watch.gaps.max ? 0 : watch.gaps.max);
  health.gaps = static_cast<std::int64_t>(watch.stalls);
  health.gap_sum_ns = ns_of(watch.stalled_ticks);
  const std::int64_t wall = runner.wall_ns[1] - runner.wall_ns[0];
  if (wall > 0)
    health.thread_cpu_fraction = std::min(
        1.0, static_cast<double>(runner.cpu_ns[1] - runner.cpu_ns[0]) / static_cast<double>(wall));
  if (watch.closed_at > watch.opened_at)
    health.busy_fraction = static_cast<double>(watch.busy_ticks) /
                           static_cast<double>(watch.closed_at - watch.opened_at);
  add_tally(health.poll_gap_ns.emplace(), watch.gaps, tsc_hz_);
  return health;
}

std::vector<LcoreHealth> ModelWall::link_health() const {
  std::vector<LcoreHealth> all;
  for (const auto& link : links_) {
    LcoreHealth one = health(*link, link->hot.watch);
    // A longer gap leaves a debt that is not worked off any more.
    one.tolerated_gap_ns = static_cast<std::int64_t>(kLinkCatchUpNs);
    all.push_back(one);
  }
  return all;
}

std::vector<LcoreHealth> ModelWall::lcore_health() const {
  std::vector<LcoreHealth> all;
  for (const auto& lcore : lcores_) {
    LcoreHealth one = health(*lcore, lcore->hot.watch);
    if (lcore->pps > 0.0)
      one.tolerated_gap_ns =
          static_cast<std::int64_t>(1e9 * static_cast<double>(lcore->slots) / lcore->pps);
    all.push_back(one);
  }
  return all;
}

}  // namespace pollmark
