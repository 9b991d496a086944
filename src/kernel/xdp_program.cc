#include "kernel/xdp_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <xdp_programs.skel.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "host/privilege.h"

namespace pollmark {
namespace {

tl::unexpected<Error> refused(int error, const char* what) {
  return fail(Errc::host_cannot, std::strerror(error), what);
}

std::optional<XdpMode> mode_of(int ifindex) {
  LIBBPF_OPTS(bpf_xdp_query_opts, state);
  if (bpf_xdp_query(ifindex, 0, &state) != 0) return std::nullopt;
  if (state.attach_mode == XDP_ATTACHED_DRV) return XdpMode::native;
  if (state.attach_mode == XDP_ATTACHED_SKB) return XdpMode::generic;
  return std::nullopt;
}

}  // namespace

struct XdpProgram::State {
  struct Destroyed {
    void operator()(xdp_programs* programs) const { xdp_programs::destroy(programs); }
  };
  std::unique_ptr<xdp_programs, Destroyed> programs;
  int link = -1;
  XdpMode asked = XdpMode::native;
  std::optional<XdpMode> attached;  // nullopt: not told

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (link >= 0) close(link);
  }

  Result<void> open() {
    PM_TRYV(need_capability("CAP_BPF"));
    libbpf_set_print(nullptr);  // its errors come back as errno
    programs.reset(xdp_programs::open());
    if (!programs) return refused(errno, "XDP programs");
    return {};
  }

  Result<void> attach(const bpf_program* program, const NetdevPlace& place, XdpMode mode) {
    if (const int error = xdp_programs::load(programs.get()); error != 0) {
      return refused(-error, "XDP program");
    }
    const unsigned ifindex = if_nametoindex(place.netdev.c_str());
    if (ifindex == 0) return refused(errno, "XDP program");
    LIBBPF_OPTS(bpf_link_create_opts, options);
    options.flags = mode == XdpMode::native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    link = bpf_link_create(bpf_program__fd(program), static_cast<int>(ifindex), BPF_XDP, &options);
    if (link < 0) return refused(errno, mode == XdpMode::native ? "native XDP" : "generic XDP");
    asked = mode;
    attached = mode_of(static_cast<int>(ifindex));
    return {};
  }
};

XdpProgram::XdpProgram(std::unique_ptr<State> state) : state_(std::move(state)) {}
XdpProgram::XdpProgram(XdpProgram&&) noexcept = default;
XdpProgram& XdpProgram::operator=(XdpProgram&&) noexcept = default;
XdpProgram::~XdpProgram() = default;

Result<XdpProgram> XdpProgram::to_sockets(const NetdevPlace& place, XdpMode mode) {
  auto state = std::make_unique<State>();
  PM_TRYV(state->open());
  const auto& programs = state->programs->progs;
  bpf_program__set_autoload(programs.count_and_drop, false);
  PM_TRYV(state->attach(programs.to_socket, place, mode));
  return XdpProgram(std::move(state));
}

Result<XdpProgram> XdpProgram::count_and_drop(const NetdevPlace& place, const TrialOrder& order) {
  auto state = std::make_unique<State>();
  PM_TRYV(state->open());
  state->programs->rodata->wanted_epoch = order.epoch;
  state->programs->rodata->wanted_flows = static_cast<__u32>(order.traffic.flows);
  const auto& programs = state->programs->progs;
  bpf_program__set_autoload(programs.to_socket, false);
  PM_TRYV(state->attach(programs.count_and_drop, place, order.receiver.xdp_mode));
  return XdpProgram(std::move(state));
}

Knob XdpProgram::mode_knob() const {
  Knob knob;
  knob.requested = name_of(state_->asked);
  if (!state_->attached) return knob;
  knob.effective = name_of(*state_->attached);
  knob.state = *state_->attached == state_->asked ? KnobState::confirmed : KnobState::differs;
  return knob;
}

Result<void> XdpProgram::give_queue(std::uint32_t queue, int xdp_socket) {
  const bpf_map* sockets = state_->programs->maps.sockets;
  if (bpf_map__update_elem(sockets, &queue, sizeof queue, &xdp_socket, sizeof xdp_socket,
                           BPF_ANY) != 0) {
    return refused(errno, "XDP socket map");
  }
  return {};
}

std::optional<pm_xdp_tally> XdpProgram::tally() const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 1) return std::nullopt;
  std::vector<pm_xdp_tally> each(static_cast<std::size_t>(cpus));
  const std::uint32_t only = 0;
  if (bpf_map__lookup_elem(state_->programs->maps.tallies, &only, sizeof only, each.data(),
                           each.size() * sizeof each[0], 0) != 0) {
    return std::nullopt;
  }
  pm_xdp_tally sum{};
  for (const pm_xdp_tally& one : each) {
    sum.pkts += one.pkts;
    sum.window_pkts += one.window_pkts;
    sum.window_bytes += one.window_bytes;
    sum.warmup_pkts += one.warmup_pkts;
    sum.late_pkts += one.late_pkts;
  }
  return sum;
}

}  // namespace pollmark
