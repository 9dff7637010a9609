/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>

#include "base/alloc.h"
#include "io/file.h"
#include "io/tls/tls_int.h"

#define HANDSHAKE_TIMEOUT_NS UINT64_C(10000000000)
/* Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else. */
#define CIPHERS_12 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CIPHERS_BYTES 1024u
static char groups[] = "X25519:P-256:P-384"; /* OpenSSL's macro casts it to char * */

/* ---- certificates ---- */

static sp_code use_chain(SSL_CTX *ctx, sp_str pem, sp_err *err)
{
	BIO *bio = tls_bio_of(pem);
	bool first = true, ok = bio != NULL;
	X509 *x = NULL;
	while (ok && (x = PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL)) != NULL) {
		ok = first ? SSL_CTX_use_certificate(ctx, x) == 1 : SSL_CTX_add1_chain_cert(ctx, x) == 1;
		X509_free(x);
		first = false;
	}
	BIO_free_all(bio);
	ok = ok && !first && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	if (!ok)
		return tls_fail(err, SP_EINVAL, "bad certificate");
	ERR_clear_error();
	return SP_OK;
}

static sp_code use_identity(SSL_CTX *ctx, const sp_tls_opts *o, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	SP_TRY(use_chain(ctx, o->cert_pem, err));
	SP_TRY(sp_key_parse(o->key_pem, &key, err));
	if (SSL_CTX_use_PrivateKey(ctx, key->pkey) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		return tls_fail(err, SP_EINVAL, "certificate and key do not belong together");
	return SP_OK;
}

static sp_code trust(SSL_CTX *ctx, X509_STORE *store, sp_str pem, bool tell_clients, sp_err *err)
{
	BIO *bio = tls_bio_of(pem);
	size_t n = 0;
	bool ok = bio != NULL;
	X509 *x = NULL;
	while (ok && (x = PEM_read_bio_X509(bio, NULL, tls_no_passphrase, NULL)) != NULL) {
		ok = X509_STORE_add_cert(store, x) == 1 &&
		     (!tell_clients || SSL_CTX_add_client_CA(ctx, x) == 1);
		X509_free(x);
		n++;
	}
	BIO_free_all(bio);
	ok = ok && n > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	if (!ok)
		return tls_fail(err, SP_EINVAL, "bad certificate of an authority");
	ERR_clear_error();
	return SP_OK;
}

/* ---- ALPN ---- */

static sp_code set_alpn(sp_tls_config *c, const sp_tls_opts *o, sp_err *err)
{
	if (o->n_alpn > TLS_ALPN_MAX)
		return sp_fail(err, SP_EINVAL, "%zu protocols, at most %u are allowed", o->n_alpn,
			       TLS_ALPN_MAX);
	for (size_t i = 0; i < o->n_alpn; i++) {
		if (o->alpn[i].len == 0 || o->alpn[i].len > TLS_ALPN_NAME_BYTES)
			return sp_fail(err, SP_EINVAL, "bad protocol name '" SP_FMT "'", SP_ARG(o->alpn[i]));
		c->alpn[c->alpn_len] = (uint8_t)o->alpn[i].len;
		memcpy(c->alpn + c->alpn_len + 1, o->alpn[i].ptr, o->alpn[i].len);
		c->alpn_len += (unsigned)o->alpn[i].len + 1;
	}
	return SP_OK;
}

/* Ours in our order. No overlap is an alert, as RFC 7301 asks; no ALPN at all is not. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
		       unsigned in_len, void *arg)
{
	const sp_tls_config *c = arg;
	unsigned char *chosen = NULL;
	(void)ssl;
	if (SSL_select_next_proto(&chosen, out_len, c->alpn, c->alpn_len, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* ---- configs ---- */

/* Keeps the verdict in the connection's verify result and goes on. */
static int judge_later(int ok, X509_STORE_CTX *ctx)
{
	(void)ok;
	(void)ctx;
	return 1;
}

static bool set_ciphers(SSL_CTX *ctx, sp_str wanted)
{
	char list[CIPHERS_BYTES + 1] = CIPHERS_12;
	if (wanted.len > CIPHERS_BYTES)
		return false;
	if (wanted.len > 0) {
		memcpy(list, wanted.ptr, wanted.len);
		list[wanted.len] = '\0';
	}
	return SSL_CTX_set_cipher_list(ctx, list) == 1;
}

static sp_code setup_common(sp_tls_config *c, const sp_tls_opts *o, sp_err *err)
{
	SSL_CTX *ctx = c->ctx;
	c->handshake_timeout_ns =
		o->handshake_timeout_ns == 0 ? HANDSHAKE_TIMEOUT_NS : o->handshake_timeout_ns;
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					    SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_set_min_proto_version(ctx, o->tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
	    !set_ciphers(ctx, o->ciphers) || SSL_CTX_set1_groups_list(ctx, groups) != 1)
		return tls_fail(err, SP_EINTERNAL, "set up TLS");
	return set_alpn(c, o, err);
}

static sp_code setup_server(sp_tls_config *c, const sp_tls_opts *o, sp_err *err)
{
	static const unsigned char session_context[] = "sampan";
	SP_TRY(use_identity(c->ctx, o, err));
	/* Tickets only: no memory per session, and a new config has new ticket keys. */
	(void)SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_session_id_context(c->ctx, session_context, sizeof session_context - 1) != 1 ||
	    SSL_CTX_set_num_tickets(c->ctx, 1) != 1)
		return tls_fail(err, SP_EINTERNAL, "set up TLS");
	if (c->alpn_len > 0)
		SSL_CTX_set_alpn_select_cb(c->ctx, select_alpn, c);
	if (o->client_auth == SP_TLS_CLIENT_NONE)
		return SP_OK;
	SP_TRY(trust(c->ctx, SSL_CTX_get_cert_store(c->ctx), o->ca_pem, true, err));
	if (o->also_ca_pem.len > 0) {
		c->also = X509_STORE_new();
		if (c->also == NULL)
			return tls_fail(err, SP_ENOMEM, "set up TLS");
		SP_TRY(trust(c->ctx, c->also, o->also_ca_pem, true, err));
	}
	c->check_peer = true;
	if (o->client_auth == SP_TLS_CLIENT_REQUIRE)
		SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	else
		SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, judge_later);
	return SP_OK;
}

