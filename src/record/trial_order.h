// One trial as it is to be run: every factor resolved to a value. Made by plan, carried out by a
// sender and a receiver, copied into the result. Serialised by record/json.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace pollmark {

enum class Path : std::uint8_t {
  dpdk,
  model,
  udp_socket,
  packet_mmap,
  af_xdp,
  xdp_drop,
  tcp_stream,
  tcp_rr,
  tcp_crr,
  udp_rr
};
// What sends the load of an open path on veth: DPDK's poll-mode driver, or UDP sockets with
// UDP_SEGMENT.
enum class SenderKind : std::uint8_t { dpdk, udp_gso };
enum class ClockKind : std::uint8_t { wall, lockstep };
enum class TrafficKind : std::uint8_t { udp, tcp, replay };
// one_way: from the generator's port to the receiver's. both: at the same time also back, with the
// same settings.
enum class Direction : std::uint8_t { one_way, both };
enum class ArrivalKind : std::uint8_t { constant, poisson, burst, on_off };
// When the frames of a capture are sent: evenly at the load, as recorded, or as recorded with every
// gap multiplied.
enum class ReplayTiming : std::uint8_t { rate, original, scaled };
// What becomes of frames that the snap length cut short: zeros in place of what is missing, or none
// of the capture is sent.
enum class CutShort : std::uint8_t { refuse, pad };
enum class DmaPlacement : std::uint8_t { llc, hot, memory };
enum class StallKind : std::uint8_t { none, periodic, poisson, trace };
// Where the receiving lcores run: on the NUMA node of pools and rings (the port's), or on another.
enum class NumaPlacement : std::uint8_t { local, remote };
// What is between the two devices of a closed loop: nothing, so that the sender's joined segments
// arrive as they are, or a bridge that cuts them to the MTU, as a wire behind a NIC's TSO does.
enum class WireKind : std::uint8_t { whole, cut };
enum class StageKind : std::uint8_t { none, touch, checksum, forward, hyperscan };
// Where a program at the XDP hook runs: in the driver, before there is a socket buffer; or in the
// stack, on any device.
enum class XdpMode : std::uint8_t { native, generic };
// How an AF_PACKET fanout group chooses a socket (packet(7)): by the flow, in turn, or by the CPU
// that the frame came in on.
enum class Fanout : std::uint8_t { hash, lb, cpu };
// At whose device frames are captured.
enum class CaptureAt : std::uint8_t { sender, receiver };
// From when on a capture is kept: from the start, or from shortly before the first loss.
enum class CaptureTrigger : std::uint8_t { none, first_loss };
// Behind a search: latency, at a share of the PDR or (RFC 2544) at the throughput; the others are
// those of RFC 2544: frame_loss, at a share of the highest load; burst, frames at the highest load
// from idle; recovery, half of an overload behind it.
enum class TrialKind : std::uint8_t {
  trial,
  calibration,
  search,
  probe,
  latency,
  frame_loss,
  burst,
  recovery
};
enum class ValidityRule : std::uint8_t { strict, as_is };
// Whether the kernel's drop reasons are watched on a path that has them. That costs nothing for a
// frame that is delivered, and 90 to 300 ns of the CPU that drops it for one that is not.
enum class DropReasonsRule : std::uint8_t { on, off };

struct Arrivals {
  ArrivalKind kind = ArrivalKind::constant;
  int burst_frames = 1;     // frames back to back at line rate; 1 unless kind is burst
  std::int64_t on_ns = 0;   // of on_off: evenly spaced for so long, ...
  std::int64_t off_ns = 0;  // ... then nothing; the load is the mean over both
  friend bool operator==(const Arrivals&, const Arrivals&) = default;
};

