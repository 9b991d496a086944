// Pools of mbufs for ports that do no DMA.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

struct rte_mempool;

namespace pollmark {

// Like rte_pktmbuf_pool_create, but mbufs lie side by side whatever the pages under them. Without
// hugepages DPDK would put each on a page of its own, for the sake of devices that read physical
// memory: all headers then compete for the same few lines of the first-level cache (on a model
// trial half of the cycles per packet), and most of the memory is a gap.
//   cache  mbufs of each lcore's own cache; 0: none
//   ops    DPDK's name of the pool's operations; nullptr: the default ones
//   returns  nullptr with rte_errno set
[[nodiscard]] rte_mempool* create_mbuf_pool(const std::string& name, std::uint32_t mbufs,
                                            std::uint32_t cache, std::uint32_t data_room_bytes,
                                            const char* ops = nullptr);

// NUMA nodes that the mbufs lie on now, ascending; empty: not told. Looks at every
// mbuf, of more than 4096 at that many, evenly spread.
[[nodiscard]] std::vector<int> nodes_of_pool(rte_mempool& pool);

}  // namespace pollmark
