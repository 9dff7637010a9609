#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cluster DNS with 1,000 Services of which 500 are headless: questions per second by UDP and processor time per question, asked by dnsperf, beside
BIND's named and NSD (Debian's) with the same zone, one after the other in one run; and their memory. Each answers on one core."""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, "test/lib")
import rig  # noqa: E402 (the path comes first)

SERVICES, SECONDS = 1000, 4
ZONE = "cluster.local"


def records():
    """The same names and addresses for all: of a service, and of the endpoints of a headless one."""
    for i in range(SERVICES):
        if i % 2 == 0:
            yield f"s{i}", [f"10.96.{(i + 256) >> 8}.{i & 255}"]
        else:
            yield f"s{i}", [f"10.100.{i >> 8}.{i & 255}", f"10.101.{i >> 8}.{i & 255}"]


def fill(api):
    for name, addresses in records():
        headless = len(addresses) > 1
        api.create(rig.SERVICES, rig.service(name, "None" if headless else addresses[0]))
        if headless:
            api.create(rig.SLICES, rig.slice_of(name, addresses))


def write_zone():
    with open(f"{rig.tmp}/zone", "w", encoding="ascii") as f:
        f.write(f"$ORIGIN {ZONE}.\n$TTL 5\n@ SOA ns.dns hostmaster 1 7200 1800 86400 5\n@ NS ns.dns\nns.dns A 10.96.0.10\n")
        for name, addresses in records():
            for a in addresses:
                f.write(f"{name}.default.svc A {a}\n")


def write_questions():
    with open(f"{rig.tmp}/questions", "w", encoding="ascii") as f:
        for name, _ in records():
            f.write(f"{name}.default.svc.{ZONE} A\n")
            f.write(f"{name}.default.svc.{ZONE}.default.svc.{ZONE} A\n")  # what search domains make of it: no such name


def start_ours(api, port):
    with open(f"{rig.tmp}/resolv.conf", "w", encoding="ascii") as f:
        f.write("nameserver 127.0.0.9\n")
    return rig.start("dns.log", rig.SAMPAN, "dns", "--kubeconfig", api.kubeconfig, "--address", f"127.0.0.1:{port}",
                       "--resolv-conf", f"{rig.tmp}/resolv.conf")


def start_named(program, port):
    with open(f"{rig.tmp}/named.conf", "w", encoding="ascii") as f:
        f.write(f'options {{ directory "{rig.tmp}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; '
                f'pid-file none; session-keyfile none; }};\ncontrols {{ }};\nzone "{ZONE}" {{ type master; file "{rig.tmp}/zone"; }};\n')
    return rig.start("named.log", program, "-g", "-n", "1", "-c", f"{rig.tmp}/named.conf")


def start_nsd(program, port):
    with open(f"{rig.tmp}/nsd.conf", "w", encoding="ascii") as f:
        f.write(f'server:\n server-count: 1\n ip-address: 127.0.0.1@{port}\n username: ""\n zonesdir: "{rig.tmp}"\n pidfile: ""\n'
                f' database: ""\n zonelistfile: "{rig.tmp}/zone.list"\n xfrdfile: ""\n xfrdir: "{rig.tmp}"\n rrl-ratelimit: 0\n'
                f'remote-control:\n control-enable: no\nzone:\n name: {ZONE}\n zonefile: zone\n')
    return rig.start("nsd.log", program, "-d", "-c", f"{rig.tmp}/nsd.conf")


def ask(port, seconds):
    out = subprocess.run(["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", f"{rig.tmp}/questions", "-l", str(seconds), "-c", "8", "-q",
                          "200", "-T", "1"], capture_output=True, text=True, check=True).stdout
    found = dict(re.findall(r"^\s*([A-Z][A-Za-z ()]*):\s+(.+)$", out, re.M))
    return found, int(re.match(r"\d+", found["Queries completed"]).group())


def answers(p, port):
    """It answers a name of each kind as it should."""
    out = subprocess.run(["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", f"{rig.tmp}/questions", "-n", "1", "-c", "1", "-q", "20"],
                         capture_output=True, text=True, check=False).stdout
    if p.poll() is not None:
        raise RuntimeError(f"ended: {open(p.log, errors='replace').read()[-800:]}")
    codes = re.search(r"Response codes:\s+(.+)", out)
    return codes and f"NOERROR {SERVICES} (50.00%), NXDOMAIN {SERVICES} (50.00%)" in codes.group(1)


def measure(p, port):
    rig.wait_for("a server that has the zone", 30, lambda: answers(p, port), 0.1)
    pids = rig.tree(p.pid)
    before = rig.cpu_seconds(pids)
    found, done = ask(port, SECONDS)
    lost = int(re.match(r"\d+", found["Queries lost"]).group())
    if lost > done // 1000:
        raise RuntimeError(f"{lost} of {done} questions were not answered")
    return {"rate": float(found["Queries per second"]), "cpu": (rig.cpu_seconds(pids) - before) * 1e6 / done,
            "pss": rig.memory_mib(pids)}


def main():
    if shutil.which("dnsperf") is None:
        raise SystemExit("dnsperf is not on PATH (Debian: dnsperf)")
    os.environ["PATH"] += ":/usr/sbin"
    rig.private_network()
    api = rig.Server("--service-cluster-ip-range", "10.96.0.0/12")
    fill(api)
    write_zone()
    write_questions()
    figures = {}
    starters = {"ours": lambda: start_ours(api, 5301)}
    for i, (name, starter) in enumerate((("named", start_named), ("nsd", start_nsd))):
        program = rig.peer(f"PEER_{name.upper()}", name)
        if program:
            starters[name] = lambda s=starter, p=program, i=i: s(p, 5302 + i)
    for i, (name, starter) in enumerate(starters.items()):
        p = starter()
        figures[name] = measure(p, 5301 + ("ours", "named", "nsd").index(name))
        rig.stop(p)
    for what, unit in (("rate", "questions/s"), ("cpu", "us"), ("pss", "MiB")):
        for name in [n for n in starters if n != "ours"] or ["none"]:
            rig.put(f"dns_{what}", figures["ours"][what], unit, name, figures.get(name, {}).get(what), 2)


main()
