#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the node agent lets in of the pods that were bound to it past the scheduler, what it ends for a critical one, and what it
# tells of images, running pods and redirected probes (see node_peer for what it runs on).
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/e2e/node_peer

begin --allowed-unsafe-sysctls 'kernel.msg*,net.core.somaxconn'
said() { of "$1" '.status | "\(.phase) \(.reason): \(.message)"'; }

# kernel settings: those that the node allows take effect, others are refused
pod tuned '{"securityContext":{"sysctls":[{"name":"kernel.msgmax","value":"4711"},{"name":"net/core/somaxconn","value":"12"}]},
 "containers":[{"name":"c","command":["sh","-c","cat /proc/sys/kernel/msgmax /proc/sys/net/core/somaxconn; sleep 1000"]}]}'
is tuned '4711
12' log tuned c
pod untuned '{"securityContext":{"sysctls":[{"name":"kernel.sem","value":"1 1 1 1"}]},"containers":[{"name":"c","command":["true"]}]}'
is untuned 'Failed SysctlForbidden: Pod was rejected: forbidden sysctl: "kernel.sem" not allowlisted' said untuned
k delete pod tuned untuned >/dev/null

# labels of the node, as they are at that moment
pod tape '{"nodeSelector":{"disk":"tape"},"containers":[{"name":"c","command":["true"]}]}'
is tape "Failed NodeAffinity: Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector" said tape
k label node e2e-node disk=ssd >/dev/null
pod ssd '{"nodeSelector":{"disk":"ssd"},"containers":[{"name":"c","command":["sleep","1000"]}]}'
is ssd Running of ssd .status.phase

# taints that drive pods out, and only those
k patch node e2e-node -p '{"spec":{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"b","effect":"NoExecute"}]}}' >/dev/null
is tainted 2 sh -c "kubectl --kubeconfig $kubeconfig get node e2e-node -o json | jq '.spec.taints | length'"
pod bears '{"tolerations":[{"key":"b","operator":"Exists"}],"containers":[{"name":"c","command":["sleep","1000"]}]}'
is bears Running of bears .status.phase
pod plain '{"containers":[{"name":"c","command":["true"]}]}'
is plain "Failed TaintToleration: Pod was rejected: Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate" said plain
k patch node e2e-node --type=json -p '[{"op":"remove","path":"/spec/taints"}]' >/dev/null

# what others have the node count
k patch node e2e-node --subresource status --type=merge -p '{"status":{"capacity":{"example.com/card":"3"}}}' >/dev/null
is cards 3 sh -c "kubectl --kubeconfig $kubeconfig get node e2e-node -o json | jq -r '.status.allocatable[\"example.com/card\"]'"
pod dealt '{"containers":[{"name":"c","command":["sleep","1000"],"resources":{"limits":{"example.com/card":"2"}}}]}'
is dealt Running of dealt .status.phase
pod undealt '{"containers":[{"name":"c","command":["true"],"resources":{"limits":{"example.com/card":"2"}}}]}'
is undealt "Failed OutOfexample.com/card: Pod was rejected: Node didn't have enough resource: example.com/card, requested: 2, used: 2, capacity: 3" said undealt

# users of its own: only where the runtime says that it can (containerd 1 does not)
if [ "$(k get node e2e-node -o json | jq '[.status.runtimeHandlers // [] | .[] | select(.name == "" and .features.userNamespaces)] | length')" = 0 ]; then
	pod users '{"hostUsers":false,"containers":[{"name":"c","command":["true"]}]}'
	is users 'Failed to create pod sandbox: can'"'"'t set `spec.hostUsers: false`, runtime does not support user namespaces' sh -c "
		kubectl --kubeconfig $kubeconfig get events -o json | jq -r '[.items[] | select(.involvedObject.name == \"users\" and .reason == \"FailedCreatePodSandBox\").message][0]'"
fi

