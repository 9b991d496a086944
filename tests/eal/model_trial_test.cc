// Trials on the model link, end to end through Sender and Receiver. Their books are exact whatever
// this machine is doing; nothing here asserts a time.
#include <gtest/gtest.h>

#include "record/fate.h"
#include "rig/eal.h"
#include "rig/model_ends.h"

namespace pollmark {
namespace {

struct Outcome {
  SenderAccount sender;
  ReceiverAccount receiver;
  CounterSnapshot truth;

  [[nodiscard]] std::int64_t fate(Fate which) const {
    const auto found = receiver.fates.find(which);
    return found == receiver.fates.end() ? 0 : found->second;
  }
  [[nodiscard]] std::int64_t losses() const {
    std::int64_t sum = 0;
    for (const auto& [which, pkts] : receiver.fates)
      if (fate_kind(which) == FateKind::loss) sum += pkts;
    return sum;
  }
  [[nodiscard]] std::int64_t unaccounted() const {
    return sender.offered_pkts - receiver.received_pkts - losses();
  }
  [[nodiscard]] std::int64_t injected(const std::string& what) const {
    return static_cast<std::int64_t>(truth.values.at("model." + what));
  }
};

Result<Outcome> run(const TrialOrder& order) {
  PM_TRY(Ends ends, make_model_ends(order));
  PM_TRYV(ends.receiver->open());
  PM_TRYV(ends.sender->open());
  PM_TRYV(ends.receiver->start());
  PM_TRYV(ends.sender->start());
  Outcome outcome;
  PM_TRY(outcome.sender, ends.sender->join());
  PM_TRYV(ends.receiver->drain(0, 0));
  PM_TRY(outcome.receiver, ends.receiver->stop(outcome.sender.sent_per_flow));
  PM_TRY(outcome.truth, ends.sender->read_counters());
  return outcome;
}

TrialOrder small_order() {
  TrialOrder order;
  order.seconds = 0.01;
  order.warmup_seconds = 0.001;
  order.traffic.intended_pps = 10e6;
  return order;
}

void expect_closed(const Outcome& outcome) {
  EXPECT_EQ(outcome.unaccounted(), 0);
  ASSERT_TRUE(outcome.receiver.tracker);
  EXPECT_EQ(outcome.receiver.tracker->unique, outcome.receiver.received_pkts);
  EXPECT_EQ(outcome.receiver.tracker->lost, outcome.losses());
  EXPECT_EQ(outcome.receiver.tracker->stale, 0);
  EXPECT_EQ(outcome.sender.intended_pkts,
            outcome.sender.offered_pkts + outcome.sender.tx_unsent_pkts);
}

TEST(ModelTrial, OffersWhatTheScheduleAsksAndClosesItsBooks) {
  const auto outcome = run(small_order());
  ASSERT_TRUE(outcome) << outcome.error().text();
  EXPECT_EQ(outcome->sender.offered_pkts, 100000);
  EXPECT_EQ(outcome->sender.tx_unsent_pkts, 0);
  EXPECT_EQ(outcome->sender.offered_bytes, 6400000);
  expect_closed(*outcome);
}

}  // namespace
}  // namespace pollmark

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto eal = pollmark::start_eal({.memory_mib = 256, .use_hugepages = false});
  if (!eal) {
    std::fprintf(stderr, "%s\n", eal.error().text().c_str());
    return 1;
  }
  return RUN_ALL_TESTS();
}
