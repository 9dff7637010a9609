#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A second node joins by a token: two network namespaces stand for two machines. It becomes Ready and runs a pod that can be looked into; it has a range of
# addresses of its own, and pods, Services and DNS are the same on both nodes.
set -u
cd "$(dirname "$0")/../.." || exit 1
skip() {
	echo "skip join ($1)"
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
}
for tool in kubectl ip nsenter busybox; do command -v $tool >/dev/null 2>&1 || skip "$tool is not on PATH"; done
[ "$(id -u)" -eq 0 ] || skip 'a node needs root'
variant=${VARIANT:-release}
make -s "VARIANT=$variant" all >/dev/null || exit 1
bin=$PWD/build/$variant/sampan
tmp=$(mktemp -d)
chmod 755 "$tmp"
"$bin" doctor --data-dir="$tmp/a" --run-dir="$tmp/ra" --secure-port=1 >"$tmp/doctor" || skip "this machine can not: $(grep ^fail "$tmp/doctor" | tr '\n' ' ')"
id=$$
one="nsenter --net=/run/netns/sa$id" two="nsenter --net=/run/netns/sb$id"
dirs_one="--data-dir=$tmp/a --run-dir=$tmp/ra" dirs_two="--data-dir=$tmp/b --run-dir=$tmp/rb"
agent='' p=0 f=0
end() {
	# shellcheck disable=SC2086
	{
		$two "$bin" down $dirs_two --cgroup-root=sampan-two
		$one "$bin" down $dirs_one
	} >/dev/null 2>&1
	[ -z "$agent" ] || { kill "$agent" 2>/dev/null; wait "$agent"; }
	ip netns del "sa$id" 2>/dev/null
	ip netns del "sb$id" 2>/dev/null
	rm -rf "$tmp"
}
trap end EXIT
check() {
	if eval "$2" >"$tmp/out" 2>&1; then
		p=$((p + 1))
	else
		f=$((f + 1))
		echo "FAIL $1: $(head -c 400 "$tmp/out")"
	fi
}
ip netns add "sa$id"
ip netns add "sb$id"
ip link add eth0 netns "sa$id" type veth peer name eth0 netns "sb$id"
for side in a:10.77.9.1 b:10.77.9.2; do
	ip -n "s${side%%:*}$id" link set lo up
	ip -n "s${side%%:*}$id" addr add "${side#*:}/24" dev eth0
	ip -n "s${side%%:*}$id" link set eth0 up
