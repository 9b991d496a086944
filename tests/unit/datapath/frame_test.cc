#include "datapath/frame.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <vector>

#include "datapath/stage.h"

namespace pollmark {
namespace {

Flow some_flow(std::uint32_t draw) {
  Flow flow{};
  flow.header[12] = 8;
  std::uint8_t* ip = flow.header + kEthernetBytes;
  ip[0] = 0x45;
  ip[8] = 64;
  ip[9] = 17;
  for (int i = 12; i < 24; ++i) ip[i] = static_cast<std::uint8_t>(draw * 2654435761U >> i);
  flow.ipv4_sum = folded(sum_words(ip, kIpv4Bytes));
  flow.udp_sum = folded(sum_words(ip + 12, 12) + __builtin_bswap16(17));
  return flow;
}

FrameShape shape_of(std::uint32_t wire_bytes, const std::vector<std::uint8_t>& payload) {
  FrameShape shape;
  shape.wire_bytes = wire_bytes;
  shape.data_bytes = wire_bytes - 4;
  shape.ipv4_length = __builtin_bswap16(static_cast<std::uint16_t>(shape.data_bytes - 14));
  shape.udp_length = __builtin_bswap16(static_cast<std::uint16_t>(shape.data_bytes - 34));
  shape.payload_sum = folded(sum_words(payload.data(), shape.data_bytes - kStampedBytes));
  return shape;
}

// RFC 1071, byte by byte.
std::uint32_t plain_sum(const std::uint8_t* data, std::size_t bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    sum += i % 2 == 0 ? static_cast<std::uint32_t>(data[i]) << 8 : data[i];
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return sum;
}

TEST(Frame, TheSmallestOneHoldsTheStampAndTwoBytesMore) {
  EXPECT_EQ(64 - 4 - kHeaderBytes, 18U);
  EXPECT_EQ(kStampedBytes, 58U);
}

TEST(Frame, EveryFrameHasRightChecksumsByThePlainSum) {
  EXPECT_TRUE(rc::check("checksums", [] {
    std::vector<std::uint8_t> payload(9100);
    for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::uint8_t>(i * 37);
    const Flow flow = some_flow(*rc::gen::arbitrary<std::uint32_t>());
    const FrameShape shape = shape_of(*rc::gen::inRange<std::uint32_t>(64, 9005), payload);
    const Stamp stamp{kStampMagic, *rc::gen::arbitrary<std::uint8_t>(),
                      *rc::gen::arbitrary<std::uint16_t>(), *rc::gen::arbitrary<std::uint32_t>(),
                      *rc::gen::arbitrary<std::uint64_t>()};
    std::vector<std::uint8_t> data(9200, 0xee);
    build_frame(data.data(), flow, shape, stamp, payload.data());
    const std::uint8_t* ip = data.data() + 14;
    RC_ASSERT(plain_sum(ip, 20) == 0xffffU);
    std::vector<std::uint8_t> covered(ip + 12, ip + 20);
    covered.push_back(0);
    covered.push_back(17);
    covered.push_back(ip[24]);
    covered.push_back(ip[25]);
    covered.insert(covered.end(), data.begin() + 34, data.begin() + shape.data_bytes);
    RC_ASSERT(plain_sum(covered.data(), covered.size()) == 0xffffU);
    RC_ASSERT((ip[26] != 0 || ip[27] != 0));
    RC_ASSERT(verify_checksums(data.data(), shape.data_bytes) == (kIpv4Good | kL4Good));
    Stamp read;
    std::memcpy(&read, data.data() + kHeaderBytes, sizeof read);
    RC_ASSERT(std::memcmp(&read, &stamp, sizeof read) == 0);
  }));
}

TEST(Stage, AnyDamagedBitOfTheDatagramIsFound) {
  std::vector<std::uint8_t> payload(100, 0x5a);
  const FrameShape shape = shape_of(100, payload);
  std::vector<std::uint8_t> data(128, 0);
  build_frame(data.data(), some_flow(77), shape, {kStampMagic, 1, 2, 3, 4}, payload.data());
  for (std::size_t bit = 8 * 34; bit < 8 * std::size_t{shape.data_bytes}; ++bit) {
    data[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    // A UDP length that points beyond its datagram is of no concern to the sum over the IP length.
    const std::uint8_t verdict = verify_checksums(data.data(), shape.data_bytes);
    EXPECT_EQ(verdict, kIpv4Good | kL4Bad) << bit;
    data[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
  }
  for (std::size_t bit = 8 * 16; bit < 8 * 34; ++bit) {
    data[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    EXPECT_NE(verify_checksums(data.data(), shape.data_bytes) & kIpv4Bad, 0) << bit;
    data[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
  }
}

TEST(Stage, GivesNoVerdictWhereThereIsNoChecksum) {
  std::vector<std::uint8_t> arp(60, 0);
  arp[12] = 8;
  arp[13] = 6;
  EXPECT_EQ(verify_checksums(arp.data(), 60), 0);
  EXPECT_EQ(verify_checksums(arp.data(), 10), 0);
}

TEST(Stage, AUdpDatagramWithoutChecksumIsGood) {
  std::vector<std::uint8_t> payload(100, 0);
  const FrameShape shape = shape_of(64, payload);
  std::vector<std::uint8_t> data(128, 0);
  build_frame(data.data(), some_flow(1), shape, {kStampMagic, 1, 2, 3, 4}, payload.data());
  data[40] = 0;
  data[41] = 0;
  EXPECT_EQ(verify_checksums(data.data(), 60), kIpv4Good | kL4Good);
}

TEST(Stage, NoRandomBytesMakeItReadBeyondTheFrame) {
  EXPECT_TRUE(rc::check("bounds", [] {
    const auto bytes =
        *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::arbitrary<std::uint8_t>());
    // On the heap in its exact size: a sanitizer sees any byte too many.
    std::vector<std::uint8_t> data(bytes);
    if (data.size() > 13) {
      data[12] = *rc::gen::element<std::uint8_t>(0x08, 0x81, 0x86);
      data[13] = *rc::gen::element<std::uint8_t>(0x00, 0xdd);
    }
    if (data.size() > 23) data[23] = *rc::gen::element<std::uint8_t>(6, 17);
    (void)verify_checksums(data.data(), static_cast<std::uint32_t>(data.size()));
    (void)touched(data.data(), static_cast<std::uint32_t>(data.size()));
  }));
}

TEST(Stage, TouchDependsOnEveryByte) {
  std::vector<std::uint8_t> data(61, 3);
  const std::uint64_t before = touched(data.data(), 61);
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] ^= 0x10;
    EXPECT_NE(touched(data.data(), 61), before) << i;
    data[i] ^= 0x10;
  }
}

}  // namespace
}  // namespace pollmark
