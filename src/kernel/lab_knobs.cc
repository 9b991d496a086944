#include "kernel/lab_knobs.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <utility>

#include "base/text.h"
#include "base/units.h"
#include "host/cpu_time.h"
#include "host/ethtool.h"
#include "host/file_text.h"
#include "host/loss_causes.h"
#include "host/nft_rules.h"
#include "host/proc_counters.h"
#include "host/survey.h"
#include "host/turned_knob.h"
#include "trial/forwarding_receiver.h"

namespace pollmark {
namespace {

using Count = std::optional<std::uint64_t>;

Count find_count(const NamedCounters& counters, const std::string& name) {
  const auto found = counters.find(name);
  return found == counters.end() ? Count() : Count(found->second);
}

constexpr std::array kSignLayers{SurveyLayer::link, SurveyLayer::traffic_control,
                                 SurveyLayer::protocols, SurveyLayer::softnet};

// What the survey of an end tells; nothing where it cannot be read.
NamedCounters counters_at(const NetdevPlace& place) {
  auto survey =
      read_survey({.netns_fd = place.netns_fd, .netdev = place.netdev, .layers = kSignLayers});
  return survey ? std::move(survey->counters.values) : NamedCounters();
}

// Of the device's root queueing discipline, as far as it has one that counts.
Count root_qdisc_count(const NamedCounters& counters, std::string_view counter) {
  for (const auto& [name, value] : counters) {
    const CounterName parts = pollmark::parts_of(name);
    if (parts.layer == "qdisc" && parts.counter == counter && parts.subject.ends_with(" root]"))
      return value;
  }
  return std::nullopt;
}

// None where they cannot be read.
std::map<std::string, FeatureState> features_at(const NetdevPlace& place) {
  const auto inside = ScopedNetns::enter(place.netns_fd);
  if (!inside) return {};
  return read_features(place.netdev).value_or(std::map<std::string, FeatureState>());
}

// Threads of the kernel that poll a device of that name, in whatever namespace.
std::vector<int> napi_threads_of(const std::string& netdev) {
  std::vector<int> threads;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc", error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename();
    int pid = 0;
    const auto [rest, code] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (code != std::errc() || rest != name.data() + name.size()) continue;
    const auto comm = read_text_at(AT_FDCWD, it->path() / "comm");
    if (comm && comm->starts_with("napi/" + netdev + "-")) threads.push_back(pid);
  }
  std::ranges::sort(threads);
  return threads;
}

Count cpu_ns_of(const std::vector<int>& threads) {
  if (threads.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const int thread : threads) {
    const auto text = read_text_at(AT_FDCWD, fmt::format("/proc/{}/schedstat", thread));
    if (!text) return std::nullopt;
    std::uint64_t ns = 0;
    std::from_chars(text->data(), text->data() + text->size(), ns);
    sum += ns;
  }
  return sum;
}

// IP packets by their ECN bits: the only counters that take what came joined for what it was before
// (net/ipv4/ip_input.c; InReceives and InSegs take it for one).
Count segments_of(const NamedCounters& counters) {
  std::uint64_t sum = 0;
  for (const char* name :
       {"ipext.InNoECTPkts", "ipext.InECT1Pkts", "ipext.InECT0Pkts", "ipext.InCEPkts"}) {
    const Count pkts = find_count(counters, name);
    if (!pkts) return std::nullopt;
    sum += *pkts;
  }
  return sum;
}

bool feature_is_active(const std::map<std::string, FeatureState>& features, const char* name) {
  const auto found = features.find(name);
  return found != features.end() && found->second.active;
}

// after - before; nullopt where either was not told.
Count grown(const KnobSigns& before, const KnobSigns& after, Count KnobSigns::*sign) {
  if (!(before.*sign) || !(after.*sign) || *(after.*sign) < *(before.*sign)) return std::nullopt;
  return *(after.*sign) - *(before.*sign);
}

// It acted when so much was counted.
KnobEvidence counted(Count many, std::string_view what, std::string_view if_none) {
  if (!many) return {false, fmt::format("{}: not told", what)};
  if (*many == 0) return {false, std::string(if_none)};
  return {true, fmt::format("{} {}", grouped(static_cast<std::int64_t>(*many)), what)};
}

// Several segments in one packet, by so much.
Count joined(Count segments, Count packets) {
  if (!segments || !packets) return std::nullopt;
  return *segments > *packets ? *segments - *packets : 0;
}

constexpr std::string_view kGroHidden =
    "a veth polls and joins only with its gro on and its peer's tso off, or over a wire that cuts";

KnobEvidence evidence_of_join(const KnobSigns& before, const KnobSigns& after) {
  if (!after.gro_acts) return {false, std::string(kGroHidden)};
  return counted(joined(grown(before, after, &KnobSigns::segments_received),
                        grown(before, after, &KnobSigns::ip_received)),
                 "segments came joined to others", "no two segments came joined");
}

KnobEvidence evidence_of_polling(const KnobSigns& before, const KnobSigns& after) {
  if (!after.gro_acts) return {false, std::string(kGroHidden)};
  return counted(grown(before, after, &KnobSigns::link_rx_packets), "frames were polled",
                 "no frame was polled");
}

KnobEvidence evidence_of_threads(const KnobSigns& before, const KnobSigns& after) {
  if (!after.gro_acts) return {false, std::string(kGroHidden)};
  return counted(grown(before, after, &KnobSigns::napi_threads_ns), "ns of CPU by its threads",
                 "its threads did nothing");
}

KnobEvidence evidence_of_backlog(const KnobSigns& before, const KnobSigns& after) {
  KnobEvidence evidence =
      counted(grown(before, after, &KnobSigns::softnet_processed),
              "frames went through the CPUs' backlogs (of the whole host)", "none was used");
  const Count full = grown(before, after, &KnobSigns::softnet_dropped);
  if (evidence.exercised && full) evidence.text += fmt::format(", {} found one full", *full);
  return evidence;
}

KnobEvidence evidence_of_qdisc(const KnobSigns& before, const KnobSigns& after) {
  if (!after.qdisc_packets) return {false, "the device has no queueing discipline"};
  KnobEvidence evidence = counted(grown(before, after, &KnobSigns::qdisc_packets),
                                  "frames passed the queueing discipline", "no frame passed it");
  const Count drops = grown(before, after, &KnobSigns::qdisc_drops);
  if (evidence.exercised && drops) evidence.text += fmt::format(", {} were dropped", *drops);
  return evidence;
}

// A packet that reached the last rule has walked all of them.
KnobEvidence evidence_of_walk(const KnobSigns& before, const KnobSigns& after) {
  const Count first = grown(before, after, &KnobSigns::nft_first_pkts);
  const Count last = grown(before, after, &KnobSigns::nft_last_pkts);
  if (first && last && *first != *last) {
    return {false, fmt::format("{} packets at the first rule, {} at the last", *first, *last)};
  }
  return counted(last, "packets walked all rules", "no packet walked them");
}

KnobEvidence evidence_of_cut(const KnobSigns& before, const KnobSigns& after) {
  return counted(joined(grown(before, after, &KnobSigns::link_rx_packets),
                        grown(before, after, &KnobSigns::link_tx_packets)),
                 "frames more arrived than left the sender's device", "nothing came to be cut");
}

}  // namespace

