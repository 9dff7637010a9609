#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Pods with users of their own at `sampan up`: what ids they have, on the host and in volumes, and over restarts of the agent. Users that are
# accounts: tokens in secrets.
set -u
cd "$(dirname "$0")/../.." || exit 1
needs='curl busybox jq'
. test/e2e/cluster
k() { timeout 60 "$kubectl" "$@"; }
# is NAME WANT COMMAND…: its output is exactly that, within 40 s.
is() {
	name=$1 want=$2
	shift 2
	end=$(($(date +%s) + 40))
	while :; do
		got=$("$@" 2>&1)
		[ "$got" = "$want" ] && { good; return; }
		[ "$(date +%s)" -lt $end ] || break
		k get --raw /readyz >/dev/null 2>&1 # takes its time
	done
	printf '%s\n' "$got" >"$tmp/out"
	bad "$name: want '$want'"
}
of() { k get pod "$1" -o json | jq -r "$2"; }

mkdir -p "$tmp/data"
sh test/e2e/busybox-image example.com/bb:1 "$tmp/bb.tar" "$tmp/fs"
"$bin/sampan" image import "$tmp/bb.tar" --data-dir "$tmp/data" >"$tmp/out" 2>"$tmp/err" || bad import
# shellcheck disable=SC2086
"$bin/sampan" up $dirs --timeout=100 >"$tmp/out" 2>"$tmp/err" || bad up
node=$(k get nodes -o 'jsonpath={.items[0].metadata.name}')
handler() { k get node "$node" -o json | jq -r '.status.runtimeHandlers[] | select(.name == "").features.userNamespaces'; }
is handlers true handler
pod() { # pod NAME HOST-USERS COMMAND
	k create -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  hostUsers: $2
  terminationGracePeriodSeconds: 1
  securityContext: {fsGroup: 4711}
  volumes: [{name: v, emptyDir: {}}, {name: c, configMap: {name: conf}}]
  containers:
  - name: c
    image: example.com/bb:1
    imagePullPolicy: Never
    command: [/bin/sh, -c, "$3"]
    volumeMounts: [{name: v, mountPath: /v}, {name: c, mountPath: /c}]
YAML
}
k create configmap conf --from-literal=a=text >/dev/null
pod own false 'cat /proc/self/uid_map /proc/self/gid_map; cat /c/a; echo; touch /v/x; ls -ln /v/x; sleep 1000'
pod next false 'cat /proc/self/uid_map; sleep 1000'
pod host true 'cat /proc/self/uid_map; sleep 1000'
for p1 in own next host; do is "$p1-runs" Running of $p1 .status.phase; done
said() { k logs "$1" | tr -s ' ' | sed 's/^ //' | cut -d' ' -f1-4; }
first() { k logs "$1" | awk 'NR == 1 {print $2}'; }
a=$(first own) b=$(first next)
same own-range "0 $a 65536
0 $a 65536
text
-rw-r--r-- 1 0 4711" "$(said own)"
same ranges yes "$([ "$a" != "$b" ] && [ $((a % 65536)) -eq 0 ] && [ "$a" -ge 65536 ] && [ $((b % 65536)) -eq 0 ] && [ "$b" -ge 65536 ] && echo yes)"
same host-range '0 0 4294967295' "$(said host)"
# On the host its processes are the range's first id; its files are as without a range: mounts are mapped.
pid=$(for q in /proc/[0-9]*; do grep -qs "^ *0 *$a " "$q/uid_map" && echo "${q#/proc/}"; done | head -n 1)
same own-process "$a" "$(stat -c %u "/proc/$pid" 2>/dev/null)"
uid=$(of own .metadata.uid)
dir=$(find "$tmp/data" "$run" -type d -name "$uid" -path '*/pods/*' 2>/dev/null | head -n 1)
same own-file '0 4711' "$(stat -c '%u %g' "$dir/volumes/kubernetes.io~empty-dir/v/x" 2>/dev/null)"
same own-record "$a" "$(jq -r '.uidMappings[0].hostId' "$dir/userns" 2>/dev/null)"
# given back, and given again
k delete pod own >/dev/null
pod third false 'cat /proc/self/uid_map; sleep 1000'
is third-runs Running of third .status.phase
same third-range "$a" "$(first third)"
k delete pod next third host >/dev/null

# A token in a secret: the account's, and it goes with the account.
k create serviceaccount bot >/dev/null
k create rolebinding bot --clusterrole view --serviceaccount default:bot >/dev/null
k create -f - >/dev/null <<YAML
apiVersion: v1
kind: Secret
metadata: {name: bot, annotations: {kubernetes.io/service-account.name: bot}}
type: kubernetes.io/service-account-token
YAML
k get configmap kube-root-ca.crt -o json | jq -r '.data["ca.crt"]' >"$tmp/ca.crt"
bot() {
	timeout 60 "$kubectl" --kubeconfig /dev/null --server "$(k config view -o 'jsonpath={.clusters[0].cluster.server}')" \
		--certificate-authority "$tmp/ca.crt" --token "$(k get secret bot -o json | jq -r '.data.token | @base64d')" "$@"
}
is bot system:serviceaccount:default:bot bot auth whoami -o 'jsonpath={.status.userInfo.username}'
same bot-reads conf "$(bot get configmap conf -o 'jsonpath={.metadata.name}')"
same bot-parts 'ca.crt namespace token' "$(k describe secret bot | sed -n 's/^\(ca.crt\|namespace\|token\):.*/\1/p' | sort | xargs)"
k delete serviceaccount bot >/dev/null
is bot-goes 'Error from server (NotFound): secrets "bot" not found' k get secret bot -o name
printf '%d passed, %d failed\n' "$p" "$f"
[ "$f" -eq 0 ]
