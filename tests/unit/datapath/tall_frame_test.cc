#include "datapath/tall_frame.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <vector>

#include "datapath/stage.h"
#include "support/parsed_frame.h"

namespace pollmark {
namespace {

// Headers written by hand, without any of the rig's code.
TallHeader some_header(const FrameStack& stack, std::uint32_t draw) {
  TallHeader header{};
  std::uint8_t* at = header.bytes;
  for (int i = 0; i < 12; ++i) at[i] = static_cast<std::uint8_t>(draw >> i);
  for (std::uint32_t tag = kEthernetBytes; tag < stack.ip_at; tag += kTagBytes) {
    at[tag - 2] = tag == stack.ip_at - kTagBytes ? 0x81 : 0x88;
    at[tag - 1] = tag == stack.ip_at - kTagBytes ? 0x00 : 0xa8;
    at[tag + 1] = static_cast<std::uint8_t>(tag);
  }
  std::uint8_t* ip = at + stack.ip_at;
  const bool v4 = stack.ip == IpKind::ipv4;
  ip[-2] = v4 ? 0x08 : 0x86;
  ip[-1] = v4 ? 0x00 : 0xdd;
  const std::uint8_t protocol = stack.l4 == L4Kind::udp ? 17 : 6;
  if (v4) {
    ip[0] = 0x45;
    ip[8] = 64;
    ip[9] = protocol;
  } else {
    ip[0] = 0x60;
    ip[6] = protocol;
    ip[7] = 64;
  }
  for (std::uint32_t i = stack.addresses_at(); i < stack.l4_at + 4; ++i)
    at[i] = static_cast<std::uint8_t>(draw * 2654435761U >> i % 24);
  if (stack.l4 == L4Kind::tcp) {
    at[stack.l4_at + 12] = 0x50;
    at[stack.l4_at + 13] = 0x10;
    header.first_sequence = draw * 77;
  }
  if (v4) header.ip_sum = folded(sum_words(ip, kIpv4Bytes));
  header.l4_sum = folded(sum_words(at + stack.addresses_at(), stack.l4_at - stack.addresses_at()) +
                         __builtin_bswap16(protocol) +
                         sum_words(at + stack.l4_at, stack.stamp_at - stack.l4_at));
  return header;
}

FrameShape shape_of(const FrameStack& stack, std::uint32_t wire_bytes,
                    const std::vector<std::uint8_t>& payload) {
  FrameShape shape;
  shape.wire_bytes = wire_bytes;
  shape.data_bytes = wire_bytes - 4;
  shape.ipv4_length =
      __builtin_bswap16(static_cast<std::uint16_t>(shape.data_bytes - stack.length_omits()));
  shape.udp_length = __builtin_bswap16(static_cast<std::uint16_t>(shape.data_bytes - stack.l4_at));
  shape.payload_sum = folded(sum_words(payload.data(), shape.data_bytes - stack.least_bytes()));
  return shape;
}

FrameStack any_stack() {
  return make_stack(*rc::gen::inRange(0U, 3U), *rc::gen::element(IpKind::ipv4, IpKind::ipv6),
                    *rc::gen::element(L4Kind::udp, L4Kind::tcp),
                    *rc::gen::element(StampKind::full, StampKind::brief));
}

TEST(TallFrame, EveryStackHasRightLengthsAndChecksumsByAnotherParser) {
  EXPECT_TRUE(rc::check("stacks", [] {
    std::vector<std::uint8_t> payload(9100);
    for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::uint8_t>(i * 37);
    const FrameStack stack = any_stack();
    const auto wire = *rc::gen::inRange<std::uint32_t>(stack.least_bytes() + 4, 9005);
    const FrameShape shape = shape_of(stack, wire, payload);
    const TallHeader header = some_header(stack, *rc::gen::arbitrary<std::uint32_t>());
    const auto now = *rc::gen::arbitrary<Ticks>();
    const Stamp stamp{kStampMagic, *rc::gen::arbitrary<std::uint8_t>(),
                      *rc::gen::arbitrary<std::uint16_t>(), *rc::gen::arbitrary<std::uint32_t>(),
                      now};
    const auto before = *rc::gen::arbitrary<std::uint32_t>();
    std::vector<std::uint8_t> data(9200, 0xee);
    build_any_frame(data.data(), stack, header, shape, stamp, before, payload.data());
    const auto parsed = support::parse_frame(data.data(), shape.data_bytes);
    RC_ASSERT(parsed.sound);
    RC_ASSERT(parsed.payload_at == stack.stamp_at);
    RC_ASSERT(parsed.tags.size() == (stack.ip_at - kEthernetBytes) / kTagBytes);
    RC_ASSERT(parsed.ip_version == (stack.ip == IpKind::ipv4 ? 4 : 6));
    if (stack.l4 == L4Kind::tcp) RC_ASSERT(parsed.tcp_sequence == header.first_sequence + before);
    RC_ASSERT(std::equal(payload.begin(),
                         payload.begin() + (shape.data_bytes - stack.least_bytes()),
                         data.begin() + stack.least_bytes()));
    for (std::size_t i = std::max<std::size_t>(shape.data_bytes, kTallCopyBytes); i < data.size();
         ++i)
      RC_ASSERT(data[i] == 0xee);
    const std::uint8_t verdict = verify_checksums(data.data(), shape.data_bytes);
    RC_ASSERT(verdict == (stack.ip == IpKind::ipv4 ? kIpv4Good | kL4Good : kL4Good));
  }));
}

TEST(TallFrame, AStampIsReadAsItWasWrittenAndTheBriefOneToEightTicks) {
  EXPECT_TRUE(rc::check("stamps", [] {
    const Stamp stamp{kStampMagic, *rc::gen::arbitrary<std::uint8_t>(),
                      *rc::gen::arbitrary<std::uint16_t>(), *rc::gen::arbitrary<std::uint32_t>(),
                      *rc::gen::inRange<Ticks>(0, ~Ticks{0} >> 1)};
    // Up to 13 s at 2.6 GHz on the way.
    const Ticks now = stamp.ticks + *rc::gen::inRange<Ticks>(0, Ticks{1} << 35);
    std::uint8_t data[16] = {};
    (void)put_stamp<StampKind::full>(data, stamp);
    RC_ASSERT(read_stamp<StampKind::full>(data, now).ticks == stamp.ticks);
    (void)put_stamp<StampKind::brief>(data, stamp);
    const Stamp brief = read_stamp<StampKind::brief>(data, now);
    RC_ASSERT(brief.magic == stamp.magic);
    RC_ASSERT(brief.epoch == stamp.epoch);
    RC_ASSERT(brief.flow == stamp.flow);
    RC_ASSERT(brief.sequence == stamp.sequence);
    RC_ASSERT(brief.ticks == (stamp.ticks & ~Ticks{7}));
  }));
}

TEST(TallFrame, TheLeastFrameOfEachStackIsAsTheHeadersSay) {
  EXPECT_TRUE(make_stack(0, IpKind::ipv4, L4Kind::udp, StampKind::full).is_plain());
  EXPECT_EQ(make_stack(0, IpKind::ipv4, L4Kind::udp, StampKind::full).least_bytes(), kStampedBytes);
  EXPECT_EQ(make_stack(1, IpKind::ipv4, L4Kind::udp, StampKind::brief).least_bytes(), 58U);
  EXPECT_EQ(make_stack(0, IpKind::ipv6, L4Kind::udp, StampKind::full).least_bytes(), 78U);
  EXPECT_EQ(make_stack(2, IpKind::ipv6, L4Kind::tcp, StampKind::full).least_bytes(), 98U);
}

}  // namespace
}  // namespace pollmark
