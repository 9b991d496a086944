#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiment_text.h"
#include "plan/experiment.h"
#include "plan/factors.h"
#include "plan/feasibility.h"
#include "plan/keys.h"

namespace pollmark {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

const Group& only_group(const Result<Experiment>& experiment) {
  PM_CHECK(experiment && experiment->groups.size() == 1);
  return experiment->groups.front();
}

TEST(ExperimentFile, AWrongLevelIsNotAlsoAMistakeOfTheBaseline) {
  for (const std::string_view levels : {"[64, 0]", "[]", "64", "[0]"}) {
    std::string text = small_with("[64, 512]", levels);
    text += "[judge]\nbaseline = { rx_ring = 64 }\n";
    EXPECT_THAT(mistakes(text), ElementsAre(HasSubstr("exp.toml:10:"))) << levels;
  }
}

TEST(ExperimentFile, TheSizesOfRfc2544AreSevenLevels) {
  std::string text = small_with("frame = 256\n", "");
  text.replace(text.find("rx_ring = [64, 512]"), 19, "frame = \"rfc2544_sizes\"");
  const auto named = parsed(text + "[judge]\nbaseline = { frame = 1518 }\n");
  ASSERT_THAT(only_group(named).factors, SizeIs(1));
  // RFC 2544 section 9.1.
  EXPECT_THAT(only_group(named).factors[0].levels,
              ElementsAre("64", "128", "256", "512", "1024", "1280", "1518"));
}

TEST(ExperimentFile, ReadsEveryValueIntoTheFieldOfItsName) {
  const auto read = parsed(R"(
name = "all"
question = "Why?"
under_test = "receiver"
[generator]
port = "model"
lcores = [2, 3]
[receiver]
port = "model"
lcores = [4, 5]
stage = { kind = "checksum" }
workers = 2
ring = 1024
rx_ring = 256
queues = 4
rss_fields = ["ipv4-udp", "ipv4"]
reta = [3, 1, 1, 1]
rx_offloads = ["rss_hash", "checksum"]
burst = 16
pool_mbufs = 8192
numa = "remote"
[traffic]
kind = "udp"
frame = [64, 1518]
flows = 4096
arrivals = "burst 64"
load = "40 %"
direction = "one_way"
[model]
link = "100G"
clock = "lockstep"
dma = "memory"
stalls = "every 1 ms for 20 us"
faults = { drop = 1e-4, duplicate = 0.1, reorder = 0.2, corrupt = 0.3, delay = 0.25, delay_time = "20 us" }
[trial]
seconds = 0.25
warmup = "50 ms"
blocks = 7
retries = 2
seed = 99
validity = "as_is"
drop_reasons = "off"
[judge]
metric = "latency_p99_ns"
matters = "0.5 %"
choose = "smallest rx_ring equivalent to the best"
)");
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->name, "all");
  EXPECT_EQ(read->question, "Why?");
  EXPECT_EQ(read->blocks, 7);
  EXPECT_EQ(read->retries, 2);
  EXPECT_EQ(read->seed, 99U);
  EXPECT_EQ(read->judge.metric, "latency_p99_ns");
  EXPECT_DOUBLE_EQ(read->judge.matters, 0.005);
  EXPECT_EQ(read->judge.choose, "smallest rx_ring equivalent to the best");
  const Group& group = only_group(read);
  EXPECT_EQ(group.name, "main");
  EXPECT_TRUE(group.factors.empty());
  const TrialOrder& order = group.base;
  EXPECT_EQ(order.path, Path::model);
  EXPECT_EQ(order.validity, ValidityRule::as_is);
  EXPECT_EQ(order.drop_reasons, DropReasonsRule::off);
  EXPECT_THAT(order.generator_lcores, ElementsAre(2, 3));
  EXPECT_THAT(order.receiver_lcores, ElementsAre(4, 5));
  EXPECT_DOUBLE_EQ(order.seconds, 0.25);
  EXPECT_DOUBLE_EQ(order.warmup_seconds, 0.05);
  const ReceiverOrder receiver{.rx_ring = 256,
                               .queues = 4,
                               .rss_fields = {"ipv4", "ipv4-udp"},
                               .reta_weights = {3, 1, 1, 1},
                               .rx_offloads = {"checksum", "rss_hash"},
                               .stage = StageKind::checksum,
                               .workers = 2,
                               .ring = 1024,
                               .burst = 16,
                               .pool_mbufs = 8192,
                               .numa = NumaPlacement::remote};
  EXPECT_EQ(order.receiver, receiver);
  EXPECT_THAT(order.traffic.frame_bytes, ElementsAre(64, 1518));
  EXPECT_EQ(order.traffic.flows, 4096);
  EXPECT_EQ(order.traffic.arrivals, (Arrivals{ArrivalKind::burst, 64}));
  EXPECT_EQ(order.traffic.load, (Load{LoadUnit::line_percent, 40.0}));
  const ModelOrder model{
      .link_bps = 100e9,
      .dma = DmaPlacement::memory,
      .stalls = {.kind = StallKind::periodic, .every_ns = 1'000'000, .for_ns = 20'000},
      .faults = {.drop = 1e-4,
                 .duplicate = 0.1,
                 .reorder = 0.2,
                 .corrupt = 0.3,
                 .delay = 0.25,
                 .delay_ns = 20'000}};
  EXPECT_EQ(order.model, model);
}

TEST(ExperimentFile, TellsAllMistakesAtOnceEachAtItsPlace) {
  const auto found = mistakes(R"(name = "x"
nam = "y"
[receiver]
rx_rign = 512
queues = 32
[trial]
blokcs = 4
[traffic]
load = "40 Gbps"
)");
  EXPECT_THAT(
      found, ElementsAre(AllOf(StartsWith("exp.toml:2:1: "), HasSubstr("\"nam\"")),
                         AllOf(StartsWith("exp.toml:4:1: "), HasSubstr("did you mean \"rx_ring\"")),
                         AllOf(StartsWith("exp.toml:5:10: queues: 32 "),
                               HasSubstr("at most 16 queues a port")),
                         AllOf(StartsWith("exp.toml:7:1: "), HasSubstr("did you mean \"blocks\""),
                               HasSubstr("; allowed: seconds, packets")),
                         AllOf(StartsWith("exp.toml:9:8: load: "), HasSubstr("say the layer"))));
}

TEST(ExperimentFile, EveryMistakeNamesWhatIsAllowed) {
  const std::string text = R"(
name = 4
question = 5
under_test = "moon"
unheard = 1
results = 3
trial = 4
[generator]
port = "modle"
lcores = ["a"]
[receiver]
lcores = [1, 1]
rx_ring = "512"
queues = 0
reta = [0, 0]
rss_fields = []
rx_offloads = ["lroo"]
stage = { kin = "touch" }
burst = 65
pool_mbufs = 3
workers = -1
ring = 1e3
socket_buffer = "1 B"
[traffic]
kind = "udpp"
pcap = 3
timing = "sometimes"
frame = 63
flows = 0
arrivals = "burst 1"
load = "110 %"
direction = "two_way"
[model]
link = "1G"
clock = "sundial"
dma = "cold"
stalls = "every 1 ms for 2 ms"
faults = { drop = 2, corrupt = "much", delay_time = "1 h" }
[factors]
rx_ring = 64
reta = []
burst = [1, 2, 2]
[judge]
metric = "luck"
matters = 0.01
choose = 3
baseline = { rx_ring = 64, nothing = 3 }
)";
  const auto found = mistakes(text);
  EXPECT_GE(found.size(), 38U);
  for (const std::string& line : found) {
    EXPECT_THAT(line, StartsWith("exp.toml:"));
    EXPECT_THAT(line, HasSubstr("allowed")) << "a reader would not know what to write";
  }
}

// A key or value, and what the one mistake must say.
struct Refused {
  std::string_view from;  // in kSmall
  std::string_view to;
  std::string_view place;  // "9:11"
  std::string_view says;
};

class RefusedFile : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedFile, SaysWhereAndWhy) {
  const Refused& each = GetParam();
  const auto found = mistakes(small_with(each.from, each.to));
  ASSERT_THAT(found, SizeIs(1)) << (found.empty() ? "" : join(found, "\n"));
  EXPECT_THAT(found[0], StartsWith("exp.toml:" + std::string(each.place) + ": "));
  EXPECT_THAT(found[0], HasSubstr(std::string(each.says)));
}

INSTANTIATE_TEST_SUITE_P(
    BadInput, RefusedFile,
    ::testing::Values(
        // The classes that a user meets.
        Refused{"blocks = 3", "bloks = 3", "12:1", "did you mean \"blocks\""},
        Refused{"rx_ring = [", "rx_rings = [", "10:1", "did you mean \"rx_ring\""},
        Refused{"[64, 512]", "[16]", "10:12", "rx_ring: 16 is too small; allowed: 32 to 32768"},
        Refused{"[64, 512]", "[64, 40000]", "10:16", "too large; allowed: 32 to 32768"},
        Refused{"rx_ring = [64, 512]", "queues = [1, 17]", "10:14", "at most 16 queues a port"},
        Refused{"frame = 256", "frame = 60", "7:9",
                "frame: 60 is too small; allowed: 64 to 9000 bytes with FCS"},
        Refused{"frame = 256", "frame = 9001", "7:9", "9001 is too large"},
        Refused{"2 Mpps", "20 Mpps", "8:8", "above the line; allowed: up to 11.3 Mpps"},
        Refused{"2 Mpps", "101 %", "8:8", "above the line"},
        Refused{"2 Mpps", "40 Gbps", "8:8", "say the layer: Gbps L1 or Gbps L2"},
        Refused{"2 Mpps", "max", "8:8", "allowed: \"line\""},
        Refused{"frame = 256", "kind = \"replay\"\npcap = \"absent.pcap\"", "8:8",
                "pcap: no such file: "},
        Refused{"port = \"model\"\n[traffic]", "port = \"eth9\"\n[traffic]", "5:8",
                "no such port: \"eth9\"; allowed: \"model\", \"veth\""},
        // Combinations of values set once are mistakes, at the first of them that is written.
        Refused{"[traffic]", "reta = [1, 1]\n[traffic]", "6:8", "2 weights for 1 queue"},
        Refused{"[traffic]", "workers = 1\n[traffic]", "6:11", "without a software ring"},
        Refused{"[traffic]", "ring = 1024\n[traffic]", "6:8", "without workers"},
        Refused{"[traffic]", "ring = 64\nworkers = 1\n[traffic]", "6:8", "below 4 bursts"},
        Refused{"[trial]", "[model]\nfaults = { corrupt = 0.1 }\n[trial]", "12:22",
                "could not be found"},
        Refused{"[traffic]", "path = \"dpdk\"\n[traffic]", "6:8",
                "path dpdk needs port = \"veth\""},
        Refused{"port = \"model\"\n[traffic]", "port = \"veth\"\n[traffic]", "5:1", "not joined"},
        Refused{"frame = 256", "pcap = \"x\"", "7:1", "pcap without replay"},
        Refused{"frame = 256", "timing = \"rate\"", "7:1", "timing without replay"},
        Refused{"frame = 256", "kind = \"replay\"", "7:1", "replay without a capture"},
        Refused{"blocks = 3", "packets = \"1 M\"\nseconds = 1", "12:1", "packets beside seconds"},
        Refused{"[trial]", "[model]\nfaults = { drop = 0.6, delay = 0.6 }\n[trial]", "12:12",
                "faults sum to 1.2"},
        // A value that nothing reads is not silently dropped.
        Refused{"[traffic]", "socket_buffer = \"1 MiB\"\n[traffic]", "6:1",
                "acts on no path that is used here; allowed with path udp_socket"},
        Refused{"rx_ring = [64, 512]", "socket_buffer = [\"default\", \"1 MiB\"]", "10:1",
                "does not act on path model; allowed on udp_socket"},
        Refused{"[traffic]", "rx_ring = 64\n[traffic]", "6:1", "cannot also be set once"},
        // Factors.
        Refused{"[64, 512]", "512", "10:11",
                "a list of 1 to 1000 levels, or set it once in [receiver]"},
        Refused{"[64, 512]", "\"rfc2544_sizes\"", "10:11", "rx_ring: text"},
        Refused{"rx_ring = [64, 512]", "frame = \"rfc2544\"", "10:9",
                "allowed: a list of 1 to 1000 levels, \"rfc2544_sizes\", or set it once"},
        Refused{"[64, 512]", "[]", "10:11", "0 levels"},
        Refused{"[64, 512]", "[64, 512, 64]", "10:21", "level 64 stands twice"},
        Refused{"rx_ring = [64, 512]",
                "layout = [{ queues = 1 }, { queues = 1, reta = \"equal\" }]", "10:27",
                "layout: level queues=1 reta=equal stands twice"},
        Refused{"rx_ring = [64, 512]", "layout = [{ queue = 1 }]", "10:13",
                "did you mean \"queues\""},
        Refused{"rx_ring = [64, 512]", "layout = [4]", "10:11", "tables of factor = level"},
        Refused{"rx_ring = [64, 512]", "rx_ring = [64]\nlayout = [{ rx_ring = 128 }]", "11:1",
                "rx_ring is swept by rx_ring and by layout"},
        // What the judge is told.
        Refused{"[trial]", "[judge]\nbaseline = { queues = 1 }\n[trial]", "12:14",
                "queues is not swept"},
        Refused{"[trial]", "[judge]\nbaseline = { rx_ring = 128 }\n[trial]", "12:24",
                "is not a level of it; allowed: 64, 512"},
        Refused{"[trial]", "[judge]\nmatters = 0.01\n[trial]", "12:11", "a percentage above 0"},
        Refused{"[trial]", "[judge]\nmetric = \"loss_rato\"\n[trial]", "12:10",
                "did you mean \"loss_ratio\""},
        // A key in the wrong table is shown its own.
        Refused{"blocks = 3", "blocks = 3\nload = \"line\"", "13:1", "it belongs to [traffic]"},
        Refused{"[trial]", "[results]\nfolder = \"x\"\n[trial]", "12:1",
                "the folder is given by -o"},
        Refused{"name = \"small\"", "question = \"?\"", "1:1", "name is missing"},
        Refused{"name = \"small\"", "name = \"a/b\"", "1:8", "cannot name a folder"}));

INSTANTIATE_TEST_SUITE_P(
    KernelKnobs, RefusedFile,
    ::testing::Values(Refused{"rx_ring = [64, 512]", "gro = [\"on\"]", "10:1",
                              "gro does not act on path model; allowed on udp_socket"},
                      Refused{"[trial]", "[kernel]\nmtu = 9000\n[trial]", "12:1",
                              "mtu acts on no path that is used here"},
                      Refused{"[trial]", "[kernel]\nmttu = 20\n[trial]", "12:1",
                              "did you mean \"mtu\"?"},
                      Refused{"[trial]", "[host]\nallow = \"all\"\n[trial]", "12:9", "allow: text"},
                      Refused{"[trial]", "[host]\nallow = [\"net.core.netdev_budge\"]\n[trial]",
                              "12:10", "did you mean \"net.core.netdev_budget\"?"},
                      Refused{"[trial]", "[host]\nallow = [\"netdev:\"]\n[trial]", "12:10",
                              "\"netdev:\" is not known; allowed: "}));

INSTANTIATE_TEST_SUITE_P(
    NotYet, RefusedFile,
    ::testing::Values(
        Refused{"[receiver]", "numa = \"local\"\n[receiver]", "4:1", "not yet: placement by node"},
        Refused{"rx_ring = [64, 512]", "numa = [\"near\"]", "10:9", "allowed: local, remote"},
        Refused{"rx_ring = [64, 512]", "tx_ring = [10]", "10:1",
                "not yet: a factor of a later release"},
        Refused{"rx_ring = [64, 512]", "design = \"latin\"", "10:10",
                "allowed: factorial, one_at_a_time"},
        Refused{"[traffic]", "stage = { kind = \"hyperscan\" }\n[traffic]", "6:9",
                "stage: hyperscan without patterns; allowed: \"none\""},
        Refused{"[traffic]", "stage = { kind = \"touch\", patterns = \"p\" }\n[traffic]", "6:9",
                "stage: patterns with kind \"touch\"; allowed with kind = \"hyperscan\""},
        Refused{"[traffic]", "stage = { kind = \"hyperscan\", patterns = \"p\" }\n[traffic]", "6:9",
                "patterns: no such file"},
        Refused{"frame = 256", "hit_ratio = 0.5", "7:13", "hit_ratio: "},
        Refused{"[traffic]", "rx_offloads = [\"lro\"]\n[traffic]", "6:15", "not yet: \"lro\""},
        Refused{"[trial]", "[model]\nclock = \"wal\"\n[trial]", "12:9", "allowed: wall, lockstep"},
        Refused{"[trial]", "[model]\nclock = \"wall\"\nstalls = \"every 1 ms for 20 us\"\n[trial]",
                "12:9", "stalls with clock = \"wall\""},
        Refused{"blocks = 3", "budget = \"20 mint\"", "12:10", "allowed: \"20 min\""},
        Refused{"blocks = 3", "blocks = 3\nbudget = \"20 min\"", "13:10", "one of them"},
        Refused{"name = \"small\"", "name = \"small\"\nunder_test = \"device\"", "2:14",
                "not yet: \"device\""},
        Refused{"port = \"model\"\n[receiver]", "port = \"0000:3b:00.0\"\n[receiver]", "3:8",
                "not yet: PCI ports"},
        Refused{"port = \"model\"\n[receiver]", "port = \"netdev:eth 2\"\n[receiver]", "3:8",
                "\"eth 2\" is no name of a network device; allowed: 1 to 15 characters"},
        Refused{"port = \"model\"\n[receiver]", "port = \"netdev:a234567890123456\"\n[receiver]",
                "3:8", "is no name"},
        Refused{"port = \"model\"\n[receiver]", "port = \"netdev:\"\n[receiver]", "3:8",
                "no such port: \"netdev:\""},
        Refused{"port = \"model\"\n[receiver]", "port = \"netdev:eth2\"\n[receiver]", "5:1",
                "are not joined; allowed: the same at both ends, or two network devices"},
        Refused{"port = \"model\"\n[receiver]", "port = \"vdev:net_memif0\"\n[receiver]", "3:8",
                "not yet: DPDK virtual devices"},
        Refused{"[receiver]", "host = \"other\"\n[receiver]", "4:1", "not yet: trials between two"},
        Refused{"[trial]", "[judge]\nmetric = \"ndr_mpps\"\n[trial]", "12:10",
                "ndr_mpps needs a search"}));

INSTANTIATE_TEST_SUITE_P(
    Traffic, RefusedFile,
    ::testing::Values(
        Refused{"frame = 256", "frame = \"aabz\"", "7:9",
                "letter z is not declared; allowed: a to i"},
        Refused{"frame = 256", "letters = { b = 594 }", "7:13", "RFC 6985 fixes a to i"},
        Refused{"frame = 256", "letters = { B = 63 }", "7:17", "letters: B = 63; allowed: "},
        Refused{"frame = 256", "letters = 5", "7:11", "letters: an integer"},
        Refused{"frame = 256", "frame = 64\nvlan = 5\nqinq = 6", "7:9",
                "frame 64 is below headers and stamp; allowed: at least 66"},
        Refused{"frame = 256", "frame = 77\nip_version = 6", "7:9", "allowed: at least 78"},
        Refused{"frame = 256", "frame = 69\nkind = \"tcp\"", "7:9", "allowed: at least 70"},
        Refused{"frame = 256", "ip_version = 5", "7:14", "ip_version: 5; allowed: 4, 6"},
        Refused{"frame = 256", "vlan = 4095", "7:8", "vlan: \"4095\" is none of its values"},
        Refused{"frame = 256", "vlan = [1, 2, 1]", "7:8", "vlan: \"1\" stands twice"},
        Refused{"frame = 256", "qinq = 5", "7:1", "qinq without an inner tag; allowed with vlan"},
        Refused{"frame = 256", "src_ip = true", "7:10", "src_ip: true or false; allowed: "},
        Refused{"frame = 256", "dst_ip = \"10.1.2.3\"", "7:10",
                "dst_ip: 10.1.2.3 is outside 198.18.0.0/15"},
        Refused{"frame = 256", "dst_ip = \"2001:2::1\"", "7:10", "is none of its values"},
        Refused{"frame = 256", "permitted_addresses = [\"10.0.0.1/8\"]", "7:24", "is no prefix"},
        Refused{"frame = 256", "tcp_flags = \"syn\"", "7:1",
                "tcp_flags without TCP; allowed with kind = \"tcp\""},
        Refused{"frame = 256", "kind = \"tcp\"\ntcp_flags = \"sin\"", "8:13",
                "\"sin\" is no flag, did you mean \"fin\"?"},
        Refused{"frame = 256",
                "flows = 100\nsrc_ip = \"198.18.0.1 to 198.18.0.9\"\nsrc_port = "
                "[1, 2, 3]\ndst_ip = \"198.19.0.1\"\ndst_port = 9",
                "7:9", "100 flows from addresses and ports that make 27; allowed: up to 27"},
        Refused{"2 Mpps\"", "2 Mpps\"\narrivals = \"on 100 us off 900 us\"", "9:12",
                "20.0 Mpps while on; allowed: up to 1.13 Mpps"},
        Refused{"2 Mpps\"", "2 Mpps\"\narrivals = \"on 100 us\"", "9:12", "lacks \"off ...\""},
        Refused{"2 Mpps\"", "2 Mpps\"\npopularity = \"zip\"", "9:14", "did you mean \"zipf\""},
        Refused{"2 Mpps\"", "2 Mpps\"\npopularity = \"zipf 5\"", "9:14", "is no exponent"},
        Refused{"2 Mpps\"", "2 Mpps\"\nloops = 3", "9:1",
                "loops without replay; allowed with kind = \"replay\""}));

std::string replay_with(const std::string& more) {
  const std::string pcap = (checkout() / "scripts/experiments/mixed.pcap").string();
  return small_with("frame = 256\nload = \"2 Mpps\"",
                    "kind = \"replay\"\npcap = \"" + pcap + "\"\n" + more);
}

TEST(ExperimentFile, AReplayIsTimedByTheLoadOrByItsOwnGaps) {
  EXPECT_THAT(mistakes(replay_with("timing = \"original\"")), IsEmpty());
  EXPECT_THAT(mistakes(replay_with("timing = \"scaled\"\ntime_scale = 0.5")), IsEmpty());
  EXPECT_THAT(mistakes(replay_with("timing = \"original\"\nload = \"2 Mpps\"")),
              ElementsAre(HasSubstr("exp.toml:10:1: load with timing original: the recorded gaps "
                                    "are the load")));
  EXPECT_THAT(mistakes(replay_with("timing = \"scaled\"")),
              ElementsAre(HasSubstr("timing scaled without time_scale")));
  EXPECT_THAT(mistakes(replay_with("timing = \"original\"\ntime_scale = 2")),
              ElementsAre(HasSubstr("time_scale with timing original")));
  EXPECT_THAT(mistakes(replay_with("timing = \"scaled\"\ntime_scale = 0")),
              ElementsAre(HasSubstr("time_scale: 0 is out of range; allowed: ")));
  EXPECT_THAT(mistakes(replay_with("load = \"2 Mpps\"\narrivals = \"poisson\"")),
              ElementsAre(HasSubstr("poisson arrivals with replay; allowed: constant")));
  const Experiment read = sound(replay_with("timing = \"original\""));
  EXPECT_EQ(read.groups.front().base.traffic.timing, ReplayTiming::original);
}

TEST(ExperimentFile, AReplayIsFilteredRewrittenAndCounted) {
  const Experiment read = sound(replay_with(
      "load = \"2 Mpps\"\nloops = 5\nfilter = \"udp\"\ncut_short = \"pad\"\n"
      "rewrite = { vlan = 7, dst_mac = \"02:00:00:00:00:09\", src_ip = \"198.18.0.1\" }"));
  const TrafficOrder& traffic = read.groups.front().base.traffic;
  EXPECT_EQ(traffic.loops, 5);
  EXPECT_EQ(traffic.filter, "udp");
  EXPECT_EQ(traffic.cut_short, CutShort::pad);
  EXPECT_EQ(traffic.rewrite.at("vlan"), "7");
  EXPECT_EQ(traffic.rewrite.size(), 3U);
  EXPECT_THAT(mistakes(replay_with("load = \"2 Mpps\"\nrewrite = { src_ip = \"10.0.0.1\" }")),
              ElementsAre(HasSubstr("src_ip: 10.0.0.1 is outside")));
  EXPECT_THAT(mistakes(replay_with("load = \"2 Mpps\"\nrewrite = { src_ip = \"random\" }")),
              ElementsAre(HasSubstr("rewrite: src_ip = \"random\"; allowed: one value")));
  EXPECT_THAT(mistakes(replay_with("load = \"2 Mpps\"\nrewrite = { ttl = 3 }")),
              ElementsAre(HasSubstr("rewrite: ttl cannot be rewritten; allowed: a table of")));
  EXPECT_THAT(mistakes(replay_with("load = \"2 Mpps\"\nvlan = 5")),
              ElementsAre(HasSubstr("vlan with replay: the capture has its own")));
}

TEST(ExperimentFile, HeaderFieldsAreReadAsWritten) {
  const Experiment read = sound(small_with(
      "frame = 256",
      "frame = \"ddB\"\nletters = { B = 594 }\nvlan = [5, 6]\nqinq = 9\nkind = \"tcp\"\n"
      "src_ip = \"10.0.0.0/24\"\npermitted_addresses = [\"10.0.0.0/8\"]\nttl = \"random\"\n"
      "popularity = \"zipf 1.2\"\nflows = 200"
      "\ntcp_flags = \"ack+psh\""));
  const TrafficOrder& traffic = read.groups.front().base.traffic;
  EXPECT_EQ(traffic.frame, "ddB");
  EXPECT_THAT(traffic.frame_bytes, ElementsAre(512, 512, 594));
  EXPECT_EQ(traffic.vlan, "5, 6");
  EXPECT_EQ(traffic.qinq, "9");
  EXPECT_EQ(traffic.kind, TrafficKind::tcp);
  EXPECT_EQ(traffic.src_ip, "10.0.0.0/24");
  EXPECT_EQ(traffic.ttl, "random");
  EXPECT_EQ(traffic.tcp_flags, "ack+psh");
  EXPECT_DOUBLE_EQ(traffic.popularity, 1.2);
}

TEST(ExperimentFile, ReplayTakesNoFrameSizesAndNoPoisson) {
  const std::string pcap = (checkout() / "scripts/experiments/mixed.pcap").string();
  const std::string replay = "kind = \"replay\"\npcap = \"" + pcap + "\"";
  EXPECT_THAT(mistakes(small_with("frame = 256", replay)), IsEmpty());
  EXPECT_THAT(mistakes(small_with("frame = 256", replay + "\nframe = 64")),
              ElementsAre(HasSubstr("frame with replay: the capture has its own")));
  EXPECT_THAT(mistakes(small_with("frame = 256", replay + "\narrivals = \"poisson\"")),
              ElementsAre(HasSubstr("poisson arrivals with replay; allowed: constant")));
  EXPECT_THAT(mistakes(small_with("frame = 256\nload = \"2 Mpps\"", replay + "\nload = \"10 %\"")),
              ElementsAre(HasSubstr("frame sizes come from the capture")));
}

TEST(ExperimentFile, FindsTheCaptureBesideTheExperiment) {
  const auto read = read_experiment(checkout() / "scripts/experiments/replay.toml", {});
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->groups.front().base.traffic.pcap,
            (checkout() / "scripts/experiments/mixed.pcap").lexically_normal().string());
}

