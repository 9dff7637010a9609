#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mutate.py CASES CHECKER PEER SAMPAN: recorded snapshots whose parts are exchanged with parts that stand at the same place in others, decided by PEER
(main.go) and by `SAMPAN scheduler simulate`; CHECKER (check.py of the recordings) compares. SEED, COUNT (300), KEEP (a folder for those that differ)."""
import copy
import gzip
import importlib.util
import json
import os
import random
import re
import subprocess
import sys

CASES, CHECKER, PEER, SAMPAN = sys.argv[1:5]
SEED, COUNT, KEEP = os.environ.get("SEED", "1"), int(os.environ.get("COUNT", "300")), os.environ.get("KEEP")
PODS = ("pods", "pending", "nominated")
NAMED = ("name", "nodeName", "namespace", "uid", "nominatedNodeName")  # what ties objects together is chosen apart
REQUIRED = ("spec", "status", "containers", "allocatable", "maxSkew", "topologyKey", "whenUnsatisfiable", "weight", "key", "effect")
INVALID = re.compile("label selector.*(Invalid value|not a valid label selector operator)")
spec = importlib.util.spec_from_file_location("check", CHECKER)
check = importlib.util.module_from_spec(spec)
spec.loader.exec_module(check)


def inputs():
    for top, _, files in sorted(os.walk(CASES)):
        for f in sorted(files):
            with (gzip.open if f.endswith(".gz") else open)(os.path.join(top, f), "rb") as g:
                case = json.load(g)
            if len(case["input"]["nodes"]) <= 60:
                yield case["name"], case["input"]


def place_of(path):
    """Lists and maps of labels have one place for all their members; pods are pods wherever they stand."""
    out = []
    for p in path:
        if isinstance(p, int):
            out.append("*")
        elif out and out[-1] in ("labels", "annotations", "matchLabels", "nodeSelector", "disruptedPods"):
            out.append("+")
        else:
            out.append("pods" if p in PODS + ("schedule", "addPod", "updatePod") else "nodes" if p == "setNode" else p)
    return "/".join(x for i, x in enumerate(out) if not (x == "*" and i == 1) and not (x == "*" and i == 1) and not (x == "steps" and i == 0))


def walk(value, path=()):
    yield path, value
    if isinstance(value, dict):
        for k, v in value.items():
            yield from walk(v, path + (k,))
    elif isinstance(value, list):
        for i, v in enumerate(value):
            yield from walk(v, path + (i,))


def parent(root, path):
    for p in path[:-1]:
        root = root[p]
    return root


def may_change(path):
    return len(path) > 2 and len(path) > (3 if path[0] == "steps" else 2) and path[-1] not in NAMED and path[-1] != "metadata" and not isinstance(path[1], str)


def pods_of(snapshot):
    for k in PODS:
        yield from ((k, p) for p in snapshot.get(k, []))
    for s in snapshot.get("steps", []):
        yield from ((k, s[k]) for k in ("schedule", "addPod", "updatePod") if k in s)


def exchange(rnd, snapshot, pool):
    spots = [p for p, _ in walk(snapshot) if may_change(p)]
    path = rnd.choice(spots)
    others = pool.get(place_of(path))
    up = parent(snapshot, path)
    what = rnd.random()
    if what < 0.15 and isinstance(up, dict) and path[-1] not in REQUIRED:
        del up[path[-1]]
    elif what < 0.25 and isinstance(up, list) and len(up) > 1:
        del up[path[-1]]
    elif what < 0.35 and isinstance(up, list) and len(path) > 3 and others:
        up.append(copy.deepcopy(rnd.choice(others)))
    elif others:
        up[path[-1]] = copy.deepcopy(rnd.choice(others))


def tie(rnd, snapshot):
    """Names that are taken once, pods on nodes that are there, an order of importance without ties, an image once per
    node and of one size everywhere (the scheduler keeps the size it saw first, upstream's snapshot of a test each node's)."""
    sizes = {}
    for n in snapshot["nodes"] + [s["setNode"] for s in snapshot.get("steps", []) if "setNode" in s]:
        there = set()
        for image in n.get("status", {}).get("images", []):
            image["names"] = [x for x in image.get("names", []) if x not in there]
            there.update(image["names"])
            image.setdefault("sizeBytes", 0)
            for name in image["names"][:1]:
                image["sizeBytes"] = sizes.setdefault(name, image["sizeBytes"])
            for name in image["names"]:
                sizes.setdefault(name, image["sizeBytes"])
            image["names"] = [x for x in image["names"] if sizes[x] == image["sizeBytes"]]
    nodes, seen = [n["metadata"]["name"] for n in snapshot["nodes"]], set()
    for i, (kind, p) in enumerate(pods_of(snapshot)):
        m = p.setdefault("metadata", {})
        name = m.get("name", "x")
        while kind != "updatePod" and (m.get("namespace"), name) in seen:
            name += "x"
        m["name"] = name
        seen.add((m.get("namespace"), name))
        m["uid"] = f"{m.get('namespace')}/{name}"
        if kind in ("pods", "addPod", "updatePod") and nodes and ("nodeName" not in p["spec"] or rnd.random() < 0.05):
            p["spec"]["nodeName"] = rnd.choice(nodes)
        if kind in ("pending", "schedule", "nominated"):
            p["spec"].pop("nodeName", None)
        if kind == "nominated" and not p.get("status", {}).get("nominatedNodeName"):
            p.setdefault("status", {})["nominatedNodeName"] = rnd.choice(nodes or ["none"])
        if kind == "pods":
            p.setdefault("status", {})["startTime"] = f"2026-01-{1 + i % 28:02d}T{i // 28 % 24:02d}:{i // 672 % 60:02d}:00Z"
    return snapshot


def ask(command, lines):
    return subprocess.run(command, input="".join(x + "\n" for x in lines), stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()


def ours(line):
    r = subprocess.run([SAMPAN, "scheduler", "simulate"], input=line, capture_output=True, text=True, check=False)
    if r.returncode != 0:
        return {"error": r.stderr.strip() or f"status {r.returncode}"}
    out = json.loads(r.stdout)
    for d in out["decisions"]:  # what the peer does not tell
        d.pop("raw", None)
        d.get("preemption", {}).pop("message", None)
    return out


def main():
    rnd = random.Random(SEED)
    corpus, pool = list(inputs()), {}
    for _, snapshot in corpus:
        for path, value in walk(snapshot):
            if may_change(path):
                pool.setdefault(place_of(path), []).append(value)
    made = []
    for i in range(COUNT):
        name, snapshot = corpus[i % len(corpus)] if COUNT <= len(corpus) else rnd.choice(corpus)
        snapshot = copy.deepcopy(snapshot)
        for _ in range(rnd.choice((0, 1, 2, 4, 8))):
            exchange(rnd, snapshot, pool)
        made.append((name, json.dumps(tie(rnd, snapshot))))
    opt = {"preemption": True}
    passed = failed = skipped = 0
    for i, ((name, line), want) in enumerate(zip(made, ask([PEER], [m[1] for m in made]))):
        want, got = json.loads(want), ours(line)
        if "error" in want or INVALID.search(got.get("error", "")):  # no decision upstream, or no object that an API server takes
            skipped += 1
            continue
        text = "refused here: " + got["error"] if "error" in got else check.compare({"expected": want}, got, opt)
        if text is None:
            passed += 1
            continue
        failed += 1
        print(f"FAIL {i} ({name}): {text}")
        if KEEP:
            with open(os.path.join(KEEP, f"{SEED}-{i}.json"), "w", encoding="utf-8") as f:
                json.dump({"name": f"{SEED}-{i}", "input": json.loads(line), "expected": want}, f)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


sys.exit(main())
