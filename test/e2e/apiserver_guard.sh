#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the API server does about its requests with real clients (curl, kubectl): seats and queues, the audit log, metrics,
# and another server's group. Prints what failed; the last line is the sum.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/e2e/lib
p=0 f=0 s=0

cat >"$tmp/policy.yaml" <<'YAML'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: RequestResponse
  resources: [{group: "", resources: [configmaps]}]
- level: Metadata
  resources: [{group: ""}]
- level: None
YAML
echo 't0ken,carol,u9,"g1,g2"' >"$tmp/tokens"
start_server --token-auth-file "$tmp/tokens" --audit-policy-file "$tmp/policy.yaml" --audit-log-path "$tmp/audit.log" \
	--max-requests-inflight 10 --max-mutating-requests-inflight 5
get() { curl -sS --max-time 20 --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" "$@"; }
carol() { curl -sS --max-time 20 --cacert "$tmp/ca.pem" -H 'Authorization: Bearer t0ken' "$@"; }
maps=$url/api/v1/namespaces/default/configmaps

# ---- seats: carol's level has one and refuses what can't run; its FlowSchema is in front of the usual ones.
get -H 'content-type: application/json' -d '{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"PriorityLevelConfiguration",
 "metadata":{"name":"one"},"spec":{"type":"Limited","limited":{"nominalConcurrencyShares":1,"limitResponse":{"type":"Reject"}}}}' \
	"$url/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations" >"$tmp/level.json"
