/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/aggregate/int.h"
#include "apiserver/deadline.h"
#include "apiserver/flow/flow.h"
#include "apiserver/gzip.h"
#include "apiserver/services/endpoint.h"
#include "base/alloc.h"
#include "base/base64.h"

#define TEXT_BYTES_MAX ((size_t)4 << 20)
#define TRUST_BYTES_MAX ((size_t)64 << 20)

/* ---- whom to trust ---- */

static sp_code find_trust(api_aggregates *g, sp_str ca, bool insecure, sp_tls_config **ret, sp_err *err)
{
	static const sp_str alpn[] = {SP_STR_INIT("http/1.1")}; /* upgrades come by */
	for (size_t i = 0; i < g->n_trusts; i++) {
		if (sp_str_eq(g->trusts[i].ca, insecure ? SP_STR("") : ca)) {
			*ret = g->trusts[i].config;
			return SP_OK;
		}
	}
	if (g->n_trusts == AGGREGATE_TRUSTS_MAX)
		return sp_fail(err, SP_EUNAVAILABLE, "too many certificate authorities are in use");
	if (!insecure && ca.len == 0)
		return sp_fail(err, SP_EINVAL, "x509: certificate signed by unknown authority");
	const sp_tls_opts o = {.cert_pem = g->cert,
			       .key_pem = g->key,
			       .ca_pem = insecure ? SP_STR("") : ca,
			       .alpn = alpn,
			       .n_alpn = 1,
			       .insecure_skip_verify = insecure};
	aggregate_trust *t = &g->trusts[g->n_trusts];
	t->ca = insecure ? SP_STR("") : sp_arena_try_dup(&g->arena, ca);
	if (t->ca.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for a certificate authority");
	SP_TRY(sp_tls_client_config(&o, &t->config, err));
	g->n_trusts++;
	*ret = t->config;
	return SP_OK;
}

sp_str aggregate_scheme(const aggregate *s)
{
	return s->owner->server->kubelet.plain ? SP_STR("http") : SP_STR("https");
}

bool aggregate_address(const aggregate *s, sp_arena *a, sp_str *ret, sp_str *ret_why)
{
	const api_server *server = s->owner->server;
	const api_service_at at = {server->world, server->store, a, s->ns, s->service, s->port};
	if (s->fault.len == 0)
		return api_service_endpoint(&at, ret, ret_why);
	*ret_why = s->fault;
	return false;
}

/* ---- APIServices ---- */

typedef struct reading {
	api_aggregates *g;
	sp_list found; /* those that stay or are new */
} reading;

static sp_str text(aggregate *s, yyjson_val *obj, const char *key)
{
	sp_str t = sp_arena_try_dup(&s->arena, sp_json_str(yyjson_obj_get(obj, key)));
	return t.ptr == NULL ? (sp_str){"", 0} : t;
}

static int64_t number(yyjson_val *obj, const char *key, int64_t otherwise)
{
	yyjson_val *v = yyjson_obj_get(obj, key);
	return yyjson_is_int(v) ? yyjson_get_sint(v) : otherwise;
}

static void trust(api_aggregates *g, aggregate *s, yyjson_val *spec)
{
	sp_err err = {0};
	sp_str coded = sp_json_str(yyjson_obj_get(spec, "caBundle"));
	bool insecure = yyjson_get_bool(yyjson_obj_get(spec, "insecureSkipTLSVerify"));
	size_t n = 0;
	uint8_t *ca = sp_try_new(&s->arena, uint8_t, coded.len + 1);
	sp_code code = ca == NULL ? sp_fail(&err, SP_ENOMEM, "no room for a certificate authority")
				  : sp_base64_decode(coded, ca, &n, &err);
	if (code == SP_OK && !g->server->kubelet.plain)
		code = find_trust(g, (sp_str){(const char *)ca, n}, insecure, &s->tls, &err);
	if (code != SP_OK)
		s->fault = sp_arena_try_dup(&s->arena, sp_str_c(err.msg));
}

static aggregate *make(api_aggregates *g, sp_str name, sp_str spec_text, yyjson_val *spec)
{
	yyjson_val *service = yyjson_obj_get(spec, "service");
	aggregate *s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return NULL;
	s->owner = g;
	sp_list_init(&s->node);
	sp_arena_init(&s->arena, TEXT_BYTES_MAX);
	aggregate_init_probe(s);
	s->spec = sp_arena_try_dup(&s->arena, spec_text);
	s->name = sp_arena_try_dup(&s->arena, name);
	s->group = text(s, spec, "group");
	s->version = text(s, spec, "version");
	s->ns = text(s, service, "namespace");
	s->service = text(s, service, "name");
	s->port = (uint16_t)number(service, "port", 443);
	s->group_priority = (int32_t)number(spec, "groupPriorityMinimum", 0);
	s->version_priority = (int32_t)number(spec, "versionPriority", 0);
	s->server_name =
		sp_arena_printf(&s->arena, SP_FMT "." SP_FMT ".svc", SP_ARG(s->service), SP_ARG(s->ns));
	if (s->spec.ptr == NULL || s->name.ptr == NULL || s->server_name.ptr == NULL) {
		aggregate_free(s);
		return NULL;
	}
	trust(g, s, spec);
	return s;
}

static aggregate *find_name(api_aggregates *g, sp_str name)
{
	SP_LIST_FOREACH (node, &g->all) {
		aggregate *s = SP_CONTAINER_OF(node, aggregate, node);
		if (sp_str_eq(s->name, name))
			return s;
	}
	return NULL;
}

/* One whose spec is as before stays as it is. The core group is always ours. */
static bool read_one(void *arg, sp_str rest, uint64_t revision, yyjson_val *obj)
{
	reading *r = arg;
	yyjson_val *spec = yyjson_obj_get(obj, "spec");
	(void)revision;
	if (yyjson_obj_get(spec, "service") == NULL || sp_json_str(yyjson_obj_get(spec, "group")).len == 0)
		return true;
	SP_AUTO_BUF json;
	sp_buf_init(&json, TEXT_BYTES_MAX);
	if (sp_json_write(&json, spec) != SP_OK)
		return false;
	aggregate *s = find_name(r->g, rest);
	if (s == NULL || !sp_str_eq(s->spec, sp_buf_view(&json)))
		s = make(r->g, rest, sp_buf_view(&json), spec);
	if (s == NULL)
		return false;
	sp_list_remove(&s->node);
	sp_list_push_back(&r->found, &s->node);
	return true;
}

static void drop_all(sp_list *list)
{
	SP_LIST_FOREACH (node, list) {
		aggregate *s = SP_CONTAINER_OF(node, aggregate, node);
		sp_list_remove(node);
		bool over = aggregate_stop(s);
		s->owner = NULL;
		if (over)
			aggregate_free(s);
	}
}

static void move_all(sp_list *from, sp_list *to)
{
	sp_list *node;
	while ((node = sp_list_pop_front(from)) != NULL)
		sp_list_push_back(to, node);
}

static void follow(api_aggregates *g)
{
	bool changed;
	sp_err err;
	reading r = {.g = g};
	if (api_kept_follow(&g->kept, &changed, &err) != SP_OK) {
		g->dirty = true;
		return;
	}
	g->dirty = g->dirty || changed;
	if (!g->dirty || g->stopped)
		return;
	sp_list_init(&r.found);
	g->dirty = api_kept_each(&g->kept, read_one, &r, &err) != SP_OK;
	if (g->dirty) { /* what was read comes in front of what was not */
		move_all(&g->all, &r.found);
		sp_log(g->server->log, SP_LOG_ERROR, "APIServices can't be read", SP_KE(&err));
	} else {
		drop_all(&g->all);
		g->epoch++;
	}
	move_all(&r.found, &g->all);
}

/* ---- passing on ---- */

static void refuse(api_request *r, sp_str why)
{
	static const sp_http_header nosniff = {SP_STR_INIT("x-content-type-options"), SP_STR_INIT("nosniff")};
	api_reply_with(r, 503, SP_STR("text/plain; charset=utf-8"), &nosniff, 1,
		       sp_arena_printf(r->arena, SP_FMT "\n", SP_ARG(why)));
}

static void on_fault(api_request *r, const api_proxy_target *t, api_proxy_fault fault, uint16_t status,
		     const sp_err *err)
{
	bool late = err != NULL && err->code == SP_ETIMEOUT && t->deadline_ns > 0 &&
		    sp_now_ns(r->server->world) >= t->deadline_ns;
	sp_status timeout = sp_status_timeout(
		r->arena, SP_STR("request did not complete within the allotted timeout"), 0);
	if (late)
		api_reply_status(r, &timeout);
	else if (fault == API_PROXY_NO_UPGRADE)
		refuse(r, sp_arena_printf(r->arena, "invalid upgrade response: status code %u", status));
	else
		refuse(r, sp_arena_printf(r->arena, "error trying to reach service: " SP_FMT,
					  SP_ARG(api_proxy_why(r->arena, t->address, err))));
}

static bool is_token(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c > 0 && strchr("!#$&'*+-.^_`|~", c) != NULL);
}

