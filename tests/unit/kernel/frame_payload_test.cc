#include "kernel/frame_payload.h"

#include <gtest/gtest.h>

#include <vector>

namespace pollmark {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

const Bytes kMacs(12, 0x02);
const Bytes kVlan{0x81, 0x00, 0x00, 0x05};
const Bytes kQinq{0x88, 0xa8, 0x00, 0x06};
const Bytes kPayload{1, 2, 3, 4};
const Bytes kUdp{0, 1, 0, 2, 0, 12, 0, 0};
const Bytes kTcp{0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0x60, 0x10, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1};

// total: of the IP packet, its 20 bytes of header included.
Bytes ipv4(std::uint8_t protocol, std::uint8_t total, std::uint16_t fragment = 0) {
  return {0x08,
          0x00,
          0x45,
          0,
          0,
          total,
          0,
          0,
          static_cast<std::uint8_t>(fragment >> 8),
          static_cast<std::uint8_t>(fragment),
          64,
          protocol,
          0,
          0,
          198,
          18,
          0,
          1,
          198,
          18,
          0,
          2};
}
Bytes ipv6(std::uint8_t next_header, std::uint8_t payload_bytes) {
  Bytes header{0x86, 0xdd, 0x60, 0, 0, 0, 0, payload_bytes, next_header, 64};
  header.resize(2 + 40, 0xfd);
  return header;
}

void expect_payload(const Bytes& frame) {
  const auto payload = frame_payload(frame);
  ASSERT_TRUE(payload);
  EXPECT_EQ(Bytes(payload->begin(), payload->end()), kPayload);
}

TEST(FramePayload, IsWhatFollowsTheTransportHeader) {
  expect_payload(joined({kMacs, ipv4(17, 32), kUdp, kPayload}));
  expect_payload(joined({kMacs, ipv4(6, 48), kTcp, kPayload}));
  expect_payload(joined({kMacs, ipv6(17, 12), kUdp, kPayload}));
  expect_payload(joined({kMacs, ipv6(6, 28), kTcp, kPayload}));
}

TEST(FramePayload, StepsOverTags) {
  expect_payload(joined({kMacs, kVlan, ipv4(17, 32), kUdp, kPayload}));
  expect_payload(joined({kMacs, kQinq, kVlan, ipv6(17, 12), kUdp, kPayload}));
}

TEST(FramePayload, LeavesOutThePadding) {
  expect_payload(joined({kMacs, ipv4(17, 32), kUdp, kPayload, Bytes(14, 0)}));
  expect_payload(joined({kMacs, ipv6(17, 12), kUdp, kPayload, Bytes(2, 0)}));
}

TEST(FramePayload, IsNoneOfOtherFrames) {
  EXPECT_FALSE(frame_payload(joined({kMacs, Bytes{0x08, 0x06}, Bytes(40, 0)})));       // ARP
  EXPECT_FALSE(frame_payload(joined({kMacs, ipv4(1, 32), kUdp, kPayload})));           // ICMP
  EXPECT_FALSE(frame_payload(joined({kMacs, ipv4(17, 32, 0x2000), kUdp, kPayload})));  // first
  EXPECT_FALSE(frame_payload(joined({kMacs, ipv4(17, 32, 0x0007), kUdp, kPayload})));  // later
  EXPECT_TRUE(frame_payload(joined({kMacs, ipv4(17, 32, 0x4000), kUdp, kPayload})));   // DF
}

TEST(FramePayload, NoPrefixOfAFrameIsReadBeyondItsEnd) {
  const Bytes whole = joined({kMacs, kQinq, kVlan, ipv4(6, 48), kTcp, kPayload});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const auto payload = frame_payload(cut);
    if (payload) {
      EXPECT_LE(payload->data() + payload->size(), cut.data() + cut.size()) << size;
    }
    EXPECT_EQ(payload.has_value(), size >= whole.size() - kPayload.size()) << size;
  }
}

}  // namespace
}  // namespace pollmark
