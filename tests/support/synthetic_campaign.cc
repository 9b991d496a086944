#include "support/synthetic_campaign.h"

#include <algorithm>
#include <cstdint>
#include <random>

#include "base/error.h"

namespace pollmark::support {

namespace {

constexpr int kBlocks = 8;
constexpr std::int64_t kModelFrames = 1'500'000;
constexpr std::int64_t kKernelFrames = 400'000;

constexpr std::string_view kExperiment =
    R"toml(name     = "synthetic campaign (test data, never measured)"
question = "Which ring would be enough, if these made-up numbers were measured?"

[generator]
port = "model"

[receiver]
port  = "model"
stage = "checksum"

[traffic]
frame = 64
load  = "80 %"   # a comment with <angle> & "quotes"

[factors]
rx_ring     = [128, 512, 2048]
queues      = [1, 4]
reta        = ["equal", [3, 1, 1, 1]]
rx_offloads = [[], ["checksum"]]
)toml";

// Integer arithmetic only: the same numbers on every machine.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  // base changed by at most `permille` thousandths, never below zero.
  std::int64_t around(std::int64_t base, std::int64_t permille) {
    const std::int64_t width = 2 * permille + 1;
    const auto step = static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(width));
    return base + base * (step - permille) / 1000;
  }

 private:
  std::mt19937_64 engine_;
};

LatencyHistogram histogram_around(std::int64_t base_ns, std::int64_t frames, Dice& dice) {
  struct Part {
    std::int64_t percent_of_base, per_million;
  };
  static constexpr Part kParts[] = {{70, 20'000},   {85, 130'000}, {100, 350'000}, {115, 240'000},
                                    {140, 130'000}, {190, 80'000}, {270, 30'000},  {420, 12'000},
                                    {700, 5'000},   {1200, 2'000}, {2100, 800},    {3400, 180},
                                    {5200, 18},     {8000, 2}};
  LatencyHistogram histogram({1, 100'000'000, 2});
  std::int64_t left = frames;
  for (const Part& part : kParts) {
    const std::int64_t count = std::min(left, frames * part.per_million / 1'000'000);
    // Five values a part, so that curves are not stairs.
    for (int i = 0; i < 5; ++i) {
      const std::int64_t share = i == 4 ? count - 4 * (count / 5) : count / 5;
      const std::int64_t percent = part.percent_of_base * (96 + 2 * i) / 100;
      if (share > 0) histogram.record(dice.around(base_ns * percent / 100, 8), share);
    }
    left -= count;
  }
  if (left > 0) histogram.record(base_ns, left);
  return histogram;
}

struct Shape {
  std::int64_t missed = 0;  // frames, per trial
  std::int64_t latency_ns = 0;
  std::int64_t cycles_per_10_pkts = 0;
};

