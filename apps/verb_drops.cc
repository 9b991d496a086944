#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/looking.h"
#include "apps/verbs.h"
#include "host/drop_reason_watch.h"
#include "host/drop_reasons.h"
#include "host/drop_watch.h"
#include "host/netns.h"

namespace pollmark {
namespace {

using Clock = std::chrono::steady_clock;

struct DropsOptions {
  std::string netdev;
  std::string netns;
  std::string every = "1s";
  std::string lasts;
  std::vector<std::string> alarms;
  std::filesystem::path record;
  std::string by;
  bool no_reasons = false;
  bool once = false;
  bool json = false;
  bool node_exporter = false;
};

// drops.jsonl of a folder: each line is with the kernel before the next is read.
class Record {
 public:
  static Result<Record> open(const std::filesystem::path& folder) {
    Record record;
    if (folder.empty()) return record;
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    record.file_ = folder / "drops.jsonl";
    record.out_.open(record.file_, std::ios::app);
    if (error || !record.out_) return record.refusal("cannot be opened");
    return record;
  }

  Result<void> append(const nlohmann::json& line) {
    if (file_.empty()) return {};
    out_ << line.dump() << '\n' << std::flush;
    if (!out_) return refusal("cannot be appended to");
    return {};
  }

 private:
  [[nodiscard]] tl::unexpected<Error> refusal(std::string_view what) const {
    return fail(Errc::host_cannot, fmt::format("{}: {}", what, std::strerror(errno)),
                file_.string());
  }

  std::filesystem::path file_;
  std::ofstream out_;
};

// The kernel's own reasons beside the counters. What they lack is said and stops nothing.
class Reasons {
 public:
  Result<void> open(const DropsOptions& options, int netns_fd) {
    PM_TRY(const ScopedNetns inside, ScopedNetns::enter(netns_fd));
    PM_TRY(const Netns netns, Netns::current());
    own_netns_ = static_cast<std::uint32_t>(netns.inode());
    netdev_ = options.netdev;
    DropOrder order{.netns_fds = {}, .by_flow = !options.by.empty()};
    // A watch on one device or namespace does not tell of the others.
    if (netns_fd >= 0 || !netdev_.empty()) order.netns_fds = {netns.fd()};
    auto reasons = DropReasons::start(order);
    if (!reasons) {
      why_not_ = reasons.error().text();
      return {};
    }
    reasons_ = *std::move(reasons);
    return {};
  }

  void start() {
    if (const auto first = read()) watch_.emplace(reasons_->source(), *first);
  }

  void step(double seconds) {
    interval_.reset();
    auto now = read();
    if (!now || !watch_) return;
    interval_ = watch_->step(*std::move(now), seconds);
    if (!netdev_.empty()) keep_netdev(*interval_, netdev_);
  }

  [[nodiscard]] std::string text() const {
    if (!interval_) return fmt::format("reasons: unattributed ({})\n", why_not_);
    std::string text = drop_reasons_text(*interval_, own_netns_);
    if (!reasons_->why_not_bpf().empty()) {
      text += fmt::format("reasons: of the whole host, without namespace, device or flow ({})\n",
                          reasons_->why_not_bpf());
    }
    return text;
  }

  [[nodiscard]] nlohmann::json json() const {
    return interval_ ? drop_reasons_json(*interval_) : nlohmann::json{{"not_read", why_not_}};
  }

 private:
  std::optional<DropReading> read() {
    if (!reasons_) return std::nullopt;
    auto reading = reasons_->read();
    if (reading) return *std::move(reading);
    why_not_ = reading.error().text();
    return std::nullopt;
  }

  std::optional<DropReasons> reasons_;
  std::optional<DropReasonWatch> watch_;
  std::optional<DropReasonInterval> interval_;
  std::string why_not_;
  std::string netdev_;
  std::uint32_t own_netns_ = 0;
};

class Watch {
 public:
  static Result<int> run(const DropsOptions& options) {
    Watch watch(options);
    PM_TRYV(watch.prepare());
    return watch.look_on();
  }

 private:
  explicit Watch(const DropsOptions& options) : options_(options) {}

  Result<void> prepare() {
    PM_TRY(every_, duration_option("--every", options_.every));
    if (every_ < std::chrono::milliseconds(10)) {
      return fail(Errc::bad_experiment,
                  fmt::format("\"{}\": too often; allowed: 10 ms and more", options_.every),
                  "--every");
    }
    if (!options_.lasts.empty()) {
      PM_TRY(ends_after_, duration_option("--for", options_.lasts));
    } else if (options_.once || options_.node_exporter) {
      ends_after_ = every_;
    }
    for (const auto& text : options_.alarms) {
      PM_TRY(const DropAlarm alarm, DropAlarm::parse(text));
      alarms_.push_back(alarm);
    }
    if (!options_.netns.empty()) {
      PM_TRY(netns_, Netns::open(options_.netns));
    }
    order_ = {.netns_fd = netns_.fd(), .netdev = options_.netdev};
    if (!options_.no_reasons && !options_.node_exporter) {
      PM_TRYV(reasons_.emplace().open(options_, netns_.fd()));
    }
    PM_TRY(record_, Record::open(options_.record));
    return {};
  }

