#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Clients of UDP services that keep their port, in a network namespace of its own: whom they reach when endpoints come, go and move, and that those
# whose endpoint stays are left alone. Prints what failed; the last line is the sum.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/e2e/lib
skip() {
	echo "skip udp_flows ($1)"
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
}
for tool in ip python3 curl; do command -v "$tool" >/dev/null 2>&1 || skip "$tool is not on PATH"; done
ldconfig -p | grep -q 'libnftables\.so\.1' || skip 'libnftables is not installed'
p=0 f=0 ns=sampan-e2e-udp-$$ running=
bin=$PWD/build/${VARIANT:-release}
stop_all() {
	for one in $running; do kill "$one" 2>/dev/null && wait "$one" 2>/dev/null; done
	stop_server
	ip netns del "$ns" 2>/dev/null
}
trap stop_all EXIT
ip netns add "$ns" && ip -n "$ns" link set lo up || skip 'network namespaces can not be made here'
inside() { ip netns exec "$ns" "$@"; }
ip -n "$ns" link add near type veth peer name far
for n in 1 2; do
	ip -n "$ns" addr add "10.88.0.$n/24" dev near
	ip -n "$ns" addr add "fd00:88::$n/64" dev near nodad
done
ip -n "$ns" link set near up
ip -n "$ns" link set far up
ip -n "$ns" route add default via 10.88.0.254 dev near
ip -n "$ns" route add default via fd00:88::fe dev near

mkfifo "$tmp/err"
ip netns exec "$ns" "$bin/sampan" apiserver --data-dir "$tmp/data" --bind-address 127.0.0.1 --secure-port 0 \
	--service-cluster-ip-range 10.96.0.0/16,fd00:96::/112 2>"$tmp/err" &
pid=$!
exec 3<"$tmp/err"
while read -r line <&3; do case "$line" in *'"msg":"serving"'*) break ;; esac; done
cat <&3 >"$tmp/log" &
exec 3<&-
kubeconfig=$tmp/data/admin.kubeconfig
url=$(sed -n 's/^    server: //p' "$kubeconfig")
for what in certificate-authority-data:ca.pem client-certificate-data:crt.pem client-key-data:key.pem; do
	sed -n "s/^ *${what%%:*}: //p" "$kubeconfig" | base64 -d >"$tmp/${what#*:}"
done
api() {
	method=$1 path=$2
	shift 2
	inside curl -sS --fail-with-body --max-time 20 --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" -X "$method" \
		-H 'content-type: application/json' "$@" "$url$path" >"$tmp/made" || { f=$((f + 1)); echo "FAIL $method $path: $(cat "$tmp/made")"; }
}
mkfifo "$tmp/ready"
ip netns exec "$ns" python3 test/e2e/udp_peer.py serve at 10.88.0.1 5353 10.88.0.2 5353 fd00:88::1 5353 fd00:88::2 5353 10.88.0.1 5354 10.88.0.2 5354 >"$tmp/ready" &
running="$running $!"
read -r line <"$tmp/ready"


# asks NAME FROM-PORT IP PORT TEXT: a client that always has this port gets the answer, at last.
asks() {
	got=$(inside python3 test/e2e/udp_peer.py ask "$2" "$3" "$4" "$5")
	[ "$got" = "$5" ] && p=$((p + 1)) || { f=$((f + 1)); echo "FAIL $1: '$got', not '$5'"; }
}
services=/api/v1/namespaces/default/services slices=/apis/discovery.k8s.io/v1/namespaces/default/endpointslices
# service NAME CLUSTER-IP NODE-PORT FAMILY
service() {
	api POST "$services" -d '{"metadata":{"name":"'"$1"'"},"spec":{"type":"NodePort","clusterIP":"'"$2"'","ipFamilies":["'"$4"'"],"ports":[
		{"name":"p","port":53,"nodePort":'"$3"',"protocol":"UDP"}]}}'
}
# slice NAME SERVICE FAMILY PORT ADDRESS…
slice() {
	name=$1 of=$2 type=$3 to=$4 all=
	shift 4
	for one; do all="$all${all:+,}"'{"addresses":["'$one'"],"conditions":{"ready":true},"nodeName":"n1"}'; done
	api POST "$slices" -d '{"metadata":{"name":"'"$name"'","labels":{"kubernetes.io/service-name":"'"$of"'"}},"addressType":"'"$type"'",
		"ports":[{"name":"p","port":'"$to"',"protocol":"UDP"}],"endpoints":['"$all"']}'
}

# Before anybody knows the address: the kernel keeps the flow as it is, and the client goes on sending.
asks 'no service' 4001 10.96.0.10 53 nothing
ip netns exec "$ns" "$bin/sampan" service-proxy --kubeconfig "$kubeconfig" --hostname-override n1 --log-level debug 2>"$tmp/proxy.log" &
running="$running $!"
service dns 10.96.0.10 30053 IPv4
asks 'no endpoint' 4002 10.96.0.10 53 refused
slice dns-1 dns IPv4 5353 10.88.0.1
asks 'the first endpoint' 4002 10.96.0.10 53 'at 10.88.0.1'
asks 'a flow from before the service' 4001 10.96.0.10 53 'at 10.88.0.1'
asks 'node port' 4003 10.88.0.2 30053 'at 10.88.0.1'
# Its pod is replaced.
slice dns-2 dns IPv4 5353 10.88.0.2
api DELETE "$slices/dns-1"
asks 'another endpoint' 4001 10.96.0.10 53 'at 10.88.0.2'
asks 'another endpoint at the node port' 4003 10.88.0.2 30053 'at 10.88.0.2'
# Without any endpoint flows stay (as upstream); the one that comes then gets them.
api DELETE "$slices/dns-2"
asks 'none any more, for new clients' 4004 10.96.0.10 53 refused
asks 'none any more, for old ones' 4001 10.96.0.10 53 'at 10.88.0.2'
slice dns-3 dns IPv4 5353 10.88.0.1
asks 'one again' 4001 10.96.0.10 53 'at 10.88.0.1'
# A client of two endpoints stays with its own while others are looked through.
service two 10.96.0.20 30054 IPv4
slice two-1 two IPv4 5354 10.88.0.1 10.88.0.2
own=refused
while [ "$own" = refused ]; do own=$(inside python3 test/e2e/udp_peer.py ask 4005 10.96.0.20 53 'either'); done
for n in 4 5 6 7; do
	slice "dns-$n" dns IPv4 5353 "10.88.0.$((n % 2 + 1))"
	api DELETE "$slices/dns-$((n - 1))"
	asks "round $n" 4001 10.96.0.10 53 "at 10.88.0.$((n % 2 + 1))"
	asks "an endpoint that stays, round $n" 4005 10.96.0.20 53 "$own"
done
service six fd00:96::a 30055 IPv6
slice six-1 six IPv6 5353 fd00:88::1
asks 'IPv6' 4001 fd00:96::a 53 'at fd00:88::1'
slice six-2 six IPv6 5353 fd00:88::2
api DELETE "$slices/six-1"
asks 'IPv6, another endpoint' 4001 fd00:96::a 53 'at fd00:88::2'
grep -q '"level":"error"' "$tmp/proxy.log" && { f=$((f + 1)); echo 'FAIL the proxy complains'; cat "$tmp/proxy.log"; }
echo "$p passed, $f failed"
[ "$f" -eq 0 ]
