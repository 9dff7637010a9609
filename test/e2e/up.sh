#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a newcomer does: sampan up, look, scale, down; then nothing may be left in mounts, interfaces, cgroups, rules, processes.
set -u
cd "$(dirname "$0")/../.." || exit 1
skip() {
	echo "skip up ($1)"
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
}
command -v curl >/dev/null 2>&1 || skip 'curl is not on PATH'
make -s VARIANT=release all >/dev/null || exit 1
bin=$PWD/build/release
tmp=$(mktemp -d)
chmod 755 "$tmp"
p=0 f=0
dirs="--data-dir=$tmp/data --run-dir=$tmp/run"
# shellcheck disable=SC2086
trap '"$bin/sampan" down $dirs >/dev/null 2>&1; rm -rf "$tmp"' EXIT
# shellcheck disable=SC2086
"$bin/sampan" doctor --data-dir="$tmp/data" --run-dir="$tmp/run" >"$tmp/doctor" || skip "this machine can not: $(grep ^fail "$tmp/doctor" | tr '\n' ' ')"

left() {
	{
		grep -F "$tmp" /proc/self/mountinfo | cut -d' ' -f5
		ip -o link 2>/dev/null | grep -oE ': (sampan0|sp[0-9a-f]{6,})' | sort
		find /sys/fs/cgroup -maxdepth 2 -name 'kubepods*' 2>/dev/null | sort
		pgrep -f "$tmp/run" | grep -v "^$$\$"
		[ ! -d /proc/sys/net/netfilter ] || command -v nft >/dev/null && nft list tables 2>/dev/null | grep sampan-
	} >"$1"
}
# says NAME TEXT COMMAND…: its output holds the text.
says() {
	name=$1 text=$2
	shift 2
	"$@" >"$tmp/out" 2>&1
	if grep -qF -- "$text" "$tmp/out"; then
		p=$((p + 1))
	else
		f=$((f + 1))
		echo "FAIL $name: no '$text' from $*"
		sed 's/^/  /' "$tmp/out" | head -n 30
		grep -v '"level":"info"' "$tmp/data/server.log" 2>/dev/null | tail -n 10 | cut -c1-300
	fi
}
left "$tmp/before"
# shellcheck disable=SC2086
{
	says up 'the sample answers at its Service' "$bin/sampan" up $dirs --timeout=100
	says again 'sampan is up already' "$bin/sampan" up $dirs
	says next "$bin/sampan down" "$bin/sampan" up $dirs
}
says status 'node         running' "$bin/sampan" status --run-dir="$tmp/run"
for what in certificate-authority-data:ca.pem client-certificate-data:crt.pem client-key-data:key.pem; do
	sed -n "s/^ *${what%%:*}: //p" "$tmp/data/pki/admin.kubeconfig" | base64 -d >"$tmp/${what#*:}"
done
url=$(sed -n 's/^    server: //p' "$tmp/data/pki/admin.kubeconfig")
api() {
	method=$1 path=$2
	shift 2
	curl -sS -A test --max-time 60 --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" -X "$method" "$@" "$url$path"
}
deployments=/apis/apps/v1/namespaces/default/deployments
says node '"type":"Ready"' api GET /api/v1/nodes
address=$(api GET /api/v1/namespaces/default/services/hello | sed -n 's/.*"clusterIP":"\([^"]*\)".*/\1/p')
says service 'hello from hello-' curl -s --max-time 5 "http://$address/"
if command -v python3 >/dev/null 2>&1; then
	says dns "hello.default.svc.cluster.local A $address" python3 test/e2e/dns_client.py udp 10.96.0.10 53 hello.default.svc.cluster.local A
fi
metrics=/apis/metrics.k8s.io/v1beta1
says top-node '"usage":{"cpu":"' api GET "$metrics/nodes"
says top-pod '"containers":[{"name":"web","usage":{"cpu":"' api GET "$metrics/namespaces/default/pods"
# Up to three, by the event that says so.
says scale '"replicas":3' api PATCH "$deployments/hello/scale" -H 'content-type: application/merge-patch+json' -d '{"spec":{"replicas":3}}'
mkfifo "$tmp/events"
api GET "$deployments?watch=true&fieldSelector=metadata.name%3Dhello" -N >"$tmp/events" 2>/dev/null &
watch=$!
grep -m 1 -F '"availableReplicas":3' <"$tmp/events" >"$tmp/scaled"
kill "$watch" 2>/dev/null
wait "$watch" 2>/dev/null
says scaled '"availableReplicas":3' cat "$tmp/scaled"
# Why a pod is where it is, from live state.
pod=$(api GET '/api/v1/namespaces/default/pods' | grep -o '"name":"hello-[a-z0-9]*-[a-z0-9]*"' | head -n 1 | cut -d'"' -f4)
says explain "pod default/$pod is bound to" "$bin/sampan" explain "pod/$pod" --data-dir="$tmp/data"
says explain-scores 'ImageLocality' "$bin/sampan" explain "$pod" --data-dir="$tmp/data"
says explain-none "there is no pod 'nobody' in namespace 'default'" "$bin/sampan" explain pod/nobody --data-dir="$tmp/data"
# Images, which the runtime has open: it is asked.
image=$("$bin/sampan" image list --data-dir="$tmp/data" | awk 'END { print $4 }')
says image-export 'exported' sh -c "'$bin/sampan' image export '$tmp/image.tar' '$image' --data-dir='$tmp/data' && echo exported"
says image-untag 'untagged' sh -c "'$bin/sampan' image tag '$image' example.com/other:1 --data-dir='$tmp/data' &&
	'$bin/sampan' image untag '$image' --data-dir='$tmp/data' && echo untagged"
