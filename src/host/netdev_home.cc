#include "host/netdev_home.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "base/text.h"
#include "host/ethtool.h"
#include "host/file_text.h"
#include "host/netlink.h"
#include "host/netlink_socket.h"
#include "host/netns.h"
#include "host/setting.h"

namespace pollmark {
namespace {

using Bytes = std::vector<std::uint8_t>;

// Not in the headers of every kernel that has them (linux/if_addr.h).
constexpr std::uint16_t kAddressProtocol = 11;  // IFA_PROTO
constexpr std::uint8_t kMadeByRouter = 2;       // IFAPROT_KERNEL_RA
constexpr std::uint8_t kMadeByLink = 3;         // IFAPROT_KERNEL_LL
constexpr std::uint32_t kForEver = 0xffffffff;
constexpr unsigned kKeptFlags = IFF_PROMISC | IFF_ALLMULTI | IFF_NOARP | IFF_MULTICAST;
constexpr std::string_view kUntil = " until ";

// An attribute of a netlink message: rtnetlink's, whose macros take what is not const.
struct Attribute {
  std::uint16_t type = 0;
  std::span<const std::uint8_t> payload;
};

std::vector<Attribute> attributes_of(const nlmsghdr* header, std::size_t family_header_bytes) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(header);
  std::vector<Attribute> attributes;
  std::size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(family_header_bytes);
  while (at + sizeof(rtattr) <= header->nlmsg_len) {
    rtattr attribute{};
    std::memcpy(&attribute, bytes + at, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || at + attribute.rta_len > header->nlmsg_len) break;
    attributes.push_back({static_cast<std::uint16_t>(attribute.rta_type & NLA_TYPE_MASK),
                          {bytes + at + sizeof attribute, attribute.rta_len - sizeof attribute}});
    at += RTA_ALIGN(attribute.rta_len);
  }
  return attributes;
}

const Attribute* find_attribute(const std::vector<Attribute>& attributes, int type) {
  const auto found = std::ranges::find(attributes, type, &Attribute::type);
  return found == attributes.end() ? nullptr : &*found;
}

template <typename Number>
std::optional<Number> number_of(const std::vector<Attribute>& attributes, int type) {
  const Attribute* found = find_attribute(attributes, type);
  Number value{};
  if (found == nullptr || found->payload.size() < sizeof value) return std::nullopt;
  std::memcpy(&value, found->payload.data(), sizeof value);
  return value;
}

template <typename Value>
void append_bytes(Bytes& bytes, const Value& value) {
  const auto* raw = reinterpret_cast<const std::uint8_t*>(&value);
  bytes.insert(bytes.end(), raw, raw + sizeof value);
}

void append_attribute(Bytes& bytes, std::uint16_t type, std::span<const std::uint8_t> payload) {
  append_bytes(bytes, rtattr{.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(payload.size())),
                             .rta_type = type});
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  bytes.resize(RTA_ALIGN(bytes.size()));
}

