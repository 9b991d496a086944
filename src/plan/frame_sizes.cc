#include "plan/frame_sizes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <optional>

#include "base/text.h"

namespace pollmark {

namespace {

constexpr std::size_t kMostSizes = 1024;
constexpr std::string_view kAllowed =
    "64 to 9000 bytes with FCS, a list of up to 1024 of them, a range (\"64 to 1518\"), \"imix\", "
    "\"imix_594\", or a genome (RFC 6985: \"aaaag\")";

tl::unexpected<Error> refused(std::string_view why) {
  return fail(Errc::bad_experiment, fmt::format("{}; allowed: {}", why, kAllowed));
}

Result<int> parse_size(std::string_view text) {
  const std::string_view body = trimmed(text);
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(body.data(), body.data() + body.size(), value);
  if (code != std::errc{} || end != body.data() + body.size())
    return refused(fmt::format("\"{}\" is not a whole number", text));
  if (value < kLeastFrameBytes || value > kMostFrameBytes)
    return refused(
        fmt::format("{} is {}", value, value < kLeastFrameBytes ? "too small" : "too large"));
  return static_cast<int>(value);
}

// Weighted round robin: who lags most behind its share goes next.
std::vector<int> mixed(const std::array<int, 3>& sizes) {
  struct Share {
    int bytes;
    int weight;
    int credit = 0;
  };
  std::array<Share, 3> shares{{{sizes[0], 7}, {sizes[1], 4}, {sizes[2], 1}}};
  constexpr int kFrames = 12;
  std::vector<int> order;
  for (int i = 0; i < kFrames; ++i) {
    for (Share& share : shares) share.credit += share.weight;
    Share& next = *std::max_element(shares.begin(), shares.end(),
                                    [](auto& a, auto& b) { return a.credit < b.credit; });
    next.credit -= kFrames;
    order.push_back(next.bytes);
  }
  return order;
}

// Sizes from least to most, evenly apart; a stride without a common divisor visits each once.
std::vector<int> spread(int least, int most) {
  const auto span = static_cast<std::size_t>(most - least);
  const std::size_t count = std::min(span + 1, kMostSizes);
  auto stride = static_cast<std::size_t>(0.618 * static_cast<double>(count));
  while (std::gcd(stride, count) != 1) ++stride;
  std::vector<int> sizes;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t place = i * stride % count;
    sizes.push_back(least + static_cast<int>(count == 1 ? 0 : place * span / (count - 1)));
  }
  return sizes;
}

// RFC 6985 section 4. j (16000) is above what a frame may have here; z (the MTU) is declared.
std::optional<int> genome_bytes(char letter, const std::map<std::string, int>& letters) {
  if (const auto own = letters.find(std::string(1, letter)); own != letters.end())
    return own->second;
  constexpr std::array<int, 9> kSizes = {64, 128, 256, 512, 1024, 1280, 1518, 2112, 9000};
  if (letter >= 'a' && letter <= 'i') return kSizes[static_cast<std::size_t>(letter - 'a')];
  return std::nullopt;
}

Result<FrameSizes> parse_genome(std::string_view text, const std::map<std::string, int>& letters) {
  FrameSizes sizes{std::string(text), {}};
  for (const char letter : text) {
    const std::optional<int> bytes = genome_bytes(letter, letters);
    if (!bytes) {
      static const std::vector<std::string> kMixes = {"imix", "imix_594"};
      const std::string near = did_you_mean(text, kMixes);
      std::string declared;
      for (const auto& [name, size] : letters) declared += name;
      return fail(
          Errc::bad_experiment,
          fmt::format("\"{}\" as a genome: letter {} is not declared{}; allowed: a to i{}, others "
                      "with letters = {{ {} = BYTES }}",
                      text, letter, near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near),
                      declared.empty() ? "" : fmt::format(", {}", declared), letter));
    }
    sizes.frame_bytes.push_back(*bytes);
  }
  if (sizes.frame_bytes.size() > kMostSizes)
    return refused(fmt::format("{} sizes are too many", sizes.frame_bytes.size()));
  return sizes;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

std::string_view allowed_frame_sizes() { return kAllowed; }

Result<FrameSizes> parse_frame_sizes(std::string_view text,
                                     const std::map<std::string, int>& letters) {
  const std::string_view body = trimmed(text);
  if (body == "imix" || body == "imix_570") return FrameSizes{"imix", imix_frame_bytes()};
  if (body == "imix_594") return FrameSizes{"imix_594", imix_594_frame_bytes()};
  if (!body.empty() && std::all_of(body.begin(), body.end(), is_letter))
    return parse_genome(body, letters);
  if (const std::size_t middle = body.find(" to "); middle != std::string_view::npos) {
    PM_TRY(const int least, parse_size(body.substr(0, middle)));
    PM_TRY(const int most, parse_size(body.substr(middle + 4)));
    if (most < least) return refused(fmt::format("\"{}\" is no range", body));
    return FrameSizes{fmt::format("{} to {}", least, most), spread(least, most)};
  }
  FrameSizes sizes;
  for (const std::string& part : split(body, ':')) {
    PM_TRY(const int size, parse_size(part));
    sizes.frame_bytes.push_back(size);
  }
  if (sizes.frame_bytes.size() > kMostSizes)
    return refused(fmt::format("{} sizes are too many", sizes.frame_bytes.size()));
  return sizes;
}

const std::vector<int>& imix_frame_bytes() {
  static const std::vector<int> kSizes = mixed({64, 570, 1518});
  return kSizes;
}

const std::vector<int>& imix_594_frame_bytes() {
  static const std::vector<int> kSizes = mixed({64, 594, 1518});
  return kSizes;
}

}  // namespace pollmark
