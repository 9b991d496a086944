#include "record/pcapng.h"

#include <algorithm>
#include <array>

namespace pollmark::pcapng {
namespace {

enum BlockType : std::uint32_t {
  kSectionHeader = 0x0A0D0D0A,
  kInterfaceDescription = 1,
  kInterfaceStatistics = 5,
  kEnhancedPacket = 6
};
constexpr std::uint32_t kByteOrderMagic = 0x1A2B3C4D;
constexpr std::uint16_t kEthernet = 1;  // LINKTYPE_ETHERNET

constexpr std::uint16_t kEndOfOptions = 0;
constexpr std::uint16_t kComment = 1;
constexpr std::uint16_t kApplication = 4;    // of a section header: shb_userappl
constexpr std::uint16_t kName = 2;           // of an interface: if_name, ...
constexpr std::uint16_t kDescription = 3;    // if_description
constexpr std::uint16_t kResolution = 9;     // if_tsresol
constexpr std::uint16_t kFilter = 11;        // if_filter
constexpr std::uint16_t kPacketFlags = 2;    // epb_flags
constexpr std::uint16_t kLostBefore = 4;     // epb_dropcount
constexpr std::uint16_t kStartTime = 2;      // isb_starttime
constexpr std::uint16_t kEndTime = 3;        // isb_endtime
constexpr std::uint16_t kDropped = 5;        // isb_ifdrop
constexpr std::uint16_t kFilterAccepts = 6;  // isb_filteraccept
constexpr std::uint16_t kDelivered = 8;      // isb_usrdeliv

constexpr char kNanoseconds = 9;         // if_tsresol: ten to the power of -9
constexpr char kFilterIsExpression = 0;  // first byte of if_filter
constexpr std::size_t kMostOptionBytes = 65535;

template <typename Number>
void put(std::string& out, Number number) {
  std::array<char, sizeof(Number)> bytes;
  __builtin_memcpy(bytes.data(), &number, sizeof number);
  out.append(bytes.data(), bytes.size());
}

void pad(std::string& out, std::size_t begin) {
  out.append((4 - (out.size() - begin) % 4) % 4, '\0');
}

void put_time(std::string& out, std::int64_t ns) {
  const auto time = static_cast<std::uint64_t>(ns);
  put(out, static_cast<std::uint32_t>(time >> 32));
  put(out, static_cast<std::uint32_t>(time));
}

void put_option(std::string& out, std::uint16_t code, std::string_view value) {
  const std::size_t begin = out.size();
  value = value.substr(0, kMostOptionBytes);
  put(out, code);
  put(out, static_cast<std::uint16_t>(value.size()));
  out.append(value);
  pad(out, begin);
}

void put_text(std::string& out, std::uint16_t code, std::string_view text) {
  if (!text.empty()) put_option(out, code, text);
}

template <typename Number>
void put_number(std::string& out, std::uint16_t code, Number number) {
  put(out, code);
  put(out, static_cast<std::uint16_t>(sizeof number));
  put(out, number);
}

void put_moment(std::string& out, std::uint16_t code, std::int64_t ns) {
  put(out, code);
  put(out, std::uint16_t{8});
  put_time(out, ns);
}

void end_options(std::string& out) {
  put(out, kEndOfOptions);
  put(out, std::uint16_t{0});
}

// A block's length stands on both sides of its body; known when that is there.
class Block {
 public:
  Block(std::string& out, BlockType type) : out_(out), begin_(out.size()) {
    put(out_, static_cast<std::uint32_t>(type));
    put(out_, std::uint32_t{0});
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() {
    const auto bytes = static_cast<std::uint32_t>(out_.size() - begin_ + sizeof(std::uint32_t));
    put(out_, bytes);
    __builtin_memcpy(out_.data() + begin_ + sizeof(std::uint32_t), &bytes, sizeof bytes);
  }

 private:
  std::string& out_;
  std::size_t begin_;
};

}  // namespace

std::string section_header(std::string_view application, std::string_view comment) {
  std::string out;
  {
    const Block block(out, kSectionHeader);
    put(out, kByteOrderMagic);
    put(out, std::uint16_t{1});  // version 1.0
    put(out, std::uint16_t{0});
    put(out, std::int64_t{-1});  // length of the section: not said
    put_text(out, kComment, comment);
    put_text(out, kApplication, application);
    end_options(out);
  }
  return out;
}

std::string interface_description(const Interface& interface) {
  std::string out;
  {
    const Block block(out, kInterfaceDescription);
    put(out, kEthernet);
    put(out, std::uint16_t{0});
    put(out, interface.snaplen_bytes);
    put_text(out, kName, interface.name);
    put_text(out, kDescription, interface.description);
    put_option(out, kResolution, {&kNanoseconds, 1});
    if (!interface.filter.empty())
      put_option(out, kFilter, std::string(1, kFilterIsExpression) + std::string(interface.filter));
    end_options(out);
  }
  return out;
}

void append_packet(std::string& out, const Packet& packet, std::span<const std::uint8_t> captured) {
  const Block block(out, kEnhancedPacket);
  put(out, std::uint32_t{0});  // of interface 0
  put_time(out, packet.time_ns);
  put(out, static_cast<std::uint32_t>(captured.size()));
  put(out, packet.original_bytes);
  const std::size_t begin = out.size();
  out.append(captured.begin(), captured.end());
  pad(out, begin);
  put_number(out, kPacketFlags,
             static_cast<std::uint32_t>(packet.passage) |
                 static_cast<std::uint32_t>(packet.reception) << 2);
  if (packet.lost_before) put_number(out, kLostBefore, *packet.lost_before);
  end_options(out);
}

std::string interface_statistics(const Statistics& statistics) {
  std::string out;
  {
    const Block block(out, kInterfaceStatistics);
    put(out, std::uint32_t{0});  // of interface 0
    put_time(out, statistics.end_ns);
    put_text(out, kComment, statistics.comment);
    put_moment(out, kStartTime, statistics.start_ns);
    put_moment(out, kEndTime, statistics.end_ns);
    put_number(out, kDropped, statistics.dropped_pkts);
    put_number(out, kFilterAccepts, statistics.accepted_pkts);
    put_number(out, kDelivered, statistics.delivered_pkts);
    end_options(out);
  }
  return out;
}

}  // namespace pollmark::pcapng