KnobEvidence evidence_of(const KernelKnob& knob, const KnobSigns& before, const KnobSigns& after) {
  const std::string_view name = knob.name;
  const auto is = [&](std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, name) != names.end();
  };
  if (is({"tso", "udp_segmentation", "sg"})) {
    return counted(joined(grown(before, after, &KnobSigns::tcp_segments_sent),
                          grown(before, after, &KnobSigns::link_tx_packets)),
                   "TCP segments were sent joined to others", "nothing was sent that could be cut");
  }
  if (is({"gso"})) {
    return counted(joined(grown(before, after, &KnobSigns::tcp_segments_sent),
                          grown(before, after, &KnobSigns::ip_sent)),
                   "TCP segments left the stack joined to others",
                   "nothing left the stack that could be cut");
  }
  if (is({"gro", "lro", "rx_gro_list", "udp_gro_forwarding"})) {
    return evidence_of_join(before, after);
  }
  if (is({"threaded_napi"})) return evidence_of_threads(before, after);
  if (is({"gro_flush_timeout", "napi_defer_hard_irqs"})) return evidence_of_polling(before, after);
  if (is({"rps", "rfs", "rps_sock_flow_entries"})) {
    return counted(grown(before, after, &KnobSigns::softnet_steered),
                   "frames were handed to another CPU (of the whole host)",
                   "no frame was handed to another CPU");
  }
  if (is({"qdisc", "tx_queue_len"})) return evidence_of_qdisc(before, after);
  if (is({"netdev_budget", "netdev_budget_usecs"})) {
    return counted(grown(before, after, &KnobSigns::softnet_squeezed),
                   "softirqs ended with work left (of the whole host)",
                   "no softirq ended with work left");
  }
  if (is({"netdev_max_backlog"})) return evidence_of_backlog(before, after);
  if (is({"busy_poll", "busy_read"})) {
    return counted(grown(before, after, &KnobSigns::busy_polled_pkts),
                   "frames were polled by their reader", "no frame was polled by its reader");
  }
  if (is({"rmem_max", "wmem_max"})) {
    return {false, "the sockets of a trial get their buffers past it (SO_RCVBUFFORCE)"};
  }
  if (is({"syncookies"})) {
    return counted(grown(before, after, &KnobSigns::syncookies_sent), "cookies were sent",
                   "no cookie was sent");
  }
  if (is({"nft_rules"})) return evidence_of_walk(before, after);
  if (is({"conntrack"})) {
    return counted(grown(before, after, &KnobSigns::conntrack_entries),
                   "connections came to be tracked", "no connection came to be tracked");
  }
  if (knob.reach == KnobReach::netns) {
    return counted(grown(before, after, &KnobSigns::tcp_segments_received),
                   "TCP segments were received", "no TCP segment was received");
  }
  if (knob.end == KnobEnd::sender) {
    return counted(grown(before, after, &KnobSigns::link_tx_packets), "frames left the device",
                   "no frame left the device");
  }
  return counted(grown(before, after, &KnobSigns::link_rx_packets), "frames reached the device",
                 "no frame reached the device");
}

