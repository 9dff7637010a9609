# SPDX-License-Identifier: Apache-2.0
# For test/e2e/*.sh: a `sampan apiserver` of one's own. Sourced; sets url, and ca.pem, crt.pem, key.pem below $tmp.

tmp=$(mktemp -d)
pid=
stop_server() {
	[ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
	rm -rf "$tmp"
}
trap stop_server EXIT

# start_server FLAG…: a server on any port, once it says that it serves. Its log goes on to $tmp/log.
start_server() {
	mkfifo "$tmp/err"
	"$PWD/build/release/sampan" apiserver --data-dir "$tmp/data" --bind-address 127.0.0.1 --secure-port 0 "$@" 2>"$tmp/err" &
	pid=$!
	exec 3<"$tmp/err"
	while read -r line <&3; do
		printf '%s\n' "$line" >>"$tmp/log"
		case "$line" in *'"msg":"serving"'*) break ;; esac
	done
	cat <&3 >>"$tmp/log" &
	exec 3<&-
	rm "$tmp/err"
	kubeconfig=$tmp/data/admin.kubeconfig
	url=$(sed -n 's/^    server: //p' "$kubeconfig")
	for what in certificate-authority-data:ca.pem client-certificate-data:crt.pem client-key-data:key.pem; do
		sed -n "s/^ *${what%%:*}: //p" "$kubeconfig" | base64 -d >"$tmp/${what#*:}"
	done
}
