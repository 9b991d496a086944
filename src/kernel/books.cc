#include "kernel/books.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/drop_reason_watch.h"
#include "host/kernel_counters.h"
#include "kernel/drop_ledger.h"

namespace pollmark {
namespace {

// The changes of one trial by name; what was not measured is nullopt and stays out of the books.
class Changes {
 public:
  explicit Changes(const std::map<std::string, CounterChange>& changes) : changes_(changes) {}

  std::optional<std::int64_t> operator()(std::string_view name) const {
    const auto found = changes_.find(std::string(name));
    return found == changes_.end() ? std::nullopt : found->second.delta;
  }
  // Of a receiving socket, or of each of several: receiver.socket.drops, or receiver.socket.0.drops
  // and so on. nullopt where one of them was not measured.
  std::optional<std::int64_t> of_sockets(std::string_view layer, std::string_view counter) const {
    if (const auto only = (*this)(fmt::format("{}.{}", layer, counter))) return only;
    std::optional<std::int64_t> total;
    for (int i = 0;; ++i) {
      const auto found = changes_.find(fmt::format("{}.{}.{}", layer, i, counter));
      if (found == changes_.end()) return total;
      if (!found->second.delta) return std::nullopt;
      total = total.value_or(0) + *found->second.delta;
    }
  }
  // Sum of those that were measured; nullopt when none was.
  template <std::size_t n>
  std::optional<std::int64_t> sum(const std::array<std::string_view, n>& names) const {
    std::optional<std::int64_t> total;
    for (const auto name : names) {
      if (const auto delta = (*this)(name)) total = total.value_or(0) + *delta;
    }
    return total;
  }

 private:
  const std::map<std::string, CounterChange>& changes_;
};

constexpr std::array<std::string_view, 8> kIpOwners{
    "receiver.ip.InHdrErrors",        "receiver.ip.InAddrErrors",
    "receiver.ip.InUnknownProtos",    "receiver.ip.InDiscards",
    "receiver.ip.FragFails",          "receiver.ipext.InNoRoutes",
    "receiver.ipext.InTruncatedPkts", "receiver.tcpext.IPReversePathFilter"};

// Of kernel_other, those whose packets the drop reasons name.
constexpr std::array<std::string_view, 2> kOthersInTheReasons{"receiver.link.rx_otherhost_dropped",
                                                              "receiver.qdisc.ingress_drops"};

// By their ECN bits: each of the frames that GRO joined, where InReceives has one.
constexpr std::array<std::string_view, 4> kFramesAtIp{
    "receiver.ipext.InNoECTPkts", "receiver.ipext.InECT1Pkts", "receiver.ipext.InECT0Pkts",
    "receiver.ipext.InCEPkts"};

constexpr std::array<std::string_view, 2> kXdpSocketOwners{"receiver.xdp_socket.rx_dropped",
                                                           "receiver.xdp_socket.rx_ring_full"};

struct Charge {
  Fate fate;
  std::int64_t pkts;
  std::string reason;  // of kernel_other
};

struct Reason {
  std::string_view counter;
  std::string_view name;
};
constexpr std::array kOtherReasons{
    Reason{"receiver.link.rx_otherhost_dropped", "not addressed to this MAC"},
    Reason{"receiver.link.rx_nohandler", "inactive device (rx_nohandler)"},
    Reason{"receiver.qdisc.ingress_drops", "ingress filter"},
};

class KernelBooks final : public CounterBooks {
 public:
  // drops: nullptr: not watched. With udp_gro what is counted behind GRO is no frame of the wire.
  KernelBooks(FrameConsumer consumer, const TrialOrder& way, LinkKind link,
              std::shared_ptr<const TrialDrops> drops)
      : consumer_(consumer),
        joined_(consumer == FrameConsumer::udp_socket && way.receiver.udp_gro),
        link_(link),
        watched_(std::move(drops)) {
    if (!watched_) return;
    namespaces_ = watched_->there;
    if (way.traffic.answers) std::swap(namespaces_.sender, namespaces_.receiver);
    not_watched_ = watched_->not_watched;
  }

