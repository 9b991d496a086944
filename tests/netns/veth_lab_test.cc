#include "kernel/veth_lab.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "host/ethtool.h"
#include "host/netlink.h"
#include "host/privilege.h"

namespace pollmark {
namespace {

namespace fs = std::filesystem;

#define NEEDS_NETWORK_LAB() \
  if (auto needed = need_network_lab(); !needed) GTEST_SKIP() << needed.error().text()

TrialOrder udp_order(int frame_bytes = 64) {
  TrialOrder order;
  order.path = Path::udp_socket;
  order.clock = ClockKind::wall;
  order.traffic.frame_bytes = {frame_bytes};
  return order;
}

// Processes that hold the namespace of that number, by a thread in it or a descriptor on it.
int holders_of(std::uint64_t inode) {
  int holders = 0;
  std::error_code error;
  for (const auto& process : fs::directory_iterator("/proc")) {
    if (process.path().filename().string().find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    struct stat facts {};
    if (stat((process.path() / "ns/net").c_str(), &facts) == 0 && facts.st_ino == inode) ++holders;
    for (fs::directory_iterator fd(process.path() / "fd", error), end; !error && fd != end;
         fd.increment(error)) {
      const auto target = fs::read_symlink(fd->path(), error);
      if (target == "net:[" + std::to_string(inode) + "]") ++holders;
    }
  }
  return holders;
}

int mounted_namespaces() {
  int mounts = 0;
  std::ifstream info("/proc/self/mountinfo");
  for (std::string line; std::getline(info, line);) mounts += line.find(" nsfs ") != line.npos;
  return mounts;
}

// cleanup of a namespace is done by a kernel worker: wait for it, at most 20 s.
template <typename Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST(VethLab, OrdinaryUserIsToldTheMissingCapability) {
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(99);
    const auto lab = VethLab::create(udp_order());
    _exit(!lab && lab.error().code == Errc::host_cannot &&
                  lab.error().text() == "needs CAP_NET_ADMIN"
              ? 0
              : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(VethLab, JoinsTwoFreshNamespacesAndLeavesTheCallerWhereItIs) {
  NEEDS_NETWORK_LAB();
  const auto before = Netns::current();
  const auto lab = VethLab::create(udp_order());
  ASSERT_TRUE(lab) << lab.error().text();
  const auto after = Netns::current();
  EXPECT_EQ(before->inode(), after->inode());
  auto of_sender = Netlink::open(lab->sender_place().netns_fd);
  auto of_receiver = Netlink::open(lab->receiver_place().netns_fd);
  ASSERT_TRUE(of_sender && of_receiver);
  const auto a0 = of_sender->link("a0");
  const auto b0 = of_receiver->link("b0");
  ASSERT_TRUE(a0 && b0);
  EXPECT_EQ(a0->kind, "veth");
  EXPECT_TRUE(a0->up && a0->carrier && b0->up && b0->carrier);
  EXPECT_EQ(a0->mac, kLabSenderMac);
  EXPECT_EQ(b0->mac, kLabReceiverMac);
  EXPECT_FALSE(of_sender->link("b0"));
  EXPECT_FALSE(of_sender->link("eth0"));
}

TEST(VethLab, MtuFitsTheLargestFrame) {
  NEEDS_NETWORK_LAB();
  for (const auto& [frame_bytes, mtu] :
       {std::pair{64, 1500}, {1518, 1500}, {1519, 1501}, {9018, 9000}}) {
    const auto lab = VethLab::create(udp_order(frame_bytes));
    ASSERT_TRUE(lab) << lab.error().text();
    auto netlink = Netlink::open(lab->receiver_place().netns_fd);
    EXPECT_EQ(netlink->link("b0")->mtu, mtu);
    EXPECT_EQ(lab->sender_place().mtu, mtu);
  }
  const auto refused = VethLab::create(udp_order(70'000));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::bad_experiment);
}

TEST(VethLab, NothingThatJoinsFramesIsOnAtEitherEnd) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(udp_order());
  ASSERT_TRUE(lab) << lab.error().text();
  for (const auto& place : {lab->sender_place(), lab->receiver_place()}) {
    const auto inside = ScopedNetns::enter(place.netns_fd);
    ASSERT_TRUE(inside);
    const auto features = read_features(place.netdev);
    ASSERT_TRUE(features) << features.error().text();
    ASSERT_TRUE(features->contains("tx-udp-segmentation"));
    for (const auto name : frame_joining_features()) {
      const auto found = features->find(std::string(name));
      EXPECT_TRUE(found == features->end() || !found->second.active) << place.netdev << " " << name;
    }
  }
}

TEST(VethLab, SendsNothingByItself) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(udp_order());
  ASSERT_TRUE(lab) << lab.error().text();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  for (const auto& place : {lab->sender_place(), lab->receiver_place()}) {
    auto netlink = Netlink::open(place.netns_fd);
    const auto link = netlink->link(place.netdev);
    ASSERT_TRUE(link);
    EXPECT_EQ(link->stats.at("tx_packets"), 0U) << place.netdev;
    EXPECT_EQ(link->stats.at("rx_packets"), 0U) << place.netdev;
  }
}

TEST(VethLab, VethOfAKilledProcessIsGoneFromTheOtherEndToo) {
  NEEDS_NETWORK_LAB();
  auto ours = Netns::make_anonymous();
  ASSERT_TRUE(ours);
  auto netlink = Netlink::open(ours->fd());
  const auto links_before = netlink->links()->size();
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    auto theirs = Netns::make_anonymous();
    auto inside = Netlink::open(theirs->fd());
    VethOrder order{
        .netdev = "k0", .peer = "k1", .mac = kLabSenderMac, .peer_mac = kLabReceiverMac};
    order.peer_netns_fd = ours->fd();
    const char made = inside->add_veth(order) ? 'y' : 'n';
    (void)!write(ready[1], &made, 1);
    pause();
    _exit(0);
  }
  char made = 'n';
  EXPECT_EQ(read(ready[0], &made, 1), 1);
  EXPECT_EQ(made, 'y');
  EXPECT_EQ(netlink->links()->size(), links_before + 1);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(comes_true([&] { return netlink->links()->size() == links_before; }));
  close(ready[0]);
  close(ready[1]);
}

TEST(VethLab, KilledProcessLeavesNoNamespaceAndNoLinkBehind) {
  NEEDS_NETWORK_LAB();
  auto host = Netlink::open(-1);
  const auto links_before = host->links()->size();
  const int mounts_before = mounted_namespaces();
  int report[2];
  ASSERT_EQ(pipe(report), 0);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const auto lab = VethLab::create(udp_order());
    std::uint64_t inodes[2] = {0, 0};
    if (lab) {
      struct stat facts {};
      fstat(lab->sender_place().netns_fd, &facts);
      inodes[0] = facts.st_ino;
      fstat(lab->receiver_place().netns_fd, &facts);
      inodes[1] = facts.st_ino;
    }
    (void)!write(report[1], inodes, sizeof inodes);
    pause();
    _exit(0);
  }
  std::uint64_t inodes[2] = {0, 0};
  EXPECT_EQ(read(report[0], inodes, sizeof inodes), static_cast<ssize_t>(sizeof inodes));
  EXPECT_NE(inodes[0], 0U);
  EXPECT_NE(inodes[0], inodes[1]);
  EXPECT_EQ(holders_of(inodes[0]), 1);  // the counting itself works
  EXPECT_EQ(holders_of(inodes[1]), 1);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(comes_true([&] { return holders_of(inodes[0]) + holders_of(inodes[1]) == 0; }));
  EXPECT_EQ(host->links()->size(), links_before);
  EXPECT_EQ(mounted_namespaces(), mounts_before);
  close(report[0]);
  close(report[1]);
}

TEST(ScopedNetns, ReturnsHomeAndMovesOnlyItsThread) {
  NEEDS_NETWORK_LAB();
  const auto other = Netns::make_anonymous();
  ASSERT_TRUE(other);
  const auto home = Netns::current()->inode();
  {
    const auto inside = ScopedNetns::enter(other->fd());
    ASSERT_TRUE(inside);
    EXPECT_EQ(Netns::current()->inode(), other->inode());
    struct stat main_thread {};
    ASSERT_EQ(stat("/proc/self/ns/net", &main_thread), 0);
  }
  EXPECT_EQ(Netns::current()->inode(), home);
}

TEST(Netlink, QdiscOfAFreshVethIsNoqueueAndAPfifoReplacesIt) {
  NEEDS_NETWORK_LAB();
  const auto lab = VethLab::create(udp_order());
  ASSERT_TRUE(lab) << lab.error().text();
  auto netlink = Netlink::open(lab->sender_place().netns_fd);
  auto qdiscs = netlink->qdiscs("a0");
  ASSERT_TRUE(qdiscs);
  EXPECT_TRUE(qdiscs->empty() || (*qdiscs)[0].kind == "noqueue");
  const auto set = netlink->set_pfifo("a0", 10);
  ASSERT_TRUE(set) << set.error().text();
  qdiscs = netlink->qdiscs("a0");
  ASSERT_TRUE(qdiscs);
  ASSERT_EQ(qdiscs->size(), 1U);
  EXPECT_EQ((*qdiscs)[0].kind, "pfifo");
  EXPECT_TRUE((*qdiscs)[0].root);
}

}  // namespace
}  // namespace pollmark
