#include "campaign/link_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/line_rate.h"
#include "base/text.h"
#include "campaign/knee.h"
#include "campaign/trial_process.h"

namespace pollmark {
namespace {

constexpr double kProbePps = 20e3;
constexpr double kProbeSeconds = 0.2;
constexpr int kProbeAttempts = 4;

Result<TrialOrder> order_for(const std::string& from, const std::string& to,
                             const std::string& path, int frame_bytes,
                             std::vector<std::string> allow) {
  const std::vector<std::string> ports{"model", "veth"};
  const std::string allowed = "model model, veth veth, netdev:eth2 netdev:eth3";
  for (const std::string& port : {from, to}) {
    if (std::find(ports.begin(), ports.end(), port) != ports.end() || netdev_of_port(port))
      continue;
    const std::string guess = did_you_mean(port, ports);
    return fail(Errc::bad_experiment,
                fmt::format("no such port here; allowed: model, veth, netdev:eth2 (PCI ports: not "
                            "yet){}",
                            guess.empty() ? "" : fmt::format("; did you mean {}?", guess)),
                port);
  }
  const bool on_netdevs = netdev_of_port(from) && netdev_of_port(to);
  if ((from == to) == on_netdevs)
    return fail(Errc::bad_experiment,
                fmt::format("{} and {} do not meet; allowed: {}", from, to, allowed));
  TrialOrder order;
  order.kind = TrialKind::probe;
  order.generator_port = from;
  order.receiver_port = to;
  order.host_allow = std::move(allow);
  order.path = from == "model" ? Path::model : Path::udp_socket;
  if (!path.empty()) {
    const auto named = enum_from_name<Path>(path);
    if (!named || is_closed_loop(*named) || (*named == Path::model) != (from == "model"))
      return fail(Errc::bad_experiment,
                  fmt::format("path {} does not receive on {}; allowed: {}", path, to,
                              from == "model" ? "model"
                                              : "udp_socket, packet_mmap, af_xdp, xdp_drop, dpdk"));
    order.path = *named;
  }
  if (frame_bytes < kMinFrameBytes || frame_bytes > 1518)
    return fail(Errc::bad_experiment,
                fmt::format("frame of {} bytes; allowed: 64..1518 including the FCS", frame_bytes));
  order.clock = order.path == Path::model ? ClockKind::lockstep : ClockKind::wall;
  order.traffic.frame_bytes = {frame_bytes};
  order.traffic.load = Load{LoadUnit::pps, kProbePps};
  order.traffic.intended_pps = kProbePps;
  order.receiver.rx_ring = order.path == Path::dpdk ? 4096 : 1024;
  if (order.path == Path::udp_socket) order.receiver.socket_buffer_bytes = 4 << 20;
  order.seconds = kProbeSeconds;
  order.warmup_seconds = 0.02;
  return order;
}

}  // namespace

Result<LinkCheck> check_link(const std::string& from, const std::string& to,
                             const std::string& path, int frame_bytes,
                             std::vector<std::string> allow) {
  PM_TRY(const TrialOrder order, order_for(from, to, path, frame_bytes, std::move(allow)));
  TrialRunner runner;
  LinkCheck check;

  std::optional<TrialResult> probe;
  for (int attempt = 0; attempt < kProbeAttempts && !(probe && probe->valid); ++attempt) {
    PM_TRY(probe, runner.run(order));
  }
  const Ledger ledger = probe->ledger();
  const std::int64_t received = ledger.pkts_or_zero(Fate::received);
  check.passes = received > 0 && received == ledger.offered_pkts();
  check.text =
      fmt::format("{} -> {} ({}): {}: {} of {} frames of {} bytes came through at {}{}\n", from, to,
                  name_of(order.path), check.passes ? "passes" : "LOSES", grouped(received),
                  grouped(ledger.offered_pkts()), frame_bytes, si(kProbePps, "pps"),
                  order.path == Path::model ? " (model, not a NIC)" : "");
  for (const Fate fate : all_fates())
    if (fate != Fate::received && ledger.pkts_or_zero(fate) != 0)
      check.text += fmt::format("  {} {}: {}\n", grouped(ledger.pkts_or_zero(fate)),
                                fate_name(fate), fate_sentence(fate));
  const std::int64_t foreign = ledger.pkts_or_zero(Fate::foreign);
  check.text += received == 0
                    ? "cable: nothing with our stamp arrived\n"
                    : fmt::format("cable: the right one; {} frames that are not ours\n", foreign);
  if (!probe->valid)
    check.text += fmt::format("  disturbed {} times: {}\n", kProbeAttempts,
                              join(probe->invalid_reasons, "; "));
  if (received == 0) return check;

  double ceiling = line_rate_pps(order.model.link_bps, frame_bytes);
  if (order.clock == ClockKind::wall) {
    TrialOrder flood = order;
    flood.kind = TrialKind::calibration;
    flood.traffic.load = Load{LoadUnit::max, 0.0};
    flood.traffic.intended_pps = 0.0;
    PM_TRY(const TrialResult most, runner.run(flood));
    ceiling = most.offered_pps.value_or(0.0);
    check.text += fmt::format("generator: at most {}\n", si(ceiling, "pps"));
  }
  if (ceiling <= 2 * kProbePps) return check;
  KneeOrder knee{order, 0.001, kProbePps, ceiling, 0.02, 3};
  knee.order.seconds = order.clock == ClockKind::wall ? 0.2 : 0.05;
  auto found = find_knee(runner, knee);
  if (found) {
    check.text += fmt::format(
        "how fast: about {} ({} L1) with at most 0.1 % loss; {} short trials, {} invalid; a quick "
        "look, not a verdict\n",
        si(found->pps, "pps"), si(l1_bps(found->pps, frame_bytes), "bps"), found->trials,
        found->invalid);
  } else if (found.error().code == Errc::gate_said_no) {
    check.text += fmt::format("how fast: not measured: {}\n", found.error().what);
  } else {
    return tl::unexpected<Error>(std::move(found).error());
  }
  return check;
}

}  // namespace pollmark
