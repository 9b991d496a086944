#include "obstacles.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/tc.h>
#include <netlink/socket.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "host/file_text.h"
#include "host/netlink.h"

namespace pollmark {
namespace {

using SocketPtr = std::unique_ptr<nl_sock, decltype(&nl_socket_free)>;

Result<SocketPtr> route_socket(int netns_fd) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(netns_fd));
  SocketPtr socket(nl_socket_alloc(), nl_socket_free);
  if (const int error = nl_connect(socket.get(), NETLINK_ROUTE); error < 0) {
    return fail(Errc::host_cannot, nl_geterror(error));
  }
  return socket;
}

Result<int> index_of(const NetdevPlace& place) {
  PM_TRY(Netlink netlink, Netlink::open(place.netns_fd));
  PM_TRY(const LinkState link, netlink.link(place.netdev));
  return link.ifindex;
}

Result<void> set_flags_and_queue(const char* netdev, int queue_frames) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strncpy(request.ifr_name, netdev, IFNAMSIZ - 1);
  request.ifr_qlen = queue_frames;
  bool done = ioctl(fd, SIOCSIFTXQLEN, &request) == 0;
  request.ifr_flags = IFF_UP;
  done = done && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  const int reason = errno;
  close(fd);
  if (!done) return fail(Errc::host_cannot, std::strerror(reason), netdev);
  return {};
}

}  // namespace

Result<void> drop_at_ingress(const NetdevPlace& place) {
  PM_TRY(const int ifindex, index_of(place));
  PM_TRY(const SocketPtr socket, route_socket(place.netns_fd));
  rtnl_qdisc* qdisc = rtnl_qdisc_alloc();
  rtnl_tc_set_ifindex(TC_CAST(qdisc), ifindex);
  rtnl_tc_set_parent(TC_CAST(qdisc), TC_H_CLSACT);
  rtnl_tc_set_handle(TC_CAST(qdisc), 0xffff0000U);
  rtnl_tc_set_kind(TC_CAST(qdisc), "clsact");
  const int added = rtnl_qdisc_add(socket.get(), qdisc, NLM_F_CREATE | NLM_F_REPLACE);
  rtnl_qdisc_put(qdisc);
  if (added < 0) return fail(Errc::host_cannot, nl_geterror(added), "clsact");

  const std::unique_ptr<nl_msg, decltype(&nlmsg_free)> request(
      nlmsg_alloc_simple(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL), nlmsg_free);
  tcmsg header{};
  header.tcm_ifindex = ifindex;
  header.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
  header.tcm_info = TC_H_MAKE(1U << 16, htons(ETH_P_ALL));
  const sock_filter verdict = BPF_STMT(BPF_RET | BPF_K, TC_ACT_SHOT);
  nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO);
  nla_put_string(request.get(), TCA_KIND, "bpf");
  nlattr* options = nla_nest_start(request.get(), TCA_OPTIONS);
  nla_put_u32(request.get(), TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
  nla_put_u16(request.get(), TCA_BPF_OPS_LEN, 1);
  nla_put(request.get(), TCA_BPF_OPS, sizeof verdict, &verdict);
  nla_nest_end(request.get(), options);
  // Sent, and the acknowledgement waited for; freed by its owner here.
  nlmsg_get(request.get());
  if (const int error = nl_send_sync(socket.get(), request.get()); error < 0) {
    return fail(Errc::host_cannot, nl_geterror(error), "filter");
  }
  return {};
}

Result<void> add_nft_rules(int netns_fd, const std::string& rules) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(netns_fd));
  FILE* nft = popen("nft -f -", "w");
  if (nft == nullptr) return fail(Errc::host_cannot, std::strerror(errno), "nft");
  std::fputs(rules.c_str(), nft);
  const int status = pclose(nft);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) return fail(Errc::host_cannot, "needs nft");
  if (status != 0) return fail(Errc::host_cannot, "refused the rules", "nft");
  return {};
}