  void begin_watch() override {
    if (!watched_ || !watched_->read) return;
    if (auto first = watched_->read()) {
      watch_.emplace(watched_->source, *first);
    } else {
      lose_sight(first.error());
    }
  }
  void end_watch() override {
    if (!watch_) return;
    if (auto last = watched_->read()) {
      drops_ = kernel_drops(watch_->step(*std::move(last), 1.0), consumer_, namespaces_);
    } else {
      lose_sight(last.error());
    }
  }
  [[nodiscard]] std::vector<std::string> not_checked() const override {
    std::vector<std::string> clauses;
    if (!not_watched_.empty()) clauses.push_back(not_watched_);
    if (drops_ && drops_->unseen_pkts > 0) {
      clauses.push_back(fmt::format("drop reasons: {} packets of them could not be told apart",
                                    drops_->unseen_pkts));
    }
    return clauses;
  }

  void charge(const std::map<std::string, CounterChange>& changes, StreamAccount& stream,
              std::vector<std::string>& doubts) const override {
    const Changes change(changes);
    stream.drops = drops_;
    if (stream.drops && change("sender.qdisc.drops").value_or(0) == 0) {
      give_to_the_device(*stream.drops);
    }
    std::vector<Charge> charges;
    charge_link(change, stream.drops, charges, doubts);
    switch (consumer_) {
      case FrameConsumer::udp_socket:
        charge_stack(change, stream.drops, charges, doubts);
        charge_socket(change, stream.drops, charges, doubts);
        break;
      case FrameConsumer::packet_ring:
        charge_ring(change, charges, doubts);
        break;
      case FrameConsumer::xdp:
        charge_xdp(change, charges, doubts);
        break;
    }
    if (stream.drops && stream.drops->source == "bpf") {
      doubt_owners(change, *stream.drops, doubts);
      charge_by_reason(change, stream.ledger.unaccounted_pkts(), *stream.drops, charges);
    }
    take_off_warmup(change, charges, doubts);
    for (const auto& one : charges) {
      stream.ledger.add(one.fate, one.pkts);
      if (!one.reason.empty() && one.pkts != 0) stream.kernel_other_reasons[one.reason] += one.pkts;
    }
  }

 private:
  void lose_sight(const Error& error) {
    not_watched_ = fmt::format("drop reasons: {}", error.text());
    watch_.reset();
  }

  // What a device that is down drops by its own queueing discipline (noop) the device counts.
  static void give_to_the_device(KernelDrops& drops) {
    for (DroppedAt& place : drops.places) {
      if (place.fate == Fate::kernel_qdisc) place.fate = Fate::kernel_link_tx;
    }
  }

  // What the reasons tell of an owner is one more echo of it. Of a driver and of native XDP they
  // tell nothing.
  void doubt_owners(const Changes& change, const KernelDrops& drops,
                    std::vector<std::string>& doubts) const {
    const auto doubt = [&](const std::vector<Fate>& fates, std::string_view counter,
                           std::optional<std::int64_t> pkts) {
      if (!pkts) return;
      if (auto sentence = disagreement(drops, fates, counter, *pkts)) {
        doubts.push_back(*std::move(sentence));
      }
    };
    const auto tx_dropped = change("sender.link.tx_dropped");
    if (!watched_->both_ways && tx_dropped) {
      doubt({Fate::kernel_qdisc, Fate::kernel_link_tx}, "sender.qdisc.drops + link.tx_dropped",
            change("sender.qdisc.drops").value_or(0) + *tx_dropped);
    }
    if (consumer_ != FrameConsumer::udp_socket) return;
    const auto rx_dropped = change("receiver.link.rx_dropped");
    if (!watched_->both_ways && rx_dropped) {
      // What comes to a device that is not active is counted apart, by the same reason.
      doubt({Fate::kernel_link_rx},
            "receiver.link.rx_dropped beyond sender.link.tx_dropped, and rx_nohandler",
            std::max<std::int64_t>(0, *rx_dropped - tx_dropped.value_or(0)) +
                change("receiver.link.rx_nohandler").value_or(0));
    }
    doubt({Fate::kernel_ip}, "the owners of kernel_ip", change.sum(kIpOwners));
    doubt({Fate::kernel_udp}, "udp.NoPorts + InErrors - RcvbufErrors", udp_lost(change));
    doubt({Fate::kernel_socket_buffer}, "receiver.udp.RcvbufErrors",
          change("receiver.udp.RcvbufErrors"));
    doubt({Fate::kernel_other}, "receiver.link.rx_otherhost_dropped + qdisc.ingress_drops",
          change.sum(kOthersInTheReasons));
  }

