/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/image/fetch.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/num.h"
#include "base/url.h"
#include "base/version.h"
#include "io/tls/x509.h"

#define REDIRECTS_MAX 10u
#define FETCH_BYTES ((size_t)4 << 20)
#define SECRET_BYTES (2 * IMAGE_SECRET_BYTES) /* of a field or form: text in base64 or escaped */
#define TOKEN_EARLY_NS UINT64_C(5000000000)

struct image_fetch {
	sp_world *world;
	sp_http_client *http;
	image_endpoint *endpoint;
	const image_fetch_events *events;
	void *arg;
	sp_arena arena;
	image_url url; /* of the next request */
	bool at_host;  /* url is the endpoint's: it gets the credentials */
	sp_str accept;
	uint64_t offset, idle_ns;
	unsigned n_redirects;
	bool asked_token; /* in this fetch: a second refusal is the last word */
	image_challenge challenge;
	sp_http_exchange *ex; /* NULL: none under way */
	bool is_token;        /* ex asks the token server */
	bool streaming;       /* head was told */
	bool cancelled;
	sp_timer idle;
	sp_defer later; /* the next request, or the end */
	bool over;
	uint64_t retry_after_s;
	sp_code code;
	sp_err err;
};

void image_endpoint_done(image_endpoint *e)
{
	sp_buf_cleanse(&e->token);
	sp_buf_done(&e->token);
}

/* ---- the end ---- */

static void fetch_free(image_fetch *f)
{
	sp_timer_stop(f->world, &f->idle);
	sp_defer_cancel(&f->later);
	sp_arena_done(&f->arena);
	sp_free(f);
}

static void finish(image_fetch *f)
{
	sp_code code = f->code;
	sp_err err = f->err;
	uint64_t retry_after_s = f->retry_after_s;
	const image_fetch_events *events = f->events;
	void *arg = f->arg;
	fetch_free(f);
	events->done(arg, code, retry_after_s, code == SP_OK ? NULL : &err);
}

static void end_later(image_fetch *f, sp_code code)
{
	f->code = code;
	f->over = true;
	sp_defer_call(f->world, &f->later);
}

static sp_code no_room(image_fetch *f)
{
	return sp_fail(&f->err, SP_ENOMEM, "no memory for a request");
}

/* ---- requests ---- */

static void on_idle(sp_timer *t)
{
	image_fetch *f = t->arg;
	if (f->ex == NULL || f->over)
		return;
	f->code = sp_fail(&f->err, SP_ETIMEOUT, SP_FMT " sends nothing", SP_ARG(f->url.authority));
	sp_http_reset(f->ex, SP_HTTP2_CANCEL);
}

static void alive(image_fetch *f)
{
	sp_timer_start(f->world, &f->idle, f->idle_ns, on_idle);
}

static const sp_http_events fetch_events;

/* "Basic …" or "Bearer …". The buffer is the caller's to cleanse. */
static sp_code authorization(const image_fetch *f, bool basic, sp_buf *out)
{
	const image_credentials *c = f->endpoint->login;
	if (!basic) {
		(void)sp_buf_str(out, SP_STR("Bearer "));
		return sp_buf_str(out, sp_buf_view(&f->endpoint->token));
	}
	SP_AUTO_BUF pair;
	sp_buf_init(&pair, SECRET_BYTES);
	(void)sp_buf_reserve(&pair, c->username.len + c->password.len + 1);
	(void)sp_buf_str(&pair, c->username);
	(void)sp_buf_char(&pair, ':');
	(void)sp_buf_str(&pair, c->password);
	(void)sp_buf_str(out, SP_STR("Basic "));
	sp_code code = sp_base64_append(out, pair.ptr, pair.len);
	sp_buf_cleanse(&pair);
	return code;
}

static sp_code send_request(image_fetch *f, const image_url *url, sp_http_request *req, const sp_str *auth)
{
	sp_http_header headers[IMAGE_HOSTS_MAX + 8];
	const image_host *h = &f->endpoint->host;
	char range[48];
	size_t n = 0;
	headers[n++] = (sp_http_header){SP_STR("user-agent"), SP_STR("sampan/" SP_VERSION)};
	if (f->accept.len > 0 && !f->is_token)
		headers[n++] = (sp_http_header){SP_STR("accept"), f->accept};
	if (f->offset > 0 && !f->is_token) {
		int len = snprintf(range, sizeof range, "bytes=%llu-", (unsigned long long)f->offset);
		headers[n++] = (sp_http_header){SP_STR("range"), {range, (size_t)len}};
	}
	if (auth != NULL)
		headers[n++] = (sp_http_header){SP_STR("authorization"), *auth};
	if (req->body != NULL)
		headers[n++] =
			(sp_http_header){SP_STR("content-type"), SP_STR("application/x-www-form-urlencoded")};
	for (size_t i = 0; f->at_host && !f->is_token && i < h->n_headers && n < SP_LEN(headers); i++)
		headers[n++] = h->headers[i];
	req->scheme = url->https ? SP_STR("https") : SP_STR("http");
	req->address = url->address;
	req->authority = url->authority;
	req->path = url->path;
	req->tls_config = !url->https                  ? NULL
			  : f->at_host && !f->is_token ? f->endpoint->tls
						       : f->endpoint->default_tls;
	req->headers = headers;
	req->n_headers = n;
	alive(f);
	return sp_http_request_start(f->http, req, &fetch_events, f, &f->ex, &f->err);
}

