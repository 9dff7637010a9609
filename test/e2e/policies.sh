#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Admission policies as a user of kubectl meets them: the API server and the controllers; what the status says of expressions, and that
# a policy is in force. PEER_KUBECTL names a kubectl; without it the one on PATH. Prints what failed; the last line is the sum.
set -u
cd "$(dirname "$0")/../.." || exit 1
kubectl=${PEER_KUBECTL:-$(command -v kubectl)}
if [ -z "$kubectl" ]; then
	echo 'skip policies (kubectl is not on PATH)'
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
fi
. test/e2e/lib
p=0 f=0 controllers=
stop_all() {
	[ -z "$controllers" ] || { kill "$controllers" 2>/dev/null; wait "$controllers" 2>/dev/null; }
	stop_server
}
trap stop_all EXIT
start_server
"$PWD/build/release/sampan" controllers --secure-port 0 --kubeconfig "$kubeconfig" 2>"$tmp/controllers.log" &
controllers=$!
k() { timeout 60 "$kubectl" --kubeconfig "$kubeconfig" "$@" 2>&1; }
says() { # NAME TEXT OUTPUT
	case "$3" in
	*"$2"*) p=$((p + 1)) ;;
	*)
		f=$((f + 1))
		printf 'FAIL %s: no %s in\n%s\n' "$1" "$2" "$3"
		;;
	esac
}
policy() { # NAME GROUP RESOURCE EXPRESSION
	cat <<-END
		apiVersion: admissionregistration.k8s.io/v1
		kind: ValidatingAdmissionPolicy
		metadata: {name: $1}
		spec:
		  matchConstraints: {resourceRules: [{apiGroups: ["$2"], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [$3]}]}
		  validations: [{expression: "$4", message: too many}]
	END
}
checked() { k wait "validatingadmissionpolicy/$1" --for=jsonpath='{.status.observedGeneration}'="$2" --timeout=50s; }
warning='jsonpath={.status.typeChecking.expressionWarnings[*].warning}'

says made created "$(policy many apps deployments 'object.spec.replicsa < 5' | k create -f -)"
says checked 'condition met' "$(checked many 1)"
says warned "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'replicsa'" "$(k get validatingadmissionpolicy many -o "$warning")"
says described 'spec.validations[0].expression' "$(k describe validatingadmissionpolicy many)"
says mended configured "$(policy many apps deployments 'object.spec.replicas < 5' | k apply -f -)"
says again 'condition met' "$(checked many 2)"
says clean 'is []' "is [$(k get validatingadmissionpolicy many -o "$warning")]"
says bound created "$(k create -f - <<-'END'
	apiVersion: admissionregistration.k8s.io/v1
	kind: ValidatingAdmissionPolicyBinding
	metadata: {name: many}
	spec: {policyName: many, validationActions: [Deny]}
	END
)"
# The server hears of a binding as of everything: a little later.
i=0
while [ $i -lt 50 ] && out=$(k create deployment big --image i --replicas 7 --dry-run=server); do i=$((i + 1)); done
says denied "ValidatingAdmissionPolicy 'many' with binding 'many' denied request: too many" "$out"
says allowed created "$(k create deployment small --image i --replicas 2)"

says kind created "$(k create -f - <<-'END'
	apiVersion: apiextensions.k8s.io/v1
	kind: CustomResourceDefinition
	metadata: {name: boats.harbor.example.com}
	spec:
	  group: harbor.example.com
	  scope: Namespaced
	  names: {plural: boats, singular: boat, kind: Boat, listKind: BoatList}
	  versions:
	  - name: v1
	    served: true
	    storage: true
	    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {length: {type: integer}}}}}}
	END
)"
says made-custom created "$(policy long harbor.example.com boats "object.spec.length < '5'" | k create -f -)"
says checked-custom 'condition met' "$(checked long 1)"
says warned-custom "harbor.example.com/v1, Kind=Boat: ERROR: <input>:1:20: found no matching overload for '_<_' applied to '(int, string)'" \
	"$(k get validatingadmissionpolicy long -o "$warning")"
[ "$f" -eq 0 ] || tail -n 5 "$tmp/controllers.log"
echo "$p passed, $f failed"
[ "$f" -eq 0 ]
