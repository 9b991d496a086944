#include "host/nft_rules.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "host/netlink_parts.h"
#include "host/netlink_socket.h"

namespace pollmark {
namespace {

constexpr std::array<const char*, 2> kTables{"pollmark_walk", "pollmark_conntrack"};
constexpr const char* kChain = "input";
// A message of rules fits into the smallest send buffer of a socket.
constexpr int kRulesAtOnce = 128;
constexpr std::uint32_t kSourceAddressAt = 12;  // in an IPv4 header
constexpr std::uint32_t kNobodys = 0xF0000000;  // 240.0.0.0: reserved (RFC 1112), no host's
constexpr std::uint32_t kStateRegister = NFT_REG32_00;

using netlink_parts::Releaser;
using MessagePtr = std::unique_ptr<nl_msg, Releaser<nlmsg_free>>;

const char* table_name(NftTable table) { return kTables[static_cast<std::size_t>(table)]; }

nfgenmsg header_of(std::uint8_t family, std::uint16_t resource) {
  return {.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(resource)};
}

// One message of a batch; what it cannot hold breaks an invariant: all sizes are known.
class NftMessage {
 public:
  NftMessage(int type, int flags, const nfgenmsg& header) : message_(nlmsg_alloc()) {
    PM_CHECK(message_ != nullptr);
    PM_CHECK(nlmsg_put(message_.get(), NL_AUTO_PORT, 1, type, 0, NLM_F_REQUEST | flags) != nullptr);
    PM_CHECK(nlmsg_append(message_.get(), const_cast<nfgenmsg*>(&header), sizeof header,
                          NLMSG_ALIGNTO) == 0);
  }
  void text(int attribute, const char* value) {
    PM_CHECK(nla_put_string(message_.get(), attribute, value) == 0);
  }
  // Numbers go over in network byte order.
  void number(int attribute, std::uint32_t value) {
    PM_CHECK(nla_put_u32(message_.get(), attribute, htonl(value)) == 0);
  }
  template <typename Fill>
  void nest(int attribute, Fill fill) {
    nlattr* start = nla_nest_start(message_.get(), attribute);
    PM_CHECK(start != nullptr);
    fill();
    nla_nest_end(message_.get(), start);
  }
  template <typename Fill>
  void expression(const char* name, Fill fill) {
    nest(NFTA_LIST_ELEM, [&] {
      text(NFTA_EXPR_NAME, name);
      nest(NFTA_EXPR_DATA, fill);
    });
  }
  [[nodiscard]] std::span<const std::byte> bytes() const {
    nlmsghdr* header = nlmsg_hdr(message_.get());
    return std::as_bytes(std::span(static_cast<const char*>(static_cast<void*>(header)),
                                   static_cast<std::size_t>(NLMSG_ALIGN(header->nlmsg_len))));
  }
  // Behind the netlink header.
  [[nodiscard]] std::span<const std::byte> payload() const { return bytes().subspan(NLMSG_HDRLEN); }

 private:
  MessagePtr message_;
};

constexpr int nft_type(int kind) { return NFNL_SUBSYS_NFTABLES << 8 | kind; }

// Changes that the kernel makes all or none of.
class NftBatch {
 public:
  NftBatch() { edge(NFNL_MSG_BATCH_BEGIN); }

  template <typename Fill>
  void add(int kind, int flags, Fill fill) {
    NftMessage message(nft_type(kind), flags, header_of(NFPROTO_IPV4, 0));
    fill(message);
    put(message);
  }

  Result<void> send(int netns_fd, std::string_view doing) {
    edge(NFNL_MSG_BATCH_END);
    PM_TRY(const NetlinkSocket socket, NetlinkSocket::open(NETLINK_NETFILTER, netns_fd));
    nl_socket_disable_seq_check(socket.get());
    if (const int error = nl_sendto(socket.get(), all_.data(), all_.size()); error < 0) {
      return netlink_refusal(error, doing);
    }
    if (const int error = nl_wait_for_ack(socket.get()); error < 0) {
      return netlink_refusal(error, doing);
    }
    return {};
  }

 private:
  void edge(int type) { put(NftMessage(type, 0, header_of(AF_UNSPEC, NFNL_SUBSYS_NFTABLES))); }
  void put(const NftMessage& message) {
    const auto bytes = message.bytes();
    all_.insert(all_.end(), bytes.begin(), bytes.end());
  }

