// The loops of the trials, one at a time, for `pollmark bench`: each call moves a given number of
// bursts through one of them and returns. Nothing here is a copy of a loop; it only feeds them.
#pragma once

#include <cstdint>

#include "datapath/generate.h"
#include "datapath/model_link.h"
#include "datapath/receive.h"
#include "datapath/software_ring.h"

namespace pollmark {

struct ToeplitzKey;

inline constexpr std::uint32_t kBenchBurst = 32;
inline constexpr Ticks kBenchRecordedAt = 1'000'000;

// Frames that lie ready in mbufs, handed over as rx_burst would.
struct PreparedFrames {
  ReceiveLcore lcore;
  rte_mbuf** mbufs = nullptr;  // [count], a multiple of kBenchBurst
  std::uint32_t count = 0;
  std::uint32_t next = 0;
};

// A model link and the lcore behind it, without the lockstep clock.
struct ModelBench {
  Placement placement = Placement::hot;  // or llc
  LinkOrder link;
  ReceiveLcore* lcore = nullptr;
  void* state = nullptr;  // of the link; kModelBenchBytes, 64-byte aligned
  Ticks v = 0;
  Ticks burst_ticks = 0;  // in which a burst arrives
};
inline constexpr std::size_t kModelBenchBytes = 2048;

struct BenchLoops {
  // generate: pool to port
  void (*send_raw)(GeneratorLcore&, std::uint64_t bursts) noexcept;      // the floor
  void (*send_built)(GeneratorLcore&, std::uint64_t bursts) noexcept;    // headers
  void (*send_stamped)(GeneratorLcore&, std::uint64_t bursts) noexcept;  // and stamps
  void (*send_copied)(GeneratorLcore&, std::uint64_t bursts) noexcept;   // and payload
  // replay; and what it would be to copy: the frames in source's mbufs into others, again and again
  void (*replay)(ReplayLcore&, std::uint64_t bursts) noexcept;
  void (*send_copies)(GeneratorLcore&, PreparedFrames& source, std::uint64_t bursts) noexcept;
  // steer
  void (*steer)(const ToeplitzKey& key, const std::uint8_t* reta, const std::uint8_t* tuples,
                std::uint8_t* queues, std::uint64_t bursts) noexcept;
  void (*enqueue)(rte_ring* ring, rte_mbuf** mbufs, std::uint64_t bursts) noexcept;
  // receive: all of PreparedFrames; `write` makes the next frames in the same mbufs
  void (*write)(GeneratorLcore&, PreparedFrames&) noexcept;
  void (*receive)(PreparedFrames&, StageKind stage) noexcept;
  void (*scan)(PreparedFrames&) noexcept;  // stage hyperscan's work, and nothing else
  void (*follow)(SequenceTracker& tracker, std::uint32_t& flow, std::uint32_t& round,
                 std::uint64_t bursts) noexcept;
  void (*record)(LatencyTally& tally, const Ticks* stamped_at, std::uint64_t bursts) noexcept;
  // model: link, rings, poll and repost; with or without what the lcore does above rx_burst
  void (*open_model)(ModelBench&) noexcept;
  void (*poll_model)(ModelBench&, std::uint64_t bursts) noexcept;
  void (*run_model_path)(ModelBench&, std::uint64_t bursts) noexcept;
};

namespace v2 {
extern const BenchLoops bench_loops;
}
namespace v3 {
extern const BenchLoops bench_loops;
}
namespace v4 {
extern const BenchLoops bench_loops;
}

}  // namespace pollmark
