// The hot code as compiled for one ISA level: x86-64-v2, v3, or v4 with GFNI. Chosen once.
#pragma once

#include <cstdint>

#include "datapath/model_run.h"

namespace pollmark {

struct WallBoard;
struct WallLcore;
struct WallLink;

// A Toeplitz key as each implementation wants it; made by the rig.
struct ToeplitzKey {
  std::uint8_t bytes[40] = {};
  std::uint64_t matrices[40] = {};  // rte_thash_gfni
  // What each value of each half byte of a tuple contributes; [half byte, high one first][value].
  std::uint32_t halves[72][16] = {};
};

struct BenchLoops;      // bench_loops.h
struct GeneratorLcore;  // generate.h

// One iteration over the queues of real ports, in real time; returns the frames that it took.
using EthdevStep = std::uint32_t (*)(ReceiveLcore& lcore) noexcept;

struct HotLevel {
  const char* name;  // "v2", "v3", "v4"
  // what the compiler was told
  bool has_avx2;
  bool has_avx512f;
  bool has_gfni;
  void (*run_model)(ModelRun& run) noexcept;
  // On the wall clock: one thread each. run: placement, stamps, stage, traffic.
  void (*poll_wall)(WallLcore& lcore, WallBoard& board, const ModelRun& run) noexcept;
  void (*send_wall)(WallLink& link, WallBoard& board, const ModelRun& run) noexcept;
  Ticks (*probe_core)(CoreProbe& probe) noexcept;  // one reading
  // Hashes of `count` tuples of `length` bytes (a multiple of 4, at most 36) in network order,
  // `stride` bytes apart (at least length).
  void (*hash_tuples)(const ToeplitzKey& key, const std::uint8_t* tuples, std::uint32_t stride,
                      std::uint32_t length, std::uint32_t* hashes, std::uint32_t count) noexcept;
  // Frames without a stamp are counted, not tracked. stamps: none, payload or stacked.
  EthdevStep (*ethdev_step)(StampSource stamps, StageKind stage) noexcept;
  // send_burst() of stamped frames over a prefilled pool; at most kMostSent.
  std::uint32_t (*send_burst)(GeneratorLcore& lcore, std::uint32_t count, Ticks now) noexcept;
  const BenchLoops* bench;
};

namespace v2 {
extern const HotLevel hot_level;
}
namespace v3 {
extern const HotLevel hot_level;
}
namespace v4 {
extern const HotLevel hot_level;
}

}  // namespace pollmark
