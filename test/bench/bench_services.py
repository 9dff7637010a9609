#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The service proxy, alone in a network of its own: how long a change of one endpoint takes from the request that makes it to the kernel's
new generation of rules, and what it costs, with 10 and with 5,000 Services of two endpoints; memory with 5,000. Beside kube-proxy in its
nftables mode (PEER_KUBE_PROXY; it runs nft), following the same API server; it gathers changes for a second at most (its default), so only the first of each
second is a fair one to time, and changes here are 1.2 s apart for both."""

import json
import os
import socket
import struct
import sys
import time

sys.path.insert(0, "test/lib")
import rig  # noqa: E402 (the path comes first)

GROUP_NFTABLES, NETLINK_NETFILTER, NEWGEN = 7, 12, 0x0A0F
CHANGES = 15
APART_S = 1.2


class Rules:
    """The kernel's word that a transaction of nftables is in force."""

    def __init__(self):
        self.s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE: a first load is many messages
        self.s.bind((0, 1 << (GROUP_NFTABLES - 1)))

    def generation(self, seconds):
        """Waits for the end of the next transaction; its time, or None."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.s.settimeout(left)
            try:
                data = self.s.recv(1 << 20)
            except TimeoutError:
                return None
            at = 0
            while at + 16 <= len(data):
                size, kind = struct.unpack_from("=IH", data, at)
                if kind == NEWGEN:
                    return time.monotonic()
                at += (max(size, 16) + 3) & ~3

    def settle(self, quiet_s):
        while self.generation(quiet_s):
            pass


def address(i):
    return f"10.{100 + (i >> 16)}.{i >> 8 & 255}.{i & 255}"


def fill(api, first, n):
    for i in range(first, n):
        api.create(rig.SERVICES, rig.service(f"s{i}", f"10.96.{(i + 256) >> 8}.{i & 255}"))
        api.create(rig.SLICES, rig.slice_of(f"s{i}", [address(2 * i), address(2 * i + 1)]))


def measure(api, rules, proxy):
    rules.settle(APART_S * 2)
    took, before = [], rig.cpu_seconds(rig.tree(proxy.pid))
    for i in range(CHANGES):
        body = rig.slice_of("s3", [address(6), address(200000 + i)])
        time.sleep(APART_S)
        rules.settle(0.001)
        began = time.monotonic()
        api.call("PUT", f"{rig.SLICES}/s3-1", body)
        done = rules.generation(30)
        if done is None:
            raise RuntimeError("a change that never reached the kernel")
        took.append((done - began) * 1000)
    cpu_ms = (rig.cpu_seconds(rig.tree(proxy.pid)) - before) * 1000 / CHANGES
    return {"p50": rig.percentile(took, 0.5), "p99": rig.percentile(took, 0.99), "cpu": cpu_ms,
            "pss": rig.memory_mib(rig.tree(proxy.pid))}


def start_peer(program, api):
    path = f"{rig.tmp}/kube-proxy.json"
    with open(path, "w", encoding="ascii") as f:
        json.dump({"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration", "mode": "nftables",
                   "hostnameOverride": "bench", "clientConnection": {"kubeconfig": api.kubeconfig},
                   "conntrack": {"maxPerCore": 0, "min": 0}, "clusterCIDR": "10.0.0.0/8",
                   "healthzBindAddress": "127.0.0.1:0", "metricsBindAddress": "127.0.0.1:0"}, f)
    return rig.start("kube-proxy.log", program, "--config", path)


def main():
    rig.private_network()
    rules = Rules()
    api = rig.Server("--service-cluster-ip-range", "10.96.0.0/12")
    api.create("/api/v1/nodes", {"metadata": {"name": "bench"}})
    api.call("PATCH", "/api/v1/nodes/bench/status",
             {"status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}}, "application/merge-patch+json")
    program = rig.peer("PEER_KUBE_PROXY")
    figures = {}
    done = 0
    for n in (10, 5000):
        fill(api, done, n)
        done = n
        for who in ("ours", "peer"):
            if who == "peer" and program is None:
                continue
            proxy = rig.start("proxy.log", rig.SAMPAN, "service-proxy", "--kubeconfig", api.kubeconfig, "--hostname-override",
                                "bench") if who == "ours" else start_peer(program, api)
            if rules.generation(60) is None:
                raise RuntimeError(f"no rules: {open(proxy.log, errors='replace').read()[-500:]}")
            figures[who, n] = measure(api, rules, proxy)
            rig.stop(proxy)
            os.system("nft flush ruleset")
            rules.settle(0.5)
    for n in (10, 5000):
        for what, unit in (("p50", "ms"), ("p99", "ms"), ("cpu", "ms"), ("pss", "MiB")):
            theirs = figures.get(("peer", n))
            rig.put(f"services_change_{n}_{what}", figures["ours", n][what], unit, "kube-proxy", theirs and theirs[what], 2)


main()
