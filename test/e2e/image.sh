#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Images: layers as overlayfs shows them, layers that try to do harm, registries (Debian's docker-registry when it is
# installed, and one with faults), files. Prints what failed; the last line is the sum. Needs busybox-static and zstd.
set -u
cd "$(dirname "$0")/../.." || exit 1
p=0 f=0 s=0
bin=$PWD/build/release
[ -x "$bin/sampan-unpack" ] || { echo "build/release/sampan-unpack is not built"; echo "0 passed, 1 failed"; exit 1; }
tmp=$(mktemp -d)
pids=
cleanup() {
	for pid in $pids; do kill "$pid" 2>/dev/null; done
	umount "$tmp/merged" 2>/dev/null
	rm -rf "$tmp" /tmp/sampan-escaped
}
trap cleanup EXIT
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY

pass() { p=$((p + 1)); }
fail() {
	f=$((f + 1))
	echo "FAIL $*"
	sed 's/^/  /' "$tmp/out" 2>/dev/null | head -n 12
}
ok() { # NAME COMMAND…: it must succeed
	name=$1
	shift
	if timeout 60 "$@" >"$tmp/out" 2>&1; then pass; else fail "$name: $*"; fi
}
says() { # NAME TEXT COMMAND…: its output holds the text
	name=$1 text=$2
	shift 2
	timeout 60 "$@" >"$tmp/out" 2>&1
	if grep -qF -- "$text" "$tmp/out"; then pass; else fail "$name: no '$text' from $*"; fi
}
fails() { # NAME TEXT COMMAND…: it must fail and say so
	name=$1 text=$2
	shift 2
	if timeout 60 "$@" >"$tmp/out" 2>&1; then fail "$name: succeeded: $*"; return; fi
	if grep -qF -- "$text" "$tmp/out"; then pass; else fail "$name: no '$text' from $*"; fi
}
# Commands that timeout can run.
mkdir "$tmp/bin"
printf '#!/bin/sh\nexec "%s/sampan" image "$@" --data-dir "%s/data" --hosts-dir "%s/hosts"\n' "$bin" "$tmp" "$tmp" >"$tmp/bin/image"
printf '#!/bin/sh\nexec image pull "$@"\n' >"$tmp/bin/pull"
printf '#!/bin/sh\necho "$PASSWORD" | image pull "$@" --username user --password-stdin\n' >"$tmp/bin/login-pull"
chmod +x "$tmp"/bin/*
PATH=$tmp/bin:$PATH
same() { # NAME WANT GOT
	if [ "$2" = "$3" ]; then pass; else : >"$tmp/out"; fail "$1: '$3' instead of '$2'"; fi
}

command -v busybox >/dev/null && command -v zstd >/dev/null || {
	echo "busybox-static and zstd are not installed: skipped"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
}
cp "$(command -v busybox)" "$tmp/busybox-static"
python3 test/e2e/image_make.py layouts "$tmp" "$tmp/busybox-static" || exit 1

# -- files ----------------------------------------------------------------------------------------------------------------
says import-tar example.com/bb:two image import "$tmp/busybox.tar" --base-name example.com/bb
says import-docker example.com/saved:2 image import "$tmp/docker.tar"
fails import-nameless 'give the name' image import "$tmp/busybox.tar"
fails import-nothing 'malformed archive' image import "$PWD/Makefile"
tar -C "$PWD" -cf "$tmp/other.tar" Makefile
fails import-other 'neither an OCI layout nor a docker archive' image import "$tmp/other.tar"
says list example.com/bb:plain image list
says list-normal docker.io/library/saved:1 image list
ok export image export "$tmp/out.tar" saved:1 example.com/bb:plain
says prune-all freed image prune --all
same pruned 0 "$(find "$tmp/data/images/blobs" -type f | wc -l)"
says import-again docker.io/library/saved:1 image import "$tmp/out.tar"
ok tag image tag saved:1 other.example/name:3
says tagged other.example/name:3 image list
ok untag image untag other.example/name:3
fails untagged 'there is no image' image remove other.example/name:3
says still-named docker.io/library/saved:1 image list
ok pin image pin saved:1
says pinned '(pinned)' image list
image prune --all >/dev/null 2>&1
says prune-keeps-pinned docker.io/library/saved:1 image list
ok unpin image unpin saved:1
says import-for-removal example.com/bb:plain image import "$tmp/out.tar"
ok remove image remove example.com/bb:plain
fails removed 'there is no image' image remove example.com/bb:plain
cp -r "$tmp/busybox" "$tmp/damaged"
blob=$(find "$tmp/damaged/blobs" -type f -size +100k | head -n 1)
printf x | dd of="$blob" bs=1 seek=1000 conv=notrunc 2>/dev/null
fails import-damaged 'has the digest' image import "$tmp/damaged" --base-name example.com/bb
image prune --all >/dev/null 2>&1
same nothing-left 0 "$(find "$tmp/data/images/blobs" "$tmp/data/images/ingest" -type f | wc -l)"

# -- a registry with faults -----------------------------------------------------------------------------------------------
serve() { # LOG ARGS…: sets port
	log=$1
	shift
	mkfifo "$tmp/fifo"
	python3 test/e2e/image_registry.py "$@" >"$tmp/fifo" 2>"$tmp/registry.err" &
	pids="$pids $!"
	exec 9<"$tmp/fifo"
	read -r port <&9
	cat <&9 >"$tmp/$log" &
	pids="$pids $!"
	exec 9<&-
	rm "$tmp/fifo"
}
serve faulty.log "$tmp/busybox"
r=127.0.0.1:$port
clean() { image prune --all >/dev/null 2>&1; }
id_two=$(pull "$r/plain/bb:two")
same pull "$(image list | awk '/plain.bb:two/ { print $1 }')" "$(echo "$id_two" | cut -c 8-19)"
digest=$(image list --all | sed -n "s/.*bb@\(sha256:[0-9a-f]*\).*/\1/p" | head -n 1)
clean
says pull-digest "$id_two" pull "$r/plain/bb@$digest"
says digest-only "bb@$digest" image list
clean
for how in cut norange redirect busy; do
	says "pull-$how" "$id_two" pull "$r/$how/bb:two"
	clean
