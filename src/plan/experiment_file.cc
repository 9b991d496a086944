// Reads an experiment file. The file and every --set are documents of their own; what they say is
// laid over one another key by key, so that each value keeps the place it was written at.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <set>
#include <tuple>

#include "base/input_file.h"
#include "base/text.h"
#include "plan/experiment_reader.h"
#include "plan/factors.h"
#include "plan/feasibility.h"
#include "plan/keys.h"
#include "record/trial_result.h"

namespace pollmark {

std::string type_text(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "text";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number with a point";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

std::string one_line(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c == '\n') {
      line += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      line += c;
    }
  }
  return line;
}

namespace {

constexpr std::int64_t kMostExperimentBytes = 16 << 20;
constexpr std::size_t kMostLevels = 1000;
constexpr std::int64_t kMostBlocks = 1000;
constexpr int kQuickBlocks = 2;
constexpr double kMostSeconds = 3600.0;

std::vector<toml::node_type> types_of(const toml::array& array) {
  std::vector<toml::node_type> types;
  for (const toml::node& element : array) types.push_back(element.type());
  return types;
}

bool all_of_type(const toml::array& array, toml::node_type type) {
  const std::vector<toml::node_type> types = types_of(array);
  return std::all_of(types.begin(), types.end(),
                     [type](toml::node_type each) { return each == type; });
}

bool has_form(const FactorFacts& factor, LevelForm form) {
  return std::find(factor.forms.begin(), factor.forms.end(), form) != factor.forms.end();
}

// A level as text for apply_level. Errors: the TOML type is not one of the factor's forms.
Result<std::string> level_text(const toml::node& node, const FactorFacts& factor) {
  if (const auto* integer = node.as_integer(); integer && has_form(factor, LevelForm::integer)) {
    return fmt::format("{}", integer->get());
  }
  if (const auto* text = node.as_string(); text && has_form(factor, LevelForm::text)) {
    return text->get();
  }
  if (const auto* truth = node.as_boolean(); truth && has_form(factor, LevelForm::truth)) {
    return truth->get() ? "true" : "false";
  }
  if (const toml::array* array = node.as_array()) {
    std::vector<std::string> parts;
    if (has_form(factor, LevelForm::integers) && !array->empty() &&
        all_of_type(*array, toml::node_type::integer)) {
      for (const toml::node& element : *array) {
        parts.push_back(fmt::format("{}", element.as_integer()->get()));
      }
      return join(parts, ":");
    }
    if (has_form(factor, LevelForm::texts) && all_of_type(*array, toml::node_type::string)) {
      for (const toml::node& element : *array) parts.push_back(element.as_string()->get());
      return join(parts, "+");
    }
  }
  if (const toml::table* table = node.as_table(); table && has_form(factor, LevelForm::kind)) {
    for (const auto& [key, value] : *table) {
      if (key.str() == "kind" || key.str() == "patterns") {
        if (value.is_string()) continue;
        return fail(Errc::bad_experiment,
                    fmt::format("{} is not text; allowed: {}", key.str(), factor.limits));
      }
      return fail(Errc::bad_experiment,
                  fmt::format("unknown key \"{}\"; allowed: kind, patterns", key.str()));
    }
    const toml::node* kind = table->get("kind");
    const toml::node* patterns = table->get("patterns");
    if (kind == nullptr) {
      return fail(Errc::bad_experiment, fmt::format("kind is missing; allowed: {}", factor.limits));
    }
    if (patterns == nullptr) return kind->as_string()->get();
    if (kind->as_string()->get() != "hyperscan") {
      return fail(Errc::bad_experiment,
                  fmt::format("patterns with kind \"{}\"; allowed with kind = \"hyperscan\"",
                              kind->as_string()->get()));
    }
    return fmt::format("hyperscan:{}", patterns->as_string()->get());
  }
  return fail(Errc::bad_experiment, fmt::format("{} instead of {}; allowed: {}", type_text(node),
                                                factor.syntax, factor.limits));
}

// ---------------------------------------------------------------------------------------------
// The keys

const std::vector<std::string>& table_names() {
  static const std::vector<std::string> kNames = {
      "generator", "receiver", "traffic", "model",   "kernel", "factors", "trial",
      "judge",     "results",  "search",  "rfc2544", "host",   "capture", "target"};
  return kNames;
}

bool is_group_table(std::string_view table) {
  static const std::set<std::string_view> kTables = {"generator", "receiver",     "traffic",
                                                     "model",     "model.faults", "kernel",
                                                     "factors",   "trial",        "capture"};
  return kTables.contains(table);
}

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const MetricFacts& metric : all_metrics()) names.push_back(metric.name);
  return names;
}

constexpr std::string_view kPortAllowed = "\"model\", \"veth\", \"netdev:eth2\"";
constexpr std::string_view kLcoresAllowed = "a list of CPU numbers 0 to 1023, each once";
constexpr std::string_view kAllowAllowed =
    "a list of settings of the whole host (\"net.core.netdev_budget\") and ports in use "
    "(\"netdev:eth2\")";
constexpr std::string_view kProbabilityAllowed = "a number 0 to 1, each frame's probability";
constexpr std::string_view kBudgetAllowed = "\"20 min\", \"90 s\", up to 7 days";
constexpr std::string_view kSecondsAllowed =
    "seconds (0.5) or a duration (\"300 ms\"), up to 3600 s";
constexpr std::string_view kPacketsAllowed = "\"2 M\", \"500 k\", 64; up to 1 T";
constexpr const char* kDesign = "design";  // no factor, though it stands among them
constexpr std::string_view kMattersAllowed = "a percentage above 0: \"1 %\", \"0.5 %\"";

}  // namespace

const std::vector<Reader::Key>& Reader::keys() {
  static const std::vector<Key> kKeys = [] {
    std::vector<Key> keys = end_keys();
    for (std::vector<Key> more : {traffic_keys(), search_keys(), rfc2544_keys(),
                                  model_and_trial_keys(), capture_keys(), target_keys_of_file()}) {
      std::move(more.begin(), more.end(), std::back_inserter(keys));
    }
    return keys;
  }();
  return kKeys;
}

Reader::Key Reader::key(std::string table, std::string name, std::string syntax,
                        std::string sentence, ReadKey read) {
  KeyFacts facts{std::move(table), std::move(name), std::move(syntax), std::move(sentence)};
  facts.in_group = is_group_table(facts.table);
  return Key{std::move(facts), read};
}

Reader::Key Reader::shared_key(std::string table, std::string name, std::string syntax,
                               std::string sentence, ReadKey read) {
  Key made = key(std::move(table), std::move(name), std::move(syntax), std::move(sentence), read);
  made.facts.in_group = false;
  return made;
}

Reader::Key Reader::later(std::string table, std::string name, std::string what) {
  KeyFacts facts{std::move(table), std::move(name), "", std::move(what)};
  facts.not_yet = true;
  return Key{std::move(facts), nullptr};
}

// Of the file, and of both ends.
std::vector<Reader::Key> Reader::end_keys() {
  return {
      key("", "name", "text", "Required. Names the results folder.", &Reader::read_name),
      key("", "question", "text", "Opens the report.", &Reader::read_question),
      key("", "under_test", "\"receiver\"", "Whose losses are the result.",
          &Reader::read_under_test),
      later("", "budget", "choosing blocks by time"),
      key("generator", "port", std::string(kPortAllowed), "Where frames are sent.",
          &Reader::read_generator_port),
      key("generator", "lcores", std::string(kLcoresAllowed),
          "They share one schedule, flow by flow. Unset: one, chosen.",
          &Reader::read_generator_lcores),
      later("generator", "host", "trials between two hosts"),
      later("generator", "numa", "placement by node"),
      key("receiver", "port", std::string(kPortAllowed), "Where frames are received.",
          &Reader::read_receiver_port),
      key("receiver", "lcores", std::string(kLcoresAllowed), "Unset: chosen.",
          &Reader::read_receiver_lcores),
      shared_key("host", "allow", std::string(kAllowAllowed),
                 "What others use and a trial may change; it is put back.",
                 &Reader::read_host_allow),
  };
}