template <typename Number>
void append_number(Bytes& bytes, std::uint16_t type, Number value) {
  append_attribute(bytes, type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
}

std::string hex_of(const Bytes& bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

Bytes bytes_of(std::string_view hex) {
  Bytes bytes(hex.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, bytes[i], 16);
  return bytes;
}

std::string ip_text(int family, const Attribute* address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const std::size_t needed = family == AF_INET ? 4 : 16;
  if (address == nullptr || address->payload.size() < needed)
    return family == AF_INET ? "0.0.0.0" : "::";
  inet_ntop(family, address->payload.data(), text.data(), text.size());
  return text.data();
}

std::int64_t seconds_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

template <typename Header>
const Header& header_of(const nlmsghdr* message) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(message);
  return *reinterpret_cast<const Header*>(bytes + NLMSG_HDRLEN);
}

// What the kernel told in a dump, less what it makes up itself: the same message makes it again.
// "address 192.0.2.7/24 <message>": the message has no index of the device.
std::optional<std::string> address_line(const nlmsghdr* message, int ifindex) {
  auto header = header_of<ifaddrmsg>(message);
  if (message->nlmsg_type != RTM_NEWADDR || static_cast<int>(header.ifa_index) != ifindex)
    return std::nullopt;
  const auto attributes = attributes_of(message, sizeof header);
  const auto made_by = number_of<std::uint8_t>(attributes, kAddressProtocol).value_or(0);
  const auto flags = number_of<std::uint32_t>(attributes, IFA_FLAGS).value_or(header.ifa_flags);
  // IFA_F_TEMPORARY of IPv6 is IFA_F_SECONDARY of IPv4, which the kernel finds out.
  const bool temporary = header.ifa_family == AF_INET6 && (flags & IFA_F_TEMPORARY) != 0;
  if (made_by == kMadeByRouter || made_by == kMadeByLink || temporary) return std::nullopt;
  const std::uint32_t kept = flags & (IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR |
                                      IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN);
  header.ifa_index = 0;
  header.ifa_flags = static_cast<std::uint8_t>(kept);
  Bytes bytes;
  append_bytes(bytes, header);
  for (const int type : {int{IFA_ADDRESS}, int{IFA_LOCAL}, int{IFA_BROADCAST}, int{IFA_LABEL},
                         int{IFA_RT_PRIORITY}, int{kAddressProtocol}}) {
    if (const Attribute* attribute = find_attribute(attributes, type))
      append_attribute(bytes, attribute->type, attribute->payload);
  }
  append_number(bytes, IFA_FLAGS, kept);
  const Attribute* local = find_attribute(attributes, IFA_LOCAL);
  if (local == nullptr) local = find_attribute(attributes, IFA_ADDRESS);
  std::string line = fmt::format("address {}/{} {}", ip_text(header.ifa_family, local),
                                 header.ifa_prefixlen, hex_of(bytes));
  const auto life = number_of<ifa_cacheinfo>(attributes, IFA_CACHEINFO);
  if (life && life->ifa_valid != kForEver) {
    const std::int64_t now = seconds_now();
    line += fmt::format("{}{} {}", kUntil, now + life->ifa_valid,
                        life->ifa_prefered == kForEver ? -1 : now + life->ifa_prefered);
  }
  return line;
}

bool goes_through(const Attribute& multipath, int ifindex) {
  std::size_t at = 0;
  while (at + sizeof(rtnexthop) <= multipath.payload.size()) {
    rtnexthop hop{};
    std::memcpy(&hop, multipath.payload.data() + at, sizeof hop);
    if (hop.rtnh_ifindex == ifindex) return true;
    if (hop.rtnh_len < sizeof hop) return false;
    at += RTNH_ALIGN(hop.rtnh_len);
  }
  return false;
}

struct RouteLook {
  std::string line;
  std::string_view obstacle;  // why it could not be put back; empty: it can
};

std::optional<RouteLook> route_look(const nlmsghdr* message, int ifindex) {
  auto header = header_of<rtmsg>(message);
  if (message->nlmsg_type != RTM_NEWROUTE || (header.rtm_flags & RTM_F_CLONED) != 0)
    return std::nullopt;
  if (header.rtm_protocol == RTPROT_KERNEL || header.rtm_protocol == RTPROT_REDIRECT ||
      header.rtm_protocol == RTPROT_RA)
    return std::nullopt;
  const auto attributes = attributes_of(message, sizeof header);
  RouteLook look;
  const Attribute* multipath = find_attribute(attributes, RTA_MULTIPATH);
  const bool through = multipath != nullptr && goes_through(*multipath, ifindex);
  if (!through && number_of<int>(attributes, RTA_OIF) != ifindex) return std::nullopt;
  if (through) look.obstacle = "is one of several paths of the route to";
  if (find_attribute(attributes, RTA_NH_ID) != nullptr)
    look.obstacle = "is the nexthop object of the route to";
  header.rtm_flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE;
  Bytes bytes;
  append_bytes(bytes, header);
  for (const Attribute& attribute : attributes) {
    const bool made_up = attribute.type == RTA_OIF || attribute.type == RTA_CACHEINFO;
    if (!made_up) append_attribute(bytes, attribute.type, attribute.payload);
  }
  const auto table = number_of<std::uint32_t>(attributes, RTA_TABLE).value_or(header.rtm_table);
  look.line = fmt::format("route {}/{}_table_{} {}",
                          ip_text(header.rtm_family, find_attribute(attributes, RTA_DST)),
                          header.rtm_dst_len, table, hex_of(bytes));
  return look;
}

std::optional<std::string> neighbour_line(const nlmsghdr* message, int ifindex) {
  auto header = header_of<ndmsg>(message);
  if (message->nlmsg_type != RTM_NEWNEIGH || header.ndm_ifindex != ifindex ||
      (header.ndm_state & NUD_PERMANENT) == 0)
    return std::nullopt;
  if (header.ndm_family != AF_INET && header.ndm_family != AF_INET6) return std::nullopt;
  const auto attributes = attributes_of(message, sizeof header);
  header.ndm_ifindex = 0;
  Bytes bytes;
  append_bytes(bytes, header);
  for (const int type : {NDA_DST, NDA_LLADDR}) {
    if (const Attribute* attribute = find_attribute(attributes, type))
      append_attribute(bytes, attribute->type, attribute->payload);
  }
  return fmt::format("neighbour {} {}",
                     ip_text(header.ndm_family, find_attribute(attributes, NDA_DST)),
                     hex_of(bytes));
}

// Each message of a dump that begins with that header.
template <typename Header>
Result<void> dump(NetlinkSocket& socket, int type, int family,
                  const std::function<void(const nlmsghdr*)>& each) {
  Header header{};
  *reinterpret_cast<std::uint8_t*>(&header) = static_cast<std::uint8_t>(family);
  return socket.ask(type, NLM_F_DUMP, &header, sizeof header,
                    [&](nlmsghdr* message) { each(message); });
}

template <typename Header>
Result<void> dump_ip(NetlinkSocket& socket, int type,
                     const std::function<void(const nlmsghdr*)>& each) {
  for (const int family : {AF_INET, AF_INET6}) {
    if (auto dumped = dump<Header>(socket, type, family, each); !dumped && family == AF_INET)
      return dumped;  // a kernel without IPv6 has none of it
  }
  return {};
}

// Folders of sysctls that a device has of its own.
constexpr std::array<const char*, 4> kConfs{"ipv4/conf", "ipv6/conf", "ipv4/neigh", "ipv6/neigh"};

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* open = opendir(folder.c_str());
  if (open == nullptr) return names;
  while (const dirent* entry = readdir(open)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(open);
  std::ranges::sort(names);
  return names;
}

// The calling thread is in the namespace.
std::vector<std::string> conf_lines(const std::string& netdev) {
  std::vector<std::string> lines;
  for (const char* conf : kConfs) {
    const std::string folder = fmt::format("/proc/sys/net/{}/{}", conf, netdev);
    for (const std::string& file : files_in(folder)) {
      // Some are written only, or not set.
      if (const auto text = read_text_at(AT_FDCWD, folder + "/" + file))
        lines.push_back(fmt::format("conf {}/{} {}", conf, file, *text));
    }
  }
  return lines;
}

std::vector<Setting> settings_of_device(const std::string& netdev, const SettingGround& ground) {
  std::vector<Setting> settings;
  const auto add = [&](SettingKind kind, std::initializer_list<const char*> names) {
    for (const char* name : names) settings.push_back({kind, name, netdev});
  };
  // A veth takes it only with GRO on.
  add(SettingKind::netdev, {"threaded"});
  add(SettingKind::channels, {"rx", "tx", "combined"});
  add(SettingKind::ring, {"rx", "tx"});
  add(SettingKind::coalesce, {"rx_usecs", "rx_frames", "tx_usecs", "tx_frames", "adaptive_rx"});
  for (Setting& feature : taken_along_by({SettingKind::feature, "", netdev}, ground))
    settings.push_back(std::move(feature));
  add(SettingKind::netdev,
      {"mtu", "tx_queue_len", "group", "ifalias", "gro_flush_timeout", "napi_defer_hard_irqs"});
  for (Setting& mask : taken_along_by({SettingKind::channels, "rx", netdev}, ground))
    settings.push_back(std::move(mask));
  for (const std::string& irq : interrupts_of_netdev(netdev, ground))
    settings.push_back({SettingKind::irq, irq, ""});
  add(SettingKind::qdisc, {"root"});
  return settings;
}

// "setting feature rx-gro on on": requested and effective, apart by a tab.
std::string setting_line(const Setting& setting, const SettingReading& reading) {
  return fmt::format("setting {} {} {}\t{}", name_of(setting.kind), setting.name, reading.requested,
                     reading.effective);
}

struct LineParts {
  std::string kind;
  std::string name;
  std::string rest;
};

// "kind name rest of the line".
LineParts parts_of_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == line.npos ? line.npos : line.find(' ', first + 1);
  LineParts parts{std::string(line.substr(0, first)), "", ""};
  if (first != line.npos) parts.name = line.substr(first + 1, second - first - 1);
  if (second != line.npos) parts.rest = line.substr(second + 1);
  return parts;
}

