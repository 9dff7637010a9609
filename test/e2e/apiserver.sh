#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The API server with real clients: curl, kubectl (whichever is on PATH), and recorded exchanges with a real kube-apiserver
# when they are there (../shared). Prints what failed; the last line is the sum.
set -u
cd "$(dirname "$0")/../.." || exit 1
. test/e2e/lib
p=0 f=0 s=0

# ok NAME COMMAND…: it must succeed.
ok() {
	name=$1
	shift
	if "$@" >"$tmp/out" 2>&1; then
		p=$((p + 1))
	else
		f=$((f + 1))
		echo "FAIL $name: $*"
		sed 's/^/  /' "$tmp/out" | head -n 20
	fi
}
# fails NAME COMMAND…: it must not succeed.
fails() {
	name=$1
	shift
	if "$@" >"$tmp/out" 2>&1; then
		f=$((f + 1))
		echo "FAIL $name: succeeded: $*"
	else
		p=$((p + 1))
	fi
}
echo 't0ken,carol,u9,"g1,g2"' >"$tmp/tokens"
start_server --token-auth-file "$tmp/tokens"
get() { curl -sS --max-time 20 --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" "$@"; }
stranger() { curl -sS --max-time 20 --cacert "$tmp/ca.pem" "$@"; }

says healthz ok get "$url/healthz"
says version '"gitVersion": "v1.36' get "$url/version"
says http1 '"kind":"ConfigMapList"' get --http1.1 -A test "$url/api/v1/namespaces/default/configmaps"
says http2 '"kind":"ConfigMapList"' get --http2 -A test "$url/api/v1/namespaces/default/configmaps"
says anonymous-health ok stranger "$url/readyz"
says anonymous-list 'cannot list resource \"pods\" in API group \"\" at the cluster scope' stranger -A test "$url/api/v1/pods"
says no-such '404 page not found' get "$url/apis/nope/v1/things"

kubectl_tests() {
	k() { kubectl --kubeconfig "$kubeconfig" --cache-dir "$tmp/cache" "$@"; }
	ok k-create k create configmap one --from-literal=a=1
	says k-get 'one' k get configmaps
	says k-get-yaml 'a: "1"' k get configmap one -o yaml
	ok k-label k label configmap one tier=web
	says k-selector 'configmap/one' k get configmaps -l tier=web -o name
	ok k-patch k patch configmap one --type=merge -p '{"data":{"b":"2"}}'
	says k-patched '"b": "2"' k get configmap one -o json
	cat >"$tmp/deploy.yaml" <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: c
        image: nginx:1.25
YAML
	ok k-apply k apply -f "$tmp/deploy.yaml"
	says k-apply-again 'unchanged' k apply -f "$tmp/deploy.yaml"
	says k-deploy 'web' k get deployments
	ok k-ssa k apply --server-side --force-conflicts -f "$tmp/deploy.yaml"
	says k-exists 'already exists' k create configmap one
	ok k-scale k scale deployment web --replicas=5
	says k-scaled '"replicas": 5' k get deployment web -o json
	says k-scale-table 'DESIRED' k get deployment web --subresource=scale
	ok k-expose k expose deployment web --port=80 --type=NodePort
	says k-exposed 'NodePort' k get service web
	says k-service-address '10.96.' k get service web -o 'jsonpath={.spec.clusterIP}'
	says k-address 'services/default/web' k get ipaddresses "$(k get service web -o 'jsonpath={.spec.clusterIP}')"
	ok k-unexpose k delete service web
	k create serviceaccount default >/dev/null 2>&1
	ok k-run k run one --image=nginx:1.25
	says k-describe 'kube-api-access-' k describe pod one
	ok k-log-none k logs one
	ok k-quota k create quota few --hard=configmaps=1
	ok k-quota-status k patch quota few --subresource=status --type=merge -p '{"status":{"hard":{"configmaps":"1"},"used":{"configmaps":"1"}}}'
	says k-quota-full 'exceeded quota: few, requested: configmaps=1, used: configmaps=1, limited: configmaps=1' k create configmap more
	ok k-quota-gone k delete quota few
	ok k-level k label namespace default pod-security.kubernetes.io/enforce=baseline
	says k-level-kept 'violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)' k run two --image=nginx:1.25 --overrides '{"spec":{"hostNetwork":true}}'
	ok k-pod-gone k delete pod one --wait=false
	says k-events 'No resources found' k get events.events.k8s.io
	ok k-delete k delete configmap one
	says k-gone 'not found' k get configmap one
	says k-api-resources 'deployments' k api-resources
	cat >"$tmp/crd.yaml" <<'YAML'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.e2e.example.com}
spec:
  group: e2e.example.com
  scope: Namespaced
  names: {plural: lamps, kind: Lamp, shortNames: [lp]}
  versions:
  - name: v1
    served: true
    storage: true
    selectableFields: [{jsonPath: .spec.color}]
    additionalPrinterColumns: [{name: Color, type: string, jsonPath: .spec.color}]
    subresources: {status: {}, scale: {specReplicasPath: .spec.bulbs, statusReplicasPath: .status.bulbs}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              color: {type: string, description: The color of its light., default: white}
              bulbs: {type: integer, minimum: 0}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
YAML
	cat >"$tmp/lamp.yaml" <<'YAML'
apiVersion: e2e.example.com/v1
kind: Lamp
metadata: {name: one}
spec: {bulbs: 1}
YAML
	ok k-crd k apply -f "$tmp/crd.yaml"
	ok k-crd-wait k wait --for=condition=Established crd/lamps.e2e.example.com --timeout=10s
	says k-crd-explain 'The color of its light.' k explain lamp.spec.color
	ok k-cr-apply k apply -f "$tmp/lamp.yaml"
	says k-cr-again 'unchanged' k apply -f "$tmp/lamp.yaml"
	says k-cr-columns 'white' k get lp
	says k-cr-select 'lamp.e2e.example.com/one' k get lamps --field-selector spec.color=white -o name
	ok k-cr-scale k scale lamp one --replicas=3
	says k-cr-scaled '"bulbs": 3' k get lamp one -o json
	says k-cr-invalid 'should be greater than or equal to 0' k patch lamp one --type=merge -p '{"spec":{"bulbs":-1}}'
	ok k-cr-patch k patch lamp one --type=merge -p '{"spec":{"color":"red"}}'
	ok k-cr-ssa k apply --server-side --force-conflicts -f "$tmp/lamp.yaml"
	ok k-cr-delete k delete lamp one
	ok k-cr-create k create -f "$tmp/lamp.yaml"
	ok k-crd-delete k delete crd lamps.e2e.example.com
	fails k-crd-gone k get lamps
	# Who may what.
	says k-whoami 'admin' k auth whoami
	ok k-can-i k auth can-i delete nodes
	ok k-can-i-as test "$(k auth can-i list secrets --as=bob)" = no
	says k-as "User \"bob\" cannot list resource \"pods\"" k get pods --as=bob
	ok k-bind k create rolebinding bob-views --clusterrole=view --user=bob
	says k-bound 'web' k get deployments --as=bob
	ok k-view-has-no-secrets test "$(k auth can-i list secrets --as=bob)" = no
	says k-can-i-list 'deployments.apps' k auth can-i --list --as=bob
	ok k-binders k create role role-binders --verb=create --resource=rolebindings
	ok k-binders-bind k create rolebinding role-binders --role=role-binders --group=role-binders
	says k-escalation 'attempting to grant RBAC permissions' k create rolebinding up --clusterrole=admin --user=eve \
		--as=bob --as-group=role-binders
	# Tokens of service accounts.
	ok k-sa k create serviceaccount robot
	token=$(k create token robot) || token=
	bearer() { curl -sS --max-time 20 --cacert "$tmp/ca.pem" -H "Authorization: Bearer $token" -A test "$@"; }
	says token-forbidden 'User \"system:serviceaccount:default:robot\" cannot list' bearer "$url/api/v1/nodes"
	ok k-sa-bind k create rolebinding robot-views --clusterrole=view --serviceaccount=default:robot
	says token-allowed '"kind":"ConfigMapList"' bearer "$url/api/v1/namespaces/default/configmaps"
	says token-discovery '"alg":"ES256"' bearer "$url/openid/v1/jwks"
	# One that was used may go on for 10 s, as upstream's; one that was not ends with its account.
	unused=$(k create token robot) || unused=
	ok k-sa-delete k delete serviceaccount robot
	token=$unused
	says token-ends 'Unauthorized' bearer "$url/api/v1/namespaces/default/configmaps"
	token=nonsense
	says token-nonsense 'Unauthorized' bearer "$url/healthz"
}
if command -v kubectl >/dev/null 2>&1; then
	kubectl_tests
else
	s=$((s + 1))
	echo "skip kubectl (not on PATH)"
fi

whoami() {
	stranger -A test -H "Authorization: Bearer $1" -H 'Content-Type: application/json' -d \
		'{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}' \
		"$url/apis/authentication.k8s.io/v1/selfsubjectreviews"
}
says token-file '"username":"carol","uid":"u9","groups":["g1","g2","system:authenticated"]' whoami t0ken
says token-unknown Unauthorized whoami abcdef.0123456789abcdef
# A review is no row of a table.
says review-table '"code":406' get -A test -H 'Accept: application/json;as=Table;v=v1;g=meta.k8s.io' -H 'Content-Type: application/json' -d \
	'{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"nonResourceAttributes":{"path":"/","verb":"get"}}}' \
	"$url/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
get -A test -H 'Content-Type: application/json' -d '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"bootstrap-token-abcdef"},
	"type":"bootstrap.kubernetes.io/token","stringData":{"token-id":"abcdef","token-secret":"0123456789abcdef",
	"usage-bootstrap-authentication":"true"}}' "$url/api/v1/namespaces/kube-system/secrets" >/dev/null
