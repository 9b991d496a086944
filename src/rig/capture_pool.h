// Prebuilt mbufs that can be sent again and again: a pool whose only work is to count what comes
// back. Drivers free what they sent; here that is one addition, and no reference is counted.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/error.h"

struct rte_mbuf;
struct rte_mempool;

namespace pollmark {

// One lcore sends its mbufs, and its driver frees them on that lcore.
class CapturePool {
 public:
  // room_bytes: of each frame, without head room.
  //   Errors: host_cannot with DPDK's reason.
  [[nodiscard]] static Result<std::unique_ptr<CapturePool>> create(const std::string& name,
                                                                   std::uint32_t frames,
                                                                   std::uint32_t room_bytes);
  CapturePool(const CapturePool&) = delete;
  CapturePool& operator=(const CapturePool&) = delete;
  ~CapturePool();

  [[nodiscard]] std::vector<rte_mbuf*>& mbufs() { return mbufs_; }
  [[nodiscard]] const std::uint64_t* freed() const { return freed_; }  // ever, by a driver

 private:
  CapturePool() = default;
  rte_mempool* pool_ = nullptr;
  std::vector<rte_mbuf*> mbufs_;
  std::uint64_t* freed_ = nullptr;
};

}  // namespace pollmark
