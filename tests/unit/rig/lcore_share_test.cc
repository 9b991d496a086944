// What several lcores send together against what one would.
#include "rig/lcore_share.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "rig/frame_source.h"
#include "support/capture_file.h"
#include "support/veth_like.h"

namespace pollmark {
namespace {

constexpr double kTscHz = 1e9;

PacerOrder any_schedule(std::vector<FixedTicks>& gaps) {
  PacerOrder order;
  order.law = *rc::gen::element(ArrivalLaw::constant, ArrivalLaw::poisson, ArrivalLaw::burst,
                                ArrivalLaw::on_off);
  order.ticks_per_frame = *rc::gen::inRange(700, 90'000) / 7.0;
  order.burst_frames = *rc::gen::inRange<std::uint32_t>(1, 64);
  order.on_ticks = *rc::gen::inRange<Ticks>(100, 50'000);
  order.off_ticks = *rc::gen::inRange<Ticks>(0, 50'000);
  order.seed = *rc::gen::arbitrary<std::uint64_t>();
  order.start = *rc::gen::inRange<Ticks>(0, 1U << 30);
  order.end = order.start + *rc::gen::inRange<Ticks>(0, 3'000'000);
  if (*rc::gen::inRange(0, 3) == 0) order.slots = *rc::gen::inRange<std::uint64_t>(0, 3000);
  if (*rc::gen::inRange(0, 4) == 0) {
    gaps.resize(*rc::gen::inRange<std::size_t>(1, 50));
    for (FixedTicks& gap : gaps)
      gap = FixedTicks{*rc::gen::inRange<std::uint64_t>(1U << 20, 1U << 30)} << 48;
    order.gaps = gaps.data();
    order.gap_count = static_cast<std::uint32_t>(gaps.size());
  }
  return order;
}

std::vector<std::uint8_t> any_owners(int lcores) {
  std::vector<std::uint8_t> owner_of(*rc::gen::inRange<std::size_t>(1, 200));
  for (std::uint8_t& owner : owner_of)
    owner = static_cast<std::uint8_t>(*rc::gen::inRange(0, lcores));
  return owner_of;
}

TEST(LcoreShare, SeveralLcoresTogetherHaveEverySlotOfTheScheduleOnce) {
  EXPECT_TRUE(rc::check("slots", [] {
    std::vector<FixedTicks> gaps;
    const PacerOrder order = any_schedule(gaps);
    const int lcores = *rc::gen::inRange(1, 17);
    const auto owner_of = any_owners(lcores);
    const auto shares = share_out(owner_of, lcores);
    RC_ASSERT(shares.size() == static_cast<std::size_t>(lcores));

    std::vector<Ticks> all;
    for (Pacer pacer(order); pacer.has_slot(); pacer.advance()) all.push_back(pacer.due());
    std::map<std::uint64_t, Ticks> together;
    for (int lcore = 0; lcore < lcores; ++lcore) {
      const LcoreShare& share = shares[static_cast<std::size_t>(lcore)];
      std::uint64_t frame = share.first;
      std::size_t at = 0;
      for (SharedPacer pacer(order, share); pacer.has_slot(); pacer.advance()) {
        RC_ASSERT(owner_of[frame % owner_of.size()] == lcore);
        RC_ASSERT(together.emplace(frame, pacer.due()).second);
        frame += share.steps[at++ % share.steps.size()];
      }
    }
    RC_ASSERT(together.size() == all.size());
    for (const auto& [frame, due] : together) RC_ASSERT(due == all[frame]);
  }));
}

TEST(LcoreShare, WhatIsGivenUpIsEachLcoresOwnAndAllOfIt) {
  EXPECT_TRUE(rc::check("given up", [] {
    std::vector<FixedTicks> gaps;
    const PacerOrder order = any_schedule(gaps);
    const int lcores = *rc::gen::inRange(1, 9);
    const auto shares = share_out(any_owners(lcores), lcores);
    const Ticks oldest = order.start + *rc::gen::inRange<Ticks>(0, 3'000'000);
    Pacer all(order);
    std::int64_t together = 0;
    for (const LcoreShare& share : shares) {
      SharedPacer pacer(order, share);
      together += pacer.give_up_before(oldest);
      RC_ASSERT(!pacer.has_slot() || pacer.due() >= oldest);
    }
    RC_ASSERT(together == all.give_up_before(oldest));
  }));
}

TEST(LcoreShare, WithoutAScheduleThereIsNothingToGiveUp) {
  PacerOrder order;
  order.law = ArrivalLaw::back_to_back;
  const auto shares = share_out(std::vector<std::uint8_t>{0, 0}, 2);
  SharedPacer pacer(order, shares[0]);
  EXPECT_EQ(pacer.give_up_before(1'000'000), 0);
  EXPECT_TRUE(pacer.has_slot());
  EXPECT_FALSE(SharedPacer(order, shares[1]).has_slot()) << "it has no frames at all";
}

TEST(LcoreShare, BytesAndSizesAreThoseOfItsFramesOneByOne) {
  EXPECT_TRUE(rc::check("sizes", [] {
    const int lcores = *rc::gen::inRange(1, 9);
    const auto owner_of = any_owners(lcores);
    std::vector<std::uint32_t> sizes(*rc::gen::inRange<std::size_t>(1, 30));
    for (std::uint32_t& size : sizes) size = *rc::gen::inRange<std::uint32_t>(64, 9000);
    const auto frames = *rc::gen::inRange<std::int64_t>(0, 2000);
    for (const LcoreShare& share : share_out(owner_of, lcores)) {
      if (share.steps.empty()) continue;
      const auto turn =
          sizes_in_turn(share, static_cast<std::uint32_t>(sizes.size()), std::size_t{1} << 20);
      RC_ASSERT(!turn.empty());
      std::uint64_t frame = share.first;
      std::int64_t bytes = 0;
      for (std::int64_t i = 0; i < frames; ++i) {
        const auto at = static_cast<std::size_t>(i);
        RC_ASSERT(sizes[turn[at % turn.size()]] == sizes[frame % sizes.size()]);
        bytes += sizes[frame % sizes.size()];
        frame += share.steps[at % share.steps.size()];
      }
      RC_ASSERT(bytes_of_first(share, frames, sizes) == bytes);
    }
  }));
}

TEST(LcoreShare, SizesThatTakeTooLongToComeRoundAreNotLaidOut) {
  std::vector<std::uint8_t> owner_of(1000);
  for (std::size_t i = 0; i < owner_of.size(); ++i) owner_of[i] = i % 2;
  const auto shares = share_out(owner_of, 2);
  EXPECT_EQ(sizes_in_turn(shares[0], 7, 3500).size(), 3500U);
  EXPECT_TRUE(sizes_in_turn(shares[0], 7, 3499).empty());
  EXPECT_EQ(sizes_in_turn(share_out(owner_of, 3)[2], 1, 0).size(), 1U);
}

struct Built {
  std::vector<std::uint8_t> bytes;
  friend bool operator==(const Built&, const Built&) = default;
};

template <Sharing kSharing>
Built build_next(FrameStream& stream, Ticks due) {
  Built built;
  built.bytes.resize(9600);
  built.bytes.resize(stream.next<kSharing>(built.bytes.data(), 7, due, due + 5));
  return built;
}

// Each lcore's frames, with parts of bursts refused, against the one lcore's of the same numbers.
void expect_together_as_alone(TrialOrder order, int lcores, std::uint64_t frames,
                              std::uint64_t seed) {
  const auto alone = FrameSource::open(order, support::veth_like(), kTscHz);
  RC_ASSERT(alone.has_value());
  for (int lcore = 0; lcore < lcores; ++lcore) order.generator_lcores.push_back(lcore);
  const auto shared = FrameSource::open(order, support::veth_like(), kTscHz);
  RC_ASSERT(shared.has_value());
  RC_ASSERT(shared->shares().size() == static_cast<std::size_t>(lcores));

  std::vector<Built> expected;
  FrameStream one(*alone, alone->shares().front());
  for (std::uint64_t frame = 0; frame < frames; ++frame)
    expected.push_back(build_next<Sharing::alone>(one, 1000 + frame));

  std::uint64_t sent = 0;
  std::int64_t bytes = 0;
  std::vector<std::uint32_t> per_flow;
  for (const LcoreShare& share : shared->shares()) {
    if (share.steps.empty()) continue;
    FrameStream stream(*shared, share);
    if (seed % 2 == 0) {
      for (int i = 0; i < 5; ++i) (void)build_next<Sharing::shared>(stream, 1000);
      // TCP goes on where it was, instead.
      if (order.traffic.kind == TrafficKind::tcp)
        stream.take_back<Sharing::shared>(5);
      else
        stream.restart();
    }
    std::uint64_t frame = share.first;
    std::uint64_t own = 0;
    while (frame < frames) {
      RC_ASSERT(build_next<Sharing::shared>(stream, 1000 + frame) == expected[frame]);
      // Not taken: it comes again, and so may the one before.
      seed = drawn(seed, own);
      const auto back = static_cast<std::uint32_t>(std::min<std::uint64_t>(seed % 3, own + 1));
      if (seed % 5 == 0 && back > 0) {
        stream.take_back<Sharing::shared>(back);
        for (std::uint32_t i = 1; i < back; ++i)
          frame -= share.steps[(own + share.steps.size() - i) % share.steps.size()];
        own -= back - 1;
        continue;
      }
      frame += share.steps[own++ % share.steps.size()];
    }
    sent += own;
    bytes += shared->bytes_of_first(share, static_cast<std::int64_t>(own));
    shared->count_sent(share, static_cast<std::int64_t>(own), per_flow);
  }
  RC_ASSERT(sent == frames);
  std::int64_t bytes_alone = 0;
  for (const Built& each : expected)
    bytes_alone += static_cast<std::int64_t>(each.bytes.size()) + 4;
  RC_ASSERT(bytes == bytes_alone);
  std::vector<std::uint32_t> per_flow_alone;
  alone->count_sent(alone->shares().front(), static_cast<std::int64_t>(frames), per_flow_alone);
  RC_ASSERT(per_flow == per_flow_alone);
  if (order.traffic.kind != TrafficKind::replay) {
    RC_ASSERT(per_flow_alone == alone->set().sent_per_flow(frames));
  }
}

TEST(FrameStream, OfSeveralLcoresTogetherIsByteForByteTheOneLcores) {
  EXPECT_TRUE(rc::check("frames", [] {
    TrialOrder order;
    order.seed = *rc::gen::arbitrary<std::uint64_t>();
    TrafficOrder& traffic = order.traffic;
    traffic.kind = *rc::gen::element(TrafficKind::udp, TrafficKind::tcp);
    traffic.flows = *rc::gen::inRange(1, 70);
    traffic.frame_bytes =
        *rc::gen::resize(6, rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange(
                                traffic.kind == TrafficKind::tcp ? 80 : 64, 1519))));
    if (*rc::gen::inRange(0, 3) == 0) traffic.vlan = "5";
    if (*rc::gen::inRange(0, 4) == 0) traffic.popularity = 1.1;
    if (!traffic.vlan.empty())
      for (int& bytes : traffic.frame_bytes) bytes = std::clamp(bytes, 90, 1518);
    traffic.intended_pps = 1e5;
    traffic.load.unit = LoadUnit::pps;
    expect_together_as_alone(order, *rc::gen::inRange(2, 9), *rc::gen::inRange(0U, 700U),
                             *rc::gen::arbitrary<std::uint64_t>());
  }));
}

void put_ip(std::vector<std::uint8_t>& frame, std::size_t at, std::uint32_t host) {
  for (std::size_t i = 0; i < 4; ++i)
    frame[at + i] = static_cast<std::uint8_t>(host >> (24 - 8 * i));
}

struct Talk {
  std::uint32_t hosts[2];
  std::uint16_t ports[2];
};

std::vector<std::uint8_t> said(const Talk& talk, int from, std::size_t payload) {
  auto frame = support::ipv4_frame(17, talk.ports[from], payload);
  put_ip(frame, 26, talk.hosts[from]);
  put_ip(frame, 30, talk.hosts[1 - from]);
  frame[36] = static_cast<std::uint8_t>(talk.ports[1 - from] >> 8);
  frame[37] = static_cast<std::uint8_t>(talk.ports[1 - from]);
  return frame;
}

Talk any_talk() {
  Talk talk{};
  for (int end = 0; end < 2; ++end) {
    talk.hosts[end] = *rc::gen::inRange<std::uint32_t>(0x0a000001, 0x0a000008);
    talk.ports[end] = *rc::gen::inRange<std::uint16_t>(1000, 1004);
  }
  return talk;
}

TEST(FrameStream, OfACaptureTogetherIsTheWholeOfIt) {
  EXPECT_TRUE(rc::check("capture", [] {
    std::vector<std::vector<std::uint8_t>> frames;
    const auto count = *rc::gen::inRange<std::size_t>(1, 120);
    for (std::size_t i = 0; i < count; ++i) {
      frames.push_back(said(any_talk(), 0, 1 + i % 300));
      if (*rc::gen::inRange(0, 8) == 0) frames.back()[12] = 0x99;  // no IP
    }
    const support::CaptureFile file(frames);
    TrialOrder order;
    order.traffic.kind = TrafficKind::replay;
    order.traffic.pcap = file.path().string();
    order.traffic.intended_pps = 1e5;
    order.traffic.load.unit = LoadUnit::pps;
    expect_together_as_alone(order, *rc::gen::inRange(2, 9), *rc::gen::inRange(0U, 500U),
                             *rc::gen::arbitrary<std::uint64_t>());
  }));
}

std::vector<std::uint8_t> owners(const std::vector<std::vector<std::uint8_t>>& frames, int lcores) {
  std::vector<ReplayFrame> replay;
  for (const auto& frame : frames) {
    replay.emplace_back();
    replay.back().data = frame.data();
    replay.back().data_bytes = static_cast<std::uint32_t>(frame.size());
  }
  return owners_of_capture(replay, lcores);
}

TEST(OwnersOfCapture, AConversationBelongsToOneLcoreInBothDirections) {
  EXPECT_TRUE(rc::check("conversations", [] {
    const auto talk = any_talk();
    std::vector<std::vector<std::uint8_t>> frames = {said(talk, 0, 10), said(talk, 1, 700)};
    for (int i = *rc::gen::inRange(0, 20); i > 0; --i)
      frames.push_back(said(any_talk(), *rc::gen::inRange(0, 2), 20));
    // A fragment of somebody's, perhaps theirs.
    if (*rc::gen::inRange(0, 2) == 0) {
      auto fragment = said(any_talk(), 0, 64);
      fragment[20] = 0x20;
      frames.push_back(fragment);
    }
    frames.push_back(said(talk, 1, 33));
    const int lcores = *rc::gen::inRange(1, 17);
    const auto owner_of = owners(frames, lcores);
    for (const std::uint8_t owner : owner_of) RC_ASSERT(owner < lcores);
    RC_ASSERT(owner_of[1] == owner_of[0]);
    RC_ASSERT(owner_of.back() == owner_of[0]);
  }));
}

TEST(OwnersOfCapture, FragmentsStayWithWhatTheyBelongTo) {
  EXPECT_TRUE(rc::check("fragments", [] {
    const auto talk = any_talk();
    auto first = said(talk, 0, 64);
    first[20] = 0x20;  // more follow
    auto second = said(talk, 0, 64);
    second[21] = 9;  // behind the first; what stands there are no ports
    second[34] = second[35] = 0xab;
    const auto owner_of = owners({said(talk, 0, 5), first, second, said(talk, 1, 5)}, 16);
    RC_ASSERT(std::set<std::uint8_t>(owner_of.begin(), owner_of.end()).size() == 1U);
  }));
}

TEST(OwnersOfCapture, ManyConversationsAreSpreadAndWhatIsNotIpGoesToTheFirstLcore) {
  std::vector<std::vector<std::uint8_t>> frames;
  for (std::uint32_t i = 0; i < 4000; ++i)
    frames.push_back(
        said({{0x0a000001, 0x0a000002}, {static_cast<std::uint16_t>(1024 + i), 443}}, 0, 10));
  auto owner_of = owners(frames, 4);
  for (int lcore = 0; lcore < 4; ++lcore)
    EXPECT_NEAR(static_cast<double>(std::count(owner_of.begin(), owner_of.end(), lcore)), 1000.0,
                140.0)
        << lcore;
  for (auto& frame : frames) frame[12] = 0x99;
  owner_of = owners(frames, 4);
  EXPECT_EQ(std::count(owner_of.begin(), owner_of.end(), 0), 4000);
}

}  // namespace
}  // namespace pollmark