  static void charge_by_reason(const Changes& change, std::int64_t unaccounted_pkts,
                               KernelDrops& drops, std::vector<Charge>& charges) {
    std::int64_t missing =
        unaccounted_pkts + std::max<std::int64_t>(0, lost_in_warmup(change).value_or(0));
    for (const Charge& one : charges) missing -= one.pkts;
    charges.push_back({Fate::kernel_other, 0, {}});
    for (const auto& [reason, pkts] : charge_reasons(drops, missing)) {
      charges.push_back({Fate::kernel_other, pkts, reason});
    }
  }

  static std::optional<std::int64_t> udp_lost(const Changes& change) {
    const auto no_ports = change("receiver.udp.NoPorts");
    const auto in_errors = change("receiver.udp.InErrors");
    if (!no_ports && !in_errors) return std::nullopt;
    return no_ports.value_or(0) + in_errors.value_or(0) -
           change("receiver.udp.RcvbufErrors").value_or(0);
  }

  static std::optional<std::int64_t> lost_in_warmup(const Changes& change) {
    const auto sent = change("sender.port.warmup_pkts");
    const auto arrived = change("receiver.port.warmup_pkts");
    return sent && arrived ? std::optional(*sent - *arrived) : std::nullopt;
  }

  static void doubt_unless_equal(std::string_view left_name, std::optional<std::int64_t> left,
                                 std::string_view right_name, std::optional<std::int64_t> right,
                                 std::vector<std::string>& doubts) {
    if (!left || !right || *left == *right) return;
    doubts.push_back(fmt::format("{} rose by {}, {} by {}", left_name, *left, right_name, *right));
  }

  void charge_link(const Changes& change, const std::optional<KernelDrops>& drops,
                   std::vector<Charge>& charges, std::vector<std::string>& doubts) const {
    const auto qdisc = change("sender.qdisc.drops");
    const auto tx_packets = change("sender.link.tx_packets");
    const auto tx_dropped = change("sender.link.tx_dropped");
    const auto rx_dropped = change("receiver.link.rx_dropped");
    std::int64_t qdisc_lost = qdisc.value_or(0);
    std::int64_t link_lost = tx_dropped.value_or(0);
    // These two count a super-packet as one.
    if (drops && qdisc_lost > 0) qdisc_lost += frames_beyond_pkts(*drops, Fate::kernel_qdisc);
    if (drops && link_lost > 0) link_lost += frames_beyond_pkts(*drops, Fate::kernel_link_tx);
    const auto accepted = change("sender.port.accepted_pkts");
    if (accepted && tx_packets) {
      take_off_sent_again(*tx_packets + link_lost + qdisc_lost - *accepted, qdisc_lost, link_lost,
                          doubts);
    }
    if (qdisc) charges.push_back({Fate::kernel_qdisc, qdisc_lost, {}});
    if (link_ == LinkKind::drivers) {
      charge_drivers(change, link_lost, charges);
      return;
    }
    if (tx_dropped) charges.push_back({Fate::kernel_link_tx, link_lost, {}});
    doubt_unless_equal("receiver.link.rx_packets", change("receiver.link.rx_packets"),
                       "sender.link.tx_packets", tx_packets, doubts);
    if (consumer_ == FrameConsumer::udp_socket && (rx_dropped || tx_dropped)) {
      // veth counts what its peer had no room for on both ends.
      const std::int64_t both = std::min(rx_dropped.value_or(0), tx_dropped.value_or(0));
      charges.push_back(
          {Fate::kernel_link_rx,
           rx_dropped.value_or(0) - both + change("receiver.link.rx_missed_errors").value_or(0),
           {}});
    }
  }