static sp_code send_content_request(image_fetch *f)
{
	SP_AUTO_BUF auth;
	image_endpoint *e = f->endpoint;
	sp_http_request req = {.method = {NULL, 0}};
	sp_buf_init(&auth, SECRET_BYTES);
	f->is_token = false;
	if (!f->at_host || e->auth == IMAGE_AUTH_NONE)
		return send_request(f, &f->url, &req, NULL);
	(void)sp_buf_reserve(&auth, SECRET_BYTES / 2);
	sp_code code = authorization(f, e->auth == IMAGE_AUTH_BASIC, &auth);
	sp_str text = sp_buf_view(&auth);
	code = code == SP_OK ? send_request(f, &f->url, &req, &text) : no_room(f);
	sp_buf_cleanse(&auth);
	return code;
}

/* ---- tokens ---- */

static void add_param(sp_buf *out, const char *name, sp_str value)
{
	if (value.len == 0)
		return;
	if (out->len > 0)
		(void)sp_buf_char(out, '&');
	(void)sp_buf_printf(out, "%s=", name);
	(void)sp_url_escape(out, value);
}

/* A GET with the user's name and password, or a form with the token that stands for them. */
static sp_code send_token_request(image_fetch *f)
{
	const image_credentials *c = f->endpoint->login;
	SP_AUTO_BUF params;
	SP_AUTO_BUF auth;
	image_url url;
	sp_http_request req = {.method = {NULL, 0}};
	sp_str scope = f->challenge.scope.len > 0 ? f->challenge.scope : f->endpoint->scope;
	bool form = c != NULL && c->identity_token.len > 0, basic = c != NULL && !form && c->username.len > 0;
	sp_buf_init(&params, SECRET_BYTES);
	sp_buf_init(&auth, SECRET_BYTES);
	SP_TRY(image_url_parse(&f->arena, f->challenge.realm, &url, &f->err));
	if (f->url.https && !url.https && c != NULL)
		return sp_fail(&f->err, SP_EUNAUTH,
			       "the token server '" SP_FMT "' has no TLS: it gets no credentials",
			       SP_ARG(url.authority));
	(void)sp_buf_reserve(&params, SECRET_BYTES / 2);
	if (form)
		add_param(&params, "grant_type", SP_STR("refresh_token"));
	add_param(&params, "service", f->challenge.service);
	add_param(&params, "scope", scope);
	if (form) {
		add_param(&params, "client_id", SP_STR("sampan"));
		add_param(&params, "refresh_token", c->identity_token);
		req.method = SP_STR("POST");
		req.body = sp_bytes_try_dup(sp_buf_view(&params));
	} else {
		if (basic)
			add_param(&params, "account", c->username);
		url.path = SP_CONCAT(&f->arena, url.path.len == 0 ? SP_STR("/") : url.path,
				     sp_str_index(url.path, '?') < 0 ? SP_STR("?") : SP_STR("&"),
				     sp_buf_view(&params));
	}
	if (sp_buf_code(&params) != SP_OK || url.path.ptr == NULL || (form && req.body == NULL))
		return no_room(f);
	f->is_token = true;
	f->asked_token = true;
	sp_code code = SP_OK;
	(void)sp_buf_reserve(&auth, SECRET_BYTES / 2);
	if (basic)
		code = authorization(f, true, &auth);
	sp_str text = sp_buf_view(&auth);
	code = code == SP_OK ? send_request(f, &url, &req, basic ? &text : NULL) : no_room(f);
	sp_buf_cleanse(&auth);
	sp_buf_cleanse(&params);
	sp_bytes_unref(req.body);
	return code;
}

static sp_code take_token(image_fetch *f, sp_str body)
{
	image_token t;
	image_endpoint *e = f->endpoint;
	SP_TRY(image_token_parse(&f->arena, body, &t, &f->err));
	sp_buf_cleanse(&e->token);
	sp_buf_clear(&e->token);
	if (sp_buf_reserve(&e->token, t.text.len) == NULL || sp_buf_str(&e->token, t.text) != SP_OK)
		return no_room(f);
	e->auth = IMAGE_AUTH_BEARER;
	e->token_until_ns = sp_now_ns(f->world) + t.expires_s * UINT64_C(1000000000);
	return SP_OK;
}

