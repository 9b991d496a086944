#include "kernel/joined_datagrams.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <vector>

namespace pollmark {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::vector<Bytes> cut(const Bytes& payload, std::size_t each_bytes) {
  std::vector<Bytes> parts;
  const auto count = cut_datagrams(
      payload.data(), payload.size(), each_bytes,
      [&](const std::uint8_t* at, std::size_t bytes) { parts.emplace_back(at, at + bytes); });
  EXPECT_EQ(count, static_cast<std::int64_t>(parts.size()));
  return parts;
}

// As GRO joins them: all alike, but for the last, which may be shorter.
TEST(JoinedDatagrams, CuttingGivesBackWhatWasJoined) {
  const bool holds = rc::check("any size, any number, any last", [] {
    const auto each = *rc::gen::inRange<std::size_t>(1, 1473);
    const auto count = *rc::gen::inRange<std::size_t>(1, 65);
    const auto last = *rc::gen::inRange<std::size_t>(1, each + 1);
    std::vector<Bytes> sent;
    Bytes joined;
    for (std::size_t i = 0; i < count; ++i) {
      Bytes datagram(i + 1 == count ? last : each);
      for (std::size_t at = 0; at < datagram.size(); ++at)
        datagram[at] = static_cast<std::uint8_t>(31 * i + at);
      joined.insert(joined.end(), datagram.begin(), datagram.end());
      sent.push_back(std::move(datagram));
    }
    RC_ASSERT(cut(joined, each) == sent);
  });
  EXPECT_TRUE(holds);
}

TEST(JoinedDatagrams, OneThatWasNotJoinedIsOneWhateverItsSize) {
  EXPECT_EQ(cut(Bytes(700), 0), std::vector<Bytes>{Bytes(700)});
  EXPECT_EQ(cut(Bytes(18), 18), std::vector<Bytes>{Bytes(18)});
  EXPECT_EQ(cut(Bytes(10), 18), std::vector<Bytes>{Bytes(10)});
  EXPECT_EQ(cut(Bytes(), 0), std::vector<Bytes>{Bytes()});
  EXPECT_EQ(cut(Bytes(), 18), std::vector<Bytes>{Bytes()});
}

// Of a header with that beside its datagram.
std::size_t told(int level, int type, int value) {
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof value)> control{};
  msghdr header{};
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  cmsghdr* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = level;
  part->cmsg_type = type;
  part->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(part), &value, sizeof value);
  return joined_datagram_bytes(header);
}

TEST(JoinedDatagrams, TheKernelTellsTheSizeOfEach) {
  EXPECT_EQ(told(IPPROTO_UDP, UDP_GRO, 1472), 1472U);
  EXPECT_EQ(told(IPPROTO_UDP, UDP_GRO, 0), 0U);
  EXPECT_EQ(told(IPPROTO_UDP, UDP_SEGMENT, 1472), 0U);
  EXPECT_EQ(told(SOL_SOCKET, UDP_GRO, 1472), 0U);
  msghdr none{};
  EXPECT_EQ(joined_datagram_bytes(none), 0U);
}

}  // namespace
}  // namespace pollmark