get -H 'content-type: application/json' -d '{"apiVersion":"flowcontrol.apiserver.k8s.io/v1","kind":"FlowSchema",
 "metadata":{"name":"carol"},"spec":{"priorityLevelConfiguration":{"name":"one"},"matchingPrecedence":50,"rules":[{"subjects":[{"kind":"User",
 "user":{"name":"carol"}}],"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"namespaces":["*"],"clusterScope":true}]}]}}' \
	"$url/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas" >"$tmp/flow.json"
get -H 'content-type: application/json' -d '{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding",
 "metadata":{"name":"carol"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},
 "subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"carol"}]}' \
	"$url/apis/rbac.authorization.k8s.io/v1/clusterrolebindings" >/dev/null
uid=$(grep -o '"uid":"[^"]*"' "$tmp/level.json" | head -n 1 | cut -d'"' -f4)
says flow-level-uid "x-kubernetes-pf-prioritylevel-uid: $uid" carol -A test -D - -o /dev/null "$maps"
uid=$(grep -o '"uid":"[^"]*"' "$tmp/flow.json" | head -n 1 | cut -d'"' -f4)
says flow-schema-uid "x-kubernetes-pf-flowschema-uid: $uid" carol -A test -D - -o /dev/null "$maps"
# A body that does not come keeps the seat.
(sleep 3 | carol -A test -X POST -H 'content-type: application/json' -H 'transfer-encoding: chunked' --http1.1 -T - "$maps" >/dev/null 2>&1) &
slow=$!
flooded() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		carol -A test -D - "$maps" >"$tmp/answer"
		grep -q 'Too many requests' "$tmp/answer" && break
	done
	cat "$tmp/answer"
}
says flow-429 'Too many requests, please try again later.' flooded
says flow-retry 'retry-after: 1' cat "$tmp/answer"
says flow-exempt '"kind":"ConfigMapList"' get -A test "$maps"
wait "$slow"
says flow-free '"kind":"ConfigMapList"' carol -A test "$maps"
says flow-metric 'apiserver_flowcontrol_rejected_requests_total{priority_level="one",flow_schema="carol",reason="concurrency-limit"}' \
	get "$url/metrics"

# ---- the audit log
audit() { grep -F -- "$1" "$tmp/audit.log"; }
# until_audit TEXT: the log is written a moment after the answer.
until_audit() { timeout 5 sh -c 'until grep -qF -- "$1" "$2"; do :; done' - "$1" "$tmp/audit.log"; }
if command -v kubectl >/dev/null; then
	kubectl --kubeconfig "$kubeconfig" --cache-dir "$tmp/cache" create configmap seen --from-literal=a=1 >/dev/null
	until_audit '"name":"seen"'
	says audit-line '"stage":"ResponseComplete"' audit '"name":"seen"'
	says audit-verb '"verb":"create"' audit '"name":"seen"'
	says audit-user '"user":{"username":"admin"' audit '"name":"seen"'
	says audit-agent '"userAgent":"kubectl/' audit '"name":"seen"'
	says audit-source '"sourceIPs":["127.0.0.1"]' audit '"name":"seen"'
	says audit-object '"objectRef":{"resource":"configmaps","namespace":"default","name":"seen","apiVersion":"v1"}' audit '"name":"seen"'
	says audit-status '"responseStatus":{"metadata":{},"code":201}' audit '"name":"seen"'
	says audit-request '"requestObject":{"kind":"ConfigMap","apiVersion":"v1"' audit '"name":"seen"'
	says audit-response '"responseObject":{"kind":"ConfigMap","apiVersion":"v1"' audit '"name":"seen"'
	says audit-decision '"authorization.k8s.io/decision":"allow"' audit '"name":"seen"'
else
	s=$((s + 10))
fi
id=11111111-2222-3333-4444-555555555555
says audit-id-back "audit-id: $id" get -A test -D - -o /dev/null -H "Audit-ID: $id" "$url/api/v1/namespaces/default/secrets/none"
until_audit "$id"
says audit-id '"level":"Metadata"' audit "$id"
says audit-failure '"responseStatus":{"metadata":{},"status":"Failure","message":"secrets \"none\" not found","reason":"NotFound"' audit "$id"
get -A test -H 'Impersonate-User: dave' "$maps/x" >/dev/null
until_audit '"dave"'
says audit-impersonated '"impersonatedUser":{"username":"dave","groups":["system:authenticated"]}' audit '"dave"'
says audit-forbid '"authorization.k8s.io/decision":"forbid"' audit '"dave"'
carol -A test -H 'Authorization: Bearer wrong' -H 'Authorization: Bearer wrong' "$maps" >/dev/null
says audit-json 'whole' sh -c "python3 -c 'import json,sys; [json.loads(l) for l in sys.stdin]' <$tmp/audit.log && echo whole"

# ---- metrics
metrics() { get "$url/metrics"; }
says metrics-requests 'apiserver_request_total{code="201",component="apiserver",dry_run="",group="rbac.authorization.k8s.io",resource="clusterrolebindings",scope="resource",subresource="",verb="POST",version="v1"} 1' metrics
says metrics-duration 'apiserver_request_duration_seconds_bucket{component="apiserver"' metrics
says metrics-objects 'apiserver_storage_objects{resource="clusterrolebindings.rbac.authorization.k8s.io"}' metrics
says metrics-audit 'apiserver_audit_event_total' metrics
says metrics-process 'process_resident_memory_bytes' metrics
says metrics-seats 'apiserver_flowcontrol_nominal_limit_seats{priority_level="workload-low"}' metrics
says metrics-stranger 'forbidden' curl -sS --cacert "$tmp/ca.pem" "$url/metrics"
says slis 'kubernetes_healthchecks_total{name="etcd",status="success",type="livez"} 1' sh -c "curl -sS --cacert $tmp/ca.pem $url/livez >/dev/null; curl -sS --cacert $tmp/ca.pem --cert $tmp/crt.pem --key $tmp/key.pem $url/metrics/slis"
says livez-verbose '[+]etcd excluded: ok' get "$url/livez?verbose&exclude=etcd"
says readyz-shutdown '[+]shutdown ok' get "$url/readyz?verbose"
says livez-unknown 'warn: some health checks cannot be excluded: no matches for "x"' get "$url/livez?verbose&exclude=x"

# ---- another server's group
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=wardle -addext 'subjectAltName=DNS:api.wardle.svc' \
	-keyout "$tmp/w.key" -out "$tmp/w.crt" 2>/dev/null
get "$url/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication" >"$tmp/ext.json"
says ext-names 'front-proxy-client' cat "$tmp/ext.json"
python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["data"]["requestheader-client-ca-file"])' "$tmp/ext.json" >"$tmp/front-ca.pem"
# Endpoints may not be loopback addresses.
address=$(ip -4 -o addr show scope global | sed -n 's/.* inet \([0-9.]*\).*/\1/p' | head -n 1)
mkfifo "$tmp/port"
python3 test/e2e/aggregated_server.py "$tmp/w.crt" "$tmp/w.key" "$tmp/front-ca.pem" "$address" "$tmp/port" 2>/dev/null &
wardle=$!
read -r port <"$tmp/port"
post() { get -H 'content-type: application/json' -d "$2" "$url$1"; }
post /api/v1/namespaces '{"metadata":{"name":"wardle"}}' >/dev/null
post /apis/apiregistration.k8s.io/v1/apiservices "{\"metadata\":{\"name\":\"v1.wardle.example.com\"},\"spec\":{\"group\":\"wardle.example.com\",
 \"version\":\"v1\",\"groupPriorityMinimum\":1000,\"versionPriority\":15,\"service\":{\"namespace\":\"wardle\",\"name\":\"api\"},
 \"caBundle\":\"$(base64 -w0 "$tmp/w.crt")\"}}" >/dev/null
service=$url/apis/apiregistration.k8s.io/v1/apiservices/v1.wardle.example.com
wardle_api=$url/apis/wardle.example.com/v1
says agg-unavailable 'service unavailable' get -D - "$wardle_api/namespaces/default/flunders"
# reason WHY: the condition comes to say so.
reason() {
	for _ in $(seq 100); do
		get -A test "$service" >"$tmp/service.json"
		grep -qF "\"reason\":\"$1\"" "$tmp/service.json" && break
	done
	cat "$tmp/service.json"
}
says agg-no-service '"reason":"ServiceNotFound"' reason ServiceNotFound
post /api/v1/namespaces/wardle/services '{"metadata":{"name":"api"},"spec":{"ports":[{"port":443}]}}' >/dev/null
says agg-no-endpoints '"reason":"EndpointsNotFound"' reason EndpointsNotFound
post /apis/discovery.k8s.io/v1/namespaces/wardle/endpointslices "{\"metadata\":{\"name\":\"api-1\",\"labels\":{\"kubernetes.io/service-name\":\"api\"}},
 \"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"$address\"]}],\"ports\":[{\"name\":\"\",\"port\":$port}]}" >"$tmp/slice.json"
says agg-passed '"reason":"Passed","message":"all checks passed"' reason Passed
says agg-list '"FlunderList"' get "$wardle_api/namespaces/default/flunders"
says agg-watch '"MODIFIED"' get "$wardle_api/namespaces/default/flunders?watch=1"
says agg-create '"name": "two"' get -H 'content-type: application/json' -d '{"metadata":{"name":"two"}}' "$wardle_api/namespaces/default/flunders"
says agg-user '"user": ["carol"], "groups": ["g1", "g2", "system:authenticated"]' carol -H 'X-Remote-User: admin' -H 'X-Remote-Group: system:masters' "$wardle_api/whoami"
says agg-proxy '"authorization": null, "proxy": "front-proxy-client"' carol "$wardle_api/whoami"
says agg-forbidden 'forbidden' curl -sS --cacert "$tmp/ca.pem" "$wardle_api/namespaces/default/flunders"
says agg-groups '"name":"wardle.example.com"' get -A test "$url/apis"
says agg-discovery '"resource":"flunders","responseKind":{"group":"wardle.example.com","version":"v1","kind":"Flunder"},"scope":"Namespaced"' \
	get -A test -H 'Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' "$url/apis"
says agg-openapi-index '/openapi/v3/apis/wardle.example.com/v1?hash=F00' get "$url/openapi/v3"
says agg-openapi-v2 '"/apis/wardle.example.com/v1/flunders":{"get":' get "$url/openapi/v2"
says agg-openapi-v2-definition '"com.example.wardle.v1.Flunder":{"type":"object"' get "$url/openapi/v2"
says agg-openapi '"title": "wardle"' get "$url/openapi/v3/apis/wardle.example.com/v1"
if command -v kubectl >/dev/null; then
	k() { kubectl --kubeconfig "$kubeconfig" --cache-dir "$tmp/cache2" "$@"; }
	says agg-kubectl 'flunder.wardle.example.com/one' k get fl -o name
	says agg-kubectl-service 'True' k get apiservice v1.wardle.example.com
else
	s=$((s + 2))
fi
kill "$wardle"
wait "$wardle" 2>/dev/null
says agg-unreached "error trying to reach service: dial tcp $address:" get "$wardle_api/namespaces/default/flunders"

kill "$pid"
wait "$pid"
says stopped-cleanly 0 echo $?
pid=
echo "$p passed, $f failed, $s skipped"
[ "$f" -eq 0 ]
