// What a real port sends: every kind of header, and byte for byte what plan -w shows.
#include <gtest/gtest.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "datapath/lateness.h"
#include "dpdk_trial.h"
#include "rig/capture.h"
#include "rig/flow_set.h"
#include "rig/frame_preview.h"
#include "rig/frame_source.h"
#include "support/parsed_frame.h"
#include "trial/clocks.h"

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
  NEEDS_DPDK_LAB();
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

struct SentToTap {
  SenderAccount account;
  std::vector<std::vector<std::uint8_t>> frames;
};
Result<SentToTap> send_to_tap(const TrialOrder& order) {
  PM_TRY(const VethLab lab, VethLab::create(order));
  Tap tap(lab.receiver_place());
  PM_TRY(const auto sender, make_dpdk_sender(order, lab.sender_place()));
  PM_TRYV(sender->open());
  PM_TRYV(sender->start());
  SentToTap sent;
  PM_TRY(sent.account, sender->join());
  sent.frames = tap.frames();
  return sent;
}

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
  NEEDS_DPDK_LAB();
  for (const TrafficOrder& traffic : all_stacks()) {
    TrialOrder order = order_of(Path::dpdk);
    order.traffic = traffic;
    order.traffic.intended_pps = 10'000;
    order.traffic.popularity = 0.8;
    order.seconds = 0.02;
    order.warmup_seconds = 0.0;
    auto sent_to_tap = send_to_tap(order);
    ASSERT_TRUE(sent_to_tap) << sent_to_tap.error().text();
    const SenderAccount& account = sent_to_tap->account;
    std::vector<std::vector<std::uint8_t>>& received = sent_to_tap->frames;
    ASSERT_EQ(received.size(), static_cast<std::size_t>(account.offered_pkts));

    const ScratchFile file;
    const auto place = lab_sender_place(order);
    ASSERT_TRUE(place);
    const auto written = write_frames({{order, *place}}, 10'000, file.path());
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
    EXPECT_EQ(offered_bytes, account.offered_bytes);
    EXPECT_EQ(preview->frames[1].timestamp_ns, 100'000);
  }
}

TEST(DpdkTraffic, ACaptureIsSentFromItsOwnMbufsAgainAndAgain) {
  NEEDS_DPDK_LAB();
  const auto frames = support::udp_and_tcp_frames(23);
  const support::CaptureFile file(frames);
  TrialOrder order = order_of(Path::dpdk);
  order.traffic.kind = TrafficKind::replay;
  order.traffic.pcap = file.path().string();
  order.traffic.loops = 30;
  order.traffic.intended_pps = 20'000;
  order.seconds = 1.0;
  auto sent_to_tap = send_to_tap(order);
  ASSERT_TRUE(sent_to_tap) << sent_to_tap.error().text();
  const SenderAccount& account = sent_to_tap->account;
  EXPECT_EQ(account.intended_pkts, 690);
  EXPECT_NEAR(account.window_seconds, 0.0345, 1e-6);
  const auto& received = sent_to_tap->frames;
  ASSERT_EQ(received.size(), static_cast<std::size_t>(account.offered_pkts));
  for (std::size_t i = 0; i < received.size(); ++i) {
    auto sent = frames[i % 23];
    sent.resize(std::max<std::size_t>(sent.size(), 60), 0);
    ASSERT_EQ(received[i], sent) << i;
  }
}

// As many sending lcores, all on one CPU: this asks for what they send, not for how well.
std::vector<int> sharing_a_cpu(std::size_t lcores) {
  return std::vector<int>(lcores, trial_cpus(TrialOrder{})->senders.front());
}

TEST(DpdkTraffic, SeveralLcoresCloseTheirBooksToThePacket) {
  NEEDS_DPDK_LAB();
  for (const Path path : {Path::dpdk, Path::udp_socket}) {
    for (const std::vector<int>& sizes : {std::vector<int>{64}, {64, 594, 1518}}) {
      for (const double popularity : {0.0, 1.0}) {
        TrialOrder order = order_of(path);
        order.validity = ValidityRule::as_is;
        order.generator_lcores = sharing_a_cpu(3);
        order.traffic.frame_bytes = sizes;
        order.traffic.popularity = popularity;
        order.traffic.arrivals = {.kind = ArrivalKind::poisson};
        order.seed = 5;
        const auto result = run(order);
        ASSERT_TRUE(result) << result.error().text();
        expect_closed(*result);
        EXPECT_FALSE(has_reason(*result, "generator_stalled"));
        // The slots of the one schedule, whoever was late for them.
        const auto place = lab_sender_place(order);
        ASSERT_TRUE(place);
        const double tsc_hz = host_clocks().tsc_hz;
        const auto source = FrameSource::open(order, *place, tsc_hz);
        ASSERT_TRUE(source);
        std::int64_t slots = 0;
        for (Pacer pacer(source->pacing(0, TrialPhase::window)); pacer.has_slot(); pacer.advance())
          ++slots;
        EXPECT_NEAR(static_cast<double>(result->ledger().intended_pkts()),
                    static_cast<double>(slots), 3.0)
            << "the TSC was measured twice";
        EXPECT_GT(result->ledger().pkts_or_zero(Fate::received), 0);
        std::vector<std::string> roles;
        for (const LcoreHealth& lcore : result->lcores) roles.push_back(lcore.role);
        for (const char* role : {"generator 0", "generator 1", "generator 2"})
          EXPECT_EQ(std::count(roles.begin(), roles.end(), role), 1) << role;
      }
    }
  }
}

TEST(DpdkTraffic, SeveralLcoresSendByteForByteWhatThePreviewShowsFlowByFlow) {
  NEEDS_DPDK_LAB();
  for (const TrafficOrder& traffic : all_stacks()) {
    TrialOrder order = order_of(Path::dpdk);
    order.traffic = traffic;
    order.traffic.load.unit = LoadUnit::pps;
    // Slow enough that a lcore without its CPU for a while gives nothing up.
    order.traffic.intended_pps = 1000;
    order.seconds = 0.1;
    order.warmup_seconds = 0.0;
    order.generator_lcores = sharing_a_cpu(2);
    auto sent_to_tap = send_to_tap(order);
    ASSERT_TRUE(sent_to_tap) << sent_to_tap.error().text();
    const SenderAccount& account = sent_to_tap->account;
    EXPECT_EQ(account.intended_pkts, 100);
    ASSERT_EQ(account.offered_pkts, 100);
    const std::vector<std::vector<std::uint8_t>>& received = sent_to_tap->frames;
    ASSERT_EQ(received.size(), 100U);

    const ScratchFile file;
    const auto place = lab_sender_place(order);
    ASSERT_TRUE(place);
    const auto written = write_frames({{order, *place}}, 10'000, file.path());
    ASSERT_TRUE(written) << written.error().text();
    ASSERT_EQ(*written, 100);
    const auto preview = load_capture(file.path());
    ASSERT_TRUE(preview) << preview.error().text();
    const auto stack = frame_stack(order.traffic);
    ASSERT_TRUE(stack);
    // By flow: addresses and ports.
    using Flows = std::map<std::vector<std::uint8_t>, std::vector<std::vector<std::uint8_t>>>;
    Flows sent;
    Flows shown;
    const auto keep = [&](Flows& flows, std::vector<std::uint8_t> frame) {
      if (!order.traffic.qinq.empty()) frame[12] = frame[13] = 0;
      forget_departure(frame, *stack);
      const auto begin = frame.begin() + static_cast<std::ptrdiff_t>(stack->addresses_at());
      const auto end = frame.begin() + static_cast<std::ptrdiff_t>(stack->l4_at + 4);
      flows[{begin, end}].push_back(std::move(frame));
    };
    for (const auto& frame : received) keep(sent, frame);
    for (const CapturedFrame& frame : preview->frames) keep(shown, frame.bytes);
    EXPECT_GT(shown.size(), 1U);
    EXPECT_EQ(sent, shown);
    std::int64_t bytes = 0;
    for (const auto& frame : received) bytes += static_cast<std::int64_t>(frame.size()) + 4;
    EXPECT_EQ(account.offered_bytes, bytes);
  }
}

TEST(DpdkTraffic, SeveralLcoresSendACaptureOnceEachConversationInOrder) {
  NEEDS_DPDK_LAB();
  const auto frames = support::udp_and_tcp_frames(40);
  const support::CaptureFile file(frames);
  TrialOrder order = order_of(Path::dpdk);
  order.traffic.kind = TrafficKind::replay;
  order.traffic.pcap = file.path().string();
  order.traffic.loops = 3;
  order.traffic.intended_pps = 400;
  order.seconds = 1.0;
  order.generator_lcores = sharing_a_cpu(3);
  auto sent_to_tap = send_to_tap(order);
  ASSERT_TRUE(sent_to_tap) << sent_to_tap.error().text();
  const SenderAccount& account = sent_to_tap->account;
  EXPECT_EQ(account.intended_pkts, 120);
  ASSERT_EQ(account.offered_pkts, 120);
  ASSERT_EQ(account.lcores.size(), 3U);
  // A conversation by its source port here; what is not IP by nothing.
  using Conversations = std::map<std::uint32_t, std::vector<std::vector<std::uint8_t>>>;
  const auto sorted = [](const std::vector<std::vector<std::uint8_t>>& all) {
    Conversations conversations;
    for (auto frame : all) {
      frame.resize(std::max<std::size_t>(frame.size(), 60), 0);
      const bool ip = frame[12] == 8 && frame[13] == 0;
      const std::uint32_t key =
          ip ? std::uint32_t{frame[23]} << 16 | std::uint32_t{frame[34]} << 8 | frame[35] : 0;
      conversations[key].push_back(std::move(frame));
    }
    return conversations;
  };
  std::vector<std::vector<std::uint8_t>> passes;
  for (int pass = 0; pass < 3; ++pass) passes.insert(passes.end(), frames.begin(), frames.end());
  EXPECT_EQ(sorted(sent_to_tap->frames), sorted(passes));
}

TEST(DpdkTraffic, SeveralLcoresWithoutAScheduleSendEachItsOwnFlows) {
  NEEDS_DPDK_LAB();
  TrialOrder order = order_of(Path::dpdk);
  order.validity = ValidityRule::as_is;
  order.traffic.load.unit = LoadUnit::max;
  order.traffic.intended_pps = 0.0;
  order.generator_lcores = sharing_a_cpu(2);
  order.seconds = 0.1;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  EXPECT_GT(result->ledger().offered_pkts(), 0);
}

TEST(DpdkTraffic, RecordedGapsAreTheSchedule) {
  NEEDS_DPDK_LAB();
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
  NEEDS_DPDK_LAB();
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
