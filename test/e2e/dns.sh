#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The cluster's DNS in a network namespace of its own: the API server, kubectl's kind of objects, questions by UDP and TCP.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/e2e/lib
skip() {
	echo "skip dns ($1)"
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
}
command -v ip >/dev/null 2>&1 || skip 'ip is not on PATH'
command -v python3 >/dev/null 2>&1 || skip 'python3 is not on PATH'
p=0 f=0 ns=sampan-e2e-dns-$$ dns= resolver=
bin=$PWD/build/${VARIANT:-release}
stop_all() {
	for one in $dns $resolver; do kill "$one" 2>/dev/null && wait "$one" 2>/dev/null; done
	stop_server
	ip netns del "$ns" 2>/dev/null
}
trap stop_all EXIT
ip netns add "$ns" && ip -n "$ns" link set lo up || skip 'network namespaces can not be made here'
inside() { ip netns exec "$ns" "$@"; }

# ready WORD PIPE: until the word was said.
ready() {
	exec 3<"$2"
	while read -r line <&3; do case "$line" in *"$1"*) break ;; esac; done
	cat <&3 >>"$tmp/log" &
	exec 3<&-
}
mkfifo "$tmp/err" "$tmp/dns.err" "$tmp/resolver.out"
ip netns exec "$ns" "$bin/sampan" apiserver --data-dir "$tmp/data" --bind-address 127.0.0.1 --secure-port 0 2>"$tmp/err" &
pid=$!
ready '"msg":"serving"' "$tmp/err"
ip netns exec "$ns" python3 test/e2e/dns_client.py serve >"$tmp/resolver.out" &
resolver=$!
ready ready "$tmp/resolver.out"
kubeconfig=$tmp/data/admin.kubeconfig
url=$(sed -n 's/^    server: //p' "$kubeconfig")
for what in certificate-authority-data:ca.pem client-certificate-data:crt.pem client-key-data:key.pem; do
	sed -n "s/^ *${what%%:*}: //p" "$kubeconfig" | base64 -d >"$tmp/${what#*:}"
done
make() { # PATH BODY
	inside curl -sS --max-time 20 --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" \
		-H 'content-type: application/json' -d "$2" "$url$1" >"$tmp/made"
	grep -q '"uid"' "$tmp/made" || { f=$((f + 1)); echo "FAIL not made: $2"; cat "$tmp/made"; }
}
services=/api/v1/namespaces/default/services slices=/apis/discovery.k8s.io/v1/namespaces/default/endpointslices
ports='"ports":[{"name":"http","port":80,"targetPort":8080}]'
make "$services" '{"metadata":{"name":"web"},"spec":{"clusterIP":"10.96.0.10",'"$ports"'}}'
make "$services" '{"metadata":{"name":"db"},"spec":{"clusterIP":"None",'"$ports"'}}'
make "$services" '{"metadata":{"name":"out"},"spec":{"type":"ExternalName","externalName":"example.org"}}'
make "$services" '{"metadata":{"name":"alias"},"spec":{"type":"ExternalName","externalName":"web.default.svc.cluster.local"}}'
make "$slices" '{"metadata":{"name":"db-1","labels":{"kubernetes.io/service-name":"db"}},"addressType":"IPv4","ports":[{"name":"http",
	"port":8080}],"endpoints":[{"addresses":["10.88.0.5"],"hostname":"db-0","conditions":{"ready":true}},
	{"addresses":["10.88.0.6"],"conditions":{"ready":true}},{"addresses":["10.88.0.7"],"conditions":{"ready":false}}]}'
echo 'nameserver 127.0.0.2' >"$tmp/resolv.conf"
ip netns exec "$ns" "$bin/sampan" dns --kubeconfig "$kubeconfig" --address 127.0.0.1:5353 --resolv-conf "$tmp/resolv.conf" \
	2>"$tmp/dns.err" &
dns=$!
ready '"msg":"serving"' "$tmp/dns.err"

# says NAME TYPE LINES…: the answer, line by line, by UDP and by TCP.
says() {
	name=$1 type=$2
	shift 2
	want=$(printf '%s\n' "$@")
	for transport in udp tcp; do
		got=$(inside python3 test/e2e/dns_client.py "$transport" 127.0.0.1 5353 "$name" "$type" 2>&1)
		if [ "$got" = "$want" ]; then
			p=$((p + 1))
		else
			f=$((f + 1))
			printf 'FAIL %s %s by %s: got\n%s\nwant\n%s\n' "$name" "$type" "$transport" "$got" "$want"
		fi
	done
}
z=svc.cluster.local soa='cluster.local SOA'
says web.default.$z A NOERROR "web.default.$z A 10.96.0.10"
says WEB.Default.$z A NOERROR "WEB.Default.$z A 10.96.0.10"
says web.default.$z AAAA NOERROR "$soa"
says none.default.$z A NXDOMAIN "$soa"
says _http._tcp.web.default.$z SRV NOERROR "_http._tcp.web.default.$z SRV 0 100 80 web.default.$z" "web.default.$z A 10.96.0.10"
says _none._tcp.web.default.$z SRV NXDOMAIN "$soa"
says db.default.$z A NOERROR "db.default.$z A 10.88.0.5" "db.default.$z A 10.88.0.6"
says db-0.db.default.$z A NOERROR "db-0.db.default.$z A 10.88.0.5"
says 10-88-0-6.db.default.$z A NOERROR "10-88-0-6.db.default.$z A 10.88.0.6"
says 10-88-0-7.db.default.$z A NXDOMAIN "$soa"
says _http._tcp.db.default.$z SRV NOERROR "10-88-0-6.db.default.$z A 10.88.0.6" "_http._tcp.db.default.$z SRV 0 100 8080 10-88-0-6.db.default.$z" \
	"_http._tcp.db.default.$z SRV 0 100 8080 db-0.db.default.$z" "db-0.db.default.$z A 10.88.0.5"
says out.default.$z A NOERROR "example.org A 192.0.2.53" "out.default.$z CNAME example.org"
says alias.default.$z A NOERROR "alias.default.$z CNAME web.default.$z" "web.default.$z A 10.96.0.10"
says 10-88-0-5.default.pod.cluster.local A NOERROR '10-88-0-5.default.pod.cluster.local A 10.88.0.5'
says 10-88-0-5.none.pod.cluster.local A NXDOMAIN "$soa"
says default.$z A NOERROR "$soa"
says none.$z A NXDOMAIN "$soa"
says dns-version.cluster.local TXT NOERROR 'dns-version.cluster.local TXT 1.1.0'
says 10.0.96.10.in-addr.arpa PTR NOERROR "10.0.96.10.in-addr.arpa PTR web.default.$z"
says 5.0.88.10.in-addr.arpa PTR NOERROR "5.0.88.10.in-addr.arpa PTR db-0.db.default.$z"
says example.com A NOERROR 'example.com A 192.0.2.53'
# Who asks for the alias itself needs no resolver.
kill "$resolver"
says out.default.$z CNAME NOERROR "out.default.$z CNAME example.org"
kill "$dns"
wait "$dns"
[ $? -eq 0 ] && p=$((p + 1)) || { f=$((f + 1)); echo 'FAIL it does not end when asked'; }
echo "$p passed, $f failed"
[ "$f" -eq 0 ]
