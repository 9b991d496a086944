#include "rig/dpdk_port.h"

#include <fmt/format.h>
#include <rte_bus_vdev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>

#include "datapath/frame.h"
#include "rig/eal.h"

namespace pollmark {
namespace {

// Before the frame in a slot: TPACKET2_HDRLEN and what the kernel aligns, at most this.
constexpr int kSlotHeaderBytes = 96;
constexpr unsigned kSmallestSlotBytes = 2048;

std::string next_name() {
  static std::atomic<int> number{0};
  // The driver is chosen by this prefix.
  return fmt::format("net_af_packet{}", number++);
}

unsigned slot_bytes(const DpdkPortOrder& order) {
  const auto needed =
      static_cast<unsigned>(order.place.mtu + int{kEthernetBytes} + kSlotHeaderBytes);
  unsigned bytes = std::max(kSmallestSlotBytes, std::bit_ceil(needed));
  // The kernel wants whole blocks; an odd number of slots needs one slot per block.
  const auto page = static_cast<unsigned>(getpagesize());
  if (order.ring_frames % 2 != 0) bytes = std::max(bytes, page);
  return bytes;
}

Error with_dpdk_message(int error, std::string_view what) {
  const std::string message = take_dpdk_message();
  return Error{Errc::host_cannot,
               message.empty() ? std::string(std::strerror(error < 0 ? -error : error)) : message,
               std::string(what)};
}

Result<rte_mempool*> make_pool(const std::string& name, int asked_mbufs, unsigned slot) {
  const auto mbufs = static_cast<unsigned>(std::max(asked_mbufs, 64));
  rte_mempool* pool = rte_pktmbuf_pool_create(
      name.c_str(), mbufs, mbufs >= 256 ? 64 : 0, 0,
      static_cast<std::uint16_t>(slot + RTE_PKTMBUF_HEADROOM), memory_socket());
  if (pool == nullptr) return tl::unexpected<Error>(with_dpdk_message(rte_errno, "mbuf pool"));
  return pool;
}

}  // namespace

Result<std::unique_ptr<DpdkPort>> DpdkPort::open(const DpdkPortOrder& order) {
  if (!eal_facts()) return fail(Errc::broken, "EAL was not started", order.place.netdev);
  std::unique_ptr<DpdkPort> port(new DpdkPort());
  if (auto started = port->start(order); !started) {
    return tl::unexpected<Error>(std::move(started).error().within(order.place.netdev));
  }
  return port;
}

Result<void> DpdkPort::start(const DpdkPortOrder& order) {
  if (order.ring_frames < 1) return fail(Errc::bad_experiment, "ring: at least 1 frame");
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(order.place.netns_fd));
  const unsigned slot = slot_bytes(order);
  const unsigned block = std::max(slot, static_cast<unsigned>(getpagesize()));
  name_ = next_name();
  const std::string arguments =
      fmt::format("iface={},qpairs={},blocksz={},framesz={},framecnt={},qdisc_bypass=0",
                  order.place.netdev, order.queues, block, slot, order.ring_frames);
  (void)take_dpdk_message();
  if (const int error = rte_vdev_init(name_.c_str(), arguments.c_str()); error != 0) {
    return tl::unexpected<Error>(with_dpdk_message(error, "net_af_packet"));
  }
  probed_ = true;
  if (rte_eth_dev_get_port_by_name(name_.c_str(), &port_) != 0) {
    return fail(Errc::broken, "the port has no number", name_);
  }
  // The driver wants a pool for what it receives even where that is nothing.
  PM_TRY(receive_pool_, make_pool(name_ + "_rx", order.receive_mbufs, slot));
  if (order.send_mbufs > 0) {
    PM_TRY(send_pool_, make_pool(name_ + "_tx", order.send_mbufs, slot));
  }
  const rte_eth_conf configuration{};
  const auto queues = static_cast<std::uint16_t>(order.queues);
  int error = rte_eth_dev_configure(port_, queues, queues, &configuration);
  for (std::uint16_t queue = 0; queue < queues && error == 0; ++queue) {
    error = rte_eth_rx_queue_setup(port_, queue, 512, 0, nullptr, receive_pool_);
    if (error == 0) error = rte_eth_tx_queue_setup(port_, queue, 512, 0, nullptr);
  }
  if (error == 0) error = rte_eth_dev_start(port_);
  if (error != 0) return tl::unexpected<Error>(with_dpdk_message(error, "port"));
  started_ = true;
  // The driver opened them queue by queue.
  PM_TRY(socket_fds_, find_packet_sockets(-1, order.place.netdev));
  if (socket_fds_.size() != queues)
    return fail(Errc::broken,
                fmt::format("{} packet sockets of this process for {} queues", socket_fds_.size(),
                            order.queues),
                order.place.netdev);
  PM_TRY(ring_, read_packet_ring(-1, order.place.netdev));
  for (const int fd : socket_fds_) {
    if (order.receive_mbufs == 0) PM_TRYV(take_no_frames(fd));
    PM_TRY(PacketRingView view, PacketRingView::map(fd, ring_));
    views_.push_back(std::move(view));
  }
  return {};
}

DpdkPort::~DpdkPort() {
  views_.clear();
  if (started_) (void)rte_eth_dev_stop(port_);  // the driver closes its socket here
  if (probed_) {
    (void)rte_eth_dev_close(port_);
    (void)rte_vdev_uninit(name_.c_str());
  }
  rte_mempool_free(receive_pool_);
  rte_mempool_free(send_pool_);
}

void SharedPort::need(const DpdkPortOrder& order) {
  PM_CHECK(port_ == nullptr);
  if (!order_) {
    order_ = order;
    return;
  }
  PM_CHECK(order.queues == order_->queues);
  if (order.receive_mbufs > 0) order_->ring_frames = order.ring_frames;
  order_->receive_mbufs += order.receive_mbufs;
  order_->send_mbufs += order.send_mbufs;
}

Result<std::shared_ptr<DpdkPort>> SharedPort::open() {
  PM_CHECK(order_.has_value());
  if (port_ == nullptr) {
    PM_TRY(port_, DpdkPort::open(*order_));
  }
  return port_;
}

}  // namespace pollmark
