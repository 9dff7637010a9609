#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Admission webhooks: the API server and a webhook of Python's standard library over HTTPS, driven by curl. Prints what failed;
# the last line is the sum.
set -u
cd "$(dirname "$0")/../.." || exit 1
if ! command -v python3 >/dev/null 2>&1 || ! command -v openssl >/dev/null 2>&1; then
	echo 'skip webhooks (python3 or openssl is not on PATH)'
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
fi
. test/e2e/lib
p=0 f=0 s=0
start_hook test/e2e/webhook_server.py IP:127.0.0.1,DNS:hook.default.svc

start_server
regs=/apis/admissionregistration.k8s.io/v1
# hook KIND NAME CLIENT MORE: a configuration with one webhook for configmaps; MORE are further members.
hook() {
	api POST "$regs/$1webhookconfigurations" -d '{"metadata":{"name":"'"$2"'"},"webhooks":[{"name":"'"$2"'.example.com",
		"clientConfig":'"$3"',"admissionReviewVersions":["v1"],"sideEffects":"None","rules":[{"apiGroups":[""],
		"apiVersions":["v1"],"resources":["configmaps"],"operations":["'"${5:-CREATE}"'"]}]'"$4"'}]}' >"$tmp/made"
	grep -q '"uid"' "$tmp/made" || { f=$((f + 1)); echo "FAIL $2 not made"; cat "$tmp/made"; }
}
client() { echo '{"url":"https://127.0.0.1:'"$port/$1"'","caBundle":"'"$ca"'"}'; }
unhook() { api DELETE "$regs/$1webhookconfigurations/$2" >"$tmp/made"; }
maps=/api/v1/namespaces/default/configmaps
# map NAME FLAG…: creates a configmap.
map() {
	name=$1
	shift
	api POST "$maps${query:-}" -d '{"metadata":{"name":"'"$name"'"},"data":{"a":"b"}}' "$@"
}
query=

# Allowed, with a warning; refused with and without words.
hook validating warns "$(client warn)" ''
says allow '"uid"' map allowed
says warning '299 - "this is a warning"' map warned -i
unhook validating warns
hook validating denies "$(client deny)" '' '*'
says deny 'admission webhook \"denies.example.com\" denied the request: not on a CREATE' map denied
says deny-code '"code":403' map denied
type=application/merge-patch+json
says deny-patch 'denied the request: not on a UPDATE' api PATCH "$maps/allowed" -d '{"data":{"x":"y"}}'
type=application/json
says deny-delete 'denied the request: not on a DELETE' api DELETE "$maps/allowed"
says deny-collection 'denied the request: not on a DELETE' api DELETE "$maps"
says not-deleted '"name":"allowed"' api GET "$maps/allowed"
unhook validating denies
says unhooked '"uid"' map denied
hook validating silent "$(client silent)" ''
says deny-silent 'admission webhook \"silent.example.com\" denied the request without explanation' map silent
says deny-silent-code '"code":400' map silent
unhook validating silent

# Changes, in the order of names; who asks for it sees them once more.
hook mutating b-mutates "$(client mutate)" ''
hook mutating c-counts "$(client count)" ''
says mutate '"data":{"count":"1","mutated":"by-somebody"}' map mutated
says mutate-stored '"mutated":"by-somebody"' api GET "$maps/mutated"
unhook mutating c-counts
hook mutating a-again "$(client again)" ',"reinvocationPolicy":"IfNeeded"'
hook mutating a-once "$(client again)" ''
says reinvoked '"mutated":"by-somebody","seen":"m"' map reinvoked
unhook mutating a-again
unhook mutating a-once
unhook mutating b-mutates
hook mutating badpatch "$(client badpatch)" ''
says bad-patch '"code":500' map badpatch
unhook mutating badpatch
hook mutating badowners "$(client badowners)" ''
says bad-owners '"operation":"Update"' map badowners
says bad-owners-told "managedFields was in an invalid state after admission" map badowners2 -i
unhook mutating badowners

