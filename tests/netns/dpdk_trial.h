// One trial with the DPDK sender over a veth lab, for tests.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "closed_books.h"
#include "host/netlink.h"
#include "kernel/books.h"
#include "kernel/udp_socket.h"
#include "kernel/veth_lab.h"
#include "network_lab.h"
#include "rig/dpdk_receiver.h"
#include "rig/dpdk_sender.h"
#include "rig/eal.h"
#include "trial/trial.h"

namespace pollmark {

#define NEEDS_DPDK_LAB()                           \
  NEEDS_NETWORK_LAB();                             \
  const auto eal = start_eal({.memory_mib = 128}); \
  ASSERT_TRUE(eal) << eal.error().text()

inline TrialOrder order_of(Path path) {
  TrialOrder order = veth_order(path);
  order.traffic.flows = 64;
  order.traffic.load.unit = LoadUnit::pps;
  order.traffic.load.value = 50'000;
  order.traffic.intended_pps = 50'000;
  order.seconds = 0.2;
  order.warmup_seconds = 0.02;
  order.receiver.rx_ring = 4096;
  order.receiver.socket_buffer_bytes = 32 << 20;
  return order;
}

inline Result<TrialResult> run(const TrialOrder& order, const VethLab& lab) {
  auto from = std::make_shared<SharedPort>();
  auto to = std::make_shared<SharedPort>();
  const auto drops = watch_trial_drops(order, lab.sender_place(), lab.receiver_place());
  std::vector<Ends> ways;
  for (const TrialOrder& way : directions_of(order)) {
    Ends& ends = ways.emplace_back();
    PM_TRY(ends.sender, make_dpdk_sender(way, lab.sender_of(way), from));
    if (order.path == Path::udp_socket) {
      PM_TRY(ends.receiver, make_udp_socket_receiver(way, lab.receiver_of(way)));
    } else {
      PM_TRY(ends.receiver, make_dpdk_receiver(way, lab.receiver_of(way), to));
    }
    PM_TRY(ends.books, make_kernel_books(way, drops));
    std::swap(from, to);
  }
  return run_trial(order, std::move(ways));
}

inline Result<TrialResult> run(const TrialOrder& order) {
  PM_TRY(const VethLab lab, VethLab::create(order));
  return run(order, lab);
}

// Whatever disturbed the sender or the receiver: the books are closed, the echoes agree, and the
// sequence numbers say the same.
inline void expect_closed(const TrialResult& result) {
  expect_books_closed(result);
  for (const auto& reason : result.invalid_reasons) {
    for (const char* code : {"counter_backwards", "knob_differs", "link_flap", "tsc_step"}) {
      EXPECT_FALSE(reason.starts_with(code)) << reason;
    }
  }
  EXPECT_EQ(result.ledger().pkts(Fate::foreign).value_or(0), 0);
  EXPECT_EQ(result.ledger().pkts(Fate::duplicate).value_or(0), 0);
}

}  // namespace pollmark
