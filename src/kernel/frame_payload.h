// Where the payload of a frame begins, for receivers that get whole Ethernet frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace pollmark {

// What is behind the UDP or TCP header of an IPv4 or IPv6 frame without FCS, up to the end of the
// IP packet (Ethernet's padding is none of it); VLAN tags are stepped over. nullopt: another frame,
// a fragment, IPv6 with extension headers, or one that ends before its headers do.
[[nodiscard]] std::optional<std::span<const std::uint8_t>> frame_payload(
    std::span<const std::uint8_t> frame) noexcept;

}  // namespace pollmark
