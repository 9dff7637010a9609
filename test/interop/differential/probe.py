#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same odd requests to two API servers: their answers must be the same.

probe.py PEER OURS DATA SEED COUNT

PEER and OURS are directories with url, ca.crt, admin.crt and admin.key; DATA is a folder of recorded exchanges, whose
creating bodies are what mutation starts from. Values of fields come from the peer's OpenAPI documents, from the bodies
and from a list of awkward ones. Most are dry runs; some make an object and let two clients change it. The differing requests are printed, one per kind of difference; the last line counts requests.
"""
import collections
import copy
import glob
import http.client
import json
import os
import random
import re
import ssl
import sys
import urllib.parse

AWKWARD_STRINGS = ["", "a", "A_b!", "x" * 64, "y" * 254, "a.b", "-a", "1", "0", "-1", "10Mi", "1.5", "1e3", "100m", "*", "a/b", "a/b/c", "é",
                   "Never", "Always", "None", "true", "2024-01-02T03:04:05Z", "10.0.0.1", "10.96.0.9", "fe80::1", "::1", "1.2.3.0/24", "http", "80",
                   "50%", "150%", " ", "a b", "../x", "/abs", "kubernetes.io/x", "example.com/Y", "5s", "UTC", "* * * * *"]
AWKWARD_NUMBERS = [0, 1, -1, 2, 10, 80, 65535, 65536, 70000, 2147483647, 2147483648, -2147483649, 9223372036854775807, 1.5, 1000, 101]


class Server:
    def __init__(self, directory):
        self.url = urllib.parse.urlparse(open(os.path.join(directory, "url")).read().strip())
        self.context = ssl.create_default_context(cafile=os.path.join(directory, "ca.crt"))
        self.context.load_cert_chain(os.path.join(directory, "admin.crt"), os.path.join(directory, "admin.key"))
        self.connection = None

    def ask(self, method, path, body=None, content_type="application/json"):
        for last in (False, True):
            if self.connection is None:
                self.connection = http.client.HTTPSConnection(self.url.hostname, self.url.port, context=self.context, timeout=30)
            try:
                headers = {"Accept": "application/json", "User-Agent": "probe/1.0"}
                if body is not None:
                    headers["Content-Type"] = content_type
                self.connection.request(method, path, body=body, headers=headers)
                answer = self.connection.getresponse()
                data = answer.read()
                return answer.status, sorted(answer.headers.get_all("Warning") or []), data
            except (http.client.RemoteDisconnected, ConnectionError):  # an idle connection was closed
                self.connection = None
                if last:
                    return 0, [], b'"the connection was closed"'
        return None


class Schemas:
    """Definitions of the peer's documents, by kind."""

    def __init__(self, server):
        self.defs, self.kinds = {}, {}
        index = json.loads(server.ask("GET", "/openapi/v3")[2])
        for where, entry in index["paths"].items():
            if not where.startswith(("api/", "apis/")):
                continue
            doc = json.loads(server.ask("GET", entry["serverRelativeURL"])[2])
            self.defs.update(doc.get("components", {}).get("schemas", {}))
        for name, schema in self.defs.items():
            for gvk in schema.get("x-kubernetes-group-version-kind", []):
                api = gvk["version"] if not gvk["group"] else gvk["group"] + "/" + gvk["version"]
                self.kinds[api, gvk["kind"]] = name

    def resolve(self, schema):
        while schema:
            if "$ref" in schema:
                schema = self.defs.get(schema["$ref"].rsplit("/", 1)[1], {})
            elif "allOf" in schema and len(schema["allOf"]) == 1:
                schema = schema["allOf"][0]
            else:
                break
        return schema or {}

    def at(self, root, path):
        schema = self.resolve({"$ref": "x/" + root})
        for step in path:
            if isinstance(step, int):
                schema = self.resolve(schema.get("items"))
            elif step in schema.get("properties", {}):
                schema = self.resolve(schema["properties"][step])
            else:
                schema = self.resolve(schema.get("additionalProperties") if isinstance(schema.get("additionalProperties"), dict) else {})
        return schema