/* ---- what comes back ---- */

static void next(sp_defer *d)
{
	image_fetch *f = d->arg;
	if (f->over) {
		finish(f);
		return;
	}
	image_endpoint *e = f->endpoint;
	bool stale = e->auth == IMAGE_AUTH_BEARER && e->token_until_ns != 0 &&
		     sp_now_ns(f->world) + TOKEN_EARLY_NS > e->token_until_ns;
	if (stale && f->at_host)
		e->auth = IMAGE_AUTH_NONE; /* the next refusal brings a new one */
	bool token = f->challenge.scheme == IMAGE_AUTH_BEARER;
	sp_code code = token ? send_token_request(f) : send_content_request(f);
	f->challenge.scheme = IMAGE_AUTH_NONE;
	if (code != SP_OK)
		end_later(f, code);
}

static sp_code refused(image_fetch *f, sp_str body)
{
	sp_str said = image_registry_error(&f->arena, body);
	return sp_fail(&f->err, SP_EUNAUTH, SP_FMT " wants other credentials%s" SP_FMT,
		       SP_ARG(f->url.authority), said.len > 0 ? ": " : "", SP_ARG(said));
}

/* 401: what it wants, when we have it and did not try it yet. SP_OK: again. */
static sp_code answer_challenge(image_fetch *f, sp_str header, sp_str body)
{
	image_endpoint *e = f->endpoint;
	image_challenge c;
	SP_TRY(image_challenge_parse(&f->arena, header, &c, &f->err));
	if (!f->at_host || f->asked_token)
		return refused(f, body);
	if (c.scheme == IMAGE_AUTH_BEARER && !(e->auth == IMAGE_AUTH_BEARER && e->token_until_ns == 0)) {
		f->challenge = c;
		return SP_OK;
	}
	if (c.scheme == IMAGE_AUTH_BASIC && e->login != NULL && e->login->username.len > 0 &&
	    e->auth != IMAGE_AUTH_BASIC) {
		e->auth = IMAGE_AUTH_BASIC;
		return SP_OK;
	}
	return refused(f, body);
}

static sp_code status_error(image_fetch *f, uint16_t status, sp_str body)
{
	static const struct {
		uint16_t status;
		sp_code code;
	} known[] = {{401, SP_EUNAUTH},      {403, SP_EFORBIDDEN},   {404, SP_ENOTFOUND},
		     {408, SP_EUNAVAILABLE}, {416, SP_ECONFLICT},    {425, SP_EUNAVAILABLE},
		     {429, SP_ETOOMANY},     {500, SP_EUNAVAILABLE}, {502, SP_EUNAVAILABLE},
		     {503, SP_EUNAVAILABLE}, {504, SP_EUNAVAILABLE}};
	sp_code code = SP_EPROTO;
	for (size_t i = 0; i < SP_LEN(known); i++)
		code = known[i].status == status ? known[i].code : code;
	sp_str said = image_registry_error(&f->arena, body);
	return sp_fail(&f->err, code, SP_FMT " answers %u%s" SP_FMT, SP_ARG(f->ex->authority), status,
		       said.len > 0 ? ": " : "", SP_ARG(said));
}

static sp_code follow(image_fetch *f, sp_str location)
{
	image_url url;
	if (++f->n_redirects > REDIRECTS_MAX)
		return sp_fail(&f->err, SP_EPROTO, "more than %u redirects", REDIRECTS_MAX);
	if (sp_str_starts(location, SP_STR("/")) && !sp_str_starts(location, SP_STR("//"))) {
		url = f->url;
		url.path = sp_arena_try_dup(&f->arena, location);
		if (url.path.ptr == NULL)
			return no_room(f);
	} else {
		sp_str copy = sp_arena_try_dup(&f->arena, location);
		SP_TRY(image_url_parse(&f->arena, copy, &url, &f->err));
		if (f->url.https && !url.https)
			return sp_fail(&f->err, SP_EPROTO, "a redirect from https to http");
		/* Other hosts get neither credentials nor the host's own fields. */
		f->at_host =
			f->at_host && url.https == f->url.https && sp_str_eq(url.address, f->url.address);
	}
	f->url = url;
	return SP_OK;
}

static uint64_t seconds_of(sp_str text)
{
	uint64_t v;
	return sp_parse_u64(text, 0, 3600, &v, NULL) == SP_OK ? v : 0;
}

