#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "base/text.h"
#include "frame_gun.h"
#include "host/netlink.h"
#include "kernel/closed_loop.h"
#include "kernel/lab_knobs.h"
#include "kernel/packet_mmap.h"
#include "kernel/payload_stamp.h"
#include "kernel/tap_receiver.h"
#include "network_lab.h"
#include "obstacles.h"

namespace pollmark {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::StartsWith;

// A file for each tap, open for writing.
class CaptureFiles {
 public:
  explicit CaptureFiles(const TrialOrder& order, int flags = O_WRONLY) {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "pollmark-capture-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    for (const CaptureAt at : order.capture.at)
      fds_.push_back(::open(path(at).c_str(), flags | O_CREAT | O_CLOEXEC, 0600));
  }
  CaptureFiles(const CaptureFiles&) = delete;
  CaptureFiles& operator=(const CaptureFiles&) = delete;
  ~CaptureFiles() {
    for (const int fd : fds_) ::close(fd);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  [[nodiscard]] const std::vector<int>& fds() const { return fds_; }
  [[nodiscard]] std::string path(CaptureAt at) const {
    return fmt::format("{}/{}.pcapng", folder_.string(), name_of(at));
  }

 private:
  std::filesystem::path folder_;
  std::vector<int> fds_;
};

struct CapturedBytes {
  std::int64_t time_ns = 0;
  std::size_t original_bytes = 0;
  FrameBytes bytes;
};

std::vector<CapturedBytes> frames_in(const std::string& file) {
  char error[PCAP_ERRBUF_SIZE];
  pcap_t* pcap =
      pcap_open_offline_with_tstamp_precision(file.c_str(), PCAP_TSTAMP_PRECISION_NANO, error);
  EXPECT_NE(pcap, nullptr) << error;
  std::vector<CapturedBytes> frames;
  if (pcap == nullptr) return frames;
  EXPECT_EQ(pcap_datalink(pcap), DLT_EN10MB);
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  int read = 0;
  while ((read = pcap_next_ex(pcap, &header, &data)) == 1) {
    frames.push_back({std::int64_t{header->ts.tv_sec} * 1'000'000'000 + header->ts.tv_usec,
                      header->len, FrameBytes(data, data + header->caplen)});
  }
  EXPECT_EQ(read, PCAP_ERROR_BREAK) << pcap_geterr(pcap);
  pcap_close(pcap);
  return frames;
}

TrialOrder tapped_order(std::vector<CaptureAt> at) {
  TrialOrder order = veth_order(Path::packet_mmap);
  order.traffic.flows = 8;
  order.seconds = 0.04;
  order.capture.at = std::move(at);
  return order;
}

Result<TrialResult> run(const TrialOrder& order, GunOrder gun, const CaptureFiles& files) {
  PM_TRY(const VethLab lab, VethLab::create(order));
  Ends ends;
  PM_TRY(auto receiver, make_packet_mmap_receiver(order, lab.receiver_place()));
  PM_TRY(ends.receiver, with_captures(order, std::move(receiver), lab.sender_place(),
                                      lab.receiver_place(), files.fds()));
  PM_TRY(ends.books, make_kernel_books(order));
  ends.sender = std::make_unique<FrameGun>(std::move(gun), lab.sender_place());
  return run_trial(order, std::move(ends));
}

const std::vector<CaptureAt> kBothEnds{CaptureAt::sender, CaptureAt::receiver};

TEST(Captures, HaveEveryFrameOnceAsItPassedEitherEnd) {
  NEEDS_NETWORK_LAB();
  const TrialOrder order = tapped_order(kBothEnds);
  const CaptureFiles files(order);
  const auto result =
      run(order, {.frames = 3000, .warmup_frames = 200, .bytes_without_fcs = 300}, files);
  ASSERT_TRUE(result) << result.error().text();
  ASSERT_EQ(result->captures.size(), 2U);
  EXPECT_THAT(result->not_checked, Contains(StartsWith("CPU without captures: ")));
  for (const TapAccount& capture : result->captures) {
    EXPECT_EQ(capture.written_pkts, 3200) << name_of(capture.at);
    EXPECT_EQ(capture.not_captured_pkts, 0);
    EXPECT_EQ(capture.beyond_limit_pkts, 0);
    EXPECT_EQ(capture.passed_over_pkts, 0);
    EXPECT_EQ(capture.failure, "");
    EXPECT_FALSE(capture.cpu) << "no thread ran beside the traffic";
    const std::string file = files.path(capture.at);
    EXPECT_EQ(static_cast<std::uintmax_t>(capture.file_bytes), std::filesystem::file_size(file));
    const auto frames = frames_in(file);
    ASSERT_EQ(frames.size(), 3200U);
    for (std::size_t i = 0; i < frames.size(); ++i) {
      ASSERT_EQ(frames[i].bytes.size(), 256U);
      ASSERT_EQ(frames[i].original_bytes, 300U);
      if (i > 0) {
        ASSERT_GE(frames[i].time_ns, frames[i - 1].time_ns);
      }
    }
  }
  const auto sent = frames_in(files.path(CaptureAt::sender));
  const auto got = frames_in(files.path(CaptureAt::receiver));
  for (std::size_t i = 0; i < sent.size(); ++i) ASSERT_EQ(sent[i].bytes, got[i].bytes) << i;
}

TEST(Captures, ATagThatTheKernelTookOffIsPutBack) {
  NEEDS_NETWORK_LAB();
  const TrialOrder order = tapped_order(kBothEnds);
  const CaptureFiles files(order);
  GunOrder gun{.frames = 50};
  gun.spoil = [](FrameBytes& frame, std::int64_t) {
    const std::uint8_t tag[] = {0x81, 0x00, 0x20, 0x05};
    frame.insert(frame.begin() + 12, tag, tag + 4);
  };
  const auto result = run(order, gun, files);
  ASSERT_TRUE(result) << result.error().text();
  const auto sent = frames_in(files.path(CaptureAt::sender));
  const auto got = frames_in(files.path(CaptureAt::receiver));
  ASSERT_EQ(sent.size(), 50U);
  ASSERT_EQ(got.size(), 50U);
  for (std::size_t i = 0; i < sent.size(); ++i) {
    ASSERT_EQ(sent[i].bytes, got[i].bytes);
    ASSERT_EQ(got[i].original_bytes, 64U);
    ASSERT_EQ(got[i].bytes[15], 5);
  }
}

TEST(Captures, HoldOnlyWhatTheFilterLetsPass) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = tapped_order({CaptureAt::receiver});
  order.capture.filter = "ether[42:2] == 0 and udp";
  order.capture.snaplen_bytes = 60;
  const CaptureFiles files(order);
  GunOrder gun{.frames = 800};
  // The stamp's first bytes would be other than those: every fourth frame is marked.
  gun.spoil = [](FrameBytes& frame, std::int64_t i) {
    frame[42] = 0;
    frame[43] = i % 4 == 0 ? 0 : 1;
  };
  const auto result = run(order, gun, files);
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->captures.at(0).written_pkts, 200);
  EXPECT_EQ(result->captures.at(0).filter, order.capture.filter);
  EXPECT_EQ(frames_in(files.path(CaptureAt::receiver)).size(), 200U);
}

