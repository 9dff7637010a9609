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
echo "$p passed, $f failed, $s skipped"
[ "$f" -eq 0 ] && [ "$p" -gt 0 ]