  std::vector<std::byte> all_;
};

void compare(NftMessage& rule, std::uint32_t from, std::uint32_t with) {
  rule.expression("cmp", [&] {
    rule.number(NFTA_CMP_SREG, from);
    rule.number(NFTA_CMP_OP, NFT_CMP_EQ);
    rule.nest(NFTA_CMP_DATA, [&] { rule.number(NFTA_DATA_VALUE, with); });
  });
}

// A rule without a verdict: what it matches goes on all the same.
void put_rule(NftMessage& rule, NftTable table, int nth, int rules) {
  rule.text(NFTA_RULE_TABLE, table_name(table));
  rule.text(NFTA_RULE_CHAIN, kChain);
  rule.nest(NFTA_RULE_EXPRESSIONS, [&] {
    if (nth == 0 || nth == rules - 1) rule.expression("counter", [] {});
    if (table == NftTable::walk) {
      rule.expression("payload", [&] {
        rule.number(NFTA_PAYLOAD_DREG, kStateRegister);
        rule.number(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
        rule.number(NFTA_PAYLOAD_OFFSET, kSourceAddressAt);
        rule.number(NFTA_PAYLOAD_LEN, sizeof(in_addr));
      });
      compare(rule, kStateRegister, kNobodys + static_cast<std::uint32_t>(nth));
    } else {
      rule.expression("ct", [&] {
        rule.number(NFTA_CT_DREG, kStateRegister);
        rule.number(NFTA_CT_KEY, NFT_CT_STATE);
      });
      compare(rule, kStateRegister, 0);
    }
  });
}

void put_table(NftBatch& batch, NftTable table, int rules) {
  const auto named = [&](NftMessage& message) { message.text(NFTA_TABLE_NAME, table_name(table)); };
  // Deleting what is not there is refused; making what is there is not.
  batch.add(NFT_MSG_NEWTABLE, NLM_F_CREATE, named);
  batch.add(NFT_MSG_DELTABLE, rules == 0 ? NLM_F_ACK : 0, named);
  if (rules == 0) return;
  batch.add(NFT_MSG_NEWTABLE, NLM_F_CREATE, named);
  batch.add(NFT_MSG_NEWCHAIN, NLM_F_CREATE, [&](NftMessage& chain) {
    chain.text(NFTA_CHAIN_TABLE, table_name(table));
    chain.text(NFTA_CHAIN_NAME, kChain);
    chain.nest(NFTA_CHAIN_HOOK, [&] {
      chain.number(NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_IN);
      chain.number(NFTA_HOOK_PRIORITY, 0);
    });
    chain.number(NFTA_CHAIN_POLICY, NF_ACCEPT);
    chain.text(NFTA_CHAIN_TYPE, "filter");
  });
}

// Packets of the rule's counter; nullopt where it has none.
std::optional<std::uint64_t> counter_of(nlmsghdr* message) {
  nlattr* expressions =
      nlmsg_find_attr(message, static_cast<int>(sizeof(nfgenmsg)), NFTA_RULE_EXPRESSIONS);
  if (expressions == nullptr) return std::nullopt;
  auto* each = static_cast<nlattr*>(nla_data(expressions));
  int rest = nla_len(expressions);
  for (; nla_ok(each, rest) != 0; each = nla_next(each, &rest)) {
    nlattr* name = nla_find(static_cast<nlattr*>(nla_data(each)), nla_len(each), NFTA_EXPR_NAME);
    nlattr* data = nla_find(static_cast<nlattr*>(nla_data(each)), nla_len(each), NFTA_EXPR_DATA);
    if (name == nullptr || data == nullptr || nla_strcmp(name, "counter") != 0) continue;
    nlattr* packets =
        nla_find(static_cast<nlattr*>(nla_data(data)), nla_len(data), NFTA_COUNTER_PACKETS);
    if (packets == nullptr) return std::nullopt;
    return be64toh(nla_get_u64(packets));
  }
  return std::nullopt;
}

}  // namespace

Result<void> put_nft_rules(int netns_fd, NftTable table, int rules) {
  PM_CHECK(rules >= 0);
  int placed = 0;
  do {
    NftBatch batch;
    if (placed == 0) put_table(batch, table, rules);
    const int until = std::min(rules, placed + kRulesAtOnce);
    for (; placed < until; ++placed) {
      const int flags = NLM_F_CREATE | NLM_F_APPEND | (placed + 1 == until ? NLM_F_ACK : 0);
      batch.add(NFT_MSG_NEWRULE, flags,
                [&](NftMessage& rule) { put_rule(rule, table, placed, rules); });
    }
    PM_TRYV(batch.send(netns_fd, "nf_tables"));
  } while (placed < rules);
  return {};
}

Result<NftRules> read_nft_rules(int netns_fd, NftTable table) {
  PM_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_NETFILTER, netns_fd));
  NftMessage request(nft_type(NFT_MSG_GETRULE), NLM_F_DUMP, header_of(NFPROTO_IPV4, 0));
  request.text(NFTA_RULE_TABLE, table_name(table));
  request.text(NFTA_RULE_CHAIN, kChain);
  NftRules found;
  const auto payload = request.payload();
  PM_TRYV(socket.ask(nft_type(NFT_MSG_GETRULE), NLM_F_DUMP, payload.data(), payload.size(),
                     [&](nlmsghdr* message) {
                       const auto counted = counter_of(message);
                       if (found.rules++ == 0) found.first_pkts = counted;
                       found.last_pkts = counted;
                     }));
  return found;
}

}  // namespace pollmark
