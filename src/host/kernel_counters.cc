#include "host/kernel_counters.h"

#include <fmt/format.h>
#include <linux/if_xdp.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "host/loss_causes.h"
#include "host/packet_socket.h"
#include "host/survey.h"

namespace pollmark {
namespace {

constexpr std::array<std::string_view, 8> kIpOwners{
    "ip.InHdrErrors", "ip.InAddrErrors",  "ip.InUnknownProtos",    "ip.InDiscards",
    "ip.FragFails",   "ipext.InNoRoutes", "ipext.InTruncatedPkts", "tcpext.IPReversePathFilter"};
constexpr std::array<std::string_view, 2> kUdpOwners{"udp.NoPorts", "udp.InErrors"};
constexpr std::array<std::string_view, 7> kEchoes{
    "ip.InReceives",    "ip.InDelivers",    "ipext.InCsumErrors", "udp.InDatagrams",
    "udp.RcvbufErrors", "udp.InCsumErrors", "udp.MemErrors"};

// Others of these files say nothing about received frames.
bool is_of_interest(std::string_view name) {
  return name.starts_with("ip.") || name.starts_with("udp.") || name.starts_with("icmp.Out") ||
         name == "icmp.InMsgs" || name.starts_with("ipext.In") ||
         name == "tcpext.IPReversePathFilter" || name == "tcpext.BusyPollRxPackets";
}

CounterRole role_of(std::string_view name, FrameConsumer consumer) {
  if (consumer != FrameConsumer::udp_socket) return CounterRole::context;
  if (std::ranges::find(kIpOwners, name) != kIpOwners.end()) return CounterRole::owner;
  if (std::ranges::find(kUdpOwners, name) != kUdpOwners.end()) return CounterRole::owner;
  if (std::ranges::find(kEchoes, name) != kEchoes.end()) return CounterRole::echo;
  return CounterRole::context;
}

bool is_of_an_endpoint(std::string_view name) {
  return name.starts_with("tcp.") || name.starts_with("tcpext.") || name.starts_with("udp.");
}

struct Selected {
  std::string_view counter;
  CounterRole role;
};
constexpr std::array kOfSendersLink{
    Selected{"tx_packets", CounterRole::echo}, Selected{"tx_dropped", CounterRole::owner},
    Selected{"tx_errors", CounterRole::context}, Selected{"carrier_changes", CounterRole::context}};
// Owners only for what goes up the stack: a packet ring has its copy already, XDP the frame.
constexpr std::array kOfReceiversLink{Selected{"rx_packets", CounterRole::echo},
                                      Selected{"rx_dropped", CounterRole::owner},
                                      Selected{"rx_missed_errors", CounterRole::owner},
                                      Selected{"rx_nohandler", CounterRole::owner},
                                      Selected{"rx_otherhost_dropped", CounterRole::owner},
                                      Selected{"rx_errors", CounterRole::context},
                                      Selected{"carrier_changes", CounterRole::context}};

constexpr std::array kOfAnEndpointsLink{
    Selected{"tx_packets", CounterRole::context}, Selected{"tx_dropped", CounterRole::context},
    Selected{"rx_packets", CounterRole::context}, Selected{"rx_dropped", CounterRole::context},
    Selected{"carrier_changes", CounterRole::context}};

// The parts of one end's survey, under the trial's names. On its devices nothing joins frames.
class Selection {
 public:
  Selection(const Survey& survey, std::string netdev, std::string side)
      : survey_(survey), netdev_(std::move(netdev)), side_(std::move(side)) {}

  template <std::size_t n>
  void take_link(const std::array<Selected, n>& selected, FrameConsumer consumer) {
    for (const auto& [counter, role] : selected) {
      const bool charged = role != CounterRole::owner || consumer == FrameConsumer::udp_socket;
      take(fmt::format("link.{}.{}", netdev_, counter), fmt::format("{}.link.{}", side_, counter),
           charged ? role : CounterRole::context);
    }
  }

  // Sum over the device's root qdisc, which repeats what is below it, and its ingress filters. A
  // device without a qdisc (noqueue) keeps no such counter, and loses nothing there: 0.
  void take_qdiscs(std::string_view counter, const std::string& name, CounterRole role) {
    put_tc(counter, name, role, [](const CounterName& parts) {
      return parts.layer == "ingress" || parts.subject.ends_with(" root]");
    });
  }
  void take_ingress(std::string_view counter, const std::string& name, CounterRole role) {
    put_tc(counter, name, role, [](const CounterName& parts) { return parts.layer == "ingress"; });
  }

  // What the driver counts of loss by itself.
  void take_driver() {
    for (const auto& entry : survey_.counters.values) {
      const CounterName parts = parts_of(entry.first);
      if ((parts.layer != "driver" && parts.layer != "qstats") || cause_of(entry.first) == nullptr)
        continue;
      take(entry.first, fmt::format("{}.{}.{}", side_, parts.layer, parts.counter),
           CounterRole::context);
    }
  }

  void take_protocols(FrameConsumer consumer) {
    for (const auto& entry : survey_.counters.values) {
      if (!is_of_interest(entry.first)) continue;
      take(entry.first, side_ + "." + entry.first, role_of(entry.first, consumer));
    }
  }

  // TCP's and UDP's own.
  void take_endpoint() {
    for (const auto& entry : survey_.counters.values) {
      if (!is_of_an_endpoint(entry.first)) continue;
      take(entry.first, side_ + "." + entry.first, CounterRole::context);
    }
  }

