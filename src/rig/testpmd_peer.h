// dpdk-testpmd as a peer: the same work in its own process, started and stopped by its prompt.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/error.h"

namespace pollmark {

struct PeerSample {
  std::int64_t packets = 0;
  std::int64_t cpu_ns = 0;  // of its forwarding lcore, from schedstat
};

// One lcore at its prompt and one that forwards, both on `cpu`, on a net_null port. Ended, and
// waited for, on destruction.
class TestpmdPeer {
 public:
  // options: behind "--", e.g. "--txonly-multi-flow".
  //   Errors: host_cannot when it is not installed, or does not come to its prompt.
  [[nodiscard]] static Result<TestpmdPeer> start(int cpu, const std::string& options);
  TestpmdPeer(TestpmdPeer&& other) noexcept;
  TestpmdPeer& operator=(TestpmdPeer&&) = delete;
  ~TestpmdPeer();

  // txonly for that time.
  [[nodiscard]] Result<PeerSample> send_for(double seconds);

 private:
  TestpmdPeer() = default;
  Result<void> command(const std::string& line);
  Result<std::string> read_to_prompt();
  [[nodiscard]] std::int64_t lcore_cpu_ns() const;

  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  pid_t lcore_ = 0;
};

}  // namespace pollmark
