#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `sampan cri` leaves behind: nothing, after whole lives of pods (LEAK_CYCLES, 60) and after kill -9 of the server,
# of the host process or of a shim at any instant (LEAK_KILLS, 20; SEED). The server runs as LEAK_USER (nobody; empty:
# root), OCI names the OCI runtime. Counted before and after: mounts, interfaces, cgroups, processes, records, bundles,
# root filesystems, state of the OCI runtime, rules of nftables, open files.
# Prints what failed; the last line is the sum. Needs busybox-static and an OCI runtime.
set -u
# A count, with the pid of the server; called by the client with the variables below in its environment.
if [ "${1:-}" = count ]; then
	host=$(pgrep -P "$2" -x sampan-host)
	mounts=$(grep -c "$LEAK_TMP" /proc/self/mountinfo)
	links=$(find /sys/class/net -name "$LEAK_PREFIX*" | wc -l)
	groups=$(find /sys/fs/cgroup -type d -path "*$LEAK_CGROUP/*" | wc -l)
	# crun runs without the cgroup2 mount of a hybrid layout: what it makes below, if anything, is under that.
	under=$(unshare -m sh -c 'umount -l /sys/fs/cgroup/unified; find /sys/fs/cgroup/unified -path "*$LEAK_CGROUP/*"' 2>/dev/null | wc -l)
	shims=$(pgrep -fc -- "-address $LEAK_TMP/run")
	runtimes=$(pgrep -fc -- "--root $LEAK_TMP/run/oci")
	zombies=$(ps -o stat= --ppid "$2,$host" | grep -c '^Z')
	# as deep as run/oci/NAMESPACE/ID
	find "$LEAK_TMP/run" "$LEAK_TMP/root/state" "$LEAK_TMP/root/images/snapshots" \
		"$LEAK_TMP/root/images/ingest" -mindepth 1 -maxdepth 3 2>/dev/null | sort >"$LEAK_TMP/files"
	files=$(wc -l <"$LEAK_TMP/files")
	[ -e "$LEAK_TMP/files.first" ] || cp "$LEAK_TMP/files" "$LEAK_TMP/files.first"
	diff "$LEAK_TMP/files.first" "$LEAK_TMP/files" >>"$LEAK_TMP/files.more"
	sockets=$(grep -c "$LEAK_TMP/run" /proc/net/unix)
	rules=$(python3 - "list table ip sampan-$LEAK_BRIDGE" <<'END'
import ctypes, sys
nft = ctypes.CDLL("libnftables.so.1")
nft.nft_ctx_new.restype = ctypes.c_void_p
nft.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
ctx = ctypes.c_void_p(nft.nft_ctx_new(0))
nft.nft_ctx_buffer_output(ctx)
nft.nft_ctx_buffer_error(ctx)
nft.nft_run_cmd_from_buffer(ctx, sys.argv[1].encode())
print(len(nft.nft_ctx_get_output_buffer(ctx).splitlines()))
END
)
	fds=$(find "/proc/$2/fd" "/proc/$host/fd" -mindepth 1 2>/dev/null | wc -l)
	echo "mounts=$mounts links=$links cgroups=$groups under=$under shims=$shims runtimes=$runtimes zombies=$zombies files=$files sockets=$sockets" \
		"rules=$rules fds=$fds"
	exit
fi

cd "$(dirname "$0")/../.." || exit 1
# Mounts of its own: nobody else's are counted.
if [ "${LEAK_ALONE:-}" != "$PPID" ]; then
	LEAK_ALONE=$$ && export LEAK_ALONE
	unshare -m --propagation private -- "$PWD/test/e2e/leaks.sh"
	exit
fi
variant=${VARIANT:-release}
bin=$PWD/build/$variant
skip() { echo "$1: skipped"; echo "0 passed, 0 failed, 1 skipped"; exit 0; }
command -v busybox >/dev/null || skip "no busybox-static"
command -v runc >/dev/null || command -v crun >/dev/null || skip "no OCI runtime"
for b in sampan sampan-unpack containerd-shim-sampan-v1; do
	[ -x "$bin/$b" ] || { echo "$bin/$b is not built"; echo "0 passed, 1 failed"; exit 1; }
done

