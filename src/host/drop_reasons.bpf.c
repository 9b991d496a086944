// Counts the packets that the kernel gives up (tracepoint skb:kfree_skb), by namespace, device,
// reason, place and protocol. Costs nothing while nothing is dropped.
//
// The kernel's structures are declared here with no more than is read of them; libbpf finds where
// the running kernel keeps each member (CO-RE). No header of one kernel is needed to build.
#include <linux/bpf.h>
// The others use its types.
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "host/drop_keys.h"

char program_license[] SEC("license") = "Dual BSD/GPL";

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct ns_common {
  unsigned int inum;
};
struct net {
  struct ns_common ns;
};
typedef struct {
  struct net* net;
} possible_net_t;
struct net_device {
  int ifindex;
  possible_net_t nd_net;
};
struct sock_common {
  possible_net_t skc_net;
};
struct sock {
  struct sock_common __sk_common;
};
struct skb_shared_info {
  unsigned short gso_segs;
};
struct sk_buff {
  struct net_device* dev;
  unsigned long dev_scratch;  // where dev is
  struct sock* sk;
  int skb_iif;
  __be16 protocol;
  __u16 network_header;
  unsigned int end;
  unsigned char* head;
};
#pragma clang attribute pop

// Set before the program is loaded.
const volatile __u32 wanted_netns[PM_DROP_MAX_NAMESPACES];
const volatile __u32 wanted_netns_count;  // 0: every namespace
const volatile __u8 by_flow;

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, PM_DROP_MAX_ROWS);
  __type(key, struct pm_drop_key);
  __type(value, struct pm_drop_count);
} drops SEC(".maps");

// The flows that lost packets last; the one that has not for longest makes room.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, PM_DROP_MAX_FLOWS);
  __type(key, struct pm_drop_flow);
  __type(value, struct pm_drop_count);
} flows SEC(".maps");

// Packets that found the table of drops full.
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} uncounted SEC(".maps");

// What the tracepoint passes is read as C reads it: quicker than by a helper for each member.

// In a UDP receive queue the place of skb->dev holds lengths and flags. Those never have the upper
// bits set that every address in the kernel has.
static __always_inline struct net_device* device_of(struct sk_buff* skb) {
  return skb->dev_scratch >> 48 == 0xffff ? skb->dev : 0;
}

static __always_inline __u32 netns_of(struct sk_buff* skb, struct net_device* device,
                                      struct sock* receiving) {
  if (receiving) return receiving->__sk_common.skc_net.net->ns.inum;
  if (device) return device->nd_net.net->ns.inum;
  struct sock* sending = BPF_CORE_READ(skb, sk);
  return sending ? BPF_CORE_READ(sending, __sk_common.skc_net.net, ns.inum) : 0;
}

static __always_inline int is_wanted(__u32 netns) {
  if (wanted_netns_count == 0) return 1;
  for (__u32 i = 0; i < PM_DROP_MAX_NAMESPACES; ++i) {
    if (i < wanted_netns_count && wanted_netns[i] == netns) return 1;
  }
  return 0;
}

static __always_inline __u64 segments_of(struct sk_buff* skb) {
  struct skb_shared_info* shared = (struct skb_shared_info*)(skb->head + skb->end);
  __u16 segments = BPF_CORE_READ(shared, gso_segs);
  return segments > 1 ? segments : 1;
}

static __always_inline void count_row(const struct pm_drop_key* key, __u64 segments) {
  struct pm_drop_count* count = bpf_map_lookup_elem(&drops, key);
  if (!count) {
    struct pm_drop_count none = {};
    bpf_map_update_elem(&drops, key, &none, BPF_NOEXIST);
    count = bpf_map_lookup_elem(&drops, key);
  }
  if (count) {
    count->pkts += 1;
    count->segments += segments;
    return;
  }
  __u32 only = 0;
  __u64* lost = bpf_map_lookup_elem(&uncounted, &only);
  if (lost) *lost += 1;
}

static __always_inline int read_ipv4(const unsigned char* header, struct pm_drop_flow* flow) {
  unsigned char ip[20];
  if (bpf_probe_read_kernel(ip, sizeof ip, header) || ip[0] >> 4 != 4) return -1;
  __builtin_memcpy(flow->source, ip + 12, 4);
  __builtin_memcpy(flow->destination, ip + 16, 4);
  flow->ip_version = 4;
  flow->ip_protocol = ip[9];
  // Behind the first fragment there are no ports.
  return (ip[6] & 0x1f) == 0 && ip[7] == 0 ? (ip[0] & 0x0f) * 4 : -1;
}

static __always_inline int read_ipv6(const unsigned char* header, struct pm_drop_flow* flow) {
  unsigned char ip[40];
  if (bpf_probe_read_kernel(ip, sizeof ip, header) || ip[0] >> 4 != 6) return -1;
  __builtin_memcpy(flow->source, ip + 8, 16);
  __builtin_memcpy(flow->destination, ip + 24, 16);
  flow->ip_version = 6;
  flow->ip_protocol = ip[6];
  return sizeof ip;
}

static __always_inline void count_flow(struct sk_buff* skb, const struct pm_drop_key* key,
                                       __u64 segments) {
  struct pm_drop_flow flow = {.netns = key->netns, .reason = key->reason};
  const unsigned char* header = skb->head + skb->network_header;
  int ports_at = -1;
  if (key->protocol == 0x0800) ports_at = read_ipv4(header, &flow);
  if (key->protocol == 0x86dd) ports_at = read_ipv6(header, &flow);
  if (!flow.ip_version) return;
  __be16 ports[2];
  if (ports_at >= 0 && (flow.ip_protocol == 6 || flow.ip_protocol == 17) &&
      !bpf_probe_read_kernel(ports, sizeof ports, header + ports_at)) {
    flow.source_port = bpf_ntohs(ports[0]);
    flow.destination_port = bpf_ntohs(ports[1]);
  }
  struct pm_drop_count* count = bpf_map_lookup_elem(&flows, &flow);
  if (!count) {
    struct pm_drop_count none = {};
    bpf_map_update_elem(&flows, &flow, &none, BPF_NOEXIST);
    count = bpf_map_lookup_elem(&flows, &flow);
  }
  if (!count) return;
  __sync_fetch_and_add(&count->pkts, 1);
  __sync_fetch_and_add(&count->segments, segments);
}

static __always_inline int count_drop(struct sk_buff* skb, void* location, __u32 reason,
                                      struct sock* receiving) {
  struct net_device* device = device_of(skb);
  struct pm_drop_key key = {.location = (__u64)location, .reason = reason};
  key.netns = netns_of(skb, device, receiving);
  if (!is_wanted(key.netns)) return 0;
  key.ifindex = device ? device->ifindex : skb->skb_iif;
  key.protocol = bpf_ntohs(skb->protocol);
  key.came_in = skb->skb_iif != 0;
  __u64 segments = segments_of(skb);
  count_row(&key, segments);
  if (by_flow) count_flow(skb, &key, segments);
  return 0;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(count_with_socket, struct sk_buff* skb, void* location, int reason,
             struct sock* receiving) {
  return count_drop(skb, location, reason, receiving);
}

// Linux 5.17 to 6.10 do not tell the socket.
SEC("tp_btf/kfree_skb")
int BPF_PROG(count_without_socket, struct sk_buff* skb, void* location, int reason) {
  return count_drop(skb, location, reason, 0);
}
