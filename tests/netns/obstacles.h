// What stands in a frame's way, set up in a test's own network namespace.
#pragma once

#include <string>

#include "base/error.h"
#include "host/file_text.h"
#include "host/netns.h"

namespace pollmark {

// A clsact with a filter at ingress that drops every frame.
[[nodiscard]] Result<void> drop_at_ingress(const NetdevPlace& place);

// Rules in nft's own words, put into the namespace. Errors: host_cannot "needs nft", or its
// refusal.
[[nodiscard]] Result<void> add_nft_rules(int netns_fd, const std::string& rules);

enum class XdpHook { driver, stack };
// An XDP program on the device that drops every frame.
[[nodiscard]] Result<void> drop_by_xdp(const NetdevPlace& place, XdpHook hook);

// A BPF program that spins for 16 ms, which no softirq interrupts: meanwhile the kernel receives
// nothing on the CPU that runs it.
class HeldUpReceiving {
 public:
  [[nodiscard]] static Result<HeldUpReceiving> prepare();
  // On the calling thread's CPU, which has to be pinned.
  [[nodiscard]] Result<void> run() const;

 private:
  FileHandle itself_;  // what the program calls at its end
  FileHandle program_;
};

// A tap device that is up and never read. It vanishes with this object.
class UnreadTap {
 public:
  [[nodiscard]] static Result<UnreadTap> make(int netns_fd, const char* netdev, int queue_frames);
  UnreadTap(UnreadTap&& other) noexcept;
  UnreadTap& operator=(UnreadTap&&) = delete;
  ~UnreadTap();

 private:
  explicit UnreadTap(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace pollmark
