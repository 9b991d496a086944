#include "host/drop_reason_watch.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/units.h"
#include "host/drop_causes.h"

namespace pollmark {
namespace {

// A terminal shows the worst; JSON has all.
constexpr std::size_t kMostRowsOfText = 20;

template <typename Where>
DropCount risen(const Where& where, const DropCount& now,
                const std::map<Where, DropCount>& before) {
  const auto old = before.find(where);
  // A flow that made room and came back began at 0.
  if (old == before.end() || old->second.pkts > now.pkts) return now;
  return {now.pkts - old->second.pkts, now.segments - old->second.segments};
}

template <typename Where>
std::vector<DropRate<Where>> rates(const std::map<Where, DropCount>& first,
                                   const std::map<Where, DropCount>& last,
                                   const std::map<Where, DropCount>& now, double seconds) {
  std::vector<DropRate<Where>> list;
  for (const auto& [where, count] : now) {
    const DropCount delta = risen(where, count, last);
    if (delta.pkts == 0) continue;
    list.push_back(
        {where, delta, static_cast<double>(delta.pkts) / seconds, risen(where, count, first)});
  }
  std::ranges::stable_sort(list, std::ranges::greater(),
                           [](const auto& row) { return row.delta.pkts; });
  return list;
}

std::string place_text(const DropPlace& place, std::uint32_t own_netns) {
  std::string text = fmt::format("{} in {}", place.reason, place.function);
  if (!place.netdev.empty()) text += ", " + place.netdev;
  if (place.direction == DropDirection::out) text += ", on its way out";
  if (place.netns != 0 && place.netns != own_netns) {
    text += fmt::format(", netns {}", place.netns);
  }
  return text;
}

std::string protocol_text(std::uint8_t ip_protocol) {
  switch (ip_protocol) {
    case IPPROTO_ICMP:
      return "icmp";
    case IPPROTO_TCP:
      return "tcp";
    case IPPROTO_UDP:
      return "udp";
    case IPPROTO_ICMPV6:
      return "icmp6";
    default:
      return fmt::format("ip protocol {}", ip_protocol);
  }
}

std::string flow_text(const DroppedFlow& flow, std::uint32_t own_netns) {
  std::string text = fmt::format("{} {} > {}  {}", protocol_text(flow.ip_protocol), flow.source,
                                 flow.destination, flow.reason);
  if (flow.netns != 0 && flow.netns != own_netns) text += fmt::format(", netns {}", flow.netns);
  return text;
}

template <typename Where>
std::string rate_text(const DropRate<Where>& row, std::string_view where) {
  std::string frames;
  if (row.delta.segments != row.delta.pkts) {
    frames = fmt::format(", {} frames of a wire", grouped(row.delta.segments));
  }
  return fmt::format("  {:>12}/s  {}  ({} in the interval{}, {} since the start)\n",
                     si(row.per_s, ""), where, grouped(row.delta.pkts), frames,
                     grouped(row.since_start.pkts));
}

template <typename Where, typename Text>
std::string list_text(const std::vector<DropRate<Where>>& list, Text text_of) {
  std::string text;
  for (std::size_t k = 0; k < std::min(list.size(), kMostRowsOfText); ++k) text += text_of(list[k]);
  if (list.size() > kMostRowsOfText) {
    text += fmt::format("{:18}and {} more (--json has them)\n", "", list.size() - kMostRowsOfText);
  }
  return text;
}

nlohmann::json count_json(const DropCount& count, DropSource source) {
  nlohmann::json json{{"pkts", count.pkts}, {"segments", nullptr}};
  if (source == DropSource::bpf) json["segments"] = count.segments;
  return json;
}

template <typename Where>
nlohmann::json rate_json(const DropRate<Where>& row, DropSource source) {
  return {{"delta", count_json(row.delta, source)},
          {"per_s", row.per_s},
          {"since_start", count_json(row.since_start, source)},
          {"reason", row.where.reason},
          {"netns", row.where.netns == 0 ? nlohmann::json() : nlohmann::json(row.where.netns)}};
}

nlohmann::json place_json(const DropRate<DropPlace>& row, DropSource source) {
  const DropPlace& place = row.where;
  nlohmann::json json = rate_json(row, source);
  json["netdev"] = place.netdev.empty() ? nlohmann::json() : nlohmann::json(place.netdev);
  json["function"] = place.function;
  json["ethertype"] = place.ethertype;
  json["direction"] = nullptr;
  if (place.direction != DropDirection::not_told) {
    json["direction"] = place.direction == DropDirection::in ? "in" : "out";
  }
  json["cause"] = sentence_on_drop(place.reason);
  return json;
}

nlohmann::json flow_json(const DropRate<DroppedFlow>& row, DropSource source) {
  nlohmann::json json = rate_json(row, source);
  json["ip_protocol"] = row.where.ip_protocol;
  json["source"] = row.where.source;
  json["destination"] = row.where.destination;
  return json;
}

template <typename Where, typename Json>
nlohmann::json list_json(const std::vector<DropRate<Where>>& list, DropSource source,
                         Json json_of) {
  auto rows = nlohmann::json::array();
  for (const auto& row : list) rows.push_back(json_of(row, source));
  return rows;
}

}  // namespace

DropReasonInterval DropReasonWatch::step(DropReading now, double seconds) {
  DropReasonInterval interval{.source = source_,
                              .places = rates(first_.places, last_.places, now.places, seconds),
                              .flows = std::nullopt,
                              .unseen_pkts = now.unseen_pkts - last_.unseen_pkts};
  if (now.flows) {
    const DropReading::Flows none;
    interval.flows =
        rates(first_.flows.value_or(none), last_.flows.value_or(none), *now.flows, seconds);
  }
  last_ = std::move(now);
  return interval;
}

void keep_netdev(DropReasonInterval& interval, const std::string& netdev) {
  std::erase_if(interval.places, [&](const auto& row) {
    return !row.where.netdev.empty() && row.where.netdev != netdev;
  });
}

std::string drop_reasons_text(const DropReasonInterval& interval, std::uint32_t own_netns) {
  if (interval.places.empty() && interval.unseen_pkts == 0) return {};
  std::string text =
      "Why, in the kernel's words: the same packets again, and what no counter has\n";
  text += list_text(interval.places, [&](const DropRate<DropPlace>& row) {
    std::string lines = rate_text(row, place_text(row.where, own_netns));
    if (const auto sentence = sentence_on_drop(row.where.reason); !sentence.empty()) {
      lines += fmt::format("{:18}{}\n", "", sentence);
    }
    return lines;
  });
  if (interval.unseen_pkts > 0) {
    text += fmt::format("{:18}and {} packets more, unattributed: {}\n", "",
                        grouped(interval.unseen_pkts),
                        interval.source == DropSource::bpf ? "the table of places was full"
                                                           : "they came faster than tracefs tells");
  }
  if (!interval.flows || interval.flows->empty()) return text;
  text += "Flows that lost packets\n";
  return text + list_text(*interval.flows, [&](const DropRate<DroppedFlow>& row) {
           return rate_text(row, flow_text(row.where, own_netns));
         });
}

nlohmann::json drop_reasons_json(const DropReasonInterval& interval) {
  nlohmann::json json{{"source", interval.source == DropSource::bpf ? "bpf" : "tracefs"},
                      {"places", list_json(interval.places, interval.source, place_json)},
                      {"flows", nullptr},
                      {"unseen_pkts", interval.unseen_pkts}};
  if (interval.flows) json["flows"] = list_json(*interval.flows, interval.source, flow_json);
  return json;
}

}  // namespace pollmark
