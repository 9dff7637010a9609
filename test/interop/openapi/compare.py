#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our OpenAPI documents against Kubernetes' own: compare.py OURS THEIRS, both with swagger.json and v3/*.json.

Descriptions are ours and not compared. Each difference is a line; the last line sums up definitions and paths.
Known differences, with the reason, are in KNOWN below and are counted apart."""
import json
import os
import sys

KNOWN = [
    # (part of the place, why)
    ("/logs/", "a log directory is not served"),
    ("definition io.k8s.apimachinery.pkg.apis.meta.v1.GroupResource", "only storagemigration.k8s.io, not served, has it"),
    ("metrics.k8s.io", "a server of its own serves it there"),
    ("io.k8s.metrics.", "the same"),
    ("gvk of DeleteOptions", "upstream lists every group of its scheme, served or not"),
    ("gvk of WatchEvent", "upstream lists every group of its scheme, served or not"),
]


def bare(x):
    """Without descriptions; allOf of one reference is the reference."""
    if isinstance(x, dict):
        out = {k: bare(v) for k, v in x.items() if not (k == "description" and isinstance(v, str))}
        if set(out) == {"allOf"} and len(out["allOf"]) == 1:
            return out["allOf"][0]
        return out
    if isinstance(x, list):
        return [bare(v) for v in x]
    return x


def resolve(doc, p):
    return doc["parameters"][p["$ref"].split("/")[-1]] if "$ref" in p else p


def canonical_path(doc, item):
    """Parameters resolved and sorted, lists of media types sorted."""
    item = dict(item)
    for key, op in [(None, item)] + list(item.items()):
        if not isinstance(op, dict):
            continue
        op = item if key is None else dict(op)
        if "parameters" in op:
            ps = [bare(resolve(doc, p)) for p in op["parameters"]]
            op["parameters"] = sorted(ps, key=lambda p: (p["name"], p["in"]))
        for k in ("consumes", "produces"):
            if k in op:
                op[k] = sorted(op[k])
        if key is not None:
            item[key] = op
    return bare(item)


def diff(a, b, place, out):
    if isinstance(a, dict) and isinstance(b, dict):
        for k in sorted(set(a) | set(b)):
            if k not in a:
                out.append("%s/%s: missing, upstream %s" % (place, k, json.dumps(b[k])[:160]))
            elif k not in b:
                out.append("%s/%s: not upstream: %s" % (place, k, json.dumps(a[k])[:160]))
            else:
                diff(a[k], b[k], place + "/" + k, out)
    elif a != b:
        out.append("%s: %s, upstream %s" % (place, json.dumps(a)[:200], json.dumps(b)[:200]))


def gvk_apart(name, ours, theirs):
    short = name.split(".")[-1]
    key = "x-kubernetes-group-version-kind"
    if short in ("DeleteOptions", "WatchEvent") and ours.get(key) != theirs.get(key):
        ours, theirs = dict(ours), dict(theirs)
        a, b = ours.pop(key, None), theirs.pop(key, None)
        return ours, theirs, ["gvk of %s: %s, upstream %d of them" % (short, json.dumps(a), len(b or []))]
    return ours, theirs, []


def compare(kind, name, ours, theirs, totals):
    out = []
    if kind == "definition":
        ours, theirs, out = gvk_apart(name, ours, theirs)
    diff(ours, theirs, name, out)
    report(out, totals)


def report(out, totals):
    real = 0
    for line in out:
        if any(part in line for part, _ in KNOWN):
            totals["known"] += 1
        else:
            real += 1
            print(line)
    totals["failed" if real else "passed"] += 1


def compare_document(ours, theirs, definitions, served, totals):
    od, td = definitions(ours), definitions(theirs)
    for name in sorted(set(od) & set(td)):
        compare("definition", name, bare(od[name]), bare(td[name]), totals)
    for name in sorted(set(od) - set(td)):
        report(["definition %s: not upstream" % name], totals)
    for name in sorted(set(td) - set(od)):
        if served is None or served(name, theirs):
            report(["definition %s: missing" % name], totals)
    for path in sorted(set(ours["paths"]) | set(theirs["paths"])):
        if path not in theirs["paths"]:
            report(["path %s: not upstream" % path], totals)
        elif path in ours["paths"]:
            compare("path", path, canonical_path(ours, ours["paths"][path]),
                    canonical_path(theirs, theirs["paths"][path]), totals)
        elif served is None or "/v1/" in path or "/v2/" in path or not path.startswith("/api"):
            if not any(x in path for x in ("/v1alpha", "/v1beta", "/v2beta")):
                report(["path %s: missing" % path], totals)


def main():
    ours_dir, theirs_dir = sys.argv[1:3]
    totals = {"passed": 0, "failed": 0, "known": 0}

    def load(d, f):
        with open(os.path.join(d, f), encoding="utf-8") as fh:
            return json.load(fh)

    def stable(name, theirs):
        parts = name.split(".")
        return parts[-2] in ("v1", "v2") and parts[-2] + "." in name

    compare_document(load(ours_dir, "swagger.json"), load(theirs_dir, "swagger.json"),
                     lambda d: d["definitions"], stable, totals)
    for f in sorted(os.listdir(os.path.join(ours_dir, "v3"))):
        if not f.endswith(".json"):
            continue
        if not os.path.exists(os.path.join(theirs_dir, "v3", f)):
            if "well-known" not in f:
                print("document %s: not upstream" % f)
                totals["failed"] += 1
            continue
        compare_document(load(ours_dir, "v3/" + f), load(theirs_dir, "v3/" + f),
                         lambda d: d.get("components", {}).get("schemas", {}), None, totals)
    print("%d known differences" % totals["known"])
    print("%d passed, %d failed" % (totals["passed"], totals["failed"]))
    return totals["failed"] > 0 or totals["passed"] == 0


if __name__ == "__main__":
    sys.exit(main())