static sp_code setup_client(sp_tls_config *c, const sp_tls_opts *o, sp_err *err)
{
	if (o->cert_pem.len > 0)
		SP_TRY(use_identity(c->ctx, o, err));
	(void)SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_OFF);
	if (c->alpn_len > 0 && SSL_CTX_set_alpn_protos(c->ctx, c->alpn, c->alpn_len) != 0)
		return tls_fail(err, SP_EINTERNAL, "set up TLS");
	if (o->insecure_skip_verify)
		return SP_OK;
	SP_TRY(trust(c->ctx, SSL_CTX_get_cert_store(c->ctx), o->ca_pem, false, err));
	c->check_peer = true;
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	return SP_OK;
}

static sp_code config_new(const sp_tls_opts *o, bool server, sp_tls_config **ret, sp_err *err)
{
	const sp_str pems[] = {o->cert_pem, o->key_pem, o->ca_pem};
	for (size_t i = 0; i < SP_LEN(pems); i++) {
		if (pems[i].len > SP_LIMIT_PEM_BYTES)
			return sp_fail(err, SP_ETOOLARGE, "PEM text of %zu bytes", pems[i].len);
	}
	sp_tls_config *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a TLS configuration");
	atomic_init(&c->n_refs, 1);
	c->server = server;
	c->ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
	sp_code code = c->ctx == NULL ? tls_fail(err, SP_ENOMEM, "set up TLS") : setup_common(c, o, err);
	if (code == SP_OK)
		code = server ? setup_server(c, o, err) : setup_client(c, o, err);
	if (code != SP_OK) {
		(void)sp_tls_config_unref(c);
		return code;
	}
	*ret = c;
	return SP_OK;
}

sp_code sp_tls_server_config(const sp_tls_opts *o, sp_tls_config **ret, sp_err *err)
{
	return config_new(o, true, ret, err);
}