done
if grep -q "GET /v2/cut/bb/blobs/.* bytes=300000-" "$tmp/faulty.log"; then pass; else fail "no range was asked for"; fi
says pull-index sha256: pull "$r/plain/bb:index"
fails pull-platform 'no image for linux/s390x' pull "$r/plain/bb:index" --platform linux/s390x
says pull-other sha256: pull "$r/plain/bb:index" --platform linux/riscv64 --no-unpack
clean
fails pull-wrong 'has the digest' pull "$r/wrong/bb:two"
fails pull-type 'announced' pull "$r/type/bb:two"
fails pull-missing 'answers 404: MANIFEST_UNKNOWN' pull "$r/plain/bb:none"
fails pull-refuse 'wants other credentials' pull "$r/refuse/bb:two"
fails pull-no-login 'wants other credentials' pull "$r/basic/bb:two"
fails pull-reference 'no reference' pull "$r/UPPER:x"
export PASSWORD=secret
says pull-token "$id_two" login-pull "$r/token/bb:two"
clean
says pull-basic "$id_two" login-pull "$r/basic/bb:two"
clean
PASSWORD=no
fails wrong-password 'UNAUTHORIZED' login-pull "$r/token/bb:two"

# Mirrors: one that is not there, one that has contents only; the name stays the registry's.
mkdir -p "$tmp/hosts/registry.example"
cat >"$tmp/hosts/registry.example/hosts.toml" <<TOML
server = "http://$r/v2/plain"

[host."http://127.0.0.1:1"]
[host."http://$r/v2/mirror"]
  capabilities = ["pull"]
  override_path = true
[host."http://$r/v2"]
  override_path = true
TOML
mkdir -p "$tmp/hosts/registry.example_5000_"
printf 'server = "http://127.0.0.1:1"\n[host."http://%s"]\n' "$r" >"$tmp/hosts/registry.example_5000_/hosts.toml"
says mirror "$id_two" pull registry.example:5000/plain/bb:two
says mirror-name registry.example:5000/plain/bb:two image list
if grep -q "ns=registry.example:5000" "$tmp/faulty.log"; then pass; else fail "no ns= for the mirror"; fi
clean
says mirror-second "$id_two" pull registry.example/plain/bb:two
clean

# TLS, with a certificate authority of its own.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca -keyout "$tmp/ca.key" \
	-out "$tmp/ca.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=r -keyout "$tmp/tls.key" -out "$tmp/tls.csr" 2>/dev/null
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >"$tmp/san"
openssl x509 -req -in "$tmp/tls.csr" -CA "$tmp/ca.pem" -CAkey "$tmp/ca.key" -CAcreateserial -days 2 -extfile "$tmp/san" \
	-out "$tmp/tls.pem" 2>/dev/null
serve tls.log "$tmp/busybox" "$tmp/tls.pem" "$tmp/tls.key"
mkdir -p "$tmp/hosts/tls.example" "$tmp/hosts/any.example" "$tmp/hosts/untrusted.example"
cp "$tmp/ca.pem" "$tmp/hosts/tls.example/ca.crt"
printf 'server = "https://127.0.0.1:%s"\nca = "ca.crt"\n' "$port" >"$tmp/hosts/tls.example/hosts.toml"
printf 'server = "https://127.0.0.1:%s"\nskip_verify = true\n' "$port" >"$tmp/hosts/any.example/hosts.toml"
printf 'server = "https://127.0.0.1:%s"\n' "$port" >"$tmp/hosts/untrusted.example/hosts.toml"
says tls-ca "$id_two" pull tls.example/plain/bb:two
clean
says tls-any "$id_two" pull any.example/plain/bb:two
clean
fails tls-untrusted 'sampan image pull' pull untrusted.example/plain/bb:two

# -- Debian's registry ----------------------------------------------------------------------------------------------------
if command -v docker-registry >/dev/null; then
	cat >"$tmp/registry.yml" <<YAML