TEST(ExperimentFile, AFolderForRelativeFilesGoesBeforeTheExperimentsOwn) {
  ReadOptions options;
  options.folder = checkout() / "scripts/experiments";
  const std::string text = small_with("frame = 256", "kind = \"replay\"\npcap = \"mixed.pcap\"");
  EXPECT_TRUE(parse_experiment(text, "elsewhere/exp.toml", options));
  EXPECT_FALSE(parse_experiment(text, "elsewhere/exp.toml", {}));
}

TEST(ExperimentFile, AReportNeedsNoCapture) {
  ReadOptions options;
  options.files = ReadOptions::Files::need_not_exist;
  const std::string text = small_with("frame = 256", "kind = \"replay\"\npcap = \"absent.pcap\"");
  EXPECT_TRUE(parse_experiment(text, "exp.toml", options));
  EXPECT_FALSE(parse_experiment(text, "exp.toml", {}));
}

TEST(ExperimentFile, AStallTraceMustExist) {
  EXPECT_THAT(mistakes(small_with("[trial]", "[model]\nstalls = \"trace:absent\"\n[trial]")),
              ElementsAre(HasSubstr("stalls: no such file: ")));
}

TEST(ExperimentFile, BrokenTomlIsOneMistakeWithItsPlace) {
  EXPECT_THAT(mistakes("name = \"x\"\n[trial\nblocks = 3\n"),
              ElementsAre(StartsWith("exp.toml:2:")));
  EXPECT_THAT(mistakes("name = \"x\"\nname = \"y\"\n"), SizeIs(1));
}

