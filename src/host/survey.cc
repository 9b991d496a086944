#include "host/survey.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "host/driver_counters.h"
#include "host/file_text.h"
#include "host/loss_causes.h"
#include "host/netlink.h"
#include "host/netns.h"
#include "host/proc_counters.h"
#include "host/socket_counters.h"

namespace pollmark {
namespace {

constexpr std::array kAllLayers{SurveyLayer::link,        SurveyLayer::driver,
                                SurveyLayer::queue_stats, SurveyLayer::traffic_control,
                                SurveyLayer::softnet,     SurveyLayer::protocols,
                                SurveyLayer::conntrack,   SurveyLayer::sockets,
                                SurveyLayer::files};

// Empty where there is no such file.
std::string whole_file(const std::string& name) {
  return read_text_at(AT_FDCWD, name).value_or(std::string());
}

// With offloads on, these layers count what the stack handles at once: several frames of a wire.
constexpr std::array<std::string_view, 6> kCountSuperPackets{"link",    "qdisc", "class",
                                                             "ingress", "ip",    "ip6"};
// 32 bits wide in the kernel; /proc/net/{snmp,netstat} and link statistics have 64 here.
constexpr std::array<std::string_view, 8> kNarrowLayers{"qdisc",      "class",        "ingress",
                                                        "softnet",    "conntrack",    "udp_socket",
                                                        "tcp_socket", "packet_socket"};

template <std::size_t n>
bool is_in(const std::array<std::string_view, n>& list, std::string_view word) {
  return std::ranges::find(list, word) != list.end();
}

std::string unit_of(std::string_view layer, std::string_view counter) {
  if (counter.ends_with("bytes") || counter.ends_with("Octets")) return "bytes";
  if (counter == "carrier_changes" || counter == "time_squeeze" || counter == "overlimits" ||
      counter == "requeues") {
    return "events";
  }
  if (is_in(kCountSuperPackets, layer)) return "super_packets";
  return layer == "driver" || layer == "qstats" || layer == "softnet" ? "frames" : "segments";
}

CounterFacts facts_of(std::string_view layer, const std::string& name) {
  const std::string_view counter = parts_of(name).counter;
  CounterFacts facts;
  facts.layer = layer;
  facts.unit = unit_of(layer, counter);
  facts.scope = layer == "softnet" ? "host" : "namespace";
  facts.bits = is_in(kNarrowLayers, layer) && facts.unit != "bytes" ? 32 : 64;
  if (counter == "carrier_changes") facts.bits = 32;
  // A driver names freely, and whether the link's counters repeat its own is not known.
  if (layer == "driver" || layer == "qstats") return facts;
  if (const LossCause* cause = cause_of(name); cause != nullptr) facts.role = cause->role;
  return facts;
}

bool is_a_level(std::string_view name) {
  return name == "tcp.CurrEstab" || name == "ip.Forwarding" || name == "ip.DefaultTTL" ||
         name == "tcp.RtoAlgorithm" || name == "tcp.RtoMin" || name == "tcp.RtoMax";
}

class Reading {
 public:
  Reading(const SurveyOrder& order, Netlink netlink, std::vector<LinkState> links)
      : order_(order), netlink_(std::move(netlink)), links_(std::move(links)) {}

  Survey take() && {
    for (const SurveyLayer layer : order_.layers) read(layer);
    return std::move(survey_);
  }

 private:
  void read(SurveyLayer layer) {
    switch (layer) {
      case SurveyLayer::link:
        return read_links();
      case SurveyLayer::driver:
        return read_drivers();
      case SurveyLayer::queue_stats:
        return read_queues();
      case SurveyLayer::traffic_control:
        return read_traffic_control();
      case SurveyLayer::softnet:
        return put_all("softnet", "softnet.",
                       parse_softnet(whole_file("/proc/thread-self/net/softnet_stat")));
      case SurveyLayer::protocols:
        return read_protocols();
      case SurveyLayer::conntrack:
        return read_conntrack();
      case SurveyLayer::sockets:
        return read_sockets();
      case SurveyLayer::files:
        return read_files();
    }
  }

  void put(std::string_view layer, const std::string& name, std::uint64_t value) {
    put_counter(survey_.counters, name, value, facts_of(layer, name));
  }
  void put_all(std::string_view layer, const std::string& prefix, const NamedCounters& counters) {
    for (const auto& [name, value] : counters) put(layer, prefix + name, value);
  }

  void read_links() {
    for (const LinkState& link : links_) {
      for (const auto& [name, value] : link.stats) {
        put("link", fmt::format("link.{}.{}", link.netdev, name), value);
      }
      put("link", fmt::format("link.{}.carrier_changes", link.netdev), link.carrier_changes);
    }
  }

  void read_drivers() {
    for (const LinkState& link : links_) {
      // Refused: the driver has no statistics of its own.
      if (const auto counters = read_driver_counters(link.netdev)) {
        put_all("driver", fmt::format("driver.{}.", link.netdev), *counters);
      }
    }
  }

