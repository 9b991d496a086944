// How an experiment file is read. The reading of a key stands in the file of its table.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "plan/experiment.h"
#include "plan/factors.h"
#include "plan/header_fields.h"
#include "plan/keys.h"
#include "plan/toml_headers.h"

namespace pollmark {

// A key as written somewhere.
struct Entry {
  const toml::node* node = nullptr;
  toml::source_region at;   // of the key
  std::uint64_t order = 0;  // documents in turn, then lines, then columns
  bool overridden = false;  // by --set
  bool in_group = false;    // said for one group, not for all
};

enum class Place : std::uint8_t { file, override_ };  // where a document stands
enum class Scope : std::uint8_t { all, group };       // for whom it is said

using Entries = std::map<std::string, Entry>;
using Tables = std::map<std::string, Entries>;  // "" = top of the file, "trial", "model.faults"

// One [[group]] as written.
struct GroupText {
  std::string name;
  toml::source_region at;
  Tables tables;
};

// A group while it is read.
struct Draft {
  Group group;
  Tables view;  // the tables above with the group's own laid over them
  bool has_path = false;
  bool sound = true;             // no mistake so far: combinations may be judged
  std::set<std::string> unread;  // factors with a mistake in their levels
  std::string pcap;              // as written
  std::vector<std::string> permitted_addresses;
  // Addresses that frames will carry, to be looked at when all keys are read.
  struct Address {
    toml::source_region at;
    std::string key;
    FieldValues values;
    int ip_version = 4;
  };
  std::vector<Address> addresses;
  toml::source_region at;
};

// What is said of a goal, or of all of them.
struct GoalAttributes {
  std::optional<double> loss_ratio;
  std::optional<double> exceed_ratio;
  std::optional<double> width;
  std::optional<double> initial_trial_seconds;
  std::optional<double> final_trial_seconds;
  std::optional<double> duration_sum_seconds;
};

// What the node holds, in words.
[[nodiscard]] std::string type_text(const toml::node& node);
// A message is one line whatever the file holds.
[[nodiscard]] std::string one_line(std::string_view text);

class Reader {
 public:
  Reader(std::string_view text, std::string_view file, const ReadOptions& options)
      : file_(file), options_(options) {
    experiment_.text = std::string(text);
    experiment_.overrides = options.overrides;
    files_ = options.files;
    folder_ = options.folder.empty() ? std::filesystem::path(file).parent_path() : options.folder;
    std::error_code ignored;
    if (const auto absolute = std::filesystem::absolute(folder_, ignored); !ignored) {
      folder_ = absolute;
    }
  }

  Result<Experiment> read();

  // What the parser knows, apart from the factors.
  using ReadKey = void (Reader::*)(const Entry& entry, Draft& draft);
  struct Key {
    KeyFacts facts;
    ReadKey read = nullptr;
  };
  static const std::vector<Key>& keys();

 private:
  static Key key(std::string table, std::string name, std::string syntax, std::string sentence,
                 ReadKey read);
  // Said once, for all groups.
  static Key shared_key(std::string table, std::string name, std::string syntax,
                        std::string sentence, ReadKey read);
  static Key later(std::string table, std::string name, std::string what);
  static std::vector<Key> end_keys();
  static std::vector<Key> traffic_keys();         // traffic_keys.cc
  static std::vector<Key> search_keys();          // search_keys.cc
  static std::vector<Key> rfc2544_keys();         // rfc2544_keys.cc
  static std::vector<Key> target_keys_of_file();  // target_keys.cc
  static std::vector<Key> model_and_trial_keys();
  static std::vector<Key> capture_keys();  // capture_keys.cc

  struct Mistake {
    int document = 0;
    std::uint64_t position = 0;
    std::string line;
  };

  // Mistakes.
  bool is_override(const toml::source_region& at) const {
    return at.path && at.path->starts_with("--set ");
  }
  std::string place(const toml::source_region& at) const {
    if (is_override(at)) return *at.path;
    return fmt::format("{}:{}:{}", file_, std::max<std::uint32_t>(1, at.begin.line),
                       std::max<std::uint32_t>(1, at.begin.column));
  }
  void mistake(const toml::source_region& at, std::string_view what) {
    const std::uint64_t position =
        (static_cast<std::uint64_t>(at.begin.line) << 32) | at.begin.column;
    std::string line = one_line(fmt::format("{}: {}", place(at), what));
    for (const Mistake& known : mistakes_) {
      if (known.line == line) return;
    }
    mistakes_.push_back({is_override(at) ? 1 : 0, position, std::move(line)});
  }
  void mistake_in(Draft& draft, const toml::source_region& at, std::string_view what) {
    draft.sound = false;
    mistake(at, what);
  }
  void wrong_type(Draft& draft, const Entry& entry, std::string_view key,
                  std::string_view allowed) {
    mistake_in(draft, entry.node->source(),
               fmt::format("{}: {}; allowed: {}", key, type_text(*entry.node), allowed));
  }

