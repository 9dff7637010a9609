#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What pods have of files: variables out of a file that an init container wrote, volumes that become a group's; hooks that ask servers;
# the machine's logs and counts of probes in the kubelet API (see node_peer for what it runs on).
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/e2e/node_peer

begin

# variables out of files, as they are when the container is made
written() { # written NAME TEXT REF
	pod "$1" '{"restartPolicy":"Never","volumes":[{"name":"v","emptyDir":{}}],
	 "initContainers":[{"name":"w","command":["sh","-c","echo \"$TEXT\" > /v/env"],"env":[{"name":"TEXT","value":"'"$2"'"}],"volumeMounts":[{"name":"v","mountPath":"/v"}]}],
	 "containers":[{"name":"c","command":["sh","-c","echo \"<$A>\""],"env":[{"name":"A","valueFrom":{"fileKeyRef":{"volumeName":"v","path":"env",'"$3"'}}}]}]}'
}
written good "# first\\nA='no'\\nKEY='one\\ntwo' # end" '"key":"KEY"'
is good Succeeded of good .status.phase
is good-log '<one
two>' log good c
written none "KEY='x'" '"key":"OTHER"'
is none CreateContainerConfigError of none '.status.containerStatuses[0].state.waiting.reason'
is none-text "environment variable key \"OTHER\" not found in file \"$tmp/node/pods/$(of none .metadata.uid)/volumes/kubernetes.io~empty-dir/v/env\"" of none '.status.containerStatuses[0].state.waiting.message'
written bad 'KEY=x' '"key":"KEY"'
is bad "couldn't parse env file" of bad '.status.containerStatuses[0].state.waiting.message'
written spare "KEY='x'" '"key":"OTHER","optional":true'
is spare Succeeded of spare .status.phase
is spare-log '<>' log spare c
k delete pod good none bad spare >/dev/null

# a local volume becomes the group's of the first pod; with OnRootMismatch not again
mkdir -p "$tmp/disk/d"
echo text >"$tmp/disk/d/f"
chmod 600 "$tmp/disk/d/f"
k create -f - >/dev/null <<JSON
{"apiVersion":"v1","kind":"List","items":[
 {"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"disk"},"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteMany"],"storageClassName":"","local":{"path":"$tmp/disk"},
  "claimRef":{"namespace":"default","name":"disk"},"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"kubernetes.io/hostname","operator":"In","values":["e2e-node"]}]}]}}}},
 {"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"disk"},"spec":{"storageClassName":"","volumeName":"disk","accessModes":["ReadWriteMany"],"resources":{"requests":{"storage":"1Gi"}}}}]}
JSON
"$PWD/build/release/sampan" controllers --secure-port 0 --kubeconfig "$kubeconfig" 2>"$tmp/controllers.log" &
control_pids=$!
is disk-bound Bound sh -c "kubectl --kubeconfig $kubeconfig get pvc disk -o json | jq -r .status.phase"
grouped() { # grouped NAME GROUP POLICY
	pod "$1" '{"securityContext":{"runAsUser":4711,"runAsGroup":4711,"fsGroup":'"$2"',"fsGroupChangePolicy":"'"$3"'"},"volumes":[{"name":"d","persistentVolumeClaim":{"claimName":"disk"}}],
	 "containers":[{"name":"c","command":["sh","-c","cat /d/d/f; sleep 1000"],"volumeMounts":[{"name":"d","mountPath":"/d"}]}]}'
	is "$1" Running of "$1" .status.phase
}
owners() { stat -c '%g %a' "$tmp/disk" "$tmp/disk/d" "$tmp/disk/d/f" | tr '\n' ' '; }
grouped first 4242 Always
is first-log text log first c
is first-owners '4242 2775 4242 2775 4242 660 ' owners
grouped second 4343 Always
is second-shares '4242 2775 4242 2775 4242 660 ' owners
k delete pod first second >/dev/null
chmod 600 "$tmp/disk/d/f"
grouped third 4242 OnRootMismatch
is third-owners '4242 2775 4242 2775 4242 600 ' owners
k delete pod third >/dev/null
grouped fourth 4242 Always
is fourth-owners '4242 2775 4242 2775 4242 660 ' owners
# an agent that comes back leaves it as it is
chmod 600 "$tmp/disk/d/f"
kill "$node_pid" && wait "$node_pid"
start_node
pod later '{"restartPolicy":"Never","containers":[{"name":"c","command":["true"]}]}'
is later Succeeded of later .status.phase
is later-owners '4242 2775 4242 2775 4242 600 ' owners
stop_control

# hooks: any answer of a server is one; a command that fails is told in full
pod web '{"containers":[{"name":"c","command":["sh","-c","echo yes > /tmp/x; httpd -f -p 8080 -h /tmp"],
  "readinessProbe":{"httpGet":{"port":8080,"path":"/x"},"periodSeconds":1}}]}'
