#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kubectl at stateful and daemon sets of `sampan up`: rollout status, history and undo, scale, cascading deletion, claims, names.
set -u
cd "$(dirname "$0")/../.." || exit 1
needs='busybox python3'
. test/e2e/cluster
# says NAME TEXT COMMAND…: ends well, and its output or errors hold the text.
says() {
	name=$1 text=$2
	shift 2
	"$@" >"$tmp/out" 2>&1 </dev/null
	got=$?
	if [ $got -eq 0 ] && { [ -z "$text" ] || grep -qF -- "$text" "$tmp/out"; }; then good; else bad "$name: got $got, want '$text'"; fi
}
k() { timeout 100 "$kubectl" "$@"; }
revisions() { k rollout history "$1" | grep -cE '^[0-9]'; }
left() { k get "$@" --no-headers -o custom-columns=N:.metadata.name 2>/dev/null | grep -c .; }

mkdir -p "$tmp/data"
sh test/e2e/busybox-image example.com/bb:1 "$tmp/bb.tar" "$tmp/fs"
"$bin/sampan" image import "$tmp/bb.tar" --data-dir "$tmp/data" >"$tmp/out" 2>&1 || bad import
# shellcheck disable=SC2086
says up 'the sample answers at its Service' "$bin/sampan" up $dirs --timeout=100
cat >"$tmp/db.yaml" <<'EOF'
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: example.com/bb:1
        imagePullPolicy: Never
        command: [/bin/sh, -c, "while :; do sleep 1; done"]
EOF
says sts 'statefulset.apps/db created' k apply -f "$tmp/db.yaml"
says sts-status 'roll out complete: 2 new pods' k rollout status statefulset/db --timeout=30s
same sts-names 'db-0 db-1' "$(k get pods -l app=db -o 'jsonpath={.items[*].metadata.name}')"
same sts-label db-1 "$(k get pod db-1 -o 'jsonpath={.metadata.labels.statefulset\.kubernetes\.io/pod-name}')"
same sts-host db-1 "$(k exec db-1 -- cat /etc/hostname)"
address=$(k get pod db-1 -o 'jsonpath={.status.podIP}')
says sts-dns "db-1.db.default.svc.cluster.local A $address" python3 test/e2e/dns_client.py udp 10.96.0.10 53 db-1.db.default.svc.cluster.local A
says sts-event 'Create Pod db-1 in StatefulSet db successful' k get events
uid=$(k get pod db-1 -o 'jsonpath={.metadata.uid}')
says sts-delete 'deleted' k delete pod db-1
says sts-again 'roll out complete: 2 new pods' k rollout status statefulset/db --timeout=30s
same sts-new different "$([ "$(k get pod db-1 -o 'jsonpath={.metadata.uid}')" != "$uid" ] && echo different)"
says sts-scale scaled k scale statefulset db --replicas=3
says sts-third 'condition met' k wait --for=jsonpath='{.status.readyReplicas}'=3 statefulset/db --timeout=30s
says sts-down scaled k scale statefulset db --replicas=1
says sts-two-go 'condition met' k wait --for=jsonpath='{.status.replicas}'=1 statefulset/db --timeout=30s
says sts-change 'env updated' k set env statefulset/db A=one
says sts-rolled 'roll out complete: 1 new pods' k rollout status statefulset/db --timeout=30s
same sts-has one "$(k exec db-0 -- sh -c 'echo $A')"
same sts-history 2 "$(revisions statefulset/db)"
says sts-undo 'rolled back' k rollout undo statefulset/db
says sts-back 'roll out complete: 1 new pods' k rollout status statefulset/db --timeout=30s
same sts-had '' "$(k exec db-0 -- sh -c 'echo $A')"
same sts-history-moved 2 "$(revisions statefulset/db)"
says sts-orphans deleted k delete statefulset db --cascade=orphan
same sts-stays 1 "$(left pods -l app=db)"
uid=$(k get pod db-0 -o 'jsonpath={.metadata.uid}')
says sts-anew 'statefulset.apps/db created' sh -c "sed 's/replicas: 2/replicas: 1/' '$tmp/db.yaml' | timeout 100 '$kubectl' apply -f -"
says sts-adopted 'condition met' k wait --for=jsonpath='{.metadata.ownerReferences[0].kind}'=StatefulSet pod/db-0 --timeout=30s
same sts-same "$uid" "$(k get pod db-0 -o 'jsonpath={.metadata.uid}')"
says sts-cascade deleted k delete statefulset db --cascade=foreground --timeout=30s
same sts-gone 0 "$(left pods -l app=db)"

