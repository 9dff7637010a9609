/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/metrics/measure.h"

#include "apiserver/admission/counts.h"
#include "apiserver/flow/flow.h"
#include "apiserver/metrics/metrics.h"
#include "apiserver/server_int.h"
#include "base/num.h"
#include "io/process_metrics.h"

#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define COMPONENT SP_STR("apiserver")

/* ---- labels ---- */

static sp_str scope_of(const api_reqinfo *i)
{
	if (i->name.len > 0 || sp_str_eq(i->verb, SP_STR("create")))
		return SP_STR("resource");
	if (i->ns.len > 0)
		return SP_STR("namespace");
	return i->is_resource ? SP_STR("cluster") : SP_STR("");
}

static bool is_connect(sp_str subresource)
{
	static const sp_str names[] = {SP_STR_INIT("attach"), SP_STR_INIT("exec"), SP_STR_INIT("log"),
				       SP_STR_INIT("portforward"), SP_STR_INIT("proxy")};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		if (sp_str_eq(subresource, names[i]))
			return true;
	}
	return false;
}

static sp_str verb_of(const api_request *r, sp_str scope)
{
	static const struct {
		sp_http_method method;
		sp_str verb;
	} rows[] = {{SP_HTTP_POST, SP_STR_INIT("POST")},
		    {SP_HTTP_PUT, SP_STR_INIT("PUT")},
		    {SP_HTTP_PATCH, SP_STR_INIT("PATCH")},
		    {SP_HTTP_DELETE, SP_STR_INIT("DELETE")}};
	sp_http_method m = r->ex->method_id;
	bool read = m == SP_HTTP_GET || m == SP_HTTP_HEAD;
	if (r->info.is_resource && is_connect(r->info.subresource))
		return SP_STR("CONNECT");
	if (read && sp_str_eq(r->info.verb, SP_STR("watch")))
		return SP_STR("WATCH");
	if (read)
		return scope.len > 0 && !sp_str_eq(scope, SP_STR("resource")) ? SP_STR("LIST")
									      : SP_STR("GET");
	if (m == SP_HTTP_PATCH && sp_str_starts(sp_http_get(&r->ex->headers, SP_HTTP_CONTENT_TYPE),
						SP_STR("application/apply-patch")))
		return SP_STR("APPLY");
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (rows[i].method == m)
			return rows[i].verb;
	}
	return SP_STR("other");
}

/* group, resource, scope, subresource, verb, version. Names that nothing is served at are not told: whoever
 * asks for them could make any number of series. */
static void put_scope(const api_request *r, sp_str ret[6])
{
	const api_reqinfo *i = &r->info;
	sp_str none = SP_STR(""), scope = scope_of(i);
	bool known = r->res != NULL;
	ret[0] = known ? i->group : none;
	ret[1] = known ? i->resource : none;
	ret[2] = scope;
	ret[3] = !i->is_resource ? r->served_path : known && r->sub != NULL ? i->subresource : none;
	ret[4] = verb_of(r, scope);
	ret[5] = known ? i->version : none;
}

static sp_str dry_run(const api_request *r)
{
	const sp_url_pair *p = sp_url_query_find(&r->query, SP_STR("dryRun"));
	return p == NULL                            ? SP_STR("")
	       : sp_str_eq(p->value, SP_STR("All")) ? SP_STR("All")
						    : SP_STR("invalid");
}

/* ---- requests ---- */

void api_measure_begin(api_request *r)
{
	sp_str l[7] = {COMPONENT};
	if (r->res == NULL || !api_is_long_running(&r->info))
		return;
	put_scope(r, l + 1);
	r->counted_long = true;
	sp_metric_add(r->server->metrics, API_METRIC_LONGRUNNING, l, 1);
}

static void count_sizes(api_request *r, const sp_str scope[6])
{
	sp_str l[7] = {COMPONENT};
	if (!sp_str_eq(scope[4], SP_STR("GET")) && !sp_str_eq(scope[4], SP_STR("LIST")))
		return;
	memcpy(l + 1, scope, 6 * sizeof *scope);
	sp_metric_observe(r->server->metrics, API_METRIC_RESPONSE_SIZES, l, (double)r->ex->n_body_out);
}

static void count_duration(api_request *r, const sp_str scope[6])
{
	sp_str l[8] = {COMPONENT, dry_run(r)};
	if (sp_str_eq(scope[4], SP_STR("WATCH")) || sp_str_eq(scope[4], SP_STR("CONNECT")))
		return;
	memcpy(l + 2, scope, 6 * sizeof *scope);
	sp_metric_observe(r->server->metrics, API_METRIC_REQUEST_SECONDS, l,
			  (double)(sp_now_ns(r->server->world) - r->began_ns) / 1e9);
}

