#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Conversion webhooks: the API server and a webhook of Python's standard library over HTTPS, driven by curl. Prints what failed;
# the last line is the sum. The texts were seen from a kube-apiserver 1.36.2.
set -u
cd "$(dirname "$0")/../.." || exit 1
if ! command -v python3 >/dev/null 2>&1 || ! command -v openssl >/dev/null 2>&1; then
	echo 'skip conversion (python3 or openssl is not on PATH)'
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
fi
. test/e2e/lib
p=0 f=0
echo ok >"$tmp/asked.mode"
start_hook test/e2e/conversion_server.py IP:127.0.0.1
start_server
mode() { echo "$1" >"$tmp/asked.mode"; }
asked() { grep -c . "$tmp/asked"; }
text='{"type":"string"}'
schema() { echo '{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":'"$1"'}}}}'; }
api POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions -d '{"metadata":{"name":"foos.st.example.com"},"spec":{
	"group":"st.example.com","scope":"Namespaced","names":{"plural":"foos","kind":"Foo"},"versions":[
	{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},
	"schema":'"$(schema '{"hostPort":'$text',"d":{"type":"string","default":"one"}}')"'},
	{"name":"v2","served":true,"storage":false,"subresources":{"status":{}},"selectableFields":[{"jsonPath":".spec.host"}],
	"schema":'"$(schema '{"host":'$text',"port":'$text'}')"'}],
	"conversion":{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{
	"url":"https://127.0.0.1:'"$port"'/convert","caBundle":"'"$ca"'"}}}}}' >"$tmp/made"
says defined '"uid"' cat "$tmp/made"
# The definition's conditions come by a watch, not by asking again and again.
api GET '/apis/apiextensions.k8s.io/v1/customresourcedefinitions?watch=1&timeoutSeconds=20' -N 2>/dev/null | sed '/"type":"Established","status":"True"/q;/"status":"True","type":"Established"/q' >/dev/null
v1=/apis/st.example.com/v1/namespaces/default/foos v2=/apis/st.example.com/v2/namespaces/default/foos

# One object in both versions, written through either.
says create-v1 '"spec":{"d":"one","hostPort":"h:1"}' api POST $v1 -d '{"apiVersion":"st.example.com/v1","kind":"Foo","metadata":{"name":"a"},"spec":{"hostPort":"h:1"}}'
says get-v2 '"spec":{"host":"h","port":"1"}' api GET $v2/a
says create-v2 '"spec":{"host":"hh","port":"2"}' api POST $v2 -d '{"apiVersion":"st.example.com/v2","kind":"Foo","metadata":{"name":"b"},"spec":{"host":"hh","port":"2"}}'
says get-v1 '"spec":{"d":"one","hostPort":"hh:2"}' api GET $v1/b
says path '/convert?timeout=30s' cat "$tmp/asked"
says list-v2 '"spec":{"host":"h","port":"1"}},{"' api GET $v2
says fields '"spec":{"host":"hh","port":"2"}}],"kind":"FooList"' api GET "$v2?fieldSelector=spec.host%3Dhh"
says page '"remainingItemCount":1' api GET "$v2?limit=1"
says table '"rows":[{"cells":["a"' api GET $v2 -H 'accept: application/json;as=Table;v=v1;g=meta.k8s.io'
type=application/merge-patch+json
says patch '"spec":{"host":"h","port":"9"}' api PATCH $v2/a -d '{"spec":{"port":"9"}}'
rv=$(sed -n 's/.*"resourceVersion":"\([0-9]*\)".*/\1/p' "$tmp/out")
says patch-noop "\"resourceVersion\":\"$rv\"" api PATCH $v2/a -d '{"spec":{"port":"9"}}'
says patched-v1 '"spec":{"d":"one","hostPort":"h:9"}' api GET $v1/a
says status '"spec":{"host":"h","port":"9"}' api PATCH $v2/a/status -d '{"status":{}}'
type=application/apply-patch+yaml
says apply '"spec":{"host":"x","port":"3"}' api PATCH "$v2/c?fieldManager=m" -d '{"apiVersion":"st.example.com/v2","kind":"Foo","metadata":{"name":"c"},"spec":{"host":"x","port":"3"}}'
type=application/json
says dry-run '"spec":{"host":"hh","port":"2"}' api POST "$v2?dryRun=All" -d '{"apiVersion":"st.example.com/v2","kind":"Foo","metadata":{"name":"dry"},"spec":{"host":"hh","port":"2"}}'
says dry-run-gone 'foos.st.example.com \"dry\" not found' api GET $v2/dry

