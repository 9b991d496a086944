#include "trial/closed_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trial/closing.h"
#include "trial/validity.h"

namespace pollmark {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

ClosedLoopAccount asked(std::int64_t sent, std::int64_t received) {
  ClosedLoopAccount client;
  client.unit = ClosedLoopUnit::transactions;
  client.sent = sent;
  client.received = received;
  client.in_window = received;
  return client;
}

struct Judged {
  ClosedBooks books;
  Validity validity;
};

Judged judge(const ClosedLoopAccount& client, const ServingAccount& server,
             double client_waited = 0.01, double server_waited = 0.01) {
  TrialOrder order;
  order.path = Path::udp_rr;
  order.clock = ClockKind::wall;
  order.traffic.load.unit = LoadUnit::max;
  SenderAccount sent;
  sent.window_seconds = 1.0;
  sent.closed_loop = client;
  sent.lcores.push_back(
      {.role = "client", .polling = false, .runnable_waiting_fraction = client_waited});
  ReceiverAccount got;
  got.serving = server;
  got.lcores.push_back(
      {.role = "server", .polling = false, .runnable_waiting_fraction = server_waited});
  Judged judged;
  judged.books = close_books(order, sent, got, {}, nullptr);
  judged.validity = validity_of({order, sent, got, judged.books, {}, std::nullopt, 0, true}, {});
  return judged;
}

TEST(ClosedLoop, WhatWasAskedIsAnsweredOrFailedByName) {
  ClosedLoopAccount client = asked(100, 97);
  client.failures["timed out"] = 3;
  const Judged judged = judge(client, {.served = 99});
  ASSERT_TRUE(judged.books.closed_loop);
  EXPECT_EQ(judged.books.closed_loop->unaccounted(), 0);
  EXPECT_EQ(judged.books.closed_loop->served, 99);
  EXPECT_THAT(judged.validity.invalid_reasons, IsEmpty());
  EXPECT_FALSE(judged.books.stream.ledger.pkts(Fate::received)) << "no packets are made up";
}

TEST(ClosedLoop, ARequestWithoutAnEndOpensTheBooks) {
  EXPECT_THAT(judge(asked(100, 99), {.served = 100}).validity.invalid_reasons,
              ElementsAre("books_open: 1 of 100 transactions sent are unaccounted for"));
  EXPECT_THAT(judge(asked(100, 101), {.served = 101}).validity.invalid_reasons,
              ::testing::Contains(HasSubstr("1 of 100 transactions sent are counted twice")));
}

TEST(ClosedLoop, AServerThatAnsweredFewerThanCameOrMoreThanWereAskedIsAContradiction) {
  for (const std::int64_t served : {99, 101}) {
    EXPECT_THAT(judge(asked(100, 100), {.served = served}).validity.invalid_reasons,
                ElementsAre(StartsWith("books_open: the client sent 100 and got 100 answers")))
        << served;
  }
}

TEST(ClosedLoop, BytesAreReceivedWhereTheServerReadThem) {
  ClosedLoopAccount client;
  client.unit = ClosedLoopUnit::bytes;
  client.sent = 5000;
  Judged judged = judge(client, {.served = 5000, .served_in_window = 4000});
  EXPECT_EQ(judged.books.closed_loop->received, 5000);
  EXPECT_EQ(judged.books.closed_loop->in_window, 4000);
  EXPECT_FALSE(judged.books.closed_loop->served);
  EXPECT_THAT(judged.validity.invalid_reasons, IsEmpty());
  judged = judge(client, {.served = 4999, .served_in_window = 4000});
  EXPECT_THAT(judged.validity.invalid_reasons,
              ElementsAre("books_open: 1 of 5 000 bytes sent are unaccounted for"));
}

TEST(ClosedLoop, AnEndThatWaitedForItsCpuDisturbsTheTrialThoughNothingIsLost) {
  EXPECT_THAT(judge(asked(9, 9), {.served = 9}, 0.031, 0.0).validity.invalid_reasons,
              ElementsAre(StartsWith("generator_stalled: client was runnable but waited")));
  EXPECT_THAT(judge(asked(9, 9), {.served = 9}, 0.0, 0.031).validity.invalid_reasons,
              ElementsAre(StartsWith("receiver_starved: server was runnable but waited")));
}

TEST(ClosedLoop, AWindowWithoutAnAnswerIsNoResult) {
  ClosedLoopAccount client = asked(1, 0);
  client.failures["timed out"] = 1;
  EXPECT_THAT(judge(client, {}).validity.invalid_reasons,
              ElementsAre("generator_short: no transactions in the window"));
}

TEST(ClosedLoop, SegmentsThatATapHadNoRoomForAreToldOfBothTaps) {
  constexpr const char* kDoubt =
      "segment lengths: the taps had no room for some (untapped_segments)";
  ClosedLoopAccount client = asked(9, 9);
  ServingAccount server{.served = 9, .untapped_segments = 3};
  EXPECT_FALSE(judge(client, server).books.closed_loop->untapped_segments)
      << "of one tap alone nothing is said";
  client.untapped_segments = 0;
  const Judged some = judge(client, server);
  EXPECT_EQ(some.books.closed_loop->untapped_segments, 3);
  EXPECT_THAT(some.validity.not_checked, ::testing::Contains(kDoubt));
  EXPECT_THAT(some.validity.invalid_reasons, IsEmpty());
  server.untapped_segments = 0;
  EXPECT_THAT(judge(client, server).validity.not_checked,
              ::testing::Not(::testing::Contains(kDoubt)));
}

TEST(ClosedLoop, UsesTheCoresOfBothEnds) {
  ClosedLoopAccount loop = asked(10, 10);
  loop.client_cpu_ns = 400'000'000;
  EXPECT_FALSE(cores_used(loop, 0.5)) << "of one end alone nothing is said";
  loop.server_cpu_ns = 100'000'000;
  EXPECT_EQ(cores_used(loop, 0.5), 1.0);
}

TEST(ClosedLoop, IsLimitedByWhatItWaitedFor) {
  ClosedLoopAccount loop = asked(10, 10);
  loop.client_cpu_ns = 400'000'000;
  loop.server_cpu_ns = 500'000'000;
  EXPECT_EQ(closed_loop_limit(loop, 1.0, {}).by, "round_trip");
  loop.unit = ClosedLoopUnit::bytes;
  EXPECT_EQ(closed_loop_limit(loop, 1.0, {}).by, "unknown") << "a stream's writes do not wait";
  loop.unit = ClosedLoopUnit::transactions;
  loop.server_cpu_ns = 980'000'000;
  const Limit core = closed_loop_limit(loop, 1.0, {});
  EXPECT_EQ(core.by, "core");
  EXPECT_THAT(core.why, StartsWith("the server's thread was at work 98.0 %"));
  loop.tcp.emplace().sndbuf_limited_ratio = 0.6;
  EXPECT_EQ(closed_loop_limit(loop, 1.0, {}).by, "kernel:send_buffer");
  loop.tcp->rwnd_limited_ratio = 0.51;
  EXPECT_EQ(closed_loop_limit(loop, 1.0, {}).by, "kernel:receive_window");
  loop.failures["timed out"] = 1;
  EXPECT_EQ(closed_loop_limit(loop, 1.0, {}).by, "kernel:receive_window");
  CounterChange overflows;
  overflows.delta = 7;
  EXPECT_EQ(closed_loop_limit(loop, 1.0, {{"receiver.tcpext.ListenOverflows", overflows}}).by,
            "kernel:listen_queue");
}

}  // namespace
}  // namespace pollmark
