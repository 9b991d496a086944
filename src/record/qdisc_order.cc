#include "record/qdisc_order.h"

#include <fmt/format.h>

#include <vector>

#include "base/text.h"
#include "base/units.h"

namespace pollmark {
namespace {

constexpr std::int64_t kLeastRate = 1'000'000;
constexpr std::int64_t kMostRate = 16'000'000'000;  // libnl's byte rates are 32 bits
constexpr std::int64_t kMost = 1 << 30;

struct Words {
  std::vector<std::string> words;

  // "N UNIT" at the word, or "N" alone.
  [[nodiscard]] std::string pair(std::size_t at) const { return words[at] + " " + words[at + 1]; }
};

Result<std::int64_t> in_range(Result<std::int64_t> value, std::int64_t least, std::int64_t most) {
  if (value && (*value < least || *value > most)) return fail(Errc::bad_experiment, "");
  return value;
}

Result<std::int64_t> rate_of(const std::string& text) {
  PM_TRY(const double bps, parse_link_bps(text));
  return in_range(static_cast<std::int64_t>(bps), kLeastRate, kMostRate);
}

Result<QdiscOrder> parse_words(const Words& said) {
  const auto& words = said.words;
  QdiscOrder order;
  if (words.size() == 1 && words[0] == "default") return order;
  if (words.size() == 2 && words[0] == "pfifo") {
    order.kind = QdiscOrder::Kind::pfifo;
    PM_TRY(order.limit_frames, in_range(parse_count(words[1]), 1, kMost));
    return order;
  }
  if (words.size() == 7 && words[0] == "tbf") {
    order.kind = QdiscOrder::Kind::tbf;
    PM_TRY(order.rate_bps, rate_of(said.pair(1)));
    PM_TRY(order.bucket_bytes, in_range(parse_bytes(said.pair(3)), 2048, kMost));
    PM_TRY(order.limit_bytes, in_range(parse_bytes(said.pair(5)), 2048, kMost));
    return order;
  }
  if (words.size() == 4 && words[0] == "htb") {
    order.kind = QdiscOrder::Kind::htb;
    PM_TRY(order.rate_bps, rate_of(said.pair(1)));
    PM_TRY(order.limit_frames, in_range(parse_count(words[3]), 1, kMost));
    return order;
  }
  return fail(Errc::bad_experiment, "");
}

std::string rate_text(std::int64_t bps) {
  if (bps % 1'000'000'000 == 0) return fmt::format("{} Gbps", bps / 1'000'000'000);
  if (bps % 1'000'000 == 0) return fmt::format("{} Mbps", bps / 1'000'000);
  return fmt::format("{:.9g} Mbps", static_cast<double>(bps) / 1e6);
}

}  // namespace

Result<QdiscOrder> QdiscOrder::parse(std::string_view text) {
  Words said;
  for (const std::string& word : split(trimmed(text), ' ')) {
    if (!word.empty()) said.words.push_back(word);
  }
  Result<QdiscOrder> order = parse_words(said);
  if (order) return order;
  return fail(Errc::bad_experiment,
              fmt::format("\"{}\" is no queueing discipline; allowed: {}", text, kQdiscAllowed));
}

std::string QdiscOrder::text() const {
  switch (kind) {
    case Kind::host_default:
      return "default";
    case Kind::pfifo:
      return fmt::format("pfifo {}", limit_frames);
    case Kind::tbf:
      return fmt::format("tbf {} {} {}", rate_text(rate_bps), bytes_text(bucket_bytes),
                         bytes_text(limit_bytes));
    case Kind::htb:
      return fmt::format("htb {} {}", rate_text(rate_bps), limit_frames);
  }
  PM_CHECK(false);
}

}  // namespace pollmark
