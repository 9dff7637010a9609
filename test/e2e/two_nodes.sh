#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two nodes, each in a network namespace of its own as if it were a host, on one link: pods of both reach each other by their own
# addresses, and Services from everywhere. One API server; per node: the CRI server, the node agent, the service proxy, which keeps the
# routes to the pods of the other. Needs kubectl, jq, ip, nsenter and busybox-static.
set -u
cd "$(dirname "$0")/../.." || exit 1
p=0 f=0
skip() { echo "skip two_nodes ($1)"; echo '0 passed, 0 failed, 1 skipped'; exit 0; }
for need in kubectl jq ip nsenter busybox; do command -v $need >/dev/null 2>&1 || skip "no $need"; done
command -v runc >/dev/null || command -v crun >/dev/null || skip 'no OCI runtime'
ldconfig -p | grep -q 'libnftables\.so\.1' || skip 'libnftables is not installed'
bin=$PWD/build/${VARIANT:-release}
tmp=$(mktemp -d /tmp/s2n-XXXXXX)
id=$(printf '%s' "${tmp##*-}" | tr '[:upper:]' '[:lower:]' | cut -c 1-4)
pids=()
on() { node=$1; shift; nsenter "--net=/run/netns/s2n$id$node" "$@"; }
# begin LOG NODE COMMAND…: in the background, in the node's network
begin() {
	log=$tmp/$1 node=$2
	shift 2
	nsenter "--net=/run/netns/s2n$id$node" "$@" >>"$log" 2>&1 & # becomes the program: its pid is what is ended
	pids+=($!)
}
cri_args() {
	echo "--listen unix://$tmp/$1/cri.sock --root $tmp/$1/cri --run-dir $tmp/$1/run --bridge br$id$1 --interface-prefix v${1} --pod-cidr 10.200.$1.0/24
		--cluster-cidr 10.200.0.0/16 --cgroup-root /s2n$id$1 --shim $bin/containerd-shim-sampan-v1 --unpack $bin/sampan-unpack --cni-conf-dir $tmp/none"
}
stop_all() {
	for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
		kill "${pids[i]}" 2>/dev/null
		wait "${pids[i]}" 2>/dev/null
	done
	for n in 1 2; do
		# shellcheck disable=SC2046
		on $n "$bin/sampan" cri --cleanup $(cri_args $n) >>"$tmp/cleanup" 2>&1 </dev/null
		ip netns del "s2n$id$n" 2>/dev/null
	done
	ip link del "s2n$id" 2>/dev/null
	awk -v t="$tmp" 'index($2, t) == 1 {print $2}' /proc/mounts | sort -r | while read -r m; do umount -l "$m"; done
	find /sys/fs/cgroup -depth -type d -path "*s2n$id*" -exec rmdir {} + 2>/dev/null
	[ -n "${KEEP:-}" ] || rm -rf "$tmp"
}
trap stop_all EXIT
is() { # NAME WANT COMMAND…: its output is exactly that, within 15 s
	name=$1 want=$2
	shift 2
	end=$(($(date +%s) + 15))
	while :; do
		got=$("$@" 2>&1)
		[ "$got" = "$want" ] && { p=$((p + 1)); return; }
		[ "$(date +%s)" -lt $end ] || break
		read -rt 0.2 <> <(:) || :
	done
	f=$((f + 1))
	echo "FAIL $name: want '$want', got '$got'"
}
k() { on 1 kubectl --kubeconfig "$tmp/api/admin.kubeconfig" --cache-dir "$tmp/cache" "$@"; }

# two hosts on one link
ip link add "s2n$id" type bridge && ip link set "s2n$id" up || skip 'no bridges'
for n in 1 2; do
	ip netns add "s2n$id$n" && ip link add "e$id$n" type veth peer name eth0 netns "s2n$id$n" || skip 'no network namespaces'
	ip link set "e$id$n" master "s2n$id" up
	on $n ip link set lo up
	on $n ip addr add 192.168.77.$n/24 dev eth0
	on $n ip link set eth0 up
	on $n ip route add default via 192.168.77.254 # addresses of Services are routed before they are translated
