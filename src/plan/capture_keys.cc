// The keys of [capture].
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "base/units.h"
#include "plan/capture_filter.h"
#include "plan/experiment_reader.h"

namespace pollmark {
namespace {

constexpr std::string_view kAtAllowed = "a list of \"sender\", \"receiver\"; []: none";
constexpr std::string_view kLimitAllowed = "\"2 MiB\" to \"1 GiB\"";
constexpr std::int64_t kLeastLimitBytes = 2 << 20;
constexpr std::int64_t kMostLimitBytes = 1 << 30;
constexpr int kLeastSnaplenBytes = 14;  // an Ethernet header
constexpr int kMostSnaplenBytes = 131'072;

}  // namespace

std::vector<Reader::Key> Reader::capture_keys() {
  return {
      key("capture", "at", std::string(kAtAllowed),
          "Frames are kept as they pass these ends' devices, capture/<trial>-<end>.pcapng of each "
          "trial.",
          &Reader::read_capture_at),
      key("capture", "filter", "text, as in tcpdump: \"tcp and port 9\"", "Unset: every frame.",
          &Reader::read_capture_filter),
      key("capture", "snaplen",
          fmt::format("{} to {} bytes of each frame", kLeastSnaplenBytes, kMostSnaplenBytes),
          "Default: 256.", &Reader::read_snaplen),
      key("capture", "limit", std::string(kLimitAllowed),
          "Of each file, and of the memory that its frames wait in: nothing is written before the "
          "traffic has ended. What comes later is counted. Default: \"64 MiB\".",
          &Reader::read_limit),
      key("capture", "trigger", "\"none\", \"first_loss\"",
          "first_loss: kept are the newest frames, half of limit at most, when the first loss is "
          "seen, and what follows: a gap in the sequence (looked for every 2 ms), a counter that "
          "owns losses, a retransmission (every 50 ms). Without a loss there is no file.",
          &Reader::read_trigger),
  };
}

void Reader::read_capture_at(const Entry& entry, Draft& draft) {
  const toml::array* array = entry.node->as_array();
  if (!array) return wrong_type(draft, entry, "at", kAtAllowed);
  std::vector<CaptureAt> places;
  for (const toml::node& element : *array) {
    const auto* text = element.as_string();
    const auto at = text ? enum_from_name<CaptureAt>(text->get()) : std::nullopt;
    const bool again = at && std::ranges::find(places, *at) != places.end();
    if (!at || again) {
      mistake_in(draft, element.source(),
                 fmt::format("at: {}; allowed: {}",
                             again  ? fmt::format("\"{}\" stands twice", text->get())
                             : text ? fmt::format("\"{}\" is not known", text->get())
                                    : type_text(element),
                             kAtAllowed));
      return;
    }
    places.push_back(*at);
  }
  std::ranges::sort(places);
  draft.group.base.capture.at = std::move(places);
}

void Reader::read_capture_filter(const Entry& entry, Draft& draft) {
  const auto value = text(entry, "filter", "text, as in tcpdump", draft);
  if (!value) return;
  TapOrder& capture = draft.group.base.capture;
  if (const auto compiled = compile_capture_filter(*value, capture.snaplen_bytes); !compiled) {
    return mistake_in(
        draft, entry.node->source(),
        fmt::format("filter: {}; allowed: text, as in tcpdump", compiled.error().what));
  }
  capture.filter = *value;
}

void Reader::read_snaplen(const Entry& entry, Draft& draft) {
  if (const auto value = integer(entry, "snaplen", kLeastSnaplenBytes, kMostSnaplenBytes, draft))
    draft.group.base.capture.snaplen_bytes = static_cast<int>(*value);
}

void Reader::read_limit(const Entry& entry, Draft& draft) {
  const auto value = text(entry, "limit", kLimitAllowed, draft);
  if (!value) return;
  const Result<std::int64_t> bytes = parse_bytes(*value);
  if (!bytes || *bytes < kLeastLimitBytes || *bytes > kMostLimitBytes) {
    return mistake_in(
        draft, entry.node->source(),
        fmt::format("limit: {}; allowed: {}",
                    bytes ? fmt::format("\"{}\" is out of range", *value) : bytes.error().what,
                    kLimitAllowed));
  }
  draft.group.base.capture.limit_bytes = *bytes;
}

void Reader::read_trigger(const Entry& entry, Draft& draft) {
  std::string trigger(name_of(draft.group.base.capture.trigger));
  one_of(entry, "trigger", enum_names<CaptureTrigger>(), {}, draft, &trigger);
  draft.group.base.capture.trigger = *enum_from_name<CaptureTrigger>(trigger);
}

// What stands in [capture] without `at` would be silently ignored; a search would write a file for
// each of its trials.
void Reader::check_capture(Draft& draft) {
  const auto keys = draft.view.find("capture");
  if (keys == draft.view.end() || keys->second.empty()) return;
  const Entry& first = keys->second.begin()->second;
  if (!keys->second.contains("at"))
    return mistake_in(draft, first.at, "[capture] without at; allowed: at = [\"sender\"]");
  if (experiment_.search && !draft.group.base.capture.at.empty())
    mistake_in(draft, first.at,
               "[capture] beside [search]: its trials are many; allowed: a load of its own");
}

}  // namespace pollmark
