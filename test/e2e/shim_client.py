# SPDX-License-Identifier: Apache-2.0
"""shim_client.py SHIM DIR ROOTFS: the shim as `sampan cri` drives it, by a client that shares no code with it: ttrpc and protobuf by hand,
CRI logs, the socket for attach and exec, events, what the options do. A line "ok NAME" or "FAIL NAME" each."""
import json, os, socket, struct, subprocess, sys, threading, time

SHIM, DIR, ROOTFS = sys.argv[1:4]
NS = os.path.basename(DIR).replace(".", "-")


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def enc(fields):
    """[(number, value)]: text, bytes or int."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(raw)) + raw
    return out


def dec(raw):
    out, i = {}, 0

    def take():
        nonlocal i
        n = shift = 0
        while True:
            b = raw[i]
            i += 1
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return n
    while i < len(raw):
        key = take()
        if key & 7 == 0:
            value = take()
        elif key & 7 == 2:
            n = take()
            value = raw[i:i + n]
            i += n
        else:
            raise ValueError(key)
        out.setdefault(key >> 3, value)
    return out


class RpcError(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code} {text}")
        self.code, self.text = code, text


def read_exact(sock, n):
    out = b""
    while len(out) < n:
        more = sock.recv(n - len(out))
        if not more:
            raise EOFError
        out += more
    return out


class Client:
    """One call at a time; a Wait gets a connection of its own."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(path)
        self.stream = 1

    def call(self, method, fields, service="containerd.task.v2.Task"):
        payload = enc([(1, service), (2, method), (3, enc(fields))])
        self.sock.sendall(struct.pack(">IIBB", len(payload), self.stream, 1, 0) + payload)
        self.stream += 2
        size, _, _, _ = struct.unpack(">IIBB", read_exact(self.sock, 10))
        answer = dec(read_exact(self.sock, size))
        status = dec(answer.get(1, b""))
        if status.get(1, 0):
            raise RpcError(status[1], status.get(2, b"").decode())
        return dec(answer.get(2, b""))


