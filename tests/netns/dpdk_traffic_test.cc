// What a real port sends: every kind of header, and byte for byte what plan -w shows.
#include <gtest/gtest.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "datapath/lateness.h"
#include "dpdk_trial.h"
#include "rig/capture.h"
#include "rig/flow_set.h"
#include "rig/frame_preview.h"
#include "support/parsed_frame.h"

namespace pollmark {
namespace {

TrafficOrder plain() {
  TrafficOrder traffic = order_of(Path::dpdk).traffic;
  traffic.flows = 20;
  return traffic;
}

// Traffic of every stack, both stamps among them.
std::vector<TrafficOrder> all_stacks() {
  std::vector<TrafficOrder> all;
  for (const TrafficKind kind : {TrafficKind::udp, TrafficKind::tcp}) {
    for (const int version : {4, 6}) {
      for (const int tags : {0, 1, 2}) {
        TrafficOrder traffic = plain();
        traffic.kind = kind;
        traffic.ip_version = version;
        if (tags > 0) traffic.vlan = "100 to 102";
        if (tags > 1) traffic.qinq = "7";
        traffic.dscp = "46";
        const FrameStack stack =
            make_stack(static_cast<std::uint32_t>(tags), version == 4 ? IpKind::ipv4 : IpKind::ipv6,
                       kind == TrafficKind::udp ? L4Kind::udp : L4Kind::tcp, StampKind::brief);
        traffic.frame_bytes = {std::max(64, static_cast<int>(stack.least_bytes()) + 4), 570};
        all.push_back(traffic);
        traffic.frame_bytes = {128, 1514};
        all.push_back(traffic);
      }
    }
  }
  return all;
}

TEST(DpdkTraffic, BooksCloseWithEveryStack) {
  NEEDS_NETWORK_LAB();
  for (const TrafficOrder& traffic : all_stacks()) {
    TrialOrder order = order_of(Path::dpdk);
    order.traffic = traffic;
    order.traffic.intended_pps = 20'000;
    order.seconds = 0.02;
    order.receiver.stage = StageKind::checksum;
    const auto result = run(order);
    ASSERT_TRUE(result) << result.error().text();
    expect_closed(*result);
    EXPECT_EQ(result->ledger().intended_pkts(), 400);
    EXPECT_GT(result->ledger().pkts_or_zero(Fate::received), 0);
    EXPECT_EQ(result->ledger().pkts_or_zero(Fate::corrupt), 0);
    ASSERT_TRUE(result->latency_ns.rx);
    EXPECT_EQ(result->latency_ns.rx->out_of_range(), 0);
    EXPECT_LT(*result->latency_ns.rx->max(), 10'000'000'000) << "a stamp that wrapped";
  }
}

// Everything that comes to a device, by another reader than ours.
class Tap {
 public:
  explicit Tap(const NetdevPlace& place) {
    const auto inside = ScopedNetns::enter(place.netns_fd);
    EXPECT_TRUE(inside);
    char reason[PCAP_ERRBUF_SIZE] = {};
    pcap_.reset(pcap_create(place.netdev.c_str(), reason));
    pcap_set_snaplen(pcap_.get(), 65535);
    pcap_set_buffer_size(pcap_.get(), 32 << 20);
    pcap_set_timeout(pcap_.get(), 1);
    EXPECT_EQ(pcap_activate(pcap_.get()), 0) << pcap_geterr(pcap_.get());
    EXPECT_EQ(pcap_setnonblock(pcap_.get(), 1, reason), 0) << reason;
  }
  std::vector<std::vector<std::uint8_t>> frames() {
    std::vector<std::vector<std::uint8_t>> taken;
    pcap_pkthdr* header = nullptr;
    const u_char* data = nullptr;
    for (int empty = 0; empty < 20;) {
      if (pcap_next_ex(pcap_.get(), &header, &data) == 1) {
        taken.emplace_back(data, data + header->caplen);
      } else {
        ++empty;
        usleep(5000);
      }
    }
    return taken;
  }

 private:
  struct Closer {
    void operator()(pcap_t* pcap) const { pcap_close(pcap); }
  };
  std::unique_ptr<pcap_t, Closer> pcap_;
};

class ScratchFile {
 public:
  ScratchFile()
      : path_(std::filesystem::temp_directory_path() /
              ("pollmark_frames_" + std::to_string(getpid()) + ".pcap")) {}
  ~ScratchFile() {
    std::error_code gone;
    std::filesystem::remove(path_, gone);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// All of the frame but the moment of departure and how late that was, which only the sender knows,
// and the checksum that covers it.
void forget_departure(std::vector<std::uint8_t>& frame, const FrameStack& stack) {
  const std::size_t end = std::min<std::size_t>(stack.least_bytes() + kLatenessBytes, frame.size());
  for (std::size_t i = stack.stamp_at + 8; i < end; ++i) frame[i] = 0;
  const std::size_t checksum_at = stack.l4_at + (stack.l4 == L4Kind::udp ? 6 : 16);
  frame[checksum_at] = frame[checksum_at + 1] = 0;
}

TEST(DpdkTraffic, ThePortSendsByteForByteWhatThePreviewShows) {
  NEEDS_NETWORK_LAB();
  for (const TrafficOrder& traffic : all_stacks()) {
    TrialOrder order = order_of(Path::dpdk);
    order.traffic = traffic;
    order.traffic.intended_pps = 10'000;
    order.traffic.popularity = 0.8;
    order.seconds = 0.02;
    order.warmup_seconds = 0.0;
    const auto lab = VethLab::create(order);
    ASSERT_TRUE(lab) << lab.error().text();
    Tap tap(lab->receiver_place());
    const auto sender = make_dpdk_sender(order, lab->sender_place());
    ASSERT_TRUE(sender) << sender.error().text();
    ASSERT_TRUE((*sender)->open());
    ASSERT_TRUE((*sender)->start());
    const auto account = (*sender)->join();
    ASSERT_TRUE(account) << account.error().text();
    std::vector<std::vector<std::uint8_t>> received = tap.frames();
    ASSERT_EQ(received.size(), static_cast<std::size_t>(account->offered_pkts));

    const ScratchFile file;
    const auto place = lab_sender_place(order);
    ASSERT_TRUE(place);
    const auto written = write_frames(order, *place, 10'000, file.path());
    ASSERT_TRUE(written) << written.error().text();
    EXPECT_EQ(*written, 200);
    auto preview = load_capture(file.path());
    ASSERT_TRUE(preview) << preview.error().text();
    const auto stack = frame_stack(order.traffic);
    ASSERT_TRUE(stack);
    std::int64_t offered_bytes = 0;
    for (std::size_t i = 0; i < received.size(); ++i) {
      ASSERT_TRUE(support::parse_frame(received[i].data(), received[i].size()).sound) << i;
      std::vector<std::uint8_t>& shown = preview->frames[i].bytes;
      ASSERT_TRUE(support::parse_frame(shown.data(), shown.size()).sound) << i;
      offered_bytes += static_cast<std::int64_t>(received[i].size()) + 4;
      // A kernel that hands tags beside the frame forgets which of the two types the outer had.
      if (!order.traffic.qinq.empty()) received[i][12] = shown[12], received[i][13] = shown[13];
      forget_departure(received[i], *stack);
      forget_departure(shown, *stack);
      ASSERT_EQ(received[i], shown) << i;
    }
    EXPECT_EQ(offered_bytes, account->offered_bytes);
    EXPECT_EQ(preview->frames[1].timestamp_ns, 100'000);
  }
}

TEST(DpdkTraffic, ACaptureIsSentFromItsOwnMbufsAgainAndAgain) {
  NEEDS_NETWORK_LAB();
  const auto frames = support::udp_and_tcp_frames(23);
  const support::CaptureFile file(frames);
  TrialOrder order = order_of(Path::dpdk);
  order.traffic.kind = TrafficKind::replay;
  order.traffic.pcap = file.path().string();
  order.traffic.loops = 30;
  order.traffic.intended_pps = 20'000;
  order.seconds = 1.0;
  const auto lab = VethLab::create(order);
  ASSERT_TRUE(lab) << lab.error().text();
  Tap tap(lab->receiver_place());
  const auto sender = make_dpdk_sender(order, lab->sender_place());
  ASSERT_TRUE(sender) << sender.error().text();
  ASSERT_TRUE((*sender)->open());
  ASSERT_TRUE((*sender)->start());
  const auto account = (*sender)->join();
  ASSERT_TRUE(account) << account.error().text();
  EXPECT_EQ(account->intended_pkts, 690);
  EXPECT_NEAR(account->window_seconds, 0.0345, 1e-6);
  const auto received = tap.frames();
  ASSERT_EQ(received.size(), static_cast<std::size_t>(account->offered_pkts));
  for (std::size_t i = 0; i < received.size(); ++i) {
    auto sent = frames[i % 23];
    sent.resize(std::max<std::size_t>(sent.size(), 60), 0);
    ASSERT_EQ(received[i], sent) << i;
  }
}

TEST(DpdkTraffic, RecordedGapsAreTheSchedule) {
  NEEDS_NETWORK_LAB();
  // One frame a second in the file; a thousandth of that here.
  const support::CaptureFile file(support::udp_and_tcp_frames(40));
  TrialOrder order = order_of(Path::dpdk);
  order.traffic.kind = TrafficKind::replay;
  order.traffic.pcap = file.path().string();
  order.traffic.timing = ReplayTiming::scaled;
  order.traffic.time_scale = 0.001;
  order.traffic.load = {LoadUnit::line_percent, 100.0};
  order.traffic.intended_pps = 0.0;
  order.traffic.loops = 2;
  order.seconds = 1.0;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  EXPECT_EQ(result->ledger().intended_pkts(), 80);
  EXPECT_NEAR(result->virtual_seconds, 0.08, 1e-6);
  EXPECT_NEAR(*result->intended_pps, 1000.0, 1e-3);
}

TEST(DpdkTraffic, LatencyFromTheIntendedMomentContainsTheLateness) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = order_of(Path::dpdk);
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  ASSERT_TRUE(result->latency_ns.rx && result->latency_ns.intended);
  EXPECT_EQ(result->latency_ns.intended->count(), result->latency_ns.rx->count());
  EXPECT_GE(*result->latency_ns.intended->mean(), *result->latency_ns.rx->mean());
  EXPECT_GE(*result->latency_ns.intended->max(), *result->generator.late_p50_ns);
  // Without a schedule nothing is intended.
  order.traffic.load.unit = LoadUnit::max;
  order.traffic.intended_pps = 0.0;
  const auto freely = run(order);
  ASSERT_TRUE(freely) << freely.error().text();
  EXPECT_FALSE(freely->latency_ns.intended);
}

}  // namespace
}  // namespace pollmark
