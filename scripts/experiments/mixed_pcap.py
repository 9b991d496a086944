#!/usr/bin/env python3
"""Writes mixed.pcap, the capture of replay.toml: the same bytes every time.

    mixed_pcap.py [FILE]      default: mixed.pcap beside this script

UDP and TCP over IPv4 (198.18.0.0/15) and IPv6 (2001:2::/48), benchmark addresses of RFC 2544 and
RFC 5180, in frames of 60 to 1514 bytes without FCS, with right checksums, in microsecond pcap.
"""
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
SOURCE_MAC = bytes.fromhex("02000000aa01")
DESTINATION_MAC = bytes.fromhex("02000000bb02")
LEAST_FRAME = 60
UDP, TCP = 17, 6
SYN, FIN, PSH, ACK = 0x02, 0x01, 0x08, 0x10


def checksum(data):
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def payload(length, salt):
    return bytes((salt * 31 + i * 7) & 0xFF for i in range(length))


def layer4(protocol, pseudo, header, offset, data):
    """The header with its checksum at `offset`, and the data behind it."""
    value = checksum(pseudo + header + data)
    if protocol == UDP and value == 0:
        value = 0xFFFF
    return header[:offset] + struct.pack(">H", value) + header[offset + 2:] + data


def udp(source, destination, pseudo, data):
    header = struct.pack(">HHHH", source, destination, 8 + len(data), 0)
    return layer4(UDP, pseudo(UDP, 8 + len(data)), header, 6, data)


def tcp(source, destination, pseudo, sequence, acknowledged, flags, data):
    header = struct.pack(">HHIIBBHHH", source, destination, sequence & 0xFFFFFFFF,
                         acknowledged & 0xFFFFFFFF, 5 << 4, flags, 65535, 0, 0)
    return layer4(TCP, pseudo(TCP, 20 + len(data)), header, 16, data)


def ethernet(kind, packet):
    frame = DESTINATION_MAC + SOURCE_MAC + struct.pack(">H", kind) + packet
    return frame + bytes(max(0, LEAST_FRAME - len(frame)))


def ipv4(flow):
    source = bytes((198, 18, flow >> 8 & 0xFF, flow & 0xFF))
    destination = bytes((198, 19, flow >> 8 & 0xFF, 255 - (flow & 0xFF)))

    def pseudo(protocol, length):
        return source + destination + struct.pack(">BBH", 0, protocol, length)

    def frame(protocol, segment, identity):
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), identity, 0x4000, 64, protocol,
                             0) + source + destination
        header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
        return ethernet(0x0800, header + segment)

    return pseudo, frame


def ipv6(flow):
    network = bytes.fromhex("200100020000")  # 2001:2::/48
    source = network + struct.pack(">HQ", 1, flow + 1)
    destination = network + struct.pack(">HQ", 2, 0xFFFF - flow)

    def pseudo(protocol, length):
        return source + destination + struct.pack(">IxxxB", length, protocol)

    def frame(protocol, segment, identity):
        del identity
        header = struct.pack(">IHBB", 6 << 28, len(segment), protocol, 64) + source + destination
        return ethernet(0x86DD, header + segment)

    return pseudo, frame


def udp_flow(flow, network, lengths):
    pseudo, frame = network(flow)
    for n, length in enumerate(lengths):
        data = payload(length, flow + n)
        yield frame(UDP, udp(1024 + flow, 5000 + flow % 7, pseudo, data), flow * 64 + n)


def tcp_flow(flow, network, lengths):
    """One side of a connection: SYN, segments in order, FIN."""
    pseudo, frame = network(flow)
    sequence = 1000 * flow
    steps = [(SYN, b"")] + [(ACK | PSH, payload(length, flow)) for length in lengths]
    steps += [(ACK | FIN, b"")]
    for n, (flags, data) in enumerate(steps):
        acknowledged = 0 if flags == SYN else 77
        yield frame(TCP, tcp(32768 + flow, 80 if flow % 2 else 443, pseudo, sequence, acknowledged,
                             flags, data), flow * 64 + n)
        sequence += len(data) + (1 if flags & (SYN | FIN) else 0)


def frames():
    """Flows interleaved, one frame of each in turn, until all have ended."""
    flows = []
    for i in range(24):
        flows.append(udp_flow(i, ipv4, [18, 82, 210, 466, 978, 1472][i % 6:] + [18] * (i % 5)))
    for i in range(24, 36):
        flows.append(tcp_flow(i, ipv4, [1, 536, 1460, 1460, 300][: 2 + i % 4]))
    for i in range(36, 48):
        flows.append(udp_flow(i, ipv6, [2, 100, 512, 1232, 1452][i % 5:] + [40] * (i % 4)))
    for i in range(48, 56):
        flows.append(tcp_flow(i, ipv6, [7, 1220, 1440, 640][: 1 + i % 4]))
    while flows:
        still = []
        for flow in flows:
            frame = next(flow, None)
            if frame is not None:
                yield frame
                still.append(flow)
        flows = still


def capture():
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for n, frame in enumerate(frames()):
        microseconds = n * 13 + (n % 5) * 3
        out.append(struct.pack("<IIII", 1_700_000_000 + microseconds // 1_000_000,
                               microseconds % 1_000_000, len(frame), len(frame)))
        out.append(frame)
    return b"".join(out)


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "mixed.pcap"
    target.write_bytes(capture())
