# SPDX-License-Identifier: Apache-2.0
# ask.py DIR PORT FILE crds|cases: creates the custom kinds of FILE and waits for their documents, or the policies and compares their
# statuses; UPDATE=1 writes those into FILE. Names of types end in a number that differs each time: it is 0 in FILE.
import json
import os
import re
import ssl
import sys
import time
import urllib.error
import urllib.request

work, port, path, what = sys.argv[1:]
tls = ssl.create_default_context(cafile=work + "/ca.crt")
tls.load_cert_chain(work + "/admin.crt", work + "/admin.key")


def ask(method, where, body=None):
    data = None if body is None else json.dumps(body).encode()
    r = urllib.request.Request(f"https://127.0.0.1:{port}{where}", data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(r, context=tls, timeout=30) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as e:
        return json.loads(e.read() or b"{}") | {"failed": e.code}
    except (OSError, ValueError):
        return {"failed": 0}


def until(what, fn):
    end = time.monotonic() + 120
    while not fn():
        if time.monotonic() > end:
            sys.exit(f"FAIL {what}")
        time.sleep(0.2)


def steady(text):
    return re.sub(r"\b([A-Z][A-Za-z]+)[0-9]{3,9}\b", r"\g<1>0", text)


with open(path) as f:
    golden = json.load(f)
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
if what == "crds":
    until("the API server", lambda: "failed" not in ask("GET", "/api/v1/namespaces/kube-system"))
    for c in golden["crds"]:
        until("a custom kind", lambda: ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", c).get("failed") in (None, 409))
    for c in golden["crds"]:
        for v in c["spec"]["versions"]:
            where = f"/openapi/v3/apis/{c['spec']['group']}/{v['name']}"
            kind = c["spec"]["names"]["kind"]
            until(where, lambda: not v["served"] or f'.{kind}"' in json.dumps(ask("GET", where)))
    sys.exit(0)
passed = failed = 0
for c in golden["cases"]:
    made = ask("POST", POLICIES, {"metadata": {"name": c["name"]}, "spec": c["spec"]})
    if "failed" in made:
        print(f"FAIL {c['name']}: {made.get('message')}")
        failed += 1
golden["cases"] = [c for c in golden["cases"] if "failed" not in ask("GET", f"{POLICIES}/{c['name']}")]
for c in golden["cases"]:
    got = {}

    def there():
        got.update(ask("GET", f"{POLICIES}/{c['name']}"))
        return got.get("status", {}).get("observedGeneration") == 1

    until(c["name"], there)
    warnings = got["status"].get("typeChecking", {}).get("expressionWarnings", [])
    warnings = [{"fieldRef": w["fieldRef"], "warning": steady(w["warning"])} for w in warnings]
    if os.environ.get("UPDATE"):
        c["warnings"] = warnings
    if c.get("warnings") == warnings:
        passed += 1
    else:
        failed += 1
        print(f"FAIL {c['name']}:\n{json.dumps(warnings, indent=1)}\nis not\n{json.dumps(c.get('warnings'), indent=1)}")
if os.environ.get("UPDATE"):
    with open(path, "w") as f:
        json.dump(golden, f, indent=1)
        f.write("\n")
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
