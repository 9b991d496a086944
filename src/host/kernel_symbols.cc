#include "host/kernel_symbols.h"

#include <algorithm>
#include <charconv>

namespace pollmark {
namespace {

constexpr std::string_view kOfFunctions = "tTwW";

}  // namespace

std::string_view bare_function(std::string_view symbol) {
  return symbol.substr(0, symbol.find_first_of(".+ \t["));
}

KernelSymbols KernelSymbols::parse(std::string_view text) {
  KernelSymbols symbols;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    std::uint64_t address = 0;
    const char* end = line.data() + line.size();
    const auto [rest, error] = std::from_chars(line.data(), end, address, 16);
    if (error != std::errc() || end - rest < 4 || address == 0) continue;
    if (kOfFunctions.find(rest[1]) == kOfFunctions.npos) continue;
    symbols.functions_.emplace_back(address, bare_function({rest + 3, end}));
  }
  std::ranges::stable_sort(symbols.functions_, {}, [](const auto& one) { return one.first; });
  return symbols;
}

std::optional<std::string> KernelSymbols::function_at(std::uint64_t address) const {
  const auto above =
      std::ranges::upper_bound(functions_, address, {}, [](const auto& one) { return one.first; });
  if (above == functions_.begin()) return std::nullopt;
  return std::prev(above)->second;
}

}  // namespace pollmark