Shape model_shape(int ring, int queues, bool skewed, bool checksum) {
  Shape shape;
  if (ring == 128) shape.missed = queues == 1 ? 48'000 : (skewed ? 21'000 : 6'200);
  if (ring == 512) shape.missed = queues == 1 ? 5'400 : (skewed ? 940 : 12);
  if (ring == 2048) shape.missed = queues == 1 ? 130 : (skewed ? 1 : 0);
  if (checksum) shape.missed = shape.missed * 6 / 10;
  shape.latency_ns = (queues == 1 ? 9'000 : (skewed ? 5'200 : 3'100)) + ring * 2;
  shape.cycles_per_10_pkts = 1'180 + ring / 16 + (checksum ? -310 : 0);
  return shape;
}

TrialResult model_trial(std::int64_t number, int block, int ring, int queues, bool skewed,
                        bool checksum, Dice& dice) {
  TrialResult trial;
  TrialOrder& order = trial.order;
  order.trial = number;
  order.group = "synthetic-model";
  order.block = block;
  order.cell = {{"rx_ring", std::to_string(ring)},
                {"queues", std::to_string(queues)},
                {"reta", skewed ? "3:1:1:1" : "equal"},
                {"rx_offloads", checksum ? "checksum" : "none"}};
  order.path = Path::model;
  order.traffic.intended_pps = 12e6;
  order.traffic.load = {LoadUnit::line_percent, 80.0};
  order.model.stalls = {StallKind::periodic, 1'000'000, 20'000, ""};
  order.receiver.rx_ring = ring;
  order.receiver.queues = queues;
  if (skewed) order.receiver.reta_weights = {3, 1, 1, 1};
  if (checksum) order.receiver.rx_offloads = {"checksum"};
  order.receiver.stage = StageKind::checksum;
  order.seconds = 0.125;
  trial.started_utc = "2001-01-01T00:00:00Z";
  trial.page_size_bytes = 4096;
  trial.isa = "x86-64-test";
  trial.virtual_seconds = 0.125;
  trial.valid = true;
  trial.intended_pps = 12e6;
  trial.offered_pps = 12e6;

  const Shape shape = model_shape(ring, queues, skewed, checksum);
  StreamAccount stream;
  stream.from = "model";
  stream.to = "model";
  stream.ledger.set_offered(kModelFrames);
  const std::int64_t missed = dice.around(shape.missed, 120);
  for (const Fate fate : {Fate::link_dropped, Fate::rx_no_mbuf, Fate::corrupt, Fate::stage_dropped,
                          Fate::duplicate, Fate::foreign, Fate::late, Fate::tx_unsent}) {
    stream.ledger.measured(fate);
  }
  stream.ledger.add(Fate::rx_missed, missed);
  stream.ledger.add(Fate::received, kModelFrames - missed);
  stream.offered_bytes = kModelFrames * 64;
  stream.received_bytes = (kModelFrames - missed) * 64;
  trial.latency_ns.done = histogram_around(shape.latency_ns, kModelFrames - missed, dice);
  trial.latency_ns.floor_p50_ns = 140 + block;
  trial.streams.push_back(std::move(stream));
  trial.cycles_per_pkt =
      static_cast<double>(dice.around(shape.cycles_per_10_pkts * 100, 15)) / 1000.0;
  trial.busy_fraction = 0.75;
  trial.cpu_cores_used = static_cast<double>(queues) * 0.5;
  trial.limited_by = missed > 0 ? "core" : "";
  trial.limited_why =
      missed > 0 ? "made up: the test's lcore is behind for 20 us in every 1 ms" : "";
  trial.not_checked = {"made up: no pause frames exist on a model"};
  trial.knobs["rx_ring"] = {std::to_string(ring), std::to_string(ring), KnobState::confirmed,
                            "made up: occupancy reached the ring", true};
  trial.knobs["queues"] = {std::to_string(queues), std::to_string(queues), KnobState::confirmed,
                           "made up: shares seen", true};
  trial.knobs["rx_offloads"] = {
      checksum ? "checksum" : "none", checksum ? "checksum" : "none", KnobState::confirmed,
      checksum ? "made up: no verdict was seen" : "made up: the stage summed", !checksum};
  return trial;
}

TrialResult kernel_trial(std::int64_t number, int block, Path path, bool high_load, Dice& dice) {
  TrialResult trial;
  TrialOrder& order = trial.order;
  order.trial = number;
  order.group = "synthetic-kernel";
  order.block = block;
  order.cell = {{"path", std::string(name_of(path))},
                {"load", high_load ? "800 kpps" : "400 kpps"}};
  order.path = path;
  order.clock = ClockKind::wall;
  order.generator_port = "veth";
  order.receiver_port = "veth";
  order.receiver_lcores = {1};
  order.traffic.load = {LoadUnit::pps, high_load ? 8e5 : 4e5};
  order.traffic.intended_pps = high_load ? 8e5 : 4e5;
  order.receiver.socket_buffer_bytes = path == Path::udp_socket ? 262'144 : 0;
  order.seconds = 1.0;
  trial.started_utc = "2001-01-01T00:00:00Z";
  trial.valid = true;
  trial.intended_pps = order.traffic.intended_pps;
  trial.offered_pps = order.traffic.intended_pps;

  const std::int64_t offered = high_load ? 2 * kKernelFrames : kKernelFrames;
  StreamAccount stream;
  stream.from = "veth";
  stream.to = "veth";
  stream.ledger.set_offered(offered);
  std::int64_t lost = 0;
  if (path == Path::udp_socket) {
    lost = dice.around(1'900, 300);
    for (const Fate fate :
         {Fate::kernel_qdisc, Fate::kernel_backlog, Fate::kernel_ip, Fate::kernel_udp}) {
      stream.ledger.measured(fate);
    }
    stream.ledger.add(Fate::kernel_socket_buffer, lost);
  } else {
    lost = high_load ? dice.around(260, 400) : 0;
    stream.ledger.measured(Fate::kernel_qdisc);
    stream.ledger.add(Fate::kernel_packet_ring, lost);
  }
  stream.ledger.measured(Fate::duplicate);
  stream.ledger.add(Fate::foreign, path == Path::udp_socket ? 2 : 0);
  stream.ledger.add(Fate::received, offered - lost);
  stream.offered_bytes = offered * 64;
  stream.received_bytes = (offered - lost) * 64;
  trial.streams.push_back(std::move(stream));
  trial.latency_ns.rx =
      histogram_around(path == Path::udp_socket ? 41'000 : 17'000, offered - lost, dice);
  if (path == Path::dpdk) {
    trial.cycles_per_pkt = static_cast<double>(dice.around(910'000, 40)) / 1000.0;
  }
  trial.cpu_cores_used =
      static_cast<double>(dice.around(path == Path::udp_socket ? 1'620 : 1'000, 30)) / 1000.0;
  trial.limited_by = path == Path::udp_socket ? "kernel:socket" : (lost > 0 ? "core" : "");
  trial.limited_why = path == Path::udp_socket ? "made up: the socket buffer was full" : "";
  trial.not_checked = {"made up: CPU frequency", "made up: interrupts of the test's neighbours"};
  return trial;
}

void disturb(TrialResult& trial, const std::string& reason) {
  trial.valid = false;
  trial.invalid_reasons = {reason};
}

// Six to eight values: least and greatest, of coverage 1 - 2 / 2^n. No more are made here.
Estimate estimate_of_values(std::vector<double> values) {
  PM_CHECK(!values.empty() && values.size() <= 8);
  std::sort(values.begin(), values.end());
  const std::size_t n = values.size();
  Estimate estimate;
  estimate.values = static_cast<int>(n);
  estimate.median = n % 2 == 1 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
  if (n >= 6) {
    const double outside = 2.0 / static_cast<double>(std::uint64_t{1} << n);
    estimate.interval = Interval{values.front(), values.back(), 1.0 - outside};
  }
  return estimate;
}

void add_cell(Summary& summary, const std::vector<TrialResult>& trials, const std::string& group,
              const std::map<std::string, std::string>& levels, Path path,
              std::optional<std::string> refused) {
  CellSummary cell;
  cell.group = group;
  cell.cell = levels;
  cell.path = path;
  cell.not_measured = std::move(refused);
  std::map<std::string, std::vector<double>> values;
  for (const TrialResult& trial : trials) {
    if (trial.order.group != group || trial.order.cell != levels) continue;
    cell.trials += 1;
    if (!trial.valid) {
      for (const std::string& reason : trial.invalid_reasons) {
        cell.invalid_reasons[reason.substr(0, reason.find(':'))] += 1;
      }
      continue;
    }
    cell.valid += 1;
    for (const MetricFacts& facts : all_metrics()) {
      if (const auto value = metric_of(trial, facts.name)) values[facts.name].push_back(*value);
    }
    cell.ledger += trial.ledger();
    const bool done = trial.latency_ns.done.has_value();
    const auto& histogram = done ? trial.latency_ns.done : trial.latency_ns.rx;
    if (histogram) {
      if (!cell.latency_ns) cell.latency_ns = LatencyHistogram(histogram->layout());
      cell.latency_ns->merge(*histogram);
      cell.latency_kind = done ? "done" : "rx";
    }
    cell.limited_by = trial.limited_by;
    cell.limited_why = trial.limited_why;
    cell.not_checked = trial.not_checked;
    cell.knobs = trial.knobs;
  }
  for (auto& [metric, list] : values) cell.metrics[metric] = estimate_of_values(std::move(list));
  if (cell.trials > 0 && cell.valid == 0) {
    cell.not_measured = "no valid trial in " + std::to_string(cell.trials) +
                        " (made up: isolate a core for the receiver)";
  }
  summary.trials += cell.trials;
  summary.valid += cell.valid;
  summary.ledger += cell.ledger;
  summary.cells.push_back(std::move(cell));
}

void compare_with_baseline(Summary& summary) {
  for (CellSummary& cell : summary.cells) {
    for (const CellSummary& baseline : summary.cells) {
      std::map<std::string, std::string> wanted = cell.cell;
      if (wanted.count("rx_ring") == 0) continue;
      wanted["rx_ring"] = "512";
      if (baseline.cell != wanted || baseline.group != cell.group || wanted == cell.cell) continue;
      for (const auto& [metric, estimate] : cell.metrics) {
        const auto base = baseline.metrics.find(metric);
        if (base == baseline.metrics.end() || base->second.median == 0.0) continue;
        cell.ratio_to_baseline[metric] = estimate.median / base->second.median;
      }
    }
  }
}

void summarise_by_hand(SyntheticCampaign& campaign) {
  Summary& summary = campaign.summary;
  summary.name = "synthetic campaign (test data, never measured)";
  summary.question = "Which ring would be enough, if these made-up numbers were measured?";
  summary.answer =
      "Made up for a test: 2048 descriptors lose least (model, not a NIC); nobody measured this.";
  summary.metric = "loss_ratio";
  for (const bool checksum : {false, true}) {
    for (const auto& [queues, reta] : {std::pair<const char*, const char*>{"1", "equal"},
                                       {"1", "3:1:1:1"},
                                       {"4", "equal"},
                                       {"4", "3:1:1:1"}}) {
      for (const char* ring : {"128", "512", "2048"}) {
        std::optional<std::string> refused;
        if (std::string_view(queues) == "1" && std::string_view(reta) != "equal") {
          refused = "reta has 4 weights for 1 queue; allowed: one weight per queue";
        }
        add_cell(summary, campaign.trials, "synthetic-model",
                 {{"rx_ring", ring},
                  {"queues", queues},
                  {"reta", reta},
                  {"rx_offloads", checksum ? "checksum" : "none"}},
                 Path::model, refused);
      }
    }
  }
  for (const Path path : {Path::udp_socket, Path::dpdk}) {
    for (const char* load : {"400 kpps", "800 kpps"}) {
      add_cell(summary, campaign.trials, "synthetic-kernel",
               {{"path", std::string(name_of(path))}, {"load", load}}, path, std::nullopt);
    }
  }
  compare_with_baseline(summary);
}

SyntheticCampaign raw_campaign() {
  SyntheticCampaign campaign;
  campaign.experiment_text = std::string(kExperiment);
  campaign.baseline = {{"rx_ring", "512"}};
  campaign.folder = "results/synthetic-20010101T000000Z";
  Provenance& from = campaign.provenance;
  from.pollmark_version = "0.0.0-test";
  from.started_utc = "2001-01-01T00:00:00Z";
  from.command_line = "pollmark run synthetic.toml --set trial.blocks=8";
  from.overrides = {"trial.blocks=8"};
  from.host = {{"hostname", "test-host.invalid"},
               {"cpu_model", "Imaginary CPU 0000"},
               {"cpus", "2"},
               {"kernel", "0.0.0-test"}};
  from.libraries = {{"dpdk", "0.0.0-test"}};
  from.calibration = {{"empty_bracket_cycles", "0"}, {"tsc_hz", "1000000000"}};
  from.warnings = {"Test data: nobody measured any of this."};

  Dice dice(20010101);
  std::int64_t number = 0;
  for (int block = 0; block < kBlocks; ++block) {
    for (const int ring : {128, 512, 2048}) {
      for (const bool checksum : {false, true}) {
        for (const auto& [queues, skewed] :
             {std::pair<int, bool>{1, false}, {4, false}, {4, true}}) {
          campaign.trials.push_back(
              model_trial(number++, block, ring, queues, skewed, checksum, dice));
          TrialResult& trial = campaign.trials.back();
          if (ring == 512 && queues == 1 && checksum && block >= 5) {
            disturb(trial, "too_disturbed: made up, 1.2 % of iterations were excised");
          }
          if (number % 17 == 5) {
            TrialResult again = trial;
            disturb(trial, "generator_short: made up, offered 3 % less than intended");
            again.order.trial = number++;
            again.order.attempt = 1;
            campaign.trials.push_back(std::move(again));
          }
        }
      }
    }
    for (const Path path : {Path::udp_socket, Path::dpdk}) {
      for (const bool high_load : {false, true}) {
        campaign.trials.push_back(kernel_trial(number++, block, path, high_load, dice));
        if (path == Path::udp_socket && high_load) {
          disturb(campaign.trials.back(), "receiver_waited: made up, runnable but waiting for 7 %");
        }
      }
    }
  }
  return campaign;
}

}  // namespace

SyntheticCampaign synthetic_campaign() {
  SyntheticCampaign campaign = raw_campaign();
  summarise_by_hand(campaign);
  campaign.summary.effects = {
      {"synthetic-model", "rx_ring", "2048", "128", "loss_ratio", 0.0168, 0.0, true, 6, 8,
       Interval{-0.0171, -0.0159, 0.9921875}, "differs",
       "rx_ring: 2048 instead of 128 takes the loss from 1.68 % to 0 (made up: stalls fit)."},
      {"synthetic-model", "rx_offloads", "checksum", "none", "loss_ratio", 0.0038, 0.0023, false, 9,
       8, std::nullopt, "not exercised",
       "rx_offloads: checksum instead of none takes the loss from 0.38 % to 0.23 % (made up)."},
      {"synthetic-kernel", "path", "dpdk", "udp_socket", "loss_ratio", 0.0047, 0.0, true, 1, 8,
       std::nullopt, "cannot tell",
       "path: dpdk instead of udp_socket takes the loss from 0.47 % to 0 (made up)."}};
  Comparison ring;
  ring.group = "synthetic-model";
  ring.factor = "rx_ring";
  ring.level = "2048";
  ring.baseline = "512";
  ring.metric = "loss_ratio";
  ring.scale = Scale::absolute;
  ring.margin = 0.001;
  ring.combinations = 6;
  ring.values = 8;
  ring.from = 0.0023;
  ring.to = 0.0;
  ring.difference = -0.0024;
  ring.interval = Interval{-0.0026, -0.0021, 0.9609375};
  ring.p = 0.0078125;
  ring.adjusted_p = 0.015625;
  ring.detectable = 0.0004;
  ring.verdict = Verdict::better;
  ring.sentence = "rx_ring 2048 loses 0.24 % of all frames less than 512 [-0.26, -0.21] (made up).";
  Comparison path = ring;
  path.group = "synthetic-kernel";
  path.factor = "path";
  path.level = "dpdk";
  path.baseline = "udp_socket";
  path.metric = "latency_p99_ns";
  path.family = Family::exploratory;
  path.scale = Scale::relative;
  path.combinations = 1;
  path.from = 81'000.0;
  path.to = 40'500.0;
  path.difference = -0.6931;
  path.interval = Interval{-0.71, -0.67, 0.9609375};
  path.sentence = "path dpdk has a p99 50.0 % shorter than udp_socket [-51, -49] (made up).";
  campaign.summary.comparisons = {ring, path};
  Interaction interaction;
  interaction.group = "synthetic-model";
  interaction.factor = "rx_ring";
  interaction.level = "2048";
  interaction.baseline = "512";
  interaction.with_factor = "rx_offloads";
  interaction.with_level = "checksum";
  interaction.with_baseline = "none";
  interaction.metric = "loss_ratio";
  interaction.blocks = 8;
  interaction.difference = 0.0013;
  interaction.interval = Interval{0.0011, 0.0015, 0.9609375};
  interaction.p = 0.0078125;
  interaction.adjusted_p = 0.0078125;
  interaction.shown = true;
  interaction.sentence =
      "rx_ring 2048 against 512: the effect is smaller with checksums by the port (made up).";
  campaign.summary.interactions = {interaction};
  NoiseFloor floor;
  floor.group = "synthetic-model";
  floor.cell = {{"queues", "1"}, {"rx_ring", "512"}};
  floor.metric = "loss_ratio";
  floor.blocks = 8;
  floor.difference = 0.0001;
  floor.interval = Interval{-0.0002, 0.0003, 0.9609375};
  floor.floor = 0.00025;
  floor.passed = true;
  floor.sentence = "the same setting twice: the noise floor is 0.025 % of all frames (made up).";
  campaign.summary.noise_floors = {floor};
  campaign.summary.warnings = {"the first 2 of 8 blocks differ from the rest (made up)"};
  return campaign;
}

SyntheticCampaign judged_campaign() {
  SyntheticCampaign campaign = synthetic_campaign();
  Question question;
  question.name = campaign.summary.name;
  question.question = campaign.summary.question;
  question.metric = campaign.summary.metric;
  question.baseline = campaign.baseline;
  question.choose = "smallest rx_ring equivalent to the best";
  for (const CellSummary& cell : campaign.summary.cells) {
    question.cells.push_back(
        {cell.group, cell.cell, cell.path, cell.trials == 0 ? cell.not_measured : std::nullopt});
  }
  campaign.summary = summarise(question, campaign.trials);
  return campaign;
}

ReportInput SyntheticCampaign::input() const {
  ReportInput input;
  input.summary = summary;
  input.provenance = provenance;
  input.folder = folder;
  input.experiment_text = experiment_text;
  input.trials = &trials;
  input.baseline = baseline;
  return input;
}

SyntheticCampaign campaign_without_valid_trials() {
  SyntheticCampaign campaign = raw_campaign();
  for (TrialResult& trial : campaign.trials) {
    disturb(trial, "too_disturbed: made up, the test's neighbours were loud");
  }
  summarise_by_hand(campaign);
  campaign.summary.answer = "No answer: none of the made-up trials is valid.";
  return campaign;
}

}  // namespace pollmark::support