# What a webhook may change, and what not; a write that fails leaves nothing.
mode label
says label '"labels":{"by":"webhook"}' api POST $v2 -d '{"apiVersion":"st.example.com/v2","kind":"Foo","metadata":{"name":"l"},"spec":{}}'
mode finalizer
says finalizer '"spec":{"host":"q","port":""}' api POST $v2 -d '{"apiVersion":"st.example.com/v2","kind":"Foo","metadata":{"name":"f"},"spec":{"host":"q"}}'
mode ok
says no-finalizer '"kind":"Status"' api DELETE $v2/f
says no-finalizer-gone 'not found' api GET $v1/f
for m in name badlabel fail few hang; do
	mode $m
	case $m in
	name) want='conversion webhook for st.example.com/v2, Kind=Foo returned invalid object: must have the same name: m-name != other' ;;
	badlabel) want='returned invalid metadata: metadata.labels: Invalid value: \"-\"' ;;
	fail) want='"message":"conversion webhook for st.example.com/v2, Kind=Foo failed: no way","code":500' ;;
	few) want='conversion webhook for st.example.com/v2, Kind=Foo returned 0 objects, expected 1' ;;
	hang) want='timed out' ;;
	esac
	says "create-$m" "$want" api POST $v2 -d '{"apiVersion":"st.example.com/v2","kind":"Foo","metadata":{"name":"m-'$m'"},"spec":{}}' --max-time 2
	mode ok
	says "nothing-$m" 'not found' api GET $v1/m-$m
done
says stored-goes-on '"name":"n1"' api POST $v1 -d '{"apiVersion":"st.example.com/v1","kind":"Foo","metadata":{"name":"n1"},"spec":{"hostPort":"n:1"}}'
mode fail
says get-fails 'conversion webhook for st.example.com/v1, Kind=Foo failed: no way' api GET $v2/n1
says list-fails 'conversion webhook for st.example.com/v1, Kind=Foo failed: no way' api GET $v2
says v1-goes-on '"name":"n1"' api GET $v1/n1

# A webhook that hangs holds up nobody else.
mode hang
api GET $v2/n1 --max-time 3 >/dev/null 2>&1 &
hanging=$!
says beside '"name":"n1"' api GET $v1/n1 --max-time 2
says beside-write '"name":"m"' api POST /api/v1/namespaces/default/configmaps --max-time 2 -d '{"metadata":{"name":"m"}}'
wait "$hanging"

# Watches see every change in their version, in order; twenty of them ask once per event.
mode ok
api GET $v2 >/dev/null
rv=$(api GET "$v1?limit=1" | python3 -c 'import json,sys; print(json.load(sys.stdin)["metadata"]["resourceVersion"])')
watchers=
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	api GET "$v2?watch=1&resourceVersion=$rv&timeoutSeconds=4" -N >"$tmp/watch.$i" 2>/dev/null &
	watchers="$watchers $!"
done
api GET "$v2?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=4" -N >"$tmp/initial" 2>/dev/null &
watchers="$watchers $!"
api GET "$v2?watch=1&timeoutSeconds=4&fieldSelector=spec.host%3Dw3" -N >"$tmp/selected" 2>/dev/null &
watchers="$watchers $!"
before=$(asked)
type=application/merge-patch+json
for i in 1 2 3 4 5; do api PATCH $v1/n1 -d '{"spec":{"hostPort":"w'$i':1"}}' >/dev/null; done
type=application/json
api DELETE $v1/n1 >/dev/null
for w in $watchers; do wait "$w"; done
for i in 1 20; do
	says "watch-$i" 'MODIFIED w1 MODIFIED w2 MODIFIED w3 MODIFIED w4 MODIFIED w5 DELETED w5' python3 -c '
