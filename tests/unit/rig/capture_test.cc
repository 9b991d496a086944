#include "rig/capture.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/capture_file.h"

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
            "frames (tcpdump -s 0)");
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

}  // namespace
}  // namespace pollmark
