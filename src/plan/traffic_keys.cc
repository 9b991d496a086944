// The keys of [traffic] that are no factors.
#include <fmt/format.h>

#include "plan/experiment_reader.h"

namespace pollmark {

std::vector<Reader::Key> Reader::traffic_keys() {
  return {
      key("traffic", "kind", "\"udp\", \"replay\"", "", &Reader::read_kind),
      key("traffic", "pcap", "a file, beside the experiment unless absolute",
          "With kind = \"replay\".", &Reader::read_pcap),
      key("traffic", "timing", "\"rate\"", "With kind = \"replay\": at the load, in file order.",
          &Reader::read_timing),
      key("traffic", "direction", "\"one_way\"", "", &Reader::read_direction),
      later("traffic", "vlan", "VLAN tags"),
      later("traffic", "qinq", "stacked VLAN tags"),
      later("traffic", "src_mac", "header fields by choice"),
      later("traffic", "dst_mac", "header fields by choice"),
      later("traffic", "src_ip", "header fields by choice"),
      later("traffic", "dst_ip", "header fields by choice"),
      later("traffic", "src_port", "header fields by choice"),
      later("traffic", "dst_port", "header fields by choice"),
      later("traffic", "ttl", "header fields by choice"),
      later("traffic", "dscp", "header fields by choice"),
      later("traffic", "popularity", "flows of unequal weight"),
      later("traffic", "payload", "payloads by choice"),
      later("traffic", "hit_ratio", "payloads that match patterns"),
      later("traffic", "loops", "a number of passes over a capture"),
      later("traffic", "filter", "replaying a part of a capture"),
      later("traffic", "rewrite", "replaying under other addresses"),
  };
}

void Reader::read_kind(const Entry& entry, Draft& draft) {
  std::string kind(name_of(draft.group.base.traffic.kind));
  one_of(entry, "kind", enum_names<TrafficKind>(), {"tcp"}, draft, &kind);
  draft.group.base.traffic.kind = *enum_from_name<TrafficKind>(kind);
}

void Reader::read_pcap(const Entry& entry, Draft& draft) {
  const auto value = text(entry, "pcap", "a file", draft);
  if (!value) return;
  draft.pcap = *value;
  draft.group.base.traffic.pcap = (folder_ / *value).lexically_normal().string();
}

void Reader::read_timing(const Entry& entry, Draft& draft) {
  one_of(entry, "timing", {"rate"}, {"original", "scaled"}, draft, nullptr);
}

void Reader::read_direction(const Entry& entry, Draft& draft) {
  one_of(entry, "direction", {"one_way"}, {"both"}, draft, nullptr);
}

void Reader::check_traffic(Draft& draft) {
  const TrialOrder& base = draft.group.base;
  const auto at_of = [&](const std::string& table, const std::string& key) {
    const Entry* entry = find(draft, table, key);
    return entry ? entry->at : draft.at;
  };
  const bool replay = base.traffic.kind == TrafficKind::replay;
  if (replay && draft.pcap.empty()) {
    mistake_in(draft, at_of("traffic", "kind"), "replay without a capture; allowed: pcap = FILE");
  }
  if (const Entry* pcap = find(draft, "traffic", "pcap"); pcap && !draft.pcap.empty()) {
    if (replay) {
      check_file(draft.pcap, "pcap", pcap->node->source());
    } else {
      mistake_in(draft, pcap->at, "pcap without replay; allowed with kind = \"replay\"");
    }
  }
  if (const Entry* timing = find(draft, "traffic", "timing"); timing && !replay) {
    mistake_in(draft, timing->at, "timing without replay; allowed with kind = \"replay\"");
  }
  if (replay) {
    for (const std::string key : {"frame", "flows"}) {
      const Entry* once = find(draft, "traffic", key);
      const Entry* swept = find(draft, "factors", key);
      const Entry* said = swept ? swept : once;
      if (said && (said->in_group || groups_.empty())) {
        mistake_in(draft, said->at,
                   fmt::format("{} with replay: the capture has its own; allowed with kind = "
                               "\"udp\"",
                               key));
      }
    }
  }
}

}  // namespace pollmark
