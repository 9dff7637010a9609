#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Recorded exchanges with a real kube-apiserver against ours, when they are there (../shared/data/api). The files named here
# pass whole and have to; every other one is counted as skipped. Prints the steps that differ and the sum.
set -u
cd "$(dirname "$0")/../.." || exit 1
data=../shared/data/api
replay=../shared/tools/api-replay
complete='admission admission-policy authentication bootstrap deletion discovery dry-run events field-validation http kinds-admissionregistration-k8s-io kinds-apiregistration-k8s-io
	kinds-autoscaling kinds-batch kinds-certificates-k8s-io kinds-coordination-k8s-io kinds-core kinds-discovery-k8s-io kinds-events-k8s-io
	kinds-flowcontrol-apiserver-k8s-io kinds-networking-k8s-io kinds-node-k8s-io
	kinds-policy kinds-rbac-authorization-k8s-io kinds-resource-k8s-io kinds-scheduling-k8s-io kinds-storage-k8s-io list metadata namespaces
	node-authorization patch pod-security pods protobuf rbac scale server-side-apply services tables watch webhooks'
if [ ! -x "$replay" ]; then
	echo "skip recorded exchanges (no $data)"
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
fi
. test/e2e/lib
start_server
p=0 f=0 s=0
for file in "$data"/*.json; do
	name=$(basename "$file" .json)
	case " $(echo $complete) " in
	*" $name "*) ;;
	*)
		s=$((s + 1))
		continue ;;
	esac
	timeout 120 "$replay" --server "$url" --ca "$tmp/ca.pem" --client-cert "$tmp/crt.pem" --client-key "$tmp/key.pem" \
		"$file" >"$tmp/out" 2>&1
	grep '^FAIL' "$tmp/out"
	line=$(tail -n 1 "$tmp/out")
	case "$line" in
	*' passed, '*' failed'*)
		n=${line#*passed, }
		p=$((p + ${line%% passed*})) f=$((f + ${n%% failed*})) ;;
	*)
		f=$((f + 1))
		echo "FAIL $name ended without a sum: $line" ;;
	esac
done
echo "$p passed, $f failed, $s skipped"
[ "$f" -eq 0 ] && [ "$p" -gt 0 ]
