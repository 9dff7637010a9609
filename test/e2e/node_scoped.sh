#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A service account limited to the node of its token (annotation sampan.dev/node-scoped), with the real kubectl: what its token
# reaches, and that a stolen one gets nowhere near another node's pods.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/e2e/lib
p=0 f=0 s=0
command -v kubectl >/dev/null || { echo "skip: no kubectl"; echo "0 passed, 0 failed, 1 skipped"; exit 0; }

# is NAME TEXT COMMAND…: the last line of its output is the text.   says NAME TEXT COMMAND…: its output holds the text.
is() {
	name=$1 text=$2
	shift 2
	got=$("$@" 2>&1 | tail -n 1)
	[ "$got" = "$text" ] && { p=$((p + 1)); return; }
	f=$((f + 1))
	echo "FAIL $name: want '$text', got '$got'"
}
says() {
	name=$1 text=$2
	shift 2
	"$@" >"$tmp/out" 2>&1
	grep -qF -- "$text" "$tmp/out" && { p=$((p + 1)); return; }
	f=$((f + 1))
	echo "FAIL $name: no '$text' from $*"
	sed 's/^/  /' "$tmp/out" | head -n 5
}

start_server
k() { kubectl --kubeconfig "$kubeconfig" --cache-dir "$tmp/cache" "$@"; }
# by the token alone
agent() { kubectl --kubeconfig /dev/null --cache-dir "$tmp/cache" --server "$url" --certificate-authority "$tmp/ca.pem" --token "$token" "$@"; }

k create -f - >/dev/null <<'YAML'
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: agent, annotations: {sampan.dev/node-scoped: "true"}}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: plain}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}
- {apiVersion: v1, kind: Node, metadata: {name: n1}}
- {apiVersion: v1, kind: Node, metadata: {name: n2}}
- {apiVersion: v1, kind: Secret, metadata: {name: s1}, stringData: {k: of-n1}}
- {apiVersion: v1, kind: Secret, metadata: {name: s2}, stringData: {k: of-n2}}
YAML
for n in 1 2; do
	for sa in agent plain; do
		k create -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $sa-n$n}
spec: {nodeName: n$n, serviceAccountName: $sa, containers: [{name: c, image: i}], volumes: [{name: s, secret: {secretName: s$n}}]}
YAML
	done
done
k create clusterrole all --verb='*' --resource='*.*' --resource='*' >/dev/null
k create clusterrolebinding agent --clusterrole=all --serviceaccount=default:agent >/dev/null
k create clusterrolebinding plain --clusterrole=all --serviceaccount=default:plain >/dev/null

token=$(k create token agent --bound-object-kind Pod --bound-object-name agent-n1)
is own-pod pod/agent-n1 agent get pod agent-n1 -o name
is own-secret "$(printf of-n1 | base64)" agent get secret s1 -o 'jsonpath={.data.k}'
is own-node node/n1 agent get node n1 -o name
is own-pods pod/plain-n1 agent get pods -A --field-selector spec.nodeName=n1 -o name
is own-status patched agent patch pod agent-n1 --subresource status --type merge -p '{"status":{"message":"x"}}' -o jsonpath='patched'
is whoami n1 agent auth whoami -o jsonpath='{.status.userInfo.extra.authentication\.kubernetes\.io/node-name[0]}'
says other-secret 'secrets "s2" is forbidden: User "system:serviceaccount:default:agent" cannot get resource "secrets" in API group "" in the namespace "default": the service account is limited to node "n1" (sampan.dev/node-scoped)' agent get secret s2
says other-pod 'no relationship found between node' agent get pod agent-n2
says all-pods 'a list or watch needs the field selector spec.nodeName=n1' agent get pods -A
says watch-pods 'a list or watch needs the field selector spec.nodeName=n1' agent get pods -A --watch
says other-pods 'a list or watch needs the field selector spec.nodeName=n1' agent get pods -A --field-selector spec.nodeName=n2
says all-nodes 'a list or watch needs the field selector metadata.name=n1' agent get nodes
says all-secrets 'is limited to node "n1"' agent get secrets
says other-node 'is limited to node "n1"' agent label node n2 a=b
says delete-other 'the pod is not bound to that node' agent delete pod plain-n2
says roles 'is limited to node "n1"' agent create clusterrolebinding up --clusterrole=cluster-admin --serviceaccount=default:plain
says tokens 'is limited to node "n1"' agent create token plain
says impersonates 'is limited to node "n1"' agent get secrets --as=system:serviceaccount:default:plain
says unscope 'is limited to node "n1"' agent annotate serviceaccount agent sampan.dev/node-scoped-

# may it?
is can-own yes agent auth can-i get pod/agent-n1
is can-other 'no - the service account is limited to node "n1" (sampan.dev/node-scoped): no relationship found between node '"'n1'"' and this object' agent auth can-i get secret/s2
is as-no-node 'no - the service account is limited to node "" (sampan.dev/node-scoped): the token names no node' k auth can-i get secret/s1 --as=system:serviceaccount:default:agent
is as-plain yes k auth can-i get secret/s2 --as=system:serviceaccount:default:plain
newer=kubectl
kubectl options | grep -q as-user-extra || newer=${PEER_KUBECTL:-}
if [ -n "$newer" ]; then
	as() { "$newer" --kubeconfig "$kubeconfig" auth can-i "$@" --as=system:serviceaccount:default:agent --as-user-extra=authentication.kubernetes.io/node-name=n2; }
	is as-node-own yes as get secret/s2
	is as-node-other 'no - the service account is limited to node "n2" (sampan.dev/node-scoped): no relationship found between node '"'n2'"' and this object' as get secret/s1
else
	s=$((s + 2))
	echo "skip: auth can-i on a node (kubectl has no --as-user-extra; PEER_KUBECTL names one)"
fi

# An account without the annotation is what it is upstream: its token names a node, and that is all.
token=$(k create token plain --bound-object-kind Pod --bound-object-name plain-n1)
is plain-other pod/agent-n2 agent get pod agent-n2 -o name
k annotate serviceaccount plain sampan.dev/node-scoped=true >/dev/null
says plain-limited 'is limited to node "n1"' agent get pod agent-n2
# A token that names no node reaches nothing.
token=$(k create token agent)
says no-node 'the token names no node' agent get pod agent-n1
# The end of the pod is the end of its token.
token=$(k create token agent --bound-object-kind Pod --bound-object-name agent-n1)
k delete pod agent-n1 --grace-period=0 --force >/dev/null 2>&1
says ended 'Unauthorized' agent get pod plain-n1

printf '%d passed, %d failed, %d skipped\n' "$p" "$f" "$s"
[ "$f" -eq 0 ]