  // Each device for itself.
  void charge_drivers(const Changes& change, std::int64_t tx_dropped,
                      std::vector<Charge>& charges) const {
    constexpr std::array<std::string_view, 2> kTxOwners{"sender.link.tx_dropped",
                                                        "sender.link.tx_errors"};
    // ixgbe leaves frames that found no descriptor in one queue out of the link's counters.
    constexpr std::array<std::string_view, 3> kRxOwners{"receiver.link.rx_missed_errors",
                                                        "receiver.link.rx_errors",
                                                        "receiver.driver.rx_no_dma_resources"};
    if (change.sum(kTxOwners)) {
      const std::int64_t errors = change("sender.link.tx_errors").value_or(0);
      charges.push_back({Fate::kernel_link_tx, tx_dropped + errors, {}});
    }
    auto lost = change.sum(kRxOwners);
    if (consumer_ == FrameConsumer::udp_socket) {
      if (const auto dropped = change("receiver.link.rx_dropped"))
        lost = lost.value_or(0) + *dropped;
    }
    if (lost) charges.push_back({Fate::kernel_link_rx, *lost, {}});
  }

  // A frame of the AF_PACKET TX ring that the qdisc or the device refuses stays in the ring and is
  // sent again: each refusal counts as a drop there, and the frame once more where it ends.
  void take_off_sent_again(std::int64_t sent_again, std::int64_t& qdisc_lost,
                           std::int64_t& link_lost, std::vector<std::string>& doubts) const {
    if (link_ == LinkKind::drivers) {
      // Some count what they have sent with a delay.
    } else if (sent_again < 0 || sent_again > qdisc_lost + link_lost) {
      doubts.push_back(
          fmt::format("the sender's device sent or dropped {} frames {} than were put on it",
                      sent_again < 0 ? -sent_again : sent_again - qdisc_lost - link_lost,
                      sent_again < 0 ? "fewer" : "more"));
    } else if (sent_again != 0 && qdisc_lost > 0 && link_lost > 0 &&
               sent_again != qdisc_lost + link_lost) {
      doubts.push_back(fmt::format(
          "of {} frames that the qdisc and {} that the device refused, {} were sent again: whose "
          "the others are cannot be told",
          qdisc_lost, link_lost, sent_again));
    }
    sent_again = std::clamp<std::int64_t>(sent_again, 0, qdisc_lost + link_lost);
    const std::int64_t of_qdisc = std::min(sent_again, qdisc_lost);
    qdisc_lost -= of_qdisc;
    link_lost -= sent_again - of_qdisc;
  }

