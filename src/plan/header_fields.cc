#include "plan/header_fields.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

#include "base/line_rate.h"
#include "base/text.h"

namespace pollmark {

namespace {

constexpr std::size_t kMostListed = 65536;
constexpr int kFullStampBytes = 16;
constexpr int kShortStampBytes = 12;

struct FieldFacts {
  HeaderField field;
  std::string_view name;
  std::string TrafficOrder::*text;
  std::uint32_t least;  // of numbers
  std::uint32_t most;
};

constexpr std::array<FieldFacts, kHeaderFields.size()> kFacts{{
    {HeaderField::src_mac, "src_mac", &TrafficOrder::src_mac, 0, 0},
    {HeaderField::dst_mac, "dst_mac", &TrafficOrder::dst_mac, 0, 0},
    {HeaderField::qinq, "qinq", &TrafficOrder::qinq, 1, 4094},
    {HeaderField::vlan, "vlan", &TrafficOrder::vlan, 1, 4094},
    {HeaderField::src_ip, "src_ip", &TrafficOrder::src_ip, 0, 0},
    {HeaderField::dst_ip, "dst_ip", &TrafficOrder::dst_ip, 0, 0},
    {HeaderField::src_port, "src_port", &TrafficOrder::src_port, 0, 65535},
    {HeaderField::dst_port, "dst_port", &TrafficOrder::dst_port, 0, 65535},
    {HeaderField::ttl, "ttl", &TrafficOrder::ttl, 1, 255},
    {HeaderField::dscp, "dscp", &TrafficOrder::dscp, 0, 63},
}};

const FieldFacts& facts_of(HeaderField field) { return kFacts[static_cast<std::size_t>(field)]; }

bool is_mac(HeaderField field) {
  return field == HeaderField::src_mac || field == HeaderField::dst_mac;
}
bool is_ip(HeaderField field) {
  return field == HeaderField::src_ip || field == HeaderField::dst_ip;
}

std::optional<FieldValue> parse_ip(std::string_view text, int ip_version) {
  std::array<std::uint8_t, 16> bytes{};
  const std::string name(text);
  const int family = ip_version == 4 ? AF_INET : AF_INET6;
  if (inet_pton(family, name.c_str(), bytes.data()) != 1) return std::nullopt;
  FieldValue value = 0;
  for (int i = 0; i < (ip_version == 4 ? 4 : 16); ++i)
    value = value << 8 | bytes[static_cast<std::size_t>(i)];
  return value;
}

std::string ip_text(FieldValue value, int ip_version) {
  std::array<std::uint8_t, 16> bytes{};
  const int length = ip_version == 4 ? 4 : 16;
  for (int i = length; i-- > 0; value >>= 8)
    bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(value);
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(ip_version == 4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

std::optional<FieldValue> parse_mac(std::string_view text) {
  const std::vector<std::string> parts = split(text, ':');
  if (parts.size() != 6) return std::nullopt;
  FieldValue value = 0;
  for (const std::string& part : parts) {
    unsigned byte = 0;
    const auto [end, code] = std::from_chars(part.data(), part.data() + part.size(), byte, 16);
    if (code != std::errc{} || end != part.data() + part.size() || part.size() != 2)
      return std::nullopt;
    value = value << 8 | byte;
  }
  return value;
}

std::optional<FieldValue> parse_number(std::string_view text, const FieldFacts& facts) {
  std::uint32_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value < facts.least || value > facts.most) return std::nullopt;
  return value;
}

std::optional<FieldValue> parse_one(HeaderField field, std::string_view text, int ip_version) {
  text = trimmed(text);
  if (is_mac(field)) return parse_mac(text);
  if (is_ip(field)) return parse_ip(text, ip_version);
  return parse_number(text, facts_of(field));
}

struct Span {
  FieldValue first = 0;
  FieldValue last = 0;
};

std::optional<Span> parse_prefix(std::string_view text, int ip_version) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = parse_ip(trimmed(text.substr(0, slash)), ip_version);
  const std::string_view digits = trimmed(text.substr(slash + 1));
  int length = -1;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  const int bits = ip_version == 4 ? 32 : 128;
  if (!address || code != std::errc{} || end != digits.data() + digits.size() || length < 0 ||
      length > bits)
    return std::nullopt;
  const FieldValue hosts =
      length == 0 && bits == 128 ? ~FieldValue{0} : (FieldValue{1} << (bits - length)) - 1;
  if ((*address & hosts) != 0) return std::nullopt;  // bits behind the prefix
  return Span{*address, *address | hosts};
}

std::optional<Span> parse_span(HeaderField field, std::string_view text, int ip_version) {
  if (is_ip(field) && text.find('/') != std::string_view::npos)
    return parse_prefix(text, ip_version);
  const std::size_t middle = text.find(" to ");
  const auto first = parse_one(field, text.substr(0, middle), ip_version);
  const auto last = middle == std::string_view::npos
                        ? first
                        : parse_one(field, text.substr(middle + 4), ip_version);
  if (!first || !last || *last < *first) return std::nullopt;
  return Span{*first, *last};
}

Span everything(HeaderField field, int ip_version) {
  if (is_mac(field)) {
    // Locally administered, unicast.
    const FieldValue first = FieldValue{0x02} << 40;
    return {first, first | ((FieldValue{1} << 40) - 1)};
  }
  if (is_ip(field))
    return *parse_prefix(ip_version == 4 ? "198.18.0.0/15" : "2001:2::/48", ip_version);
  const FieldFacts& facts = facts_of(field);
  return {facts.least, facts.most};
}

bool within(const Span& inner, const Span& outer) {
  return inner.first >= outer.first && inner.last <= outer.last;
}

}  // namespace

std::string_view name_of(HeaderField field) { return facts_of(field).name; }

const std::string& text_of(HeaderField field, const TrafficOrder& traffic) {
  return traffic.*facts_of(field).text;
}
std::string& text_of(HeaderField field, TrafficOrder& traffic) {
  return traffic.*facts_of(field).text;
}

std::string allowed_values(HeaderField field, int ip_version) {
  std::string one;
  std::string other;
  if (is_mac(field)) {
    one = "\"02:00:00:00:00:01\"";
    other = "\"02:00:00:00:00:01 to 02:00:00:00:00:ff\"";
  } else if (is_ip(field)) {
    one = ip_version == 4 ? "\"198.18.0.1\"" : "\"2001:2::1\"";
    other = ip_version == 4 ? "\"198.18.0.1 to 198.18.0.99\", \"198.18.0.0/16\""
                            : "\"2001:2::1 to 2001:2::99\", \"2001:2::/112\"";
  } else {
    const FieldFacts& facts = facts_of(field);
    one = fmt::format("{} to {}", facts.least, facts.most);
    other = fmt::format("\"{} to {}\"", facts.least, facts.most);
  }
  return fmt::format("{}, {}, a list, or \"random\" before a range", one, other);
}

Result<FieldValues> parse_field_values(HeaderField field, std::string_view text, int ip_version) {
  std::string_view body = trimmed(text);
  FieldValues values;
  const auto refused = [&] {
    return fail(Errc::bad_experiment, fmt::format("\"{}\" is none of its values; allowed: {}", text,
                                                  allowed_values(field, ip_version)));
  };
  if (body.find(',') != std::string_view::npos) {
    values.kind = FieldValues::Kind::list;
    std::set<FieldValue> seen;
    for (const std::string& part : split(body, ',')) {
      const auto value = parse_one(field, part, ip_version);
      if (!value) return refused();
      if (!seen.insert(*value).second)
        return fail(Errc::bad_experiment,
                    fmt::format("\"{}\" stands twice; allowed: each once", trimmed(part)));
      values.list.push_back(*value);
    }
    if (values.list.size() > kMostListed)
      return fail(Errc::bad_experiment, fmt::format("{} values are too many; allowed: up to {}",
                                                    values.list.size(), kMostListed));
    return values;
  }
  if (body == "random" || body.starts_with("random ")) {
    values.kind = FieldValues::Kind::random;
    body = trimmed(body.substr(6));
  }
  const std::optional<Span> span = body.empty() && values.kind == FieldValues::Kind::random
                                       ? everything(field, ip_version)
                                       : parse_span(field, body, ip_version);
  if (!span) return refused();
  values.first = span->first;
  values.last = span->last;
  return values;
}

std::string_view default_values(HeaderField field, int ip_version, Path path) {
  const bool model = path == Path::model;
  switch (field) {
    case HeaderField::src_mac:
      return model ? "02:00:00:00:00:02" : "";
    case HeaderField::dst_mac:
      return model ? "02:00:00:00:00:01" : "";
    case HeaderField::qinq:
    case HeaderField::vlan:
      return "";
    case HeaderField::src_ip:
      // On veth past a reverse path filter, and no address of the lab's.
      if (ip_version == 6) return "2001:2:0:1::/112";
      return model ? "198.18.0.0/16" : "198.19.0.0/17";
    case HeaderField::dst_ip:
      if (ip_version == 6) return "random 2001:2:0:2::/112";
      return model ? "random 198.19.0.0/16" : "";
    case HeaderField::src_port:
      return "random 1024 to 33791";
    case HeaderField::dst_port:
      return model ? "random 1024 to 33791" : "";
    case HeaderField::ttl:
      return "64";
    case HeaderField::dscp:
      return "0";
  }
  PM_CHECK(false);
}

Result<void> check_addresses(const FieldValues& values, int ip_version,
                             const std::vector<std::string>& permitted) {
  std::vector<Span> allowed{everything(HeaderField::src_ip, ip_version)};
  for (const std::string& prefix : permitted)
    if (const auto span = parse_prefix(prefix, ip_version)) allowed.push_back(*span);
  std::vector<Span> asked;
  if (values.kind == FieldValues::Kind::list)
    for (const FieldValue value : values.list) asked.push_back({value, value});
  else
    asked.push_back({values.first, values.last});
  for (const Span& span : asked) {
    const bool fits = std::any_of(allowed.begin(), allowed.end(),
                                  [&](const Span& each) { return within(span, each); });
    if (fits) continue;
    return fail(
        Errc::bad_experiment,
        fmt::format("{}{} is outside {}; allowed: addresses in there, or their prefix in "
                    "permitted_addresses",
                    ip_text(span.first, ip_version),
                    span.first == span.last ? std::string()
                                            : fmt::format(" to {}", ip_text(span.last, ip_version)),
                    ip_version == 4 ? "198.18.0.0/15" : "2001:2::/48"));
  }
  return {};
}

Result<void> check_prefix(std::string_view text) {
  if (parse_prefix(text, 4) || parse_prefix(text, 6)) return {};
  return fail(Errc::bad_experiment,
              fmt::format("\"{}\" is no prefix; allowed: \"10.0.0.0/8\", \"fd00::/8\", with zeros "
                          "behind the prefix",
                          text));
}

Result<std::uint64_t> most_flows(const TrafficOrder& traffic, Path path) {
  FieldValue most = 1;
  for (const HeaderField field :
       {HeaderField::src_ip, HeaderField::src_port, HeaderField::dst_ip, HeaderField::dst_port}) {
    const std::string& asked = text_of(field, traffic);
    const std::string_view text =
        asked.empty() ? default_values(field, traffic.ip_version, path) : std::string_view(asked);
    if (text.empty()) continue;
    PM_TRY(const FieldValues values, parse_field_values(field, text, traffic.ip_version));
    constexpr FieldValue kMost = std::numeric_limits<std::uint64_t>::max();
    most = std::min(kMost, most * std::min(kMost, values.count()));
  }
  return static_cast<std::uint64_t>(most);
}

int header_bytes(const TrafficOrder& traffic) {
  constexpr int kTag = 4;
  return 14 + (traffic.qinq.empty() ? 0 : kTag) + (traffic.vlan.empty() ? 0 : kTag) +
         (traffic.ip_version == 4 ? 20 : 40) + (traffic.kind == TrafficKind::tcp ? 20 : 8);
}

Result<int> stamp_bytes(const TrafficOrder& traffic) {
  PM_CHECK(!traffic.frame_bytes.empty());
  const int smallest = *std::min_element(traffic.frame_bytes.begin(), traffic.frame_bytes.end());
  const int room = smallest - kFcsBytes - header_bytes(traffic);
  if (room >= kFullStampBytes) return kFullStampBytes;
  if (room >= kShortStampBytes) return kShortStampBytes;
  return fail(Errc::bad_experiment,
              fmt::format("frame {} is below headers and stamp; allowed: at least {} with these "
                          "headers",
                          smallest, header_bytes(traffic) + kShortStampBytes + kFcsBytes));
}

Result<std::uint8_t> parse_tcp_flags(std::string_view text) {
  static const std::vector<std::string> kNames = {"fin", "syn", "rst", "psh",
                                                  "ack", "urg", "ece", "cwr"};
  std::uint8_t flags = 0;
  for (const std::string& part : split(text, '+')) {
    const std::string name(trimmed(part));
    const auto found = std::find(kNames.begin(), kNames.end(), name);
    if (found == kNames.end()) {
      const std::string near = did_you_mean(name, kNames);
      return fail(Errc::bad_experiment,
                  fmt::format("\"{}\" is no flag{}; allowed: {}, joined by +", name,
                              near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near),
                              join(kNames, ", ")));
    }
    flags = static_cast<std::uint8_t>(flags | 1U << (found - kNames.begin()));
  }
  return flags;
}

}  // namespace pollmark
