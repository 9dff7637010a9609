#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `sampan cri` with crictl (PEER_CRICTL or on PATH) and an OCI runtime: pods, containers, logs, commands, restarts of our
# own process by kill -9, and what is left afterwards. Prints what failed; the last line is the sum. Needs busybox-static.
set -u
cd "$(dirname "$0")/../.." || exit 1
p=0 f=0
bin=$PWD/build/${VARIANT:-release}
user=${CRI_USER-nobody}
crictl=${PEER_CRICTL:-$(command -v crictl)}
skip() { echo "$1: skipped"; echo "0 passed, 0 failed, 1 skipped"; exit 0; }
[ -n "$crictl" ] || skip "no crictl (PEER_CRICTL)"
command -v busybox >/dev/null || skip "no busybox-static"
command -v runc >/dev/null || command -v crun >/dev/null || skip "no OCI runtime"
shim=${SAMPAN_SHIM:-$bin/containerd-shim-sampan-v1}
[ -x "$shim" ] || skip "no shim is built"
for b in sampan sampan-unpack; do
	[ -x "$bin/$b" ] || { echo "$bin/$b is not built"; echo "0 passed, 1 failed"; exit 1; }
done

tmp=$(mktemp -d /tmp/sampan-cri-XXXXXX)
chmod 711 "$tmp"
id=$(printf '%s' "${tmp##*-}" | tr '[:upper:]' '[:lower:]')
bridge=e2e$id prefix=e${id%???} cgroup=/sampan-e2e-$id
pid=
second=$(command -v runc || command -v crun)
start() {
	"$bin/sampan" cri --listen "unix://$tmp/cri.sock" --root "$tmp/root" --run-dir "$tmp/run" --bridge "$bridge" \
		--interface-prefix "$prefix" --pod-cidr 10.98.0.0/24 --cgroup-root "$cgroup" --shim "$shim" \
		--unpack "$bin/sampan-unpack" --user "$user" ${OCI:+--oci-runtime "$OCI"} --runtime-handlers "second=$second,none=/nonexistent" >>"$tmp/log" 2>&1 &
	pid=$!
	# Served once the line is there: waits for the event, not for a time.
	while kill -0 "$pid" 2>/dev/null && ! cri version >/dev/null 2>&1; do :; done
}
# The host process ends when its socket does; the next start must not meet it.
stop() { # SIGNAL
	kill "-$1" "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	while pgrep -f -- "--run-dir $tmp/run" >/dev/null; do :; done
}
cleanup() {
	[ -n "$pid" ] && kill -9 "$pid" 2>/dev/null
	ip link del "$bridge" 2>/dev/null
	python3 - "delete table ip sampan-$bridge" <<'END' 2>/dev/null
import ctypes, sys
nft = ctypes.CDLL("libnftables.so.1")
nft.nft_ctx_new.restype = ctypes.c_void_p
ctx = ctypes.c_void_p(nft.nft_ctx_new(0))
nft.nft_ctx_buffer_error(ctx)
nft.nft_run_cmd_from_buffer(ctx, sys.argv[1].encode())
END
	find /sys/fs/cgroup -depth -type d -path "*$cgroup*" -exec rmdir {} + 2>/dev/null
	rm -rf "$tmp"
}
trap cleanup EXIT
cri() { timeout -k 1 60 "$crictl" -c "$tmp/crictl.yaml" "$@" 2>>"$tmp/client"; }
printf 'runtime-endpoint: unix://%s/cri.sock\nimage-endpoint: unix://%s/cri.sock\ntimeout: 30\n' "$tmp" "$tmp" >"$tmp/crictl.yaml"