says image-import "$image" "$bin/sampan" image import "$tmp/image.tar" --data-dir="$tmp/data"
says image-listed 'example.com/other:1' "$bin/sampan" image list --data-dir="$tmp/data"
says image-none "sampan image remove: there is no image 'nobody:1'" "$bin/sampan" image remove nobody:1 --data-dir="$tmp/data"
# A certificate: asked for, approved, signed by the keys process, good for the API server.
if command -v openssl >/dev/null 2>&1; then
	requests=/apis/certificates.k8s.io/v1/certificatesigningrequests
	json='content-type: application/json'
	openssl req -new -newkey rsa:2048 -nodes -keyout "$tmp/jane.key" -subj /O=dev/CN=jane -out "$tmp/jane.csr" 2>/dev/null
	spec="\"signerName\":\"kubernetes.io/kube-apiserver-client\",\"usages\":[\"client auth\"],\"request\":\"$(base64 -w0 "$tmp/jane.csr")\""
	says request '"jane"' api POST "$requests" -H "$json" -d "{\"metadata\":{\"name\":\"jane\"},\"spec\":{$spec}}"
	approved='{"status":{"conditions":[{"type":"Approved","status":"True","reason":"Test"}]}}'
	says approve '"Approved"' api PATCH "$requests/jane/approval" -H 'content-type: application/merge-patch+json' -d "$approved"
	mkfifo "$tmp/signing"
	api GET "$requests?watch=true&fieldSelector=metadata.name%3Djane" -N >"$tmp/signing" 2>/dev/null &
	watch=$!
	grep -m 1 -F '"certificate":' <"$tmp/signing" | sed 's/.*"certificate":"\([^"]*\)".*/\1/' | base64 -d >"$tmp/jane.crt"
	kill "$watch" 2>/dev/null
	wait "$watch" 2>/dev/null
	says signed 'User \"jane\" cannot' curl -sS --max-time 10 --cacert "$tmp/ca.pem" --cert "$tmp/jane.crt" --key "$tmp/jane.key" "$url/api/v1/pods"
fi
# Each controller by its own account, with the rights of its role: nothing may be refused.
says accounts '"name":"deployment-controller"' api GET /api/v1/namespaces/kube-system/serviceaccounts/deployment-controller
says own-rights '"manager":"sampan-controllers"' api GET "$deployments/hello"
says no-refusals 'no refusals' sh -c "grep -q -i 'is forbidden' '$tmp/data/server.log' || echo no refusals"
says kill-node 'restarted' sh -c "kill -9 \$('$bin/sampan' status --run-dir='$tmp/run' | awk '\$1 == \"node\" { print \$3 }') && echo restarted"
says still 'hello from hello-' curl -s --max-time 5 "http://$address/"
# shellcheck disable=SC2086
says down 'it ended well' sh -c "'$bin/sampan' down $dirs && echo it ended well"
says no-crash 'nothing failed' sh -c "grep -q 'assertion failed' '$tmp/data/server.log' || echo nothing failed"
left "$tmp/after"
if cmp -s "$tmp/before" "$tmp/after"; then
	p=$((p + 1))
else
	f=$((f + 1))
	echo 'FAIL something is left:'
	diff "$tmp/before" "$tmp/after" | head -n 20
fi
# --purge says what goes and asks; without an answer nothing goes.
# shellcheck disable=SC2086
{
	purge="$bin/sampan down $dirs --local-path-dir=$tmp/volumes --purge"
	says purge-asks "$tmp/data" sh -c "$purge </dev/null"
	says purge-no 'still here' sh -c "[ -d '$tmp/data/api' ] && echo still here"
	mkdir -p "$tmp/else/pki" "$tmp/else/other" && echo precious >"$tmp/else/other/f" && ln -s data "$tmp/link"
	refused() { # NAME WHAT FLAG: of the flags the last counts
		says "purge-$1" "does not look like $2 of sampan" sh -c "$purge --yes $3"
		says "purge-$1-keeps" precious cat "$tmp/else/other/f"
	}
	refused else data "--data-dir=$tmp/else"
	refused missing data "--data-dir=$tmp/nothere"
	refused link data "--data-dir=$tmp/link"
	refused run 'sockets and mounts' "--run-dir=$tmp/else"
	refused volumes volumes "--local-path-dir=$tmp/else"
	says purge-still 'still here' sh -c "[ -d '$tmp/data/api' ] && echo still here"
	says purge-yes 'all is gone' sh -c "$purge --yes && [ ! -e '$tmp/data' ] && [ ! -e '$tmp/run' ] && echo all is gone"
}
echo "$p passed, $f failed"
[ "$f" -eq 0 ]
