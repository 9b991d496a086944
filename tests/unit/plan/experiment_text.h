// Small experiments to vary, and what a test asks of their mistakes.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "plan/experiment.h"

namespace pollmark {

// On the model; valid as it stands.
inline constexpr std::string_view kSmall = R"(name = "small"
[generator]
port = "model"
[receiver]
port = "model"
[traffic]
frame = 256
load = "2 Mpps"
[factors]
rx_ring = [64, 512]
[trial]
blocks = 3
)";

inline Result<Experiment> parsed(std::string_view text, std::vector<std::string> overrides = {}) {
  ReadOptions options;
  options.overrides = std::move(overrides);
  return parse_experiment(text, "exp.toml", options);
}

// Of a text that must be sound.
inline Experiment sound(std::string_view text, std::vector<std::string> overrides = {}) {
  Result<Experiment> read = parsed(text, std::move(overrides));
  if (!read) std::fputs((read.error().text() + "\n").c_str(), stderr);
  PM_CHECK(read);
  return std::move(*read);
}

// The mistakes, one an element; empty when there is none.
inline std::vector<std::string> mistakes(std::string_view text,
                                         std::vector<std::string> overrides = {}) {
  const Result<Experiment> read = parsed(text, std::move(overrides));
  return read ? std::vector<std::string>{} : split(read.error().text(), '\n');
}

// kSmall with `from` (which it must hold) replaced.
inline std::string small_with(std::string_view from, std::string_view to) {
  std::string text(kSmall);
  const std::size_t at = text.find(from);
  PM_CHECK(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

inline std::filesystem::path checkout() {
  const char* root = std::getenv("POLLMARK_CHECKOUT");
  PM_CHECK(root != nullptr);
  return root;
}

inline std::string content_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

}  // namespace pollmark