TEST(ExperimentFile, OtherLettersBelongInText) {
  EXPECT_THAT(mistakes(small_with("name = \"small\"", "name = \"gr\u00f6\u00dfe\"")), IsEmpty());
  EXPECT_THAT(mistakes(small_with("blocks = 3", "warmup = \"20 \u00b5s\"")), IsEmpty());
  EXPECT_THAT(mistakes(small_with("blocks = 3", "blocks = 3 \u00b5")),
              ElementsAre(StartsWith("exp.toml:12:")));
  EXPECT_THAT(mistakes(small_with("blocks = 3", "\u00b5 = 3")),
              ElementsAre(StartsWith("exp.toml:12:")));
  EXPECT_THAT(mistakes(small_with("name", "[ = ]\nname")), ElementsAre(StartsWith("exp.toml:1:")));
}

TEST(ExperimentFile, AMissingFileOrAFolderIsABadExperiment) {
  const auto absent = read_experiment("/nowhere/exp.toml", {});
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, Errc::bad_experiment);
  EXPECT_THAT(absent.error().text(), HasSubstr("no such file"));
  const auto folder = read_experiment("/", {});
  ASSERT_FALSE(folder);
  EXPECT_THAT(folder.error().text(), HasSubstr("is a folder"));
}

TEST(ExperimentFile, AMistakeIsOneLineWhateverTheFileHolds) {
  EXPECT_THAT(mistakes(small_with("name = \"small\"", "name = \"small\"\n\"a\\nb\" = 1")),
              SizeIs(1));
}

