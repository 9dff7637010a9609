/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/webhook.h"

#include <ctype.h>
#include <string.h>

#include "apiserver/services/endpoint.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/quote.h"
#include "io/https.h"
#include "kube/status.h"

#define PORT_DEFAULT 443
#define NS_PER_S UINT64_C(1000000000)
#define LONGEST_NS (30 * NS_PER_S)
#define AUTHORITIES_MAX 256u
/* The pool of connections knows a configuration by its address: it stays until none can be left, which is the
 * longest call and the time an idle connection is kept. */
#define AUTHORITY_KEPT_NS (300 * NS_PER_S)

/* ---- where it is ---- */

/* The bundle stands in base64; validation saw to it that it is one. */
static bool read_bundle(sp_arena *a, sp_str text, sp_str *ret)
{
	char *out = sp_arena_try_alloc(a, text.len + 1);
	size_t n = 0;
	if (out == NULL)
		return false;
	if (sp_base64_decode(text, (uint8_t *)out, &n, NULL) == SP_OK)
		*ret = sp_str_trim((sp_str){out, n});
	return true;
}

static bool keep(sp_arena *a, yyjson_val *obj, const char *name, sp_str *ret)
{
	sp_str text = sp_json_str(yyjson_obj_get(obj, name));
	*ret = sp_arena_try_dup(a, text);
	return ret->ptr != NULL || text.len == 0;
}

bool api_webhook_at_read(sp_arena *a, yyjson_val *client, api_webhook_at *ret)
{
	yyjson_val *service = yyjson_obj_get(client, "service"), *port = yyjson_obj_get(service, "port");
	ret->port = yyjson_is_int(port) ? (uint16_t)yyjson_get_int(port) : PORT_DEFAULT;
	return keep(a, client, "url", &ret->url) && keep(a, service, "name", &ret->service) &&
	       keep(a, service, "namespace", &ret->service_ns) && keep(a, service, "path", &ret->path) &&
	       read_bundle(a, sp_json_str(yyjson_obj_get(client, "caBundle")), &ret->ca_pem);
}

/* ---- whom to trust ---- */

typedef struct authority {
	sp_tls_config *config;
	uint64_t used_ns;
	size_t len;
	char pem[];
} authority;

struct api_webhooks {
	sp_world *world;
	sp_store *store;
	sp_http_client *http;
	authority *authorities[AUTHORITIES_MAX];
};

static void authority_free(authority *a)
{
	if (a != NULL)
		sp_tls_config_unref(a->config);
	sp_free(a);
}