import json,sys
print(" ".join(e["type"]+" "+e["object"]["spec"]["host"] for e in map(json.loads, open(sys.argv[1])) if e["object"]["apiVersion"]=="st.example.com/v2"))' "$tmp/watch.$i"
done
says initial 'initial-events-end' cat "$tmp/initial"
says initial-v2 '"type":"ADDED","object":{"apiVersion":"st.example.com/v2"' cat "$tmp/initial"
says selected 'ADDED DELETED' python3 -c '
import json,sys
print(" ".join(e["type"] for e in map(json.loads, open(sys.argv[1])) if e["type"]!="BOOKMARK"))' "$tmp/selected"
n=$(($(asked) - before))
says shared yes sh -c "[ $n -le 14 ] && echo yes || echo 'asked $n times'"
mode fail
api POST $v1 -d '{"apiVersion":"st.example.com/v1","kind":"Foo","metadata":{"name":"n2"},"spec":{"hostPort":"n:1"}}' >/dev/null
rv=$(api GET "$v1?limit=1" | python3 -c 'import json,sys; print(json.load(sys.stdin)["metadata"]["resourceVersion"])')
says watch-fails '"type":"ERROR"' api GET "$v2?watch=1&resourceVersion=$((rv - 1))&timeoutSeconds=5" -N
says delete-selected-fails 'conversion webhook for st.example.com' api DELETE "$v2?fieldSelector=spec.host%3Dn"
mode ok

# Deleting: one, some and all.
api POST $v1 -d '{"apiVersion":"st.example.com/v1","kind":"Foo","metadata":{"name":"n3"},"spec":{"hostPort":"other:1"}}' >/dev/null
says delete-selected '"spec":{"host":"other","port":"1"}}],"kind":"FooList"' api DELETE "$v2?fieldSelector=spec.host%3Dother"
says only-those '"reason":"NotFound"' api GET $v2/n3
says delete '"status":"Success"' api DELETE $v2/n2
says delete-all '"apiVersion":"st.example.com/v2","items":[{"' api DELETE $v2
says empty '"items":[]' api GET $v1

# Webhooks and policies that name another version than the request's see that one (matchPolicy Equivalent).
hooks() {
	echo '{"metadata":{"name":"'"$1"'"},"webhooks":[{"name":"'"$1"'.example.com","sideEffects":"None","admissionReviewVersions":["v1"],"failurePolicy":"Ignore",
	"clientConfig":{"url":"https://127.0.0.1:'"$port/$1"'","caBundle":"'"$ca"'"},"rules":[{"apiGroups":["st.example.com"],"apiVersions":["v2"],
	"resources":["foos"],"operations":["*"]}]}]}'
}
registration=/apis/admissionregistration.k8s.io/v1
says validator '"uid"' api POST $registration/validatingwebhookconfigurations -d "$(hooks validate)"
says equivalent-create '"spec":{"d":"one","hostPort":"e:1"}' api POST $v1 -d '{"apiVersion":"st.example.com/v1","kind":"Foo","metadata":{"name":"e"},"spec":{"hostPort":"e:1"}}'
says equivalent-seen '"asked": "v1", "object": {"host": "e", "port": "1"}, "objectVersion": "st.example.com/v2", "oldObject": null, "oldObjectVersion": null, "operation": "CREATE"' \
	tail -n 1 "$tmp/asked"
type=application/merge-patch+json
says equivalent-update '"hostPort":"e:2"' api PATCH $v1/e -d '{"spec":{"hostPort":"e:2"}}'
says equivalent-old '"object": {"host": "e", "port": "2"}, "objectVersion": "st.example.com/v2", "oldObject": {"host": "e", "port": "1"}, "oldObjectVersion": "st.example.com/v2"' \
	tail -n 1 "$tmp/asked"
type=application/json
# Failures of the conversion are none of the webhook, which might be passed over.
mode fail
says equivalent-fails '"message":"Internal error occurred: conversion webhook for st.example.com/v1, Kind=Foo failed: no way","reason":"InternalError"' \
	api POST $v1 -d '{"apiVersion":"st.example.com/v1","kind":"Foo","metadata":{"name":"e2"},"spec":{"hostPort":"e:1"}}'