  void take(const std::string& from, const std::string& name, CounterRole role) {
    const auto found = survey_.counters.values.find(from);
    if (found == survey_.counters.values.end()) return;
    CounterFacts facts = survey_.counters.facts.at(from);
    facts.role = role;
    if (facts.unit != "events") facts.unit = "frames";
    put_counter(taken_, name, found->second, std::move(facts));
  }

  CounterSnapshot taken() && { return std::move(taken_); }

 private:
  template <typename Wanted>
  void put_tc(std::string_view counter, const std::string& name, CounterRole role, Wanted wanted) {
    std::uint64_t sum = 0;
    for (const auto& [full_name, value] : survey_.counters.values) {
      const CounterName parts = parts_of(full_name);
      if (parts.netdev == netdev_ && parts.counter == counter && wanted(parts)) sum += value;
    }
    CounterFacts facts{.layer = "qdisc", .scope = "namespace", .role = role, .bits = 32};
    if (counter == "requeues") facts.unit = "events";
    put_counter(taken_, name, sum, std::move(facts));
  }

  const Survey& survey_;
  std::string netdev_;
  std::string side_;
  CounterSnapshot taken_;
};

constexpr std::array kSenderLayers{SurveyLayer::link, SurveyLayer::driver, SurveyLayer::queue_stats,
                                   SurveyLayer::traffic_control};
constexpr std::array kReceiverLayers{SurveyLayer::link,        SurveyLayer::driver,
                                     SurveyLayer::queue_stats, SurveyLayer::traffic_control,
                                     SurveyLayer::protocols,   SurveyLayer::softnet};

constexpr std::array kEndpointLayers{SurveyLayer::link, SurveyLayer::protocols};

Result<Survey> survey_of(const NetdevPlace& place, std::span<const SurveyLayer> layers) {
  return read_survey({.netns_fd = place.netns_fd, .netdev = place.netdev, .layers = layers});
}

}  // namespace

std::optional<FrameConsumer> consumer_of(Path path) {
  switch (path) {
    case Path::udp_socket:
      return FrameConsumer::udp_socket;
    case Path::dpdk:
    case Path::packet_mmap:
      return FrameConsumer::packet_ring;
    case Path::af_xdp:
    case Path::xdp_drop:
      return FrameConsumer::xdp;
    case Path::model:
    case Path::tcp_stream:
    case Path::tcp_rr:
    case Path::tcp_crr:
    case Path::udp_rr:
      return std::nullopt;
  }
  PM_CHECK(false);
}

void put_packet_ring_counters(CounterSnapshot& snapshot, const PacketStatistics& total,
                              std::string_view which) {
  const std::string ring = fmt::format("receiver.packet_ring{}", which);
  CounterFacts facts{.layer = "packet_ring", .scope = "socket", .role = CounterRole::owner};
  put_counter(snapshot, ring + ".tp_drops", total.drops, facts);
  facts.role = CounterRole::echo;
  put_counter(snapshot, ring + ".tp_packets", total.packets, facts);
}

void put_xdp_socket_counters(CounterSnapshot& snapshot, const xdp_statistics& now) {
  CounterFacts facts{.layer = "xdp_socket", .scope = "socket", .role = CounterRole::owner};
  put_counter(snapshot, "receiver.xdp_socket.rx_dropped", now.rx_dropped, facts);
  put_counter(snapshot, "receiver.xdp_socket.rx_ring_full", now.rx_ring_full, facts);
  facts.role = CounterRole::context;
  put_counter(snapshot, "receiver.xdp_socket.rx_fill_ring_empty_descs",
              now.rx_fill_ring_empty_descs, facts);
}

Result<CounterSnapshot> read_sender_counters(const NetdevPlace& place) {
  PM_TRY(const Survey survey, survey_of(place, kSenderLayers));
  Selection selection(survey, place.netdev, "sender");
  selection.take_link(kOfSendersLink, FrameConsumer::udp_socket);
  selection.take_driver();
  selection.take_qdiscs("drops", "sender.qdisc.drops", CounterRole::owner);
  selection.take_qdiscs("requeues", "sender.qdisc.requeues", CounterRole::context);
  return std::move(selection).taken();
}

Result<CounterSnapshot> read_receiver_counters(const NetdevPlace& place, FrameConsumer consumer) {
  PM_TRY(const Survey survey, survey_of(place, kReceiverLayers));
  Selection selection(survey, place.netdev, "receiver");
  selection.take_link(kOfReceiversLink, consumer);
  selection.take_driver();
  selection.take_ingress(
      "drops", "receiver.qdisc.ingress_drops",
      consumer == FrameConsumer::udp_socket ? CounterRole::owner : CounterRole::context);
  selection.take_protocols(consumer);
  selection.take("softnet.dropped", "host.softnet.dropped", CounterRole::context);
  selection.take("softnet.time_squeeze", "host.softnet.time_squeeze", CounterRole::context);
  return std::move(selection).taken();
}

Result<CounterSnapshot> read_stack_counters(const NetdevPlace& place, std::string_view side) {
  PM_TRY(const Survey survey, survey_of(place, kEndpointLayers));
  Selection selection(survey, place.netdev, std::string(side));
  selection.take_link(kOfAnEndpointsLink, FrameConsumer::udp_socket);
  selection.take_endpoint();
  return std::move(selection).taken();
}

}  // namespace pollmark
