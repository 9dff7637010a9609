#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The HTTP server with curl, nghttp and h2load, and the HTTP client with nginx. Prints what failed; the last line is the sum.
set -u
cd "$(dirname "$0")/../.." || exit 1
tmp=$(mktemp -d)
pids=
stop() {
	for pid in $pids; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
	rm -rf "$tmp"
}
trap stop EXIT
p=0 f=0 s=0
is() { # NAME GOT WANT
	if [ "$2" = "$3" ]; then
		p=$((p + 1))
	else
		f=$((f + 1))
		printf 'FAIL %s\n  got  %s\n  want %s\n' "$1" "$2" "$3"
	fi
}

make -s build/release/libsampan.a || exit 1
gcc -std=gnu17 -D_GNU_SOURCE -O1 -g -Isrc -Itest -o "$tmp/peer" test/e2e/http_peer.c test/lib/http_app.c \
	build/release/libsampan.a -Wl,--as-needed -luv -lssl -lcrypto -lnghttp2 -lllhttp -lyyjson -lz -lm || exit 1

# serve ADDRESS: a server; $address is where it listens.
serve() {
	mkfifo "$tmp/out"
	"$tmp/peer" serve "$1" >"$tmp/out" &
	pids="$pids $!"
	read -r address <"$tmp/out"
	rm "$tmp/out"
}

serve 127.0.0.1:0
head -c 3000000 /dev/urandom >"$tmp/random"
for version in --http1.1 --http1.0 --http2-prior-knowledge; do
	for row in hello:200:6 stream:200:7 sized:200:5 big:200:100000 flow:200:1048576 later:200:5 status/404:404:1 \
		status/204:204:0 hint:200:6 x:404:5 deadline:504:0; do
		path=${row%%:*} want=${row#*:}
		got=$(curl -sS -m 20 $version -o /dev/null -w '%{http_code}:%{size_download}' "http://$address/$path" 2>&1)
		is "curl $version /$path" "$got" "$want"
	done
	is "curl $version body" "$(curl -sS -m 20 $version -d abc "http://$address/echo")" abc
	is "curl $version too large" "$(curl -sS -m 20 $version -o /dev/null -w '%{http_code}' -d "$(printf '%01500d' 0)" \
		"http://$address/echo")" 413
	is "curl $version head" "$(curl -sS -m 20 $version -I "http://$address/hello" | grep -ci '^content-length: 6')" 1
	curl -sS -m 20 $version --data-binary "@$tmp/random" -o "$tmp/back" "http://$address/pipe"
	is "curl $version 3 MB there and back" "$(cmp "$tmp/random" "$tmp/back" 2>&1)" ''
done
curl -sS -m 20 -H 'transfer-encoding: chunked' --data-binary "@$tmp/random" -o "$tmp/back" "http://$address/pipe"
is 'curl chunked upload' "$(cmp "$tmp/random" "$tmp/back" 2>&1)" ''
is 'curl two on one connection' \
	"$(curl -sS -m 20 -w '%{num_connects} ' "http://$address/hello" "http://$address/hello" | tr '\n' ' ')" 'hello 1 hello 0 '
is 'nghttp' "$(nghttp "http://$address/hello")" hello
is 'nghttp upload' "$(nghttp -d "$tmp/random" "http://$address/pipe" | cmp - "$tmp/random" 2>&1)" ''
for load in '--h1 -c 20' '-c 10 -m 20'; do
	for path in hello big; do
		got=$(h2load $load -n 5000 "http://$address/$path" | sed -n 's/^status codes: \(.*\) 2xx.*/\1/p')
		is "h2load $load /$path" "$got" 5000
	done
done

serve "unix:$tmp/socket"
for version in --http1.1 --http2-prior-knowledge; do
	got=$(curl -sS -m 20 $version --unix-socket "$tmp/socket" http://localhost/hello)
	is "curl $version unix socket" "$got" hello
done

if command -v nginx >/dev/null; then
	for v in 1 2; do
		[ $v = 1 ] && h2= || h2=' http2'
		cat >"$tmp/nginx$v.conf" <<END
daemon off; master_process off; error_log stderr crit; pid $tmp/pid$v;
events { }
http {
	access_log off; client_body_temp_path $tmp/t1; proxy_temp_path $tmp/t2; fastcgi_temp_path $tmp/t3;
	uwsgi_temp_path $tmp/t4; scgi_temp_path $tmp/t5; default_type text/plain;
	server { listen unix:$tmp/nginx$v$h2; root $tmp; location = /small { return 200 "small"; } }
}
END
		nginx -p "$tmp" -c "$tmp/nginx$v.conf" &
		pids="$pids $!"
		until [ -S "$tmp/nginx$v" ]; do :; done
		is "client h$v with nginx" "$("$tmp/peer" get "unix:$tmp/nginx$v" h$v /small /random /none /small | cut -d' ' -f1,2 | tr '\n' ',')" \
			"$(printf '200 5,200 3000000,404 %s,200 5,' "$(curl -s --unix-socket "$tmp/nginx1" http://unix/none | wc -c)")"
	done
else
	s=$((s + 1))
	echo 'skip nginx: not installed'
fi

[ $s -eq 0 ] && echo "$p passed, $f failed" || echo "$p passed, $f failed, $s skipped"
[ $f -eq 0 ]
