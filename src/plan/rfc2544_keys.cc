// The keys of [rfc2544].
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "plan/experiment_reader.h"

namespace pollmark {

namespace {

constexpr std::string_view kTestsAllowed =
    "a list of throughput, latency, frame_loss_rate, back_to_back, system_recovery, reset, each "
    "once";
constexpr std::string_view kDurationSyntax = "seconds (60) or a duration (\"20 ms\")";
constexpr std::string_view kWidthSyntax = "0.005 or \"0.5 %\"";
constexpr std::int64_t kMostRepeats = 1000;
constexpr std::int64_t kMostBurstStep = 1'000'000;
constexpr double kMostBurstSeconds = 30.0;  // RFC 9004 section 5.4
constexpr double kLeastLossStep = 0.1;
constexpr double kMostLossStep = 10.0;  // RFC 2544 section 26.3
constexpr std::string_view kLossStepAllowed = "0.1 to 10";

template <typename Value>
struct MemberKey {
  Value Rfc2544Order::*member;
  std::string_view name;
  Value least;
};

constexpr std::array<MemberKey<double>, 7> kSecondsKeys = {
    {{&Rfc2544Order::trial_seconds, "trial_seconds", 1e-3},
     {&Rfc2544Order::latency_seconds, "latency_seconds", 1e-3},
     {&Rfc2544Order::burst_cap_seconds, "burst_cap_seconds", 1e-5},
     {&Rfc2544Order::overload_seconds, "overload_seconds", 1e-3},
     {&Rfc2544Order::recovery_seconds, "recovery_seconds", 1e-3},
     {&Rfc2544Order::wait_before_seconds, "wait_before_seconds", 0.0},
     {&Rfc2544Order::wait_after_seconds, "wait_after_seconds", 0.0}}};

constexpr std::array<MemberKey<int>, 3> kRepeatsKeys = {
    {{&Rfc2544Order::latency_repeats, "latency_repeats", 1},
     {&Rfc2544Order::burst_repeats, "burst_repeats", 1},
     {&Rfc2544Order::recovery_repeats, "recovery_repeats", 1}}};

template <typename Value, std::size_t kCount>
const MemberKey<Value>& key_of(const std::array<MemberKey<Value>, kCount>& keys,
                               Value Rfc2544Order::*member) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const auto& key) { return key.member == member; });
  PM_CHECK(found != keys.end());
  return *found;
}

}  // namespace

template <double Rfc2544Order::*kMember>
void Reader::read_rfc2544_seconds(const Entry& entry, Draft& draft) {
  const MemberKey<double>& key = key_of(kSecondsKeys, kMember);
  if (const auto value = seconds(entry, key.name, key.least, draft)) rfc2544_.*kMember = *value;
}

template <int Rfc2544Order::*kMember>
void Reader::read_rfc2544_repeats(const Entry& entry, Draft& draft) {
  const MemberKey<int>& key = key_of(kRepeatsKeys, kMember);
  if (const auto value = integer(entry, key.name, key.least, kMostRepeats, draft))
    rfc2544_.*kMember = static_cast<int>(*value);
}

std::vector<Reader::Key> Reader::rfc2544_keys() {
  const std::string seconds(kDurationSyntax);
  const std::string repeats = fmt::format("1 to {}", kMostRepeats);
  const auto key = [](std::string name, std::string syntax, std::string sentence, ReadKey read) {
    return shared_key("rfc2544", std::move(name), std::move(syntax), std::move(sentence), read);
  };
  return {
      key("preset", "\"strict\", \"short\"",
          "strict, unless said: the durations and repeats of RFC 2544 and RFC 9004. short: seconds "
          "instead of minutes. The keys below change single ones.",
          &Reader::read_rfc2544_preset),
      key("tests", std::string(kTestsAllowed),
          "In every cell and block, behind a search for the throughput. Unless said: all.",
          &Reader::read_rfc2544_tests),
      key("trial_seconds", seconds, "Of trials that decide the throughput, and of frame loss.",
          &Reader::read_rfc2544_seconds<&Rfc2544Order::trial_seconds>),
      key("width", std::string(kWidthSyntax),
          "Of the throughput's bounds, relative to the upper one.", &Reader::read_rfc2544_width),
      key("latency_seconds", seconds, "",
          &Reader::read_rfc2544_seconds<&Rfc2544Order::latency_seconds>),
      key("latency_repeats", repeats, "",
          &Reader::read_rfc2544_repeats<&Rfc2544Order::latency_repeats>),
      key("loss_step_percent", std::string(kLossStepAllowed),
          "From one load to the next, of the highest.", &Reader::read_rfc2544_loss_step),
      key("burst_cap_seconds", seconds, "The longest burst that is tried; up to 30 s.",
          &Reader::read_rfc2544_seconds<&Rfc2544Order::burst_cap_seconds>),
      key("burst_step_pkts", fmt::format("1 to {}", kMostBurstStep),
          "Frames: how close a burst is found.", &Reader::read_rfc2544_burst_step),
      key("burst_repeats", repeats, "",
          &Reader::read_rfc2544_repeats<&Rfc2544Order::burst_repeats>),
      key("overload_seconds", seconds, "Before the load is halved.",
          &Reader::read_rfc2544_seconds<&Rfc2544Order::overload_seconds>),
      key("recovery_seconds", seconds, "That the halved load is watched.",
          &Reader::read_rfc2544_seconds<&Rfc2544Order::recovery_seconds>),
      key("recovery_repeats", repeats, "",
          &Reader::read_rfc2544_repeats<&Rfc2544Order::recovery_repeats>),
      key("wait_before_seconds", seconds, "Before each trial, on any path but the model.",
          &Reader::read_rfc2544_seconds<&Rfc2544Order::wait_before_seconds>),
      key("wait_after_seconds", seconds,
          "Behind each trial, for frames that are still on their way.",
          &Reader::read_rfc2544_seconds<&Rfc2544Order::wait_after_seconds>),
  };
}