/* "x-remote-extra-" and the key, what may not stand in a name as %XX. */
static sp_str extra_name(sp_arena *a, sp_str key)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	(void)sp_buf_str(&out, SP_STR("x-remote-extra-"));
	for (size_t i = 0; i < key.len; i++) {
		uint8_t c = (uint8_t)key.ptr[i];
		if (!is_token(c))
			(void)sp_buf_printf(&out, "%%%02x", c);
		else
			(void)sp_buf_char(&out, (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c));
	}
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

/* Who asks, as the other server is told. NULL: no room. */
static sp_http_header *identity(api_request *r, size_t *ret_n)
{
	const api_user *u = &r->user;
	size_t n = 0, most = 2 + u->n_groups;
	for (size_t i = 0; i < u->n_extra; i++)
		most += u->extra[i].n;
	sp_http_header *h = sp_try_new(r->arena, sp_http_header, most);
	if (h == NULL)
		return NULL;
	h[n++] = (sp_http_header){SP_STR("x-remote-user"), u->name};
	if (u->uid.len > 0)
		h[n++] = (sp_http_header){SP_STR("x-remote-uid"), u->uid};
	for (size_t i = 0; i < u->n_groups; i++)
		h[n++] = (sp_http_header){SP_STR("x-remote-group"), u->groups[i]};
	for (size_t i = 0; i < u->n_extra; i++) {
		sp_str name = extra_name(r->arena, u->extra[i].key);
		for (size_t k = 0; k < u->extra[i].n; k++)
			h[n++] = (sp_http_header){name, u->extra[i].values[k]};
	}
	*ret_n = n;
	return h;
}