std::optional<SettingKind> setting_kind_named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(kLastSettingKind); ++i) {
    if (name_of(static_cast<SettingKind>(i)) == name) return static_cast<SettingKind>(i);
  }
  return std::nullopt;
}

// Of the root qdisc; 0: it is the kernel's own.
Result<std::uint32_t> root_handle(Netlink& netlink, const std::string& netdev) {
  PM_TRY(const auto qdiscs, netlink.qdiscs(netdev));
  const auto root = std::ranges::find_if(qdiscs, &QdiscState::root);
  return root == qdiscs.end() ? 0 : root->handle;
}

bool is_wireless(const std::string& netdev, const SettingGround& ground) {
  return netdev_has_file(netdev, "phy80211", ground) || netdev_has_file(netdev, "wireless", ground);
}

std::string_view obstacle_of_kind(const LinkState& link) {
  if ((link.flags & IFF_LOOPBACK) != 0) return "is the loopback device";
  if (link.type != ARPHRD_ETHER) return "is no Ethernet device";
  for (const char* kind : {"bridge", "bond", "team", "vrf"}) {
    if (link.kind == kind) return "joins other devices (bridge, bond, team, VRF)";
  }
  if (link.has_program) return "carries an XDP program";
  return {};
}

// Devices that stand on it, or that it is a member of.
std::string relation_of(const LinkState& link, const std::vector<LinkState>& all) {
  for (const LinkState& other : all) {
    if (link.master_index != 0 && other.ifindex == link.master_index)
      return "is a member of " + other.netdev;
    if (other.lower_index == link.ifindex && !other.elsewhere && other.kind != "veth" &&
        other.ifindex != link.ifindex)
      return fmt::format("carries {} ({})", other.netdev, other.kind);
  }
  return {};
}

