/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/base64.h"
#include "base/url.h"
#include "client/client_int.h"
#include "io/file.h"
#include "io/https.h"

#define TOKEN_BYTES_MAX ((size_t)1 << 20)
#define CONFIG_BYTES_MAX ((size_t)8 << 20)
#define NS_PER_S UINT64_C(1000000000)
#define TOKEN_FRESH_NS (60 * NS_PER_S) /* client-go reads a token's file once a minute */

/* ---- credentials ---- */

sp_code client_set_token(sp_client *c, sp_str token)
{
	sp_buf_cleanse(&c->authorization);
	sp_buf_clear(&c->authorization);
	if (token.len > 0) {
		(void)sp_buf_reserve(&c->authorization, sizeof "Bearer " + token.len);
		(void)sp_buf_str(&c->authorization, SP_STR("Bearer "));
		(void)sp_buf_str(&c->authorization, token);
	}
	return sp_buf_code(&c->authorization);
}

static sp_code set_basic(sp_client *c)
{
	SP_AUTO_BUF pair;
	sp_buf_init(&pair, TOKEN_BYTES_MAX);
	(void)sp_buf_reserve(&pair, c->config.username.len + c->config.password.len + 1);
	(void)sp_buf_str(&pair, c->config.username);
	(void)sp_buf_char(&pair, ':');
	SP_TRY(sp_buf_str(&pair, c->config.password));
	(void)sp_buf_str(&c->authorization, SP_STR("Basic "));
	(void)sp_base64_append(&c->authorization, pair.ptr, pair.len);
	sp_buf_cleanse(&pair);
	return sp_buf_code(&c->authorization);
}

/* On a worker. */
static void token_read(sp_work *job)
{
	sp_client *c = job->arg;
	sp_buf_clear(&c->token_next);
	c->token_code = sp_file_read_all(c->world, c->config.token_file, &c->token_next, NULL);
}

static void token_done(sp_work *job)
{
	sp_client *c = job->arg;
	sp_str token = sp_str_trim(sp_buf_view(&c->token_next));
	c->token_reading = false;
	c->token_ns = sp_now_ns(c->world);
	if (token.len > 0 && c->token_code == SP_OK)
		(void)!client_set_token(c,
					token); /* without memory there is none; the next reading mends it */
	sp_buf_cleanse(&c->token_next);
	client_check_closed(c);
}

static bool read_token(sp_client *c)
{
	if (c->config.token_file.len == 0)
		return false;
	if (c->token_reading)
		return true;
	c->token_job = (sp_work){.fn = token_read, .done = token_done, .arg = c};
	c->token_reading = sp_work_start(c->world, &c->token_job, NULL) == SP_OK;
	return c->token_reading;
}

/* Of a certificate and a token the server says not which of them it does not take. */
bool client_refresh_token(sp_client *c)
{
	if (c->root->closing)
		return false;
	if (c->refused != NULL)
		return c->refused(c->refused_arg);
	bool reads_token = read_token(c), reads_certificate = client_renewal_now(c);
	return reads_token || reads_certificate;
}

/* ---- the client ---- */

static bool copy_str(sp_arena *a, sp_str *s)
{
	if (s->len == 0)
		return true;
	*s = sp_arena_try_dup(a, *s);
	return s->ptr != NULL;
}

static sp_code copy_config(sp_client *c, const sp_client_config *from, sp_err *err)
{
	sp_client_config *to = &c->config;
	*to = *from;
	sp_str *texts[] = {&to->scheme,   &to->address,  &to->prefix, &to->server_name, &to->ca_pem,
			   &to->cert_pem, &to->key_pem,  &to->token,  &to->token_file,  &to->username,
			   &to->password, &to->as,       &to->as_uid, &to->namespace_,  &to->source,
			   &to->context,  &c->user_agent};
	bool ok = true;
	for (size_t i = 0; i < SP_LEN(texts) && ok; i++)
		ok = copy_str(&c->arena, texts[i]);
	sp_str *groups = ok && to->n_as_groups > 0 ? sp_try_new(&c->arena, sp_str, to->n_as_groups) : NULL;
	for (size_t i = 0; i < to->n_as_groups && groups != NULL && ok; i++) {
		groups[i] = from->as_groups[i];
		ok = copy_str(&c->arena, &groups[i]);
	}
	to->as_groups = groups;
	if (!ok || (to->n_as_groups > 0 && groups == NULL))
		return sp_fail(err, SP_ENOMEM, "no memory for a client's configuration");
	return SP_OK;
}