  void charge_stack(const Changes& change, const std::optional<KernelDrops>& drops,
                    std::vector<Charge>& charges, std::vector<std::string>& doubts) const {
    std::int64_t other = 0;
    for (const auto& reason : kOtherReasons) {
      if (const auto pkts = change(reason.counter)) {
        charges.push_back({Fate::kernel_other, *pkts, std::string(reason.name)});
        other += *pkts;
      }
    }
    check_entry(change, drops, other, doubts);
    if (const auto ip = change.sum(kIpOwners)) charges.push_back({Fate::kernel_ip, *ip, {}});
    const auto bad_sums = change("receiver.ipext.InCsumErrors");
    const auto bad_headers = change("receiver.ip.InHdrErrors");
    if (bad_sums && bad_headers && *bad_sums > *bad_headers) {
      doubts.push_back(
          fmt::format("receiver.ipext.InCsumErrors rose by {}, receiver.ip.InHdrErrors, which "
                      "includes it, by {}",
                      *bad_sums, *bad_headers));
    }
    if (const auto udp = udp_lost(change)) charges.push_back({Fate::kernel_udp, *udp, {}});
    const auto no_ports = change("receiver.udp.NoPorts");
    const auto in_errors = change("receiver.udp.InErrors");
    const auto delivers = change("receiver.ip.InDelivers");
    const auto datagrams = change("receiver.udp.InDatagrams");
    if (delivers && datagrams && no_ports && in_errors) {
      doubt_unless_equal(
          "receiver.ip.InDelivers", delivers, "udp.InDatagrams + NoPorts + InErrors + icmp.InMsgs",
          *datagrams + *no_ports + *in_errors + change("receiver.icmp.InMsgs").value_or(0), doubts);
    }
  }

  // What came off the link went into IP, but for what was dropped between them.
  void check_entry(const Changes& change, const std::optional<KernelDrops>& drops,
                   std::int64_t other, std::vector<std::string>& doubts) const {
    const auto rx_packets = change("receiver.link.rx_packets");
    if (!rx_packets || link_ != LinkKind::veth_pair) return;
    const std::int64_t before =
        other + std::max<std::int64_t>(0, change("receiver.link.rx_dropped").value_or(0) -
                                              change("sender.link.tx_dropped").value_or(0));
    // What a firewall or a program drops here has no counter.
    std::int64_t uncounted = drops ? uncounted_pkts(*drops) : 0;
    auto at_ip = change("receiver.ip.InReceives");
    std::string_view name = "receiver.ip.InReceives and the drops before it";
    if (joined_) {
      at_ip = change.sum(kFramesAtIp);
      name = "receiver.ipext.In*Pkts and the drops before it";
      // Those whose header was found wrong early have no ECN bits that were looked at.
      uncounted += change("receiver.ip.InHdrErrors").value_or(0);
    }
    if (!at_ip) return;
    const std::int64_t seen = *at_ip + before;
    if (seen <= *rx_packets && *rx_packets <= seen + uncounted) return;
    doubt_unless_equal(name, seen, "receiver.link.rx_packets", rx_packets, doubts);
  }

  // The socket counts what came joined as one: how many frames they were the drop reasons tell.
  static void charge_joined(const Changes& change, const std::optional<KernelDrops>& reasons,
                            std::int64_t drops, std::vector<Charge>& charges,
                            std::vector<std::string>& doubts) {
    if (const auto lost = change("receiver.udp.MemErrors").value_or(0); lost > 0) {
      doubts.push_back(fmt::format(
          "receiver.udp.MemErrors rose by {}: of how many frames each was cannot be told", lost));
    }
    const bool told = reasons && reasons->source == "bpf" && reasons->unseen_pkts == 0;
    if (told || drops == 0) {
      const std::int64_t beyond =
          told ? frames_beyond_pkts(*reasons, Fate::kernel_socket_buffer) : 0;
      charges.push_back({Fate::kernel_socket_buffer, drops + beyond, {}});
      return;
    }
    doubts.push_back(
        fmt::format("receiver.socket.drops rose by {}, each of one frame or more that came joined: "
                    "how many they were only the drop reasons tell, by BPF, which were not there; "
                    "they stay unaccounted",
                    drops));
  }