tl::unexpected<Error> not_lendable(const std::string& netdev, std::string_view why) {
  return fail(Errc::host_cannot,
              fmt::format("{}; allowed: an Ethernet device by itself that pollmark can take into a "
                          "namespace and put back",
                          why),
              netdev);
}

}  // namespace

Result<void> need_lendable_netdev(const std::string& netdev, int netns_fd) {
  const SettingGround ground{netns_fd, ""};
  PM_TRY(Netlink netlink, Netlink::open(netns_fd));
  PM_TRY(const std::vector<LinkState> links, netlink.links());
  const auto link = std::ranges::find(links, netdev, &LinkState::netdev);
  if (link == links.end())
    return fail(Errc::host_cannot, "no such network device in this namespace", netdev);
  if (const auto why = obstacle_of_kind(*link); !why.empty()) return not_lendable(netdev, why);
  if (const auto why = relation_of(*link, links); !why.empty()) return not_lendable(netdev, why);
  if (is_wireless(netdev, ground)) return not_lendable(netdev, "is wireless");
  PM_TRYV(read_setting({SettingKind::qdisc, "root", netdev}, ground));
  PM_TRY(const auto qdiscs, netlink.qdiscs(netdev));
  if (std::ranges::any_of(qdiscs, &QdiscState::ingress))
    return not_lendable(netdev, "has ingress filters, which could not be put back");
  std::string route;
  PM_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE, netns_fd));
  PM_TRYV(dump_ip<rtmsg>(socket, RTM_GETROUTE, [&](const nlmsghdr* message) {
    const auto look = route_look(message, link->ifindex);
    if (look && !look->obstacle.empty())
      route = fmt::format("{} {}", look->obstacle, parts_of_line(look->line).name);
  }));
  if (!route.empty()) return not_lendable(netdev, route);
  return {};
}

