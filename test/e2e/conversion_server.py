# SPDX-License-Identifier: Apache-2.0
"""A conversion webhook for test/e2e/conversion.sh: conversion_server.py CERT KEY LOG. Says its port on standard output.

v1 has spec.hostPort, v2 spec.host and spec.port. The file LOG.mode says how it misbehaves. Each question goes to LOG as a line of JSON.
It is an admission webhook, too: it allows everything, and asked at /mutate it sets spec.port to 77.
"""
import base64
import http.server
import json
import ssl
import sys
import threading

cert, key, log = sys.argv[1:]
lock = threading.Lock()
release = threading.Event()  # never set: a question in mode hang gets no answer


def mode():
    with open(log + ".mode") as f:
        return f.read().strip()


def convert(o, to):
    o = json.loads(json.dumps(o))
    spec = o.get("spec", {})
    if to.endswith("v2"):
        spec.pop("d", None)  # v1 alone has it, by default
    if to.endswith("v2") and "hostPort" in spec:
        spec["host"], _, spec["port"] = spec.pop("hostPort").partition(":")
    elif to.endswith("v1") and "host" in spec:
        spec["hostPort"] = spec.pop("host") + ":" + spec.pop("port", "")
    o["apiVersion"] = to
    return o


def admit(path, request):
    """The answer to an AdmissionReview; what it was shown goes to the log."""
    shown = {"path": path, "operation": request["operation"], "version": request["kind"]["version"],
             "asked": request["requestKind"]["version"]}
    for key in "object", "oldObject":
        shown[key] = (request.get(key) or {}).get("spec")
        shown[key + "Version"] = (request.get(key) or {}).get("apiVersion")
    with lock, open(log, "a") as f:
        f.write(json.dumps(shown, sort_keys=True) + "\n")
    response = {"uid": request["uid"], "allowed": True}
    if path.startswith("/mutate"):
        patch = [{"op": "add", "path": "/spec/port", "value": "77"}]
        response.update(patchType="JSONPatch", patch=base64.b64encode(json.dumps(patch).encode()).decode())
    return response


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["content-length"])))
        request = review["request"]
        if review["kind"] == "AdmissionReview":
            self.answer(review, admit(self.path, request))
            return
        how = mode()
        with lock, open(log, "a") as f:
            f.write(json.dumps({"path": self.path, "n": len(request["objects"]), "to": request["desiredAPIVersion"]}) + "\n")
        if how == "hang":
            release.wait()
        response = {"uid": request["uid"], "result": {"status": "Success"},
                    "convertedObjects": [convert(o, request["desiredAPIVersion"]) for o in request["objects"]]}
        for o in response["convertedObjects"]:
            if how == "name":
                o["metadata"]["name"] = "other"
            elif how == "label":
                o["metadata"]["labels"] = {"by": "webhook"}
            elif how == "badlabel":
                o["metadata"]["labels"] = {"by": "-"}
            elif how == "finalizer":
                o["metadata"]["finalizers"] = ["a/b"]
        if how == "fail" or (how == "back" and request["desiredAPIVersion"].endswith("v1")):
            response["result"] = {"status": "Failure", "message": "no way"}
        elif how == "few":
            response["convertedObjects"] = []
        self.answer(review, response)

    def answer(self, review, response):
        data = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
