#include "host/survey.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "frame_gun.h"
#include "host/netlink.h"
#include "host/privilege.h"
#include "kernel/veth_lab.h"
#include "obstacles.h"

namespace pollmark {
namespace {

#define NEEDS_NETWORK_LAB() \
  if (auto needed = need_network_lab(); !needed) GTEST_SKIP() << needed.error().text()

constexpr std::int64_t kFrames = 500;

using Deltas = std::map<std::string, std::int64_t>;

TrialOrder lab_order() {
  TrialOrder order;
  order.path = Path::udp_socket;
  order.clock = ClockKind::wall;
  order.traffic.frame_bytes = {64};
  return order;
}

Survey survey_of(const NetdevPlace& place) {
  auto survey = read_survey({.netns_fd = place.netns_fd});
  EXPECT_TRUE(survey) << survey.error().text();
  EXPECT_EQ(survey->not_read, (std::map<std::string, std::string>{}));
  return survey ? *std::move(survey) : Survey{};
}

// What moved of one role, without the numbers of inodes.
Deltas moved(const Survey& before, const Survey& after, CounterRole role) {
  Deltas deltas;
  for (const auto& [name, change] : difference(before.counters, after.counters)) {
    EXPECT_FALSE(change.went_backwards) << name;
    if (change.facts.role != role || change.delta.value_or(0) == 0) continue;
    const auto inode = name.find('#');
    const auto rest = inode == std::string::npos ? name.npos : name.find(']', inode);
    deltas[inode == std::string::npos ? name : name.substr(0, inode) + name.substr(rest)] =
        *change.delta;
  }
  return deltas;
}

Result<void> shoot(const NetdevPlace& place, std::function<void(FrameBytes&)> spoil,
                   std::size_t bytes_without_fcs = 60) {
  GunOrder order{.frames = kFrames, .pps = 0, .bytes_without_fcs = bytes_without_fcs};
  if (spoil) order.spoil = [&](FrameBytes& frame, std::int64_t) { spoil(frame); };
  FrameGun gun(order, place);
  PM_TRYV(gun.open());
  PM_TRY(const SenderAccount account, gun.join());
  EXPECT_EQ(account.offered_pkts, kFrames);
  return {};
}

void to_another_host(FrameBytes& frame) {
  frame[33] = 77;  // 198.18.0.77
  repair_checksums(frame);
}

// Every way to die in the receiver's namespace that a sender can provoke there: who owns it, and
// who has it again.
struct Death {
  std::string name;
  std::function<void(const VethLab&)> prepare;
  std::function<void(FrameBytes&)> spoil;
  std::string owner;
  std::vector<std::string> echoes;
};

void set_sysctl(const VethLab& lab, const std::string& path, std::string_view value) {
  const auto set = set_net_sysctl(lab.receiver_place().netns_fd, path, value);
  ASSERT_TRUE(set) << set.error().text();
}
void forward(const VethLab& lab) { set_sysctl(lab, "ipv4/ip_forward", "1"); }

// A second veth pair behind the receiver, of MTU 600 (too narrow for IPv6), to 198.20.0.2.
void forward_to_a_narrow_link(const VethLab& lab) {
  forward(lab);
  auto netlink = Netlink::open(lab.receiver_place().netns_fd);
  ASSERT_TRUE(netlink);
  const VethOrder pair{.netdev = "b1",
                       .peer = "c0",
                       .mac = {0x02, 0x50, 0x4d, 0, 0, 0x11},
                       .peer_mac = {0x02, 0x50, 0x4d, 0, 0, 0x12},
                       .mtu = 600};
  ASSERT_TRUE(netlink->add_veth(pair));
  for (const char* netdev : {"b1", "c0"}) ASSERT_TRUE(netlink->set_up(netdev));
  ASSERT_TRUE(netlink->add_ipv4("b1", 0xC6140001, 24));
}

class DeathInTheStack : public ::testing::TestWithParam<Death> {};

TEST_P(DeathInTheStack, HasOneOwnerAndEqualEchoes) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(lab_order());
  ASSERT_TRUE(lab) << lab.error().text();
  const Death& death = GetParam();
  if (death.prepare) death.prepare(*lab);
  const Survey before = survey_of(lab->receiver_place());
  const auto shot = shoot(lab->sender_place(), death.spoil);
  ASSERT_TRUE(shot) << shot.error().text();
  const Survey after = survey_of(lab->receiver_place());
  EXPECT_EQ(moved(before, after, CounterRole::owner), (Deltas{{death.owner, kFrames}}));
  Deltas echoes;
  for (const auto& name : death.echoes) echoes[name] = kFrames;
  EXPECT_EQ(moved(before, after, CounterRole::echo), echoes);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, DeathInTheStack,
    ::testing::Values(
        Death{"NoSocketOnThePort", {}, {}, "udp.NoPorts", {}},
        Death{"BadUdpChecksum",
              {},
              [](FrameBytes& f) {
                f[40] ^= 0x55;
                if ((f[40] | f[41]) == 0) f[41] = 1;  // 0 would say that there is none
              },
              "udp.InCsumErrors",
              {"udp.InErrors"}},
        Death{"BadIpChecksum",
              {},
              [](FrameBytes& f) { f[24] ^= 0x55; },
              "ip.InHdrErrors",
              {"ipext.InCsumErrors"}},
        Death{"AnothersMac",
              {},
              [](FrameBytes& f) { f[5] ^= 0x10; },
              "link.b0.rx_otherhost_dropped",
              {}},
        Death{
            "UnknownEthertype", {}, [](FrameBytes& f) { f[12] = 0x99; }, "link.b0.rx_dropped", {}},
        Death{"UnknownIpProtocol",
              {},
              [](FrameBytes& f) {
                f[23] = 253;
                repair_checksums(f);
              },
              "ip.InUnknownProtos",
              {}},
        Death{"IpLengthBeyondTheFrame",
              {},
              [](FrameBytes& f) {
                f[17] = 200;
                repair_checksums(f);
              },
              "ipext.InTruncatedPkts",
              {}},
        Death{"Runt", {}, [](FrameBytes& f) { f.resize(20); }, "ip.InHdrErrors", {}},
        Death{"ForAnotherHostWithoutForwarding",
              [](const VethLab& lab) { set_sysctl(lab, "ipv4/ip_forward", "0"); },
              to_another_host,
              "ip.InAddrErrors",
              {}},
        Death{"NoRoute",
              forward,
              [](FrameBytes& f) {
                f[30] = 203;  // 203.18.0.2
                repair_checksums(f);
              },
              "ipext.InNoRoutes",
              {}},
        Death{"TtlUsedUp",
              forward,
              [](FrameBytes& f) {
                f[22] = 1;
                to_another_host(f);
              },
              "ip.InHdrErrors",
              {}},
        Death{"MayNotBeCutForTheNextLink",
              forward_to_a_narrow_link,
              [](FrameBytes& f) {
                f.resize(1000);
                f[16] = 986 >> 8;
                f[17] = 986 & 255;
                f[20] = 0x40;  // DF
                f[31] = 20;    // 198.20.0.2
                f[38] = 966 >> 8;
                f[39] = 966 & 255;
                repair_checksums(f);
              },
              "ip.FragFails",
              {}},
        Death{"WayBackByAnotherDevice",
              [](const VethLab& lab) { set_sysctl(lab, "ipv4/conf/b0/rp_filter", "1"); },
              [](FrameBytes& f) {
                f[26] = 203;  // 203.19.x.y
                repair_checksums(f);
              },
              "tcpext.IPReversePathFilter",
              {}},
        Death{"FilterAtIngress",
              [](const VethLab& lab) {
                const auto set = drop_at_ingress(lab.receiver_place());
                ASSERT_TRUE(set) << set.error().text();
              },
              {},
              "ingress.b0.clsact[ffff:].drops",
              {}}),
    [](const auto& death) { return death.param.name; });

// An open, unread socket of the receiver's namespace.
class UnreadSocket {
 public:
  UnreadSocket(const NetdevPlace& place, int domain, int type, int protocol, int buffer_bytes) {
    const auto inside = ScopedNetns::enter(place.netns_fd);
    fd_ = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    EXPECT_EQ(setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes), 0);
  }
  UnreadSocket(const UnreadSocket&) = delete;
  UnreadSocket& operator=(const UnreadSocket&) = delete;
  ~UnreadSocket() { close(fd_); }