says token-bootstrap '"username":"system:bootstrap:abcdef","groups":["system:bootstrappers","system:authenticated"]' \
	whoami abcdef.0123456789abcdef
says token-bootstrap-wrong Unauthorized whoami abcdef.0123456789abcdee
says roles-there 'system:basic-user' get -A test "$url/apis/rbac.authorization.k8s.io/v1/clusterroles"
says service-there '"clusterIP":"10.96.0.1"' get -A test "$url/api/v1/namespaces/default/services/kubernetes"

# Copies of the store: while the server runs, and from its files; what was restored is an older state at a higher revision.
snapshot() { build/release/sampan snapshot "$@" --data-dir "$tmp/data"; }
says snapshot-save "$tmp/data/snapshots/one" snapshot save one
says snapshot-again 'there is a snapshot' snapshot save one
says snapshot-odd-name 'is no name of a snapshot' snapshot save ../one
says snapshot-stranger 'forbidden' stranger -X POST "$url/sampan/v1/snapshots?name=two"
says snapshot-running 'stop it first' snapshot restore one
get -A test -X DELETE "$url/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef" >/dev/null
revision() { get -A test "$url/api/v1/namespaces?limit=1" | sed -n 's/.*"metadata":{"resourceVersion":"\([0-9]*\)".*/\1/p' | head -n 1; }
before=$(revision)

