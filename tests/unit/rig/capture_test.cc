#include "rig/capture.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/capture_file.h"
#include "support/parsed_frame.h"

namespace pollmark {
namespace {

std::string refusal(const std::filesystem::path& path) {
  const auto capture = load_capture(path);
  if (capture) return "accepted";
  EXPECT_EQ(capture.error().code, Errc::bad_experiment);
  EXPECT_EQ(capture.error().where, path.string());
  return capture.error().what;
}

TEST(Capture, HoldsEveryFrameAsItWas) {
  const auto frames = support::udp_and_tcp_frames(40);
  const support::CaptureFile file(frames);
  const auto capture = load_capture(file.path());
  ASSERT_TRUE(capture) << capture.error().text();
  ASSERT_EQ(capture->frames.size(), frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(capture->frames[i].bytes, frames[i]);
    EXPECT_EQ(capture->frames[i].original_bytes, static_cast<std::int64_t>(frames[i].size()));
    EXPECT_EQ(capture->frames[i].timestamp_ns, static_cast<std::int64_t>(i + 1) * 1'000'000'000);
  }
}

TEST(Capture, AMissingFileIsNamed) {
  EXPECT_EQ(refusal("/nonexistent/x.pcap"), "No such file or directory");
}

TEST(Capture, AFileThatIsNoneIsRefusedWithOffsetZero) {
  const support::CaptureFile file({});
  std::ofstream(file.path(), std::ios::trunc) << "this is a letter, not a capture";
  EXPECT_NE(refusal(file.path()).find("not a capture that libpcap reads"), std::string::npos);
  EXPECT_NE(refusal(file.path()).find("byte offset 0"), std::string::npos);
  std::filesystem::resize_file(file.path(), 0);
  EXPECT_NE(refusal(file.path()).find("byte offset 0"), std::string::npos);
}

TEST(Capture, WithoutFramesItIsRefused) {
  const support::CaptureFile file({});
  EXPECT_EQ(refusal(file.path()), "no frames (ends at byte offset 24)");
}

TEST(Capture, ADamagedOneIsRefusedWithFrameAndOffset) {
  const support::CaptureFile file(support::udp_and_tcp_frames(3));
  const auto whole = std::filesystem::file_size(file.path());
  std::filesystem::resize_file(file.path(), whole - 5);
  const auto frames = support::udp_and_tcp_frames(3);
  const std::size_t third = 24 + 16 + frames[0].size() + 16 + frames[1].size();
  EXPECT_EQ(refusal(file.path())
                .rfind("damaged at byte offset " + std::to_string(third) +
                           ", frame 3: truncated dump file",
                       0),
            0U)
      << refusal(file.path());
}

TEST(Capture, FramesCutShortAreRefusedWithTheirNumber) {
  const auto frames = support::udp_and_tcp_frames(9);
  const support::CaptureFile file(frames, 3000);
  EXPECT_EQ(refusal(file.path()),
            "9 of 9 frames were cut short by the snap length, the first is frame 1: capture whole "
            "frames (tcpdump -s 0), or cut_short = \"pad\"");
}

TEST(Capture, AFrameAboveNineThousandBytesIsRefused) {
  std::vector<std::vector<std::uint8_t>> frames = support::udp_and_tcp_frames(2);
  frames.emplace_back(9000, 0);
  EXPECT_EQ(refusal(support::CaptureFile(frames).path()), "accepted");
  frames.emplace_back(9001, 0);
  EXPECT_EQ(refusal(support::CaptureFile(frames).path()),
            "frame 4 has 9001 bytes; allowed: 14 to 9000");
}

TEST(Capture, AnotherLinkTypeIsRefused) {
  const support::CaptureFile file(support::udp_and_tcp_frames(2), 0, 101);
  EXPECT_EQ(refusal(file.path()), "link type RAW; only Ethernet captures can be replayed");
}

Capture loaded(const CaptureOrder& order) {
  auto capture = load_capture(order);
  if (!capture) ADD_FAILURE() << capture.error().text();
  return capture ? std::move(*capture) : Capture{};
}

// pcapng, written out by hand (draft-ietf-opsawg-pcapng): a section header, an interface whose
// time stamps count nanoseconds (if_tsresol 9), two enhanced packets 1.5 us apart.
std::filesystem::path golden_pcapng() {
  const auto path = std::filesystem::temp_directory_path() /
                    ("pollmark-" + std::to_string(getpid()) + "-golden.pcapng");
  std::ofstream file(path, std::ios::binary);
  const auto put = [&](std::initializer_list<std::uint32_t> words) {
    for (const std::uint32_t word : words)
      file.write(reinterpret_cast<const char*>(&word), sizeof word);
  };
  put({0x0A0D0D0A, 28, 0x1A2B3C4D, 0x00000001, 0xffffffff, 0xffffffff, 28});
  put({0x00000001, 32, 0x00000001, 0, 0x00010009, 9, 0, 32});
  const std::uint64_t first = 1'700'000'000'000'000'123U;
  for (const std::uint64_t ns : {first, first + 1500}) {
    put({0x00000006, 32 + 60, 0, static_cast<std::uint32_t>(ns >> 32),
         static_cast<std::uint32_t>(ns), 60, 60});
    for (std::uint32_t i = 0; i < 15; ++i) put({0x01010101U * i});
    put({32 + 60});
  }
  return path;
}

TEST(Capture, PcapngIsReadToTheNanosecond) {
  const auto path = golden_pcapng();
  const auto capture = load_capture(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(capture) << capture.error().text();
  ASSERT_EQ(capture->frames.size(), 2U);
  EXPECT_EQ(capture->frames[0].timestamp_ns, 1'700'000'000'000'000'123);
  EXPECT_EQ(capture->frames[1].timestamp_ns, 1'700'000'000'000'001'623);
  ASSERT_EQ(capture->frames[1].bytes.size(), 60U);
  for (std::size_t i = 0; i < 60; ++i) EXPECT_EQ(capture->frames[1].bytes[i], i / 4);
  EXPECT_EQ(recorded_gaps_ns(*capture), (std::vector<std::int64_t>{1500, 1500}));
}

TEST(Capture, AFilterLetsThroughWhatItSays) {
  const auto frames = support::udp_and_tcp_frames(40);
  const support::CaptureFile file(frames);
  CaptureOrder order;
  order.path = file.path();
  order.filter = "udp";
  const Capture udp = loaded(order);
  std::size_t at = 0;
  for (const auto& frame : frames) {
    if (frame[12] != 8 || frame[13] != 0 || frame[23] != 17) continue;
    ASSERT_LT(at, udp.frames.size());
    EXPECT_EQ(udp.frames[at++].bytes, frame);
  }
  EXPECT_EQ(udp.frames.size(), at);
  EXPECT_EQ(udp.filtered_pkts, static_cast<std::int64_t>(frames.size() - at));
  order.filter = "port 1";
  EXPECT_EQ(load_capture(order).error().what,
            "filter: none of 40 frames passes \"port 1\"; allowed: one that some pass");
  order.filter = "udp and and";
  EXPECT_NE(load_capture(order).error().what.find("allowed: an expression of pcap-filter(7)"),
            std::string::npos);
}

TEST(Capture, FramesCutShortArePaddedOnDemandAndCounted) {
  auto frames = support::udp_and_tcp_frames(9);
  const support::CaptureFile file(frames, 3000);
  CaptureOrder order;
  order.path = file.path();
  order.cut_short = CutShort::pad;
  const Capture padded = loaded(order);
  EXPECT_EQ(padded.padded_pkts, 9);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    frames[i].resize(3000, 0);
    EXPECT_EQ(padded.frames[i].bytes, frames[i]);
  }
}

TEST(Capture, MoreThanMemoryHoldsIsRefusedWithHowMuchItNeeds) {
  const support::CaptureFile file(support::udp_and_tcp_frames(100));
  CaptureOrder order;
  order.path = file.path();
  order.most_bytes = 10'000;
  const auto capture = load_capture(order);
  ASSERT_FALSE(capture);
  EXPECT_EQ(capture.error().code, Errc::host_cannot);
  EXPECT_EQ(capture.error().what,
            "100 frames need 146 kB of memory, 10.0 kB may be used; allowed: a smaller capture, or "
            "a filter");
  order.most_bytes = 1 << 30;
  EXPECT_TRUE(load_capture(order));
}

TEST(Capture, RewrittenFramesKeepRightChecksums) {
  EXPECT_TRUE(rc::check("rewrite", [] {
    const auto frames = support::udp_and_tcp_frames(30);
    const support::CaptureFile file(frames);
    CaptureOrder order;
    order.path = file.path();
    const auto byte = [] { return std::to_string(*rc::gen::inRange(0, 256)); };
    const std::string source = "198.18." + byte() + "." + byte();
    order.rewrite = {{"src_ip", source}, {"dst_mac", "02:00:00:00:00:09"}};
    if (*rc::gen::arbitrary<bool>()) order.rewrite["dst_ip"] = "198.19." + byte() + "." + byte();
    const bool tagged = *rc::gen::arbitrary<bool>();
    if (tagged) order.rewrite["vlan"] = "77";
    const Capture capture = loaded(order);
    RC_ASSERT(capture.rewritten_pkts == 30);
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const auto& bytes = capture.frames[i].bytes;
      RC_ASSERT(bytes.size() == frames[i].size() + (tagged ? 4U : 0U));
      RC_ASSERT(bytes[5] == 9);
      if (i % 10 == 9) continue;  // no IP in it
      const auto parsed = support::parse_frame(bytes.data(), bytes.size());
      RC_ASSERT(parsed.sound);
      RC_ASSERT(parsed.tags == (tagged ? std::vector<int>{77} : std::vector<int>{}));
      std::string text;
      for (const char c : parsed.src_ip)
        text += (text.empty() ? "" : ".") + std::to_string(static_cast<std::uint8_t>(c));
      RC_ASSERT(text == source);
    }
  }));
}

TEST(Capture, ATagThatIsThereGetsTheNumber) {
  std::vector<std::uint8_t> frame(64, 0);
  frame[12] = 0x81;
  frame[14] = 0xa0;
  frame[15] = 5;
  const support::CaptureFile file(std::vector<std::vector<std::uint8_t>>{frame});
  CaptureOrder order;
  order.path = file.path();
  order.rewrite = {{"vlan", "4094"}};
  const Capture capture = loaded(order);
  frame[14] = 0xaf;  // the priority stays
  frame[15] = 0xfe;
  EXPECT_EQ(capture.frames[0].bytes, frame);
}

TEST(Capture, GapsAreThoseBetweenTheFramesAndTheirMeanBetweenPasses) {
  Capture capture;
  for (const std::int64_t ns : {1000, 1500, 1400, 4000}) {
    capture.frames.emplace_back();
    capture.frames.back().timestamp_ns = ns;
  }
  EXPECT_EQ(recorded_gaps_ns(capture), (std::vector<std::int64_t>{1033, 500, 0, 2600}));
  capture.frames.resize(1);
  EXPECT_EQ(recorded_gaps_ns(capture), (std::vector<std::int64_t>{0}));
}

}  // namespace
}  // namespace pollmark