  void read_queues() {
    const auto devices = read_queue_counters(-1);
    if (!devices) return note("queue_stats", devices.error());
    for (const LinkState& link : links_) {
      if (const auto found = devices->find(link.ifindex); found != devices->end()) {
        put_all("qstats", fmt::format("qstats.{}.", link.netdev), found->second);
      }
    }
  }

  void put_tc(std::string_view layer, const std::string& prefix, const TcStats& stats) {
    put_all(layer, prefix,
            {{"bytes", stats.bytes},
             {"drops", stats.drops},
             {"overlimits", stats.overlimits},
             {"packets", stats.packets},
             {"requeues", stats.requeues}});
  }

  void read_traffic_control() {
    const auto qdiscs = netlink_.qdiscs();
    if (!qdiscs) return note("traffic_control", qdiscs.error());
    for (const LinkState& link : links_) {
      std::vector<QdiscState> own;
      std::ranges::copy_if(*qdiscs, std::back_inserter(own), [&](const QdiscState& qdisc) {
        return qdisc.ifindex == link.ifindex && qdisc.kind != "noqueue";
      });
      for (const QdiscState& qdisc : own) read_qdisc(link, qdisc, own);
      if (!own.empty()) read_classes(link);
    }
  }

  void read_qdisc(const LinkState& link, const QdiscState& qdisc,
                  const std::vector<QdiscState>& all) {
    const std::string_view layer = qdisc.ingress ? "ingress" : "qdisc";
    const std::string prefix = fmt::format("{}.{}.{}.", layer, link.netdev, qdisc_text(qdisc));
    put_tc(layer, prefix, qdisc.stats);
    if (has_leaves(qdisc, all)) {
      survey_.counters.facts.at(prefix + "drops").role = CounterRole::echo;
    }
  }

  static bool has_leaves(const QdiscState& qdisc, const std::vector<QdiscState>& all) {
    if (qdisc.ingress || (qdisc.handle == 0 && !qdisc.root)) return false;
    return std::ranges::any_of(all, [&](const QdiscState& other) {
      return !other.root && !other.ingress && (other.parent >> 16) == (qdisc.handle >> 16);
    });
  }

  void read_classes(const LinkState& link) {
    const auto classes = netlink_.classes(link.ifindex);
    if (!classes) return note(fmt::format("classes of {}", link.netdev), classes.error());
    for (const ClassState& one : *classes) {
      put_tc("class",
             fmt::format("class.{}.{}[{}].", link.netdev, one.kind, tc_handle_text(one.handle)),
             one.stats);
    }
  }

  // thread-self: /proc/net is the main thread's namespace.
  void read_protocols() {
    NamedCounters counters = parse_snmp(whole_file("/proc/thread-self/net/snmp"));
    counters.merge(parse_snmp(whole_file("/proc/thread-self/net/netstat")));
    counters.merge(parse_snmp6(whole_file("/proc/thread-self/net/snmp6")));
    for (const auto& [name, value] : counters) {
      if (is_a_level(name)) {
        survey_.levels[name] = value;
      } else {
        put(name.substr(0, name.find('.')), name, value);
      }
    }
  }

  void read_conntrack() {
    NamedCounters counters = parse_conntrack(whole_file("/proc/thread-self/net/stat/nf_conntrack"));
    if (const auto entries = counters.extract("entries")) {
      survey_.levels["conntrack.entries"] = entries.mapped();
    }
    put_all("conntrack", "conntrack.", counters);
  }

  void read_sockets() {
    constexpr std::array kSocketKinds{std::pair{SocketKind::udp, "udp_socket"},
                                      std::pair{SocketKind::tcp_listener, "tcp_socket"},
                                      std::pair{SocketKind::packet, "packet_socket"}};
    for (const auto& [kind, layer] : kSocketKinds) {
      const auto sockets = read_socket_drops(-1, kind);
      if (!sockets) {
        note(layer, sockets.error());
        continue;
      }
      for (const SocketDrops& socket : *sockets) {
        put(layer, fmt::format("{}[{}#{}].drops", layer, socket.address, socket.inode),
            socket.drops);
      }
    }
  }

  void read_files() {
    if (const auto files = parse_file_nr(whole_file("/proc/sys/fs/file-nr"))) {
      survey_.levels["files.allocated"] = files->allocated;
      survey_.levels["files.max"] = files->max;
    }
  }

  void note(const std::string& what, const Error& error) { survey_.not_read[what] = error.text(); }

  const SurveyOrder& order_;
  Netlink netlink_;
  std::vector<LinkState> links_;
  Survey survey_;
};

}  // namespace

std::span<const SurveyLayer> all_survey_layers() { return kAllLayers; }

Result<Survey> read_survey(const SurveyOrder& order) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(order.netns_fd));
  PM_TRY(Netlink netlink, Netlink::open(-1));
  std::vector<LinkState> links;
  if (order.netdev.empty()) {
    PM_TRY(links, netlink.links());
  } else {
    PM_TRY(links.emplace_back(), netlink.link(order.netdev));
  }
  return Reading(order, std::move(netlink), std::move(links)).take();
}

}  // namespace pollmark
