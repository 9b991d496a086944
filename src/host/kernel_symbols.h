// Functions of the running kernel by address, from the text of /proc/kallsyms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pollmark {

// As the source names it: without the compiler's suffix (".isra.0"), offset or module.
[[nodiscard]] std::string_view bare_function(std::string_view symbol);

class KernelSymbols {
 public:
  // Lines "ffffffff81000000 T name [module]". Where the kernel hides addresses they are all 0, and
  // none is known.
  [[nodiscard]] static KernelSymbols parse(std::string_view text);
  // The function that the address lies in; nullopt: below the first.
  [[nodiscard]] std::optional<std::string> function_at(std::uint64_t address) const;

 private:
  std::vector<std::pair<std::uint64_t, std::string>> functions_;  // by address
};

}  // namespace pollmark