// Groups.

constexpr std::string_view kGroups = R"(name = "groups"
[receiver]
stage = "touch"
[traffic]
frame = 128
[trial]
blocks = 2
[[group]]
name = "m"
traffic = { load = "10 %" }
factors = { rx_ring = [64, 128] }
[[group]]
name = "k"
generator = { port = "veth" }
receiver = { port = "veth", socket_buffer = "1 MiB" }
traffic = { load = "1 kpps" }
factors = { path = ["udp_socket"] }
[group.trial]
seconds = 2
)";

TEST(Groups, LayTheirOwnValuesOverTheSharedOnes) {
  const auto read = parsed(kGroups);
  ASSERT_TRUE(read) << read.error().text();
  ASSERT_THAT(read->groups, SizeIs(2));
  const Group& model = read->groups[0];
  const Group& kernel = read->groups[1];
  EXPECT_EQ(model.name, "m");
  EXPECT_EQ(kernel.name, "k");
  for (const Group& group : read->groups) {
    EXPECT_EQ(group.base.receiver.stage, StageKind::touch);
    EXPECT_THAT(group.base.traffic.frame_bytes, ElementsAre(128));
    EXPECT_EQ(group.base.group, group.name);
  }
  EXPECT_EQ(model.base.receiver_port, "model");
  EXPECT_EQ(kernel.base.receiver_port, "veth");
  EXPECT_EQ(model.base.traffic.load.text(), "10 %");
  EXPECT_EQ(kernel.base.traffic.load.text(), "1 kpps");
  EXPECT_EQ(kernel.base.receiver.socket_buffer_bytes, 1 << 20);
  EXPECT_DOUBLE_EQ(kernel.base.seconds, 2.0);
  EXPECT_DOUBLE_EQ(model.base.seconds, TrialOrder{}.seconds);
}

