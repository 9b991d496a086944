#include "store/hist_log.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/text.h"
#include "support/random_trial.h"

namespace pollmark {
namespace {

TrialResult trial_with_latency() {
  TrialResult trial;
  trial.order.trial = 12;
  trial.order.seconds = 2.5;
  trial.started_utc = "2026-11-21T10:25:00Z";
  LatencyHistogram rx;
  rx.record(2'769'000);
  rx.record(150, 10);
  trial.latency_ns.rx = rx;
  LatencyHistogram done;
  done.record(5000);
  trial.latency_ns.done = done;
  return trial;
}

TEST(HistLog, IsVersion13ToTheLetter) {
  const TrialResult trial = trial_with_latency();
  const std::vector<std::string> lines = split(hist_log_text(trial), '\n');
  ASSERT_EQ(lines.size(), 7U);
  EXPECT_EQ(lines[0], "#[pollmark: latency in ns of trial 12]");
  EXPECT_EQ(lines[1], "#[Histogram log format version 1.3]");
  EXPECT_EQ(lines[2], "#[StartTime: 1795256700.000 (seconds since epoch), 2026-11-21T10:25:00Z]");
  EXPECT_EQ(lines[3],
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
            "\"Interval_Compressed_Histogram\"");
  EXPECT_EQ(lines[4], "Tag=rx,0.000,2.500,2.769," + trial.latency_ns.rx->encode());
  EXPECT_EQ(lines[5], "Tag=done,0.000,2.500,0.005," + trial.latency_ns.done->encode());
  EXPECT_EQ(lines[6], "");
  for (int i = 0; i < 4; ++i) EXPECT_LT(lines[static_cast<std::size_t>(i)].size(), 127U);
}

TEST(HistLog, ReadsBackByTag) {
  EXPECT_TRUE(rc::check("every histogram of any trial", [](std::uint64_t seed) {
    const TrialResult trial = testing_support::RandomTrial(seed).result();
    const LatencyAccount& latency = trial.latency_ns;
    if (hist_log_text(trial).empty()) {
      RC_ASSERT(!latency.rx && !latency.done && !latency.intended);
      return;
    }
    const auto read = parse_hlog(hist_log_text(trial));
    RC_ASSERT(read.has_value());
    const auto same = [&](const std::string& tag, const std::optional<LatencyHistogram>& kind) {
      RC_ASSERT((read->count(tag) == 1) == kind.has_value());
      if (!kind) return;
      for (std::size_t i = 0; i < kind->bins(); ++i) {
        RC_ASSERT(read->at(tag).count_at(i) == kind->count_at(i));
      }
    };
    same("rx", latency.rx);
    same("done", latency.done);
    same("intended", latency.intended);
  }));
}

TEST(HistLog, NothingMeasuredIsNoFile) { EXPECT_EQ(hist_log_text(TrialResult{}), ""); }

TEST(HistLog, LinesOfOneTagAreMergedAndUntaggedLinesAreTaken) {
  LatencyHistogram one;
  one.record(10);
  LatencyHistogram other;
  other.record(20, 2);
  const std::string text = "#[Histogram log format version 1.2]\n0.1,1.0,0.0," + one.encode() +
                           "\n1.1,1.0,0.0," + other.encode() + "\r\n";
  const auto read = parse_hlog(text);
  ASSERT_TRUE(read.has_value()) << read.error().text();
  EXPECT_EQ(read->at("").count(), 3);
  EXPECT_EQ(read->at("").percentile(100), 20);
}

TEST(HistLog, DamageIsRefusedWithTheLine) {
  const std::string good = hist_log_text(trial_with_latency());
  EXPECT_TRUE(parse_hlog(good).has_value());
  const auto what = [](const std::string& text) {
    const auto read = parse_hlog(text);
    return read ? std::string("accepted") : read.error().what;
  };
  EXPECT_EQ(what(""), "not a histogram log: no format version");
  EXPECT_EQ(what("pcap"), "line 1 comes before a log format version; allowed: 1.0 to 1.3");
  EXPECT_EQ(what("#[Histogram log format version 2.0]\n0,1,2,x"),
            "line 2 comes before a log format version; allowed: 1.0 to 1.3");
  EXPECT_EQ(what(good + "1,2,3\n"), "line 7 does not have start, length, maximum and histogram");
  EXPECT_EQ(what(good + "Tag=rx,1,2,3,HISTFAAA\n").find("line 7 not an HdrHistogram"), 0U);
  EXPECT_EQ(read_hlog("/nonexistent/12.hlog").error().where, "/nonexistent/12.hlog");
}

TEST(HistLog, NamesTellTrialsApart) {
  TrialOrder order;
  order.trial = 12;
  EXPECT_EQ(hist_log_name(order), "hist/12.hlog");
  order.attempt = 1;
  EXPECT_EQ(hist_log_name(order), "hist/12.1.hlog");
  order.kind = TrialKind::calibration;
  EXPECT_EQ(hist_log_name(order), "hist/calibration-12.1.hlog");
}

}  // namespace
}  // namespace pollmark
