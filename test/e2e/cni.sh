#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Pods of `sampan cri` connected by CNI plugins: Debian's (containernetworking-plugins: bridge, host-local, portmap) and one of CNI 1.1.0
# that writes down what it is asked. Needs crictl (PEER_CRICTL) and busybox-static. The last line is the sum.
set -u
cd "$(dirname "$0")/../.." || exit 1
p=0 f=0
bin=$PWD/build/${VARIANT:-release} plugins=${CNI_PLUGINS:-/usr/lib/cni}
crictl=${PEER_CRICTL:-$(command -v crictl)}
skip() { echo "$1: skipped"; echo "0 passed, 0 failed, 1 skipped"; exit 0; }
[ -n "$crictl" ] || skip "no crictl (PEER_CRICTL)"
command -v busybox >/dev/null || skip "no busybox-static"
command -v runc >/dev/null || command -v crun >/dev/null || skip "no OCI runtime"
command -v ip >/dev/null || skip "no iproute2"
tmp=$(mktemp -d /tmp/sampan-cni-XXXXXX)
chmod 711 "$tmp"
id=$(printf '%s' "${tmp##*-}" | tr '[:upper:]' '[:lower:]')
bridge=cn$id builtin=cb$id cgroup=/sampan-cni-$id net=10.$((100 + $$ % 100)).$(($$ / 100 % 250))
args="--listen unix://$tmp/cri.sock --root $tmp/root --run-dir $tmp/run --bridge $builtin --interface-prefix n${id%???}
	--pod-cidr $net.0/25 --cgroup-root $cgroup --shim $bin/containerd-shim-sampan-v1 --unpack $bin/sampan-unpack --user ${CRI_USER-nobody}
	--cni-conf-dir $tmp/net.d --cni-bin-dir $tmp/bin:$plugins"
pid=
start() {
	# shellcheck disable=SC2086
	"$bin/sampan" cri $args >>"$tmp/log" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null && ! cri version >/dev/null 2>&1; do :; done
}
stop() { # SIGNAL
	kill "-$1" "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	while pgrep -f -- "--run-dir $tmp/run" >/dev/null; do :; done
}
cleanup() {
	[ -z "$pid" ] || stop KILL
	# shellcheck disable=SC2086
	"$bin/sampan" cri --cleanup $args >>"$tmp/log" 2>&1
	ip link del "$bridge" 2>/dev/null
	find /sys/fs/cgroup -depth -type d -path "*$cgroup*" -exec rmdir {} + 2>/dev/null
	[ -n "${KEEP:-}" ] || rm -rf "$tmp"
}
trap cleanup EXIT
cri() { timeout -k 1 60 "$crictl" -c "$tmp/crictl.yaml" "$@" 2>>"$tmp/client"; }
printf 'runtime-endpoint: unix://%s/cri.sock\nimage-endpoint: unix://%s/cri.sock\ntimeout: 30\n' "$tmp" "$tmp" >"$tmp/crictl.yaml"
same() { # NAME WANT GOT
	if [ "$2" = "$3" ]; then p=$((p + 1)); return; fi
	f=$((f + 1))
	echo "FAIL $1: '$3' instead of '$2'"
	tail -n 3 "$tmp/log" "$tmp/client"
}
has() { # NAME TEXT GOT
	case "$3" in *"$2"*) same "$1" 1 1 ;; *) same "$1" "… $2 …" "$3" ;; esac
}
pod() { # NAME
	printf '{"metadata":{"name":"%s","namespace":"ns","uid":"uid-%s","attempt":0},"annotations":{"kubernetes.io/ingress-bandwidth":"1M"},
		"port_mappings":[{"container_port":80,"host_port":%s,"host_ip":"127.0.0.1"}],"dns_config":{"servers":["192.0.2.1"]},"linux":{}}' \
		"$1" "$1" "$((20000 + $$ % 10000))" >"$tmp/$1.json"
	cri runp "$tmp/$1.json"
}
address() { cri inspectp "$1" | python3 -c 'import json,sys; print(json.load(sys.stdin)["status"]["network"]["ip"])'; }
condition() { # STATUS REASON MESSAGE
	cri info | python3 -c 'import json,sys
for c in json.load(sys.stdin)["status"]["conditions"]:
    if c["type"] == "NetworkReady": print(str(c["status"]).lower(), c["reason"], c["message"])'
}
mkdir -p "$tmp/net.d" "$tmp/bin"