ok stops kill "$pid"
wait "$pid"
ok stopped-cleanly test $? -eq 0
pid=
says snapshot-offline "$tmp/data/snapshots/two" snapshot save two
says snapshot-list 'two' snapshot list
says snapshot-restore 'list anew' snapshot restore one
says snapshot-none 'No such file' snapshot restore absent
# Plugins that are off by default, and what they are told; relative paths begin beside the file.
cat >"$tmp/admission.yaml" <<'END'
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodNodeSelector
  path: selectors.yaml
END
echo 'podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: "disk=ssd"}' >"$tmp/selectors.yaml"
says plugin-untold 'EventRateLimit": it has no configuration' "$PWD/build/release/sampan" apiserver --data-dir "$tmp/none" --enable-admission-plugins EventRateLimit
start_server --token-auth-file "$tmp/tokens" --cors-allowed-origins '//a\.io(:|$)' --enable-admission-plugins AlwaysPullImages,PodNodeSelector \
	--admission-control-config-file "$tmp/admission.yaml" --disable-admission-plugins ServiceAccount \
	--default-not-ready-toleration-seconds 7 --min-request-timeout 1 --allow-privileged --v=2
says snapshot-is-back '"name":"bootstrap-token-abcdef"' get -A test "$url/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef"
after=$(revision)
# There is no service account; without the plugin nobody looks for one.
says plugin-disabled '"phase":"Pending"' get -A test "$url/api/v1/namespaces/default/pods" -H 'content-type: application/json' \
	-d '{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}'
says plugin-enabled '"imagePullPolicy":"Always"' get -A test "$url/api/v1/namespaces/default/pods/p"
says plugin-told '"nodeSelector":{"disk":"ssd"}' get -A test "$url/api/v1/namespaces/default/pods/p"
says flag-tolerations '"tolerationSeconds":7}' get -A test "$url/api/v1/namespaces/default/pods/p"
says cors-preflight 'access-control-allow-origin: http://a.io' get -i -X OPTIONS -H 'origin: http://a.io' "$url/api/v1/pods"
says flag-watch-ends '"type":"ADDED"' get -A test "$url/api/v1/namespaces/default/pods?watch=1"
says cors-refused 'regular expression does not pin to start/end of host in the origin header' "$PWD/build/release/sampan" apiserver --cors-allowed-origins a.io
says flag-refused 'can only be empty: what is stored is not encrypted' "$PWD/build/release/sampan" apiserver --encryption-provider-config /x
says timeout-odd 'invalid timeout specified in the request URL' get "$url/api/v1/namespaces?timeout=x"
ok snapshot-revision test "$after" -gt $((before + 999999999))
kill "$pid"
wait "$pid"
pid=
echo "$p passed, $f failed, $s skipped"
[ "$f" -eq 0 ]
