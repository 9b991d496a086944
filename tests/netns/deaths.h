// What the tests of deaths share: a veth lab, a gun that fires as many frames each time, and a
// socket that nobody reads.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <utility>

#include "autopsy.h"
#include "frame_gun.h"
#include "host/privilege.h"
#include "kernel/veth_lab.h"

namespace pollmark {

constexpr std::int64_t kFrames = 2000;

class Deaths : public ::testing::Test {
 protected:
  void SetUp() override {
    if (auto needed = need_network_lab(); !needed) GTEST_SKIP() << needed.error().text();
    TrialOrder order;
    order.path = Path::udp_socket;
    order.clock = ClockKind::wall;
    order.traffic.frame_bytes = {64};
    auto lab = VethLab::create(order);
    ASSERT_TRUE(lab) << lab.error().text();
    lab_.emplace(*std::move(lab));
  }

  [[nodiscard]] const NetdevPlace& sender() const { return lab_->sender_place(); }
  [[nodiscard]] const NetdevPlace& receiver() const { return lab_->receiver_place(); }

  std::optional<VethLab> lab_;
};

inline void fire(const NetdevPlace& place, GunOrder order) {
  order.frames = kFrames;
  FrameGun gun(std::move(order), place);
  const auto opened = gun.open();
  ASSERT_TRUE(opened) << opened.error().text();
  const auto account = gun.join();
  ASSERT_TRUE(account) << account.error().text();
  EXPECT_EQ(account->offered_pkts, kFrames);
}

// An open, unread socket of that namespace.
class UnreadSocket {
 public:
  UnreadSocket(const NetdevPlace& place, int domain, int type, int protocol, int buffer_bytes) {
    const auto inside = ScopedNetns::enter(place.netns_fd);
    fd_ = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    EXPECT_EQ(setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes), 0);
  }
  UnreadSocket(const UnreadSocket&) = delete;
  UnreadSocket& operator=(const UnreadSocket&) = delete;
  ~UnreadSocket() { close(fd_); }

  void bind_to_the_labs_port() const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kLabUdpPort);
    ASSERT_EQ(
        bind(fd_, static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address),
        0);
  }
  // How many datagrams it holds after all.
  [[nodiscard]] std::int64_t held() const {
    std::int64_t count = 0;
    for (char byte = 0; recv(fd_, &byte, 1, MSG_TRUNC) >= 0;) ++count;
    return count;
  }

 private:
  int fd_ = -1;
};

}  // namespace pollmark
