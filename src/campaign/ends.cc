#include "campaign/ends.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "host/numa_placement.h"
#include "kernel/af_xdp.h"
#include "kernel/books.h"
#include "kernel/closed_loop.h"
#include "kernel/lab_knobs.h"
#include "kernel/late_counters.h"
#include "kernel/netdev_lab.h"
#include "kernel/packet_mmap.h"
#include "kernel/tap_receiver.h"
#include "kernel/udp_gso_sender.h"
#include "kernel/udp_socket.h"
#include "kernel/veth_lab.h"
#include "kernel/xdp_drop.h"
#include "rig/dpdk_receiver.h"
#include "rig/dpdk_sender.h"
#include "rig/eal.h"
#include "rig/model_ends.h"

namespace pollmark {
namespace {

// The two devices of a trial, in their namespaces, and what keeps them there.
struct KernelLink {
  LabPlaces places;
  LinkKind kind = LinkKind::veth_pair;
  std::shared_ptr<const void> lab;
};

Result<KernelLink> open_link(const TrialOrder& order, const HostWide& host) {
  if (is_on_netdevs(order)) {
    PM_TRY(NetdevLab lab, NetdevLab::create(order, host.journal));
    KernelLink link{lab.places(), lab.link(), nullptr};
    link.lab = std::make_shared<NetdevLab>(std::move(lab));
    return link;
  }
  PM_TRY(VethLab lab, VethLab::create(order));
  KernelLink link{lab.places(), LinkKind::veth_pair, nullptr};
  link.lab = std::make_shared<VethLab>(std::move(lab));
  return link;
}

// The books stand on the namespaces: they are closed last, so they hold them. books may be null.
class BooksOnLink final : public CounterBooks {
 public:
  BooksOnLink(std::shared_ptr<const void> lab, std::unique_ptr<CounterBooks> books)
      : lab_(std::move(lab)), books_(std::move(books)) {}
  void charge(const std::map<std::string, CounterChange>& changes, StreamAccount& stream,
              std::vector<std::string>& doubts) const override {
    if (books_) books_->charge(changes, stream, doubts);
  }
  void begin_watch() override {
    if (books_) books_->begin_watch();
  }
  void end_watch() override {
    if (books_) books_->end_watch();
  }
  [[nodiscard]] std::vector<std::string> not_checked() const override {
    return books_ ? books_->not_checked() : std::vector<std::string>();
  }

