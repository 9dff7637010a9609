#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Decisions about recorded snapshots: our own (test/golden/scheduler), and kube-scheduler's when they are there
# (../shared/data/scheduler).
set -u
cd "$(dirname "$0")/../.." || exit 1
sampan=build/release/sampan
data=../shared/data/scheduler
p=0 f=0 s=0

for file in test/golden/scheduler/*.in.json; do
	want=${file%.in.json}.out.json
	if got=$($sampan scheduler simulate <"$file") && [ "$got" = "$(cat "$want")" ]; then
		p=$((p + 1))
	else
		f=$((f + 1))
		echo "FAIL $file"
	fi
done
if echo '{"nodes":3}' | $sampan scheduler simulate >/dev/null 2>&1; then
	f=$((f + 1))
	echo 'FAIL a malformed snapshot was accepted'
else
	p=$((p + 1))
fi
if [ -e "$data/check.py" ]; then
	out=$(python3 "$data/check.py" --jobs "$(nproc)" "$data/cases" -- $sampan scheduler simulate)
	line=$(printf '%s\n' "$out" | tail -n 1)
	case "$line" in
	*' passed, '*' failed')
		n=${line#*passed, }
		p=$((p + ${line%% passed*})) f=$((f + ${n%% failed*})) ;;
	*) f=$((f + 1)) ;;
	esac
	[ "${n:-1}" = '0 failed' ] || printf '%s\n' "$out" | head -n 40
else
	echo "skip recorded decisions (no $data)"
	s=$((s + 1))
fi
# -- live: two nodes of one CPU, pods that fit, one that does not, one that makes room ------------------------------------
. test/e2e/lib
start_server
api() { # METHOD PATH [BODY]
	curl -sS --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" -X "$1" \
		-H 'Content-Type: application/json' ${3:+-d "$3"} "$url$2"
}
patch() { # PATH BODY
	curl -sS --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" -X PATCH \
		-H 'Content-Type: application/merge-patch+json' -d "$2" "$url$1" >/dev/null
}
# until POD TEXT: the watch of one pod shows the text within 30 s.
until_shows() {
	rm -f "$tmp/watch"
	mkfifo "$tmp/watch"
	timeout 30 curl -sSN --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" \
		"$url/api/v1/namespaces/default/pods?watch=true&fieldSelector=metadata.name=$1" >"$tmp/watch" 2>/dev/null &
	watcher=$!
	if grep -q -m 1 -F "$2" <"$tmp/watch"; then
		p=$((p + 1))
	else
		f=$((f + 1))
		echo "FAIL pod $1 never shows $2"
	fi
	kill $watcher 2>/dev/null
	wait $watcher 2>/dev/null
}
pod() { # NAME CPU PRIORITY
	api POST /api/v1/namespaces/default/pods '{"metadata":{"name":"'"$1"'"},"spec":{"automountServiceAccountToken":false,'"$3"'
		"containers":[{"name":"c","image":"none","resources":{"requests":{"cpu":"'"$2"'"}}}]}}' >/dev/null
}
api POST /api/v1/namespaces/default/serviceaccounts '{"metadata":{"name":"default"}}' >/dev/null
api POST /apis/scheduling.k8s.io/v1/priorityclasses '{"metadata":{"name":"high"},"value":1000}' >/dev/null
for n in n1 n2; do
	api POST /api/v1/nodes '{"metadata":{"name":"'$n'","labels":{"kubernetes.io/hostname":"'$n'"}}}' >/dev/null
	patch /api/v1/nodes/$n '{"spec":{"taints":null}}'
	patch /api/v1/nodes/$n/status '{"status":{"allocatable":{"cpu":"1","memory":"1Gi","pods":"10"}}}'
done
own=127.59.$(($$ / 256 % 256)).$(($$ % 254 + 1)) # its port is fixed, so the address is this script's
$sampan scheduler --kubeconfig "$kubeconfig" --bind-address $own 2>"$tmp/scheduler.log" &
scheduler=$!
# says TEXT PATH [CURL-ARGS]: its endpoints answer with a line like that.
says() {
	text=$1 path=$2
	shift 2
	if answer=$(curl -sSk "$@" "https://$own:10259$path") && printf '%s' "$answer" | grep -q "$text"; then
		p=$((p + 1))
	else
		f=$((f + 1))
		echo "FAIL $path does not say '$text' but $(printf '%s' "$answer" | head -n 5)"
	fi
}
trap 'kill $scheduler 2>/dev/null; wait $scheduler 2>/dev/null; stop_server' EXIT
pod a 600m ''
until_shows a '"nodeName":"n'
says '^ok$' /healthz
says '^ok$' /livez
says '^\[+\]sched-handler-sync ok$' '/readyz?verbose'
says 'forbidden: User \\"system:anonymous\\" cannot get path \\"/metrics\\"' /metrics
says '"code": *401' /metrics -H 'Authorization: Bearer no-token'
pod b 600m ''
until_shows b '"nodeName":"n'
pod small 100m ''
until_shows small '"nodeName":"n'
pod c 600m ''
until_shows c '0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.'
pod vip 600m '"priorityClassName":"high",'
until_shows vip '"nominatedNodeName":"n'
nominated=$(api GET /api/v1/namespaces/default/pods/vip | sed -n 's/.*"nominatedNodeName": *"\(n[12]\)".*/\1/p')
# Looked at again while its victim is leaving, it keeps its claim to the node.
api DELETE '/api/v1/namespaces/default/pods/small?gracePeriodSeconds=0' >/dev/null
until_shows vip 'preemption: not eligible due to a terminating pod on the nominated node.'
until_shows vip '"nominatedNodeName":"'"$nominated"'"'
for victim in a b; do
	api GET /api/v1/namespaces/default/pods/$victim | grep -q '"deletionTimestamp"' || continue
	api DELETE "/api/v1/namespaces/default/pods/$victim?gracePeriodSeconds=0" >/dev/null
done
until_shows vip '"nodeName":"'"$nominated"'"'
for line in 'scheduler_schedule_attempts_total{profile="default-scheduler",result="unschedulable"} [1-9]' \
	'scheduler_scheduling_attempt_duration_seconds_count{profile="default-scheduler",result="scheduled"} [1-9]' \
	'scheduler_pending_pods{queue="gated"} 0$' \
	'scheduler_unschedulable_pods{plugin="NodeResourcesFit",profile="default-scheduler"} 1$' \
	'scheduler_queue_incoming_pods_total{event="UnscheduledPodAdd",queue="active"} 5$' \
	'scheduler_preemption_attempts_total [1-9]' 'scheduler_preemption_victims_count 1$' \
	'scheduler_cache_size{type="nodes"} 2$' 'leader_election_master_status{name="kube-scheduler"} 1$' \
	'process_start_time_seconds [1-9]'; do
	says "$line" /metrics --cert "$tmp/crt.pem" --key "$tmp/key.pem"
done
says '"schedulerName": *"default-scheduler"' /configz --cert "$tmp/crt.pem" --key "$tmp/key.pem"
kill $scheduler
if wait $scheduler; then
	p=$((p + 1))
else
	f=$((f + 1))
	cat "$tmp/scheduler.log"
	echo 'FAIL the scheduler did not end well'
fi

echo "$p passed, $f failed, $s skipped"
[ "$f" -eq 0 ] && [ "$p" -gt 0 ]