std::vector<Reader::Key> Reader::model_and_trial_keys() {
  return {
      key("model", "clock", "\"lockstep\", \"wall\"",
          "lockstep: virtual time, on any host. wall: real time, a CPU of its own for every lcore.",
          &Reader::read_clock),
      key("model.faults", "drop", std::string(kProbabilityAllowed), "", &Reader::read_drop),
      key("model.faults", "duplicate", std::string(kProbabilityAllowed), "",
          &Reader::read_duplicate),
      key("model.faults", "reorder", std::string(kProbabilityAllowed), "", &Reader::read_reorder),
      key("model.faults", "corrupt", std::string(kProbabilityAllowed), "", &Reader::read_corrupt),
      key("model.faults", "delay", std::string(kProbabilityAllowed), "", &Reader::read_delay),
      key("model.faults", "delay_time", "\"1 ns\" to \"1 s\"", "How long a delayed frame waits.",
          &Reader::read_delay_time),
      key("factors", kDesign, "\"factorial\", \"one_at_a_time\"",
          "factorial: every combination. one_at_a_time: the baseline, and each other level alone.",
          &Reader::read_design),
      key("trial", "seconds", std::string(kSecondsAllowed), "Virtual seconds on the model.",
          &Reader::read_seconds),
      key("trial", "packets", std::string(kPacketsAllowed), "Instead of seconds.",
          &Reader::read_packets),
      key("trial", "warmup", std::string(kSecondsAllowed), "Before the window.",
          &Reader::read_warmup),
      shared_key("trial", "blocks", "1 to 1000",
                 "Repeats of every cell; order randomised within each.", &Reader::read_blocks),
      shared_key("trial", "budget", std::string(kBudgetAllowed),
                 "Instead of blocks: as many as fit, an even number from 6 on.",
                 &Reader::read_budget),
      shared_key("trial", "aa_blocks", "0 to 1000",
                 "Of the A/A gate: the baseline twice a block, before all else; 0: no gate.",
                 &Reader::read_aa_blocks),
      shared_key("trial", "retries", "0 to 100", "Of an invalid trial.", &Reader::read_retries),
      shared_key("trial", "seed", "0 to 9223372036854775807",
                 "Of orders, traffic, faults and stalls.", &Reader::read_seed),
      key("trial", "validity", "\"strict\", \"as_is\"",
          "as_is keeps what the host disturbed as labelled results.", &Reader::read_validity),
      key("trial", "drop_reasons", "\"on\", \"off\"",
          "Of udp_socket and af_xdp: why the kernel gave frames up. Costs per frame that it drops.",
          &Reader::read_drop_reasons),
      key("judge", "metric", join(metric_names(), ", "), "", &Reader::read_metric),
      key("judge", "matters", std::string(kMattersAllowed), "The smallest change worth naming.",
          &Reader::read_matters),
      key("judge", "choose", "text", "What to choose, in words.", &Reader::read_choose),
  };
}

namespace {

// Factors and settings of the kernel path and of real ports that later releases bring.
const std::vector<std::string>& later_factors() {
  static const std::vector<std::string> kNames = {
      "tx_ring",     "rx_free_thresh", "tx_free_thresh", "tx_rs_thresh", "rx_drop_en",
      "tx_offloads", "rss_key",        "flow_control",   "promiscuous",  "page_size",
  };
  return kNames;
}

std::string closed_loop_metric(Path path) {
  if (path == Path::tcp_stream) return "goodput_bps";
  return path == Path::tcp_crr ? "connections_per_s" : "transactions_per_s";
}

bool is_later_factor(std::string_view name) {
  const std::vector<std::string>& names = later_factors();
  return std::find(names.begin(), names.end(), name) != names.end();
}

const Reader::Key* find_key(std::string_view table, std::string_view name) {
  for (const Reader::Key& key : Reader::keys()) {
    if (key.facts.table == table && key.facts.key == name) return &key;
  }
  return nullptr;
}

// Names that a table takes, for "allowed" and for guessing what was meant.
std::vector<std::string> names_in(std::string_view table) {
  std::vector<std::string> names;
  if (table == "factors" || table == "judge.baseline") {
    for (const FactorFacts& factor : all_factors()) names.push_back(factor.name);
    if (table == "factors") names.insert(names.end(), {std::string(kLayout), kDesign});
    return names;
  }
  for (const Reader::Key& key : Reader::keys()) {
    if (key.facts.table == table && !key.facts.not_yet) names.push_back(key.facts.key);
  }
  for (const FactorFacts& factor : all_factors()) {
    if (factor.table == table) names.push_back(factor.name);
  }
  if (table == "model") names.emplace_back("faults");
  if (table == "judge") names.emplace_back("baseline");
  if (table.empty()) {
    names.insert(names.end(), table_names().begin(), table_names().end());
    names.emplace_back("group");
  }
  return names;
}

// The table that does take this name.
std::string home_of(std::string_view name) {
  if (const FactorFacts* factor = find_factor(name)) return factor->table;
  for (const Reader::Key& key : Reader::keys()) {
    if (key.facts.key == name && !key.facts.not_yet) return key.facts.table;
  }
  return {};
}

}  // namespace

// ---------------------------------------------------------------------------------------------
// Collecting

void Reader::unknown(const std::string& table, std::string_view key,
                     const toml::source_region& at) {
  const Key* known = find_key(table, key);
  const bool later_one = is_later_factor(key) && (table == "factors" || table == "receiver" ||
                                                  table == "generator" || table == "kernel");
  if ((known && known->facts.not_yet) || later_one) {
    mistake(at, known ? fmt::format("{}: not yet: {}", key, known->facts.sentence)
                      : fmt::format("{}: not yet: a factor of a later release", key));
    return;
  }
  const std::vector<std::string> names = names_in(table);
  const std::string near = did_you_mean(key, names);
  const std::string home = near.empty() ? home_of(key) : std::string();
  std::string what = fmt::format("unknown key \"{}\"", key);
  if (!table.empty()) what += fmt::format(" in [{}]", table);
  if (!near.empty()) what += fmt::format(", did you mean \"{}\"?", near);
  if (!home.empty()) what += fmt::format(", it belongs to [{}]", home);
  if (table == "results") {
    what += "; allowed: no key; the folder is given by -o";
  } else {
    what += "; allowed: " + join(names, ", ");
  }
  mistake(at, what);
}

void Reader::put(Tables& into, const std::string& table, std::string_view key,
                 const toml::node& node, const toml::source_region& at, Place from, Scope scope) {
  const auto position = [](const toml::source_region& region) {
    return (static_cast<std::uint64_t>(region.begin.line) << 24) | region.begin.column;
  };
  const std::uint64_t order = (static_cast<std::uint64_t>(documents_.size()) << 56) | position(at);
  Entry& entry = into[table][std::string(key)];
  const std::uint64_t kept = entry.node ? entry.order : order;
  entry = {&node, at, kept, from == Place::override_, scope == Scope::group};
}

