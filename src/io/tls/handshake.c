/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "io/pump.h"
#include "io/tls/stream_int.h"

/* Ciphertext that may wait to be written, beyond what the stream side allows itself: alerts, tickets. */
#define OUT_LIMIT_BYTES ((size_t)2 << 20)
#define REST_LIMIT_BYTES ((size_t)1 << 20)
#define PEER_LIMIT_BYTES ((size_t)512 << 10)

/* ---- messages ---- */

/* RFC 8446 section 6 and what TLS 1.2 adds; OpenSSL 3.0 does not know them all. */
static const char *alert_name(int alert)
{
	static const struct {
		uint8_t number;
		const char *name;
	} rows[] = {
		{10, "unexpected message"},
		{20, "bad record MAC"},
		{22, "record overflow"},
		{40, "handshake failure"},
		{42, "bad certificate"},
		{43, "unsupported certificate"},
		{44, "certificate revoked"},
		{45, "certificate expired"},
		{46, "certificate unknown"},
		{47, "illegal parameter"},
		{48, "unknown CA"},
		{49, "access denied"},
		{50, "decode error"},
		{51, "decrypt error"},
		{70, "protocol version"},
		{71, "insufficient security"},
		{80, "internal error"},
		{86, "inappropriate fallback"},
		{100, "no renegotiation"},
		{109, "missing extension"},
		{110, "unsupported extension"},
		{112, "unrecognized name"},
		{113, "bad certificate status response"},
		{115, "unknown PSK identity"},
		{116, "certificate required"},
		{120, "no application protocol"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (rows[i].number == alert)
			return rows[i].name;
	}
	return "unknown alert";
}

static void on_info(const SSL *ssl, int where, int alert)
{
	enum { CLOSE_NOTIFY = 0, USER_CANCELED = 90 }; /* RFC 8446 section 6: no errors */
	tls_stream *t = SSL_get_app_data(ssl);
	int what = alert & 0xff;
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && what != CLOSE_NOTIFY && what != USER_CANCELED)
		t->alert = what;
}

