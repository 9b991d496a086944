#include "record/pcapng.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace pollmark::pcapng {
namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 0xF];
  }
  return text;
}

template <typename Number>
Number number_at(std::string_view bytes, std::size_t at) {
  Number number{};
  RC_ASSERT(at + sizeof number <= bytes.size());
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

// A reader of its own: what a block holds behind `fixed` bytes and `data` bytes of content.
struct ReadBlock {
  std::uint32_t type = 0;
  std::string body;
  std::map<std::uint16_t, std::string> options;
};

std::map<std::uint16_t, std::string> options_in(std::string_view bytes) {
  std::map<std::uint16_t, std::string> options;
  for (std::size_t at = 0;;) {
    const auto code = number_at<std::uint16_t>(bytes, at);
    const auto length = number_at<std::uint16_t>(bytes, at + 2);
    if (code == 0) {
      RC_ASSERT(at + 4 == bytes.size());
      return options;
    }
    options[code] = bytes.substr(at + 4, length);
    at += 4 + (length + 3U) / 4 * 4;
  }
}

std::vector<ReadBlock> blocks_of(std::string_view file) {
  std::vector<ReadBlock> blocks;
  while (!file.empty()) {
    const auto bytes = number_at<std::uint32_t>(file, 4);
    RC_ASSERT(bytes % 4 == 0U);
    RC_ASSERT(bytes <= file.size());
    RC_ASSERT(number_at<std::uint32_t>(file, bytes - 4) == bytes);
    blocks.push_back(
        {number_at<std::uint32_t>(file, 0), std::string(file.substr(8, bytes - 12)), {}});
    file.remove_prefix(bytes);
  }
  return blocks;
}

// Written out by hand after the draft's figures.
TEST(Pcapng, BlocksAreThoseOfTheDraft) {
  EXPECT_EQ(hex(section_header("pm", "")),
            "0a0d0d0a"
            "28000000"
            "4d3c2b1a"
            "01000000"
            "ffffffffffffffff"
            "04000200"
            "706d0000"
            "00000000"
            "28000000");
  EXPECT_EQ(hex(interface_description(
                {.name = "a0", .description = "", .filter = "udp", .snaplen_bytes = 256})),
            "01000000"
            "30000000"
            "01000000"
            "00010000"
            "02000200"
            "61300000"
            "09000100"
            "09000000"
            "0b000400"
            "00756470"
            "00000000"
            "30000000");
  std::string packet;
  const std::uint8_t bytes[] = {0xde, 0xad, 0xbe, 0xef, 0x55};
  append_packet(packet,
                {.time_ns = 0x0123456789abcdef,
                 .original_bytes = 60,
                 .passage = Passage::leaving,
                 .reception = Reception::broadcast,
                 .lost_before = 7},
                bytes);
  EXPECT_EQ(hex(packet),
            "06000000"
            "40000000"
            "00000000"
            "67452301"
            "efcdab89"
            "05000000"
            "3c000000"
            "deadbeef55000000"
            "02000400"
            "0e000000"
            "04000800"
            "0700000000000000"
            "00000000"
            "40000000");
  EXPECT_EQ(hex(interface_statistics({.start_ns = 1,
                                      .end_ns = 0x100000002,
                                      .dropped_pkts = 3,
                                      .accepted_pkts = 9,
                                      .delivered_pkts = 6,
                                      .comment = "x"})),
            "05000000"
            "60000000"
            "00000000"
            "01000000"
            "02000000"
            "01000100"
            "78000000"
            "02000800"
            "0000000001000000"
            "03000800"
            "0100000002000000"
            "05000800"
            "0300000000000000"
            "06000800"
            "0900000000000000"
            "08000800"
            "0600000000000000"
            "00000000"
            "60000000");
}

RC_GTEST_PROP(Pcapng, WhateverIsWrittenReadsBack, ()) {
  const auto comment = *rc::gen::string<std::string>();
  const auto name = *rc::gen::string<std::string>();
  const auto filter = *rc::gen::string<std::string>();
  std::string file = section_header("pollmark", comment);
  file += interface_description({.name = name, .filter = filter, .snaplen_bytes = 99});
  const auto frames = *rc::gen::container<std::vector<std::vector<std::uint8_t>>>(
      rc::gen::arbitrary<std::vector<std::uint8_t>>());
  const auto time_ns = *rc::gen::positive<std::int64_t>();
  for (const auto& frame : frames)
    append_packet(file, {.time_ns = time_ns, .original_bytes = 2000}, frame);
  file += interface_statistics({.delivered_pkts = frames.size(), .comment = comment});

  const std::vector<ReadBlock> blocks = blocks_of(file);
  RC_ASSERT(blocks.size() == frames.size() + 3);
  const auto section = options_in(std::string_view(blocks[0].body).substr(16));
  RC_ASSERT(section.contains(1) == !comment.empty());
  if (!comment.empty()) RC_ASSERT(section.at(1) == comment);
  const auto interface = options_in(std::string_view(blocks[1].body).substr(8));
  if (!name.empty()) RC_ASSERT(interface.at(2) == name);
  if (!filter.empty()) RC_ASSERT(interface.at(11) == std::string(1, '\0') + filter);
  RC_ASSERT(interface.at(9) == "\x09");
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const std::string_view body = blocks[i + 2].body;
    RC_ASSERT(blocks[i + 2].type == 6U);
    const std::uint64_t time =
        std::uint64_t{number_at<std::uint32_t>(body, 4)} << 32 | number_at<std::uint32_t>(body, 8);
    RC_ASSERT(time == static_cast<std::uint64_t>(time_ns));
    RC_ASSERT(number_at<std::uint32_t>(body, 12) == frames[i].size());
    RC_ASSERT(body.substr(20, frames[i].size()) ==
              std::string_view(std::string(frames[i].begin(), frames[i].end())));
    const auto options = options_in(body.substr(20 + (frames[i].size() + 3) / 4 * 4));
    RC_ASSERT(!options.contains(4));  // nothing said of losses
  }
  const auto statistics = options_in(std::string_view(blocks.back().body).substr(12));
  RC_ASSERT(number_at<std::uint64_t>(statistics.at(8), 0) == frames.size());
}

TEST(Pcapng, ATextThatIsTooLongIsCut) {
  const std::string file = section_header("pollmark", std::string(100'000, 'x'));
  EXPECT_EQ(file.size() % 4, 0U);
  EXPECT_EQ(file.size(), 24U + 4 + 65'536 + 4 + 8 + 4 + 4);
}

}  // namespace
}  // namespace pollmark::pcapng
