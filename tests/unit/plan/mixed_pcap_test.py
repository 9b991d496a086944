"""The committed capture is what its script writes, and holds what replay.toml promises."""
import ipaddress
import pathlib
import sys

EXPERIMENTS = pathlib.Path(sys.argv[1]) / "scripts/experiments"
sys.path.insert(0, str(EXPERIMENTS))
import mixed_pcap  # noqa: E402

committed = (EXPERIMENTS / "mixed.pcap").read_bytes()
if committed != mixed_pcap.capture():
    sys.exit("scripts/experiments/mixed.pcap is not what mixed_pcap.py writes")

kinds = {}
for frame in mixed_pcap.frames():
    if not 60 <= len(frame) <= 1514:
        sys.exit(f"a frame of {len(frame)} bytes")
    if frame[12:14] == b"\x08\x00":
        source, destination, protocol = frame[26:30], frame[30:34], frame[23]
        network = ipaddress.ip_network("198.18.0.0/15")
        if mixed_pcap.checksum(frame[14:34]) != 0:
            sys.exit("a wrong IPv4 checksum")
        segment = frame[34:14 + int.from_bytes(frame[16:18], "big")]
        pseudo = source + destination + bytes((0, protocol)) + len(segment).to_bytes(2, "big")
    else:
        source, destination, protocol = frame[22:38], frame[38:54], frame[20]
        network = ipaddress.ip_network("2001:2::/48")
        segment = frame[54:54 + int.from_bytes(frame[18:20], "big")]
        pseudo = source + destination + len(segment).to_bytes(4, "big") + bytes((0, 0, 0, protocol))
    if mixed_pcap.checksum(pseudo + segment) != 0:
        sys.exit("a wrong UDP or TCP checksum")
    for address in (source, destination):
        if ipaddress.ip_address(address) not in network:
            sys.exit(f"{ipaddress.ip_address(address)} is no benchmark address")
    kind = (network.version, protocol)
    kinds[kind] = kinds.get(kind, 0) + 1

if sorted(kinds) != [(4, 6), (4, 17), (6, 6), (6, 17)] or min(kinds.values()) < 20:
    sys.exit(f"frames by IP version and protocol: {kinds}")