sp_code tls_stream_error(tls_stream *t, const char *what, sp_err *ret)
{
	unsigned long e = ERR_peek_last_error();
	sp_code code = SP_OK;
	if (t->out.code != SP_OK)
		code = sp_fail(ret, t->out.code, "%s: no room for what is to be sent", what);
	else if (t->alert != 0)
		code = sp_fail(ret, SP_EPROTO, "%s: the peer refused: %s", what, alert_name(t->alert));
	else if (!t->established && SSL_is_server(t->ssl) == 0 && t->n_head == sizeof t->head &&
		 memcmp(t->head, "HTTP/", sizeof t->head) == 0)
		code = sp_fail(ret, SP_EPROTO, "%s: %s", what, SP_TLS_HTTP_ANSWER);
	else if (ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		code = sp_fail(ret, SP_EUNAUTH, "%s: certificate of the peer: %s", what,
			       X509_verify_cert_error_string(SSL_get_verify_result(t->ssl)));
	else
		return tls_fail(ret, SP_EPROTO, what);
	ERR_clear_error();
	return code;
}

void tls_handshake_fail(tls_stream *t, const sp_err *err)
{
	if (t->failed || t->closing)
		return;
	t->failed = true;
	t->err = *err;
	if (t->lower->remote[0] != '\0')
		(void)sp_wrap(&t->err, "TLS with %s", t->lower->remote); /* kept in t->err */
	tls_wire_read(t);
	tls_wire_flush(t); /* the alert */
	if (!t->writing)
		sp_stream_close(t->lower);
}

static void on_timeout(sp_timer *timer)
{
	tls_stream *t = timer->arg;
	sp_err err = {0};
	(void)sp_fail(&err, SP_ETIMEOUT, "TLS handshake: no end in time"); /* told below */
	tls_handshake_fail(t, &err);
	sp_stream_close(t->lower); /* also when an alert is stuck */
}

/* ---- the end of it ---- */

/* Of a resumed session only the leaf is known: authorities that signed it themselves are found all the same.
 */
static bool is_also_verified(const tls_stream *t, X509 *leaf)
{
	X509_STORE_CTX *ctx = t->config->also == NULL ? NULL : X509_STORE_CTX_new();
	bool ok = ctx != NULL &&
		  X509_STORE_CTX_init(ctx, t->config->also, leaf, SSL_get_peer_cert_chain(t->ssl)) == 1 &&
		  X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT) == 1 && X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

static sp_code learn_peer(tls_stream *t, sp_err *err)
{
	const unsigned char *alpn = NULL;
	unsigned alpn_len = 0;
	SSL_get0_alpn_selected(t->ssl, &alpn, &alpn_len);
	SP_ASSERT(alpn_len <= TLS_ALPN_NAME_BYTES); /* it is one of ours */
	if (alpn_len > 0)
		memcpy(t->alpn, alpn, alpn_len);
	t->base.alpn = (sp_str){t->alpn, alpn_len};
	X509 *leaf = SSL_get0_peer_certificate(t->ssl);
	if (leaf == NULL)
		return SP_OK;
	SP_TRY(tls_inspect(leaf, &t->arena, &t->peer.cert, err));
	t->peer.verified = t->config->check_peer && SSL_get_verify_result(t->ssl) == X509_V_OK;
	t->peer.also_verified = is_also_verified(t, leaf);
	t->base.tls = &t->peer;
	return SP_OK;
}

static void established(tls_stream *t)
{
	static const sp_err none = {0};
	sp_err err = {0};
	if (learn_peer(t, &err) != SP_OK) {
		tls_handshake_fail(t, &err);
		return;
	}
	t->established = true;
	sp_timer_stop(t->base.world, &t->timeout);
	sp_tls_req *req = SP_TAKE(t->req);
	req->impl = NULL;
	req->done(req, &t->base, &none);
}

void tls_handshake_step(tls_stream *t)
{
	sp_err err = {0};
	if (t->failed || t->closing || t->req == NULL)
		return;
	ERR_clear_error();
	int ret = SSL_do_handshake(t->ssl);
	if (ret == 1) {
		established(t);
		return;
	}
	int why = SSL_get_error(t->ssl, ret);
	if (why == SSL_ERROR_WANT_READ)
		return;
	(void)tls_stream_error(t, "TLS handshake", &err); /* told below */
	tls_handshake_fail(t, &err);
}

/* ---- the beginning ---- */

static sp_code want_name(tls_stream *t, sp_str name, sp_err *err)
{
	char text[SP_LIMIT_NAME_BYTES + 1];
	uint8_t ip[16];
	if (name.len == 0 && !t->config->check_peer)
		return SP_OK;
	if (name.len == 0 || name.len >= sizeof text || sp_str_index(name, '\0') >= 0)
		return sp_fail(err, SP_EINVAL, "bad name of a TLS server '" SP_FMT "'", SP_ARG(name));
	memcpy(text, name.ptr, name.len);
	text[name.len] = '\0';
	X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
						       X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	bool is_ip = inet_pton(AF_INET, text, ip) == 1 || inet_pton(AF_INET6, text, ip) == 1;
	bool ok = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(param, text) == 1
			: X509_VERIFY_PARAM_set1_host(param, text, 0) == 1 &&
				  SSL_set_tlsext_host_name(t->ssl, text) == 1; /* RFC 6066: no IPs in SNI */
	return ok ? SP_OK : tls_fail(err, SP_EINVAL, "bad name of a TLS server");
}

static sp_code setup(tls_stream *t, bool server, sp_str name, sp_err *err)
{
	t->ssl = SSL_new(t->config->ctx);
	BIO *bio = t->ssl == NULL ? NULL : tls_wire_bio(t);
	if (bio == NULL)
		return tls_fail(err, SP_ENOMEM, "no memory for a TLS connection");
	SSL_set_bio(t->ssl, bio, bio); /* counts as one reference */
	(void)SSL_set_app_data(t->ssl, t);
	SSL_set_info_callback(t->ssl, on_info);
	if (server) {
		SSL_set_accept_state(t->ssl);
		return SP_OK;
	}
	SSL_set_connect_state(t->ssl);
	return want_name(t, name, err);
}

static void release(tls_stream *t)
{
	SSL_free(t->ssl);
	(void)sp_tls_config_unref(t->config);
	sp_free(t);
}

static sp_code start(sp_tls_req *r, sp_stream *lower, sp_tls_config *c, bool server, sp_str name, sp_err *err)
{
	SP_ASSERT(c->server == server);
	r->impl = NULL;
	tls_stream *t = sp_try_alloc(sizeof *t);
	if (t == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a TLS connection");
	t->config = sp_tls_config_ref(c);
	sp_code code = setup(t, server, name, err);
	if (code != SP_OK) {
		release(t);
		return code;
	}
	t->base =
		(sp_stream){.ops = &tls_stream_ops, .world = lower->world, .handler = &sp_stream_no_handler};
	memcpy(t->base.local, lower->local, sizeof t->base.local);
	memcpy(t->base.remote, lower->remote, sizeof t->base.remote);
	t->lower = lower;
	t->req = r;
	t->timeout.arg = t;
	sp_buf_init(&t->out, OUT_LIMIT_BYTES);
	sp_buf_init(&t->flying, OUT_LIMIT_BYTES);
	sp_buf_init(&t->rest, REST_LIMIT_BYTES);
	sp_arena_init(&t->arena, PEER_LIMIT_BYTES);
	sp_list_init(&t->writes);
	sp_list_init(&t->sent);
	sp_defer_init(&t->turn, tls_stream_turn, t);
	r->impl = t;
	sp_stream_handle(lower, &tls_wire_handler, t);
	tls_wire_read(t);
	sp_timer_start(lower->world, &t->timeout, c->handshake_timeout_ns, on_timeout);
	sp_defer_call(lower->world, &t->turn); /* a client speaks first */
	return SP_OK;
}

sp_code sp_tls_accept(sp_tls_req *r, sp_stream *lower, sp_tls_config *c, sp_err *err)
{
	return start(r, lower, c, true, (sp_str){NULL, 0}, err);
}

sp_code sp_tls_connect(sp_tls_req *r, sp_stream *lower, sp_tls_config *c, sp_str server_name, sp_err *err)
{
	return start(r, lower, c, false, server_name, err);
}

void sp_tls_cancel(sp_tls_req *r)
{
	tls_stream *t = r->impl;
	if (t == NULL)
		return;
	r->impl = NULL;
	t->req = NULL;
	sp_stream_close(&t->base);
}
