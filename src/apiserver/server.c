/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a request: read its head, find the resource, negotiate, hand it to its verb. */
#include "apiserver/server.h"

#include "apiserver/admission/admission.h"
#include "apiserver/admission/config.h"
#include "apiserver/admission/counts.h"
#include "apiserver/admission/event_rate.h"
#include "apiserver/admission/hooks.h"
#include "apiserver/admission/policies.h"
#include "apiserver/aggregate/aggregate.h"
#include "apiserver/aggregate/register.h"
#include "apiserver/answer.h"
#include "apiserver/audit/audit.h"
#include "apiserver/auth.h"
#include "apiserver/bootstrap/bootstrap.h"
#include "apiserver/conditions.h"
#include "apiserver/cors.h"
#include "apiserver/deadline.h"
#include "apiserver/flow/flow.h"
#include "apiserver/legacy_use.h"
#include "apiserver/metrics/measure.h"
#include "apiserver/metrics/metrics.h"
#include "apiserver/proxy/connect.h"
#include "apiserver/server_int.h"
#include "apiserver/services/services.h"
#include "apiserver/subresources/subresources.h"
#include "apiserver/usage/usage.h"
#include "base/alloc.h"
#include "base/limits.h"
#include "base/uuid.h"

#define SERVER_BYTES ((size_t)1 << 20)
#define REQUEST_TIMEOUT_NS (60 * UINT64_C(1000000000)) /* U: --request-timeout */
#define WATCH_TIMEOUT_MIN_S 1800u                      /* U: --min-request-timeout */

/* ---- refusals ---- */

static void refuse_page(api_request *r)
{
	api_reply(r, 404, SP_STR("text/plain; charset=utf-8"), SP_STR("404 page not found\n"));
}

static void refuse_unknown(api_request *r)
{
	sp_status s = sp_status_not_found(r->arena, (sp_group_resource){0}, SP_STR(""));
	s.message = SP_STR("the server could not find the requested resource");
	api_reply_status(r, &s);
}

static void refuse_method(api_request *r)
{
	sp_status s = r->held == NULL ? sp_status_method_not_allowed()
				      : sp_status_method_not_supported(r->arena, r->res->gr, r->info.verb);
	api_reply_status(r, &s);
}

/* ---- dispatch ---- */

/* A verb fits one object or the collection; the path must be of that form. */
static const struct {
	sp_str verb;
	uint8_t bit;
	bool named;
	void (*fn)(api_request *r);
} verbs[] = {
	{SP_STR_INIT("get"), SP_VERB_GET, true, api_get},
	{SP_STR_INIT("list"), SP_VERB_LIST, false, api_list},
	{SP_STR_INIT("watch"), SP_VERB_WATCH, false, api_watch},
	{SP_STR_INIT("create"), SP_VERB_CREATE, false, api_create},
	{SP_STR_INIT("update"), SP_VERB_UPDATE, true, api_update},
	{SP_STR_INIT("patch"), SP_VERB_PATCH, true, api_patch},
	{SP_STR_INIT("delete"), SP_VERB_DELETE, true, api_delete},
	{SP_STR_INIT("deletecollection"), SP_VERB_DELETECOLLECTION, false, api_delete_collection},
};

/* Upstream's router takes media types in full or the one that names all; others are not negotiated. */
static bool accept_names_medium(const api_request *r)
{
	sp_str accept = sp_http_get(&r->ex->headers, SP_HTTP_ACCEPT), clause;
	if (accept.len == 0)
		return true;
	while (sp_str_next(&accept, ',', &clause)) {
		sp_str type = clause, head;
		if (sp_str_cut(&type, ';', &head))
			clause = head;
		clause = sp_str_trim(clause);
		bool known = sp_str_eq(clause, SP_STR("*/*"));
		for (unsigned m = 0; m < API_MEDIA_COUNT_ && !known; m++)
			known = sp_str_eq(clause, api_media_type((api_media)m));
		if (known)
			return true;
	}
	return false;
}

