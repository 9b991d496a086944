#include "kernel/drop_ledger.h"

#include <fmt/format.h>
#include <net/ethernet.h>

#include <algorithm>
#include <array>

#include "host/drop_causes.h"

namespace pollmark {
namespace {

constexpr std::string_view kNoReason = "NOT_SPECIFIED";

// Where a counter of that fate counts what dies. function: how its name begins; empty: any.
struct OwnedPlace {
  std::string_view reason;
  std::string_view function;
  Fate fate;
};

// In front of the receiver's device. Whose namespace it is in depends: a veth hands the frame over
// before it finds that there is no room.
constexpr std::array kOnTheLink{
    OwnedPlace{"CPU_BACKLOG", {}, Fate::kernel_link_tx},
    OwnedPlace{kNoReason, "veth_xmit", Fate::kernel_link_tx},
    OwnedPlace{kNoReason, "__dev_forward_skb", Fate::kernel_link_tx},
    OwnedPlace{kNoReason, "enqueue_to_backlog", Fate::kernel_link_tx},
};
constexpr std::array kAtTheSender{
    OwnedPlace{"QDISC_", {}, Fate::kernel_qdisc},
    OwnedPlace{"FQ_", {}, Fate::kernel_qdisc},
    OwnedPlace{"TC_EGRESS", {}, Fate::kernel_qdisc},
    OwnedPlace{"DEV_READY", {}, Fate::kernel_link_tx},
    OwnedPlace{"SKB_CSUM", {}, Fate::kernel_link_tx},
    OwnedPlace{"SKB_GSO_SEG", {}, Fate::kernel_link_tx},
    OwnedPlace{kNoReason, "__dev_queue_xmit", Fate::kernel_link_tx},
    OwnedPlace{kNoReason, "validate_xmit_", Fate::kernel_link_tx},
};
constexpr std::array kAtTheReceiver{
    OwnedPlace{"UNHANDLED_PROTO", {}, Fate::kernel_link_rx},
    OwnedPlace{"OTHERHOST", {}, Fate::kernel_other},
    OwnedPlace{"TC_INGRESS", {}, Fate::kernel_other},
};
// The books' counters of these layers are those of IPv4.
constexpr std::array kInTheStack{
    OwnedPlace{"PKT_TOO_SMALL", "udp", Fate::kernel_udp},
    OwnedPlace{"PKT_TOO_SMALL", "__udp", Fate::kernel_udp},
    OwnedPlace{"PKT_TOO_SMALL", {}, Fate::kernel_ip},
    OwnedPlace{"PKT_TOO_BIG", "ip_forward", Fate::kernel_ip},
    OwnedPlace{"IP_CSUM", {}, Fate::kernel_ip},
    OwnedPlace{"IP_INHDR", {}, Fate::kernel_ip},
    OwnedPlace{"IP_INADDRERRORS", {}, Fate::kernel_ip},
    OwnedPlace{"IP_INNOROUTES", {}, Fate::kernel_ip},
    OwnedPlace{"IP_NOPROTO", {}, Fate::kernel_ip},
    OwnedPlace{"IP_RPFILTER", {}, Fate::kernel_ip},
    OwnedPlace{"NO_SOCKET", {}, Fate::kernel_udp},
    OwnedPlace{"UDP_CSUM", {}, Fate::kernel_udp},
    OwnedPlace{"PROTO_MEM", {}, Fate::kernel_udp},
    OwnedPlace{"SOCKET_FILTER", {}, Fate::kernel_udp},
    OwnedPlace{"SOCKET_RCVBUFF", {}, Fate::kernel_socket_buffer},
};

// A reason that ends in "_" stands for all that begin so.
bool is_at(const DropPlace& place, const OwnedPlace& owned) {
  const bool same = owned.reason.ends_with('_') ? place.reason.starts_with(owned.reason)
                                                : place.reason == owned.reason;
  return same && place.function.starts_with(owned.function);
}

template <std::size_t n>
std::optional<Fate> owner_in(const std::array<OwnedPlace, n>& places, const DropPlace& place) {
  const auto found =
      std::ranges::find_if(places, [&](const OwnedPlace& owned) { return is_at(place, owned); });
  return found == places.end() ? std::nullopt : std::optional(found->fate);
}

// A super-packet that a qdisc cut and threw away whole: its segments are told one by one, too.
bool is_told_in_parts(const DropPlace& place) {
  return place.reason == kNoReason && place.function.starts_with("tbf_");
}

// An XDP program in the driver of a veth drops before the device has received.
bool came_in(const DropPlace& place) {
  return place.direction == DropDirection::in ||
         (place.reason == kNoReason && place.function.starts_with("veth_xdp_rcv"));
}

// A frame of an open path is a datagram: what TCP drops in its namespaces is not of the trial.
bool is_anothers(const DropPlace& place) {
  return place.ethertype == ETHERTYPE_ARP || place.reason == "PACKET_SOCK_ERROR" ||
         place.function.starts_with("tcp_") || is_told_in_parts(place);
}

std::optional<Fate> owner_on_the_way_in(const DropPlace& place, FrameConsumer consumer) {
  if (consumer == FrameConsumer::xdp) {
    return place.reason == "XDP" ? std::optional(Fate::kernel_xdp_ring) : std::nullopt;
  }
  const auto owner = owner_in(kAtTheReceiver, place);
  return owner || place.ethertype != ETHERTYPE_IP ? owner : owner_in(kInTheStack, place);
}

void attribute(const DropPlace& place, FrameConsumer consumer, const WayNamespaces& namespaces,
               DroppedAt& at) {
  if (place.netns == namespaces.sender) at.side = "sender";
  if (place.netns == namespaces.receiver) at.side = "receiver";
  if (is_anothers(place)) return;
  const bool out = !came_in(place);
  if (out) at.fate = owner_in(kOnTheLink, place);
  if (!at.fate && out != (at.side == "sender")) return;  // it went the other way
  if (!at.fate && out) at.fate = owner_in(kAtTheSender, place);
  if (!out) at.fate = owner_on_the_way_in(place, consumer);
  at.role = at.fate ? CounterRole::echo : CounterRole::owner;
  if (!at.fate) at.fate = Fate::kernel_other;
}

bool is_of(const DroppedAt& place, const std::vector<Fate>& fates) {
  return place.role == CounterRole::echo && std::ranges::find(fates, place.fate) != fates.end();
}

}  // namespace

KernelDrops kernel_drops(const DropReasonInterval& interval, FrameConsumer consumer,
                         const WayNamespaces& namespaces) {
  KernelDrops drops{.source = interval.source == DropSource::bpf ? "bpf" : "tracefs",
                    .unseen_pkts = interval.unseen_pkts,
                    .places = {}};
  for (const auto& [place, delta, per_s, since_start] : interval.places) {
    DroppedAt& at = drops.places.emplace_back();
    at.side = "host";
    at.netdev = place.netdev;
    at.reason = place.reason;
    at.function = place.function;
    at.cause = sentence_on_drop(place.reason);
    at.pkts = delta.pkts;
    at.segments = delta.segments;
    if (interval.source == DropSource::bpf) attribute(place, consumer, namespaces, at);
  }
  return drops;
}

std::int64_t uncounted_pkts(const KernelDrops& drops) {
  std::int64_t pkts = 0;
  for (const DroppedAt& place : drops.places) {
    if (place.role == CounterRole::owner) pkts += place.pkts;
  }
  return pkts;
}

std::int64_t frames_beyond_pkts(const KernelDrops& drops, Fate fate) {
  std::int64_t frames = 0;
  for (const DroppedAt& place : drops.places) {
    if (is_of(place, {fate})) frames += place.segments - place.pkts;
  }
  return frames;
}

std::optional<std::string> disagreement(const KernelDrops& drops, const std::vector<Fate>& fates,
                                        std::string_view counter, std::int64_t counted_pkts) {
  std::int64_t named = 0;
  for (const DroppedAt& place : drops.places) {
    if (is_of(place, fates)) named += place.pkts;
  }
  if (named <= counted_pkts) return std::nullopt;
  return fmt::format("{} rose by {}, the kernel gave up {} packets there by its own reasons",
                     counter, counted_pkts, named);
}

std::map<std::string, std::int64_t> charge_reasons(KernelDrops& drops, std::int64_t missing_pkts) {
  std::map<std::string, std::int64_t> died;
  for (DroppedAt& place : drops.places) {
    if (place.role != CounterRole::owner) continue;
    if (missing_pkts > 0) {
      died[place.reason == kNoReason ? fmt::format("{} in {}", kNoReason, place.function)
                                     : place.reason] += place.segments;
    } else {
      place.role = CounterRole::context;
      place.fate.reset();
    }
  }
  std::vector<std::pair<std::string, std::int64_t>> commonest(died.begin(), died.end());
  // Packets without a reason may be a counter's: they come last.
  std::ranges::stable_sort(commonest, std::ranges::greater(), [](const auto& one) {
    return std::pair(!one.first.starts_with(kNoReason), one.second);
  });
  std::map<std::string, std::int64_t> charged;
  for (const auto& [reason, frames] : commonest) {
    const std::int64_t part = std::min(frames, missing_pkts);
    if (part > 0) charged[reason] = part;
    missing_pkts -= part;
  }
  return charged;
}

}  // namespace pollmark
