// The keys of [traffic] that are no factors.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "plan/experiment_reader.h"
#include "plan/frame_sizes.h"
#include "plan/header_fields.h"

namespace pollmark {

namespace {

constexpr std::string_view kLettersAllowed =
    "a table of letter = bytes: { B = 594 }, one letter each, 64 to 9000";
constexpr std::string_view kPermittedAllowed = "a list of prefixes: [\"10.0.0.0/8\"]";
constexpr std::string_view kRewriteAllowed =
    "a table of field = value: src_mac, dst_mac, src_ip, dst_ip, vlan";
constexpr std::string_view kTimeScaleAllowed = "a number 0.001 to 1000; 2 doubles every gap";
constexpr double kLeastTimeScale = 0.001;
constexpr double kMostTimeScale = 1000.0;
constexpr std::int64_t kMostLoops = 1'000'000'000;

// A value or a list of them as one text; nullopt: neither numbers nor text.
std::optional<std::string> field_text(const toml::node& node) {
  if (const auto* integer = node.as_integer()) return fmt::format("{}", integer->get());
  if (const auto* text = node.as_string()) return text->get();
  const toml::array* array = node.as_array();
  if (!array || array->empty()) return std::nullopt;
  std::vector<std::string> parts;
  for (const toml::node& element : *array) {
    const auto part = element.is_array() ? std::nullopt : field_text(element);
    if (!part) return std::nullopt;
    parts.push_back(*part);
  }
  // One element is a value, whatever brackets stand around it.
  return join(parts, ", ");
}

bool is_address(HeaderField field) {
  return field == HeaderField::src_ip || field == HeaderField::dst_ip;
}

std::optional<HeaderField> header_field(std::string_view name) {
  for (const HeaderField field : kHeaderFields) {
    if (name_of(field) == name) return field;
  }
  return std::nullopt;
}

bool may_be_rewritten(HeaderField field) {
  return field == HeaderField::src_mac || field == HeaderField::dst_mac || is_address(field) ||
         field == HeaderField::vlan;
}

}  // namespace

std::vector<Reader::Key> Reader::traffic_keys() {
  static const auto field = [](HeaderField which, std::string sentence, ReadKey read) {
    return key("traffic", std::string(name_of(which)), allowed_values(which, 4),
               std::move(sentence), read);
  };
  return {
      key("traffic", "kind", "\"udp\", \"tcp\", \"replay\"",
          "tcp: segments in order, without a connection.", &Reader::read_kind),
      key("traffic", "letters", std::string(kLettersAllowed), "Of a genome in frame.",
          &Reader::read_letters),
      key("traffic", "ip_version", "4, 6", "", &Reader::read_ip_version),
      field(HeaderField::src_mac, "", &Reader::read_field<HeaderField::src_mac>),
      field(HeaderField::dst_mac, "", &Reader::read_field<HeaderField::dst_mac>),
      field(HeaderField::qinq, "The outer tag (802.1ad). Needs vlan.",
            &Reader::read_field<HeaderField::qinq>),
      field(HeaderField::vlan, "The tag (802.1Q), the inner one with qinq.",
            &Reader::read_field<HeaderField::vlan>),
      field(HeaderField::src_ip, "Of IPv6 with ip_version = 6.",
            &Reader::read_field<HeaderField::src_ip>),
      field(HeaderField::dst_ip, "Of IPv6 with ip_version = 6.",
            &Reader::read_field<HeaderField::dst_ip>),
      field(HeaderField::src_port, "", &Reader::read_field<HeaderField::src_port>),
      field(HeaderField::dst_port, "", &Reader::read_field<HeaderField::dst_port>),
      field(HeaderField::ttl, "The hop limit of IPv6.", &Reader::read_field<HeaderField::ttl>),
      field(HeaderField::dscp, "", &Reader::read_field<HeaderField::dscp>),
      key("traffic", "tcp_flags", "\"ack\", \"syn\", \"ack+psh\", ...", "With kind = \"tcp\".",
          &Reader::read_tcp_flags),
      key("traffic", "permitted_addresses", std::string(kPermittedAllowed),
          "Addresses beside 198.18.0.0/15 and 2001:2::/48 that may be used.",
          &Reader::read_permitted_addresses),
      key("traffic", "pcap", "a file, beside the experiment unless absolute",
          "With kind = \"replay\": pcap or pcapng.", &Reader::read_pcap),
      key("traffic", "timing", "\"rate\", \"original\", \"scaled\"",
          "With kind = \"replay\": evenly at the load, as recorded, or as recorded with every gap "
          "times time_scale.",
          &Reader::read_timing),
      key("traffic", "time_scale", std::string(kTimeScaleAllowed), "With timing = \"scaled\".",
          &Reader::read_time_scale),
      key("traffic", "loops", "1 to 1000000000",
          "Passes over the capture. Unset: until the trial's time is over.", &Reader::read_loops),
      key("traffic", "filter", "text, as in tcpdump: \"udp and port 53\"",
          "Which frames of the capture are replayed.", &Reader::read_filter),
      key("traffic", "rewrite", std::string(kRewriteAllowed),
          "Replaced in every frame of the capture that has it; checksums follow. vlan tags every "
          "frame.",
          &Reader::read_rewrite),
      key("traffic", "cut_short", "\"refuse\", \"pad\"",
          "Frames that the snap length cut: refuse the capture, or zeros for what is missing.",
          &Reader::read_cut_short),
      later("traffic", "payload", "payloads by choice"),
  };
}

void Reader::read_kind(const Entry& entry, Draft& draft) {
  std::string kind(name_of(draft.group.base.traffic.kind));
  one_of(entry, "kind", enum_names<TrafficKind>(), {}, draft, &kind);
  draft.group.base.traffic.kind = *enum_from_name<TrafficKind>(kind);
}

void Reader::read_letters(const Entry& entry, Draft& draft) {
  const toml::table* table = entry.node->as_table();
  if (!table || table->empty()) return wrong_type(draft, entry, "letters", kLettersAllowed);
  std::map<std::string, int> letters;
  for (const auto& [name, node] : *table) {
    const std::string_view letter = name.str();
    const auto* bytes = node.as_integer();
    const bool is_letter = letter.size() == 1 && ((letter[0] >= 'A' && letter[0] <= 'Z') ||
                                                  (letter[0] >= 'j' && letter[0] <= 'z'));
    if (!is_letter) {
      mistake_in(draft, name.source(),
                 fmt::format("letters: \"{}\"; allowed: A to Z and j to z (RFC 6985 fixes a to i)",
                             letter));
    } else if (!bytes || bytes->get() < kLeastFrameBytes || bytes->get() > kMostFrameBytes) {
      mistake_in(
          draft, node.source(),
          fmt::format("letters: {} = {}; allowed: {}", letter,
                      bytes ? fmt::format("{}", bytes->get()) : type_text(node), kLettersAllowed));
    } else {
      letters[std::string(letter)] = static_cast<int>(bytes->get());
    }
  }
  draft.group.base.traffic.letters = std::move(letters);
}

void Reader::read_ip_version(const Entry& entry, Draft& draft) {
  const auto* value = entry.node->as_integer();
  if (!value || (value->get() != 4 && value->get() != 6)) {
    return mistake_in(
        draft, entry.node->source(),
        fmt::format("ip_version: {}; allowed: 4, 6",
                    value ? fmt::format("{}", value->get()) : type_text(*entry.node)));
  }
  draft.group.base.traffic.ip_version = static_cast<int>(value->get());
}

template <HeaderField kField>
void Reader::read_field(const Entry& entry, Draft& draft) {
  const auto text = field_text(*entry.node);
  if (!text || trimmed(*text).empty()) {
    return wrong_type(draft, entry, name_of(kField), allowed_values(kField, 4));
  }
  text_of(kField, draft.group.base.traffic) = std::string(trimmed(*text));
}

void Reader::read_tcp_flags(const Entry& entry, Draft& draft) {
  const auto value = text(entry, "tcp_flags", "\"ack\", \"ack+psh\"", draft);
  if (!value) return;
  if (const auto flags = parse_tcp_flags(*value); !flags) {
    return mistake_in(draft, entry.node->source(),
                      fmt::format("tcp_flags: {}", flags.error().what));
  }
  draft.group.base.traffic.tcp_flags = *value;
}

void Reader::read_permitted_addresses(const Entry& entry, Draft& draft) {
  const toml::array* array = entry.node->as_array();
  if (!array) return wrong_type(draft, entry, "permitted_addresses", kPermittedAllowed);
  for (const toml::node& element : *array) {
    const auto* prefix = element.as_string();
    const Result<void> good =
        prefix ? check_prefix(prefix->get())
               : Result<void>(
                     fail(Errc::bad_experiment,
                          fmt::format("{}; allowed: {}", type_text(element), kPermittedAllowed)));
    if (!good) {
      mistake_in(draft, element.source(),
                 fmt::format("permitted_addresses: {}", good.error().what));
    } else {
      draft.permitted_addresses.push_back(prefix->get());
    }
  }
}

void Reader::read_pcap(const Entry& entry, Draft& draft) {
  const auto value = text(entry, "pcap", "a file", draft);
  if (!value) return;
  draft.pcap = *value;
  draft.group.base.traffic.pcap = (folder_ / *value).lexically_normal().string();
}

void Reader::read_timing(const Entry& entry, Draft& draft) {
  std::string timing(name_of(draft.group.base.traffic.timing));
  one_of(entry, "timing", enum_names<ReplayTiming>(), {}, draft, &timing);
  draft.group.base.traffic.timing = *enum_from_name<ReplayTiming>(timing);
}

void Reader::read_time_scale(const Entry& entry, Draft& draft) {
  double value = 0.0;
  if (const auto* whole = entry.node->as_integer()) {
    value = static_cast<double>(whole->get());
  } else if (const auto* real = entry.node->as_floating_point()) {
    value = real->get();
  } else {
    return wrong_type(draft, entry, "time_scale", kTimeScaleAllowed);
  }
  if (!(value >= kLeastTimeScale && value <= kMostTimeScale)) {
    return mistake_in(
        draft, entry.node->source(),
        fmt::format("time_scale: {} is out of range; allowed: {}", value, kTimeScaleAllowed));
  }
  draft.group.base.traffic.time_scale = value;
}

void Reader::read_loops(const Entry& entry, Draft& draft) {
  if (const auto value = integer(entry, "loops", 1, kMostLoops, draft)) {
    draft.group.base.traffic.loops = static_cast<int>(*value);
  }
}

void Reader::read_filter(const Entry& entry, Draft& draft) {
  const auto value = text(entry, "filter", "text, as in tcpdump", draft);
  if (value) draft.group.base.traffic.filter = *value;
}

void Reader::read_rewrite(const Entry& entry, Draft& draft) {
  const toml::table* table = entry.node->as_table();
  if (!table || table->empty()) return wrong_type(draft, entry, "rewrite", kRewriteAllowed);
  std::map<std::string, std::string> rewrite;
  for (const auto& [name, node] : *table) {
    const std::string key(name.str());
    const auto field = header_field(key);
    if (!field || !may_be_rewritten(*field)) {
      mistake_in(draft, name.source(),
                 fmt::format("rewrite: {} cannot be rewritten; allowed: {}", key, kRewriteAllowed));
      continue;
    }
    const auto text = field_text(node);
    // Either version: a frame of the other keeps its addresses.
    const bool ipv6 = text && is_address(*field) && text->find(':') != std::string::npos;
    const auto values = text ? parse_field_values(*field, *text, ipv6 ? 6 : 4)
                             : Result<FieldValues>(fail(Errc::bad_experiment, ""));
    if (!values || values->count() != 1) {
      mistake_in(draft, node.source(),
                 fmt::format("rewrite: {} = {}; allowed: one value", key,
                             text ? fmt::format("\"{}\"", *text) : type_text(node)));
      continue;
    }
    if (is_address(*field)) {
      draft.addresses.push_back({node.source(), key, *values, ipv6 ? 6 : 4});
    }
    rewrite[key] = *text;
  }
  draft.group.base.traffic.rewrite = std::move(rewrite);
}

void Reader::read_cut_short(const Entry& entry, Draft& draft) {
  std::string what(name_of(draft.group.base.traffic.cut_short));
  one_of(entry, "cut_short", enum_names<CutShort>(), {}, draft, &what);
  draft.group.base.traffic.cut_short = *enum_from_name<CutShort>(what);
}

void Reader::check_traffic(Draft& draft) {
  const TrafficOrder& traffic = draft.group.base.traffic;
  const bool replay = traffic.kind == TrafficKind::replay;
  const auto entry_of = [&](const std::string& key) {
    const Entry* swept = find(draft, "factors", key);
    return swept ? swept : find(draft, "traffic", key);
  };
  if (replay && draft.pcap.empty()) {
    const Entry* kind = entry_of("kind");
    mistake_in(draft, kind ? kind->at : draft.at, "replay without a capture; allowed: pcap = FILE");
  }
  if (const Entry* pcap = entry_of("pcap"); pcap && !draft.pcap.empty() && replay) {
    check_file(draft.pcap, "pcap", pcap->node->source());
  }
  // What is said for all groups may be meant for another of them.
  const auto meant_here = [&](const Entry& said) { return said.in_group || groups_.empty(); };
  for (const std::string key :
       {"pcap", "timing", "time_scale", "loops", "filter", "rewrite", "cut_short"}) {
    const Entry* said = entry_of(key);
    if (!said || replay || (key != "pcap" && key != "timing" && !meant_here(*said))) continue;
    mistake_in(draft, said->at,
               fmt::format("{} without replay; allowed with kind = \"replay\"", key));
  }
  std::vector<std::string> generated{"frame",   "flows",      "popularity",
                                     "letters", "ip_version", "tcp_flags"};
  for (const HeaderField field : kHeaderFields) generated.emplace_back(name_of(field));
  for (const std::string& key : generated) {
    const Entry* said = entry_of(key);
    if (!said || !meant_here(*said)) continue;
    if (replay) {
      mistake_in(draft, said->at,
                 fmt::format("{} with replay: the capture has its own; allowed with kind = "
                             "\"udp\"",
                             key));
    } else if (key == "tcp_flags" && traffic.kind != TrafficKind::tcp) {
      mistake_in(draft, said->at, "tcp_flags without TCP; allowed with kind = \"tcp\"");
    }
  }
  if (replay) {
    check_timing(draft);
  } else {
    check_header_fields(draft);
  }
  for (const Draft::Address& each : draft.addresses) {
    if (const auto good = check_addresses(each.values, each.ip_version, draft.permitted_addresses);
        !good) {
      mistake_in(draft, each.at, fmt::format("{}: {}", each.key, good.error().what));
    }
  }
}

void Reader::check_timing(Draft& draft) {
  const TrafficOrder& traffic = draft.group.base.traffic;
  const Entry* scale = find(draft, "traffic", "time_scale");
  if (traffic.timing == ReplayTiming::scaled && !scale) {
    const Entry* timing = find(draft, "traffic", "timing");
    mistake_in(draft, timing->node->source(),
               fmt::format("timing scaled without time_scale; allowed: time_scale = {}",
                           kTimeScaleAllowed));
  }
  if (traffic.timing != ReplayTiming::scaled && scale) {
    mistake_in(draft, scale->at,
               fmt::format("time_scale with timing {}; allowed with timing = \"scaled\"",
                           name_of(traffic.timing)));
  }
  if (traffic.timing == ReplayTiming::rate) return;
  for (const std::string table : {"traffic", "factors"}) {
    if (const Entry* load = find(draft, table, "load")) {
      mistake_in(draft, load->at,
                 fmt::format("load with timing {}: the recorded gaps are the load; allowed with "
                             "timing = \"rate\"",
                             name_of(traffic.timing)));
    }
  }
}

void Reader::check_header_fields(Draft& draft) {
  const TrafficOrder& traffic = draft.group.base.traffic;
  for (const HeaderField field : kHeaderFields) {
    const std::string key(name_of(field));
    const Entry* entry = find(draft, "traffic", key);
    if (!entry || text_of(field, traffic).empty()) continue;
    const auto values = parse_field_values(field, text_of(field, traffic), traffic.ip_version);
    if (!values) {
      mistake_in(draft, entry->node->source(), fmt::format("{}: {}", key, values.error().what));
    } else if (is_address(field)) {
      draft.addresses.push_back({entry->node->source(), key, *values, traffic.ip_version});
    }
  }
  if (!traffic.qinq.empty() && traffic.vlan.empty()) {
    mistake_in(draft, find(draft, "traffic", "qinq")->at,
               "qinq without an inner tag; allowed with vlan");
  }
}

}  // namespace pollmark
