#include "host/packet_socket.h"

#include <dirent.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/packet_diag.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "host/netlink_socket.h"
#include "host/netns.h"

namespace pollmark {
namespace {

std::vector<int> own_descriptors() {
  std::vector<int> descriptors;
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return descriptors;
  while (const dirent* entry = readdir(folder)) {
    char* end = nullptr;
    const long fd = std::strtol(entry->d_name, &end, 10);
    if (end != entry->d_name && fd != dirfd(folder)) descriptors.push_back(static_cast<int>(fd));
  }
  closedir(folder);
  return descriptors;
}

std::uint64_t inode_of(int fd) {
  struct stat facts {};
  return fstat(fd, &facts) == 0 ? facts.st_ino : 0;
}

// Namespace of a socket, by the number of its descriptor's inode.
std::uint64_t namespace_of(int socket_fd) {
  const int fd = ioctl(socket_fd, SIOCGSKNS);
  if (fd < 0) return 0;
  const std::uint64_t inode = inode_of(fd);
  close(fd);
  return inode;
}

bool is_bound_v2_socket(int fd, int ifindex) {
  int domain = 0;
  socklen_t size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_PACKET) {
    return false;
  }
  int version = 0;
  size = sizeof version;
  if (getsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, &size) != 0 || version != TPACKET_V2) {
    return false;
  }
  sockaddr_ll address{};
  size = sizeof address;
  return getsockname(fd, static_cast<sockaddr*>(static_cast<void*>(&address)), &size) == 0 &&
         address.sll_ifindex == ifindex && address.sll_protocol != 0;
}

Result<int> index_of(std::string_view netdev) {
  const auto index = if_nametoindex(std::string(netdev).c_str());
  if (index == 0) return fail(Errc::host_cannot, "no such network device", std::string(netdev));
  return static_cast<int>(index);
}

struct DiagQuery {
  int ifindex = 0;
  std::optional<PacketRing> ring;
};

void collect_ring(nlmsghdr* header, DiagQuery& query) {
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) return;
  std::array<nlattr*, PACKET_DIAG_MAX + 1> attributes{};
  if (nlmsg_parse(header, sizeof(packet_diag_msg), attributes.data(), PACKET_DIAG_MAX, nullptr) <
      0) {
    return;
  }
  const nlattr* info = attributes[PACKET_DIAG_INFO];
  const nlattr* ring = attributes[PACKET_DIAG_RX_RING];
  if (info == nullptr || ring == nullptr) return;
  packet_diag_info bound{};
  packet_diag_ring shape{};
  if (nla_len(info) < static_cast<int>(sizeof bound) ||
      nla_len(ring) < static_cast<int>(sizeof shape)) {
    return;
  }
  std::memcpy(&bound, nla_data(info), sizeof bound);
  std::memcpy(&shape, nla_data(ring), sizeof shape);
  if (static_cast<int>(bound.pdi_index) != query.ifindex || bound.pdi_version != TPACKET_V2) return;
  query.ring = PacketRing{.block_bytes = shape.pdr_block_size,
                          .blocks = shape.pdr_block_nr,
                          .frame_bytes = shape.pdr_frame_size,
                          .frames = shape.pdr_frame_nr};
}

}  // namespace

Result<std::vector<int>> find_packet_sockets(int netns_fd, std::string_view netdev) {
  int ifindex = 0;
  std::uint64_t wanted = 0;
  {
    PM_TRY(const ScopedNetns inside, ScopedNetns::enter(netns_fd));
    PM_TRY(ifindex, index_of(netdev));
    PM_TRY(const Netns here, Netns::current());
    wanted = here.inode();
  }
  std::vector<int> found;
  for (const int fd : own_descriptors())
    if (is_bound_v2_socket(fd, ifindex) && namespace_of(fd) == wanted) found.push_back(fd);
  if (found.empty())
    return fail(Errc::host_cannot, "no packet socket is bound", std::string(netdev));
  std::sort(found.begin(), found.end());
  return found;
}

Result<PacketStatistics> take_packet_statistics(int fd) {
  tpacket_stats statistics{};
  socklen_t size = sizeof statistics;
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &size) != 0) {
    return fail(Errc::host_cannot, std::strerror(errno), "PACKET_STATISTICS");
  }
  return PacketStatistics{.packets = statistics.tp_packets, .drops = statistics.tp_drops};
}

Result<PacketRing> read_packet_ring(int netns_fd, std::string_view netdev) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(netns_fd));
  DiagQuery query;
  PM_TRY(query.ifindex, index_of(netdev));
  packet_diag_req request{};
  request.sdiag_family = AF_PACKET;
  request.pdiag_show = PACKET_SHOW_INFO | PACKET_SHOW_RING_CFG;
  PM_TRY(NetlinkSocket netlink, NetlinkSocket::open(NETLINK_SOCK_DIAG, -1));
  PM_TRYV(netlink.ask(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof request,
                      [&](nlmsghdr* header) { collect_ring(header, query); }));
  if (!query.ring) {
    return fail(Errc::host_cannot, "no packet ring can be read back", std::string(netdev));
  }
  return *query.ring;
}

Result<void> take_no_frames(int fd) {
  sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{1, &none};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
    return fail(Errc::host_cannot, std::strerror(errno), "SO_ATTACH_FILTER");
  return {};
}

std::size_t PacketRingView::ring_bytes() const {
  return std::size_t{ring_.block_bytes} * ring_.blocks;
}

Result<PacketRingView> PacketRingView::map(int fd, const PacketRing& ring) {
  PacketRingView view(nullptr, ring);
  void* memory = mmap(nullptr, 2 * view.ring_bytes(), PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    return fail(Errc::host_cannot, std::strerror(errno), "mapping of the packet ring");
  }
  view.memory_ = memory;
  return view;
}

PacketRingView::PacketRingView(PacketRingView&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), ring_(other.ring_) {}

PacketRingView& PacketRingView::operator=(PacketRingView&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(ring_, other.ring_);
  return *this;
}

PacketRingView::~PacketRingView() {
  if (memory_ != nullptr) munmap(memory_, 2 * ring_bytes());
}

std::int64_t PacketRingView::frames_with(std::size_t ring_offset, std::uint32_t status_bits) const {
  const auto* ring = static_cast<const std::uint8_t*>(memory_) + ring_offset;
  const std::uint32_t per_block = ring_.block_bytes / ring_.frame_bytes;
  std::int64_t count = 0;
  for (std::uint32_t i = 0; i < ring_.frames; ++i) {
    const std::uint8_t* frame = ring + std::size_t{i / per_block} * ring_.block_bytes +
                                std::size_t{i % per_block} * ring_.frame_bytes;
    const auto* header = static_cast<const tpacket2_hdr*>(static_cast<const void*>(frame));
    // The kernel writes it.
    if ((__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & status_bits) != 0) ++count;
  }
  return count;
}

std::int64_t PacketRingView::unread() const { return frames_with(0, TP_STATUS_USER); }

std::int64_t PacketRingView::unsent() const {
  return frames_with(ring_bytes(), TP_STATUS_SEND_REQUEST | TP_STATUS_SENDING);
}

void kick_transmit_ring(int fd) { (void)sendto(fd, nullptr, 0, MSG_DONTWAIT, nullptr, 0); }

}  // namespace pollmark
