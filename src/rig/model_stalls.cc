#include "rig/model_stalls.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "datapath/arrivals.h"

namespace pollmark {
namespace {

constexpr std::uint64_t kStallSalt = 0x7374616c6c730000U;

Ticks ticks_of(double ns, double tsc_hz) {
  return static_cast<Ticks>(std::llround(ns * tsc_hz * 1e-9));
}

}  // namespace

Result<StallTrace> read_stall_trace(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) return fail(Errc::bad_experiment, "cannot be read", path.string());
  StallTrace trace;
  std::int64_t end_ns = 0;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string where = fmt::format("{}:{}", path.string(), number);
    std::istringstream words(line);
    if (line.rfind("# span_ns ", 0) == 0) {
      words.ignore(10);
      if (!(words >> trace.span_ns) || trace.span_ns <= 0)
        return fail(Errc::bad_experiment, "span_ns needs a length in ns above zero", where);
      continue;
    }
    words >> std::ws;
    if (words.eof() || words.peek() == '#') continue;
    StallTrace::Gap gap;
    std::string rest;
    if (!(words >> gap.start_ns >> gap.length_ns) || (words >> rest) || gap.length_ns <= 0 ||
        gap.start_ns < end_ns)
      return fail(Errc::bad_experiment,
                  "a stall is \"<start_ns> <length_ns>\", behind the end of the one before", where);
    end_ns = gap.start_ns + gap.length_ns;
    trace.gaps.push_back(gap);
  }
  if (trace.gaps.empty()) return fail(Errc::bad_experiment, "holds no stall", path.string());
  if (trace.span_ns < end_ns) trace.span_ns = end_ns;
  return trace;
}

Result<std::vector<Stall>> make_stalls(const StallOrder& order, std::int64_t end_ns, double tsc_hz,
                                       std::uint64_t seed, int lcore) {
  std::vector<Stall> stalls;
  const std::uint64_t own = drawn(seed ^ kStallSalt, static_cast<std::uint64_t>(lcore));
  const auto end = static_cast<double>(end_ns);
  if (order.kind == StallKind::periodic || order.kind == StallKind::poisson) {
    if (order.every_ns <= 0 || order.for_ns <= 0 || order.for_ns >= order.every_ns)
      return fail(Errc::bad_experiment,
                  fmt::format("stalls of {} ns every {} ns leave no time to work", order.for_ns,
                              order.every_ns));
  }
  switch (order.kind) {
    case StallKind::none:
      break;
    case StallKind::periodic: {
      const auto every = static_cast<double>(order.every_ns);
      const Ticks length = ticks_of(static_cast<double>(order.for_ns), tsc_hz);
      for (double at = every * drawn_unit(own, 0); at < end; at += every)
        stalls.push_back({ticks_of(at, tsc_hz), length});
      break;
    }
    case StallKind::poisson: {
      const auto every = static_cast<double>(order.every_ns);
      const Ticks length = ticks_of(static_cast<double>(order.for_ns), tsc_hz);
      double at = 0.0;
      for (std::uint64_t i = 0;; ++i) {
        at -= std::log(drawn_unit(own, i)) * every;
        if (at >= end) break;
        stalls.push_back({ticks_of(at, tsc_hz), length});
      }
      break;
    }
    case StallKind::trace: {
      PM_TRY(const StallTrace trace, read_stall_trace(order.trace));
      const auto span = static_cast<double>(trace.span_ns);
      // Begins somewhere in the trace, and begins it again when it is through.
      for (double from = -span * (drawn_unit(own, 0)); from < end; from += span) {
        for (const StallTrace::Gap& gap : trace.gaps) {
          const double at = from + static_cast<double>(gap.start_ns);
          if (at < 0.0 || at >= end) continue;
          stalls.push_back(
              {ticks_of(at, tsc_hz), ticks_of(static_cast<double>(gap.length_ns), tsc_hz)});
        }
      }
      break;
    }
  }
  return stalls;
}

}  // namespace pollmark
