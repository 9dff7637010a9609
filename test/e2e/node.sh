#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The node agent: pods that a newcomer would make, and the words the API has about them (see node_peer for what it runs on).
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/e2e/node_peer

begin

# a pod that runs
pod web '{"containers":[{"name":"c","command":["sh","-c","echo $(WHO) at $POD_IP; sleep 1000"],"env":[{"name":"WHO","value":"web"},{"name":"POD_IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}}]}]}'
is web-running Running of web .status.phase
is web-ready true of web '.status.containerStatuses[0].ready'
is web-qos BestEffort of web .status.qosClass
is web-log "web at $(of web .status.podIP)" log web c
is web-events "Created Pulled Started" sh -c "kubectl --kubeconfig $kubeconfig get events -o json | jq -r '[.items[] | select(.involvedObject.name == \"web\" and .type == \"Normal\").reason] | sort | join(\" \")'"

# one that ends, one that fails, one that crashes again and again
pod good '{"restartPolicy":"Never","containers":[{"name":"c","command":["true"]}]}'
pod bad '{"restartPolicy":"Never","containers":[{"name":"c","command":["sh","-c","echo last words > /dev/termination-log; exit 3"]}]}'
pod crash '{"containers":[{"name":"c","command":["sh","-c","echo from the log; exit 1"],"terminationMessagePolicy":"FallbackToLogsOnError"}]}'
is good Succeeded of good .status.phase
is good-reason Completed of good '.status.containerStatuses[0].state.terminated.reason'
is bad Failed of bad .status.phase
is bad-words "3 Error last words" of bad '.status.containerStatuses[0].state.terminated | "\(.exitCode) \(.reason) \(.message)" | rtrimstr("\n")'
is crash CrashLoopBackOff of crash '.status.containerStatuses[0].state.waiting.reason'
is crash-last "from the log" of crash '.status.containerStatuses[0].lastState.terminated.message | rtrimstr("\n")'
is crash-phase Running of crash .status.phase

# init containers in order, a sidecar that ends last
pod order '{"restartPolicy":"Never","volumes":[{"name":"d","emptyDir":{}}],
 "initContainers":[{"name":"one","command":["sh","-c","echo one >> /d/x"],"volumeMounts":[{"name":"d","mountPath":"/d"}]},
  {"name":"side","restartPolicy":"Always","command":["sh","-c","trap \"echo side ends; exit 0\" TERM; while :; do sleep 0.1; done"]},
  {"name":"two","command":["sh","-c","echo two >> /d/x"],"volumeMounts":[{"name":"d","mountPath":"/d"}]}],
 "containers":[{"name":"main","command":["sh","-c","cat /d/x; sleep 1"],"volumeMounts":[{"name":"d","mountPath":"/d"}]}]}'
is order Succeeded of order .status.phase
is order-log "one
two" log order main
is order-side "side ends" log order side

# volumes of all kinds; a config map that changes
k create configmap conf --from-literal=a=one --from-literal=b=two >/dev/null
k create secret generic sec --from-literal=pw=s3cret >/dev/null
pod vols '{"securityContext":{"fsGroup":4242},"volumes":[{"name":"conf","configMap":{"name":"conf"}},{"name":"sec","secret":{"secretName":"sec"}},
  {"name":"mem","emptyDir":{"medium":"Memory","sizeLimit":"1Mi"}},{"name":"info","downwardAPI":{"items":[{"path":"labels","fieldRef":{"fieldPath":"metadata.labels"}}]}}],
 "containers":[{"name":"c","command":["sh","-c","cat /conf/a /sec/pw /info/labels /sub; echo; id; while ! [ -e /mem/stop ]; do cat /conf/a > /mem/seen; sleep 0.1; done"],
  "volumeMounts":[{"name":"conf","mountPath":"/conf"},{"name":"sec","mountPath":"/sec"},{"name":"mem","mountPath":"/mem"},{"name":"info","mountPath":"/info"},{"name":"conf","mountPath":"/sub","subPath":"b"}]}]}'
