#include "kernel/block_ring.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

namespace pollmark {
namespace {

tl::unexpected<Error> refused(const char* what) {
  return fail(Errc::host_cannot, std::strerror(errno), what);
}

}  // namespace

BlockRing::~BlockRing() {
  if (memory_ != nullptr) munmap(memory_, bytes());
}

Result<void> BlockRing::open() {
  socket_ = Socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (socket_.fd() < 0) return refused("AF_PACKET socket");
  PM_TRYV(socket_.set(SOL_PACKET, PACKET_VERSION, int{TPACKET_V3}, "TPACKET_V3"));
  tpacket_req3 ring{};
  ring.tp_block_size = static_cast<unsigned>(shape_.block_bytes);
  ring.tp_block_nr = shape_.blocks;
  ring.tp_frame_size = shape_.slot_bytes;
  ring.tp_frame_nr = static_cast<unsigned>(bytes() / shape_.slot_bytes);
  ring.tp_retire_blk_tov = shape_.hand_over_ms;
  PM_TRYV(
      socket_.set(SOL_PACKET, PACKET_RX_RING, ring,
                  fmt::format("ring of {} blocks of {} bytes", shape_.blocks, shape_.block_bytes)));
  // The kernel maps a ring of exactly its size, or nothing: this reads the size back.
  void* memory =
      mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, socket_.fd(), 0);
  if (memory == MAP_FAILED) return refused("mapping of its ring");
  memory_ = static_cast<std::uint8_t*>(memory);
  return {};
}

Result<void> BlockRing::bind(const std::string& netdev) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(netdev.c_str()));
  if (::bind(socket_.fd(), static_cast<const sockaddr*>(static_cast<const void*>(&address)),
             sizeof address) != 0) {
    return refused("bind");
  }
  return {};
}

Result<void> BlockRing::wait(int ms) const {
  pollfd readable{.fd = socket_.fd(), .events = POLLIN | POLLERR, .revents = 0};
  if (poll(&readable, 1, ms) <= 0 || (readable.revents & POLLERR) == 0) return {};
  const int error = socket_.pending_error();
  if (error == 0) return {};
  return fail(Errc::host_cannot, std::strerror(error), "AF_PACKET socket");
}

}  // namespace pollmark