is web true of web '.status.containerStatuses[0].ready'
web=$(of web .status.podIP)
pod none '{"containers":[{"name":"c","command":["sleep","1000"],"lifecycle":{"postStart":{"httpGet":{"host":"'"$web"'","port":8080,"path":"/none"}}}}]}'
is hook-404 true of none '.status.containerStatuses[0].ready'
pod plain '{"containers":[{"name":"c","command":["sleep","1000"],"lifecycle":{"postStart":{"httpGet":{"host":"'"$web"'","port":8080,"scheme":"HTTPS"}}}}]}'
is hook-plain true of plain '.status.containerStatuses[0].ready'
is hook-fallback "request to HTTPS lifecycle hook $web:8080 got HTTP response, retry with HTTP succeeded" sh -c "kubectl --kubeconfig $kubeconfig get events -o json | jq -r '.items[] | select(.reason == \"LifecycleHTTPFallback\").message'"
pod fails '{"containers":[{"name":"c","command":["sleep","1000"],"lifecycle":{"postStart":{"exec":{"command":["sh","-c","echo no; exit 3"]}}}}]}'
is hook-words "Exec lifecycle hook ([sh -c echo no; exit 3]) for Container \"c\" in Pod \"fails_default($(of fails .metadata.uid))\" failed - error: command 'sh -c echo no; exit 3' exited with 3: , message: \"no\\n\"" of fails '.status.containerStatuses[0].state.waiting.message'

# the kubelet API: logs of the machine, counts of probes
api=127.0.0.1:$(k get node e2e-node -o json | jq .status.daemonEndpoints.kubeletEndpoint.Port)
ask() { curl -sk --max-time 20 --cert "$tmp/crt.pem" --key "$tmp/key.pem" "https://$api$1"; }
logs=/var/log/$cgroup
mkdir -p "$logs/d"
seq 200000 >"$logs/big"
ln -s /etc/passwd "$logs/out"
is logs-list 1 sh -c "curl -sk --cert $tmp/crt.pem --key $tmp/key.pem https://$api/logs/ | grep -c '^<a href=\"$cgroup/\">$cgroup/</a>'"
is logs-file "$(md5sum <"$logs/big")" sh -c "curl -sk --cert $tmp/crt.pem --key $tmp/key.pem https://$api/logs/$cgroup/big | md5sum"
is logs-out '404 page not found' ask "/logs/$cgroup/out"
is logs-dir "301 $cgroup/" sh -c "curl -sk -o /dev/null -w '%{http_code} ' -D $tmp/head --cert $tmp/crt.pem --key $tmp/key.pem https://$api/logs/$cgroup; tr -d '\r' <$tmp/head | sed -n 's/^location: //ip'"
is logs-stranger Unauthorized curl -sk "https://$api/logs/"
rm -r "$logs"
is probes-counted 1 sh -c "curl -sk --cert $tmp/crt.pem --key $tmp/key.pem https://$api/metrics/probes | grep -c '^prober_probe_total{container=\"c\",namespace=\"default\",pod=\"web\",pod_uid=\"$(of web .metadata.uid)\",probe_type=\"Readiness\",result=\"successful\"}'"

k delete pods --all >/dev/null
is gone-dirs '' ls -A "$tmp/node/pods"
is gone-mounts '' sh -c "grep $tmp/node /proc/mounts"
[ "$f" -eq 0 ] || { echo "--- the agent's log"; tail -n 15 "$tmp/node.log"; }
printf '%d passed, %d failed, %d skipped\n' "$p" "$f" "$s"
[ "$f" -eq 0 ]
