#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make install DESTDIR=: what is installed runs from there, completes words, and has units that systemd accepts.
set -u
cd "$(dirname "$0")/../.." || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
p=0 f=0 skipped=0
check() {
	if eval "$2" >"$tmp/out" 2>&1; then
		p=$((p + 1))
	else
		f=$((f + 1))
		echo "FAIL $1: $(head -c 400 "$tmp/out")"
	fi
}
check install 'make -s install DESTDIR="$tmp/root" PREFIX=/usr'
bin=$tmp/root/usr/bin
check version '"$bin/sampan" version | grep "Kubernetes API"'
check beside '[ -x "$bin/sampan-unpack" ] && [ -x "$bin/sampan-sample" ] && [ -x "$bin/containerd-shim-sampan-v1" ]'
check all-of-it '[ "$(find "$tmp/root" -type f | wc -l)" -eq 8 ]'
check nothing-of-the-tree '! grep -rqF "$PWD" "$tmp/root/usr/lib" "$tmp/root/usr/share"'
units=$tmp/root/usr/lib/systemd/system
check runs-as-its-users 'grep -q "^ExecStart=/usr/bin/sampan server --user=sampan --keys-user=sampan-keys --node-user=sampan-node$" "$units/sampan.service" &&
	grep -q "^ExecStart=/usr/bin/sampan agent --node-user=sampan-node$" "$units/sampan-agent.service"'
if command -v systemd-analyze >/dev/null 2>&1; then
	mkdir "$tmp/units"
	for u in sampan sampan-agent; do sed "s|/usr/bin/|$bin/|" "$units/$u.service" >"$tmp/units/$u.service"; done
	check units '! systemd-analyze verify --man=no "$tmp/units/sampan.service" "$tmp/units/sampan-agent.service" 2>&1 | grep -F "$tmp/units"'
else
	echo 'skip units (no systemd-analyze)'
	skipped=$((skipped + 1))
fi
if command -v bash >/dev/null 2>&1; then
	words() { bash -c 'compopt() { :; }; source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sampan; echo "${COMPREPLY[*]}"' "$tmp/root/usr/share/bash-completion/completions/sampan" "$@"; }
	check verbs '[ "$(words sampan kubec)" = kubeconfig ]'
	check flags '[ "$(words sampan token create --ku)" = --kubeconfig= ]'
	check words '[ "$(words sampan snapshot re)" = restore ]'
else
	echo 'skip completion (no bash)'
	skipped=$((skipped + 3))
fi
# The figures of help come from the same tables.
check help '"$bin/sampan" agent --help | grep -e "--token"'
check every-verb 'for v in $("$bin/sampan" --help | sed -n "s/^  \([a-z-]*\)  .*/\1/p"); do [ "$v" = version ] || "$bin/sampan" "$v" --help >/dev/null || exit 1; done'
echo "$p passed, $f failed, $skipped skipped"
[ "$f" -eq 0 ]
