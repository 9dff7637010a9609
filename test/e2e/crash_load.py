#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""crash_load.py SAMPAN ROUNDS: kill -9 of the API server under load, again and again.

Four writers create and update config maps, one watcher follows from revision to revision over all lives of the server.
Whatever was acknowledged must be there after each start, revisions never go back, and the watcher must have seen each
change exactly once and in order. The moment of a kill is a number of acknowledged writes, drawn from a fixed seed."""

import http.client
import json
import queue
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

WRITERS = 4
TOKEN = "crash-test-token"
PATH = "/api/v1/namespaces/default/configmaps"
failures = []
n_checks = 0


def check(what, good, detail=""):
    global n_checks
    n_checks += 1
    if not good:
        failures.append(what)
        print("FAIL", what, detail)


class Server:
    def __init__(self, binary, directory):
        self.args = [binary, "apiserver", "--data-dir=" + directory + "/data", "--bind-address=127.0.0.1",
                     "--token-auth-file=" + directory + "/tokens"]
        self.directory = directory
        self.port = 0
        with open(directory + "/tokens", "w") as f:
            f.write(TOKEN + ',root,1,"system:masters"\n')

    def start(self):
        self.process = subprocess.Popen(self.args + ["--secure-port=%d" % self.port], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for line in self.process.stderr:
            entry = json.loads(line)
            if entry["msg"] == "serving":
                self.port = int(entry["address"].rsplit(":", 1)[1])
                break
        else:
            raise RuntimeError("the server does not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.tls = ssl.create_default_context(cafile=self.directory + "/data/ca.crt")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def connect(self):
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=60)


def call(connection, method, path, body=None):
    """(status, object); raises when the server is gone."""
    headers = {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


GONE = (OSError, http.client.HTTPException, ValueError)


class Writer(threading.Thread):
    """Writes until its server is gone. `known`: name -> revision acknowledged last; `maybe`: what was not answered."""

    def __init__(self, server, prefix, acknowledged):
        super().__init__(daemon=True)
        self.server, self.prefix, self.acknowledged = server, prefix, acknowledged
        self.known, self.maybe = {}, set()

    def write(self, connection, name, previous):
        body = {"metadata": {"name": name}, "data": {"previous": previous}}
        self.maybe.add(name)
        if previous:
            status, answer = call(connection, "PUT", PATH + "/" + name, body)
        else:
            status, answer = call(connection, "POST", PATH, body)
        if status not in (200, 201):
            check("a write is answered with success", False, answer)
            raise ValueError
        self.maybe.discard(name)
        self.known[name] = int(answer["metadata"]["resourceVersion"])
        self.acknowledged.put(self.known[name])

    def run(self):
        try:
            connection = self.server.connect()
            n = 0
            while True:
                name = "%s-%d" % (self.prefix, n)
                self.write(connection, name, "")
                if n % 3 == 0:
                    self.write(connection, name, str(self.known[name]))
                n += 1
        except GONE:
            pass


class Watcher(threading.Thread):
    """Follows all lives of the server; `events` is what it saw, in order."""

    def __init__(self, server, revision):
        super().__init__(daemon=True)
        self.server, self.revision = server, revision
        self.events, self.alive, self.end = [], threading.Event(), threading.Event()
        self.expired = False

    def follow(self):
        connection = self.server.connect()
        connection.request("GET", "%s?watch=true&resourceVersion=%d" % (PATH, self.revision), None,
                           {"Authorization": "Bearer " + TOKEN})
        for line in connection.getresponse():
            event = json.loads(line)
            if event["type"] == "ERROR":
                self.expired = True
                self.end.set()
                return
            meta = event["object"]["metadata"]
            self.revision = int(meta["resourceVersion"])
            self.events.append((event["type"], meta["name"], self.revision))
            if meta["name"] == "the-end":
                self.end.set()
                return

    def run(self):
        while not self.end.is_set():
            self.alive.wait()
            try:
                self.follow()
            except GONE:
                pass


def listed(server):
    status, answer = call(server.connect(), "GET", PATH)
    check("the list is answered", status == 200, answer)
    items = {i["metadata"]["name"]: int(i["metadata"]["resourceVersion"]) for i in answer["items"]}
    items.pop("kube-root-ca.crt", None)
    return items, int(answer["metadata"]["resourceVersion"])


def one_round(server, number, known, maybe, rng):
    acknowledged = queue.Queue()
    writers = [Writer(server, "r%d-w%d" % (number, i), acknowledged) for i in range(WRITERS)]
    for w in writers:
        w.start()
    newest = 0
    for _ in range(rng.randrange(1, 400)):
        newest = max(newest, acknowledged.get(timeout=60))
    server.kill()
    for w in writers:
        w.join()
        known.update(w.known)
        maybe |= w.maybe
    server.start()
    items, revision = listed(server)
    check("revisions never go back", revision >= newest, (revision, newest))
    check("what was acknowledged is there", all(items.get(n, 0) >= r for n, r in known.items()))
    check("nothing is newer than was asked for", all(items[n] == r or n in maybe for n, r in known.items()))
    check("nothing else is there", all(n in known or n in maybe for n in items))


def run(binary, rounds, directory):
    rng = random.Random(rounds)
    server = Server(binary, directory)
    server.start()
    items, revision = listed(server)
    watcher = Watcher(server, revision)
    watcher.alive.set()
    watcher.start()
    known, maybe = {}, set()
    for number in range(rounds):
        one_round(server, number, known, maybe, rng)
    call(server.connect(), "POST", PATH, {"metadata": {"name": "the-end"}})
    check("the watcher comes to the end", watcher.end.wait(60))
    check("the watcher goes on after each start", not watcher.expired)
    items, _ = listed(server)
    revisions = [r for _, _, r in watcher.events]
    check("events are in order, none twice", all(a < b for a, b in zip(revisions, revisions[1:])))
    added = [n for t, n, _ in watcher.events if t == "ADDED"]
    check("each object was added once", sorted(added) == sorted(items))
    last = {n: r for _, n, r in watcher.events}
    check("the last event of each is its state", last == items)
    server.process.send_signal(signal.SIGTERM)
    check("the server ends when asked", server.process.wait() == 0)
    print("%d writes acknowledged, %d without an answer, %d events" % (len(known), len(maybe), len(revisions)))


def main():
    with tempfile.TemporaryDirectory() as directory:
        run(sys.argv[1], int(sys.argv[2]), directory)
    print("%d passed, %d failed" % (n_checks - len(failures), len(failures)))
    return 1 if failures else 0


sys.exit(main())
