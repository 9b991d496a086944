// Sender and receiver of a trial on the model link, lockstep clock. Sender::join() runs the whole
// trial, drain included; everything else only sets up or hands over.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "datapath/hot_level.h"
#include "record/trial_order.h"
#include "trial/endpoints.h"

namespace pollmark {

// The ends of one trial. start_eal() must have succeeded before open() is called. Both ends share
// one set of DPDK objects, given back when the last of them goes.
//   Errors: bad_experiment for an order that the model does not carry out (what is allowed is
//   said); host_cannot for an ISA level that this CPU lacks. Captures, pools and ports come with
//   open().
[[nodiscard]] Result<Ends> make_model_ends(const TrialOrder& order);

// The same with that compilation of the hot code.
[[nodiscard]] Result<Ends> make_model_ends(const TrialOrder& order, const HotLevel& level);

// MiB of EAL memory that the trial takes. Reads the capture of a replay.
[[nodiscard]] std::int64_t model_memory_mib(const TrialOrder& order);

}  // namespace pollmark
