#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kubectl at the pods of `sampan up`: logs, exec, attach, port-forward, cp, debug, the proxies, over SPDY and over WebSocket.
set -u
cd "$(dirname "$0")/../.." || exit 1
needs='curl busybox script'
. test/e2e/cluster
# says NAME STATUS TEXT COMMAND…: ends so, and its output or errors hold the text.
says() {
	name=$1 status=$2 text=$3
	shift 3
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	got=$?
	if [ $got -eq "$status" ] && { [ -z "$text" ] || cat "$tmp/out" "$tmp/err" | grep -qF -- "$text"; }; then good; else bad "$name: got $got, want $status and '$text'"; fi
}
k() { timeout 60 "$kubectl" "$@"; }

mkdir -p "$tmp/data"
sh test/e2e/busybox-image example.com/bb:1 "$tmp/bb.tar" "$tmp/fs"
"$bin/sampan" image import "$tmp/bb.tar" --data-dir "$tmp/data" >"$tmp/out" 2>"$tmp/err" || bad import
# shellcheck disable=SC2086
says up 0 'the sample answers at its Service' "$bin/sampan" up $dirs --timeout=100
node=$(k get nodes -o 'jsonpath={.items[0].metadata.name}')
cat >"$tmp/pods.yaml" <<EOF
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: example.com/bb:1
    imagePullPolicy: Never
    command: [/bin/sh, -c, "echo first; echo second >&2; while :; do sleep 1; echo tick; done"]
  - name: shell
    image: example.com/bb:1
    imagePullPolicy: Never
    stdin: true
    command: [/bin/sh, -c, "while read -r x; do echo got \$x; done"]