void api_measure_end(api_request *r)
{
	char code[SP_NUM_TEXT_BYTES];
	sp_str scope[6], l[9];
	put_scope(r, scope);
	if (r->counted_long) {
		sp_str same[7] = {COMPONENT};
		memcpy(same + 1, scope, sizeof scope);
		sp_metric_add(r->server->metrics, API_METRIC_LONGRUNNING, same, -1);
	}
	if (r->ex->status == 0)
		return; /* nothing was answered */
	l[0] = (sp_str){code, sp_print_u64(code, r->ex->status)};
	l[1] = COMPONENT;
	l[2] = dry_run(r);
	memcpy(l + 3, scope, sizeof scope);
	sp_metric_add(r->server->metrics, API_METRIC_REQUESTS, l, 1);
	if (r->dropped) {
		memmove(l + 2, l + 3, sizeof scope);
		sp_metric_add(r->server->metrics, API_METRIC_TERMINATIONS, l, 1);
		return;
	}
	count_duration(r, scope);
	count_sizes(r, scope);
}

void api_measure_authn(api_request *r, api_authn_result result)
{
	static const sp_str results[] = {SP_STR_INIT("success"), SP_STR_INIT("error"),
					 SP_STR_INIT("failure")};
	static const sp_str known[] = {SP_STR_INIT("admin"), SP_STR_INIT("client"), SP_STR_INIT("kube_proxy"),
				       SP_STR_INIT("kubelet"),
				       SP_STR_INIT("system:serviceaccount:kube-system:default")};
	sp_metric_add(r->server->metrics, API_METRIC_AUTH_ATTEMPTS, &results[result], 1);
	if (result != API_AUTHN_SUCCESS)
		return;
	sp_str name = sp_str_index(r->user.name, '@') >= 0 ? SP_STR("email_id") : SP_STR("other");
	for (size_t i = 0; i < SP_LEN(known); i++) {
		if (sp_str_eq(r->user.name, known[i]))
			name = known[i];
	}
	sp_metric_add(r->server->metrics, API_METRIC_AUTHENTICATED, &name, 1);
}

void api_measure_watch_event(api_request *r)
{
	const sp_str l[3] = {r->info.group, r->info.resource, r->info.version};
	sp_metric_add(r->server->metrics, API_METRIC_WATCH_EVENTS, l, 1);
}

/* ---- health ---- */

void api_measure_check(api_server *s, sp_str endpoint, sp_str name, bool ok)
{
	const sp_str state[2] = {name, endpoint};
	const sp_str total[3] = {name, ok ? SP_STR("success") : SP_STR("error"), endpoint};
	sp_metric_set(s->metrics, API_METRIC_HEALTHCHECK, state, ok ? 1 : 0);
	sp_metric_add(s->metrics, API_METRIC_HEALTHCHECKS, total, 1);
}

/* ---- the endpoints ---- */

/* Built-in kinds as they are stored; linear in their number, as upstream's. */
static void count_objects(api_server *s)
{
	sp_metric_clear(s->metrics, API_METRIC_STORAGE_OBJECTS);
	sp_metric_clear(s->metrics, API_METRIC_RESOURCE_OBJECTS);
	for (size_t i = 0; i < s->resources.n; i++) {
		const api_resource *res = s->resources.all[i];
		char text[256];
		uint64_t n;
		if (!api_resource_is_stored(res) || res->kind != res->stored ||
		    sp_store_count(s->store, res->prefix, SP_STR(""), &n, NULL) != SP_OK)
			continue;
		(void)snprintf(text, sizeof text, SP_FMT "%s" SP_FMT, SP_ARG(res->gr.resource),
			       res->gr.group.len > 0 ? "." : "", SP_ARG(res->gr.group));
		const sp_str both[2] = {res->gr.group, res->gr.resource}, name = sp_str_c(text);
		sp_metric_set(s->metrics, API_METRIC_STORAGE_OBJECTS, &name, (double)n);
		sp_metric_set(s->metrics, API_METRIC_RESOURCE_OBJECTS, both, (double)n);
	}
}

static void reply(api_request *r, const sp_buf *text)
{
	if (sp_buf_code(text) != SP_OK)
		api_reply_error(r, SP_ETOOLARGE, NULL);
	else
		api_reply(r, 200, SP_STR("text/plain; version=0.0.4; charset=utf-8"), sp_buf_view(text));
}

void api_metrics_all(api_request *r)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	count_objects(r->server);
	api_flows_measure(r->server->flows);
	api_counts_flush(r->server);
	(void)sp_metrics_write(r->server->metrics, false, &text);
	sp_process_metrics(r->server->world, r->arena, &text);
	reply(r, &text);
}

void api_metrics_slis(api_request *r)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	(void)sp_metrics_write(r->server->metrics, true, &text);
	reply(r, &text);
}
