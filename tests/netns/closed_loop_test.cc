#include "kernel/closed_loop.h"

#include <gtest/gtest.h>

#include "host/netlink.h"
#include "kernel/lab_knobs.h"
#include "kernel/loop_parts.h"
#include "kernel/veth_lab.h"
#include "network_lab.h"
#include "trial/trial.h"

namespace pollmark {
namespace {

TrialOrder loop_order(Path path, std::int64_t message_bytes = 64) {
  TrialOrder order = veth_order(path);
  order.closed_loop.message_bytes = message_bytes;
  order.seconds = 0.05;
  order.warmup_seconds = 0.01;
  return order;
}

Result<TrialResult> run(const TrialOrder& order, const VethLab& lab) {
  PM_TRY(Ends ends, make_closed_loop_ends(order, lab.sender_place(), lab.receiver_place()));
  return run_trial(order, std::move(ends));
}
Result<TrialResult> run(const TrialOrder& order) {
  PM_TRY(const VethLab lab, VethLab::create(order));
  return run(order, lab);
}

// The client asks where nobody listens.
Result<TrialResult> run_without_server(const TrialOrder& order) {
  PM_TRY(const VethLab lab, VethLab::create(order));
  NetdevPlace elsewhere = lab.receiver_place();
  elsewhere.frames_to_port = 1;
  PM_TRY(Ends asking, make_closed_loop_ends(order, lab.sender_place(), elsewhere));
  PM_TRY(Ends serving, make_closed_loop_ends(order, lab.sender_place(), lab.receiver_place()));
  Ends ends;
  ends.sender = std::move(asking.sender);
  ends.receiver = std::move(serving.receiver);
  return run_trial(order, std::move(ends));
}

void expect_closed(const TrialResult& result) {
  ASSERT_TRUE(result.closed_loop);
  EXPECT_EQ(result.closed_loop->unaccounted(), 0);
  for (const auto& reason : result.invalid_reasons) {
    EXPECT_FALSE(reason.starts_with("books_open")) << reason;
    EXPECT_FALSE(reason.starts_with("counter_backwards")) << reason;
  }
  EXPECT_EQ(result.ledger().offered_pkts(), 0) << "no packets are made up";
}

TEST(RequestResponse, EveryRequestIsAnsweredOverTcpAndUdp) {
  NEEDS_NETWORK_LAB();
  for (const Path path : {Path::tcp_rr, Path::udp_rr}) {
    const auto result = run(loop_order(path));
    ASSERT_TRUE(result) << result.error().text();
    expect_closed(*result);
    const ClosedLoopAccount& loop = *result->closed_loop;
    EXPECT_EQ(loop.unit, ClosedLoopUnit::transactions);
    EXPECT_GT(loop.in_window, 0);
    EXPECT_GT(loop.sent, loop.in_window) << "the warm-up is in the books, not in the rate";
    ASSERT_TRUE(result->latency_ns.round_trip);
    EXPECT_EQ(result->latency_ns.round_trip->count(), loop.in_window);
    EXPECT_EQ(loop.tcp.has_value(), path == Path::tcp_rr);
    EXPECT_GT(metric_of(*result, "transactions_per_s"), 0.0);
    EXPECT_GT(metric_of(*result, "cpu_ns_per_transaction"), 0.0);
    EXPECT_FALSE(metric_of(*result, "goodput_bps"));
    EXPECT_FALSE(metric_of(*result, "loss_ratio"));
    if (loop.failures.empty()) {
      EXPECT_EQ(loop.served, loop.sent);
    }
  }
}

TEST(RequestResponse, ARequestIsSeenInTheReceiveBuffer) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = loop_order(Path::tcp_rr, 3000);
  order.receiver.socket_buffer_bytes = 65'536;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  const Knob& knob = result->knobs.at("socket_buffer");
  EXPECT_EQ(knob.effective, "65536");
  EXPECT_TRUE(knob.exercised);
}

TEST(RequestResponse, MessagesOfManySegmentsArriveWhole) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = loop_order(Path::tcp_rr, 300'000);
  order.closed_loop.response_bytes = 5;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  EXPECT_EQ(result->closed_loop->failures.size(), 0U);
  EXPECT_GT(result->closed_loop->received, 0);
}

TEST(RequestResponse, AnAnswerThatComesTooLateIsAFailureAndIsToldFromTheNext) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = loop_order(Path::udp_rr);
  order.seconds = 0.8;
  order.planted_stop_ns = kAnswerTimeoutNs + 50'000'000;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  const ClosedLoopAccount& loop = *result->closed_loop;
  EXPECT_GE(loop.failures.at("timed out"), 1);
  EXPECT_EQ(loop.failed(), loop.failures.at("timed out"));
  EXPECT_GE(loop.late, 1);
  EXPECT_LE(loop.late, loop.failed());
  EXPECT_GT(metric_of(*result, "failed_ratio"), 0.0);
}

