#!/usr/bin/env python3
"""Makes the seed corpora of the fuzz targets from the test vectors.

Each vector's frame goes, whole or from the header concerned on, to the targets that read it; the
seeds are named by the vector. Run it once; `cargo fuzz cmin` keeps what adds coverage afterwards.
"""

import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent
VECTORS = json.loads((ROOT.parent / "tests/vectors/vectors.json").read_text())["vectors"]
RECEIVERS = ["vlan", "qinq", "stp", "ipip", "sit", "gre", "gretap", "nvgre", "vxlan", "vxlan-gpe", "geneve", "stt"]
# Which target reads what an outer IP packet of this protocol carries.
ENGINES = {"ipip": "ipip", "sit": "6in4", "gre": "gre", "gretap": "gretap", "nvgre": "nvgre",
           "vxlan": "vxlan", "vxlan-gpe": "vxlan_gpe", "geneve": "geneve"}


def seed(target, name, data):
    folder = ROOT / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    if len(data) <= 2048:
        (folder / name).write_bytes(data)


def headers(name, frame):
    """Gives every header of an outer frame to its parser; returns the tunnel's payload."""
    seed("wire_ethernet", name, frame[:14])
    seed("wire_flow", name, frame[:128])
    kind, at = int.from_bytes(frame[12:14]), 14
    if kind in (0x8100, 0x88A8, 0x9100):
        seed("wire_vlan", name, frame[12:18])
        return frame[12:]
    if kind == 0x0806:
        seed("wire_arp", name, frame[14:42])
    if kind == 0x0800 and len(frame) > 34:
        seed("wire_ipv4", name, frame[14:80])
        protocol, at = frame[23], 14 + 4 * (frame[14] & 15)
    elif kind == 0x86DD and len(frame) > 54:
        seed("wire_ipv6", name, frame[14:110])
        protocol, at = frame[20], 54
        if protocol == 60:
            seed("wire_ipv6_options", name, frame[54:62])
            protocol, at = frame[54], 62
    else:
        return b""
    payload = frame[at:]
    if protocol == 17:
        seed("wire_udp", name, payload[:8])
        payload = payload[8:]
    if protocol == 6:
        seed("wire_tcp", name, payload[:20])
        seed("wire_stt", name, payload[:20])
        seed("wire_stt", name + "-frame", payload[20:38])
        payload = payload[20:]
    if protocol in (1, 58):
        seed("wire_icmp", name, payload)
    return payload


for vector in VECTORS:
    name, protocol = vector["id"], vector["protocol"]
    for number, text in enumerate(vector["frames_hex"][:4]):
        frame, label = bytes.fromhex(text), f"{name}-{number}"
        if protocol == "ssh-tun":
            seed("wire_ssh", label, frame)
            seed("receive_ssh", label, frame)
            continue
        payload = headers(label, frame)
        as_known = "ipip" if protocol == "ip6tnl" else protocol
        if as_known in RECEIVERS:
            seed("receive", label, bytes([RECEIVERS.index(as_known), 0x14]) + frame)
        if protocol == "stp":
            seed("wire_stp", label, frame)
        if protocol == "vlan":
            seed("decap_vlan", label, payload)
            seed("decap_qinq", label, payload)
        if protocol == "stt":
            seed("decap_stt", label, payload)
            seed("stt_segments", label, bytes([2, 30, 40, 0, 0, 0]) + frame[34:])
        if protocol in ENGINES:
            seed("decap_" + ENGINES[protocol], label, payload)
            wire = {"gretap": "gre", "ipip": None, "sit": None}.get(protocol, protocol.replace("-", "_"))
            if wire:
                seed("wire_" + wire, label, payload[:64])
    inner = vector.get("inner_hex")
    for text in [inner] if isinstance(inner, str) else inner or []:
        packet = bytes.fromhex(text or "")
        seed("wire_flow", name, packet)
        seed("wire_icmp", name, packet)
        if packet[12:14] == b"\x08\x06":
            seed("wire_arp", name, packet[14:42])
        seed("offload", name, bytes([3, 34, 1, 0]) + packet)
        seed("wire_checksum", name, bytes([9, 1]) + packet)

for key, pieces in {"in-order": [(0, 8, 3), (8, 16, 3)], "reversed": [(8, 16, 3), (0, 8, 3)]}.items():
    steps = [bytes([0, 0, offset, length, total, 0]) for offset, length, total in pieces]
    seed("reassembler", key, b"".join(steps))
for folder in ("labs", "topologies", "tests/wrong"):
    for lab in sorted((ROOT.parent / folder).glob("*.yaml")):
        seed("lab", lab.name, lab.read_bytes()[:2048])
