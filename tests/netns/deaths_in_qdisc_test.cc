// Ways to die in a queueing discipline, and what the program that sent the packets is told.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <string>

#include "deaths.h"
#include "host/netlink.h"

namespace pollmark {
namespace {

using ::testing::IsEmpty;

using DeathsInQdisc = Deaths;

TEST_F(DeathsInQdisc, InATokenBucketAreTheQdiscs) {
  auto netlink = Netlink::open(sender().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_tbf("a0", 1'000, 2000, 3000));
  const Autopsy at_sender(sender());
  const Autopsy at_receiver(receiver());
  fire(sender(), {.pps = 0});
  const Findings found = at_sender.findings();
  ASSERT_EQ(found.owners.size(), 1U);
  const auto& [owner, lost] = *found.owners.begin();
  EXPECT_EQ(owner, "qdisc.a0.tbf[1: root].drops");
  // 3000 bytes hold 50 frames, and some have gone meanwhile.
  EXPECT_GE(lost, kFrames - 50 - at_receiver.findings().signs.at("link.b0.rx_packets"));
  EXPECT_LE(lost, kFrames - 50);
  EXPECT_PRED3(died_of, found, "QDISC_DROP", lost);
}

TEST_F(DeathsInQdisc, InALeafAreItsOwnAndClassAndRootRepeatThem) {
  auto netlink = Netlink::open(sender().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_htb("a0", 1'000, 50));
  const Autopsy autopsy(sender());
  fire(sender(), {.pps = 0});
  const Findings found = autopsy.findings();
  ASSERT_EQ(found.owners.size(), 1U);
  const auto& [owner, lost] = *found.owners.begin();
  EXPECT_EQ(owner, "qdisc.a0.pfifo[10:].drops");
  EXPECT_GT(lost, 0);
  EXPECT_EQ(found.echoes,
            (Deltas{{"qdisc.a0.htb[1: root].drops", lost}, {"class.a0.htb[1:10].drops", lost}}));
  EXPECT_PRED3(died_of, found, "QDISC_DROP", lost);
}

TEST_F(DeathsInQdisc, AreNoneOfAQdiscThatFramesGoAround) {
  auto netlink = Netlink::open(sender().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_htb("a0", 1'000, 50));
  const Autopsy at_sender(sender());
  const Autopsy at_receiver(receiver());
  fire(sender(), {.pps = 0, .around_qdisc = true});
  const Findings found = at_sender.findings();
  EXPECT_THAT(found.owners, IsEmpty());
  EXPECT_FALSE(found.signs.contains("qdisc.a0.htb[1: root].packets"));
  EXPECT_THAT(found.reasons.value_or(Deltas{}), IsEmpty());
  EXPECT_EQ(at_receiver.findings().owners, (Deltas{{"udp.NoPorts", kFrames}}));
}

// A program that sends datagrams, as programs do.
class Program {
 public:
  explicit Program(const NetdevPlace& place) {
    const auto inside = ScopedNetns::enter(place.netns_fd);
    fd_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kLabUdpPort);
    address.sin_addr.s_addr = htonl(kLabReceiverIpv4);
    EXPECT_EQ(connect(fd_, static_cast<const sockaddr*>(static_cast<const void*>(&address)),
                      sizeof address),
              0);
    constexpr int kRoomy = 8 << 20;
    set(SOL_SOCKET, SO_SNDBUFFORCE, kRoomy);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() { close(fd_); }

  void set(int level, int option, int value) const {
    EXPECT_EQ(setsockopt(fd_, level, option, &value, sizeof value), 0);
  }
  // Sends so many; how many the kernel refused with ENOBUFS.
  [[nodiscard]] std::int64_t send(std::int64_t times, std::size_t bytes) const {
    const std::string payload(bytes, 'x');
    std::int64_t refused = 0;
    for (std::int64_t k = 0; k < times; ++k) {
      if (::send(fd_, payload.data(), payload.size(), 0) >= 0) continue;
      EXPECT_EQ(errno, ENOBUFS);
      ++refused;
    }
    return refused;
  }

 private:
  int fd_ = -1;
};

TEST_F(DeathsInQdisc, InAQdiscAreNotToldToTheProgramThatSentThem) {
  const UnreadSocket roomy(receiver(), AF_INET, SOCK_DGRAM, 0, 8 << 20);
  roomy.bind_to_the_labs_port();
  auto netlink = Netlink::open(sender().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_tbf("a0", 1'000, 2000, 3000));
  const Autopsy autopsy(sender());
  const Program program(sender());
  EXPECT_EQ(program.send(kFrames, 18), 0);
  const Findings found = autopsy.findings();
  ASSERT_EQ(found.owners.size(), 1U);
  const auto& [owner, lost] = *found.owners.begin();
  EXPECT_EQ(owner, "qdisc.a0.tbf[1: root].drops");
  EXPECT_GT(lost, 0);
  EXPECT_EQ(found.signs.at("udp.SndbufErrors"), lost);
  EXPECT_EQ(found.signs.at("ip.OutDiscards"), lost);
  EXPECT_PRED3(died_of, found, "QDISC_DROP", lost);
}

TEST_F(DeathsInQdisc, InAQdiscAreToldToAProgramThatAsks) {
  const UnreadSocket roomy(receiver(), AF_INET, SOCK_DGRAM, 0, 8 << 20);
  roomy.bind_to_the_labs_port();
  auto netlink = Netlink::open(sender().netns_fd);
  ASSERT_TRUE(netlink && netlink->set_tbf("a0", 1'000, 2000, 3000));
  const Autopsy autopsy(sender());
  const Program program(sender());
  program.set(IPPROTO_IP, IP_RECVERR, 1);
  const std::int64_t refused = program.send(kFrames, 18);
  EXPECT_GT(refused, 0);
  EXPECT_EQ(autopsy.findings().owners, (Deltas{{"qdisc.a0.tbf[1: root].drops", refused}}));
}

TEST_F(DeathsInQdisc, OfASuperPacketInAQdiscAreSegmentsAndTwiceAmongTheReasons) {
  const UnreadSocket roomy(receiver(), AF_INET, SOCK_DGRAM, 0, 8 << 20);
  roomy.bind_to_the_labs_port();
  auto netlink = Netlink::open(sender().netns_fd);
  // Room for a segment, none for 64 at once: the qdisc cuts.
  ASSERT_TRUE(netlink && netlink->set_tbf("a0", 1'000, 2000, 3000));
  const Autopsy autopsy(sender());
  const Program program(sender());
  constexpr int kSegmentBytes = 100;
  constexpr int kSegments = 64;
  constexpr std::int64_t kSuperPackets = 30;
  program.set(SOL_UDP, UDP_SEGMENT, kSegmentBytes);
  EXPECT_EQ(program.send(kSuperPackets, kSegments * kSegmentBytes), 0);
  const Findings found = autopsy.findings();
  ASSERT_EQ(found.owners.size(), 1U);
  const auto& [owner, lost] = *found.owners.begin();
  EXPECT_EQ(owner, "qdisc.a0.tbf[1: root].drops");
  EXPECT_GT(lost, kSuperPackets * (kSegments - 30));
  if (!found.reading) return;
  std::map<std::string, DropCount> of_reasons;
  for (const auto& [place, count] : found.reading->places) {
    of_reasons[place.reason].pkts += count.pkts;
    of_reasons[place.reason].segments += count.segments;
  }
  EXPECT_EQ(of_reasons["QDISC_DROP"].pkts, lost);
  EXPECT_EQ(of_reasons["NOT_SPECIFIED"].segments, of_reasons["NOT_SPECIFIED"].pkts * kSegments);
}

}  // namespace
}  // namespace pollmark
