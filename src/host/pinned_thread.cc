#include "host/pinned_thread.h"

#include <future>
#include <utility>

#include "host/cpu_time.h"

namespace pollmark {

Result<void> PinnedThread::start(int cpu, std::function<Result<void>()> prepare,
                                 std::function<void()> body) {
  PM_CHECK(!is_started());
  std::promise<Result<void>> ready;
  std::future<Result<void>> prepared = ready.get_future();
  thread_ = std::jthread([cpu, prepare = std::move(prepare), body = std::move(body),
                          ready = std::move(ready)]() mutable {
    Result<void> may_run = pin_this_thread(cpu);
    if (may_run) may_run = prepare();
    const bool runs = may_run.has_value();
    ready.set_value(std::move(may_run));
    if (runs) body();
  });
  Result<void> outcome = prepared.get();
  if (!outcome) thread_.join();
  return outcome;
}

void PinnedThread::join() {
  if (is_started()) thread_.join();
}

}  // namespace pollmark
