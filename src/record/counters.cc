#include "record/counters.h"

#include <limits>
#include <utility>

#include "base/error.h"

namespace pollmark {

namespace {

constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kHalf32 = std::uint64_t{1} << 31;
constexpr auto kMaxDelta = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

std::optional<std::uint64_t> value_in(const CounterSnapshot& snapshot, const std::string& name) {
  const auto found = snapshot.values.find(name);
  if (found == snapshot.values.end()) return std::nullopt;
  return found->second;
}

CounterFacts facts_in(const CounterSnapshot& before, const CounterSnapshot& after,
                      const std::string& name) {
  if (const auto found = after.facts.find(name); found != after.facts.end()) return found->second;
  if (const auto found = before.facts.find(name); found != before.facts.end()) return found->second;
  return {};
}

CounterChange change_of(std::optional<std::uint64_t> before, std::optional<std::uint64_t> after,
                        CounterFacts facts) {
  CounterChange change{before, after, std::move(facts), std::nullopt, false};
  if (!before || !after) return change;
  if (*after >= *before) {
    const std::uint64_t forward = *after - *before;
    if (forward <= kMaxDelta) change.delta = static_cast<std::int64_t>(forward);
    return change;
  }
  if (change.facts.bits == 32 && *before <= kMax32) {
    const std::uint64_t forward = (*after - *before) & kMax32;
    if (forward < kHalf32) {
      change.delta = static_cast<std::int64_t>(forward);
      return change;
    }
  }
  change.went_backwards = true;
  return change;
}

}  // namespace

std::string_view name_of(CounterRole role) {
  switch (role) {
    case CounterRole::owner:
      return "owner";
    case CounterRole::echo:
      return "echo";
    case CounterRole::context:
      return "context";
  }
  PM_CHECK(false);
}

void put_counter(CounterSnapshot& snapshot, const std::string& name, std::uint64_t value,
                 CounterFacts facts) {
  snapshot.values[name] = value;
  snapshot.facts[name] = std::move(facts);
}

std::map<std::string, CounterChange> difference(const CounterSnapshot& before,
                                                const CounterSnapshot& after) {
  std::map<std::string, CounterChange> changes;
  const auto add = [&](const std::string& name) {
    changes.try_emplace(name, change_of(value_in(before, name), value_in(after, name),
                                        facts_in(before, after, name)));
  };
  for (const auto& entry : before.values) add(entry.first);
  for (const auto& entry : after.values) add(entry.first);
  return changes;
}

}  // namespace pollmark
