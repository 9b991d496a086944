#include "record/kernel_knob.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "base/text.h"
#include "base/units.h"
#include "record/qdisc_order.h"

namespace pollmark {
namespace {

constexpr int kMostCpus = 1024;
constexpr std::int64_t kMostInt = 2'147'483'647;

constexpr std::string_view kTsoFeatures =
    "feature tx-tcp-segmentation tx-tcp6-segmentation tx-tcp-ecn-segmentation "
    "tx-tcp-mangleid-segmentation";
constexpr std::string_view kTxChecksumFeatures =
    "feature tx-checksum-ip-generic tx-checksum-ipv4 tx-checksum-ipv6";

std::vector<KernelKnob> make_knobs() {
  using enum KnobForm;
  using enum KnobEnd;
  using enum KnobReach;
  return {
      {"channels", "channels receive", whole, receiver, device, 1, 1024, "-L combined, -L rx",
       "Queues that the device receives on."},
      {"netdev_rx_ring", "ring rx", whole, receiver, device, 1, 65536, "-G rx",
       "Receive descriptors of each queue of the kernel's device.",
       "a veth has no rings of descriptors"},
      {"netdev_tx_ring", "ring tx", whole, sender, device, 1, 65536, "-G tx",
       "Transmit descriptors of each queue of the kernel's device.",
       "a veth has no rings of descriptors"},
      {"coalescing", "coalesce rx_usecs", whole, receiver, device, 0, 65535, "-C rx-usecs",
       "Microseconds that the device waits before it interrupts.", "a veth does not interrupt"},
      {"tx_checksum", kTxChecksumFeatures, on_off, sender, device, 0, 0, "-K tx",
       "The device writes checksums. Off takes tso and udp_segmentation along."},
      {"sg", "feature tx-scatter-gather", on_off, sender, device, 0, 0, "-K sg",
       "The device gathers a frame from several pieces. Off takes tso and gso along."},
      {"tso", kTsoFeatures, on_off, sender, device, 0, 0, "-K tso",
       "The device cuts large TCP segments."},
      {"gso", "feature tx-generic-segmentation", on_off, sender, device, 0, 0, "-K gso",
       "The stack cuts large segments as late as it can."},
      {"udp_segmentation", "feature tx-udp-segmentation", on_off, sender, device, 0, 0,
       "-K tx-udp-segmentation", "The device cuts what was sent with UDP_SEGMENT."},
      {"rx_checksum", "feature rx-checksum", on_off, receiver, device, 0, 0, "-K rx",
       "The device verifies checksums."},
      {"gro", "feature rx-gro", on_off, receiver, device, 0, 0, "-K gro",
       "The stack joins segments of a flow as it receives them. On a veth it acts only on what the "
       "peer has cut: with the peer's tso off, or over a wire that cuts."},
      {"lro", "feature rx-lro", on_off, receiver, device, 0, 0, "-K lro",
       "The device joins TCP segments.", "a veth joins nothing itself; gro does"},
      {"rx_gro_list", "feature rx-gro-list", on_off, receiver, device, 0, 0, "-K rx-gro-list",
       "GRO chains the frames of a flow and passes the chain on."},
      {"udp_gro_forwarding", "feature rx-udp-gro-forwarding", on_off, receiver, device, 0, 0,
       "-K rx-udp-gro-forwarding", "GRO joins UDP datagrams that no socket asked to have joined."},
      {"mtu", "netdev mtu", whole, both, device, 68, 65535, "",
       "IP bytes of the largest frame, at both ends. Unset on veth: 1500, or what the frames "
       "need."},
      {"tx_queue_len", "netdev tx_queue_len", whole, sender, device, 0, kMostInt, "",
       "Frames that a queueing discipline without a limit of its own takes; the ring of a tap."},
      {"qdisc", "qdisc root", qdisc, sender, device, 0, 0, "",
       "Queueing discipline at the root of the sender's device."},
      {"threaded_napi", "netdev threaded", on_off, receiver, device, 0, 0, "",
       "The device is polled by a kernel thread in place of a softirq."},
      {"gro_flush_timeout", "netdev gro_flush_timeout", duration, receiver, device, 0,
       1'000'000'000, "", "How long GRO keeps what it may yet join."},
      {"napi_defer_hard_irqs", "netdev napi_defer_hard_irqs", whole, receiver, device, 0, 10'000,
       "", "Polls without a frame before interrupts are enabled again."},
      {"rps", "netdev queues/rx-*/rps_cpus", cpus, receiver, device, 0, 0, "",
       "CPUs that frames are handed to by their hash."},
      {"rfs", "netdev queues/rx-*/rps_flow_cnt", whole, receiver, device, 0, 1 << 20, "",
       "Flows of each queue that follow their socket's CPU: a power of two. Needs "
       "rps_sock_flow_entries."},
      {"xps", "netdev queues/tx-*/xps_cpus", cpus, sender, device, 0, 0, "",
       "CPUs that send on each queue. Needs several."},
      {"irq_affinity", "irq *", cpus, receiver, device, 0, 0, "",
       "CPUs that take the device's interrupts. irqbalance undoes it.",
       "a veth does not interrupt"},
      {"tcp_rmem", "sysctl net.ipv4.tcp_rmem", triple, both, netns, 1, kMostInt, "",
       "Receive buffer of a TCP socket: least, first and most bytes."},
      {"tcp_wmem", "sysctl net.ipv4.tcp_wmem", triple, both, netns, 1, kMostInt, "",
       "Send buffer of a TCP socket: least, first and most bytes."},
      {"syncookies", "sysctl net.ipv4.tcp_syncookies", whole, receiver, netns, 0, 2, "",
       "0: never; 1: when the queue of a listener overflows; 2: always."},
      {"max_syn_backlog", "sysctl net.ipv4.tcp_max_syn_backlog", whole, receiver, netns, 1,
       kMostInt, "", "Half-open connections that are remembered."},
      {"somaxconn", "sysctl net.core.somaxconn", whole, receiver, netns, 1, kMostInt, "",
       "Most connections that wait to be accepted."},
      {"nft_rules", "nft rules", whole, receiver, netns, 0, 10'000, "",
       "Rules of nftables on the input hook that every packet walks and none of which takes it."},
      {"conntrack", "nft conntrack", on_off, receiver, netns, 0, 0, "",
       "The kernel tracks connections, for a rule of nftables that asks for their state."},
      {"netdev_budget", "sysctl net.core.netdev_budget", whole, both, host, 1, kMostInt, "",
       "Frames that one softirq takes at most."},
      {"netdev_budget_usecs", "sysctl net.core.netdev_budget_usecs", whole, both, host, 1, kMostInt,
       "", "Microseconds that one softirq takes at most."},
      {"netdev_max_backlog", "sysctl net.core.netdev_max_backlog", whole, both, host, 1, kMostInt,
       "", "Frames that wait for a CPU at most."},
      {"busy_poll", "sysctl net.core.busy_poll", whole, both, host, 0, 1'000'000, "",
       "Microseconds that poll() and select() poll the device themselves."},
      {"busy_read", "sysctl net.core.busy_read", whole, both, host, 0, 1'000'000, "",
       "Microseconds that a read polls the device itself."},
      {"rps_sock_flow_entries", "sysctl net.core.rps_sock_flow_entries", whole, both, host, 0,
       1 << 29, "", "Flows of the whole host whose socket's CPU is remembered: a power of two."},
      {"rmem_max", "sysctl net.core.rmem_max", whole, both, host, 2304, kMostInt, "",
       "Most bytes that an ordinary user's SO_RCVBUF gets."},
      {"wmem_max", "sysctl net.core.wmem_max", whole, both, host, 4608, kMostInt, "",
       "Most bytes that an ordinary user's SO_SNDBUF gets."},
  };
}

std::optional<std::int64_t> whole_in(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

tl::unexpected<Error> not_a_level(const KernelKnob& knob, std::string_view text) {
  return fail(Errc::bad_experiment,
              fmt::format("\"{}\" is none of its levels; allowed: {}", text, allowed_levels(knob)));
}

bool in_limits(const KernelKnob& knob, std::int64_t value) {
  return value >= knob.least && value <= knob.most;
}

Result<std::string> canonical_triple(const KernelKnob& knob, std::string_view text) {
  std::vector<std::string> numbers;
  std::int64_t before = 0;
  for (const std::string& part : split(text, ' ')) {
    if (part.empty()) continue;
    const auto value = whole_in(part);
    if (!value || !in_limits(knob, *value) || *value < before) return not_a_level(knob, text);
    before = *value;
    numbers.push_back(fmt::format("{}", *value));
  }
  if (numbers.size() != 3) return not_a_level(knob, text);
  return join(numbers, " ");
}

Result<std::string> canonical_cpus(const KernelKnob& knob, std::string_view text) {
  if (text == "off" && knob.name != "irq_affinity") return std::string(text);
  const auto cpus = cpus_in(text);
  if (!cpus) return not_a_level(knob, text);
  std::vector<std::string> ranges;
  for (std::size_t i = 0; i < cpus->size();) {
    std::size_t last = i;
    while (last + 1 < cpus->size() && (*cpus)[last + 1] == (*cpus)[last] + 1) ++last;
    ranges.push_back(last == i ? fmt::format("{}", (*cpus)[i])
                               : fmt::format("{}-{}", (*cpus)[i], (*cpus)[last]));
    i = last + 1;
  }
  return join(ranges, ",");
}

std::string duration_level(std::int64_t ns) {
  if (ns != 0 && ns % 1'000'000 == 0) return fmt::format("{} ms", ns / 1'000'000);
  if (ns != 0 && ns % 1'000 == 0) return fmt::format("{} us", ns / 1'000);
  return fmt::format("{} ns", ns);
}

}  // namespace

const std::vector<KernelKnob>& all_kernel_knobs() {
  static const std::vector<KernelKnob> kKnobs = make_knobs();
  return kKnobs;
}

const KernelKnob* find_kernel_knob(std::string_view name) {
  const auto found = std::ranges::find(all_kernel_knobs(), name, &KernelKnob::name);
  return found == all_kernel_knobs().end() ? nullptr : &*found;
}

Result<std::string> canonical_level(const KernelKnob& knob, std::string_view text) {
  const std::string_view body = trimmed(text);
  if (body == "default") return std::string(body);
  switch (knob.form) {
    case KnobForm::on_off:
      if (body == "on" || body == "off") return std::string(body);
      break;
    case KnobForm::whole:
      if (const auto value = whole_in(body); value && in_limits(knob, *value)) {
        return fmt::format("{}", *value);
      }
      break;
    case KnobForm::duration:
      if (const auto ns = parse_duration_ns(body); ns && in_limits(knob, *ns)) {
        return duration_level(*ns);
      }
      break;
    case KnobForm::triple:
      return canonical_triple(knob, body);
    case KnobForm::cpus:
      return canonical_cpus(knob, body);
    case KnobForm::qdisc: {
      PM_TRY(const QdiscOrder order, QdiscOrder::parse(body));
      return order.text();
    }
  }
  return not_a_level(knob, body);
}

std::string_view setting_name(const KernelKnob& knob) {
  return knob.setting.substr(knob.setting.find(' ') + 1);
}

std::string allowed_levels(const KernelKnob& knob) {
  switch (knob.form) {
    case KnobForm::on_off:
      return "\"default\", \"on\", \"off\"";
    case KnobForm::whole:
      return fmt::format("\"default\", or {} to {}", knob.least, knob.most);
    case KnobForm::duration:
      return fmt::format("\"default\", or \"20 us\", up to {}",
                         duration_text(static_cast<double>(knob.most)));
    case KnobForm::triple:
      return "\"default\", or \"4096 131072 6291456\": three numbers of bytes, rising";
    case KnobForm::cpus:
      return knob.name == "irq_affinity" ? "\"default\", or CPUs: \"1\", \"0,2-3\""
                                         : "\"default\", \"off\", or CPUs: \"1\", \"0,2-3\"";
    case KnobForm::qdisc:
      return std::string(kQdiscAllowed);
  }
  PM_CHECK(false);
}

Result<std::vector<int>> cpus_in(std::string_view text) {
  std::set<int> cpus;
  for (const std::string& part : split(text, ',')) {
    const std::vector<std::string> ends = split(part, '-');
    const auto first = whole_in(trimmed(ends.front()));
    const auto last = whole_in(trimmed(ends.back()));
    if (!first || !last || ends.size() > 2 || *first > *last || *last >= kMostCpus) {
      return fail(Errc::bad_experiment, fmt::format("\"{}\" is no list of CPUs", text));
    }
    for (std::int64_t cpu = *first; cpu <= *last; ++cpu) cpus.insert(static_cast<int>(cpu));
  }
  return std::vector<int>(cpus.begin(), cpus.end());
}

}  // namespace pollmark
