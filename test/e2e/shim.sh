#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The shim under a containerd of its own (Debian's, or PEER_CONTAINERD and PEER_CTR) with crun and runc, then without containerd
# (shim_client.py). What is left behind is counted at the end.
set -u
cd "$(dirname "$0")/../.." || exit 1
export LC_ALL=C
shim=$PWD/build/release/containerd-shim-sampan-v1
here=$PWD/test/e2e
containerd=${PEER_CONTAINERD:-containerd} ctr=${PEER_CTR:-ctr}
missing=
for p in containerd runc crun busybox; do
	command -v "$p" >/dev/null || missing="$missing $p"
done
missing=$(echo "$missing" | sed 's/busybox/busybox-static/')
# Never in place of something that is installed.
[ -z "$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends --no-remove $missing >/dev/null 2>&1
for p in "$containerd" "$ctr" runc crun busybox python3; do
	command -v "$p" >/dev/null || { echo "skip the shim with containerd (no $p)"; echo '0 passed, 0 failed, 1 skipped'; exit 0; }
done

tmp=$(mktemp -d /tmp/shim-e2e.XXXXXX)
ns=$(basename "$tmp" | tr . -)
p=0 f=0 daemon=
check() { # NAME COMMAND…
	name=$1
	shift
	if "$@"; then p=$((p + 1)); else f=$((f + 1)); echo "FAIL $name"; fi
}
is() { [ "$1" = "$2" ] || { echo "  got '$1', want '$2'"; false; }; }
has() { case "$1" in *"$2"*) ;; *) echo "  no '$2' in '$1'"; false ;; esac; }
# Until a condition holds; the deadline is for failures only.
until_true() {
	end=$(($(date +%s) + 20))
	until "$@"; do
		[ "$(date +%s)" -lt "$end" ] || { echo "  never: $*"; return 1; }
		sleep 0.02
	done
}
C() { timeout -s KILL 60 "$ctr" -a "$tmp/containerd.sock" -n "$ns" "$@"; }
status_is() { [ "$(C tasks ls | awk -v id="$1" '$1 == id { print $3 }')" = "$2" ]; }
shims() { pgrep -f -- "-address $tmp/" || true; }
shim_of() { pgrep -f -- "-namespace $ns -id $1 -address"; }
note_sockets() { for s in $(shims); do tr '\0' '\n' <"/proc/$s/cmdline" | grep -A1 -x -- -socket | tail -n 1; done >>"$tmp/sockets"; }
event() { grep -qE "$1" "$tmp/events"; }
start_containerd() {
	PATH=$tmp/bin:$PATH "$containerd" -c "$tmp/config.toml" >>"$tmp/containerd.log" 2>&1 &
	daemon=$!
	until_true sh -c "timeout 5 '$ctr' -a '$tmp/containerd.sock' version >/dev/null 2>&1" || { tail -n 5 "$tmp/containerd.log"; exit 1; }
}
cleanup() {
	[ -z "$daemon" ] || { kill "$daemon" 2>/dev/null; wait "$daemon" 2>/dev/null; }
	for s in $(shims); do kill -9 "$s"; done
	awk -v t="$tmp/" 'index($5, t) == 1 { print $5 }' /proc/self/mountinfo | sort -r | xargs -r -n1 umount -l 2>/dev/null
	for c in /sys/fs/cgroup/*/"$ns" /sys/fs/cgroup/"$ns"; do
		[ ! -d "$c" ] || find "$c" -depth -type d -exec rmdir {} + 2>/dev/null
	done
	rm -rf "$tmp"
}
trap cleanup EXIT

mkdir -p "$tmp/bin"
ln -s "$shim" "$tmp/bin/containerd-shim-sampan-v1"
# The options of runc are given by ctr to the runtime of that name only.
ln -s "$shim" "$tmp/bin/containerd-shim-runc-v2"
cat >"$tmp/config.toml" <<END
version = 2
root = "$tmp/root"
state = "$tmp/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$tmp/containerd.sock"
END
start_containerd
"$here/busybox-image" test/busybox:1 "$tmp/image.tar" "$tmp/rootfs" || exit 1
C image import "$tmp/image.tar" >/dev/null 2>&1 || { echo 'no image'; exit 1; }
timeout 600 "$ctr" -a "$tmp/containerd.sock" -n "$ns" events >"$tmp/events" 2>&1 &
events=$!
until_true sh -c "C() { timeout 5 '$ctr' -a '$tmp/containerd.sock' -n '$ns' \"\$@\"; }; C c create test/busybox:1 probe >/dev/null 2>&1; C c rm probe >/dev/null 2>&1; grep -q probe '$tmp/events'"
image=test/busybox:1
mounts() { awk -v t="$tmp/" 'index($5, t) == 1' /proc/self/mountinfo; }

# An old crun takes no configuration of a new containerd: then SHIM_RUNTIMES=runc.
for oci in ${SHIM_RUNTIMES:-crun runc}; do
	R="--runtime io.containerd.runc.v2 --runc-binary $oci"
	out=$(C run --rm $R $image "$oci-out" sh -c 'echo out; echo err >&2; exit 7' 2>"$tmp/err")
	check "$oci: exit status" is $? 7
	check "$oci: stdout" is "$out" out
	check "$oci: stderr" has "$(cat "$tmp/err")" err
	check "$oci: a program that is not there" sh -c "! timeout -s KILL 60 '$ctr' -a '$tmp/containerd.sock' -n '$ns' run --rm $R $image $oci-no /none 2>'$tmp/err'"
	check "$oci: says why" has "$(cat "$tmp/err")" "create failed"

	C run -d $R $image "$oci-long" sleep 1000
	note_sockets
	check "$oci: runs" status_is "$oci-long" RUNNING
	for i in 0 1 42; do
		out=$(C t exec --exec-id "e$i" "$oci-long" sh -c "echo ran; exit $i")
		check "$oci: exec exit $i" is $? "$i"
		check "$oci: exec output $i" is "$out" ran
	done
	big=$(C t exec --exec-id big "$oci-long" sh -c 'seq 1 200000' | tail -n 1)
	check "$oci: much output" is "$big" 200000
	C t exec --exec-id none "$oci-long" /none 2>"$tmp/err"
	check "$oci: exec of nothing says why" has "$(cat "$tmp/err")" "exec failed"
	check "$oci: pids" has "$(C t ps "$oci-long")" "$(C t ls | awk -v id="$oci-long" '$1 == id { print $2 }')"
	check "$oci: figures" has "$(C t metrics "$oci-long")" memory.usage_in_bytes
	C t pause "$oci-long"
	check "$oci: paused" status_is "$oci-long" PAUSED
	C t resume "$oci-long"
	check "$oci: resumed" status_is "$oci-long" RUNNING
	C t pause "$oci-long"
	C t kill -s KILL "$oci-long"
	check "$oci: killed while paused" until_true status_is "$oci-long" STOPPED
	C t rm "$oci-long" 2>"$tmp/err"
	check "$oci: 137" has "$(cat "$tmp/err")" 137
	C c rm "$oci-long"

	# A terminal: script gives ctr one. Without --foreground timeout makes a process group of its own, and one in the
	# background may not set a terminal: it is stopped (unless the shell of script replaced itself: bash does, dash does not).
	out=$(script -qec "timeout --foreground -s KILL 60 '$ctr' -a '$tmp/containerd.sock' -n '$ns' run --rm -t $R $image $oci-tty sh -c 'test -t 0 && test -t 1 && stty size'" /dev/null </dev/null)
	check "$oci: terminal" has "$out" ' '

	C run -d $R --memory-limit 16777216 $image "$oci-oom" tail /dev/zero
	check "$oci: out of memory" until_true status_is "$oci-oom" STOPPED
	check "$oci: oom event" until_true event "/tasks/oom.*$oci-oom"
	C t rm "$oci-oom" 2>/dev/null
	C c rm "$oci-oom"
	check "$oci: oom before exit" sh -c "grep -nE '/tasks/(oom|exit).*$oci-oom' '$tmp/events' | head -n 1 | grep -q oom"
done
# crun's default on this machine, by detection.
out=$(C run --rm --runtime io.containerd.sampan.v1 $image detect echo found)
check 'a runtime is found' is "$out" found
check 'start before exit, always' sh -c "
	awk '/tasks\/(start|exit) /{ match(\$0, /\"container_id\":\"[^\"]*\"/); id = substr(\$0, RSTART, RLENGTH)
		if (/tasks\/start/) started[id] = 1; else if (/\"id\":/ && !started[id]) bad = 1 } END { exit bad }' '$tmp/events'"

# Several containers of one group in one shim.
spec() { # GROUP ARG…
	C oci spec | python3 -c '
import json, sys
s = json.load(sys.stdin)
s["root"] = {"path": sys.argv[1]}
s["annotations"] = {"io.kubernetes.cri.sandbox-id": sys.argv[2]}
s["process"].update(args=sys.argv[3:], terminal=False, env=["PATH=/bin"])
s["linux"]["cgroupsPath"] = "/" + sys.argv[2] + "/NAME"
json.dump(s, sys.stdout)' "$tmp/rootfs" "$@"
}
for i in 1 2 3; do
	spec "$ns" sleep 1000 >"$tmp/spec.json"
	sed -i "s/NAME/member$i/" "$tmp/spec.json"
	C run -d --runtime io.containerd.sampan.v1 --config "$tmp/spec.json" "member$i"
done
note_sockets
check 'one shim for a group' is "$(shims | wc -l)" 1
for i in 1 2 3; do check "member $i runs" status_is "member$i" RUNNING; done
private=$(awk '/^Private_(Clean|Dirty)/ { n += $2 } END { print n }' "/proc/$(shims)/smaps_rollup")
check "private memory of a shim with three containers: $private kB <= 512" [ "$private" -le 512 ]
check 'one thread' grep -q '^Threads:[[:space:]]*1$' "/proc/$(shims)/status"

# containerd goes; a container ends meanwhile; containerd comes back.
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
pid=$(cat "$tmp/state/io.containerd.runtime.v2.task/$ns/member1/init.pid")
kill -9 "$pid"
start_containerd
case "$("$containerd" --version)" in
*'/v2 '* | *' v2.'*) ;; # takes a task without processes for a leak and removes it, with every shim
*)
	check 'after a restart: the exit is known' until_true status_is member1 STOPPED
	C t rm member1 2>"$tmp/err"
	check 'after a restart: the status is right' has "$(cat "$tmp/err")" 137 ;;
esac
check 'after a restart: the others run' status_is member2 RUNNING
out=$(C t exec --exec-id again member2 echo yes)
check 'after a restart: exec' is "$out" yes

# The shim goes: what is left of its containers, too.
pid=$(cat "$tmp/state/io.containerd.runtime.v2.task/$ns/member2/init.pid")
kill -9 "$(shims)"
gone() { ! kill -0 "$pid" 2>/dev/null; }
check 'a killed shim leaves no process' until_true gone
no_task() { [ -z "$(C t ls -q)" ]; }
check 'a killed shim leaves no task' until_true no_task
for i in 1 2 3; do C c rm "member$i"; done

# Without containerd.
python3 "$here/shim_client.py" "$shim" "$tmp" "$tmp/rootfs" >"$tmp/client" 2>&1
status=$?
grep -v '^ok ' "$tmp/client"
p=$((p + $(grep -c '^ok ' "$tmp/client"))) f=$((f + $(grep -c '^FAIL ' "$tmp/client")))
check 'client ended well' [ "$status" -eq 0 ]

# What is left.
kill "$events" 2>/dev/null
none() { [ -z "$(shims)" ]; }
check 'no process left' until_true none
check 'no mount left' is "$(mounts)" ''
left=
while read -r s; do [ ! -e "$s" ] || left="$left $s"; done <"$tmp/sockets"
check 'no socket left' is "$left" ''
check 'no cgroup left' is "$(find /sys/fs/cgroup/*/"$ns" /sys/fs/cgroup/"$ns" -mindepth 1 -type d 2>/dev/null)" ''
check 'no bundle left' is "$(ls "$tmp/state/io.containerd.runtime.v2.task/$ns" 2>/dev/null)" ''
check 'nothing left with the runtimes' is "$(ls "/run/containerd/runc/$ns" 2>/dev/null)" ''
rmdir "/run/containerd/runc/$ns" 2>/dev/null
echo "$p passed, $f failed"
[ "$f" -eq 0 ]