# the images of the node, and what runs as the runtime knows it
is images 1 sh -c "kubectl --kubeconfig $kubeconfig get node e2e-node -o json | jq '[.status.images[] | select(.names | index(\"e2e.example/busybox:1\")) | select(.sizeBytes > 0)] | length'"
api=127.0.0.1:$(k get node e2e-node -o json | jq .status.daemonEndpoints.kubeletEndpoint.Port)
ask() { curl -sk --max-time 20 --cert "$tmp/crt.pem" --key "$tmp/key.pem" "https://$api$1"; }
is running '["ssd",["c"]]' sh -c "curl -sk --cert $tmp/crt.pem --key $tmp/key.pem https://$api/runningpods/ | jq -c '.items[] | select(.metadata.name == \"ssd\") | [.metadata.name, [.spec.containers[].name]]'"

# what the API server said of a user counts for a while
reviews() { k get --raw /metrics | sed -n 's/^apiserver_request_total{.*resource="subjectaccessreviews".*} //p' | awk '{n += $1} END {print n + 0}'; }
ask /pods >/dev/null
before=$(reviews)
for _ in 1 2 3 4 5; do ask /pods >/dev/null; done
is reviews "$before" reviews

# a probe that is led on: on the same host to where it ends, elsewhere not
answer() { printf '#!/bin/sh\nprintf "HTTP/1.1 302 Found\\r\\nLocation: %s\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nhi"\n' "$1"; }
k create configmap cgi --from-literal=away="$(answer http://192.0.2.1/)" --from-literal=round="$(answer round)" --from-literal=on="$(answer ../cgi/on)" >/dev/null
led() { # led NAME: its probe asks the program of that name
	pod "$1" '{"volumes":[{"name":"v","configMap":{"name":"cgi","defaultMode":493}}],"containers":[{"name":"c","command":["httpd","-f","-p","8080","-h","/w"],
	 "volumeMounts":[{"name":"v","mountPath":"/w/cgi-bin"},{"name":"v","mountPath":"/w/cgi"}],"readinessProbe":{"httpGet":{"port":8080,"path":"/cgi-bin/'"$1"'"},"periodSeconds":1,"timeoutSeconds":10}}]}'
}
for n in away round on; do led $n; done
warned() { k get events -o json | jq -r "[.items[] | select(.involvedObject.name == \"$1\" and .reason == \"$2\").message | select(contains(\"redirects\"))][0]" | sed 's/[0-9.]*:8080/IP:8080/'; }
is away-ready true of away '.status.containerStatuses[0].ready'
is away-event 'Readiness probe warning: Probe terminated redirects, Response body: hi' warned away ProbeWarning
is on-ready true of on '.status.containerStatuses[0].ready'
is on-event null warned on ProbeWarning
is round-event 'Readiness probe failed: Get "http://IP:8080/cgi-bin/round": stopped after 10 redirects' warned round Unhealthy
k delete pod away round on --wait=false >/dev/null

# room for a critical pod: who is in its way ends, and only who is
cpus=$(k get node e2e-node -o json | jq -r .status.allocatable.cpu)
pod large '{"containers":[{"name":"c","command":["sleep","1000"],"resources":{"requests":{"cpu":"'"$((cpus * 1000 - 500))"'m"}}}]}'
pod small '{"containers":[{"name":"c","command":["sleep","1000"],"resources":{"requests":{"cpu":"400m"}}}]}'
is large Running of large .status.phase
is small Running of small .status.phase
pod first '{"priorityClassName":"system-node-critical","containers":[{"name":"c","command":["sleep","1000"],"resources":{"requests":{"cpu":"450m"}}}]}'
is first Running of first .status.phase
is preempted 'Failed Preempting: Preempted in order to admit critical pod' said small
is preempted-for 'TerminationByKubelet Pod was preempted by Kubelet to accommodate a critical pod.' of small '.status.conditions[] | select(.type == "DisruptionTarget") | "\(.reason) \(.message)"'
is preempted-not Running of large .status.phase
is preempted-counted 'kubelet_preemptions{preemption_signal="cpu"} 1' sh -c "curl -sk --cert $tmp/crt.pem --key $tmp/key.pem https://$api/metrics | grep '^kubelet_preemptions'"

k delete pods --all >/dev/null
is gone-pods '' k get pods -o name
[ "$f" -eq 0 ] || { echo "--- the agent's log"; tail -n 15 "$tmp/node.log"; }
printf '%d passed, %d failed, %d skipped\n' "$p" "$f" "$s"
[ "$f" -eq 0 ]
