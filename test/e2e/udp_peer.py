#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""udp_peer.py serve NAME IP PORT …: answers each datagram at these with "NAME IP"; prints "ready".
udp_peer.py ask FROM-PORT IP PORT TEXT: sends datagrams from this port until the answer is TEXT ("refused", "nothing"), a hundred at most; prints
the last answer."""

import select
import socket
import sys


def family(ip):
    return socket.AF_INET6 if ":" in ip else socket.AF_INET


def serve(name, where):
    sockets = {}
    for ip, port in zip(where[::2], where[1::2]):
        s = socket.socket(family(ip), socket.SOCK_DGRAM)
        s.bind((ip, int(port)))
        sockets[s] = ip
    print("ready", flush=True)
    while True:
        for s in select.select(list(sockets), [], [])[0]:
            s.sendto(("%s %s" % (name, sockets[s])).encode(), s.recvfrom(512)[1])


def answer(s):
    try:
        s.send(b"?")
        return s.recv(512).decode()
    except socket.timeout:
        return "nothing"
    except (ConnectionRefusedError, PermissionError):  # the latter: refused where it leaves this host
        return "refused"


def ask(from_port, ip, port, text):
    s = socket.socket(family(ip), socket.SOCK_DGRAM)
    s.settimeout(0.1)
    s.bind(("", from_port))
    s.connect((ip, port))
    for _ in range(100):
        got = answer(s)
        if got == text:
            break
    print(got)


if sys.argv[1] == "serve":
    serve(sys.argv[2], sys.argv[3:])
else:
    ask(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5])
