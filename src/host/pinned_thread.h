// A thread that stays on one CPU.
#pragma once

#include <functional>
#include <thread>

#include "base/error.h"

namespace pollmark {

// One control thread starts and joins it. Its owner tells it to end, by means of its own:
// destroying it waits for that.
class PinnedThread {
 public:
  // On the new thread: pins it to the CPU, runs prepare, then body. Returns when prepare has; body
  // does not run after an error.
  //   Errors: host_cannot when the CPU is not there or not allowed; those of prepare.
  [[nodiscard]] Result<void> start(int cpu, std::function<Result<void>()> prepare,
                                   std::function<void()> body);
  [[nodiscard]] bool is_started() const { return thread_.joinable(); }
  // Waits for the end of body. Nothing when it was not started.
  void join();

 private:
  std::jthread thread_;
};

}  // namespace pollmark