TEST(RequestResponse, WithoutAServerTheReasonIsTheKernels) {
  NEEDS_NETWORK_LAB();
  const auto result = run_without_server(loop_order(Path::udp_rr));
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->closed_loop->received, 0);
  EXPECT_EQ(result->closed_loop->unaccounted(), 0);
  EXPECT_GT(result->closed_loop->failures.at("Connection refused"), 0);
  EXPECT_FALSE(result->valid);
}

TEST(TcpStream, EveryByteIsReadByTheServer) {
  NEEDS_NETWORK_LAB();
  for (const int streams : {1, 3}) {
    TrialOrder order = loop_order(Path::tcp_stream, 131'072);
    order.closed_loop.streams = streams;
    const auto result = run(order);
    ASSERT_TRUE(result) << result.error().text();
    expect_closed(*result);
    const ClosedLoopAccount& loop = *result->closed_loop;
    EXPECT_EQ(loop.unit, ClosedLoopUnit::bytes);
    EXPECT_GT(loop.received, loop.in_window);
    EXPECT_GT(metric_of(*result, "goodput_bps"), 0.0);
    EXPECT_GT(metric_of(*result, "cpu_ns_per_kib"), 0.0);
    ASSERT_TRUE(loop.tcp);
    EXPECT_GE(loop.tcp->samples, 2 * streams) << "at the start, at the end";
    EXPECT_EQ(loop.tcp->snd_mss_bytes, 1448);
    EXPECT_GT(loop.tcp->cwnd_max_segments, 0);
    EXPECT_GT(loop.tcp->snd_wnd_max_bytes, 0);
    EXPECT_GE(loop.tcp->retransmitted_segments, loop.tcp->dsacked_segments);
    EXPECT_GE(result->counters.at("sender.tcp.RetransSegs").delta,
              loop.tcp->retransmitted_segments);
  }
}

TEST(TcpStream, TapsCountEverySegmentWithPayloadOnItsWay) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = loop_order(Path::tcp_stream, 131'072);
  order.closed_loop.taps = true;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  const ClosedLoopAccount& loop = *result->closed_loop;
  ASSERT_TRUE(loop.sender_segment_bytes && loop.receiver_segment_bytes);
  ASSERT_EQ(loop.untapped_segments, 0);
  constexpr double kHeaderBytes = 14 + 20 + 32;  // with timestamps
  for (const auto& tap : {*loop.sender_segment_bytes, *loop.receiver_segment_bytes}) {
    EXPECT_GT(tap.min(), kHeaderBytes) << "acknowledgements alone are not counted";
    const auto segments = static_cast<double>(tap.count());
    const double payload = segments * (*tap.mean() - kHeaderBytes);
    const auto sent = static_cast<double>(loop.sent);
    EXPECT_GE(payload, 0.999 * sent) << "and what was sent again beside it";
  }
  EXPECT_GT(loop.sender_segment_bytes->max(), 1514) << "the kernel segments late";
  EXPECT_GT(metric_of(*result, "sender_segment_bytes"), 1514.0);
}

// Over a wire that cuts, with that level of gro at the receiver.
Result<TrialResult> run_over_cut_wire(TrialOrder order, const std::string& gro) {
  order.closed_loop.taps = true;
  order.closed_loop.wire = WireKind::cut;
  order.kernel_knobs = {{"gro", gro}, {"tso", "on"}};
  PM_TRY(const VethLab lab, VethLab::create(order));
  PM_TRY(std::shared_ptr<LabKnobs> knobs,
         LabKnobs::turn(order, lab.sender_place(), lab.receiver_place(), {}));
  PM_TRY(Ends ends, make_closed_loop_ends(order, lab.sender_place(), lab.receiver_place()));
  ends.receiver = with_knobs(std::move(ends.receiver), std::move(knobs));
  return run_trial(order, std::move(ends));
}

TEST(TcpStream, ACutWireBringsFramesOfTheMtuWhichGroJoinsThoughTheSendersTsoIsOn) {
  NEEDS_NETWORK_LAB();
  for (const std::string gro : {"off", "on"}) {
    const auto result = run_over_cut_wire(loop_order(Path::tcp_stream, 131'072), gro);
    ASSERT_TRUE(result) << result.error().text();
    expect_closed(*result);
    const ClosedLoopAccount& loop = *result->closed_loop;
    EXPECT_GT(loop.sender_segment_bytes->max(), 1514) << "the device was to cut";
    if (gro == "off") {
      EXPECT_EQ(loop.receiver_segment_bytes->max(), 1514);
    } else {
      EXPECT_GT(loop.receiver_segment_bytes->max(), 1514);
    }
    for (const std::string name : {"gro", "tso", "wire"}) {
      const Knob& knob = result->knobs.at(name);
      EXPECT_TRUE(knob.exercised) << name << ": " << knob.evidence;
    }
  }
}

TEST(RequestResponse, IsAnsweredOverACutWire) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = loop_order(Path::tcp_rr, 9000);
  order.closed_loop.wire = WireKind::cut;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  EXPECT_TRUE(result->closed_loop->failures.empty());
  EXPECT_GT(result->closed_loop->in_window, 0);
  EXPECT_LT(result->latency_ns.round_trip->max(), 100'000'000) << "no SYN or segment was lost";
}

TEST(TcpStream, WithoutTapsNoSegmentIsMeasured) {
  NEEDS_NETWORK_LAB();
  const auto result = run(loop_order(Path::tcp_stream, 4096));
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_FALSE(result->closed_loop->sender_segment_bytes);
  EXPECT_FALSE(result->closed_loop->untapped_segments);
}

TEST(TcpStream, TakesTheCongestionControlThatIsAsked) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = loop_order(Path::tcp_stream, 1000);
  order.closed_loop.congestion_control = "reno";
  order.closed_loop.no_delay = true;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  EXPECT_EQ(result->closed_loop->tcp->congestion_control, "reno");
  for (const std::string name : {"congestion_control", "no_delay"}) {
    EXPECT_EQ(result->knobs.at(name).state, KnobState::confirmed) << name;
    EXPECT_EQ(result->knobs.at(name).requested, result->knobs.at(name).effective) << name;
  }
  order.closed_loop.congestion_control = "unheard_of";
  const auto refused = run(order);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::host_cannot);
  EXPECT_NE(refused.error().what.find("congestion_control unheard_of"), std::string::npos);
  EXPECT_NE(refused.error().what.find("reno"), std::string::npos) << refused.error().what;
}