sp_code client_open_tls(const sp_client_config *f, bool bare, sp_tls_config **ret, sp_err *err)
{
	static const sp_str alpn[] = {SP_STR_INIT("h2"), SP_STR_INIT("http/1.1")};
	const sp_tls_opts o = {.cert_pem = bare ? SP_STR("") : f->cert_pem,
			       .key_pem = bare ? SP_STR("") : f->key_pem,
			       .ca_pem = f->ca_pem,
			       .alpn = alpn,
			       .n_alpn = SP_LEN(alpn),
			       .insecure_skip_verify = f->insecure};
	if (!sp_str_eq(f->scheme, SP_STR("https")))
		return SP_OK;
	if (o.ca_pem.len == 0 && !o.insecure_skip_verify)
		return sp_fail(err, SP_EINVAL, "no certificate authority of the API server is known");
	return sp_tls_client_config(&o, ret, err);
}

static sp_code open_parts(sp_client *c, const sp_client_opts *o, sp_err *err)
{
	const sp_http_client_opts http = {.connector = o->connector != NULL ? o->connector
									    : &sp_http_connector_tls};
	SP_TRY(copy_config(c, o->config, err));
	SP_TRY(client_open_tls(&c->config, false, &c->tls, err));
	ptrdiff_t slash = sp_str_index(c->user_agent, '/');
	c->manager = slash < 0 ? c->user_agent : sp_str_sub(c->user_agent, 0, (size_t)slash);
	sp_code code = SP_OK;
	if (c->config.token.len > 0)
		code = client_set_token(c, c->config.token);
	else if (c->config.username.len > 0)
		code = set_basic(c);
	if (code != SP_OK)
		return sp_fail(err, code, "no memory for a client's credentials");
	c->token_ns = sp_now_ns(c->world);
	return sp_http_client_new(c->world, &http, &c->http, err);
}

static void on_all_closed(sp_defer *d)
{
	sp_client *c = d->arg;
	if (c->on_closed != NULL)
		SP_TAKE(c->on_closed)(c->closed_arg);
}

sp_code sp_client_new(sp_world *w, const sp_client_opts *o, sp_client **ret, sp_err *err)
{
	sp_client *c = SP_NEW(sp_client);
	c->world = w;
	c->root = c;
	c->user_agent = o->user_agent.len > 0 ? o->user_agent : SP_STR("sampan");
	sp_arena_init_secret(&c->arena, CONFIG_BYTES_MAX);
	sp_buf_init(&c->authorization, 2 * TOKEN_BYTES_MAX);
	sp_buf_init(&c->token_next, TOKEN_BYTES_MAX);
	sp_list_init(&c->runs);
	sp_list_init(&c->waiters);
	sp_defer_init(&c->closed, on_all_closed, c);
	sp_code code = open_parts(c, o, err);
	if (code != SP_OK) {
		sp_client_free(c);
		return code;
	}
	client_renewal_open(c);
	*ret = c;
	return SP_OK;
}

void client_check_closed(sp_client *any)
{
	sp_client *c = any->root;
	if (c->http_closed && !c->token_reading && !client_renewal_is_busy(c) && sp_list_is_empty(&c->runs))
		sp_defer_call(c->world, &c->closed);
}

static void on_http_closed(void *arg)
{
	sp_client *c = arg;
	c->http_closed = true;
	client_check_closed(c);
}

void sp_client_close(sp_client *c, void (*done)(void *arg), void *arg)
{
	SP_ASSERT(!c->closing);
	c->closing = true;
	c->on_closed = done;
	c->closed_arg = arg;
	client_end_waiting(c);
	client_renewal_stop(c);
	sp_http_client_close(c->http, on_http_closed, c);
}

void sp_client_free(sp_client *c)
{
	if (c == NULL)
		return;
	SP_ASSERT(sp_list_is_empty(&c->runs));
	SP_ASSERT(sp_list_is_empty(&c->waiters));
	sp_defer_cancel(&c->closed);
	if (c->root == c) {
		client_renewal_free(c);
		if (c->http != NULL)
			sp_http_client_free(c->http);
		sp_tls_config_unref(c->tls);
		sp_tls_config_unref(c->bare_tls);
	}
	sp_buf_cleanse(&c->authorization);
	sp_buf_done(&c->authorization);
	sp_buf_cleanse(&c->token_next);
	sp_buf_done(&c->token_next);
	sp_arena_done(&c->arena);
	sp_free(c);
}

sp_code client_derive(sp_client *root, sp_client **ret, sp_err *err)
{
	const sp_client_config *f = &root->config;
	SP_ASSERT(root->root == root);
	if (root->bare_tls == NULL)
		SP_TRY(client_open_tls(f, true, &root->bare_tls, err));
	sp_client *c = SP_NEW(sp_client);
	c->world = root->world;
	c->root = root;
	c->config = (sp_client_config){.scheme = f->scheme,
				       .address = f->address,
				       .prefix = f->prefix,
				       .server_name = f->server_name,
				       .namespace_ = f->namespace_,
				       .h2 = f->h2};
	c->http = root->http;
	c->user_agent = root->user_agent;
	c->manager = root->manager;
	sp_arena_init(&c->arena, CONFIG_BYTES_MAX);
	sp_buf_init(&c->authorization, 2 * TOKEN_BYTES_MAX);
	sp_buf_init(&c->token_next, TOKEN_BYTES_MAX);
	sp_list_init(&c->runs);
	sp_list_init(&c->waiters);
	sp_defer_init(&c->closed, on_all_closed, c);
	*ret = c;
	return SP_OK;
}

