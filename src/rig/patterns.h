// The expressions of stage hyperscan: read from a file, compiled for this CPU, and payloads made
// that match them or do not.
#pragma once

#include <hs.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pollmark {

// One expression of a pattern file.
struct Pattern {
  std::string expression;
  unsigned flags = 0;  // HS_FLAG_*
  unsigned id = 0;     // as written, else its place among the expressions, from 1
  int line = 0;        // from 1
};

// One expression a line, in any of three ways:
//   expression            to the end of the line, without flags
//   /expression/flags     flags: i caseless, s dot matches newline, m multiline, H single match,
//                         V may match nothing, 8 UTF-8, W Unicode properties
//   id:/expression/flags  id 0 to 4294967295
// Empty lines and lines whose first character is # are skipped; a trailing CR goes.
//   Errors: bad_experiment, every mistake "file:line: what; allowed: ..."; a file without any
//   expression.
[[nodiscard]] Result<std::vector<Pattern>> parse_patterns(std::string_view text,
                                                          const std::string& file);

// Scratch space of one lcore.
struct ScratchDeleter {
  void operator()(hs_scratch_t* scratch) const { hs_free_scratch(scratch); }
};
using Scratch = std::unique_ptr<hs_scratch_t, ScratchDeleter>;

class PatternSet {
 public:
  // Reads and compiles (block mode).
  //   Errors: bad_experiment (parse_patterns; what the compiler refuses, each "file:line: its own
  //   message"; a file that cannot be read); host_cannot (this CPU lacks what Hyperscan needs).
  // The set of the last call is returned again while its file reads the same. Control thread only.
  [[nodiscard]] static Result<std::shared_ptr<const PatternSet>> load(
      const std::filesystem::path& file);
  [[nodiscard]] static Result<PatternSet> compile(std::vector<Pattern> patterns,
                                                  const std::string& file);

  [[nodiscard]] const hs_database_t* database() const { return database_.get(); }
  [[nodiscard]] const std::vector<Pattern>& patterns() const { return patterns_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  // A scratch of its own for one more lcore. Errors: host_cannot (no memory).
  [[nodiscard]] Result<Scratch> scratch() const;
  // Lines of the expressions that match these bytes, each once. Control thread only.
  [[nodiscard]] std::vector<int> lines_matching(std::span<const std::uint8_t> bytes) const;

 private:
  struct DatabaseDeleter {
    void operator()(hs_database_t* database) const { hs_free_database(database); }
  };
  PatternSet() = default;

  std::vector<Pattern> patterns_;
  std::string file_;
  std::unique_ptr<hs_database_t, DatabaseDeleter> database_;
  Scratch prototype_;
};

}  // namespace pollmark