# A patch that meets another write while its webhook is asked is applied again, and its webhook asked again.
mkfifo "$tmp/asked.here" "$tmp/asked.go"
hook mutating meets "$(client meet)" '' UPDATE
type=application/merge-patch+json
api PATCH "$maps/mutated" -d '{"data":{"one":"1"}}' >"$tmp/first" &
first=$!
read -r here <"$tmp/asked.here"
says met "$here" echo here
says second '"two":"2"' api PATCH "$maps/mutated" -d '{"data":{"two":"2"}}'
: >"$tmp/asked.go"
wait "$first"
says both '"one":"1","two":"2"' cat "$tmp/first"
says asked-again 3 grep -c '"path": "/meet' "$tmp/asked"
type=application/json
# An update that names a revision is its client's to repeat.
says revision 'the object has been modified' api PUT "$maps/mutated" \
	-d '{"metadata":{"name":"mutated","resourceVersion":"1"},"data":{}}'
unhook mutating meets

# Failures close or open.
for policy in Fail Ignore; do
	hook validating fails "$(client error)" ',"failurePolicy":"'$policy'"'
	hook mutating refuses '{"url":"https://127.0.0.1:1/x"}' ',"failurePolicy":"'$policy'"'
	case $policy in
	Fail)
		says refused 'failed calling webhook \"refuses.example.com\": failed to call webhook: Post \"https://127.0.0.1:1/x?timeout=10s\": dial tcp 127.0.0.1:1: connect: connection refused' \
			map failure
		unhook mutating refuses
		says error 'failed to call webhook: an error on the server (\"unknown\") has prevented the request from succeeding' \
			map failure ;;
	Ignore)
		says ignored '"uid"' map ignored
		unhook mutating refuses ;;
	esac
	unhook validating fails
done
hook validating hangs "$(client hang)" ',"timeoutSeconds":1'
says timeout "Post \\\"https://127.0.0.1:$port/hang?timeout=1s\\\": context deadline exceeded" map hangs
unhook validating hangs
hook validating vanishes "$(client hang)" ',"timeoutSeconds":2'
says vanished 'timed out' curl -sS --max-time 1 --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" -A test \
	-H 'content-type: application/json' -d '{"metadata":{"name":"vanished"}}' "$url$maps"
unhook validating vanishes
hook validating baduid "$(client baduid)" ''
says bad-uid 'received invalid webhook response: expected response.uid=' map baduid
unhook validating baduid
hook validating nonsense "$(client nonsense)" ''
says nonsense 'failed to call webhook: couldn'\''t get version/kind; json parse error' map nonsense
unhook validating nonsense
hook validating stranger '{"url":"https://127.0.0.1:'"$port"'/allow"}' ''
says stranger 'x509: certificate signed by unknown authority' map stranger
unhook validating stranger
# Called only when the conditions hold; one that can not be told fails.
hook validating conditions "$(client deny)" ',"matchConditions":[{"name":"c","expression":"object.metadata.name == '"'dark'"'"}]'
says conditions-no '"uid"' map light
says conditions-yes 'denied the request: not on a CREATE' map dark
unhook validating conditions
hook validating broken "$(client allow)" ',"matchConditions":[{"name":"c","expression":"object.spec.none == 1"}]'
says conditions-error '"code":403' map broken
unhook validating broken
api POST "$regs/validatingwebhookconfigurations" -d '{"metadata":{"name":"beta"},"webhooks":[{"name":"beta.example.com",
	"clientConfig":'"$(client allow)"',"admissionReviewVersions":["v1beta1"],"sideEffects":"None","rules":[{"apiGroups":[""],
	"apiVersions":["v1"],"resources":["configmaps"],"operations":["CREATE"]}]}]}' >"$tmp/made"
says beta 'webhook does not accept known AdmissionReview versions' map beta
unhook validating beta

# Which objects: selectors, subresources, dry runs.
api POST /api/v1/namespaces -d '{"metadata":{"name":"watched","labels":{"hooks":"on"}}}' >"$tmp/made"
hook validating selects "$(client deny)" ',"namespaceSelector":{"matchLabels":{"hooks":"on"}},
	"objectSelector":{"matchLabels":{"x":"y"}}'
