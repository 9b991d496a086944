// What the benches stand on: pools, a net_null port, generated frames.
#pragma once

#include <rte_mempool.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/error.h"
#include "datapath/generate.h"
#include "record/trial_order.h"
#include "rig/frame_images.h"
#include "rig/model_traffic.h"

namespace pollmark {

inline constexpr double kBenchLinkBps = 100e9;
inline constexpr std::int64_t kBenchMemoryMib = 144;  // of EAL, for each level
inline constexpr unsigned kBenchSendMbufs = 4095;
inline constexpr unsigned kBenchSendCache = 512;

struct PoolFreer {
  void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
};
using Pool = std::unique_ptr<rte_mempool, PoolFreer>;

// Errors: host_cannot (no memory).
[[nodiscard]] Result<Pool> make_bench_pool(const char* name, unsigned mbufs, unsigned cache);
// Configures and starts net_null0, which EAL has. Errors: host_cannot.
[[nodiscard]] Result<std::uint16_t> start_null_port(rte_mempool* pool);

// UDP over a line that is never over.
[[nodiscard]] TrialOrder bench_order(int flows, std::vector<int> frame_bytes);
[[nodiscard]] FrameImages images_of(const ModelTraffic& made, std::uint16_t port);
// images: outlive it.
[[nodiscard]] GeneratorLcore generator_of(const FrameImages& images, rte_mempool* pool,
                                          std::uint16_t port);

}  // namespace pollmark