is vols-log 'ones3cretapp="vols"two
uid=0(root) gid=0 groups=0,4242' sh -c "cut -d' ' -f4- $tmp/logs/pods/default_vols_*/c/0.log | sed 's/(root) groups/ groups/; s/gid=0(root)/gid=0/; s/groups=0(root)/groups=0/'"
k patch configmap conf --type=merge -p '{"data":{"a":"changed"}}' >/dev/null
is vols-change changed sh -c "cat $tmp/node/pods/*/volumes/kubernetes.io~empty-dir/mem/seen"

# what is missing, and comes
pod waits '{"containers":[{"name":"c","command":["sleep","1000"],"env":[{"name":"X","valueFrom":{"configMapKeyRef":{"name":"later","key":"x"}}}]}]}'
is waits CreateContainerConfigError of waits '.status.containerStatuses[0].state.waiting.reason'
is waits-text 'configmap "later" not found' of waits '.status.containerStatuses[0].state.waiting.message'
pod never '{"containers":[{"name":"c","imagePullPolicy":"Never","command":["true"]}]}'
k get pod never >/dev/null && k delete pod never --wait=false >/dev/null
k create configmap later --from-literal=x=1 >/dev/null
is waits-runs Running of waits .status.phase

# probes: not ready, ready, killed by the liveness probe and started again
pod probed '{"containers":[{"name":"c","command":["sh","-c","sleep 1; touch /ok; sleep 2; rm /ok; sleep 1000"],
  "readinessProbe":{"exec":{"command":["cat","/ok"]},"periodSeconds":1,"failureThreshold":1},
  "livenessProbe":{"exec":{"command":["cat","/ok"]},"periodSeconds":1,"failureThreshold":2,"initialDelaySeconds":2}}]}'
is probed-ready true of probed '.status.containerStatuses[0].ready'
is probed-again 1 of probed '.status.containerStatuses[0].restartCount'
is probed-event "Container c failed liveness probe, will be restarted" sh -c "kubectl --kubeconfig $kubeconfig get events -o json | jq -r '[.items[] | select(.involvedObject.name == \"probed\" and .reason == \"Killing\").message][0]'"
pod http '{"containers":[{"name":"c","command":["httpd","-f","-p","8080"],"ports":[{"name":"web","containerPort":8080}],
  "readinessProbe":{"tcpSocket":{"port":"web"},"periodSeconds":1},"startupProbe":{"httpGet":{"port":8080,"path":"/none"},"periodSeconds":1,"failureThreshold":100}}]}'
is http-unstarted false of http '.status.containerStatuses[0].started'
# The first probes may come before it listens.
is http-event "Startup probe failed: HTTP probe failed with statuscode: 404" sh -c "kubectl --kubeconfig $kubeconfig get events -o json | jq -r '[.items[] | select(.involvedObject.name == \"http\" and .reason == \"Unhealthy\").message | select(contains(\"statuscode\"))][0]'"

# hooks and the end
pod hooks '{"terminationGracePeriodSeconds":5,"volumes":[{"name":"h","hostPath":{"path":"'"$tmp/hooks"'","type":"DirectoryOrCreate"}}],
 "containers":[{"name":"c","command":["sh","-c","trap \"echo term >> /h/x; exit 0\" TERM; while :; do sleep 0.1; done"],"volumeMounts":[{"name":"h","mountPath":"/h"}],
  "lifecycle":{"postStart":{"exec":{"command":["sh","-c","echo start >> /h/x"]}},"preStop":{"exec":{"command":["sh","-c","echo stop >> /h/x"]}}}}]}'
is hooks-running Running of hooks .status.phase
k delete pod hooks >/dev/null
is hooks-order "start
stop
term" cat "$tmp/hooks/x"

