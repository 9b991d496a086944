// A program at the XDP hook of a device. It leaves the device when this object goes, and when the
// process ends, however it ends (bpf_link).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/error.h"
#include "host/netns.h"
#include "kernel/xdp_tally.h"
#include "record/trial_order.h"
#include "record/trial_result.h"

namespace pollmark {

// Control thread.
class XdpProgram {
 public:
  // Frames go to an AF_XDP socket, once it was given its queue.
  [[nodiscard]] static Result<XdpProgram> to_sockets(const NetdevPlace& place, XdpMode mode);
  // Frames are counted and dropped. Of the order: mode, epoch and flows.
  [[nodiscard]] static Result<XdpProgram> count_and_drop(const NetdevPlace& place,
                                                         const TrialOrder& order);
  // Errors of all: host_cannot with the kernel's reason, "needs CAP_BPF" where that is it. The
  // calling thread is in the place's namespace.

  XdpProgram(XdpProgram&&) noexcept;
  XdpProgram& operator=(XdpProgram&&) noexcept;
  ~XdpProgram();

  // The knob xdp_mode: requested, and what the kernel says of the device.
  [[nodiscard]] Knob mode_knob() const;
  [[nodiscard]] Result<void> give_queue(std::uint32_t queue, int xdp_socket);
  // Sum over the CPUs. nullopt: the kernel does not tell.
  [[nodiscard]] std::optional<pm_xdp_tally> tally() const;

 private:
  struct State;
  explicit XdpProgram(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pollmark