Result<HostWide> open_host_wide(const TrialOrder& order, const std::string& root) {
  bool any = false;
  for (const auto& [name, level] : order.kernel_knobs) {
    const KernelKnob* knob = find_kernel_knob(name);
    if (knob == nullptr || knob->reach != KnobReach::host) continue;
    any = true;
    const std::string setting(setting_name(*knob));
    if (std::ranges::find(order.host_allow, setting) == order.host_allow.end()) {
      return fail(
          Errc::host_cannot,
          fmt::format("{} is a setting of the whole host, and [host] allow does not name it",
                      setting));
    }
  }
  // Devices are lent.
  any = any || netdev_of_port(order.receiver_port) || netdev_of_port(order.generator_port);
  if (!any) return HostWide{nullptr, root};
  PM_TRY(Journal journal,
         Journal::open({.command = fmt::format("trial {} of group {}", order.trial, order.group),
                        .root = root}));
  return HostWide{std::make_shared<Journal>(std::move(journal)), root};
}

Result<std::unique_ptr<LabKnobs>> LabKnobs::turn(const TrialOrder& order, const NetdevPlace& sender,
                                                 const NetdevPlace& receiver, const HostWide& host,
                                                 LinkKind link) {
  std::unique_ptr<LabKnobs> knobs(new LabKnobs(order, sender, receiver, host, link));
  PM_TRYV(knobs->turn_all());
  return knobs;
}

Result<void> LabKnobs::turn_all() {
  const std::vector<int> others = napi_threads_of(receiver_.netdev);
  struct Turned {
    const KernelKnob& knob;
    const std::string& level;
    std::string netdev;
    SettingGround ground;
  };
  std::vector<Turned> all;
  for (const KernelKnob& knob : all_kernel_knobs()) {
    const auto asked = levels_.find(std::string(knob.name));
    if (asked == levels_.end()) continue;
    if (knob.reach == KnobReach::host) {
      PM_CHECK(host_.journal != nullptr);
      all.push_back({knob, asked->second, "", {-1, host_.root}});
      continue;
    }
    if (knob.end != KnobEnd::receiver) {
      all.push_back({knob, asked->second, sender_.netdev, {sender_.netns_fd, ""}});
    }
    if (knob.end != KnobEnd::sender) {
      all.push_back({knob, asked->second, receiver_.netdev, {receiver_.netns_fd, ""}});
    }
  }
  for (const Turned& each : all) {
    Journal* journal = each.knob.reach == KnobReach::host ? host_.journal.get() : nullptr;
    PM_TRYV(turn_knob(each.knob, each.level, each.netdev, each.ground, journal));
  }
  // When all are turned: one may have taken another along.
  for (const Turned& each : all) {
    PM_TRYV(check_knob(each.knob, each.level, each.netdev, each.ground));
  }
  const std::vector<int> now = napi_threads_of(receiver_.netdev);
  std::ranges::set_difference(now, others, std::back_inserter(napi_threads_));
  return {};
}

