#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client of the kubelet API's exec and attach, by WebSocket v4.channel.k8s.io: prints what comes on stdout, ends with the
command's status. Usage: node_exec.py HOST:PORT CERT KEY PATH [STDIN]"""
import base64, json, os, socket, ssl, struct, sys


def frame(channel, data):
    payload = bytes([channel]) + data
    mask = os.urandom(4)
    head = bytes([0x82, 0x80 | len(payload)]) if len(payload) < 126 else bytes([0x82, 0xFE]) + struct.pack(">H", len(payload))
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


def exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            return None
        data += more
    return data


def main():
    address, cert, key, path = sys.argv[1:5]
    host, port = address.rsplit(":", 1)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["http/1.1"])
    s = context.wrap_socket(socket.create_connection((host, int(port)), timeout=20), server_hostname=host)
    s.sendall(("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\nOrigin: http://%s\r\n\r\n"
               % (path, host, base64.b64encode(os.urandom(16)).decode(), host)).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(s, 1) or sys.exit("no answer")
    if not head.startswith(b"HTTP/1.1 101"):
        sys.exit(head.decode().splitlines()[0])
    if len(sys.argv) > 5:
        s.sendall(frame(0, sys.argv[5].encode()))
    while True:
        two = exactly(s, 2)
        if two is None or two[0] & 15 == 8:
            sys.exit("ended without a status")
        n = two[1] & 127
        if n == 126:
            n = struct.unpack(">H", exactly(s, 2))[0]
        elif n == 127:
            n = struct.unpack(">Q", exactly(s, 8))[0]
        data = exactly(s, n) if n else b""
        if data[:1] == b"\x01":
            sys.stdout.write(data[1:].decode())
            sys.stdout.flush()
            if len(sys.argv) > 6 and sys.argv[6] in data[1:].decode():
                sys.exit(0)
        elif data[:1] == b"\x03" and len(data) > 1:
            status = json.loads(data[1:])
            causes = (status.get("details") or {}).get("causes") or []
            sys.exit(int(causes[0]["message"]) if causes else 0 if status.get("status") == "Success" else 1)


main()
