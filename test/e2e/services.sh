#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The service proxy in a network namespace of its own: the API server, two web servers, curl. Prints what failed; the last line is the sum.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/e2e/lib
skip() {
	echo "skip services ($1)"
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
}
command -v ip >/dev/null 2>&1 || skip 'ip is not on PATH'
command -v curl >/dev/null 2>&1 || skip 'curl is not on PATH'
ldconfig -p | grep -q 'libnftables\.so\.1' || skip 'libnftables is not installed'
p=0 f=0 ns=sampan-e2e-services-$$ proxy= webs=
bin=$PWD/build/${VARIANT:-release}
stop_all() {
	for one in $proxy $webs; do kill "$one" 2>/dev/null && wait "$one" 2>/dev/null; done
	stop_server
	ip netns del "$ns" 2>/dev/null
}
trap stop_all EXIT
ip netns add "$ns" && ip -n "$ns" link set lo up || skip 'network namespaces can not be made here'
inside() { ip netns exec "$ns" "$@"; }
# Endpoints are addresses of a veth pair's near end; the far one is where "other hosts" are.
ip -n "$ns" link add near type veth peer name far
ip -n "$ns" addr add 10.88.0.1/24 dev near
ip -n "$ns" addr add 10.88.0.2/24 dev near
ip -n "$ns" link set near up
ip -n "$ns" link set far up
ip -n "$ns" route add default via 10.88.0.254 dev near

mkfifo "$tmp/err"
ip netns exec "$ns" "$bin/sampan" apiserver --data-dir "$tmp/data" --bind-address 127.0.0.1 --secure-port 0 2>"$tmp/err" &
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
	inside curl -sS --max-time 20 --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" -X "$method" \
		-H "content-type: $type" "$@" "$url$path" >"$tmp/made"
}
ip netns exec "$ns" "$bin/sampan" service-proxy --kubeconfig "$kubeconfig" --hostname-override n1 2>"$tmp/proxy.log" &
proxy=$!
for address in 10.88.0.1 10.88.0.2; do
	ip netns exec "$ns" unshare --uts sh -c "hostname web-$address && exec '$bin/sampan-sample' 8080 $address" >/dev/null &
	webs="$webs $!"
done

# answers NAME URL TEXT: within some tries, for the rules follow the objects by a moment.
answers() {
	tries=0
	while [ "$tries" -lt 100 ]; do
		got=$(inside curl -s --max-time 2 "$2" 2>&1; echo "exit $?")
		case "$got" in *"$3"*) p=$((p + 1)); return ;; esac
		tries=$((tries + 1))
	done
	f=$((f + 1))
	echo "FAIL $1: $2 gave '$got', not '$3'"
}

services=/api/v1/namespaces/default/services slices=/apis/discovery.k8s.io/v1/namespaces/default/endpointslices
api POST "$services" -d '{"metadata":{"name":"web"},"spec":{"type":"NodePort","clusterIP":"10.96.0.10","ports":[
	{"name":"http","port":80,"nodePort":30080,"targetPort":8080}]}}'
answers no-such-port http://10.96.0.10:81/ 'exit 7'
answers no-such-service http://10.96.9.9/ 'exit 28'
answers refused http://10.96.0.10/ 'exit 7'
slice() { # NAME ADDRESS READY
	echo '{"metadata":{"name":"'"$1"'","labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4","ports":[{"name":"http",
		"port":8080,"protocol":"TCP"}],"endpoints":[{"addresses":["'"$2"'"],"conditions":{"ready":'"$3"'},"nodeName":"n1"}]}'
}
api POST "$slices" -d "$(slice web-1 10.88.0.1 true)"
answers cluster-ip http://10.96.0.10/ 'hello from web-10.88.0.1'
answers node-port http://10.88.0.1:30080/ 'hello from web-10.88.0.1'
api POST "$slices" -d "$(slice web-2 10.88.0.2 true)"
answers no-such-port-of-a-served-one http://10.96.0.10:81/ 'exit 7'
answers second http://10.96.0.10/ 'hello from web-10.88.0.2'
answers first-still http://10.96.0.10/ 'hello from web-10.88.0.1'
# What load balancers, probes and Prometheus ask.
answers no-node http://127.0.0.1:10256/healthz '"nodeEligible":false,"healthy":true'
api POST /api/v1/nodes -d '{"metadata":{"name":"n1"}}'
answers healthz http://127.0.0.1:10256/healthz '"nodeEligible":true,"healthy":true,"status":{"IPv4":{"lastUpdated":"2'
answers livez http://10.88.0.1:10256/livez '"healthy":true,"status":'
answers nowhere http://127.0.0.1:10256/metrics '404 page not found'
answers mode http://127.0.0.1:10249/proxyMode nftables
answers changes http://127.0.0.1:10249/metrics 'kubeproxy_sync_proxy_rules_service_changes_total '
answers synced http://127.0.0.1:10249/metrics 'kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.512"}'
type=application/merge-patch+json
api PATCH "$services/web" -d '{"spec":{"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":30099}}'
type=application/json
answers health-check http://10.88.0.1:30099/ '"localEndpoints": 2,'
answers health-check-v6 'http://[::1]:30099/' '"name": "web"'
weight=$(inside curl -s -o /dev/null -w '%{http_code} %header{x-load-balancing-endpoint-weight}' http://10.88.0.1:30099/)
[ "$weight" = '200 2' ] && p=$((p + 1)) || { f=$((f + 1)); echo "FAIL health check: '$weight', not '200 2'"; }
api DELETE "$slices/web-1"
answers only-second http://10.96.0.10/ 'hello from web-10.88.0.2'
api DELETE "$slices/web-2"
answers none-here http://10.88.0.1:30099/ '"localEndpoints": 0,'
weight=$(inside curl -s -o /dev/null -w '%{http_code}' http://10.88.0.1:30099/)
[ "$weight" = 503 ] && p=$((p + 1)) || { f=$((f + 1)); echo "FAIL health check without endpoints: '$weight'"; }
answers refused-again http://10.96.0.10/ 'exit 7'
api DELETE "$services/web"
answers no-health-check http://10.88.0.1:30099/ 'exit 7'
kill "$proxy"
wait "$proxy"
[ $? -eq 0 ] && p=$((p + 1)) || { f=$((f + 1)); echo 'FAIL the proxy does not end when asked'; cat "$tmp/proxy.log"; }
inside "$bin/sampan" service-proxy --cleanup && p=$((p + 1)) || { f=$((f + 1)); echo 'FAIL cleanup'; }
echo "$p passed, $f failed"
[ "$f" -eq 0 ]
