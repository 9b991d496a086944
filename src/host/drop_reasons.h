// Why the kernel gave packets up, in its own words (tracepoint skb:kfree_skb): namespace, device,
// reason, function and flow. A second set of books beside the survey: the same packets again, and
// those that no counter has. Costs nothing while nothing is dropped.
//
// It does not see what a NIC, native XDP, an AF_XDP socket or a full TPACKET ring turns away.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pollmark {

// in: a device of the namespace had received the packet. out: not so; it was made here, or is a
// frame between two devices (in a veth, in a CPU's backlog).
enum class DropDirection : std::uint8_t { not_told, in, out };

struct DropPlace {
  std::uint32_t netns = 0;  // inode of the namespace; 0: not told
  std::string netdev;       // empty: not told; "if7": of a namespace that is not watched, or gone
  std::string reason;       // as the kernel spells it: "SOCKET_RCVBUFF"
  std::string function;     // that gave the packet up; its address where names are hidden
  std::uint16_t ethertype = 0;
  DropDirection direction = DropDirection::not_told;
  friend auto operator<=>(const DropPlace&, const DropPlace&) = default;
};

struct DroppedFlow {
  std::uint32_t netns = 0;
  std::string reason;
  std::uint8_t ip_protocol = 0;
  std::string source;  // "198.18.0.1:9", "[2001:db8::1]:9"; without TCP or UDP the address alone
  std::string destination;
  friend auto operator<=>(const DroppedFlow&, const DroppedFlow&) = default;
};

struct DropCount {
  std::int64_t pkts = 0;      // as the stack handled them
  std::int64_t segments = 0;  // frames of a wire: a super-packet's one by one; BPF tells them alone
};

// Since the start.
struct DropReading {
  using Flows = std::map<DroppedFlow, DropCount>;
  std::map<DropPlace, DropCount> places;
  // Those that lost last, 16384 at most: one that makes room for another begins at 0 again.
  // nullopt: not asked for, or not told.
  std::optional<Flows> flows;
  std::int64_t unseen_pkts = 0;  // dropped, but faster or in more places than could be told apart
};

struct DropOrder {
  // At most 8, not owned, needed at the start alone. Empty: every namespace of the host; devices
  // are named in the caller's then.
  std::vector<int> netns_fds;
  bool by_flow = false;
};

class DropTable {
 public:
  virtual ~DropTable() = default;
  [[nodiscard]] virtual Result<DropReading> read() = 0;
};

enum class DropSource { bpf, tracefs };

// Open books; what they need in the kernel goes when they close, or with the process. Control
// threads, one at a time.
class DropReasons {
 public:
  // By BPF where the kernel lets it, else by an instance of tracefs, which tells reasons and
  // functions of the whole host alone. Errors: host_cannot with what each of the two lacks.
  [[nodiscard]] static Result<DropReasons> start(const DropOrder& order);

  [[nodiscard]] Result<DropReading> read() { return table_->read(); }
  [[nodiscard]] DropSource source() const { return source_; }
  // Why the better source could not be had; empty: it is the better one.
  [[nodiscard]] const std::string& why_not_bpf() const { return why_not_bpf_; }

 private:
  DropReasons(DropSource source, std::unique_ptr<DropTable> table, std::string why_not_bpf)
      : source_(source), table_(std::move(table)), why_not_bpf_(std::move(why_not_bpf)) {}

  DropSource source_;
  std::unique_ptr<DropTable> table_;
  std::string why_not_bpf_;
};

}  // namespace pollmark