/* Upstream's router and its negotiation refuse in different words. */
static void refuse_media(api_request *r, bool named, bool watch)
{
	char text[API_MEDIA_TEXT_BYTES], stream[API_MEDIA_TEXT_BYTES];
	sp_status s = sp_status_not_acceptable(r->arena, api_media_types, API_MEDIA_COUNT_);
	s.has_details = !named;
	if (!named)
		s.message = sp_arena_printf(
			r->arena, "406: Not Acceptable\n\nAvailable representations: " SP_FMT "%s" SP_FMT,
			SP_ARG(api_media_list(text, API_MEDIA_ALL, false)), watch ? ", " : "",
			SP_ARG(watch ? api_media_list(stream, API_MEDIA_ALL, true) : SP_STR("")));
	r->out = (api_output){0};
	api_reply_status(r, &s);
}

/* U: apiserver pkg/endpoints/handlers/negotiation/negotiate.go, isPrettyPrint. */
static bool is_for_people(const api_request *r)
{
	return api_wants_pretty(&r->query, sp_http_get(&r->ex->headers, SP_HTTP_USER_AGENT));
}

/* A Scale is a built-in type, whatever it is of. */
static bool is_custom_scale(const api_request *r)
{
	return r->held != NULL && r->sub != NULL && sp_str_eq(r->sub->name, SP_STR("scale"));
}

static void refuse_protobuf(api_request *r)
{
	sp_status s = sp_status_not_acceptable(r->arena, api_media_types, API_MEDIA_COUNT_);
	api_reply_status(r, &s);
}

static bool negotiate(api_request *r)
{
	bool watch = sp_str_eq(r->info.verb, SP_STR("watch"));
	/* What is only answered has no columns. U: RequestScope.AllowsMediaTypeTransform. */
	uint32_t table = api_answer_of(r) != NULL ? 0 : 1u << API_SHAPE_TABLE;
	const api_output_rules rules = {
		API_MEDIA_ALL, table | 1u << API_SHAPE_METADATA | 1u << API_SHAPE_METADATA_LIST, watch};
	bool named = accept_names_medium(r);
	if (named && api_negotiate(sp_http_get(&r->ex->headers, SP_HTTP_ACCEPT), &rules, &r->out)) {
		r->out.pretty = r->out.media == API_MEDIA_JSON && (r->out.pretty || is_for_people(r));
		/* Custom resources have no protobuf, only what is shown of them has. */
		if (r->held == NULL || is_custom_scale(r) || r->out.media != API_MEDIA_PROTOBUF ||
		    r->out.shape != API_SHAPE_OBJECT)
			return true;
		refuse_protobuf(r);
		return false;
	}
	refuse_media(r, named, watch);
	return false;
}

/* What is not negotiated still says what is wrong in the medium that is wanted. */
static void negotiate_errors(api_request *r)
{
	const api_output_rules rules = {API_MEDIA_ALL, 0, false};
	if (!api_negotiate(sp_http_get(&r->ex->headers, SP_HTTP_ACCEPT), &rules, &r->out))
		r->out = (api_output){0};
	r->out.pretty = r->out.media == API_MEDIA_JSON && (r->out.pretty || is_for_people(r));
}

static bool is_collection_read(const api_request *r)
{
	return sp_str_eq(r->info.verb, SP_STR("list")) || sp_str_eq(r->info.verb, SP_STR("watch"));
}

/* Named objects of namespaced kinds, and their creation, need a namespace in the path. */
static bool has_right_form(const api_request *r, bool named)
{
	bool has_ns = r->info.ns.len > 0 && !sp_str_eq(r->info.resource, SP_STR("namespaces"));
	if (r->res->kind->namespaced ? !has_ns && !is_collection_read(r) : has_ns)
		return false;
	/* What is below an object belongs to one, also when it is created. */
	if (r->sub != NULL)
		return r->info.name.len > 0;
	/* A field selector may have given a collection a name. */
	return named ? r->info.name.len > 0 : is_collection_read(r) || r->info.name.len == 0;
}

