/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/file.h"
#include "io/tls.h"
#include "io/tls/sign.h"
#include "io/uv/uv.h"
#include "lib/peer.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define DAY 86400

/* ---- an authority and what it signs ---- */

typedef struct identity {
	sp_str cert, key;
} identity;

static sp_str keep(sp_buf *b)
{
	sp_str copy = sp_arena_try_dup(T_ARENA, sp_buf_view(b));
	sp_buf_done(b);
	return copy;
}

/* An empty identity when it failed; t_err() says why. */
static identity issue(const sp_x509_template *t, const identity *by)
{
	identity id = {{NULL, 0}, {NULL, 0}};
	SP_AUTO_KEY key = NULL;
	SP_AUTO_KEY ca_key = NULL;
	sp_x509_ca *ca = NULL;
	sp_buf cert, text;
	sp_buf_init(&cert, 1 << 16);
	sp_buf_init(&text, 1 << 16);
	bool ok = sp_key_new(&key, T_ERR) == SP_OK;
	if (ok && by != NULL)
		ok = sp_key_parse(by->key, &ca_key, T_ERR) == SP_OK &&
		     sp_x509_ca_new(by->cert, ca_key, &ca, T_ERR) == SP_OK;
	ok = ok && sp_x509_issue(t, key, ca, &cert, T_ERR) == SP_OK &&
	     sp_key_print(key, &text, T_ERR) == SP_OK;
	sp_x509_ca_free(ca);
	id.cert = keep(&cert);
	id.key = keep(&text);
	return ok ? id : (identity){{NULL, 0}, {NULL, 0}};
}

static int64_t now_s(void)
{
	struct timespec ts;
	SP_ASSERT(clock_gettime(CLOCK_REALTIME, &ts) == 0);
	return ts.tv_sec;
}

typedef struct pki {
	identity ca, other, server, client, stranger;
} pki;

/* The same one throughout a test. */
static bool pki_new(pki *ret)
{
	static pki made, *const p = &made;
	static const sp_str dns[] = {SP_STR_INIT("api.test"), SP_STR_INIT("*.wild.test")},
			    ips[] = {SP_STR_INIT("127.0.0.1"), SP_STR_INIT("::1")},
			    orgs[] = {SP_STR_INIT("system:masters"), SP_STR_INIT("b")},
			    uris[] = {SP_STR_INIT("spiffe://test/x")};
	if (p->stranger.key.len > 0) {
		*ret = *p;
		return true;
	}
	int64_t now = now_s();
	sp_x509_template t = {.common_name = SP_STR("test CA"),
			      .not_before_s = now - 60,
			      .not_after_s = now + DAY,
			      .usages = SP_X509_CA};
	p->ca = issue(&t, NULL);
	p->other = issue(&t, NULL);
	t.usages = SP_X509_SERVER;
	t.common_name = SP_STR("server");
	t.dns = dns;
	t.n_dns = 2;
	t.ips = ips;
	t.n_ips = 2;
	p->server = issue(&t, &p->ca);
	t = (sp_x509_template){.common_name = SP_STR("admin"),
			       .organizations = orgs,
			       .n_organizations = 2,
			       .uris = uris,
			       .n_uris = 1,
			       .not_before_s = now - 60,
			       .not_after_s = now + DAY,
			       .usages = SP_X509_CLIENT};
	p->client = issue(&t, &p->ca);
	p->stranger = issue(&t, &p->other);
	*ret = *p;
	return p->ca.key.len > 0 && p->server.key.len > 0 && p->client.key.len > 0 && p->stranger.key.len > 0;
}

