// What a test over a veth pair needs, and the order that it starts from.
#pragma once

#include <gtest/gtest.h>

#include "host/privilege.h"
#include "host/trial_cpus.h"
#include "record/trial_order.h"

#define NEEDS_NETWORK_LAB()                                                             \
  if (auto needed = need_network_lab(); !needed) GTEST_SKIP() << needed.error().text(); \
  if (!trial_cpus(TrialOrder{})) GTEST_SKIP() << "needs two cpus"

namespace pollmark {

// Without a schedule worth judging: what sends in these tests keeps none.
inline TrialOrder veth_order(Path path) {
  TrialOrder order;
  order.path = path;
  order.clock = ClockKind::wall;
  order.generator_port = "veth";
  order.receiver_port = "veth";
  order.traffic.load.unit = LoadUnit::max;
  return order;
}

}  // namespace pollmark