static void pass_on(api_request *r, const aggregate *s)
{
	sp_str why;
	api_proxy_target t = {.scheme = aggregate_scheme(s),
			      .server_name = sp_arena_try_dup(r->arena, s->server_name),
			      .tls = s->tls,
			      .path = r->ex->path,
			      .rewrite = true,
			      .prefix = SP_STR(""),
			      .no_redirects = true,
			      .fail = on_fault};
	if (s->state != API_AGGREGATE_PASSED || !aggregate_address(s, r->arena, &t.address, &why)) {
		refuse(r, SP_STR("service unavailable"));
		return;
	}
	t.host = t.address;
	t.headers = identity(r, &t.n_headers);
	if (t.headers == NULL || t.server_name.ptr == NULL) {
		api_reply_error(r, SP_ENOMEM, NULL);
		return;
	}
	t.deadline_ns = r->deadline_ns;
	api_deadline_end(r); /* the proxy watches it */
	if (sp_str_eq(r->info.verb, SP_STR("watch")))
		api_flow_leave(r); /* when it has begun is the other server's affair */
	api_proxy(r, &t);
}

bool api_aggregate(api_request *r)
{
	api_aggregates *g = r->server->aggregates;
	sp_str path = r->info.path, group, version;
	(void)sp_str_take(&path, SP_STR("/openapi/v3"));
	if (!sp_str_take(&path, SP_STR("/apis/")) || !sp_str_cut(&path, '/', &group))
		return false;
	if (!sp_str_cut(&path, '/', &version))
		version = path;
	follow(g);
	SP_LIST_FOREACH (node, &g->all) {
		const aggregate *s = SP_CONTAINER_OF(node, aggregate, node);
		if (!sp_str_eq(s->group, group) || !sp_str_eq(s->version, version))
			continue;
		pass_on(r, s);
		return true;
	}
	return false;
}

/* ---- what is told of them ---- */

sp_code api_aggregates_discovery(api_aggregates *g, sp_arena *a, const sp_disc_remote **ret, size_t *ret_n)
{
	size_t n = 0;
	follow(g);
	SP_LIST_FOREACH (node, &g->all)
		n++;
	sp_disc_remote *list = sp_try_new(a, sp_disc_remote, n + 1);
	if (list == NULL)
		return SP_ENOMEM;
	n = 0;
	SP_LIST_FOREACH (other, &g->all) {
		const aggregate *s = SP_CONTAINER_OF(other, aggregate, node);
		list[n++] = (sp_disc_remote){.group = s->group,
					     .version = s->version,
					     .group_priority = s->group_priority,
					     .version_priority = s->version_priority,
					     .stale = s->state != API_AGGREGATE_PASSED,
					     .resources = sp_buf_view(&s->resources)};
	}
	*ret = list;
	*ret_n = n;
	return SP_OK;
}

sp_code api_aggregates_docs(api_aggregates *g, sp_arena *a, api_aggregate_doc **ret, size_t *ret_n)
{
	size_t n = 0;
	follow(g);
	SP_LIST_FOREACH (node, &g->all)
		n++;
	api_aggregate_doc *list = sp_try_new(a, api_aggregate_doc, n + 1);
	if (list == NULL)
		return SP_ENOMEM;
	n = 0;
	SP_LIST_FOREACH (other, &g->all) {
		const aggregate *s = SP_CONTAINER_OF(other, aggregate, node);
		if (s->hash.len == 0)
			continue;
		list[n] = (api_aggregate_doc){
			sp_arena_printf(a, "apis/" SP_FMT "/" SP_FMT, SP_ARG(s->group), SP_ARG(s->version)),
			sp_arena_try_dup(a, sp_buf_view(&s->hash))};
		if (list[n].path.ptr == NULL || list[n].hash.ptr == NULL)
			return SP_ENOMEM;
		n++;
	}
	*ret = list;
	*ret_n = n;
	return SP_OK;
}

