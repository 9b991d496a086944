#include "rig/rss.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <numeric>

#include "rig/isa.h"
#include "support/capture_file.h"

namespace pollmark {
namespace {

// The definition: for every set bit of the input, from the left, the 32 bits of the key from there.
std::uint32_t toeplitz(std::span<const std::uint8_t> key, std::span<const std::uint8_t> input) {
  std::uint32_t hash = 0;
  for (std::size_t bit = 0; bit < 8 * input.size(); ++bit) {
    if ((input[bit / 8] >> (7 - bit % 8) & 1) == 0) continue;
    std::uint32_t window = 0;
    for (std::size_t i = 0; i < 32; ++i)
      window = window << 1 | (std::uint32_t{key[(bit + i) / 8]} >> (7 - (bit + i) % 8) & 1U);
    hash ^= window;
  }
  return hash;
}

TEST(Toeplitz, EveryLevelReproducesMicrosoftsVectors) {
  ASSERT_FALSE(runnable_hot_levels().empty());
  for (const HotLevel* level : runnable_hot_levels()) EXPECT_TRUE(hashes_as_verified(*level));
  // One of them by hand: 66.9.149.187:2794 to 161.142.100.80:1766.
  const std::array<std::uint8_t, 12> tuple = {66, 9, 149, 187, 161, 142, 100, 80, 10, 234, 6, 230};
  EXPECT_EQ(toeplitz(microsoft_key().bytes, tuple), 0x51ccc178U);
  EXPECT_EQ(toeplitz(microsoft_key().bytes, std::span(tuple).first(8)), 0x323e8fc2U);
}

TEST(Toeplitz, EveryLevelIsTheDefinitionForAnyKeyAndTuple) {
  EXPECT_TRUE(rc::check("levels agree", [] {
    std::array<std::uint8_t, 40> bytes{};
    for (std::uint8_t& byte : bytes) byte = *rc::gen::arbitrary<std::uint8_t>();
    const ToeplitzKey key = make_toeplitz_key(bytes);
    const auto length = *rc::gen::element(8U, 12U, 32U, 36U);
    std::vector<RssTuple> tuples(*rc::gen::inRange<std::size_t>(1, 9));
    for (RssTuple& tuple : tuples) {
      tuple.length = length;
      for (std::size_t i = 0; i < length; ++i) tuple.bytes[i] = *rc::gen::arbitrary<std::uint8_t>();
    }
    for (const HotLevel* level : runnable_hot_levels()) {
      const std::vector<std::uint32_t> hashes = rss_hashes(*level, key, tuples);
      for (std::size_t i = 0; i < tuples.size(); ++i)
        RC_ASSERT(hashes[i] == toeplitz(bytes, std::span(tuples[i].bytes).first(length)));
    }
  }));
}

TEST(RssFields, DecideWhatIsHashed) {
  const auto tuple = [](std::uint8_t protocol, std::vector<std::string> names) {
    return rss_tuple(support::ipv4_frame(protocol, 2000, 10), *parse_rss_fields(names));
  };
  EXPECT_EQ(tuple(17, {"ipv4-udp"}).length, 12U);
  EXPECT_EQ(tuple(17, {"ipv4"}).length, 8U);
  EXPECT_EQ(tuple(17, {"ipv4", "ipv4-udp"}).length, 12U);
  EXPECT_EQ(tuple(6, {"ipv4-udp"}).length, 0U);
  EXPECT_EQ(tuple(6, {"ipv4-tcp"}).length, 12U);
  EXPECT_EQ(tuple(17, {"ipv6-udp"}).length, 0U);
  EXPECT_EQ(tuple(17, {}).length, 0U);
  // Addresses, then ports, as they lie in the packet.
  const std::vector<std::uint8_t> frame = support::ipv4_frame(17, 0x1234, 10);
  const RssTuple whole = rss_tuple(frame, *parse_rss_fields(std::vector<std::string>{"ipv4-udp"}));
  EXPECT_TRUE(std::equal(frame.begin() + 26, frame.begin() + 38, whole.bytes.begin()));
}

TEST(RssFields, AFragmentIsHashedOverItsAddressesOnly) {
  std::vector<std::uint8_t> frame = support::ipv4_frame(17, 2000, 10);
  frame[20] = 0x20;  // more fragments
  const auto fields = *parse_rss_fields(std::vector<std::string>{"ipv4", "ipv4-udp"});
  EXPECT_EQ(rss_tuple(frame, fields).length, 8U);
}

TEST(RssFields, VlanTagsAreStrippedForTheHash) {
  std::vector<std::uint8_t> frame = support::ipv4_frame(17, 2000, 10);
  const auto fields = *parse_rss_fields(std::vector<std::string>{"ipv4-udp"});
  const RssTuple untagged = rss_tuple(frame, fields);
  const std::array<std::uint8_t, 4> tag = {0x81, 0x00, 0x00, 0x07};
  frame.insert(frame.begin() + 12, tag.begin(), tag.end());
  EXPECT_EQ(rss_tuple(frame, fields).bytes, untagged.bytes);
}

TEST(RssFields, AnUnknownNameIsRefusedWithWhatIsAllowed) {
  const auto refused = parse_rss_fields(std::vector<std::string>{"ipv4", "udp"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what,
            "rss_fields: \"udp\" is none; allowed: ipv4, ipv4-tcp, ipv4-udp, ipv6, ipv6-tcp, "
            "ipv6-udp");
}

TEST(RssFields, NoBytesMakeTheParserReadBeyondThem) {
  EXPECT_TRUE(rc::check("bounds", [] {
    auto frame = *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::arbitrary<std::uint8_t>());
    if (frame.size() > 13) {
      frame[12] = *rc::gen::element<std::uint8_t>(0x08, 0x81, 0x86, 0x88);
      frame[13] = *rc::gen::element<std::uint8_t>(0x00, 0xdd, 0xa8);
    }
    const auto fields = *parse_rss_fields(std::vector<std::string>{"ipv4", "ipv4-udp", "ipv6-tcp"});
    (void)rss_tuple(frame, fields);
  }));
}

TEST(Reta, EqualIsEntryModuloQueues) {
  const Reta reta = *make_reta(3, {});
  for (std::size_t i = 0; i < kRetaEntries; ++i) EXPECT_EQ(reta[i], i % 3);
}

TEST(Reta, EveryQueueHasItsShareWithinOneEntry) {
  EXPECT_TRUE(rc::check("shares", [] {
    const auto queues = *rc::gen::inRange(1, 17);
    auto weights = *rc::gen::container<std::vector<int>>(static_cast<std::size_t>(queues),
                                                         rc::gen::inRange(0, 20));
    weights[0] += 1;
    const int sum = std::accumulate(weights.begin(), weights.end(), 0);
    const auto reta = make_reta(queues, weights);
    RC_ASSERT(reta.has_value());
    for (int queue = 0; queue < queues; ++queue) {
      const auto entries = std::count(reta->begin(), reta->end(), queue);
      const int weight = weights[static_cast<std::size_t>(queue)];
      if (weight == 0)
        RC_ASSERT(entries == 0);
      else
        RC_ASSERT(entries >= 1);
      RC_ASSERT(std::abs(static_cast<double>(entries) - 128.0 * weight / sum) <= 2.0);
    }
  }));
  const Reta skewed = *make_reta(4, std::vector<int>{3, 1, 1, 1});
  EXPECT_EQ(std::count(skewed.begin(), skewed.end(), 0), 64);
}

TEST(Reta, WeightsThatFitNoQueueAreRefused) {
  for (const std::vector<int>& weights :
       {std::vector<int>{1}, std::vector<int>{1, -1}, std::vector<int>{0, 0}})
    EXPECT_FALSE(make_reta(2, weights));
}

}  // namespace
}  // namespace pollmark
