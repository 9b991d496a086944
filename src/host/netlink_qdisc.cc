// The half of the rtnetlink wrapper that is about queueing disciplines.
#include <fmt/format.h>
#include <linux/pkt_sched.h>
#include <netlink/route/class.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/fifo.h>
#include <netlink/route/qdisc/htb.h>
#include <netlink/route/qdisc/tbf.h>
#include <netlink/route/tc.h>

#include "host/netlink.h"
#include "host/netlink_parts.h"

namespace pollmark {

using namespace netlink_parts;

namespace {

constexpr std::uint32_t kHtbClass = TC_HANDLE(1, 0x10);
constexpr std::uint32_t kHtbLeaf = 0x10;

struct QdiscPlace {
  int ifindex = 0;
  const char* kind = "";
  std::uint32_t parent = TC_H_ROOT;
  std::uint32_t handle = TC_HANDLE(1, 0);
};

template <typename Set>
Result<void> put_qdisc(nl_sock* socket, const QdiscPlace& place, Set set) {
  const QdiscPtr qdisc(rtnl_qdisc_alloc());
  rtnl_tc* tc = TC_CAST(qdisc.get());
  rtnl_tc_set_ifindex(tc, place.ifindex);
  rtnl_tc_set_parent(tc, place.parent);
  rtnl_tc_set_handle(tc, place.handle);
  if (const int error = rtnl_tc_set_kind(tc, place.kind); error < 0) {
    return netlink_refusal(error, place.kind);
  }
  set(qdisc.get());
  if (const int error = rtnl_qdisc_add(socket, qdisc.get(), NLM_F_CREATE | NLM_F_REPLACE);
      error < 0) {
    return netlink_refusal(error, place.kind);
  }
  return {};
}

template <typename Set>
Result<void> replace_root_qdisc(nl_sock* socket, int ifindex, const char* kind, Set set) {
  return put_qdisc(socket, {.ifindex = ifindex, .kind = kind}, set);
}

Result<void> put_root_pfifo(nl_sock* socket, QdiscPlace place, int limit_frames) {
  place.kind = "pfifo";
  return put_qdisc(socket, place,
                   [=](rtnl_qdisc* qdisc) { rtnl_qdisc_fifo_set_limit(qdisc, limit_frames); });
}

Result<void> put_root_tbf(nl_sock* socket, QdiscPlace place, int rate_bytes_per_s, int bucket_bytes,
                          int limit_bytes) {
  place.kind = "tbf";
  return put_qdisc(socket, place, [=](rtnl_qdisc* qdisc) {
    rtnl_qdisc_tbf_set_rate(qdisc, rate_bytes_per_s, bucket_bytes, 0);
    rtnl_qdisc_tbf_set_limit(qdisc, limit_bytes);
  });
}

}  // namespace

Result<void> Netlink::set_pfifo(std::string_view netdev, int limit_frames) {
  PM_TRY(const LinkState state, link(netdev));
  return put_root_pfifo(socket_.get(), {.ifindex = state.ifindex}, limit_frames);
}

Result<void> Netlink::set_tbf(std::string_view netdev, int rate_bytes_per_s, int bucket_bytes,
                              int limit_bytes) {
  PM_TRY(const LinkState state, link(netdev));
  return put_root_tbf(socket_.get(), {.ifindex = state.ifindex}, rate_bytes_per_s, bucket_bytes,
                      limit_bytes);
}

Result<void> Netlink::set_htb(std::string_view netdev, std::int64_t rate_bytes_per_s,
                              int limit_frames) {
  PM_TRY(const LinkState state, link(netdev));
  PM_TRYV(replace_root_qdisc(socket_.get(), state.ifindex, "htb", [](rtnl_qdisc* qdisc) {
    rtnl_htb_set_defcls(qdisc, TC_H_MIN(kHtbClass));
  }));
  const ClassPtr only(rtnl_class_alloc());
  rtnl_tc* tc = TC_CAST(only.get());
  rtnl_tc_set_ifindex(tc, state.ifindex);
  rtnl_tc_set_parent(tc, TC_HANDLE(1, 0));
  rtnl_tc_set_handle(tc, kHtbClass);
  if (const int error = rtnl_tc_set_kind(tc, "htb"); error < 0)
    return netlink_refusal(error, "htb class");
  rtnl_htb_set_rate64(only.get(), static_cast<std::uint64_t>(rate_bytes_per_s));
  rtnl_htb_set_ceil64(only.get(), static_cast<std::uint64_t>(rate_bytes_per_s));
  if (const int error = rtnl_class_add(socket_.get(), only.get(), NLM_F_CREATE); error < 0) {
    return netlink_refusal(error, "htb class");
  }
  return put_qdisc(socket_.get(),
                   {.ifindex = state.ifindex,
                    .kind = "pfifo",
                    .parent = kHtbClass,
                    .handle = TC_HANDLE(kHtbLeaf, 0)},
                   [=](rtnl_qdisc* qdisc) { rtnl_qdisc_fifo_set_limit(qdisc, limit_frames); });
}

Result<void> Netlink::remove_root_qdisc(std::string_view netdev) {
  PM_TRY(const LinkState state, link(netdev));
  const QdiscPtr root(rtnl_qdisc_alloc());
  rtnl_tc_set_ifindex(TC_CAST(root.get()), state.ifindex);
  rtnl_tc_set_parent(TC_CAST(root.get()), TC_H_ROOT);
  if (const int error = rtnl_qdisc_delete(socket_.get(), root.get()); error < 0) {
    return netlink_refusal(error, text("default qdisc of", netdev));
  }
  return {};
}

Result<void> Netlink::set_root_qdisc(std::string_view netdev, const QdiscOrder& order) {
  PM_TRY(const auto now, root_qdisc(netdev));
  // One kind cannot become another, nor an htb another htb.
  const bool is_default = now && now->kind == QdiscOrder::Kind::host_default;
  if (!is_default) PM_TRYV(remove_root_qdisc(netdev));
  switch (order.kind) {
    case QdiscOrder::Kind::host_default:
      return {};
    case QdiscOrder::Kind::pfifo:
      return set_pfifo(netdev, static_cast<int>(order.limit_frames));
    case QdiscOrder::Kind::tbf:
      return set_tbf(netdev, static_cast<int>(order.rate_bps / 8),
                     static_cast<int>(order.bucket_bytes), static_cast<int>(order.limit_bytes));
    case QdiscOrder::Kind::htb:
      return set_htb(netdev, order.rate_bps / 8, static_cast<int>(order.limit_frames));
  }
  PM_CHECK(false);
}

Result<void> Netlink::set_root_qdisc_handle(std::string_view netdev, std::uint32_t handle) {
  PM_TRY(const LinkState state, link(netdev));
  PM_TRY(const auto now, root_qdisc(netdev));
  if (!now) return {};
  const QdiscPlace place{.ifindex = state.ifindex, .handle = handle};
  if (now->kind == QdiscOrder::Kind::pfifo) {
    PM_TRYV(remove_root_qdisc(netdev));
    return put_root_pfifo(socket_.get(), place, static_cast<int>(now->limit_frames));
  }
  if (now->kind == QdiscOrder::Kind::tbf) {
    PM_TRYV(remove_root_qdisc(netdev));
    return put_root_tbf(socket_.get(), place, static_cast<int>(now->rate_bps / 8),
                        static_cast<int>(now->bucket_bytes), static_cast<int>(now->limit_bytes));
  }
  return {};
}

namespace {

// The rate of pollmark's own class of an htb, bits/s.
Result<std::optional<std::int64_t>> htb_rate_bps(nl_sock* socket, int ifindex) {
  nl_cache* raw = nullptr;
  if (const int error = rtnl_class_alloc_cache(socket, ifindex, &raw); error < 0) {
    return netlink_refusal(error, "htb classes");
  }
  const CachePtr cache(raw);
  const ClassPtr only(rtnl_class_get(cache.get(), ifindex, kHtbClass));
  std::uint64_t bytes_per_s = 0;
  if (only == nullptr || nl_cache_nitems(cache.get()) != 1 ||
      rtnl_htb_get_rate64(only.get(), &bytes_per_s) < 0) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(bytes_per_s * 8);
}

}  // namespace

Result<std::optional<QdiscOrder>> Netlink::root_qdisc(std::string_view netdev) {
  PM_TRY(const LinkState state, link(netdev));
  nl_cache* raw = nullptr;
  if (const int error = rtnl_qdisc_alloc_cache(socket_.get(), &raw); error < 0) {
    return netlink_refusal(error, text("qdiscs of", netdev));
  }
  const CachePtr cache(raw);
  const QdiscPtr root(rtnl_qdisc_get_by_parent(cache.get(), state.ifindex, TC_H_ROOT));
  QdiscOrder order;
  // The kernel gives its own a handle of none.
  if (root == nullptr || rtnl_tc_get_handle(TC_CAST(root.get())) == 0) return order;
  const std::string_view kind = rtnl_tc_get_kind(TC_CAST(root.get()));
  if (kind == "pfifo") {
    order.kind = QdiscOrder::Kind::pfifo;
    order.limit_frames = rtnl_qdisc_fifo_get_limit(root.get());
    return order;
  }
  if (kind == "tbf") {
    order.kind = QdiscOrder::Kind::tbf;
    order.rate_bps = std::int64_t{8} * rtnl_qdisc_tbf_get_rate(root.get());
    order.bucket_bytes = rtnl_qdisc_tbf_get_rate_bucket(root.get());
    order.limit_bytes = rtnl_qdisc_tbf_get_limit(root.get());
    return order;
  }
  if (kind != "htb") return std::nullopt;
  PM_TRY(const auto rate_bps, htb_rate_bps(socket_.get(), state.ifindex));
  const QdiscPtr leaf(rtnl_qdisc_get_by_parent(cache.get(), state.ifindex, kHtbClass));
  if (!rate_bps || leaf == nullptr ||
      std::string_view(rtnl_tc_get_kind(TC_CAST(leaf.get()))) != "pfifo") {
    return std::nullopt;
  }
  order.kind = QdiscOrder::Kind::htb;
  order.rate_bps = *rate_bps;
  order.limit_frames = rtnl_qdisc_fifo_get_limit(leaf.get());
  return order;
}

namespace {

TcStats stats_of(rtnl_tc* tc) {
  const auto narrow = [tc](rtnl_tc_stat which) {
    return static_cast<std::uint32_t>(rtnl_tc_get_stat(tc, which));
  };
  return {.bytes = rtnl_tc_get_stat(tc, RTNL_TC_BYTES),
          .packets = narrow(RTNL_TC_PACKETS),
          .drops = narrow(RTNL_TC_DROPS),
          .overlimits = narrow(RTNL_TC_OVERLIMITS),
          .requeues = narrow(RTNL_TC_REQUEUES)};
}

std::string kind_of(rtnl_tc* tc) {
  const char* kind = rtnl_tc_get_kind(tc);
  return kind == nullptr ? std::string() : std::string(kind);
}

// Calls `each` with every object of a cache that holds qdiscs or classes alone; TC_CAST is the
// library's own cast for them.
template <typename Each>
void for_each_tc(nl_cache* cache, Each each) {
  for (nl_object* object = nl_cache_get_first(cache); object != nullptr;
       object = nl_cache_get_next(object)) {
    each(reinterpret_cast<rtnl_tc*>(object));
  }
}

}  // namespace

Result<std::vector<QdiscState>> Netlink::qdiscs() {
  nl_cache* raw = nullptr;
  if (const int error = rtnl_qdisc_alloc_cache(socket_.get(), &raw); error < 0) {
    return netlink_refusal(error, "qdiscs");
  }
  const CachePtr cache(raw);
  std::vector<QdiscState> qdiscs;
  for_each_tc(cache.get(), [&](rtnl_tc* tc) {
    const std::uint32_t parent = rtnl_tc_get_parent(tc);
    qdiscs.push_back({.ifindex = rtnl_tc_get_ifindex(tc),
                      .kind = kind_of(tc),
                      .handle = rtnl_tc_get_handle(tc),
                      .parent = parent,
                      .root = parent == TC_H_ROOT,
                      .ingress = parent == TC_H_INGRESS,
                      .stats = stats_of(tc)});
  });
  return qdiscs;
}

Result<std::vector<QdiscState>> Netlink::qdiscs(std::string_view netdev) {
  PM_TRY(const LinkState state, link(netdev));
  PM_TRY(auto of_all, qdiscs());
  std::erase_if(of_all, [&](const QdiscState& qdisc) { return qdisc.ifindex != state.ifindex; });
  return of_all;
}

Result<std::vector<ClassState>> Netlink::classes(int ifindex) {
  nl_cache* raw = nullptr;
  if (const int error = rtnl_class_alloc_cache(socket_.get(), ifindex, &raw); error < 0) {
    return netlink_refusal(error, "classes");
  }
  const CachePtr cache(raw);
  std::vector<ClassState> classes;
  for_each_tc(cache.get(), [&](rtnl_tc* tc) {
    classes.push_back(
        {.kind = kind_of(tc), .handle = rtnl_tc_get_handle(tc), .stats = stats_of(tc)});
  });
  return classes;
}

std::string tc_handle_text(std::uint32_t handle) {
  const std::uint32_t minor = handle & 0xffffU;
  return minor == 0 ? fmt::format("{:x}:", handle >> 16)
                    : fmt::format("{:x}:{:x}", handle >> 16, minor);
}

std::string qdisc_text(const QdiscState& qdisc) {
  if (qdisc.root) return fmt::format("{}[{} root]", qdisc.kind, tc_handle_text(qdisc.handle));
  return fmt::format("{}[{}]", qdisc.kind,
                     tc_handle_text(qdisc.handle == 0 ? qdisc.parent : qdisc.handle));
}

}  // namespace pollmark
