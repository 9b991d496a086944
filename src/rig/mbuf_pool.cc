#include "rig/mbuf_pool.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>

namespace pollmark {

rte_mempool* create_mbuf_pool(const std::string& name, std::uint32_t mbufs, std::uint32_t cache,
                              std::uint32_t data_room_bytes, const char* ops) {
  rte_mempool* pool = rte_mempool_create_empty(
      name.c_str(), mbufs, static_cast<unsigned>(sizeof(rte_mbuf)) + data_room_bytes, cache,
      sizeof(rte_pktmbuf_pool_private), SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
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

}  // namespace pollmark
