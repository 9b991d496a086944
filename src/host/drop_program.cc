#include "host/drop_program.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <drop_reasons.skel.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

#include "host/drop_keys.h"
#include "host/file_text.h"
#include "host/kernel_symbols.h"
#include "host/netns.h"

namespace pollmark {
namespace {

struct SkeletonDestroyed {
  void operator()(drop_reasons* program) const { drop_reasons::destroy(program); }
};
using SkeletonPtr = std::unique_ptr<drop_reasons, SkeletonDestroyed>;

struct BtfFreed {
  void operator()(btf* types) const { btf__free(types); }
};
using BtfPtr = std::unique_ptr<btf, BtfFreed>;

tl::unexpected<Error> bpf_refusal(std::string what) {
  return fail(Errc::host_cannot, std::move(what), "BPF");
}

// nullptr: this kernel has none of that name.
const btf_type* type_named(const btf* types, const char* name, __u32 kind) {
  const int id = btf__find_by_name_kind(types, name, kind);
  return id < 0 ? nullptr : btf__type_by_id(types, static_cast<__u32>(id));
}

// Of what the tracepoint tells; nullopt: it is not among the kernel's types.
std::optional<unsigned> tracepoint_arguments(const btf* types) {
  const btf_type* name = type_named(types, "btf_trace_kfree_skb", BTF_KIND_TYPEDEF);
  if (name == nullptr) return std::nullopt;
  const btf_type* pointer = btf__type_by_id(types, name->type);
  return btf_vlen(btf__type_by_id(types, pointer->type)) - 1U;  // the first is the tracer's own
}

using ReasonNames = std::unordered_map<std::uint32_t, std::string>;

ReasonNames reason_names(const btf* types) {
  constexpr std::string_view kPrefix = "SKB_DROP_REASON_";
  ReasonNames names;
  const btf_type* reasons = type_named(types, "skb_drop_reason", BTF_KIND_ENUM);
  if (reasons == nullptr) return names;
  for (const auto& one : std::span(btf_enum(reasons), btf_vlen(reasons))) {
    std::string_view name = btf__name_by_offset(types, one.name_off);
    if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
    names.emplace(static_cast<std::uint32_t>(one.val), name);
  }
  return names;
}

// Reasons of mac80211 and openvswitch carry their subsystem in the upper half.
std::string reason_text(const ReasonNames& names, std::uint32_t reason) {
  if (const auto found = names.find(reason); found != names.end()) return found->second;
  return fmt::format("SUBSYSTEM_{}_REASON_{}", reason >> 16, reason & 0xffffU);
}

std::string flow_end_text(const pm_drop_flow& flow, const __u8* address, __u16 port) {
  const bool six = flow.ip_version == 6;
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(six ? AF_INET6 : AF_INET, address, text.data(), text.size());
  if (flow.source_port == 0 && flow.destination_port == 0) return text.data();
  return fmt::format("{}{}{}:{}", six ? "[" : "", text.data(), six ? "]" : "", port);
}

template <typename Key>
using Counted = std::vector<std::pair<Key, DropCount>>;

DropCount sum_of(std::span<const pm_drop_count> counts) {
  DropCount sum;
  for (const pm_drop_count& count : counts) {
    sum.pkts += static_cast<std::int64_t>(count.pkts);
    sum.segments += static_cast<std::int64_t>(count.segments);
  }
  return sum;
}

// A table with its values summed: one of every CPU where it is kept by CPU.
template <typename Key>
Result<Counted<Key>> read_table(const bpf_map* table, std::size_t values_per_key) {
  constexpr std::uint32_t kBatch = 512;
  Counted<Key> rows;
  std::vector<Key> keys(kBatch);
  std::vector<pm_drop_count> values(kBatch * values_per_key);
  std::uint32_t place = 0;
  for (bool first = true;; first = false) {
    std::uint32_t got = kBatch;
    const int error = bpf_map_lookup_batch(bpf_map__fd(table), first ? nullptr : &place, &place,
                                           keys.data(), values.data(), &got, nullptr);
    if (error != 0 && error != -ENOENT) return bpf_refusal(std::strerror(-error));
    for (std::size_t k = 0; k < got; ++k) {
      rows.emplace_back(keys[k],
                        sum_of(std::span(values).subspan(k * values_per_key, values_per_key)));
    }
    if (error != 0) return rows;
  }
}

class DropProgramTable final : public DropTable {
 public:
  static Result<std::unique_ptr<DropTable>> start(const DropOrder& order) {
    libbpf_set_print(nullptr);  // errors are told by their codes
    auto table = std::unique_ptr<DropProgramTable>(new DropProgramTable);
    PM_TRYV(table->open(order));
    PM_TRYV(table->run());
    return table;
  }

  // The tables first, one right after the other: to name what is in them takes time.
  Result<DropReading> read() override {
    DropReading reading;
    PM_TRY(const auto places, read_table<pm_drop_key>(program_->maps.drops, cpus_));
    Counted<pm_drop_flow> flows;
    if (program_->rodata->by_flow != 0) {
      PM_TRY(flows, read_table<pm_drop_flow>(program_->maps.flows, 1));
      reading.flows.emplace();
    }
    PM_TRY(reading.unseen_pkts, read_uncounted());
    for (const auto& [key, count] : places) add(reading.places[place_of(key)], count);
    for (const auto& [key, count] : flows) add((*reading.flows)[flow_of(key)], count);
    return reading;
  }

