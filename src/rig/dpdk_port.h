// A DPDK port on a kernel network device: net_af_packet, opened inside the device's namespace.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/netns.h"
#include "host/packet_socket.h"

struct rte_mempool;

namespace pollmark {

struct DpdkPortOrder {
  NetdevPlace place;
  int ring_frames = 512;  // slots of its receive ring and of its transmit ring, 1 or more
  int queues = 1;         // queue pairs, 1 to 16; each a socket with rings of its own
  int receive_mbufs = 0;  // 0: the port takes no frames
  int send_mbufs = 0;     // 0: it sends none
};

// Slots are large enough for a frame of the place's MTU. qdisc_bypass is 0: what a queueing
// discipline on the device drops then has an owner (qdisc drops); with the bypass it would not be
// part of the path, and on a veth without one the bypass gains nothing.
// Queues of one port do not receive what the others send, and all ports of a process on one device
// share its frames: they are one fanout group. So a device has one port that receives, at most.
// Control thread only, except that one lcore may send or receive on each queue. Closed on
// destruction.
class DpdkPort {
 public:
  // EAL must run (start_eal). Errors: host_cannot with DPDK's or the kernel's reason.
  [[nodiscard]] static Result<std::unique_ptr<DpdkPort>> open(const DpdkPortOrder& order);
  ~DpdkPort();
  DpdkPort(const DpdkPort&) = delete;
  DpdkPort& operator=(const DpdkPort&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] rte_mempool* receive_pool() const { return receive_pool_; }
  [[nodiscard]] rte_mempool* send_pool() const { return send_pool_; }  // nullptr: sends none
  // Of a queue; the driver's, not owned.
  [[nodiscard]] int socket_fd(std::size_t queue = 0) const { return socket_fds_[queue]; }
  [[nodiscard]] const PacketRing& ring() const { return ring_; }  // as the kernel has it
  [[nodiscard]] const PacketRingView& view(std::size_t queue = 0) const { return views_[queue]; }

 private:
  DpdkPort() = default;
  Result<void> start(const DpdkPortOrder& order);

  std::string name_;
  bool probed_ = false;
  std::uint16_t port_ = 0;
  bool started_ = false;
  rte_mempool* receive_pool_ = nullptr;
  rte_mempool* send_pool_ = nullptr;
  std::vector<int> socket_fds_;  // [queue]
  PacketRing ring_;
  std::vector<PacketRingView> views_;  // [queue]
};

// A port that those who send and those who receive on one device have in common. Control thread.
class SharedPort {
 public:
  // What one of them needs; each before the first opens it. The ring is the receiver's.
  void need(const DpdkPortOrder& order);
  // The same port at every call. Errors: as DpdkPort::open.
  [[nodiscard]] Result<std::shared_ptr<DpdkPort>> open();

 private:
  std::optional<DpdkPortOrder> order_;
  std::shared_ptr<DpdkPort> port_;
};

}  // namespace pollmark
