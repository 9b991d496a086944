#include "rig/patterns.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>

#include "base/text.h"

namespace pollmark {
namespace {

constexpr std::string_view kFlagsAllowed = "i, s, m, H, V, 8, W";

std::optional<unsigned> flag_of(char letter) {
  switch (letter) {
    case 'i':
      return HS_FLAG_CASELESS;
    case 's':
      return HS_FLAG_DOTALL;
    case 'm':
      return HS_FLAG_MULTILINE;
    case 'H':
      return HS_FLAG_SINGLEMATCH;
    case 'V':
      return HS_FLAG_ALLOWEMPTY;
    case '8':
      return HS_FLAG_UTF8;
    case 'W':
      return HS_FLAG_UCP;
    default:
      return std::nullopt;
  }
}

Error mistake(const std::string& file, int line, std::string_view what) {
  return Error{Errc::bad_experiment, fmt::format("{}:{}: {}", file, line, what), {}};
}

// "/expression/flags", the id already taken off.
Result<void> read_delimited(std::string_view body, const std::string& file, Pattern& pattern) {
  const std::size_t end = body.rfind('/');
  if (end == 0)
    return tl::unexpected<Error>(
        mistake(file, pattern.line, "the closing / is missing; allowed: /expression/flags"));
  pattern.expression = std::string(body.substr(1, end - 1));
  for (const char letter : body.substr(end + 1)) {
    const std::optional<unsigned> flag = flag_of(letter);
    if (!flag)
      return tl::unexpected<Error>(
          mistake(file, pattern.line,
                  fmt::format("\"{}\" is no flag; allowed: {}", letter, kFlagsAllowed)));
    pattern.flags |= *flag;
  }
  return {};
}

Result<Pattern> read_line(std::string_view line, const std::string& file, int number,
                          unsigned default_id) {
  Pattern pattern;
  pattern.line = number;
  pattern.id = default_id;
  const std::size_t digits = line.find_first_not_of("0123456789");
  const bool has_id =
      digits != std::string_view::npos && digits > 0 && line.substr(digits).starts_with(":/");
  if (has_id) {
    const auto [end, code] = std::from_chars(line.data(), line.data() + digits, pattern.id);
    if (code != std::errc{} || end != line.data() + digits)
      return tl::unexpected<Error>(mistake(
          file, number,
          fmt::format("id {} is too large; allowed: 0 to 4294967295", line.substr(0, digits))));
    line.remove_prefix(digits + 1);
  }
  if (line.front() == '/') {
    PM_TRYV(read_delimited(line, file, pattern));
  } else {
    pattern.expression = std::string(line);
  }
  if (pattern.expression.empty())
    return tl::unexpected<Error>(mistake(file, number, "the expression is empty"));
  return pattern;
}

Error all_of(const std::vector<std::string>& mistakes) {
  return Error{Errc::bad_experiment, join(mistakes, "\n"), {}};
}

// The compiler's own words on every expression that it refuses.
std::vector<std::string> refusals(const std::vector<Pattern>& patterns, const std::string& file) {
  std::vector<std::string> found;
  for (const Pattern& pattern : patterns) {
    hs_database_t* database = nullptr;
    hs_compile_error_t* error = nullptr;
    if (hs_compile(pattern.expression.c_str(), pattern.flags, HS_MODE_BLOCK, nullptr, &database,
                   &error) != HS_SUCCESS) {
      found.push_back(fmt::format("{}:{}: {}", file, pattern.line, error->message));
      hs_free_compile_error(error);
    }
    hs_free_database(database);
  }
  return found;
}

}  // namespace

Result<std::vector<Pattern>> parse_patterns(std::string_view text, const std::string& file) {
  std::vector<Pattern> patterns;
  std::vector<std::string> mistakes;
  std::map<unsigned, int> line_of_id;
  int number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    // Hyperscan takes C strings.
    if (line.find('\0') != std::string_view::npos) {
      mistakes.push_back(mistake(file, number, "a NUL byte; allowed: \\x00").what);
      continue;
    }
    Result<Pattern> pattern =
        read_line(line, file, number, static_cast<unsigned>(patterns.size() + 1));
    if (!pattern) {
      mistakes.push_back(pattern.error().what);
      continue;
    }
    const auto [known, first] = line_of_id.try_emplace(pattern->id, number);
    if (!first)
      mistakes.push_back(mistake(file, number,
                                 fmt::format("id {} stands in line {} already; allowed: each once",
                                             pattern->id, known->second))
                             .what);
    patterns.push_back(std::move(*pattern));
  }
  if (!mistakes.empty()) return tl::unexpected<Error>(all_of(mistakes));
  if (patterns.empty())
    return fail(Errc::bad_experiment,
                fmt::format("{}: no expression in it; allowed: one a line, 1 or more", file));
  return patterns;
}

