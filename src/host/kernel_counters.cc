#include "host/kernel_counters.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "base/text.h"
#include "host/netlink.h"
#include "host/packet_socket.h"

namespace pollmark {
namespace {

std::string whole_file(const std::string& name) {
  std::ifstream in(name);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

CounterFacts facts_of(std::string layer, CounterRole role, std::string scope = "namespace") {
  CounterFacts facts;
  facts.layer = std::move(layer);
  facts.scope = std::move(scope);
  facts.role = role;
  return facts;
}

// /proc/net/snmp and netstat are arrays of unsigned long in the kernel: 64 bits here.
constexpr std::array<std::string_view, 7> kIpOwners{
    "ip.InHdrErrors",   "ip.InAddrErrors",       "ip.InUnknownProtos",        "ip.InDiscards",
    "ipext.InNoRoutes", "ipext.InTruncatedPkts", "tcpext.IPReversePathFilter"};
constexpr std::array<std::string_view, 2> kUdpOwners{"udp.NoPorts", "udp.InErrors"};
constexpr std::array<std::string_view, 7> kEchoes{
    "ip.InReceives",    "ip.InDelivers",    "ipext.InCsumErrors", "udp.InDatagrams",
    "udp.RcvbufErrors", "udp.InCsumErrors", "udp.MemErrors"};

// Others of these files say nothing about received frames.
bool is_of_interest(std::string_view name) {
  return name.starts_with("ip.") || name.starts_with("udp.") || name.starts_with("icmp.Out") ||
         name == "icmp.InMsgs" || name.starts_with("ipext.In") ||
         name == "tcpext.IPReversePathFilter";
}

// "ip.Forwarding", "ip.DefaultTTL" are settings.
bool is_a_setting(std::string_view name) {
  return name == "ip.Forwarding" || name == "ip.DefaultTTL";
}

// CurrEstab falls, tcp.Rto* are settings.
bool is_of_an_endpoint(std::string_view name) {
  if (name == "tcp.CurrEstab" || name.starts_with("tcp.Rto")) return false;
  return name.starts_with("tcp.") || name.starts_with("tcpext.") || name.starts_with("udp.");
}

struct StackTexts {
  std::string snmp;
  std::string netstat;
  std::string softnet;

  [[nodiscard]] std::map<std::string, std::uint64_t> counters() const {
    auto all = parse_snmp(snmp);
    all.merge(parse_snmp(netstat));
    return all;
  }
};

Result<StackTexts> read_stack(const NetdevPlace& place) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(place.netns_fd));
  // thread-self: /proc/net is the main thread's namespace.
  return StackTexts{whole_file("/proc/thread-self/net/snmp"),
                    whole_file("/proc/thread-self/net/netstat"),
                    whole_file("/proc/thread-self/net/softnet_stat")};
}

CounterRole role_of(std::string_view name, FrameConsumer consumer) {
  if (consumer == FrameConsumer::packet_ring) return CounterRole::context;
  if (std::ranges::find(kIpOwners, name) != kIpOwners.end()) return CounterRole::owner;
  if (std::ranges::find(kUdpOwners, name) != kUdpOwners.end()) return CounterRole::owner;
  if (std::ranges::find(kEchoes, name) != kEchoes.end()) return CounterRole::echo;
  return CounterRole::context;
}

}  // namespace

void put_counter(CounterSnapshot& snapshot, const std::string& name, std::uint64_t value,
                 CounterFacts facts) {
  snapshot.values[name] = value;
  snapshot.facts[name] = std::move(facts);
}

void put_packet_ring_counters(CounterSnapshot& snapshot, const PacketStatistics& total) {
  put_counter(snapshot, "receiver.packet_ring.tp_drops", total.drops,
              facts_of("packet_ring", CounterRole::owner, "socket"));
  put_counter(snapshot, "receiver.packet_ring.tp_packets", total.packets,
              facts_of("packet_ring", CounterRole::echo, "socket"));
}

