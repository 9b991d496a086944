#include "kernel/tap_receiver.h"

#include <gtest/gtest.h>

namespace pollmark {
namespace {

CounterSnapshot counters(std::uint64_t drops, std::uint64_t no_ports, std::uint64_t resent) {
  CounterSnapshot snapshot;
  put_counter(snapshot, "sender.qdisc.drops", drops, {.role = CounterRole::owner});
  put_counter(snapshot, "receiver.udp.NoPorts", no_ports, {.role = CounterRole::context});
  put_counter(snapshot, "sender.tcp.RetransSegs", resent, {.role = CounterRole::context});
  return snapshot;
}

TEST(Trigger, IsAnOwnerOfLossesThatMoved) {
  EXPECT_EQ(loss_between(Path::dpdk, counters(3, 0, 0), counters(3, 0, 0)), std::nullopt);
  EXPECT_EQ(loss_between(Path::dpdk, counters(3, 0, 0), counters(4, 0, 0)), "sender.qdisc.drops");
  EXPECT_EQ(loss_between(Path::packet_mmap, counters(3, 0, 0), counters(3, 9, 0)), std::nullopt)
      << "what becomes of the copy that goes up the stack is no loss of the ring's";
}

TEST(Trigger, IsWhatAClosedLoopSendsAgain) {
  EXPECT_EQ(loss_between(Path::tcp_stream, counters(0, 0, 5), counters(0, 0, 5)), std::nullopt);
  EXPECT_EQ(loss_between(Path::tcp_stream, counters(0, 0, 5), counters(0, 0, 6)),
            "sender.tcp.RetransSegs");
}

}  // namespace
}  // namespace pollmark
