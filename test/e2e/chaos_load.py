#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""chaos_load.py SAMPAN DATA-DIR RUN-DIR LIVES PACE SEED: kill -9 of what runs pods at a cluster of `sampan up`, at any instant, while pods live.

A life is a pod of one of the KINDS: made, waited for until it is what it should be, perhaps left alone for a while, deleted, waited for until it is
gone. Meanwhile the node agent, the runtime, its host process or the shim of one of these pods is killed, PACE seconds apart on average. What a pod
comes to must be what it would come to without kills, but for containers whose shim was killed: those end with 137, or with 128 while they start. In the end nothing may be left
of any of them that was not there before the first. What is done when is drawn from SEED; what it meets depends on the machine."""

import collections
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, "test/lib")
import rig  # noqa: E402 (the path comes first)

SAMPAN, DATA, RUN, LIVES, PACE, SEED = sys.argv[1:4] + [int(sys.argv[4]), float(sys.argv[5]), sys.argv[6]]
SLOTS = 16
SHOTS_MOST = 2  # at one pod, so that each comes to its end
KILLED = {128, 137}  # 128: its start had not been answered
SETTLED_S = 300  # a role that was killed often waits 10 s, a container that ended twice 10 s, then 20 s; all of it on a busy machine
STEPS_BETWEEN = 6  # that pods take before the next role is killed: not a question of how fast the machine is
LEFT_S = 30
PODS = "/api/v1/namespaces/default/pods"
RUNS = "trap 'exit 0' TERM; sleep 1000 & wait"
failures, n_checks = [], 0
lock = threading.Lock()


def check(what, good, detail=""):
    global n_checks
    with lock:
        n_checks += 1
        if not good:
            failures.append(what)
            print("FAIL", what, detail, flush=True)


# ---- pods ----


def sh(text, name="a", **more):
    return {"name": name, "image": "example.com/bb:1", "imagePullPolicy": "Never", "command": ["sh", "-c", text], **more}


def on(path):
    return {"volumeMounts": [{"name": "d", "mountPath": path}]}


VOLUME = {"volumes": [{"name": "d", "emptyDir": {}}]}
MAP = {"volumes": [{"name": "d", "configMap": {"name": "kube-root-ca.crt"}}]}
NEVER, ON_FAILURE = {"restartPolicy": "Never"}, {"restartPolicy": "OnFailure"}
ONCE = "echo x >>/d/ran; sleep 0.3"
# name: spec, what it comes to (None: deleted while it starts), grace of the deletion
KINDS = {
    "runs": ({"containers": [sh(RUNS)]}, "Ready", 1),
    "two": ({"containers": [sh(RUNS), sh("[ -f /d/ca.crt ] && " + RUNS, "b", **on("/d"))], **MAP}, "Ready", 1),
    "probed": ({"containers": [sh("touch /d/ready; " + RUNS, **on("/d"), readinessProbe={
        "exec": {"command": ["test", "-e", "/d/ready"]}, "periodSeconds": 1})], **VOLUME}, "Ready", 1),
    "port": ({"containers": [sh(RUNS, ports=[{"containerPort": 80, "hostPort": 0}])]}, "Ready", 1),
    "forced": ({"containers": [sh(RUNS, **on("/d"))], **VOLUME}, "Ready", 0),
    "ends": ({"containers": [sh(ONCE, **on("/d"))], **VOLUME, **NEVER}, 0, 1),
    "fails": ({"containers": [sh(ONCE + "; exit 3", **on("/d")), sh("sleep 0.1", "b")], **VOLUME, **NEVER}, 3, 1),
    "again": ({"containers": [sh("[ -e /d/once ] || { touch /d/once; exit 1; }", **on("/d"))], **VOLUME, **ON_FAILURE}, 0, 1),
    "in-order": ({"initContainers": [sh("echo x >/d/first", "i", **on("/d"))], "containers": [sh("cat /d/first", **on("/d"))],
                  **VOLUME, **NEVER}, 0, 1),
    "brief": ({"containers": [sh(RUNS), sh(RUNS, "b", **on("/d"))], **VOLUME}, None, 1),
    "brief-forced": ({"containers": [sh(RUNS)]}, None, 0),
}


class Seen:
    """What the API says of the pods now, by a watch."""

    def __init__(self, client):
        self.client, self.pods, self.changed = client, {}, threading.Condition()
        threading.Thread(target=self.follow, daemon=True).start()

    def follow(self):
        while True:
            try:
                self.follow_once()
            except OSError:  # nothing happened for so long that the connection was given up
                self.client = self.client.twin()

    def follow_once(self):
        got = self.client.call("GET", PODS)
        with self.changed:
            self.pods = {p["metadata"]["name"]: p for p in got["items"]}
            self.changed.notify_all()
        for e in self.client.watch(f"{PODS}?resourceVersion={got['metadata']['resourceVersion']}"):
            if e["type"] == "ERROR":
                break
            with self.changed:
                name = e["object"]["metadata"]["name"]
                if e["type"] == "DELETED":
                    self.pods.pop(name, None)
                else:
                    self.pods[name] = e["object"]
                self.changed.notify_all()

    def wait(self, name, good, seconds=SETTLED_S):
        """The pod when good(pod or None) first holds: (whether, pod)."""
        with self.changed:
            return self.changed.wait_for(lambda: good(self.pods.get(name)), seconds), self.pods.get(name)


def ready(p):
    return p is not None and any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", []))


def ended(p):
    return p is not None and p["status"].get("phase") in ("Succeeded", "Failed")


def brief(p):
    return json.dumps(p and {"uid": p["metadata"]["uid"], "deleted": p["metadata"].get("deletionTimestamp"), "status": p["status"]})[:1500]


def check_end(name, p, wanted, killer):
    """Exit codes and how often it ran, of a pod that ended."""
    uid, s = p["metadata"]["uid"], p["status"]
    codes = [c["state"].get("terminated", {}).get("exitCode") for c in s.get("containerStatuses", [])]
    shot = uid in killer.shot
    right = s["phase"] == ("Failed" if wanted else "Succeeded") and codes[:1] == [wanted] and not any(codes[1:])
    codes += [c["state"].get("terminated", {}).get("exitCode") for c in s.get("initContainerStatuses", [])]
    check(f"{name}: ended with {wanted}", right or (shot and s["phase"] == "Failed" and KILLED & set(codes)),
          f"{'its shim was killed ' if shot else ''}{brief(p)}")
    try:
        with open(f"{DATA}/node/pods/{uid}/volumes/kubernetes.io~empty-dir/d/ran", encoding="ascii") as f:
            ran = f.read().count("x")
    except FileNotFoundError:
        return
    check(f"{name}: ran once", ran == 1 or shot, f"ran {ran} times")


def live(i, api, seen, killer, uids):
    rnd = random.Random(f"{SEED}/{i}")
    kind = rnd.choice(list(KINDS))
    spec, wanted, grace = KINDS[kind]
    spec = json.loads(json.dumps(spec).replace('"hostPort": 0', f'"hostPort": {20000 + i}'))
    for c in spec["containers"] + spec.get("initContainers", []):
        c["env"] = [{"name": "CHAOS", "value": RUN}]
    name = f"{kind}-{i}"
    made = api.create(PODS, {"metadata": {"name": name}, "spec": {"terminationGracePeriodSeconds": 1, **spec}})
    uids.append(made["metadata"]["uid"])
    if wanted is None:
        time.sleep(rnd.uniform(0, 0.4))
    elif wanted == "Ready":
        good, p = seen.wait(name, ready)
        check(f"{name}: ready", good, brief(p))
        time.sleep(rnd.uniform(0, 2))
        good, p = seen.wait(name, ready)  # again, perhaps
        check(f"{name}: ready again", good, brief(p))
    else:
        good, p = seen.wait(name, ended)
        check(f"{name}: ended", good, brief(p))
        if good:
            check_end(name, p, wanted, killer)
    killer.steps += 1
    api.call("DELETE", f"{PODS}/{name}", {"gracePeriodSeconds": grace})
    good, p = seen.wait(name, lambda p: p is None)
    check(f"{name}: gone", good, brief(p))
    killer.steps += 1


# ---- kills ----


def text_of(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def processes(word, file="cmdline"):
    """Pids whose command line or environment has the word, without this process."""
    return [int(d) for d in os.listdir("/proc") if d.isdigit() and int(d) != os.getpid() and word in text_of(f"/proc/{d}/{file}").replace("\0", " ")]


class Killer:
    """Shims are killed by one clock; a role by another one, which runs while all roles run and pods have come on since the last of them was killed: a role
    that ends too often waits 10 s, and when one of the two waited at all times no pod would ever start."""

    def __init__(self):
        self.end, self.shot, self.counts = threading.Event(), collections.Counter(), collections.Counter()
        self.steps = self.steps_then = 0
        roles = {"node": lambda: self.role("node"), "cri": lambda: self.role("cri"), "host": self.host}
        self.threads = [threading.Thread(target=self.kill_some, args=a) for a in (
            (roles, self.may_kill_role, PACE), ({"shim": self.shim}, lambda: True, PACE))]

    def start(self):
        for t in self.threads:
            t.start()

    def stop(self):
        self.end.set()
        for t in self.threads:
            t.join()

    def may_kill_role(self):
        return self.steps >= self.steps_then + STEPS_BETWEEN and self.role("node") and self.role("cri")

    def role(self, name):
        """The pid of a role that runs, or None."""
        said = subprocess.run([SAMPAN, "status", f"--run-dir={RUN}"], capture_output=True, text=True, check=False).stdout  # fails when a role is away
        m = re.search(rf"^{name} +running +(\d+)", said, re.M)
        return int(m.group(1)) if m else None

    def host(self):
        cri = self.role("cri")
        kids = text_of(f"/proc/{cri}/task/{cri}/children").split()
        return next((int(k) for k in kids if text_of(f"/proc/{k}/comm") == "sampan-host\n"), None)

    def shim(self):
        """One of ours; its pod is noted before."""
        all_of_them = processes(f"-address {RUN}/")
        random.shuffle(all_of_them)
        for pid in all_of_them:
            m = re.search(r"-id (\w+)", text_of(f"/proc/{pid}/cmdline").replace("\0", " "))
            m = m and re.search(r'"io.kubernetes.cri.sandbox-uid":"([^"]+)', text_of(f"{RUN}/runtime/containers/{m.group(1)}/config.json"))
            if m and self.shot[m.group(1)] < SHOTS_MOST:
                self.shot[m.group(1)] += 1
                return pid
        return None

    def kill_some(self, who, may, pace):
        rnd = random.Random(f"{SEED}/kills of {list(who)}")
        while True:
            while not self.end.is_set() and not may():
                self.end.wait(0.05)
            if self.end.wait(min(rnd.expovariate(1 / pace), 3 * pace)):
                return
            kind = rnd.choice(list(who))
            pid = who[kind]()
            try:
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    self.counts[kind] += 1
                    if kind != "shim":
                        self.steps_then = self.steps
            except ProcessLookupError:
                pass


# ---- what is left ----


def below(top, *, depth=20):
    return [d for d, _, _ in os.walk(top) if d.count("/") - top.count("/") < depth] + [
        os.path.join(d, f) for d, _, files in os.walk(top) for f in files if "/rootfs/" not in d]


def rules():
    import ctypes
    nft = ctypes.CDLL("libnftables.so.1")
    nft.nft_ctx_new.restype = ctypes.c_void_p
    nft.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
    ctx = ctypes.c_void_p(nft.nft_ctx_new(0))
    nft.nft_ctx_buffer_output(ctx)
    nft.nft_ctx_buffer_error(ctx)
    nft.nft_run_cmd_from_buffer(ctx, b"list ruleset")
    return re.sub(r"packets \d+ bytes \d+", "", nft.nft_ctx_get_output_buffer(ctx).decode()).splitlines()


def zombies():
    """Ended processes that a parent in this network namespace, which the cluster has for itself, did not wait for: other clusters live beside it."""
    here, lines = os.stat("/proc/self/ns/net").st_ino, []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        m = re.match(r"\d+ (\(.*\)) Z (\d+) ", text_of(f"/proc/{pid}/stat"))
        try:
            if m and re.search("sampan|runc|crun", m.group(1)) and os.stat(f"/proc/{m.group(2)}/ns/net").st_ino == here:
                lines.append("zombie " + m.group(1))
        except OSError:
            pass  # the parent ended: init waits for it
    return lines


def left(uids):
    """Everything that pods have on the machine, a line each."""
    lines = ["mount " + m.split()[4] for m in text_of("/proc/self/mountinfo").splitlines() if RUN in m or DATA in m]
    # of this network: /sys shows those of the network that it was mounted in
    lines += ["interface " + i.split(":")[0].strip() for i in text_of("/proc/self/net/dev").splitlines()[2:]]
    lines += [f"process {text_of(f'/proc/{p}/cmdline')[:200]}" for p in processes(f"-address {RUN}/") + processes(f"--root {RUN}/") + processes(
        f"CHAOS={RUN}", "environ")]
    lines += zombies()
    tops = [f"{RUN}/runtime", f"{DATA}/state", f"{DATA}/node", f"{DATA}/images/snapshots", f"{DATA}/images/ingest", f"{DATA}/cni"]
    for top in tops:
        lines += ["file " + f for f in below(top)]
    pattern = re.compile("|".join(uids) or "$^")
    for top in ("/sys/fs/cgroup", "/var/log/pods"):
        lines += ["file " + d for d, _, _ in os.walk(top) if pattern.search(d)]
    lines += ["socket " + s.split()[-1] for s in text_of("/proc/net/unix").splitlines() if f"{RUN}/runtime" in s]
    lines += ["rule " + r for r in rules()]
    lines += ["flow " + re.sub(r" \d+ ", " ", f) for f in text_of("/proc/net/nf_conntrack").splitlines() if "10.88." in f and "224.0.0." not in f]
    return collections.Counter(lines)


def main():
    first = rig.Client(os.environ["KUBECONFIG"])
    seen, killer, uids = Seen(first.twin()), Killer(), []

    def lives(numbers):
        api = first.twin()
        for i in numbers:
            try:
                live(i, api, seen, killer, uids)
            except Exception as e:  # noqa: BLE001 (whatever it is, the others go on and it is told)
                check(f"life {i}", False, repr(e))
                api = first.twin()

    # The image is unpacked, the bridge is made, roles that do not end have what they have.
    first.create(PODS, {"metadata": {"name": "first"}, "spec": KINDS["port"][0] | {"terminationGracePeriodSeconds": 1}})
    check("first: ready", seen.wait("first", ready)[0])
    first.call("DELETE", f"{PODS}/first", {"gracePeriodSeconds": 1})
    check("first: gone", seen.wait("first", lambda p: p is None)[0])
    rig.wait_for("the end of the first", LEFT_S, lambda: not os.listdir(f"{DATA}/state/sandboxes"), 0.1)
    before = left(uids)
    todo = iter(range(LIVES))
    killer.start()
    began = time.monotonic()
    slots = [threading.Thread(target=lives, args=(todo,)) for _ in range(SLOTS)]
    for s in slots:
        s.start()
    for s in slots:
        s.join()
    killer.stop()
    end = time.monotonic() + LEFT_S
    while True:
        after = left(uids)
        more, less = after - before, before - after
        if not more and not less or time.monotonic() > end:
            break
        time.sleep(0.2)
    check("nothing is left", not more and not less, "".join(f"\n  + {x}" for x in list(more)[:40]) + "".join(f"\n  - {x}" for x in list(less)[:10]))
    print(f"{LIVES} lives in {time.monotonic() - began:.0f} s, killed: {dict(killer.counts)}, seed {SEED}")
    print(f"{n_checks - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


sys.exit(main())