says other-namespace '"uid"' map selected
says other-object '"uid"' api POST /api/v1/namespaces/watched/configmaps -d '{"metadata":{"name":"plain"}}'
says selected 'denied the request' api POST /api/v1/namespaces/watched/configmaps \
	-d '{"metadata":{"name":"labelled","labels":{"x":"y"}}}'
unhook validating selects
hook validating dry "$(client allow)" ''
query='?dryRun=All'
says dry-run '"name":"dry"' map dry
says dry-run-told '"dryRun": true' tail -n 1 "$tmp/asked"
says dry-run-options '"options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "dryRun": ["All"]}' tail -n 1 "$tmp/asked"
query=
says dry-run-stored 'not found' api GET "$maps/dry"
says review '"operation": "CREATE"' tail -n 1 "$tmp/asked"
says review-object '"object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "dry", "namespace": "default"' \
	tail -n 1 "$tmp/asked"
unhook validating dry

# What has a body of its own: the binding and the eviction themselves are shown.
api POST $regs/validatingwebhookconfigurations -d '{"metadata":{"name":"bodies"},"webhooks":[{"name":"bodies.example.com",
	"clientConfig":'"$(client deny)"',"admissionReviewVersions":["v1"],"sideEffects":"None","rules":[{"apiGroups":[""],
	"apiVersions":["v1"],"resources":["pods/binding","pods/eviction"],"operations":["*"]}]}]}' >"$tmp/made"
api POST /api/v1/namespaces/default/serviceaccounts -d '{"metadata":{"name":"default"}}' >"$tmp/made"
api POST /api/v1/namespaces/default/pods -d '{"metadata":{"name":"p"},"spec":{"automountServiceAccountToken":false,
	"containers":[{"name":"c","image":"i"}]}}' >"$tmp/made"
pod=/api/v1/namespaces/default/pods/p
says binding-denied 'admission webhook \"bodies.example.com\" denied the request: not on a CREATE' \
	api POST $pod/binding -d '{"metadata":{"name":"p"},"target":{"kind":"Node","name":"n"}}'
says binding-shown '"subResource": "binding"' tail -n 1 "$tmp/asked"
says binding-kind '"kind": {"group": "", "version": "v1", "kind": "Binding"}' tail -n 1 "$tmp/asked"
says binding-target '"target": {"kind": "Node", "name": "n"}' tail -n 1 "$tmp/asked"
says eviction-denied 'denied the request: not on a CREATE' api POST $pod/eviction -d '{"metadata":{"name":"p"}}'
says eviction-kind '"kind": {"group": "policy", "version": "v1", "kind": "Eviction"}' tail -n 1 "$tmp/asked"
says unbound '"uid"' api GET $pod
unhook validating bodies
hook mutating bodies "$(client allow)" ''
unhook mutating bodies
says bound '"status":"Success"' api POST $pod/binding -d '{"metadata":{"name":"p"},"target":{"kind":"Node","name":"n"}}'
says bound-to '"nodeName":"n"' api GET $pod
says evicted '"status":"Success"' api POST $pod/eviction -d '{"metadata":{"name":"p"}}'

