#include "rig/queue_shares.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>

namespace pollmark {

std::int64_t BucketLoad::total_pkts() const {
  return std::accumulate(pkts.begin(), pkts.end(), unhashed_pkts);
}

BucketLoad bucket_load(std::span<const RssTuple> tuples, std::span<const std::uint32_t> hashes,
                       std::span<const std::uint32_t> pkts) {
  PM_CHECK(tuples.size() == hashes.size() && (pkts.empty() || pkts.size() == tuples.size()));
  BucketLoad load;
  for (std::size_t at = 0; at < tuples.size(); ++at) {
    std::int64_t& sum =
        tuples[at].length == 0 ? load.unhashed_pkts : load.pkts[hashes[at] % kRetaEntries];
    sum += pkts.empty() ? 1 : pkts[at];
  }
  return load;
}

std::vector<double> queue_shares(const BucketLoad& load, const Reta& reta, int queues) {
  std::vector<double> shares(static_cast<std::size_t>(queues), 0.0);
  const std::int64_t total = load.total_pkts();
  if (total == 0) return shares;
  std::vector<std::int64_t> pkts(shares.size(), 0);
  pkts[0] = load.unhashed_pkts;
  for (std::size_t entry = 0; entry < kRetaEntries; ++entry) {
    PM_CHECK(reta[entry] < queues);
    pkts[reta[entry]] += load.pkts[entry];
  }
  for (std::size_t queue = 0; queue < shares.size(); ++queue)
    shares[queue] = static_cast<double>(pkts[queue]) / static_cast<double>(total);
  return shares;
}

double imbalance(std::span<const double> shares) {
  if (shares.empty()) return 0.0;
  return *std::max_element(shares.begin(), shares.end()) * static_cast<double>(shares.size());
}

Reta balanced_reta(const BucketLoad& load, int queues) {
  PM_CHECK(queues >= 1 && static_cast<std::size_t>(queues) <= kRetaEntries);
  std::array<std::size_t, kRetaEntries> heaviest_first{};
  std::iota(heaviest_first.begin(), heaviest_first.end(), std::size_t{0});
  std::stable_sort(heaviest_first.begin(), heaviest_first.end(),
                   [&](std::size_t a, std::size_t b) { return load.pkts[a] > load.pkts[b]; });
  std::vector<std::int64_t> pkts(static_cast<std::size_t>(queues), 0);
  std::vector<int> entries(pkts.size(), 0);
  pkts[0] = load.unhashed_pkts;
  Reta reta{};
  for (const std::size_t entry : heaviest_first) {
    std::size_t least = 0;
    // Of equally loaded queues the one with fewest entries: empty entries are spread, too.
    for (std::size_t queue = 1; queue < pkts.size(); ++queue)
      if (std::pair(pkts[queue], entries[queue]) < std::pair(pkts[least], entries[least]))
        least = queue;
    reta[entry] = static_cast<std::uint8_t>(least);
    pkts[least] += load.pkts[entry];
    ++entries[least];
  }
  return reta;
}

Result<ToeplitzKey> parse_rss_key(std::string_view text) {
  constexpr std::string_view kAllowed =
      "40 bytes in hexadecimal, with or without colons, as ethtool -x prints them";
  std::array<std::uint8_t, 40> bytes{};
  std::size_t count = 0;
  for (std::string_view rest = text; !rest.empty();) {
    if (count > 0 && rest.front() == ':') rest.remove_prefix(1);
    const std::string_view pair = rest.substr(0, 2);
    std::uint8_t byte = 0;
    const auto [end, code] = std::from_chars(pair.data(), pair.data() + pair.size(), byte, 16);
    if (pair.size() != 2 || code != std::errc{} || end != pair.data() + 2 || count == bytes.size())
      return fail(Errc::bad_experiment,
                  fmt::format("key: \"{}\" is not a key; allowed: {}", text, kAllowed));
    bytes[count++] = byte;
    rest.remove_prefix(2);
  }
  if (count != bytes.size())
    return fail(Errc::bad_experiment, fmt::format("key: {} bytes; allowed: {}", count, kAllowed));
  return make_toeplitz_key(bytes);
}

}  // namespace pollmark
