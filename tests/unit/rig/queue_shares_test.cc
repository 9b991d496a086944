#include "rig/queue_shares.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "rig/isa.h"

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

BucketLoad any_load() {
  BucketLoad load;
  for (std::int64_t& pkts : load.pkts)
    pkts = *rc::gen::weightedOneOf<std::int64_t>(
        {{1, rc::gen::just(std::int64_t{0})}, {2, rc::gen::inRange<std::int64_t>(0, 1000)}});
  load.unhashed_pkts = *rc::gen::inRange<std::int64_t>(0, 500);
  return load;
}

TEST(BucketLoad, CountsEachFrameOnceByItsHash) {
  std::vector<RssTuple> tuples(4);
  for (RssTuple& tuple : tuples) tuple.length = 12;
  tuples[3].length = 0;
  const std::vector<std::uint32_t> hashes = {0, 128, 127, 5};
  const BucketLoad load = bucket_load(tuples, hashes);
  EXPECT_EQ(load.pkts[0], 2);
  EXPECT_EQ(load.pkts[127], 1);
  EXPECT_EQ(load.pkts[5], 0);
  EXPECT_EQ(load.unhashed_pkts, 1);
  EXPECT_EQ(load.total_pkts(), 4);
  const std::vector<std::uint32_t> pkts = {7, 1, 1, 2};
  const BucketLoad weighted = bucket_load(tuples, hashes, pkts);
  EXPECT_EQ(weighted.pkts[0], 8);
  EXPECT_EQ(weighted.unhashed_pkts, 2);
}

TEST(QueueShares, FollowTheTable) {
  BucketLoad load;
  load.pkts[0] = 30;
  load.pkts[1] = 60;
  load.unhashed_pkts = 10;
  Reta reta{};
  reta[1] = 1;
  EXPECT_THAT(queue_shares(load, reta, 2), ElementsAre(0.4, 0.6));
  EXPECT_DOUBLE_EQ(imbalance(queue_shares(load, reta, 2)), 1.2);
  EXPECT_THAT(queue_shares(BucketLoad{}, reta, 2), ElementsAre(0.0, 0.0));
}

TEST(QueueShares, AreOneInSum) {
  EXPECT_TRUE(rc::check("sum", [] {
    const BucketLoad load = any_load();
    const int queues = *rc::gen::inRange(1, 17);
    const std::vector<double> shares = queue_shares(load, *make_reta(queues, {}), queues);
    const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
    RC_ASSERT(std::abs(sum - (load.total_pkts() == 0 ? 0.0 : 1.0)) < 1e-12);
  }));
}

TEST(BalancedReta, ExceedsTheMeanByLessThanOneEntry) {
  EXPECT_TRUE(rc::check("bound", [] {
    const BucketLoad load = any_load();
    RC_PRE(load.total_pkts() > 0);
    const int queues = *rc::gen::inRange(1, 17);
    const std::vector<double> shares = queue_shares(load, balanced_reta(load, queues), queues);
    const auto total = static_cast<double>(load.total_pkts());
    const auto entry =
        static_cast<double>(*std::max_element(load.pkts.begin(), load.pkts.end())) / total;
    const double unhashed = static_cast<double>(load.unhashed_pkts) / total;
    const double fullest = *std::max_element(shares.begin(), shares.end());
    RC_ASSERT(fullest <= std::max(unhashed, 1.0 / queues + entry) + 1e-9);
  }));
}

TEST(BalancedReta, SpreadsOneHeavyEntryAwayFromTheRest) {
  BucketLoad load;
  load.pkts.fill(1);
  load.pkts[0] = 127;  // as much as all others
  const Reta reta = balanced_reta(load, 2);
  const auto shares = queue_shares(load, reta, 2);
  EXPECT_NEAR(shares[0], 0.5, 0.01);
  EXPECT_EQ(std::count(reta.begin(), reta.end(), reta[0]), 1);
}

TEST(BalancedReta, SpreadsEmptyEntriesToo) {
  const Reta reta = balanced_reta(BucketLoad{}, 4);
  for (std::uint8_t queue = 0; queue < 4; ++queue)
    EXPECT_EQ(std::count(reta.begin(), reta.end(), queue), 32);
}

TEST(RssKey, IsReadWithAndWithoutColons) {
  std::string plain;
  std::string colons;
  for (const std::uint8_t byte : microsoft_key().bytes) {
    plain += fmt::format("{:02x}", byte);
    colons += fmt::format("{}{:02x}", colons.empty() ? "" : ":", byte);
  }
  for (const std::string& text : {plain, colons}) {
    const auto key = parse_rss_key(text);
    ASSERT_TRUE(key) << text;
    EXPECT_TRUE(std::equal(key->bytes, key->bytes + 40, microsoft_key().bytes));
  }
  for (const std::string& text : {plain.substr(2), plain + "00", std::string("xy"), std::string(),
                                  plain.substr(0, 79), ":" + plain}) {
    const auto key = parse_rss_key(text);
    ASSERT_FALSE(key) << text;
    EXPECT_THAT(key.error().what, HasSubstr("allowed: 40 bytes"));
  }
}

}  // namespace
}  // namespace pollmark