# -- no configuration: the built-in network -------------------------------------------------------------------------------
start
s=$(pod builtin)
has builtin "$net." "$(address "$s")"
same builtin-record '' "$(ls "$tmp/root/cni" 2>/dev/null)"
cri rmp -f "$s" >/dev/null

# -- one that writes down what it is asked, by version 1.1.0 ----------------------------------------------------------------
cat >"$tmp/bin/recorder" <<END
#!/bin/sh
in=\$(cat)
printf '%s %s %s %s\n' "\$CNI_COMMAND" "\$CNI_CONTAINERID" "\$CNI_IFNAME" "\${CNI_NETNS:+netns}" >>$tmp/asked
printf '%s' "\$in" >$tmp/in.\$CNI_COMMAND
printf '%s' "\$CNI_ARGS" >$tmp/args.\$CNI_COMMAND
[ ! -e $tmp/fail.\$CNI_COMMAND ] || { cat $tmp/fail.\$CNI_COMMAND; exit 1; }
[ "\$CNI_COMMAND" != ADD ] || echo '{"cniVersion":"1.1.0","interfaces":[{"name":"host0"},{"name":"eth0","sandbox":"/x"}],
	"ips":[{"address":"fd00:7::5/64","interface":1},{"address":"192.0.2.9/24","interface":1},{"address":"192.0.2.1/24","interface":0}]}'
END
chmod +x "$tmp/bin/recorder"
cat >"$tmp/net.d/50-test.conflist" <<'END'
{"cniVersions":["0.4.0","1.1.0"],"name":"rec","plugins":[{"type":"recorder","own":{"a":1},"capabilities":{"portMappings":true,"bandwidth":true,"dns":true,
 "aliases":true,"ipRanges":true,"mac":true}},{"type":"recorder","second":true}]}