  [[nodiscard]] int fd() const { return fd_; }
  // How many datagrams it holds after all.
  std::int64_t held() const {
    std::int64_t count = 0;
    for (char byte = 0; recv(fd_, &byte, 1, MSG_TRUNC) >= 0;) ++count;
    return count;
  }

 private:
  int fd_ = -1;
};

TEST(Survey, FullUdpBufferIsTheSocketsAndTheNamespaceRepeatsIt) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(lab_order());
  ASSERT_TRUE(lab) << lab.error().text();
  const UnreadSocket unread(lab->receiver_place(), AF_INET, SOCK_DGRAM, 0, 4096);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kLabUdpPort);
  ASSERT_EQ(bind(unread.fd(), static_cast<const sockaddr*>(static_cast<const void*>(&address)),
                 sizeof address),
            0);
  const Survey before = survey_of(lab->receiver_place());
  ASSERT_TRUE(shoot(lab->sender_place(), {}));
  const Survey after = survey_of(lab->receiver_place());
  const std::int64_t lost = kFrames - unread.held();
  EXPECT_GT(lost, 0);
  EXPECT_EQ(moved(before, after, CounterRole::owner),
            (Deltas{{"udp_socket[0.0.0.0:9].drops", lost}}));
  EXPECT_EQ(moved(before, after, CounterRole::echo),
            (Deltas{{"udp.RcvbufErrors", lost}, {"udp.InErrors", lost}}));
}

