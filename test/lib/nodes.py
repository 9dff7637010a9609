# SPDX-License-Identifier: Apache-2.0
"""Nodes to compare: a kubelet (PEER_KUBELET) or `sampan node`, on containerd or on `sampan cri`, each with a directory, a cgroup and a bridge of
its own, in the network and with the mounts of rig.private_network(mounts=True)."""

import json
import os
import shutil
import subprocess

import rig

IMAGE = "e2e.example/busybox:1"
ADDRESS = "10.0.0.1"
BIN = os.path.abspath("build/release")


def missing():
    """What this machine does not have of a kubelet on containerd, as text; empty when it has all."""
    lacks = [t for t in ("containerd", "ctr", "runc", "busybox") if not shutil.which(t)]
    lacks += [] if rig.peer("PEER_KUBELET") else ["PEER_KUBELET"]
    return ", ".join(lacks + ([] if os.path.isdir("/usr/lib/cni") else ["CNI plugins"]))


def prepare():
    """The address of all nodes, and the image."""
    subprocess.run(f"ip link add d0 type veth peer name d1 && ip link set d1 up && ip link set d0 up && ip addr add {ADDRESS}/24 dev d0 && "
                   "ip route add default dev d0", shell=True, check=True)
    subprocess.run(["test/e2e/busybox-image", IMAGE, f"{rig.tmp}/image.tar"], check=True,
                   env={**os.environ, "CMD": '["/bin/sleep","1000000"]'})  # of sandboxes, too


def is_ready(api, name):
    try:
        node = api.call("GET", f"/api/v1/nodes/{name}")
    except RuntimeError:
        return False
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))


