#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An API server of one group, for test/e2e/apiserver_guard.sh: aggregated_server.py CERT KEY CLIENT_CA ADDRESS PORT_FILE.

It serves wardle.example.com/v1: a list of flunders, a watch of them, and who asks (/apis/wardle.example.com/v1/whoami).
Whoever shows no certificate of CLIENT_CA is refused."""
import http.server
import json
import ssl
import sys
import time

GROUP = "/apis/wardle.example.com/v1"
FLUNDER = {"apiVersion": "wardle.example.com/v1", "kind": "Flunder", "metadata": {"name": "one", "namespace": "default"}}
RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": "wardle.example.com/v1",
    "resources": [
        {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder",
         "verbs": ["create", "get", "list", "watch"], "shortNames": ["fl"]},
        {"name": "flunders/status", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["get"]},
    ],
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, body, code=200):
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def watch(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for kind in "ADDED", "MODIFIED":
            line = json.dumps({"type": kind, "object": FLUNDER}).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
            time.sleep(0.1)
        self.wfile.write(b"0\r\n\r\n")

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == GROUP:
            self.answer(RESOURCES)
        elif path == GROUP + "/whoami":
            subject = dict(part[0] for part in self.connection.getpeercert()["subject"])
            self.answer({
                "user": self.headers.get_all("X-Remote-User"),
                "groups": self.headers.get_all("X-Remote-Group"),
                "extra": {k: v for k, v in self.headers.items() if k.lower().startswith("x-remote-extra-")},
                "authorization": self.headers.get("Authorization"),
                "proxy": subject["commonName"],
            })
        elif path.endswith("/flunders") and "watch" in query:
            self.watch()
        elif path.endswith("/flunders"):
            self.answer({"kind": "FlunderList", "apiVersion": "wardle.example.com/v1", "metadata": {}, "items": [FLUNDER]})
        elif path == "/openapi/v3":
            self.answer({"paths": {GROUP[1:]: {"serverRelativeURL": "/openapi/v3" + GROUP + "?hash=F00"}}})
        elif path == "/openapi/v3" + GROUP:
            self.answer({"openapi": "3.0.0", "info": {"title": "wardle", "version": "v1"}, "paths": {}})
        elif path == "/openapi/v2":
            self.answer({"swagger": "2.0", "info": {"title": "wardle", "version": "v1"},
                         "paths": {GROUP + "/flunders": {"get": {"responses": {"200": {"description": "OK", "schema": {
                             "$ref": "#/definitions/com.example.wardle.v1.Flunder"}}}}}, "/version/": {}},
                         "definitions": {"com.example.wardle.v1.Flunder": {"type": "object", "x-kubernetes-group-version-kind": [
                             {"group": "wardle.example.com", "version": "v1", "kind": "Flunder"}]}}})
        else:
            self.answer({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}, 404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(body, 201)


def main():
    cert, key, client_ca, address, port_file = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(client_ca)
    context.verify_mode = ssl.CERT_REQUIRED
    server = http.server.ThreadingHTTPServer((address, 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with open(port_file, "w") as out:
        out.write(f"{server.server_address[1]}\n")
    server.serve_forever()


main()
