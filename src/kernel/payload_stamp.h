// The stamp at the start of the UDP payload of every frame that pollmark sends: 16 bytes, little
// endian. The same layout as datapath's, which this room does not see; a test compares the two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

namespace pollmark {

struct PayloadStamp {
  static constexpr std::uint8_t kMagic = 0xB7;
  static constexpr std::size_t kBytes = 16;

  std::uint8_t epoch = 0;  // of the trial; the warm-up has another
  std::uint16_t flow = 0;
  std::uint32_t sequence = 0;  // within its flow, from 0
  std::uint64_t tsc = 0;       // at departure

  void write(std::uint8_t* payload) const noexcept {
    payload[0] = kMagic;
    payload[1] = epoch;
    std::memcpy(payload + 2, &flow, sizeof flow);
    std::memcpy(payload + 4, &sequence, sizeof sequence);
    std::memcpy(payload + 8, &tsc, sizeof tsc);
  }
  // nullopt: not a frame of pollmark's.
  [[nodiscard]] static std::optional<PayloadStamp> read(const std::uint8_t* payload,
                                                        std::size_t bytes) noexcept {
    if (bytes < kBytes || payload[0] != kMagic) return std::nullopt;
    PayloadStamp stamp;
    stamp.epoch = payload[1];
    std::memcpy(&stamp.flow, payload + 2, sizeof stamp.flow);
    std::memcpy(&stamp.sequence, payload + 4, sizeof stamp.sequence);
    std::memcpy(&stamp.tsc, payload + 8, sizeof stamp.tsc);
    return stamp;
  }
};

}  // namespace pollmark
