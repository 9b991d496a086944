// Small text helpers that more than one room needs.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pollmark {

// The candidate with the smallest edit distance, when it is near enough to be a slip (distance at
// most 2, or a third of the word); empty otherwise.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       std::span<const std::string> candidates);
[[nodiscard]] std::string join(std::span<const std::string> parts, std::string_view separator);
[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);
// One word of a POSIX shell: as it is where nothing in it is special, else in single quotes.
[[nodiscard]] std::string shell_quoted(std::string_view word);
[[nodiscard]] std::string_view trimmed(std::string_view text);
// UTC as "2026-11-21T10:25:00Z" from seconds since the epoch.
[[nodiscard]] std::string utc_text(double epoch_seconds);
// UTC for folder names: "20261121T102500Z".
[[nodiscard]] std::string utc_compact(double epoch_seconds);

}  // namespace pollmark
