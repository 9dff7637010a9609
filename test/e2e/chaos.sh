#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kill -9 of the node agent, the runtime, its host process and of shims at any instant while pods live (chaos_load.py). CHAOS_LIVES (40; the long run has
# 500), CHAOS_PACE (seconds between kills, on average; 1), SEED, VARIANT.
set -u
cd "$(dirname "$0")/../.." || exit 1
needs='busybox python3'
. test/e2e/cluster
mkdir -p "$tmp/data"
sh test/e2e/busybox-image example.com/bb:1 "$tmp/bb.tar"
"$bin/sampan" image import "$tmp/bb.tar" --data-dir "$tmp/data" >"$tmp/out" 2>"$tmp/err" || bad import
# shellcheck disable=SC2086
"$bin/sampan" up $dirs --no-sample --timeout=100 >"$tmp/out" 2>"$tmp/err" || bad up
python3 test/e2e/chaos_load.py "$bin/sampan" "$tmp/data" "$run" "${CHAOS_LIVES:-40}" "${CHAOS_PACE:-1}" "${SEED:-1}" >"$tmp/chaos"
status=$?
cat "$tmp/chaos"
case "$(tail -n 1 "$tmp/chaos")" in
*" passed, "*) ;;
*) echo "0 passed, 1 failed" ;;
esac
[ "$status" -eq 0 ] || [ -z "${KEEP:-}" ] || cp -r "$tmp/data/server.log" "$KEEP"
exit "$status"