TEST(Captures, WhatIsBeyondTheLimitIsCountedToTheFrame) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = tapped_order(kBothEnds);
  order.capture.limit_bytes = 2 << 20;
  order.capture.snaplen_bytes = 2000;
  const CaptureFiles files(order);
  const auto result = run(order, {.frames = 5000, .bytes_without_fcs = 1000}, files);
  ASSERT_TRUE(result) << result.error().text();
  for (const TapAccount& capture : result->captures) {
    EXPECT_GT(capture.beyond_limit_pkts, 2000);
    EXPECT_EQ(capture.written_pkts + capture.beyond_limit_pkts, 5000);
    EXPECT_EQ(capture.not_captured_pkts, 0);
    EXPECT_LE(capture.file_bytes, order.capture.limit_bytes);
    EXPECT_GT(capture.file_bytes, order.capture.limit_bytes / 2);
    EXPECT_EQ(frames_in(files.path(capture.at)).size(),
              static_cast<std::size_t>(capture.written_pkts));
  }
}

TrialOrder triggered_order() {
  TrialOrder order = tapped_order(kBothEnds);
  order.capture.trigger = CaptureTrigger::first_loss;
  order.capture.limit_bytes = 16 << 20;
  order.capture.snaplen_bytes = 2000;
  return order;
}