/* Whether any verb lives at this path: no route at all is 404, a route with other verbs 405. */
static bool has_route(const api_request *r, uint8_t allowed)
{
	bool across = r->res->kind->namespaced && r->info.ns.len == 0;
	if (across)
		return (allowed & (SP_VERB_LIST | SP_VERB_WATCH)) != 0;
	return r->sub != NULL || r->info.name.len == 0 || (allowed & ~SP_VERB_CREATE) != 0;
}

/* What needs a name has one, and the namespace its kind asks for. */
static bool has_special_form(const api_request *r)
{
	return (r->sub == NULL) == (r->info.name.len == 0) &&
	       (!r->res->kind->namespaced || r->info.ns.len > 0);
}

static void dispatch_verb(api_request *r, uint8_t allowed)
{
	bool head = r->ex->method_id == SP_HTTP_HEAD;
	api_measure_begin(r);
	api_handler *special = head || r->held != NULL ? NULL : api_special_handler(r);
	if (special != NULL && has_special_form(r)) {
		if (negotiate(r))
			special(r);
		return;
	}
	for (size_t i = 0; i < SP_LEN(verbs) && !head; i++) {
		if (!sp_str_eq(verbs[i].verb, r->info.verb))
			continue;
		if ((allowed & verbs[i].bit) == 0 || !has_right_form(r, verbs[i].named))
			break;
		if (!negotiate(r))
			return;
		if (is_custom_scale(r))
			api_custom_scale(r);
		else if (api_usage_takes(r))
			api_usage_answer(r);
		else
			verbs[i].fn(r);
		return;
	}
	refuse_method(r);
}

/* Resources whose use is warned of. U: kubernetes/api, +k8s:prerelease-lifecycle-gen markers. */
static const struct {
	sp_str group, plural, warning;
} deprecated[] = {
	{SP_STR_INIT(""), SP_STR_INIT("endpoints"),
	 SP_STR_INIT("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")},
	{SP_STR_INIT(""), SP_STR_INIT("componentstatuses"),
	 SP_STR_INIT("v1 ComponentStatus is deprecated in v1.19+")},
};

static void tell_deprecated(api_request *r, sp_str warning)
{
	api_warn(r, warning);
	api_audit_note(r, SP_STR("k8s.io/deprecated"), SP_STR("true"));
}

static void warn_deprecated(api_request *r)
{
	for (size_t i = 0; i < SP_LEN(deprecated); i++) {
		if (sp_str_eq(deprecated[i].group, r->res->gr.group) &&
		    sp_str_eq(deprecated[i].plural, r->res->gr.resource))
			tell_deprecated(r, deprecated[i].warning);
	}
}

/* A definition that is not served is as if it were not there. U: apiextensions-apiserver
 * pkg/apiserver/customresource_handler.go, ServeHTTP. */
static void dispatch_custom(api_request *r)
{
	sp_err err;
	api_custom_found found;
	bool has_ns = r->info.ns.len > 0;
	sp_code code = api_customs_find(r->server->customs, r->arena, r->info.group, r->info.version,
					r->info.resource, &found, &err);
	if (code != SP_OK) {
		if (code == SP_ENOTFOUND)
			refuse_page(r);
		else
			api_reply_error(r, code, &err);
		return;
	}
	r->held = r->res = &found.version->res;
	if (has_ns != r->res->kind->namespaced && (has_ns || !is_collection_read(r))) {
		refuse_page(r);
		return;
	}
	if (found.warning.len > 0)
		api_warn(r, found.warning);
	if (r->info.subresource.len > 0) {
		r->sub = api_subresource(r->res, r->info.subresource);
		if (r->sub == NULL) {
			api_reply_error(r, SP_ENOTFOUND, NULL);
			return;
		}
	}
	if (found.terminating && r->sub == NULL && sp_str_eq(r->info.verb, SP_STR("create")))
		refuse_method(r);
	else
		dispatch_verb(r, r->sub == NULL ? SP_VERBS_ALL : r->sub->verbs);
}

