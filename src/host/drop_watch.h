// Two readings of the survey as losses with their causes, the worst first; alarms on them; and what
// a terminal, a line of JSON and a node_exporter say of them.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "host/loss_causes.h"
#include "host/survey.h"

namespace pollmark {

struct MovedCounter {
  std::string counter;
  std::int64_t delta = 0;  // in the interval; > 0
  double per_s = 0.0;
  std::int64_t since_start = 0;  // of the watch
  std::uint64_t reading = 0;     // as it stands now, mostly since the device or namespace was made
  CounterFacts facts;
  const LossCause* cause = nullptr;  // never null
};

// What moved of the counters that have a cause. Each list is sorted by delta, the largest first.
struct DropInterval {
  double seconds = 0.0;
  std::vector<MovedCounter> lost;   // owners: each lost packet is in one of them
  std::vector<MovedCounter> signs;  // context: no loss, or a driver's, which may be above already
  std::vector<MovedCounter> again;  // echoes of owners: not to be added
  std::vector<std::string> reset;   // fell since the reading before: not measured
  std::map<std::string, std::string> not_read;
};

class DropWatch {
 public:
  explicit DropWatch(Survey first) : last_(std::move(first)) {}

  // seconds: since the reading before, > 0. A socket that was not there before began at 0.
  [[nodiscard]] DropInterval step(Survey now, double seconds);
  // Every counter that moved since the start, losses or not -> by how much.
  [[nodiscard]] const std::map<std::string, std::int64_t>& since_start() const {
    return since_start_;
  }
  [[nodiscard]] const Survey& last() const { return last_; }

 private:
  Survey last_;
  std::map<std::string, std::int64_t> since_start_;
};

// "rx_discards > 0": fires when what the counters of that name rose by since the start of the watch
// is above the number; of a level ("files.allocated"), when it stands above it. A name is a full
// one (link.eth0.rx_dropped), or how full ones end behind a dot (rx_dropped, eth0.rx_dropped).
struct DropAlarm {
  std::string counter;
  std::int64_t above = 0;

  // Errors: bad_experiment with the allowed form.
  [[nodiscard]] static Result<DropAlarm> parse(std::string_view text);
  // Errors: bad_experiment when the survey has no counter or level of that name; such an alarm
  // would never fire.
  [[nodiscard]] Result<void> need_known(const Survey& survey) const;
  // One line that says so, when it fires.
  [[nodiscard]] std::optional<std::string> fired(const DropWatch& watch) const;
};

[[nodiscard]] std::string drops_text(const DropInterval& interval, double epoch_seconds);
[[nodiscard]] nlohmann::json drops_json(const DropInterval& interval, double epoch_seconds);
// The first line of a record: the reading that it begins with.
[[nodiscard]] nlohmann::json survey_json(const Survey& survey, double epoch_seconds);

// Flags of node_exporter (1.9) whose collectors show these counters, one a line, ready for a shell;
// then, as comments, those that no collector shows.
[[nodiscard]] std::string node_exporter_text(const std::vector<std::string>& counters);

}  // namespace pollmark
