// Captures beside a trial, as its order asks for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/netns.h"
#include "record/counters.h"
#include "record/trial_order.h"
#include "trial/endpoints.h"

namespace pollmark {

// The receiver, with taps at the devices that order.capture names: they take frames from before it
// is opened until it has stopped, and are written then. files: a descriptor, open for writing and
// empty, for each of order.capture.at; not owned.
//
// Without a trigger nothing runs beside the traffic but the kernel's copying. With first_loss a
// thread wakes every 2 ms, lets old frames go and looks for a gap in the sequence; every 50 ms it
// reads the counters. It has a CPU that no end of the trial was given, or else shares the sender's,
// which the account says.
//
//   Errors: host_cannot where the trial has no CPUs; on open, of FrameTap::open.
[[nodiscard]] Result<std::unique_ptr<Receiver>> with_captures(const TrialOrder& order,
                                                              std::unique_ptr<Receiver> receiver,
                                                              const NetdevPlace& at_sender,
                                                              const NetdevPlace& at_receiver,
                                                              const std::vector<int>& files);

// The counter that says that a trial on that path lost something between the readings: one that
// owns losses, or of a closed loop one of retransmissions, refusals and drops. nullopt: none moved.
[[nodiscard]] std::optional<std::string> loss_between(Path path, const CounterSnapshot& before,
                                                      const CounterSnapshot& now);

}  // namespace pollmark
