#include "rig/capture.h"

#include <fmt/format.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

namespace pollmark {
namespace {

constexpr std::int64_t kEthernetHeaderBytes = 14;

struct Closer {
  void operator()(pcap_t* pcap) const { pcap_close(pcap); }
};

}  // namespace

Result<Capture> load_capture(const std::filesystem::path& path) {
  const std::string where = path.string();
  char reason[PCAP_ERRBUF_SIZE] = {};
  const std::unique_ptr<pcap_t, Closer> pcap(
      pcap_open_offline_with_tstamp_precision(where.c_str(), PCAP_TSTAMP_PRECISION_NANO, reason));
  if (!pcap) {
    // libpcap puts the path in front of what the system says.
    std::string what = reason;
    if (what.rfind(where + ": ", 0) == 0) what.erase(0, where.size() + 2);
    std::error_code error;
    const bool is_readable_file =
        std::filesystem::is_regular_file(path, error) && ::access(where.c_str(), R_OK) == 0;
    return fail(Errc::bad_experiment,
                is_readable_file
                    ? fmt::format("not a capture that libpcap reads: {} (byte offset 0)", what)
                    : what,
                where);
  }
  if (pcap_datalink(pcap.get()) != DLT_EN10MB)
    return fail(Errc::bad_experiment,
                fmt::format("link type {}; only Ethernet captures can be replayed",
                            pcap_datalink_val_to_name(pcap_datalink(pcap.get()))),
                where);

  Capture capture;
  std::int64_t cut_short = 0;
  std::int64_t first_cut_short = 0;
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  for (;;) {
    const long offset = std::ftell(pcap_file(pcap.get()));
    const int got = pcap_next_ex(pcap.get(), &header, &data);
    if (got == PCAP_ERROR_BREAK) break;
    const auto number = static_cast<std::int64_t>(capture.frames.size()) + 1;
    if (got != 1)
      return fail(Errc::bad_experiment,
                  fmt::format("damaged at byte offset {}, frame {}: {}", offset, number,
                              pcap_geterr(pcap.get())),
                  where);
    if (header->caplen < header->len) {
      if (cut_short++ == 0) first_cut_short = number;
    } else if (header->len > kCapturedFrameMostBytes || header->len < kEthernetHeaderBytes) {
      return fail(Errc::bad_experiment,
                  fmt::format("frame {} has {} bytes; allowed: {} to {}", number, header->len,
                              kEthernetHeaderBytes, kCapturedFrameMostBytes),
                  where);
    }
    CapturedFrame frame;
    frame.bytes.assign(data, data + header->caplen);
    frame.original_bytes = header->len;
    frame.timestamp_ns =
        static_cast<std::int64_t>(header->ts.tv_sec) * 1'000'000'000 + header->ts.tv_usec;
    capture.frames.push_back(std::move(frame));
  }
  if (capture.frames.empty())
    return fail(
        Errc::bad_experiment,
        fmt::format("no frames (ends at byte offset {})", std::ftell(pcap_file(pcap.get()))),
        where);
  if (cut_short > 0)
    return fail(Errc::bad_experiment,
                fmt::format("{} of {} frames were cut short by the snap length, the first is frame "
                            "{}: capture whole frames (tcpdump -s 0)",
                            cut_short, capture.frames.size(), first_cut_short),
                where);
  return capture;
}

}  // namespace pollmark
