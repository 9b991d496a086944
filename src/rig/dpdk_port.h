// A DPDK port on a kernel network device: net_af_packet, opened inside the device's namespace.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/netns.h"
#include "host/packet_socket.h"

struct rte_mempool;

namespace pollmark {

struct DpdkPortOrder {
  NetdevPlace place;
  std::string role;       // "tx", "rx": part of the port's name
  int ring_frames = 512;  // slots of its receive ring and of its transmit ring, 1 or more
  int pool_mbufs = 1024;
  int queues = 1;  // queue pairs, 1 to 16; each a socket with rings of its own
};

// Slots are large enough for a frame of the place's MTU. qdisc_bypass is 0: what a queueing
// discipline on the device drops then has an owner (qdisc drops); with the bypass it would not be
// part of the path, and on a veth without one the bypass gains nothing.
// Queues of one port do not receive what the others send: they are one fanout group.
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
  [[nodiscard]] rte_mempool* pool() const { return pool_; }
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
  rte_mempool* pool_ = nullptr;
  std::vector<int> socket_fds_;  // [queue]
  PacketRing ring_;
  std::vector<PacketRingView> views_;  // [queue]
};

}  // namespace pollmark
