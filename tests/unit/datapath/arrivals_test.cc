#include "datapath/arrivals.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <map>
#include <numeric>
#include <vector>

namespace pollmark {
namespace {

constexpr Ticks kStart = 10'000;
constexpr Ticks kLength = 10'000'000;

// Frames of one or more sizes over a number of flows.
struct Line {
  std::vector<FrameShape> shapes;
  std::vector<FixedTicks> line_time;
  std::vector<FixedTicks> gap;
  std::vector<HeldFrame> lanes;
  Traffic traffic;

  Line(std::vector<double> line_ticks, double stretch, std::uint32_t flows) {
    for (const double ticks : line_ticks) {
      shapes.emplace_back();
      line_time.push_back(FixedTicks{static_cast<std::uint64_t>(ticks * 0x1.0p32)} << 32);
      gap.push_back(FixedTicks{static_cast<std::uint64_t>(ticks * stretch * 0x1.0p32)} << 32);
    }
    traffic.shapes = shapes.data();
    traffic.shape_count = static_cast<std::uint32_t>(shapes.size());
    traffic.flow_count = flows;
    traffic.window_start = kStart;
    traffic.window_end = kStart + kLength;
    traffic.warmup_epoch = 0x81;
    traffic.held_capacity = 1 << 14;
    traffic.delay_ticks = 20'000;
    lanes.resize(kHeldLanes * std::size_t{traffic.held_capacity});
  }