std::vector<std::uint32_t> numbers_of_flow_0(const std::vector<CapturedBytes>& frames) {
  std::vector<std::uint32_t> numbers;
  for (const CapturedBytes& frame : frames) {
    const auto stamp = PayloadStamp::read(frame.bytes.data() + 42, frame.bytes.size() - 42);
    if (stamp && stamp->flow == 0) numbers.push_back(stamp->sequence);
  }
  return numbers;
}

TEST(CaptureTriggers, KeepWhatCameBeforeTheFirstLossAndAfter) {
  NEEDS_NETWORK_LAB();
  const TrialOrder order = triggered_order();
  const CaptureFiles files(order);
  constexpr std::int64_t kFrames = 25'000;
  constexpr std::int64_t kMissing = 20'000;  // 21 MB later than the first
  GunOrder gun{.frames = kFrames, .bytes_without_fcs = 1000};
  gun.times = [](std::int64_t i) { return i == kMissing ? 0 : 1; };
  const auto result = run(order, gun, files);
  ASSERT_TRUE(result) << result.error().text();
  for (const TapAccount& capture : result->captures) {
    EXPECT_EQ(capture.triggered_by, "sequence gap");
    ASSERT_TRUE(capture.triggered_s);
    EXPECT_GT(*capture.triggered_s, 0.1);
    EXPECT_TRUE(capture.cpu) << "a thread ran beside the traffic";
    EXPECT_GT(capture.passed_over_pkts, 5000);
    EXPECT_GT(capture.written_pkts, 1000);
    EXPECT_EQ(capture.passed_over_pkts + capture.written_pkts + capture.not_captured_pkts +
                  capture.beyond_limit_pkts,
              kFrames - 1);
    const auto numbers = numbers_of_flow_0(frames_in(files.path(capture.at)));
    // Of 8 flows, the one that lost number 2500 of its own.
    EXPECT_THAT(numbers, Contains(2499U)) << "what came before";
    EXPECT_THAT(numbers, testing::Not(Contains(2500U)));
    EXPECT_THAT(numbers, Contains(2501U)) << "what came after";
  }
}

TEST(CaptureTriggers, WithoutALossWriteNothingAndSayHowMuchPassed) {
  NEEDS_NETWORK_LAB();
  const TrialOrder order = triggered_order();
  const CaptureFiles files(order);
  const auto result = run(order, {.frames = 3000}, files);
  ASSERT_TRUE(result) << result.error().text();
  for (const TapAccount& capture : result->captures) {
    EXPECT_EQ(capture.triggered_by, "");
    EXPECT_FALSE(capture.triggered_s);
    EXPECT_EQ(capture.file_bytes, 0);
    EXPECT_EQ(capture.written_pkts, 0);
    EXPECT_EQ(capture.passed_over_pkts + capture.not_captured_pkts, 3000);
    EXPECT_EQ(std::filesystem::file_size(files.path(capture.at)), 0U);
  }
}

