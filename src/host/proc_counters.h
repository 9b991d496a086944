// The kernel's counters that are told as text under /proc, as names and values. Text that is not
// such a table gives nothing: absent, never zero.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace pollmark {

using NamedCounters = std::map<std::string, std::uint64_t>;

// /proc/net/{snmp,netstat}: pairs of a header line and a value line, "Udp: InDatagrams NoPorts"
// above "Udp: 5 0", as "udp.InDatagrams" -> 5. Negative values (Tcp.MaxConn) are left out.
[[nodiscard]] NamedCounters parse_snmp(std::string_view text);
// /proc/net/snmp6: "Ip6InReceives  5" as "ip6.InReceives" -> 5.
[[nodiscard]] NamedCounters parse_snmp6(std::string_view text);
// /proc/net/softnet_stat: processed, dropped, time_squeeze, received_rps, flow_limit_count, each
// the sum over the rows (CPUs) of a hexadecimal column. Columns that this kernel lacks are not
// there.
[[nodiscard]] NamedCounters parse_softnet(std::string_view text);
// /proc/net/stat/nf_conntrack: each hexadecimal column under its own name, summed over the rows
// (CPUs); `entries`, which repeats in each row, is the first row's.
[[nodiscard]] NamedCounters parse_conntrack(std::string_view text);

struct OpenFiles {
  std::uint64_t allocated = 0;
  std::uint64_t max = 0;
};
// /proc/sys/fs/file-nr.
[[nodiscard]] std::optional<OpenFiles> parse_file_nr(std::string_view text);

}  // namespace pollmark
