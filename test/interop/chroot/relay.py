#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""relay.py PORT HOST FD: 127.0.0.1:PORT of this network is HOST:80 of the network namespace that FD is open on.

A mirror takes requests with whole addresses, so this is an apt proxy for that one mirror."""
import ctypes
import os
import socket
import sys
import threading

CLONE_NEWNET = 0x40000000


def copy(a, b):
    try:
        while data := a.recv(1 << 16):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        a.close()
        b.close()


def serve(near, host):
    try:
        far = socket.create_connection((host, 80), 30)
        far.settimeout(None)
    except OSError:
        near.close()
        return
    threading.Thread(target=copy, args=(near, far), daemon=True).start()
    copy(far, near)


port, host, fd = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
listener = socket.create_server(("127.0.0.1", port))
libc = ctypes.CDLL(None, use_errno=True)
if libc.setns(fd, CLONE_NEWNET) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
print("ready", flush=True)
while True:
    near, _ = listener.accept()
    threading.Thread(target=serve, args=(near, host), daemon=True).start()