Result<std::string> read_netdev_home(const std::string& netdev, int netns_fd) {
  const SettingGround ground{netns_fd, ""};
  PM_TRY(Netlink netlink, Netlink::open(netns_fd));
  PM_TRY(const LinkState link, netlink.link(netdev));
  std::vector<std::string> lines{fmt::format("link up {}", link.up ? 1 : 0),
                                 fmt::format("link mac {}", mac_text(link.mac)),
                                 fmt::format("link flags {:#x}", link.flags & kKeptFlags)};
  PM_TRY(const std::uint32_t handle, root_handle(netlink, netdev));
  if (handle != 0) lines.push_back(fmt::format("link qdisc_handle {:#x}", handle));
  for (const Setting& setting : settings_of_device(netdev, ground)) {
    // What the driver does not have is not there.
    if (const auto reading = read_setting(setting, ground))
      lines.push_back(setting_line(setting, *reading));
  }
  {
    PM_TRY(const ScopedNetns inside, ScopedNetns::enter(netns_fd));
    for (std::string& line : conf_lines(netdev)) lines.push_back(std::move(line));
  }
  PM_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE, netns_fd));
  const auto keep = [&](std::optional<std::string> line) {
    if (line) lines.push_back(std::move(*line));
  };
  PM_TRYV(dump_ip<ifaddrmsg>(socket, RTM_GETADDR, [&](const nlmsghdr* message) {
    keep(address_line(message, link.ifindex));
  }));
  PM_TRYV(dump_ip<rtmsg>(socket, RTM_GETROUTE, [&](const nlmsghdr* message) {
    if (auto look = route_look(message, link.ifindex)) keep(std::move(look->line));
  }));
  PM_TRYV(dump_ip<ndmsg>(socket, RTM_GETNEIGH, [&](const nlmsghdr* message) {
    keep(neighbour_line(message, link.ifindex));
  }));
  return join(lines, "\n");
}

Result<void> send_netdev_away(const std::string& netdev, int netns_fd, const std::string& away) {
  PM_TRY(const Netns there, Netns::open(away));
  PM_TRY(Netlink netlink, Netlink::open(netns_fd));
  auto moved = netlink.move(netdev, there.fd());
  if (!moved) return not_lendable(netdev, "cannot be moved: " + moved.error().what);
  return {};
}

namespace {

// What the device is to be again, and what went wrong first.
class HomeComing {
 public:
  HomeComing(const std::string& netdev, int netns_fd, const std::string& home)
      : netdev_(netdev), ground_{netns_fd, ""}, lines_(split(home, '\n')) {}