done
# one API server
mkfifo "$tmp/err"
nsenter "--net=/run/netns/s2n${id}1" "$bin/sampan" apiserver --data-dir "$tmp/api" --bind-address 192.168.77.1 --advertise-address 192.168.77.1 --secure-port 6443 --kubelet-preferred-address-types InternalIP >"$tmp/api.out" 2>"$tmp/err" &
pids+=($!)
exec 3<"$tmp/err"
while read -r line <&3; do case "$line" in *'"msg":"serving"'*) break ;; esac; done
cat <&3 >"$tmp/api.log" &
exec 3<&-
begin controllers.log 1 "$bin/sampan" controllers --secure-port 0 --kubeconfig "$tmp/api/admin.kubeconfig"
sh test/e2e/busybox-image example.com/bb:1 "$tmp/bb.tar" "$tmp/fs"
: >"$tmp/resolv"
for n in 1 2; do
	mkdir -p "$tmp/$n/cri"
	"$bin/sampan" image import "$tmp/bb.tar" --data-dir "$tmp/$n/cri" >"$tmp/import" 2>&1 || cat "$tmp/import"
	# shellcheck disable=SC2046
	begin cri$n.log $n "$bin/sampan" cri $(cri_args $n)
	begin node$n.log $n "$bin/sampan" node --kubeconfig "$tmp/api/admin.kubeconfig" --node-name node$n --node-ip 192.168.77.$n --root-dir "$tmp/$n/node" \
		--container-runtime-endpoint "unix://$tmp/$n/cri.sock" --pod-log-dir "$tmp/$n/logs" --cgroup-root "s2n$id$n/pods" --resolv-conf "$tmp/resolv" \
		--address 192.168.77.$n --local-path-dir '' --eviction-hard ''
	begin proxy$n.log $n "$bin/sampan" service-proxy --kubeconfig "$tmp/api/admin.kubeconfig" --hostname-override node$n --pod-routes --cluster-cidr 10.200.0.0/16
done
for n in 1 2; do
	is ready$n True sh -c "nsenter --net=/run/netns/s2n${id}1 kubectl --kubeconfig $tmp/api/admin.kubeconfig get node node$n -o json | jq -r '.status.conditions[] | select(.type == \"Ready\").status'"
