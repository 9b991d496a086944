// What count_and_drop of xdp_programs.bpf.c counts on each CPU, as that program and its reader both
// see it: plain C, no padding.
#pragma once

#include <linux/types.h>

struct pm_xdp_tally {
  __u64 pkts;          // all that came
  __u64 window_pkts;   // with the trial's stamp
  __u64 window_bytes;  // of those, without FCS
  __u64 warmup_pkts;   // of another epoch
  __u64 late_pkts;     // of those, behind a frame of the window on the same CPU
};
