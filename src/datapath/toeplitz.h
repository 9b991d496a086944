// Toeplitz hashes of whole arrays of tuples: by GFNI where this ISA level has it, else by a table
// of half bytes (4.6 KB: it stays in the first-level cache beside the frames).
#pragma once

#include <rte_thash_gfni.h>

#include <cstdint>

#include "datapath/hot_level.h"
#include "datapath/isa_level.h"

namespace pollmark {
inline namespace PM_ISA_LEVEL {

inline void hash_tuples(const ToeplitzKey& key, const std::uint8_t* tuples, std::uint32_t stride,
                        std::uint32_t length, std::uint32_t* hashes, std::uint32_t count) noexcept {
#ifdef RTE_THASH_GFNI_DEFINED
  // Two at a time share the registers. DPDK reads what it takes as not const.
  for (std::uint32_t i = 0; i < count; i += 2) {
    auto* first = const_cast<std::uint8_t*>(tuples + std::size_t{i} * stride);
    std::uint8_t* pair[2] = {first, first + stride};
    rte_thash_gfni_bulk(key.matrices, static_cast<int>(length), pair, hashes + i,
                        count - i < 2 ? 1 : 2);
  }
#else
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint8_t* tuple = tuples + std::size_t{i} * stride;
    std::uint32_t hash = 0;
    for (std::uint32_t byte = 0; byte < length; ++byte)
      hash ^= key.halves[std::size_t{2} * byte][tuple[byte] >> 4] ^
              key.halves[std::size_t{2} * byte + 1][tuple[byte] & 15U];
    hashes[i] = hash;
  }
#endif
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
