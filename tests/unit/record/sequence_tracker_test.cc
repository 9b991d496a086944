#include "record/sequence_tracker.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace pollmark {
namespace {

// The rules without a window's arithmetic: every number of the flow, unwrapped, in a set.
class Oracle {
 public:
  explicit Oracle(std::int64_t window) : window_(window) {}

  Arrival record(std::int64_t number) {
    if (number >= next_) {
      if (number > next_) ++totals_.gaps;
      next_ = number + 1;
      ++totals_.unique;
      arrived_.insert(number);
      return Arrival::in_order;
    }
    if (next_ - number > window_) {
      ++totals_.stale;
      return Arrival::stale;
    }
    if (number < 0 || !arrived_.insert(number).second) {
      ++totals_.duplicate;
      return Arrival::duplicate;
    }
    ++totals_.unique;
    ++totals_.reordered;
    return Arrival::reordered;
  }

  TrackerTotals finish(std::int64_t sent) {
    std::int64_t expected = 0;
    const auto close_run = [&](std::int64_t until) {
      if (until > expected) {
        ++totals_.loss_runs;
        totals_.lost += until - expected;
        totals_.longest_loss_run = std::max(totals_.longest_loss_run, until - expected);
      }
    };
    for (const std::int64_t number : arrived_) {
      close_run(number);
      expected = number + 1;
    }
    close_run(sent);
    return totals_;
  }