static void dispatch_resource(api_request *r)
{
	r->res = api_resource_find(&r->server->resources, r->info.group, r->info.version, r->info.resource);
	if (r->res == NULL) {
		if (api_resource_has_group(&r->server->resources, r->info.group))
			refuse_unknown(r);
		else
			dispatch_custom(r);
		return;
	}
	warn_deprecated(r);
	uint8_t allowed = r->res->kind->verbs;
	if (r->info.subresource.len > 0) {
		r->sub = api_subresource(r->res, r->info.subresource);
		if (r->sub == NULL) {
			refuse_unknown(r);
			return;
		}
		allowed = r->sub->verbs;
	}
	if (api_connect_takes(r)) {
		api_measure_begin(r);
		negotiate_errors(r);
		api_connect(r);
		return;
	}
	bool below = r->sub != NULL && r->info.rest.len > 0; /* only of those that connect */
	if (has_route(r, allowed) && !below)
		dispatch_verb(r, allowed);
	else
		refuse_unknown(r);
}

/* ---- exchanges ---- */

static void on_body_read(sp_http_exchange *ex, const sp_err *err, sp_str body)
{
	api_request *r = ex->arg;
	if (r->is_late)
		return;
	if (err == NULL) {
		r->on_body(r, body);
		return;
	}
	sp_status s = err->code == SP_ETOOLARGE ? sp_status_too_large(r->arena, SP_STR("limit is 3145728"))
						: api_status_of(r, err->code, err);
	api_reply_status(r, &s);
}

void api_read_body(api_request *r, void (*then)(api_request *r, sp_str body))
{
	r->on_body = then;
	sp_http_read_body(r->ex, SP_LIMIT_REQUEST_BODY_BYTES, on_body_read);
}

static void on_writable(sp_http_exchange *ex)
{
	api_request *r = ex->arg;
	if (r->on_writable != NULL)
		r->on_writable(r);
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	api_request *r = ex->arg;
	(void)err;
	api_deadline_end(r);
	if (r->on_gone != NULL && r->state != NULL)
		r->on_gone(r);
	api_flow_leave(r);
	api_audit_complete(r);
	api_measure_end(r);
	if (r->held != NULL)
		api_resource_unref(r->held);
}

static void on_piece(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	api_request *r = ex->arg;
	if (r->on_piece != NULL)
		r->on_piece(r, bytes, n);
}

static void on_whole(sp_http_exchange *ex)
{
	api_request *r = ex->arg;
	if (r->on_whole != NULL)
		r->on_whole(r);
}

static void on_tunnel(sp_http_exchange *ex, sp_stream *s)
{
	api_request *r = ex->arg;
	api_audit_started(r, 101);
	r->on_tunnel(r, s);
}

static const sp_http_events events = {.on_body = on_piece,
				      .on_end = on_whole,
				      .on_writable = on_writable,
				      .on_tunnel = on_tunnel,
				      .on_close = on_close};

sp_str api_random_uuid(sp_world *w, sp_arena *a)
{
	uint8_t raw[SP_UUID_BYTES];
	char text[SP_UUID_TEXT_BYTES];
	sp_random(w, raw, sizeof raw);
	sp_uuid_print(text, raw);
	return sp_arena_try_dup(a, (sp_str){text, sizeof text});
}

/* A random UUID, or what the client calls the request. */
static sp_str audit_id(api_request *r)
{
	sp_str given = sp_http_get(&r->ex->headers, SP_HTTP_AUDIT_ID);
	return given.len > 0 ? sp_str_sub(given, 0, 64) : api_random_uuid(r->server->world, r->arena);
}

