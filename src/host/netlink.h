// The one rtnetlink wrapper (libnl-3): links, addresses, neighbours, statistics, qdiscs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "host/netlink_socket.h"
#include "host/netns.h"
#include "record/qdisc_order.h"

namespace pollmark {

// rtnl_link_stats64 under the kernel's names ("rx_missed_errors"). Those that this kernel lacks are
// not there.
using LinkStats = std::map<std::string, std::uint64_t, std::less<>>;

struct LinkState {
  int ifindex = 0;
  std::string netdev;
  std::string kind;          // "veth"; empty for a plain device
  int type = 0;              // ARPHRD_*: 1 is Ethernet
  unsigned flags = 0;        // IFF_*
  int lower_index = 0;       // the device that it stands on, or a veth's peer; 0: none
  int master_index = 0;      // the bridge, bond or VRF that it is a member of; 0: none
  bool elsewhere = false;    // lower_index is of another namespace
  bool has_program = false;  // at its XDP hook
  int mtu = 0;
  bool up = false;
  bool carrier = false;
  bool operational = false;  // the kernel has taken note of the carrier
  std::string qdisc;         // "noop": frames are dropped, the device is not activated yet
  MacAddress mac{};
  std::uint64_t carrier_changes = 0;
  LinkStats stats;
};

// What a qdisc or a class counts: TCA_STATS2. The 32-bit ones wrap.
struct TcStats {
  std::uint64_t bytes = 0;
  std::uint32_t packets = 0;
  std::uint32_t drops = 0;
  std::uint32_t overlimits = 0;
  std::uint32_t requeues = 0;
};

struct QdiscState {
  int ifindex = 0;
  std::string kind;  // "noqueue", "pfifo", "htb", "clsact", ...
  std::uint32_t handle = 0;
  std::uint32_t parent = 0;
  bool root = false;     // parent is the device's egress
  bool ingress = false;  // ingress or clsact
  TcStats stats;
};

struct ClassState {
  std::string kind;  // of its qdisc
  std::uint32_t handle = 0;
  TcStats stats;
};

[[nodiscard]] std::string tc_handle_text(std::uint32_t handle);  // "1:", "1:10"
// "htb[1: root]", "pfifo[10:]"; those that the kernel numbers 0: by the place that they hang in,
// "fq_codel[:1]".
[[nodiscard]] std::string qdisc_text(const QdiscState& qdisc);

// Which frames a device takes: those for its own MAC, or all (promiscuous).
enum class FrameFilter { own_mac, every_mac };

struct VethOrder {
  std::string netdev;
  std::string peer;
  MacAddress mac{};
  MacAddress peer_mac{};
  int mtu = 1500;
  int peer_netns_fd = -1;  // -1: beside its peer
};

// One socket, bound for life to the namespace that it was opened in. One thread at a time.
// Every call: host_cannot with the kernel's reason; "needs CAP_NET_ADMIN" where that is it.
class Netlink {
 public:
  // netns_fd -1: the caller's namespace.
  [[nodiscard]] static Result<Netlink> open(int netns_fd);

  [[nodiscard]] Result<void> add_veth(const VethOrder& order);
  // A switch in software, without spanning tree: its ports forward at once.
  [[nodiscard]] Result<void> add_bridge(std::string_view netdev);
  [[nodiscard]] Result<void> add_port(std::string_view bridge, std::string_view netdev);
  [[nodiscard]] Result<void> remove(std::string_view netdev);
  [[nodiscard]] Result<void> set_up(std::string_view netdev);
  [[nodiscard]] Result<void> set_down(std::string_view netdev);
  [[nodiscard]] Result<void> set_frame_filter(std::string_view netdev, FrameFilter filter);
  // Into another namespace, down. Its addresses, routes and queueing discipline are lost.
  [[nodiscard]] Result<void> move(std::string_view netdev, int netns_fd);
  [[nodiscard]] Result<void> set_mtu(std::string_view netdev, int mtu);
  // No link-local address is formed on it. Weaker than disable_ipv6: multicast reports may be sent.
  [[nodiscard]] Result<void> set_no_ipv6_address(std::string_view netdev);
  [[nodiscard]] Result<void> add_ipv4(std::string_view netdev, std::uint32_t ipv4, int prefix_bits);
  // Permanent: no ARP is sent for it.
  [[nodiscard]] Result<void> add_neighbour(std::string_view netdev, std::uint32_t ipv4,
                                           const MacAddress& mac);
  // Replaces the root qdisc by a pfifo of that many frames.
  [[nodiscard]] Result<void> set_pfifo(std::string_view netdev, int limit_frames);
  // Replaces the root qdisc by a token bucket.
  [[nodiscard]] Result<void> set_tbf(std::string_view netdev, int rate_bytes_per_s,
                                     int bucket_bytes, int limit_bytes);

  // Replaces it by an htb with one class, of that rate, that holds a pfifo of so many frames.
  [[nodiscard]] Result<void> set_htb(std::string_view netdev, std::int64_t rate_bytes_per_s,
                                     int limit_frames);
  // The kernel gives the device its default again.
  [[nodiscard]] Result<void> remove_root_qdisc(std::string_view netdev);
  [[nodiscard]] Result<void> set_root_qdisc(std::string_view netdev, const QdiscOrder& order);
  // The same one again, by that handle (0x10000 is "1:"); a new one: what it held is dropped. An
  // htb keeps its own.
  [[nodiscard]] Result<void> set_root_qdisc_handle(std::string_view netdev, std::uint32_t handle);
  // nullopt: of another kind than set_root_qdisc can make.
  [[nodiscard]] Result<std::optional<QdiscOrder>> root_qdisc(std::string_view netdev);

  [[nodiscard]] Result<std::vector<LinkState>> links();
  [[nodiscard]] Result<LinkState> link(std::string_view netdev);
  // With their prefix, "192.0.2.7/24"; those of the link alone (fe80::) are left out.
  [[nodiscard]] Result<std::vector<std::string>> addresses(std::string_view netdev);
  // In any table, IPv4 or IPv6.
  [[nodiscard]] Result<bool> has_default_route(std::string_view netdev);
  [[nodiscard]] Result<std::vector<QdiscState>> qdiscs();  // of every device
  [[nodiscard]] Result<std::vector<QdiscState>> qdiscs(std::string_view netdev);
  [[nodiscard]] Result<std::vector<ClassState>> classes(int ifindex);

 private:
  NetlinkSocket socket_;
};

}  // namespace pollmark