done
# The two share what is not of the network: their pods are in cgroups of different names.
printf 'node:\n  cgroup-root: sampan-two\n  pod-log-dir: %s/logs\n' "$tmp" >"$tmp/two.yaml"
sh test/e2e/busybox-image example.com/bb:1 "$tmp/bb.tar"
mkdir "$tmp/a" "$tmp/b"
check image-one '"$bin" image import "$tmp/bb.tar" --data-dir="$tmp/a"'
# shellcheck disable=SC2086
check up '$one "$bin" up $dirs_one --no-sample --timeout=60'
export KUBECONFIG="$tmp/a/pki/admin.kubeconfig"
k="$one kubectl"
# shellcheck disable=SC2086
check create '$one "$bin" token create --data-dir=$tmp/a --description=e2e | tee $tmp/token | grep -q "sampan agent --server https://10.77.9.1:6443 --token"'
token=$(head -n 1 "$tmp/token")
server=https://10.77.9.1:6443
check listed '$one "$bin" token list --data-dir=$tmp/a | grep "${token%%:*} *2[34]h *e2e *authentication,signing"'
join="$two $bin join --data-dir=$tmp/c --server=$server --node-name=other --timeout=10"
check another-authority '! $join --token="${token%:*}:$(printf %064d 1)" && $join --token="${token%:*}:$(printf %064d 1)" 2>&1 | grep "not the one whose hash is in the token"'
check another-secret '$join --token="${token%%.*}.0000000000000000" 2>&1 | grep "not signed with this token"'
check unknown-token '$join --token=aaaaaa.0000000000000000 2>&1 | grep "does not know this token"'
check nothing-is-left '[ ! -e "$tmp/c/pki/node.pem" ]'
check image '"$bin" image import "$tmp/bb.tar" --data-dir="$tmp/b"'
# shellcheck disable=SC2086
SAMPAN_CONFIG="$tmp/two.yaml" SAMPAN_TOKEN=$token $two "$bin" agent $dirs_two --server=$server --node-name=second >"$tmp/agent.out" 2>"$tmp/agent.log" &
agent=$!
check joins '$k wait --for=create node/second --timeout=30s'
check ready '$k wait --for=condition=Ready node/second --timeout=30s'
check its-own '[ "$(openssl x509 -noout -subject -in "$tmp/b/pki/node.pem" | tr -d " ")" = "subject=O=system:nodes,CN=system:node:second" ]'
$k create serviceaccount later >/dev/null
$k apply -f - >/dev/null <<'POD'
{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"nodeSelector":{"kubernetes.io/hostname":"second"},"terminationGracePeriodSeconds":1,
"containers":[{"name":"c","image":"example.com/bb:1","imagePullPolicy":"Never","command":["sh","-c","echo here I am; sleep 1000"]}]}}
POD
check runs '$k wait --for=condition=Ready pod/p --timeout=60s'
check there '[ "$($k get pod p -o jsonpath={.spec.nodeName}/{.status.hostIP})" = second/10.77.9.2 ]'
# The API server looks at the kubelet's certificate: the node asked for one, it was approved and signed.
check serving '$k wait --for=jsonpath={.status.conditions[0].type}=Approved csr --field-selector=spec.signerName=kubernetes.io/kubelet-serving --all --timeout=30s'
check logs 'timeout 30 sh -c "until $k logs p 2>/dev/null | grep -q \"here I am\"; do :; done"'
check exec '[ "$($k exec p -- echo hello)" = hello ]'
check not-for-others '! KUBECONFIG=$tmp/b/pki/node.kubeconfig $two kubectl get secrets -A'
s=0
if command -v nft >/dev/null 2>&1; then
	check rules '$two nft list ruleset | grep -q 10.96.0.1'
else
	echo 'skip rules (nft is not on PATH)'
	s=1
fi
check delete-token '$one "$bin" token delete "${token%%.*}" --data-dir=$tmp/a && [ "$($one "$bin" token list --data-dir=$tmp/a | wc -l)" -eq 1 ]'
$k delete pod p --now >/dev/null 2>&1

