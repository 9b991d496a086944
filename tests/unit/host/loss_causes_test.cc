#include "host/loss_causes.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

namespace pollmark {
namespace {

TEST(LossCauses, EachSaysInOneSentenceWhatHappened) {
  for (const LossCause& cause : loss_causes()) {
    const std::string name = std::string(cause.layer) + "." + std::string(cause.counter);
    EXPECT_GT(cause.cause.size(), 10U) << name;
    EXPECT_FALSE(cause.cause.ends_with('.')) << name;
    EXPECT_EQ(cause.cause.find('\n'), std::string_view::npos) << name;
  }
}

TEST(LossCauses, NoCounterStandsTwiceAndNoneIsHiddenByAnother) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const LossCause& cause : loss_causes()) {
    EXPECT_TRUE(seen.emplace(cause.layer, cause.counter).second) << cause.layer << cause.counter;
    if (cause.counter.find('*') != std::string_view::npos) continue;
    const std::string name = std::string(cause.layer) + ".x." + std::string(cause.counter);
    EXPECT_EQ(cause_of(name), &cause) << name;
  }
}

TEST(LossCauses, DriversNamesAreFoundByPatternsTheExactOnesFirst) {
  const auto cause = [](const char* name) {
    const LossCause* found = cause_of(name);
    return found == nullptr ? std::string_view("none") : found->counter;
  };
  EXPECT_EQ(cause("driver.eth0.[3]: rx_discards"), "*rx_discards*");
  EXPECT_EQ(cause("driver.eth0.rx_no_dma_resources"), "rx_no_dma_resources");
  EXPECT_EQ(cause("driver.eth0.rx_queue_0_xdp_drops"), "*xdp_drops*");
  EXPECT_EQ(cause("driver.eth0.rx_queue_0_drops"), "*drop*");
  EXPECT_EQ(cause("driver.eth0.port.rx_dropped"), "*drop*");
  EXPECT_EQ(cause("driver.eth0.rx_queue_0_packets"), "none");
  EXPECT_EQ(cause("link.eth0.rx_packets"), "none");
}

TEST(CounterNames, AreTakenApartAsTheyWerePutTogether) {
  const auto expect = [](std::string_view name, std::string_view layer, std::string_view netdev,
                         std::string_view counter) {
    const CounterName parts = parts_of(name);
    EXPECT_EQ(parts.layer, layer) << name;
    EXPECT_EQ(parts.netdev, netdev) << name;
    EXPECT_EQ(parts.counter, counter) << name;
  };
  expect("link.eth0.100.rx_dropped", "link", "eth0.100", "rx_dropped");
  expect("driver.eth0.port.rx_dropped", "driver", "eth0", "port.rx_dropped");
  expect("driver.eth0.[0]: rx_discards", "driver", "eth0", "[0]: rx_discards");
  expect("qdisc.eth0.100.htb[1: root].drops", "qdisc", "eth0.100", "drops");
  expect("class.a0.htb[1:10].drops", "class", "a0", "drops");
  expect("udp_socket[198.18.0.1:9000#4711].drops", "udp_socket", "", "drops");
  expect("tcpext.ListenDrops", "tcpext", "", "ListenDrops");
  expect("softnet.dropped", "softnet", "", "dropped");
  EXPECT_EQ(parts_of("udp_socket[198.18.0.1:9000#4711].drops").subject, "[198.18.0.1:9000#4711]");
}

TEST(LossCauses, RemedyNamesTheDeviceThatLost) {
  const char* name = "link.eth0.100.rx_missed_errors";
  EXPECT_EQ(remedy_for(*cause_of(name), name),
            "ethtool -G eth0.100 rx N (ethtool -g eth0.100 tells the most)");
  EXPECT_EQ(remedy_for(*cause_of("udp.NoPorts"), "udp.NoPorts"), "ss -lun tells who listens where");
}

}  // namespace
}  // namespace pollmark