same() { # NAME WANT GOT
	if [ "$2" = "$3" ]; then p=$((p + 1)); return; fi
	f=$((f + 1))
	echo "FAIL $1: '$3' instead of '$2'"
	tail -n 3 "$tmp/log" "$tmp/client"
}
has() { # NAME TEXT GOT
	case "$3" in *"$2"*) same "$1" 1 1 ;; *) same "$1" "… $2 …" "$3" ;; esac
}
# What must not be left behind: mounts, interfaces, cgroups, processes, records.
count() {
	mounts=$(grep -c "$tmp" /proc/self/mountinfo)
	links=$(ls /sys/class/net | grep -c "^$prefix")
	groups=$(find /sys/fs/cgroup -type d -path "*$cgroup/*" | wc -l)
	shims=$(pgrep -fc -- "-address $tmp/run")
	files=$(find "$tmp/run/containers" "$tmp/run/sandboxes" "$tmp/root/state" -mindepth 1 -maxdepth 2 2>/dev/null |
		grep -cv 'state/[a-z]*$')
	echo "mounts=$mounts links=$links cgroups=$groups shims=$shims files=$files"
}

# -- a directory that leaves no room for the sockets below it: refused before anything is made ----------------------------
long=$tmp/$(printf '%080d' 0)
same long-run-dir 1 "$("$bin/sampan" cri --listen "unix://$tmp/l.sock" --run-dir "$long" --root "$long" --shim "$shim" --unpack "$bin/sampan-unpack" >"$tmp/long" 2>&1
	[ $? -ne 0 ] && [ ! -e "$long" ] && grep -c 'at most 73' "$tmp/long")"

# -- an image, by import: the store has one owner at a time ---------------------------------------------------------------
python3 test/e2e/image_make.py layouts "$tmp" "$(command -v busybox)" >/dev/null || exit 1
"$bin/sampan" image import "$tmp/busybox.tar" --base-name example.com/bb --data-dir "$tmp/root" >"$tmp/import" 2>&1 ||
	cat "$tmp/import"
image=$(sed -n 's/.*\(example.com\/bb:[a-z]*\).*/\1/p' "$tmp/import" | head -n 1)
pod() { # NAME PID-MODE
	printf '{"metadata":{"name":"%s","namespace":"e2e","uid":"%s","attempt":0},"hostname":"%s-host","log_directory":"%s/logs",' \
		"$1" "$1" "$1" "$tmp" >"$tmp/$1.json"
	printf '"dns_config":{"servers":["192.0.2.1"],"searches":["e2e.example"]},"linux":{}}' >>"$tmp/$1.json"
}
container() { # NAME COMMAND
	printf '{"metadata":{"name":"%s"},"image":{"image":"%s"},"command":["sh","-c","%s"],"log_path":"%s.log","mounts":[%s],"linux":{}}' \
		"$1" "$image" "$2" "$1" "${3:-}" >"$tmp/$1.json"
}
volume() { # PATH IMAGE [SUB-PATH]
	printf '{"container_path":"%s","readonly":true,"image":{"image":"%s"},"image_sub_path":"%s"}' "$1" "$2" "${3:-}"
}
mkdir "$tmp/logs"

