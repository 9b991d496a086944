#include "campaign/starter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"
#include "plan/experiment.h"
#include "record/kernel_knob.h"

namespace pollmark {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

std::filesystem::path goldens() {
  const char* root = std::getenv("POLLMARK_CHECKOUT");
  PM_CHECK(root != nullptr);
  return std::filesystem::path(root) / "tests/golden/snapshots";
}

std::string content_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

std::string snapshot_text(const std::string& name) {
  return content_of(goldens() / (name + ".json"));
}

Result<Plan> plan_of(const std::string& text) {
  auto read = parse_experiment(text, "made.toml", {});
  if (!read) return tl::unexpected<Error>(read.error());
  return plan_experiment(std::move(*read));
}

// The order of the group's cell.
TrialOrder order_in(const Plan& plan, const std::string& group) {
  for (const Cell& cell : plan.cells) {
    if (cell.order.group == group) return cell.order;
  }
  ADD_FAILURE() << "no group " << group;
  return {};
}

std::string made_from(const std::string& snapshot, const ReproductionOrder& order = {"", 8}) {
  const auto made = reproduce_host(snapshot, order);
  EXPECT_TRUE(made) << made.error().text();
  return made ? made->text : "";
}

TEST(Starter, WhatItWritesPlansWhereverItCanRun) {
  for (const StarterMachine& machine :
       {StarterMachine{1, "needs CAP_NET_ADMIN", false}, StarterMachine{2, "", false},
        StarterMachine{64, "", true}, StarterMachine{1, "", true},
        StarterMachine{8, "needs CAP_NET_RAW", true}}) {
    const std::string text = starter_experiment(machine);
    const auto plan = plan_of(text);
    ASSERT_TRUE(plan) << plan.error().text() << text;
    const bool on_veth = machine.cpus > 1 && machine.no_lab.empty();
    EXPECT_EQ(plan->cells.front().order.path != Path::model, on_veth);
    EXPECT_GE(plan->cells.size(), 2U) << "something to compare";
    EXPECT_GE(plan->experiment.blocks, 6) << "enough for a verdict";
    EXPECT_LT(plan->expected_seconds, 120) << "a newcomer does not wait";
    for (const Cell& cell : plan->cells) EXPECT_FALSE(cell.refused) << *cell.refused;
  }
}

// The text without the lines that begin so, and with those that stand behind "# ".
std::string with_the_search(const std::string& text) {
  std::string changed;
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with("load") || line.starts_with("metric")) continue;
    const bool is_out = line.starts_with("# [search]") || line.starts_with("# goals");
    changed += (is_out ? line.substr(2) : line) + "\n";
  }
  return changed;
}

TEST(Starter, WhatItProposesPlansToo) {
  for (const StarterMachine& machine :
       {StarterMachine{1, "needs CAP_NET_ADMIN", false}, StarterMachine{2, "", true}}) {
    const std::string text = starter_experiment(machine);
    const auto searching = plan_of(with_the_search(text));
    ASSERT_TRUE(searching) << searching.error().text();
    EXPECT_TRUE(searching->experiment.search);
    // metric = "loss_ratio"  # or "a", "b"
    const std::size_t at = text.find("\nmetric") + 1;
    const std::vector<std::string> parts = split(text.substr(at, text.find('\n', at) - at), '"');
    ASSERT_EQ(parts.size(), 7U) << parts.front();
    for (const std::size_t other : {3U, 5U}) {
      std::string changed = text;
      changed.replace(changed.find("\"loss_ratio\""), 12, '"' + parts[other] + '"');
      const auto plan = plan_of(changed);
      ASSERT_TRUE(plan) << plan.error().text();
      EXPECT_EQ(plan->experiment.judge.metric, parts[other]);
    }
  }
}

TEST(Starter, OnTheModelItSaysWhatAVethWouldTake) {
  EXPECT_THAT(starter_experiment({1, "needs CAP_NET_ADMIN", false}),
              HasSubstr("# needs CAP_NET_ADMIN.\n"));
}

TEST(Reproduction, RecordedSnapshotsGiveWhatTheyGave) {
  for (const char* name : {"nic_25g", "virtio_idle", "loopback_alone", "nothing_told"}) {
    const std::string text = made_from(snapshot_text(name));
    const auto plan = plan_of(text);
    ASSERT_TRUE(plan) << name << ": " << plan.error().text();
    for (const Cell& cell : plan->cells) EXPECT_FALSE(cell.refused) << *cell.refused;
    const auto file = goldens() / (std::string(name) + ".toml");
    const char* mode = std::getenv("POLLMARK_GOLDEN");
    if (mode && std::string_view(mode) == "write") std::ofstream(file, std::ios::binary) << text;
    EXPECT_EQ(text, content_of(file)) << "POLLMARK_GOLDEN=write " << name << " writes it anew";
  }
}

