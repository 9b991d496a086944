#include "plan/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "base/text.h"
#include "plan/frame_sizes.h"

namespace pollmark {
namespace {

constexpr int kMostCores = 1024;

tl::unexpected<Error> not_allowed(std::string_view key, std::string_view what) {
  return fail(Errc::bad_experiment,
              fmt::format("{}: {}; allowed: {}", key, what, allowed_target(key)));
}

// "1e-6", "0.5 %"; nullopt unless it is a number and nothing else.
std::optional<double> ratio_of(std::string_view text) {
  text = trimmed(text);
  const bool percent = text.ends_with('%');
  if (percent) text = trimmed(text.substr(0, text.size() - 1));
  double value = 0.0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return percent ? value / 100.0 : value;
}

}  // namespace

const std::vector<std::string>& target_keys() {
  static const std::vector<std::string> kKeys = {"rate", "frame", "loss", "p99", "cores"};
  return kKeys;
}

std::string_view allowed_target(std::string_view key) {
  if (key == "rate") return "\"20 Gbps L2\", \"20 Gbps L1\" or \"12.5 Mpps\"";
  if (key == "frame") return allowed_frame_sizes();
  if (key == "loss") return "a ratio above 0 and below 1: 1e-6 or \"0.5 %\"";
  if (key == "p99") return "a duration above 0: \"200 us\"";
  if (key == "cores") return "1 to 1024";
  PM_CHECK(false);
}

Result<void> set_target(std::string_view key, std::string_view text, Target& target) {
  text = trimmed(text);
  if (key == "rate") {
    const Result<Load> rate = Load::parse(text);
    if (!rate)
      return not_allowed(key, rate.error().what.substr(0, rate.error().what.find("; allowed")));
    if (rate->unit == LoadUnit::line_percent || rate->unit == LoadUnit::max)
      return not_allowed(key, fmt::format("\"{}\" depends on the link", text));
    target.rate = *rate;
  } else if (key == "frame") {
    const Result<FrameSizes> sizes = parse_frame_sizes(text, {});
    if (!sizes) return fail(Errc::bad_experiment, fmt::format("frame: {}", sizes.error().what));
    target.frame = std::string(text);
    target.frame_bytes = sizes->frame_bytes;
  } else if (key == "loss") {
    const std::optional<double> ratio = ratio_of(text);
    if (!ratio) return not_allowed(key, fmt::format("\"{}\" is not a ratio", text));
    if (*ratio == 0.0) return not_allowed(key, "that none is ever lost, no count of frames shows");
    if (!(*ratio > 0.0 && *ratio < 1.0))
      return not_allowed(key, fmt::format("{} is out of range", *ratio));
    target.loss_ratio = *ratio;
  } else if (key == "p99") {
    const Result<std::int64_t> ns = parse_duration_ns(text);
    if (!ns || *ns <= 0) return not_allowed(key, fmt::format("\"{}\" is not one", text));
    target.p99_ns = *ns;
  } else {
    PM_CHECK(key == "cores");
    const Result<std::int64_t> cores = parse_count(text);
    if (!cores || *cores < 1 || *cores > kMostCores)
      return not_allowed(key, fmt::format("\"{}\" is not a number of cores", text));
    target.cores = static_cast<int>(*cores);
  }
  return {};
}

Result<Target> parse_target(std::string_view text) {
  const auto refused = [&](std::string_view what) {
    return fail(Errc::bad_experiment,
                fmt::format("target \"{}\": {}; allowed: a rate, then keys with their values: \"20 "
                            "Gbps L2, frame imix, loss 1e-6, p99 200 us, cores 4\"",
                            text, what));
  };
  Target target;
  std::set<std::string> said;
  const std::vector<std::string> parts = split(std::string(text), ',');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string part(trimmed(parts[i]));
    const std::size_t space = part.find(' ');
    std::string key = part.substr(0, space);
    std::string value = space == std::string::npos ? std::string() : part.substr(space + 1);
    const std::vector<std::string>& keys = target_keys();
    const bool known = std::find(keys.begin(), keys.end(), key) != keys.end();
    if (!known && i == 0) {
      key = "rate";
      value = part;
    } else if (!known) {
      const std::string near = did_you_mean(key, keys);
      return refused(fmt::format("\"{}\" is not known{}", part,
                                 near.empty() ? "" : fmt::format(", did you mean \"{}\"?", near)));
    }
    if (!said.insert(key).second) return refused(fmt::format("{} stands twice", key));
    if (auto set = set_target(key, value, target); !set)
      return fail(Errc::bad_experiment, set.error().what, fmt::format("target \"{}\"", text));
  }
  for (const char* key : {"rate", "loss"})
    if (!said.contains(key)) return refused(fmt::format("{} is missing", key));
  return target;
}

}  // namespace pollmark
