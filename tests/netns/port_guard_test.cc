// What a device carries, in a namespace of the test's own.
#include "host/port_guard.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "host/netlink.h"
#include "host/privilege.h"

namespace pollmark {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PortGuard : public ::testing::Test {
 protected:
  void SetUp() override {
    if (auto needed = need_network_lab(); !needed) GTEST_SKIP() << needed.error().text();
    auto netns = Netns::make_anonymous();
    ASSERT_TRUE(netns) << netns.error().text();
    netns_ = std::move(*netns);
    auto netlink = Netlink::open(netns_.fd());
    ASSERT_TRUE(netlink && netlink->add_veth({.netdev = "a0",
                                              .peer = "b0",
                                              .mac = {2, 0, 0, 0, 0, 1},
                                              .peer_mac = {2, 0, 0, 0, 0, 2}}));
    ASSERT_TRUE(netlink->set_up("lo") && netlink->set_up("a0") && netlink->set_up("b0"));
  }
  void run_inside(const std::string& command) const {
    const auto inside = ScopedNetns::enter(netns_.fd());
    ASSERT_TRUE(inside);
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  [[nodiscard]] std::vector<std::string> uses(const std::string& netdev) const {
    const auto found = uses_of_netdev(netdev, netns_.fd());
    EXPECT_TRUE(found) << found.error().text();
    return found.value_or(std::vector<std::string>{});
  }

  Netns netns_;
};

TEST_F(PortGuard, ADeviceThatCarriesNothingIsIdle) {
  EXPECT_THAT(uses("a0"), IsEmpty());
  EXPECT_TRUE(need_idle_netdev("a0", {}, netns_.fd()));
  EXPECT_FALSE(need_idle_netdev("c0", {}, netns_.fd()));
}

TEST_F(PortGuard, AnAddressAndADefaultRouteAreUses) {
  run_inside("ip addr add 192.0.2.7/24 dev a0 && ip addr add 2001:db8::7/64 dev a0 nodad");
  EXPECT_THAT(uses("a0"),
              ElementsAre("has the address 192.0.2.7/24", "has the address 2001:db8::7/64"));
  EXPECT_THAT(uses("b0"), IsEmpty());
  run_inside("ip route add default via 192.0.2.1 dev a0 table 77");
  const auto refused = need_idle_netdev("a0", {}, netns_.fd());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::host_cannot);
  EXPECT_EQ(refused.error().text(),
            "a0: is in use: carries the default route, has the address 192.0.2.7/24, has the "
            "address 2001:db8::7/64; allowed with [host] allow = [\"netdev:a0\"]");
  const std::vector<std::string> other{"netdev:b0"};
  EXPECT_FALSE(need_idle_netdev("a0", other, netns_.fd()));
  const std::vector<std::string> named{"netdev:a0"};
  EXPECT_TRUE(need_idle_netdev("a0", named, netns_.fd()));
}

TEST_F(PortGuard, AnSshConnectionIsAUse) {
  run_inside("ip addr add 192.0.2.7/24 dev a0");
  const auto inside = ScopedNetns::enter(netns_.fd());
  const FileHandle listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(22);
  inet_pton(AF_INET, "192.0.2.7", &at.sin_addr);
  const auto* address = static_cast<const sockaddr*>(static_cast<const void*>(&at));
  ASSERT_EQ(bind(listener.fd(), address, sizeof at), 0);
  ASSERT_EQ(listen(listener.fd(), 1), 0);
  EXPECT_THAT(uses("a0"), ElementsAre("has the address 192.0.2.7/24"));
  const FileHandle client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect(client.fd(), address, sizeof at), 0);
  EXPECT_THAT(uses("a0"), Contains("carries the ssh connection from 192.0.2.7"));
}

TEST(PortLockTest, OneRunAtATimeHasAPort) {
  std::string base = fs::temp_directory_path() / "pollmark-lock-XXXXXX";
  ASSERT_NE(mkdtemp(base.data()), nullptr);
  {
    const auto mine = PortLock::take("netdev:eth2", "the first run", base);
    ASSERT_TRUE(mine) << mine.error().text();
    const auto theirs = PortLock::take("netdev:eth2", "the second run", base);
    ASSERT_FALSE(theirs);
    EXPECT_THAT(theirs.error().text(),
                HasSubstr("netdev:eth2: held by pid " + std::to_string(getpid()) +
                          " (the first run) since 20"));
    EXPECT_TRUE(PortLock::take("netdev:eth3", "another", base));
  }
  EXPECT_TRUE(PortLock::take("netdev:eth2", "the second run", base));
  const pid_t child = fork();
  if (child == 0) {
    const auto taken = PortLock::take("netdev:eth2", "killed", base);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(PortLock::take("netdev:eth2", "after it", base));
  fs::remove_all(base);
}

}  // namespace
}  // namespace pollmark
