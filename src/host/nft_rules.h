// Rules of nftables that a host's own traffic passes and none of which takes a packet: what they
// cost is all that they do. On the input hook, where a host's firewall stands: behind the routing,
// before the sockets. What is received before the stack (AF_PACKET, AF_XDP, XDP) never gets there.
//
// They are in tables of their own ("pollmark_walk", "pollmark_conntrack", family ip), so that what
// others have put into the namespace stays as it is.
#pragma once

#include <cstdint>
#include <optional>

#include "base/error.h"

namespace pollmark {

enum class NftTable : std::uint8_t {
  walk,       // each compares the source address with one that nobody has (240.0.0.0/4)
  conntrack,  // looks at the connection's state, so that the kernel tracks connections
};

struct NftRules {
  int rules = 0;
  // Packets that reached the first and the last of them; the others count nothing, as most rules
  // of a firewall do. nullopt: there is none.
  std::optional<std::uint64_t> first_pkts;
  std::optional<std::uint64_t> last_pkts;
};

// In the namespace; -1: the caller's. The table is replaced, its counters begin at 0.
//   rules   >= 0; with 0 the table is gone
//   Errors  host_cannot with the kernel's reason ("Operation not supported": it has no nf_tables).
//           Up to 128 rules are put in place all or none; of more, the part before the error stays.
[[nodiscard]] Result<void> put_nft_rules(int netns_fd, NftTable table, int rules);
// Errors: as above. A table that is not there has no rules.
[[nodiscard]] Result<NftRules> read_nft_rules(int netns_fd, NftTable table);

}  // namespace pollmark