 private:
  std::shared_ptr<const void> lab_;
  std::unique_ptr<CounterBooks> books_;
};

// Before the ends open anything.
Result<void> ready_for_link(const TrialOrder& way, const KernelLink& link, const HostWide& host,
                            Ends& ends) {
  if (link.kind == LinkKind::drivers) ends.receiver = with_late_counters(std::move(ends.receiver));
  if (way.kernel_knobs.empty() && way.closed_loop.wire == WireKind::whole) return {};
  PM_TRY(std::shared_ptr<LabKnobs> knobs,
         LabKnobs::turn(way, link.places.sender_of(way), link.places.receiver_of(way), host,
                        link.kind));
  ends.receiver = with_knobs(std::move(ends.receiver), std::move(knobs));
  return {};
}

Result<std::unique_ptr<Receiver>> make_receiver_on_link(const TrialOrder& order,
                                                        const NetdevPlace& place,
                                                        std::shared_ptr<SharedPort> port) {
  switch (order.path) {
    case Path::udp_socket:
      return make_udp_socket_receiver(order, place);
    case Path::packet_mmap:
      return make_packet_mmap_receiver(order, place);
    case Path::af_xdp:
      return make_af_xdp_receiver(order, place);
    case Path::xdp_drop:
      return make_xdp_drop_receiver(order, place);
    default:
      return make_dpdk_receiver(order, place, std::move(port));
  }
}

// from, to: DPDK's ports on the devices of the sender and of the receiver.
Result<Ends> make_way_on_link(const TrialOrder& order, const KernelLink& link,
                              std::shared_ptr<const TrialDrops> drops, const HostWide& host,
                              std::shared_ptr<SharedPort> from, std::shared_ptr<SharedPort> to) {
  const NetdevPlace sender = link.places.sender_of(order);
  Ends ends;
  PM_TRY(ends.sender, order.sender == SenderKind::udp_gso
                          ? make_udp_gso_sender(order, sender)
                          : make_dpdk_sender(order, sender, std::move(from)));
  PM_TRY(ends.receiver,
         make_receiver_on_link(order, link.places.receiver_of(order), std::move(to)));
  PM_TRYV(ready_for_link(order, link, host, ends));
  PM_TRY(auto books, make_kernel_books(order, std::move(drops), link.kind));
  ends.books = std::make_unique<BooksOnLink>(link.lab, std::move(books));
  return ends;
}

// Both ways pass the same two devices: the taps go with the way there.
Result<void> add_taps(const TrialOrder& order, const LabPlaces& places,
                      const std::vector<int>& capture_files, Ends& there) {
  PM_TRY(there.receiver, with_captures(order, std::move(there.receiver), places.sender,
                                       places.receiver, capture_files));
  return {};
}

Result<std::vector<Ends>> make_ends_on_link(const TrialOrder& order, const HostWide& host,
                                            const std::vector<int>& capture_files) {
  PM_TRY(const KernelLink link, open_link(order, host));
  const auto drops = watch_trial_drops(order, link.places.sender, link.places.receiver);
  auto from = std::make_shared<SharedPort>();
  auto to = std::make_shared<SharedPort>();
  std::vector<Ends> ways;
  for (const TrialOrder& way : directions_of(order)) {
    PM_TRY(Ends ends, make_way_on_link(way, link, drops, host, from, to));
    ways.push_back(std::move(ends));
    std::swap(from, to);
  }
  PM_TRYV(add_taps(order, link.places, capture_files, ways.front()));
  return ways;
}

// No EAL: kernel sockets at both ends.
Result<std::vector<Ends>> make_closed_loop_on_link(const TrialOrder& order, const HostWide& host,
                                                   const std::vector<int>& capture_files) {
  PM_TRY(const KernelLink link, open_link(order, host));
  PM_TRY(Ends ends, make_closed_loop_ends(order, link.places.sender, link.places.receiver));
  PM_TRYV(ready_for_link(order, link, host, ends));
  PM_TRYV(add_taps(order, link.places, capture_files, ends));
  ends.books = std::make_unique<BooksOnLink>(link.lab, nullptr);
  std::vector<Ends> ways;
  ways.push_back(std::move(ends));
  return ways;
}

Result<std::vector<Ends>> make_ends_on_model(const TrialOrder& order) {
  std::vector<Ends> ways;
  for (const TrialOrder& way : directions_of(order)) {
    PM_TRY(Ends ends, make_model_ends(way));
    ways.push_back(std::move(ends));
  }
  return ways;
}

}  // namespace

Result<std::vector<Ends>> make_ends(const TrialOrder& order,
                                    const std::vector<int>& capture_files) {
  // Before the process has threads: the journal's guardian is forked from it.
  PM_TRY(const HostWide host, open_host_wide(order));
  if (is_closed_loop(order.path)) return make_closed_loop_on_link(order, host, capture_files);
  EalOrder eal;
  if (order.path == Path::model)
    eal.memory_mib = std::max(eal.memory_mib, direction_count(order) * model_memory_mib(order));
  PM_TRY(const NumaPlan numa, numa_plan(order));
  eal.cpu = numa.receiver_cpus.front();
  eal.memory_node = numa.memory_node.value_or(-1);
  PM_TRY(const EalFacts facts, start_eal(eal));
  if (facts.memory_node != numa.memory_node ||
      std::ranges::find(numa.receiver_cpus, facts.cpu) == numa.receiver_cpus.end()) {
    return fail(Errc::host_cannot, "this process has started EAL on other NUMA nodes");
  }
  switch (order.path) {
    case Path::model:
      return make_ends_on_model(order);
    case Path::dpdk:
    case Path::udp_socket:
    case Path::packet_mmap:
    case Path::af_xdp:
    case Path::xdp_drop:
      return make_ends_on_link(order, host, capture_files);
    case Path::tcp_stream:
    case Path::tcp_rr:
    case Path::tcp_crr:
    case Path::udp_rr:
      break;
  }
  return fail(Errc::broken, fmt::format("no ends for path {}", name_of(order.path)));
}

}  // namespace pollmark
