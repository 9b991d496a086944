#include "rig/model_nic.h"

#include <fmt/format.h>
#include <rte_bus_vdev.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf_dyn.h>
#include <rte_memory.h>

#include <algorithm>
#include <bit>

#include "rig/eal.h"
#include "rig/mbuf_pool.h"

namespace pollmark {
namespace {

constexpr int kCacheMbufs = 256;
constexpr std::int64_t kUsualDataRoomBytes = RTE_MBUF_DEFAULT_BUF_SIZE;

std::int64_t data_room_bytes(const ModelNicOrder& order) {
  // build_frame writes 64 bytes at least.
  const std::int64_t needed = RTE_PKTMBUF_HEADROOM + (order.frame_most_bytes + 63) / 64 * 64;
  return std::max(kUsualDataRoomBytes, needed);
}

// Every posted descriptor, every slot of a software ring, and what lcores hold in hand and cache.
std::int64_t mbufs_needed(const ModelNicOrder& order) {
  if (order.pool_mbufs > 0) return order.pool_mbufs;
  const std::int64_t per_lcore = kCacheMbufs * 2 + 2 * 64;
  return std::int64_t{order.queues} * order.rx_ring +
         std::int64_t{order.software_rings} * order.ring +
         order.lcores * (per_lcore + order.tx_ring) + 64;
}

int cache_mbufs(const ModelNicOrder& order) {
  if (order.pool_mbufs == 0) return kCacheMbufs;
  return std::min(kCacheMbufs, order.pool_mbufs / (8 * order.lcores));
}

std::string reason(int error) {
  std::string message = take_dpdk_message();
  return message.empty() ? rte_strerror(error) : message;
}

struct StampField {
  int offset = -1;
  int error = 0;
};

StampField register_stamp_field() {
  rte_mbuf_dynfield field{};
  std::snprintf(field.name, sizeof field.name, "pollmark_stamp");
  field.size = sizeof(Stamp);
  field.align = alignof(std::uint64_t);
  StampField registered;
  registered.offset = rte_mbuf_dynfield_register(&field);
  registered.error = rte_errno;
  return registered;
}

template <typename T>
T* zeroed(std::vector<void*>& blocks, std::size_t count) {
  // NOLINTNEXTLINE(bugprone-sizeof-expression): T may well be a pointer
  void* block = rte_zmalloc_socket("pollmark", count * sizeof(T), 64, memory_socket());
  if (block != nullptr) blocks.push_back(block);
  return static_cast<T*>(block);
}

}  // namespace

std::uint64_t rearm_of(std::uint16_t port) {
  rte_mbuf rearmed{};
  rearmed.data_off = RTE_PKTMBUF_HEADROOM;
  rearmed.nb_segs = 1;
  rearmed.port = port;
  rte_mbuf_refcnt_set(&rearmed, 1);
  std::uint64_t word = 0;
  std::memcpy(&word, reinterpret_cast<const std::uint8_t*>(&rearmed) + kRearmOffset, sizeof word);
  return word;
}

std::int64_t model_nic_memory_mib(const ModelNicOrder& order) {
  const std::int64_t element =
      rte_mempool_calc_obj_size(static_cast<std::uint32_t>(sizeof(rte_mbuf)) +
                                    static_cast<std::uint32_t>(data_room_bytes(order)),
                                RTE_MEMPOOL_F_NO_IOVA_CONTIG, nullptr);
  const auto slots =
      static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(order.rx_ring)));
  const std::int64_t bytes =
      mbufs_needed(order) * (element + 16) +
      order.queues * slots * static_cast<std::int64_t>(16 + sizeof(Completion) + sizeof(Stamp)) +
      std::int64_t{order.software_rings} * order.ring * 48;
  // A quarter more for what DPDK keeps beside, and for pages that nothing fits into any more.
  return (bytes + bytes / 4) / (1 << 20) + 16;
}

Result<std::unique_ptr<ModelNic>> ModelNic::create(const ModelNicOrder& order) {
  std::unique_ptr<ModelNic> nic(new ModelNic);
  (void)take_dpdk_message();
  if (auto built = nic->build(order); !built)
    return tl::unexpected<Error>(std::move(built).error().within("model port"));
  return nic;
}

