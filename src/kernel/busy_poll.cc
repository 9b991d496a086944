#include "kernel/busy_poll.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/units.h"

namespace pollmark {
namespace {

constexpr int kBudget = 64;

Result<void> set_option(int fd, int option, int value, const char* name) {
  if (setsockopt(fd, SOL_SOCKET, option, &value, sizeof value) == 0) return {};
  return fail(Errc::host_cannot, std::strerror(errno), name);
}

}  // namespace

Result<void> BusyPoll::ask(int fd) const {
  if (!is_on()) return {};
  return set_option(fd, SO_BUSY_POLL, static_cast<int>(ns_ / 1000), "SO_BUSY_POLL");
}

Result<void> BusyPoll::prefer(int fd) const {
  if (!is_on()) return {};
  PM_TRYV(set_option(fd, SO_PREFER_BUSY_POLL, 1, "SO_PREFER_BUSY_POLL"));
  return set_option(fd, SO_BUSY_POLL_BUDGET, kBudget, "SO_BUSY_POLL_BUDGET");
}

void BusyPoll::look(const CounterSnapshot& snapshot) {
  const auto found = snapshot.values.find("receiver.tcpext.BusyPollRxPackets");
  if (found == snapshot.values.end()) return;
  polled_now_ = found->second;
  if (!polled_before_) polled_before_ = found->second;
}

void BusyPoll::add_knob(std::map<std::string, Knob>& knobs) const {
  if (!is_on()) return;
  Knob knob;
  knob.requested = knob.effective = whole_duration_text(ns_);
  knob.state = KnobState::confirmed;
  if (!polled_now_) {
    knob.evidence = "frames polled by their reader: not told";
  } else if (*polled_now_ == *polled_before_) {
    knob.evidence = "no frame was polled by its reader";
  } else {
    knob.exercised = true;
    knob.evidence = fmt::format("{} frames were polled by their reader",
                                grouped(static_cast<std::int64_t>(*polled_now_ - *polled_before_)));
  }
  knobs["socket_busy_poll"] = std::move(knob);
}

}  // namespace pollmark