  Result<int> look_on() {
    PM_TRY(Survey first, read_survey(order_));
    if (reasons_) reasons_->start();
    for (const auto& alarm : alarms_) PM_TRYV(alarm.need_known(first));
    const auto reading = survey_json(first, epoch_seconds_now());
    PM_TRYV(record_.append(reading));
    if (options_.json) fmt::print("{}\n", reading.dump());
    DropWatch watch(std::move(first));
    const auto start = Clock::now();
    auto last = start;
    for (auto due = start + every_;; due += every_) {
      const bool is_last = ends_after_ && due - start >= *ends_after_;
      if (!wait_until(is_last ? start + *ends_after_ : due)) break;
      PM_TRY(Survey survey, read_survey(order_));
      const auto now = Clock::now();
      const double seconds = std::chrono::duration<double>(now - last).count();
      const auto interval = watch.step(std::move(survey), seconds);
      if (reasons_) reasons_->step(seconds);
      last = now;
      PM_TRYV(tell(interval));
      for (const auto& alarm : alarms_) {
        if (const auto text = alarm.fired(watch)) {
          std::fprintf(stderr, "%s\n", text->c_str());
          return static_cast<int>(Errc::gate_said_no);
        }
      }
      if (is_last) return done(watch);
    }
    // Ctrl-C is how a watch without an end ends.
    PM_TRY(const int code, done(watch));
    return ends_after_ ? static_cast<int>(Errc::interrupted) : code;
  }

  Result<void> tell(const DropInterval& interval) {
    const double epoch = epoch_seconds_now();
    auto line = drops_json(interval, epoch);
    if (reasons_) line["reasons"] = reasons_->json();
    PM_TRYV(record_.append(line));
    if (options_.node_exporter) return {};
    if (options_.json) {
      fmt::print("{}\n", line.dump());
    } else {
      if (isatty(STDOUT_FILENO) == 1 && !options_.once) fmt::print("\x1b[H\x1b[J");
      fmt::print("{}{}", drops_text(interval, epoch), reasons_ ? reasons_->text() : "");
    }
    std::fflush(stdout);
    return {};
  }

  Result<int> done(const DropWatch& watch) {
    if (!options_.node_exporter) return 0;
    std::vector<std::string> moved;
    for (const auto& entry : watch.since_start()) {
      if (cause_of(entry.first) != nullptr) moved.push_back(entry.first);
    }
    fmt::print("{}", node_exporter_text(moved));
    return 0;
  }

  const DropsOptions& options_;
  Clock::duration every_{};
  std::optional<Clock::duration> ends_after_;
  std::vector<DropAlarm> alarms_;
  Netns netns_;
  SurveyOrder order_;
  std::optional<Reasons> reasons_;
  Record record_;
};

}  // namespace

void add_drops(CLI::App& app, Action& action) {
  static DropsOptions options;
  CLI::App* verb =
      app.add_subcommand("drops", "where packets die on this host, live, and what to do about it")
          ->group("look");
  verb->add_option("NETDEV", options.netdev,
                   "the layers of this device alone, beside those of the namespace");
  verb->add_option("--every", options.every, "time between two readings")->capture_default_str();
  verb->add_option("--for", options.lasts, "stop after that time (\"10 s\", \"24 h\")");
  verb->add_flag("--once", options.once, "one interval, then stop");
  verb->add_flag("--json", options.json, "a reading of every counter, then a line per interval");
  verb->add_option("--record", options.record,
                   "append the same lines to drops.jsonl of this folder");
  verb->add_option("--alarm", options.alarms,
                   "'NAME > N': stop with exit code 1 when what the counters of that name counted "
                   "since the start is above N; may be repeated")
      ->allow_extra_args(false);
  verb->add_option("--netns", options.netns,
                   "of the namespace of this process, or of this file (/run/netns/NAME)");
  CLI::Option* by =
      verb->add_option("--by", options.by, "flow: the flows that lost packets too (takes BPF)")
          ->check(CLI::IsMember({"flow"}));
  verb->add_flag("--no-reasons", options.no_reasons,
                 "counters alone: nothing is put into the kernel")
      ->excludes(by);
  verb->add_flag("--node-exporter", options.node_exporter,
                 "print the collector flags of node_exporter that show what moved");
  verb->footer(
      "Changes nothing; needs no root but for --netns, and for the kernel's reasons: CAP_BPF and "
      "CAP_PERFMON\n(a program at its tracepoint skb:kfree_skb as long as this runs), or tracefs. "
      "Ctrl-C ends it (exit code\n4 where --for or --once had more to come, else 0).\n"
      "Examples: " +
      app.get_name() + " drops\n          " + app.get_name() +
      " drops lo --once --every 200ms --json\n          " + app.get_name() +
      " drops --every 100ms --for 24h --record drops --alarm 'rx_missed_errors > 0'");
  verb->callback([&action] { action = [] { return Watch::run(options); }; });
}

}  // namespace pollmark
