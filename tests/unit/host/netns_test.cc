#include "host/netns.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pollmark {
namespace {

TEST(NetnsText, AddressesArePrintedAsUsersWriteThem) {
  EXPECT_EQ(mac_text({0x02, 0x50, 0x4d, 0x00, 0x00, 0x0f}), "02:50:4d:00:00:0f");
  EXPECT_EQ(ipv4_text(0xC6120001), "198.18.0.1");
  EXPECT_EQ(ipv4_text(0xFFFFFFFF), "255.255.255.255");
}

TEST(Netns, EmptyOneHasNoDescriptorAndNoNumber) {
  const Netns none;
  EXPECT_EQ(none.fd(), -1);
  EXPECT_EQ(none.inode(), 0U);
}

TEST(Netns, MovedFromOneHoldsNothing) {
  auto here = Netns::current();
  ASSERT_TRUE(here);
  const auto number = here->inode();
  EXPECT_NE(number, 0U);
  const Netns moved = std::move(*here);
  EXPECT_EQ(moved.inode(), number);
  EXPECT_EQ(here->fd(), -1);
}

TEST(Netns, WithoutTheCapabilityNoneIsMadeAndTheReasonIsNamed) {
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(99);
    const auto made = Netns::make_anonymous();
    _exit(!made && made.error().text() == "needs CAP_SYS_ADMIN" ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(NetSysctl, FileThatIsNotThereIsNamedInTheError) {
  const auto written = set_net_sysctl(-1, "ipv4/conf/no_such_netdev/rp_filter", "0");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::host_cannot);
  EXPECT_EQ(written.error().where, "/proc/sys/net/ipv4/conf/no_such_netdev/rp_filter");
}

}  // namespace
}  // namespace pollmark