void Reader::read_rfc2544_preset(const Entry& entry, Draft& draft) {
  std::string preset = rfc2544_.preset;
  one_of(entry, "preset", rfc2544_preset_names(), {}, draft, &preset);
  rfc2544_ = *rfc2544_preset(preset);
}

void Reader::read_rfc2544_tests(const Entry& entry, Draft& draft) {
  const toml::array* array = entry.node->as_array();
  if (!array) return wrong_type(draft, entry, "tests", kTestsAllowed);
  std::set<Rfc2544Test> chosen;
  for (const toml::node& node : *array) {
    const auto* words = node.as_string();
    const auto test = words ? rfc2544_test_from_name(words->get()) : std::nullopt;
    if (test && chosen.insert(*test).second) continue;
    std::vector<std::string> names;
    for (const Rfc2544Test each : all_rfc2544_tests()) names.emplace_back(name_of(each));
    const std::string near = words && !test ? did_you_mean(words->get(), names) : std::string();
    mistake_in(draft, node.source(),
               fmt::format("tests: {}{}; allowed: {}",
                           test    ? fmt::format("{} stands twice", name_of(*test))
                           : words ? fmt::format("\"{}\" is not known", one_line(words->get()))
                                   : type_text(node),
                           near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near),
                           kTestsAllowed));
    return;
  }
  if (array->empty())
    return mistake_in(draft, entry.node->source(),
                      fmt::format("tests: none; allowed: {}", kTestsAllowed));
  // Whatever is tested stands on the throughput.
  chosen.insert(Rfc2544Test::throughput);
  rfc2544_.tests.assign(chosen.begin(), chosen.end());
}

void Reader::read_rfc2544_width(const Entry& entry, Draft& draft) {
  if (const auto value = ratio(*entry.node, "width", draft)) rfc2544_.width = *value;
}

void Reader::read_rfc2544_loss_step(const Entry& entry, Draft& draft) {
  double percent = -1.0;
  if (const auto* whole = entry.node->as_integer()) {
    percent = static_cast<double>(whole->get());
  } else if (const auto* real = entry.node->as_floating_point()) {
    percent = real->get();
  } else {
    return wrong_type(draft, entry, "loss_step_percent", kLossStepAllowed);
  }
  if (percent >= kLeastLossStep && percent <= kMostLossStep) {
    rfc2544_.loss_step_percent = percent;
    return;
  }
  mistake_in(
      draft, entry.node->source(),
      fmt::format("loss_step_percent: {} is out of range; allowed: {}", percent, kLossStepAllowed));
}

void Reader::read_rfc2544_burst_step(const Entry& entry, Draft& draft) {
  if (const auto value = integer(entry, "burst_step_pkts", 1, kMostBurstStep, draft))
    rfc2544_.burst_step_pkts = *value;
}

// What is said of all groups.
void Reader::check_rfc2544(Draft& whole) {
  if (!rfc2544_at_) return;
  if (search_at_) {
    mistake(*search_at_,
            "[search] beside [rfc2544], which searches for the throughput by itself; allowed: one "
            "of them");
  }
  if (rfc2544_.burst_cap_seconds > kMostBurstSeconds) {
    mistake(find(whole, "rfc2544", "burst_cap_seconds")->node->source(),
            fmt::format("burst_cap_seconds: {} s is out of range; allowed: up to {:g} s (RFC 9004)",
                        rfc2544_.burst_cap_seconds, kMostBurstSeconds));
  }
  // Repeats are within a block.
  if (!find(whole, "trial", "blocks") && experiment_.budget_ns == 0) experiment_.blocks = 1;
  SearchPlan& plan = search();
  plan = SearchPlan{};
  plan.goals = {rfc2544_goal(rfc2544_)};
  plan.latency_at.clear();
  for (const std::string& what : goal_mistakes(plan.goals)) mistake(*rfc2544_at_, what);
  experiment_.rfc2544 = rfc2544_;
}

void Reader::check_rfc2544_of(Draft& draft) {
  if (!rfc2544_at_) return;
  if (const Entry* seconds = find(draft, "trial", "seconds")) {
    mistake_in(draft, seconds->at,
               "seconds beside [rfc2544]: its trials have seconds of their own; allowed: "
               "trial_seconds and the others of [rfc2544]");
  }
  if (draft.group.base.traffic.kind == TrafficKind::replay) {
    const Entry* kind = find(draft, "traffic", "kind");
    mistake_in(draft, kind ? kind->at : draft.at,
               "replay beside [rfc2544]: its frames have one size, and an overload goes before "
               "some trials; allowed: generated frames");
  }
  draft.group.base.wait_before_seconds = rfc2544_.wait_before_seconds;
  draft.group.base.wait_after_seconds = rfc2544_.wait_after_seconds;
}

}  // namespace pollmark