# resources
pod limited '{"containers":[{"name":"c","command":["sleep","1000"],"resources":{"limits":{"cpu":"500m","memory":"64Mi"}}}]}'
is limited Guaranteed of limited .status.qosClass
is limited-running Running of limited .status.phase
cg() { find /sys/fs/cgroup -path "*$cgroup/pod*/*/$1" -exec cat {} + 2>/dev/null | grep -v -e '^-1$' -e '^max' | sort -u | tail -n 1; }
if [ -d /sys/fs/cgroup/cpu ]; then
	is limited-quota 50000 cg cpu.cfs_quota_us
	is limited-pod 50000 sh -c "cat /sys/fs/cgroup/cpu/$cgroup/pod*/cpu.cfs_quota_us"
	is limited-memory 67108864 sh -c "find /sys/fs/cgroup/memory -path '*$cgroup/pod*/*/memory.limit_in_bytes' -exec cat {} + | sort -n | head -n 1"
fi


# resources that change while it runs: in place, and with a restart where the policy says so
pod sized '{"containers":[{"name":"c","command":["sleep","1000"],"resizePolicy":[{"resourceName":"memory","restartPolicy":"RestartContainer"}],"resources":{"limits":{"cpu":"200m","memory":"64Mi"}}}]}'
is sized true of sized '.status.containerStatuses[0].ready'
sized() { k patch pod sized --subresource resize -p '{"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"'"$1"'","memory":"'"$2"'"},"requests":{"cpu":"'"$1"'","memory":"'"$2"'"}}}]}}' >/dev/null; }
sized_now() { of sized '.status.containerStatuses[0] | "\(.restartCount) \(.resources.limits.cpu) \(.resources.limits.memory) \(.allocatedResources.cpu)"'; }
sized 300m 64Mi
is sized-place "0 300m 64Mi 300m" sized_now
is sized-done 0 of sized '[.status.conditions[] | select(.type | startswith("PodResize"))] | length'
if [ -d /sys/fs/cgroup/cpu ]; then
	uid=$(of sized .metadata.uid)
	is sized-quota 30000 sh -c "cat /sys/fs/cgroup/cpu/$cgroup/pod$uid/*/cpu.cfs_quota_us | grep -v -e -1 | sort -u"
	is sized-pod 30000 cat "/sys/fs/cgroup/cpu/$cgroup/pod$uid/cpu.cfs_quota_us"
fi
sized 300m 80Mi
is sized-restart "1 300m 80Mi 300m" sized_now
# More than is free now, if not more than the node has: that much the API server refuses itself.
cpus=$(k get node e2e-node -o jsonpath='{.status.allocatable.cpu}')
pod hog '{"containers":[{"name":"c","command":["sleep","1000"],"resources":{"requests":{"cpu":"'$((cpus * 1000 - 1000))'m"}}}]}'
is hog-running Running of hog .status.phase
sized "$cpus" 80Mi
is sized-waits Deferred of sized '.status.conditions[] | select(.type == "PodResizePending").reason'
is sized-same "1 300m 80Mi 300m" sized_now
k delete pod hog --wait=false >/dev/null

# a deadline
pod dead '{"activeDeadlineSeconds":1,"containers":[{"name":"c","command":["sleep","1000"]}]}'
is dead Failed of dead .status.phase
is dead-reason DeadlineExceeded of dead .status.reason

