#include "datapath/lateness.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <vector>

#include "datapath/stage.h"

namespace pollmark {
namespace {

TEST(Lateness, IsReadBackToOnePartInTwoThousand) {
  EXPECT_TRUE(rc::check("lateness", [] {
    const Ticks ticks = *rc::gen::inRange<Ticks>(0, kMostLateness + 1) >> *rc::gen::inRange(0, 27);
    const Ticks read = decoded_lateness(encoded_lateness(ticks));
    RC_ASSERT(read <= ticks);
    RC_ASSERT(ticks - read <= ticks / 2048);
  }));
  EXPECT_EQ(decoded_lateness(encoded_lateness(0)), 0U);
  EXPECT_EQ(decoded_lateness(encoded_lateness(kMostLateness)), kMostLateness);
}

TEST(Lateness, LeavesTheChecksumRight) {
  EXPECT_TRUE(rc::check("checksum", [] {
    std::vector<std::uint8_t> payload(200, 0x5a);
    payload[0] = payload[1] = 0;
    Flow flow{};
    flow.header[12] = 8;
    flow.header[14] = 0x45;
    flow.header[23] = 17;
    flow.ipv4_sum = folded(sum_words(flow.header + 14, kIpv4Bytes));
    flow.udp_sum = folded(std::uint64_t{__builtin_bswap16(17)});
    FrameShape shape;
    shape.data_bytes = *rc::gen::inRange(60U, 200U);
    shape.ipv4_length = __builtin_bswap16(static_cast<std::uint16_t>(shape.data_bytes - 14));
    shape.udp_length = __builtin_bswap16(static_cast<std::uint16_t>(shape.data_bytes - 34));
    shape.payload_sum = folded(sum_words(payload.data(), shape.data_bytes - kStampedBytes));
    std::vector<std::uint8_t> data(256, 0);
    build_frame(data.data(), flow, shape,
                {kStampMagic, 1, 2, *rc::gen::arbitrary<std::uint32_t>(), 4}, payload.data());
    const Ticks late = *rc::gen::inRange<Ticks>(0, kMostLateness + 1);
    put_lateness(data.data(), FrameStack{}, late);
    RC_ASSERT(verify_checksums(data.data(), shape.data_bytes) == (kIpv4Good | kL4Good));
    RC_ASSERT(lateness_at(data.data(), kStampedBytes) == decoded_lateness(encoded_lateness(late)));
  }));
}

}  // namespace
}  // namespace pollmark