TEST(Groups, TheTopLevelIsAGroupOfItsOwnWhenItHasFactors) {
  const auto read =
      parsed(std::string(kSmall) +
             "[[group]]\nname = \"wide\"\nfactors = { queues = [2] }\n"
             "[[group]]\nname = \"jumbo\"\ntraffic = { frame = 9000, load = \"line\" }\n");
  ASSERT_TRUE(read) << read.error().text();
  ASSERT_THAT(read->groups, SizeIs(3));
  EXPECT_EQ(read->groups[0].name, "main");
  EXPECT_EQ(read->groups[0].factors.at(0).factor, "rx_ring");
  // Factors of a group replace those above: another factorial.
  ASSERT_THAT(read->groups[1].factors, SizeIs(1));
  EXPECT_EQ(read->groups[1].factors[0].factor, "queues");
  // A group without factors of its own has those above.
  ASSERT_THAT(read->groups[2].factors, SizeIs(1));
  EXPECT_EQ(read->groups[2].factors[0].factor, "rx_ring");
}

TEST(Groups, AFactorUnknownToAPathOfItsGroupIsAMistake) {
  const auto found = mistakes(R"(name = "x"
[generator]
port = "veth"
[receiver]
port = "veth"
[traffic]
load = "1 kpps"
[factors]
path = ["dpdk", "udp_socket"]
reta = ["equal"]
)");
  EXPECT_THAT(found,
              ElementsAre(AllOf(StartsWith("exp.toml:10:1: reta does not act on path udp_socket"),
                                HasSubstr("allowed on dpdk, model"))));
}