sp_code sp_tls_client_config(const sp_tls_opts *o, sp_tls_config **ret, sp_err *err)
{
	return config_new(o, false, ret, err);
}

sp_tls_config *sp_tls_config_ref(sp_tls_config *c)
{
	(void)atomic_fetch_add(&c->n_refs, 1);
	return c;
}

sp_tls_config *sp_tls_config_unref(sp_tls_config *c)
{
	if (c != NULL && atomic_fetch_sub(&c->n_refs, 1) == 1) {
		SSL_CTX_free(c->ctx);
		X509_STORE_free(c->also);
		sp_free(c);
	}
	return NULL;
}

/* ---- from files ---- */

static sp_code read_pem(sp_world *w, sp_str path, sp_buf *to, sp_str *ret, sp_err *err)
{
	if (path.len == 0)
		return SP_OK;
	SP_TRY(sp_file_read_all(w, path, to, err));
	*ret = sp_buf_view(to);
	return SP_OK;
}

/* Room for every key from the start, so that no part of it stays behind where the buffer was before. */
#define KEY_FILE_BYTES ((size_t)64 << 10)

static sp_code config_from_files(sp_world *w, const sp_tls_files *f, const sp_tls_opts *o, bool server,
				 sp_tls_config **ret, sp_err *err)
{
	SP_AUTO_BUF cert;
	SP_AUTO_BUF key;
	SP_AUTO_BUF ca;
	sp_tls_opts with = *o;
	sp_buf_init(&cert, SP_LIMIT_PEM_BYTES);
	sp_buf_init(&key, KEY_FILE_BYTES);
	sp_buf_init(&ca, SP_LIMIT_PEM_BYTES);
	if (sp_buf_reserve(&key, KEY_FILE_BYTES) == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a key");
	SP_TRY(read_pem(w, f->cert, &cert, &with.cert_pem, err));
	SP_TRY(read_pem(w, f->ca, &ca, &with.ca_pem, err));
	sp_code code = read_pem(w, f->key, &key, &with.key_pem, err);
	if (code == SP_OK)
		code = config_new(&with, server, ret, err);
	sp_buf_cleanse(&key);
	return code;
}

sp_code sp_tls_server_config_from_files(sp_world *w, const sp_tls_files *f, const sp_tls_opts *o,
					sp_tls_config **ret, sp_err *err)
{
	return config_from_files(w, f, o, true, ret, err);
}

sp_code sp_tls_client_config_from_files(sp_world *w, const sp_tls_files *f, const sp_tls_opts *o,
					sp_tls_config **ret, sp_err *err)
{
	return config_from_files(w, f, o, false, ret, err);
}

/* ---- sources ---- */

struct sp_tls_source {
	pthread_mutex_t lock; /* between taking the pointer and its reference */
	sp_tls_config *current;
};

sp_tls_source *sp_tls_source_new(sp_tls_config *c)
{
	sp_tls_source *s = SP_NEW(sp_tls_source);
	SP_ASSERT(pthread_mutex_init(&s->lock, NULL) == 0);
	s->current = sp_tls_config_ref(c);
	return s;
}

void sp_tls_source_set(sp_tls_source *s, sp_tls_config *c)
{
	sp_tls_config *fresh = sp_tls_config_ref(c);
	(void)pthread_mutex_lock(&s->lock); /* of a sound mutex: cannot fail */
	sp_tls_config *old = s->current;
	s->current = fresh;
	(void)pthread_mutex_unlock(&s->lock);
	(void)sp_tls_config_unref(old);
}

sp_tls_config *sp_tls_source_get(sp_tls_source *s)
{
	(void)pthread_mutex_lock(&s->lock); /* of a sound mutex: cannot fail */
	sp_tls_config *c = sp_tls_config_ref(s->current);
	(void)pthread_mutex_unlock(&s->lock);
	return c;
}

void sp_tls_source_free(sp_tls_source *s)
{
	if (s == NULL)
		return;
	(void)sp_tls_config_unref(s->current);
	(void)pthread_mutex_destroy(&s->lock);
	sp_free(s);
}