sp_world *sp_client_world(const sp_client *c)
{
	return c->world;
}

/* ---- requests ---- */

static size_t add_header(sp_http_header *headers, size_t n, sp_str name, sp_str value)
{
	if (value.len == 0 || n == CLIENT_HEADERS_MAX)
		return n;
	headers[n] = (sp_http_header){name, value};
	return n + 1;
}

/* As many groups as there is room for; more are refused, never left out. */
static sp_code add_identity(const sp_client *c, sp_http_header *headers, size_t *n, sp_err *err)
{
	const sp_client_config *f = &c->config;
	*n = add_header(headers, *n, SP_STR("authorization"), sp_buf_view(&c->authorization));
	*n = add_header(headers, *n, SP_STR("impersonate-user"), f->as);
	*n = add_header(headers, *n, SP_STR("impersonate-uid"), f->as_uid);
	if (*n + f->n_as_groups > CLIENT_HEADERS_MAX)
		return sp_fail(err, SP_ETOOLARGE, "too many groups to impersonate");
	for (size_t i = 0; i < f->n_as_groups; i++)
		*n = add_header(headers, *n, SP_STR("impersonate-group"), f->as_groups[i]);
	return SP_OK;
}

/* The host that the certificate must carry goes as the authority: the connector looks nowhere else. */
static sp_str authority_of(const sp_client *c)
{
	return c->config.server_name.len > 0 ? c->config.server_name : c->config.address;
}

sp_code client_request(sp_client *c, const client_req *q, const sp_http_events *events, void *arg,
		       sp_http_exchange **ret, sp_err *err)
{
	sp_http_header headers[CLIENT_HEADERS_MAX];
	size_t n = 0;
	SP_AUTO_BUF path;
	sp_buf_init(&path, (size_t)64 << 10);
	if (c->root->closing)
		return sp_fail(err, SP_ECANCELED, "the client is closed");
	if (c->root != c && c->authorization.len == 0)
		return sp_fail(err, SP_EUNAUTH, "the account has no token yet");
	if (c->config.token_file.len > 0 && sp_now_ns(c->world) - c->token_ns > TOKEN_FRESH_NS)
		(void)read_token(c); /* this request goes with the one we have */
	n = add_header(headers, n, SP_STR("accept"), q->accept);
	n = add_header(headers, n, SP_STR("content-type"), q->type);
	n = add_header(headers, n, SP_STR("user-agent"), c->user_agent);
	SP_TRY(add_identity(c, headers, &n, err));
	(void)sp_buf_str(&path, c->config.prefix);
	if (sp_buf_str(&path, q->path) != SP_OK)
		return sp_fail(err, sp_buf_code(&path), "no room for the path of a request");
	const sp_http_request req = {.scheme = c->config.scheme,
				     .address = c->config.address,
				     .tls_config = c->root == c ? c->tls : c->root->bare_tls,
				     .h2 = c->config.h2 && c->root->tls == NULL,
				     .method = q->method,
				     .authority = authority_of(c),
				     .path = sp_buf_view(&path),
				     .headers = headers,
				     .n_headers = n,
				     .body = q->body,
				     .deadline_ns = q->deadline_ns};
	return sp_http_request_start(c->http, &req, events, arg, ret, err);
}

sp_code client_path(sp_buf *out, const sp_gvr *gvr, sp_str ns, sp_str name, sp_str subresource)
{
	(void)sp_buf_str(out, gvr->group.len == 0 ? SP_STR("/api") : SP_STR("/apis"));
	const sp_str parts[] = {gvr->group, gvr->version,  ns.len > 0 ? SP_STR("namespaces") : SP_STR(""),
				ns,         gvr->resource, name,
				subresource};
	for (size_t i = 0; i < SP_LEN(parts); i++) {
		if (parts[i].len == 0)
			continue;
		(void)sp_buf_char(out, '/');
		(void)sp_url_escape(out, parts[i]);
	}
	return sp_buf_code(out);
}

sp_code sp_query_add(sp_buf *out, const char *key, sp_str value)
{
	if (out->len > 0)
		(void)sp_buf_char(out, '&');
	(void)sp_buf_str(out, sp_str_c(key));
	(void)sp_buf_char(out, '=');
	return sp_url_escape(out, value);
}
