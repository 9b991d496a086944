// The programs at a device's XDP hook: one hands its frames to an AF_XDP socket, the other counts
// and drops them.
#include <linux/bpf.h>
// The others use its types.
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "kernel/xdp_tally.h"

char program_license[] SEC("license") = "Dual BSD/GPL";

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u32);
} sockets SEC(".maps");

// What no socket takes goes on to the stack.
SEC("xdp")
int to_socket(struct xdp_md* frame) {
  return bpf_redirect_map(&sockets, frame->rx_queue_index, XDP_PASS);
}

// Set before the program is loaded.
const volatile __u8 wanted_epoch;
const volatile __u32 wanted_flows;

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct pm_xdp_tally);
} tallies SEC(".maps");

#define PM_LEAST_FRAME 60  // without FCS
#define PM_STAMP_MAGIC 0xb7
#define PM_VLAN 0x8100
#define PM_QINQ 0x88a8
#define PM_IPV4 0x0800
#define PM_IPV6 0x86dd
#define PM_TCP 6
#define PM_UDP 17

struct bytes {
  const __u8* at;
  const __u8* end;
};

static __always_inline int holds(const struct bytes* frame, __u32 bytes) {
  return frame->at + bytes <= frame->end;
}

static __always_inline __u16 word_at(const __u8* at) { return (__u16)(at[0] << 8 | at[1]); }

// Steps over Ethernet, VLAN tags, IP and UDP or TCP. 0: other frames.
static __always_inline int find_payload(struct bytes* frame) {
  if (!holds(frame, 14)) return 0;
  __u16 type = word_at(frame->at + 12);
  frame->at += 14;
  for (int tag = 0; tag < 2 && (type == PM_VLAN || type == PM_QINQ); ++tag) {
    if (!holds(frame, 4)) return 0;
    type = word_at(frame->at + 2);
    frame->at += 4;
  }
  __u8 protocol;
  if (type == PM_IPV4) {
    if (!holds(frame, 20)) return 0;
    if ((frame->at[6] & 0x3f) | frame->at[7]) return 0;  // a fragment
    protocol = frame->at[9];
    __u32 header = (frame->at[0] & 0x0f) * 4;
    if (header < 20) return 0;
    frame->at += header;
  } else if (type == PM_IPV6) {
    if (!holds(frame, 40)) return 0;
    protocol = frame->at[6];
    frame->at += 40;
  } else {
    return 0;
  }
  if (protocol == PM_UDP) {
    frame->at += 8;
    return 1;
  }
  if (protocol != PM_TCP || !holds(frame, 20)) return 0;
  frame->at += (frame->at[12] >> 4) * 4;
  return 1;
}

SEC("xdp.frags")
int count_and_drop(struct xdp_md* xdp) {
  __u32 only = 0;
  struct pm_xdp_tally* tally = bpf_map_lookup_elem(&tallies, &only);
  if (!tally) return XDP_DROP;
  tally->pkts += 1;
  const __u64 bytes = bpf_xdp_get_buff_len(xdp);
  struct bytes frame = {.at = (const __u8*)(long)xdp->data,
                        .end = (const __u8*)(long)xdp->data_end};
  // The stamp: magic, epoch, flow (16 bits, little endian), ...; 16 bytes in all.
  if (!find_payload(&frame) || !holds(&frame, 16)) return XDP_DROP;
  if (frame.at[0] != PM_STAMP_MAGIC) return XDP_DROP;
  if ((__u32)(frame.at[2] | frame.at[3] << 8) >= wanted_flows) return XDP_DROP;
  if (frame.at[1] != wanted_epoch) {
    tally->warmup_pkts += 1;
    if (tally->window_pkts) tally->late_pkts += 1;
    return XDP_DROP;
  }
  tally->window_pkts += 1;
  tally->window_bytes += bytes < PM_LEAST_FRAME ? PM_LEAST_FRAME : bytes;
  return XDP_DROP;
}
