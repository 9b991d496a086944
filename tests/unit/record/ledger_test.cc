#include "record/ledger.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace pollmark {
namespace {

// The fates that an offered packet can have.
std::vector<Fate> ends() {
  std::vector<Fate> fates;
  for (const Fate fate : all_fates()) {
    if (fate_kind(fate) == FateKind::end || fate_kind(fate) == FateKind::loss)
      fates.push_back(fate);
  }
  return fates;
}

Ledger books_of(const std::vector<Fate>& stream) {
  Ledger books;
  for (const Fate fate : all_fates()) books.measured(fate);
  std::int64_t offered = 0;
  for (const Fate fate : stream) {
    books.add(fate, 1);
    if (fate_kind(fate) == FateKind::end || fate_kind(fate) == FateKind::loss) ++offered;
  }
  books.set_offered(offered);
  return books;
}

rc::Gen<std::vector<Fate>> any_stream() {
  return rc::gen::container<std::vector<Fate>>(
      rc::gen::elementOf(std::vector<Fate>(all_fates().begin(), all_fates().end())));
}

TEST(Ledger, EveryOfferedPacketHasExactlyOneFate) {
  EXPECT_TRUE(rc::check("a random stream of fates balances", [] {
    const auto stream = *any_stream();
    const Ledger books = books_of(stream);
    RC_ASSERT(books.closes());
    RC_ASSERT(books.unaccounted_pkts() == 0);
    const auto unsent = std::count(stream.begin(), stream.end(), Fate::tx_unsent);
    RC_ASSERT(books.intended_pkts() == books.offered_pkts() + unsent);
    RC_ASSERT(books.offered_pkts() == books.pkts_or_zero(Fate::received) + books.lost_pkts());
  }));
}

TEST(Ledger, OnePacketTooManyOrTooFewOpensTheBooks) {
  EXPECT_TRUE(rc::check("whatever its fate", [] {
    Ledger books = books_of(*any_stream());
    const Fate fate = *rc::gen::elementOf(ends());
    const auto pkts = *rc::gen::element<std::int64_t>(-3, -1, 1, 2);
    books.add(fate, pkts);
    RC_ASSERT(books.unaccounted_pkts() == -pkts);
    RC_ASSERT(!books.closes());
    RC_ASSERT(books.closes(3));
  }));
}

TEST(Ledger, ExtrasStandOutsideTheSum) {
  Ledger books;
  books.set_offered(10);
  books.add(Fate::received, 10);
  books.add(Fate::duplicate, 3);
  books.add(Fate::foreign, 2);
  books.add(Fate::late, 1);
  EXPECT_EQ(books.unaccounted_pkts(), 0);
  EXPECT_EQ(books.lost_pkts(), 0);
}

TEST(Ledger, DoubleCountingIsOpenBooksToo) {
  Ledger books;
  books.set_offered(10);
  books.add(Fate::received, 10);
  books.add(Fate::rx_missed, 1);
  EXPECT_EQ(books.unaccounted_pkts(), -1);
  EXPECT_FALSE(books.closes());
  EXPECT_TRUE(books.closes(1));
}

TEST(Ledger, AbsentIsNotZero) {
  Ledger books;
  EXPECT_EQ(books.pkts(Fate::rx_missed), std::nullopt);
  books.measured(Fate::rx_missed);
  EXPECT_EQ(books.pkts(Fate::rx_missed), 0);
  EXPECT_EQ(books.pkts(Fate::rx_no_mbuf), std::nullopt);
  EXPECT_EQ(books.pkts_or_zero(Fate::rx_no_mbuf), 0);
}

TEST(Ledger, WhatNobodyCountedStaysUnaccounted) {
  Ledger books;
  books.set_offered(100);
  books.add(Fate::received, 90);
  EXPECT_EQ(books.unaccounted_pkts(), 10);
  EXPECT_FALSE(books.closes());
}

TEST(Ledger, LossRatioIsOfTheOfferedAndNeedsAReceivedCount) {
  Ledger books;
  EXPECT_EQ(books.loss_ratio(), std::nullopt);
  books.add(Fate::received, 0);
  EXPECT_EQ(books.loss_ratio(), std::nullopt);
  books.set_offered(8);
  books.add(Fate::received, 6);
  EXPECT_DOUBLE_EQ(books.loss_ratio().value(), 0.25);
  Ledger uncounted;
  uncounted.set_offered(8);
  EXPECT_EQ(uncounted.loss_ratio(), std::nullopt);
}

TEST(Ledger, TheSumOfBooksIsTheBooksOfAll) {
  EXPECT_TRUE(rc::check("split anywhere", [] {
    const auto first = *any_stream();
    const auto second = *any_stream();
    std::vector<Fate> all = first;
    all.insert(all.end(), second.begin(), second.end());
    Ledger sum = books_of(first);
    sum += books_of(second);
    RC_ASSERT(sum == books_of(all));
    Ledger from_nothing;
    from_nothing += books_of(all);
    RC_ASSERT(from_nothing == books_of(all));
  }));
}

TEST(Ledger, ASumKeepsOnlyWhatBothSidesMeasured) {
  Ledger one;
  one.set_offered(10);
  one.add(Fate::received, 9);
  one.add(Fate::rx_missed, 1);
  Ledger other;
  other.set_offered(10);
  other.add(Fate::received, 10);
  one += other;
  EXPECT_EQ(one.pkts(Fate::received), 19);
  EXPECT_EQ(one.pkts(Fate::rx_missed), std::nullopt);
  EXPECT_EQ(one.unaccounted_pkts(), 1);
}

TEST(Ledger, BooksWithoutFatesStillCountWhatTheyOffered) {
  Ledger one;
  one.set_offered(5);
  Ledger other;
  other.set_offered(7);
  other.add(Fate::received, 7);
  one += other;
  EXPECT_EQ(one.offered_pkts(), 12);
  EXPECT_EQ(one.pkts(Fate::received), std::nullopt);
}

}  // namespace
}  // namespace pollmark