Result<void> ModelNic::build(const ModelNicOrder& order) {
  static std::uint64_t made = 0;
  const std::string name = fmt::format("pm{}", made++);
  const auto no_memory = [&](std::string_view what) {
    return fail(Errc::host_cannot,
                fmt::format("no memory for {}: this trial takes {} MiB of DPDK's ({})", what,
                            model_nic_memory_mib(order), reason(rte_errno)));
  };

  pool_ = create_mbuf_pool(name, static_cast<std::uint32_t>(mbufs_needed(order)), 0,
                           static_cast<std::uint32_t>(data_room_bytes(order)));
  if (pool_ == nullptr) return no_memory(fmt::format("a pool of {} mbufs", mbufs_needed(order)));
  for (int lcore = 0; lcore < order.lcores && cache_mbufs(order) > 0; ++lcore) {
    rte_mempool_cache* cache =
        rte_mempool_cache_create(static_cast<std::uint32_t>(cache_mbufs(order)), memory_socket());
    if (cache == nullptr) return no_memory("a pool cache");
    caches_.push_back(cache);
  }

  if (order.stamps) {
    static const StampField field = register_stamp_field();
    if (field.offset < 0)
      return fail(Errc::host_cannot,
                  fmt::format("no dynamic mbuf field for stamps: {}", rte_strerror(field.error)));
    stamp_offset_ = static_cast<std::uint32_t>(field.offset);
  }

  const auto descriptors = static_cast<std::uint32_t>(order.rx_ring);
  const std::size_t slots = std::bit_ceil(descriptors);
  queues_.resize(static_cast<std::size_t>(order.queues));
  for (int number = 0; number < order.queues; ++number) {
    ModelQueue& queue = this->queue(number);
    queue.ring = rte_ring_create(fmt::format("{}_rx{}", name, number).c_str(), descriptors,
                                 memory_socket(), RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
    if (queue.ring == nullptr) return no_memory("a receive ring");
    rx_rings_.push_back(queue.ring);
    queue.posted = zeroed<rte_mbuf*>(blocks_, slots);
    queue.completions = zeroed<Completion>(blocks_, slots);
    if (order.stamps) queue.stamps = zeroed<Stamp>(blocks_, slots);
    if (queue.posted == nullptr || queue.completions == nullptr ||
        (order.stamps && queue.stamps == nullptr))
      return no_memory("descriptors");
    queue.mask = static_cast<std::uint32_t>(slots) - 1;
    queue.descriptors = descriptors;
    queue.queue = static_cast<std::uint16_t>(number);
  }

  rings_.resize(static_cast<std::size_t>(order.software_rings));
  for (int number = 0; number < order.software_rings; ++number) {
    SoftwareRing& ring = this->ring(number);
    const bool many = order.ring_has_many_takers[static_cast<std::size_t>(number)];
    ring.ring = rte_ring_create(fmt::format("{}_sw{}", name, number).c_str(),
                                static_cast<unsigned>(order.ring), memory_socket(),
                                RING_F_SP_ENQ | RING_F_EXACT_SZ | (many ? 0U : RING_F_SC_DEQ));
    const std::size_t batches = std::bit_ceil(static_cast<std::size_t>(order.ring) + 1);
    ring.batches = zeroed<VisibleFrom>(blocks_, batches);
    if (ring.ring == nullptr || ring.batches == nullptr) return no_memory("a software ring");
    ring.batch_mask = static_cast<std::uint32_t>(batches) - 1;
    ring.size = static_cast<std::uint32_t>(order.ring);
  }

  for (int lcore = 0; lcore < order.lcores && order.tx_ring > 0; ++lcore) {
    TxSink sink;
    const std::size_t tx_slots = std::bit_ceil(static_cast<std::size_t>(order.tx_ring));
    sink.held = zeroed<rte_mbuf*>(blocks_, tx_slots);
    sink.leaves_at = zeroed<Ticks>(blocks_, tx_slots);
    if (sink.held == nullptr || sink.leaves_at == nullptr) return no_memory("transmit descriptors");
    sink.mask = static_cast<std::uint32_t>(tx_slots) - 1;
    sink.ticks_per_byte = order.tx_ticks_per_byte;
    sinks_.push_back(sink);
  }

  // The ring driver wants a transmit queue, and a configuration without any RSS or offload.
  tx_ring_ =
      rte_ring_create((name + "_tx").c_str(), 64, memory_socket(), RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (tx_ring_ == nullptr) return no_memory("a transmit ring");
  port_ = rte_eth_from_rings(name.c_str(), rx_rings_.data(),
                             static_cast<unsigned>(rx_rings_.size()), &tx_ring_, 1, 0);
  if (port_ < 0)
    return fail(Errc::host_cannot, fmt::format("rte_eth_from_rings: {}", reason(rte_errno)));
  port_name_ = "net_ring_" + name;
  const auto port = static_cast<std::uint16_t>(port_);
  const rte_eth_conf none{};
  int result = rte_eth_dev_configure(port, static_cast<std::uint16_t>(order.queues), 1, &none);
  for (std::uint16_t number = 0; result == 0 && number < order.queues; ++number)
    result = rte_eth_rx_queue_setup(port, number,
                                    static_cast<std::uint16_t>(std::min(order.rx_ring, 32768)), 0,
                                    nullptr, pool_);
  if (result == 0) result = rte_eth_tx_queue_setup(port, 0, 64, 0, nullptr);
  if (result == 0) result = rte_eth_dev_start(port);
  if (result != 0)
    return fail(Errc::host_cannot,
                fmt::format("the ring driver refuses the port: {}", reason(-result)));
  for (ModelQueue& queue : queues_) queue.port = port;

  rearm_ = rearm_of(port);
  return {};
}

ModelNic::~ModelNic() {
  if (port_ >= 0) {
    rte_eth_dev_stop(static_cast<std::uint16_t>(port_));
    rte_eth_dev_close(static_cast<std::uint16_t>(port_));
    rte_vdev_uninit(port_name_.c_str());
  }
  for (rte_ring* ring : rx_rings_) rte_ring_free(ring);
  rte_ring_free(tx_ring_);
  for (SoftwareRing& ring : rings_) rte_ring_free(ring.ring);
  for (rte_mempool_cache* cache : caches_) rte_mempool_cache_free(cache);
  for (void* block : blocks_) rte_free(block);
  rte_mempool_free(pool_);
}

PoolAccess ModelNic::access(int lcore) const {
  PoolAccess access;
  access.pool = pool_;
  access.cache = caches_.empty() ? nullptr : caches_[static_cast<std::size_t>(lcore)];
  access.rearm = rearm_;
  return access;
}

void ModelNic::post_all() {
  PoolAccess access = this->access(0);
  access.cache = nullptr;  // no lcore's: what it would hold back is missing elsewhere
  // In rounds, so that queues share a pool that is too small for all.
  bool any = true;
  for (std::uint32_t most = 64; any; most += 64) {
    any = false;
    for (ModelQueue& queue : queues_) {
      const std::uint32_t descriptors = queue.descriptors;
      queue.descriptors = std::min(descriptors, most);
      post_free_descriptors(queue, access);
      queue.descriptors = descriptors;
      any = any || (!queue.pool_empty && queue.posted_to < descriptors);
    }
  }
}

std::int64_t ModelNic::page_size_bytes() const {
  std::int64_t bytes = 0;
  rte_mempool_mem_iter(
      pool_,
      [](rte_mempool* /*pool*/, void* found, rte_mempool_memhdr* chunk, unsigned /*index*/) {
        const rte_memseg_list* list = rte_mem_virt2memseg_list(chunk->addr);
        if (list != nullptr)
          *static_cast<std::int64_t*>(found) = static_cast<std::int64_t>(list->page_sz);
      },
      &bytes);
  return bytes;
}

std::vector<int> ModelNic::pool_nodes() const { return nodes_of_pool(*pool_); }

std::int64_t ModelNic::pool_mbufs() const { return static_cast<std::int64_t>(pool_->size); }

std::int64_t ModelNic::missing_mbufs() const {
  std::int64_t found = rte_mempool_avail_count(pool_);
  for (const rte_mempool_cache* cache : caches_) found += cache->len;
  for (const ModelQueue& queue : queues_) found += queue.posted_to - queue.taken_to;
  for (const TxSink& sink : sinks_) found += sink.sent_to - sink.free_to;
  return pool_mbufs() - found;
}

}  // namespace pollmark