TEST(Groups, MistakesInGroupsAreFoundAtTheirPlace) {
  const std::string text = std::string(kGroups) + "blocks = 3\n";
  EXPECT_THAT(mistakes(text), ElementsAre(AllOf(StartsWith("exp.toml:20:1: blocks is shared"))));
  EXPECT_THAT(mistakes("name = \"x\"\n[[group]]\nname = \"a\"\n[[group]]\nname = \"a\"\n"),
              ElementsAre(HasSubstr("group \"a\" stands twice")));
  EXPECT_THAT(mistakes("name = \"x\"\n[[group]]\n"),
              ElementsAre(HasSubstr("a group needs a name")));
  EXPECT_THAT(mistakes("name = \"x\"\n[[group]]\nname = \"a\"\njudge = { metric = \"x\" }\n"),
              ElementsAre(HasSubstr("unknown key \"judge\" in [[group]]")));
  EXPECT_THAT(mistakes("name = \"x\"\n[[group]]\nname = \"a\"\ntrafic = { }\n"),
              ElementsAre(HasSubstr("did you mean \"traffic\"")));
}

TEST(Groups, ASharedMistakeIsToldOnce) {
  std::string text(kGroups);
  text.replace(text.find("\"touch\""), 7, "\"toch\"");
  EXPECT_THAT(mistakes(text), ElementsAre(HasSubstr("did you mean \"touch\"")));
}

// Overrides.