TEST(TcpStream, AReceiveBufferThatNobodyEmptiesLimitsTheWindow) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = loop_order(Path::tcp_stream, 4096);
  order.receiver.socket_buffer_bytes = 8192;
  order.planted_stop_ns = 200'000'000;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  EXPECT_LT(result->closed_loop->tcp->snd_wnd_max_bytes, 65'536);
  EXPECT_GT(result->closed_loop->tcp->rwnd_limited_ratio, 0.5);
  EXPECT_EQ(result->limited_by, "kernel:receive_window");
  const Knob& knob = result->knobs.at("socket_buffer");
  EXPECT_EQ(knob.effective, "8192");
  EXPECT_EQ(knob.state, KnobState::confirmed);
  EXPECT_TRUE(knob.exercised) << "bytes waited in it";
}

TEST(TcpCrr, EveryConnectionIsMadeAskedAnsweredAndClosed) {
  NEEDS_NETWORK_LAB();
  for (const int streams : {1, 16}) {
    TrialOrder order = loop_order(Path::tcp_crr);
    order.closed_loop.streams = streams;
    order.closed_loop.response_bytes = 3000;
    const auto result = run(order);
    ASSERT_TRUE(result) << result.error().text();
    expect_closed(*result);
    const ClosedLoopAccount& loop = *result->closed_loop;
    EXPECT_EQ(loop.unit, ClosedLoopUnit::connections);
    EXPECT_GT(loop.in_window, 0);
    EXPECT_EQ(result->latency_ns.round_trip->count(), loop.in_window);
    EXPECT_GE(result->counters.at("sender.tcp.ActiveOpens").delta, loop.received);
    EXPECT_GE(result->counters.at("receiver.tcp.PassiveOpens").delta, loop.received);
    EXPECT_EQ(result->counters.at("sender.tcpext.TW").delta, 0) << "no port is kept waiting";
    EXPECT_GT(metric_of(*result, "connections_per_s"), 0.0);
    EXPECT_EQ(result->knobs.at("listen_backlog").effective, "128");
  }
}

