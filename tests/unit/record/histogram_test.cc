#include "record/histogram.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>

namespace pollmark {
namespace {

// 1x3 100x2 2047x1 2048x5 2049x1 123456x7 1000000x1 in (1, 1e9, 3), by an independent writer; the
// reference C reader finds N = 20, p50 = 2049, p99 = max = 1000447 in it.
constexpr std::string_view kGolden =
    "HISTFAAAAC542pNpmSzMwMDAzwABzFCaEURYzzrFYP8BKsB2mJFlsxwTT38c31oDJgCmaQew";

LatencyHistogram recorded(const std::vector<std::int64_t>& values, HistogramLayout layout = {}) {
  LatencyHistogram histogram(layout);
  for (const std::int64_t value : values) histogram.record(value);
  return histogram;
}

rc::Gen<HistogramLayout> any_layout() {
  return rc::gen::element(HistogramLayout{}, HistogramLayout{1, 1'000'000'000, 3},
                          HistogramLayout{16, 1'000'000'000, 3}, HistogramLayout{1, 100'000, 2},
                          HistogramLayout{1, 50'000, 1}, HistogramLayout{1000, 3'600'000'000, 4},
                          HistogramLayout{3, 7'777'777, 5});
}

// Spread over the magnitudes, now and then outside the range.
rc::Gen<std::vector<std::int64_t>> any_values(const HistogramLayout& layout) {
  return rc::gen::container<std::vector<std::int64_t>>(rc::gen::map(
      rc::gen::pair(rc::gen::inRange(0, 40), rc::gen::arbitrary<std::uint32_t>()),
      [layout](const std::pair<int, std::uint32_t>& draw) {
        const auto value = static_cast<std::int64_t>(std::uint64_t{draw.second} << 8 >>
                                                     (40U - static_cast<unsigned>(draw.first)));
        if (draw.first == 0) return std::int64_t{-1} - value;
        return draw.first == 1 ? layout.highest + value : value % (layout.highest + 1);
      }));
}

std::vector<std::int64_t> in_range(std::vector<std::int64_t> values,
                                   const HistogramLayout& layout) {
  std::erase_if(values, [&](std::int64_t value) { return value < 0 || value > layout.highest; });
  std::sort(values.begin(), values.end());
  return values;
}

TEST(HistogramLayout, GoldenSizes) {
  EXPECT_EQ(LatencyHistogram({1, 1'000'000'000, 3}).bins(), 21504U);
  EXPECT_EQ(LatencyHistogram({16, 1'000'000'000, 3}).bins(), 17408U);
  EXPECT_EQ(LatencyHistogram({1, 1'000'000'000, 2}).bins(), 3072U);
  EXPECT_EQ(LatencyHistogram({1, 10'000'000'000, 3}).bins(), 25600U);
  EXPECT_EQ(LatencyHistogram({1, 3'600'000'000'000, 3}).bins(), 33792U);
  EXPECT_EQ(LatencyHistogram({1, 10'000'000'000, 2}).bins(), 3584U);
}

TEST(HistogramLayout, GoldenIndices) {
  const LatencyHistogram histogram({1, 1'000'000'000, 3});
  const std::vector<std::pair<std::int64_t, std::size_t>> golden = {
      {0, 0},       {1, 1},       {2047, 2047},   {2048, 2048},          {2049, 2048},
      {4095, 3071}, {4096, 3072}, {123456, 8073}, {1'000'000'000, 21363}};
  for (const auto& [value, index] : golden) EXPECT_EQ(histogram.index_of(value), index) << value;
}

TEST(HistogramLayout, ImpossibleOnesAreToldApart) {
  EXPECT_TRUE((HistogramLayout{1, 2, 1}).possible());
  EXPECT_FALSE((HistogramLayout{0, 100, 3}).possible());
  EXPECT_FALSE((HistogramLayout{10, 19, 3}).possible());
  EXPECT_FALSE((HistogramLayout{1, 100, 0}).possible());
  EXPECT_FALSE((HistogramLayout{1, 100, 6}).possible());
  EXPECT_FALSE((HistogramLayout{std::int64_t{1} << 55, INT64_MAX, 3}).possible());
  EXPECT_TRUE((HistogramLayout{1, INT64_MAX, 5}).possible());
}

TEST(HistogramLayout, BinsTileTheRangeWithoutGapOrOverlap) {
  for (const HistogramLayout& layout :
       {HistogramLayout{}, HistogramLayout{16, 1'000'000'000, 3}, HistogramLayout{3, 7'777'777, 5},
        HistogramLayout{1, 50'000, 1}}) {
    const LatencyHistogram histogram(layout);
    std::int64_t next = 0;
    for (std::size_t i = 0; i < histogram.bins(); ++i) {
      ASSERT_EQ(histogram.lowest_of(i), next);
      ASSERT_EQ(histogram.index_of(histogram.lowest_of(i)), i);
      ASSERT_EQ(histogram.index_of(histogram.highest_of(i)), i);
      next = histogram.highest_of(i) + 1;
    }
    EXPECT_GT(next, layout.highest);
  }
}

TEST(HistogramLayout, WidthKeepsTheSignificantFigures) {
  for (const int figures : {1, 2, 3, 4, 5}) {
    const LatencyHistogram histogram({1, 1'000'000'000, figures});
    for (std::size_t i = 1; i < histogram.bins(); ++i) {
      const auto width = static_cast<double>(histogram.highest_of(i) - histogram.lowest_of(i));
      ASSERT_LE(width / static_cast<double>(histogram.lowest_of(i)), std::pow(10.0, -figures));
    }
  }
}

TEST(Histogram, DecodesWhatTheReferenceReads) {
  const auto histogram = LatencyHistogram::decode(kGolden);
  ASSERT_TRUE(histogram.has_value()) << histogram.error().text();
  EXPECT_EQ(histogram->layout(), (HistogramLayout{1, 1'000'000'000, 3}));
  EXPECT_EQ(histogram->count(), 20);
  EXPECT_EQ(histogram->percentile(50), 2049);
  EXPECT_EQ(histogram->percentile(99), 1000447);
  EXPECT_EQ(histogram->max(), 1000447);
  EXPECT_EQ(histogram->min(), 1);
  EXPECT_EQ(histogram->count_at(1), 3);
  EXPECT_EQ(histogram->count_at(2048), 6);
  EXPECT_EQ(histogram->count_at(8073), 7);
}

TEST(Histogram, TheGoldenRecordsFillTheGoldenBins) {
  LatencyHistogram histogram({1, 1'000'000'000, 3});
  histogram.record(1, 3);
  histogram.record(100, 2);
  histogram.record(2047);
  histogram.record(2048, 5);
  histogram.record(2049);
  histogram.record(123456, 7);
  histogram.record(1'000'000);
  const auto golden = LatencyHistogram::decode(kGolden);
  ASSERT_TRUE(golden.has_value());
  for (std::size_t i = 0; i < histogram.bins(); ++i) {
    ASSERT_EQ(histogram.count_at(i), golden->count_at(i)) << i;
  }
  EXPECT_EQ(histogram.encode().substr(0, 9), "HISTFAAAA");
  EXPECT_EQ(LatencyHistogram::decode(histogram.encode()).value(), *golden);
  EXPECT_EQ(histogram.max(), 1'000'000);
  EXPECT_DOUBLE_EQ(histogram.mean().value(),
                   (3.0 + 200.0 + 2047.0 + 5 * 2048.0 + 2049.0 + 7 * 123456.0 + 1e6) / 20);
}

TEST(Histogram, PercentileRanksWithoutAndWithOneValue) {
  const LatencyHistogram empty;
  for (const double percent : {0.0, 50.0, 100.0}) {
    EXPECT_EQ(empty.percentile(percent), std::nullopt);
  }
  EXPECT_EQ(empty.min(), std::nullopt);
  EXPECT_EQ(empty.max(), std::nullopt);
  EXPECT_EQ(empty.mean(), std::nullopt);
  EXPECT_EQ(empty.stddev(), std::nullopt);
  EXPECT_EQ(empty.count(), 0);

  const LatencyHistogram one = recorded({123456});
  EXPECT_EQ(one.percentile(0), one.lowest_of(one.index_of(123456)));
  EXPECT_EQ(one.percentile(50), one.highest_of(one.index_of(123456)));
  EXPECT_EQ(one.percentile(100), one.highest_of(one.index_of(123456)));
  EXPECT_EQ(one.min(), 123456);
  EXPECT_EQ(one.max(), 123456);
  EXPECT_DOUBLE_EQ(one.mean().value(), 123456);
  EXPECT_DOUBLE_EQ(one.stddev().value(), 0.0);
}

TEST(Histogram, PercentileIsTheNearestRank) {
  const LatencyHistogram histogram = recorded({10, 20, 30, 40});
  EXPECT_EQ(histogram.percentile(0), 10);
  EXPECT_EQ(histogram.percentile(37), 10);  // floor(1.48 + .5) = 1
  EXPECT_EQ(histogram.percentile(38), 20);  // floor(1.52 + .5) = 2
  EXPECT_EQ(histogram.percentile(50), 20);
  EXPECT_EQ(histogram.percentile(87.5), 40);
  EXPECT_EQ(histogram.percentile(100), 40);
}

TEST(Histogram, PercentileAgreesWithTheSortedSamples) {
  EXPECT_TRUE(rc::check("to the bin", [] {
    const auto layout = *any_layout();
    const auto values = *any_values(layout);
    const LatencyHistogram histogram = recorded(values, layout);
    const auto sorted = in_range(values, layout);
    RC_ASSERT(histogram.count() == static_cast<std::int64_t>(sorted.size()));
    RC_ASSERT(histogram.out_of_range() == static_cast<std::int64_t>(values.size() - sorted.size()));
    if (sorted.empty()) return;
    for (const double percent : {0.0, 10.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
      const double nearest = std::floor(percent / 100.0 * static_cast<double>(sorted.size()) + 0.5);
      const auto rank = std::max<std::size_t>(1, static_cast<std::size_t>(nearest));
      const std::size_t bin = histogram.index_of(sorted[rank - 1]);
      RC_ASSERT(histogram.percentile(percent) ==
                (percent == 0.0 ? histogram.lowest_of(bin) : histogram.highest_of(bin)));
    }
    RC_ASSERT(histogram.min() == sorted.front());
    RC_ASSERT(histogram.max() == sorted.back());
    long double sum = 0;
    for (const std::int64_t value : sorted) sum += static_cast<long double>(value);
    const auto mean = static_cast<double>(sum / static_cast<long double>(sorted.size()));
    RC_ASSERT(std::fabs(histogram.mean().value() - mean) <= 1e-12 * mean);
  }));
}

TEST(Histogram, StddevIsThatOfTheSamplesWithinTheBinWidth) {
  std::vector<std::int64_t> values;
  for (int i = 0; i < 1000; ++i) values.push_back(10'000 + 37 * i);
  const double expected = 37.0 * std::sqrt((1000.0 * 1000.0 - 1.0) / 12.0);
  EXPECT_NEAR(recorded(values).stddev().value(), expected, 1e-3 * expected);
}

TEST(Histogram, MergeEqualsRecordingAll) {
  EXPECT_TRUE(rc::check("same layout: exactly", [] {
    const auto layout = *any_layout();
    const auto first = *any_values(layout);
    const auto second = *any_values(layout);
    std::vector<std::int64_t> all = first;
    all.insert(all.end(), second.begin(), second.end());
    LatencyHistogram merged = recorded(first, layout);
    merged.merge(recorded(second, layout));
    RC_ASSERT(merged == recorded(all, layout));
  }));
}

TEST(Histogram, MergeAcrossLayoutsStaysWithinTheCoarserBin) {
  EXPECT_TRUE(rc::check("fine into coarse", [] {
    const HistogramLayout coarse{1, 10'000'000'000, 2};
    const auto values = *any_values(coarse);
    LatencyHistogram merged(coarse);
    merged.merge(recorded(values, HistogramLayout{}));
    const LatencyHistogram direct = recorded(values, coarse);
    RC_ASSERT(merged.count() == direct.count());
    RC_ASSERT(merged.out_of_range() == direct.out_of_range());
    RC_ASSERT(merged.min() == direct.min());
    RC_ASSERT(merged.max() == direct.max());
    RC_ASSERT(merged.mean() == direct.mean());
    if (direct.count() == 0) return;
    for (const double percent : {0.0, 50.0, 99.0, 100.0}) {
      RC_ASSERT(merged.percentile(percent) == direct.percentile(percent));
    }
  }));
}

TEST(Histogram, MergeIntoAShorterRangeCountsWhatFallsOut) {
  LatencyHistogram small({1, 1000, 3});
  small.merge(recorded({10, 2'000'000, -5}));
  EXPECT_EQ(small.count(), 1);
  EXPECT_EQ(small.out_of_range(), 2);
  EXPECT_EQ(small.max(), 10);
}

TEST(Histogram, OutOfRangeIsNeverInABin) {
  LatencyHistogram histogram({1, 1000, 3});
  histogram.record(-1);
  histogram.record(1001);
  histogram.record(INT64_MAX, 5);
  histogram.record(INT64_MIN);
  histogram.record(0);
  histogram.record(1000);
  EXPECT_EQ(histogram.count(), 2);
  EXPECT_EQ(histogram.out_of_range(), 8);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.max(), 1000);
}

TEST(Histogram, SixBillionSamplesDoNotOverflowTheSums) {
  LatencyHistogram histogram;
  histogram.record(10'000'000'000, 6'000'000'000);
  EXPECT_EQ(histogram.count(), 6'000'000'000);
  EXPECT_DOUBLE_EQ(histogram.mean().value(), 1e10);
  EXPECT_EQ(histogram.exact().sum, "60000000000000000000");
  LatencyHistogram doubled = histogram;
  doubled.merge(histogram);
  EXPECT_EQ(doubled.exact().sum, "120000000000000000000");
  EXPECT_DOUBLE_EQ(doubled.mean().value(), 1e10);
  EXPECT_DOUBLE_EQ(doubled.stddev().value(), 0.0);
  EXPECT_EQ(doubled.percentile(50), doubled.highest_of(doubled.index_of(10'000'000'000)));
  LatencyHistogram back = LatencyHistogram::decode(doubled.encode()).value();
  ASSERT_TRUE(back.restore(doubled.exact()).has_value());
  EXPECT_EQ(back, doubled);
}

TEST(Histogram, TheSumCarriesBeyond64BitsOneRecordAtATime) {
  LatencyHistogram histogram({1, INT64_MAX, 1});
  for (int i = 0; i < 5; ++i) histogram.record(INT64_MAX);
  EXPECT_EQ(histogram.exact().sum, "46116860184273879035");
  LatencyHistogram at_once({1, INT64_MAX, 1});
  at_once.record(INT64_MAX, 5);
  EXPECT_EQ(histogram, at_once);
}

TEST(Histogram, EncodingReadsBack) {
  EXPECT_TRUE(rc::check("bins by decode, the rest by restore", [] {
    const auto layout = *any_layout();
    LatencyHistogram histogram = recorded(*any_values(layout), layout);
    const auto heavy = *rc::gen::inRange<std::int64_t>(0, INT64_MAX / 4);
    histogram.record(layout.highest / 2, heavy);
    auto back = LatencyHistogram::decode(histogram.encode());
    RC_ASSERT(back.has_value());
    for (std::size_t i = 0; i < histogram.bins(); ++i) {
      RC_ASSERT(back->count_at(i) == histogram.count_at(i));
    }
    RC_ASSERT(back->restore(histogram.exact()).has_value());
    RC_ASSERT(*back == histogram);
  }));
}

TEST(Histogram, EveryCountWidthSurvivesTheEncoding) {
  LatencyHistogram histogram;
  for (int bit = 0; bit < 60; ++bit) histogram.record(bit, std::int64_t{1} << bit);
  const LatencyHistogram back = LatencyHistogram::decode(histogram.encode()).value();
  for (int bit = 0; bit < 60; ++bit) {
    EXPECT_EQ(back.count_at(static_cast<std::size_t>(bit)), std::int64_t{1} << bit);
  }
  // The ninth byte's eighth bit.
  for (const std::int64_t count : {std::int64_t{1} << 62, INT64_MAX}) {
    LatencyHistogram heavy;
    heavy.record(7, count);
    EXPECT_EQ(LatencyHistogram::decode(heavy.encode()).value().count_at(7), count);
  }
}

TEST(Histogram, RestoreRefusesWhatContradictsTheBins) {
  const LatencyHistogram whole = recorded({5000, 70'000});
  const auto decoded = LatencyHistogram::decode(whole.encode()).value();
  const LatencyHistogram::Exact good = whole.exact();
  const auto refused = [&](LatencyHistogram::Exact exact) {
    LatencyHistogram copy = decoded;
    return !copy.restore(exact).has_value();
  };
  EXPECT_FALSE(refused(good));
  EXPECT_TRUE(refused({4000, good.max, good.sum, 0}));
  EXPECT_TRUE(refused({good.min, 80'000, good.sum, 0}));
  EXPECT_TRUE(refused({good.min, INT64_MAX, good.sum, 0}));
  EXPECT_TRUE(refused({-1, good.max, good.sum, 0}));
  EXPECT_TRUE(refused({std::nullopt, good.max, good.sum, 0}));
  EXPECT_TRUE(refused({good.min, good.max, "75000x", 0}));
  EXPECT_TRUE(refused({good.min, good.max, "", 0}));
  EXPECT_TRUE(refused({good.min, good.max, good.sum, -1}));
}

TEST(Histogram, DamagedEncodingsAreRefusedWithAReason) {
  for (std::size_t length = 0; length < kGolden.size(); ++length) {
    const auto cut = LatencyHistogram::decode(kGolden.substr(0, length));
    ASSERT_FALSE(cut.has_value()) << length;
    EXPECT_EQ(cut.error().code, Errc::bad_experiment);
    EXPECT_EQ(cut.error().what.find("not an HdrHistogram V2 histogram: "), 0U);
  }
  EXPECT_FALSE(LatencyHistogram::decode("HISTFAAA!C542pNp").has_value());
  EXPECT_FALSE(LatencyHistogram::decode("AAAAAAAAAAAAAAAA").has_value());
}

TEST(Histogram, NoFlippedCharacterIsTakenForTheSameHistogram) {
  const auto golden = LatencyHistogram::decode(kGolden).value();
  int refused = 0;
  for (std::size_t i = 0; i < kGolden.size(); ++i) {
    std::string text(kGolden);
    text[i] = text[i] == 'A' ? 'B' : 'A';
    const auto read = LatencyHistogram::decode(text);
    if (!read) ++refused;
  }
  // The last few characters hold zlib's checksum, which only the end of the stream tests.
  EXPECT_GE(refused, static_cast<int>(kGolden.size()) * 3 / 4);
}

RC_GTEST_PROP(PackedHistogram, TellsWhatTheWholeOneTells, ()) {
  const HistogramLayout layout{1, 10'000'000, *rc::gen::inRange(1, 4)};
  LatencyHistogram whole(layout);
  for (const int value : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 12'000'000))) {
    whole.record(value, 1 + value % 7);
  }
  LatencyHistogram packed = whole;
  if (*rc::gen::arbitrary<bool>()) {
    packed = LatencyHistogram::decode(whole.encode()).value();
    RC_ASSERT(packed.restore(whole.exact()).has_value());
  }
  packed.pack();
  packed.pack();
  RC_ASSERT(packed == whole);
  RC_ASSERT(packed.count() == whole.count());
  RC_ASSERT(packed.min() == whole.min() && packed.max() == whole.max());
  RC_ASSERT(packed.mean() == whole.mean() && packed.stddev() == whole.stddev());
  RC_ASSERT(packed.encode() == whole.encode());
  RC_ASSERT(packed.bins() == whole.bins());
  for (const double percent : {0.0, 50.0, 99.0, 99.9, 100.0}) {
    RC_ASSERT(packed.percentile(percent) == whole.percentile(percent));
  }
  LatencyHistogram other({1, 10'000'000, 2});
  other.record(4'321);
  LatencyHistogram sum = other;
  LatencyHistogram sum_of_packed = other;
  sum.merge(whole);
  sum_of_packed.merge(packed);
  RC_ASSERT(sum == sum_of_packed);
  // Recording goes on where it stopped.
  for (LatencyHistogram* histogram : {&whole, &packed}) {
    histogram->record(5'000);
    histogram->record(7, 3);
    histogram->merge(other);
  }
  RC_ASSERT(packed == whole);
  RC_ASSERT(packed.count_at(packed.index_of(7)) == whole.count_at(whole.index_of(7)));
}

}  // namespace
}  // namespace pollmark