Result<std::shared_ptr<const PatternSet>> PatternSet::load(const std::filesystem::path& file) {
  static std::shared_ptr<const PatternSet> last;
  static std::string last_text;
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in)
    return fail(Errc::bad_experiment, fmt::format("patterns: cannot read {}", file.string()));
  if (last && last->file() == file.string() && last_text == text) return last;
  PM_TRY(std::vector<Pattern> patterns, parse_patterns(text, file.string()));
  PM_TRY(PatternSet compiled, compile(std::move(patterns), file.string()));
  last = std::make_shared<const PatternSet>(std::move(compiled));
  last_text = text;
  return last;
}

Result<PatternSet> PatternSet::compile(std::vector<Pattern> patterns, const std::string& file) {
  if (hs_valid_platform() != HS_SUCCESS)
    return fail(Errc::host_cannot, "Hyperscan needs a CPU with SSSE3");
  PatternSet set;
  set.patterns_ = std::move(patterns);
  set.file_ = file;
  std::vector<const char*> expressions;
  std::vector<unsigned> flags;
  std::vector<unsigned> lines;  // told to the handler, as its ids
  for (const Pattern& pattern : set.patterns_) {
    expressions.push_back(pattern.expression.c_str());
    flags.push_back(pattern.flags);
    lines.push_back(static_cast<unsigned>(pattern.line));
  }
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_multi(expressions.data(), flags.data(), lines.data(),
                       static_cast<unsigned>(expressions.size()), HS_MODE_BLOCK, nullptr, &database,
                       &error) != HS_SUCCESS) {
    std::vector<std::string> found = refusals(set.patterns_, file);
    // Each compiles, all together do not.
    if (found.empty()) found.push_back(fmt::format("{}: {}", file, error->message));
    hs_free_compile_error(error);
    return tl::unexpected<Error>(all_of(found));
  }
  set.database_.reset(database);
  hs_scratch_t* scratch = nullptr;
  if (hs_alloc_scratch(database, &scratch) != HS_SUCCESS)
    return fail(Errc::host_cannot, "no memory for Hyperscan's scratch");
  set.prototype_.reset(scratch);
  return set;
}

Result<Scratch> PatternSet::scratch() const {
  hs_scratch_t* scratch = nullptr;
  if (hs_clone_scratch(prototype_.get(), &scratch) != HS_SUCCESS)
    return fail(Errc::host_cannot, "no memory for Hyperscan's scratch");
  return Scratch(scratch);
}

std::vector<int> PatternSet::lines_matching(std::span<const std::uint8_t> bytes) const {
  std::vector<int> lines;
  const auto handler = [](unsigned line, unsigned long long /*from*/, unsigned long long /*to*/,
                          unsigned /*flags*/, void* found) {
    static_cast<std::vector<int>*>(found)->push_back(static_cast<int>(line));
    return 0;
  };
  static constexpr std::uint8_t kNothing = 0;  // Hyperscan wants an address, of no bytes too
  const std::uint8_t* const data = bytes.empty() ? &kNothing : bytes.data();
  const hs_error_t result =
      hs_scan(database_.get(), reinterpret_cast<const char*>(data),
              static_cast<unsigned>(bytes.size()), 0, prototype_.get(), handler, &lines);
  PM_CHECK(result == HS_SUCCESS);
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  return lines;
}

}  // namespace pollmark
