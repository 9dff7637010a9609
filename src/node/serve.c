/* SPDX-License-Identifier: Apache-2.0 */
#include "node/serve.h"

#include "base/alloc.h"
#include "io/https_server.h"
#include "node/serve_int.h"
#include "node/settings.h"
#include "node/statics.h"

#define CONNECTIONS_MAX 1024u
#define LIST_BYTES_MAX ((size_t)64 << 20)
#define SETTINGS_BYTES_MAX ((size_t)1 << 20)

struct node_server {
	node_agent *agent;
	sp_https_server *https;
	sp_list requests;
};

/* ---- answers ---- */

static void refuse(node_request *r, uint16_t status, sp_str text)
{
	static const sp_http_header plain = {SP_STR_INIT("content-type"),
					     SP_STR_INIT("text/plain; charset=utf-8")};
	if (sp_http_respond(r->ex, status, &plain, 1, text, NULL) != SP_OK)
		sp_http_reset(r->ex, SP_HTTP2_INTERNAL_ERROR);
}

void node_answer(node_request *r, uint16_t status, const char *fmt, ...)
{
	char text[1024];
	va_list args;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	refuse(r, status, sp_str_c(text));
}

void node_answer_json(node_request *r, const sp_buf *json)
{
	static const sp_http_header type = {SP_STR_INIT("content-type"), SP_STR_INIT("application/json")};
	if (sp_buf_code(json) != SP_OK)
		node_answer(r, 500, "the answer is too large");
	else if (sp_http_respond(r->ex, 200, &type, 1, sp_buf_view(json), NULL) != SP_OK)
		sp_http_reset(r->ex, SP_HTTP2_INTERNAL_ERROR);
}

node_worker *node_request_pod(node_request *r, sp_str ns, sp_str name)
{
	node_worker *w = node_agent_pod(r->agent, ns, name);
	if (w == NULL || w->latest == NULL) {
		node_answer(r, 404, "pod \"" SP_FMT "\" does not exist\n", SP_ARG(name));
		return NULL;
	}
	return w;
}

/* ---- routes ---- */

static void serve_healthz(node_request *r)
{
	node_answer(r, 200, "ok");
}

static void put_pod(sp_buf *out, const sp_object *o, bool *first)
{
	if (!*first)
		(void)sp_buf_char(out, ',');
	(void)sp_buf_str(out, o->json);
	*first = false;
}

void node_serve_pods(node_request *r)
{
	SP_AUTO_BUF out;
	const sp_object *o;
	bool first = true;
	node_agent *a = r->agent;
	sp_buf_init(&out, LIST_BYTES_MAX);
	(void)sp_buf_printf(&out, "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[");
	for (size_t at = 0; a->pods != NULL && (o = sp_informer_next(a->pods, &at)) != NULL;) {
		if (!node_is_mirror(o))
			put_pod(&out, o, &first);
	}
	SP_LIST_FOREACH (node, &a->workers) {
		const node_worker *w = SP_CONTAINER_OF(node, node_worker, node);
		if (w->own != NULL && !w->is_gone && w->latest != NULL)
			put_pod(&out, w->latest, &first);
	}
	(void)sp_buf_printf(&out, "]}");
	node_answer_json(r, &out);
}

static void serve_configz(node_request *r)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, SETTINGS_BYTES_MAX);
	(void)!node_settings_write(&r->agent->opts, &out); /* it is in the buffer, too */
	node_answer_json(r, &out);
}

typedef struct route {
	sp_str path;        /* whole segments */
	size_t least, most; /* segments after it */
	void (*serve)(node_request *r);
	sp_str subresource;
} route;

static const route routes[] = {
	{SP_STR_INIT("healthz"), 0, 1, serve_healthz, SP_STR_INIT("healthz")},
	{SP_STR_INIT("pods"), 0, 0, node_serve_pods, SP_STR_INIT("pods")},
	{SP_STR_INIT("configz"), 0, 0, serve_configz, SP_STR_INIT("configz")},
	{SP_STR_INIT("containerLogs"), 3, 3, node_serve_logs, SP_STR_INIT("proxy")},
	{SP_STR_INIT("exec"), 3, 4, node_serve_exec, SP_STR_INIT("proxy")},
	{SP_STR_INIT("attach"), 3, 4, node_serve_attach, SP_STR_INIT("proxy")},
	{SP_STR_INIT("portForward"), 2, 3, node_serve_forward, SP_STR_INIT("proxy")},
	{SP_STR_INIT("metrics"), 0, 1, node_serve_metrics, SP_STR_INIT("metrics")},
	{SP_STR_INIT("stats"), 1, 1, node_serve_stats, SP_STR_INIT("stats")},
	{SP_STR_INIT("logs"), 0, NODE_SEGMENTS_MAX - 1, node_serve_files, SP_STR_INIT("log")},
	{SP_STR_INIT("runningpods"), 0, 0, node_serve_running, SP_STR_INIT("proxy")},
};

