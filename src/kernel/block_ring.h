// The receive ring of an AF_PACKET socket, TPACKET_V3: blocks that the kernel fills with frames, in
// order, and gets back.
#pragma once

#include <linux/if_packet.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "kernel/socket.h"

namespace pollmark {

struct BlockRingShape {
  std::uint32_t blocks = 0;
  std::size_t block_bytes = 0;   // a power of two, whole pages
  std::uint32_t slot_bytes = 0;  // only asked for: frames of any size are packed into a block
  unsigned hand_over_ms = 1;     // a block that is not full is handed over when it is so old; >= 1
};

// One control thread opens and binds; one thread takes blocks, the same or another.
class BlockRing {
 public:
  // The frames of the next block, where they lie; until give_back().
  class Frames {
   public:
    class Iterator {
     public:
      Iterator(const std::uint8_t* at, std::uint32_t left) : at_(at), left_(left) {}
      const tpacket3_hdr& operator*() const {
        return *static_cast<const tpacket3_hdr*>(static_cast<const void*>(at_));
      }
      Iterator& operator++() {
        at_ += (**this).tp_next_offset;
        --left_;
        return *this;
      }
      bool operator==(const Iterator& other) const { return left_ == other.left_; }

     private:
      const std::uint8_t* at_;
      std::uint32_t left_;
    };

    explicit Frames(const tpacket_block_desc& block)
        : first_(static_cast<const std::uint8_t*>(static_cast<const void*>(&block)) +
                 block.hdr.bh1.offset_to_first_pkt),
          count_(block.hdr.bh1.num_pkts) {}
    [[nodiscard]] Iterator begin() const { return {first_, count_}; }
    [[nodiscard]] Iterator end() const { return {nullptr, 0}; }
    [[nodiscard]] std::uint32_t count() const { return count_; }

   private:
    const std::uint8_t* first_;
    std::uint32_t count_;
  };

  explicit BlockRing(const BlockRingShape& shape) : shape_(shape) {}
  ~BlockRing();
  BlockRing(const BlockRing&) = delete;
  BlockRing& operator=(const BlockRing&) = delete;

  // In the calling thread's namespace; it takes no frame before bind(). Errors: host_cannot with
  // the kernel's reason, where: what was refused.
  [[nodiscard]] Result<void> open();
  // From now on every frame of the device. Errors: as open().
  [[nodiscard]] Result<void> bind(const std::string& netdev);

  [[nodiscard]] const Socket& socket() const { return socket_; }
  [[nodiscard]] const BlockRingShape& shape() const { return shape_; }

  // Whether the block that many places behind the next holds frames. Blocks are filled in order:
  // where one is not to be taken yet, none behind it is. Any thread.
  [[nodiscard]] bool has_waiting(std::uint32_t ahead = 0) const {
    auto& status = const_cast<__u32&>(block(ahead).hdr.bh1.block_status);
    return (std::atomic_ref(status).load(std::memory_order_acquire) & TP_STATUS_USER) != 0;
  }
  // For a block, that long at most. Errors: host_cannot: the socket has one.
  [[nodiscard]] Result<void> wait(int ms) const;
  // The next block, or one behind it. Only while has_waiting(ahead).
  [[nodiscard]] Frames next(std::uint32_t ahead = 0) const { return Frames(block(ahead)); }
  void give_back() {
    std::atomic_ref(block(0).hdr.bh1.block_status)
        .store(TP_STATUS_KERNEL, std::memory_order_release);
    next_.store((next_.load(std::memory_order_relaxed) + 1) % shape_.blocks,
                std::memory_order_relaxed);
  }

 private:
  [[nodiscard]] std::size_t bytes() const { return shape_.blocks * shape_.block_bytes; }
  [[nodiscard]] tpacket_block_desc& block(std::uint32_t ahead) const {
    const std::uint32_t at = (next_.load(std::memory_order_relaxed) + ahead) % shape_.blocks;
    return *static_cast<tpacket_block_desc*>(
        static_cast<void*>(memory_ + std::size_t{at} * shape_.block_bytes));
  }

  BlockRingShape shape_;
  Socket socket_;
  std::uint8_t* memory_ = nullptr;
  std::atomic<std::uint32_t> next_{0};  // taking thread: wo; any: ro
};

// From its Ethernet header on: tp_snaplen bytes, of a frame of tp_len.
[[nodiscard]] inline const std::uint8_t* bytes_of(const tpacket3_hdr& frame) {
  return static_cast<const std::uint8_t*>(static_cast<const void*>(&frame)) + frame.tp_mac;
}

}  // namespace pollmark
