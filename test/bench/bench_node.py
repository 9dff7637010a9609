#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Nodes: `sampan node` and `sampan cri` beside a kubelet (PEER_KUBELET) on Debian's containerd, with one `sampan apiserver` for all, in one run and by
turns. How long a pod takes, one at a time and 100 at once: start_*, from the request that binds it to a watch that says it is Ready (runs; it has no
probe); commit_*, from the commit of its binding to the commit of status Running, both as one watch tells them; oci_1, what of commit_1 the OCI
runtime takes itself (all its runs before that), and own_1, what is left: of lives of their own, for looking costs a millisecond or two;
what memory (private, and Pss) node agent, runtime and shims take with 0, 30 and 110 pods, and what processor time with 0 and 110 that do
nothing. runc on both sides, and alone; figures with _crun are ours with crun, without a peer. A pod is one container of a present image, with a
service account's token; sandbox containers of the peer are not counted. NODE_SINGLES (20), NODE_ROUNDS (2);
NODE_ONLY=start measures no more than starts."""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, "test/lib")
import nodes  # noqa: E402 (the path comes first)
import rig  # noqa: E402

SINGLES, ROUNDS, IDLE_S, BURST = int(os.environ.get("NODE_SINGLES", 20)), int(os.environ.get("NODE_ROUNDS", 2)), 20, 100
PODS = "/api/v1/namespaces/default/pods"
RUNS = ["sh", "-c", "trap 'exit 0' TERM; sleep 1000000 & wait"]


class Ends:
    """When each pod was first seen bound, in phase Running, Ready, and gone, by one watch; wall clock of Running, too."""

    def __init__(self, api):
        self.api, self.bound, self.running, self.ready, self.gone, self.wall, self.news = api, {}, {}, {}, {}, {}, queue.SimpleQueue()
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        for e in self.api.watch(PODS):
            now, name = time.monotonic(), e["object"]["metadata"]["name"]
            status = e["object"].get("status", {})
            if e["object"]["spec"].get("nodeName"):
                self.bound.setdefault(name, now)
            if status.get("phase") == "Running" and name not in self.running:
                self.running[name], self.wall[name] = now, time.time()
            if e["type"] == "DELETED":
                self.gone.setdefault(name, now)
            elif any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", [])):
                self.ready.setdefault(name, now)
            self.news.put(name)

    def wait(self, table, names, what):
        end = time.monotonic() + 300
        while any(n not in table for n in names):
            try:
                self.news.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise RuntimeError(f"{what}: not {[n for n in names if n not in table][:3]}") from None


def make(api, node, names):
    """They are there, then bound as a scheduler does: when each binding was asked for."""
    begun = {}
    for name in names:
        api.create(PODS, {"metadata": {"name": name}, "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "c", "image": nodes.IMAGE, "imagePullPolicy": "IfNotPresent", "command": RUNS}]}})
    for name in names:
        begun[name] = time.monotonic()
        api.create(f"{PODS}/{name}/binding", {"metadata": {"name": name}, "target": {"kind": "Node", "name": node.name}})
    return begun


def remove(api, ends, names):
    for name in names:
        api.delete(f"{PODS}/{name}")
    ends.wait(ends.gone, names, "the end of pods")


def lives(api, ends, node, names):
    """Milliseconds to Ready, and from commit to commit, of pods that are bound at once; they are gone in the end."""
    begun = make(api, node, names)
    ends.wait(ends.ready, names, "pods")
    remove(api, ends, names)
    return [((ends.ready[n] - begun[n]) * 1000, (ends.running[n] - ends.bound[n]) * 1000) for n in names]


class Noted:
    """The OCI runtime of a node of ours with a program before it that writes down when each of its runs began and ended."""

    SCRIPT = '#!/bin/bash\nat=$EPOCHREALTIME\n"$0.real" "$@"\ngot=$?\necho "$at $EPOCHREALTIME" >>"${0%/*}/runs"\nexit $got\n'

    def __init__(self, node):
        self.at, self.runs = node.oci_path, os.path.dirname(node.oci_path) + "/runs"

    def begin(self):
        os.rename(self.at, self.at + ".real")
        with open(self.at + ".new", "w", encoding="ascii") as f:
            f.write(self.SCRIPT)
        os.chmod(self.at + ".new", 0o755)
        os.rename(self.at + ".new", self.at)

    def end(self):
        os.rename(self.at + ".real", self.at)

    def life(self, api, ends, node, name):
        """Milliseconds of the OCI runtime before a pod was told to run, and the rest of commit to commit."""
        open(self.runs, "w", encoding="ascii").close()
        took = lives(api, ends, node, [name])[0][1]
        with open(self.runs, encoding="ascii") as f:
            runs = [tuple(map(float, line.split())) for line in f]
        oci = sum(end - at for at, end in runs if end <= ends.wall[name]) * 1000
        return oci, took - oci


class Bare:
    """The OCI runtime alone, create and start with the configuration of `runc spec` (namespaces all made anew): how fast this machine is now."""

    def __init__(self):
        self.dir = f"{rig.tmp}/bare"
        os.makedirs(f"{self.dir}/rootfs")
        subprocess.run(["test/e2e/busybox-image", "bare", f"{self.dir}/image.tar", f"{self.dir}/rootfs"], check=True)
        subprocess.run(["runc", "spec"], cwd=self.dir, check=True)
        with open(f"{self.dir}/config.json", encoding="ascii") as f:
            spec = json.load(f)
        spec["process"].update(terminal=False, args=RUNS)
        with open(f"{self.dir}/config.json", "w", encoding="ascii") as f:
            json.dump(spec, f)

    def life(self):
        """Milliseconds of create and start."""
        runc, name = ["runc", "--root", f"{self.dir}/state"], f"bare-{os.getpid()}"
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "check": True}
        begun = time.monotonic()
        subprocess.run([*runc, "create", "--bundle", self.dir, name], **quiet)
        subprocess.run([*runc, "start", name], **quiet)
        took = time.monotonic() - begun
        subprocess.run([*runc, "delete", "--force", name], **quiet)
        return took * 1000


def processes(node):
    return [node.agent.pid, *rig.tree(node.runtime.pid), *node.shims()]


def private_mib(pids):
    return rig.memory_mib(pids, "Private_Clean") + rig.memory_mib(pids, "Private_Dirty")


def idle(all_nodes):
    """Processor time in ms per minute, of each, with nothing to do."""
    pids = [processes(n) for n in all_nodes]
    before = [rig.cpu_seconds(p) for p in pids]
    time.sleep(IDLE_S)
    return [(rig.cpu_seconds(p) - b) * 1000 * 60 / IDLE_S for p, b in zip(pids, before)]


def shares(api, ends, node):
    noted = Noted(node)
    noted.begin()
    got = [noted.life(api, ends, node, f"{node.name}-noted{i}") for i in range(SINGLES)]
    noted.end()
    return {f"{what}_1_p50": rig.percentile(values, 0.5) for what, values in zip(("oci", "own"), zip(*got))}


def measure(api, ends, all_nodes):
    figures = {n.name: {} for n in all_nodes}

    def keep(node, name, value, unit):
        figures[node.name][name] = value, unit

    bare = Bare() if shutil.which("runc") else None
    alone = []
    for node in all_nodes:
        lives(api, ends, node, [f"{node.name}-warm{i}" for i in range(3)])
    for rounds, n in ((SINGLES, 1), (ROUNDS, BURST)):
        took = {n.name: [] for n in all_nodes}
        for r in range(rounds):
            if bare and n == 1:
                alone.append(bare.life())
            for node in all_nodes:
                took[node.name] += lives(api, ends, node, [f"{node.name}-{n}-{r}-{i}" for i in range(n)])
        for node in all_nodes:
            for what, values in zip((f"start_{n}", f"commit_{n}"), zip(*took[node.name])):
                keep(node, f"{what}_p50", rig.percentile(values, 0.5), "ms")
                keep(node, f"{what}_p99", rig.percentile(values, 0.99), "ms")
    for node in [n for n in all_nodes if n.oci_path]:
        for name, value in shares(api, ends, node).items():
            keep(node, name, value, "ms")
    for node in all_nodes[:1] if alone else []:
        keep(node, "runc_alone_p50", rig.percentile(alone, 0.5), "ms")
    if os.environ.get("NODE_ONLY") == "start":
        return figures
    have = 0
    for n in (0, 30, 110):
        for node in all_nodes:
            names = [f"{node.name}-stay{i}" for i in range(have, n)]
            make(api, node, names)
            ends.wait(ends.ready, names, "pods")
        have = n
        spent = idle(all_nodes) if n != 30 else time.sleep(5)
        for i, node in enumerate(all_nodes):
            keep(node, f"memory_{n}_private", private_mib(processes(node)), "MiB")
            keep(node, f"memory_{n}_pss", rig.memory_mib(processes(node)), "MiB")
            if n > 0:
                keep(node, f"shim_private_{n}", private_mib(node.shims()) / n, "MiB")
            if spent:
                keep(node, f"idle_{n}_cpu", spent[i], "ms/min")
    for node in all_nodes:
        remove(api, ends, [f"{node.name}-stay{i}" for i in range(have)])
    return figures


def main():
    rig.private_network(mounts=True)
    nodes.prepare()
    api = rig.Server()
    api.create("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    api.create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "x"}})
    kinds = [("ours", "sampan", "sampan", "runc")] if shutil.which("runc") else []
    kinds += [("ours-crun", "sampan", "sampan", "crun")] if shutil.which("crun") else []
    kinds += [] if nodes.missing() else [("peer", "kubelet", "containerd", "runc")]
    all_nodes = [nodes.Node(name, i, agent, runtime, oci) for i, (name, agent, runtime, oci) in enumerate(kinds, 1)]
    try:
        for node in all_nodes:
            node.begin(api)
        print("load", open("/proc/loadavg", encoding="ascii").read().strip(), file=sys.stderr)
        figures = measure(api, Ends(api.twin()), all_nodes)
        print("load", open("/proc/loadavg", encoding="ascii").read().strip(), file=sys.stderr)
    except RuntimeError:
        for node in all_nodes:
            sys.stderr.write(f"{node.name}: {node.log()}\n")
        raise
    finally:
        for node in all_nodes:
            node.end()
    for suffix, who in (("", "ours"), ("_crun", "ours-crun")):
        for name, (value, unit) in figures.get(who, {}).items():
            theirs = None if suffix else figures.get("peer", {}).get(name)
            rig.put(f"node_{name}{suffix}", value, unit, "kubelet+containerd", theirs and theirs[0], 2)


main()
