// How late a frame departed, carried by the frame itself in the two bytes behind its stamp: with it
// the receiver knows the latency from the moment when the frame was due as well as from the moment
// when it left.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "datapath/clock.h"
#include "datapath/isa_level.h"
#include "datapath/tall_frame.h"

namespace pollmark {

inline constexpr std::uint32_t kLatenessBytes = 2;
inline constexpr std::uint32_t kLatenessMantissaBits = 12;
// 12 bits of value, 4 of exponent: to 1 part in 2048, up to 51 ms at 2.6 GHz.
inline constexpr Ticks kMostLateness = Ticks{0xfff} << 15;

inline namespace PM_ISA_LEVEL {

// ticks: up to kMostLateness; rounded down.
[[gnu::always_inline]] inline std::uint16_t encoded_lateness(Ticks ticks) noexcept {
  const auto width = static_cast<std::uint32_t>(std::bit_width(ticks));
  const std::uint32_t shift = width > kLatenessMantissaBits ? width - kLatenessMantissaBits : 0;
  return static_cast<std::uint16_t>(ticks >> shift | shift << kLatenessMantissaBits);
}

[[gnu::always_inline]] inline Ticks decoded_lateness(std::uint16_t word) noexcept {
  return Ticks{word & 0xfffU} << (word >> kLatenessMantissaBits);
}

// Into a finished frame whose two bytes behind the stamp are zero; the checksum follows.
[[gnu::always_inline]] inline void put_lateness(std::uint8_t* data, const FrameStack& stack,
                                                Ticks ticks) noexcept {
  const std::uint16_t word = encoded_lateness(ticks);
  std::memcpy(data + stack.least_bytes(), &word, sizeof word);
  std::uint8_t* at = data + stack.l4_at + (stack.l4 == L4Kind::udp ? 6 : 16);
  std::uint16_t checksum;
  std::memcpy(&checksum, at, sizeof checksum);
  checksum = static_cast<std::uint16_t>(
      ~folded((~std::uint32_t{checksum} & 0xffffU) + std::uint32_t{word}));
  if (stack.l4 == L4Kind::udp && checksum == 0) checksum = 0xffff;  // zero means none
  std::memcpy(at, &checksum, sizeof checksum);
}

[[gnu::always_inline]] inline Ticks lateness_at(const std::uint8_t* data,
                                                std::uint32_t offset) noexcept {
  std::uint16_t word;
  std::memcpy(&word, data + offset, sizeof word);
  return decoded_lateness(word);
}

}  // namespace PM_ISA_LEVEL
}  // namespace pollmark