TEST(Captures, AFileThatCannotBeWrittenMakesTheTrialInvalidWithTheReason) {
  NEEDS_NETWORK_LAB();
  const TrialOrder order = tapped_order({CaptureAt::sender});
  const CaptureFiles files(order, O_RDONLY);
  const auto result = run(order, {.frames = 100}, files);
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_FALSE(result->valid);
  EXPECT_THAT(result->invalid_reasons,
              Contains(StartsWith("capture_failed: at the sender: cannot be written: ")));
}

// The numbers of the statistics block at the end of a file: code of the option -> value.
std::map<int, std::int64_t> last_options_in(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(stream), {}};
  const auto read = [&](std::size_t at, auto number) {
    std::memcpy(&number, content.data() + at, sizeof number);
    return number;
  };
  const std::size_t begin = content.size() - read(content.size() - 4, std::uint32_t{});
  EXPECT_EQ(read(begin, std::uint32_t{}), 5U);
  std::map<int, std::int64_t> numbers;
  for (std::size_t at = begin + 20; read(at, std::uint16_t{}) != 0;) {
    const std::uint16_t bytes = read(at + 2, std::uint16_t{});
    if (bytes == 8) numbers[read(at, std::uint16_t{})] = read(at + 4, std::int64_t{});
    at += 4 + (bytes + 3U) / 4 * 4;
  }
  return numbers;
}

// ---- beside Wireshark's analysis

bool has_tshark() { return std::system("tshark --version >/dev/null 2>&1") == 0; }