class Events(threading.Thread):
    """containerd's event service, as far as it goes."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.seen, self.cond = [], threading.Condition()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen()

    def run(self):
        while True:
            threading.Thread(target=self.serve, args=(self.server.accept()[0],), daemon=True).start()

    def serve(self, sock):
        try:
            while True:
                size, stream, _, _ = struct.unpack(">IIBB", read_exact(sock, 10))
                envelope = dec(dec(dec(read_exact(sock, size))[3])[1])
                with self.cond:
                    self.seen.append((envelope[3].decode(), dec(dec(envelope[4])[2])))
                    self.cond.notify_all()
                sock.sendall(struct.pack(">IIBB", 0, stream, 2, 0))
        except (EOFError, OSError):
            pass

    def wait(self, topic, who):
        with self.cond:
            return self.cond.wait_for(lambda: any(t == topic and who.encode() in e.values() for t, e in self.seen), 20)


def check(name, good, detail=""):
    print("ok" if good else "FAIL", name, "" if good else detail, flush=True)


def until(cond):
    end = time.monotonic() + 20
    while not cond():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def bundle(cid, args, group="pod", terminal=False):
    path = f"{DIR}/bundles/{cid}"
    os.makedirs(path)
    subprocess.run(["runc", "spec"], cwd=path, check=True)
    spec = json.load(open(path + "/config.json"))
    spec["root"] = {"path": ROOTFS}
    spec["annotations"] = {"io.kubernetes.cri.sandbox-id": group}
    spec["process"].update(args=args, terminal=terminal, env=["PATH=/bin"])
    spec["linux"]["cgroupsPath"] = f"/{NS}/{cid}"
    json.dump(spec, open(path + "/config.json", "w"))
    return path


def start(cid, path, stdin=b""):
    env = dict(os.environ, TTRPC_ADDRESS=DIR + "/events.sock")
    done = subprocess.run([SHIM, "-namespace", NS, "-id", cid, "-address", DIR + "/cri.sock", "start"], cwd=path, input=stdin,
                          env=env, capture_output=True, timeout=20)
    return done


def frames(sock):
    """All of them to the end: {stream: bytes}."""
    out = {}
    try:
        while True:
            head = read_exact(sock, 4)
            out[head[0]] = out.get(head[0], b"") + read_exact(sock, int.from_bytes(head[1:], "big"))
    except EOFError:
        return out


def frame(stream, data):
    return bytes([stream]) + len(data).to_bytes(3, "big") + data


def connect(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    sock.connect(path)
    return sock


events = Events(DIR + "/events.sock")
events.start()

# ---- a container with a log and a socket ----
path = bundle("logs", ["sh", "-c", "echo one; echo two >&2; read x; echo got $x; read x; echo more $x; printf tail"])
done = start("logs", path)
address = done.stdout.decode()
check("start prints the address and nothing else", done.returncode == 0 and address.startswith("unix:///") and not done.stderr, done)
check("the address is in the bundle", open(path + "/address").read() == address)
sock_path = address[len("unix://"):]
check("the socket is root's", os.stat(sock_path).st_mode & 0o777 == 0o600)
c = Client(sock_path)
log = DIR + "/0.log"
uri = f"cri://{log}?socket={DIR}/attach.sock"
created = c.call("Create", [(1, "logs"), (2, path), (5, uri), (6, uri), (7, uri)])
check("Create answers a pid", created.get(1, 0) > 1, created)
attach = connect(DIR + "/attach.sock")
check("State: created", c.call("State", [(1, "logs")])[4] == 1)
check("Start answers the pid", c.call("Start", [(1, "logs")]) == created)
check("log lines", until(lambda: open(log).read().count("\n") == 2), open(log).read())
lines = sorted(line.split(" ", 1)[1] for line in open(log).read().splitlines())
check("log format", lines == ["stderr F two", "stdout F one"], lines)
os.rename(log, log + ".1")
c.call("Reopen", [(1, "logs")], "sampan.shim.v1.Log")
attach.sendall(frame(0, b"first\n"))
check("the new log", until(lambda: os.path.getsize(log) > 0) and open(log).read().endswith("stdout F got first\n"), open(log).read())
os.rename(log, log + ".2")
os.kill(int(c.call("Connect", [(1, "logs")])[1]), 1)
check("SIGHUP opens a new log, too", until(lambda: os.path.exists(log)))
os.rename(log + ".2", log + ".3")
check("the old log is left alone", open(log + ".1").read().count("\n") == 2)
waiter = Client(sock_path)
ended = {}
thread = threading.Thread(target=lambda: ended.update(waiter.call("Wait", [(1, "logs")])))
thread.start()
attach.sendall(frame(0, b"second\n"))
got = frames(attach)
check("attach saw it all", got == {1: b"one\ngot first\nmore second\ntail", 2: b"two\n"}, got)
thread.join(20)
check("Wait: exit 0", not thread.is_alive() and 1 not in ended, ended)
check("a last line without an end is partial", open(log).read().endswith("stdout P tail"+"\n"), open(log).read())
check("exit on disk", os.path.exists(path + "/init.exit"))
state = c.call("State", [(1, "logs")])
check("State: stopped", state[4] == 3, state)
check("exit event", events.wait("/tasks/exit", "logs"))
topics = [t for t, e in events.seen if e.get(1) == b"logs"]
check("events in order", topics == ["/tasks/create", "/tasks/start", "/tasks/exit"], topics)
c.call("Delete", [(1, "logs")])
check("the attach socket is gone", not os.path.exists(DIR + "/attach.sock"))
check("delete event", events.wait("/tasks/delete", "logs"))
try:
    c.call("State", [(1, "logs")])
    check("a deleted container is not found", False)
except RpcError as e:
    check("a deleted container is not found", e.code == 5, e)

# ---- the same shim again, exec by stream, a terminal ----
path = bundle("main", ["sleep", "1000"])
done = start("main", path)
check("one shim for the group", done.stdout.decode() == address, done)
c.call("Create", [(1, "main"), (2, path)])
c.call("Start", [(1, "main")])


def spec(args, terminal=False):
    process = {"args": args, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}, "terminal": terminal}
    return enc([(1, "types.containerd.io/opencontainers/runtime-spec/1/Process"), (2, json.dumps(process))])


def run_exec(eid, args, send=b"", terminal=False, resize=None):
    s = f"stream://{DIR}/{eid}.sock"
    c.call("Exec", [(1, "main"), (2, eid), (3, int(terminal)), (4, s), (5, s), (6, "" if terminal else s), (7, spec(args, terminal))])
    c.call("Start", [(1, "main"), (2, eid)])
    if resize:
        c.call("ResizePty", [(1, "main"), (2, eid), (3, resize[0]), (4, resize[1])])
    sock = connect(f"{DIR}/{eid}.sock")
    if send:  # even an empty send fails once the process has ended and the shim has closed
        sock.sendall(send)
    got = frames(sock)
    ended = c.call("Wait", [(1, "main"), (2, eid)])
    removed = c.call("Delete", [(1, "main"), (2, eid)])
    check(eid + ": Wait and Delete agree", ended.get(1, 0) == removed.get(2, 0), (ended, removed))
    return got, ended.get(1, 0)


got = run_exec("early", ["sh", "-c", "echo out; echo err >&2; exit 5"])
check("exec: output before the client is kept", got == ({1: b"out\n", 2: b"err\n"}, 5), got)
got = run_exec("echo", ["cat"], frame(0, b"x" * 100000) + frame(0, b""))
check("exec: input, its end, and all of it back", got == ({1: b"x" * 100000}, 0), (got[1], {k: len(v) for k, v in got[0].items()}))
got = run_exec("term", ["sh", "-c", "read x; stty size"], frame(0, b"go\n"), True, (91, 33))
check("exec: terminal of the right size", b"33 91" in got[0].get(1, b""), got)
got = run_exec("sig", ["sh", "-c", "kill -9 $$"])
check("exec: 137", got[1] == 137, got)
for name, method, fields, code in [
        ("exec in what is not there", "Exec", [(1, "none"), (2, "x"), (7, spec(["true"]))], 5),
        ("bad exec id", "Exec", [(1, "main"), (2, "../x"), (7, spec(["true"]))], 3),
        ("create twice", "Create", [(1, "main"), (2, path)], 6),
        ("delete of what runs", "Delete", [(1, "main")], 9),
        ("start of what runs", "Start", [(1, "main")], 9),
        ("checkpoint", "Checkpoint", [(1, "main")], 12),
        ("kill of an unknown exec", "Kill", [(1, "main"), (2, "none"), (3, 9)], 5),
        ("bad signal", "Kill", [(1, "main"), (3, 1000)], 3),
        ("unknown method", "Nothing", [], 12)]:
    try:
        c.call(method, fields)
        check(name, False)
    except RpcError as e:
        check(name, e.code == code, e)
limit = json.dumps({"memory": {"limit": 67108864}})
c.call("Update", [(1, "main"), (2, enc([(1, "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"), (2, limit)]))])
stats = c.call("Stats", [(1, "main")])
metrics = dec(stats[1])
check("Stats names its type", metrics[1].startswith(b"io.containerd.cgroups.v"), metrics[1])
memory = dec(dec(metrics[2])[4])
limit = dec(memory[33])[1] if metrics[1].endswith(b"v1.Metrics") else memory[33]
check("Update reached the cgroup", limit == 67108864, limit)
check("Shutdown with a container is nothing", c.call("Shutdown", [(1, "main")]) == {} and c.call("Connect", [(1, "main")])[2] > 0)
check("v3 is the same", c.call("State", [(1, "main")], "containerd.task.v3.Task")[4] == 2)
c.call("Kill", [(1, "main"), (3, 9)])
check("Wait: 137", c.call("Wait", [(1, "main")])[1] == 137)
try:
    c.call("Kill", [(1, "main"), (3, 9)])
    check("kill of what is over", False)
except RpcError as e:
    check("kill of what is over", e.code == 5, e)
check("Delete: 137", c.call("Delete", [(1, "main")])[2] == 137)

# ---- files and programs as loggers ----
path = bundle("file", ["sh", "-c", "echo a; echo b >&2"])
start("file", path)
c.call("Create", [(1, "file"), (2, path), (6, f"file://{DIR}/both"), (7, f"file://{DIR}/both")])
c.call("Start", [(1, "file")])
c.call("Wait", [(1, "file")])
c.call("Delete", [(1, "file")])
check("file:", sorted(open(DIR + "/both").read().split()) == ["a", "b"], open(DIR + "/both").read())
program = DIR + "/logger"
open(program, "w").write(f"#!/bin/sh\necho $CONTAINER_ID $CONTAINER_NAMESPACE $1 $2 >{DIR}/logged\nexec 5>&-\ncat <&3 >>{DIR}/logged\n")
os.chmod(program, 0o755)
path = bundle("binary", ["echo", "to the program"])
start("binary", path)
c.call("Create", [(1, "binary"), (2, path), (6, f"binary://{program}?key=value"), (7, f"binary://{program}?key=value")])
c.call("Start", [(1, "binary")])
c.call("Wait", [(1, "binary")])
c.call("Delete", [(1, "binary")])
want = f"binary {NS} key value\nto the program\n"
check("binary:", until(lambda: open(DIR + "/logged").read() == want), open(DIR + "/logged").read())

# ---- the end ----
pid = int(c.call("Connect", [(1, "x")])[1])
c.call("Shutdown", [(1, "x")])
check("the shim ends", until(lambda: not os.path.exists(f"/proc/{pid}")))
check("its socket is gone", not os.path.exists(sock_path))

# ---- shim_cgroup, and a shim that is killed ----
v2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
group = f"/{NS}/shims"
for base in (["/sys/fs/cgroup"] if v2 else ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"]):
    os.makedirs(base + group, exist_ok=True)
options = enc([(1, "containerd.runc.v1.Options"), (2, enc([(3, group), (6, "runc")]))])
path = bundle("cg", ["sleep", "1000"], "pod2")
done = start("cg", path, options)
address = done.stdout.decode()
c = Client(address[len("unix://"):])
shim_pid = int(c.call("Connect", [(1, "cg")])[1])
placed = open(f"/proc/{shim_pid}/cgroup").read()
check("shim_cgroup", placed.count(group + "\n") == (1 if v2 else 2), placed)
task_pid = c.call("Create", [(1, "cg"), (2, path), (10, options)])[1]
c.call("Start", [(1, "cg")])
check("the container is not in it", group not in open(f"/proc/{task_pid}/cgroup").read())
check("the runtime asked for", open(path + "/runtime").read().endswith("/runc"))
os.kill(shim_pid, 9)
removed = subprocess.run([SHIM, "-namespace", NS, "-id", "cg", "-address", DIR + "/cri.sock", "-bundle", path, "delete"], cwd="/",
                         stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
answer = dec(removed.stdout)
check("delete: 137", removed.returncode == 0 and answer[1] == task_pid and answer[2] == 137, removed)
check("delete: the process is gone", until(lambda: not os.path.exists(f"/proc/{task_pid}")))
check("delete: the socket is gone", not os.path.exists(address[len("unix://"):]))
# A runtime that cannot read what it wrote refuses to delete: what runs is ended all the same.
options = enc([(1, "containerd.runc.v1.Options"), (2, enc([(6, "runc"), (7, DIR + "/oci")]))])
path = bundle("lost", ["sleep", "1000"], "pod5")
c = Client(start("lost", path, options).stdout.decode()[len("unix://"):])
shim_pid = int(c.call("Connect", [(1, "lost")])[1])
task_pid = c.call("Create", [(1, "lost"), (2, path), (10, options)])[1]
c.call("Start", [(1, "lost")])
os.kill(shim_pid, 9)
os.truncate(f"{DIR}/oci/{NS}/lost/state.json", 0)
removed = subprocess.run([SHIM, "-namespace", NS, "-id", "lost", "-address", DIR + "/cri.sock", "-bundle", path, "delete"], cwd="/",
                         stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
check("delete without state: 137", removed.returncode == 0 and dec(removed.stdout)[2] == 137, removed)
check("delete without state: the process is gone", until(lambda: not os.path.exists(f"/proc/{task_pid}")))
check("delete without state: no state is left", not os.path.exists(f"{DIR}/oci/{NS}/lost"))
check("delete without state: its group is gone", not os.path.exists(("/sys/fs/cgroup" if v2 else "/sys/fs/cgroup/memory") + f"/{NS}/lost"))
bad = enc([(1, "containerd.runc.v1.Options"), (2, enc([(3, f"/{NS}/absent")]))])
done = start("cg2", bundle("cg2", ["true"], "pod3"), bad)
check("an absent shim_cgroup is an error", done.returncode != 0 and b"does not exist" in done.stderr, done)

# ---- BootstrapParams ----
path = bundle("boot", ["true"], "pod4")
params = enc([(1, "boot"), (2, NS), (4, "2.4.0"), (5, DIR + "/events.sock"), (9, DIR + "/s")])
done = start("boot", path, params)
result = dec(done.stdout)
check("BootstrapResult", result[1] == 2 and result[3] == b"ttrpc" and result[2].startswith(f"unix://{DIR}/s/".encode()), done)
c = Client(result[2][len("unix://"):].decode())
c.call("Shutdown", [(1, "boot")])
check("no socket stays", until(lambda: not os.listdir(DIR + "/s")))
for base in (["/sys/fs/cgroup"] if v2 else ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"]):
    until(lambda: not open(base + group + "/cgroup.procs").read())
    os.rmdir(base + group)