std::map<std::string, std::uint64_t> parse_snmp(std::string_view text) {
  std::map<std::string, std::uint64_t> counters;
  const auto lines = split(text, '\n');
  for (std::size_t i = 0; i + 1 < lines.size(); i += 2) {
    const auto names = split(lines[i], ' ');
    const auto values = split(lines[i + 1], ' ');
    if (names.empty() || values.empty() || names[0] != values[0] || !names[0].ends_with(':')) {
      continue;
    }
    std::string protocol = names[0].substr(0, names[0].size() - 1);
    std::ranges::transform(protocol, protocol.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    for (std::size_t k = 1; k < std::min(names.size(), values.size()); ++k) {
      std::uint64_t value = 0;
      const char* end = values[k].data() + values[k].size();
      if (values[k].empty() || std::from_chars(values[k].data(), end, value).ptr != end) continue;
      counters[protocol + "." + names[k]] = value;
    }
  }
  return counters;
}

std::optional<SoftnetTotals> parse_softnet(std::string_view text) {
  constexpr std::size_t kReceivedRps = 9;
  SoftnetTotals totals;
  bool any = false;
  for (const auto& line : split(text, '\n')) {
    if (trimmed(line).empty()) continue;
    std::vector<std::uint64_t> columns;
    for (const std::string& column : split(line, ' ')) {
      std::uint64_t value = 0;
      const char* end = column.data() + column.size();
      if (column.empty() || std::from_chars(column.data(), end, value, 16).ptr != end) {
        return std::nullopt;
      }
      columns.push_back(value);
    }
    if (columns.size() < 3) return std::nullopt;
    totals.processed += columns[0];
    totals.dropped += columns[1];
    totals.time_squeeze += columns[2];
    if (columns.size() > kReceivedRps) {
      totals.received_rps = totals.received_rps.value_or(0) + columns[kReceivedRps];
    }
    any = true;
  }
  return any ? std::optional(totals) : std::nullopt;
}

Result<CounterSnapshot> read_sender_counters(const NetdevPlace& place) {
  PM_TRY(Netlink netlink, Netlink::open(place.netns_fd));
  PM_TRY(const LinkState link, netlink.link(place.netdev));
  PM_TRY(const auto qdiscs, netlink.qdiscs(place.netdev));
  CounterSnapshot snapshot;
  const auto owner = facts_of("link", CounterRole::owner);
  const auto echo = facts_of("link", CounterRole::echo);
  const auto context = facts_of("link", CounterRole::context);
  put_counter(snapshot, "sender.link.tx_packets", link.stats.tx_packets, echo);
  put_counter(snapshot, "sender.link.tx_dropped", link.stats.tx_dropped, owner);
  put_counter(snapshot, "sender.link.tx_errors", link.stats.tx_errors, context);
  put_counter(snapshot, "sender.link.carrier_changes", link.carrier_changes, context);
  // A device without a queueing discipline (noqueue) keeps no such counter, and loses nothing
  // there.
  std::uint64_t drops = 0;
  std::uint64_t requeues = 0;
  for (const auto& qdisc : qdiscs) {
    if (!qdisc.root && !qdisc.ingress) continue;
    drops += qdisc.drops;
    requeues += qdisc.requeues;
  }
  auto of_qdisc = facts_of("qdisc", CounterRole::owner);
  of_qdisc.bits = 32;
  put_counter(snapshot, "sender.qdisc.drops", drops, of_qdisc);
  of_qdisc.role = CounterRole::context;
  of_qdisc.unit = "events";
  put_counter(snapshot, "sender.qdisc.requeues", requeues, of_qdisc);
  return snapshot;
}

Result<CounterSnapshot> read_receiver_counters(const NetdevPlace& place, FrameConsumer consumer) {
  const bool up_the_stack = consumer == FrameConsumer::udp_socket;
  PM_TRY(Netlink netlink, Netlink::open(place.netns_fd));
  PM_TRY(const LinkState link, netlink.link(place.netdev));
  PM_TRY(const auto qdiscs, netlink.qdiscs(place.netdev));
  CounterSnapshot snapshot;
  const auto owner = facts_of("link", up_the_stack ? CounterRole::owner : CounterRole::context);
  const auto echo = facts_of("link", CounterRole::echo);
  const auto context = facts_of("link", CounterRole::context);
  const LinkStats& stats = link.stats;
  put_counter(snapshot, "receiver.link.rx_packets", stats.rx_packets, echo);
  put_counter(snapshot, "receiver.link.rx_dropped", stats.rx_dropped, owner);
  put_counter(snapshot, "receiver.link.rx_missed_errors", stats.rx_missed_errors, owner);
  put_counter(snapshot, "receiver.link.rx_errors", stats.rx_errors, context);
  put_counter(snapshot, "receiver.link.carrier_changes", link.carrier_changes, context);
  if (stats.rx_nohandler) {
    put_counter(snapshot, "receiver.link.rx_nohandler", *stats.rx_nohandler, owner);
  }
  if (stats.rx_otherhost_dropped) {
    put_counter(snapshot, "receiver.link.rx_otherhost_dropped", *stats.rx_otherhost_dropped, owner);
  }
  std::uint64_t ingress_drops = 0;
  for (const auto& qdisc : qdiscs) {
    if (qdisc.ingress) ingress_drops += qdisc.drops;
  }
  auto of_qdisc = facts_of("qdisc", up_the_stack ? CounterRole::owner : CounterRole::context);
  of_qdisc.bits = 32;
  put_counter(snapshot, "receiver.qdisc.ingress_drops", ingress_drops, of_qdisc);

  PM_TRY(const StackTexts texts, read_stack(place));
  for (const auto& [name, value] : texts.counters()) {
    if (!is_of_interest(name) || is_a_setting(name)) continue;
    put_counter(snapshot, "receiver." + name, value,
                facts_of(name.substr(0, name.find('.')), role_of(name, consumer)));
  }
  if (const auto totals = parse_softnet(texts.softnet)) {
    auto of_host = facts_of("softnet", CounterRole::context, "host");
    of_host.bits = 32;
    put_counter(snapshot, "host.softnet.dropped", totals->dropped, of_host);
    of_host.unit = "events";
    put_counter(snapshot, "host.softnet.time_squeeze", totals->time_squeeze, of_host);
  }
  return snapshot;
}

Result<CounterSnapshot> read_stack_counters(const NetdevPlace& place, std::string_view side) {
  PM_TRY(Netlink netlink, Netlink::open(place.netns_fd));
  PM_TRY(const LinkState link, netlink.link(place.netdev));
  PM_TRY(const StackTexts texts, read_stack(place));
  const std::string prefix = std::string(side) + ".";
  CounterSnapshot snapshot;
  const auto put = [&](const std::string& name, std::uint64_t value) {
    put_counter(snapshot, prefix + name, value,
                facts_of(name.substr(0, name.find('.')), CounterRole::context));
  };
  put("link.tx_packets", link.stats.tx_packets);
  put("link.tx_dropped", link.stats.tx_dropped);
  put("link.rx_packets", link.stats.rx_packets);
  put("link.rx_dropped", link.stats.rx_dropped);
  put("link.carrier_changes", link.carrier_changes);
  for (const auto& [name, value] : texts.counters()) {
    if (is_of_an_endpoint(name)) put(name, value);
  }
  return snapshot;
}

}  // namespace pollmark
