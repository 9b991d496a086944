#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "apps/verbs.h"
#include "base/text.h"
#include "plan/experiment.h"
#include "plan/factors.h"
#include "rig/capture.h"
#include "rig/flow_set.h"
#include "rig/isa.h"
#include "rig/queue_shares.h"
#include "store/folder.h"

namespace pollmark {
namespace {

struct RssOptions {
  std::filesystem::path source;  // experiment or capture
  std::string key;
  std::optional<std::string> fields;
  std::optional<int> queues;
  std::optional<std::string> reta;
  std::filesystem::path measured;  // results folder
};

// Traffic of one kind over one layout of queues.
struct Layout {
  TrialOrder order;                       // fields, queues, weights
  std::vector<std::uint64_t> flow_seeds;  // of its trials, each once: each draws flows of its own
  std::string traffic;                    // as printed
  std::vector<RssTuple> tuples;           // of all its trials
  std::vector<std::uint32_t> pkts;        // of each tuple; empty: one each
};

bool is_capture(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".pcap" || extension == ".pcapng" || extension == ".cap";
}

Result<void> override_layout(const RssOptions& options, TrialOrder& order) {
  if (options.fields) PM_TRYV(apply_level("rss_fields", *options.fields, order));
  if (options.queues) {
    PM_TRYV(apply_level("queues", fmt::format("{}", *options.queues), order));
    if (!options.reta) order.receiver.reta_weights.clear();
  }
  if (options.reta) PM_TRYV(apply_level("reta", *options.reta, order));
  return {};
}

Result<void> take_frames(Layout& layout) {
  const TrialOrder& order = layout.order;
  PM_TRY(const RssFields fields, parse_rss_fields(order.receiver.rss_fields));
  if (order.traffic.kind == TrafficKind::replay) {
    PM_TRY(const Capture capture, load_capture(capture_order(order.traffic)));
    for (const CapturedFrame& frame : capture.frames)
      layout.tuples.push_back(rss_tuple(frame.bytes, fields));
    return {};
  }
  for (const std::uint64_t seed : layout.flow_seeds) {
    PM_TRY(const FlowSet set, FlowSet::prepare(order.traffic, seed, std::nullopt));
    for (std::size_t flow = 0; flow < set.flows.size(); ++flow)
      layout.tuples.push_back(rss_tuple(set.header(flow), fields));
    // Empty: flows take turns.
    layout.pkts.insert(layout.pkts.end(), set.flow_per_pass.begin(), set.flow_per_pass.end());
  }
  return {};
}

std::string traffic_text(const Layout& layout) {
  const TrafficOrder& traffic = layout.order.traffic;
  if (traffic.kind == TrafficKind::replay)
    return fmt::format("{} frames of {}", layout.tuples.size(), traffic.pcap);
  if (layout.flow_seeds.size() == 1) return fmt::format("{} flows", traffic.flows);
  return fmt::format("{} flows, drawn anew in each of {} blocks", traffic.flows,
                     layout.flow_seeds.size());
}

Layout layout_of_capture(const RssOptions& options) {
  Layout layout;
  layout.order.traffic.kind = TrafficKind::replay;
  layout.order.traffic.pcap = options.source.string();
  layout.order.receiver.queues = 4;
  return layout;
}

// Of a cell, with the seeds of its scheduled trials.
Layout layout_of(const Plan& plan, std::size_t cell) {
  Layout layout;
  layout.order = plan.cells[cell].order;
  std::set<std::uint64_t> seeds;
  for (std::size_t number = 0; number < plan.schedule.size(); ++number)
    if (plan.schedule[number].cell == cell)
      seeds.insert(flow_seed(order_of(plan, number, 0, static_cast<std::int64_t>(number))));
  layout.flow_seeds.assign(seeds.begin(), seeds.end());
  return layout;
}

// Every layout that the experiment's model cells have, each once; the capture with one queue
// layout.
Result<std::vector<Layout>> layouts_of(const RssOptions& options) {
  std::vector<Layout> all;
  if (is_capture(options.source)) {
    all.push_back(layout_of_capture(options));
  } else {
    PM_TRY(Experiment experiment, read_experiment(options.source, ReadOptions{}));
    PM_TRY(const Plan plan, plan_experiment(std::move(experiment)));
    for (std::size_t cell = 0; cell < plan.cells.size(); ++cell)
      if (!plan.cells[cell].refused && plan.cells[cell].order.path == Path::model)
        all.push_back(layout_of(plan, cell));
    if (all.empty())
      return fail(Errc::bad_experiment,
                  fmt::format("{}: no cell on the model path: RSS is what its port does",
                              options.source.string()));
  }
  std::vector<Layout> layouts;
  std::set<std::tuple<std::vector<std::string>, int, std::vector<int>, std::string, int>> seen;
  for (Layout& layout : all) {
    PM_TRYV(override_layout(options, layout.order));
    const ReceiverOrder& receiver = layout.order.receiver;
    if (!seen.insert({receiver.rss_fields, receiver.queues, receiver.reta_weights,
                      layout.order.traffic.pcap, layout.order.traffic.flows})
             .second)
      continue;
    PM_TRYV(take_frames(layout));
    layout.traffic = traffic_text(layout);
    layouts.push_back(std::move(layout));
  }
  return layouts;
}

// Mean share of each queue over the valid trials of that layout; empty without any.
std::vector<double> measured_shares(const std::vector<TrialResult>& trials,
                                    const TrialOrder& order) {
  std::vector<double> sums(static_cast<std::size_t>(order.receiver.queues), 0.0);
  int counted = 0;
  for (const TrialResult& trial : trials) {
    const ReceiverOrder& receiver = trial.order.receiver;
    if (!trial.valid || receiver.queues != order.receiver.queues ||
        receiver.rss_fields != order.receiver.rss_fields ||
        receiver.reta_weights != order.receiver.reta_weights ||
        trial.order.traffic.kind != order.traffic.kind ||
        trial.order.traffic.flows != order.traffic.flows || trial.queues.size() < sums.size())
      continue;
    if (std::any_of(trial.queues.begin(), trial.queues.end(),
                    [](const QueueAccount& queue) { return !queue.share; }))
      continue;
    for (const QueueAccount& queue : trial.queues)  // of the way there
      if (queue.stream == 0) sums[static_cast<std::size_t>(queue.queue)] += *queue.share;
    ++counted;
  }
  if (counted == 0) return {};
  for (double& sum : sums) sum /= counted;
  return sums;
}

std::string percent(const std::vector<double>& shares, std::size_t queue) {
  return shares.empty() ? "not measured" : fmt::format("{:.2f} %", 100.0 * shares[queue]);
}

std::string busiest(const std::vector<double>& shares) {
  return shares.empty() ? "not measured" : fmt::format("{:.3f} x", imbalance(shares));
}

std::string table_text(const Reta& reta) {
  std::string text;
  for (std::size_t entry = 0; entry < kRetaEntries; ++entry) {
    if (entry % 16 == 0) text += fmt::format("{}  {:>3}: ", entry == 0 ? "" : "\n", entry);
    text += fmt::format(" {:>2}", reta[entry]);
  }
  return text + "\n";
}

std::string testpmd_text(const Reta& reta) {
  std::vector<std::string> pairs;
  for (std::size_t entry = 0; entry < kRetaEntries; ++entry)
    pairs.push_back(fmt::format("({},{})", entry, reta[entry]));
  return fmt::format("port config 0 rss reta {}\n", join(pairs, ","));
}

Result<std::string> layout_text(const Layout& layout, const ToeplitzKey& key,
                                const std::vector<TrialResult>& trials) {
  PM_TRY(const HotLevel* level, chosen_hot_level());
  const ReceiverOrder& receiver = layout.order.receiver;
  PM_TRY(const Reta reta, make_reta(receiver.queues, receiver.reta_weights));
  const BucketLoad load =
      bucket_load(layout.tuples, rss_hashes(*level, key, layout.tuples), layout.pkts);
  const std::vector<double> predicted = queue_shares(load, reta, receiver.queues);
  const std::vector<double> measured = measured_shares(trials, layout.order);
  const Reta better_reta = balanced_reta(load, receiver.queues);
  const std::vector<double> better = queue_shares(load, better_reta, receiver.queues);

  std::string text = fmt::format("{}, rss_fields {}, {} queues, reta {}\n", layout.traffic,
                                 level_of("rss_fields", layout.order), receiver.queues,
                                 level_of("reta", layout.order));
  if (load.unhashed_pkts > 0)
    text += fmt::format("{} of {} frames are not hashed: the first queue takes them\n",
                        load.unhashed_pkts, load.total_pkts());
  text += fmt::format("{:>7} {:>12} {:>12} {:>12}\n", "queue", "predicted", "measured", "balanced");
  for (std::size_t queue = 0; queue < predicted.size(); ++queue)
    text += fmt::format("{:>7} {:>12} {:>12} {:>12}\n", queue, percent(predicted, queue),
                        percent(measured, queue), percent(better, queue));
  text += fmt::format("{:>7} {:>12} {:>12} {:>12}  of the mean\n", "busiest", busiest(predicted),
                      busiest(measured), busiest(better));
  if (imbalance(better) > imbalance(predicted) - 1e-9) {
    text += "No table spreads this traffic better by more than rounding.\n";
    return text;
  }
  text += "A table that spreads it better, by entry:\n" + table_text(better_reta);
  text += "testpmd: " + testpmd_text(better_reta);
  return text;
}

}  // namespace

void add_rss(CLI::App& app, Action& action) {
  static RssOptions options;
  CLI::App* verb =
      app.add_subcommand("rss", "each queue's share as RSS would give it, and a better table")
          ->group("judge");
  verb->add_option("SOURCE", options.source,
                   "experiment file (TOML), or a capture (.pcap, .pcapng, .cap)")
      ->required();
  verb->add_option("--key", options.key, "hash key, 40 bytes in hexadecimal; unset: Microsoft's");
  verb->add_option("--fields", options.fields, "rss_fields, joined by +; for a capture: ipv4-udp");
  verb->add_option("--queues", options.queues, "number of queues; for a capture: 4");
  verb->add_option("--reta", options.reta, "\"equal\", or weights: 4:2:1:1");
  verb->add_option("--measured", options.measured,
                   "results folder whose valid trials' shares stand beside the prediction");
  verb->footer(
      "Touches nothing. Example: pollmark rss scripts/experiments/quickstart.toml --queues 4\n"
      "Flows of an experiment count as often as they are sent; frames of a capture count one "
      "each.");
  verb->callback([&action] {
    action = []() -> Result<int> {
      PM_TRY(const std::vector<Layout> layouts, layouts_of(options));
      ToeplitzKey key = microsoft_key();
      if (!options.key.empty()) {
        PM_TRY(key, parse_rss_key(options.key));
      }
      std::vector<TrialResult> trials;
      if (!options.measured.empty()) {
        PM_TRY(StoredCampaign stored, ResultsFolder::read(options.measured));
        trials = std::move(stored.trials);
      }
      std::string text;
      for (const Layout& layout : layouts) {
        PM_TRY(const std::string part, layout_text(layout, key, trials));
        text += (text.empty() ? "" : "\n") + part;
      }
      std::fputs(text.c_str(), stdout);
      return 0;
    };
  });
}

}  // namespace pollmark