class Mutator:
    def __init__(self, rng, schemas, bodies):
        self.rng, self.schemas = rng, schemas
        self.by_key = collections.defaultdict(list)
        for body in bodies:
            self.collect(body)

    def collect(self, value):
        if isinstance(value, dict):
            for key, item in value.items():
                self.by_key[key].append(item)
                self.collect(item)
        elif isinstance(value, list):
            for item in value:
                self.collect(item)

    def make(self, schema, key, depth=0):
        """A value of a schema; often one that was seen under that name."""
        rng = self.rng
        schema = self.schemas.resolve(schema)
        if self.by_key.get(key) and rng.random() < 0.5:
            return copy.deepcopy(rng.choice(self.by_key[key]))
        kind = schema.get("type")
        if "oneOf" in schema and kind is None:
            kind = rng.choice(["string", "integer"])
        if "enum" in schema and rng.random() < 0.8:
            return rng.choice(schema["enum"])
        if kind == "string":
            if schema.get("format") == "date-time" and rng.random() < 0.7:
                return "2024-01-02T03:04:05Z"
            if schema.get("format") == "byte" and rng.random() < 0.7:
                return "YWJj"
            return rng.choice(AWKWARD_STRINGS)
        if kind in ("integer", "number"):
            return rng.choice(AWKWARD_NUMBERS)
        if kind == "boolean":
            return rng.random() < 0.5
        if kind == "array":
            return [self.make(schema.get("items"), key, depth + 1) for _ in range(rng.choice([0, 1, 1, 2]))]
        if "properties" in schema and depth < 6:
            names = sorted(schema["properties"])
            required = set(schema.get("required", []))
            return {n: self.make(schema["properties"][n], n, depth + 1) for n in names
                    if n in required or rng.random() < min(0.5, 2 / len(names))}
        if isinstance(schema.get("additionalProperties"), dict):
            return {rng.choice(AWKWARD_STRINGS): self.make(schema["additionalProperties"], key, depth + 1) for _ in range(rng.choice([0, 1]))}
        return {}

    def nodes(self, value, path=()):
        yield path, value
        if isinstance(value, dict):
            for key, item in value.items():
                yield from self.nodes(item, path + (key,))
        elif isinstance(value, list):
            for i, item in enumerate(value):
                yield from self.nodes(item, path + (i,))

    def pick(self, body):
        """A place; those of spec and the like more often than those of metadata."""
        places = [(p, v) for p, v in self.nodes(body) if p and p[0] not in ("apiVersion", "kind", "status")]
        if self.rng.random() < 0.8:
            places = [(p, v) for p, v in places if p[0] != "metadata"] or places
        return self.rng.choice(places) if places else ((), body)

    def mutate(self, root, body):
        body = copy.deepcopy(body)
        for _ in range(self.rng.choice([1, 1, 1, 2, 3])):
            self.once(root, body)
        return body

    def once(self, root, body):
        rng = self.rng
        path, value = self.pick(body)
        if isinstance(value, (dict, list)) and rng.random() < 0.6 or not path:
            self.grow(root, body, path, value)
            return
        parent = body
        for step in path[:-1]:
            parent = parent[step]
        key = path[-1]
        name = next((s for s in reversed(path) if isinstance(s, str)), "")
        what = rng.random()
        if what < 0.2:
            del parent[key]
        elif what < 0.25:
            parent[key] = None
        elif what < 0.32:
            parent[key] = rng.choice(["text", 7, True, [], {}, ["a"], {"a": "b"}])
        elif what < 0.7 and isinstance(value, (str, int, float)) and not isinstance(value, bool):
            if isinstance(value, str) and rng.random() < 0.2:
                parent[key] = value + rng.choice(["x", "!", ".", "-", "/", "X", "0"])
            else:
                parent[key] = rng.choice(AWKWARD_STRINGS if isinstance(value, str) else AWKWARD_NUMBERS)
        else:
            parent[key] = self.make(self.schemas.at(root, path), name)

    def grow(self, root, body, path, value):
        schema = self.schemas.at(root, path)
        if isinstance(value, list):
            if value and self.rng.random() < 0.5:
                value.append(copy.deepcopy(self.rng.choice(value)))
            else:
                value.append(self.make(schema.get("items"), path[-1] if path else ""))
            return
        names = sorted(set(schema.get("properties", {})) - {"status", "apiVersion", "kind", "managedFields"})
        if names:
            name = self.rng.choice(names)
            value[name] = self.make(schema["properties"][name], name)
        elif isinstance(schema.get("additionalProperties"), dict):
            value[self.rng.choice(AWKWARD_STRINGS)] = self.make(schema["additionalProperties"], "")
        else:
            value["unknown"] = 1


