#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The images critest asks for, made of this machine's static busybox and Debian's nginx, served as a registry on loopback.
Prints its port. Every registry critest names is a mirror of this one, so the host of a reference does not matter."""
import hashlib, http.server, io, json, os, shutil, socketserver, subprocess, sys, tarfile, tempfile

blobs, names = {}, {}
E2E, CRI = "e2e-test-images/", "k8s-staging-cri-tools/"
TYPES = {n: "application/vnd.oci.image." + n for n in ("manifest.v1+json", "config.v1+json", "layer.v1.tar")}
NGINX = """user root; pid /var/run/nginx.pid; error_log /dev/stderr; worker_processes 1; events {}
http { access_log off; server { listen PORT; root /usr/share/nginx/html; } }
"""


def put(data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return digest


def part(kind, data):
    return {"mediaType": TYPES[kind], "digest": put(data), "size": len(data)}


def layer(root):
    out = io.BytesIO()

    def owner(info):
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        return info
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as t:
        for entry in sorted(os.listdir(root)):
            t.add(os.path.join(root, entry), arcname=entry, filter=owner)
    return part("layer.v1.tar", out.getvalue())


def image(name, layers, config, tag="latest"):
    whole = {"architecture": "amd64", "os": "linux", "config": config,
             "rootfs": {"type": "layers", "diff_ids": [one["digest"] for one in layers]}}
    manifest = {"schemaVersion": 2, "mediaType": TYPES["manifest.v1+json"],
                "config": part("config.v1+json", json.dumps(whole).encode()), "layers": layers}
    names[name, tag] = put(json.dumps(manifest).encode())


def write(root, path, text, mode=0o644):
    path = root + path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def tree(**files):
    root = tempfile.mkdtemp(dir=work)
    os.chmod(root, 0o755)
    for d in ("tmp", "proc", "dev", "sys", "run", "etc", "root", "var/log/nginx", "var/lib/nginx", "usr/bin"):
        os.makedirs(f"{root}/{d}")
    os.chmod(root + "/tmp", 0o1777)
    os.symlink("../run", root + "/var/run")
    os.makedirs(root + "/bin")
    shutil.copy(shutil.which("busybox"), root + "/bin/busybox")
    for applet in subprocess.run(["busybox", "--list"], capture_output=True, text=True).stdout.split():
        if applet != "busybox":
            os.link(root + "/bin/busybox", f"{root}/bin/{applet}")  # one of them can be masked alone
    rename_applet(root + "/bin/sh", b"losetup", b"ls", b"lr", b"lsmod")  # one case wants the shell to look for its ls
    for program in ("pgrep", "ipcs"):  # Debian's busybox has none
        add_program(root, program)
    write(root, "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\ndefault-user:x:1000:1000::/:/bin/sh\n"
          "www-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    write(root, "/etc/group", "root:x:0:\nwww-data:x:33:\ndefault-user:x:1000:\n"
          "group-defined-in-image:x:50000:default-user\nnogroup:x:65534:\n")
    return root


def rename_applet(path, before, name, new, after):
    """Debian's shell takes programs from itself before it looks for them. The table it has of them stays sorted."""
    with open(path, "rb") as f:
        program = f.read()
    old, new = (b"\0" + b"\0".join((before, n, after)) + b"\0" for n in (name, new))
    assert program.count(old) == 1
    os.unlink(path)  # it was a link
    with open(path, "wb") as f:
        f.write(program.replace(old, new))
    os.chmod(path, 0o755)


def add_program(root, name):
    program = shutil.which(name)
    shutil.copy(program, f"{root}/usr/bin/{name}")
    for line in subprocess.run(["ldd", program], capture_output=True, text=True).stdout.splitlines():
        path = next((w for w in line.split() if w.startswith("/")), None)
        if path and not os.path.exists(root + path):
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            shutil.copy(os.path.realpath(path), root + path)


def compiled(root, path, source, mode):
    subprocess.run(["gcc", "-static", "-Os", "-xc", "-", "-o", root + path], input=source.encode(), check=True)
    os.chmod(root + path, mode)


def web(port):
    root = tree()
    add_program(root, "nginx")
    write(root, "/etc/nginx/nginx.conf", NGINX.replace("PORT", str(port)))
    write(root, "/usr/share/nginx/html/index.html", "<html><title>Welcome to nginx!</title><h1>It works!</h1></html>\n")
    return [layer(root)]


class Registry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        where, _, which = self.path.partition("?")[0].rpartition("/")
        repo, _, kind = where.removeprefix("/v2/").rpartition("/")
        digest = which if which.startswith("sha256:") else names.get((repo, which))
        data = blobs.get(digest)
        self.send_response(200 if data is not None else 404)
        if kind == "manifests":
            self.send_header("Content-Type", TYPES["manifest.v1+json"])
        self.send_header("Content-Length", str(len(data or b"")))
        if data is not None:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data or b"")

    do_HEAD = do_GET


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


ENV = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}
with tempfile.TemporaryDirectory() as work:
    base = [layer(tree())]
    image(E2E + "busybox", base, ENV | {"Cmd": ["sh"]}, "1.29-2")
    image(E2E + "nginx", web(80), ENV | {"Cmd": ["nginx", "-g", "daemon off;"]}, "1.14-2")
    image(CRI + "hostnet-nginx-amd64", web(12003), ENV | {"Cmd": ["nginx", "-g", "daemon off;"]})
    # The name of the program stands in the first line that Apache logs.
    image(E2E + "httpd", web(80), ENV | {"Cmd": ["sh", "-c", "echo httpd: starts; exec nginx -g 'daemon off;'"]}, "2.4.39-4")
    nnp = tree()
    compiled(nnp, "/usr/bin/nnp", "#include <stdio.h>\n#include <unistd.h>\n"
             'int main(void) { printf("Effective uid: %d\\n", (int)geteuid()); }', 0o6755)
    image(E2E + "nonewprivs", [layer(nnp)], ENV | {"Cmd": ["nnp"]}, "1.3")
    pause = tree()
    # The first process of a namespace is not ended by a signal it has no handler for; the real one has them, too.
    compiled(pause, "/pause", "#include <signal.h>\n#include <unistd.h>\nstatic void end(int s) { _exit(s == 0); }\n"
             "int main(void) { signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause(); }", 0o755)
    image("pause", [layer(pause)], ENV | {"Entrypoint": ["/pause"]}, "3.9")
    for name, user in (("user-uid", "1002"), ("user-username", "www-data"), ("user-uid-group", "1003:users"),
                       ("user-username-group", "www-data:100"), ("predefined-group", "1000")):
        image(f"{CRI}test-image-{name}", base, ENV | {"User": user, "Cmd": ["sh"]})
    for name, tag in (("latest", "latest"), ("tag", "test"), ("tag", "all"), ("1", "latest"), ("2", "latest"), ("3", "latest")):
        own = tree()
        write(own, "/test", name + tag)
        image(f"{CRI}test-image-{name}", base + [layer(own)], ENV | {"Cmd": ["sh"]}, tag)
    for tag in "123":
        image(CRI + "test-image-tags", base, ENV | {"Labels": {"same": "yes"}}, tag)
with Server(("127.0.0.1", 0), Registry) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