TEST(Reproduction, EachValueGetsWhereItBelongs) {
  const auto plan = plan_of(made_from(snapshot_text("nic_25g")));
  ASSERT_TRUE(plan) << plan.error().text();
  const TrialOrder udp = order_in(*plan, "udp");
  EXPECT_EQ(udp.path, Path::udp_socket);
  EXPECT_EQ(udp.traffic.frame_bytes, std::vector<int>{518}) << "the device counts without the FCS";
  EXPECT_EQ(udp.traffic.load.unit, LoadUnit::pps);
  EXPECT_EQ(udp.traffic.load.value, 1'284'300);
  EXPECT_EQ(udp.receiver.socket_buffer_bytes, 106'496) << "the kernel doubles it";
  const std::map<std::string, std::string> of_both = {{"channels", "4"},
                                                      {"gro", "on"},
                                                      {"gso", "on"},
                                                      {"lro", "off"},
                                                      {"mtu", "1500"},
                                                      {"gro_flush_timeout", "20 us"},
                                                      {"rx_checksum", "on"},
                                                      {"napi_defer_hard_irqs", "2"},
                                                      {"rx_gro_list", "off"},
                                                      {"rfs", "0"},
                                                      {"rps", "off"},
                                                      {"sg", "on"},
                                                      {"tso", "on"},
                                                      {"threaded_napi", "off"},
                                                      {"tx_checksum", "on"},
                                                      {"tx_queue_len", "1000"},
                                                      {"udp_gro_forwarding", "off"},
                                                      {"udp_segmentation", "on"}};
  EXPECT_EQ(udp.kernel_knobs, of_both);
  auto with_tcp = of_both;
  with_tcp.merge(std::map<std::string, std::string>{{"tcp_rmem", "4096 131072 33554432"},
                                                    {"tcp_wmem", "4096 16384 33554432"},
                                                    {"syncookies", "1"},
                                                    {"max_syn_backlog", "4096"},
                                                    {"somaxconn", "4096"}});
  const TrialOrder tcp = order_in(*plan, "tcp");
  EXPECT_EQ(tcp.path, Path::tcp_stream);
  EXPECT_EQ(tcp.kernel_knobs, with_tcp);
  EXPECT_EQ(tcp.closed_loop.congestion_control, "cubic");
}

TEST(Reproduction, AFrameIsNoLargerThanTheMtuThatItGets) {
  Json snapshot = Json::parse(snapshot_text("nic_25g"));
  Json& eth2 = snapshot["netdevs"][1];
  eth2["mtu"] = 400;
  eth2["traffic"]["rx_mean_frame_bytes"] = 1000.0;  // of frames that the device had joined
  const std::string text = made_from(snapshot.dump());
  EXPECT_THAT(text, HasSubstr("; the nearest that can be sent\n"));
  const auto plan = plan_of(text);
  ASSERT_TRUE(plan) << plan.error().text();
  EXPECT_EQ(order_in(*plan, "udp").traffic.frame_bytes, std::vector<int>{418});
}

TEST(Reproduction, WhatNoVethTakesStandsThereWithItsReason) {
  const std::string text = made_from(snapshot_text("nic_25g"), {"", 2});
  for (const char* line :
       {"#   netdev_rx_ring = 2047: a veth has no rings of descriptors\n",
        "#   coalescing = 6: a veth does not interrupt\n",
        "#   channels = 4: a veth has as many queues as the machine CPUs, and this one has 2\n",
        "#   xps: differs from queue to queue: ",
        "#   qdisc: is mq, as the kernel chose; a veth has none of its own\n",
        "#   netdev_budget = 600: of the whole host; in [kernel] beside [host] allow = "
        "[\"net.core.netdev_budget\"] it is turned here, too\n",
        "#   irq_affinity: a snapshot does not tell it\n",
        "#   RSS: a snapshot does not tell key and table",
        "#   other features that are on: rx-gro-hw rx-hashing rx-ntuple-filter rx-vlan-hw-parse "
        "tx-vlan-hw-insert\n",
        "#   net.ipv4.conf.all.rp_filter = 2: no factor\n",
        "#   netdev.driver = bnxt_en: of that machine\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(made_from(snapshot_text("nothing_told")),
              HasSubstr("#   tcp_rmem: not told: net.ipv4.tcp_rmem: Permission denied\n"));
  EXPECT_THAT(made_from(snapshot_text("virtio_idle")), HasSubstr("threaded_napi = \"on\""));
}

TEST(Reproduction, TheBusiestDeviceIsChosenAndSaid) {
  const auto busiest = reproduce_host(snapshot_text("nic_25g"), {"", 8});
  ASSERT_TRUE(busiest);
  EXPECT_EQ(busiest->netdev, "eth2") << "not the loopback device, however much goes over it";
  EXPECT_EQ(busiest->why, "the busiest: 1.92 Mpps in and out");
  EXPECT_EQ(reproduce_host(snapshot_text("nic_25g"), {"lo", 8})->netdev, "lo");
  const auto idle = reproduce_host(snapshot_text("virtio_idle"), {"", 8});
  EXPECT_EQ(idle->netdev, "eth0");
  EXPECT_EQ(idle->why, "none carried traffic; the first NIC with a carrier");
  EXPECT_EQ(reproduce_host(snapshot_text("loopback_alone"), {"", 8})->why, "the only one");
}

TEST(Reproduction, WhatIsNoSnapshotIsRefusedWithThePlace) {
  const std::string whole = snapshot_text("nic_25g");
  const auto words_of = [](const std::string& text, const std::string& netdev = "") {
    const auto made = reproduce_host(text, {netdev, 8});
    EXPECT_FALSE(made);
    if (made) return std::string();
    EXPECT_EQ(made.error().code, Errc::bad_experiment);
    return made.error().text();
  };
  EXPECT_THAT(words_of(whole.substr(0, 1000)), HasSubstr("at byte 1001 of 1000"));
  EXPECT_THAT(words_of(""), HasSubstr("no JSON"));
  EXPECT_THAT(words_of("[]"), HasSubstr("is no snapshot"));
  EXPECT_THAT(words_of(R"({"kind": "trial"})"), HasSubstr("is no snapshot"));
  EXPECT_THAT(words_of(R"({"kind": "snapshot"})"), HasSubstr("no device"));
  EXPECT_THAT(words_of(R"({"kind": "snapshot", "netdevs": [1, {"netdev": 2}]})"),
              HasSubstr("no device"));
  EXPECT_THAT(words_of(whole, "eth7"), HasSubstr("no device \"eth7\"; allowed: lo, eth2"));
}

TEST(Reproduction, NoTextOfASnapshotGetsOutOfItsPlace) {
  Json snapshot = Json::parse(snapshot_text("nic_25g"));
  for (Json& netdev : snapshot["netdevs"]) {
    netdev["netdev"] = "e\"\n[trial]\\/x";
    netdev["driver"] = "a\nb = 1";
    netdev["qdisc"] = "q\n[kernel]";
    netdev["features"]["odd\nname"] = true;
  }
  snapshot["utc"] = "now\nx = 1";
  snapshot["not_told"]["net.core.busy_poll\n"] = "\n[host]";
  snapshot["sysctls"]["a\nb"] = "c\nd";
  const auto plan = plan_of(made_from(snapshot.dump()));
  ASSERT_TRUE(plan) << plan.error().text();
  EXPECT_EQ(plan->experiment.name, "like e\" [trial]\\-x");
}

// Every member of the tree, however deep, may be gone, null or something else.
void maim(Json& json, int one_in) {
  static const std::vector<Json> others = {
      nullptr,          "x\n",          -1,   1e300, 7,
      Json::array({1}), Json::object(), true, "0",   "1,ffffffff,ffffffff"};
  const auto chance = [&] { return *rc::gen::inRange(0, one_in) == 0; };
  if (json.is_object()) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : json.items()) keys.push_back(key);
    for (const std::string& key : keys) {
      if (!chance()) {
        maim(json[key], one_in);
      } else if (chance()) {
        json[key] = others[*rc::gen::inRange<std::size_t>(0, others.size())];
      } else {
        json.erase(key);
      }
    }
  } else if (json.is_array()) {
    for (Json& each : json) maim(each, one_in);
  }
}