start
has version sampan "$(cri version)"
pod a
container main "echo out; echo err >&2; trap 'exit 7' INT; while :; do busybox sleep 1; done" "$(volume /v "$image"),$(volume /s "$image" bin)"
container once 'exit 3'
a=$(cri runp "$tmp/a.json")
same sandbox 64 ${#a}
rights() { awk '$1 == "Uid:" { u = $2 } $1 == "CapEff:" { c = $2 } $1 == "CapPrm:" { m = $2 } $1 == "NoNewPrivs:" { n = $2 }
	END { print u, c, m, n }' "/proc/$1/status"; }
if [ -n "$user" ]; then
	same no-root "$(id -u "$user") 0000000000000000 0000000000000000 1" "$(rights "$pid")"
	# mounts, networks, files, ids of pods: neither modules nor raw devices nor raw sockets
	same host-rights "0 00000000882010ff 00000000882010ff 0" "$(rights "$(pgrep -P "$pid" -x sampan-host)")"
fi
has address 10.98.0. "$(cri inspectp "$a")"
main=$(cri create "$a" "$tmp/main.json" "$tmp/a.json")
same created 64 ${#main}
has state-created CONTAINER_CREATED "$(cri inspect "$main")"
cri start "$main" >/dev/null
has state-running CONTAINER_RUNNING "$(cri inspect "$main")"
same hostname a-host "$(cri exec "$main" busybox hostname)"
has resolv 'search e2e.example' "$(cri exec "$main" busybox cat /etc/resolv.conf)"
has sync uid= "$(cri exec -s "$main" busybox id)"
same status 1 "$(cri exec "$main" sh -c 'exit 5' >/dev/null; echo $?)"
has status-text 'exit code 5' "$(tail -n 1 "$tmp/client")"
same stdin line "$(echo line | cri exec -i "$main" busybox cat)"
same websocket line "$(echo line | cri exec --transport websocket -i "$main" busybox cat)"
container reads 'read x; echo line-$x'
sed -i 's/"linux":{}/"stdin":true,"linux":{"security_context":{"masked_paths":["\/proc\/version"]}}/' "$tmp/reads.json"
reads=$(cri create "$a" "$tmp/reads.json" "$tmp/a.json")
cri start "$reads" >/dev/null
same masked 0 "$(cri exec -s "$reads" busybox wc -c /proc/version | cut -d' ' -f1)"
same attach line-attached "$(echo attached | cri attach -i "$reads")"
# -- images as volumes ----------------------------------------------------------------------------------------------------
same volume "$(cri exec "$main" busybox ls /bin)" "$(cri exec "$main" busybox ls /v/bin)"
same volume-sub-path "$(cri exec "$main" busybox ls /bin)" "$(cri exec "$main" busybox ls /s)"
same volume-exec here "$(cri exec "$main" /v/bin/busybox echo here)"
same volume-read-only 1 "$(cri exec "$main" busybox touch /v/x >/dev/null; echo $?)"
has volume-read-only-text 'Read-only file system' "$(tail -n 3 "$tmp/client")"
same volume-told 3 "$(cri inspect "$main" | grep -c '"imageRef": "sha256:')"
refused() { # NAME TEXT MOUNTS
	container bad 'exit 0' "$3"
	same "$1" 1 "$(cri create "$a" "$tmp/bad.json" "$tmp/a.json" >/dev/null; echo $?)"
	has "$1-text" "ImageVolumeMountFailed: $2" "$(tail -n 1 "$tmp/client")"
}
mounts=$(grep -c "$tmp" /proc/self/mountinfo)
refused volume-missing 'failed to resolve image' "$(volume /ok "$image"),$(volume /v example.com/none:1)"
refused volume-no-sub-path 'openat none: No such file or directory' "$(volume /v "$image" none)"
refused volume-file 'only directory subpath is supported' "$(volume /v "$image" bin/busybox)"
refused volume-outside 'openat ../..: path escapes from parent' "$(volume /v "$image" ../..)"
refused volume-writable 'readonly must be true' "$(volume /v "$image" | sed s/true/false/)"
same volume-nothing-left "$mounts" "$(grep -c "$tmp" /proc/self/mountinfo)"
# -- volumes of the image itself: /data, which is not in it, and /keep with a file -----------------------------------------
same own-volumes '/data /keep' "$(cri exec "$main" busybox awk '$5 == "/data" || $5 == "/keep" { print $5 }' /proc/self/mountinfo | sort | xargs)"
same own-volume-content keep "$(cri exec "$main" busybox cat /keep/file)"
same own-volume-empty 'drwxr-xr-x' "$(cri exec "$main" busybox ls -la /data | awk '$NF == "." { print $1 }')"
mkdir "$tmp/covers"
container covered 'busybox ls /keep; echo mine >/data/x; busybox sleep 1000' "{\"container_path\":\"/keep/\",\"host_path\":\"$tmp/covers\"}"
sed -i 's/"linux":{}/"linux":{"security_context":{"run_as_user":{"value":0}}}/' "$tmp/covered.json"
covered=$(cri create "$a" "$tmp/covered.json" "$tmp/a.json")
cri start "$covered" >/dev/null
same own-volume-covered '/data /keep' "$(cri exec "$covered" busybox awk '$5 == "/data" || $5 == "/keep" { print $5 }' /proc/self/mountinfo | sort | xargs)"
same own-volume-mounted '' "$(cri exec "$covered" busybox ls /keep)"
same own-volume-apart '' "$(cri exec "$main" busybox ls /data)"
own_volumes() { find "$tmp/root/images" -path '*/volumes/*' -prune | wc -l; }
over_main=$(own_volumes)
cri rm -f "$covered" >/dev/null
same own-volume-removed $((over_main - 1)) "$(own_volumes)"

# -- runtime handlers -----------------------------------------------------------------------------------------------------
same handlers ' second none' "$(cri info | jq -r '.runtimeHandlers | map(.name // "") | join(" ")')"
pod h
h=$(cri runp --runtime second "$tmp/h.json")
same handler-told second "$(cri inspectp "$h" | jq -r .status.runtimeHandler)"
container with 'busybox sleep 1000'
with=$(cri create "$h" "$tmp/with.json" "$tmp/h.json")
cri start "$with" >/dev/null
has handler-runs CONTAINER_RUNNING "$(cri inspect "$with")"
same handler-program "$second" "$(cat "$tmp/run/containers/$with/runtime")"
cri rmp -f "$h" >/dev/null
pod n
n=$(cri runp --runtime none "$tmp/n.json")
with=$(cri create "$n" "$tmp/with.json" "$tmp/n.json")
same handler-without-program 1 "$(cri start "$with" >/dev/null; echo $?)"
has handler-without-program-text /nonexistent "$(tail -n 2 "$tmp/client")"
cri rmp -f "$n" >/dev/null
same handler-unknown 1 "$(cri runp --runtime other "$tmp/n.json" >/dev/null; echo $?)"
has handler-unknown-text 'no runtime for \"other\" is configured' "$(tail -n 1 "$tmp/client")"
# -- a privileged container has the devices of the machine ----------------------------------------------------------------
pod v
sed -i 's/"linux":{}/"linux":{"security_context":{"privileged":true}}/' "$tmp/v.json"
container all 'busybox sleep 1000'
sed -i 's/"linux":{}/"linux":{"security_context":{"privileged":true,"run_as_user":{"value":0}}}/' "$tmp/all.json"
v=$(cri runp "$tmp/v.json")
all=$(cri create "$v" "$tmp/all.json" "$tmp/v.json")
cri start "$all" >/dev/null
nodes='find /dev -type c -o -type b | grep -v -e ^/dev/pts/ -e ^/dev/ptmx -e ^/dev/console -e ^/dev/fd -e ^/dev/shm -e ^/dev/mqueue | sort'
same devices "$(sh -c "$nodes" | sort)" "$(cri exec "$all" sh -c "$(echo "$nodes" | sed 's/\(find\|grep\|sort\)/busybox \1/g')" | sort)"
same devices-few 6 "$(cri exec "$main" sh -c 'busybox find /dev -type c' | grep -v -e ^/dev/pts/ -e ^/dev/ptmx | wc -l)"
cri rmp -f "$v" >/dev/null

# -- an AppArmor profile where the kernel has none --------------------------------------------------------------------------
if [ ! -e /sys/module/apparmor ]; then
	container armed 'exit 0'
	sed -i 's/"linux":{}/"linux":{"security_context":{"apparmor":{"profile_type":2,"localhost_ref":"mine"}}}/' "$tmp/armed.json"
	same apparmor 1 "$(cri create "$a" "$tmp/armed.json" "$tmp/a.json" >/dev/null; echo $?)"
	has apparmor-text 'apparmor is not supported' "$(tail -n 1 "$tmp/client")"
fi

# -- UpdatePodSandboxResources, which crictl has no words for ---------------------------------------------------------------
update() { # ID: resources {cpuset_cpus: "0-63"}
	python3 -c 'import sys
def field(n, b): return bytes([n << 3 | 2, len(b)]) + b
m = field(1, sys.argv[1].encode()) + field(3, field(6, b"0-63"))
sys.stdout.buffer.write(b"\0" + len(m).to_bytes(4, "big") + m)' "$1" |
		curl -s --http2-prior-knowledge --unix-socket "$tmp/cri.sock" -H 'content-type: application/grpc' -H 'te: trailers' -D - -o /dev/null \
			--data-binary @- http://cri/runtime.v1.RuntimeService/UpdatePodSandboxResources | tr -d '\r' | grep -i '^grpc-'
}
has pod-resources 'grpc-status: 0' "$(update "$a")"
same pod-resources-kept 1 "$(grep -c 0-63 "$tmp/root/state/sandboxes/$a")"
has pod-resources-unknown 'grpc-status: 5' "$(update 0123456789)"
has log ' stdout F out' "$(cat "$tmp/logs/main.log")"
has log-err ' stderr F err' "$(cat "$tmp/logs/main.log")"
has stats "${main%???????????????????????????????????????????????????}" "$(cri stats --no-trunc -o json 2>/dev/null || cri stats -o json)"
cri statsp -o json "$a" >"$tmp/statsp.json"
has statsp-network '"name": "eth0"' "$(cat "$tmp/statsp.json")"
same statsp-processes true "$(jq '[.stats[0].linux.process.processCount.value | tonumber] | .[0] > 1' "$tmp/statsp.json")"
same statsp-cpu true "$(jq '.stats[0].linux.cpu.usageCoreNanoSeconds.value | tonumber > 0' "$tmp/statsp.json")"
same statsp-containers main "$(jq -r '.stats[0].linux.containers[].attributes.metadata.name | select(. == "main")' "$tmp/statsp.json")"
# -- metrics --------------------------------------------------------------------------------------------------------------
cri exec "$main" busybox sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done' >/dev/null
cri metricdescs >"$tmp/descs.json"
cri metricsp >"$tmp/metrics.json"
same metrics-named 57 "$(jq '[.descriptors[].name] | unique | length' "$tmp/descs.json")"
value() { # NAME [LABEL VALUE]: of the container "main"
	jq -r --arg id "$main" --arg name "$1" --arg tag "${2:-main}" '[.podMetrics[].containerMetrics[] | select(.containerId == $id) |
		.metrics[] | select(.name == $name and any(.labelValues[]; . == $tag))] | .[0].value.value // "none"' "$tmp/metrics.json"
}
over() { # NAME LEAST VALUE
	same "$1" yes "$([ "$3" -ge "$2" ] 2>/dev/null && echo yes || echo "$3 < $2")"
}
over metrics-memory 4096 "$(value container_memory_usage_bytes)"
over metrics-descriptors 3 "$(value container_file_descriptors)"
over metrics-sockets 0 "$(value container_sockets)"
over metrics-processes 1 "$(value container_processes)"
over metrics-faults 1 "$(value container_memory_failures_total hierarchy)"
over metrics-disk 1 "$(value container_fs_limit_bytes /)"
over metrics-limit 1024 "$(value container_ulimits_soft max_open_files)"
same metrics-started "$(date -d "$(cri inspect "$main" | jq -r .status.startedAt)" +%s)" "$(value container_start_time_seconds)"
over metrics-network 1 "$(jq -r --arg id "$a" '.podMetrics[] | select(.podSandboxId == $id) | .metrics[] |
	select(.name == "container_network_receive_bytes_total" and .labelValues[5] == "eth0") | .value.value' "$tmp/metrics.json")"
# Every value has the labels its descriptor names.
same metrics-labels true "$(jq --slurpfile d "$tmp/descs.json" '($d[0].descriptors | map({key: .name, value: (.labelKeys | length)}) | from_entries) as $n |
	[.podMetrics[] | (.metrics[], .containerMetrics[].metrics[]) | $n[.name] == (.labelValues | length)] | length > 30 and all' "$tmp/metrics.json")"
once=$(cri create "$a" "$tmp/once.json" "$tmp/a.json")
cri start "$once" >/dev/null
while cri inspect "$once" | grep -q CONTAINER_RUNNING; do :; done
has exit-code '"exitCode": 3' "$(cri inspect "$once")"

# -- a pod with users of its own ------------------------------------------------------------------------------------------
if cri info | grep -Eqi '"user_?namespaces": true'; then
	ids='[{"host_id":70000,"container_id":0,"length":65536}]'
	pod u
	sed -i 's/"linux":{}/"linux":{"security_context":{"namespace_options":{"userns_options":{"uids":'"$ids"',"gids":'"$ids"'}}}}/' "$tmp/u.json"
	mkdir "$tmp/vol" && echo theirs >"$tmp/vol/old" && chmod 600 "$tmp/vol/old"
	container inner 'busybox sleep 1000'
	sed -i 's!"linux":{}!"mounts":[{"container_path":"/vol","host_path":"'"$tmp/vol"'","uidMappings":'"$ids"',"gidMappings":'"$ids"'},{"container_path":"/img","readonly":true,"image":{"image":"'"$image"'"},"uidMappings":'"$ids"',"gidMappings":'"$ids"'}],"linux":{"security_context":{"run_as_user":{"value":0}}}!' "$tmp/inner.json"
	sed 's/inner/shared/; s/"run_as_user"/"namespace_options":{"pid":0},"run_as_user"/' "$tmp/inner.json" >"$tmp/shared.json"
	u=$(cri runp "$tmp/u.json")
	inner=$(cri create "$u" "$tmp/inner.json" "$tmp/u.json")
	cri start "$inner" >/dev/null
	same users '0 70000 65536' "$(cri exec "$inner" busybox awk '{ print $1, $2, $3 }' /proc/self/uid_map)"
	same users-outside 70000 "$(awk '$1 == "Uid:" { print $2 }' "/proc/$(cri inspect -o go-template --template '{{.info.pid}}' "$inner")/status")"
	same users-files '0 0 theirs' "$(cri exec "$inner" sh -c 'busybox stat -c "%u %g" /bin/busybox; busybox cat /vol/old; echo mine >/vol/new; echo x >/root-file' |
		busybox xargs)"
	same users-image '0 0' "$(cri exec "$inner" busybox stat -c '%u %g' /img/bin/busybox)"
	same users-own-volume '0 0 0 0 keep' "$(cri exec "$inner" sh -c 'busybox stat -c "%u %g" /keep/file; busybox stat -c "%u %g" /data; busybox cat /keep/file; echo x >/data/x' |
		busybox xargs)"
	same users-volume '0 0' "$(stat -c '%u %g' "$tmp/vol/new")"
	same users-network "$(cri inspectp "$u" | sed -n 's/.*"ip": "\(.*\)".*/\1/p' | head -n 1)" \
		"$(cri exec "$inner" busybox ip -4 -o addr show eth0 | sed 's/.* inet \([0-9.]*\).*/\1/')"
	shared=$(cri create "$u" "$tmp/shared.json" "$tmp/u.json")
	cri start "$shared" >/dev/null
	same users-processes 'sampan-pod' "$(cri exec "$shared" busybox cat /proc/1/comm)"
	cri rmp -f "$u" >/dev/null
