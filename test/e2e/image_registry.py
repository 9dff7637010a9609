#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A registry with faults, serving an OCI layout: image_registry.py LAYOUT [CERT KEY]. Prints its port; every request is a
line of standard output afterwards. The first part of the repository's name says how it behaves:

  plain     as it should              token     wants a bearer token from /token (user 'user', password 'secret')
  basic     wants user and password   refuse    wants a token and never takes one
  cut       each connection breaks after 300,000 bytes of a blob; goes on by ranges
  norange   the same, and ranges are not known: only the fifth answer is whole
  redirect  blobs are elsewhere (localhost instead of 127.0.0.1), where no Authorization may arrive
  wrong     blobs are not what their digests say
  busy      503 with Retry-After three times, then as it should
  mirror    404 for everything but blobs
  type      announces a manifest as an index
"""
import base64, collections, hashlib, http.server, json, os, ssl, sys, threading, urllib.parse

layout = sys.argv[1]
counts = collections.Counter()
CUT = 300_000


def blob(digest):
    with open(layout + "/blobs/sha256/" + digest[7:], "rb") as f:
        return f.read()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, fmt, *args):
        print(self.command, self.path, self.headers.get("Range", "-"), (self.headers.get("Authorization") or "-").split()[0],
              args[1] if len(args) > 1 else "", flush=True)

    def answer(self, status, body=b"", headers=(), cut=False):
        self.send_response(status)
        for k, v in headers:
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[:CUT] if cut else body)
        if cut and len(body) > CUT:
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)

    def error(self, status, code, headers=()):
        self.answer(status, json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode(), headers)

    def login_ok(self):
        want = "Basic " + base64.b64encode(b"user:secret").decode()
        return self.headers.get("Authorization") == want

    def allowed(self, how):
        got = self.headers.get("Authorization") or ""
        here = "http%s://%s" % ("s" if len(sys.argv) > 2 else "", self.headers["Host"])
        if how in ("token", "refuse") and (got != "Bearer t0ken" or how == "refuse"):
            self.error(401, "UNAUTHORIZED", [("WWW-Authenticate",
                       'Bearer realm="%s/token",service="the, service",scope="repository:%s/bb:pull"' % (here, how))])
            return False
        if how == "basic" and not self.login_ok():
            self.error(401, "UNAUTHORIZED", [("WWW-Authenticate", 'Basic realm="x"')])
            return False
        return True

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        if url.path == "/token":
            q = urllib.parse.parse_qs(url.query)
            if q.get("service") != ["the, service"] or not q.get("scope", [""])[0].endswith("/bb:pull") or not self.login_ok():
                self.error(401, "UNAUTHORIZED")
            else:
                self.answer(200, b'{"token":"t0ken","expires_in":300}', [("Content-Type", "application/json")])
            return
        parts = url.path.strip("/").split("/")
        if parts[0] == "elsewhere":
            if self.headers.get("Authorization"):
                self.error(400, "CREDENTIALS_LEAKED")
            else:
                self.answer(200, blob(parts[1]))
            return
        if len(parts) != 5 or parts[0] != "v2":
            self.error(404, "NAME_UNKNOWN")
            return
        how, kind, ref = parts[1], parts[3], parts[4]
        if self.allowed(how):
            (self.manifest if kind == "manifests" else self.blob)(how, ref)

    do_HEAD = do_GET

    def manifest(self, how, ref):
        if how == "mirror":
            self.error(404, "MANIFEST_UNKNOWN")
            return
        counts[how] += 1
        if how == "busy" and counts[how] < 3:
            self.error(503, "UNAVAILABLE", [("Retry-After", "1")])
            return
        for d in json.load(open(layout + "/index.json"))["manifests"]:
            if ref in (d["annotations"]["org.opencontainers.image.ref.name"], d["digest"]):
                ref = d["digest"]
        try:
            text = blob(ref)
        except OSError:
            self.error(404, "MANIFEST_UNKNOWN")
            return
        kind = json.loads(text)["mediaType"]
        if how == "type":
            kind = "application/vnd.oci.image.index.v1+json"
        self.answer(200, text, [("Content-Type", kind)])

    def blob(self, how, digest):
        try:
            data = blob(digest)
        except OSError:
            self.error(404, "BLOB_UNKNOWN")
            return
        counts[digest + how] += 1
        if how == "wrong" and len(data) > 100_000:
            data = data[:-1] + b"?"
        if how == "busy" and counts[digest + how] < 3:
            self.error(503, "UNAVAILABLE", [("Retry-After", "1")])
            return
        if how == "redirect":
            port = self.headers["Host"].split(":")[1]
            self.answer(307, b"", [("Location", "http://localhost:%s/elsewhere/%s" % (port, digest))])
            return
        start, status, headers = 0, 200, []
        span = self.headers.get("Range")
        if span and how != "norange":
            start, status = int(span[6:].split("-")[0]), 206
            headers = [("Content-Range", "bytes %d-%d/%d" % (start, len(data) - 1, len(data)))]
        cut = how == "cut" or (how == "norange" and counts[digest + how] < 3)
        self.answer(status, data[start:], headers, cut)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
if len(sys.argv) > 2:
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = ctx.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