/* U: kube-aggregator pkg/controllers/openapi/aggregator/priority.go, which takes versions of a group by name.
 */
static int compare_specs(api_aggregates *g, const aggregate *a, const aggregate *b)
{
	int32_t of_a = INT32_MIN, of_b = INT32_MIN;
	SP_LIST_FOREACH (node, &g->all) {
		const aggregate *s = SP_CONTAINER_OF(node, aggregate, node);
		if (sp_str_eq(s->group, a->group))
			of_a = SP_MAX(of_a, s->group_priority);
		if (sp_str_eq(s->group, b->group))
			of_b = SP_MAX(of_b, s->group_priority);
	}
	return of_a != of_b ? (of_a > of_b ? -1 : 1) : sp_str_cmp(a->name, b->name);
}

static sp_code read_spec(sp_arena *a, const aggregate *s, sp_openapi_remote *ret)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_OPENAPI_BYTES_MAX);
	SP_TRY(api_gunzip_all(sp_bytes_view(s->spec_gz), &text));
	*ret = (sp_openapi_remote){sp_arena_try_dup(a, s->group), sp_arena_try_dup(a, s->version),
				   sp_arena_try_dup(a, sp_buf_view(&text))};
	return ret->group.ptr == NULL || ret->version.ptr == NULL || ret->json.ptr == NULL ? SP_ENOMEM
											   : SP_OK;
}

sp_code api_aggregates_specs(api_aggregates *g, sp_arena *a, sp_openapi_remote **ret, size_t *ret_n)
{
	size_t n = 0;
	follow(g);
	SP_LIST_FOREACH (node, &g->all)
		n++;
	const aggregate **order = sp_try_new(a, const aggregate *, n + 1);
	sp_openapi_remote *list = sp_try_new(a, sp_openapi_remote, n + 1);
	if (order == NULL || list == NULL)
		return SP_ENOMEM;
	n = 0;
	SP_LIST_FOREACH (other, &g->all) {
		const aggregate *s = SP_CONTAINER_OF(other, aggregate, node);
		size_t at = n;
		if (s->spec_gz == NULL)
			continue;
		for (; at > 0 && compare_specs(g, s, order[at - 1]) < 0; at--)
			order[at] = order[at - 1];
		order[at] = s;
		n++;
	}
	for (size_t i = 0; i < n; i++)
		SP_TRY(read_spec(a, order[i], &list[i]));
	*ret = list;
	*ret_n = n;
	return SP_OK;
}

uint64_t api_aggregates_epoch(api_aggregates *g)
{
	follow(g);
	return g->epoch;
}

api_aggregate_state api_aggregates_state(api_aggregates *g, sp_str name, bool may_ask, sp_str *ret_why)
{
	follow(g);
	aggregate *s = find_name(g, name);
	*ret_why = (sp_str){NULL, 0};
	if (s == NULL)
		return API_AGGREGATE_UNKNOWN;
	if (s->state == API_AGGREGATE_UNKNOWN || (may_ask && s->state != API_AGGREGATE_PASSED))
		aggregate_ask(s);
	*ret_why = sp_buf_view(&s->why);
	return (api_aggregate_state)s->state;
}

/* ---- life ---- */

api_aggregates *api_aggregates_new(api_server *server, sp_str cert, sp_str key)
{
	api_aggregates *g = SP_NEW(api_aggregates);
	g->server = server;
	g->dirty = true;
	g->kept = (api_kept){.store = server->store,
			     .prefix = SP_STR("/registry/apiregistration.k8s.io/apiservices/")};
	sp_list_init(&g->all);
	sp_arena_init(&g->arena, TRUST_BYTES_MAX);
	g->cert = sp_arena_concat(&g->arena, &cert, 1);
	g->key = sp_arena_concat(&g->arena, &key, 1);
	return g;
}

void api_aggregates_stop(api_aggregates *g)
{
	g->stopped = true;
	SP_LIST_FOREACH (node, &g->all)
		(void)aggregate_stop(SP_CONTAINER_OF(node, aggregate, node));
}

void api_aggregates_free(api_aggregates *g)
{
	if (g == NULL)
		return;
	g->stopped = true;
	drop_all(&g->all);
	for (size_t i = 0; i < g->n_trusts; i++)
		sp_tls_config_unref(g->trusts[i].config);
	api_kept_done(&g->kept);
	sp_arena_done(&g->arena);
	sp_free(g);
}
