// Readings of counters that somebody else keeps (a driver, the kernel), and their difference.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pollmark {

enum class CounterRole : std::uint8_t {
  owner,    // charged to a fate
  echo,     // the same packets seen again: asserted equal, never added
  context,  // shown, not part of the books
};

[[nodiscard]] std::string_view name_of(CounterRole role);

struct CounterFacts {
  std::string layer;            // "link", "qdisc", "ip", "udp", "socket", "softnet", "port"
  std::string unit = "frames";  // frames, super_packets, segments, events
  std::string scope;            // "namespace", "host", "port"
  CounterRole role = CounterRole::context;
  std::string trust = "source";  // trusted, source (read in its source), blind, unknown
  int bits = 64;                 // width at which it wraps: 32 or 64
  friend bool operator==(const CounterFacts&, const CounterFacts&) = default;
};

// One reading. A counter that the source does not keep is not in the map.
struct CounterSnapshot {
  std::map<std::string, std::uint64_t> values;  // "receiver.udp.RcvbufErrors" -> raw reading
  std::map<std::string, CounterFacts> facts;    // by the same name
};

// Adds one counter with its facts.
void put_counter(CounterSnapshot& snapshot, const std::string& name, std::uint64_t value,
                 CounterFacts facts);

struct CounterChange {
  std::optional<std::uint64_t> before;  // nullopt: the name was not there
  std::optional<std::uint64_t> after;
  CounterFacts facts;
  std::optional<std::int64_t> delta;  // nullopt: not measured (a side is missing, or it was reset)
  bool went_backwards = false;        // after < before and not a wrap at `bits`
};

// after - before for every name on either side. A 32-bit counter that falls is a wrap when the
// forward distance is below 2^31; every other fall is a reset: went_backwards, delta nullopt. A
// name that vanished or appeared has delta nullopt, and so has a distance above 2^63 - 1. Facts are
// those of the later reading.
[[nodiscard]] std::map<std::string, CounterChange> difference(const CounterSnapshot& before,
                                                              const CounterSnapshot& after);

}  // namespace pollmark
