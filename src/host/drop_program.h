// The reader of drop_reasons.bpf.c.
#pragma once

#include <memory>

#include "base/error.h"
#include "host/drop_reasons.h"

namespace pollmark {

// The program is in the kernel for as long as the table lives. Takes a tenth of a second: the
// kernel's types are read. Errors: host_cannot "BPF: needs CAP_BPF and CAP_PERFMON", or what this
// kernel lacks.
[[nodiscard]] Result<std::unique_ptr<DropTable>> start_drop_program(const DropOrder& order);

}  // namespace pollmark