  Result<void> put_back() {
    PM_TRY(Netlink netlink, Netlink::open(ground_.netns_fd));
    PM_TRY(const LinkState link, netlink.link(netdev_));
    if (mac_text(link.mac) != value_of("mac"))
      return fail(Errc::host_cannot, "another device has its name", netdev_);
    put_back_settings();
    put_back_confs();
    note(netlink.set_frame_filter(
        netdev_, (flags() & IFF_PROMISC) != 0 ? FrameFilter::every_mac : FrameFilter::own_mac));
    note(is_up() ? netlink.set_up(netdev_) : netlink.set_down(netdev_));
    // A device that is up may take what it refused before.
    put_back_settings();
    put_back_confs();
    put_back_qdisc_handle(netlink);
    PM_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE, ground_.netns_fd));
    for (const char* kind : {"address", "neighbour", "route"})
      replay(socket, kind, link.ifindex, Reach::as_it_is);
    // A route may need another one, or one that is no more.
    replay(socket, "route", link.ifindex, Reach::lent);
    if (first_error_) return tl::unexpected<Error>(*first_error_);
    return {};
  }

  // Twice: one may take another along.
  void put_back_settings() {
    for (int pass = 0; pass < 2; ++pass) {
      for (const std::string& line : lines_) {
        const LineParts parts = parts_of_line(line);
        if (parts.kind != "setting") continue;
        const auto kind = setting_kind_named(parts.name);
        const LineParts named = parts_of_line("- " + parts.rest);
        if (!kind) continue;
        const Setting setting{*kind, named.name, *kind == SettingKind::irq ? "" : netdev_};
        const auto now = read_setting(setting, ground_);
        if (now && setting_line(setting, *now) == line) continue;
        // What stays different is told by the comparison.
        (void)write_setting(setting, named.rest.substr(0, named.rest.find('\t')), ground_);
      }
    }
  }

 private:
  enum class Reach {
    as_it_is,
    lent,  // a route to the gateway while the route that needs one is made
  };

  void note(Result<void> done) {
    if (!done && !first_error_) first_error_ = std::move(done).error();
  }

  [[nodiscard]] std::string value_of(std::string_view name) const {
    for (const std::string& line : lines_) {
      const LineParts parts = parts_of_line(line);
      if (parts.kind == "link" && parts.name == name) return parts.rest;
    }
    return {};
  }
  [[nodiscard]] bool is_up() const { return value_of("up") == "1"; }
  [[nodiscard]] unsigned flags() const { return hex_value_of("flags"); }
  [[nodiscard]] unsigned hex_value_of(std::string_view name) const {
    const std::string text = value_of(name);
    return text.empty() ? 0U : static_cast<unsigned>(std::strtoul(text.c_str(), nullptr, 16));
  }

  // Filters and scripts may name it, and what sets a qdisc gives it one of its own.
  void put_back_qdisc_handle(Netlink& netlink) {
    const unsigned handle = hex_value_of("qdisc_handle");
    const auto now = root_handle(netlink, netdev_);
    if (handle == 0 || !now || *now == 0 || *now == handle) return;
    note(netlink.set_root_qdisc_handle(netdev_, handle));
  }

  void put_back_confs() {
    const auto inside = ScopedNetns::enter(ground_.netns_fd);
    if (!inside) return;
    for (const std::string& line : lines_) {
      const LineParts parts = parts_of_line(line);
      if (parts.kind != "conf") continue;
      const std::size_t slash = parts.name.rfind('/');
      const std::string file = fmt::format("/proc/sys/net/{}/{}/{}", parts.name.substr(0, slash),
                                           netdev_, parts.name.substr(slash + 1));
      const auto now = read_text_at(AT_FDCWD, file);
      if (now && *now != parts.rest) (void)write_text_at(AT_FDCWD, file, parts.rest);
    }
  }

  // A gateway must be reachable when its route is made, not afterwards: the address that it was
  // reachable by may have been taken away since.
  static void make_route_of_unreachable(NetlinkSocket& socket, const Bytes& route, int ifindex) {
    Bytes message(NLMSG_HDRLEN);
    message.insert(message.end(), route.begin(), route.end());
    const nlmsghdr sized{.nlmsg_len = static_cast<std::uint32_t>(message.size()),
                         .nlmsg_type = RTM_NEWROUTE,
                         .nlmsg_flags = 0,
                         .nlmsg_seq = 0,
                         .nlmsg_pid = 0};
    std::memcpy(message.data(), &sized, sizeof sized);
    const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
    const auto attributes = attributes_of(header, sizeof(rtmsg));
    const Attribute* gateway = find_attribute(attributes, RTA_GATEWAY);
    if (gateway == nullptr) return;
    const auto& wanted = header_of<rtmsg>(header);
    rtmsg reach{};
    reach.rtm_family = wanted.rtm_family;
    reach.rtm_dst_len = static_cast<std::uint8_t>(8 * gateway->payload.size());
    reach.rtm_table = wanted.rtm_table;
    reach.rtm_protocol = RTPROT_STATIC;
    reach.rtm_scope = RT_SCOPE_LINK;
    reach.rtm_type = RTN_UNICAST;
    Bytes bytes;
    append_bytes(bytes, reach);
    append_attribute(bytes, RTA_DST, gateway->payload);
    if (const Attribute* table = find_attribute(attributes, RTA_TABLE))
      append_attribute(bytes, RTA_TABLE, table->payload);
    append_number(bytes, RTA_OIF, ifindex);
    if (!socket.tell(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, bytes.data(), bytes.size())) return;
    (void)socket.tell(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route.data(), route.size());
    (void)socket.tell(RTM_DELROUTE, 0, bytes.data(), bytes.size());
  }

  void replay(NetlinkSocket& socket, std::string_view wanted, int ifindex, Reach reach) {
    for (const std::string& line : lines_) {
      const LineParts parts = parts_of_line(line);
      if (parts.kind != wanted) continue;
      const std::size_t end = parts.rest.find(kUntil);
      Bytes bytes = bytes_of(std::string_view(parts.rest).substr(0, end));
      int type = RTM_NEWROUTE;
      if (wanted == "address") {
        type = RTM_NEWADDR;
        if (bytes.size() < sizeof(ifaddrmsg)) continue;
        const auto index = static_cast<std::uint32_t>(ifindex);
        std::memcpy(bytes.data() + offsetof(ifaddrmsg, ifa_index), &index, sizeof index);
        if (end != parts.rest.npos && !append_life(bytes, parts.rest.substr(end + kUntil.size())))
          continue;
      } else if (wanted == "neighbour") {
        type = RTM_NEWNEIGH;
        if (bytes.size() < sizeof(ndmsg)) continue;
        std::memcpy(bytes.data() + offsetof(ndmsg, ndm_ifindex), &ifindex, sizeof ifindex);
      } else {
        append_number(bytes, RTA_OIF, ifindex);
      }
      const auto told = socket.tell(type, NLM_F_CREATE | NLM_F_REPLACE, bytes.data(), bytes.size());
      if (!told && reach == Reach::lent) make_route_of_unreachable(socket, bytes, ifindex);
    }
  }

  // "1795834000 1795830400": when it ends, and when it is not preferred any more (-1: never).
  // False when it has ended.
  static bool append_life(Bytes& bytes, const std::string& text) {
    std::int64_t valid = 0;
    std::int64_t preferred = 0;
    const std::size_t space = text.find(' ');
    if (space == text.npos) return false;
    std::from_chars(text.data(), text.data() + space, valid);
    std::from_chars(text.data() + space + 1, text.data() + text.size(), preferred);
    const std::int64_t now = seconds_now();
    if (valid <= now) return false;
    ifa_cacheinfo life{};
    life.ifa_valid = static_cast<std::uint32_t>(valid - now);
    life.ifa_prefered =
        preferred < 0 ? kForEver
                      : static_cast<std::uint32_t>(std::max<std::int64_t>(0, preferred - now));
    append_number(bytes, IFA_CACHEINFO, life);
    return true;
  }

  std::string netdev_;
  SettingGround ground_;
  std::vector<std::string> lines_;
  std::optional<Error> first_error_;
};