else
	echo 'user namespaces are not possible here: skipped'
fi

# -- killed at any instant: what runs is adopted --------------------------------------------------------------------------
stop KILL
start
has adopted CONTAINER_RUNNING "$(cri inspect "$main")"
has exit-kept '"exitCode": 3' "$(cri inspect "$once")"
same exec-again a-host "$(cri exec "$main" busybox hostname)"
same volume-again "$(cri exec "$main" busybox ls /bin)" "$(cri exec "$main" busybox ls /v/bin)"
cri stop -t 10 "$main" >/dev/null
# The image's own stop signal is SIGINT.
has stopped '"exitCode": 7' "$(cri inspect "$main")"
stop KILL
start
has exit-kept-too '"exitCode": 7' "$(cri inspect "$main")"

# -- killed in the middle of making pods: what was half done is taken back --------------------------------------------------
for round in 1 2 3 4 5 6; do
	pod "r$round"
	(r=$(cri runp "$tmp/r$round.json") && c=$(cri create "$r" "$tmp/main.json" "$tmp/r$round.json") && cri start "$c") \
		>/dev/null 2>&1 &
	client=$!
	# Some way into it: as many looks at the process table as the round has.
	n=0
	while [ $n -lt $((round * 12)) ]; do n=$((n + 1)); kill -0 "$client" 2>/dev/null || break; done
	stop KILL
	wait "$client"
	start
done
has serves-still sampan "$(cri version)"
for s in $(cri pods -q); do cri rmp -f "$s" >/dev/null; done
same gone "" "$(cri ps -aq)$(cri pods -q)"
same own-volumes-gone 0 "$(own_volumes)"
same nothing-left 'mounts=0 links=0 cgroups=0 shims=0 files=0' "$(count)"
stop TERM
same stopped-too 'mounts=0 links=0 cgroups=0 shims=0 files=0' "$(count)"
pid=

echo "$p passed, $f failed"
[ "$f" -eq 0 ]
