# SPDX-License-Identifier: Apache-2.0
"""A small admission webhook for test/e2e/webhook.sh: webhook_server.py CERT KEY LOG. Says its port on standard output.

What it answers is the path's last word. Each question goes to LOG as a line of JSON.
"""
import base64
import http.server
import json
import ssl
import sys
import threading

release = threading.Event()  # never set: a question to /hang gets no answer
first = threading.Lock()  # the first question to /meet waits at the FIFOs LOG.here and LOG.go


def patch(response, operations):
    response["patchType"] = "JSONPatch"
    response["patch"] = base64.b64encode(json.dumps(operations).encode()).decode()


def answer(word, request):
    r = {"uid": request["uid"], "allowed": True}
    if word == "deny":
        r["allowed"] = False
        r["status"] = {"code": 403, "reason": "Forbidden", "message": "not on a " + request["operation"]}
    elif word == "silent":
        r["allowed"] = False
    elif word == "warn":
        r["warnings"] = ["this is a warning"]
    elif word == "mutate":
        patch(r, [{"op": "add", "path": "/data", "value": {"mutated": "by-" + ("somebody" if request["userInfo"]["username"] else "nobody")}}])
    elif word == "count":
        data = request["object"].get("data") or {}
        n = str(int(data.get("count", "0")) + 1)
        patch(r, [{"op": "add", "path": "/data/count", "value": n}])
    elif word == "again":
        data = request["object"].get("data") or {}
        data["seen"] = data.get("seen", "") + ("m" if "mutated" in data else "-")
        patch(r, [{"op": "add", "path": "/data", "value": data}])
    elif word == "badpatch":
        patch(r, [{"op": "remove", "path": "/data/nothing/here"}])
    elif word == "badowners":
        patch(r, [{"op": "add", "path": "/metadata/managedFields", "value": [{"operation": "Odd"}]}])
    elif word == "scale":
        patch(r, [{"op": "replace", "path": "/spec/targetCPUUtilizationPercentage", "value": 55}])
    elif word == "baduid":
        r["uid"] = "other"
    return r


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        word = self.path.split("?")[0].rsplit("/", 1)[-1]
        review = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with open(sys.argv[3], "a", encoding="utf-8") as log:
            log.write(json.dumps({"path": self.path, "review": review}) + "\n")
        if word == "hang":
            release.wait()
        if word == "meet" and first.acquire(blocking=False):
            with open(sys.argv[3] + ".here", "w", encoding="utf-8") as here:
                here.write("here\n")
            with open(sys.argv[3] + ".go", encoding="utf-8") as go:
                go.read()
        if word == "error":
            body, status = b"broken", 500
        elif word == "nonsense":
            body, status = b"nonsense", 200
        else:
            response = answer(word, review["request"])
            body = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}).encode()
            status = 200
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), Handler)
server.daemon_threads = True
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