  // Collecting.
  void collect(const toml::table& root, Place from);
  void collect_table(const std::string& name, const toml::table& table, Tables& into, Place from,
                     Scope scope);
  void collect_group(const toml::table& table, GroupText& group, Place from);
  void collect_groups(const toml::node& node, const toml::source_region& at, Place from);
  void collect_override(const std::string& text);
  void put(Tables& into, const std::string& table, std::string_view key, const toml::node& node,
           const toml::source_region& at, Place from, Scope scope);
  void unknown(const std::string& table, std::string_view key, const toml::source_region& at);

  // Reading.
  void read_tables(Draft& draft, Scope scope);
  void read_factor_keys(Draft& draft);
  void read_factors(Draft& draft);
  // The list of levels: as written, or that of a factor's name for one, put into `named`; nullptr
  // when it is neither.
  static const toml::array* levels_in(const toml::node& node, const FactorFacts* factor,
                                      toml::array& named);
  FactorLevels read_simple(const FactorFacts& factor, const toml::array& levels, Draft& draft);
  FactorLevels read_layout(const toml::array& levels, Draft& draft);
  std::optional<std::string> canonical(const FactorFacts& factor, const toml::node& node,
                                       const TrialOrder& base, Draft& draft);
  void check_group(Draft& draft);
  // traffic_keys.cc
  void check_traffic(Draft& draft);
  void check_timing(Draft& draft);
  void check_header_fields(Draft& draft);
  // kernel_keys.cc
  void read_host_allow(const Entry& entry, Draft& draft);
  void check_host_wide(Draft& draft);
  // capture_keys.cc
  void check_capture(Draft& draft);
  // search_keys.cc
  void check_search(Draft& whole);
  void check_search_of(Draft& draft);
  // target_keys.cc
  void read_target(std::string_view key, const Entry& entry, Draft& draft);
  void check_target(const Draft& whole);
  // rfc2544_keys.cc
  void check_rfc2544(Draft& whole);
  void check_rfc2544_of(Draft& draft);
  void check_rules(Draft& draft);
  void check_metric(const Draft& whole, const std::vector<Draft>& drafts);
  void check_acting(const std::vector<Draft>& drafts);
  void check_shadowed();
  bool has_main() const;
  void check_file(const std::string& name, std::string_view key, const toml::source_region& at);
  void check_baseline(const std::vector<Draft>& drafts);
  const Entry* find(const Draft& draft, const std::string& table, const std::string& key) const;
  std::vector<Path> paths_of(const Draft& draft) const;

  std::optional<std::int64_t> integer(const Entry& entry, std::string_view key, std::int64_t least,
                                      std::int64_t most, Draft& draft);
  std::optional<double> seconds(const Entry& entry, std::string_view key, double least,
                                Draft& draft);
  std::optional<std::string> text(const Entry& entry, std::string_view key,
                                  std::string_view allowed, Draft& draft);
  void one_of(const Entry& entry, std::string_view key, const std::vector<std::string>& allowed,
              const std::vector<std::string>& later, Draft& draft, std::string* chosen);
  // In [0, 1), as a number or a percentage.
  std::optional<double> ratio(const toml::node& node, std::string_view key, Draft& draft);
  void read_port(const Entry& entry, std::string& port, Draft& draft);
  void read_lcores(const Entry& entry, std::vector<int>& lcores, Draft& draft);
  void read_fault(const Entry& entry, std::string_view key, double& probability, Draft& draft);

  SearchPlan& search();
  void read_goal_attribute(std::string_view key, const Entry& entry, Draft& draft,
                           GoalAttributes& into);
  // The table that has every cell searched: "[search]", "[rfc2544]"; empty: none.
  [[nodiscard]] std::string searching_table() const;
  void read_search_load(const Entry& entry, std::string_view key, std::optional<Load>& load,
                        Draft& draft);
  std::optional<SearchGoal> goal_of(const toml::node& node, Draft& draft);
  [[nodiscard]] bool has_goal(std::string_view metric) const;
  [[nodiscard]] std::vector<std::string> search_metric_names() const;