struct TrafficOrder {
  TrafficKind kind = TrafficKind::udp;
  std::string frame;                   // as asked, where it is more than sizes: "imix", a genome
  std::vector<int> frame_bytes{64};    // sizes incl. FCS, sent in this order again and again
  std::map<std::string, int> letters;  // sizes of a genome's own letters
  int flows = 64;                      // distinct 5-tuples; 1..65536
  double popularity = 0.0;             // exponent of Zipf's law over the flows; 0: all alike
  // How each header field gets its value, flow by flow; read by plan/header_fields.h. Empty: the
  // path's own.
  int ip_version = 4;
  std::string src_mac;
  std::string dst_mac;
  std::string qinq;  // outer tag (802.1ad); needs vlan
  std::string vlan;
  std::string src_ip;
  std::string dst_ip;
  std::string src_port;
  std::string dst_port;
  std::string ttl;
  std::string dscp;
  std::string tcp_flags = "ack";  // joined by +
  Arrivals arrivals;
  Direction direction = Direction::one_way;
  bool answers = false;       // of the way back (directions_of): source and destination of each
                              // flow are exchanged. Not in the record
  Load load;                  // as asked, of each direction
  double intended_pps = 0.0;  // as resolved, of each direction; 0 for "max"
  double warmup_pps = 0.0;    // of the warm-up, of each direction; 0: as the window
  std::string pcap;           // absolute path when kind is replay
  ReplayTiming timing = ReplayTiming::rate;
  double time_scale = 1.0;  // of scaled: 2 doubles every gap
  int loops = 0;            // passes over the capture; 0: until the time is over
  std::string filter;       // pcap-filter(7) expression; empty: every frame
  CutShort cut_short = CutShort::refuse;
  std::map<std::string, std::string> rewrite;  // field (src_mac, ..., vlan) -> its one value
  double hit_ratio = 0.0;  // with stage hyperscan: share of payloads that match, 0..1
  friend bool operator==(const TrafficOrder&, const TrafficOrder&) = default;
};

struct StallOrder {
  StallKind kind = StallKind::none;
  std::int64_t every_ns = 0;  // period, or mean interval for poisson
  std::int64_t for_ns = 0;    // length of each stall
  std::string trace;          // file, when kind is trace
  friend bool operator==(const StallOrder&, const StallOrder&) = default;
};

// Seeded faults of the model link, before RSS. Each is a probability per frame, [0, 1]; their sum
// must not exceed 1 (a frame suffers at most one).
struct FaultOrder {
  double drop = 0.0;
  double duplicate = 0.0;
  double reorder = 0.0;
  double corrupt = 0.0;
  double delay = 0.0;
  std::int64_t delay_ns = 10'000;  // for delay; a reordered frame waits for at most 8 of its flow
  friend bool operator==(const FaultOrder&, const FaultOrder&) = default;
};

struct ModelOrder {
  double link_bps = 25e9;
  DmaPlacement dma = DmaPlacement::llc;
  StallOrder stalls;
  FaultOrder faults;
  friend bool operator==(const ModelOrder&, const ModelOrder&) = default;
};

struct ReceiverOrder {
  int rx_ring = 1024;  // descriptors per queue
  int queues = 1;      // 1..16; udp_socket, packet_mmap: sockets, each read by a thread
  std::vector<std::string> rss_fields{"ipv4-udp"};
  std::vector<int> reta_weights;         // one per queue; empty = equal
  std::vector<std::string> rx_offloads;  // sorted: "checksum", "rss_hash"
  StageKind stage = StageKind::none;
  std::string patterns;                       // file of expressions when stage is hyperscan
  int workers = 0;                            // 0: the rx lcore runs the stage itself
  int ring = 0;                               // software ring slots per rx lcore; 0 without workers
  int burst = 32;                             // frames per rx_burst, 1..64
  std::int64_t socket_buffer_bytes = 0;       // udp_socket, each; 0 = the host's default
  bool udp_gro = false;                       // udp_socket: UDP_GRO
  int packet_blocks = 64;                     // packet_mmap: blocks of the TPACKET_V3 ring, ...
  std::int64_t packet_block_bytes = 1 << 20;  // ... each of so many bytes
  Fanout fanout = Fanout::hash;               // packet_mmap with several sockets
  XdpMode xdp_mode = XdpMode::native;         // af_xdp, xdp_drop
  int xdp_rx_ring = 2048;                     // af_xdp: descriptors of the RX ring
  int xdp_fill_ring = 4096;                   // af_xdp: entries of the fill ring
  bool zero_copy = false;                     // af_xdp: XDP_ZEROCOPY, else XDP_COPY
  bool need_wakeup = true;                    // af_xdp: XDP_USE_NEED_WAKEUP
  std::int64_t socket_busy_poll_ns = 0;       // udp_socket, af_xdp: SO_BUSY_POLL; 0: off
  int pool_mbufs = 0;  // 0 = enough for every queue; smaller provokes rx_no_mbuf
  NumaPlacement numa = NumaPlacement::local;
  friend bool operator==(const ReceiverOrder&, const ReceiverOrder&) = default;
};