TEST(Survey, FullCaptureSocketIsChargedBesideWhatBecameOfTheFramesThemselves) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(lab_order());
  ASSERT_TRUE(lab) << lab.error().text();
  const UnreadSocket unread(lab->receiver_place(), AF_PACKET, SOCK_RAW, htons(ETH_P_IP), 4096);
  const Survey before = survey_of(lab->receiver_place());
  ASSERT_TRUE(shoot(lab->sender_place(), {}));
  const Survey after = survey_of(lab->receiver_place());
  const auto owners = moved(before, after, CounterRole::owner);
  // The kernel's answers (ICMP) are captured as they leave.
  const std::int64_t answers =
      *difference(before.counters, after.counters).at("icmp.OutMsgs").delta;
  ASSERT_TRUE(owners.contains("packet_socket[any].drops"));
  EXPECT_EQ(owners.at("udp.NoPorts"), kFrames);
  const std::int64_t accounted = owners.at("packet_socket[any].drops") + unread.held();
  EXPECT_GE(accounted, kFrames);
  EXPECT_LE(accounted, kFrames + answers);
}

TEST(Survey, FrameBeyondThePeersMtuIsCountedAtBothEndsOfVeth) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(lab_order());
  ASSERT_TRUE(lab) << lab.error().text();
  auto netlink = Netlink::open(lab->receiver_place().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_mtu("b0", 600));
  const Survey sender = survey_of(lab->sender_place());
  const Survey receiver = survey_of(lab->receiver_place());
  ASSERT_TRUE(shoot(lab->sender_place(), {}, 996));
  EXPECT_EQ(moved(sender, survey_of(lab->sender_place()), CounterRole::owner),
            (Deltas{{"link.a0.tx_dropped", kFrames}}));
  EXPECT_EQ(moved(receiver, survey_of(lab->receiver_place()), CounterRole::owner),
            (Deltas{{"link.b0.rx_dropped", kFrames}}));
}

TEST(Survey, PeerThatIsDownIsTheSendersDeviceDropping) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(lab_order());
  ASSERT_TRUE(lab) << lab.error().text();
  auto netlink = Netlink::open(lab->receiver_place().netns_fd);
  const Survey before = survey_of(lab->sender_place());
  FrameGun gun({.frames = kFrames, .pps = 0}, lab->sender_place());
  ASSERT_TRUE(gun.open());
  ASSERT_TRUE(netlink && netlink->set_down("b0"));
  ASSERT_TRUE(gun.join());
  const Survey after = survey_of(lab->sender_place());
  EXPECT_EQ(moved(before, after, CounterRole::owner), (Deltas{{"link.a0.tx_dropped", kFrames}}));
  EXPECT_EQ(difference(before.counters, after.counters).at("link.a0.carrier_changes").delta, 1);
}

std::int64_t arrived(const Survey& before, const Survey& after) {
  return *difference(before.counters, after.counters).at("link.b0.rx_packets").delta;
}