TEST(TcpCrr, MoreConnectionsThanTheListenQueueHoldsFailForIt) {
  NEEDS_NETWORK_LAB();
  TrialOrder order = loop_order(Path::tcp_crr);
  order.closed_loop.streams = 64;
  order.closed_loop.listen_backlog = 2;
  order.seconds = 0.3;
  order.planted_stop_ns = kConnectionTimeoutNs + 300'000'000;
  const auto result = run(order);
  ASSERT_TRUE(result) << result.error().text();
  expect_closed(*result);
  const ClosedLoopAccount& loop = *result->closed_loop;
  EXPECT_GE(loop.failures.at("timed out"), 64 - 4);
  EXPECT_GT(result->counters.at("receiver.tcpext.ListenOverflows").delta, 0);
  EXPECT_EQ(result->limited_by, "kernel:listen_queue");
  const Knob& knob = result->knobs.at("listen_backlog");
  EXPECT_EQ(knob.effective, "2");
  EXPECT_EQ(knob.state, KnobState::confirmed);
}

TEST(TcpCrr, WithoutAServerTheReasonIsTheKernels) {
  NEEDS_NETWORK_LAB();
  const auto result = run_without_server(loop_order(Path::tcp_crr));
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(result->closed_loop->unaccounted(), 0);
  EXPECT_GT(result->closed_loop->failures.at("Connection refused"), 0);
  EXPECT_FALSE(result->valid);
}

TEST(ClosedLoop, EndsThatAreGivenUpLetGo) {
  NEEDS_NETWORK_LAB();
  for (const Path path : {Path::tcp_stream, Path::tcp_rr, Path::tcp_crr, Path::udp_rr}) {
    TrialOrder order = loop_order(path, 1000);
    order.seconds = 60.0;
    const auto lab = VethLab::create(order);
    ASSERT_TRUE(lab);
    auto ends = make_closed_loop_ends(order, lab->sender_place(), lab->receiver_place());
    ASSERT_TRUE(ends);
    ASSERT_TRUE(ends->receiver->open() && ends->sender->open());
    ASSERT_TRUE(ends->receiver->start() && ends->sender->start());
    ends->sender->abandon();
    ends->receiver->abandon();
  }
}

TEST(ClosedLoop, RefusesWhatItCannotDo) {
  const NetdevPlace nowhere;
  EXPECT_FALSE(make_closed_loop_ends(loop_order(Path::dpdk), nowhere, nowhere));
  const auto tiny = make_closed_loop_ends(loop_order(Path::tcp_rr, 3), nowhere, nowhere);
  ASSERT_FALSE(tiny);
  EXPECT_EQ(tiny.error().code, Errc::bad_experiment);
}

}  // namespace
}  // namespace pollmark
