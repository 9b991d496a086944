#include "kernel/af_xdp.h"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/libxdp.h>
#include <xdp/xsk.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/tsc.h"
#include "base/units.h"
#include "kernel/blocking_receiver.h"
#include "kernel/busy_poll.h"
#include "kernel/xdp_program.h"

namespace pollmark {
namespace {

constexpr std::uint32_t kBatch = 64;
constexpr std::uint32_t kQueue = 0;
constexpr std::uint32_t kCompletions = 64;  // nothing is sent, but a umem has the ring

tl::unexpected<Error> refused(int error, std::string what) {
  return fail(Errc::host_cannot, std::strerror(error), std::move(what));
}

struct UmemDeleted {
  void operator()(xsk_umem* umem) const { xsk_umem__delete(umem); }
};
struct SocketDeleted {
  void operator()(xsk_socket* socket) const { xsk_socket__delete(socket); }
};

// Memory that the kernel writes frames into.
class Chunks {
 public:
  Chunks() = default;
  Chunks(const Chunks&) = delete;
  Chunks& operator=(const Chunks&) = delete;
  ~Chunks() {
    if (memory_ != MAP_FAILED) munmap(memory_, bytes_);
  }

  Result<void> map(std::uint32_t chunks) {
    bytes_ = std::size_t{chunks} * kXdpChunkBytes;
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory_ == MAP_FAILED) return refused(errno, fmt::format("{} frames", chunks));
    return {};
  }
  [[nodiscard]] std::uint8_t* memory() const { return static_cast<std::uint8_t*>(memory_); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  void* memory_ = MAP_FAILED;
  std::size_t bytes_ = 0;
};

class AfXdp final : public ArrivalSource {
 public:
  explicit AfXdp(const ReceiverOrder& order)
      : mode_(order.xdp_mode),
        zero_copy_(order.zero_copy),
        need_wakeup_(order.need_wakeup),
        rx_size_(static_cast<std::uint32_t>(order.xdp_rx_ring)),
        fill_size_(static_cast<std::uint32_t>(order.xdp_fill_ring)),
        busy_poll_(order.socket_busy_poll_ns) {}

  Result<void> open(const NetdevPlace& place) override {
    PM_TRY(program_, XdpProgram::to_sockets(place, mode_));
    PM_TRYV(chunks_.map(fill_size_));
    PM_TRYV(make_umem());
    PM_TRYV(make_socket(place.netdev));
    PM_TRYV(busy_poll_.ask(fd()));
    PM_TRYV(busy_poll_.prefer(fd()));
    for (std::uint64_t at = 0; at < chunks_.bytes(); at += kXdpChunkBytes) free_.push_back(at);
    give_back();
    return program_->give_queue(kQueue, fd());
  }

  Result<void> take(ReceivedFrames& frames) override {
    give_back();
    if (waiting() == 0) PM_TRYV(wait(frames));
    std::uint32_t at = 0;
    const std::uint32_t count = xsk_ring_cons__peek(&rx_, kBatch, &at);
    if (count == 0) return {};
    most_waiting_ = std::max(most_waiting_, waiting());
    const std::uint64_t now = tsc_now();
    for (std::uint32_t i = 0; i < count; ++i) {
      const xdp_desc& frame = *xsk_ring_cons__rx_desc(&rx_, at + i);
      frames.take_frame({chunks_.memory() + frame.addr, frame.len}, frame.len, now);
      free_.push_back(frame.addr / kXdpChunkBytes * kXdpChunkBytes);
    }
    xsk_ring_cons__release(&rx_, count);
    give_back();
    frames.after_batch(count, now);
    return {};
  }

  bool has_waiting() const override { return waiting() > 0; }

  void add_counters(CounterSnapshot& snapshot, std::string_view /*which*/) override {
    busy_poll_.look(snapshot);
    if (const auto now = statistics()) put_xdp_socket_counters(snapshot, *now);
  }

  std::int64_t dropped_pkts() override {
    const auto lost = statistics();
    return lost ? static_cast<std::int64_t>(lost->rx_dropped + lost->rx_ring_full) : 0;
  }

  void add_knobs(std::map<std::string, Knob>& knobs) const override {
    // Nothing acts without a frame.
    const bool any = most_waiting_ > 0;
    Knob mode = program_->mode_knob();
    mode.exercised = any;
    if (any) mode.evidence = "frames came through the program";
    knobs["xdp_mode"] = std::move(mode);
    put_knob(knobs, "zero_copy", truth_text(zero_copy_), any ? "bound so" : "");
    put_knob(knobs, "need_wakeup", truth_text(need_wakeup_), any && zero_copy_ ? "bound so" : "");
    if (!zero_copy_) knobs["need_wakeup"].evidence = "in copy mode no receiver has to be woken";
    const auto lost = statistics();
    put_knob(knobs, "xdp_rx_ring", fmt::format("{}", rx_size_),
             !any ? ""
                  : fmt::format(
                        "up to {} of {} descriptors waited at once, {} frames found it full",
                        most_waiting_, rx_size_, count_text(lost, &xdp_statistics::rx_ring_full)));
    put_knob(knobs, "xdp_fill_ring", fmt::format("{}", fill_size_),
             !any ? ""
                  : fmt::format("{} frames found it empty",
                                count_text(lost, &xdp_statistics::rx_fill_ring_empty_descs)));
    busy_poll_.add_knob(knobs);
  }

 private:
  static std::string truth_text(bool value) { return value ? "true" : "false"; }

