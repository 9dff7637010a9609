#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Users that a front proxy names in headers, driven by curl; the proxy's own certificate. Prints what failed; the last line is the sum.
set -u
cd "$(dirname "$0")/../.." || exit 1
if ! command -v openssl >/dev/null 2>&1 || ! command -v curl >/dev/null 2>&1; then
	echo 'skip front proxy (openssl or curl is not on PATH)'
	echo '0 passed, 0 failed, 1 skipped'
	exit 0
fi
. test/e2e/lib
p=0 f=0
# pair NAME CN: a client's certificate of the authority front-ca.
pair() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" -keyout "$tmp/$1.key" -out "$tmp/$1.csr" 2>/dev/null
	printf 'extendedKeyUsage=clientAuth\n' >"$tmp/ext"
	openssl x509 -req -in "$tmp/$1.csr" -CA "$tmp/front-ca.crt" -CAkey "$tmp/front-ca.key" -CAcreateserial -days 2 -extfile "$tmp/ext" -out "$tmp/$1.crt" 2>/dev/null
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=front-ca -keyout "$tmp/front-ca.key" -out "$tmp/front-ca.crt" 2>/dev/null
pair proxy front-proxy
pair other someone-else
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=front-proxy -keyout "$tmp/self.key" -out "$tmp/self.crt" 2>/dev/null

# With its own authority: no key of it is left, and nobody else's certificate is believed.
start_server
says own-ca 'front-proxy-ca-' openssl x509 -in "$tmp/data/front-proxy-ca.crt" -noout -subject
says own-pair OK openssl verify -CAfile "$tmp/data/front-proxy-ca.crt" "$tmp/data/front-proxy-client.crt"
says own-pair-only 'unable to get local issuer certificate' openssl verify -CAfile "$tmp/data/ca.crt" "$tmp/data/front-proxy-client.crt"
says no-key 'No such file' ls "$tmp/data/front-proxy-ca.key"
who=/apis/authentication.k8s.io/v1/selfsubjectreviews
# as CERT HEADER…: who the server takes it for.
as() {
	c=$1
	shift
	curl -sS -A test --cacert "$tmp/ca.pem" --cert "$c.crt" --key "$c.key" -H 'content-type: application/json' "$@" -d '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}' "$url$who"
}
own=$tmp/data/front-proxy-client
says own-proxy '"username":"carol"' as "$own" -H 'X-Remote-User: carol'
says own-nobody '"code":401' as "$own"
says unknown '"code":401' as "$tmp/proxy" -H 'X-Remote-User: carol'
says self-signed '"code":401' as "$tmp/self" -H 'X-Remote-User: carol'
says client-cert '"username":"admin"' curl -sS -A test --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" -H 'X-Remote-User: carol' -H 'content-type: application/json' \
	-d '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}' "$url$who"
says nobody '"code":403' curl -sS -A test --cacert "$tmp/ca.pem" -H 'X-Remote-User: admin' -H 'X-Remote-Group: system:masters' "$url/api/v1/nodes"
kill "$pid"; wait "$pid"; pid=

# Flags.
start_server --requestheader-client-ca-file "$tmp/front-ca.crt" --requestheader-allowed-names front-proxy,second \
	--requestheader-username-headers X-Remote-User,X-Other-User --requestheader-group-headers X-Remote-Group,X-Other-Group \
	--requestheader-extra-headers-prefix X-Remote-Extra-,X-Other- --requestheader-uid-headers X-Remote-Uid
says user '"userInfo":{"username":"carol","uid":"u-1","groups":["g1","g2","g3","system:authenticated"],"extra":{"acme.com/a":["1","2"],"group":["g3"],"user":["dave"]}}' \
	as "$tmp/proxy" -H 'X-Remote-User: carol' -H 'X-Other-User: dave' -H 'X-Remote-Group: g1' -H 'X-Remote-Group: g2' -H 'X-Other-Group: g3' \
	-H 'X-Remote-Uid: u-1' -H 'X-Remote-Extra-Acme.com%2fA: 1' -H 'X-Remote-Extra-acme.com%2Fa: 2'
says second-header '"username":"dave"' as "$tmp/proxy" -H 'X-Other-User: dave'
says not-allowed '"code":401' as "$tmp/other" -H 'X-Remote-User: carol'
says nameless '"code":401' as "$tmp/proxy" -H 'X-Remote-Group: system:masters'
says token '"code":401' as "$tmp/other" -H 'Authorization: Bearer x'
says masters '"kind":"NodeList"' curl -sS -A test --cacert "$tmp/ca.pem" --cert "$tmp/proxy.crt" --key "$tmp/proxy.key" -H 'X-Remote-User: root' -H 'X-Remote-Group: system:masters' "$url/api/v1/nodes"
says impersonates '"username":"eve"' as "$tmp/proxy" -H 'X-Remote-User: root' -H 'X-Remote-Group: system:masters' -H 'Impersonate-User: eve'
map=/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication
says map '"requestheader-allowed-names":"[\"front-proxy\",\"second\"]"' curl -sS -A test --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" "$url$map"
says map-headers '"requestheader-username-headers":"[\"X-Remote-User\",\"X-Other-User\"]"' curl -sS -A test --cacert "$tmp/ca.pem" --cert "$tmp/crt.pem" --key "$tmp/key.pem" "$url$map"
kill "$pid"; wait "$pid"; pid=
says flag-empty 'empty value in "requestheader-group-headers"' build/release/sampan apiserver --data-dir "$tmp/data" --requestheader-group-headers 'a,,b'
says flag-uid 'is set without specifying the standard X-Remote-Uid header' build/release/sampan apiserver --data-dir "$tmp/data" --requestheader-uid-headers X-Uid
echo "$p passed, $f failed, 0 skipped"
[ "$f" -eq 0 ]
