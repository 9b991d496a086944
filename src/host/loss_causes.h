// What each of the kernel's counters of loss means: a plain sentence on the cause, and the usual
// remedy. Data, no code.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "record/counters.h"

namespace pollmark {

struct LossCause {
  std::string_view layer;    // of the survey: "link", "driver", "qdisc", "udp_socket", "ip", ...
  std::string_view counter;  // "rx_dropped"; of a driver a pattern with *, as drivers name freely
  CounterRole role;          // owner; echo: an owner has it too; context: a sign, or not told which
  std::string_view cause;
  // A command, with NETDEV for the device; empty: there is none to recommend.
  std::string_view remedy;
};

// Each counter's first match is its cause.
[[nodiscard]] std::span<const LossCause> loss_causes();

// A counter's name in the survey, in parts.
struct CounterName {
  std::string_view layer;
  std::string_view subject;  // device, qdisc or socket; empty: of the namespace or host
  std::string_view netdev;   // empty: of none
  std::string_view counter;
};
// "qdisc.a0.htb[1: root].drops" -> qdisc, a0.htb[1: root], a0, drops.
[[nodiscard]] CounterName parts_of(std::string_view name);

// nullptr: the counter says nothing about loss.
[[nodiscard]] const LossCause* cause_of(std::string_view name);
// The remedy with the counter's own device in it.
[[nodiscard]] std::string remedy_for(const LossCause& cause, std::string_view name);

}  // namespace pollmark
