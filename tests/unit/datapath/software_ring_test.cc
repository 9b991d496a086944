#include "datapath/software_ring.h"

#include <gtest/gtest.h>

#include <vector>

namespace pollmark {
namespace {

struct Ring {
  std::vector<VisibleFrom> batches = std::vector<VisibleFrom>(8);
  SoftwareRing ring;
  Ring() {
    ring.batches = batches.data();
    ring.batch_mask = 7;
    ring.size = 7;
  }
  void push(std::uint32_t items, Ticks end) {
    ring.pushed_to += items;
    announce(ring, end);
  }
};

TEST(LockstepRule6, ARingShowsItemsFromTheEndOfTheIterationThatPushedThem) {
  Ring ring;
  EXPECT_EQ(visible(ring.ring, 1000), 0U);
  EXPECT_EQ(next_visible(ring.ring), kNever);
  ring.push(3, 2000);
  EXPECT_EQ(visible(ring.ring, 1999), 0U);
  EXPECT_EQ(next_visible(ring.ring), 2000U);
  EXPECT_EQ(visible(ring.ring, 2000), 3U);
  EXPECT_EQ(next_visible(ring.ring), kNever);
  ring.ring.taken_to += 1;
  ring.push(2, 3000);
  EXPECT_EQ(visible(ring.ring, 2500), 2U);
  EXPECT_EQ(visible(ring.ring, 3000), 4U);
}

TEST(LockstepRule6, AnIterationThatPushedNothingAnnouncesNothing) {
  Ring ring;
  for (Ticks end = 1; end < 1000; ++end) ring.push(0, end);
  EXPECT_EQ(ring.ring.batch_to, 0U);
  ring.push(1, 1000);
  ring.push(0, 1001);
  EXPECT_EQ(visible(ring.ring, 1000), 1U);
  EXPECT_EQ(ring.ring.batch_to, 1U);
}

TEST(LockstepRule6, BatchesWrapWithoutLosingOne) {
  Ring ring;
  std::uint32_t seen = 0;
  for (Ticks end = 1; end <= 1000; ++end) {
    ring.push(static_cast<std::uint32_t>(1 + end % 3), end);
    const std::uint32_t now = visible(ring.ring, end > 4 ? end - 4 : 0);
    ring.ring.taken_to += now;
    seen += now;
  }
  const std::uint32_t rest = visible(ring.ring, kNever - 1);
  EXPECT_EQ(seen + rest, ring.ring.pushed_to);
}

}  // namespace
}  // namespace pollmark
