// Ways to die in the receiver's stack, each provoked in the namespaces of a veth lab: what stands
// in the way, what is wrong with the frame, and where both books have it. Conntrack's full table is
// not among them: it takes a setting of the whole host.
#pragma once

#include <functional>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "frame_gun.h"
#include "host/netns.h"
#include "record/fate.h"

namespace pollmark {

// What every spoiled frame dies of; without spoil, every frame. Without an owner no counter has it:
// without BPF it stays unattributed.
struct Death {
  std::string name;
  std::function<void(const NetdevPlace&)> prepare;  // inside a test: it may skip or fail it
  std::function<void(FrameBytes&)> spoil;
  std::string owner;
  std::vector<std::string> echoes;
  std::string reason;
  Fate fate = Fate::kernel_other;
  std::string other{};  // of kernel_other: its reason in the ledger

  friend void PrintTo(const Death& death, std::ostream* out) { *out << death.name; }
};
[[nodiscard]] const std::vector<Death>& deaths_in_the_stack();

// A second veth pair behind the receiver, of MTU 600 (too narrow for IPv6), to 198.20.0.2.
inline constexpr MacAddress kMacBehindTheReceiver{0x02, 0x50, 0x4d, 0, 0, 0x12};
void forward_to_a_narrow_link(const NetdevPlace& place);
// ... of which it soon gives up to ask for the neighbour, and which holds few frames meanwhile.
void forward_to_nobody(const NetdevPlace& place);
void to_the_narrow_link(FrameBytes& frame, std::uint8_t fragment_flags);
// To 198.20.0.2, and as short as it was.
void to_nobody(FrameBytes& frame);
void set_sysctl(const NetdevPlace& place, const std::string& path, std::string_view value);

}  // namespace pollmark
