#include "host/drop_watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <utility>

#include "base/text.h"
#include "base/units.h"

namespace pollmark {
namespace {

constexpr std::string_view kSocketLayer = "_socket";

// nullopt: not measured.
std::optional<std::int64_t> delta_of(const CounterChange& change, const Survey& before) {
  const std::string& layer = change.facts.layer;
  const bool new_socket = !change.before && change.after && layer.ends_with(kSocketLayer) &&
                          !before.not_read.contains(layer);
  if (new_socket) return static_cast<std::int64_t>(*change.after);
  return change.delta;
}

std::vector<MovedCounter>& list_of(DropInterval& interval, CounterRole role) {
  switch (role) {
    case CounterRole::owner:
      return interval.lost;
    case CounterRole::echo:
      return interval.again;
    case CounterRole::context:
      return interval.signs;
  }
  PM_CHECK(false);
}

void sort_worst_first(std::vector<MovedCounter>& moved) {
  std::ranges::stable_sort(moved, std::ranges::greater(), &MovedCounter::delta);
}

bool is_named(std::string_view full_name, std::string_view name) {
  return full_name == name || parts_of(full_name).counter == name ||
         (full_name.ends_with(name) && full_name[full_name.size() - name.size() - 1] == '.');
}

std::string row_text(const MovedCounter& moved) {
  std::string text = fmt::format("  {:>12}/s  {}  ({} in the interval, {} since the start, {})\n",
                                 si(moved.per_s, ""), moved.counter, grouped(moved.delta),
                                 grouped(moved.since_start), moved.facts.unit);
  text += fmt::format("{:18}{}\n", "", moved.cause->cause);
  if (const auto remedy = remedy_for(*moved.cause, moved.counter); !remedy.empty()) {
    text += fmt::format("{:18}remedy: {}\n", "", remedy);
  }
  return text;
}

nlohmann::json moved_json(const std::vector<MovedCounter>& list) {
  auto rows = nlohmann::json::array();
  for (const MovedCounter& moved : list) {
    rows.push_back({{"counter", moved.counter},
                    {"delta", moved.delta},
                    {"per_s", moved.per_s},
                    {"since_start", moved.since_start},
                    {"reading", moved.reading},
                    {"unit", moved.facts.unit},
                    {"scope", moved.facts.scope},
                    {"cause", moved.cause->cause},
                    {"remedy", remedy_for(*moved.cause, moved.counter)}});
  }
  return rows;
}

// As node_exporter writes the protocols of its netstat collector.
constexpr std::array kNetstatProtocols{
    std::pair{"ip", "Ip"},         std::pair{"icmp", "Icmp"},        std::pair{"tcp", "Tcp"},
    std::pair{"udp", "Udp"},       std::pair{"udplite", "UdpLite"},  std::pair{"ipext", "IpExt"},
    std::pair{"tcpext", "TcpExt"}, std::pair{"ip6", "Ip6"},          std::pair{"icmp6", "Icmp6"},
    std::pair{"udp6", "Udp6"},     std::pair{"udplite6", "UdpLite6"}};

// What the collectors of node_exporter show, read in its collector/*_linux.go.
class CollectorFlags {
 public:
  void add(const std::string& name) {
    const CounterName parts = parts_of(name);
    if (parts.layer == "link" && parts.counter == "carrier_changes") {
      flags_.insert("--collector.netclass");
    } else if (parts.layer == "link" && parts.counter != "rx_otherhost_dropped") {
      flags_.insert("--collector.netdev --collector.netdev.enable-detailed-metrics");
    } else if (parts.layer == "driver") {
      driver_.insert(sanitized(parts.counter));
    } else if (parts.layer == "qdisc" && parts.subject.ends_with(" root]")) {
      flags_.insert("--collector.qdisc");
    } else if (parts.layer == "softnet" || parts.layer == "conntrack") {
      flags_.insert(fmt::format("--collector.{}", parts.layer));
    } else if (const auto protocol = netstat_name(parts.layer)) {
      netstat_.insert(fmt::format("{}_{}", *protocol, parts.counter));
    } else {
      not_shown_.insert(name);
    }
  }

  std::string text() && {
    if (!driver_.empty()) {
      flags_.insert(fmt::format("--collector.ethtool --collector.ethtool.metrics-include={}",
                                alternatives(driver_)));
    }
    if (!netstat_.empty()) {
      flags_.insert(
          fmt::format("--collector.netstat --collector.netstat.fields={}", alternatives(netstat_)));
    }
    std::string text;
    for (const auto& flag : flags_) text += flag + "\n";
    for (const auto& name : not_shown_) text += "# no collector shows " + name + "\n";
    return text.empty() ? "# nothing moved\n" : text;
  }

 private:
  static std::optional<std::string_view> netstat_name(std::string_view layer) {
    for (const auto& [ours, theirs] : kNetstatProtocols) {
      if (layer == ours) return theirs;
    }
    return std::nullopt;
  }
  // As its collector/helper.go does.
  static std::string sanitized(std::string_view word) {
    return std::regex_replace(std::string(word), std::regex("_*[^0-9A-Za-z_]+_*"), "_");
  }
  static std::string alternatives(const std::set<std::string>& words) {
    return shell_quoted("^(" + join(std::vector(words.begin(), words.end()), "|") + ")$");
  }