done
enough() { # what follows would only wait in vain
	[ "$f" -eq 0 ] && return
	tail -n 4 "$tmp"/*.log
	printf '%d passed, %d failed, 0 skipped\n' "$p" "$f"
	exit 1
}
enough
routes() { on "$1" ip route show proto 83 | sed 's/ *$//'; }
is no-routes '' routes 1
for n in 1 2; do k patch node node$n --type merge -p "{\"spec\":{\"podCIDR\":\"10.200.$n.0/24\",\"podCIDRs\":[\"10.200.$n.0/24\"]}}" >/dev/null; done
is routes1 '10.200.2.0/24 via 192.168.77.2 dev eth0' routes 1
is routes2 '10.200.1.0/24 via 192.168.77.1 dev eth0' routes 2

# a server and a client on each
for n in 1 2; do
	k create -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: web$n, labels: {app: web}}
spec:
  nodeName: node$n
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: "example.com/bb:1", imagePullPolicy: Never, command: [/bin/sh, -c, "while :; do echo from-$n | busybox nc -l -p 8080 >/tmp/who -w 5; done"]}
YAML
done
k create -f - >/dev/null <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: two}
spec: {clusterIP: 10.96.0.77, selector: {statefulset.kubernetes.io/pod-name: none}, ports: [{port: 80, targetPort: 8080}]}
YAML
ready() { k get pod web1 web2 -o json | jq -r '[.items[].status.phase] | join(" ")'; }
is pods 'Running Running' ready
address() { k get pod "$1" -o json | jq -r .status.podIP; }
enough
a1=$(address web1) a2=$(address web2)
case "$a1 $a2" in 10.200.1.*' '10.200.2.*) p=$((p + 1)) ;; *) f=$((f + 1)); echo "FAIL addresses: $a1 $a2" ;; esac
inside() { k exec "$1" -- busybox "${@:2}"; }
# by their own addresses, both ways, and the other sees who asks
is pod-to-pod from-2 inside web1 nc -w 3 "$a2" 8080
is pod-back from-1 inside web2 nc -w 3 "$a1" 8080
is ping '0% packet loss' sh -c "nsenter --net=/run/netns/s2n${id}1 kubectl --kubeconfig $tmp/api/admin.kubeconfig exec web1 -- busybox ping -c 1 -W 3 $a2 | grep -o '0% packet loss'"
k exec web2 -- /bin/sh -c 'busybox nc -l -p 9090 -e /bin/sh -c "busybox netstat -tn" >/tmp/seen' >/dev/null 2>&1 &
watcher=$!
is keeps-address "$a1" sh -c "nsenter --net=/run/netns/s2n${id}1 kubectl --kubeconfig $tmp/api/admin.kubeconfig exec web1 -- busybox nc -w 3 $a2 9090 | grep -o '$a1' | head -n 1"
kill $watcher 2>/dev/null
is host-to-pod from-2 on 1 busybox nc -w 3 "$a2" 8080
# Services: of the other node's pod, from a pod and from a host of each
k patch service two --type merge -p '{"spec":{"selector":{"statefulset.kubernetes.io/pod-name":null,"app":"web"}}}' >/dev/null
k label pod web1 app- >/dev/null
is service-from-1 from-2 inside web1 nc -w 3 10.96.0.77 80
is service-from-2 from-2 on 2 busybox nc -w 3 10.96.0.77 80
is service-host-1 from-2 on 1 busybox nc -w 3 10.96.0.77 80
k label pod web1 app=web >/dev/null
k label pod web2 app- >/dev/null
is service-other from-1 inside web2 nc -w 3 10.96.0.77 80
# itself, also where the kernel's bridge filter is on (it is, in a new namespace, where the kernel has it)
is service-itself from-1 inside web1 nc -w 3 10.96.0.77 80

# a node that asks for what is another's, for the hosts' network, for what is outside of the cluster's range, and for what it may have
for name in thief:10.200.2.0/25 lan:192.168.77.0/24 wide:10.0.0.0/8 honest:10.200.3.0/24; do
	k create -f - >/dev/null <<YAML
apiVersion: v1
kind: Node
metadata: {name: "${name%%:*}"}
spec: {podCIDR: "${name#*:}", podCIDRs: ["${name#*:}"]}
status: {addresses: [{type: InternalIP, address: 192.168.77.9}]}
YAML
done
is granted '10.200.2.0/24 via 192.168.77.2 dev eth0
10.200.3.0/24 via 192.168.77.9 dev eth0' routes 1
is refused 3 sh -c "grep -o 'no route to the pods of a node.*' $tmp/proxy1.log | grep -oE '\"node\":\"(thief|lan|wide)\"' | sort -u | wc -l"
k delete node thief lan wide honest >/dev/null
is given-back '10.200.2.0/24 via 192.168.77.2 dev eth0' routes 1

# a node that goes takes its route with it; a service proxy that comes back finds the routes as they should be
on 1 ip route add 10.201.0.0/24 via 192.168.77.2
on 1 ip route add 10.200.9.0/24 via 192.168.77.2 proto 83
kill "${pids[4]}" && wait "${pids[4]}"
is routes-stay 2 sh -c "nsenter --net=/run/netns/s2n${id}1 ip route show proto 83 | wc -l"
begin proxy1.log 1 "$bin/sampan" service-proxy --kubeconfig "$tmp/api/admin.kubeconfig" --hostname-override node1 --pod-routes --cluster-cidr 10.200.0.0/16
is routes-mended '10.200.2.0/24 via 192.168.77.2 dev eth0' routes 1
is others-stay '10.201.0.0/24 via 192.168.77.2 dev eth0' sh -c "nsenter --net=/run/netns/s2n${id}1 ip route show 10.201.0.0/24 | sed 's/ *\$//'"
is still from-2 inside web1 nc -w 3 "$a2" 8080
kill "${pids[6]}" && wait "${pids[6]}" # the agent of node2 would register it again
k delete node node2 >/dev/null
is route-gone '' routes 1

[ "$f" -eq 0 ] || tail -n 4 "$tmp"/*.log
printf '%d passed, %d failed, 0 skipped\n' "$p" "$f"
[ "$f" -eq 0 ]