static bool read_head(api_request *r)
{
	sp_err err;
	sp_str query = r->ex->path, path;
	if (!sp_str_cut(&query, '?', &path)) {
		path = r->ex->path;
		query = (sp_str){NULL, 0};
	}
	if (sp_url_query_parse(r->arena, query, &r->query, &err) == SP_OK &&
	    api_reqinfo_parse(r->arena, r->ex->method, path, &r->query, &r->info, &err) == SP_OK) {
		r->out.pretty = is_for_people(r); /* until it is negotiated */
		return true;
	}
	sp_status s = sp_status_bad_request(sp_arena_try_dup(r->arena, sp_str_c(err.msg)));
	api_reply_status(r, &s);
	return false;
}

static void go_on(api_request *r)
{
	if (!api_authorize(r))
		return;
	if (api_aggregate(r))
		return;
	if (r->info.is_resource)
		dispatch_resource(r);
	else
		api_other(r);
}

static void on_request(void *arg, sp_http_exchange *ex)
{
	api_request *r = sp_try_new(&ex->arena, api_request, 1);
	if (r == NULL) {
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
		return;
	}
	r->server = arg;
	r->ex = ex;
	r->arena = &ex->arena;
	r->began_ns = sp_now_ns(ex->world);
	sp_http_handle(ex, &events, r);
	r->audit_id = audit_id(r);
	r->on_admitted = go_on;
	if (!read_head(r) || !api_deadline_begin(r) || !api_cors_begin(r) || !api_authenticate(r))
		return;
	api_audit_begin(r);
	if (api_impersonate(r) && api_flow_admit(r))
		go_on(r);
}

/* ---- life ---- */

static void make_marker(api_server *s)
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789BCDFG";
	sp_random(s->world, s->marker, sizeof s->marker);
	for (size_t i = 0; i < sizeof s->marker; i++)
		s->marker[i] = letters[(uint8_t)s->marker[i] & 31];
	s->marker_str = (sp_str){s->marker, sizeof s->marker};
}

sp_code api_server_new(sp_world *w, const api_server_opts *opts, api_server **ret, sp_err *err)
{
	api_service_ranges ranges;
	SP_TRY(api_service_ranges_parse(opts->service_cidrs, opts->node_ports, &ranges, err));
	api_server *s = SP_NEW(api_server);
	s->services = ranges;
	s->world = w;
	s->store = opts->store;
	s->log = opts->log;
	s->authorization = opts->authorization;
	s->request_timeout_ns = opts->request_timeout_ns > 0 ? opts->request_timeout_ns : REQUEST_TIMEOUT_NS;
	s->min_request_timeout_s =
		opts->min_request_timeout_s > 0 ? opts->min_request_timeout_s : WATCH_TIMEOUT_MIN_S;
	s->tolerate = opts->tolerate;
	s->no_privileged = opts->no_privileged;
	s->admission = opts->admission;
	s->admission_config = opts->admission_config;
	s->no_anonymous = opts->no_anonymous;
	s->tokens = opts->tokens;
	s->audit = opts->audit;
	s->cors = opts->cors;
	s->front_proxy = opts->front_proxy;
	s->kubelet = opts->kubelet;
	if (s->kubelet.address_types.len == 0)
		s->kubelet.address_types = SP_STR(API_KUBELET_ADDRESS_TYPES);
	sp_list_init(&s->watches);
	s->rbac = api_rbac_new(opts->store);
	s->docs = api_docs_new(s);
	s->customs = api_customs_new(s);
	s->policies = api_policies_new(opts->store);
	s->hooks = api_hooks_new(opts->store);
	make_marker(s);
	sp_arena_init(&s->arena, SERVER_BYTES);
	const sp_http_server_opts http = {.on_request = on_request, .arg = s};
	sp_code code = api_admission_check(s, err);
	if (code == SP_OK)
		code = api_webhooks_new(w, opts->store, &s->webhooks, err);
	if (code == SP_OK)
		code = api_proxies_new(w, &s->proxies, err);
	if (code == SP_OK)
		code = api_bootstrap_rules(&s->arena, "system:node", &s->node_rules, err);
	if (code == SP_OK)
		code = api_resources_init(&s->resources, err);
	if (code == SP_OK) {
		code = sp_http_server_new(w, &http, &s->http, err);
		if (code != SP_OK)
			api_resources_done(&s->resources);
	}
	if (code != SP_OK) {
		api_customs_free(s->customs);
		api_proxies_free(s->proxies);
		api_webhooks_free(s->webhooks);
		api_hooks_free(s->hooks);
		api_policies_free(s->policies);
		api_rbac_free(s->rbac);
		api_docs_free(s->docs);
		sp_arena_done(&s->arena);
		sp_free(s);
		return code;
	}
	if (opts->event_ttl_ns > 0)
		s->events = api_expiry_new(w, s->store, SP_STR("/registry/events/"), opts->event_ttl_ns);
	s->metrics = api_metrics_new();
	s->admitted = SP_NEW(api_admission_counts);
	s->event_rate = api_event_rate_new(api_admission_config_of(s->admission_config, "EventRateLimit"));
	s->flows = api_flows_new(s, opts->seats);
	s->aggregates = api_aggregates_new(s, opts->front_proxy.cert_pem, opts->front_proxy.key_pem);
	s->usage = api_usage_new(s);
	s->conditions = api_conditions_new(s);
	s->legacy_uses = api_legacy_uses_new();
	s->registrar = api_registrar_new(s);
	s->snapshots = api_snapshots_new(s, &opts->snapshots);
	*ret = s;
	return SP_OK;
}

