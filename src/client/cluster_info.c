/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cluster_info.h"

#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "client/config.h"
#include "io/tls/sign.h"
#include "io/tls/x509.h"
#include "kube/view.h"

#define BODY_BYTES_MAX ((size_t)4 << 20)
#define ID_BYTES 6u
#define SECRET_BYTES 16u
#define HASH_BYTES 64u

/* ---- tokens ---- */

static bool is_of(sp_str s, size_t n, const char *letters)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\0' || strchr(letters, s.ptr[i]) == NULL)
			return false;
	}
	return s.len == n;
}

sp_code sp_join_token_parse(sp_str text, sp_join_token *ret, sp_err *err)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789", hex[] = "0123456789abcdef";
	sp_join_token t = {0};
	sp_str rest = text, id;
	bool ok = sp_str_cut(&rest, '.', &id);
	t.id = id;
	if (ok && sp_str_cut(&rest, ':', &t.secret))
		ok = sp_str_take(&rest, SP_STR("sha256:")) && is_of(rest, HASH_BYTES, hex);
	else
		t.secret = rest;
	if (!ok || !is_of(t.id, ID_BYTES, plain) || !is_of(t.secret, SECRET_BYTES, plain))
		return sp_fail(err, SP_EINVAL,
			       "the token is not like abcdef.0123456789abcdef or "
			       "abcdef.0123456789abcdef:sha256:HASH");
	if (t.secret.ptr + t.secret.len != text.ptr + text.len)
		t.ca_hash = rest;
	*ret = t;
	return SP_OK;
}

/* ---- signatures ---- */

/* HMAC with SHA-256 (RFC 2104). */
static sp_code hmac(sp_str key, sp_str text, uint8_t out[32])
{
	enum { BLOCK = 64 };
	uint8_t pad[BLOCK] = {0}, inner[32];
	SP_AUTO_BUF in;
	sp_buf_init(&in, BODY_BYTES_MAX);
	if (key.len > BLOCK)
		sp_sha256(key, pad);
	else if (key.len > 0)
		memcpy(pad, key.ptr, key.len);
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36;
	(void)sp_buf_str(&in, (sp_str){(const char *)pad, BLOCK});
	if (sp_buf_str(&in, text) != SP_OK)
		return sp_buf_code(&in);
	sp_sha256(sp_buf_view(&in), inner);
	for (size_t i = 0; i < BLOCK; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	in.len = 0;
	(void)sp_buf_str(&in, (sp_str){(const char *)pad, BLOCK});
	if (sp_buf_str(&in, (sp_str){(const char *)inner, sizeof inner}) != SP_OK)
		return sp_buf_code(&in);
	sp_sha256(sp_buf_view(&in), out);
	return SP_OK;
}

sp_str sp_join_sign(sp_arena *a, sp_str content, sp_str id, sp_str secret)
{
	uint8_t mac[32];
	SP_AUTO_BUF text;
	sp_buf_init(&text, BODY_BYTES_MAX);
	sp_str header = sp_arena_printf(a, "{\"alg\":\"HS256\",\"kid\":\"" SP_FMT "\"}", SP_ARG(id));
	(void)sp_base64url_append(&text, header.ptr, header.len);
	size_t n = text.len;
	(void)sp_buf_char(&text, '.');
	(void)sp_base64url_append(&text, content.ptr, content.len);
	if (header.ptr == NULL || sp_buf_code(&text) != SP_OK ||
	    hmac(secret, sp_buf_view(&text), mac) != SP_OK)
		return (sp_str){NULL, 0};
	text.len = n;
	(void)sp_buf_str(&text, SP_STR(".."));
	(void)sp_base64url_append(&text, mac, sizeof mac);
	return sp_buf_code(&text) == SP_OK ? sp_arena_try_dup(a, sp_buf_view(&text)) : (sp_str){NULL, 0};
}

/* ---- what a node learns ---- */

typedef struct info_view {
	sp_vmap data;
} info_view;
SP_VIEW(join_info_desc, info_view, "v1/ConfigMap", SP_V(info_view, data, "data"));

static sp_code check_pin(sp_arena *a, sp_str ca_pem, sp_str hash, sp_err *err)
{
	sp_x509_info *all;
	size_t n;
	if (hash.len == 0)
		return SP_OK;
	SP_TRY(sp_x509_inspect_pem(ca_pem, a, &all, &n, err));
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(all[i].key_sha256, hash))
			return SP_OK;
	}
	return sp_fail(err, SP_EUNAUTH, "the server's authority is not the one whose hash is in the token");
}

sp_code sp_join_verify(sp_arena *a, sp_str json, const sp_join_token *token, sp_client_config *ret,
		       sp_err *err)
{
	info_view v;
	sp_client_config config;
	SP_TRY(sp_view(a, json, &join_info_desc, &v, err));
	sp_str kubeconfig = sp_vmap_str(v.data, SP_STR("kubeconfig"));
	sp_str member = SP_CONCAT(a, SP_STR(SP_JOIN_SIGNATURE), token->id);
	sp_str signature = sp_vmap_str(v.data, member);
	if (kubeconfig.ptr == NULL)
		return sp_fail(err, SP_EINVAL, "the server's cluster-info has no kubeconfig");
	if (signature.ptr == NULL)
		return sp_fail(err, SP_EUNAUTH, "the server does not know this token, or it has expired");
	sp_str wanted = sp_join_sign(a, kubeconfig, token->id, token->secret);
	if (wanted.ptr == NULL || !sp_str_eq(signature, wanted))
		return sp_fail(err, SP_EUNAUTH, "the server's cluster-info is not signed with this token");
	SP_TRY(sp_client_config_cluster(a, kubeconfig, &config, err));
	if (config.ca_pem.len == 0 || !sp_str_eq(config.scheme, SP_STR("https")))
		return sp_fail(err, SP_EINVAL, "the server's cluster-info names no authority");
	SP_TRY(check_pin(a, config.ca_pem, token->ca_hash, err));
	*ret = config;
	return SP_OK;
}