def parts(message):
    """A list of errors as a sorted one: their order may come from a Go map."""
    m = re.match(r"(?s)(.* is invalid: |)\[(.*)\]$", message)
    return message if not m else m.group(1) + "[" + ", ".join(sorted(m.group(2).split(", "))) + "]"


VOLATILE = [(re.compile(p), r) for p, r in [
    (r"^eyJ[\w.-]+$", "<token>"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
    (r"\b10\.96\.\d+\.\d+\b", "<ip>"), (r"\b3[0-2]\d{3}\b", "<port>"),
    (r"20(2[5-9]|3\d)-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"0x[0-9a-f]+", "<pointer>"), (r"kube-api-access-[a-z0-9]{5}", "<volume>"),
    (r'("resourceVersion\\*":\\*")\d+', r"\1<revision>")]]


def plain(value, path=()):
    if isinstance(value, dict):
        out = {k: plain(v, path + (k,)) for k, v in value.items()
               if not (path == ("metadata",) and k in ("resourceVersion", "uid", "creationTimestamp"))}
        if path == ("metadata",) and "managedFields" in out:
            out["managedFields"].sort(key=lambda m: (m.get("operation"), m.get("manager"), m.get("subresource", ""), m.get("apiVersion")))
        if path == ("metadata",) and "generateName" in out:
            out["name"] = "<generated>"
        return out
    if isinstance(value, list):
        items = [plain(v, path + ("*",)) for v in value]
        return sorted(items, key=lambda x: json.dumps(x, sort_keys=True)) if path == ("details", "causes") else items
    if path[-1:] in (("healthCheckNodePort",), ("nodePort",)) and isinstance(value, int) and 30000 <= value <= 32800:
        return "<port>"
    if isinstance(value, str):
        for pattern, text in VOLATILE:
            value = pattern.sub(text, value)
        return parts(value) if path == ("message",) else value
    return value


def first_difference(a, b, path=""):
    if type(a) is not type(b):
        return path, a, b
    if isinstance(a, dict):
        for key in sorted(set(a) | set(b)):
            if key not in a or key not in b:
                return path + "/" + key, a.get(key, "(absent)"), b.get(key, "(absent)")
            d = first_difference(a[key], b[key], path + "/" + key)
            if d:
                return d
        return None
    if isinstance(a, list):
        if len(a) != len(b):
            return path, a, b
        for i, (x, y) in enumerate(zip(a, b)):
            d = first_difference(x, y, path + "/" + str(i))
            if d:
                return d
        return None
    return None if a == b else (path, a, b)


def seeds(folder):
    """(path, body) of what was created, of kinds that need nothing else."""
    found = []
    for name in sorted(glob.glob(os.path.join(folder, "*.json"))):
        for scenario in json.load(open(name))["scenarios"]:
            for step in scenario["steps"]:
                body = step.get("body", {}).get("json") if isinstance(step.get("body"), dict) else None
                path = step.get("path", "")
                if step.get("method") != "POST" or not isinstance(body, dict) or "?" in path or step.get("as") is not None:
                    continue
                text = json.dumps(body)
                if step.get("expect", {}).get("status") == 201 and not re.search(r"\$\{(?!ns\}|run\})", text + path):
                    found.append((path, text))
    return sorted(set(found))


class Probe:
    """Asks both, and tells what differs."""

    def __init__(self, peer, ours):
        self.servers = peer, ours
        self.asked = self.differing = 0
        self.shown = collections.Counter()

    def ask(self, kind, method, target, body, content_type="application/json"):
        """The statuses of both."""
        text, got = json.dumps(body), []
        for server in self.servers:
            status, warnings, data = server.ask(method, target, text, content_type)
            try:
                value = plain(json.loads(data))
            except ValueError:
                value = data.decode(errors="replace")
            got.append({"status": status, "warnings": [plain(w) for w in warnings], "body": value})
        self.asked += 1
        d = first_difference(*got)
        if d:
            self.differing += 1
            self.tell(kind, method + " " + target + " " + content_type, text, d, got)
        return [g["status"] for g in got]

    def tell(self, kind, what, text, d, got):
        where = re.sub(r"/\d+", "/*", d[0])
        group = kind, where, str(d[1])[:40] if where != "/body/message" else re.sub(r"[\"'`].*?[\"'`]|\d+", "", str(d[1]))[-60:]
        self.shown[group] += 1
        if self.shown[group] > 1:
            return
        print(f"{kind} {what}\n  sent {text[:1500]}\n  at {d[0]}\n  peer {str(d[1])[:900]}\n  ours {str(d[2])[:900]}")
        if got[0]["status"] != got[1]["status"]:
            print(f"  peer said {json.dumps(got[0]['body'])[:600]}\n  ours said {json.dumps(got[1]['body'])[:600]}")


def dry_run(rng, probe, mutator, root, path, body, kept):
    """One odd creation, or change of an object that is there."""
    kind, name = body["kind"], body.get("metadata", {}).get("name")
    query = "?dryRun=All" + rng.choice(["", "&fieldValidation=Strict", "&fieldValidation=Ignore"])
    sent = mutator.mutate(root, body)
    if rng.random() < 0.6 or not name:
        probe.ask(kind, "POST", path + query, sent)
        return
    if (path, name) not in kept:
        kept[path, name] = all(s in (201, 409) for s in probe.ask(kind, "POST", path, body))
    if kept[path, name]:
        method, content_type = rng.choice([("PUT", "application/json")] + [("PATCH", t) for t in PATCHES])
        manager = "&fieldManager=other" if content_type == APPLY else ""
        probe.ask(kind, method, path + "/" + name + query + manager + apply_query(rng, content_type), sent, content_type)


def sequence(rng, probe, mutator, root, path, body):
    """A new object, and what several clients do to it: owners of fields, conflicts."""
    kind = body["kind"]
    if not body.get("metadata", {}).get("name") or path.count("/") > 6:
        return
    body = copy.deepcopy(body)
    name = body["metadata"]["name"] = f"s{probe.asked}"
    target = path + "/" + name
    how = rng.choice(["POST", "apply"])
    if how == "POST":
        made = probe.ask(kind, "POST", path + "?fieldManager=first", body)
    else:
        made = probe.ask(kind, "PATCH", target + "?fieldManager=first", body, APPLY)
    if made not in ([201, 201], [200, 200]):
        return
    for _ in range(rng.choice([1, 2, 3, 4])):
        content_type = rng.choice(PATCHES + [APPLY, APPLY])
        sent = mutator.mutate(root, body)
        if not isinstance(sent.get("metadata"), dict):
            sent["metadata"] = {}
        sent["metadata"]["name"] = name
        probe.ask(kind, "PATCH", target + f"?fieldManager={rng.choice(['first', 'second'])}" + apply_query(rng, content_type), sent, content_type)
    for server in probe.servers:
        server.ask("DELETE", target)


APPLY = "application/apply-patch+yaml"
PATCHES = ["application/merge-patch+json", "application/strategic-merge-patch+json", APPLY]


def apply_query(rng, content_type):
    return rng.choice(["", "&force=true"]) if content_type == APPLY else ""


def main():
    peer, ours = Server(sys.argv[1]), Server(sys.argv[2])
    seed, count = int(sys.argv[4]), int(sys.argv[5])
    only = sys.argv[6] if len(sys.argv) > 6 else ""
    rng = random.Random(seed)
    schemas = Schemas(peer)
    fill = lambda text: text.replace("${ns}", "probe").replace("${run}", "r1")
    cases = [(fill(p), json.loads(fill(b))) for p, b in seeds(sys.argv[3])]
    cases = [(p, b) for p, b in cases if (b.get("apiVersion"), b.get("kind")) in schemas.kinds and re.search(only, b["kind"])]
    by_kind = collections.defaultdict(list)
    for path, body in cases:
        by_kind[path, body["kind"]].append(body)
    kinds = sorted(by_kind)
    mutator = Mutator(rng, schemas, [b for _, b in cases])
    for server in (peer, ours):
        server.ask("POST", "/api/v1/namespaces", json.dumps({"metadata": {"name": "probe"}}))
        server.ask("POST", "/api/v1/namespaces/probe/serviceaccounts", json.dumps({"metadata": {"name": "default"}}))
    probe = Probe(peer, ours)
    kept = {}
    while probe.asked < count:
        path, kind = rng.choice(kinds)
        body = rng.choice(by_kind[path, kind])
        if rng.random() < 0.3:
            sequence(rng, probe, mutator, schemas.kinds[body["apiVersion"], kind], path, body)
        else:
            dry_run(rng, probe, mutator, schemas.kinds[body["apiVersion"], kind], path, body, kept)
    print(f"{probe.asked - probe.differing} passed, {probe.differing} failed")
    return probe.differing != 0


if __name__ == "__main__":
    sys.exit(main())
