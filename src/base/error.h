// Errors and results.
//
// A function that can fail for a reason outside the code returns Result<T>. Loss, disturbance and
// an open ledger are data, not errors: they travel in a TrialResult. A broken invariant of pollmark
// itself is PM_CHECK, which ends the process with exit code 70.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace pollmark {

// Each code is an exit code of the command line.
enum class Errc {
  gate_said_no = 1,    // a gate said no, or a cell has no valid trial
  bad_experiment = 2,  // the experiment file, an option or an input file is wrong
  host_cannot = 3,     // this host lacks something; the text names it
  interrupted = 4,     // Ctrl-C or SIGTERM; results so far are kept
  broken = 70,         // pollmark itself is wrong
};

struct Error {
  Errc code = Errc::broken;
  std::string what;   // one line: what is wrong, and what is allowed
  std::string where;  // "file:line:column", "port p0", a path; empty when there is no place

  // "where: what", or only what.
  [[nodiscard]] std::string text() const { return where.empty() ? what : where + ": " + what; }
  // The same error seen from further out: "outer: where".
  [[nodiscard]] Error within(std::string_view outer) && {
    where = where.empty() ? std::string(outer) : std::string(outer) + ": " + where;
    return std::move(*this);
  }
};

template <typename T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(Errc code, std::string what,
                                                std::string where = {}) {
  return tl::unexpected<Error>(Error{code, std::move(what), std::move(where)});
}

// Ends the process with exit code 70 after printing the place. Always on.
[[noreturn]] void broken_invariant(const char* expression, const char* file, int line);

}  // namespace pollmark

#define PM_CHECK(expression) \
  ((expression) ? void(0) : ::pollmark::broken_invariant(#expression, __FILE__, __LINE__))

#define PM_CONCAT_(a, b) a##b
#define PM_CONCAT(a, b) PM_CONCAT_(a, b)
// PM_TRY(auto name, expression): binds the value, or returns the error to the caller.
#define PM_TRY(declaration, ...)                                                               \
  auto PM_CONCAT(pm_try_, __LINE__) = (__VA_ARGS__);                                           \
  if (!PM_CONCAT(pm_try_, __LINE__))                                                           \
    return tl::unexpected<::pollmark::Error>(std::move(PM_CONCAT(pm_try_, __LINE__)).error()); \
  declaration = std::move(*PM_CONCAT(pm_try_, __LINE__))
// PM_TRYV(expression): the same for Result<void>.
#define PM_TRYV(...)                                      \
  if (auto pm_try_result = (__VA_ARGS__); !pm_try_result) \
  return tl::unexpected<::pollmark::Error>(std::move(pm_try_result).error())