KnobSigns LabKnobs::signs() const {
  const NamedCounters sent = counters_at(sender_);
  const NamedCounters received = counters_at(receiver_);
  const auto peer = features_at(sender_);
  const auto own = features_at(receiver_);
  const bool peer_cuts =
      wire_ == WireKind::cut || (!peer.empty() && !feature_is_active(peer, "tx-tcp-segmentation"));
  KnobSigns signs;
  signs.link_tx_packets = find_count(sent, fmt::format("link.{}.tx_packets", sender_.netdev));
  signs.qdisc_packets = root_qdisc_count(sent, "packets");
  signs.qdisc_drops = root_qdisc_count(sent, "drops");
  signs.tcp_segments_sent = find_count(sent, "tcp.OutSegs");
  signs.ip_sent = find_count(sent, "ip.OutRequests");
  signs.link_rx_packets = find_count(received, fmt::format("link.{}.rx_packets", receiver_.netdev));
  signs.tcp_segments_received = find_count(received, "tcp.InSegs");
  signs.segments_received = segments_of(received);
  signs.ip_received = find_count(received, "ip.InReceives");
  signs.syncookies_sent = find_count(received, "tcpext.SyncookiesSent");
  signs.busy_polled_pkts = find_count(received, "tcpext.BusyPollRxPackets");
  signs.softnet_processed = find_count(received, "softnet.processed");
  signs.softnet_dropped = find_count(received, "softnet.dropped");
  signs.softnet_squeezed = find_count(received, "softnet.time_squeeze");
  signs.softnet_steered = find_count(received, "softnet.received_rps");
  signs.gro_acts =
      feature_is_active(own, "rx-gro") &&
      (link_ == LinkKind::drivers || peer_cuts || feature_is_active(own, "rx-gro-list") ||
       feature_is_active(own, "rx-udp-gro-forwarding"));
  signs.napi_threads_ns = cpu_ns_of(napi_threads_);
  read_firewall_signs(signs);
  return signs;
}

// Of what was asked for alone: thousands of rules take their time to be told.
void LabKnobs::read_firewall_signs(KnobSigns& signs) const {
  if (levels_.contains("nft_rules")) {
    if (const auto rules = read_nft_rules(receiver_.netns_fd, NftTable::walk)) {
      signs.nft_first_pkts = rules->first_pkts;
      signs.nft_last_pkts = rules->last_pkts;
    }
  }
  if (levels_.contains("conntrack")) {
    constexpr std::array kLayer{SurveyLayer::conntrack};
    const auto survey = read_survey({.netns_fd = receiver_.netns_fd, .layers = kLayer});
    if (!survey) return;
    const auto entries = survey->levels.find("conntrack.entries");
    if (entries != survey->levels.end()) signs.conntrack_entries = entries->second;
  }
}

void LabKnobs::begin() { before_ = signs(); }

std::map<std::string, Knob> LabKnobs::knobs() const {
  const KnobSigns after = signs();
  std::map<std::string, Knob> all;
  for (const auto& [name, level] : levels_) {
    const KernelKnob* knob = find_kernel_knob(name);
    if (knob == nullptr) continue;
    KnobEvidence evidence = evidence_of(*knob, before_, after);
    // What is off cannot show that it acts.
    if (level == "off" || (knob->name == "nft_rules" && level == "0"))
      evidence = {true, level + ", read back"};
    all[name] = {level, level, KnobState::confirmed, std::move(evidence.text), evidence.exercised};
  }
  if (wire_ == WireKind::cut) {
    KnobEvidence evidence = evidence_of_cut(before_, after);
    all["wire"] = {"cut", "cut", KnobState::confirmed, std::move(evidence.text),
                   evidence.exercised};
  }
  return all;
}

namespace {

class ReceiverWithKnobs final : public ForwardingReceiver {
 public:
  ReceiverWithKnobs(std::unique_ptr<Receiver> receiver, std::shared_ptr<LabKnobs> knobs)
      : ForwardingReceiver(std::move(receiver)), knobs_(std::move(knobs)) {}

  [[nodiscard]] Result<void> start() override {
    knobs_->begin();
    return ForwardingReceiver::start();
  }
  [[nodiscard]] Result<ReceiverAccount> stop(
      const std::vector<std::uint32_t>& sent_per_flow) override {
    PM_TRY(ReceiverAccount account, ForwardingReceiver::stop(sent_per_flow));
    account.knobs.merge(knobs_->knobs());
    // The kernel receives in a thread of its own, whose time is no softirq's.
    if (knobs_->polls_in_threads()) account.cpu_cores_used.reset();
    return account;
  }

 private:
  std::shared_ptr<LabKnobs> knobs_;
};

}  // namespace

std::unique_ptr<Receiver> with_knobs(std::unique_ptr<Receiver> receiver,
                                     std::shared_ptr<LabKnobs> knobs) {
  return std::make_unique<ReceiverWithKnobs>(std::move(receiver), std::move(knobs));
}

}  // namespace pollmark