LEAK_TMP=$(mktemp -d /tmp/sampan-leaks-XXXXXX)
chmod 711 "$LEAK_TMP"
id=$(printf '%s' "${LEAK_TMP##*-}" | tr '[:upper:]' '[:lower:]')
LEAK_BRIDGE=lk$id LEAK_PREFIX=l${id%???} LEAK_CGROUP=/sampan-leaks-$id
export LEAK_TMP LEAK_BRIDGE LEAK_PREFIX LEAK_CGROUP
cleanup() {
	[ "${KEEP:-}" ] && { echo "kept: $LEAK_TMP"; return; }
	for left in $(pgrep -f -- "-address $LEAK_TMP/run|--root $LEAK_TMP/run/oci"); do kill -9 "$left"; done
	ip link del "$LEAK_BRIDGE" 2>/dev/null
	python3 - "delete table ip sampan-$LEAK_BRIDGE" <<'END' 2>/dev/null
import ctypes, sys
nft = ctypes.CDLL("libnftables.so.1")
nft.nft_ctx_new.restype = ctypes.c_void_p
ctx = ctypes.c_void_p(nft.nft_ctx_new(0))
nft.nft_ctx_buffer_error(ctx)
nft.nft_run_cmd_from_buffer(ctx, sys.argv[1].encode())
END
	grep -o "$LEAK_TMP[^ ]*" /proc/self/mountinfo | sort -r | while read -r m; do umount "$m" 2>/dev/null; done
	find /sys/fs/cgroup -depth -type d -path "*$LEAK_CGROUP*" -exec rmdir {} + 2>/dev/null
	rm -rf --one-file-system "$LEAK_TMP"
}
trap cleanup EXIT

make -s VARIANT="$variant" "build/$variant/libsampan.a" || exit 1
# shellcheck disable=SC2086
gcc -std=gnu17 -D_GNU_SOURCE -O1 -g -Isrc ${LEAK_CFLAGS:-} -o "$LEAK_TMP/cri_cycles" test/e2e/cri_cycles.c \
	"build/$variant/libsampan.a" -Wl,--as-needed -luv -lssl -lcrypto -lnghttp2 -lllhttp -lyyjson -lz -lm || exit 1
python3 test/e2e/image_make.py layouts "$LEAK_TMP" "$(command -v busybox)" >/dev/null || exit 1
"$bin/sampan" image import "$LEAK_TMP/busybox.tar" --base-name example.com/bb --data-dir "$LEAK_TMP/root" \
	>"$LEAK_TMP/import" 2>&1 || cat "$LEAK_TMP/import"
image=$(sed -n 's/.*\(example.com\/bb:[a-z]*\).*/\1/p' "$LEAK_TMP/import" | head -n 1)
mkdir "$LEAK_TMP/logs"
[ "$(cat /proc/sys/user/max_user_namespaces 2>/dev/null || echo 0)" -gt 0 ] && export LEAK_USERS=1

timeout -k 1 "${LEAK_SECONDS:-120}" "$LEAK_TMP/cri_cycles" "$LEAK_TMP/cri.sock" "$LEAK_TMP/run" "$image" "$LEAK_TMP/logs" \
	"${LEAK_CYCLES:-60}" "${LEAK_KILLS:-20}" "${SEED:-1}" "$PWD/test/e2e/leaks.sh count" \
	"$bin/sampan" cri --listen "unix://$LEAK_TMP/cri.sock" --root "$LEAK_TMP/root" --run-dir "$LEAK_TMP/run" \
	--bridge "$LEAK_BRIDGE" --interface-prefix "$LEAK_PREFIX" --pod-cidr 10.97.0.0/24 --cgroup-root "$LEAK_CGROUP" \
	--shim "$bin/containerd-shim-sampan-v1" --unpack "$bin/sampan-unpack" --user "${LEAK_USER-nobody}" ${OCI:+--oci-runtime "$OCI"} >"$LEAK_TMP/out" 2>"$LEAK_TMP/log"
status=$?
case "$(tail -n 1 "$LEAK_TMP/out")" in
*" passed, "*) ;;
*) echo "0 passed, 1 failed" >>"$LEAK_TMP/out" ;;
esac
[ "$status" -eq 0 ] || { tail -n 20 "$LEAK_TMP/log"; cat "$LEAK_TMP/files.more"; }
cat "$LEAK_TMP/out"
exit "$status"
