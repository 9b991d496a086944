#include "trial/closing.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "fake_ends.h"

namespace pollmark {
namespace {

bool is_open(const ClosedBooks& books) {
  return !books.contradictions.empty() || !books.stream.ledger.closes();
}

// A trial in which every offered frame was given one end.
struct Balanced {
  Story story;
  std::vector<Fate> receiver_losses;
  std::vector<Fate> counter_losses;
};

Balanced arbitrary_balanced() {
  Balanced balanced;
  Story& story = balanced.story;
  story.got.fates.clear();
  story.charged.clear();
  const auto small = rc::gen::inRange<std::int64_t>(0, 1'000'000);
  std::int64_t lost_pkts = 0;
  for (const Fate fate : all_fates()) {
    if (fate_kind(fate) == FateKind::loss) {
      const int owner = *rc::gen::inRange(0, 3);  // nobody, the receiver, a counter
      if (owner == 0) continue;
      const std::int64_t pkts = *small;
      lost_pkts += pkts;
      if (owner == 1) {
        story.got.fates[fate] = pkts;
        balanced.receiver_losses.push_back(fate);
      } else {
        story.charged[fate] = pkts;
        balanced.counter_losses.push_back(fate);
      }
    } else if (fate_kind(fate) == FateKind::extra) {
      story.got.fates[fate] = *small;
    }
  }
  story.got.received_pkts = *small;
  story.sent.offered_pkts = story.got.received_pkts + lost_pkts;
  story.sent.tx_unsent_pkts = *small;
  story.sent.intended_pkts = story.sent.offered_pkts + story.sent.tx_unsent_pkts;
  return balanced;
}

ClosedBooks close(Story& story) {
  const FakeBooks books(story);
  return close_books(story.order, story.sent, story.got, {}, &books);
}

TEST(Closing, BooksOfAnyBalancedTrialClose) {
  rc::check([] {
    Balanced balanced = arbitrary_balanced();
    const ClosedBooks books = close(balanced.story);
    RC_ASSERT(!is_open(books));
    RC_ASSERT(books.stream.ledger.unaccounted_pkts() == 0);
    RC_ASSERT(books.stream.ledger.intended_pkts() == balanced.story.sent.intended_pkts);
  });
}

TEST(Closing, AnyOneCountOffByOneOpensTheBooks) {
  rc::check([] {
    Balanced balanced = arbitrary_balanced();
    const std::int64_t off = *rc::gen::element<std::int64_t>(-1, 1);
    std::vector<std::int64_t*> counts{
        &balanced.story.got.received_pkts, &balanced.story.sent.offered_pkts,
        &balanced.story.sent.intended_pkts, &balanced.story.sent.tx_unsent_pkts};
    for (const Fate fate : balanced.receiver_losses) {
      counts.push_back(&balanced.story.got.fates[fate]);
    }
    for (const Fate fate : balanced.counter_losses) {
      counts.push_back(&balanced.story.charged[fate]);
    }
    *counts[*rc::gen::inRange<std::size_t>(0, counts.size())] += off;
    RC_ASSERT(is_open(close(balanced.story)));
  });
}

TEST(Closing, ExtrasStandOutsideTheSum) {
  rc::check([] {
    Balanced balanced = arbitrary_balanced();
    const Fate extra = *rc::gen::element(Fate::duplicate, Fate::foreign, Fate::late);
    balanced.story.got.fates[extra] += *rc::gen::inRange<std::int64_t>(0, 1000);
    RC_ASSERT(!is_open(close(balanced.story)));
  });
}

TEST(Closing, AFateThatNobodyCountedIsAbsent) {
  Story story;
  const ClosedBooks books = close(story);
  EXPECT_EQ(books.stream.ledger.pkts(Fate::rx_missed), std::nullopt);
  EXPECT_EQ(books.stream.ledger.pkts(Fate::corrupt), 0) << "counted: none";
  EXPECT_EQ(books.stream.ledger.pkts(Fate::tx_unsent), 0);
}

TEST(Closing, TheReceiversAndTheCountersPartsOfOneFateAddUp) {
  Story story;
  story.got.fates[Fate::kernel_other] = 10;
  story.charged[Fate::kernel_other] = 5;
  EXPECT_EQ(close(story).stream.ledger.pkts(Fate::kernel_other), 15);
}

TEST(Closing, QueuesThatDoNotCountMissesAreNotHeldAgainstTheReceiver) {
  Story story = Story::on_model();
  story.got.queues.emplace_back();
  EXPECT_FALSE(is_open(close(story)));
}

}  // namespace
}  // namespace pollmark