 private:
  std::int64_t window_;
  std::int64_t next_ = 0;
  std::set<std::int64_t> arrived_;
  TrackerTotals totals_;
};

void expect_equal(const TrackerTotals& got, const TrackerTotals& want) {
  EXPECT_EQ(got.unique, want.unique);
  EXPECT_EQ(got.duplicate, want.duplicate);
  EXPECT_EQ(got.reordered, want.reordered);
  EXPECT_EQ(got.stale, want.stale);
  EXPECT_EQ(got.lost, want.lost);
  EXPECT_EQ(got.gaps, want.gaps);
  EXPECT_EQ(got.loss_runs, want.loss_runs);
  EXPECT_EQ(got.longest_loss_run, want.longest_loss_run);
}

struct Stream {
  std::vector<std::int64_t> arrivals;  // in order of arrival
  std::int64_t sent = 0;
};

// Losses, duplicates, reordering and jumps of every size, each with its own probability, so that
// clean and ruined streams both come up.
Stream random_stream(std::mt19937_64& random, std::int64_t window, bool giant_jumps) {
  const auto uniform = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  const auto share = [&] {
    return static_cast<double>(uniform(0, 3)) * static_cast<double>(uniform(0, 100)) / 1000.0;
  };
  const auto happens = [&](double p) { return std::bernoulli_distribution(p)(random); };
  const double loss = share();
  const double duplicate = share();
  const double reorder = share();
  const double jump = share() / 10;
  const std::int64_t reach = uniform(1, 2 * window);

  Stream stream;
  std::vector<std::pair<std::int64_t, std::int64_t>> timed;  // (position of arrival, number)
  std::int64_t position = 0;
  const std::int64_t length = uniform(giant_jumps ? 100 : 0, 4 * window);
  std::int64_t number = 0;
  for (std::int64_t i = 0; i < length; ++i, ++position, ++number) {
    if (happens(jump)) number += uniform(1, 3 * window);
    if (giant_jumps && i % (length / 3 + 1) == 7) number += 0x7fff'0000;
    if (happens(loss)) continue;
    timed.emplace_back(position + (happens(reorder) ? uniform(1, reach) : 0), number);
    if (happens(duplicate)) timed.emplace_back(position + uniform(0, reach), number);
  }
  stream.sent = number + uniform(0, 2 * window);
  std::stable_sort(timed.begin(), timed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  // 32 bits cannot tell numbers half a circle apart: such an arrival is no part of the contract.
  std::int64_t next = 0;
  for (const auto& entry : timed) {
    if (std::abs(entry.second - next) >= 0x7fff'ffff) continue;
    stream.arrivals.push_back(entry.second);
    next = std::max(next, entry.second + 1);
  }
  stream.sent = std::min(stream.sent, next + 0x7fff'ffff);
  return stream;
}

void expect_oracle(const Stream& stream, std::uint32_t window) {
  SequenceTracker tracker(1, window);
  Oracle oracle(window);
  for (const std::int64_t number : stream.arrivals) {
    ASSERT_EQ(tracker.record(0, static_cast<std::uint32_t>(number)), oracle.record(number));
  }
  tracker.finish({static_cast<std::uint32_t>(stream.sent)});
  const TrackerTotals want = oracle.finish(stream.sent);
  expect_equal(tracker.totals(), want);
  EXPECT_EQ(want.unique + want.lost, stream.sent);
  EXPECT_EQ(tracker.totals().unique + tracker.totals().duplicate + tracker.totals().stale,
            static_cast<std::int64_t>(stream.arrivals.size()));
}

TEST(SequenceTracker, AgreesWithBruteForce) {
  for (const std::uint32_t window : {64U, 256U, 1024U}) {
    std::mt19937_64 random(window);
    for (int i = 0; i < 300 && !HasFailure(); ++i) {
      SCOPED_TRACE(testing::Message() << "window " << window << ", stream " << i);
      expect_oracle(random_stream(random, window, false), window);
    }
  }
}

TEST(SequenceTracker, AgreesWithBruteForceAcrossTheWrap) {
  for (const std::uint32_t window : {64U, 256U, 1024U}) {
    std::mt19937_64 random(window + 1);
    int wrapped = 0;
    for (int i = 0; i < 100 && !HasFailure(); ++i) {
      SCOPED_TRACE(testing::Message() << "window " << window << ", stream " << i);
      const Stream stream = random_stream(random, window, true);
      if (stream.sent > std::int64_t{1} << 32) ++wrapped;
      expect_oracle(stream, window);
    }
    EXPECT_GT(wrapped, 50);
  }
}

TEST(SequenceTracker, AgreesWithBruteForceOnAnyShortStream) {
  EXPECT_TRUE(rc::check("numbers anywhere near", [] {
    const auto numbers = *rc::gen::container<std::vector<std::int64_t>>(rc::gen::oneOf(
        rc::gen::inRange<std::int64_t>(0, 20), rc::gen::inRange<std::int64_t>(0, 300)));
    SequenceTracker tracker(1, 64);
    Oracle oracle(64);
    for (const std::int64_t number : numbers) {
      RC_ASSERT(tracker.record(0, static_cast<std::uint32_t>(number)) == oracle.record(number));
    }
    tracker.finish({300});
    const TrackerTotals want = oracle.finish(300);
    RC_ASSERT(tracker.totals().unique == want.unique);
    RC_ASSERT(tracker.totals().lost == want.lost);
    RC_ASSERT(tracker.totals().loss_runs == want.loss_runs);
    RC_ASSERT(tracker.totals().longest_loss_run == want.longest_loss_run);
    RC_ASSERT(tracker.totals().duplicate == want.duplicate);
    RC_ASSERT(tracker.totals().stale == want.stale);
  }));
}

// As the receive loop does it: most numbers by follows(), counted in one sum.
TEST(SequenceTracker, ACallerThatCountsGetsTheSameTotals) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    const Stream stream = random_stream(random, 64, false);
    SequenceTracker one_by_one(1, 64);
    SequenceTracker counted(1, 64);
    std::int64_t in_order = 0;
    for (const std::int64_t number : stream.arrivals) {
      const auto sequence = static_cast<std::uint32_t>(number);
      const Arrival arrival = one_by_one.record(0, sequence);
      counted.prefetch(0);
      if (counted.follows(0, sequence)) {
        ++in_order;
        ASSERT_EQ(arrival, Arrival::in_order);
      } else {
        ASSERT_EQ(counted.record(0, sequence), arrival);
      }
    }
    counted.add_in_order(in_order);
    one_by_one.finish({static_cast<std::uint32_t>(stream.sent)});
    counted.finish({static_cast<std::uint32_t>(stream.sent)});
    expect_equal(counted.totals(), one_by_one.totals());
  }
}

TEST(SequenceTracker, SixtyFiveThousandFlowsTakeOneLineEach) {
  EXPECT_EQ(SequenceTracker(65536).memory_bytes(), 65536U * 64);
}

TEST(SequenceTracker, ACleanFlowLosesNothing) {
  SequenceTracker tracker(2, 64);
  for (std::uint32_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(tracker.record(1, i), Arrival::in_order);
  }
  tracker.finish({0, 1000});
  expect_equal(tracker.totals(), {.unique = 1000});
}

TEST(SequenceTracker, AFlowThatNeverArrivedIsLostWhole) {
  SequenceTracker tracker(3, 64);
  tracker.finish({0, 5, 500});
  expect_equal(tracker.totals(), {.lost = 505, .loss_runs = 2, .longest_loss_run = 500});
}

TEST(SequenceTracker, FlowsBeyondTheListWereNotOffered) {
  SequenceTracker tracker(3, 64);
  tracker.finish({2});
  EXPECT_EQ(tracker.totals().lost, 2);
}

TEST(SequenceTracker, ADuplicateIsToldFromALateOne) {
  SequenceTracker tracker(1, 64);
  tracker.record(0, 0);
  EXPECT_EQ(tracker.record(0, 2), Arrival::in_order);
  EXPECT_EQ(tracker.record(0, 2), Arrival::duplicate);
  EXPECT_EQ(tracker.record(0, 1), Arrival::reordered);
  EXPECT_EQ(tracker.record(0, 1), Arrival::duplicate);
  EXPECT_EQ(tracker.record(0, 64 + 2), Arrival::in_order);
  EXPECT_EQ(tracker.record(0, 2), Arrival::stale);
  EXPECT_EQ(tracker.record(0, 3), Arrival::reordered);
}

TEST(SequenceTracker, OneLongLossIsOneRun) {
  SequenceTracker tracker(1, 64);
  tracker.record(0, 0);
  tracker.record(0, 1001);
  for (std::uint32_t i = 1002; i < 2000; ++i) {
    if (i != 1500 && i != 1502) tracker.record(0, i);
  }
  tracker.finish({2000});
  expect_equal(tracker.totals(),
               {.unique = 998, .lost = 1002, .gaps = 3, .loss_runs = 3, .longest_loss_run = 1000});
}

TEST(SequenceTracker, FlowsDoNotTouchEachOther) {
  for (const std::uint32_t window : {64U, 128U, 512U, 1024U}) {
    std::mt19937_64 random(window);
    constexpr std::uint32_t kFlows = 5;
    SequenceTracker together(kFlows, window);
    TrackerTotals apart;
    std::vector<Stream> streams;
    std::vector<std::uint32_t> sent;
    for (std::uint32_t flow = 0; flow < kFlows; ++flow) {
      streams.push_back(random_stream(random, window, false));
      sent.push_back(static_cast<std::uint32_t>(streams.back().sent));
      SequenceTracker alone(1, window);
      for (const std::int64_t n : streams.back().arrivals) {
        alone.record(0, static_cast<std::uint32_t>(n));
      }
      alone.finish({sent.back()});
      apart += alone.totals();
    }
    for (std::size_t i = 0; i < 4U * window + 2U; ++i) {
      for (std::uint32_t flow = 0; flow < kFlows; ++flow) {
        const auto& arrivals = streams[flow].arrivals;
        if (i < arrivals.size()) together.record(flow, static_cast<std::uint32_t>(arrivals[i]));
      }
    }
    for (std::uint32_t flow = 0; flow < kFlows; ++flow) {
      for (std::size_t i = 4U * window + 2U; i < streams[flow].arrivals.size(); ++i) {
        together.record(flow, static_cast<std::uint32_t>(streams[flow].arrivals[i]));
      }
    }
    together.finish(sent);
    expect_equal(together.totals(), apart);
  }
}

TEST(SequenceTracker, MoreArrivedThanSentIsNoLoss) {
  SequenceTracker tracker(1, 64);
  for (std::uint32_t i = 0; i < 10; ++i) tracker.record(0, i);
  tracker.finish({4});
  expect_equal(tracker.totals(), {.unique = 10});
}

TEST(SequenceTracker, MemoryIsBoundedAndInWholeCacheLines) {
  EXPECT_EQ(SequenceTracker(1000, 64).memory_bytes(), 64'000U);
  EXPECT_EQ(SequenceTracker(1000, 256).memory_bytes(), 64'000U);
  EXPECT_EQ(SequenceTracker(1000, 512).memory_bytes(), 128'000U);
  EXPECT_EQ(SequenceTracker(1000, 1024).memory_bytes(), 192'000U);
}

// Every flow is one thread's: whatever is lost, repeated or out of order, together they tell what
// one tracker of all flows tells.
TEST(SequenceTracker, TrackersThatShareTheFlowsTellWhatOneTellsOfAll) {
  const bool holds = rc::check("split by flow", [] {
    constexpr std::uint32_t kFlows = 6;
    const auto threads = *rc::gen::inRange<std::size_t>(1, 5);
    const auto whose = *rc::gen::container<std::vector<std::size_t>>(
        kFlows, rc::gen::inRange<std::size_t>(0, threads));
    const auto stream =
        *rc::gen::container<std::vector<std::pair<std::uint32_t, std::uint32_t>>>(rc::gen::pair(
            rc::gen::inRange<std::uint32_t>(0, kFlows), rc::gen::inRange<std::uint32_t>(0, 300)));
    const auto sent = *rc::gen::container<std::vector<std::uint32_t>>(
        kFlows, rc::gen::inRange<std::uint32_t>(300, 500));
    SequenceTracker of_all(kFlows, 64);
    std::vector<SequenceTracker> parts(threads, SequenceTracker(kFlows, 64));
    for (const auto& [flow, number] : stream) {
      RC_ASSERT(parts[whose[flow]].record(flow, number) == of_all.record(flow, number));
    }
    std::vector<SequenceTracker*> pointers;
    for (SequenceTracker& part : parts) pointers.push_back(&part);
    of_all.finish(sent);
    const auto together = finish_together(pointers, sent);
    RC_ASSERT(together.has_value());
    expect_equal(*together, of_all.totals());
  });
  EXPECT_TRUE(holds);
}

TEST(SequenceTracker, AFlowThatCameToTwoThreadsIsNobodysToTell) {
  SequenceTracker a(2);
  SequenceTracker b(2);
  std::vector<SequenceTracker*> both{&a, &b};
  a.record(0, 0);
  b.record(1, 0);
  EXPECT_TRUE(finish_together(both, {}));
  b.record(0, 1);
  EXPECT_FALSE(finish_together(both, {2, 1}));
  EXPECT_EQ(a.totals().lost + b.totals().lost, 0) << "not finished";
}

TEST(SequenceTrackerDeathTest, AnImpossibleWindowIsABug) {
  EXPECT_EXIT(SequenceTracker(1, 100), testing::ExitedWithCode(70), "broken invariant");
  EXPECT_EXIT(SequenceTracker(1, 2048), testing::ExitedWithCode(70), "broken invariant");
}

}  // namespace
}  // namespace pollmark