  void charge_socket(const Changes& change, const std::optional<KernelDrops>& reasons,
                     std::vector<Charge>& charges, std::vector<std::string>& doubts) const {
    const auto drops = change.of_sockets("receiver.socket", "drops");
    if (!drops) return;
    const auto no_room = change("receiver.udp.RcvbufErrors");
    if (!no_room) {
      if (joined_) return charge_joined(change, reasons, *drops, charges, doubts);
      charges.push_back({Fate::kernel_socket_buffer, *drops, {}});
      return;
    }
    // A datagram that fails its checksum, or finds no memory, is among the socket's drops too when
    // that is noticed late enough (a short one is not). Udp.InErrors charged those to kernel_udp.
    const std::int64_t may_be_among = change("receiver.udp.InCsumErrors").value_or(0) +
                                      change("receiver.udp.MemErrors").value_or(0);
    const std::int64_t beyond = *drops - *no_room;
    const bool agree = beyond >= 0 && beyond <= may_be_among;
    if (!agree) {
      doubts.push_back(fmt::format(
          "receiver.socket.drops rose by {}, receiver.udp.RcvbufErrors by {}", *drops, *no_room));
    }
    const std::int64_t lost = agree ? *no_room : *drops;
    if (joined_) return charge_joined(change, reasons, lost, charges, doubts);
    charges.push_back({Fate::kernel_socket_buffer, lost, {}});
  }

  void charge_ring(const Changes& change, std::vector<Charge>& charges,
                   std::vector<std::string>& doubts) const {
    if (const auto drops = change.of_sockets("receiver.packet_ring", "tp_drops")) {
      charges.push_back({Fate::kernel_packet_ring, *drops, {}});
    }
    if (link_ == LinkKind::drivers) return;
    doubt_unless_equal("receiver.packet_ring.tp_packets",
                       change.of_sockets("receiver.packet_ring", "tp_packets"),
                       "receiver.link.rx_packets", change("receiver.link.rx_packets"), doubts);
  }

  // The program itself loses nothing; the socket behind it may.
  void charge_xdp(const Changes& change, std::vector<Charge>& charges,
                  std::vector<std::string>& doubts) const {
    if (const auto lost = change.sum(kXdpSocketOwners)) {
      charges.push_back({Fate::kernel_xdp_ring, *lost, {}});
    }
    if (link_ == LinkKind::drivers) return;
    doubt_unless_equal("receiver.xdp.pkts", change("receiver.xdp.pkts"), "receiver.link.rx_packets",
                       change("receiver.link.rx_packets"), doubts);
  }

  static void take_off_warmup(const Changes& change, std::vector<Charge>& charges,
                              std::vector<std::string>& doubts) {
    std::int64_t lost = lost_in_warmup(change).value_or(0);
    if (lost < 0) {
      doubts.push_back(fmt::format("{} more warm-up frames arrived than were sent", -lost));
      return;
    }
    if (lost == 0) return;
    const auto owners =
        std::ranges::count_if(charges, [](const Charge& charge) { return charge.pkts > 0; });
    if (owners > 1) {
      doubts.push_back(fmt::format(
          "{} frames were lost in the warm-up, and {} counters lost frames: which of them lost the "
          "warm-up's cannot be told",
          lost, owners));
    }
    while (lost > 0) {
      const auto largest = std::ranges::max_element(charges, {}, &Charge::pkts);
      if (largest == charges.end() || largest->pkts <= 0) return;  // they had no owner either
      const std::int64_t part = std::min(lost, largest->pkts);
      largest->pkts -= part;
      lost -= part;
    }
  }

  FrameConsumer consumer_;
  bool joined_;
  LinkKind link_;
  std::shared_ptr<const TrialDrops> watched_;
  WayNamespaces namespaces_;
  std::string not_watched_;
  std::optional<DropReasonWatch> watch_;  // from begin_watch()
  std::optional<KernelDrops> drops_;      // from end_watch()
};

}  // namespace

Result<std::unique_ptr<CounterBooks>> make_kernel_books(const TrialOrder& way,
                                                        std::shared_ptr<const TrialDrops> drops,
                                                        LinkKind link) {
  if (const auto consumer = consumer_of(way.path))
    return std::make_unique<KernelBooks>(*consumer, way, link, std::move(drops));
  return fail(Errc::bad_experiment, fmt::format("path {}: has no kernel books", name_of(way.path)));
}

}  // namespace pollmark