class Node:
    """`agent` is kubelet or sampan, `runtime` containerd or sampan; number (1 to 9) tells the nodes of a program apart."""

    def __init__(self, name, number, agent, runtime, oci="runc"):
        self.name, self.number, self.oci = name, number, oci
        self.dir, self.bridge, self.group = f"{rig.tmp}/{name}", f"pairs{number}", f"sampan-{name}-{os.getpid()}"
        self.socket, self.range = f"{self.dir}/cri.sock", f"10.{240 + number}.3.0/24"
        os.makedirs(f"{self.dir}/store")
        # an overlay can't be on an overlay
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m", "none", f"{self.dir}/store"], check=True)
        self.oci_path = None  # of the OCI runtime, where it is a link of ours
        self.runtime = {"containerd": self.start_containerd, "sampan": self.start_cri}[runtime]()
        self.start_agent = {"kubelet": self.start_kubelet, "sampan": self.start_sampan}[agent]

    def begin(self, api):
        """Returns when the node is ready."""
        self.agent = self.start_agent(api)
        rig.wait_for("a node that is ready", 60, lambda: self.agent.poll() is not None or is_ready(api, self.name), 0.2)

    def end(self):
        """Its pods are gone before."""
        rig.stop(self.agent)
        rig.stop(self.runtime)
        subprocess.run(f"find /sys/fs/cgroup -depth -type d -path '*{self.group}*' -exec rmdir {{}} + 2>/dev/null", shell=True, check=False)

    def log(self):
        return open(f"{rig.tmp}/{self.name}.log", errors="replace").read()[-4000:]

    def shims(self):
        """Pids of the shims of its runtime."""
        found = []
        for d in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = open(f"/proc/{d}/cmdline", "rb").read().split(b"\0")
            except OSError:
                continue
            if b"shim" in words[0] and any(w.startswith(f"{self.dir}/".encode()) for w in words):
                found.append(int(d))
        return found

    def start_containerd(self):
        d = self.dir
        os.makedirs(f"{d}/cni")
        with open(f"{d}/cni/10.conflist", "w", encoding="ascii") as f:
            json.dump({"cniVersion": "0.4.0", "name": self.group, "plugins": [
                {"type": "bridge", "bridge": self.bridge, "isGateway": True,
                 "ipam": {"type": "host-local", "dataDir": f"{d}/ipam", "ranges": [[{"subnet": self.range}]]}}]}, f)
        with open(f"{d}/config.toml", "w", encoding="ascii") as f:
            f.write(f'version = 2\nroot = "{d}/store/root"\nstate = "{d}/store/state"\n[grpc]\n  address = "{self.socket}"\n'
                    f'[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "{IMAGE}"\n  restrict_oom_score_adj = true\n'
                    f'[plugins."io.containerd.grpc.v1.cri".cni]\n  bin_dir = "/usr/lib/cni"\n  conf_dir = "{d}/cni"\n')
        p = rig.start(f"{self.name}-containerd.log", "containerd", "-c", f"{d}/config.toml")
        rig.wait_for("containerd", 20, lambda: subprocess.run(["ctr", "-a", self.socket, "version"], capture_output=True, check=False).returncode == 0)
        subprocess.run(["ctr", "-a", self.socket, "-n", "k8s.io", "images", "import", f"{rig.tmp}/image.tar"], check=True, capture_output=True)
        return p

    def start_cri(self):
        store = f"{self.dir}/store"
        subprocess.run([f"{BIN}/sampan", "image", "import", f"{rig.tmp}/image.tar", "--data-dir", store], check=True, capture_output=True)
        self.oci_path = f"{self.dir}/oci/{self.oci}"
        os.mkdir(f"{self.dir}/oci")
        os.symlink(os.path.realpath(shutil.which(self.oci)), self.oci_path)
        p = rig.start(f"{self.name}-cri.log", f"{BIN}/sampan", "cri", "--listen", f"unix://{self.socket}", "--root", store, "--run-dir",
                      f"{self.dir}/run", "--bridge", self.bridge, "--interface-prefix", f"pr{self.number}", "--pod-cidr", self.range, "--cgroup-root",
                      f"/{self.group}", "--cni-conf-dir", f"{self.dir}/none", "--shim", f"{BIN}/containerd-shim-sampan-v1", "--unpack",
                      f"{BIN}/sampan-unpack", "--oci-runtime", self.oci_path)
        rig.wait_for("sampan cri", 20, lambda: os.path.exists(self.socket))
        return p

    def make_groups(self):
        """What the cgroup of all pods is in; kubelet wants it to be there."""
        top = "/sys/fs/cgroup"
        for one in [top] if os.path.exists(f"{top}/cgroup.controllers") else [e.path for e in os.scandir(top) if e.is_dir() and not e.is_symlink()]:
            os.makedirs(f"{one}/{self.group}", exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):
                if os.path.exists(f"{one}/{file}") and os.path.exists(f"{one}/{self.group}/{file}"):
                    shutil.copyfile(f"{one}/{file}", f"{one}/{self.group}/{file}")

    def start_kubelet(self, api):
        d = f"{self.dir}/kubelet"
        os.makedirs(d)
        self.make_groups()
        with open(f"{d}/config.yaml", "w", encoding="ascii") as f:
            json.dump({"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "failCgroupV1": False,
                       "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{self.group}", "enforceNodeAllocatable": [],
                       "containerRuntimeEndpoint": f"unix://{self.socket}", "port": 10250 + self.number,
                       "authentication": {"x509": {"clientCAFile": f"{rig.tmp}/ca.pem"}, "anonymous": {"enabled": False}}, "failSwapOn": False,
                       "evictionHard": {"memory.available": "1Mi"}, "imageGCHighThresholdPercent": 100, "podLogsDir": f"{d}/logs",
                       "healthzPort": 0, "localStorageCapacityIsolation": False, "makeIPTablesUtilChains": False}, f)
        return rig.start(f"{self.name}.log", os.environ["PEER_KUBELET"], "--config", f"{d}/config.yaml", "--kubeconfig", api.kubeconfig,
                         "--hostname-override", self.name, "--root-dir", d, "--cert-dir", f"{d}/pki", "--node-ip", ADDRESS)

    def start_sampan(self, api):
        return rig.start(f"{self.name}.log", f"{BIN}/sampan", "node", "--kubeconfig", api.kubeconfig, "--node-name", self.name,
                         "--container-runtime-endpoint", f"unix://{self.socket}", "--root-dir", f"{self.dir}/node", "--pod-log-dir", f"{self.dir}/logs",
                         "--cgroup-root", self.group, "--local-path-dir", f"{self.dir}/storage", "--eviction-hard", "memory.available<1Mi",
                         "--image-gc-high-threshold", "100", "--node-ip", ADDRESS, "--port", str(10250 + self.number))