void Reader::collect_table(const std::string& name, const toml::table& table, Tables& into,
                           Place from, Scope scope) {
  for (const auto& [key, node] : table) {
    const std::string full = name + "." + std::string(key.str());
    if (full == "model.faults" || full == "judge.baseline") {
      if (const toml::table* nested = node.as_table()) {
        collect_table(full, *nested, into, from, scope);
      } else {
        mistake(node.source(), fmt::format("{}: {}; allowed: a table of {}", key.str(),
                                           type_text(node), join(names_in(full), ", ")));
      }
      continue;
    }
    const std::vector<std::string> names = names_in(name);
    if (std::find(names.begin(), names.end(), key.str()) == names.end()) {
      unknown(name, key.str(), key.source());
      continue;
    }
    if (const Key* known = find_key(name, key.str());
        scope == Scope::group && known && !known->facts.in_group) {
      mistake(key.source(),
              fmt::format("{} is shared by all groups; allowed in [{}] only", key.str(), name));
      continue;
    }
    put(into, name, key.str(), node, key.source(), from, scope);
  }
}

void Reader::collect_group(const toml::table& table, GroupText& group, Place from) {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (name == "name" && from == Place::file) continue;
    const bool is_table = is_group_table(name);
    if (!is_table) {
      static const std::vector<std::string> kAllowed = {"name",  "generator", "receiver", "traffic",
                                                        "model", "kernel",    "factors",  "trial"};
      const std::string near = did_you_mean(name, kAllowed);
      mistake(key.source(),
              fmt::format("unknown key \"{}\" in [[group]]{}; allowed: {}", name,
                          near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near),
                          join(kAllowed, ", ")));
      continue;
    }
    if (const toml::table* nested = node.as_table()) {
      collect_table(name, *nested, group.tables, from, Scope::group);
    } else {
      mistake(node.source(), fmt::format("{}: {}; allowed: a table of {}", name, type_text(node),
                                         join(names_in(name), ", ")));
    }
  }
}

namespace {

bool is_group_name(std::string_view name) {
  return !name.empty() && name.size() <= 40 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

}  // namespace

void Reader::collect_groups(const toml::node& node, const toml::source_region& at, Place from) {
  if (from == Place::override_) {
    // --set group.NAME.table.key=value
    const toml::table* by_name = node.as_table();
    std::vector<std::string> names;
    for (const GroupText& group : groups_) names.push_back(group.name);
    const std::string allowed = names.empty() ? "no group" : join(names, ", ");
    if (!by_name) {
      mistake(at, fmt::format("group: {}; allowed: group.NAME.table.key=value with NAME of {}",
                              type_text(node), allowed));
      return;
    }
    for (const auto& [name, value] : *by_name) {
      const std::string wanted(name.str());
      const auto found = std::find_if(groups_.begin(), groups_.end(),
                                      [&](const GroupText& g) { return g.name == wanted; });
      if (found == groups_.end() || !value.is_table()) {
        mistake(at, fmt::format("no group \"{}\" to override; allowed: {}", wanted, allowed));
        continue;
      }
      collect_group(*value.as_table(), *found, Place::override_);
    }
    return;
  }
  const toml::array* array = node.as_array();
  if (!array || !all_of_type(*array, toml::node_type::table)) {
    mistake(node.source(),
            fmt::format("group: {}; allowed: [[group]] tables",
                        array ? "a list with other things than tables" : type_text(node)));
    return;
  }
  for (const toml::node& element : *array) {
    const toml::table& table = *element.as_table();
    GroupText group;
    group.at = element.source();
    const toml::node* name = table.get("name");
    if (!name || !name->is_string() || !is_group_name(name->as_string()->get())) {
      mistake(name ? name->source() : group.at,
              "a group needs a name; allowed: letters, digits, _ and -, up to 40");
    } else {
      group.name = name->as_string()->get();
      const bool again = std::any_of(groups_.begin(), groups_.end(),
                                     [&](const GroupText& g) { return g.name == group.name; });
      if (again || group.name == "main") {
        mistake(name->source(),
                fmt::format("group \"{}\" {}; allowed: a name of its own", group.name,
                            again ? "stands twice" : "is the top level"));
      }
    }
    collect_group(table, group, Place::file);
    groups_.push_back(std::move(group));
  }
}

void Reader::collect(const toml::table& root, Place from) {
  for (const auto& [key, node] : root) {
    const std::string name(key.str());
    if (name == "group") {
      collect_groups(node, key.source(), from);
      continue;
    }
    if (std::find(table_names().begin(), table_names().end(), name) != table_names().end()) {
      if (name == "search" && !search_at_) search_at_ = key.source();
      if (name == "target" && !target_at_) target_at_ = key.source();
      if (name == "rfc2544" && !rfc2544_at_) rfc2544_at_ = key.source();
      if (const toml::table* table = node.as_table()) {
        collect_table(name, *table, top_, from, Scope::all);
      } else {
        mistake(node.source(), fmt::format("{}: {}; allowed: a table of {}", name, type_text(node),
                                           join(names_in(name), ", ")));
      }
      continue;
    }
    const Key* known = find_key("", name);
    if (!known || known->facts.not_yet) {
      unknown("", name, key.source());
      continue;
    }
    put(top_, "", name, node, key.source(), from, Scope::all);
  }
}

void Reader::collect_override(const std::string& assignment) {
  toml::source_region at;
  at.path = std::make_shared<const std::string>("--set " + assignment);
  const auto forms = "allowed: trial.blocks=4, factors.rx_ring=[64,128], traffic.load=80 %";
  const std::size_t equals = assignment.find('=');
  const bool control = std::any_of(assignment.begin(), assignment.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (equals == std::string::npos || trimmed(assignment.substr(0, equals)).empty() || control) {
    mistake(at, fmt::format("not key=value; {}", forms));
    return;
  }
  const std::string key = assignment.substr(0, equals);
  const std::string value(trimmed(std::string_view(assignment).substr(equals + 1)));
  auto parsed = toml::parse(std::string_view(key + "= " + value), std::string_view(*at.path));
  if (!parsed) {
    std::string quoted;
    for (const char c : value) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    parsed =
        toml::parse(std::string_view(key + "= \"" + quoted + "\""), std::string_view(*at.path));
  }
  if (!parsed) {
    mistake(at, fmt::format("{}; {}", parsed.error().description(), forms));
    return;
  }
  documents_.push_back(std::move(parsed).table());
  collect(documents_.back(), Place::override_);
}

// ---------------------------------------------------------------------------------------------
// Values

std::optional<std::int64_t> Reader::integer(const Entry& entry, std::string_view key,
                                            std::int64_t least, std::int64_t most, Draft& draft) {
  const std::string allowed = fmt::format("{} to {}", least, most);
  const auto* value = entry.node->as_integer();
  if (!value) {
    wrong_type(draft, entry, key, allowed);
    return std::nullopt;
  }
  if (value->get() < least || value->get() > most) {
    mistake_in(draft, entry.node->source(),
               fmt::format("{}: {} is too {}; allowed: {}", key, value->get(),
                           value->get() < least ? "small" : "large", allowed));
    return std::nullopt;
  }
  return value->get();
}

std::optional<double> Reader::seconds(const Entry& entry, std::string_view key, double least,
                                      Draft& draft) {
  double value = 0.0;
  if (const auto* whole = entry.node->as_integer()) {
    value = static_cast<double>(whole->get());
  } else if (const auto* real = entry.node->as_floating_point()) {
    value = real->get();
  } else if (const auto* words = entry.node->as_string()) {
    const Result<std::int64_t> ns = parse_duration_ns(words->get());
    if (!ns) {
      mistake_in(draft, entry.node->source(), fmt::format("{}: {}", key, ns.error().what));
      return std::nullopt;
    }
    value = static_cast<double>(*ns) / 1e9;
  } else {
    wrong_type(draft, entry, key, kSecondsAllowed);
    return std::nullopt;
  }
  if (!(value >= least && value <= kMostSeconds)) {
    mistake_in(draft, entry.node->source(),
               fmt::format("{}: {} s is out of range; allowed: {}, from {} s", key, value,
                           kSecondsAllowed, least));
    return std::nullopt;
  }
  return value;
}

std::optional<std::string> Reader::text(const Entry& entry, std::string_view key,
                                        std::string_view allowed, Draft& draft) {
  const auto* value = entry.node->as_string();
  if (!value) {
    wrong_type(draft, entry, key, allowed);
    return std::nullopt;
  }
  return value->get();
}

void Reader::one_of(const Entry& entry, std::string_view key,
                    const std::vector<std::string>& allowed, const std::vector<std::string>& later,
                    Draft& draft, std::string* chosen) {
  const std::string all = join(allowed, ", ");
  const std::optional<std::string> value = text(entry, key, all, draft);
  if (!value) return;
  if (std::find(allowed.begin(), allowed.end(), *value) != allowed.end()) {
    if (chosen) *chosen = *value;
    return;
  }
  if (std::find(later.begin(), later.end(), *value) != later.end()) {
    mistake_in(draft, entry.node->source(),
               fmt::format("{}: not yet: \"{}\"; allowed: {}", key, *value, all));
    return;
  }
  const std::string near = did_you_mean(*value, allowed);
  mistake_in(draft, entry.node->source(),
             fmt::format("{}: \"{}\" is not known{}; allowed: {}", key, *value,
                         near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near), all));
}

namespace {

bool is_hex_with(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
           others.find(c) != std::string_view::npos;
  });
}

}  // namespace