TEST(Survey, TokenBucketsDropsAreTheQdiscs) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(lab_order());
  ASSERT_TRUE(lab) << lab.error().text();
  auto netlink = Netlink::open(lab->sender_place().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_tbf("a0", 1'000, 2000, 3000));
  const Survey before = survey_of(lab->sender_place());
  const Survey receiver = survey_of(lab->receiver_place());
  ASSERT_TRUE(shoot(lab->sender_place(), {}));
  // Emptied: what waits in it is lost as well, and told as a drop of no qdisc that is left.
  const auto lost = moved(before, survey_of(lab->sender_place()), CounterRole::owner);
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_EQ(lost.begin()->first, "qdisc.a0.tbf[1: root].drops");
  // 3000 bytes hold 50 frames, and some have gone meanwhile.
  EXPECT_GE(lost.begin()->second,
            kFrames - 50 - arrived(receiver, survey_of(lab->receiver_place())));
  EXPECT_LE(lost.begin()->second, kFrames - 50);
}

TEST(Survey, LeafOwnsItsDropsAndClassAndRootRepeatThem) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(lab_order());
  ASSERT_TRUE(lab) << lab.error().text();
  auto netlink = Netlink::open(lab->sender_place().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_htb("a0", 1'000, 50));
  const Survey before = survey_of(lab->sender_place());
  ASSERT_TRUE(shoot(lab->sender_place(), {}));
  const Survey after = survey_of(lab->sender_place());
  const auto owners = moved(before, after, CounterRole::owner);
  ASSERT_EQ(owners.size(), 1U);
  EXPECT_EQ(owners.begin()->first, "qdisc.a0.pfifo[10:].drops");
  const std::int64_t lost = owners.begin()->second;
  EXPECT_GT(lost, 0);
  EXPECT_EQ(moved(before, after, CounterRole::echo),
            (Deltas{{"qdisc.a0.htb[1: root].drops", lost}, {"class.a0.htb[1:10].drops", lost}}));
}

TEST(Survey, TapThatNobodyReadsDropsAllBeyondItsQueue) {
  NEEDS_NETWORK_LAB();
  const auto netns = Netns::make_anonymous();
  ASSERT_TRUE(netns);
  const auto tap = UnreadTap::make(netns->fd(), "tap0", 16);
  ASSERT_TRUE(tap) << tap.error().text();
  NetdevPlace place;
  place.netdev = "tap0";
  place.netns_fd = netns->fd();
  const Survey before = survey_of(place);
  ASSERT_TRUE(shoot(place, {}));
  EXPECT_EQ(moved(before, survey_of(place), CounterRole::owner),
            (Deltas{{"link.tap0.tx_dropped", kFrames - 16}}));
}

TEST(Survey, WhatADriverDoesNotKeepIsAbsentAndNotZero) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(lab_order());
  ASSERT_TRUE(lab) << lab.error().text();
  const Survey survey = survey_of(lab->receiver_place());
  const auto any = [&](std::string_view prefix) {
    return std::ranges::any_of(survey.counters.values,
                               [&](const auto& entry) { return entry.first.starts_with(prefix); });
  };
  EXPECT_TRUE(any("link.b0.rx_missed_errors"));
  EXPECT_TRUE(any("driver.b0."));
  EXPECT_FALSE(any("driver.lo."));
  EXPECT_FALSE(any("qstats."));
  EXPECT_FALSE(any("qdisc."));
  EXPECT_TRUE(any("softnet.dropped"));
  EXPECT_TRUE(any("ip6.InReceives"));
  EXPECT_TRUE(any("conntrack.drop"));
  EXPECT_TRUE(survey.levels.contains("files.allocated"));
  // It falls: no counter.
  EXPECT_TRUE(survey.levels.contains("tcp.CurrEstab"));
  EXPECT_FALSE(survey.counters.values.contains("tcp.CurrEstab"));
}

TEST(Survey, OfOneDeviceLeavesTheOthersOut) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(lab_order());
  ASSERT_TRUE(lab) << lab.error().text();
  const auto survey = read_survey({.netns_fd = lab->receiver_place().netns_fd, .netdev = "b0"});
  ASSERT_TRUE(survey);
  EXPECT_TRUE(survey->counters.values.contains("link.b0.rx_packets"));
  EXPECT_FALSE(survey->counters.values.contains("link.lo.rx_packets"));
  const auto gone = read_survey({.netns_fd = lab->receiver_place().netns_fd, .netdev = "a0"});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().text(), "a0: no such network device");
}

}  // namespace
}  // namespace pollmark