# Pods of both nodes.
first=$($k get nodes -o jsonpath='{.items[?(@.metadata.name!="second")].metadata.name}')
range() { $k get node "$1" -o jsonpath='{.spec.podCIDR}'; }
r1=$(range "$first") r2=$(range second)
check ranges 'echo $r1 $r2; [ "$r1" != "$r2" ] && [ "$(echo $r1 $r2 | grep -cx "10\.88\.[0-9]*\.0/24 10\.88\.[0-9]*\.0/24")" -eq 1 ]'
pods() {
	for node in $first second; do
		$k apply -f - >/dev/null <<POD
{"apiVersion":"v1","kind":"Pod","metadata":{"name":"on-$node","labels":{"app":"web"}},"spec":{"nodeName":"$node","terminationGracePeriodSeconds":0,
"containers":[{"name":"c","image":"example.com/bb:1","imagePullPolicy":"Never","command":["sh","-c",
"printf 'busybox netstat -tn | busybox grep -o \"10.88.[0-9.]*:[0-9]* *[A-Z]\" | busybox cut -d: -f1; echo on-$node' >/tmp/say; while :; do busybox nc -l -p 8080 -e sh /tmp/say; done"]}]}}
POD
		$k apply -f - >/dev/null <<POD
{"apiVersion":"v1","kind":"Pod","metadata":{"name":"ask-$node"},"spec":{"nodeName":"$node","terminationGracePeriodSeconds":0,
"containers":[{"name":"c","image":"example.com/bb:1","imagePullPolicy":"Never","command":["sh","-c","sleep 1000"]}]}}
POD
	done
	$k wait --for=condition=Ready pod --all --timeout=60s
}
ip_of() { $k get pod "$1" -o jsonpath='{.status.podIP}'; }
# answers FROM ADDRESS PORT TEXT: within a while, the text is in what is said there
answers() { timeout 30 sh -c "until $k exec ask-$1 -- busybox nc -w 3 $2 $3 2>/dev/null | grep -x '$4'; do :; done"; }
$k create service clusterip web --tcp=80:8080 >/dev/null
$k set selector service web app=web >/dev/null
check pods pods
a1=$(ip_of "on-$first") a2=$(ip_of on-second)
check addresses 'echo $a1 $a2; [ "${a1%.*}.0/24 ${a2%.*}.0/24" = "$r1 $r2" ]'
check pod-to-pod 'answers $first $a2 8080 on-second'
check pod-back 'answers second $a1 8080 on-$first'
check own-source 'answers $first $a2 8080 $(ip_of ask-$first)'
check own-source-back 'answers second $a1 8080 $(ip_of ask-second)'
for from in $first second; do
	check "service-one-from-$from" 'answers $from web.default.svc.cluster.local 80 on-$first'
	check "service-two-from-$from" 'answers $from web.default.svc.cluster.local 80 on-second'
done
check host-to-pod '[ "$($one busybox nc -w 3 $a2 8080 | tail -n 1)" = on-second ]'
check dns '$k exec ask-second -- busybox nslookup kubernetes.default.svc.cluster.local | grep -E "10\.96\.0\.1( |$)"'
# Each node answers its own pods: also while the first one's DNS is away, and so is its server in the end.
web=$($k get service web -o jsonpath='{.spec.clusterIP}')
dns_of_first=$(pgrep -of "dns --address=0.0.0.0:10053.*--kubeconfig=$tmp/a/")
check own-dns '[ -n "$dns_of_first" ] && kill -STOP $dns_of_first && $k exec ask-second -- busybox nslookup web.default.svc.cluster.local | grep -E "$web( |$)"; answered=$?; kill -CONT $dns_of_first; [ $answered -eq 0 ]'
# A runtime that is killed finds its range again, and what runs goes on.
pid=$(pgrep -of "cri --listen=unix://$tmp/rb/cri.sock")
check kill '[ -n "$pid" ] && kill -9 $pid'
check goes-on 'answers $first $a2 8080 on-second'
# shellcheck disable=SC2086
check down '$two "$bin" down $dirs_two --cgroup-root=sampan-two'
# A node that has joined needs no token again.
# shellcheck disable=SC2086
SAMPAN_CONFIG="$tmp/two.yaml" $two "$bin" agent $dirs_two --node-name=second >"$tmp/agent.out" 2>>"$tmp/agent.log" &
agent=$!
check again '$k annotate node second again=yes && $k wait --for=condition=Ready node/second --timeout=30s'
$k delete pod --all --now >/dev/null 2>&1
check pods-again pods
check ranges-stay '[ "$(range $first) $(range second)" = "$r1 $r2" ]'
a2=$(ip_of on-second)
check address-again '[ "${a2%.*}.0/24" = "$r2" ]'
check pod-to-pod-again 'answers $first $a2 8080 on-second'
# shellcheck disable=SC2086
$one "$bin" down $dirs_one >/dev/null 2>&1
ip -n "sb$id" route add 10.96.0.0/16 via 10.77.9.1
check dns-alone '$two busybox nslookup kubernetes.default.svc.cluster.local 10.96.0.10 | grep -E "10\.96\.0\.1( |$)"'
echo "$p passed, $f failed, $s skipped"
[ "$f" -eq 0 ] || tail -n 20 "$tmp/agent.log" | cut -c1-300
[ "$f" -eq 0 ]
