#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kubectl top and kubectl autoscale on a cluster of `sampan up`: a deployment grows while it is asked much. PEER_KUBECTL names a kubectl.
set -u
cd "$(dirname "$0")/../.." || exit 1
needs='python3'
. test/e2e/cluster
load=''
finish() {
	[ -z "$load" ] || kill "$load" 2>/dev/null
	end_cluster
}
trap finish EXIT
# shellcheck disable=SC2086
"$bin/sampan" up $dirs --timeout=100 >"$tmp/up" 2>&1 || { cat "$tmp/up"; echo '0 passed, 1 failed'; exit 1; }
k() { timeout -k 1 200 "$kubectl" "$@" 2>&1; }
says() { # NAME PATTERN TEXT
	if printf '%s\n' "$3" | grep -Eq -- "$2"; then
		p=$((p + 1))
	else
		f=$((f + 1))
		printf 'FAIL %s: no %s in\n%s\n' "$1" "$2" "$3"
	fi
}
says top-node '^[^ ]+ +[0-9]+m +[0-9]+% +[0-9]+Mi +[0-9]+%' "$(k top node)"
says top-pod '^hello-[^ ]+ +web +[0-9]+m +[0-9]+Mi' "$(k top pod --containers)"
says top-label '^hello-' "$(k top pod -l app=hello)"
says top-none 'No resources found' "$(k top pod -l app=nothing)"
says get '^hello-[^ ]+ +[0-9]+[nu]? +[0-9]+Ki' "$(k get podmetrics)"
says api 'v1beta1.metrics.k8s.io +Local +True' "$(k get apiservice v1beta1.metrics.k8s.io)"
says requests 'updated' "$(k set resources deployment hello --requests=cpu=20m)"
# kubectl's own flag for this has another name in each of its versions
says autoscale 'created' "$(k create -f - <<-'END'
	{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"hello"},"spec":{
	"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"hello"},"minReplicas":1,"maxReplicas":2,
	"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}]}}
	END
)"
python3 - "$(k get service hello -o 'jsonpath={.spec.clusterIP}')" <<-'END' &
	import http.client, sys
	while True:
	    try:
	        c = http.client.HTTPConnection(sys.argv[1], 80, timeout=2)
	        c.request('GET', '/')
	        c.getresponse().read()
	        c.close()
	    except OSError:
	        pass
END
load=$!
says grows 'condition met' "$(k wait hpa/hello --for=jsonpath='{.status.currentReplicas}'=2 --timeout=180s)"
says ready 'condition met' "$(k wait deployment/hello --for=jsonpath='{.status.readyReplicas}'=2 --timeout=60s)"
says described 'SuccessfulRescale +.*New size: 2; reason: cpu resource utilization \(percentage of request\) above target' "$(k describe hpa hello)"
echo "$p passed, $f failed"
[ "$f" -eq 0 ]
