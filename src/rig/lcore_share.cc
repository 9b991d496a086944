#include "rig/lcore_share.h"

#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "base/error.h"
#include "rig/rss.h"

namespace pollmark {
namespace {

constexpr RssFields kAllFields{true, true, true, true, true, true};

std::uint64_t hashed(std::uint64_t hash, std::span<const std::uint8_t> bytes) {
  for (const std::uint8_t byte : bytes) hash = drawn(hash, byte);
  return hash;
}

struct Conversation {
  bool is_ip = false;
  bool has_ports = false;
  std::uint64_t hosts = 0;  // hashes, the same for both directions
  std::uint64_t hosts_and_ports = 0;
};

Conversation conversation_of(const ReplayFrame& frame) {
  const RssTuple tuple = rss_tuple({frame.data, frame.data_bytes}, kAllFields);
  Conversation found;
  if (tuple.length == 0) return found;
  const std::size_t addresses = tuple.length >= 32 ? 32 : 8;
  const std::span<const std::uint8_t> all(tuple.bytes.data(), tuple.length);
  const auto source = all.first(addresses / 2);
  const auto destination = all.subspan(addresses / 2, addresses / 2);
  const auto ports = all.subspan(addresses);
  found.is_ip = true;
  found.has_ports = !ports.empty();
  // The sum does not care for the order.
  found.hosts = hashed(0, source) + hashed(0, destination);
  if (found.has_ports)
    found.hosts_and_ports = drawn(hashed(hashed(0, source), ports.first(2)), 0) +
                            drawn(hashed(hashed(0, destination), ports.last(2)), 0);
  return found;
}

}  // namespace

std::vector<LcoreShare> share_out(std::span<const std::uint8_t> owner_of, int lcores) {
  std::vector<LcoreShare> shares(static_cast<std::size_t>(lcores));
  std::vector<std::uint32_t> latest(shares.size(), 0);
  const auto pass_frames = static_cast<std::uint32_t>(owner_of.size());
  for (std::uint32_t position = 0; position < pass_frames; ++position) {
    const std::size_t owner = owner_of[position];
    PM_CHECK(owner < shares.size());
    LcoreShare& share = shares[owner];
    // The step to the first of the next pass stands in until there is another in this one.
    if (share.steps.empty())
      share.first = position;
    else
      share.steps.back() = position - latest[owner];
    share.steps.push_back(pass_frames - position + share.first);
    latest[owner] = position;
  }
  for (LcoreShare& share : shares) share.pass_frames = pass_frames;
  return shares;
}

std::vector<std::uint8_t> owners_of_capture(std::span<const ReplayFrame> frames, int lcores) {
  std::vector<Conversation> conversations;
  conversations.reserve(frames.size());
  std::unordered_set<std::uint64_t> without_ports;
  for (const ReplayFrame& frame : frames) {
    const Conversation& found = conversations.emplace_back(conversation_of(frame));
    if (found.is_ip && !found.has_ports) without_ports.insert(found.hosts);
  }
  std::vector<std::uint8_t> owners;
  owners.reserve(frames.size());
  for (const Conversation& one : conversations) {
    const bool by_hosts = without_ports.contains(one.hosts);
    const std::uint64_t hash = drawn(by_hosts ? one.hosts : one.hosts_and_ports, 0);
    owners.push_back(
        one.is_ip ? static_cast<std::uint8_t>(hash % static_cast<std::uint64_t>(lcores)) : 0);
  }
  return owners;
}

std::int64_t bytes_of_first(const LcoreShare& share, std::int64_t frames,
                            std::span<const std::uint32_t> sizes) {
  // A position has in pass after pass the sizes of a cycle, which every position of that size goes
  // round in.
  const std::size_t count = sizes.size();
  const std::size_t stride = share.pass_frames % count;
  const std::size_t cycle = count / std::gcd(count, stride);
  std::vector<std::int64_t> sums(count * (cycle + 1));  // [first size][passes]
  for (std::size_t first = 0; first < count; ++first)
    for (std::size_t pass = 0; pass < cycle; ++pass)
      sums[first * (cycle + 1) + pass + 1] =
          sums[first * (cycle + 1) + pass] + sizes[(first + pass * stride) % count];
  std::int64_t bytes = 0;
  visit_first(share, frames, [&](std::uint32_t position, std::int64_t times) {
    const std::int64_t* of_first = &sums[position % count * (cycle + 1)];
    const auto passes = static_cast<std::size_t>(times);
    bytes += static_cast<std::int64_t>(passes / cycle) * of_first[cycle] + of_first[passes % cycle];
  });
  return bytes;
}

std::vector<std::uint32_t> sizes_in_turn(const LcoreShare& share, std::uint32_t sizes,
                                         std::size_t most) {
  std::vector<std::uint32_t> turn;
  if (sizes == 1 || share.is_whole()) {
    turn.resize(sizes);
    std::iota(turn.begin(), turn.end(), 0U);
    return turn;
  }
  const std::size_t passes = sizes / std::gcd(sizes, share.pass_frames);
  if (passes * share.steps.size() > most) return turn;
  std::uint64_t frame = share.first;
  for (std::size_t pass = 0; pass < passes; ++pass) {
    for (const std::uint32_t step : share.steps) {
      turn.push_back(static_cast<std::uint32_t>(frame % sizes));
      frame += step;
    }
  }
  return turn;
}

}  // namespace pollmark
