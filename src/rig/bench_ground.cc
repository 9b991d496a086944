#include "rig/bench_ground.h"

#include <fmt/format.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>

#include "rig/eal.h"
#include "rig/mbuf_pool.h"
#include "rig/model_nic.h"

namespace pollmark {

namespace {
constexpr unsigned kRoomBytes = 2048;
}

Result<Pool> make_bench_pool(const char* name, unsigned mbufs, unsigned cache) {
  Pool pool(create_mbuf_pool(name, mbufs, cache, RTE_PKTMBUF_HEADROOM + kRoomBytes));
  if (pool == nullptr)
    return fail(Errc::host_cannot,
                fmt::format("no memory for {} mbufs ({})", mbufs, take_dpdk_message()));
  return pool;
}

Result<std::uint16_t> start_null_port(rte_mempool* pool) {
  std::uint16_t port = 0;
  if (rte_eth_dev_get_port_by_name("net_null0", &port) != 0)
    return fail(Errc::host_cannot, "DPDK has no net_null driver here");
  const rte_eth_conf none{};
  int error = rte_eth_dev_configure(port, 1, 1, &none);
  if (error == 0) error = rte_eth_rx_queue_setup(port, 0, 512, 0, nullptr, pool);
  if (error == 0) error = rte_eth_tx_queue_setup(port, 0, 512, 0, nullptr);
  if (error == 0) error = rte_eth_dev_start(port);
  if (error != 0) return fail(Errc::host_cannot, take_dpdk_message(), "net_null0");
  return port;
}

TrialOrder bench_order(int flows, std::vector<int> frame_bytes) {
  TrialOrder order;
  order.traffic.flows = flows;
  order.traffic.frame_bytes = std::move(frame_bytes);
  order.traffic.load.unit = LoadUnit::line_percent;
  order.model.link_bps = kBenchLinkBps;
  order.seconds = 1e6;  // never over
  order.warmup_seconds = 0.0;
  return order;
}

FrameImages images_of(const ModelTraffic& made, std::uint16_t port) {
  const Traffic traffic = made.traffic();
  return {{traffic.flows, traffic.flow_count},
          {traffic.shapes, traffic.shape_count},
          traffic.payload,
          rearm_of(port)};
}

GeneratorLcore generator_of(const FrameImages& images, rte_mempool* pool, std::uint16_t port) {
  GeneratorLcore lcore;
  lcore.access.pool = pool;
  lcore.access.cache = rte_mempool_default_cache(pool, rte_lcore_id());
  lcore.port = port;
  lcore.epoch = 1;
  lcore.traffic = images.traffic();
  return lcore;
}

}  // namespace pollmark