# Claims: made with the pods, bound, and gone as the policy says.
for i in 0 1 2; do
	cat <<EOF
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: v$i}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 1Mi}
  hostPath: {path: $tmp/v$i, type: DirectoryOrCreate}
EOF
done >"$tmp/volumes.yaml"
says volumes 'persistentvolume/v2 created' k apply -f "$tmp/volumes.yaml"
cat >"$tmp/kept.yaml" <<'EOF'
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: kept}
spec:
  serviceName: kept
  replicas: 2
  podManagementPolicy: Parallel
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
  selector: {matchLabels: {app: kept}}
  template:
    metadata: {labels: {app: kept}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: main, image: "example.com/bb:1", imagePullPolicy: Never, command: [sleep, "1000"]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], storageClassName: "", resources: {requests: {storage: 1Mi}}}
EOF
says claims 'statefulset.apps/kept created' k apply -f "$tmp/kept.yaml"
says claims-bound 'data-kept-1 condition met' k wait --for=jsonpath='{.status.phase}'=Bound pvc/data-kept-0 pvc/data-kept-1 --timeout=30s
says claims-owned 'condition met' k wait --for=jsonpath='{.metadata.ownerReferences[0].kind}'=StatefulSet pvc/data-kept-1 --timeout=30s
same claims-volume data-kept-1 "$(k get pod kept-1 -o 'jsonpath={.spec.volumes[0].persistentVolumeClaim.claimName}')"
says claims-scale scaled k scale statefulset kept --replicas=1
says claims-pod-goes '' k wait --for=delete pod/kept-1 --timeout=30s
same claims-stay 2 "$(left pvc -l app=kept)"
says claims-set-goes deleted k delete statefulset kept --timeout=30s
says claims-go '' k wait --for=delete pvc/data-kept-0 pvc/data-kept-1 --timeout=30s

# Claims of the default class: the scheduler chooses the node, the node makes the volumes; what one pod wrote the next one reads. The
# claim of an ephemeral volume is there after its pod. The spare volume is for one claim only, however many ask at once.
cat >"$tmp/made.yaml" <<EOF
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: made}
spec:
  serviceName: made
  replicas: 2
  podManagementPolicy: Parallel
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
  selector: {matchLabels: {app: made}}
  template:
    metadata: {labels: {app: made}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: example.com/bb:1
        imagePullPolicy: Never
        command: [sh, -c, "echo here >>/data/x; sleep 1000"]
        volumeMounts: [{name: data, mountPath: /data}, {name: own, mountPath: /own}]
      volumes:
      - name: own
        ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: spare}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
EOF
says made 'statefulset.apps/made created' k apply -f "$tmp/made.yaml"
says made-rolled 'roll out complete' k rollout status statefulset/made --timeout=60s
same made-bound 'Bound Bound' "$(k get pvc data-made-0 data-made-1 -o 'jsonpath={.items[*].status.phase}')"
same made-own Bound "$(k get pvc made-0-own -o 'jsonpath={.status.phase}')"
same made-node "$(k get nodes -o 'jsonpath={.items[0].metadata.name}')" \
	"$(k get pvc data-made-0 -o 'jsonpath={.metadata.annotations.volume\.kubernetes\.io/selected-node}')"
says made-again deleted k delete pod made-0
says made-ready 'condition met' k wait --for=jsonpath='{.status.readyReplicas}'=2 statefulset/made --timeout=60s
says made-kept 'here' k exec made-0 -- sh -c 'uniq -d /data/x'
says made-goes deleted k delete statefulset made --timeout=30s
says made-claims-go '' k wait --for=delete pvc/data-made-0 pvc/made-0-own --timeout=30s