END
has status-asked true "$(condition)"
same status-plugins 2 "$(grep -c '^STATUS' "$tmp/asked")"
s=$(pod one)
same add-twice "ADD $s eth0 netns" "$(grep '^ADD' "$tmp/asked" | sort -u)"
same ip 192.0.2.9 "$(address "$s")"
has more-ips fd00:7::5 "$(cri inspectp "$s")"
same args "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=one;K8S_POD_INFRA_CONTAINER_ID=$s;K8S_POD_UID=uid-one" "$(cat "$tmp/args.ADD")"
field() { python3 -c 'import json,sys; v = json.load(open(sys.argv[1]))
for k in sys.argv[2].split("."): v = v.get(k) if isinstance(v, dict) else v[int(k)]
print(json.dumps(v))' "$@"; }
same second true "$(field "$tmp/in.ADD" second)"
same prev '"192.0.2.9/24"' "$(field "$tmp/in.ADD" prevResult.ips.1.address)"
same no-capabilities null "$(field "$tmp/in.ADD" runtimeConfig)"
stop KILL
start
has gc-valid "\"cni.dev/valid-attachments\":[{\"containerID\":\"$s\",\"ifname\":\"eth0\"}]" "$(cat "$tmp/in.GC")"
until_asked() { while ! grep -q "$1" "$tmp/asked"; do kill -0 "$pid" || return; done; }
until_asked '^CHECK'
has checked 192.0.2.9 "$(field "$tmp/in.CHECK" prevResult.ips.2.address)$(field "$tmp/in.CHECK" prevResult.ips.1.address)"
same kept-ip 192.0.2.9 "$(address "$s")"
echo '{"code":11,"msg":"not now","details":"try later"}' >"$tmp/fail.DEL"
cri stopp "$s" >/dev/null
has del-error 'plugin type=\"recorder\" failed (delete): not now; try later' "$(tail -n 1 "$tmp/client")"
rm "$tmp/fail.DEL"
cri rmp -f "$s" >/dev/null
same del-first '"1M"' "\"$(field "$tmp/in.DEL" runtimeConfig.bandwidth.ingressRate | sed 's/1000000/1M/')\""
same del-ports 80 "$(field "$tmp/in.DEL" runtimeConfig.portMappings.0.containerPort)"
same del-range "\"$net.0/25\"" "$(field "$tmp/in.DEL" runtimeConfig.ipRanges.0.0.subnet)"
same del-alias '"one"' "$(field "$tmp/in.DEL" runtimeConfig.aliases.0)"
same del-dns '"192.0.2.1"' "$(field "$tmp/in.DEL" runtimeConfig.dns.servers.0)"
same del-prev '"192.0.2.9/24"' "$(field "$tmp/in.DEL" prevResult.ips.1.address)"
same forgotten '' "$(ls "$tmp/root/cni")"
echo '{"code":50,"msg":"no addresses left"}' >"$tmp/fail.STATUS"
same status-fails 'false NetworkPluginNotReady Network plugin returns error: plugin type="recorder" failed (status): no addresses left' "$(condition)"
rm "$tmp/fail.STATUS"
echo '{"code":7,"msg":"bad"}' >"$tmp/fail.ADD"
: >"$tmp/asked"
pod two >/dev/null
has add-error 'failed to setup network for sandbox' "$(tail -n 1 "$tmp/client")"
same add-undone 'ADD DEL DEL' "$(cut -d' ' -f1 "$tmp/asked" | tr '\n' ' ' | sed 's/ $//')"
same add-forgotten '' "$(ls "$tmp/root/cni")$(cri pods -q)"
rm "$tmp/fail.ADD"

# -- configurations that can't be used ----------------------------------------------------------------------------------------
echo '{' >"$tmp/net.d/50-test.conflist"
has last-stays true "$(condition)"
stop TERM
start
same not-initialized 'false NetworkPluginNotReady Network plugin returns error: cni plugin not initialized' "$(condition)"
pod three >/dev/null
has no-pod 'cni plugin not initialized' "$(tail -n 1 "$tmp/client")"
printf '{"cniVersion":"1.0.0","name":"x","type":"absent"}' >"$tmp/net.d/50-test.conflist"
mv "$tmp/net.d/50-test.conflist" "$tmp/net.d/50-test.conf"
has one-plugin true "$(condition)"
pod four >/dev/null
has no-plugin 'failed to find plugin' "$(tail -n 1 "$tmp/client")"
rm "$tmp/net.d/50-test.conf"
has gone-again true "$(condition)"
same no-strays '' "$(cri pods -q)"

# -- real ones -----------------------------------------------------------------------------------------------------------------
if [ -x "$plugins/bridge" ] && [ -x "$plugins/host-local" ]; then
	cat >"$tmp/net.d/10-real.conflist" <<END
{"cniVersion":"1.0.0","name":"real$id","plugins":[{"type":"bridge","bridge":"$bridge","isGateway":true,"ipam":{"type":"host-local","dataDir":"$tmp/ipam",
 "ranges":[[{"subnet":"$net.128/25"}]],"routes":[{"dst":"0.0.0.0/0"}]}}]}
END
	python3 test/e2e/image_make.py layouts "$tmp" "$(command -v busybox)" >/dev/null
	stop TERM
	"$bin/sampan" image import "$tmp/busybox.tar" --base-name example.com/bb --data-dir "$tmp/root" >"$tmp/import" 2>&1
	image=$(sed -n 's/.*\(example.com\/bb:[a-z]*\).*/\1/p' "$tmp/import" | head -n 1)
	start
	a=$(pod real-a)
	b=$(pod real-b)
	ip_b=$(address "$b")
	has real-address "$net.1" "$ip_b"
	same real-books 2 "$(find "$tmp/ipam" -name "$net.*" | wc -l)"
	printf '{"metadata":{"name":"c"},"image":{"image":"%s"},"command":["sh","-c","while :; do busybox sleep 1; done"],
		"linux":{"security_context":{"run_as_user":{"value":0}}}}' "$image" >"$tmp/c.json"
	c=$(cri create "$a" "$tmp/c.json" "$tmp/real-a.json")
	cri start "$c" >/dev/null
	has real-ping '1 packets received' "$(cri exec -s "$c" busybox ping -c 1 -W 5 "$ip_b")"
	has real-name eth0 "$(cri exec -s "$c" busybox ip link)"
	stop KILL
	# A pod whose record is gone: its address is given back at the start.
	rm "$tmp"/root/state/sandboxes/*"$b"* 2>/dev/null
	start
	same real-collected 1 "$(find "$tmp/ipam" -name "$net.*" | wc -l)"
	cri rmp -f "$a" >/dev/null
	same real-freed 0 "$(find "$tmp/ipam" -name "$net.*" | wc -l)"
	same real-links '' "$(ip -o link show master "$bridge")"
else
	echo "no plugins in $plugins (containernetworking-plugins): skipped"
fi
echo "$p passed, $f failed"
[ "$f" -eq 0 ]