---
apiVersion: v1
kind: Pod
metadata: {name: again}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: example.com/bb:1
    imagePullPolicy: Never
    command: [/bin/sh, -c, "echo a life; test -e /kept/was && exec sleep 1000; touch /kept/was"]
    volumeMounts: [{name: kept, mountPath: /kept}]
  volumes: [{name: kept, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: files}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: example.com/bb:1
    imagePullPolicy: Never
    command: [/bin/sh, -c, "sleep 1000"]
    volumeMounts: [{name: files, mountPath: /files}, {name: files, mountPath: /programs, subPath: bin}]
  volumes: [{name: files, image: {reference: "example.com/bb:1", pullPolicy: IfNotPresent}}]
---
apiVersion: v1
kind: Pod
metadata: {name: nofiles}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: example.com/bb:1
    imagePullPolicy: Never
    command: [/bin/sh, -c, "sleep 1000"]
    volumeMounts: [{name: files, mountPath: /files}]
  volumes: [{name: files, image: {reference: "example.com/none:1", pullPolicy: Never}}]
EOF
says apply 0 'pod/two created' k apply -f "$tmp/pods.yaml"
says ready 0 'condition met' k wait --for=condition=Ready pod/two --timeout=30s

# Images as volumes.
says files 0 'condition met' k wait --for=condition=Ready pod/files --timeout=30s
same files-whole "$(k exec files -- ls /bin)" "$(k exec files -- ls /files/bin)"
same files-sub-path "$(k exec files -- ls /bin)" "$(k exec files -- ls /programs)"
says files-read-only 1 'Read-only file system' k exec files -- touch /files/x
says files-missing 0 'condition met' k wait --for=jsonpath='{.status.containerStatuses[0].state.waiting.reason}'=ErrImageNeverPull pod/nofiles --timeout=30s
says files-missing-event 0 'Container image "example.com/none:1" is not present with pull policy of Never' k events --for pod/nofiles
says files-delete 0 'deleted' k delete pod files nofiles

# Logs.
says logs-which 0 first k logs two -c main
says logs-stderr 0 second k logs two -c main
says logs-default 1 'choose one of: [main shell]' k get --raw /api/v1/namespaces/default/pods/two/log
says logs-follow 124 tick timeout 3 "$kubectl" logs -f two -c main
says logs-tail 0 tick k logs two -c main --tail=1
same logs-limit first "$(k logs two -c main --limit-bytes=5)"
same logs-since '' "$(k logs two -c main --since=1s | grep first)"
says logs-no-container 1 'is not valid for pod two' k get --raw '/api/v1/namespaces/default/pods/two/log?container=x'
says logs-no-previous 1 'previous terminated container "main" in pod "two" not found' k logs two -c main --previous
says again 0 'condition met' k wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/again --timeout=40s
says logs-previous 0 'a life' k logs again --previous

# The channel protocols of older clients, which know no status: a failure is a text.
command='/api/v1/namespaces/default/pods/two/exec?container=main&stdout=1&stderr=1&command=sh&command=-c&command=echo+out%3B+echo+err+>%262%3B+exit'
channels() { test/e2e/exec_channels.py "$KUBECONFIG" "$command+$2" "$1"; }
for protocol in channel.k8s.io base64.channel.k8s.io; do
	same "channels-$protocol" '1 out
2 err' "$(channels $protocol 0)"
	same "channels-failed-$protocol" '1 out
2 err
3 command terminated with non-zero exit code: command terminated with exit code 3' "$(channels $protocol 3)"
done
same channels-v4 '1 out
2 err
3 {"status":"Success"}' "$(channels v4.channel.k8s.io 0)"

# Commands, copies and ports, over each transport that this kubectl has.
for transport in websocket spdy; do
	if [ $transport = spdy ]; then
		export KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false KUBECTL_PORT_FORWARD_WEBSOCKETS=false
	else
		export KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true KUBECTL_PORT_FORWARD_WEBSOCKETS=true
	fi
	says "exec-$transport" 3 out k exec two -c main -- sh -c 'echo out; echo err >&2; exit 3'
	same "exec-stderr-$transport" err "$(k exec two -c main -- sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)"
	same "exec-stdin-$transport" input "$(echo input | k exec -i two -c main -- cat)"
	says "exec-missing-$transport" 1 '' k exec two -c main -- /bin/nothere
	says "exec-no-container-$transport" 1 'container' k exec two -c nope -- true
	says "exec-tty-$transport" 5 /dev/pts script -qec "$kubectl exec -it two -c main -- sh -c 'tty; exit 5'" /dev/null
	dd if=/dev/urandom of="$tmp/file" bs=1M count=16 2>/dev/null
	says "cp-to-$transport" 0 '' k cp "$tmp/file" two:/tmp/copy -c main
	says "cp-from-$transport" 0 '' k cp two:/tmp/copy "$tmp/back" -c main
	says "cp-same-$transport" 0 '' cmp "$tmp/file" "$tmp/back"
	(
		sleep 1
		echo hello
		sleep 1
	) | timeout 4 "$kubectl" attach -i two -c shell >"$tmp/out" 2>"$tmp/err"
	same "attach-$transport" 'got hello' "$(grep 'got hello' "$tmp/out")"
	mkfifo "$tmp/forward.$transport"
	"$kubectl" port-forward deployment/hello :8080 >"$tmp/forward.$transport" 2>/dev/null &
	forward=$!
	exec 3<"$tmp/forward.$transport"
	read -r line <&3
	port=$(printf '%s' "$line" | sed 's/.*:\([0-9]*\) ->.*/\1/')
	for i in 1 2 3; do says "port-$transport-$i" 0 'hello from' curl -sS --max-time 5 "http://127.0.0.1:$port/"; done
	kill $forward
	wait $forward 2>/dev/null
	exec 3<&-
done

# A container that was not there.
says debug 0 '' k debug two --image=example.com/bb:1 --image-pull-policy=Never -c debugger -- sh -c 'echo debugging; exec sleep 1000'
says debugging 0 'condition met' k wait --for=jsonpath='{.status.ephemeralContainerStatuses[0].state.running}' pod/two --timeout=20s
says debug-exec 0 inside k exec two -c debugger -- echo inside
says debug-logs 0 debugging k logs two -c debugger

# Proxies.
raw() { k get --raw "$1"; }
pod=$(k get pods -l app=hello -o 'jsonpath={.items[0].metadata.name}')
says node-proxy 0 ok raw "/api/v1/nodes/$node/proxy/healthz"
says node-configz 0 KubeletConfiguration raw "/api/v1/nodes/$node/proxy/configz"
says node-proxy-port 0 ok raw "/api/v1/nodes/$node:10250/proxy/healthz"
says pod-proxy 0 'hello from' raw "/api/v1/namespaces/default/pods/$pod/proxy/"
says pod-proxy-port 0 'hello from' raw "/api/v1/namespaces/default/pods/$pod:8080/proxy/"
says pod-proxy-nobody 1 'error trying to reach service' raw "/api/v1/namespaces/default/pods/$pod:9/proxy/"
says service-proxy 0 'hello from' raw /api/v1/namespaces/default/services/hello/proxy/
says service-proxy-no-port 1 'no service port 9 found for service "hello"' raw /api/v1/namespaces/default/services/hello:9/proxy/

# Who may.
says role 0 created k create role looker --verb=get --resource=pods,pods/exec,pods/log
says binding 0 created k create rolebinding looker --role=looker --user=looker
says may-log 0 first k logs two -c main --as=looker
says may-not-exec 1 forbidden k exec two -c main --as=looker -- true
says may-not-proxy 1 'cannot get resource "nodes/proxy"' k get --raw "/api/v1/nodes/$node/proxy/healthz" --as=looker

# Nobody holds on to anything: down ends at once.
# shellcheck disable=SC2086
says down 0 '' timeout 60 "$bin/sampan" down $dirs
echo "$p passed, $f failed"
[ "$f" -eq 0 ]
