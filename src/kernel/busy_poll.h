// The factor socket_busy_poll: a socket whose reader polls the device itself before it sleeps.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/error.h"
#include "record/counters.h"
#include "record/trial_result.h"

namespace pollmark {

// Control thread.
class BusyPoll {
 public:
  // 0: off.
  explicit BusyPoll(std::int64_t ns) : ns_(ns) {}

  // SO_BUSY_POLL, in whole microseconds. Errors: host_cannot with the kernel's reason.
  [[nodiscard]] Result<void> ask(int fd) const;
  // Beside it, for a socket whose every reader polls: the kernel leaves the device to them
  // (SO_PREFER_BUSY_POLL, SO_BUSY_POLL_BUDGET).
  [[nodiscard]] Result<void> prefer(int fd) const;
  [[nodiscard]] bool is_on() const { return ns_ > 0; }
  [[nodiscard]] std::int64_t ns() const { return ns_; }

  // Takes what the readers polled so far from a reading of the receiver's counters.
  void look(const CounterSnapshot& snapshot);
  // Adds the knob, where the order asks for it.
  void add_knob(std::map<std::string, Knob>& knobs) const;

 private:
  std::int64_t ns_;
  std::optional<std::uint64_t> polled_before_;
  std::optional<std::uint64_t> polled_now_;
};

}  // namespace pollmark