  std::vector<WireFrame> events(std::uint64_t* unsent = nullptr) {
    traffic.line_time = line_time.data();
    traffic.gap = gap.data();
    traffic.shapes = shapes.data();
    Wire wire;
    wire.open(traffic, lanes.data());
    std::vector<WireFrame> all;
    WireFrame event;
    while (traffic.has_faults ? wire.next<true>(event) : wire.next<false>(event))
      all.push_back(event);
    if (unsent != nullptr) *unsent = wire.unsent();
    return all;
  }
  std::vector<WireFrame> window(std::uint64_t* unsent = nullptr) {
    std::vector<WireFrame> kept;
    for (const WireFrame& event : events(unsent))
      if (event.frame.epoch == traffic.epoch) kept.push_back(event);
    return kept;
  }
};

void plant(Traffic& traffic, double drop, double duplicate, double reorder, double corrupt,
           double delay) {
  double sum = 0.0;
  const auto next = [&](double p) {
    return static_cast<std::uint64_t>(std::ldexp(std::min(sum += p, 0.999999), 64));
  };
  traffic.faults.drop = next(drop);
  traffic.faults.duplicate = next(duplicate);
  traffic.faults.reorder = next(reorder);
  traffic.faults.corrupt = next(corrupt);
  traffic.faults.delay = next(delay);
  traffic.has_faults = true;
}

TEST(Arrivals, ConstantScheduleIsAbsoluteAndDoesNotDrift) {
  // A gap that no double sums exactly: 100 / 3.
  Line line({100.0 / 3.0}, 1.0, 4);
  const std::vector<WireFrame> frames = line.window();
  const double gap = static_cast<double>(line.gap[0] >> 32) * 0x1.0p-32;
  ASSERT_NEAR(static_cast<double>(frames.size()), static_cast<double>(kLength) / gap, 1.0);
  for (std::size_t i = 0; i < frames.size(); ++i)
    ASSERT_NEAR(static_cast<double>(frames[i].arrival - kStart), static_cast<double>(i) * gap, 1.01)
        << i;
}

TEST(Arrivals, FlowsTakeTurnsAndEachCountsFromZero) {
  Line line({50.0}, 2.0, 7);
  const std::vector<WireFrame> frames = line.window();
  for (std::size_t i = 0; i < frames.size(); ++i) {
    ASSERT_EQ(frames[i].frame.flow, i % 7);
    ASSERT_EQ(frames[i].frame.sequence, i / 7);
    ASSERT_EQ(frames[i].frame.stamp, frames[i].arrival);
  }
}

TEST(Arrivals, AMixKeepsItsOrderAndFillsTheLineAtFullLoad) {
  Line line({84.0, 590.0, 1538.0}, 1.0, 3);
  std::uint64_t unsent = 0;
  const std::vector<WireFrame> frames = line.window(&unsent);
  EXPECT_EQ(unsent, 0U);
  for (std::size_t i = 0; i + 1 < frames.size(); ++i) {
    ASSERT_EQ(frames[i].frame.position, i % 3);
    ASSERT_EQ(frames[i + 1].arrival - frames[i].arrival,
              static_cast<Ticks>(line.line_time[(i + 1) % 3] >> 64));
  }
}

TEST(Arrivals, NeverFasterThanTheLineWhateverTheLawAndTheFaults) {
  EXPECT_TRUE(rc::check("line rate", [] {
    const auto sizes = *rc::gen::inRange(1, 4);
    std::vector<double> ticks;
    for (int i = 0; i < sizes; ++i) ticks.push_back(*rc::gen::inRange(20, 2000) + 0.3);
    Line line(ticks, *rc::gen::element(1.0, 1.001, 1.5, 8.0), *rc::gen::inRange(1U, 200U));
    line.traffic.window_end = kStart + 300'000;
    line.traffic.law = *rc::gen::element(ArrivalLaw::constant, ArrivalLaw::poisson,
                                         ArrivalLaw::burst, ArrivalLaw::back_to_back);
    line.traffic.burst_frames = *rc::gen::inRange(1U, 50U);
    line.traffic.mean_gap_ticks = std::accumulate(ticks.begin(), ticks.end(), 0.0) / sizes * 1.2;
    line.traffic.seed = *rc::gen::arbitrary<std::uint64_t>();
    if (*rc::gen::arbitrary<bool>()) plant(line.traffic, 0.05, 0.1, 0.1, 0.05, 0.1);
    Ticks before = 0;
    bool first = true;
    for (const WireFrame& event : line.events()) {
      const auto alone = static_cast<Ticks>(line.line_time[event.frame.position] >> 64);
      // Held frames have been on the line before as well; each event is one passage.
      if (!first) RC_ASSERT(event.arrival + 1 >= before + alone);
      before = event.arrival;
      first = false;
      if (is_offered(event.event) && event.frame.epoch == line.traffic.epoch) {
        RC_ASSERT(event.frame.stamp >= kStart);
        RC_ASSERT(event.frame.stamp < line.traffic.window_end);
      }
    }
  }));
}

TEST(Arrivals, IntendedIsOfferedPlusUnsent) {
  // Twice what the line carries: every second frame stays with the sender.
  Line line({100.0}, 0.5, 1);
  std::uint64_t unsent = 0;
  const std::vector<WireFrame> frames = line.window(&unsent);
  EXPECT_EQ(frames.size(), kLength / 100);
  EXPECT_EQ(frames.size() + unsent, kLength / 50);
}

TEST(Arrivals, PoissonHasTheMeanAndTheSpreadOfAnExponential) {
  Line line({1.0}, 1.0, 1);
  line.traffic.law = ArrivalLaw::poisson;
  line.traffic.mean_gap_ticks = 100.0;
  line.traffic.seed = 42;
  const std::vector<WireFrame> frames = line.window();
  double sum = 0.0;
  double squares = 0.0;
  for (std::size_t i = 1; i < frames.size(); ++i) {
    const auto gap = static_cast<double>(frames[i].arrival - frames[i - 1].arrival);
    sum += gap;
    squares += gap * gap;
  }
  const auto n = static_cast<double>(frames.size() - 1);
  const double mean = sum / n;
  // 100 000 gaps: five standard errors.
  EXPECT_NEAR(mean, 100.0, 5.0 * 100.0 / std::sqrt(n));
  EXPECT_NEAR(std::sqrt(squares / n - mean * mean) / mean, 1.0, 0.03);
}

TEST(Arrivals, BurstsAreBackToBackAndKeepTheMeanRate) {
  Line line({10.0}, 10.0, 1);
  line.traffic.law = ArrivalLaw::burst;
  line.traffic.burst_frames = 32;
  const std::vector<WireFrame> frames = line.window();
  ASSERT_NEAR(static_cast<double>(frames.size()), kLength / 100.0, 32.0);
  for (std::size_t i = 0; i + 1 < frames.size(); ++i)
    ASSERT_EQ(frames[i + 1].arrival - frames[i].arrival, (i + 1) % 32 == 0 ? 3200U - 310U : 10U)
        << i;
}

TEST(Arrivals, SameSeedSameEventsAnotherSeedOthers) {
  Line line({30.0}, 1.1, 16);
  plant(line.traffic, 0.01, 0.01, 0.01, 0.01, 0.01);
  line.traffic.seed = 5;
  const auto fingerprint = [&] {
    std::uint64_t sum = 0;
    for (const WireFrame& event : line.events())
      sum = drawn(sum, event.arrival + static_cast<std::uint64_t>(event.event));
    return sum;
  };
  const std::uint64_t first = fingerprint();
  EXPECT_EQ(fingerprint(), first);
  line.traffic.seed = 6;
  EXPECT_NE(fingerprint(), first);
}

TEST(Faults, EveryFrameSuffersAtMostOneAndComesAsOftenAsItShould) {
  EXPECT_TRUE(rc::check("identities on the line", [] {
    Line line({40.0}, *rc::gen::element(1.0, 1.3, 4.0), *rc::gen::inRange(1U, 300U));
    line.traffic.window_end = kStart + 400'000;
    line.traffic.seed = *rc::gen::arbitrary<std::uint64_t>();
    plant(line.traffic, 0.1, 0.1, 0.15, 0.1, 0.15);
    std::map<std::pair<std::uint32_t, std::uint32_t>, int> comes;
    std::map<std::pair<std::uint32_t, std::uint32_t>, WireEvent> fate;
    int held = 0;
    int came_later = 0;
    for (const WireFrame& event : line.window()) {
      const auto name = std::make_pair(event.frame.flow, event.frame.sequence);
      if (is_offered(event.event)) {
        RC_ASSERT(fate.emplace(name, event.event).second);
      } else {
        RC_ASSERT(fate.count(name) == 1U);
      }
      held += event.event == WireEvent::held ? 1 : 0;
      came_later += event.event == WireEvent::reordered || event.event == WireEvent::delayed;
      comes[name] += arrives(event.event) ? 1 : 0;
    }
    RC_ASSERT(held == came_later);
    for (const auto& [name, event] : fate) {
      const int expected = event == WireEvent::dropped ? 0 : (event == WireEvent::doubled ? 2 : 1);
      RC_ASSERT(comes[name] == expected);
    }
  }));
}

TEST(Faults, AReorderedFrameWaitsForEightOfItsFlowAtMost) {
  Line line({40.0}, 1.2, 5);
  plant(line.traffic, 0.0, 0.0, 0.05, 0.0, 0.0);
  std::vector<std::int64_t> latest(5, -1);
  int held = 0;
  int overtaken = 0;
  for (const WireFrame& event : line.window()) {
    const std::int64_t sequence = event.frame.sequence;
    if (event.event == WireEvent::reordered) {
      ++held;
      EXPECT_LE(latest[event.frame.flow] - sequence, kReorderMost);
      // Unless all that should have overtaken it was held as well.
      overtaken += latest[event.frame.flow] > sequence ? 1 : 0;
    }
    if (arrives(event.event))
      latest[event.frame.flow] = std::max(latest[event.frame.flow], sequence);
  }
  EXPECT_GT(held, 1000);
  EXPECT_GT(overtaken, held * 9 / 10);
}

TEST(Faults, ADelayedFrameComesItsDelayLaterAndKeepsItsStamp) {
  Line line({40.0}, 3.0, 5);
  plant(line.traffic, 0.0, 0.0, 0.0, 0.0, 0.01);
  int delayed = 0;
  for (const WireFrame& event : line.window()) {
    if (event.event != WireEvent::delayed) continue;
    ++delayed;
    const Ticks waited = event.arrival - event.frame.stamp;
    EXPECT_GE(waited, line.traffic.delay_ticks);
    EXPECT_LT(waited, line.traffic.delay_ticks + 1000);
  }
  EXPECT_GT(delayed, 500);
}

TEST(Faults, OccurAsOftenAsAsked) {
  Line line({10.0}, 1.5, 64);
  plant(line.traffic, 0.01, 0.02, 0.03, 0.04, 0.05);
  std::map<WireEvent, int> seen;
  int offered = 0;
  for (const WireFrame& event : line.window()) {
    ++seen[event.event];
    offered += is_offered(event.event) ? 1 : 0;
  }
  const auto expect_share = [&](int count, double share) {
    EXPECT_NEAR(count, offered * share, 5.0 * std::sqrt(offered * share));
  };
  expect_share(seen[WireEvent::dropped], 0.01);
  expect_share(seen[WireEvent::copy], 0.02);
  expect_share(seen[WireEvent::reordered], 0.03);
  expect_share(seen[WireEvent::corrupt], 0.04);
  expect_share(seen[WireEvent::delayed], 0.05);
}

TEST(Arrivals, OnAndOffTakeTurnsAndTheMeanIsTheLoad) {
  EXPECT_TRUE(rc::check("on and off", [] {
    const auto on = *rc::gen::inRange<Ticks>(100, 20'000);
    const auto off = *rc::gen::inRange<Ticks>(1, 50'000);
    const double share = static_cast<double>(on) / static_cast<double>(on + off);
    // Line time 10; at most the line's rate while on.
    const double stretch = *rc::gen::element(1.0, 1.7, 40.0) / share;
    Line line({10.0}, stretch * share, 4);
    line.traffic.law = ArrivalLaw::on_off;
    line.traffic.on_ticks = FixedTicks{on} << 64;
    line.traffic.off_ticks = FixedTicks{off} << 64;
    const std::vector<WireFrame> frames = line.window();
    for (const WireFrame& frame : frames) {
      const Ticks into = (frame.arrival - kStart) % (on + off);
      RC_ASSERT(into <= on + 10);
    }
    const double mean = 10.0 * stretch;
    const double most = static_cast<double>(on) / (mean * share) + 2.0;
    RC_ASSERT(std::abs(static_cast<double>(frames.size()) - static_cast<double>(kLength) / mean) <=
              most + 0.001 * static_cast<double>(kLength) / mean);
  }));
}

TEST(Arrivals, AWarmUpOfItsOwnRateLeavesTheWindowsScheduleAsItWas) {
  EXPECT_TRUE(rc::check("warm-up", [] {
    const auto law = *rc::gen::element(ArrivalLaw::constant, ArrivalLaw::poisson, ArrivalLaw::burst,
                                       ArrivalLaw::on_off);
    const double stretch = *rc::gen::element(2.0, 5.5, 40.0);
    const double warmup_stretch = *rc::gen::element(2.0, 3.5, 100.0);
    Line line({10.0}, stretch, 4);
    line.traffic.law = law;
    line.traffic.seed = *rc::gen::arbitrary<std::uint64_t>();
    line.traffic.window_start = 1'000'000;
    line.traffic.window_end = 2'000'000;
    line.traffic.mean_gap_ticks = 10.0 * stretch;
    line.traffic.burst_frames = 8;
    line.traffic.on_ticks = FixedTicks{2000} << 64;
    line.traffic.off_ticks = FixedTicks{1000} << 64;
    const std::vector<WireFrame> plain = line.window();

    const std::vector<FixedTicks> warmup_gap{
        FixedTicks{static_cast<std::uint64_t>(10.0 * warmup_stretch * 0x1.0p32)} << 32};
    line.traffic.warmup_gap = warmup_gap.data();
    line.traffic.warmup_mean_gap_ticks = 10.0 * warmup_stretch;
    const std::vector<WireFrame> window = line.window();
    RC_ASSERT(window.size() == plain.size());
    for (std::size_t i = 0; i < window.size(); ++i) {
      RC_ASSERT(window[i].arrival == plain[i].arrival);
      RC_ASSERT(window[i].frame.flow == plain[i].frame.flow);
      RC_ASSERT(window[i].frame.sequence == plain[i].frame.sequence);
    }
    const auto before = static_cast<double>(line.events().size() - window.size());
    const double on_share = law == ArrivalLaw::on_off ? 2.0 / 3.0 : 1.0;
    const double expected = 1e6 / (10.0 * warmup_stretch) * on_share;
    const double room = law == ArrivalLaw::poisson ? 6.0 * std::sqrt(expected) : 0.002 * expected;
    RC_ASSERT(std::abs(before - expected) <= room + 220.0 / warmup_stretch + 9.0);
  }));
}

TEST(Arrivals, SlotsDecideWhoseTurnItIsAndSequencesHaveNoGap) {
  Line line({20.0}, 1.0, 3);
  const std::vector<FlowSlot> slots = {{0, 0}, {2, 0}, {0, 1}, {1, 0}, {0, 2}};
  const std::vector<std::uint32_t> per_pass = {3, 1, 1};
  line.traffic.slots = slots.data();
  line.traffic.slot_count = static_cast<std::uint32_t>(slots.size());
  line.traffic.flow_per_pass = per_pass.data();
  std::map<std::uint32_t, std::uint32_t> next;
  const std::vector<WireFrame> frames = line.window();
  for (std::size_t i = 0; i < frames.size(); ++i) {
    ASSERT_EQ(frames[i].frame.flow, slots[i % 5].flow);
    ASSERT_EQ(frames[i].frame.sequence, next[frames[i].frame.flow]++);
  }
}

TEST(Arrivals, TcpSegmentsOfAFlowFollowOneAnotherToTheByte) {
  Line line({20.0, 30.0, 40.0}, 1.0, 2);
  line.traffic.stack = make_stack(0, IpKind::ipv4, L4Kind::tcp, StampKind::full);
  for (std::uint32_t i = 0; i < 3; ++i) line.shapes[i].data_bytes = 100 + 50 * i;
  std::vector<std::uint32_t> tcp_bytes(2, 0);
  line.traffic.line_time = line.line_time.data();
  line.traffic.gap = line.gap.data();
  Wire wire;
  wire.open(line.traffic, nullptr, tcp_bytes.data());
  std::map<std::uint32_t, std::uint32_t> next;
  WireFrame event;
  int seen = 0;
  for (; seen < 1000 && wire.next<false>(event); ++seen) {
    ASSERT_EQ(event.frame.tcp_sequence, next[event.frame.flow]);
    next[event.frame.flow] += 100 + 50 * event.frame.position - line.traffic.stack.stamp_at;
  }
  EXPECT_EQ(seen, 1000);
}

TEST(FrameCursor, StepsBackToWhereItWas) {
  EXPECT_TRUE(rc::check("step back", [] {
    std::vector<FrameShape> shapes(*rc::gen::inRange<std::size_t>(1, 5));
    for (std::size_t i = 0; i < shapes.size(); ++i)
      shapes[i].data_bytes = static_cast<std::uint32_t>(100 + i);
    Traffic traffic;
    traffic.shapes = shapes.data();
    traffic.shape_count = static_cast<std::uint32_t>(shapes.size());
    traffic.flow_count = *rc::gen::inRange(1U, 5U);
    std::vector<std::uint32_t> tcp_bytes(traffic.flow_count, 0);
    FrameCursor cursor;
    cursor.open(traffic, tcp_bytes.data());
    std::vector<FrameIdentity> sent;
    for (int i = *rc::gen::inRange(0, 40); i >= 0; --i) {
      cursor.identify(sent.emplace_back());
      cursor.advance();
    }
    while (!sent.empty()) {
      cursor.step_back();
      FrameIdentity again;
      cursor.identify(again);
      RC_ASSERT(again.position == sent.back().position);
      RC_ASSERT(again.flow == sent.back().flow);
      RC_ASSERT(again.sequence == sent.back().sequence);
      RC_ASSERT(again.tcp_sequence == sent.back().tcp_sequence);
      sent.pop_back();
    }
  }));
}

}  // namespace
}  // namespace pollmark