Result<HeldUpReceiving> HeldUpReceiving::prepare() {
  constexpr std::int32_t kTurnNs = 500'000;
  HeldUpReceiving held;
  held.itself_ = FileHandle(
      bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "itself", sizeof(int), sizeof(int), 1, nullptr));
  if (held.itself_.fd() < 0) return fail(Errc::host_cannot, std::strerror(errno), "BPF map");
  const auto ktime = bpf_insn{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_ktime_get_ns};
  // Looks at the clock until a turn is over, then calls itself; the kernel ends that after 33
  // turns.
  std::array program{
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1},
      ktime,
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 7, .src_reg = 0},
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 8, .imm = 4000},
      ktime,
      ktime,
      ktime,
      ktime,
      ktime,
      bpf_insn{.code = BPF_ALU64 | BPF_SUB | BPF_X, .dst_reg = 0, .src_reg = 7},
      bpf_insn{.code = BPF_JMP | BPF_JGT | BPF_K, .dst_reg = 0, .off = 2, .imm = kTurnNs},
      bpf_insn{.code = BPF_ALU64 | BPF_SUB | BPF_K, .dst_reg = 8, .imm = 1},
      bpf_insn{.code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 8, .off = -9, .imm = 0},
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6},
      bpf_insn{.code = BPF_LD | BPF_DW | BPF_IMM,
               .dst_reg = 2,
               .src_reg = BPF_PSEUDO_MAP_FD,
               .imm = held.itself_.fd()},
      bpf_insn{},
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 0},
      bpf_insn{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call},
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
      bpf_insn{.code = BPF_JMP | BPF_EXIT}};
  held.program_ = FileHandle(
      bpf_prog_load(BPF_PROG_TYPE_XDP, "spin", "BSD", program.data(), program.size(), nullptr));
  constexpr int kOnly = 0;
  const int spin = held.program_.fd();
  if (spin < 0 || bpf_map_update_elem(held.itself_.fd(), &kOnly, &spin, BPF_ANY) != 0) {
    return fail(Errc::host_cannot, std::strerror(errno), "BPF program");
  }
  return held;
}

Result<void> HeldUpReceiving::run() const {
  std::array<char, ETH_ZLEN> frame{};
  bpf_test_run_opts order{};
  order.sz = sizeof order;
  order.data_in = frame.data();
  order.data_size_in = static_cast<__u32>(frame.size());
  order.repeat = 1;
  if (bpf_prog_test_run_opts(program_.fd(), &order) != 0) {
    return fail(Errc::host_cannot, std::strerror(errno), "BPF program");
  }
  return {};
}

Result<void> drop_by_xdp(const NetdevPlace& place, XdpHook hook) {
  PM_TRY(const int ifindex, index_of(place));
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(place.netns_fd));
  std::array program{bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_DROP},
                     bpf_insn{.code = BPF_JMP | BPF_EXIT}};
  const FileHandle loaded(
      bpf_prog_load(BPF_PROG_TYPE_XDP, "drop_all", "BSD", program.data(), program.size(), nullptr));
  if (loaded.fd() < 0) return fail(Errc::host_cannot, std::strerror(errno), "XDP program");
  const int attached =
      bpf_xdp_attach(ifindex, loaded.fd(),
                     hook == XdpHook::driver ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE, nullptr);
  if (attached != 0) return fail(Errc::host_cannot, std::strerror(-attached), "XDP");
  return {};
}

Result<UnreadTap> UnreadTap::make(int netns_fd, const char* netdev, int queue_frames) {
  PM_TRY(const ScopedNetns inside, ScopedNetns::enter(netns_fd));
  UnreadTap tap(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request{};
  std::strncpy(request.ifr_name, netdev, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (tap.fd_ < 0 || ioctl(tap.fd_, TUNSETIFF, &request) != 0) {
    return fail(Errc::host_cannot, std::strerror(errno), "/dev/net/tun");
  }
  PM_TRYV(set_net_sysctl(-1, std::string("ipv6/conf/") + netdev + "/disable_ipv6", "1"));
  PM_TRYV(set_flags_and_queue(netdev, queue_frames));
  return tap;
}

UnreadTap::UnreadTap(UnreadTap&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

UnreadTap::~UnreadTap() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace pollmark
