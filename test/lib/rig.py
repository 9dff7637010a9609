# SPDX-License-Identifier: Apache-2.0
"""What measures and compares whole processes: a network namespace, an API server of one's own, requests to it, what processes cost, figures.

Whatever goes wrong raises; everything that was started ends with the program.
"""

import atexit
import base64
import copy
import ctypes
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time

SAMPAN = os.path.abspath("build/release/sampan")
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000

tmp = tempfile.mkdtemp(prefix="sampan-rig-")
_running = []


def private_network(mounts=False):
    """This process, and what it starts, in a network of their own with a loopback interface; and with mounts that nobody else sees."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET | (CLONE_NEWNS if mounts else 0)) != 0:
        raise OSError(ctypes.get_errno(), "unshare: " + os.strerror(ctypes.get_errno()))
    if mounts:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def start(log, *argv, **kw):
    """A process that is ended with us; its output goes to a file of that name below tmp."""
    with open(f"{tmp}/{log}", "wb") as out:
        p = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True, **kw)
    p.log = f"{tmp}/{log}"
    _running.append(p)
    return p


def stop(p):
    if p in _running:
        _running.remove(p)
        p.send_signal(signal.SIGTERM)
        try:
            p.wait(20)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an end like others: what was started ends, too


@atexit.register
def _end():
    for p in reversed(_running[:]):
        stop(p)
    shutil.rmtree(tmp, ignore_errors=True)


def wait_for(what, seconds, look, pause=0.01):
    """The first true thing that look() gives."""
    end = time.monotonic() + seconds
    while True:
        got = look()
        if got:
            return got
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(pause)


def peer(variable, program=None):
    """The path of a peer that an environment variable names or that is on PATH, or None."""
    path = os.environ.get(variable, "") or (shutil.which(program) if program else None)
    return path if path and os.access(path, os.X_OK) else None


# ---- figures ----


def put(name, value, unit, peer_name=None, peer_value=None, digits=3):
    beside = "peer=none"
    if peer_value:
        beside = f"peer={peer_name} {peer_value:.{digits}f} ratio={value / peer_value:.3f}"
    print(f"bench {name} {value:.{digits}f} {unit} {beside}", flush=True)


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


def tree(pid):
    """A process and all below it."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        try:
            with open(f"/proc/{one}/task/{one}/children", encoding="ascii") as f:
                todo += map(int, f.read().split())
        except OSError:
            found.pop()
    return found


def cpu_seconds(pids):
    """User and system time of these processes and of their children that ended."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            ticks += sum(map(int, f.read().rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mib(pids, line="Pss"):
    kib = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            kib += int(re.search(rf"^{line}:\s+(\d+)", f.read(), re.M).group(1))
    return kib / 1024


# ---- the API ----


class Client:
    """The API as whom a kubeconfig of ours names. One request at a time; a thread has a twin of its own."""

    def __init__(self, kubeconfig):
        self.kubeconfig = kubeconfig
        text = open(kubeconfig, encoding="ascii").read()
        self.url = re.search(r"server: https://(\S+)", text).group(1)
        for key, name in (("certificate-authority", "ca"), ("client-certificate", "crt"), ("client-key", "key")):
            with open(f"{tmp}/{name}.pem", "wb") as f:
                f.write(base64.b64decode(re.search(rf"{key}-data: (\S+)", text).group(1)))
        self.tls = ssl.create_default_context(cafile=f"{tmp}/ca.pem")
        self.tls.load_cert_chain(f"{tmp}/crt.pem", f"{tmp}/key.pem")
        self.connection = self.connect()

    def twin(self):
        """The same with a connection of its own."""
        other = copy.copy(self)
        other.connection = other.connect()
        return other

    def connect(self):
        return http.client.HTTPSConnection(self.url, context=self.tls, timeout=60)

    def call(self, method, path, body=None, kind="application/json"):
        self.connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": kind})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]}")
        return json.loads(text)

    def create(self, path, body):
        return self.call("POST", path, body)

    def delete(self, path):
        return self.call("DELETE", path, {"gracePeriodSeconds": 1})

    def watch(self, path):
        """Events, as they come; the connection is one of its own."""
        c = self.connect()
        c.request("GET", path + ("&" if "?" in path else "?") + "watch=1")
        answer = c.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"watch {path}: {answer.status} {answer.read()[:300]}")
        for line in answer:
            yield json.loads(line)


class Server(Client):
    """A `sampan apiserver` with a directory of its own, as its administrator."""

    def __init__(self, *flags, address="127.0.0.1"):
        self.data = f"{tmp}/data"
        self.process = start("apiserver.log", SAMPAN, "apiserver", "--data-dir", self.data, "--bind-address", address,
                             "--secure-port", "0", *flags)
        wait_for("the API server", 20, lambda: b'"msg":"serving"' in open(f"{tmp}/apiserver.log", "rb").read())
        super().__init__(f"{self.data}/admin.kubeconfig")


def service(name, ip, port=80, protocol="TCP"):
    return {"metadata": {"name": name}, "spec": {"clusterIP": ip, "ports": [{"name": "p", "port": port, "targetPort": 8080,
                                                                             "protocol": protocol}]}}


def slice_of(name, addresses):
    return {"metadata": {"name": name + "-1", "labels": {"kubernetes.io/service-name": name}}, "addressType": "IPv4",
            "ports": [{"name": "p", "port": 8080}],
            "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses]}


SERVICES = "/api/v1/namespaces/default/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