# the kubelet API
api=127.0.0.1:$(k get node e2e-node -o json | jq .status.daemonEndpoints.kubeletEndpoint.Port)
ask() { curl -sk --max-time 20 --cert "$tmp/crt.pem" --key "$tmp/key.pem" "https://$api$1"; }
is api-health ok ask /healthz
is api-stranger Unauthorized curl -sk "https://$api/pods"
is api-logs "web at $(of web .status.podIP)" ask /containerLogs/default/web/c
is api-tail two ask '/containerLogs/default/order/main?tailLines=1'
is api-limit one ask '/containerLogs/default/order/main?limitBytes=3'
is api-follow one sh -c "curl -sk --cert $tmp/crt.pem --key $tmp/key.pem 'https://$api/containerLogs/default/order/main?follow=true' | head -n 1"
is api-waits 'container "c" in pod "none" is waiting to start: ErrImageNeverPull' sh -c "
	kubectl --kubeconfig $kubeconfig create -f - >/dev/null 2>&1 <<'JSON'
{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"none\"},\"spec\":{\"nodeName\":\"e2e-node\",\"containers\":[{\"name\":\"c\",\"image\":\"e2e.example/none:1\",\"imagePullPolicy\":\"Never\"}]}}
JSON
	curl -sk --cert $tmp/crt.pem --key $tmp/key.pem https://$api/containerLogs/default/none/c"
is api-no-pod 'pod "nope" does not exist' ask /containerLogs/default/nope/c
is api-metrics 1 sh -c "curl -sk --cert $tmp/crt.pem --key $tmp/key.pem https://$api/metrics/resource | grep -c 'container_memory_working_set_bytes{container=\"c\",namespace=\"default\",pod=\"web\"}'"
is api-cadvisor 1 sh -c "curl -sk --cert $tmp/crt.pem --key $tmp/key.pem https://$api/metrics/cadvisor | grep -c '^container_memory_working_set_bytes{container=\"c\",id=\"/.*namespace=\"default\",pod=\"web\"}'"
is api-summary '["e2e-node",true,true]' sh -c "curl -sk --cert $tmp/crt.pem --key $tmp/key.pem https://$api/stats/summary | jq -c '[.node.nodeName, (.node.memory.workingSetBytes > 0), ([.pods[] | select(.podRef.name == \"web\")][0].memory.workingSetBytes > 0)]'"
is api-own-metrics 'kubelet_node_name{node="e2e-node"} 1' sh -c "curl -sk --cert $tmp/crt.pem --key $tmp/key.pem https://$api/metrics | grep '^kubelet_node_name'"

# a static pod: its mirror comes back when it is deleted, follows the file and goes with it
manifest() { # manifest LABEL
	printf 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: fixed\n  labels: {v: "%s"}\nspec:\n  terminationGracePeriodSeconds: 1\n  containers:\n  - {name: c, image: "e2e.example/busybox:1", command: [sleep, "1000"]}\n' "$1" >"$tmp/manifests/.new"
	mv "$tmp/manifests/.new" "$tmp/manifests/fixed.yaml"
}
manifest 1
is static-runs "Running true" of fixed-e2e-node '"\(.status.phase) \(.status.containerStatuses[0].ready)"'
is static-notes "file Node" of fixed-e2e-node '"\(.metadata.annotations["kubernetes.io/config.source"]) \(.metadata.ownerReferences[0].kind)"'
fixed=$(of fixed-e2e-node '.status.containerStatuses[0].containerID') mirror=$(of fixed-e2e-node .metadata.uid)
# Not waited for: kubectl of 1.32 may see the list between the two mirrors, and then waits for the end of the second.
k delete pod fixed-e2e-node --wait=false >/dev/null
is static-again "$fixed true" of fixed-e2e-node "\"\\(.status.containerStatuses[0].containerID) \\(.metadata.uid != \"$mirror\")\""
manifest 2
is static-other "2 true" of fixed-e2e-node '"\(.metadata.labels.v) \(.status.containerStatuses[0].ready)"'
rm "$tmp/manifests/fixed.yaml"
is static-gone '' k get pod fixed-e2e-node -o name --ignore-not-found
is api-stats '["c"]' sh -c "curl -sk --cert $tmp/crt.pem --key $tmp/key.pem https://$api/stats/summary | jq -c '[.pods[] | select(.podRef.name == \"web\").containers[].name]'"
if command -v python3 >/dev/null; then
	run() { python3 test/e2e/node_exec.py "$api" "$tmp/crt.pem" "$tmp/key.pem" "$@" 2>&1; echo "$?"; }
	is api-exec 'hi
0' run '/exec/default/web/c?output=1&command=echo&command=hi'
	is api-exec-status 7 run '/exec/default/web/c?output=1&command=sh&command=-c&command=exit+7'
	is api-exec-stdin 'typed
0' run '/exec/default/web/c?output=1&input=1&command=sh' 'echo typed; exit 0
'
	is api-exec-none 'HTTP/1.1 404 Not Found
1' run '/exec/default/web/none?output=1&command=x'
else
	s=$((s + 1))
	echo "skip: exec (no python3)"
fi

# the agent ends and comes back: what runs goes on
id=$(of web '.status.containerStatuses[0].containerID')
kill "$node_pid" && wait "$node_pid"
[ $? -eq 0 ] && p=$((p + 1)) || { f=$((f + 1)); echo "FAIL node-stops"; tail -n 5 "$tmp/node.log"; }
k delete pod good --wait=false >/dev/null
start_node
is adopted-deleted '' sh -c "kubectl --kubeconfig $kubeconfig get pod good -o name --ignore-not-found"
is adopted "$id 0" of web '.status.containerStatuses[0] | "\(.containerID) \(.restartCount)"'
# and one that went while it was away is ended
kill "$node_pid" && wait "$node_pid"
k delete pod web --grace-period=0 --force >/dev/null 2>&1
start_node
is orphan-gone '' sh -c "ls $tmp/logs/pods | grep _web_"

# a claim of class local-path: what a pod writes the next one reads, and with the claim the directory goes. The scheduler chooses the
# node, for the claims too.
"$PWD/build/release/sampan" controllers --secure-port 0 --kubeconfig "$kubeconfig" 2>"$tmp/controllers.log" &
control_pids=$!
"$PWD/build/release/sampan" scheduler --secure-port 0 --kubeconfig "$kubeconfig" 2>"$tmp/scheduler.log" &
control_pids="$control_pids $!"
k create -f - >/dev/null <<'JSON'
{"apiVersion":"v1","kind":"List","items":[
 {"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"local-path"},"provisioner":"sampan/local-path","volumeBindingMode":"WaitForFirstConsumer"},
 {"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"data"},"spec":{"storageClassName":"local-path","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Mi"}}}},
 {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"keeper"},"spec":{"selector":{"matchLabels":{"app":"keeper"}},"template":{"metadata":{"labels":{"app":"keeper"}},"spec":{
  "terminationGracePeriodSeconds":0,"volumes":[{"name":"d","persistentVolumeClaim":{"claimName":"data"}},
   {"name":"e","ephemeral":{"volumeClaimTemplate":{"spec":{"storageClassName":"local-path","accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Mi"}}}}}}],
  "containers":[{"name":"c","image":"e2e.example/busybox:1","command":["sh","-c","cat /d/x; echo kept >> /d/x; echo mine > /e/x; sleep 1000"],"securityContext":{"runAsUser":4711},
   "volumeMounts":[{"name":"d","mountPath":"/d"},{"name":"e","mountPath":"/e"}]}]}}}}]}
