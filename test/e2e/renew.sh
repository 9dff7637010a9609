#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Certificates that last 20 seconds: after a minute everybody has had four, nobody was restarted, and everything still works.
set -u
cd "$(dirname "$0")/../.." || exit 1
skip() {
	echo "skip renew ($1)"
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
}
command -v kubectl >/dev/null 2>&1 || skip 'kubectl is not on PATH'
command -v openssl >/dev/null 2>&1 || skip 'openssl is not on PATH'
[ "$(id -u)" -eq 0 ] || skip 'a node needs root'
make -s VARIANT=release all >/dev/null || exit 1
bin=$PWD/build/release/sampan
tmp=$(mktemp -d)
chmod 755 "$tmp"
dirs="--data-dir=$tmp/data --run-dir=$tmp/run"
# shellcheck disable=SC2086
"$bin" doctor $dirs >"$tmp/doctor" || skip "this machine can not: $(grep ^fail "$tmp/doctor" | tr '\n' ' ')"
p=0 f=0
# shellcheck disable=SC2086
trap '"$bin" down $dirs >/dev/null 2>&1; rm -rf "$tmp"' EXIT
check() {
	if eval "$2" >"$tmp/out" 2>&1; then
		p=$((p + 1))
	else
		f=$((f + 1))
		echo "FAIL $1: $(head -c 300 "$tmp/out")"
	fi
}
mkfifo "$tmp/lines"
# Its end ends the reading below.
# shellcheck disable=SC2086
timeout 240 "$bin" server $dirs --node-name=renewed --certificate-lifetime=20s >"$tmp/stdout" 2>"$tmp/lines" &
exec 3<"$tmp/lines"
# until_says TEXT N: the server's log has the text N more times.
until_says() {
	n=0 wanted=$2
	while [ "$n" -lt "$wanted" ] && IFS= read -r line <&3; do
		printf '%s\n' "$line" >>"$tmp/log"
		case $line in *"$1"*) n=$((n + 1)) ;; esac
	done
	check "says $1" '[ "$n" -eq "$wanted" ]'
}
until_says '"msg":"serving","address":"0.0.0.0:6443"' 1
export KUBECONFIG="$tmp/data/pki/admin.kubeconfig"
server=$(sed -n 's|^    server: https://||p' "$KUBECONFIG")
serial() { openssl s_client -connect "$1" </dev/null 2>/dev/null | openssl x509 -noout -serial; }
kubectl wait --for=create node/renewed --timeout=30s >/dev/null
kubectl wait --for=condition=Ready node/renewed --timeout=30s >/dev/null
api_before=$(serial "$server") kubelet_before=$(serial 127.0.0.1:10250) ca_before=$(cksum <"$tmp/data/pki/ca.crt")
cp "$KUBECONFIG" "$tmp/old"
until_says 'certificates made anew' 4
# What was made is in use when what was there before has ended.
until_says '"component":"apiserver","msg":"certificates reloaded"' 1
cat <&3 >>"$tmp/log" &
check api-serving '[ "$(serial "$server")" != "$api_before" ]'
check kubelet-serving '[ "$(serial 127.0.0.1:10250)" != "$kubelet_before" ]'
check authority-stays '[ "$(cksum <"$tmp/data/pki/ca.crt")" = "$ca_before" ]'
check the-old-one-has-ended '! kubectl --kubeconfig="$tmp/old" get nodes'
check admin 'kubectl get nodes'
check api-to-kubelet '[ "$(kubectl get --raw /api/v1/nodes/renewed/proxy/healthz)" = ok ]'
check controllers 'kubectl create namespace later && kubectl wait --for=create serviceaccount/default -n later --timeout=20s'
check node 'kubectl label node renewed seen=yes && kubectl get lease renewed -n kube-node-lease -o jsonpath={.spec.renewTime} >"$tmp/lease"'
check scheduler 'kubectl run p --image=localhost/none --restart=Never && kubectl wait --for=jsonpath={.spec.nodeName}=renewed pod/p --timeout=20s'
check node-works 'kubectl wait --for=jsonpath={.status.containerStatuses[0].state.waiting.reason} pod/p --timeout=20s'
check no-restarts '"$bin" status --run-dir="$tmp/run" | awk "NR > 2 && \$5 ~ /^[0-9]+\$/ && \$5 > 0 { bad = 1 } END { exit bad }"'
check nobody-was-refused '! grep -E "Unauthorized|is forbidden" "$tmp/log"'
# shellcheck disable=SC2086
check down '"$bin" down $dirs'
echo "$p passed, $f failed"
[ "$f" -eq 0 ]