namespace {

// As the kernel has it (dev_valid_name).
bool could_be_a_netdev(std::string_view name) {
  constexpr std::size_t kMostCharacters = 15;
  return !name.empty() && name.size() <= kMostCharacters && name != "." && name != ".." &&
         std::ranges::none_of(
             name, [](unsigned char c) { return c == '/' || c == ':' || std::isspace(c) != 0; });
}

}  // namespace

void Reader::read_port(const Entry& entry, std::string& port, Draft& draft) {
  const std::optional<std::string> value = text(entry, "port", kPortAllowed, draft);
  if (!value) return;
  if (*value == "model" || *value == "veth" || netdev_of_port(*value)) {
    const std::string netdev = netdev_of_port(*value).value_or("");
    if (netdev.empty() || could_be_a_netdev(netdev)) {
      port = *value;
      return;
    }
    return mistake_in(draft, entry.node->source(),
                      fmt::format("port: \"{}\" is no name of a network device; allowed: 1 to 15 "
                                  "characters, without / : and white space",
                                  netdev));
  }
  const bool pci = value->find(':') != std::string::npos && value->find('.') != std::string::npos &&
                   is_hex_with(*value, ":.");
  std::string_view later;
  if (pci) later = "PCI ports";
  if (value->starts_with("vdev:")) later = "DPDK virtual devices";
  static const std::vector<std::string> kPorts = {"model", "veth"};
  const std::string near = did_you_mean(*value, kPorts);
  std::string what = fmt::format("port: no such port: \"{}\"", *value);
  // "eth9" is another device, not a slip of "veth".
  if (!near.empty() && near.front() == value->front())
    what += fmt::format(", did you mean \"{}\"?", near);
  if (!later.empty()) what = fmt::format("port: not yet: {} (\"{}\")", later, *value);
  mistake_in(draft, entry.node->source(), fmt::format("{}; allowed: {}", what, kPortAllowed));
}

void Reader::read_lcores(const Entry& entry, std::vector<int>& lcores, Draft& draft) {
  const toml::array* array = entry.node->as_array();
  if (!array) return wrong_type(draft, entry, "lcores", kLcoresAllowed);
  std::vector<int> cpus;
  for (const toml::node& element : *array) {
    const auto* cpu = element.as_integer();
    const bool good = cpu && cpu->get() >= 0 && cpu->get() <= 1023;
    const bool again = good && std::find(cpus.begin(), cpus.end(), cpu->get()) != cpus.end();
    if (!good || again) {
      mistake_in(draft, element.source(),
                 fmt::format("lcores: {}; allowed: {}",
                             again ? fmt::format("CPU {} stands twice", cpu->get())
                             : cpu ? fmt::format("{} is no CPU number", cpu->get())
                                   : type_text(element),
                             kLcoresAllowed));
      return;
    }
    cpus.push_back(static_cast<int>(cpu->get()));
  }
  lcores = std::move(cpus);
}

void Reader::read_fault(const Entry& entry, std::string_view key, double& probability,
                        Draft& draft) {
  double value = -1.0;
  if (const auto* whole = entry.node->as_integer()) {
    value = static_cast<double>(whole->get());
  } else if (const auto* real = entry.node->as_floating_point()) {
    value = real->get();
  } else {
    return wrong_type(draft, entry, key, kProbabilityAllowed);
  }
  if (!(value >= 0.0 && value <= 1.0)) {
    return mistake_in(
        draft, entry.node->source(),
        fmt::format("{}: {} is out of range; allowed: {}", key, value, kProbabilityAllowed));
  }
  probability = value;
}

