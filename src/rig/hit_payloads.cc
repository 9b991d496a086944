#include "rig/hit_payloads.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "base/line_rate.h"
#include "datapath/arrivals.h"
#include "rig/expression_sample.h"
#include "rig/flow_set.h"

namespace pollmark {
namespace {

constexpr std::uint32_t kMostOfAKind = 64;  // payloads that match, and as many that do not
constexpr int kTries = 64;                  // for each of them
constexpr std::uint64_t kPayloadSalt = 0x7061796c6f616400U;

using Payload = std::vector<std::uint8_t>;

class Maker {
 public:
  Maker(const PatternSet& patterns, std::span<const std::uint32_t> sizes_bytes, std::uint64_t seed)
      : patterns_(patterns), sizes_(sizes_bytes.begin(), sizes_bytes.end()), seed_(seed) {
    std::sort(sizes_.begin(), sizes_.end());
    sizes_.erase(std::unique(sizes_.begin(), sizes_.end()), sizes_.end());
  }

  [[nodiscard]] std::uint32_t largest_bytes() const { return sizes_.back(); }

  // Lines of expressions that match whatever a frame holds: all of many unlike payloads.
  [[nodiscard]] std::vector<int> lines_matching_everything() {
    std::vector<int> lines;
    for (std::uint32_t kind = 0; kind < 19; ++kind) {
      Payload payload = noise();
      // Noise, and every byte the same: a class that noise is bound to hit misses some of these.
      if (kind < 3) std::fill(payload.begin(), payload.end(), std::uint8_t{0});
      if (kind == 1) std::fill(payload.begin(), payload.end(), std::uint8_t{0xff});
      if (kind == 2) std::fill(payload.begin(), payload.end(), static_cast<std::uint8_t>('a'));
      for (const std::uint32_t size : sizes_) {
        const std::vector<int> found = patterns_.lines_matching({payload.data(), size});
        if (kind == 0 && size == sizes_.front()) {
          lines = found;
          continue;
        }
        std::vector<int> both;
        std::set_intersection(lines.begin(), lines.end(), found.begin(), found.end(),
                              std::back_inserter(both));
        lines = std::move(both);
      }
    }
    return lines;
  }

  Result<Payload> miss() {
    std::vector<int> in_the_way;
    for (int attempt = 0; attempt < kTries; ++attempt) {
      Payload payload = noise();
      in_the_way.clear();
      for (const std::uint32_t size : sizes_) {
        const std::vector<int> found = patterns_.lines_matching({payload.data(), size});
        in_the_way.insert(in_the_way.end(), found.begin(), found.end());
      }
      if (in_the_way.empty()) return payload;
    }
    return fail(Errc::bad_experiment,
                fmt::format("{}:{}: matches nearly every payload, so that none could be made that "
                            "matches nothing; allowed: rarer expressions, smaller frames, or "
                            "hit_ratio = \"100 %\"",
                            patterns_.file(), in_the_way.front()));
  }

  // The word of one expression somewhere in noise, where the smallest frame holds it too.
  Result<Payload> hit() {
    const std::vector<Pattern>& all = patterns_.patterns();
    for (std::size_t attempt = 0; attempt < kTries + all.size(); ++attempt) {
      const Pattern& pattern = all[next_pattern_++ % all.size()];
      const std::optional<std::string> word = sample_of(pattern.expression, draw());
      if (!word || word->size() > sizes_.front()) continue;
      Payload payload = noise();
      // At the start now and then, for what is anchored there.
      const std::size_t room = sizes_.front() - word->size();
      const std::size_t at = attempt % 2 == 0 ? draw() % (room + 1) : 0;
      std::copy(word->begin(), word->end(), payload.begin() + static_cast<std::ptrdiff_t>(at));
      if (std::all_of(sizes_.begin(), sizes_.end(), [&](std::uint32_t size) {
            return !patterns_.lines_matching({payload.data(), size}).empty();
          }))
        return payload;
    }
    return fail(Errc::bad_experiment,
                fmt::format("{}: no payload could be made that matches in a frame with {} bytes "
                            "behind the stamp; allowed: larger frames, an expression of literals, "
                            "classes, groups and repetitions, or hit_ratio = \"0 %\"",
                            patterns_.file(), sizes_.front()));
  }

 private:
  std::uint64_t draw() { return drawn(seed_ ^ kPayloadSalt, drawn_++); }
  Payload noise() {
    Payload payload(sizes_.back());
    for (std::uint8_t& byte : payload) byte = static_cast<std::uint8_t>(draw());
    return payload;
  }

  const PatternSet& patterns_;
  std::vector<std::uint32_t> sizes_;
  std::uint64_t seed_;
  std::uint64_t drawn_ = 0;
  std::size_t next_pattern_ = 0;
};

}  // namespace

Result<HitPayloads> make_hit_payloads(const PatternSet& patterns, double hit_ratio,
                                      std::span<const std::uint32_t> sizes_bytes,
                                      std::uint64_t seed) {
  PM_CHECK(!sizes_bytes.empty() && hit_ratio >= 0.0 && hit_ratio <= 1.0);
  Maker maker(patterns, sizes_bytes, seed);
  if (const std::vector<int> lines = maker.lines_matching_everything(); !lines.empty())
    return fail(Errc::bad_experiment,
                fmt::format("{}:{}: matches everything, so that no share of matches could be "
                            "chosen; allowed: an expression that some payload does not match",
                            patterns.file(), lines.front()));

  const auto hit_slots = static_cast<std::uint32_t>(std::lround(hit_ratio * double{kPayloadSlots}));
  const std::uint32_t hits = std::min(hit_slots, kMostOfAKind);
  const std::uint32_t misses = std::min(kPayloadSlots - hit_slots, kMostOfAKind);
  HitPayloads made;
  made.stride_bytes = maker.largest_bytes();
  made.count = hits + misses;
  for (std::uint32_t number = 0; number < made.count; ++number) {
    PM_TRY(const Payload payload, number < hits ? maker.hit() : maker.miss());
    made.bytes.insert(made.bytes.end(), payload.begin(), payload.end());
  }
  made.payload_of.resize(kPayloadSlots);
  for (std::uint32_t slot = 0; slot < kPayloadSlots; ++slot)
    made.payload_of[slot] = static_cast<std::uint8_t>(
        slot < hit_slots ? slot % hits : hits + (slot - hit_slots) % misses);
  // Shuffled (Fisher and Yates), so that matches do not come in a row.
  for (std::uint32_t slot = kPayloadSlots - 1; slot > 0; --slot)
    std::swap(made.payload_of[slot],
              made.payload_of[drawn(seed, slot) % (slot + std::uint64_t{1})]);
  return made;
}

Result<void> check_patterns(const TrialOrder& order) {
  if (order.receiver.stage != StageKind::hyperscan) return {};
  PM_TRY(const auto patterns, PatternSet::load(order.receiver.patterns));
  if (order.path != Path::model || order.traffic.kind == TrafficKind::replay) return {};
  PM_TRY(const FrameStack stack, frame_stack(order.traffic));
  std::vector<std::uint32_t> sizes_bytes;
  for (const int bytes : order.traffic.frame_bytes)
    sizes_bytes.push_back(static_cast<std::uint32_t>(bytes - kFcsBytes) - stack.least_bytes());
  PM_TRYV(make_hit_payloads(*patterns, order.traffic.hit_ratio, sizes_bytes, order.seed)
              .map([](const HitPayloads& /*made*/) {}));
  return {};
}

}  // namespace pollmark
