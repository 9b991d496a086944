#include "record/fate.h"

#include "base/error.h"

namespace pollmark {

namespace {

struct FateFacts {
  std::string_view name;
  FateKind kind;
  std::string_view sentence;
};

constexpr std::array<FateFacts, kFateCount> kFates = {{
#define PM_FATE_FACTS(name, kind, sentence) {#name, FateKind::kind, sentence},
    PM_FATES(PM_FATE_FACTS)
#undef PM_FATE_FACTS
}};

const FateFacts& facts_of(Fate fate) {
  const auto index = static_cast<std::size_t>(fate);
  PM_CHECK(index < kFateCount);
  return kFates[index];
}

}  // namespace

std::string_view fate_name(Fate fate) { return facts_of(fate).name; }
std::string_view fate_sentence(Fate fate) { return facts_of(fate).sentence; }
FateKind fate_kind(Fate fate) { return facts_of(fate).kind; }

std::optional<Fate> fate_from_name(std::string_view name) {
  for (const Fate fate : all_fates()) {
    if (fate_name(fate) == name) return fate;
  }
  return std::nullopt;
}

const std::array<Fate, kFateCount>& all_fates() {
  static constexpr std::array<Fate, kFateCount> kAll = {
#define PM_FATE_VALUE(name, kind, sentence) Fate::name,
      PM_FATES(PM_FATE_VALUE)
#undef PM_FATE_VALUE
  };
  return kAll;
}

}  // namespace pollmark
