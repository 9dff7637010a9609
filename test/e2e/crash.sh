#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# kill -9 of the API server under load (crash_load.py). ROUNDS=100 for the long run.
set -u
cd "$(dirname "$0")/../.." || exit 1
if ! command -v python3 >/dev/null 2>&1; then
	echo 'skip crashes (python3 is not on PATH)'
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
fi
make -s VARIANT=release build/release/sampan >/dev/null || exit 1
exec python3 test/e2e/crash_load.py "$PWD/build/release/sampan" "${ROUNDS:-8}"
