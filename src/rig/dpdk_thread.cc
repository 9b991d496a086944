#include "rig/dpdk_thread.h"

#include <rte_lcore.h>

#include <utility>

namespace pollmark {

Result<void> start_lcore(PinnedThread& thread, int cpu, std::string_view role,
                         std::function<void()> loop) {
  Result<void> started = thread.start(
      cpu,
      []() -> Result<void> {
        if (rte_thread_register() == 0) return {};
        return fail(Errc::host_cannot, "rte_thread_register: no free lcore number");
      },
      [loop = std::move(loop)] {
        loop();
        rte_thread_unregister();
      });
  if (!started) return tl::unexpected<Error>(std::move(started).error().within(role));
  return started;
}

}  // namespace pollmark
