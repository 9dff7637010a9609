#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command in a container over WebSocket with one of the channel protocols and prints what came on each channel
that said something, "CHANNEL TEXT" a line: exec_channels.py KUBECONFIG PATH?QUERY PROTOCOL. Channels: 1 output, 2 errors, 3 the end."""
import base64, os, re, socket, ssl, struct, sys, tempfile


def connect(config):
    text = open(config).read()
    field = lambda name: base64.b64decode(re.search(name + r': "?([^"\s]+)', text).group(1))
    host, port = re.search(r'server: "?https://([^:"\s]+):(\d+)', text).groups()
    context = ssl.create_default_context(cadata=field("certificate-authority-data").decode())
    with tempfile.TemporaryDirectory() as room:
        for name in ("client-certificate-data", "client-key-data"):
            with open(os.path.join(room, name), "wb") as f:
                f.write(field(name))
        context.load_cert_chain(os.path.join(room, "client-certificate-data"), os.path.join(room, "client-key-data"))
    return context.wrap_socket(socket.create_connection((host, int(port)), 20), server_hostname=host), host


def frames(stream):
    """Whole messages of a server: not masked, not in parts."""
    while True:
        head = stream.read(2)
        if len(head) < 2 or head[0] & 15 == 8:
            return
        n = head[1] & 127
        if n >= 126:
            n = struct.unpack(">H" if n == 126 else ">Q", stream.read(2 if n == 126 else 8))[0]
        yield stream.read(n)


def main(config, path, protocol):
    conn, host = connect(config)
    conn.sendall((f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                  f"Sec-WebSocket-Protocol: {protocol}\r\n\r\n").encode())
    stream = conn.makefile("rb")
    status = stream.readline().split()[1].decode()
    chosen = ""
    while line := stream.readline().strip():
        if line.lower().startswith(b"sec-websocket-protocol:"):
            chosen = line.split(b":")[1].strip().decode()
    if status != "101" or chosen != protocol:
        sys.exit(f"answered {status}, protocol '{chosen}'")
    said = {}
    for message in frames(stream):
        if "base64" in protocol:
            message = message[:1] + base64.b64decode(message[1:])
            channel = message[:1].decode()
        else:
            channel = str(message[0])
        said[channel] = said.get(channel, b"") + message[1:]
    for channel in sorted(said):
        if said[channel]:
            print(channel, said[channel].decode().strip())


main(*sys.argv[1:])
