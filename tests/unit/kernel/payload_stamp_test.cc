#include "kernel/payload_stamp.h"

#include <gtest/gtest.h>

#include <array>

namespace pollmark {
namespace {

constexpr std::array<std::uint8_t, 16> kWire{0xB7, 0x05, 0x34, 0x12, 0xEF, 0xBE, 0xAD, 0xDE,
                                             0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};

TEST(PayloadStamp, FieldsLieLittleEndianAtTheirPlaces) {
  const auto stamp = PayloadStamp::read(kWire.data(), kWire.size());
  ASSERT_TRUE(stamp);
  EXPECT_EQ(stamp->epoch, 5);
  EXPECT_EQ(stamp->flow, 0x1234);
  EXPECT_EQ(stamp->sequence, 0xDEADBEEF);
  EXPECT_EQ(stamp->tsc, 0x0807060504030201U);
}

TEST(PayloadStamp, WritesWhatItReads) {
  std::array<std::uint8_t, 16> payload{};
  PayloadStamp{.epoch = 5, .flow = 0x1234, .sequence = 0xDEADBEEF, .tsc = 0x0807060504030201U}
      .write(payload.data());
  EXPECT_EQ(payload, kWire);
}

TEST(PayloadStamp, ShorterOrOthersPayloadIsForeign) {
  EXPECT_FALSE(PayloadStamp::read(kWire.data(), 15));
  auto others = kWire;
  others[0] = 0xB6;
  EXPECT_FALSE(PayloadStamp::read(others.data(), others.size()));
}

}  // namespace
}  // namespace pollmark
