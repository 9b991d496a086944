// The keys of [target].
#include <fmt/format.h>

#include "base/text.h"
#include "plan/experiment_reader.h"
#include "plan/target.h"

namespace pollmark {

std::vector<Reader::Key> Reader::target_keys_of_file() {
  const auto target_key = [](const char* name, const char* sentence, ReadKey read) {
    return shared_key("target", name, std::string(allowed_target(name)), sentence, read);
  };
  return {
      target_key("rate", "Required. Of each direction.", &Reader::read_target_rate),
      target_key("frame", "Default: what a cell was measured with.", &Reader::read_target_frame),
      target_key("loss", "Required. At most.", &Reader::read_target_loss),
      target_key("p99", "Of the latency, at most.", &Reader::read_target_p99),
      target_key("cores", "Of the receiving side, at most.", &Reader::read_target_cores),
  };
}

void Reader::read_target(std::string_view key, const Entry& entry, Draft& draft) {
  Target& target = experiment_.target ? *experiment_.target : experiment_.target.emplace();
  std::optional<std::string> said;
  if (const auto* words = entry.node->as_string()) said = words->get();
  if (const auto* whole = entry.node->as_integer(); whole && key != "rate" && key != "p99")
    said = fmt::format("{}", whole->get());
  if (const auto* real = entry.node->as_floating_point(); real && key == "loss")
    said = fmt::format("{}", real->get());
  if (const auto* sizes = entry.node->as_array(); sizes && key == "frame") {
    std::vector<std::string> parts;
    for (const toml::node& size : *sizes) {
      if (const auto* whole = size.as_integer()) parts.push_back(fmt::format("{}", whole->get()));
    }
    if (!parts.empty() && parts.size() == sizes->size()) said = join(parts, ":");
  }
  if (!said) return wrong_type(draft, entry, key, allowed_target(key));
  if (auto set = set_target(key, *said, target); !set)
    mistake_in(draft, entry.node->source(), set.error().what);
}

void Reader::read_target_rate(const Entry& entry, Draft& draft) {
  read_target("rate", entry, draft);
}
void Reader::read_target_frame(const Entry& entry, Draft& draft) {
  read_target("frame", entry, draft);
}
void Reader::read_target_loss(const Entry& entry, Draft& draft) {
  read_target("loss", entry, draft);
}
void Reader::read_target_p99(const Entry& entry, Draft& draft) { read_target("p99", entry, draft); }
void Reader::read_target_cores(const Entry& entry, Draft& draft) {
  read_target("cores", entry, draft);
}

void Reader::check_target(const Draft& whole) {
  if (!target_at_) return;
  for (const char* key : {"rate", "loss"}) {
    if (!find(whole, "target", key))
      mistake(*target_at_,
              fmt::format("[target] without {}; allowed: {} = {}", key, key, allowed_target(key)));
  }
}

}  // namespace pollmark
