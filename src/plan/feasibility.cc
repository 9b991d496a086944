#include "plan/feasibility.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/line_rate.h"
#include "base/text.h"
#include "base/units.h"
#include "plan/header_fields.h"

namespace pollmark {

namespace {

using Broken = std::optional<std::string>;

bool has_offload(const TrialOrder& order, std::string_view name) {
  const std::vector<std::string>& offloads = order.receiver.rx_offloads;
  return std::find(offloads.begin(), offloads.end(), name) != offloads.end();
}

Broken port_of_path(const TrialOrder& order) {
  const bool on_model = order.path == Path::model;
  const auto belongs = [&](const std::string& port) {
    return on_model ? port == "model" : port == "veth" || netdev_of_port(port);
  };
  if (belongs(order.receiver_port) && belongs(order.generator_port)) return std::nullopt;
  return fmt::format("path {} needs port = {} at both ends", name_of(order.path),
                     on_model ? "\"model\"" : "\"veth\", or a network device (\"netdev:eth2\"),");
}

Broken ring_holds_burst(const TrialOrder& order) {
  if (order.receiver.rx_ring >= order.receiver.burst) return std::nullopt;
  return fmt::format("rx_ring {} is below one burst of {}; allowed: at least burst",
                     order.receiver.rx_ring, order.receiver.burst);
}

Broken weight_for_each_queue(const TrialOrder& order) {
  const std::size_t weights = order.receiver.reta_weights.size();
  if (weights == 0 || weights == static_cast<std::size_t>(order.receiver.queues)) {
    return std::nullopt;
  }
  return fmt::format(
      "reta has {} weights for {} queue{}; allowed: one for each queue, or \"equal\"", weights,
      order.receiver.queues, order.receiver.queues == 1 ? "" : "s");
}

Broken workers_and_ring(const TrialOrder& order) {
  const ReceiverOrder& receiver = order.receiver;
  if (receiver.workers > 0 && receiver.ring == 0) {
    return fmt::format("{} worker{} without a software ring; allowed: ring of at least {}",
                       receiver.workers, receiver.workers == 1 ? "" : "s", 4 * receiver.burst);
  }
  if (receiver.workers == 0 && receiver.ring > 0) {
    return fmt::format("a software ring of {} without workers; allowed: workers of at least 1",
                       receiver.ring);
  }
  return std::nullopt;
}

Broken ring_of_four_bursts(const TrialOrder& order) {
  const ReceiverOrder& receiver = order.receiver;
  if (receiver.ring == 0 || receiver.ring >= 4 * receiver.burst) return std::nullopt;
  return fmt::format("a software ring of {} is below 4 bursts; allowed: at least {}", receiver.ring,
                     4 * receiver.burst);
}

Broken corruption_can_be_found(const TrialOrder& order) {
  if (order.model.faults.corrupt == 0.0 || order.path != Path::model) return std::nullopt;
  if (order.receiver.stage == StageKind::checksum || has_offload(order, "checksum")) {
    return std::nullopt;
  }
  return "corrupt frames could not be found; allowed with stage = \"checksum\" or the checksum "
         "offload";
}

Broken netdev_has_one_queue(const TrialOrder& order) {
  if (order.path != Path::dpdk || order.receiver.queues == 1) return std::nullopt;
  return fmt::format("{} queues on {}: its poll-mode driver has no RSS; allowed: 1",
                     order.receiver.queues, order.receiver_port);
}

Broken one_socket_of_xdp(const TrialOrder& order) {
  if (!is_open_kernel_path(order.path) || order.receiver.queues == receiving_sockets(order)) {
    return std::nullopt;
  }
  return fmt::format("{} queues on {}: its device has one; allowed: 1", order.receiver.queues,
                     name_of(order.path));
}

// What this host has is known later.
Broken thread_for_each_socket(const TrialOrder& order) {
  const auto lcores =
      order.receiver_lcores.size() / static_cast<std::size_t>(direction_count(order));
  const auto sockets = static_cast<std::size_t>(receiving_sockets(order));
  if (sockets < 2 || lcores >= sockets || order.receiver_lcores.empty() ||
      order.validity == ValidityRule::as_is) {
    return std::nullopt;
  }
  return fmt::format(
      "{} sockets for {} receiving lcore{}: each is read by a thread of its own; allowed: up to "
      "{}, or validity = \"as_is\", where threads share lcores",
      sockets, lcores, lcores == 1 ? "" : "s", lcores);
}

Broken netdev_has_no_offloads(const TrialOrder& order) {
  if (order.path != Path::dpdk || order.receiver.rx_offloads.empty()) return std::nullopt;
  return fmt::format("rx_offloads on {}: its poll-mode driver has none; allowed: []",
                     order.receiver_port);
}

Broken wire_of_netdevs(const TrialOrder& order) {
  if (order.closed_loop.wire == WireKind::whole || order.receiver_port == "veth")
    return std::nullopt;
  return fmt::format("wire {} on {}: a cable is what it is; allowed: {}",
                     name_of(order.closed_loop.wire), order.receiver_port,
                     name_of(WireKind::whole));
}

constexpr std::size_t kMostNetdevSenders = 16;  // queue pairs of net_af_packet

Broken flow_for_each_generator(const TrialOrder& order) {
  const std::size_t lcores = order.generator_lcores.size();
  if (order.path == Path::model) return std::nullopt;
  if (lcores > kMostNetdevSenders) {
    return fmt::format(
        "{} generator lcores on {}: its poll-mode driver has {} queues; allowed: "
        "up to {}",
        lcores, order.generator_port, kMostNetdevSenders, kMostNetdevSenders);
  }
  const auto flows = static_cast<std::size_t>(std::max(1, order.traffic.flows));
  if (order.traffic.kind == TrafficKind::replay || lcores < 2 || lcores <= flows) {
    return std::nullopt;
  }
  return fmt::format(
      "{} generator lcores for {} flow{}: each flow is sent by one of them; allowed: "
      "up to {}",
      lcores, flows, flows == 1 ? "" : "s", flows);
}

Broken what_udp_gso_sends(const TrialOrder& order) {
  if (order.sender != SenderKind::udp_gso) return std::nullopt;
  const TrafficOrder& traffic = order.traffic;
  std::string_view what;
  std::string allowed = "sender dpdk";
  if (traffic.kind != TrafficKind::udp) what = name_of(traffic.kind);
  if (traffic.ip_version != 4) what = "IPv6";
  if (!traffic.vlan.empty()) what = "a VLAN tag";
  for (const HeaderField field : kHeaderFields) {
    if (!text_of(field, traffic).empty()) what = name_of(field);
  }
  if (traffic.popularity != 0.0) what = "popularity";
  if (traffic.direction == Direction::both) what = "direction \"both\"";
  if (order.generator_lcores.size() > 1) what = "several lcores";
  if (traffic.frame_bytes.size() != 1) {
    what = "several frame sizes";
    allowed = "one";
  }
  if (traffic.flows > kMostGsoFlows) {
    what = "a socket for each flow";
    allowed = fmt::format("up to {} flows", kMostGsoFlows);
  }
  if (traffic.arrivals.kind != ArrivalKind::constant &&
      traffic.arrivals.kind != ArrivalKind::burst) {
    what = name_of(traffic.arrivals.kind);
    allowed = "constant, or \"burst N\": N datagrams in one call";
  }
  if (what.empty() && traffic.arrivals.burst_frames > most_gso_segments(traffic)) {
    what = "the burst";
    allowed = fmt::format("up to {} frames of that size in one call", most_gso_segments(traffic));
  }
  // It drops calls, and counts each as one.
  const bool joins = traffic.load.unit == LoadUnit::max || traffic.arrivals.burst_frames > 1;
  if (what.empty() && joins && order.kernel_knobs.contains("qdisc")) {
    what = "a queueing discipline, which sees bursts before they are cut,";
    allowed = "constant arrivals, or sender dpdk";
  }
  if (what.empty()) return std::nullopt;
  return fmt::format("{} with sender udp_gso; allowed: {}", what, allowed);
}

Broken mtu_holds_the_frame(const TrialOrder& order) {
  const auto mtu = order.kernel_knobs.find("mtu");
  if (mtu == order.kernel_knobs.end() || order.traffic.frame_bytes.empty() ||
      order.path == Path::model || order.traffic.kind == TrafficKind::replay) {
    return std::nullopt;
  }
  constexpr int kEthernetBytes = 18;  // header and FCS
  const int needed =
      *std::max_element(order.traffic.frame_bytes.begin(), order.traffic.frame_bytes.end()) -
      kEthernetBytes;
  if (std::stoi(mtu->second) >= needed) return std::nullopt;
  return fmt::format("mtu {} is below the IP bytes of the largest frame; allowed: at least {}",
                     mtu->second, needed);
}

Broken replay_to_a_socket(const TrialOrder& order) {
  if (order.traffic.kind != TrafficKind::replay) return std::nullopt;
  if (!is_open_kernel_path(order.path)) return std::nullopt;
  if (order.path != Path::udp_socket) {
    return fmt::format("replay on {}: not there yet; allowed: path dpdk or model",
                       name_of(order.path));
  }
  return "replay on udp_socket: a socket receives only frames addressed to it; allowed: path dpdk "
         "or model";
}

Broken stage_of_the_kernel_path(const TrialOrder& order) {
  const StageKind stage = order.receiver.stage;
  if (!is_open_kernel_path(order.path) || stage == StageKind::none || stage == StageKind::forward) {
    return std::nullopt;
  }
  if (order.path == Path::xdp_drop) {
    return fmt::format("stage {} on xdp_drop: its frames go no further; allowed: none",
                       name_of(stage));
  }
  if (stage == StageKind::touch) return std::nullopt;
  if (stage == StageKind::checksum && order.path == Path::udp_socket) {
    return "stage checksum on udp_socket: the kernel has verified before the socket sees a frame; "
           "allowed: none, touch";
  }
  return fmt::format("stage {} on {}: not there yet; allowed: none, touch", name_of(stage),
                     name_of(order.path));
}

Broken block_holds_a_frame(const TrialOrder& order) {
  constexpr int kHeaders = 256;  // of the block, of the frame, and their alignment
  if (order.path != Path::packet_mmap || order.traffic.frame_bytes.empty()) return std::nullopt;
  const int largest = *std::ranges::max_element(order.traffic.frame_bytes);
  if (order.receiver.packet_block_bytes >= largest + kHeaders) return std::nullopt;
  return fmt::format(
      "packet_block {} does not hold a frame of {} bytes and {} of headers; "
      "allowed: a larger block",
      bytes_text(order.receiver.packet_block_bytes), largest, kHeaders);
}

Broken chunk_holds_a_frame(const TrialOrder& order) {
  constexpr int kEthernetBytes = 18;  // header and FCS
  // A veth attaches a program of one piece where a frame and what is kept beside it fit into a page
  // of 4 KiB (drivers/net/veth.c, veth_xdp_set; tried on Linux 6.18).
  constexpr int kMostNative = 3506 + kEthernetBytes;
  constexpr int kMost = static_cast<int>(kXdpChunkBytes) - kXdpHeadroomBytes + kFcsBytes;
  if (order.path != Path::af_xdp || order.traffic.frame_bytes.empty()) return std::nullopt;
  const bool native = order.receiver.xdp_mode == XdpMode::native;
  const int most = native ? kMostNative : kMost;
  const std::string_view other = native ? ", or more with xdp_mode generic" : "";
  const int largest = *std::ranges::max_element(order.traffic.frame_bytes);
  if (largest > most) {
    return fmt::format("a frame of {} bytes on af_xdp: it lies in one chunk; allowed: up to {}{}",
                       largest, most, other);
  }
  const auto mtu = order.kernel_knobs.find("mtu");
  if (!native || mtu == order.kernel_knobs.end() ||
      std::stoi(mtu->second) <= kMostNative - kEthernetBytes) {
    return std::nullopt;
  }
  return fmt::format("mtu {} with native XDP on af_xdp; allowed: up to {}{}", mtu->second,
                     kMostNative - kEthernetBytes, other);
}

Broken forward_on_the_kernel_path(const TrialOrder& order) {
  if (order.receiver.stage != StageKind::forward || order.path == Path::model) return std::nullopt;
  return fmt::format(
      "stage forward on path {}: what it sends back would meet the generator's "
      "device; allowed: none, touch",
      name_of(order.path));
}

Broken hits_need_patterns(const TrialOrder& order) {
  if (order.traffic.hit_ratio == 0.0 || order.receiver.stage == StageKind::hyperscan) {
    return std::nullopt;
  }
  return "a hit_ratio without stage hyperscan; allowed: \"0 %\", or patterns to hit";
}

Broken hits_of_a_capture(const TrialOrder& order) {
  if (order.traffic.hit_ratio == 0.0 || order.traffic.kind != TrafficKind::replay) {
    return std::nullopt;
  }
  return "a hit_ratio with replay: the capture has its own payloads; allowed: \"0 %\"";
}

Broken replay_arrivals(const TrialOrder& order) {
  if (order.traffic.kind != TrafficKind::replay ||
      order.traffic.arrivals.kind == ArrivalKind::constant) {
    return std::nullopt;
  }
  return fmt::format("{} arrivals with replay; allowed: constant",
                     name_of(order.traffic.arrivals.kind));
}

Broken frame_holds_the_stamp(const TrialOrder& order) {
  if (order.traffic.kind == TrafficKind::replay) return std::nullopt;
  const Result<int> bytes = stamp_bytes(order.traffic);
  return bytes ? std::nullopt : Broken(bytes.error().what);
}

Broken enough_addresses(const TrialOrder& order) {
  if (order.traffic.kind == TrafficKind::replay) return std::nullopt;
  const Result<std::uint64_t> most = most_flows(order.traffic, order.path);
  if (!most) return most.error().what;
  if (*most >= static_cast<std::uint64_t>(order.traffic.flows)) return std::nullopt;
  return fmt::format(
      "{} flows from addresses and ports that make {}; allowed: up to {}, or more of "
      "src_ip, src_port, dst_ip, dst_port",
      order.traffic.flows, *most, *most);
}

// The kernel demultiplexes: a socket gets what is addressed to it, and the stamp stands where the
// payload of a plain datagram begins.
Broken headers_for_a_socket(const TrialOrder& order) {
  if (order.path != Path::udp_socket || order.traffic.kind == TrafficKind::replay) {
    return std::nullopt;
  }
  const TrafficOrder& traffic = order.traffic;
  std::string_view what;
  if (traffic.kind == TrafficKind::tcp) what = "TCP";
  if (traffic.ip_version != 4) what = "IPv6";
  if (!traffic.vlan.empty()) what = "a VLAN tag";
  for (const HeaderField field :
       {HeaderField::dst_mac, HeaderField::dst_ip, HeaderField::dst_port}) {
    if (!text_of(field, traffic).empty()) what = name_of(field);
  }
  if (what.empty()) return std::nullopt;
  return fmt::format(
      "{} on udp_socket: a socket receives only datagrams addressed to it; allowed: "
      "path dpdk or model",
      what);
}

Broken on_time_fits_the_line(const TrialOrder& order) {
  const Arrivals& arrivals = order.traffic.arrivals;
  if (arrivals.kind != ArrivalKind::on_off || order.path != Path::model ||
      order.traffic.kind == TrafficKind::replay) {
    return std::nullopt;
  }
  const Result<double> pps = intended_pps(order);
  if (!pps) return std::nullopt;  // another rule's
  const double line =
      line_rate_pps(order.model.link_bps, mean_frame_bytes(order.traffic.frame_bytes));
  const double on =
      static_cast<double>(arrivals.on_ns) / static_cast<double>(arrivals.on_ns + arrivals.off_ns);
  if (*pps <= line * on * (1.0 + 1e-9)) return std::nullopt;
  return fmt::format(
      "load {} in {:.3g} % of the time is {} while on; allowed: up to {} on this "
      "link with these frames",
      order.traffic.load.text(), 100.0 * on, si(*pps / on, "pps"), si(line * on, "pps"));
}

bool model_in_real_time(const TrialOrder& order) {
  return order.path == Path::model && order.clock == ClockKind::wall;
}

Broken stalls_in_real_time(const TrialOrder& order) {
  if (!model_in_real_time(order) || order.model.stalls.kind == StallKind::none) return std::nullopt;
  return "stalls with clock = \"wall\": the host has its own; allowed: \"none\", or clock = "
         "\"lockstep\"";
}

Broken faults_in_real_time(const TrialOrder& order) {
  const FaultOrder& faults = order.model.faults;
  if (!model_in_real_time(order) ||
      faults.drop + faults.duplicate + faults.reorder + faults.corrupt + faults.delay == 0.0) {
    return std::nullopt;
  }
  return "faults with clock = \"wall\"; allowed with clock = \"lockstep\"";
}

Broken replay_both_ways(const TrialOrder& order) {
  if (order.traffic.direction == Direction::one_way || order.traffic.kind != TrafficKind::replay)
    return std::nullopt;
  return "direction \"both\" with replay: the capture says who sends what; allowed: \"one_way\"";
}

Broken lcores_of_both_ways(const TrialOrder& order) {
  if (order.traffic.direction == Direction::one_way) return std::nullopt;
  const ReceiverOrder& receiver = order.receiver;
  const bool in_real_time = order.path != Path::model || order.clock == ClockKind::wall;
  if (in_real_time && (order.generator_lcores.empty() || order.receiver_lcores.empty()))
    return "direction \"both\" in real time: each way has lcores of its own; allowed: lcores of "
           "[generator] and [receiver], the first half for the way there, the second for the way "
           "back";
  const int each = receiver.queues + receiver.workers;
  if (in_real_time && receiver.workers > 0 &&
      order.receiver_lcores.size() < 2 * static_cast<std::size_t>(each))
    return fmt::format(
        "{} receiving lcores with direction \"both\" and workers; allowed: {}, one for each queue "
        "and worker of each way",
        order.receiver_lcores.size(), 2 * each);
  if (order.path == Path::dpdk && order.generator_lcores.size() > 2)
    return "several generator lcores each way with direction \"both\" on path dpdk: the port has "
           "one queue; allowed: 2 lcores";
  for (const auto& lcores : {order.generator_lcores, order.receiver_lcores}) {
    if (lcores.size() % 2 != 0)
      return fmt::format(
          "{} lcores named with direction \"both\": the first half is for the way "
          "there, the second for the way back; allowed: an even number",
          lcores.size());
  }
  return std::nullopt;
}

Broken one_thread_at_each_end(const TrialOrder& order) {
  if (!is_closed_loop(order.path) ||
      (order.generator_lcores.size() <= 1 && order.receiver_lcores.size() <= 1))
    return std::nullopt;
  return fmt::format("several lcores at an end of path {}: it has one thread there; allowed: one",
                     name_of(order.path));
}

Broken message_fits_a_datagram(const TrialOrder& order) {
  if (order.path != Path::udp_rr) return std::nullopt;
  const ClosedLoopOrder& loop = order.closed_loop;
  const std::int64_t bytes = std::max(loop.message_bytes, loop.response_bytes);
  if (bytes <= kMostUdpPayloadBytes) return std::nullopt;
  return fmt::format("messages of {} bytes on path udp_rr: a datagram holds {}; allowed: up to {}",
                     bytes, kMostUdpPayloadBytes, kMostUdpPayloadBytes);
}

bool captures_at(const TrialOrder& order, CaptureAt at) {
  return std::ranges::find(order.capture.at, at) != order.capture.at.end();
}

Broken tap_sees_frames(const TrialOrder& order) {
  if (order.capture.at.empty()) return std::nullopt;
  if (order.path == Path::model)
    return "capture on model: its frames pass no device; allowed with port = \"veth\"";
  const bool by_xdp = order.path == Path::af_xdp || order.path == Path::xdp_drop;
  if (by_xdp && captures_at(order, CaptureAt::receiver))
    return fmt::format(
        "capture at the receiver on {}: XDP takes the frames before a tap could see them; allowed: "
        "at = [\"sender\"]",
        name_of(order.path));
  return std::nullopt;
}

Broken filter_sees_whole_frames(const TrialOrder& order) {
  if (order.capture.at.empty() || order.capture.filter.empty()) return std::nullopt;
  if (order.traffic.vlan.empty() || !captures_at(order, CaptureAt::receiver)) return std::nullopt;
  return "a capture filter at the receiver with VLAN tags: the kernel takes the outer tag off "
         "before "
         "the filter; allowed: no filter, or at = [\"sender\"]";
}

Broken loss_of_one_way(const TrialOrder& order) {
  if (order.capture.at.empty() || order.capture.trigger != CaptureTrigger::first_loss ||
      order.traffic.direction != Direction::both)
    return std::nullopt;
  return "trigger first_loss with direction \"both\"; allowed: \"one_way\"";
}

Broken sequence_shows_loss(const TrialOrder& order) {
  if (order.capture.at.empty() || order.capture.trigger != CaptureTrigger::first_loss ||
      order.traffic.kind != TrafficKind::replay)
    return std::nullopt;
  return "trigger first_loss with replay: its frames have no sequence numbers; allowed: trigger "
         "\"none\"";
}

Broken load_of_the_path(const TrialOrder& order) {
  const Result<double> pps = intended_pps(order);
  if (pps) return std::nullopt;
  return pps.error().what;
}

Broken max_is_not_judged(const TrialOrder& order) {
  if (order.path != Path::model || order.traffic.load.unit != LoadUnit::max) return std::nullopt;
  return "load = \"max\" measures a generator, and the model link has none; allowed: \"line\"";
}

}  // namespace

const std::vector<Rule>& all_rules() {
  static const std::vector<Rule> kRules = {
      {{"path", "port"}, "path and ports belong together", port_of_path},
      {{"rx_ring", "burst"}, "rx_ring holds at least one burst", ring_holds_burst},
      {{"reta", "queues"}, "reta has one weight for each queue", weight_for_each_queue},
      {{"ring", "workers"}, "workers and a software ring need each other", workers_and_ring},
      {{"ring", "burst"}, "a software ring holds at least 4 bursts", ring_of_four_bursts},
      {{"corrupt", "stage", "rx_offloads", "path"},
       "corruption is planted only where it can be found",
       corruption_can_be_found},
      {{"queues", "path", "port"}, "dpdk on a netdev has one queue", netdev_has_one_queue},
      {{"queues", "path"}, "the XDP paths have one queue", one_socket_of_xdp},
      {{"queues", "lcores", "path", "validity", "direction"},
       "every socket is read by an lcore of its own",
       thread_for_each_socket},
      {{"rx_offloads", "path", "port"}, "dpdk on a netdev has no offloads", netdev_has_no_offloads},
      {{"wire", "port"}, "only a veth has a bridge between its ends", wire_of_netdevs},
      {{"lcores", "flows", "kind", "path"},
       "every generator lcore has a flow to send",
       flow_for_each_generator},
      {{"sender", "kind", "frame", "flows", "arrivals", "direction", "lcores", "qdisc"},
       "udp_gso sends plain datagrams",
       what_udp_gso_sends},
      {{"mtu", "frame", "path"}, "mtu holds the largest frame", mtu_holds_the_frame},
      {{"kind", "path"}, "replay is not received by a socket", replay_to_a_socket},
      {{"stage", "path"},
       "the kernel's paths have stages none and touch",
       stage_of_the_kernel_path},
      {{"packet_block", "frame", "path"}, "a block holds a frame", block_holds_a_frame},
      {{"frame", "mtu", "xdp_mode", "path"}, "a chunk holds a frame", chunk_holds_a_frame},
      {{"stage", "path"}, "frames are sent back on the model", forward_on_the_kernel_path},
      {{"hit_ratio", "stage"}, "hits need patterns", hits_need_patterns},
      {{"hit_ratio", "kind"}, "a capture has its own payloads", hits_of_a_capture},
      {{"arrivals", "kind"}, "replay has constant arrivals", replay_arrivals},
      {{"frame", "ip_version", "vlan", "qinq", "kind"},
       "a frame holds its headers and the stamp",
       frame_holds_the_stamp},
      {{"flows", "src_ip", "dst_ip", "src_port", "dst_port"},
       "every flow has a 5-tuple of its own",
       enough_addresses},
      {{"kind", "ip_version", "vlan", "dst_mac", "dst_ip", "dst_port", "path"},
       "a socket receives what is addressed to it",
       headers_for_a_socket},
      {{"arrivals", "load", "link", "frame", "path"},
       "the load fits into the on time",
       on_time_fits_the_line},
      {{"clock", "stalls", "path"},
       "in real time the host's stalls are the stalls",
       stalls_in_real_time},
      {{"clock", "drop", "path"}, "faults are planted in lockstep", faults_in_real_time},
      {{"load", "path"}, "max is not offered on the model", max_is_not_judged},
      {{"direction", "kind"}, "a capture is replayed one way", replay_both_ways},
      {{"direction", "lcores", "clock", "path", "queues", "workers"},
       "both ways have lcores of their own",
       lcores_of_both_ways},
      {{"lcores", "path"}, "a closed loop has one thread at each end", one_thread_at_each_end},
      {{"message_bytes", "response_bytes", "path"},
       "a message fits into a datagram",
       message_fits_a_datagram},
      {{"at", "path"}, "frames are captured where a tap sees them", tap_sees_frames},
      {{"at", "vlan"}, "a capture filter sees frames as they are", filter_sees_whole_frames},
      {{"trigger", "direction"}, "a trigger looks at one way", loss_of_one_way},
      {{"trigger", "kind"}, "a trigger needs what shows a loss", sequence_shows_loss},
      {{"load", "link", "frame", "path", "kind"}, "the load fits the line", load_of_the_path},
  };
  return kRules;
}

std::optional<std::string> refusal(const TrialOrder& order) {
  for (const Rule& rule : all_rules()) {
    if (Broken reason = rule.broken(order)) return reason;
  }
  return std::nullopt;
}

Result<double> intended_pps(const TrialOrder& order) {
  const Load& load = order.traffic.load;
  if (load.unit == LoadUnit::max || is_closed_loop(order.path)) return 0.0;
  const bool replay = order.traffic.kind == TrafficKind::replay;
  // The recorded gaps are the load; known when the capture is read.
  if (replay && order.traffic.timing != ReplayTiming::rate) return 0.0;
  if (replay && load.unit != LoadUnit::pps) {
    return fail(Errc::bad_experiment,
                fmt::format("load {} with replay: frame sizes come from the capture; allowed: "
                            "packets per second (\"1 Mpps\"), or \"max\"",
                            load.text()));
  }
  const std::optional<double> line_bps =
      order.path == Path::model ? std::optional(order.model.link_bps) : order.line_bps;
  if (!line_bps && load.unit == LoadUnit::line_percent) {
    return fail(Errc::bad_experiment,
                fmt::format("load {} on path {}: {}; allowed: \"100 kpps\", \"1 Gbps L2\", \"max\"",
                            load.text(), name_of(order.path),
                            order.receiver_port == "veth"
                                ? "a veth has no line rate"
                                : fmt::format("the drivers of {} and {} tell no line rate",
                                              order.generator_port, order.receiver_port)));
  }
  // Sizes inside a capture are not known here: only a load above the line of the smallest frames is
  // surely too much.
  const double frame =
      replay ? double{kMinFrameBytes} : mean_frame_bytes(order.traffic.frame_bytes);
  return load_pps(load, line_bps.value_or(std::numeric_limits<double>::infinity()), frame);
}

}  // namespace pollmark