mode ok
says equivalent-none 'not found' api GET $v1/e2
says mutator '"uid"' api POST $registration/mutatingwebhookconfigurations -d "$(hooks mutate)"
says equivalent-mutated '"spec":{"d":"one","hostPort":"m:77"}' api POST $v1 -d '{"apiVersion":"st.example.com/v1","kind":"Foo","metadata":{"name":"m"},"spec":{"hostPort":"m:1"}}'
says equivalent-mutated-seen '"path": "/validate?timeout=10s", "version": "v2"' tail -n 1 "$tmp/asked"
says equivalent-own '"spec":{"host":"m","port":"77"}' api POST $v2 -d '{"apiVersion":"st.example.com/v2","kind":"Foo","metadata":{"name":"m2"},"spec":{"host":"m","port":"1"}}'
api DELETE $registration/mutatingwebhookconfigurations/mutate >/dev/null
says equivalent-delete '"status":"Success"' api DELETE $v1/e
says equivalent-deleted '"object": null, "objectVersion": null, "oldObject": {"host": "e", "port": "2"}' tail -n 1 "$tmp/asked"
api DELETE $registration/validatingwebhookconfigurations/validate >/dev/null
api POST $registration/validatingadmissionpolicies -d '{"metadata":{"name":"ports"},"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":["st.example.com"],
	"apiVersions":["v2"],"resources":["foos"],"operations":["CREATE","UPDATE"]}]},"validations":[
	{"expression":"object.spec.port != \"13\" && (oldObject == null || oldObject.spec.host == object.spec.host)"}]}}' >/dev/null
api POST $registration/validatingadmissionpolicybindings -d '{"metadata":{"name":"ports"},"spec":{"policyName":"ports","validationActions":["Deny"]}}' >/dev/null
denied="ValidatingAdmissionPolicy 'ports' with binding 'ports' denied request: failed expression"
says policy-denies "$denied" api POST $v1 -d '{"apiVersion":"st.example.com/v1","kind":"Foo","metadata":{"name":"p"},"spec":{"hostPort":"p:13"}}'
says policy-allows '"hostPort":"p:14"' api POST $v1 -d '{"apiVersion":"st.example.com/v1","kind":"Foo","metadata":{"name":"p"},"spec":{"hostPort":"p:14"}}'
type=application/merge-patch+json
says policy-old "$denied" api PATCH $v1/p -d '{"spec":{"hostPort":"q:14"}}'
mode fail
says policy-fails "denied request: failed to configure binding: failed to convert object version: conversion webhook for st.example.com/v1, Kind=Foo failed: no way" \
	api PATCH $v1/p -d '{"spec":{"hostPort":"p:15"}}'
mode ok
type=application/json
api DELETE $registration/validatingadmissionpolicybindings/ports >/dev/null

# Mutating policies see the version they name, too, and what they leave of it is brought back.
mutating() { # NAME EXPRESSION [MORE]: sets something of version v2
	api POST $registration/mutatingadmissionpolicies -d '{"metadata":{"name":"'"$1"'"},"spec":{"reinvocationPolicy":"IfNeeded","matchConstraints":{"resourceRules":[
	{"apiGroups":["st.example.com"],"apiVersions":["v2"],"resources":["foos"],"operations":["CREATE","UPDATE"]}]},'"${3-}"'
	"mutations":[{"patchType":"ApplyConfiguration","applyConfiguration":{"expression":"'"$2"'"}}]}}'
	api POST $registration/mutatingadmissionpolicybindings -d '{"metadata":{"name":"'"$1"'"},"spec":{"policyName":"'"$1"'"'"${4-}"'}}'
}
foo() { echo '{"apiVersion":"st.example.com/'"$1"'","kind":"Foo","metadata":{"name":"'"$2"'"},"spec":'"$3"'}'; }
says mutating '"uid"' mutating port "Object{spec: Object.spec{port: object.spec.port + '0'}}" '"matchConditions":[{"name":"short","expression":"size(object.spec.port) < 3"}],'
says mutated '"spec":{"d":"one","hostPort":"s:100"}' api POST $v1 -d "$(foo v1 s1 '{"hostPort":"s:1"}')"
says mutated-own '"spec":{"host":"s","port":"100"}' api POST $v2 -d "$(foo v2 s2 '{"host":"s","port":"1"}')"
says mutated-not '"spec":{"d":"one","hostPort":"s:123"}' api POST $v1 -d "$(foo v1 s3 '{"hostPort":"s:123"}')"
type=application/merge-patch+json
says mutated-update '"hostPort":"q:200"' api PATCH $v1/s1 -d '{"spec":{"hostPort":"q:2"}}'
type=application/json
says mutated-stored '"spec":{"host":"q","port":"200"}' api GET $v2/s1
mode fail
says mutated-fails 'policy \"port\" denied request: failed to configure policy: conversion webhook for st.example.com/v1, Kind=Foo failed: no way","reason":"Forbidden"' \
	api POST $v1 -d "$(foo v1 s4 '{"hostPort":"s:1"}')"
