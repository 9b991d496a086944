// The tables of drop_reasons.bpf.c, as that program and its reader both see them: plain C, no
// padding, so that a key compares byte by byte.
#pragma once

#include <linux/types.h>

// A BPF program that is to count for no more namespaces than this; 0 of them: for all.
#define PM_DROP_MAX_NAMESPACES 8
#define PM_DROP_MAX_ROWS 4096
#define PM_DROP_MAX_FLOWS 16384

struct pm_drop_key {
  __u64 location;  // address in the kernel that gave the packet up
  __u32 netns;     // inode of the namespace; 0: not told
  __u32 ifindex;   // 0: not told
  __u32 reason;    // enum skb_drop_reason of the running kernel
  __u16 protocol;  // EtherType, host byte order
  __u16 came_in;  // 1: a device of the namespace has received it; 0: on its way out, or to a device
};

struct pm_drop_count {
  __u64 pkts;
  __u64 segments;  // wire frames: gso_segs of a super-packet, else 1
};

// IPv4 addresses stand in the first four bytes. Ports are 0 without TCP or UDP.
struct pm_drop_flow {
  __u8 source[16];
  __u8 destination[16];
  __u32 netns;
  __u32 reason;
  __u16 source_port;  // host byte order
  __u16 destination_port;
  __u8 ip_version;
  __u8 ip_protocol;
  __u16 unused;
};
