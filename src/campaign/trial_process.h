// A trial runs in a process of its own kind: EAL starts once per process, a network namespace lives
// as long as the process that holds it, and a crash costs one trial. The parent never starts EAL.
//
// Protocol on one socket: a TrialOrder as one JSON line down; {"result": ...} or
// {"error": {code, what, where}} as one JSON line up. The child dies with its parent. Captures go
// into files that the parent opened and the child was born with.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/port_guard.h"
#include "record/trial_order.h"
#include "record/trial_result.h"

namespace pollmark {

// The name under which main() hands over to serve_trials(); not a verb for users.
inline constexpr const char* kTrialProcessVerb = "trial-process";

// The child's side: serves orders from the socket until it closes. Returns the exit code.
[[nodiscard]] int serve_trials(int socket_fd);

// Runs trials in child processes: one kept for every trial on the model with the same NUMA
// placement, a fresh one for each trial that opens a netdev. It has the host's devices that it took
// for a trial (PortLock) until it goes; between trials they are home. One thread.
class TrialRunner {
 public:
  TrialRunner();
  ~TrialRunner();
  TrialRunner(const TrialRunner&) = delete;
  TrialRunner& operator=(const TrialRunner&) = delete;

  // Blocks until the trial is over. What a kept process cannot is asked of a fresh one. A child
  // that dies or falls silent gives an invalid result with the reason trial_process_died; an Error
  // means that the trial cannot be carried out here (host_cannot, bad_experiment; a device that is
  // "held by ...") or that a stop signal came (interrupted; the child is ended, and what it had
  // changed is put back).
  // capture_files: a descriptor open for writing for each of order.capture.at, which is none on the
  // model; not owned.
  [[nodiscard]] Result<TrialResult> run(const TrialOrder& order,
                                        const std::vector<int>& capture_files = {});

 private:
  struct Child;
  [[nodiscard]] Result<std::unique_ptr<Child>> spawn(const std::vector<int>& capture_files) const;
  [[nodiscard]] Result<void> take_ports(const TrialOrder& order);
  std::map<std::string, PortLock> ports_;
  std::map<NumaPlacement, std::unique_ptr<Child>> kept_;  // EAL binds memory once
};

}  // namespace pollmark