SP_TEST(x509, issue_and_inspect)
{
	pki p;
	T_TRUE(pki_new(&p));
	sp_x509_info *list = NULL;
	size_t n = 0;
	T_OK(sp_x509_inspect_pem(sp_arena_printf(T_ARENA, "# comment\n" SP_FMT SP_FMT SP_FMT,
						 SP_ARG(p.server.cert), SP_ARG(p.server.key),
						 SP_ARG(p.ca.cert)),
				 T_ARENA, &list, &n, T_ERR));
	T_EQ_U64(n, 2);
	T_EQ_C(list[0].common_name, "server");
	T_EQ_C(list[0].issuer_common_name, "test CA");
	T_EQ_U64(list[0].dns.n, 2);
	T_EQ_C(list[0].dns.items[1], "*.wild.test");
	T_EQ_U64(list[0].ips.n, 2);
	T_EQ_C(list[0].ips.items[0], "127.0.0.1");
	T_EQ_C(list[0].ips.items[1], "::1");
	T_TRUE(!list[0].is_ca);
	T_EQ_I64(list[0].not_after_s - list[0].not_before_s, DAY + 60);
	T_EQ_U64(list[0].serial.len, 32);
	T_TRUE(list[1].is_ca);
	sp_x509_info again;
	T_OK(sp_x509_inspect(list[0].der, T_ARENA, &again, T_ERR));
	T_EQ_STR(again.serial, list[0].serial);
	uint8_t digest[32];
	char start[3];
	sp_sha256(again.der, digest);
	T_EQ_U64(again.sha256.len, 64);
	(void)snprintf(start, sizeof start, "%02x", digest[0]);
	T_TRUE(sp_str_starts(again.sha256, sp_str_c(start)));
	T_CODE(sp_x509_inspect((sp_str){list[0].der.ptr, list[0].der.len - 1}, T_ARENA, &again, T_ERR),
	       SP_EINVAL);
	T_OK(sp_x509_inspect_pem(p.client.cert, T_ARENA, &list, &n, T_ERR));
	T_EQ_U64(list[0].organizations.n, 2);
	T_EQ_C(list[0].organizations.items[0], "system:masters");
	T_EQ_C(list[0].organizations.items[1], "b");
	T_EQ_C(list[0].uris.items[0], "spiffe://test/x");
}

