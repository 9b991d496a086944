#include "rig/mbuf_pool.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>

#include "host/numa_placement.h"
#include "rig/eal.h"

namespace pollmark {

rte_mempool* create_mbuf_pool(const std::string& name, std::uint32_t mbufs, std::uint32_t cache,
                              std::uint32_t data_room_bytes, const char* ops) {
  rte_mempool* pool = rte_mempool_create_empty(
      name.c_str(), mbufs, static_cast<unsigned>(sizeof(rte_mbuf)) + data_room_bytes, cache,
      sizeof(rte_pktmbuf_pool_private), memory_socket(), RTE_MEMPOOL_F_NO_IOVA_CONTIG);
  if (pool == nullptr) return nullptr;
  rte_pktmbuf_pool_private room{};
  room.mbuf_data_room_size = static_cast<std::uint16_t>(data_room_bytes);
  int error =
      rte_mempool_set_ops_byname(pool, ops != nullptr ? ops : rte_mbuf_best_mempool_ops(), nullptr);
  if (error == 0) {
    rte_pktmbuf_pool_init(pool, &room);
    error = rte_mempool_populate_default(pool);
  }
  if (error < 0) {
    rte_mempool_free(pool);
    rte_errno = -error;
    return nullptr;
  }
  rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
  return pool;
}

std::vector<int> nodes_of_pool(rte_mempool& pool) {
  constexpr unsigned kMostMbufs = 4096;
  struct Sample {
    unsigned step;
    std::vector<void*> mbufs;
  } sample{pool.size / kMostMbufs + 1, {}};
  rte_mempool_obj_iter(
      &pool,
      [](rte_mempool* /*pool*/, void* taken, void* mbuf, unsigned index) {
        auto& into = *static_cast<Sample*>(taken);
        if (index % into.step == 0) into.mbufs.push_back(mbuf);
      },
      &sample);
  return nodes_of_pages(sample.mbufs);
}

}  // namespace pollmark