/* The whole body of anything but success, and of token servers. */
static void on_answer(sp_http_exchange *ex, const sp_err *err, sp_str body)
{
	image_fetch *f = ex->arg;
	uint16_t status = ex->status;
	if (f->cancelled || f->code != SP_OK)
		return;
	if (err != NULL)
		body = (sp_str){NULL, 0};
	f->retry_after_s = seconds_of(sp_http_get(&ex->headers, SP_HTTP_RETRY_AFTER));
	sp_str location = sp_http_get(&ex->headers, SP_HTTP_LOCATION);
	if (f->is_token)
		f->code = status == 200   ? take_token(f, body)
			  : status == 401 ? refused(f, body)
					  : status_error(f, status, body);
	else if (status == 401)
		f->code = answer_challenge(f, sp_http_get(&ex->headers, SP_HTTP_WWW_AUTHENTICATE), body);
	else if (status >= 301 && status <= 308 && location.len > 0)
		f->code = follow(f, location);
	else
		f->code = status_error(f, status, body);
	/* on_close goes on. */
}

/* "bytes 100-199/200" */
static bool range_start(sp_str text, uint64_t *ret)
{
	sp_str start;
	return sp_str_take(&text, SP_STR("bytes ")) && sp_str_cut(&text, '-', &start) &&
	       sp_parse_u64(start, 0, INT64_MAX, ret, NULL) == SP_OK;
}

static void on_response(sp_http_exchange *ex)
{
	image_fetch *f = ex->arg;
	uint64_t start = 0;
	alive(f);
	if (f->cancelled)
		return;
	if (f->is_token || (ex->status != 200 && ex->status != 206)) {
		sp_http_read_body(ex, IMAGE_ANSWER_BYTES, on_answer);
		return;
	}
	if (ex->status == 206 && !range_start(sp_http_find(&ex->headers, SP_STR("content-range")), &start)) {
		f->code = sp_fail(&f->err, SP_EPROTO, SP_FMT " sends a part without saying which",
				  SP_ARG(f->url.authority));
		sp_http_reset(ex, SP_HTTP2_CANCEL);
		return;
	}
	f->streaming = true;
	f->events->head(f->arg, start, ex->content_length, sp_http_get(&ex->headers, SP_HTTP_CONTENT_TYPE));
}

static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	image_fetch *f = ex->arg;
	alive(f);
	if (f->streaming && !f->cancelled && f->code == SP_OK)
		f->events->body(f->arg, bytes, n);
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	image_fetch *f = ex->arg;
	f->ex = NULL;
	sp_timer_stop(f->world, &f->idle);
	if (f->cancelled) {
		fetch_free(f);
		return;
	}
	if (f->code == SP_OK && err != NULL) {
		f->err = *err;
		f->code = sp_wrap(&f->err, SP_FMT, SP_ARG(f->url.authority));
		if (f->code == SP_ECANCELED) /* the peer's doing: we did not */
			f->code = f->err.code = SP_EUNAVAILABLE;
	}
	if (f->code != SP_OK || f->streaming)
		end_later(f, f->code);
	else
		sp_defer_call(f->world, &f->later); /* the next request */
}

static const sp_http_events fetch_events = {
	.on_response = on_response, .on_body = on_body, .on_close = on_close};

/* ---- the interface ---- */

image_fetch *image_fetch_start(sp_world *w, const image_fetch_opts *o, const image_fetch_events *events,
			       void *arg)
{
	image_fetch *f = sp_try_alloc(sizeof *f);
	const image_host *h = &o->endpoint->host;
	if (f == NULL)
		return NULL;
	f->world = w;
	f->http = o->http;
	f->endpoint = o->endpoint;
	f->events = events;
	f->arg = arg;
	f->offset = o->offset;
	f->idle_ns = o->idle_ns;
	f->at_host = true;
	f->idle.arg = f;
	sp_arena_init(&f->arena, FETCH_BYTES);
	sp_defer_init(&f->later, next, f);
	f->accept = sp_arena_try_dup(&f->arena, o->accept);
	f->url = (image_url){.https = h->https, .authority = h->authority, .address = h->address};
	f->url.path = SP_CONCAT(&f->arena, h->prefix, o->path,
				o->query.len > 0 ? SP_STR("?") : (sp_str){NULL, 0}, o->query);
	if (f->url.path.ptr == NULL) {
		fetch_free(f);
		return NULL;
	}
	sp_defer_call(w, &f->later);
	return f;
}

void image_fetch_read(image_fetch *f, bool on)
{
	if (f->ex == NULL)
		return;
	if (on)
		alive(f);
	else
		sp_timer_stop(f->world, &f->idle); /* it is us who wait */
	sp_http_read(f->ex, on);
}

void image_fetch_cancel(image_fetch *f)
{
	if (f == NULL)
		return;
	f->cancelled = true;
	if (f->ex != NULL)
		sp_http_reset(f->ex, SP_HTTP2_CANCEL);
	else
		fetch_free(f);
}