mode back
says mutated-not-back '"message":"Internal error occurred: failed to convert object: conversion webhook for st.example.com/v2, Kind=Foo failed: no way"' \
	api POST $v1 -d "$(foo v1 s4 '{"hostPort":"s:1"}')"
mode ok
says mutated-nothing 'not found' api GET $v1/s4
# With a webhook that changes the object, those policies that saw it before see it once more.
says mutator-again '"uid"' api POST $registration/mutatingwebhookconfigurations -d "$(hooks mutate)"
says mutated-again '"spec":{"d":"one","hostPort":"s:770"}' api POST $v1 -d "$(foo v1 s5 '{"hostPort":"s:1"}')"
says mutated-once '"spec":{"d":"one","hostPort":"s:77"}' api POST $v1 -d "$(foo v1 s6 '{"hostPort":"s:123"}')"
api DELETE $registration/mutatingwebhookconfigurations/mutate >/dev/null
api DELETE $registration/mutatingadmissionpolicybindings/port >/dev/null

# Parameters are seen in the version that the policy names, of whatever the write is.
api POST $v1 -d "$(foo v1 param '{"hostPort":"limit:7"}')" >/dev/null
kind='"paramKind":{"apiVersion":"st.example.com/v2","kind":"Foo"},'
ref='"paramRef":{"name":"param","namespace":"default","parameterNotFoundAction":"Deny"}'
maps='"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"resources":["configmaps"],"operations":["CREATE"]}]'
api POST $registration/validatingadmissionpolicies -d '{"metadata":{"name":"maps"},"spec":{'"$kind"'"matchConstraints":{'"$maps"'},
	"validations":[{"expression":"object.data.x == params.spec.port"}]}}' >/dev/null
says param-policy '"uid"' api POST $registration/validatingadmissionpolicybindings -d '{"metadata":{"name":"maps"},"spec":{"policyName":"maps","validationActions":["Deny"],'"$ref"'}}'
map() { api POST /api/v1/namespaces/default/configmaps -d '{"metadata":{"name":"'"$1"'"},"data":{"x":"'"$2"'"}}'; }
says param-allows '"uid"' map p1 7
says param-denies "ValidatingAdmissionPolicy 'maps' with binding 'maps' denied request: failed expression: object.data.x == params.spec.port" map p2 8
api POST $v1 -d "$(foo v1 other '{"hostPort":"limit:8"}')" >/dev/null
type=application/merge-patch+json
api PATCH $registration/validatingadmissionpolicybindings/maps -d '{"spec":{"paramRef":{"name":null,"selector":{"matchLabels":{"by":"webhook"}}}}}' >/dev/null
api PATCH $v1/other -d '{"metadata":{"labels":{"by":"webhook"}}}' >/dev/null
type=application/json
says param-selected '"uid"' map p3 8
says param-selected-denies 'denied request: failed expression' map p4 7
mode fail
api POST $v1 -d "$(foo v1 third '{"hostPort":"limit:8"}')" >/dev/null
says param-fails "'maps' denied request: failed to configure binding: paramKind kind \`\u0026ParamKind{APIVersion:st.example.com/v2,Kind:Foo,}\` not yet synced to use for admission" map p5 8
mode ok
api DELETE $registration/validatingadmissionpolicybindings/maps >/dev/null
says param-mutating '"uid"' mutating limit 'Object{spec: Object.spec{port: params.spec.port}}' "$kind" ",$ref"
says param-mutated '"hostPort":"w:7"' api POST $v1 -d "$(foo v1 w '{"hostPort":"w:1"}')"
echo "$p passed, $f failed, 0 skipped"
[ "$f" -eq 0 ]