# A rule of one version is about the same objects in the others, unless it says Exact.
equal() {
	api POST $regs/$1webhookconfigurations -d '{"metadata":{"name":"equal"},"webhooks":[{"name":"equal.example.com","matchPolicy":"'"$2"'",
	"clientConfig":'"$(client "$3")"',"admissionReviewVersions":["v1"],"sideEffects":"None","rules":[{"apiGroups":["autoscaling"],
	"apiVersions":["v1"],"resources":["horizontalpodautoscalers"],"operations":["CREATE"]}]}]}' >"$tmp/made"
}
scaler() {
	api POST /apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers -d '{"metadata":{"name":"'"$1"'"},"spec":{"maxReplicas":3,
	"scaleTargetRef":{"kind":"Deployment","name":"d","apiVersion":"apps/v1"},"metrics":[{"type":"Resource","resource":{"name":"cpu",
	"target":{"type":"Utilization","averageUtilization":70}}}]}}'
}
equal validating Equivalent deny
says equivalent 'denied the request: not on a CREATE' scaler one
says equivalent-kind '"kind": {"group": "autoscaling", "version": "v1", "kind": "HorizontalPodAutoscaler"}, "resource": {"group": "autoscaling", "version": "v1"' tail -n 1 "$tmp/asked"
says equivalent-request '"requestKind": {"group": "autoscaling", "version": "v2"' tail -n 1 "$tmp/asked"
says equivalent-object '"targetCPUUtilizationPercentage": 70' tail -n 1 "$tmp/asked"
unhook validating equal
equal validating Exact deny
says exact '"uid"' scaler two
unhook validating equal
equal mutating Equivalent scale
says equivalent-mutates '"averageUtilization":55' scaler three
says equivalent-answer '"apiVersion":"autoscaling/v2"' scaler four
unhook mutating equal

# What is counted of it.
metrics() { api GET /metrics; }
says metric-step 'apiserver_admission_step_admission_duration_seconds_bucket{operation="CREATE",rejected="false",type="admit"' metrics
says metric-controller 'apiserver_admission_controller_admission_duration_seconds_count{name="NamespaceLifecycle",operation="CREATE",rejected="false",type="admit"}' metrics
says metric-hook 'apiserver_admission_webhook_admission_duration_seconds_count{name="denies.example.com",operation="CREATE",rejected="true",type="validating"}' metrics
says metric-requests 'apiserver_admission_webhook_request_total{code="200",name="equal.example.com",operation="CREATE",rejected="false",type="admit"}' metrics
says metric-rejections 'apiserver_admission_webhook_rejection_count{error_type="no_error",name="denies.example.com",operation="CREATE",rejection_code="403",type="validating"}' metrics
says metric-errors 'apiserver_admission_webhook_rejection_count{error_type="calling_webhook_error",name="refuses.example.com",operation="CREATE",rejection_code="503",type="admit"}' metrics
says metric-open 'apiserver_admission_webhook_fail_open_count{name="fails.example.com",type="validating"}' metrics

# By way of a service.
hook validating serves '{"service":{"name":"hook","namespace":"default","path":"/deny","port":8443},"caBundle":"'"$ca"'"}' ''
says no-service 'Post \"https://hook.default.svc:8443/deny?timeout=10s\": service \"hook\" not found' map served
api POST /api/v1/namespaces/default/services -d '{"metadata":{"name":"hook"},"spec":{"ports":[{"name":"https","port":8443,
	"targetPort":'"$port"'}]}}' >"$tmp/made"
says no-endpoints 'no endpoints available for service \"hook\"' map served
# Endpoints are no loopback addresses.
ip=$(hostname -I 2>/dev/null | tr ' ' '\n' | grep -m 1 -F .)
if [ -n "$ip" ]; then
	api POST /apis/discovery.k8s.io/v1/namespaces/default/endpointslices -d '{"metadata":{"name":"hook-1",
		"labels":{"kubernetes.io/service-name":"hook"}},"addressType":"IPv4","ports":[{"name":"https","port":'"$port"'}],
		"endpoints":[{"addresses":["'"$ip"'"],"conditions":{"ready":true}}]}' >"$tmp/made"
	says service 'admission webhook \"serves.example.com\" denied the request: not on a CREATE' map served
else
	s=$((s + 1))
	echo 'skip service (no address but loopback)'
fi
unhook validating serves

says gone 'not found' api GET "$maps/vanished"
says end '"uid"' map last

# A server that stops does not wait for a webhook whose client is gone.
hook validating late "$(client hang)" ',"timeoutSeconds":30'
says late 'timed out' curl -sS --max-time 1 --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" -A test \
	-H 'content-type: application/json' -d '{"metadata":{"name":"late"}}' "$url$maps"
kill "$pid"
wait "$pid"
says stopped-cleanly "status 0" echo "status $?"
pid=
echo "$p passed, $f failed, $s skipped"
[ "$f" -eq 0 ]