version: 0.1
log: {level: info}
storage: {filesystem: {rootdirectory: $tmp/registry}}
http: {addr: "127.0.0.1:0"}
YAML
	mkfifo "$tmp/fifo"
	docker-registry serve "$tmp/registry.yml" 2>"$tmp/fifo" >/dev/null &
	pids="$pids $!"
	exec 9<"$tmp/fifo"
	debian=
	while [ -z "$debian" ] && read -r line <&9; do
		debian=$(printf '%s\n' "$line" | sed -n 's/.*listening on \([0-9.:]*\).*/\1/p')
	done
	cat <&9 >/dev/null &
	pids="$pids $!"
	exec 9<&-
	for t in plain two index; do
		ok "push-$t" python3 test/e2e/image_make.py push "$tmp/busybox" "$debian/test/bb:$t"
		says "debian-$t" sha256: pull "$debian/test/bb:$t"
	done
else
	s=$((s + 6))
	echo "docker-registry is not installed: 6 skipped"
fi
clean

# -- what overlayfs shows -------------------------------------------------------------------------------------------------
ok pull-two pull "$r/plain/bb:two"
lower=$(python3 - "$tmp/data/images/images.json" <<'PY'
import json, sys
numbers = sorted(l["number"] for l in json.load(open(sys.argv[1]))["layers"])
print(":".join("%d/fs" % n for n in reversed(numbers)))
PY
)
mkdir -p "$tmp/merged" "$tmp/ram"
if (cd "$tmp/data/images/snapshots" && mount -t overlay overlay -o "ro,lowerdir=$lower" "$tmp/merged") 2>"$tmp/out"; then
	m=$tmp/merged
	same tree "$(printf '%s\n' . ./bin ./bin/busybox ./bin/sh ./bin/tool ./etc ./etc/caps ./etc/nomé ./etc/passwd ./etc/passwd- \
		./gone-and-back ./keep ./late ./old ./old/new ./sbin ./tmp | LC_ALL=C sort)" "$(cd "$m" && find . | LC_ALL=C sort)"
	same late second "$(cat "$m/late")"
	same caps "4755 1000 1001 1700000000" "$(stat -c '%a %u %g %Y' "$m/etc/caps")"
	same root 555 "$(stat -c %a "$m")"
	same sticky 1777 "$(stat -c %a "$m/tmp")"
	same xattr "user.color" "$(python3 -c 'import os,sys; print(" ".join(os.listxattr(sys.argv[1])))' "$m/etc/caps")"
	same linked "$(cat "$m/etc/passwd")" "$(cat "$m/etc/passwd-")"
	same dir-time 1700000000 "$(stat -c %Y "$m/old")"
	same runs hello "$(chroot "$m" /bin/sh -c 'echo hello')"
	umount "$m"
else
	s=$((s + 9))
	echo "overlayfs can't be mounted here: 9 skipped"
fi

# -- layers that try to do harm -------------------------------------------------------------------------------------------
mkdir "$tmp/hostile"
python3 test/e2e/image_make.py hostile "$tmp/hostile" || exit 1
for t in "$tmp"/hostile/*.tar; do
	name=$(basename "$t" .tar)
	word=$(cat "${t%.tar}.word")
	mkdir -p "$tmp/layer"
	"$bin/sampan-unpack" unpack "$tmp/layer" --bytes 1000000 --inodes 500 <"$t" >"$tmp/out" 2>&1
	status=$?
	if [ "$word" = ok ]; then want=0; else want=1; fi
	if [ "$status" -eq "$want" ] && grep -qF -- "$word" "$tmp/out" && [ ! -e /tmp/sampan-escaped ]; then
		pass
	else
		fail "hostile $name: status $status, wanted '$word'"
	fi
	says "removed-$name" 'ok 0' "$bin/sampan-unpack" remove "$tmp/layer"
	[ ! -e "$tmp/layer" ] || fail "$name was not removed"
done

# -- interrupted ----------------------------------------------------------------------------------------------------------
clean
n=0
while [ $n -lt 25 ]; do
	timeout -s KILL "0.$(printf %03d $((n * 20 + 1)))" image pull "$r/cut/bb:two" >/dev/null 2>&1
	flock "$tmp/data/images/lock" true # the killed one is gone
	n=$((n + 1))
	image list >"$tmp/out" 2>&1 || { fail "after kill $n"; break; }
	[ $((n % 5)) -ne 0 ] || image prune >/dev/null 2>&1
done
[ $n -lt 25 ] || pass
says after-kills "$id_two" pull "$r/cut/bb:two"
exec 8>"$tmp/data/images/lock"
python3 -c 'import fcntl; fcntl.flock(8, fcntl.LOCK_EX)'
fails locked 'image store' image list
exec 8>&-
clean
same leak "images.json ingest lock snapshots" "$(cd "$tmp/data/images" && find . -mindepth 1 | sed 's,^./,,' | grep -v '^blobs' | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//')"

printf '%d passed, %d failed, %d skipped\n' "$p" "$f" "$s"
[ "$f" -eq 0 ]
