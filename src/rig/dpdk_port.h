// A DPDK port on a kernel network device: net_af_packet, one queue pair, opened inside the device's
// namespace.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

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
};

// Slots are large enough for a frame of the place's MTU. qdisc_bypass is 0: what a queueing
// discipline on the device drops then has an owner (qdisc drops); with the bypass it would not be
// part of the path, and on a veth without one the bypass gains nothing.
// Control thread only, except that one lcore may send or receive on it. Closed on destruction.
class DpdkPort {
 public:
  // EAL must run (start_eal). Errors: host_cannot with DPDK's or the kernel's reason.
  [[nodiscard]] static Result<std::unique_ptr<DpdkPort>> open(const DpdkPortOrder& order);
  ~DpdkPort();
  DpdkPort(const DpdkPort&) = delete;
  DpdkPort& operator=(const DpdkPort&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] rte_mempool* pool() const { return pool_; }
  [[nodiscard]] int socket_fd() const { return socket_fd_; }      // the driver's, not owned
  [[nodiscard]] const PacketRing& ring() const { return ring_; }  // as the kernel has it
  [[nodiscard]] const PacketRingView& view() const { return *view_; }

 private:
  DpdkPort() = default;
  Result<void> start(const DpdkPortOrder& order);

  std::string name_;
  bool probed_ = false;
  std::uint16_t port_ = 0;
  bool started_ = false;
  rte_mempool* pool_ = nullptr;
  int socket_fd_ = -1;
  PacketRing ring_;
  std::unique_ptr<PacketRingView> view_;
};

}  // namespace pollmark
