#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dns_client.py udp|tcp IP PORT NAME TYPE: one question; prints the answer code, then each record on a line, sorted.
dns_client.py serve: a resolver for tests at 127.0.0.2; prints "ready", answers each A question with 192.0.2.53."""

import ipaddress
import socket
import struct
import sys

TYPES = {"A": 1, "CNAME": 5, "SOA": 6, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33}
CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def name_at(packet, at):
    labels, end = [], None
    while True:
        n = packet[at]
        if n >= 0xC0:
            end = end or at + 2
            at = (n & 0x3F) << 8 | packet[at + 1]
        elif n == 0:
            return ".".join(labels), end or at + 1
        else:
            labels.append(packet[at + 1:at + 1 + n].decode())
            at += 1 + n


def data_of(packet, kind, at, n):
    if kind in (1, 28):
        return str(ipaddress.ip_address(packet[at:at + n]))
    if kind in (5, 12):
        return name_at(packet, at)[0]
    if kind == 33:
        return "%d %d %d %s" % (struct.unpack_from("!HHH", packet, at) + (name_at(packet, at + 6)[0],))
    if kind == 16:
        return packet[at + 1:at + n].decode()
    return ""


def show(packet):
    _, flags, _, n_answers, n_authority, n_more = struct.unpack_from("!HHHHHH", packet)
    print(CODES[flags & 15] + (" TC" if flags & 0x200 else ""))
    at = name_at(packet, 12)[1] + 4
    names = {v: k for k, v in TYPES.items()}
    lines = []
    for _ in range(n_answers + n_authority + n_more):
        owner, at = name_at(packet, at)
        kind, _, _, n = struct.unpack_from("!HHIH", packet, at)
        at += 10
        if kind in names:
            lines.append(("%s %s %s" % (owner, names[kind], data_of(packet, kind, at, n))).strip())
        at += n
    print("\n".join(sorted(lines)))


def question(name, kind):
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!HHHHHH", 4711, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def ask(transport, ip, port, name, kind):
    packet = question(name, TYPES[kind])
    if transport == "udp":
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(10)
        s.sendto(packet, (ip, port))
        show(s.recv(65535))
        return
    with socket.create_connection((ip, port), timeout=10) as s:
        s.sendall(struct.pack("!H", len(packet)) + packet)
        with s.makefile("rb") as f:
            show(f.read(struct.unpack("!H", f.read(2))[0]))


def serve():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.2", 53))
    print("ready", flush=True)
    while True:
        packet, peer = s.recvfrom(65535)
        at = name_at(packet, 12)[1]
        is_a = struct.unpack_from("!H", packet, at)[0] == 1
        head = packet[:2] + struct.pack("!HHHHH", 0x8180, 1, 1 if is_a else 0, 0, 0)
        answer = b"\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\xc0\0\x02\x35" if is_a else b""
        s.sendto(head + packet[12:at + 4] + answer, peer)


if sys.argv[1] == "serve":
    serve()
else:
    ask(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