TEST(Reproduction, AnySubsetOfWhatASnapshotTellsGivesAnExperimentThatPlans) {
  const std::vector<std::string> whole = {snapshot_text("nic_25g"), snapshot_text("virtio_idle"),
                                          snapshot_text("loopback_alone")};
  EXPECT_TRUE(rc::check([&] {
    Json snapshot = Json::parse(whole[*rc::gen::inRange<std::size_t>(0, whole.size())]);
    maim(snapshot, *rc::gen::inRange(2, 20));
    snapshot["kind"] = "snapshot";
    if (!snapshot["netdevs"].is_array()) snapshot["netdevs"] = Json::array();
    snapshot["netdevs"].push_back({{"netdev", "eth5"}});
    const int cpus = *rc::gen::inRange(1, 9);
    const auto made = reproduce_host(snapshot.dump(), {"", cpus});
    RC_ASSERT(made.has_value());
    const auto plan = plan_of(made->text);
    if (!plan) RC_FAIL(plan.error().text() + "\n" + made->text);
    for (const Cell& cell : plan->cells) RC_ASSERT(!cell.refused);
    // Nothing is dropped without a word.
    for (const KernelKnob& knob : all_kernel_knobs()) {
      const std::string name(knob.name);
      const bool is_set = made->text.find("\n" + name + " = ") != std::string::npos;
      const bool is_left = made->text.find("\n#   " + name + ":") != std::string::npos ||
                           made->text.find("\n#   " + name + " = ") != std::string::npos;
      if (is_set == is_left) RC_FAIL(name + "\n" + made->text);
    }
  }));
}

}  // namespace
}  // namespace pollmark