/* Segments and query in the exchange's arena. */
static bool read_target(node_request *r)
{
	sp_str path = r->ex->path, query = {NULL, 0}, head;
	if (sp_str_cut(&path, '?', &head)) {
		query = path;
		path = head;
	}
	if (sp_url_query_parse(&r->ex->arena, query, &r->query, NULL) != SP_OK ||
	    !sp_str_take(&path, SP_STR("/")))
		return false;
	while (path.len > 0) {
		sp_str part, text;
		(void)sp_str_next(&path, '/', &part);
		if (r->n_segments == NODE_SEGMENTS_MAX ||
		    sp_url_decode_path(&r->ex->arena, part, &text, NULL) != SP_OK)
			return false;
		r->segments[r->n_segments++] = text;
	}
	return true;
}

static const route *find_route(node_request *r)
{
	for (size_t i = 0; r->n_segments > 0 && i < SP_LEN(routes); i++) {
		if (sp_str_eq(r->segments[0], routes[i].path) && r->n_segments > routes[i].least &&
		    r->n_segments <= routes[i].most + 1)
			return &routes[i];
	}
	return NULL;
}

/* ---- requests ---- */

static void on_writable(sp_http_exchange *ex)
{
	node_request *r = ex->arg;
	if (r->writable != NULL)
		r->writable(r);
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	node_request *r = ex->arg;
	(void)err;
	sp_review_cancel(&r->review);
	r->agent->cri->cancel(r->agent->cri, &r->call);
	sp_list_remove(&r->node);
	if (r->end != NULL)
		r->end(r);
	sp_free(r);
}

static void on_request(void *arg, sp_http_exchange *ex)
{
	static const sp_http_events events = {.on_writable = on_writable, .on_close = on_close};
	node_server *s = arg;
	node_request *r = SP_NEW(node_request);
	r->server = s;
	r->agent = s->agent;
	r->ex = ex;
	sp_list_init(&r->node);
	sp_list_push_back(&s->requests, &r->node);
	sp_http_handle(ex, &events, r);
	const route *found = read_target(r) ? find_route(r) : NULL;
	/* Who may not ask does not learn what there is. */
	r->serve = found == NULL ? NULL : found->serve;
	r->subresource = found == NULL ? SP_STR("proxy") : found->subresource;
	node_authenticate(r);
}

/* ---- life ---- */

sp_code node_server_open(node_agent *a, const node_server_opts *o, node_server **ret, sp_err *err)
{
	node_server *s = SP_NEW(node_server);
	sp_http_server_opts http = {.n_connections = CONNECTIONS_MAX, .on_request = on_request, .arg = s};
	s->agent = a;
	sp_list_init(&s->requests);
	sp_code code = sp_https_server_open(a->world, o->address, o->tls, &http, &s->https, err);
	if (code != SP_OK) {
		node_server_free(s);
		return code;
	}
	*ret = s;
	return SP_OK;
}

void node_server_set_tls(node_server *s, sp_tls_config *tls)
{
	sp_https_server_set_tls(s->https, tls);
}

sp_str node_server_address(const node_server *s)
{
	return sp_https_server_address(s->https);
}

void node_server_close(node_server *s, void (*done)(void *arg), void *arg)
{
	/* Requests under way need the agent, which is about to go. */
	SP_LIST_FOREACH (node, &s->requests)
		sp_http_reset(SP_CONTAINER_OF(node, node_request, node)->ex, SP_HTTP2_CANCEL);
	sp_https_server_close(s->https, 0, done, arg);
}

void node_server_free(node_server *s)
{
	if (s == NULL)
		return;
	sp_https_server_free(s->https);
	sp_free(s);
}