void Reader::read_name(const Entry& entry, Draft& draft) {
  constexpr std::string_view kAllowed = "text of 1 to 120 characters without /";
  const std::optional<std::string> value = text(entry, "name", kAllowed, draft);
  if (!value) return;
  const bool odd = std::any_of(value->begin(), value->end(), [](char c) {
    return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (odd || trimmed(*value).empty() || value->size() > 120 || value->front() == '.') {
    return mistake_in(
        draft, entry.node->source(),
        fmt::format("name: \"{}\" cannot name a folder; allowed: {}", *value, kAllowed));
  }
  experiment_.name = *value;
}

void Reader::read_question(const Entry& entry, Draft& draft) {
  if (const auto value = text(entry, "question", "text", draft)) experiment_.question = *value;
}

void Reader::read_under_test(const Entry& entry, Draft& draft) {
  one_of(entry, "under_test", {"receiver"}, {"device"}, draft, nullptr);
}

void Reader::read_generator_port(const Entry& entry, Draft& draft) {
  read_port(entry, draft.group.base.generator_port, draft);
}

void Reader::read_generator_lcores(const Entry& entry, Draft& draft) {
  read_lcores(entry, draft.group.base.generator_lcores, draft);
}

void Reader::read_receiver_port(const Entry& entry, Draft& draft) {
  read_port(entry, draft.group.base.receiver_port, draft);
}

void Reader::read_receiver_lcores(const Entry& entry, Draft& draft) {
  read_lcores(entry, draft.group.base.receiver_lcores, draft);
}

void Reader::read_clock(const Entry& entry, Draft& draft) {
  std::string clock(name_of(draft.group.base.clock));
  one_of(entry, "clock", enum_names<ClockKind>(), {}, draft, &clock);
  draft.group.base.clock = *enum_from_name<ClockKind>(clock);
}

void Reader::read_drop(const Entry& entry, Draft& draft) {
  read_fault(entry, "drop", draft.group.base.model.faults.drop, draft);
}
void Reader::read_duplicate(const Entry& entry, Draft& draft) {
  read_fault(entry, "duplicate", draft.group.base.model.faults.duplicate, draft);
}
void Reader::read_reorder(const Entry& entry, Draft& draft) {
  read_fault(entry, "reorder", draft.group.base.model.faults.reorder, draft);
}
void Reader::read_corrupt(const Entry& entry, Draft& draft) {
  read_fault(entry, "corrupt", draft.group.base.model.faults.corrupt, draft);
}
void Reader::read_delay(const Entry& entry, Draft& draft) {
  read_fault(entry, "delay", draft.group.base.model.faults.delay, draft);
}

void Reader::read_delay_time(const Entry& entry, Draft& draft) {
  constexpr std::string_view kAllowed = "\"1 ns\" to \"1 s\"";
  const auto value = text(entry, "delay_time", kAllowed, draft);
  if (!value) return;
  const Result<std::int64_t> ns = parse_duration_ns(*value);
  if (!ns || *ns < 1 || *ns > 1'000'000'000) {
    return mistake_in(
        draft, entry.node->source(),
        ns ? fmt::format("delay_time: \"{}\" is out of range; allowed: {}", *value, kAllowed)
           : fmt::format("delay_time: {}", ns.error().what));
  }
  draft.group.base.model.faults.delay_ns = *ns;
}

void Reader::read_seconds(const Entry& entry, Draft& draft) {
  if (const auto value = seconds(entry, "seconds", 0.001, draft)) {
    draft.group.base.seconds = *value;
  }
}

void Reader::read_packets(const Entry& entry, Draft& draft) {
  Result<std::int64_t> count = fail(Errc::bad_experiment, "");
  if (const auto* whole = entry.node->as_integer()) {
    count = whole->get();
  } else if (const auto* words = entry.node->as_string()) {
    count = parse_count(words->get());
  } else {
    return wrong_type(draft, entry, "packets", kPacketsAllowed);
  }
  if (!count || *count < 1 || *count > 1'000'000'000'000) {
    return mistake_in(
        draft, entry.node->source(),
        count ? fmt::format("packets: {} is out of range; allowed: {}", *count, kPacketsAllowed)
              : fmt::format("packets: {}", count.error().what));
  }
  draft.group.packets = *count;
}

void Reader::read_warmup(const Entry& entry, Draft& draft) {
  if (const auto value = seconds(entry, "warmup", 0.0, draft)) {
    draft.group.base.warmup_seconds = *value;
  }
}

void Reader::read_blocks(const Entry& entry, Draft& draft) {
  if (const auto value = integer(entry, "blocks", 1, kMostBlocks, draft)) {
    experiment_.blocks = static_cast<int>(*value);
  }
}

void Reader::read_aa_blocks(const Entry& entry, Draft& draft) {
  if (const auto value = integer(entry, "aa_blocks", 0, kMostBlocks, draft)) {
    experiment_.aa_blocks = static_cast<int>(*value);
  }
}

void Reader::read_budget(const Entry& entry, Draft& draft) {
  const auto value = text(entry, "budget", kBudgetAllowed, draft);
  if (!value) return;
  if (find(draft, "trial", "blocks") != nullptr) {
    return mistake_in(draft, entry.node->source(), "budget beside blocks; allowed: one of them");
  }
  const bool minutes = value->ends_with(" min");
  const Result<std::int64_t> amount =
      minutes ? parse_count(value->substr(0, value->size() - 4)) : parse_duration_ns(*value);
  constexpr std::int64_t kMinuteNs = 60'000'000'000;
  constexpr std::int64_t kMostNs = std::int64_t{7} * 24 * 60 * kMinuteNs;
  if (!amount || *amount < 1 || *amount > (minutes ? kMostNs / kMinuteNs : kMostNs)) {
    return mistake_in(
        draft, entry.node->source(),
        fmt::format("budget: \"{}\" is not understood; allowed: {}", *value, kBudgetAllowed));
  }
  experiment_.budget_ns = minutes ? *amount * kMinuteNs : *amount;
}

void Reader::read_retries(const Entry& entry, Draft& draft) {
  if (const auto value = integer(entry, "retries", 0, 100, draft)) {
    experiment_.retries = static_cast<int>(*value);
  }
}

void Reader::read_seed(const Entry& entry, Draft& draft) {
  if (const auto value =
          integer(entry, "seed", 0, std::numeric_limits<std::int64_t>::max(), draft)) {
    experiment_.seed = static_cast<std::uint64_t>(*value);
  }
}

void Reader::read_validity(const Entry& entry, Draft& draft) {
  std::string validity(name_of(draft.group.base.validity));
  one_of(entry, "validity", enum_names<ValidityRule>(), {}, draft, &validity);
  draft.group.base.validity = *enum_from_name<ValidityRule>(validity);
}

void Reader::read_drop_reasons(const Entry& entry, Draft& draft) {
  std::string rule(name_of(draft.group.base.drop_reasons));
  one_of(entry, "drop_reasons", enum_names<DropReasonsRule>(), {}, draft, &rule);
  draft.group.base.drop_reasons = *enum_from_name<DropReasonsRule>(rule);
}

void Reader::read_design(const Entry& entry, Draft& draft) {
  std::string design = "factorial";
  one_of(entry, kDesign, {"factorial", "one_at_a_time"}, {}, draft, &design);
  if (design == "one_at_a_time") draft.group.design = Design::one_at_a_time;
}

void Reader::read_metric(const Entry& entry, Draft& draft) {
  std::vector<std::string> names = metric_names();
  if (experiment_.search) {
    for (const SearchGoal& goal : experiment_.search->goals) {
      const std::string metric = metric_of_goal(goal.name);
      if (std::find(names.begin(), names.end(), metric) == names.end()) names.push_back(metric);
    }
  }
  if (rfc2544_at_) {
    const std::string metric = metric_of_goal(rfc2544_goal(rfc2544_).name);
    if (std::find(names.begin(), names.end(), metric) == names.end()) names.push_back(metric);
  }
  one_of(entry, "metric", names, {}, draft, &experiment_.judge.metric);
}

void Reader::read_matters(const Entry& entry, Draft& draft) {
  const auto value = text(entry, "matters", kMattersAllowed, draft);
  if (!value) return;
  const Result<Load> percent = Load::parse(*value);
  if (!percent || percent->unit != LoadUnit::line_percent || !trimmed(*value).ends_with('%')) {
    return mistake_in(draft, entry.node->source(),
                      fmt::format("matters: \"{}\" is not a percentage up to 100; allowed: {}",
                                  *value, kMattersAllowed));
  }
  experiment_.judge.matters = percent->value / 100.0;
}

void Reader::read_choose(const Entry& entry, Draft& draft) {
  if (const auto value = text(entry, "choose", "text", draft)) experiment_.judge.choose = *value;
}

// ---------------------------------------------------------------------------------------------
// Groups

const Entry* Reader::find(const Draft& draft, const std::string& table,
                          const std::string& key) const {
  const auto entries = draft.view.find(table);
  if (entries == draft.view.end()) return nullptr;
  const auto entry = entries->second.find(key);
  return entry == entries->second.end() ? nullptr : &entry->second;
}

void Reader::read_tables(Draft& draft, Scope scope) {
  for (const Key& key : keys()) {
    if (key.facts.not_yet || key.facts.in_group != (scope == Scope::group)) continue;
    if (const Entry* entry = find(draft, key.facts.table, key.facts.key)) {
      (this->*key.read)(*entry, draft);
    }
  }
}

void Reader::read_factor_keys(Draft& draft) {
  for (const FactorFacts& factor : all_factors()) {
    const Entry* entry = find(draft, factor.table, factor.name);
    if (!entry) continue;
    if (const auto level = canonical(factor, *entry->node, draft.group.base, draft)) {
      PM_CHECK(apply_level(factor.name, *level, draft.group.base));
      if (factor.name == "path") draft.has_path = true;
      if (factor.name == "stalls" && draft.group.base.model.stalls.kind == StallKind::trace) {
        check_file(draft.group.base.model.stalls.trace, "stalls", entry->node->source());
      }
      if (factor.name == "stage" && draft.group.base.receiver.stage == StageKind::hyperscan) {
        check_file(draft.group.base.receiver.patterns, "patterns", entry->node->source());
      }
    }
  }
}

std::optional<std::string> Reader::canonical(const FactorFacts& factor, const toml::node& node,
                                             const TrialOrder& base, Draft& draft) {
  TrialOrder order = base;
  const Result<std::string> written = level_text(node, factor);
  const Result<void> applied = written ? apply_level(factor.name, *written, order) : Result<void>();
  if (!written || !applied) {
    draft.unread.insert(std::string(factor.name));
    mistake_in(
        draft, node.source(),
        fmt::format("{}: {}", factor.name, written ? applied.error().what : written.error().what));
    return std::nullopt;
  }
  if (order.model.stalls.kind == StallKind::trace) {
    order.model.stalls.trace = (folder_ / order.model.stalls.trace).lexically_normal().string();
  }
  if (order.receiver.stage == StageKind::hyperscan) {
    order.receiver.patterns = (folder_ / order.receiver.patterns).lexically_normal().string();
  }
  return level_of(factor.name, order);
}

FactorLevels Reader::read_simple(const FactorFacts& factor, const toml::array& levels,
                                 Draft& draft) {
  FactorLevels column;
  column.factor = factor.name;
  for (const toml::node& node : levels) {
    const auto level = canonical(factor, node, draft.group.base, draft);
    if (!level) continue;
    if (std::find(column.levels.begin(), column.levels.end(), *level) != column.levels.end()) {
      mistake_in(draft, node.source(),
                 fmt::format("{}: level {} stands twice; allowed: each once", factor.name, *level));
      continue;
    }
    if (level->starts_with("trace:")) check_file(level->substr(6), factor.name, node.source());
    if (level->starts_with("hyperscan:")) check_file(level->substr(10), "patterns", node.source());
    column.levels.push_back(*level);
    column.sets.push_back({{factor.name, *level}});
  }
  return column;
}

FactorLevels Reader::read_layout(const toml::array& levels, Draft& draft) {
  constexpr std::string_view kAllowed =
      "tables of factor = level: { queues = 4, reta = [4, 2, 1, 1] }";
  struct Named {
    std::string factor;
    std::uint64_t order;
  };
  std::vector<std::map<std::string, std::string>> written;
  std::vector<toml::source_region> places;
  std::vector<std::string> names;  // in order of first appearance
  for (const toml::node& node : levels) {
    const toml::table* table = node.as_table();
    if (!table || table->empty()) {
      mistake_in(draft, node.source(),
                 fmt::format("layout: {}; allowed: {}", table ? "an empty table" : type_text(node),
                             kAllowed));
      continue;
    }
    std::vector<Named> in_order;
    std::map<std::string, std::string> level;
    for (const auto& [key, value] : *table) {
      const FactorFacts* factor = find_factor(key.str());
      if (!factor) {
        draft.sound = false;
        unknown("factors", key.str(), key.source());
        continue;
      }
      const auto text_of_level = canonical(*factor, value, draft.group.base, draft);
      if (!text_of_level) continue;
      level[factor->name] = *text_of_level;
      const toml::source_position begin = key.source().begin;
      in_order.push_back(
          {factor->name, (static_cast<std::uint64_t>(begin.line) << 32) | begin.column});
    }
    std::sort(in_order.begin(), in_order.end(),
              [](const Named& a, const Named& b) { return a.order < b.order; });
    for (const Named& named : in_order) {
      if (std::find(names.begin(), names.end(), named.factor) == names.end()) {
        names.push_back(named.factor);
      }
    }
    written.push_back(std::move(level));
    places.push_back(node.source());
  }
  FactorLevels column;
  column.factor = std::string(kLayout);
  for (std::size_t i = 0; i < written.size(); ++i) {
    std::vector<std::pair<std::string, std::string>> set;
    std::vector<std::string> label;
    for (const std::string& name : names) {
      const auto own = written[i].find(name);
      set.emplace_back(name,
                       own == written[i].end() ? level_of(name, draft.group.base) : own->second);
      label.push_back(fmt::format("{}={}", name, set.back().second));
    }
    if (std::find(column.sets.begin(), column.sets.end(), set) != column.sets.end()) {
      mistake_in(
          draft, places[i],
          fmt::format("layout: level {} stands twice; allowed: each once", join(label, " ")));
      continue;
    }
    column.levels.push_back(join(label, " "));
    column.sets.push_back(std::move(set));
  }
  return column;
}

const toml::array* Reader::levels_in(const toml::node& node, const FactorFacts* factor,
                                     toml::array& named) {
  if (const toml::array* written = node.as_array()) return written;
  if (!factor || factor->named_levels.empty() || node.value<std::string>() != factor->named_levels)
    return nullptr;
  for (const std::int64_t level : factor->levels_named) named.push_back(level);
  return &named;
}

void Reader::read_factors(Draft& draft) {
  const auto found = draft.view.find("factors");
  if (found == draft.view.end()) return;
  std::vector<std::pair<std::string, const Entry*>> columns;
  for (const auto& [name, entry] : found->second) {
    if (name != kDesign) columns.emplace_back(name, &entry);
  }
  std::sort(columns.begin(), columns.end(),
            [](const auto& a, const auto& b) { return a.second->order < b.second->order; });
  std::map<std::string, std::string> swept;  // factor -> the column that sets it
  for (const auto& [name, entry] : columns) {
    const FactorFacts* factor = find_factor(name);
    toml::array named;
    const toml::array* levels = levels_in(*entry->node, factor, named);
    if (!levels || levels->empty() || levels->size() > kMostLevels) {
      draft.unread.insert(name);
      mistake_in(
          draft, entry->node->source(),
          fmt::format(
              "{}: {}; allowed: a list of 1 to {} levels{}{}", name,
              levels ? fmt::format("{} levels", levels->size()) : type_text(*entry->node),
              kMostLevels,
              factor && !factor->named_levels.empty()
                  ? fmt::format(", \"{}\"", factor->named_levels)
                  : "",
              factor && !levels ? fmt::format(", or set it once in [{}]", factor->table) : ""));
      continue;
    }
    FactorLevels column =
        factor ? read_simple(*factor, *levels, draft) : read_layout(*levels, draft);
    if (column.sets.empty() || column.sets.front().empty()) continue;
    for (const auto& [set, level] : column.sets.front()) {
      const FactorFacts& facts = *find_factor(set);
      if (const auto [other, fresh] = swept.emplace(set, name); !fresh) {
        mistake_in(draft, entry->at,
                   fmt::format("{} is swept by {} and by {}; allowed: one of them", set,
                               other->second, name));
      }
      const Entry* once = find(draft, facts.table, set);
      // What is said for all groups gives way to a group's own factors, and the file to --set;
      // nothing else does.
      const bool gives_way = once && ((entry->in_group && !once->in_group) ||
                                      (entry->overridden && !once->overridden));
      if (once && !gives_way) {
        mistake_in(draft, once->at,
                   fmt::format("{} is a factor here and cannot also be set once; allowed: "
                               "factors.{} or {}.{}",
                               set, name, facts.table, set));
      }
      if (set == "path") draft.has_path = true;
    }
    draft.group.factors.push_back(std::move(column));
  }
}

std::vector<Path> Reader::paths_of(const Draft& draft) const {
  std::vector<Path> paths;
  for (const FactorLevels& column : draft.group.factors) {
    for (const auto& set : column.sets) {
      for (const auto& [factor, level] : set) {
        if (factor == "path") paths.push_back(*enum_from_name<Path>(level));
      }
    }
  }
  if (paths.empty()) paths.push_back(draft.group.base.path);
  return paths;
}

void Reader::check_file(const std::string& name, std::string_view key,
                        const toml::source_region& at) {
  if (files_ == ReadOptions::Files::need_not_exist) return;
  const std::filesystem::path file = folder_ / name;
  std::error_code error;
  if (!std::filesystem::exists(file, error)) {
    mistake(at, fmt::format("{}: no such file: {}; allowed: a file, beside the experiment unless "
                            "absolute",
                            key, file.lexically_normal().string()));
  } else if (const auto other = not_an_ordinary_file(file)) {
    mistake(at, fmt::format("{}: {} {}; allowed: a file", key, file.lexically_normal().string(),
                            *other));
  }
}

void Reader::check_group(Draft& draft) {
  TrialOrder& base = draft.group.base;
  const auto at_of = [&](const std::string& table, const std::string& key) {
    const Entry* entry = find(draft, table, key);
    return entry ? entry->at : draft.at;
  };
  if (!draft.has_path) base.path = base.receiver_port == "model" ? Path::model : Path::dpdk;

  // Two ends of one wire.
  const bool on_netdevs = netdev_of_port(base.generator_port) && netdev_of_port(base.receiver_port);
  if (on_netdevs && options_.line_bps) {
    const auto from = options_.line_bps(base.generator_port);
    const auto to = options_.line_bps(base.receiver_port);
    if (from && to) base.line_bps = std::min(*from, *to);
  }
  const bool same = base.generator_port == base.receiver_port;
  if (same == on_netdevs) {
    mistake_in(
        draft, at_of("receiver", "port"),
        same ? fmt::format("port \"{}\" at both ends; allowed: two network devices that a cable "
                           "joins",
                           base.receiver_port)
             : fmt::format("generator port \"{}\" and receiver port \"{}\" are not joined; "
                           "allowed: the same at both ends, or two network devices",
                           base.generator_port, base.receiver_port));
  }
  for (const int cpu : base.generator_lcores) {
    if (std::find(base.receiver_lcores.begin(), base.receiver_lcores.end(), cpu) !=
        base.receiver_lcores.end()) {
      mistake_in(
          draft, at_of("receiver", "lcores"),
          fmt::format("lcores: CPU {} is given to both ends; allowed: CPUs of their own", cpu));
    }
  }

  check_traffic(draft);
  check_host_wide(draft);
  check_capture(draft);

  // Length of a trial.
  const Entry* seconds_entry = find(draft, "trial", "seconds");
  const Entry* packets_entry = find(draft, "trial", "packets");
  if (packets_entry && seconds_entry) {
    // A group's own value goes before all groups', and --set before the file.
    const auto rank = [](const Entry& entry) {
      return std::tuple(entry.in_group, entry.overridden);
    };
    if (rank(*packets_entry) == rank(*seconds_entry)) {
      mistake_in(draft, packets_entry->at, "packets beside seconds; allowed: one of them");
    } else if (rank(*packets_entry) < rank(*seconds_entry)) {
      draft.group.packets = 0;
    }
  }

  const FaultOrder& faults = base.model.faults;
  const double sum =
      faults.drop + faults.duplicate + faults.reorder + faults.corrupt + faults.delay;
  if (sum > 1.0) {
    mistake_in(draft, at_of("model.faults", "drop"),
               fmt::format("faults sum to {}; allowed: up to 1, a frame suffers one at most", sum));
  }

  // A factor must act on every path of its group.
  const std::vector<Path> paths = paths_of(draft);
  for (const FactorLevels& column : draft.group.factors) {
    for (const auto& [name, level] : column.sets.front()) {
      const FactorFacts& facts = *find_factor(name);
      for (const Path path : paths) {
        if (acts_on(facts, path)) continue;
        std::vector<std::string> acting;
        for (const Path each : facts.paths) acting.emplace_back(name_of(each));
        mistake_in(draft, find(draft, "factors", column.factor)->at,
                   fmt::format("{} does not act on path {}; allowed on {} (a [[group]] of its own "
                               "for each)",
                               name, name_of(path), join(acting, ", ")));
      }
    }
  }
  if (draft.sound) check_rules(draft);
}

void Reader::check_rules(Draft& draft) {
  std::set<std::string> swept;
  for (const FactorLevels& column : draft.group.factors) {
    for (const auto& [name, level] : column.sets.front()) swept.insert(name);
  }
  for (const Rule& rule : all_rules()) {
    const bool joins_a_factor = std::any_of(rule.about.begin(), rule.about.end(),
                                            [&](const auto& key) { return swept.contains(key); });
    if (joins_a_factor) continue;
    const std::optional<std::string> broken = rule.broken(draft.group.base);
    if (!broken) continue;
    // Point at the first of the values that somebody wrote.
    toml::source_region at = draft.at;
    for (const std::string& key : rule.about) {
      const Entry* written = nullptr;
      for (const auto& [table, entries] : draft.view) {
        if (table == "factors" || written) continue;
        if (const auto entry = entries.find(key); entry != entries.end()) written = &entry->second;
      }
      if (!written) continue;
      at = written->node->source();
      break;
    }
    mistake_in(draft, at, *broken);
    if (rule.about.front() == "path") return;  // the rest would only repeat it
  }
}

// What is judged where nothing is said, and whether what is said can be measured at all.
void Reader::check_metric(const Draft& whole, const std::vector<Draft>& drafts) {
  std::set<Path> paths;
  for (const Draft& draft : drafts) {
    for (const Path path : paths_of(draft)) paths.insert(path);
  }
  std::string& metric = experiment_.judge.metric;
  const Entry* said = find(whole, "judge", "metric");
  if (!said) {
    if (std::all_of(paths.begin(), paths.end(), is_closed_loop) && !experiment_.search)
      metric = closed_loop_metric(*paths.begin());
    return;
  }
  const std::vector<MetricFacts>& known = all_metrics();
  const auto facts = std::find_if(known.begin(), known.end(),
                                  [&](const MetricFacts& each) { return each.name == metric; });
  if (facts == known.end()) return;  // of a goal, or a mistake already
  const auto measures = [&](const MetricFacts& each) {
    return std::any_of(paths.begin(), paths.end(),
                       [&](Path path) { return is_metric_of(each, path); });
  };
  if (measures(*facts)) return;
  std::vector<std::string> names;
  for (const MetricFacts& each : known) {
    const bool of_a_search =
        each.source == MetricSource::search || each.source == MetricSource::latency;
    if (!of_a_search && measures(each)) names.push_back(each.name);
  }
  mistake(said->at, fmt::format("metric: {} is not measured on path {}; allowed: {}", metric,
                                name_of(*paths.begin()), join(names, ", ")));
}

// A value that acts on no path that sees it would be silently ignored.
void Reader::check_acting(const std::vector<Draft>& drafts) {
  std::map<const toml::node*, bool> acts;
  std::map<const toml::node*, std::pair<toml::source_region, std::string>> said;
  for (const Draft& draft : drafts) {
    const std::vector<Path> paths = paths_of(draft);
    const auto seen = [&](const Entry& entry, const std::string& name,
                          const std::vector<Path>& acting) {
      const bool any = std::any_of(paths.begin(), paths.end(), [&](Path path) {
        return std::find(acting.begin(), acting.end(), path) != acting.end();
      });
      acts[entry.node] = acts[entry.node] || any;
      std::vector<std::string> names;
      names.reserve(acting.size());
      for (const Path path : acting) names.emplace_back(name_of(path));
      said[entry.node] = {
          entry.at, fmt::format("{} acts on no path that is used here; allowed with path {}", name,
                                join(names, ", "))};
    };
    for (const FactorFacts& factor : all_factors()) {
      if (const Entry* entry = find(draft, factor.table, factor.name)) {
        seen(*entry, factor.name, factor.paths);
      }
    }
    for (const Key& key : keys()) {
      const Entry* entry = find(draft, key.facts.table, key.facts.key);
      if (!entry) continue;
      if (key.facts.table.starts_with("model")) seen(*entry, key.facts.key, {Path::model});
      // A closed loop's packets are the kernel's own.
      if (key.facts.table == "traffic") seen(*entry, key.facts.key, offering_paths());
    }
  }
  for (const auto& [node, does] : acts) {
    if (!does) mistake(said[node].first, said[node].second);
  }
}

// The top level is a group of its own when it is the only one, or when the file gives it factors.
bool Reader::has_main() const {
  if (groups_.empty()) return true;
  const auto factors = top_.find("factors");
  return factors != top_.end() &&
         std::any_of(factors->second.begin(), factors->second.end(),
                     [](const auto& each) { return !each.second.overridden; });
}

// --set of a value that every group sets for itself would change nothing.
void Reader::check_shadowed() {
  if (has_main()) return;
  for (const auto& top : top_) {
    const std::string& table = top.first;
    if (!is_group_table(table)) continue;
    for (const auto& said : top.second) {
      const std::string& key = said.first;
      if (!said.second.overridden) continue;
      const bool everywhere = std::all_of(groups_.begin(), groups_.end(), [&](const auto& group) {
        const auto own = group.tables.find(table);
        return own != group.tables.end() && (table == "factors" || own->second.contains(key));
      });
      if (everywhere) {
        mistake(said.second.at,
                fmt::format("no effect: every group has its own {}; allowed: "
                            "group.{}.{}.{}=...",
                            table == "factors" ? table : key, groups_.front().name, table, key));
      }
    }
  }
}

void Reader::check_baseline(const std::vector<Draft>& drafts) {
  const auto found = top_.find("judge.baseline");
  if (found == top_.end()) return;
  for (const auto& [name, entry] : found->second) {
    const FactorFacts& factor = *find_factor(name);
    Draft scratch;
    const auto level = canonical(factor, *entry.node, TrialOrder{}, scratch);
    if (!level) continue;
    // What was said wrongly elsewhere is one mistake, not two.
    const std::string& swept_name = name;
    if (std::any_of(drafts.begin(), drafts.end(),
                    [&](const Draft& draft) { return draft.unread.contains(swept_name); })) {
      continue;
    }
    std::vector<std::string> swept;
    for (const Draft& draft : drafts) {
      for (const FactorLevels& column : draft.group.factors) {
        for (const auto& set : column.sets) {
          for (const auto& [each, value] : set) {
            if (each == name && std::find(swept.begin(), swept.end(), value) == swept.end()) {
              swept.push_back(value);
            }
          }
        }
      }
    }
    if (swept.empty()) {
      mistake(entry.at,
              fmt::format("baseline: {} is not swept; allowed: a factor of a group", name));
    } else if (std::find(swept.begin(), swept.end(), *level) == swept.end()) {
      mistake(entry.node->source(), fmt::format("baseline: {} = {} is not a level of it; allowed: "
                                                "{}",
                                                name, *level, join(swept, ", ")));
    } else {
      experiment_.judge.baseline[name] = *level;
    }
  }
}

Result<Experiment> Reader::read() {
  auto parsed = toml::parse(std::string_view(experiment_.text), std::string_view(file_));
  if (!parsed) {
    mistake(parsed.error().source(), parsed.error().description());
  } else {
    documents_.push_back(std::move(parsed).table());
    collect(documents_.back(), Place::file);
    for (const std::string& assignment : options_.overrides) collect_override(assignment);

    Draft whole;
    whole.view = top_;
    read_tables(whole, Scope::all);
    if (experiment_.name.empty() && !find(whole, "", "name")) {
      mistake({}, "name is missing; allowed: name = \"...\"");
    }
    check_rfc2544(whole);
    check_search(whole);
    check_target(whole);
    if (options_.quick) {
      experiment_.blocks = std::min(experiment_.blocks, kQuickBlocks);
      experiment_.budget_ns = 0;
      experiment_.aa_blocks = 0;
    }

    std::vector<Draft> drafts;
    if (has_main()) {
      Draft draft;
      draft.group.name = "main";
      draft.view = top_;
      drafts.push_back(std::move(draft));
    }
    for (const GroupText& group : groups_) {
      Draft draft;
      draft.group.name = group.name;
      draft.at = group.at;
      draft.view = top_;
      for (const auto& [table, entries] : group.tables) {
        // Another factorial, not a wider one.
        if (table == "factors") draft.view["factors"].clear();
        for (const auto& [key, entry] : entries) draft.view[table][key] = entry;
      }
      drafts.push_back(std::move(draft));
    }
    for (Draft& draft : drafts) {
      draft.group.base.group = draft.group.name;
      draft.group.base.host_allow = experiment_.host_allow;
      read_tables(draft, Scope::group);
      read_factor_keys(draft);
      read_factors(draft);
      check_search_of(draft);
      check_rfc2544_of(draft);
      check_group(draft);
    }
    check_acting(drafts);
    check_metric(whole, drafts);
    check_shadowed();
    check_baseline(drafts);
    for (Draft& draft : drafts) experiment_.groups.push_back(std::move(draft.group));
  }
  if (mistakes_.empty()) return std::move(experiment_);
  std::stable_sort(mistakes_.begin(), mistakes_.end(), [](const Mistake& a, const Mistake& b) {
    return std::tie(a.document, a.position) < std::tie(b.document, b.position);
  });
  std::vector<std::string> lines;
  for (Mistake& each : mistakes_) lines.push_back(std::move(each.line));
  return fail(Errc::bad_experiment, join(lines, "\n"));
}

const std::vector<KeyFacts>& all_keys() {
  static const std::vector<KeyFacts> kFacts = [] {
    std::vector<KeyFacts> facts;
    const auto add_factors = [&](const std::string& table) {
      for (const FactorFacts& factor : all_factors()) {
        if (factor.table != table) continue;
        facts.push_back({table, factor.name, factor.limits, factor.sentence, true, true, false});
      }
    };
    std::string table;
    for (const Reader::Key& key : Reader::keys()) {
      if (key.facts.table != table) {
        add_factors(table);
        table = key.facts.table;
      }
      facts.push_back(key.facts);
    }
    add_factors("kernel");
    facts.push_back(
        {"judge", "baseline", "a table of factor = level", "What others are set beside."});
    return facts;
  }();
  return kFacts;
}

Result<Experiment> parse_experiment(std::string_view text, std::string_view file_name,
                                    const ReadOptions& options) {
  return Reader(text, file_name, options).read();
}

Result<Experiment> read_experiment(const std::filesystem::path& file, const ReadOptions& options) {
  PM_TRY(const std::string text,
         read_input_file(file, "an experiment file (TOML)", kMostExperimentBytes));
  return parse_experiment(text, file.string(), options);
}

}  // namespace pollmark