  static std::string count_text(const std::optional<xdp_statistics>& statistics,
                                __u64 xdp_statistics::*count) {
    return statistics ? grouped(static_cast<std::int64_t>((*statistics).*count))
                      : "an unknown number of";
  }

  // The kernel takes exactly what is asked for, or nothing. evidence empty: it did not act.
  static void put_knob(std::map<std::string, Knob>& knobs, const char* name, std::string level,
                       std::string evidence) {
    Knob& knob = knobs[name];
    knob.requested = knob.effective = std::move(level);
    knob.state = KnobState::confirmed;
    knob.exercised = !evidence.empty();
    knob.evidence = std::move(evidence);
  }

  [[nodiscard]] int fd() const { return xsk_socket__fd(socket_.get()); }

  Result<void> make_umem() {
    const xsk_umem_config config{.fill_size = fill_size_,
                                 .comp_size = kCompletions,
                                 .frame_size = kXdpChunkBytes,
                                 .frame_headroom = 0,
                                 .flags = 0};
    xsk_umem* raw = nullptr;
    if (const int error = xsk_umem__create(&raw, chunks_.memory(), chunks_.bytes(), &fill_,
                                           &completions_, &config);
        error != 0) {
      return refused(-error, "AF_XDP umem");
    }
    umem_.reset(raw);
    return {};
  }

  Result<void> make_socket(const std::string& netdev) {
    xsk_socket_config config{};
    config.rx_size = rx_size_;
    config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
    config.bind_flags = static_cast<__u16>((zero_copy_ ? XDP_ZEROCOPY : XDP_COPY) |
                                           (need_wakeup_ ? XDP_USE_NEED_WAKEUP : 0));
    // A queue whose last socket has just gone is given free a little later.
    constexpr int kAttempts = 20;
    for (int attempt = 1;; ++attempt) {
      xsk_socket* raw = nullptr;
      const int error =
          xsk_socket__create(&raw, netdev.c_str(), kQueue, umem_.get(), &rx_, nullptr, &config);
      if (error == 0) {
        socket_.reset(raw);
        return {};
      }
      if (error != -EBUSY || attempt == kAttempts) {
        return refused(-error, zero_copy_ ? "AF_XDP socket with zero-copy" : "AF_XDP socket");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  // As many free chunks as the fill ring has room for. The kernel frees its entries only after it
  // has told of the frames in them, so that now and then some wait for the next call.
  void give_back() {
    const auto count = std::min<std::uint32_t>(static_cast<std::uint32_t>(free_.size()),
                                               xsk_prod_nb_free(&fill_, fill_size_));
    if (count == 0) return;
    std::uint32_t at = 0;
    PM_CHECK(xsk_ring_prod__reserve(&fill_, count, &at) == count);
    for (std::uint32_t i = 0; i < count; ++i) {
      *xsk_ring_prod__fill_addr(&fill_, at + i) = free_.back();
      free_.pop_back();
    }
    xsk_ring_prod__submit(&fill_, count);
  }

  // What the kernel has put on the RX ring and nobody took.
  [[nodiscard]] std::uint32_t waiting() const {
    return __atomic_load_n(rx_.producer, __ATOMIC_ACQUIRE) -
           __atomic_load_n(rx_.consumer, __ATOMIC_RELAXED);
  }

  Result<void> wait(ReceivedFrames& frames) {
    if (busy_poll_.is_on() && poll_device(frames)) return {};
    frames.count_call();
    pollfd poll_for{.fd = fd(), .events = POLLIN, .revents = 0};
    if (poll(&poll_for, 1, kWakeUpMs) < 0 && errno != EINTR) return refused(errno, "AF_XDP socket");
    return {};
  }

  // Each call polls the device once. true: a frame is there.
  bool poll_device(ReceivedFrames& frames) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(busy_poll_.ns());
    do {
      frames.count_call();
      recvfrom(fd(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
      if (waiting() > 0) return true;
    } while (std::chrono::steady_clock::now() < end);
    return false;
  }

  [[nodiscard]] std::optional<xdp_statistics> statistics() const {
    xdp_statistics now{};
    socklen_t bytes = sizeof now;
    if (getsockopt(fd(), SOL_XDP, XDP_STATISTICS, &now, &bytes) != 0 || bytes < sizeof now) {
      return std::nullopt;
    }
    return now;
  }

  XdpMode mode_;
  bool zero_copy_;
  bool need_wakeup_;
  std::uint32_t rx_size_;
  std::uint32_t fill_size_;
  BusyPoll busy_poll_;
  Chunks chunks_;
  std::vector<std::uint64_t> free_;  // chunks that neither ring has. Thread: rw while it runs
  std::optional<XdpProgram> program_;
  // libxdp wants its rings to begin as zeros. Thread: rw; waiting() reads the kernel's side.
  xsk_ring_prod fill_{};
  xsk_ring_cons completions_{};
  xsk_ring_cons rx_{};
  std::unique_ptr<xsk_umem, UmemDeleted> umem_;
  std::unique_ptr<xsk_socket, SocketDeleted> socket_;  // before its umem goes
  std::uint32_t most_waiting_ = 0;                     // thread: wo; control: ro after join
};

}  // namespace

Result<std::unique_ptr<Receiver>> make_af_xdp_receiver(const TrialOrder& order,
                                                       const NetdevPlace& place) {
  return make_blocking_receiver(
      order, place, FrameConsumer::xdp, "receiver AF_XDP socket",
      arrival_sources(order, [&](int) { return std::make_unique<AfXdp>(order.receiver); }));
}

}  // namespace pollmark