static sp_code authority_new(sp_str pem, authority **ret, sp_err *err)
{
	/* One protocol: upstream keeps webhooks of services from HTTP/2, whose one connection would never see
	 * a second endpoint. */
	static const sp_str alpn[] = {SP_STR_INIT("http/1.1")};
	const sp_tls_opts o = {.ca_pem = pem, .alpn = alpn, .n_alpn = 1, .handshake_timeout_ns = LONGEST_NS};
	authority *a = sp_try_alloc(sizeof *a + pem.len);
	if (a == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a certificate authority");
	a->config = NULL;
	a->len = pem.len;
	memcpy(a->pem, pem.ptr, pem.len);
	sp_code code = sp_tls_client_config(&o, &a->config, err);
	if (code != SP_OK) {
		sp_free(a);
		return code;
	}
	*ret = a;
	return SP_OK;
}

static bool is_over(const authority *a, uint64_t now)
{
	return a == NULL || now - a->used_ns > AUTHORITY_KEPT_NS;
}

/* NULL with SP_OK: the webhook names no authority. */
static sp_code find_authority(api_webhooks *c, sp_str pem, sp_tls_config **ret, sp_err *err)
{
	uint64_t now = sp_now_ns(c->world);
	authority **place = NULL, *made = NULL;
	*ret = NULL;
	if (pem.len == 0)
		return SP_OK;
	for (size_t i = 0; i < AUTHORITIES_MAX; i++) {
		authority *a = c->authorities[i];
		if (a != NULL && sp_str_eq((sp_str){a->pem, a->len}, pem)) {
			a->used_ns = now;
			*ret = a->config;
			return SP_OK;
		}
		if (place == NULL && is_over(a, now))
			place = &c->authorities[i];
	}
	if (place == NULL)
		return sp_fail(err, SP_EUNAVAILABLE, "too many certificate authorities are in use");
	SP_TRY(authority_new(pem, &made, err));
	authority_free(*place);
	*place = made;
	made->used_ns = now;
	*ret = made->config;
	return SP_OK;
}

/* ---- the outcome ---- */

static void fail(api_webhook_call *c, sp_str why)
{
	c->settled = c->failed = true;
	c->why = why;
}

/* What kept the request from its answer, as Go's HTTP client puts it. */
static void fail_post(api_webhook_call *c, sp_str why)
{
	fail(c, sp_arena_printf(c->arena, "Post \"" SP_FMT "\": " SP_FMT, SP_ARG(c->url), SP_ARG(why)));
}

/* OpenSSL's words for what Go calls an unknown authority are several. */
static sp_str certificate_text(api_webhook_call *c, sp_str msg)
{
	ptrdiff_t at = sp_str_rindex(msg, ':');
	sp_str reason = sp_str_trim(sp_str_sub(msg, (size_t)(at + 1), msg.len));
	if (sp_str_find(msg, SP_STR("issuer")) >= 0 || sp_str_find(msg, SP_STR("self")) >= 0 ||
	    sp_str_find(msg, SP_STR("authority")) >= 0)
		reason = SP_STR("certificate signed by unknown authority");
	return sp_arena_printf(c->arena, "tls: failed to verify certificate: x509: " SP_FMT, SP_ARG(reason));
}

static sp_str transport_text(api_webhook_call *c, const sp_err *err)
{
	sp_str msg = sp_str_c(err->msg);
	if (err->code == SP_ETIMEOUT)
		return SP_STR("context deadline exceeded");
	if (err->code == SP_ECANCELED)
		return SP_STR("context canceled");
	if (err->code == SP_EPROTO && sp_str_find(msg, SP_STR("close_notify")) >= 0)
		return SP_STR("EOF");
	if (err->code == SP_EUNAUTH)
		return certificate_text(c, msg);
	if (err->sys_errno == 0 || sp_str_find(msg, SP_STR("connect to '")) < 0)
		return sp_arena_try_dup(c->arena, msg);
	const char *text = strerror(err->sys_errno);
	return sp_arena_printf(c->arena, "dial tcp " SP_FMT ": connect: %c%s", SP_ARG(c->address),
			       tolower((unsigned char)text[0]), text[0] == '\0' ? "" : text + 1);
}

/* U: apimachinery pkg/api/errors/errors.go, NewGenericServerResponse */
static void fail_status(api_webhook_call *c, uint16_t status, bool is_text, sp_str body)
{
	static const struct {
		uint16_t status;
		const char *text;
	} texts[] = {
		{400, "the server rejected our request for an unknown reason"},
		{401, "the server has asked for the client to provide credentials"},
		{404, "the server could not find the requested resource"},
		{405, "the server does not allow this method on the requested resource"},
		{415, "the body of the request was in an unknown format - accepted media types include: "},
		{429, "the server has received too many requests and has asked us to try again later"},
		{503, "the server is currently unable to handle the request"},
		{504, "the server was unable to return a response in the time allotted, but may still be "
		      "processing the request"},
	};
	for (size_t i = 0; i < SP_LEN(texts); i++) {
		if (texts[i].status == status) {
			fail(c, sp_arena_printf(c->arena, "%s", texts[i].text));
			return;
		}
	}
	if (status < 500) {
		fail(c, sp_arena_printf(c->arena,
					"the server responded with the status code %u but did "
					"not return more information",
					status));
		return;
	}
	SP_AUTO_BUF quoted;
	sp_buf_init(&quoted, 8192);
	(void)sp_quote_go(&quoted, is_text ? sp_str_sub(sp_str_trim(body), 0, 1024) /* cut at worst */
					   : SP_STR("unknown"));
	fail(c,
	     sp_arena_printf(c->arena,
			     "an error on the server (" SP_FMT ") has prevented the request from succeeding",
			     SP_ARG(sp_buf_view(&quoted))));
}

static void on_body(sp_http_exchange *ex, const sp_err *err, sp_str body)
{
	api_webhook_call *c = ex->arg;
	if (err != NULL) {
		fail_post(c, transport_text(c, err));
		return;
	}
	c->status = ex->status;
	if (ex->status < 200 || ex->status > 299) {
		sp_str type = sp_http_get(&ex->headers, SP_HTTP_CONTENT_TYPE);
		fail_status(c, ex->status, type.len == 0 || sp_str_starts(type, SP_STR("text/")), body);
		return;
	}
	c->settled = true;
	c->answered(c, body);
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	api_webhook_call *c = ex->arg;
	static const sp_err no_answer = {.code = SP_EPROTO, .msg = "EOF"};
	if (!c->settled)
		fail_post(c, transport_text(c, err == NULL ? &no_answer : err));
	c->done(c);
}

static const sp_http_events events = {.on_close = on_close};

static void on_later(sp_defer *d)
{
	api_webhook_call *c = d->arg;
	c->done(c);
}

/* ---- asking ---- */

/* "https://host:port/path" in its parts; validation lets nothing else in. */
static void split_url(sp_str url, sp_str *ret_host, sp_str *ret_path)
{
	sp_str rest = url;
	(void)sp_str_take(&rest, SP_STR("https://"));
	ptrdiff_t slash = sp_str_index(rest, '/');
	*ret_host = slash < 0 ? rest : sp_str_sub(rest, 0, (size_t)slash);
	*ret_path = slash < 0 ? SP_STR("/") : sp_str_sub(rest, (size_t)slash, rest.len);
}

static bool has_port(sp_str host)
{
	return sp_str_rindex(host, ':') > sp_str_rindex(host, ']');
}

/* Fills authority and path, c->url and c->address. False: *ret_why. */
static bool locate(api_webhook_call *c, sp_str *ret_authority, sp_str *ret_path, sp_str *ret_why)
{
	const api_webhook_at *h = c->at;
	sp_str host, path;
	if (h->url.len > 0) {
		split_url(h->url, &host, &path);
	} else {
		host = sp_arena_printf(c->arena, SP_FMT "." SP_FMT ".svc:%u", SP_ARG(h->service),
				       SP_ARG(h->service_ns), h->port);
		path = h->path.len > 0 ? h->path : SP_STR("/");
	}
	*ret_authority = host;
	*ret_path = sp_arena_printf(c->arena, SP_FMT "?timeout=%us", SP_ARG(path), c->timeout_s);
	c->url = sp_arena_printf(c->arena, "https://" SP_FMT SP_FMT, SP_ARG(host), SP_ARG(*ret_path));
	if (h->url.len == 0)
		return api_service_endpoint(&(api_service_at){c->client->world, c->client->store, c->arena,
							      h->service_ns, h->service, h->port},
					    &c->address, ret_why);
	c->address = has_port(host) ? host : sp_arena_printf(c->arena, SP_FMT ":443", SP_ARG(host));
	return true;
}

static bool ask(api_webhook_call *c, sp_bytes *body, sp_str *ret_why)
{
	static const sp_http_header headers[] = {
		{SP_STR_INIT("content-type"), SP_STR_INIT("application/json")},
		{SP_STR_INIT("accept"), SP_STR_INIT("application/json, */*")},
		{SP_STR_INIT("user-agent"), SP_STR_INIT("kube-apiserver-admission")},
	};
	sp_http_exchange *ex;
	sp_err err = {0};
	sp_tls_config *config = NULL;
	sp_http_request q = {.scheme = SP_STR("https"),
			     .method = SP_STR("POST"),
			     .headers = headers,
			     .n_headers = SP_LEN(headers),
			     .body = body};
	if (!locate(c, &q.authority, &q.path, ret_why))
		return false;
	if (find_authority(c->client, c->at->ca_pem, &config, &err) != SP_OK) {
		*ret_why = sp_arena_try_dup(c->arena, sp_str_c(err.msg));
		return false;
	}
	q.address = c->address;
	q.tls_config = config;
	q.deadline_ns = sp_now_ns(c->client->world) + c->timeout_s * NS_PER_S;
	if (sp_http_request_start(c->client->http, &q, &events, c, &ex, &err) != SP_OK) {
		*ret_why = transport_text(c, &err);
		return false;
	}
	sp_http_read_body(ex, c->answer_bytes_max, on_body);
	return true;
}

void api_webhook_call_fail(api_webhook_call *c, sp_str why)
{
	fail(c, why);
	sp_defer_init(&c->later, on_later, c);
	sp_defer_call(c->client->world, &c->later);
}

void api_webhook_call_start(api_webhook_call *c, sp_bytes *body)
{
	sp_str why = {NULL, 0};
	if (ask(c, body, &why))
		return;
	fail_post(c, why);
	api_webhook_call_fail(c, c->why);
}

/* ---- life ---- */

sp_code api_webhooks_new(sp_world *w, sp_store *store, api_webhooks **ret, sp_err *err)
{
	const sp_http_client_opts o = {.connector = &sp_http_connector_tls, .connect_ns = LONGEST_NS};
	api_webhooks *c = SP_NEW(api_webhooks);
	c->world = w;
	c->store = store;
	sp_code code = sp_http_client_new(w, &o, &c->http, err);
	if (code != SP_OK) {
		sp_free(c);
		return code;
	}
	*ret = c;
	return SP_OK;
}

void api_webhooks_close(api_webhooks *c, void (*done)(void *arg), void *arg)
{
	sp_http_client_close(c->http, done, arg);
}

void api_webhooks_free(api_webhooks *c)
{
	if (c == NULL)
		return;
	sp_http_client_free(c->http);
	for (size_t i = 0; i < AUTHORITIES_MAX; i++)
		authority_free(c->authorities[i]);
	sp_free(c);
}