// Bytes of a umem's chunk: a frame of af_xdp lies in one, behind the kernel's headroom.
inline constexpr std::uint32_t kXdpChunkBytes = 4096;
inline constexpr int kXdpHeadroomBytes = 256;

// Of sender udp_gso: datagrams of one call (UDP_MAX_SEGMENTS of every kernel that has UDP_SEGMENT),
// their bytes together, and flows, each of which is a socket.
inline constexpr int kMostGsoSegments = 64;
inline constexpr int kMostUdpPayloadBytes = 65'507;
inline constexpr int kMostGsoFlows = 512;

// A request and its answer carry a sequence number.
inline constexpr std::int64_t kLeastMessageBytes = 4;

// Of the paths tcp_stream, tcp_rr, tcp_crr and udp_rr: no load is offered, each message waits for
// the one before it.
struct ClosedLoopOrder {
  int streams = 1;                  // connections at the same time; tcp_rr, udp_rr: 1
  std::int64_t message_bytes = 0;   // of a write (tcp_stream) or a request; 0: not resolved yet
  std::int64_t response_bytes = 0;  // 0: as message_bytes
  bool no_delay = false;            // TCP_NODELAY
  std::string congestion_control;   // empty: the host's default
  int listen_backlog = 128;         // of the server's socket; tcp_crr
  bool taps = false;                // segment sizes at both devices; they cost
  WireKind wire = WireKind::whole;
  friend bool operator==(const ClosedLoopOrder&, const ClosedLoopOrder&) = default;
};

// Frames kept as they pass a device, beside the trial.
struct TapOrder {
  std::vector<CaptureAt> at;            // ascending, each once; empty: nothing is captured
  std::string filter;                   // pcap-filter(7) expression; empty: every frame
  int snaplen_bytes = 256;              // kept of each frame, from its Ethernet header on
  std::int64_t limit_bytes = 64 << 20;  // of the memory that frames wait in; no file is larger
  CaptureTrigger trigger = CaptureTrigger::none;
  friend bool operator==(const TapOrder&, const TapOrder&) = default;
};

struct TrialOrder {
  TrialKind kind = TrialKind::trial;
  std::int64_t trial = 0;  // number within the campaign, from 0
  std::string group;
  int block = 0;                            // from 0
  int attempt = 0;                          // from 0
  std::map<std::string, std::string> cell;  // factor -> level, as printed
  Path path = Path::model;
  ClockKind clock = ClockKind::lockstep;
  ValidityRule validity = ValidityRule::strict;
  DropReasonsRule drop_reasons = DropReasonsRule::on;
  std::string generator_port = "model";  // "model" | "veth" | "netdev:eth2"
  std::string receiver_port = "model";
  std::optional<double> line_bps;  // of the cable between two netdevs, as their drivers tell
  SenderKind sender = SenderKind::dpdk;
  std::vector<int> generator_lcores;  // CPU numbers; empty = chosen by the rig
  std::vector<int> receiver_lcores;
  TrafficOrder traffic;
  ModelOrder model;
  ReceiverOrder receiver;
  ClosedLoopOrder closed_loop;
  TapOrder capture;
  std::map<std::string, std::string> kernel_knobs;  // name of record/kernel_knob.h -> level
  std::vector<std::string> host_allow;  // what of the whole host may be changed: setting or port
  double seconds = 1.0;                 // virtual seconds in lockstep
  double warmup_seconds = 0.1;
  // RFC 2544 section 23, in real time on any path but the model: waited before the traffic, so that
  // everything has come to rest, and behind it without a frame, for what is still on its way.
  double wait_before_seconds = 0.0;
  double wait_after_seconds = 0.0;
  std::uint64_t seed = 1;            // of this trial's traffic, faults and stalls
  std::uint8_t epoch = 1;            // stamped into measured frames; warm-up has another
  double pdr_percent = 0.0;          // of a trial of kind latency at a share of the PDR; else 0
  std::int64_t planted_stop_ns = 0;  // self-test: stop the receiver once, mid-trial; 0 = not
  friend bool operator==(const TrialOrder&, const TrialOrder&) = default;
};

