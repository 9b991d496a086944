#include "record/trial_order.h"

#include <gtest/gtest.h>

#include <set>

namespace pollmark {
namespace {

template <typename Enum>
void expect_names(const std::vector<std::string>& names) {
  EXPECT_EQ(enum_names<Enum>(), names);
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(enum_from_name<Enum>(names[i]), static_cast<Enum>(i));
    EXPECT_EQ(name_of(static_cast<Enum>(i)), names[i]);
  }
  EXPECT_EQ(enum_from_name<Enum>("no such name"), std::nullopt);
  EXPECT_EQ(enum_from_name<Enum>(""), std::nullopt);
}

TEST(Names, AreSpeltAsTheEnumerators) {
  expect_names<Path>({"dpdk", "model", "udp_socket", "packet_mmap", "af_xdp", "xdp_drop",
                      "tcp_stream", "tcp_rr", "tcp_crr", "udp_rr"});
  expect_names<ClockKind>({"wall", "lockstep"});
  expect_names<TrafficKind>({"udp", "tcp", "replay"});
  expect_names<ArrivalKind>({"constant", "poisson", "burst", "on_off"});
  expect_names<ReplayTiming>({"rate", "original", "scaled"});
  expect_names<CutShort>({"refuse", "pad"});
  expect_names<DmaPlacement>({"llc", "hot", "memory"});
  expect_names<StallKind>({"none", "periodic", "poisson", "trace"});
  expect_names<XdpMode>({"native", "generic"});
  expect_names<Fanout>({"hash", "lb", "cpu"});
  expect_names<StageKind>({"none", "touch", "checksum", "forward", "hyperscan"});
  expect_names<CaptureAt>({"sender", "receiver"});
  expect_names<CaptureTrigger>({"none", "first_loss"});
  expect_names<TrialKind>(
      {"trial", "calibration", "search", "probe", "latency", "frame_loss", "burst", "recovery"});
  expect_names<ValidityRule>({"strict", "as_is"});
  expect_names<DropReasonsRule>({"on", "off"});
  EXPECT_EQ(name_of(Path::udp_socket), "udp_socket");
  EXPECT_EQ(name_of(DmaPlacement::memory), "memory");
  EXPECT_EQ(name_of(StageKind::checksum), "checksum");
  EXPECT_EQ(name_of(TrialKind::probe), "probe");
}

TEST(ClosedLoops, AreThePathsThatOfferNoLoad) {
  std::set<std::string_view> closed;
  for (const std::string& name : enum_names<Path>()) {
    const Path path = *enum_from_name<Path>(name);
    if (is_closed_loop(path)) closed.insert(name_of(path));
  }
  EXPECT_EQ(closed, (std::set<std::string_view>{"tcp_crr", "tcp_rr", "tcp_stream", "udp_rr"}));
}

TEST(DropReasons, AreOfPathsWhereADeliveredFrameDoesNotPayForThem) {
  std::set<std::string_view> watched;
  for (const std::string& name : enum_names<Path>()) {
    const Path path = *enum_from_name<Path>(name);
    if (has_drop_reasons(path)) watched.insert(name_of(path));
  }
  EXPECT_EQ(watched, (std::set<std::string_view>{"af_xdp", "udp_socket"}));
}

TEST(ClosedLoops, AnAnswerIsAsLongAsTheRequestUnlessSaid) {
  ClosedLoopOrder loop;
  loop.message_bytes = 64;
  EXPECT_EQ(response_bytes_of(loop), 64);
  loop.response_bytes = 9;
  EXPECT_EQ(response_bytes_of(loop), 9);
}

}  // namespace
}  // namespace pollmark
