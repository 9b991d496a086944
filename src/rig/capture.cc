#include "rig/capture.h"

#include <fmt/format.h>
#include <pcap/pcap.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <memory>

#include "base/units.h"
#include "plan/header_fields.h"

namespace pollmark {
namespace {

constexpr std::int64_t kEthernetHeaderBytes = 14;
// Of a frame beside twice its bytes: once here, once as it is sent.
constexpr std::int64_t kFrameOverheadBytes = 256;

struct Closer {
  void operator()(pcap_t* pcap) const { pcap_close(pcap); }
};

class Filter {
 public:
  static Result<Filter> compile(pcap_t* pcap, const std::string& text) {
    Filter filter;
    if (text.empty()) return filter;
    filter.program_ = {new bpf_program{}, [](bpf_program* program) {
                         pcap_freecode(program);
                         delete program;
                       }};
    constexpr int kOptimised = 1;
    if (pcap_compile(pcap, filter.program_.get(), text.c_str(), kOptimised, PCAP_NETMASK_UNKNOWN) !=
        0)
      return fail(
          Errc::bad_experiment,
          fmt::format("filter: {}; allowed: an expression of pcap-filter(7)", pcap_geterr(pcap)));
    return filter;
  }
  [[nodiscard]] bool passes(const pcap_pkthdr* header, const u_char* data) const {
    return program_ == nullptr || pcap_offline_filter(program_.get(), header, data) != 0;
  }