JSON
keeper() { k get pods -l app=keeper -o json | jq -r "[.items[] | select(.metadata.deletionTimestamp == null)][0] | $1"; }
is claim-running Running keeper .status.phase
is claim-node e2e-node keeper .spec.nodeName
is claim-bound Bound sh -c "kubectl --kubeconfig $kubeconfig get pvc data -o json | jq -r .status.phase"
is claim-dirs 2 sh -c "ls $tmp/storage | wc -l"
is claim-ephemeral mine sh -c "cat $tmp/storage/*/x | grep mine"
first=$(keeper .metadata.name)
k delete pod "$first" >/dev/null
is claim-again Running keeper .status.phase
[ "$(keeper .metadata.name)" != "$first" ] && p=$((p + 1)) || { f=$((f + 1)); echo "FAIL claim-another"; }
is linked-log kept sh -c "cut -d' ' -f4- $tmp/logs/containers/keeper-*_default_c-*.log"
is claim-kept kept sh -c "cut -d' ' -f4- $tmp/logs/pods/default_keeper-*/c/0.log"
is claim-ephemeral-gone 2 sh -c "ls $tmp/storage | wc -l"
k delete deployment keeper >/dev/null
k delete pvc data >/dev/null
is claim-gone '' k get pv -o name
is claim-dirs-gone '' ls -A "$tmp/storage"
stop_control

