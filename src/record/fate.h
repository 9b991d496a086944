// Every way a packet can end. The enumerator is the name: in code, JSON (with _pkts), CSV, report.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace pollmark {

// X(name, kind, one sentence for the report)
#define PM_FATES(X)                                                                        \
  X(tx_unsent, sender, "the sender could not offer it in time")                            \
  X(received, end, "arrived once, valid, and reached the end of its stage")                \
  X(tx_lost, loss, "accepted by the transmit side and lost there")                         \
  X(link_dropped, loss, "dropped on the link (a planted fault on the model)")              \
  X(lost_in_device, loss, "lost inside the device between the two ports")                  \
  X(rx_missed, loss, "no free receive descriptor when it arrived")                         \
  X(rx_no_mbuf, loss, "no free receive descriptor because the mbuf pool was empty")        \
  X(rx_error, loss, "the port counted it as erroneous")                                    \
  X(rx_filtered, loss, "the port filtered it")                                             \
  X(corrupt, loss, "arrived with a wrong checksum or a damaged stamp")                     \
  X(sw_ring_overflow, loss, "the software ring to the workers was full")                   \
  X(stage_dropped, loss, "the stage dropped it")                                           \
  X(kernel_qdisc, loss, "the sender's queueing discipline dropped it")                     \
  X(kernel_link_tx, loss, "the sender's kernel device dropped it (link tx_dropped)")       \
  X(kernel_link_rx, loss, "the receiver's kernel device dropped it (link rx_dropped)")     \
  X(kernel_backlog, loss, "the per-CPU backlog was full (softnet dropped)")                \
  X(kernel_ip, loss, "the IP layer discarded it")                                          \
  X(kernel_udp, loss, "the UDP layer discarded it before a socket buffer")                 \
  X(kernel_socket_buffer, loss, "the socket's receive buffer was full")                    \
  X(kernel_packet_ring, loss, "the AF_PACKET ring was full (tp_drops)")                    \
  X(kernel_xdp_ring, loss, "an AF_XDP ring had no room for it (rx_dropped, rx_ring_full)") \
  X(kernel_other, loss, "the kernel dropped it elsewhere; the reasons are listed")         \
  X(duplicate, extra, "arrived again")                                                     \
  X(foreign, extra, "was not sent by this trial")                                          \
  X(late, extra, "belongs to an earlier trial or to the warm-up")

enum class Fate : std::uint8_t {
#define PM_FATE_ENUMERATOR(name, kind, sentence) name,
  PM_FATES(PM_FATE_ENUMERATOR)
#undef PM_FATE_ENUMERATOR
};

enum class FateKind : std::uint8_t { sender, end, loss, extra };

#define PM_FATE_NAME(name, kind, sentence) #name,
inline constexpr std::size_t kFateCount =
    std::initializer_list<const char*>{PM_FATES(PM_FATE_NAME)}.size();
#undef PM_FATE_NAME

[[nodiscard]] std::string_view fate_name(Fate fate);      // "rx_missed"
[[nodiscard]] std::string_view fate_sentence(Fate fate);  // for the report
[[nodiscard]] FateKind fate_kind(Fate fate);
[[nodiscard]] std::optional<Fate> fate_from_name(std::string_view name);
[[nodiscard]] const std::array<Fate, kFateCount>& all_fates();

}  // namespace pollmark
