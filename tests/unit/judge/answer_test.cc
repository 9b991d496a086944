#include "judge/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "campaigns.h"

namespace pollmark {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Campaign two_rings(std::int64_t small_lost, std::int64_t large_lost, std::int64_t spread,
                   int blocks = 12) {
  Campaign campaign;
  campaign.add({{"rx_ring", "128"}}, around(small_lost, spread, blocks, 0));
  campaign.add({{"rx_ring", "512"}}, around(large_lost, spread, blocks, 6));
  return campaign;
}

TEST(Answer, AKnownWinnerIsNamedWithItsNumbers) {
  const std::string answer = two_rings(20'000, 1'000, 200).summary().answer;
  EXPECT_THAT(answer, StartsWith("On a model, not a NIC: rx_ring=512 (loss 0.1"));
  EXPECT_THAT(answer, HasSubstr("is best, ahead of rx_ring=128 (2.0"));
  EXPECT_THAT(answer, HasSubstr("["));
  EXPECT_THAT(answer, Not(HasSubstr("cannot tell")));
}

TEST(Answer, ATieCannotBeTold) {
  const std::string answer = two_rings(20'000, 20'200, 9'000).summary().answer;
  EXPECT_THAT(answer, HasSubstr("cannot tell rx_ring=128"));
  EXPECT_THAT(answer, HasSubstr("from rx_ring=512"));
}

TEST(Answer, WithinTheMarginTheyAreEquivalent) {
  const std::string answer = two_rings(600, 400, 100).summary().answer;
  EXPECT_THAT(answer, HasSubstr("equivalent within 0.001 of all frames to rx_ring=128"));
}

TEST(Answer, AMarginOfPercentHoldsForAllOtherMetrics) {
  Campaign campaign = two_rings(0, 0, 0);
  campaign.question.metric = "cycles_per_pkt";
  for (TrialResult& trial : campaign.trials) {
    trial.cycles_per_pkt = trial.order.cell.at("rx_ring") == "128" ? 200.0 : 201.0;
  }
  EXPECT_THAT(campaign.summary().answer, HasSubstr("equivalent within 1 % to rx_ring=512"));
  campaign.question.matters = 0.001;
  EXPECT_THAT(campaign.summary().answer, HasSubstr("is best, ahead of rx_ring=512"));
}

TEST(Answer, WithoutAValidTrialItSaysWhy) {
  Campaign campaign = two_rings(1'000, 2'000, 100);
  for (TrialResult& trial : campaign.trials) trial = invalid(trial, "too_disturbed: yes");
  EXPECT_EQ(campaign.summary().answer,
            "Cannot tell: none of 24 trials was valid (too_disturbed 24).");
}

TEST(Answer, WithoutAnyTrialItSaysWhy) {
  Campaign campaign;
  campaign.plan({{"path", "udp_socket"}}, Path::udp_socket);
  campaign.question.cells[0].refused = "needs CAP_NET_ADMIN";
  EXPECT_EQ(campaign.summary().answer, "Cannot tell: nothing was measured (needs CAP_NET_ADMIN).");
  EXPECT_EQ(Campaign{}.summary().answer, "Cannot tell: nothing was measured (no cell).");
}

TEST(Answer, AMetricThatWasNotMeasuredIsNotInvented) {
  Campaign campaign = two_rings(1'000, 2'000, 100);
  campaign.question.metric = "cycles_per_pkt";
  EXPECT_EQ(campaign.summary().answer, "Cannot tell: no valid trial measured cycles_per_pkt.");
}

TEST(Answer, OneCellIsItsNumber) {
  Campaign campaign;
  campaign.add({{"rx_ring", "128"}}, around(2'000, 0, 12, 0));
  EXPECT_EQ(campaign.summary().answer,
            "On a model, not a NIC: loss is 0.20 % [0.20 %, 0.20 %] with rx_ring=128 (12 valid "
            "trials).");
}

TEST(Answer, WhereNothingWasLostTheSettingsCannotBeToldApart) {
  EXPECT_EQ(
      two_rings(0, 0, 0).summary().answer,
      "On a model, not a NIC: loss is 0 with all 2 settings: at this load they cannot be told "
      "apart.");
}

TEST(Answer, QuickAndFewBlocksRankWithoutVerdict) {
  const std::string few = two_rings(20'000, 1'000, 200, 5).summary().answer;
  EXPECT_THAT(few, HasSubstr("best first: rx_ring=512"));
  EXPECT_THAT(few, HasSubstr("a ranking, not a verdict"));
  EXPECT_THAT(few, Not(HasSubstr("is best")));
  Campaign quick = two_rings(20'000, 1'000, 200);
  quick.question.quick = true;
  EXPECT_THAT(quick.summary().answer, HasSubstr("a ranking, not a verdict"));
}

TEST(Answer, MeasuredPathsAreNotCalledAModel) {
  Campaign campaign;
  campaign.add({{"rx_ring", "128"}}, around(2'000, 100, 12, 0), Path::dpdk);
  EXPECT_THAT(campaign.summary().answer, Not(HasSubstr("model")));
}

// Three rings in two layouts; losses by ring, one queue and four.
Campaign choosing(const std::vector<std::int64_t>& one_queue,
                  const std::vector<std::int64_t>& four_queues, int blocks = 12,
                  std::int64_t spread = 50) {
  Campaign campaign;
  campaign.question.choose = "smallest rx_ring equivalent to the best";
  const std::vector<std::string> rings{"2048", "128", "512"};
  for (std::size_t i = 0; i < rings.size(); ++i) {
    const int phase = static_cast<int>(3 * i);
    campaign.add({{"queues", "1"}, {"rx_ring", rings[i]}},
                 around(one_queue[i], std::min(spread, one_queue[i]), blocks, phase));
    campaign.add({{"queues", "4"}, {"rx_ring", rings[i]}},
                 around(four_queues[i], std::min(spread, four_queues[i]), blocks, phase + 1));
  }
  return campaign;
}

TEST(Answer, ChoosesTheSmallestLevelEquivalentToTheBest) {
  const std::string answer = choosing({0, 20'000, 300}, {0, 9'000, 100}).summary().answer;
  EXPECT_THAT(
      answer,
      StartsWith("On a model, not a NIC: 512 is the smallest rx_ring equivalent to the best "
                 "in all 2 combinations of the other factors (loss 0.03 %"));
  EXPECT_THAT(answer, HasSubstr("against 2.00 % "));
  EXPECT_THAT(answer, HasSubstr("at 128; equivalent is within 0.001 of all frames)"));
  EXPECT_THAT(answer, Not(HasSubstr("cannot tell")));
}

TEST(Answer, SaysWhenTheChoiceDiffersBySetting) {
  const std::string answer = choosing({0, 20'000, 5'000}, {0, 9'000, 100}).summary().answer;
  EXPECT_THAT(answer, HasSubstr("the smallest rx_ring equivalent to the best is 2048 (loss 0 "));
  EXPECT_THAT(answer, HasSubstr(", but 512 with queues=4 (loss 0.01 % "));
}

TEST(Answer, SaysWhichSmallerLevelIsOpen) {
  const std::string answer =
      choosing({9'000, 10'000, 9'200}, {0, 20'000, 100}, 12, 5'000).summary().answer;
  EXPECT_THAT(answer, HasSubstr("cannot tell of 128 in 1 combination"));
}

TEST(Answer, AChoiceFromFewBlocksIsARanking) {
  const std::string answer = choosing({0, 20'000, 300}, {0, 9'000, 100}, 4).summary().answer;
  EXPECT_THAT(answer, AllOf(HasSubstr("512 is the smallest rx_ring"),
                            HasSubstr("a ranking, not a verdict")));
}

TEST(Answer, OtherChoicesInSimpleForms) {
  Campaign campaign = choosing({0, 20'000, 300}, {0, 9'000, 100});
  campaign.question.choose = "largest rx_ring equivalent to the best";
  EXPECT_THAT(campaign.summary().answer, HasSubstr("2048 is the largest rx_ring equivalent"));
  campaign.question.choose = "best rx_ring";
  EXPECT_THAT(campaign.summary().answer, HasSubstr("2048 is the best rx_ring"));
  EXPECT_THAT(campaign.summary().answer, HasSubstr("equivalent to it: 512 in 2 combinations"));
  campaign.question.choose = "fewest queues equivalent to the best";
  EXPECT_THAT(campaign.summary().answer, HasSubstr("the smallest queues equivalent to the best"));
}

TEST(Answer, WhereAllAreEquivalentNoneIsBetter) {
  Campaign campaign = choosing({500, 520, 510}, {100, 110, 90});
  campaign.question.choose = "best rx_ring";
  EXPECT_THAT(campaign.summary().answer,
              StartsWith("On a model, not a NIC: no rx_ring is better than another in all 2 "
                         "combinations of the other factors (loss 0.0"));
  EXPECT_THAT(campaign.summary().answer, HasSubstr("; equivalent is within 0.001 of all frames)"));
  Campaign few = choosing({500, 520, 510}, {100, 110, 90}, 4);
  few.question.choose = "best rx_ring";
  EXPECT_THAT(few.summary().answer,
              AllOf(HasSubstr("best rx_ring"), HasSubstr("a ranking, not a verdict")));
  Campaign one_is_worse = choosing({500, 20'000, 510}, {100, 110, 90});
  one_is_worse.question.choose = "best rx_ring";
  EXPECT_THAT(one_is_worse.summary().answer, HasSubstr("best rx_ring"));
}

TEST(Answer, AChoiceThatIsNotUnderstoodSaysWhatIs) {
  Campaign campaign = choosing({0, 20'000, 300}, {0, 9'000, 100});
  campaign.question.choose = "cheapest card";
  EXPECT_THAT(campaign.summary().answer, HasSubstr("choose = \"cheapest card\" is not understood"));
  campaign.question.choose = "smallest socket_buffer equivalent to the best";
  EXPECT_THAT(campaign.summary().answer,
              StartsWith("Cannot choose a socket_buffer: it was not measured"));
}

TEST(Choose, SimpleFormsAreUnderstood) {
  EXPECT_EQ(parse_choose("smallest  rx_ring equivalent to the best")->wish, Choose::Wish::smallest);
  EXPECT_EQ(parse_choose("fewest queues equivalent to the best")->factor, "queues");
  EXPECT_EQ(parse_choose("best path")->wish, Choose::Wish::best);
  for (const char* wrong : {"", "smallest", "smallest rx_ring", "best rx_ring please",
                            "smallest rx_ring equivalent to best"}) {
    EXPECT_FALSE(parse_choose(wrong)) << wrong;
  }
}

TEST(Answer, SetsThePathsOfOneVethBesideEachOther) {
  Campaign campaign = choosing({0, 20'000, 300}, {0, 9'000, 100});
  campaign.add({{"path", "udp_socket"}}, around(50'000, 1'000, 12, 0), Path::udp_socket, "kernel");
  campaign.add({{"path", "dpdk"}}, around(10'000, 1'000, 12, 3), Path::dpdk, "kernel");
  const std::string answer = campaign.summary().answer;
  EXPECT_THAT(answer, StartsWith("On a model, not a NIC: 512 is the smallest rx_ring"));
  EXPECT_THAT(answer, HasSubstr("; over the same link, dpdk has loss 1.00 % ["));
  EXPECT_THAT(answer, HasSubstr("and udp_socket 5.00 % ["));
  EXPECT_THAT(answer, HasSubstr("(received 4.95 Mpps "));
  EXPECT_THAT(answer, HasSubstr(": dpdk is ahead."));
}

TEST(Answer, OverlappingPathsCannotBeTold) {
  Campaign campaign;
  campaign.add({{"path", "udp_socket"}}, around(20'000, 9'000, 12, 0), Path::udp_socket, "kernel");
  campaign.add({{"path", "dpdk"}}, around(20'100, 9'000, 12, 6), Path::dpdk, "kernel");
  EXPECT_THAT(campaign.summary().answer, HasSubstr(": cannot tell which is ahead."));
}

TEST(Answer, AKernelPathThatWasNotMeasuredIsSaid) {
  Campaign campaign = choosing({0, 20'000, 300}, {0, 9'000, 100});
  campaign.plan({{"path", "udp_socket"}}, Path::udp_socket, "kernel");
  campaign.question.cells.back().refused = "needs CAP_NET_ADMIN";
  EXPECT_THAT(campaign.summary().answer,
              HasSubstr("; udp_socket was not measured: needs CAP_NET_ADMIN."));
}

}  // namespace
}  // namespace pollmark
