#include "host/drop_reasons.h"

#include <fmt/format.h>

#include <utility>

#include "host/drop_program.h"
#include "host/drop_trace.h"

namespace pollmark {

Result<DropReasons> DropReasons::start(const DropOrder& order) {
  auto program = start_drop_program(order);
  if (program) return DropReasons(DropSource::bpf, *std::move(program), {});
  auto trace = start_drop_trace();
  if (trace) {
    return DropReasons(DropSource::tracefs, *std::move(trace), program.error().text());
  }
  return fail(Errc::host_cannot,
              fmt::format("{}; {}", program.error().text(), trace.error().text()));
}

}  // namespace pollmark