  // One for each key; see keys().
  void read_initial_trial_seconds(const Entry& entry, Draft& draft);
  void read_final_trial_seconds(const Entry& entry, Draft& draft);
  void read_duration_sum_seconds(const Entry& entry, Draft& draft);
  void read_exceed_ratio(const Entry& entry, Draft& draft);
  void read_width(const Entry& entry, Draft& draft);
  void read_max_load(const Entry& entry, Draft& draft);
  void read_min_load(const Entry& entry, Draft& draft);
  void read_latency_at(const Entry& entry, Draft& draft);
  void read_goals(const Entry& entry, Draft& draft);
  void read_rfc2544_preset(const Entry& entry, Draft& draft);
  void read_rfc2544_tests(const Entry& entry, Draft& draft);
  template <double Rfc2544Order::*kMember>
  void read_rfc2544_seconds(const Entry& entry, Draft& draft);
  template <int Rfc2544Order::*kMember>
  void read_rfc2544_repeats(const Entry& entry, Draft& draft);
  void read_rfc2544_width(const Entry& entry, Draft& draft);
  void read_rfc2544_loss_step(const Entry& entry, Draft& draft);
  void read_rfc2544_burst_step(const Entry& entry, Draft& draft);
  void read_name(const Entry& entry, Draft& draft);
  void read_question(const Entry& entry, Draft& draft);
  void read_under_test(const Entry& entry, Draft& draft);
  void read_generator_port(const Entry& entry, Draft& draft);
  void read_generator_lcores(const Entry& entry, Draft& draft);
  void read_receiver_port(const Entry& entry, Draft& draft);
  void read_receiver_lcores(const Entry& entry, Draft& draft);
  void read_kind(const Entry& entry, Draft& draft);
  void read_letters(const Entry& entry, Draft& draft);
  void read_ip_version(const Entry& entry, Draft& draft);
  template <HeaderField kField>
  void read_field(const Entry& entry, Draft& draft);
  void read_tcp_flags(const Entry& entry, Draft& draft);
  void read_permitted_addresses(const Entry& entry, Draft& draft);
  void read_pcap(const Entry& entry, Draft& draft);
  void read_time_scale(const Entry& entry, Draft& draft);
  void read_loops(const Entry& entry, Draft& draft);
  void read_filter(const Entry& entry, Draft& draft);
  void read_rewrite(const Entry& entry, Draft& draft);
  void read_cut_short(const Entry& entry, Draft& draft);
  void read_timing(const Entry& entry, Draft& draft);
  void read_clock(const Entry& entry, Draft& draft);
  void read_drop(const Entry& entry, Draft& draft);
  void read_duplicate(const Entry& entry, Draft& draft);
  void read_reorder(const Entry& entry, Draft& draft);
  void read_corrupt(const Entry& entry, Draft& draft);
  void read_delay(const Entry& entry, Draft& draft);
  void read_delay_time(const Entry& entry, Draft& draft);
  void read_seconds(const Entry& entry, Draft& draft);
  void read_packets(const Entry& entry, Draft& draft);
  void read_warmup(const Entry& entry, Draft& draft);
  void read_blocks(const Entry& entry, Draft& draft);
  void read_aa_blocks(const Entry& entry, Draft& draft);
  void read_budget(const Entry& entry, Draft& draft);
  void read_retries(const Entry& entry, Draft& draft);
  void read_seed(const Entry& entry, Draft& draft);
  void read_validity(const Entry& entry, Draft& draft);
  void read_drop_reasons(const Entry& entry, Draft& draft);
  void read_capture_at(const Entry& entry, Draft& draft);
  void read_capture_filter(const Entry& entry, Draft& draft);
  void read_snaplen(const Entry& entry, Draft& draft);
  void read_limit(const Entry& entry, Draft& draft);
  void read_trigger(const Entry& entry, Draft& draft);
  void read_design(const Entry& entry, Draft& draft);
  void read_metric(const Entry& entry, Draft& draft);
  void read_matters(const Entry& entry, Draft& draft);
  void read_choose(const Entry& entry, Draft& draft);
  void read_target_rate(const Entry& entry, Draft& draft);
  void read_target_frame(const Entry& entry, Draft& draft);
  void read_target_loss(const Entry& entry, Draft& draft);
  void read_target_p99(const Entry& entry, Draft& draft);
  void read_target_cores(const Entry& entry, Draft& draft);

  std::string file_;
  const ReadOptions& options_;
  std::filesystem::path folder_;
  ReadOptions::Files files_ = ReadOptions::Files::must_exist;
  std::deque<toml::table> documents_;  // entries point into them
  Tables top_;
  std::vector<GroupText> groups_;
  std::vector<Mistake> mistakes_;
  std::optional<toml::source_region> search_at_;   // where [search] stands
  std::optional<toml::source_region> target_at_;   // where [target] stands
  std::optional<toml::source_region> rfc2544_at_;  // where [rfc2544] stands
  Rfc2544Order rfc2544_;
  GoalAttributes goal_defaults_;
  bool latency_at_said_ = false;
  Experiment experiment_;
};

}  // namespace pollmark
