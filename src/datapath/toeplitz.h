// Toeplitz hashes of whole arrays of tuples: by GFNI where this ISA level has it, else bit by bit.
#pragma once

#include <rte_thash.h>
#include <rte_thash_gfni.h>

#include <cstdint>
#include <cstring>

#include "datapath/hot_level.h"
#include "datapath/isa_level.h"

namespace pollmark {
inline namespace PM_ISA_LEVEL {

inline void hash_tuples(const ToeplitzKey& key, const std::uint8_t* tuples, std::uint32_t stride,
                        std::uint32_t length, std::uint32_t* hashes, std::uint32_t count) noexcept {
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint8_t* tuple = tuples + std::size_t{i} * stride;
#ifdef RTE_THASH_GFNI_DEFINED
    hashes[i] = rte_thash_gfni(key.matrices, tuple, static_cast<int>(length));
#else
    std::uint32_t words[9];
    for (std::uint32_t word = 0; word < length / 4; ++word) {
      std::memcpy(&words[word], tuple + 4 * word, 4);
      words[word] = __builtin_bswap32(words[word]);
    }
    hashes[i] =
        rte_softrss_be(words, length / 4, reinterpret_cast<const std::uint8_t*>(key.host_words));
#endif
  }
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
