#include "host/privilege.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pollmark {
namespace {

// Runs the check in a child that has given up root, and returns its exit code.
template <typename Check>
int as_ordinary_user(Check check) {
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(99);
    _exit(check() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Privilege, OrdinaryUserHasNoCapabilityAndIsToldWhichOne) {
  EXPECT_EQ(as_ordinary_user([] {
              const auto needed = need_network_lab();
              return !has_capability("CAP_NET_ADMIN") && !needed &&
                     needed.error().code == Errc::host_cannot &&
                     needed.error().text() == "needs CAP_NET_ADMIN";
            }),
            0);
}

TEST(Privilege, NameThatIsNoCapabilityIsNeverHeld) {
  EXPECT_FALSE(has_capability("CAP_OF_NOTHING"));
  EXPECT_EQ(need_capability("CAP_OF_NOTHING").error().text(), "needs CAP_OF_NOTHING");
}

TEST(Privilege, EachCapabilityIsItsOwnBit) {
  // Droping the user id drops all of them; before that, a root test run has CAP_NET_RAW exactly
  // when the kernel says so for the opening of a raw socket, which the netns tests show.
  EXPECT_EQ(as_ordinary_user([] {
              return !has_capability("CAP_NET_RAW") && !has_capability("CAP_SYS_ADMIN") &&
                     !has_capability("CAP_IPC_LOCK") && !has_capability("CAP_BPF");
            }),
            0);
}

}  // namespace
}  // namespace pollmark