SP_TEST(x509, bad_pem)
{
	pki p;
	T_TRUE(pki_new(&p));
	sp_x509_info *list = NULL;
	size_t n = 0;
	sp_key *key = NULL;
	T_CODE(sp_x509_inspect_pem(SP_STR(""), T_ARENA, &list, &n, T_ERR), SP_EINVAL);
	T_CODE(sp_x509_inspect_pem(p.ca.key, T_ARENA, &list, &n, T_ERR), SP_EINVAL);
	T_CODE(sp_x509_inspect_pem(sp_arena_printf(T_ARENA,
						   SP_FMT "-----BEGIN CERTIFICATE-----\nAAAA\n"
							  "-----END CERTIFICATE-----\n",
						   SP_ARG(p.ca.cert)),
				   T_ARENA, &list, &n, T_ERR),
	       SP_EINVAL);
	T_CODE(sp_key_parse(p.ca.cert, &key, T_ERR), SP_EINVAL);
	T_CODE(sp_key_parse(SP_STR("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), &key, T_ERR), SP_EUNSUPPORTED);
	sp_x509_ca *ca = NULL;
	SP_AUTO_KEY server_key = NULL;
	T_OK(sp_key_parse(p.server.key, &server_key, T_ERR));
	T_CODE(sp_x509_ca_new(p.server.cert, server_key, &ca, T_ERR), SP_EINVAL);
	T_CODE(sp_x509_ca_new(p.ca.cert, server_key, &ca, T_ERR), SP_EINVAL);
	sp_tls_config *c = NULL;
	T_CODE(sp_tls_server_config(&(sp_tls_opts){.cert_pem = p.server.cert, .key_pem = p.client.key}, &c,
				    T_ERR),
	       SP_EINVAL);
	T_CODE(sp_tls_server_config(&(sp_tls_opts){0}, &c, T_ERR), SP_EINVAL);
	T_CODE(sp_tls_client_config(&(sp_tls_opts){0}, &c, T_ERR), SP_EINVAL);
}

SP_TEST(x509, public_keys_and_template_errors)
{
	SP_AUTO_KEY key = NULL;
	SP_AUTO_KEY public = NULL;
	SP_AUTO_BUF text;
	SP_AUTO_BUF out;
	sp_buf_init(&text, 4096);
	sp_buf_init(&out, 4096);
	T_OK(sp_key_new(&key, T_ERR));
	T_OK(sp_key_print_public(key, &text, T_ERR));
	T_TRUE(sp_str_starts(sp_buf_view(&text), SP_STR("-----BEGIN PUBLIC KEY-----")));
	T_OK(sp_key_parse_public(sp_buf_view(&text), &public, T_ERR));
	static const sp_str bad[] = {SP_STR_INIT("a b"), SP_STR_INIT("1.2.3"), SP_STR_INIT("")};
	const sp_x509_template rows[] = {
		{.dns = bad, .n_dns = 1},
		{.ips = bad + 1, .n_ips = 1},
		{.uris = bad + 2, .n_uris = 1},
		{.not_before_s = 2, .not_after_s = 1},
		{.common_name = {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 65}},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		T_CODE(sp_x509_issue(&rows[i], key, NULL, &out, T_ERR), SP_EINVAL);
	}
	sp_buf_cleanse(&text);
	T_EQ_U64(text.len, 0);
}

/* ---- connections ---- */

static const sp_str h2_h1[] = {SP_STR_INIT("h2"), SP_STR_INIT("http/1.1")};

typedef struct side {
	sp_tls_req req;
	t_peer *peer;
	sp_stream *stream;
	sp_err err;
	unsigned n_done;
	struct conn *conn;
} side;

typedef struct conn {
	sp_world *world;
	pki pki;
	side server, client;
	sp_tls_config *server_config, *client_config;
	sp_stream *lower[2];
} conn;

static void on_done(sp_tls_req *r, sp_stream *s, const sp_err *err)
{
	side *d = r->arg;
	d->n_done++;
	d->err = *err;
	d->stream = s;
	if (s != NULL)
		t_peer_attach(d->peer, s);
	if (d->conn->server.n_done + d->conn->client.n_done == 2)
		sp_world_stop(d->conn->world);
}

static void configs_done(void *arg)
{
	conn *c = arg;
	c->server_config = sp_tls_config_unref(c->server_config);
	c->client_config = sp_tls_config_unref(c->client_config);
}

static conn *conn_new(void)
{
	static conn c;
	c = (conn){0};
	T_DEFER(configs_done, &c);
	c.world = t_world_uv();
	if (c.world == NULL || !pki_new(&c.pki))
		return NULL;
	side *const sides[] = {&c.server, &c.client};
	for (size_t i = 0; i < 2; i++) {
		sides[i]->conn = &c;
		sides[i]->peer = t_peer_new(c.world);
		sides[i]->peer->stop_on_close = true;
		sides[i]->req = (sp_tls_req){.done = on_done, .arg = sides[i]};
	}
	return &c;
}

static sp_tls_opts server_opts(const conn *c)
{
	return (sp_tls_opts){.cert_pem = c->pki.server.cert,
			     .key_pem = c->pki.server.key,
			     .ca_pem = c->pki.ca.cert,
			     .alpn = h2_h1,
			     .n_alpn = 2,
			     .client_auth = SP_TLS_CLIENT_REQUEST};
}

static sp_tls_opts client_opts(const conn *c)
{
	return (sp_tls_opts){.cert_pem = c->pki.client.cert,
			     .key_pem = c->pki.client.key,
			     .ca_pem = c->pki.ca.cert,
			     .alpn = h2_h1,
			     .n_alpn = 2};
}

/* Begins a handshake over a pair. */
static sp_code conn_start(conn *c, const sp_tls_opts *so, const sp_tls_opts *co, const char *name)
{
	SP_TRY(sp_tls_server_config(so, &c->server_config, T_ERR));
	SP_TRY(sp_tls_client_config(co, &c->client_config, T_ERR));
	SP_TRY(sp_stream_pair(c->world, c->lower, T_ERR));
	SP_TRY(sp_tls_accept(&c->server.req, c->lower[0], c->server_config, T_ERR));
	return sp_tls_connect(&c->client.req, c->lower[1], c->client_config, sp_str_c(name), T_ERR);
}

/* ... and ends it. */
static sp_code conn_open(conn *c, const sp_tls_opts *so, const sp_tls_opts *co, const char *name)
{
	SP_TRY(conn_start(c, so, co, name));
	sp_world_run(c->world);
	if (c->client.err.code != SP_OK)
		*T_ERR = c->client.err;
	if (c->client.err.code == SP_OK && c->server.err.code != SP_OK)
		*T_ERR = c->server.err;
	return c->client.err.code != SP_OK ? c->client.err.code : c->server.err.code;
}

/* A second set of authorities is judged apart from the first. */
static void second_authority(const char *ca, bool by_stranger, bool verified, bool also_verified)
{
	conn *c = conn_new();
	T_TRUE(c != NULL);
	sp_tls_opts so = server_opts(c), co = client_opts(c);
	so.client_auth = SP_TLS_CLIENT_REQUEST;
	so.also_ca_pem = sp_str_eq(sp_str_c(ca), SP_STR("other")) ? c->pki.other.cert : c->pki.ca.cert;
	if (by_stranger) {
		co.cert_pem = c->pki.stranger.cert;
		co.key_pem = c->pki.stranger.key;
	}
	T_OK(conn_open(c, &so, &co, "api.test"));
	const sp_tls_peer *who = c->server.stream->tls;
	T_TRUE(who != NULL);
	T_TRUE(who->verified == verified);
	T_TRUE(who->also_verified == also_verified);
}

SP_TEST(tls, second_authority)
{
	second_authority("other", true, false, true);
}

SP_TEST(tls, second_authority_of_another)
{
	second_authority("other", false, true, false);
}

SP_TEST(tls, no_authority_at_all)
{
	second_authority("own", true, false, false);
}

SP_TEST(tls, second_authority_that_is_none)
{
	conn *c = conn_new();
	sp_tls_config *config = NULL;
	T_TRUE(c != NULL);
	sp_tls_opts so = server_opts(c);
	so.also_ca_pem = SP_STR("junk");
	T_CODE(sp_tls_server_config(&so, &config, T_ERR), SP_EINVAL);
}

SP_TEST(tls, echo_with_identities)
{
	conn *c = conn_new();
	T_TRUE(c != NULL);
	sp_tls_opts so = server_opts(c), co = client_opts(c);
	T_OK(conn_open(c, &so, &co, "api.test"));
	T_EQ_C(c->client.stream->alpn, "h2");
	T_EQ_C(c->server.stream->alpn, "h2");
	const sp_tls_peer *who = c->server.stream->tls;
	T_TRUE(who != NULL);
	T_TRUE(who->verified);
	T_EQ_C(who->cert.common_name, "admin");
	T_EQ_U64(who->cert.organizations.n, 2);
	T_EQ_C(who->cert.organizations.items[0], "system:masters");
	T_EQ_C(who->cert.uris.items[0], "spiffe://test/x");
	T_TRUE(c->client.stream->tls->verified);
	T_EQ_C(c->client.stream->tls->cert.common_name, "server");
	c->server.peer->echo = c->server.peer->shutdown_on_end = true;
	t_peer *p = c->client.peer;
	p->stop_on_end = true;
	t_peer_send(p, "hello", 5);
	t_peer_send(p, "", 0);
	t_peer_send(p, " tls", 4);
	T_EQ_U64(sp_stream_queued(p->stream), 9);
	sp_stream_shutdown(p->stream);
	sp_world_run(c->world);
	T_EQ_STR(sp_buf_view(&p->got), SP_STR("hello tls"));
	T_EQ_U64(p->n_done, 3);
	T_EQ_I64(p->done_code, SP_OK);
	T_EQ_U64(p->n_errors + c->server.peer->n_errors, 0);
	/* after a shutdown nothing can be written */
	p->close_on_done = p->stop_on_close = true;
	t_peer_send(p, "late", 4);
	sp_world_run(c->world);
	T_EQ_I64(p->done_code, SP_EINVAL);
	T_EQ_U64(p->n_closes, 1);
}

static void read_in_steps(t_peer *p)
{
	sp_stream_read(p->stream, false);
	sp_stream_read(p->stream, p->got.len % 3 != 0);
	sp_stream_read(p->stream, true);
}

SP_TEST(tls, much_data_both_ways)
{
	conn *c = conn_new();
	T_TRUE(c != NULL);
	sp_tls_opts so = server_opts(c), co = client_opts(c);
	T_OK(conn_open(c, &so, &co, "127.0.0.1"));
	enum { N = 2000000, PART = 70001 };
	uint8_t *bytes = sp_arena_alloc(T_ARENA, N);
	for (size_t i = 0; i < N; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	c->server.peer->echo = true;
	c->server.peer->on_data = read_in_steps;
	c->client.peer->on_data = read_in_steps;
	c->client.peer->stop_at = N;
	for (size_t at = 0; at < N; at += PART)
		t_peer_send(c->client.peer, bytes + at, SP_MIN((size_t)PART, N - at));
	for (int i = 0; i < 50; i++)
		t_peer_send(c->client.peer, bytes, 0);
	sp_world_run(c->world);
	T_EQ_U64(c->client.peer->got.len, N);
	T_TRUE(memcmp(c->client.peer->got.ptr, bytes, N) == 0);
	T_EQ_U64(c->client.peer->n_errors + c->server.peer->n_errors, 0);
}

SP_TEST(tls, who_is_let_in)
{
	enum { NOBODY, ADMIN, STRANGER };
	static const struct {
		const char *row;
		sp_tls_client_auth auth;
		int who;
		const char *name;
		bool insecure, verified, shown;
		sp_code client, server; /* of the handshake */
		const char *text;       /* in the error of the side that failed first */
	} rows[] = {
		{"asked, shown", SP_TLS_CLIENT_REQUEST, ADMIN, "api.test", false, true, true, 0, 0, NULL},
		{"asked, nobody", SP_TLS_CLIENT_REQUEST, NOBODY, "api.test", false, false, false, 0, 0, NULL},
		{"asked, stranger", SP_TLS_CLIENT_REQUEST, STRANGER, "api.test", false, false, true, 0, 0,
		 NULL},
		{"not asked", SP_TLS_CLIENT_NONE, ADMIN, "api.test", false, false, false, 0, 0, NULL},
		{"required", SP_TLS_CLIENT_REQUIRE, ADMIN, "api.test", false, true, true, 0, 0, NULL},
		{"required, nobody", SP_TLS_CLIENT_REQUIRE, NOBODY, "api.test", false, false, false, 0,
		 SP_EPROTO, "peer did not return a certificate"},
		{"required, stranger", SP_TLS_CLIENT_REQUIRE, STRANGER, "api.test", false, false, false, 0,
		 SP_EUNAUTH, "certificate of the peer: "},
		{"wildcard", SP_TLS_CLIENT_NONE, NOBODY, "a.wild.test", false, false, false, 0, 0, NULL},
		{"IPv6", SP_TLS_CLIENT_NONE, NOBODY, "::1", false, false, false, 0, 0, NULL},
		{"common name does not count", SP_TLS_CLIENT_NONE, NOBODY, "server", false, false, false,
		 SP_EUNAUTH, SP_EPROTO, "hostname mismatch"},
		{"other IP", SP_TLS_CLIENT_NONE, NOBODY, "127.0.0.2", false, false, false, SP_EUNAUTH,
		 SP_EPROTO, "IP address mismatch"},
		{"insecure", SP_TLS_CLIENT_NONE, NOBODY, "other", true, false, false, 0, 0, NULL},
		{"insecure, no name", SP_TLS_CLIENT_NONE, NOBODY, "", true, false, false, 0, 0, NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].row);
		conn *c = conn_new();
		T_TRUE(c != NULL);
		sp_tls_opts so = server_opts(c), co = client_opts(c);
		so.client_auth = rows[i].auth;
		co.insecure_skip_verify = rows[i].insecure;
		const identity who[] = {{{NULL, 0}, {NULL, 0}}, c->pki.client, c->pki.stranger};
		co.cert_pem = who[rows[i].who].cert;
		co.key_pem = who[rows[i].who].key;
		(void)!conn_open(c, &so, &co, rows[i].name);
		T_EQ_I64(c->client.err.code, rows[i].client);
		T_EQ_I64(c->server.err.code, rows[i].server);
		const sp_err *told = rows[i].client != SP_OK ? &c->client.err : &c->server.err;
		if (rows[i].text != NULL && strcasestr(told->msg, rows[i].text) == NULL)
			T_FAIL("'%s' is not in '%s'", rows[i].text, told->msg);
		if (c->server.stream != NULL) {
			T_EQ_I64(c->server.stream->tls != NULL, rows[i].shown);
			T_EQ_I64(rows[i].shown && c->server.stream->tls->verified, rows[i].verified);
		}
		if (c->client.stream != NULL)
			T_EQ_I64(c->client.stream->tls->verified, !rows[i].insecure);
		configs_done(c);
	}
}

SP_TEST(tls, alerts_are_told_by_name)
{
	conn *c = conn_new();
	T_TRUE(c != NULL);
	static const sp_str other[] = {SP_STR_INIT("smtp")};
	sp_tls_opts so = server_opts(c), co = client_opts(c);
	co.alpn = other;
	co.n_alpn = 1;
	T_CODE(conn_open(c, &so, &co, "api.test"), SP_EPROTO);
	T_TRUE(strstr(c->client.err.msg, "the peer refused: no application protocol") != NULL);
	T_EQ_I64(c->server.err.code, SP_EPROTO);
}

/* In TLS 1.3 the client hears of a refused certificate only after its own handshake ended. */
SP_TEST(tls, refusal_after_the_clients_handshake)
{
	conn *c = conn_new();
	T_TRUE(c != NULL);
	sp_tls_opts so = server_opts(c), co = client_opts(c);
	so.client_auth = SP_TLS_CLIENT_REQUIRE;
	co.cert_pem = co.key_pem = (sp_str){NULL, 0};
	c->client.peer->stop_on_close = true;
	T_CODE(conn_open(c, &so, &co, "api.test"), SP_EPROTO);
	T_EQ_I64(c->client.err.code, SP_OK);
	if (c->client.peer->n_closes == 0)
		sp_world_run(c->world);
	T_EQ_C(sp_str_c(c->client.peer->error_text), "TLS: the peer refused: certificate required");
}

SP_TEST(tls, truncation_is_an_error)
{
	conn *c = conn_new();
	T_TRUE(c != NULL);
	sp_tls_opts so = server_opts(c), co = client_opts(c);
	T_OK(conn_open(c, &so, &co, "api.test"));
	c->server.peer->stop_on_close = false;
	sp_stream_close(c->server.stream);
	sp_world_run(c->world);
	T_EQ_U64(c->client.peer->n_ends, 0);
	T_EQ_I64(c->client.peer->error, SP_EPROTO);
	T_TRUE(strstr(c->client.peer->error_text, "close_notify") != NULL);
}

SP_TEST(tls, close_inside_each_callback)
{
	static const struct {
		const char *name;
		size_t flag;
	} rows[] = {{"on_data", offsetof(t_peer, close_on_data)},
		    {"on_end", offsetof(t_peer, close_on_end)},
		    {"done", offsetof(t_peer, close_on_done)}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].name);
		conn *c = conn_new();
		T_TRUE(c != NULL);
		sp_tls_opts so = server_opts(c), co = client_opts(c);
		T_OK(conn_open(c, &so, &co, "api.test"));
		t_peer *p = c->client.peer;
		*(bool *)(void *)((char *)p + rows[i].flag) = true;
		p->stop_on_close = true;
		static const uint8_t block[300000];
		t_peer_send(p, "1", 1);
		t_peer_send(p, block, sizeof block);
		t_peer_send(c->server.peer, "data", 4);
		t_peer_send(c->server.peer, "more", 4);
		sp_stream_shutdown(c->server.stream);
		sp_world_run(c->world);
		T_EQ_U64(p->n_closes, 1);
		T_EQ_U64(p->n_done, 2);
		configs_done(c);
	}
}

SP_TEST(tls, canceled_and_timed_out)
{
	conn *c = conn_new();
	T_TRUE(c != NULL);
	sp_tls_opts so = server_opts(c), co = client_opts(c);
	T_OK(conn_start(c, &so, &co, "api.test"));
	sp_tls_cancel(&c->client.req);
	sp_tls_cancel(&c->client.req);
	c->client.n_done = 1;
	sp_world_run(c->world);
	T_EQ_I64(c->server.err.code, SP_EPROTO);
	T_TRUE(strstr(c->server.err.msg, "ended in the TLS handshake") != NULL);

	sp_stream *s[2];
	c->server_config = sp_tls_config_unref(c->server_config);
	so.handshake_timeout_ns = SECOND / 50;
	T_OK(sp_tls_server_config(&so, &c->server_config, T_ERR));
	T_OK(sp_stream_pair(c->world, s, T_ERR));
	T_OK(sp_tls_accept(&c->server.req, s[0], c->server_config, T_ERR));
	t_peer_attach(c->client.peer, s[1]);
	c->server.n_done = 0;
	sp_world_run(c->world);
	T_EQ_I64(c->server.err.code, SP_ETIMEOUT);
}

static sp_code code_at_end;

static void on_done_at_end(sp_tls_req *r, sp_stream *s, const sp_err *err)
{
	(void)r;
	SP_ASSERT(s == NULL);
	code_at_end = err->code;
}

SP_TEST(tls, a_handshake_when_the_world_ends)
{
	pki p;
	T_TRUE(pki_new(&p));
	sp_world *w = NULL;
	sp_tls_config *config = NULL;
	T_OK(sp_tls_server_config(&(sp_tls_opts){.cert_pem = p.server.cert, .key_pem = p.server.key}, &config,
				  T_ERR));
	sp_stream *s[2];
	sp_tls_req req = {.done = on_done_at_end};
	sp_code code = sp_world_uv_new(&w, T_ERR);
	if (code == SP_OK)
		code = sp_stream_pair(w, s, T_ERR);
	if (code == SP_OK)
		code = sp_tls_accept(&req, s[0], config, T_ERR);
	sp_world_uv_free(w);
	(void)sp_tls_config_unref(config);
	T_OK(code);
	T_EQ_I64(code_at_end, SP_ECANCELED);
}

SP_TEST(tls, not_tls_at_all)
{
	conn *c = conn_new();
	T_TRUE(c != NULL);
	sp_stream *s[2];
	sp_tls_opts so = server_opts(c);
	T_OK(sp_tls_server_config(&so, &c->server_config, T_ERR));
	T_OK(sp_stream_pair(c->world, s, T_ERR));
	T_OK(sp_tls_accept(&c->server.req, s[0], c->server_config, T_ERR));
	t_peer_attach(c->client.peer, s[1]);
	t_peer_send(c->client.peer, "GET / HTTP/1.1\r\n\r\n", 18);
	c->client.n_done = 1;
	sp_world_run(c->world);
	T_EQ_C(sp_str_c(c->server.err.msg), "TLS handshake: http request");
}

static void answered_in_plain_text(const char *answer, const char *want)
{
	conn *c = conn_new();
	T_TRUE(c != NULL);
	sp_stream *s[2];
	sp_tls_opts co = client_opts(c);
	T_OK(sp_tls_client_config(&co, &c->client_config, T_ERR));
	T_OK(sp_stream_pair(c->world, s, T_ERR));
	T_OK(sp_tls_connect(&c->client.req, s[0], c->client_config, SP_STR("api.test"), T_ERR));
	t_peer_attach(c->server.peer, s[1]);
	t_peer_send(c->server.peer, answer, strlen(answer));
	c->server.n_done = 1;
	sp_world_run(c->world);
	T_EQ_C(sp_str_c(c->client.err.msg), want);
}

/* A server without TLS is told from one that is broken. */
SP_TEST(tls, plain_http_answers)
{
	answered_in_plain_text("HTTP/1.1 400 Bad Request\r\n\r\n", "TLS handshake: " SP_TLS_HTTP_ANSWER);
}
SP_TEST(tls, nonsense_answers)
{
	answered_in_plain_text("SSH-2.0-x\r\n", "TLS handshake: wrong version number");
}

/* TLS inside TLS: each reads what lies in the buffer of the other. */
SP_TEST(tls, inside_tls)
{
	conn *c = conn_new();
	T_TRUE(c != NULL);
	sp_tls_opts so = server_opts(c), co = client_opts(c);
	T_OK(conn_open(c, &so, &co, "api.test"));
	for (int level = 0; level < 4; level++) {
		sp_stream *below[2] = {c->server.stream, c->client.stream};
		c->server.n_done = c->client.n_done = 0;
		T_OK(sp_tls_accept(&c->server.req, below[0], c->server_config, T_ERR));
		T_OK(sp_tls_connect(&c->client.req, below[1], c->client_config, SP_STR("api.test"), T_ERR));
		sp_world_run(c->world);
		T_TRUE(c->server.stream != NULL && c->client.stream != NULL);
	}
	enum { N = 200000 };
	uint8_t *bytes = sp_arena_alloc(T_ARENA, N);
	for (size_t i = 0; i < N; i++)
		bytes[i] = (uint8_t)(i * 13 + (i >> 9));
	c->server.peer->echo = true;
	c->client.peer->stop_at = N;
	t_peer_send(c->client.peer, bytes, N);
	sp_world_run(c->world);
	T_EQ_U64(c->client.peer->got.len, N);
	T_TRUE(memcmp(c->client.peer->got.ptr, bytes, N) == 0);
}

/* ---- reload ---- */

SP_TEST(tls, source_swaps_while_connections_live)
{
	conn *c = conn_new();
	T_TRUE(c != NULL);
	sp_tls_opts so = server_opts(c), co = client_opts(c);
	T_OK(conn_open(c, &so, &co, "api.test"));
	sp_tls_source *source = sp_tls_source_new(c->server_config);
	T_DEFER(sp_tls_source_free, source);
	sp_tls_config *first = sp_tls_source_get(source);
	T_TRUE(first == c->server_config);
	(void)sp_tls_config_unref(first);
	so.cert_pem = c->pki.client.cert;
	so.key_pem = c->pki.client.key;
	sp_tls_config *fresh = NULL;
	T_OK(sp_tls_server_config(&so, &fresh, T_ERR));
	sp_tls_source_set(source, fresh);
	(void)sp_tls_config_unref(fresh);
	c->server_config = sp_tls_config_unref(c->server_config);
	/* the old connection goes on without its config */
	c->server.peer->echo = true;
	c->client.peer->stop_at = 2;
	t_peer_send(c->client.peer, "on", 2);
	sp_world_run(c->world);
	T_EQ_STR(sp_buf_view(&c->client.peer->got), SP_STR("on"));
	/* a new one sees the new certificate */
	c->server_config = sp_tls_source_get(source);
	sp_stream *s[2];
	c->server.n_done = c->client.n_done = 0;
	T_OK(sp_stream_pair(c->world, s, T_ERR));
	c->server.peer = t_peer_new(c->world);
	c->client.peer = t_peer_new(c->world);
	T_OK(sp_tls_accept(&c->server.req, s[0], c->server_config, T_ERR));
	T_OK(sp_tls_connect(&c->client.req, s[1], c->client_config, SP_STR("api.test"), T_ERR));
	sp_world_run(c->world);
	T_EQ_I64(c->client.err.code, SP_EUNAUTH);
}

SP_TEST(tls, config_from_files)
{
	conn *c = conn_new();
	T_TRUE(c != NULL);
	sp_str cert = sp_arena_printf(T_ARENA, "%s/cert", t_tmpdir()),
	       key = sp_arena_printf(T_ARENA, "%s/key", t_tmpdir());
	T_TRUE(cert.ptr != NULL && key.ptr != NULL);
	T_OK(sp_file_replace(c->world, cert, c->pki.server.cert, 0644, T_ERR));
	T_CODE(sp_tls_server_config_from_files(c->world, &(sp_tls_files){cert, key, {NULL, 0}},
					       &(sp_tls_opts){0}, &c->server_config, T_ERR),
	       SP_ENOTFOUND);
	T_OK(sp_file_replace(c->world, key, c->pki.server.key, 0600, T_ERR));
	T_OK(sp_tls_server_config_from_files(c->world, &(sp_tls_files){cert, key, {NULL, 0}},
					     &(sp_tls_opts){0}, &c->server_config, T_ERR));
	T_OK(sp_tls_client_config_from_files(c->world, &(sp_tls_files){.ca = cert}, &(sp_tls_opts){0},
					     &c->client_config, T_ERR));
}