std::string output_of(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  if (pipe == nullptr) return output;
  char part[65'536];
  for (std::size_t got = 0; (got = std::fread(part, 1, sizeof part, pipe)) > 0;)
    output.append(part, got);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return output;
}

// What Wireshark says of a capture at the sender of a stream.
struct SharkAnalysis {
  std::int64_t frames = 0;
  std::vector<std::int64_t> segment_bytes;  // of frames with payload
  std::int64_t resent_frames = 0;           // by the sender
  std::int64_t resent_segments = 0;         // of the maximum segment size
  double ack_rtt_mean_ns = 0.0;
  double ack_rtt_min_ns = 0.0;
};

SharkAnalysis analysis_of(const std::string& file, std::int64_t mss_bytes) {
  SharkAnalysis analysis;
  std::int64_t rtts = 0;
  const std::string fields =
      "-e frame.len -e tcp.len -e tcp.analysis.ack_rtt -e tcp.analysis.retransmission "
      "-e tcp.analysis.fast_retransmission -e tcp.analysis.spurious_retransmission "
      "-e tcp.analysis.out_of_order -e ip.src";
  // A segment that comes out of order from its own sender was sent again: nothing is between.
  for (const std::string& line :
       split(output_of(fmt::format("tshark -r {} -T fields -E separator=, {}", file, fields)),
             '\n')) {
    if (line.empty()) continue;
    const std::vector<std::string> parts = split(line, ',');
    ++analysis.frames;
    const std::int64_t payload = std::atoll(parts.at(1).c_str());
    if (!parts.at(2).empty()) {
      const double rtt_ns = std::atof(parts[2].c_str()) * 1e9;
      analysis.ack_rtt_mean_ns += rtt_ns;
      analysis.ack_rtt_min_ns = rtts == 0 ? rtt_ns : std::min(analysis.ack_rtt_min_ns, rtt_ns);
      ++rtts;
    }
    if (parts.at(7) != ipv4_text(kLabSenderIpv4)) continue;
    if (payload > 0) analysis.segment_bytes.push_back(std::atoll(parts[0].c_str()));
    const bool resent = std::any_of(parts.begin() + 3, parts.begin() + 7,
                                    [](const auto& part) { return !part.empty(); });
    if (!resent) continue;
    ++analysis.resent_frames;
    analysis.resent_segments += std::max<std::int64_t>(1, (payload + mss_bytes - 1) / mss_bytes);
  }
  analysis.ack_rtt_mean_ns /= static_cast<double>(std::max<std::int64_t>(1, rtts));
  return analysis;
}

struct StreamTrial {
  TrialResult result;
  SharkAnalysis shark;
};

// A stream whose receiver loses one segment in `lose_one_in`, and whose acknowledgements wait for
// their turn: what is lost was seen by the tap of the sender, and the round trip is long against
// what the two clocks of a round trip differ by.
Result<StreamTrial> lossy_stream(int lose_one_in, bool tso) {
  TrialOrder order = veth_order(Path::tcp_stream);
  order.seconds = 1.0;
  order.warmup_seconds = 0.1;
  order.closed_loop.message_bytes = 131'072;
  order.closed_loop.congestion_control = "cubic";
  order.closed_loop.taps = true;
  order.capture.at = {CaptureAt::sender};
  order.capture.filter = "tcp";
  order.capture.snaplen_bytes = 128;
  order.kernel_knobs = {{"tso", tso ? "on" : "off"}, {"gso", tso ? "on" : "off"}};
  const CaptureFiles files(order);
  PM_TRY(const VethLab lab, VethLab::create(order));
  PM_TRYV(add_nft_rules(
      lab.receiver_place().netns_fd,
      fmt::format("add table ip t\n"
                  "add chain ip t c {{ type filter hook prerouting priority -300; }}\n"
                  "add rule ip t c numgen random mod {} lt 1 drop\n",
                  lose_one_in)));
  PM_TRY(Netlink netlink, Netlink::open(lab.receiver_place().netns_fd));
  PM_TRYV(netlink.set_root_qdisc(lab.receiver_place().netdev, {.kind = QdiscOrder::Kind::tbf,
                                                               .rate_bps = 1'000'000,
                                                               .bucket_bytes = 2000,
                                                               .limit_bytes = 1500}));
  PM_TRY(Ends ends, make_closed_loop_ends(order, lab.sender_place(), lab.receiver_place()));
  PM_TRY(std::shared_ptr<LabKnobs> knobs,
         LabKnobs::turn(order, lab.sender_place(), lab.receiver_place(), {}));
  PM_TRY(ends.receiver, with_captures(order, with_knobs(std::move(ends.receiver), std::move(knobs)),
                                      lab.sender_place(), lab.receiver_place(), files.fds()));
  StreamTrial trial;
  PM_TRY(trial.result, run_trial(order, std::move(ends)));
  trial.shark = analysis_of(files.path(CaptureAt::sender),
                            trial.result.closed_loop->tcp->snd_mss_bytes.value_or(1448));
  return trial;
}

#define NEEDS_LOSSY_STREAM(trial)                                                 \
  if (!trial && trial.error().text() == "needs nft") GTEST_SKIP() << "needs nft"; \
  ASSERT_TRUE(trial) << trial.error().text()

void expect_same_frames_and_sizes(const StreamTrial& trial) {
  const TapAccount& capture = trial.result.captures.at(0);
  EXPECT_EQ(capture.not_captured_pkts + capture.beyond_limit_pkts, 0);
  EXPECT_EQ(trial.shark.frames, capture.written_pkts);
  // Both taps saw every segment.
  const ClosedLoopAccount& loop = *trial.result.closed_loop;
  ASSERT_EQ(loop.untapped_segments, 0);
  const LatencyHistogram& tap = *loop.sender_segment_bytes;
  LatencyHistogram seen;
  for (const std::int64_t bytes : trial.shark.segment_bytes) seen.record(bytes);
  EXPECT_EQ(tap.count(), seen.count());
  EXPECT_EQ(tap.exact().sum, seen.exact().sum);
  for (const double percent : {1.0, 50.0, 90.0, 99.9})
    EXPECT_EQ(tap.percentile(percent), seen.percentile(percent)) << percent;
}

void print_beside(const StreamTrial& trial) {
  const TcpAccount& tcp = *trial.result.closed_loop->tcp;
  std::printf(
      "resent: kernel %lld segments, Wireshark %lld segments in %lld of %lld frames\n"
      "round trip: kernel mean %.3f ms, least %.3f ms; Wireshark mean %.3f ms, least %.3f ms\n",
      static_cast<long long>(tcp.retransmitted_segments.value_or(-1)),
      static_cast<long long>(trial.shark.resent_segments),
      static_cast<long long>(trial.shark.resent_frames), static_cast<long long>(trial.shark.frames),
      static_cast<double>(tcp.rtt_mean_ns.value_or(-1)) / 1e6,
      static_cast<double>(tcp.rtt_min_ns.value_or(-1)) / 1e6, trial.shark.ack_rtt_mean_ns / 1e6,
      trial.shark.ack_rtt_min_ns / 1e6);
}

TEST(CapturesBesideWireshark, AgreeOnEverySegmentThatWasSentAgain) {
  NEEDS_NETWORK_LAB();
  if (!has_tshark()) GTEST_SKIP() << "needs tshark";
  const auto trial = lossy_stream(300, false);
  NEEDS_LOSSY_STREAM(trial);
  print_beside(*trial);
  expect_same_frames_and_sizes(*trial);
  const TcpAccount& tcp = *trial->result.closed_loop->tcp;
  EXPECT_GT(tcp.retransmitted_segments, 5);
  EXPECT_EQ(tcp.retransmitted_segments, trial->shark.resent_segments);
}

TEST(CapturesBesideWireshark, AgreeOnSegmentsThatAreJoined) {
  NEEDS_NETWORK_LAB();
  if (!has_tshark()) GTEST_SKIP() << "needs tshark";
  const auto trial = lossy_stream(300, true);
  NEEDS_LOSSY_STREAM(trial);
  print_beside(*trial);
  expect_same_frames_and_sizes(*trial);
}

TEST(CapturesBesideWireshark, StatisticsBlockSaysWhatIsMissing) {
  NEEDS_NETWORK_LAB();
  if (!has_tshark()) GTEST_SKIP() << "needs tshark";
  TrialOrder order = tapped_order({CaptureAt::receiver});
  order.capture.limit_bytes = 2 << 20;
  order.capture.snaplen_bytes = 2000;
  order.capture.filter = "udp";
  const CaptureFiles files(order);
  const auto result = run(order, {.frames = 5000, .bytes_without_fcs = 1000}, files);
  ASSERT_TRUE(result) << result.error().text();
  const TapAccount& capture = result->captures.at(0);
  const std::string told = output_of("capinfos -M " + files.path(CaptureAt::receiver));
  EXPECT_THAT(told, testing::HasSubstr("pcapng"));
  EXPECT_THAT(told,
              testing::HasSubstr(fmt::format("Number of packets:   {}", capture.written_pkts)));
  EXPECT_THAT(told, testing::HasSubstr("Filter string = udp"));
  EXPECT_THAT(told, testing::HasSubstr("Name = b0"));
  EXPECT_THAT(told, testing::HasSubstr("Time precision = nanoseconds (9)"));
  const auto statistics = last_options_in(files.path(CaptureAt::receiver));
  EXPECT_EQ(statistics.at(5), capture.beyond_limit_pkts) << "isb_ifdrop";
  EXPECT_EQ(statistics.at(6), 5000) << "isb_filteraccept";
  EXPECT_EQ(statistics.at(8), capture.written_pkts) << "isb_usrdeliv";
  const std::string block = output_of(
      fmt::format("tshark -r {} -V -Y frame.number==1 -T text", files.path(CaptureAt::receiver)));
  EXPECT_THAT(block, testing::HasSubstr("Interface name: b0"));
  EXPECT_THAT(block, testing::HasSubstr("Direction: Inbound"));
}

}  // namespace
}  // namespace pollmark