# limits of storage: who writes more than that goes, and what is written is gone
pod full '{"restartPolicy":"Never","volumes":[{"name":"d","emptyDir":{"sizeLimit":"1Mi"}}],
 "containers":[{"name":"c","command":["sh","-c","busybox dd if=/dev/zero of=/d/x bs=1M count=3; sleep 1000"],"volumeMounts":[{"name":"d","mountPath":"/d"}]}]}'
pod layer '{"restartPolicy":"Never","containers":[{"name":"c","command":["sh","-c","busybox dd if=/dev/zero of=/tmp/x bs=1M count=3; sleep 1000"],"resources":{"limits":{"ephemeral-storage":"1Mi"}}}]}'
pod room '{"volumes":[{"name":"d","emptyDir":{"sizeLimit":"10Mi"}}],
 "containers":[{"name":"c","command":["sh","-c","busybox dd if=/dev/zero of=/d/x bs=1M count=3; sleep 1000"],"volumeMounts":[{"name":"d","mountPath":"/d"}]}]}'
is full-evicted 'Failed Evicted Usage of EmptyDir volume "d" exceeds the limit "1Mi". ' of full '.status | "\(.phase) \(.reason) \(.message)"'
is layer-evicted 'Failed Evicted Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ' of layer '.status | "\(.phase) \(.reason) \(.message)"'
is full-event 'Usage of EmptyDir volume "d" exceeds the limit "1Mi". ' sh -c "kubectl --kubeconfig $kubeconfig get events -o json | jq -r '.items[] | select(.reason == \"Evicted\" and .involvedObject.name == \"full\").message'"
is full-gone '' sh -c "ls $tmp/node/pods/$(of full .metadata.uid) 2>/dev/null"
is room-runs Running of room .status.phase

metric() { curl -sk --cert "$tmp/crt.pem" --key "$tmp/key.pem" "https://127.0.0.1:$(k get node e2e-node -o json | jq .status.daemonEndpoints.kubeletEndpoint.Port)/metrics" | grep "^$1 " | cut -d' ' -f2; }
is full-counted 1 metric 'kubelet_evictions{eviction_signal="emptydirfs.limit"}'
is pulls-counted 1 sh -c "[ $(metric 'kubelet_runtime_operations_total{operation_type="run_podsandbox"}') -gt 2 ] && echo 1"
is starts-counted 1 sh -c "[ $(metric 'kubelet_pod_start_duration_seconds_count') -gt 1 ] && echo 1"

# a node that is short of memory: who asks for nothing goes, and is not let in any more
pod asks '{"containers":[{"name":"c","command":["sleep","1000"],"resources":{"requests":{"memory":"1Gi"}}}]}'
is asks Running of asks .status.phase
kill "$node_pid" && wait "$node_pid"
start_node --eviction-hard 'memory.available<4000Gi' --eviction-pressure-transition-period 1s
is memory-pressure 'True KubeletHasInsufficientMemory' sh -c "kubectl --kubeconfig $kubeconfig get node e2e-node -o json | jq -r '.status.conditions[] | select(.type == \"MemoryPressure\") | \"\(.status) \(.reason)\"'"
is memory-evicted 'Failed Evicted TerminationByKubelet' of room '.status | "\(.phase) \(.reason) \(.conditions[] | select(.type == "DisruptionTarget").reason)"'
of room .status.message | grep -q '^The node was low on resource: memory. Threshold quantity: 4000Gi, available: [0-9]*Ki. Container c was using [0-9]*[KM]*i*, request is 0, has larger consumption of memory. $' &&
	p=$((p + 1)) || { f=$((f + 1)); echo "FAIL memory-message: $(of room .status.message)"; }
