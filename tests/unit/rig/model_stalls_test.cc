#include "rig/model_stalls.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

namespace pollmark {
namespace {

constexpr double kHz = 2.5e9;

struct TraceFile {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("pollmark-stalls-" + std::to_string(getpid()));
  explicit TraceFile(const std::string& text) { std::ofstream(path) << text; }
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;
  ~TraceFile() { std::filesystem::remove(path); }
};

TEST(Stalls, PeriodicOnesKeepTheirPeriodAndEachLcoreItsPhase) {
  const StallOrder order{StallKind::periodic, 1'000'000, 20'000, ""};
  const auto first = make_stalls(order, 100'000'000, kHz, 7, 0);
  const auto second = make_stalls(order, 100'000'000, kHz, 7, 1);
  ASSERT_TRUE(first && second);
  ASSERT_EQ(first->size(), 100U);
  for (std::size_t i = 0; i < first->size(); ++i) {
    EXPECT_EQ((*first)[i].length, 50'000U);
    EXPECT_NEAR(static_cast<double>((*first)[i].start - (*first)[0].start),
                2.5e6 * static_cast<double>(i), 1.0);
  }
  EXPECT_NE((*first)[0].start, (*second)[0].start);
  EXPECT_EQ(make_stalls(order, 100'000'000, kHz, 7, 0)->front().start, first->front().start);
}

TEST(Stalls, PoissonOnesComeAsOftenAsAsked) {
  const StallOrder order{StallKind::poisson, 10'000, 100, ""};
  const auto stalls = make_stalls(order, 100'000'000, kHz, 3, 0);
  ASSERT_TRUE(stalls);
  EXPECT_NEAR(static_cast<double>(stalls->size()), 10'000.0, 5.0 * std::sqrt(10'000.0));
  for (std::size_t i = 1; i < stalls->size(); ++i)
    ASSERT_LE((*stalls)[i - 1].start, (*stalls)[i].start);
}

TEST(Stalls, ThatLeaveNoTimeToWorkAreRefused) {
  for (const StallOrder& order :
       {StallOrder{StallKind::periodic, 1000, 1000, ""}, StallOrder{StallKind::poisson, 0, 10, ""},
        StallOrder{StallKind::periodic, 1000, 0, ""}})
    EXPECT_FALSE(make_stalls(order, 1'000'000, kHz, 1, 0));
}

TEST(Stalls, ATraceIsPlayedFromSomewhereAndAgainWhenItEnds) {
  const TraceFile file("# gaps of a host\n# span_ns 10000\n1000 50\n\n4000 200\n");
  const StallOrder order{StallKind::trace, 0, 0, file.path.string()};
  const auto stalls = make_stalls(order, 1'000'000, kHz, 9, 0);
  ASSERT_TRUE(stalls) << stalls.error().text();
  EXPECT_NEAR(static_cast<double>(stalls->size()), 200.0, 2.0);
  for (std::size_t i = 1; i < stalls->size(); ++i) {
    const double distance_ns =
        static_cast<double>((*stalls)[i].start - (*stalls)[i - 1].start) / 2.5;
    const bool behind_short = (*stalls)[i - 1].length == 125;
    EXPECT_NEAR(distance_ns, behind_short ? 3000.0 : 7000.0, 1.0);
    EXPECT_EQ((*stalls)[i].length, behind_short ? 500U : 125U);
  }
}

TEST(Stalls, ADamagedTraceIsRefusedWithItsLine) {
  const auto where = [](const std::string& text) {
    const TraceFile file(text);
    const auto trace = read_stall_trace(file.path);
    return trace ? std::string("accepted") : trace.error().where.substr(file.path.string().size());
  };
  EXPECT_EQ(where("10 5\n20 x\n"), ":2");
  EXPECT_EQ(where("10 5\n12 5\n"), ":2");
  EXPECT_EQ(where("10 5 1\n"), ":1");
  EXPECT_EQ(where("10 0\n"), ":1");
  EXPECT_EQ(where("# span_ns none\n10 5\n"), ":1");
  EXPECT_EQ(where("# nothing\n"), "");
  EXPECT_EQ(where("10 5\n"), "accepted");
}

}  // namespace
}  // namespace pollmark