 private:
  std::shared_ptr<bpf_program> program_;
};

std::optional<std::int64_t> available_memory_bytes() {
  std::ifstream meminfo("/proc/meminfo");
  std::string name;
  std::int64_t kibibytes = 0;
  while (meminfo >> name >> kibibytes) {
    if (name == "MemAvailable:") return kibibytes * 1024;
    meminfo.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return std::nullopt;
}

std::uint32_t word(const std::uint8_t* at) {
  return static_cast<std::uint32_t>(at[0]) << 8 | at[1];
}
void put(std::uint8_t* at, FieldValue value, std::size_t bytes) {
  for (std::size_t i = bytes; i-- > 0; value >>= 8) at[i] = static_cast<std::uint8_t>(value);
}

// RFC 1624, eqn. 3: the sum over the frame with old words replaced by new ones.
std::uint16_t changed_sum(std::uint32_t checksum, const std::uint8_t* old_words,
                          const std::uint8_t* new_words, std::size_t bytes) {
  std::uint32_t sum = ~checksum & 0xffffU;
  for (std::size_t at = 0; at < bytes; at += 2)
    sum += (~word(old_words + at) & 0xffffU) + word(new_words + at);
  while (sum >> 16 != 0) sum = (sum & 0xffffU) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

// What is written over in every frame.
class Rewriter {
 public:
  static Result<Rewriter> make(const std::map<std::string, std::string>& wanted) {
    Rewriter made;
    for (const auto& [name, text] : wanted) {
      const bool ipv6 = text.find(':') != std::string::npos && name.ends_with("_ip");
      const auto field =
          std::find_if(kHeaderFields.begin(), kHeaderFields.end(),
                       [&name = name](HeaderField each) { return name_of(each) == name; });
      if (field == kHeaderFields.end())
        return fail(Errc::bad_experiment, fmt::format("rewrite: no field {}", name));
      PM_TRY(const FieldValues values, parse_field_values(*field, text, ipv6 ? 6 : 4));
      made.fields_.push_back({*field, values.at(0), ipv6});
    }
    return made;
  }

  // True when something of it stood in the frame.
  [[nodiscard]] bool rewrite(std::vector<std::uint8_t>& frame) const {
    bool any = false;
    for (const Field& field : fields_) {
      switch (field.which) {
        case HeaderField::dst_mac:
          put(frame.data(), field.value, 6);
          any = true;
          break;
        case HeaderField::src_mac:
          put(frame.data() + 6, field.value, 6);
          any = true;
          break;
        case HeaderField::vlan:
          tag(frame, field.value);
          any = true;
          break;
        default:
          any |= address(frame, field);
          break;
      }
    }
    return any;
  }

 private:
  struct Field {
    HeaderField which;
    FieldValue value;
    bool ipv6;
  };

  static bool is_tag(std::uint32_t type) { return type == 0x8100 || type == 0x88a8; }

  static void tag(std::vector<std::uint8_t>& frame, FieldValue vlan) {
    if (is_tag(word(&frame[12])) && frame.size() >= 16) {
      put(&frame[14], (word(&frame[14]) & 0xf000U) | vlan, 2);
      return;
    }
    std::uint8_t bytes[4] = {0x81, 0x00, 0, 0};
    put(bytes + 2, vlan, 2);
    frame.insert(frame.begin() + 12, bytes, bytes + 4);
  }

  // The checksum that covers the pseudo header; nullptr where there is none.
  static std::uint8_t* l4_checksum(std::vector<std::uint8_t>& frame, std::size_t l4,
                                   std::uint32_t protocol, bool ipv6) {
    const std::size_t at = l4 + (protocol == 6 ? 16U : protocol == 17 ? 6U : 2U);
    const bool covered = protocol == 6 || protocol == 17 || (ipv6 && protocol == 58);
    if (!covered || at + 2 > frame.size()) return nullptr;
    if (protocol == 17 && word(&frame[at]) == 0) return nullptr;
    return &frame[at];
  }

  static bool address(std::vector<std::uint8_t>& frame, const Field& field) {
    std::size_t at = 14;
    while (at + 4 <= frame.size() && is_tag(word(&frame[at - 2]))) at += 4;
    const bool source = field.which == HeaderField::src_ip;
    std::size_t address_at;
    std::size_t length = 4;
    std::uint8_t* checksum = nullptr;
    std::uint32_t protocol = 0;
    if (!field.ipv6) {
      if (word(&frame[at - 2]) != 0x0800 || frame.size() < at + 20) return false;
      address_at = at + (source ? 12 : 16);
      const std::size_t l4 = at + std::size_t{4} * (frame[at] & 15U);
      protocol = frame[at + 9];
      const bool first = (word(&frame[at + 6]) & 0x1fffU) == 0;
      if (first) checksum = l4_checksum(frame, l4, protocol, false);
    } else {
      if (word(&frame[at - 2]) != 0x86dd || frame.size() < at + 40) return false;
      length = 16;
      address_at = at + (source ? 8 : 24);
      // Behind hop-by-hop and destination options.
      protocol = frame[at + 6];
      std::size_t l4 = at + 40;
      while ((protocol == 0 || protocol == 60) && l4 + 2 <= frame.size()) {
        protocol = frame[l4];
        l4 += std::size_t{8} * (frame[l4 + 1] + 1U);
      }
      checksum = l4_checksum(frame, l4, protocol, true);
    }
    std::uint8_t replaced[16];
    put(replaced, field.value, length);
    const std::uint8_t* old = &frame[address_at];
    if (!field.ipv6)
      put(&frame[at + 10], changed_sum(word(&frame[at + 10]), old, replaced, length), 2);
    if (checksum != nullptr) {
      std::uint16_t sum = changed_sum(word(checksum), old, replaced, length);
      if (protocol == 17 && sum == 0) sum = 0xffff;  // zero means none
      put(checksum, sum, 2);
    }
    std::memcpy(&frame[address_at], replaced, length);
    return true;
  }

  std::vector<Field> fields_;
};

}  // namespace

CaptureAccount account_of(const Capture& capture) {
  return {static_cast<std::int64_t>(capture.frames.size()), capture.filtered_pkts,
          capture.padded_pkts, capture.rewritten_pkts};
}

CaptureOrder capture_order(const TrafficOrder& traffic) {
  return {traffic.pcap, traffic.filter, traffic.cut_short, traffic.rewrite, std::nullopt};
}

Result<Capture> load_capture(const std::filesystem::path& path) {
  CaptureOrder order;
  order.path = path;
  return load_capture(order);
}

Result<Capture> load_capture(const CaptureOrder& order) {
  const std::filesystem::path& path = order.path;
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
  auto filter = Filter::compile(pcap.get(), order.filter);
  if (!filter) return fail(filter.error().code, filter.error().what, where);
  PM_TRY(const Rewriter rewriter, Rewriter::make(order.rewrite));
  const std::optional<std::int64_t> available = available_memory_bytes();
  const std::int64_t most_bytes = order.most_bytes.value_or(
      available ? *available / 5 * 4 : std::numeric_limits<std::int64_t>::max());

  Capture capture;
  std::int64_t number = 0;
  std::int64_t passed = 0;
  std::int64_t needed_bytes = 0;
  std::int64_t cut_short = 0;
  std::int64_t first_cut_short = 0;
  pcap_pkthdr* header = nullptr;
  const u_char* data = nullptr;
  for (;;) {
    const long offset = std::ftell(pcap_file(pcap.get()));
    const int got = pcap_next_ex(pcap.get(), &header, &data);
    if (got == PCAP_ERROR_BREAK) break;
    ++number;
    if (got != 1)
      return fail(Errc::bad_experiment,
                  fmt::format("damaged at byte offset {}, frame {}: {}", offset, number,
                              pcap_geterr(pcap.get())),
                  where);
    if (!filter->passes(header, data)) {
      ++capture.filtered_pkts;
      continue;
    }
    ++passed;
    const bool is_short = header->caplen < header->len;
    if (is_short && cut_short++ == 0) first_cut_short = number;
    if (is_short && order.cut_short == CutShort::refuse) continue;
    if (header->len > kCapturedFrameMostBytes || header->caplen < kEthernetHeaderBytes)
      return fail(Errc::bad_experiment,
                  fmt::format("frame {} has {} bytes; allowed: {} to {}", number,
                              is_short && header->caplen < kEthernetHeaderBytes ? header->caplen
                                                                                : header->len,
                              kEthernetHeaderBytes, kCapturedFrameMostBytes),
                  where);
    needed_bytes += 2 * std::int64_t{header->len} + kFrameOverheadBytes;
    if (needed_bytes > most_bytes) {
      // Only counted from here on, to say how much it would take.
      capture.frames.clear();
      continue;
    }
    CapturedFrame frame;
    frame.bytes.assign(data, data + header->caplen);
    frame.bytes.resize(header->len, 0);
    if (rewriter.rewrite(frame.bytes)) ++capture.rewritten_pkts;
    if (frame.bytes.size() > static_cast<std::size_t>(kCapturedFrameMostBytes))
      return fail(Errc::bad_experiment,
                  fmt::format("frame {} has {} bytes with its tag; allowed: up to {}", number,
                              frame.bytes.size(), kCapturedFrameMostBytes),
                  where);
    frame.original_bytes = header->len;
    frame.timestamp_ns =
        static_cast<std::int64_t>(header->ts.tv_sec) * 1'000'000'000 + header->ts.tv_usec;
    capture.frames.push_back(std::move(frame));
  }
  if (number == 0)
    return fail(
        Errc::bad_experiment,
        fmt::format("no frames (ends at byte offset {})", std::ftell(pcap_file(pcap.get()))),
        where);
  if (passed == 0)
    return fail(Errc::bad_experiment,
                fmt::format("filter: none of {} frames passes \"{}\"; allowed: one that some pass",
                            number, order.filter),
                where);
  if (cut_short > 0 && order.cut_short == CutShort::refuse)
    return fail(Errc::bad_experiment,
                fmt::format("{} of {} frames were cut short by the snap length, the first is frame "
                            "{}: capture whole frames (tcpdump -s 0), or cut_short = \"pad\"",
                            cut_short, passed, first_cut_short),
                where);
  if (needed_bytes > most_bytes)
    return fail(Errc::host_cannot,
                fmt::format("{} frames need {} of memory, {} may be used; allowed: a smaller "
                            "capture, or a filter",
                            passed, si(static_cast<double>(needed_bytes), "B"),
                            si(static_cast<double>(most_bytes), "B")),
                where);
  capture.padded_pkts = cut_short;
  return capture;
}

std::vector<std::int64_t> recorded_gaps_ns(const Capture& capture) {
  std::vector<std::int64_t> gaps(capture.frames.size(), 0);
  std::int64_t sum = 0;
  for (std::size_t i = 1; i < gaps.size(); ++i) {
    gaps[i] = std::max<std::int64_t>(
        0, capture.frames[i].timestamp_ns - capture.frames[i - 1].timestamp_ns);
    sum += gaps[i];
  }
  if (gaps.size() > 1) gaps[0] = sum / static_cast<std::int64_t>(gaps.size() - 1);
  return gaps;
}

}  // namespace pollmark