// The ways of a trial, each an order of its own: the order itself, or with direction = both the way
// there and the way back. The ports of the way back are exchanged, its seed is another. Of the
// lcores that are named the first half is the way there's (odd: the larger half).
[[nodiscard]] std::vector<TrialOrder> directions_of(const TrialOrder& order);
// tcp_stream, tcp_rr, tcp_crr, udp_rr: what load they carry is the result.
[[nodiscard]] bool is_closed_loop(Path path);
// The kernel receives what a sender of the load offers: udp_socket, packet_mmap, af_xdp, xdp_drop.
[[nodiscard]] bool is_open_kernel_path(Path path);
// udp_socket, af_xdp. On the other paths of the kernel each frame that is delivered is given up too
// (the other copy of a packet ring's; by the program of xdp_drop) and would pay for the watch.
[[nodiscard]] bool has_drop_reasons(Path path);
// Of udp_socket and packet_mmap: sockets that share the frames, each read by a thread of its own. 1
// on other paths.
[[nodiscard]] int receiving_sockets(const TrialOrder& order);
// Datagrams that one call of sender udp_gso can carry, from frames of the order's first size.
[[nodiscard]] int most_gso_segments(const TrafficOrder& traffic);
[[nodiscard]] std::int64_t response_bytes_of(const ClosedLoopOrder& loop);
// "eth2" of the port "netdev:eth2"; nullopt: a port of another kind.
[[nodiscard]] std::optional<std::string> netdev_of_port(std::string_view port);
// 2 with direction = both, else 1.
[[nodiscard]] int direction_count(const TrialOrder& order);
// What the flows' header fields are drawn from: those of both ways are the same flows.
[[nodiscard]] std::uint64_t flow_seed(const TrialOrder& order);

// Names as printed everywhere: TOML, JSON, CSV, report.
[[nodiscard]] std::string_view name_of(Path);
[[nodiscard]] std::string_view name_of(SenderKind);
[[nodiscard]] std::string_view name_of(ClockKind);
[[nodiscard]] std::string_view name_of(TrafficKind);
[[nodiscard]] std::string_view name_of(Direction);
[[nodiscard]] std::string_view name_of(ArrivalKind);
[[nodiscard]] std::string_view name_of(ReplayTiming);
[[nodiscard]] std::string_view name_of(CutShort);
[[nodiscard]] std::string_view name_of(DmaPlacement);
[[nodiscard]] std::string_view name_of(StallKind);
[[nodiscard]] std::string_view name_of(NumaPlacement);
[[nodiscard]] std::string_view name_of(WireKind);
[[nodiscard]] std::string_view name_of(StageKind);
[[nodiscard]] std::string_view name_of(XdpMode);
[[nodiscard]] std::string_view name_of(Fanout);
[[nodiscard]] std::string_view name_of(CaptureAt);
[[nodiscard]] std::string_view name_of(CaptureTrigger);
[[nodiscard]] std::string_view name_of(TrialKind);
[[nodiscard]] std::string_view name_of(ValidityRule);
[[nodiscard]] std::string_view name_of(DropReasonsRule);
// The enumerator of that name; nullopt for a name that is not one.
template <typename Enum>
[[nodiscard]] std::optional<Enum> enum_from_name(std::string_view name);
// All names, for "allowed: ...".
template <typename Enum>
[[nodiscard]] std::vector<std::string> enum_names();

}  // namespace pollmark