for i in 0 1; do
	cat <<EOF
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: spare-$i}
spec: {accessModes: [ReadWriteOnce], storageClassName: spare, resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: spare-$i, labels: {app: spare}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: "example.com/bb:1", imagePullPolicy: Never, command: [sleep, "1000"], volumeMounts: [{name: d, mountPath: /d}]}
  volumes: [{name: d, persistentVolumeClaim: {claimName: spare-$i}}]
EOF
done >"$tmp/spare.yaml"
volume() {
	printf '{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"%s"},"spec":{"accessModes":["ReadWriteOnce"],
		"capacity":{"storage":"1Mi"},"storageClassName":"spare","hostPath":{"path":"%s","type":"DirectoryOrCreate"}}}' "$1" "$tmp/$1" | k apply -f -
}
says spare 'pod/spare-1 created' k apply -f "$tmp/spare.yaml"
says spare-none 'condition met' k wait --for=jsonpath='{.status.conditions[0].message}'="0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling." pod/spare-0 pod/spare-1 --timeout=30s
says spare-volume created volume spare-a
says spare-first 'condition met' k wait --for=jsonpath='{.spec.claimRef.uid}' pv/spare-a --timeout=30s
says spare-marked yes k get pv spare-a -o 'jsonpath={.metadata.annotations.pv\.kubernetes\.io/bound-by-controller}'
says spare-second created volume spare-b
says spare-ready 'pod/spare-1 condition met' k wait --for=condition=Ready pod -l app=spare --timeout=60s
says spare-gone deleted k delete pod,pvc -l app=spare --timeout=30s

cat >"$tmp/agent.yaml" <<'EOF'
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, annotations: {kubernetes.io/change-cause: the first}}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: example.com/bb:1
        imagePullPolicy: Never
        command: [/bin/sh, -c, "while :; do sleep 1; done"]
EOF
node=$(k get nodes -o 'jsonpath={.items[0].metadata.name}')
says ds 'daemonset.apps/agent created' k apply -f "$tmp/agent.yaml"
says ds-status 'successfully rolled out' k rollout status daemonset/agent --timeout=30s
same ds-node "$node" "$(k get pods -l app=agent -o 'jsonpath={.items[*].spec.nodeName}')"
same ds-counts '1 1 1 1 1' "$(k get daemonset agent --no-headers | awk '{print $2, $3, $4, $5, $6}')"
says ds-history 'the first' k rollout history daemonset/agent
says ds-change 'env updated' k set env daemonset/agent A=one
says ds-rolled 'successfully rolled out' k rollout status daemonset/agent --timeout=30s
same ds-has one "$(k exec daemonset/agent -- sh -c 'echo $A')"
same ds-revisions 2 "$(revisions daemonset/agent)"
says ds-undo 'rolled back' k rollout undo daemonset/agent --to-revision=1
says ds-back 'successfully rolled out' k rollout status daemonset/agent --timeout=30s
same ds-had '' "$(k exec daemonset/agent -- sh -c 'echo $A')"
# A cordoned node keeps its daemons and gets new ones.
says cordon cordoned k cordon "$node"
says ds-deleted deleted k delete pods -l app=agent
says ds-cordoned 'condition met' k wait --for=jsonpath='{.status.numberReady}'=1 daemonset/agent --timeout=30s
says uncordon uncordoned k uncordon "$node"
says ds-away patched k patch daemonset agent -p '{"spec":{"template":{"spec":{"nodeSelector":{"no":"such"}}}}}'
says ds-none 'condition met' k wait --for=jsonpath='{.status.desiredNumberScheduled}'=0 daemonset/agent --timeout=30s
says ds-pods-go '' k wait --for=delete pod -l app=agent --timeout=30s
says ds-cascade deleted k delete daemonset agent --cascade=foreground --timeout=30s
same ds-gone 0 "$(left controllerrevisions)"
[ $f -eq 0 ] || grep -v '"level":"info"' "$tmp/data/server.log" 2>/dev/null | tail -n 10 | cut -c1-300
echo "$p passed, $f failed"
[ $f -eq 0 ]