  std::set<std::string> flags_;
  std::set<std::string> driver_;
  std::set<std::string> netstat_;
  std::set<std::string> not_shown_;
};

}  // namespace

DropInterval DropWatch::step(Survey now, double seconds) {
  DropInterval interval{.seconds = seconds, .not_read = now.not_read};
  for (const auto& [name, change] : difference(last_.counters, now.counters)) {
    const LossCause* cause = cause_of(name);
    if (change.went_backwards && cause != nullptr) interval.reset.push_back(name);
    const auto delta = delta_of(change, last_);
    if (!delta || *delta == 0) continue;
    const std::int64_t since_start = since_start_[name] += *delta;
    if (cause == nullptr) continue;
    list_of(interval, change.facts.role)
        .push_back({.counter = name,
                    .delta = *delta,
                    .per_s = static_cast<double>(*delta) / seconds,
                    .since_start = since_start,
                    .reading = *change.after,
                    .facts = change.facts,
                    .cause = cause});
  }
  sort_worst_first(interval.lost);
  sort_worst_first(interval.signs);
  sort_worst_first(interval.again);
  last_ = std::move(now);
  return interval;
}

Result<DropAlarm> DropAlarm::parse(std::string_view text) {
  constexpr std::string_view kForm = "allowed: 'NAME > N', as 'rx_missed_errors > 0'";
  const auto above = text.rfind('>');
  DropAlarm alarm;
  std::string_view number;
  if (above != std::string_view::npos) {
    alarm.counter = trimmed(text.substr(0, above));
    number = trimmed(text.substr(above + 1));
  }
  const char* end = number.data() + number.size();
  if (alarm.counter.empty() || number.empty() ||
      std::from_chars(number.data(), end, alarm.above).ptr != end || alarm.above < 0) {
    return fail(Errc::bad_experiment, fmt::format("\"{}\" is no alarm; {}", text, kForm),
                "--alarm");
  }
  return alarm;
}

Result<void> DropAlarm::need_known(const Survey& survey) const {
  std::set<std::string> known;
  for (const auto& entry : survey.counters.values) {
    if (is_named(entry.first, counter)) return {};
    known.insert(entry.first);
    known.emplace(parts_of(entry.first).counter);
  }
  for (const auto& entry : survey.levels) {
    if (is_named(entry.first, counter)) return {};
    known.insert(entry.first);
  }
  const auto guess = did_you_mean(counter, std::vector(known.begin(), known.end()));
  return fail(Errc::bad_experiment,
              fmt::format("\"{}\": nothing here has this name{}", counter,
                          guess.empty() ? std::string("; drops --json prints the names")
                                        : fmt::format(", did you mean \"{}\"?", guess)),
              "--alarm");
}

std::optional<std::string> DropAlarm::fired(const DropWatch& watch) const {
  std::int64_t risen = 0;
  for (const auto& [name, delta] : watch.since_start()) {
    if (is_named(name, counter)) risen += delta;
  }
  if (risen > above) {
    return fmt::format("alarm: {} rose by {}, more than {}", counter, grouped(risen),
                       grouped(above));
  }
  for (const auto& [name, level] : watch.last().levels) {
    if (is_named(name, counter) && level > static_cast<std::uint64_t>(above)) {
      return fmt::format("alarm: {} is {}, more than {}", name,
                         grouped(static_cast<std::int64_t>(level)), grouped(above));
    }
  }
  return std::nullopt;
}

std::string drops_text(const DropInterval& interval, double epoch_seconds) {
  std::string text =
      fmt::format("{}, over {}\n", utc_text(epoch_seconds), duration_text(interval.seconds * 1e9));
  if (interval.lost.empty()) text += "  nothing was lost\n";
  for (const auto& moved : interval.lost) text += row_text(moved);
  if (!interval.signs.empty()) {
    text += "Signs: no loss by themselves, or a driver's count of what may be above already\n";
    for (const auto& moved : interval.signs) text += row_text(moved);
  }
  if (!interval.again.empty()) {
    std::vector<std::string> again;
    for (const auto& moved : interval.again) {
      again.push_back(fmt::format("{} {}", moved.counter, grouped(moved.delta)));
    }
    text += fmt::format("Counted again, not to be added: {}\n", join(again, ", "));
  }
  for (const auto& name : interval.reset) {
    text += fmt::format("{}: not measured (it fell: somebody reset it)\n", name);
  }
  for (const auto& [what, why] : interval.not_read) {
    text += fmt::format("{}: not measured ({})\n", what, why);
  }
  return text;
}

nlohmann::json drops_json(const DropInterval& interval, double epoch_seconds) {
  return {{"kind", "interval"},
          {"utc", utc_text(epoch_seconds)},
          {"seconds", interval.seconds},
          {"lost", moved_json(interval.lost)},
          {"signs", moved_json(interval.signs)},
          {"again", moved_json(interval.again)},
          {"reset", interval.reset},
          {"not_read", interval.not_read}};
}

nlohmann::json survey_json(const Survey& survey, double epoch_seconds) {
  return {{"kind", "reading"},
          {"utc", utc_text(epoch_seconds)},
          {"counters", survey.counters.values},
          {"levels", survey.levels},
          {"not_read", survey.not_read}};
}

std::string node_exporter_text(const std::vector<std::string>& counters) {
  CollectorFlags flags;
  for (const auto& name : counters) flags.add(name);
  return std::move(flags).text();
}

}  // namespace pollmark
