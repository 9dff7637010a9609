#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes images and layers for the tests, without any other tool.

  image_make.py layouts DIR BUSYBOX          OCI layouts and docker archives made of busybox
  image_make.py push DIR/LAYOUT HOST:PORT/NAME:TAG [USER:PASSWORD]
  image_make.py hostile DIR                  layers that try to do harm, each with the word its refusal has
"""
import gzip, hashlib, io, json, os, subprocess, sys, tarfile, urllib.error, urllib.request, base64

OCI = "application/vnd.oci.image."
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layer:
    """A tar under construction; members are added in the order of the calls."""

    def __init__(self, fmt=tarfile.PAX_FORMAT):
        self.out = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.out, mode="w", format=fmt)

    def add(self, name, data=None, type=None, mode=0o644, link="", uid=0, gid=0, mtime=1700000000, pax=None, dev=(0, 0)):
        info = tarfile.TarInfo(name)
        info.mode, info.uid, info.gid, info.mtime = mode, uid, gid, mtime
        info.type = type or tarfile.REGTYPE
        info.linkname = link
        info.devmajor, info.devminor = dev
        info.pax_headers = pax or {}
        if data is not None:
            info.size = len(data)
        self.tar.addfile(info, io.BytesIO(data) if data is not None else None)
        return self

    def dir(self, name, mode=0o755, **kw):
        return self.add(name, type=tarfile.DIRTYPE, mode=mode, **kw)

    def symlink(self, name, to):
        return self.add(name, type=tarfile.SYMTYPE, link=to, mode=0o777)

    def hardlink(self, name, to):
        return self.add(name, type=tarfile.LNKTYPE, link=to)

    def bytes(self):
        self.tar.close()
        return self.out.getvalue()


def compress(data, how):
    if how == "gzip":
        return gzip.compress(data, 6, mtime=0)
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


class Layout:
    def __init__(self, path):
        self.path = path
        self.manifests = []
        os.makedirs(path + "/blobs/sha256", exist_ok=True)

    def blob(self, data):
        digest = sha(data)
        with open(self.path + "/blobs/sha256/" + digest[7:], "wb") as f:
            f.write(data)
        return {"digest": digest, "size": len(data)}

    def image(self, layers, config, arch=ARCH, variant=None, media=OCI):
        descriptors, diff_ids = [], []
        for data, how in layers:
            diff_ids.append(sha(data))
            d = self.blob(compress(data, how))
            d["mediaType"] = OCI + "layer.v1.tar" + ("+" + how if how else "")
            descriptors.append(d)
        c = self.blob(json.dumps({"architecture": arch, "os": "linux", "config": config,
                                  "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode())
        c["mediaType"] = OCI + "config.v1+json"
        m = self.blob(json.dumps({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": c,
                                  "layers": descriptors}).encode())
        m["mediaType"] = OCI + "manifest.v1+json"
        m["platform"] = {"os": "linux", "architecture": arch}
        if variant:
            m["platform"]["variant"] = variant
        return m

    def index(self, manifests):
        i = self.blob(json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": manifests}).encode())
        i["mediaType"] = OCI + "index.v1+json"
        return i

    def name(self, descriptor, name):
        d = dict(descriptor)
        d.pop("platform", None)
        d["annotations"] = {"org.opencontainers.image.ref.name": name}
        self.manifests.append(d)

    def close(self):
        with open(self.path + "/index.json", "w") as f:
            json.dump({"schemaVersion": 2, "manifests": self.manifests}, f)
        with open(self.path + "/oci-layout", "w") as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')
        with tarfile.open(self.path + ".tar", "w") as t:
            for name in ["oci-layout", "index.json", "blobs"]:
                t.add(self.path + "/" + name, arcname=name)


CONFIG = {"Env": ["PATH=/bin"], "Entrypoint": ["/bin/sh"], "Cmd": ["-c", "echo hello"], "User": "1000:1000",
          "WorkingDir": "/tmp", "StopSignal": "SIGINT", "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}, "/keep": {}},
          "Labels": {"a": "b"}}


def base(busybox):
    data = open(busybox, "rb").read()
    l = Layer().dir("./", mode=0o555).dir("bin").dir("etc").dir("tmp", mode=0o1777).dir("old").dir("keep")
    l.add("bin/busybox", data, mode=0o755).symlink("bin/sh", "busybox").symlink("sbin", "bin")
    l.add("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n").add("old/file", b"old").add("keep/file", b"keep")
    l.add("etc/caps", b"x", mode=0o4755, uid=1000, gid=1001,
          pax={"SCHILY.xattr.user.color": "blue", "SCHILY.xattr.trusted.overlay.redirect": "/etc",
               "SCHILY.xattr.user.overlay.opaque": "y"})
    l.add("etc/nom\u00e9", "\u00e9t\u00e9".encode())
    return l.bytes()


def upper():
    l = Layer().dir("old").add("old/.wh..wh..opq", b"").add("old/new", b"new").add("keep/.wh.file", b"")
    l.add("sbin/tool", b"#!/bin/sh\n", mode=0o755)      # through the symbolic link of the layer below
    l.hardlink("etc/passwd-", "etc/passwd")               # a file of the layer below
    l.add("late", b"first").add("late", b"second")       # the last one counts
    l.add(".wh.gone-and-back", b"").add("gone-and-back", b"here")
    return l.bytes()


def layouts(dir, busybox):
    lay = Layout(dir + "/busybox")
    lower, over = base(busybox), upper()
    plain = lay.image([(lower, "gzip")], CONFIG)
    lay.name(plain, "plain")
    lay.name(lay.image([(lower, "gzip"), (over, "zstd")], CONFIG), "two")
    other = lay.image([(Layer().add("other", b"arm").bytes(), "gzip")], {}, arch="riscv64" if ARCH != "riscv64" else "arm64")
    lay.name(lay.index([other, lay.image([(lower, ""), (over, "gzip")], dict(CONFIG, User="")), ]), "index")
    lay.close()
    # docker save: layers as files, the second one a link to the first.
    config = json.dumps({"architecture": ARCH, "os": "linux", "config": CONFIG,
                         "rootfs": {"type": "layers", "diff_ids": [sha(lower), sha(over)]}}).encode()
    with tarfile.open(dir + "/docker.tar", "w") as t:
        def put(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
        put("aaa/layer.tar", lower)
        put("bbb/layer.tar", over)
        link = tarfile.TarInfo("ccc/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../bbb/layer.tar"
        t.addfile(link)
        put(sha(config)[7:] + ".json", config)
        put("manifest.json", json.dumps([{"Config": sha(config)[7:] + ".json", "RepoTags": ["saved:1", "example.com/saved:2"],
                                          "Layers": ["aaa/layer.tar", "ccc/layer.tar"]}]).encode())


class Registry:
    def __init__(self, base, login):
        self.base, self.login = base, login

    def call(self, method, url, data=None, type=None):
        req = urllib.request.Request(url if url.startswith("http") else self.base + url, data=data, method=method)
        if type:
            req.add_header("Content-Type", type)
        if self.login:
            req.add_header("Authorization", "Basic " + base64.b64encode(self.login.encode()).decode())
        return urllib.request.urlopen(req)


def push(layout, target, login=None):
    host, rest = target.split("/", 1)
    name, tag = rest.rsplit(":", 1)
    r = Registry("http://" + host + "/v2/" + name, login)

    def blob(digest):
        data = open(layout + "/blobs/sha256/" + digest[7:], "rb").read()
        at = r.call("POST", "/blobs/uploads/", b"").headers["Location"]
        r.call("PUT", at + ("&" if "?" in at else "?") + "digest=" + digest, data, "application/octet-stream")

    def manifest(d, ref):
        text = open(layout + "/blobs/sha256/" + d["digest"][7:], "rb").read()
        doc = json.loads(text)
        for m in doc.get("manifests", []):
            manifest(m, m["digest"])
        for b in doc.get("layers", []) + ([doc["config"]] if "config" in doc else []):
            blob(b["digest"])
        r.call("PUT", "/manifests/" + ref, text, d["mediaType"])

    for d in json.load(open(layout + "/index.json"))["manifests"]:
        if d["annotations"]["org.opencontainers.image.ref.name"] == tag:
            manifest(d, tag)


def hostile(dir):
    def put(name, word, data):
        with open(dir + "/" + name + ".tar", "wb") as f:
            f.write(data)
        with open(dir + "/" + name + ".word", "w") as f:
            f.write(word + "\n")

    out = "../" * 20 + "tmp/sampan-escaped"
    put("up", "leads upwards", Layer().add(out, b"x").bytes())
    put("up-inside", "leads upwards", Layer().dir("a").add("a/../../x", b"x").bytes())
    put("link-up", "leads upwards", Layer().hardlink("x", "../../../etc/passwd").bytes())
    put("link-none", "not there", Layer().hardlink("x", "etc/passwd").bytes())
    put("link-dir", "no file", Layer().dir("d").hardlink("x", "d").bytes())
    put("link-root", "to the root", Layer().hardlink("x", "/").bytes())
    put("char", "device", Layer().add("null", type=tarfile.CHRTYPE, dev=(1, 3), mode=0o666).bytes())
    put("block", "device", Layer().add("sda", type=tarfile.BLKTYPE, dev=(8, 0), mode=0o666).bytes())
    put("whiteout-planted", "device", Layer().add("x", type=tarfile.CHRTYPE, dev=(0, 0)).bytes())
    put("whiteout-none", "without a name", Layer().add(".wh.", b"").bytes())
    put("whiteout-up", "without a name", Layer().add("a/.wh...", b"").bytes())
    put("below-file", "not a directory", Layer().add("f", b"x").add("f/g", b"y").bytes())
    put("loop", "symbolic links", Layer().symlink("a", "b").symlink("b", "a").add("a/x", b"x").bytes())
    put("root-file", "not a directory", Layer().add(".", b"x").bytes())
    put("nul", "", b"a\0b".ljust(512, b"\0"))
    put("cut", "ends early", Layer().add("x", b"y" * 5000).bytes()[:2048])
    put("gzip-cut", "ends early", gzip.compress(Layer().add("x", os.urandom(5000)).bytes())[:-900])
    put("gzip-tail", "other bytes follow", gzip.compress(Layer().add("x", b"y").bytes()) + b"tail")
    put("bytes", "more than 1000000 bytes", gzip.compress(Layer().add("bomb", bytes(20_000_000)).bytes()))
    many = Layer()
    for i in range(600):
        many.add("f%d" % i, b"")
    put("files", "more than 500 files", many.bytes())
    deep = Layer()
    for i in range(600):
        deep.add("%d/%d/x" % (i, i), b"")
    put("implied", "more than 500 files", deep.bytes())
    head = bytearray(Layer().add("x", b"y").bytes())
    head[0] ^= 1
    put("sum", "sum is wrong", bytes(head))
    put("pax-size", "extended header", Layer().add("x", b"y", pax={"comment": "z" * (2 << 20)}).bytes())
    put("name-long", "", Layer().add("x/" * 3000 + "x", b"y").bytes())
    # These are allowed, and must end up inside.
    for name, l in {
        "symlink-out": Layer().symlink("out", "/tmp").add("out/sampan-escaped", b"x"),
        "symlink-up": Layer().symlink("out", "../../../../../../tmp").add("out/sampan-escaped", b"x"),
        "symlink-dir": Layer().symlink("d", "/etc").dir("d", mode=0o700).add("d/x", b"x"),
        "absolute": Layer().add("/tmp/sampan-escaped", b"x"),
        "link-of-link": Layer().symlink("l", "/etc/passwd").hardlink("m", "l").add("m", b"mine"),
        "proc": Layer().symlink("p", "/proc/self/root/tmp").add("p/sampan-escaped", b"x"),
    }.items():
        put("ok-" + name, "ok", l.bytes())


if __name__ == "__main__":
    {"layouts": layouts, "push": push, "hostile": hostile}[sys.argv[1]](*sys.argv[2:])
