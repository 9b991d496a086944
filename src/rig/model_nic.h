// The DPDK objects of one model trial: pool, receive queues as rings behind a port of the ring
// driver, posted descriptors, software rings. Made anew for each trial, and all given back.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/error.h"
#include "datapath/model_link.h"
#include "datapath/software_ring.h"
#include "datapath/tx_sink.h"

namespace pollmark {

struct ModelNicOrder {
  int queues = 1;      // 1..16, the limit of DPDK's ring driver
  int rx_ring = 1024;  // descriptors per queue
  int lcores = 1;      // virtual, each with its own pool cache
  int software_rings = 0;
  int ring = 0;                            // slots of each
  std::vector<bool> ring_has_many_takers;  // per software ring
  int burst = 32;
  int pool_mbufs = 0;                  // 0: enough for all
  std::int64_t frame_most_bytes = 60;  // without FCS
  int tx_ring = 0;                     // descriptors of each lcore's transmit queue; 0: none
  double tx_ticks_per_byte = 0.0;      // of its line
  bool stamps = false;                 // completions carry stamps for the mbufs' dynamic field
};

// data_off, refcnt, nb_segs and port of a fresh mbuf, as one word (PoolAccess::rearm).
[[nodiscard]] std::uint64_t rearm_of(std::uint16_t port);

// MiB that such a NIC takes of EAL's memory, for EalOrder::memory_mib.
[[nodiscard]] std::int64_t model_nic_memory_mib(const ModelNicOrder& order);

class ModelNic {
 public:
  // Errors: host_cannot (DPDK's reason, or how much memory it takes).
  [[nodiscard]] static Result<std::unique_ptr<ModelNic>> create(const ModelNicOrder& order);
  ModelNic(const ModelNic&) = delete;
  ModelNic& operator=(const ModelNic&) = delete;
  ~ModelNic();

  [[nodiscard]] ModelQueue& queue(int number) { return queues_[static_cast<std::size_t>(number)]; }
  [[nodiscard]] SoftwareRing& ring(int number) { return rings_[static_cast<std::size_t>(number)]; }
  [[nodiscard]] PoolAccess access(int lcore) const;
  // nullptr without transmit queues.
  [[nodiscard]] TxSink* sink(int lcore) {
    return sinks_.empty() ? nullptr : &sinks_[static_cast<std::size_t>(lcore)];
  }
  [[nodiscard]] std::uint32_t stamp_offset() const { return stamp_offset_; }
  [[nodiscard]] std::int64_t page_size_bytes() const;  // of the pool's memory
  [[nodiscard]] std::vector<int> pool_nodes() const;   // as nodes_of_pool()
  [[nodiscard]] std::int64_t pool_mbufs() const;
  // mbufs that are neither in the pool, nor in a cache, nor posted, nor on their way out: 0 after a
  // drained trial.
  [[nodiscard]] std::int64_t missing_mbufs() const;
  // Posts the first mbufs: every queue is full, or has its share of a pool that is too small.
  void post_all();

 private:
  ModelNic() = default;
  Result<void> build(const ModelNicOrder& order);

  rte_mempool* pool_ = nullptr;
  std::vector<rte_mempool_cache*> caches_;
  std::vector<ModelQueue> queues_;
  std::vector<SoftwareRing> rings_;
  std::vector<TxSink> sinks_;
  std::vector<rte_ring*> rx_rings_;
  rte_ring* tx_ring_ = nullptr;
  std::vector<void*> blocks_;  // of rte_zmalloc
  int port_ = -1;
  std::string port_name_;
  std::uint32_t stamp_offset_ = 0;
  std::uint64_t rearm_ = 0;
};

}  // namespace pollmark