TEST(Overrides, GoBeforeTheFileAndAreStored) {
  const auto read =
      parsed(kSmall, {"trial.blocks=4", "factors.rx_ring=[128,256,512]", "traffic.load=80 %",
                      "model.faults.drop=0.25", "receiver.stage = touch", "trial.blocks=5"});
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->blocks, 5) << "the later one wins";
  EXPECT_THAT(only_group(read).factors[0].levels, ElementsAre("128", "256", "512"));
  EXPECT_EQ(only_group(read).base.traffic.load.text(), "80 %");
  EXPECT_DOUBLE_EQ(only_group(read).base.model.faults.drop, 0.25);
  EXPECT_EQ(only_group(read).base.receiver.stage, StageKind::touch);
  EXPECT_THAT(read->overrides, SizeIs(6));
  EXPECT_EQ(read->text, kSmall) << "the file is kept verbatim";
}

TEST(Overrides, ReachIntoAGroupByItsName) {
  const auto read =
      parsed(kGroups, {"group.m.factors.rx_ring=[2048]", "group.k.trial.seconds=0.5"});
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_THAT(read->groups[0].factors[0].levels, ElementsAre("2048"));
  EXPECT_DOUBLE_EQ(read->groups[1].base.seconds, 0.5);
  EXPECT_THAT(
      mistakes(kGroups, {"group.z.trial.seconds=0.5"}),
      ElementsAre("--set group.z.trial.seconds=0.5: no group \"z\" to override; allowed: m, k"));
}

TEST(Overrides, MistakesNameTheOverride) {
  EXPECT_THAT(mistakes(kSmall, {"trial.blokcs=4"}),
              ElementsAre(AllOf(StartsWith("--set trial.blokcs=4: "),
                                HasSubstr("did you mean \"blocks\""))));
  EXPECT_THAT(mistakes(kSmall, {"trial.blocks=many"}),
              ElementsAre(StartsWith("--set trial.blocks=many: blocks: text; allowed: 1 to 1000")));
  EXPECT_THAT(mistakes(kSmall, {"factors.rx_ring=[7]"}),
              ElementsAre(StartsWith("--set factors.rx_ring=[7]: rx_ring: 7 is too small")));
  EXPECT_THAT(mistakes(kSmall, {"nonsense"}),
              ElementsAre(StartsWith("--set nonsense: not key=value; allowed: ")));
  EXPECT_THAT(mistakes(kSmall, {"=4"}), ElementsAre(HasSubstr("not key=value")));
  EXPECT_THAT(mistakes(kSmall, {"a b=4"}), SizeIs(1));
  EXPECT_THAT(mistakes(kSmall, {"trial.blocks=4\nname=\"y\""}),
              ElementsAre(HasSubstr("not key=value")));
  EXPECT_THAT(mistakes(small_with("blocks", "bloks"), {"trial.sed=4"}),
              ElementsAre(StartsWith("exp.toml:12:1"), StartsWith("--set trial.sed=4")))
      << "those of the file come first";
}

TEST(Overrides, OneThatNoGroupWouldSeeIsAMistake) {
  EXPECT_THAT(mistakes(kGroups, {"traffic.load=5 %"}),
              ElementsAre(AllOf(StartsWith("--set traffic.load=5 %: no effect"),
                                HasSubstr("group.m.traffic.load=..."))));
  EXPECT_THAT(mistakes(kGroups, {"factors.burst=[4]"}), ElementsAre(HasSubstr("no effect")));
  EXPECT_THAT(mistakes(kGroups, {"traffic.frame=1518"}), IsEmpty());
}

TEST(Overrides, PacketsGoBeforeTheSecondsOfTheFile) {
  const auto read =
      parsed(small_with("blocks = 3", "blocks = 3\nseconds = 2"), {"trial.packets=1 M"});
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(only_group(read).packets, 1'000'000);
}

TEST(Overrides, QuickTakesAtMostTwoBlocks) {
  ReadOptions options;
  options.quick = true;
  EXPECT_EQ(parse_experiment(kSmall, "exp.toml", options)->blocks, 2);
  options.overrides = {"trial.blocks=1"};
  EXPECT_EQ(parse_experiment(kSmall, "exp.toml", options)->blocks, 1);
}

// Setting a value by --set or in the file is the same thing.
TEST(Overrides, RoundTripEveryFactorAtItsDefault) {
  for (const FactorFacts& factor : all_factors()) {
    if (factor.name == "path" || factor.name == "load" || factor.name == "rx_ring") continue;
    const auto read =
        parsed(kSmall, {factor.table + "." + factor.name + "=" + factor.default_level});
    if (!read) {
      // Only for a value that does nothing on the model.
      EXPECT_THAT(read.error().text(), HasSubstr("acts on no path")) << factor.name;
      EXPECT_FALSE(acts_on(factor, Path::model)) << factor.name;
      continue;
    }
    EXPECT_EQ(level_of(factor.name, only_group(read).base), factor.default_level) << factor.name;
  }
}

TEST(ExperimentFile, TheLineOfTwoDevicesIsTheSlowerOnesIfBothTell) {
  const auto pps_of = [](const std::string& load, double slower, double faster) {
    ReadOptions options;
    options.line_bps = [=](const std::string& port) -> std::optional<double> {
      const double bps = port == "netdev:eth2" ? slower : faster;
      return bps > 0.0 ? std::optional(bps) : std::nullopt;
    };
    const auto read = parse_experiment(
        "name = \"x\"\n[generator]\nport = \"netdev:eth3\"\n[receiver]\nport = "
        "\"netdev:eth2\"\n[traffic]\nframe = 105\nload = \"" +
            load + "\"\n",
        "exp.toml", options);
    if (!read) return -1.0;
    return intended_pps(read->groups.at(0).base).value_or(-1.0);
  };
  EXPECT_DOUBLE_EQ(pps_of("line", 10e9, 25e9), 10e6);
  EXPECT_DOUBLE_EQ(pps_of("50 %", 10e9, 25e9), 5e6);
  EXPECT_DOUBLE_EQ(pps_of("9 Mpps", 10e9, 25e9), 9e6);
  EXPECT_DOUBLE_EQ(pps_of("11 Mpps", 10e9, 25e9), -1.0) << "above the line";
  EXPECT_DOUBLE_EQ(pps_of("line", 10e9, 0.0), -1.0) << "not told";
}