 private:
  DropProgramTable() = default;

  Result<void> open(const DropOrder& order) {
    const BtfPtr types(btf__load_vmlinux_btf());
    if (!types) return bpf_refusal("this kernel does not tell its types (/sys/kernel/btf/vmlinux)");
    const auto arguments = tracepoint_arguments(types.get());
    if (!arguments || *arguments < 3) {
      return bpf_refusal("this kernel tells no reasons (Linux 5.17 and later do)");
    }
    reasons_ = reason_names(types.get());
    program_.reset(drop_reasons::open());
    if (!program_) return bpf_refusal(std::strerror(errno));
    const bool tells_socket = *arguments > 3;
    bpf_program__set_autoload(program_->progs.count_with_socket, tells_socket);
    bpf_program__set_autoload(program_->progs.count_without_socket, !tells_socket);
    program_->rodata->by_flow = order.by_flow ? 1 : 0;
    return want(order.netns_fds);
  }

  Result<void> want(const std::vector<int>& netns_fds) {
    PM_CHECK(netns_fds.size() <= PM_DROP_MAX_NAMESPACES);
    for (const int fd : netns_fds) {
      PM_TRY(const ScopedNetns inside, ScopedNetns::enter(fd));
      PM_TRY(Netns netns, Netns::current());
      program_->rodata->wanted_netns[program_->rodata->wanted_netns_count++] =
          static_cast<__u32>(netns.inode());
      watched_.push_back(std::move(netns));
    }
    if (netns_fds.empty()) {
      PM_TRY(watched_.emplace_back(), Netns::current());
    }
    return {};
  }

  Result<void> run() {
    int error = drop_reasons::load(program_.get());
    if (error == 0) error = drop_reasons::attach(program_.get());
    if (error == -EPERM || error == -EACCES) return bpf_refusal("needs CAP_BPF and CAP_PERFMON");
    if (error != 0) {
      return bpf_refusal(fmt::format("the kernel refused the program: {}", std::strerror(-error)));
    }
    return {};
  }

  Result<std::int64_t> read_uncounted() {
    std::vector<std::int64_t> of_cpus(cpus_);
    constexpr std::uint32_t kOnly = 0;
    const int map = bpf_map__fd(program_->maps.uncounted);
    if (bpf_map_lookup_elem(map, &kOnly, of_cpus.data()) != 0) {
      return bpf_refusal(std::strerror(errno));
    }
    return std::accumulate(of_cpus.begin(), of_cpus.end(), std::int64_t{0});
  }

  // Two keys can have one name: a function gives packets up at several addresses.
  static void add(DropCount& sum, const DropCount& count) {
    sum.pkts += count.pkts;
    sum.segments += count.segments;
  }

  DropPlace place_of(const pm_drop_key& key) {
    return {.netns = key.netns,
            .netdev = netdev_of(key),
            .reason = reason_text(reasons_, key.reason),
            .function = function_at(key.location),
            .ethertype = key.protocol,
            .direction = key.came_in != 0 ? DropDirection::in : DropDirection::out};
  }

  [[nodiscard]] DroppedFlow flow_of(const pm_drop_flow& flow) const {
    return {.netns = flow.netns,
            .reason = reason_text(reasons_, flow.reason),
            .ip_protocol = flow.ip_protocol,
            .source = flow_end_text(flow, flow.source, flow.source_port),
            .destination = flow_end_text(flow, flow.destination, flow.destination_port)};
  }

  // A device keeps the name that it had when it first lost a packet.
  const std::string& netdev_of(const pm_drop_key& key) {
    const auto [found, is_new] = netdevs_.try_emplace({key.netns, key.ifindex});
    if (!is_new || key.ifindex == 0) return found->second;
    found->second = fmt::format("if{}", key.ifindex);
    for (const Netns& netns : watched_) {
      if (netns.inode() != key.netns) continue;
      const auto inside = ScopedNetns::enter(netns.fd());
      std::array<char, IF_NAMESIZE> name{};
      if (inside && if_indextoname(key.ifindex, name.data()) != nullptr) {
        found->second = name.data();
      }
    }
    return found->second;
  }

  const std::string& function_at(std::uint64_t address) {
    const auto [found, is_new] = functions_.try_emplace(address);
    if (is_new) {
      if (!symbols_) {
        symbols_ = KernelSymbols::parse(read_text_at(AT_FDCWD, "/proc/kallsyms").value_or(""));
      }
      found->second = symbols_->function_at(address).value_or(fmt::format("0x{:x}", address));
    }
    return found->second;
  }

  SkeletonPtr program_;
  std::size_t cpus_ = static_cast<std::size_t>(libbpf_num_possible_cpus());
  std::vector<Netns> watched_;
  ReasonNames reasons_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::string> netdevs_;  // by netns, ifindex
  std::unordered_map<std::uint64_t, std::string> functions_;
  std::optional<KernelSymbols> symbols_;  // read when the first packet is lost
};

}  // namespace

Result<std::unique_ptr<DropTable>> start_drop_program(const DropOrder& order) {
  return DropProgramTable::start(order);
}

}  // namespace pollmark
