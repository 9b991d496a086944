#include "campaign/rfc2544_suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "support/ringed_device.h"

namespace pollmark {
namespace {

using support::RingedDevice;
using ::testing::SizeIs;

Rfc2544Order short_order() {
  Rfc2544Order order = *rfc2544_preset("short");
  order.burst_cap_seconds = 0.005;
  order.burst_repeats = 2;
  return order;
}

RC_GTEST_PROP(Rfc2544Suite, ResumedAnywhereItRunsWhatIsLeft, ()) {
  const Rfc2544Order order = short_order();
  const RingedDevice device;
  std::int64_t number = 1;
  const RunRfc2544Trial run = [&](const Rfc2544Trial& trial) {
    return Result<TrialResult>(device.run(trial, number++));
  };
  const auto whole =
      run_rfc2544_suite(order, device.searched(order), 3, {device.search_trial(0)}, run);
  RC_ASSERT(whole.has_value());
  std::vector<TrialResult> part = *whole;
  part.resize(*rc::gen::inRange<std::size_t>(1, whole->size() + 1));
  const std::size_t there = part.size();
  number = static_cast<std::int64_t>(there);
  const auto resumed = run_rfc2544_suite(order, device.searched(order), 3, std::move(part), run);
  RC_ASSERT(resumed.has_value());
  RC_ASSERT(number == static_cast<std::int64_t>(whole->size()));
  RC_ASSERT(resumed->size() == whole->size());
  for (std::size_t i = 0; i < whole->size(); ++i)
    RC_ASSERT((*resumed)[i].order == (*whole)[i].order);
}

TEST(Rfc2544SuiteRun, AStopSignalEndsItWithTheErrorAndWhatWasRunIsTheCallers) {
  const Rfc2544Order order = short_order();
  const RingedDevice device;
  std::vector<TrialResult> stored{device.search_trial(0)};
  const auto ended = run_rfc2544_suite(order, device.searched(order), 3, stored,
                                       [&](const Rfc2544Trial& trial) -> Result<TrialResult> {
                                         if (stored.size() == 4)
                                           return fail(Errc::interrupted, "stopped");
                                         stored.push_back(device.run(trial, 1));
                                         return stored.back();
                                       });
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error().code, Errc::interrupted);
  EXPECT_THAT(stored, SizeIs(4));
}

}  // namespace
}  // namespace pollmark
