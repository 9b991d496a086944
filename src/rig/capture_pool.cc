#include "rig/capture_pool.h"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <cerrno>

#include "rig/mbuf_pool.h"

namespace pollmark {
namespace {

constexpr const char* kOpsName = "pollmark_capture";

int alloc(rte_mempool* pool) {
  pool->pool_data = new std::uint64_t{0};
  return 0;
}
void release(rte_mempool* pool) { delete static_cast<std::uint64_t*>(pool->pool_data); }
int enqueue(rte_mempool* pool, void* const* /*mbufs*/, unsigned count) {
  *static_cast<std::uint64_t*>(pool->pool_data) += count;
  return 0;
}
// Nobody allocates from it: who sends knows the mbufs.
int dequeue(rte_mempool* /*pool*/, void** /*mbufs*/, unsigned /*count*/) { return -ENOBUFS; }
unsigned count_of(const rte_mempool* pool) { return pool->size; }

bool register_ops() {
  rte_mempool_ops ops{};
  std::snprintf(ops.name, sizeof ops.name, "%s", kOpsName);
  ops.alloc = alloc;
  ops.free = release;
  ops.enqueue = enqueue;
  ops.dequeue = dequeue;
  ops.get_count = count_of;
  return rte_mempool_register_ops(&ops) >= 0;
}

}  // namespace

Result<std::unique_ptr<CapturePool>> CapturePool::create(const std::string& name,
                                                         std::uint32_t frames,
                                                         std::uint32_t room_bytes) {
  static const bool registered = register_ops();
  if (!registered) return fail(Errc::host_cannot, "DPDK has no room for another kind of pool");
  std::unique_ptr<CapturePool> made(new CapturePool());
  made->pool_ = create_mbuf_pool(name, frames, 0, RTE_PKTMBUF_HEADROOM + room_bytes, kOpsName);
  if (made->pool_ == nullptr)
    return fail(Errc::host_cannot, fmt::format("no memory for {} frames of up to {} bytes ({})",
                                               frames, room_bytes, rte_strerror(rte_errno)));
  made->mbufs_.reserve(frames);
  rte_mempool_obj_iter(
      made->pool_,
      [](rte_mempool* /*pool*/, void* all, void* mbuf, unsigned /*index*/) {
        static_cast<std::vector<rte_mbuf*>*>(all)->push_back(static_cast<rte_mbuf*>(mbuf));
      },
      &made->mbufs_);
  made->freed_ = static_cast<std::uint64_t*>(made->pool_->pool_data);
  *made->freed_ = 0;  // populating counted each of them
  return made;
}

CapturePool::~CapturePool() { rte_mempool_free(pool_); }

}  // namespace pollmark
