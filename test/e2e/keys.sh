#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The keys process apart from the API server, each as a user of its own: tokens, rotation, a restart, strangers. Needs kubectl.
set -u
cd "$(dirname "$0")/../.." || exit 1
skip() {
	echo "skip keys ($1)"
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
}
command -v kubectl >/dev/null 2>&1 || skip 'kubectl is not on PATH'
command -v setpriv >/dev/null 2>&1 || skip 'setpriv is not on PATH'
[ "$(id -u)" -eq 0 ] || skip 'it changes users: needs root'
make -s VARIANT=release all >/dev/null || exit 1
bin=$PWD/build/release/sampan
tmp=$(mktemp -d)
chmod 755 "$tmp"
keys_pid='' api_pid='' p=0 f=0
end() {
	# shellcheck disable=SC2086
	kill $keys_pid $api_pid 2>/dev/null
	wait
	rm -rf "$tmp"
}
trap end EXIT
check() {
	if eval "$2"; then
		p=$((p + 1))
	else
		f=$((f + 1))
		echo "FAIL $1"
	fi
}
as() {
	id=$1
	shift
	setpriv --reuid="$id" --regid="$id" --clear-groups "$@"
}
# until_says FILE TEXT: the log has it.
until_says() { timeout 20 sh -c 'tail -n +1 -F "$1" 2>/dev/null | grep -qm1 -F -- "$2"' - "$1" "$2"; }
start_keys() {
	: >"$tmp/keys.log"
	setpriv --reuid=60001 --regid=60001 --clear-groups "$bin" keys --dir="$tmp/keys" --listen="$tmp/run/k.sock" \
		--allow-users=60002 --announce-seconds=0 2>>"$tmp/keys.log" &
	keys_pid=$!
	until_says "$tmp/keys.log" 'holding the keys'
}
who() { curl -sk --max-time 20 -H "Authorization: Bearer $1" "$url/api/v1/nodes" | grep -c 'system:serviceaccount:default:robot'; }
kid() { printf '%s==' "${1%%.*}" | tr '_-' '/+' | base64 -d 2>/dev/null | grep -o '"kid":"[^"]*"'; }

mkdir "$tmp/keys" "$tmp/run" "$tmp/api"
chown 60001:60001 "$tmp/keys" "$tmp/run"
chown 60002:60002 "$tmp/api"
start_keys
setpriv --reuid=60002 --regid=60002 --clear-groups "$bin" apiserver --data-dir "$tmp/api" --bind-address 127.0.0.1 --secure-port 0 \
	--service-account-signing-endpoint "$tmp/run/k.sock" 2>"$tmp/api.log" &
api_pid=$!
until_says "$tmp/api.log" '"msg":"serving"'
export KUBECONFIG="$tmp/api/admin.kubeconfig"
url=$(sed -n 's/^    server: //p' "$KUBECONFIG")
kubectl create serviceaccount robot >/dev/null
old=$(kubectl create token robot)
check token '[ "$(who "$old")" -eq 1 ]'
check no-key-in-the-api '[ ! -e "$tmp/api/sa.key" ]'
kill -HUP "$keys_pid"
until_says "$tmp/keys.log" 'a new key of tokens'
new=$(kubectl create token robot)
check another-key '[ "$(kid "$old")" != "$(kid "$new")" ]'
check new-token '[ "$(who "$new")" -eq 1 ]'
check old-token '[ "$(who "$old")" -eq 1 ]'
check both-are-told '[ "$(kubectl get --raw /openid/v1/jwks | grep -o "\"kid\"" | wc -l)" -eq 2 ]'
kill "$keys_pid"
wait "$keys_pid"
check fails-closed '! kubectl create token robot >/dev/null 2>&1'
check verifies-without '[ "$(who "$old")" -eq 1 ]'
start_keys
check after-a-restart '[ "$(kid "$(kubectl create token robot)")" = "$(kid "$new")" ]'
check stranger '! as 60003 curl -s --max-time 5 --unix-socket "$tmp/run/k.sock" --http2-prior-knowledge http://x/'
check stranger-is-told-of 'grep -q "\"uid\":60003" "$tmp/keys.log"'
check no-dump '! as 60001 cat "/proc/$keys_pid/maps" >/dev/null 2>&1'
check locked '[ "$(sed -n "s/^VmLck:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$keys_pid/status")" -gt 0 ]'
check confined 'grep -q "^Seccomp:.*2" "/proc/$keys_pid/status"'
check mode '[ "$(stat -c %a "$tmp/keys/sa.key")" = 600 ]'
echo "$p passed, $f failed, 0 skipped"
[ "$f" -eq 0 ]