pod late '{"containers":[{"name":"c","command":["sleep","1000"]}]}'
is memory-refused 'Failed Pod was rejected: The node had condition: [MemoryPressure]. ' of late '.status | "\(.phase) \(.message)"'
kill "$node_pid" && wait "$node_pid"
start_node
is memory-well False sh -c "kubectl --kubeconfig $kubeconfig get node e2e-node -o json | jq -r '.status.conditions[] | select(.type == \"MemoryPressure\").status'"

# static pods need no API: they start, stay, come back and go without it, and are told of when it is there again
alone() { # alone NAME: its manifest
	printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  terminationGracePeriodSeconds: 1\n  containers:\n  - {name: %s, image: "e2e.example/busybox:1", command: [sleep, "1000"]}\n' "$1" "$1" >"$tmp/manifests/.new"
	mv "$tmp/manifests/.new" "$tmp/manifests/$1.yaml"
}
tasks() { # tasks NAME: ids of the running containers of that name
	for t in $(c8s tasks ls | awk '$3 == "RUNNING" {print $1}'); do
		c8s containers info "$t" | jq -r "select(.Labels[\"io.kubernetes.container.name\"] == \"$1\").ID"
	done
}
count() { tasks "$1" | wc -l; }
alone before
is alone-before 1 count before
port=${url##*:} port=${port%%/*}
kill "$pid" && wait "$pid"
pid=
alone during
is alone-during 1 count during
ids="$(tasks before) $(tasks during)"
kill "$node_pid" && wait "$node_pid"
start_node
alone after
is alone-after 1 count after
[ "$(tasks before) $(tasks during)" = "$ids" ] && p=$((p + 1)) || { f=$((f + 1)); echo "FAIL alone-adopted: $ids"; }
c8s tasks kill -s 9 "$(tasks before)"
again() { [ "$(count before)" = 1 ] && [ "$(tasks before)" != "${ids%% *}" ] && echo yes; }
is alone-again yes again
rm "$tmp/manifests/during.yaml"
is alone-gone 0 count during
k get nodes --request-timeout 2s >/dev/null 2>&1 && { f=$((f + 1)); echo "FAIL alone: the server is there"; }
start_server --secure-port "$port"
is alone-mirrors 'after-e2e-node before-e2e-node' sh -c "kubectl --kubeconfig $kubeconfig get pods -o json | jq -r '[.items[] | select(.metadata.annotations[\"kubernetes.io/config.source\"] == \"file\" and .status.phase == \"Running\").metadata.name] | sort | join(\" \")'"
is alone-restarts 1 of before-e2e-node '.status.containerStatuses[0].restartCount'
is alone-ready True sh -c "kubectl --kubeconfig $kubeconfig get node e2e-node -o json | jq -r '.status.conditions[] | select(.type == \"Ready\").status'"
rm "$tmp/manifests/before.yaml" "$tmp/manifests/after.yaml"
is alone-all-gone '' sh -c "kubectl --kubeconfig $kubeconfig get pods -o json | jq -r '.items[].metadata.name' | grep e2e-node"

# everything goes, and nothing stays
k delete pods --all >/dev/null
is gone-pods '' k get pods -o name
is gone-containers '' sh -c "ctr -a $sock -n k8s.io containers ls -q"
is gone-dirs '' ls -A "$tmp/node/pods"
is gone-logs '' ls -A "$tmp/logs/pods"
is gone-links '' ls -A "$tmp/logs/containers"
is gone-cgroups '' sh -c "find /sys/fs/cgroup -type d -path '*$cgroup*/pod*'"
is gone-mounts '' sh -c "grep $tmp/node /proc/mounts"
[ "$f" -eq 0 ] || { echo "--- the agent's log"; tail -n 15 "$tmp/node.log"; }
printf '%d passed, %d failed, %d skipped\n' "$p" "$f" "$s"
[ "$f" -eq 0 ]
