#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/verbs.h"
#include "base/units.h"
#include "host/cpu_time.h"
#include "host/survey.h"
#include "rig/bench.h"
#include "rig/isa.h"
#include "rig/pacing_bench.h"

namespace pollmark {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kNotMeasured = "not measured";
constexpr double kPacingSeconds = 2.0;
constexpr double kSurveyMs = 5.0;

std::string number(const std::optional<double>& value) {
  return value ? fmt::format("{:.2f}", *value) : "-";
}

std::string text_of(const BenchReport& report) {
  std::string text = fmt::format(
      "thread-CPU cycles per packet at {:.3f} GHz TSC; median (lowest to highest) of {} "
      "alternating repeats\n\n",
      report.tsc_hz * 1e-9, report.repeats);
  for (const BenchRow& row : report.rows) {
    if (!row.not_measured.empty()) {
      text +=
          fmt::format("  {:<5} {:<28} {}: {}\n", row.isa, row.work, kNotMeasured, row.not_measured);
      continue;
    }
    text +=
        fmt::format("  {:<5} {:<28} {:>8}  ({} to {})  {}\n", row.isa, row.work,
                    number(row.median()), number(row.lowest()), number(row.highest()), row.does);
  }
  text += "\nasked\n\n";
  for (const BenchRatio& ratio : report.ratios) {
    if (ratio.ratios.empty()) {
      text += fmt::format("  {:<5} {:<40} {}: {}\n", ratio.isa, ratio.what, kNotMeasured,
                          ratio.not_measured);
      continue;
    }
    text += fmt::format("  {:<5} {:<40} {:>8}  ({} to {})  asked <= {:.2f}: {}\n", ratio.isa,
                        ratio.what, number(ratio.median()), number(ratio.lowest()),
                        number(ratio.highest()), ratio.at_most,
                        *ratio.median() <= ratio.at_most ? "met" : "missed");
  }
  text += fmt::format("\nsequence tracker, 65536 flows: {:.2f} MB\n",
                      static_cast<double>(report.tracker_bytes) * 1e-6);
  return text;
}

Json json_of(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json json_of(const BenchReport& report) {
  Json rows = Json::array();
  for (const BenchRow& row : report.rows) {
    rows.push_back({{"work", row.work},
                    {"isa", row.isa},
                    {"does", row.does},
                    {"median", json_of(row.median())},
                    {"lowest", json_of(row.lowest())},
                    {"highest", json_of(row.highest())},
                    {"cycles", row.cycles},
                    {"not_measured", row.not_measured}});
  }
  Json ratios = Json::array();
  for (const BenchRatio& ratio : report.ratios) {
    ratios.push_back({{"what", ratio.what},
                      {"isa", ratio.isa},
                      {"median", json_of(ratio.median())},
                      {"lowest", json_of(ratio.lowest())},
                      {"highest", json_of(ratio.highest())},
                      {"at_most", ratio.at_most},
                      {"not_measured", ratio.not_measured}});
  }
  return {{"tsc_hz", report.tsc_hz},
          {"page_size_bytes", report.page_size_bytes},
          {"repeats", report.repeats},
          {"peer", report.peer},
          {"tracker_bytes", report.tracker_bytes},
          {"rows", rows},
          {"ratios", ratios}};
}

std::string text_of(const std::vector<PacingRow>& rows) {
  std::string text =
      "pacing: gaps between departures, each against the schedule's; stalls (2 us and more) and "
      "the\n"
      "debt behind them apart\n\n"
      "  asked          within 64 ns    128 ns    256 ns    512 ns  back-to-back  rate error   "
      "stalls "
      "(share of time, longest)\n";
  for (const PacingRow& row : rows) {
    text += fmt::format("  {:<12}", si(row.asked_pps, "pps"));
    for (const double share : row.within) text += fmt::format("{:>9.2f}%", 100.0 * share);
    text += fmt::format("{:>13.3f}%{:>11.4f}%{:>9} ({:.1f} %, {})\n", 100.0 * row.back_to_back,
                        100.0 * row.rate_error, row.stalls, 100.0 * row.stalled_share,
                        duration_text(static_cast<double>(row.longest_stall_ns)));
  }
  return text;
}

Json json_of(const std::vector<PacingRow>& rows) {
  Json all = Json::array();
  for (const PacingRow& row : rows) {
    all.push_back({{"asked_pps", row.asked_pps},
                   {"sent_pps", row.sent_pps},
                   {"rate_error", row.rate_error},
                   {"gaps", row.gaps},
                   {"within", row.within},
                   {"back_to_back", row.back_to_back},
                   {"stalls", row.stalls},
                   {"stalled_share", row.stalled_share},
                   {"longest_stall_ns", row.longest_stall_ns},
                   {"gaps_behind_stalls", row.gaps_behind_stalls},
                   {"given_up_pkts", row.given_up_pkts}});
  }
  return all;
}

// What one reading of the host's drop counters takes, as a trial or `drops` takes it.
struct SurveyCost {
  std::size_t counters = 0;
  std::vector<double> wall_ns;  // of each reading, sorted
  std::vector<double> cpu_ns;   // of the thread that reads
};

Result<SurveyCost> survey_cost(int repeats) {
  SurveyCost cost;
  for (int k = 0; k < repeats; ++k) {
    const std::int64_t wall = wall_ns();
    const std::int64_t cpu = thread_cpu_ns();
    PM_TRY(const Survey survey, read_survey({}));
    cost.cpu_ns.push_back(static_cast<double>(thread_cpu_ns() - cpu));
    cost.wall_ns.push_back(static_cast<double>(wall_ns() - wall));
    cost.counters = survey.counters.values.size();
  }
  std::ranges::sort(cost.wall_ns);
  std::ranges::sort(cost.cpu_ns);
  return cost;
}

double median_of(const std::vector<double>& sorted) { return sorted[sorted.size() / 2]; }

std::string text_of(const SurveyCost& cost) {
  return fmt::format(
      "one reading of every layer, {} counters: {:.2f} ms ({:.2f} to {:.2f}), {:.2f} ms of CPU; "
      "medians of {}\nasked <= {:.0f} ms: {}\n",
      cost.counters, median_of(cost.wall_ns) * 1e-6, cost.wall_ns.front() * 1e-6,
      cost.wall_ns.back() * 1e-6, median_of(cost.cpu_ns) * 1e-6, cost.wall_ns.size(), kSurveyMs,
      median_of(cost.wall_ns) * 1e-6 <= kSurveyMs ? "met" : "missed");
}

Json json_of(const SurveyCost& cost) {
  return {{"counters", cost.counters},
          {"repeats", cost.wall_ns.size()},
          {"unit", "ns"},
          {"wall", cost.wall_ns},
          {"cpu", cost.cpu_ns}};
}

Result<std::vector<const HotLevel*>> levels_of(const std::string& isa) {
  if (isa == "all") return runnable_hot_levels();
  PM_TRY(const HotLevel* level, isa.empty() ? chosen_hot_level() : hot_level_named(isa));
  return std::vector<const HotLevel*>{level};
}

}  // namespace

void add_bench(CLI::App& app, Action& action) {
  static BenchOrder order;
  static std::string isa;
  static bool as_json = false;
  static bool no_peer = false;
  static bool pacing = false;
  static bool survey = false;
  CLI::App* verb =
      app.add_subcommand("bench", "cycles per packet of our own loops")->group("trust");
  verb->add_option("--isa", isa, "v2, v3, v4 or all (default: the one that trials run)");
  verb->add_option("--repeats", order.repeats, "alternating repeats (default 7)")
      ->check(CLI::Range(1, 1000));
  verb->add_flag("--json", as_json, "every repeat, as JSON");
  verb->add_flag("--pacing", pacing, "how evenly the generator sends, instead of what it costs");
  verb->add_flag("--survey", survey, "how long one reading of the host's drop counters takes")
      ->excludes("--pacing");
  verb->add_flag("--no-peer", no_peer, "leave dpdk-testpmd out");
  verb->footer("Needs no root, no NIC. Example: pollmark bench --isa all --json");
  verb->callback([&action] {
    action = []() -> Result<int> {
      if (survey) {
        PM_TRY(const SurveyCost cost, survey_cost(order.repeats));
        std::fputs(as_json ? (json_of(cost).dump(2) + "\n").c_str() : text_of(cost).c_str(),
                   stdout);
        return 0;
      }
      order.with_peer = !no_peer;
      auto levels = levels_of(isa);
      if (!levels) return tl::unexpected<Error>(std::move(levels).error().within("--isa"));
      order.levels = std::move(*levels);
      if (pacing) {
        PM_TRY(const std::vector<PacingRow> rows,
               run_pacing_bench(*order.levels.front(), kPacingSeconds));
        std::fputs(as_json ? (json_of(rows).dump(2) + "\n").c_str() : text_of(rows).c_str(),
                   stdout);
        return 0;
      }
      PM_TRY(const BenchReport report, run_bench(order, [](int repeat) {
               std::fprintf(stderr, "\rbench: repeat %d of %d", repeat, order.repeats);
               if (repeat == order.repeats) std::fputc('\n', stderr);
             }));
      std::fputs(as_json ? (json_of(report).dump(2) + "\n").c_str() : text_of(report).c_str(),
                 stdout);
      return 0;
    };
  });
}

}  // namespace pollmark
