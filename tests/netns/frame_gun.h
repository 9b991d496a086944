// A plain sender for tests: frames built byte by byte and sent through an AF_PACKET socket, so that
// a test can break any field of any frame.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "host/netns.h"
#include "kernel/books.h"
#include "kernel/veth_lab.h"
#include "trial/endpoints.h"
#include "trial/trial.h"

namespace pollmark {

using FrameBytes = std::vector<std::uint8_t>;  // without FCS

// Ethernet, IPv4, UDP with right checksums, and the stamp. Source ports and addresses differ by
// flow.
[[nodiscard]] FrameBytes stamped_frame(const NetdevPlace& place, std::uint8_t epoch,
                                       std::uint16_t flow, std::uint32_t sequence,
                                       std::size_t bytes_without_fcs = 60);
// Rewrites both checksums after a change.
void repair_checksums(FrameBytes& frame);

struct GunOrder {
  std::int64_t frames = 2000;
  std::int64_t warmup_frames = 0;
  std::int64_t pps = 50'000;  // 0: as fast as it goes
  std::uint16_t flows = 8;
  std::uint8_t epoch = 1;
  std::size_t bytes_without_fcs = 60;
  bool around_qdisc = false;  // PACKET_QDISC_BYPASS
  // Called with each frame of the window and its number before it is sent.
  std::function<void(FrameBytes&, std::int64_t)> spoil;
  // ... and with each of the warm-up.
  std::function<void(FrameBytes&, std::int64_t)> spoil_warmup;
  // Sends the frame that many times.
  std::function<int(std::int64_t)> times;
  // Called before the frame of that number.
  std::function<void(std::int64_t)> before;
};

class FrameGun final : public Sender {
 public:
  FrameGun(GunOrder order, NetdevPlace place);
  ~FrameGun() override;
  Result<void> open() override;
  Result<CounterSnapshot> read_counters() override;
  Result<void> start() override { return {}; }
  Result<SenderAccount> join() override;
  void abandon() override {}

 private:
  GunOrder order_;
  NetdevPlace place_;
  int fd_ = -1;
  std::int64_t accepted_pkts_ = 0;
  std::int64_t warmup_pkts_ = 0;
};

// A trial on a veth pair of its own: the gun against the receiver that `make` makes of its place.
template <typename Make>
[[nodiscard]] Result<TrialResult> gun_trial(const TrialOrder& order, GunOrder gun, Make make) {
  PM_TRY(const VethLab lab, VethLab::create(order));
  Ends ends;
  PM_TRY(ends.receiver, make(order, lab.receiver_place()));
  PM_TRY(ends.books, make_kernel_books(order, watch_trial_drops(order, lab.sender_place(),
                                                                lab.receiver_place())));
  ends.sender = std::make_unique<FrameGun>(std::move(gun), lab.sender_place());
  return run_trial(order, std::move(ends));
}

}  // namespace pollmark