Result<Experiment> over(const std::string& from, const std::string& to, const std::string& more) {
  return parsed("name = \"x\"\n[generator]\nport = \"" + from + "\"\n[receiver]\nport = \"" + to +
                "\"\n" + more);
}

TEST(ExperimentFile, TwoNetworkDevicesAreTheEndsOfAPath) {
  const auto read = over("netdev:eth2", "netdev:eth3", "[traffic]\nload = \"1 kpps\"\n");
  ASSERT_TRUE(read) << read.error().text();
  const TrialOrder& base = read->groups.at(0).base;
  EXPECT_EQ(base.generator_port, "netdev:eth2");
  EXPECT_EQ(base.receiver_port, "netdev:eth3");
  EXPECT_EQ(base.path, Path::dpdk);
  const auto refused = [&](const std::string& from, const std::string& to,
                           const std::string& more = "[traffic]\nload = \"1 kpps\"\n") {
    const auto wrong = over(from, to, more);
    return wrong ? "taken" : wrong.error().text();
  };
  EXPECT_THAT(refused("netdev:eth2", "netdev:eth2"),
              HasSubstr("port \"netdev:eth2\" at both ends; allowed: two network devices"));
  EXPECT_THAT(refused("netdev:eth2", "veth"), HasSubstr("are not joined"));
  EXPECT_THAT(refused("netdev:eth2", "netdev:eth3", "[traffic]\nload = \"line\"\n"),
              HasSubstr("the drivers of netdev:eth2 and netdev:eth3 tell no line rate"));
}

// Of an experiment over veth, with more at its end.
Result<Experiment> over_veth(const std::string& more) {
  return parse_experiment(R"(name = "knobs"
[generator]
port = "veth"
[receiver]
port = "veth"
path = "udp_socket"
[traffic]
load = "10 kpps"
frame = 1518
)" + more,
                          "x.toml", {});
}

TEST(KernelKnobs, WhatIsAllowedAndAskedForIsInEveryOrder) {
  const auto read = over_veth(
      "[kernel]\nmtu = 9000\nrps = \"1\"\n"
      "[host]\nallow = [\"net.core.netdev_budget\", \"netdev:eth2\"]\n"
      "[factors]\nnetdev_budget = [64, 300]\n");
  ASSERT_TRUE(read) << read.error().text();
  const auto plan = plan_experiment(*read);
  ASSERT_TRUE(plan) << plan.error().text();
  ASSERT_EQ(plan->cells.size(), 2U);
  EXPECT_EQ(
      plan->cells[0].order.kernel_knobs,
      (std::map<std::string, std::string>{{"mtu", "9000"}, {"netdev_budget", "64"}, {"rps", "1"}}));
  EXPECT_EQ(plan->cells[1].order.host_allow,
            (std::vector<std::string>{"net.core.netdev_budget", "netdev:eth2"}));
}

TEST(KernelKnobs, ASettingOfTheWholeHostNeedsAPermission) {
  for (const char* more :
       {"[kernel]\nnetdev_budget = 64\n", "[factors]\nnetdev_budget = [64, 300]\n",
        "[host]\nallow = [\"net.core.busy_poll\"]\n[kernel]\nnetdev_budget = 64\n"}) {
    const auto read = over_veth(more);
    ASSERT_FALSE(read) << more;
    EXPECT_THAT(
        read.error().text(),
        HasSubstr("netdev_budget is a setting of the whole host; allowed with [host] allow = "
                  "[\"net.core.netdev_budget\"]"));
  }
  EXPECT_TRUE(over_veth("[kernel]\nnetdev_budget = \"default\"\n"));
}

TEST(KernelKnobs, ALevelOutsideTheLimitsIsRefused) {
  const auto read = over_veth("[kernel]\nmtu = 20\n");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().text(),
            "x.toml:11:7: mtu: \"20\" is none of its levels; allowed: \"default\", or 68 to 65535");
}

TEST(KernelKnobs, AnMtuBelowTheFrameRefusesTheCell) {
  const auto read = over_veth("[factors]\nmtu = [1499, 1500]\n");
  ASSERT_TRUE(read) << read.error().text();
  const auto plan = plan_experiment(*read);
  ASSERT_TRUE(plan) << plan.error().text();
  ASSERT_EQ(plan->cells.size(), 2U);
  EXPECT_THAT(plan->cells[0].refused.value_or(""), HasSubstr("allowed: at least 1500"));
  EXPECT_FALSE(plan->cells[1].refused);
}

// The keys that help prints are the keys that the parser takes.
TEST(Keys, EveryListedKeyIsTakenAndEveryLaterOneRefusedAsSuch) {
  std::size_t taken = 0;
  for (const KeyFacts& key : all_keys()) {
    const std::string name = key.table.empty() ? key.key : key.table + "." + key.key;
    // A date is never right: a known key complains about its value, not about its name.
    const auto found = mistakes(kSmall, {name + "=2026-11-21"});
    ASSERT_FALSE(found.empty()) << name;
    const std::string all = join(found, "\n");
    if (key.not_yet) {
      EXPECT_THAT(all, HasSubstr("not yet")) << name;
    } else {
      EXPECT_THAT(all, ::testing::Not(HasSubstr("unknown key"))) << name;
      EXPECT_THAT(all, AllOf(HasSubstr("a date or time"), HasSubstr("allowed"))) << name;
      ++taken;
    }
  }
  EXPECT_GT(taken, 40U);
}

TEST(Keys, EveryFactorIsAmongThem) {
  for (const FactorFacts& factor : all_factors()) {
    const bool listed = std::any_of(all_keys().begin(), all_keys().end(), [&](const KeyFacts& key) {
      return key.table == factor.table && key.key == factor.name && key.is_factor;
    });
    EXPECT_TRUE(listed) << factor.name;
  }
}

}  // namespace
}  // namespace pollmark