bool is_in(const std::string& netdev, int netns_fd) {
  auto netlink = Netlink::open(netns_fd);
  return netlink && netlink->link(netdev);
}

}  // namespace

Result<void> bring_netdev_home(const std::string& netdev, int netns_fd, const std::string& away,
                               const std::string& home) {
  // By itself a device comes home when the other namespace has died.
  if (const auto there = Netns::open(away); there && is_in(netdev, there->fd())) {
    PM_TRY(const Netns here, netns_fd < 0 ? Netns::current()
                                          : Netns::open(fmt::format("/proc/self/fd/{}", netns_fd)));
    // As long as it is up: what needs that (threaded NAPI) cannot be set later, when others of its
    // settings have gone back.
    HomeComing(netdev, there->fd(), home).put_back_settings();
    PM_TRY(Netlink netlink, Netlink::open(there->fd()));
    PM_TRYV(netlink.move(netdev, here.fd()));
  }
  return HomeComing(netdev, netns_fd, home).put_back();
}

bool netdev_is_gone(const std::string& netdev, int netns_fd, const std::string& away) {
  if (is_in(netdev, netns_fd)) return false;
  const auto there = Netns::open(away);
  return !there || !is_in(netdev, there->fd());
}

std::vector<std::string> home_differences(std::string_view before, std::string_view now) {
  // "kind name" or, of addresses and their like, which have no value, the line itself.
  const auto by_name = [](std::string_view text) {
    std::map<std::string, std::string> values;
    for (const std::string& line : split(std::string(text), '\n')) {
      LineParts parts = parts_of_line(line.substr(0, line.find(kUntil)));
      if (parts.kind == "setting") {
        const LineParts named = parts_of_line("- " + parts.rest);
        const std::size_t tab = named.rest.find('\t');
        const std::string requested = named.rest.substr(0, tab);
        const std::string effective = tab == named.rest.npos ? "" : named.rest.substr(tab + 1);
        values[parts.name + " " + named.name] =
            requested == effective ? effective
                                   : fmt::format("{} (requested {})", effective, requested);
      } else if (parts.kind == "link") {
        values[parts.name] = parts.rest;
      } else if (parts.kind == "conf") {
        values[parts.name] = parts.rest;
      } else {
        // The same address may stand twice, with another peer.
        values[parts.kind + " " + parts.name + " " + parts.rest] = "there";
      }
    }
    return values;
  };
  const auto short_name = [](const std::string& name) {
    const LineParts parts = parts_of_line(name);
    return parts.rest.empty() ? name : parts.kind + " " + parts.name;
  };
  const auto was = by_name(before);
  const auto is = by_name(now);
  std::vector<std::string> differences;
  for (const auto& [name, value] : was) {
    const auto found = is.find(name);
    if (found == is.end()) {
      differences.push_back(short_name(name) + ": is gone");
    } else if (found->second != value) {
      differences.push_back(fmt::format("{}: was {}, is {}", name, value, found->second));
    }
  }
  for (const auto& [name, value] : is) {
    if (!was.contains(name)) differences.push_back(short_name(name) + ": is new");
  }
  return differences;
}

}  // namespace pollmark