void api_server_accept(api_server *s, sp_stream *stream)
{
	sp_http_server_accept(s->http, stream);
}

/* Nobody waits for the webhooks that are still being asked. */
static void on_copied(void *arg)
{
	api_server *s = arg;
	api_webhooks_close(s->webhooks, s->drained, s->drained_arg);
}

/* A snapshot reads the store until it is done. */
static void on_proxies_closed(void *arg)
{
	api_server *s = arg;
	api_snapshots_close(s->snapshots, on_copied, s);
}

/* Joined connections are nobody's requests any more. */
static void on_drained(void *arg)
{
	api_server *s = arg;
	api_proxies_close(s->proxies, on_proxies_closed, s);
}

void api_server_drain(api_server *s, uint64_t grace_ns, void (*done)(void *arg), void *arg)
{
	api_expiry_stop(s->events);
	s->drained = done;
	api_aggregates_stop(s->aggregates);
	api_usage_stop(s->usage);
	s->drained_arg = arg;
	sp_http_server_drain(s->http, grace_ns, on_drained, s);
	api_watches_end(s);
}

void api_server_set_kubelet(api_server *s, const api_kubelet_opts *o)
{
	s->kubelet = *o;
}

void api_server_free(api_server *s)
{
	if (s == NULL)
		return;
	api_expiry_free(s->events);
	api_registrar_free(s->registrar);
	api_conditions_free(s->conditions);
	api_legacy_uses_free(s->legacy_uses);
	api_aggregates_free(s->aggregates);
	api_usage_free(s->usage);
	api_flows_free(s->flows);
	sp_metrics_free(s->metrics);
	sp_free(s->admitted);
	api_event_rate_free(s->event_rate);
	api_snapshots_free(s->snapshots);
	sp_http_server_free(s->http);
	api_customs_free(s->customs);
	api_proxies_free(s->proxies);
	api_webhooks_free(s->webhooks);
	api_hooks_free(s->hooks);
	api_policies_free(s->policies);
	api_rbac_free(s->rbac);
	api_docs_free(s->docs);
	api_resources_done(&s->resources);
	sp_arena_done(&s->arena);
	sp_free(s);
}
