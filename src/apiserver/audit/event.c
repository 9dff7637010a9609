/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/audit/audit.h"

#include "apiserver/flow/flow.h"
#include "apiserver/metrics/metrics.h"
#include "apiserver/server_int.h"
#include "base/json_out.h"
#include "base/time.h"
#include "io/tls.h"
#include "kube/encode.h"
#include "kube/kinds/values.h"
#include "kube/meta.h"

#define NS_PER_S INT64_C(1000000000)
#define EVENT_BYTES_MAX ((size_t)64 << 20)
#define NOTES_MAX 64u
#define ADDRESSES_MAX 16u
#define AGENT_BYTES_MAX 1024u

typedef struct note {
	sp_str key, value;
} note;

struct api_audit {
	api_audit_config config;
	api_user user, impersonated;
	const char *mode; /* of the impersonation, or NULL */
	bool impersonates, started;
	int64_t received_ns;
	uint16_t code;         /* of the answer; 0: none yet */
	sp_str status;         /* members of the answer's Status */
	sp_str object, answer; /* JSON */
	sp_str ns, name, uid, revision;
	note notes[NOTES_MAX]; /* by key */
	size_t n_notes;
};

/* ---- text ---- */

static sp_str time_text(char room[SP_TIME_TEXT_BYTES], int64_t wall_ns)
{
	const sp_time t = {wall_ns / NS_PER_S, (uint32_t)(wall_ns % NS_PER_S)};
	return (sp_str){room, sp_time_print(room, t, 6)};
}

static void put(sp_jout *j, const char *key, sp_str value)
{
	if (value.len > 0)
		sp_jout_member_str(j, sp_str_c(key), value);
}

static void put_user(sp_jout *j, const char *key, const api_user *u)
{
	sp_jout_member_open(j, sp_str_c(key), '{');
	api_user_write(j, u);
	sp_jout_close(j, '}');
}

static void put_mode(sp_jout *j, const struct api_audit *a)
{
	char text[64];
	if (a->mode == NULL)
		return;
	(void)snprintf(text, sizeof text, "impersonate:%s", a->mode);
	sp_jout_member_open(j, SP_STR("authenticationMetadata"), '{');
	sp_jout_member_str(j, SP_STR("impersonationConstraint"), sp_str_c(text));
	sp_jout_close(j, '}');
}

/* "10.0.0.1" of "10.0.0.1:80" and of "[10.0.0.1]:80". */
static sp_str host_of(sp_str address)
{
	ptrdiff_t colon = sp_str_rindex(address, ':');
	sp_str host = colon < 0 ? address : sp_str_sub(address, 0, (size_t)colon);
	if (host.len > 1 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = sp_str_sub(host, 1, host.len - 1);
	return host;
}

/* Whom proxies in front name, then who is connected. U: apimachinery pkg/util/net, SourceIPs. */
static void put_sources(sp_jout *j, const api_request *r)
{
	sp_str list[ADDRESSES_MAX], rest = sp_http_get(&r->ex->headers, SP_HTTP_X_FORWARDED_FOR), part;
	size_t n = 0;
	while (rest.len > 0 && n < ADDRESSES_MAX - 2) {
		if (!sp_str_cut(&rest, ',', &part)) {
			part = rest;
			rest.len = 0;
		}
		part = sp_str_trim(part);
		if (part.len > 0)
			list[n++] = part;
	}
	part = sp_str_trim(sp_http_find(&r->ex->headers, SP_STR("x-real-ip")));
	if (part.len > 0 && (n == 0 || !sp_str_eq(list[n - 1], part)))
		list[n++] = part;
	part = r->ex->stream == NULL ? (sp_str){NULL, 0} : host_of(sp_str_c(r->ex->stream->remote));
	if (part.len > 0 && (n == 0 || !sp_str_eq(list[n - 1], part)))
		list[n++] = part;
	if (n > 0)
		sp_jout_member_strs(j, SP_STR("sourceIPs"), list, n);
}

static void put_agent(sp_jout *j, api_request *r)
{
	sp_str agent = sp_http_get(&r->ex->headers, SP_HTTP_USER_AGENT);
	if (agent.len > AGENT_BYTES_MAX)
		agent = SP_CONCAT(r->arena, sp_str_sub(agent, 0, AGENT_BYTES_MAX), SP_STR("...TRUNCATED"));
	put(j, "userAgent", agent);
}

static void put_reference(sp_jout *j, const api_request *r)
{
	const struct api_audit *a = r->audit;
	const api_reqinfo *i = &r->info;
	if (!i->is_resource)
		return;
	sp_jout_member_open(j, SP_STR("objectRef"), '{');
	put(j, "resource", i->resource);
	put(j, "namespace", i->ns.len > 0 ? i->ns : a->ns);
	put(j, "name", i->name.len > 0 ? i->name : a->name);
	put(j, "uid", a->uid);
	put(j, "apiGroup", i->group);
	put(j, "apiVersion", i->version);
	put(j, "resourceVersion", a->revision);
	put(j, "subresource", i->subresource);
	sp_jout_close(j, '}');
}

static void put_status(sp_jout *j, const struct api_audit *a)
{
	if (a->code == 0)
		return;
	sp_jout_member_open(j, SP_STR("responseStatus"), '{');
	sp_jout_member_raw(j, SP_STR("metadata"), SP_STR("{}"));
	if (a->status.len > 0)
		sp_jout_raw(j, a->status);
	sp_jout_member_i64(j, SP_STR("code"), a->code);
	sp_jout_close(j, '}');
}

static void put_notes(sp_jout *j, const struct api_audit *a)
{
	if (a->n_notes == 0)
		return;
	sp_jout_member_open(j, SP_STR("annotations"), '{');
	for (size_t i = 0; i < a->n_notes; i++)
		sp_jout_member_str(j, a->notes[i].key, a->notes[i].value);
	sp_jout_close(j, '}');
}

static void write_event(sp_buf *out, api_request *r, api_audit_stage stage)
{
	const struct api_audit *a = r->audit;
	char received[SP_TIME_TEXT_BYTES], now[SP_TIME_TEXT_BYTES];
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("Event"));
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("audit.k8s.io/v1"));
	sp_jout_member_str(&j, SP_STR("level"), api_audit_levels[a->config.level]);
	sp_jout_member_str(&j, SP_STR("auditID"), r->audit_id);
	sp_jout_member_str(&j, SP_STR("stage"), api_audit_stages[stage]);
	sp_jout_member_str(&j, SP_STR("requestURI"), r->ex->path);
	sp_jout_member_str(&j, SP_STR("verb"), r->info.verb);
	put_user(&j, "user", &a->user);
	if (a->impersonates)
		put_user(&j, "impersonatedUser", &a->impersonated);
	put_mode(&j, a);
	put_sources(&j, r);
	put_agent(&j, r);
	put_reference(&j, r);
	put_status(&j, a);
	if (a->object.len > 0)
		sp_jout_member_raw(&j, SP_STR("requestObject"), a->object);
	if (a->answer.len > 0)
		sp_jout_member_raw(&j, SP_STR("responseObject"), a->answer);
	sp_jout_member_str(&j, SP_STR("requestReceivedTimestamp"), time_text(received, a->received_ns));
	sp_jout_member_str(&j, SP_STR("stageTimestamp"), time_text(now, sp_wall_ns(r->server->world)));
	put_notes(&j, a);
	sp_jout_close(&j, '}');
	(void)sp_buf_char(out, '\n');
}

static void tell(api_request *r, api_audit_stage stage)
{
	static const sp_str plugin = SP_STR_INIT("log");
	if ((r->audit->config.omit_stages & 1u << stage) != 0)
		return;
	SP_AUTO_BUF line;
	sp_buf_init(&line, EVENT_BYTES_MAX);
	write_event(&line, r, stage);
	sp_metric_add(r->server->metrics, API_METRIC_AUDIT_EVENTS, NULL, 1);
	if (sp_buf_code(&line) != SP_OK ||
	    !r->server->audit.sink.write(r->server->audit.sink.arg, sp_buf_view(&line)))
		sp_metric_add(r->server->metrics, API_METRIC_AUDIT_ERRORS, &plugin, 1);
}

/* ---- what is gathered ---- */

static bool make(api_request *r)
{
	static const sp_str plugin = SP_STR_INIT("log");
	const api_audit_opts *how = &r->server->audit;
	if (how->policy == NULL)
		return false;
	api_audit_config c = api_audit_policy_find(how->policy, &r->user, &r->info);
	sp_metric_add(r->server->metrics, API_METRIC_AUDIT_LEVELS, &api_audit_levels[c.level], 1);
	if (c.level == API_AUDIT_NONE)
		return false;
	r->audit = sp_try_new(r->arena, struct api_audit, 1);
	if (r->audit == NULL) {
		sp_metric_add(r->server->metrics, API_METRIC_AUDIT_ERRORS, &plugin, 1);
		return false;
	}
	r->audit->config = c;
	r->audit->user = r->user;
	r->audit->received_ns = sp_wall_ns(r->server->world);
	return true;
}

void api_audit_begin(api_request *r)
{
	if (make(r))
		tell(r, API_AUDIT_RECEIVED);
}

/* U: authn_audit.go, getAuthMethods */
static sp_str attempted(api_request *r)
{
	sp_str bearer = sp_http_get(&r->ex->headers, SP_HTTP_AUTHORIZATION), scheme;
	bool by_token = sp_str_cut(&bearer, ' ', &scheme) && sp_str_eq_nocase(scheme, SP_STR("bearer"));
	const sp_tls_peer *peer = r->ex->stream == NULL ? NULL : r->ex->stream->tls;
	bool by_certificate = peer != NULL && peer->cert.sha256.len > 0;
	if (!by_token && !by_certificate)
		return SP_STR("Authentication failed, no credentials provided");
	return sp_arena_printf(r->arena, "Authentication failed, attempted: %s%s%s", by_token ? "bearer" : "",
			       by_token && by_certificate ? ", " : "", by_certificate ? "x509" : "");
}

void api_audit_unauthenticated(api_request *r)
{
	if (!make(r))
		return;
	SP_AUTO_BUF text;
	sp_buf_init(&text, 4096);
	sp_jout j = sp_jout_to(&text);
	sp_jout_member_str(&j, SP_STR("message"), attempted(r));
	r->audit->status = sp_arena_try_dup(r->arena, sp_buf_view(&text));
	r->audit->code = 401;
	r->audit->started = true;
	tell(r, API_AUDIT_STARTED);
	r->audit = NULL; /* that was all */
}

void api_audit_impersonated(api_request *r, const char *mode)
{
	if (r->audit == NULL)
		return;
	r->audit->impersonates = true;
	r->audit->mode = mode;
	r->audit->impersonated = r->user;
}

/* ", value" behind it, unless it is there. */
static void append(api_request *r, sp_str *to, sp_str value)
{
	sp_str rest = *to, part;
	while (rest.len > 0) {
		ptrdiff_t at = sp_str_find(rest, SP_STR(", "));
		part = at < 0 ? rest : sp_str_sub(rest, 0, (size_t)at);
		rest = at < 0 ? (sp_str){NULL, 0} : sp_str_sub(rest, (size_t)at + 2, rest.len);
		if (sp_str_eq(part, value))
			return;
	}
	sp_str both = SP_CONCAT(r->arena, *to, SP_STR(", "), value);
	if (both.ptr != NULL)
		*to = both;
}

static void add_note(api_request *r, sp_str key, sp_str value, bool also)
{
	struct api_audit *a = r == NULL ? NULL : r->audit;
	size_t at = 0;
	if (a == NULL || a->n_notes == NOTES_MAX)
		return;
	while (at < a->n_notes && sp_str_cmp(a->notes[at].key, key) < 0)
		at++;
	if (at < a->n_notes && sp_str_eq(a->notes[at].key, key)) {
		if (also)
			append(r, &a->notes[at].value, value);
		return;
	}
	for (size_t i = a->n_notes; i > at; i--)
		a->notes[i] = a->notes[i - 1];
	a->notes[at] = (note){sp_arena_try_dup(r->arena, key), sp_arena_try_dup(r->arena, value)};
	a->n_notes++;
}

void api_audit_note(api_request *r, sp_str key, sp_str value)
{
	add_note(r, key, value, false);
}

void api_audit_note_also(api_request *r, sp_str key, sp_str value)
{
	add_note(r, key, value, true);
}

static sp_str json_of(api_request *r, yyjson_mut_val *obj)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, EVENT_BYTES_MAX);
	if (sp_json_write_mut(&text, obj) != SP_OK)
		return (sp_str){NULL, 0};
	return sp_arena_try_dup(r->arena, sp_buf_view(&text));
}

/* Takes metadata.managedFields out of an object and of a list's items. */
static void drop_managed(yyjson_mut_val *obj)
{
	(void)sp_jmut_remove(sp_kv_get(obj, "metadata"), SP_STR("managedFields"));
	SP_KV_EACH (item, i, sp_kv_list(obj, "items"))
		(void)sp_jmut_remove(sp_kv_get(item, "metadata"), SP_STR("managedFields"));
	SP_KV_EACH (row, k, sp_kv_list(obj, "rows"))
		(void)sp_jmut_remove(sp_kv_get(sp_kv_get(row, "object"), "metadata"),
				     SP_STR("managedFields"));
}

/* The text as it is to be told, in the request's arena. */
static sp_str told(api_request *r, sp_str json)
{
	sp_arena scratch;
	yyjson_mut_val *tree;
	sp_str text;
	sp_arena_init(&scratch, EVENT_BYTES_MAX);
	yyjson_mut_doc *doc = sp_json_doc(&scratch);
	if (r->audit->config.omit_managed_fields && doc != NULL &&
	    sp_json_parse_mut(&scratch, json, doc, &tree, NULL) == SP_OK) {
		drop_managed(tree);
		text = json_of(r, tree);
	} else {
		text = sp_arena_try_dup(r->arena, json);
	}
	sp_arena_done(&scratch);
	return text;
}

/* With its fields in the order of their kind. */
static sp_str encoded(api_request *r, const sp_schema *schema, yyjson_mut_val *obj)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, EVENT_BYTES_MAX);
	if (sp_encode_json(&text, schema, obj) != SP_OK)
		return json_of(r, obj);
	return sp_arena_try_dup(r->arena, sp_buf_view(&text));
}

void api_audit_object(api_request *r, const sp_schema *schema, yyjson_mut_val *obj)
{
	struct api_audit *a = r == NULL ? NULL : r->audit;
	if (a == NULL || a->name.len + a->uid.len + a->object.len > 0)
		return;
	yyjson_mut_val *meta = sp_meta(obj);
	a->ns = sp_arena_try_dup(r->arena, sp_kv_str(meta, "namespace"));
	a->name = sp_arena_try_dup(r->arena, sp_kv_str(meta, "name"));
	a->uid = sp_arena_try_dup(r->arena, sp_kv_str(meta, "uid"));
	a->revision = sp_arena_try_dup(r->arena, sp_kv_str(meta, "resourceVersion"));
	if (a->config.level >= API_AUDIT_REQUEST)
		a->object = told(r, encoded(r, schema, obj));
}

void api_audit_patch(api_request *r, sp_str json)
{
	sp_arena scratch;
	yyjson_val *tree;
	if (r == NULL || r->audit == NULL || r->audit->config.level < API_AUDIT_REQUEST ||
	    r->audit->object.len > 0)
		return;
	sp_arena_init(&scratch, EVENT_BYTES_MAX);
	SP_AUTO_BUF text;
	sp_buf_init(&text, EVENT_BYTES_MAX);
	if (sp_json_parse(&scratch, json, &tree, NULL) == SP_OK && sp_json_write(&text, tree) == SP_OK)
		r->audit->object = sp_arena_try_dup(r->arena, sp_buf_view(&text));
	sp_arena_done(&scratch);
}

/* ---- the answer ---- */

bool api_audit_wants_answer(const api_request *r)
{
	return r->audit != NULL && r->audit->config.level == API_AUDIT_REQUEST_RESPONSE;
}

void api_audit_answer(api_request *r, sp_str json)
{
	if (api_audit_wants_answer(r))
		r->audit->answer = told(r, sp_str_trim(json)); /* a list ends its line */
}

/* All of it but its kind, metadata and code. */
void api_audit_status(api_request *r, const sp_status *status)
{
	static const char *const members[] = {"status", "message", "reason", "details"};
	sp_arena scratch;
	yyjson_val *tree, *v;
	if (r->audit == NULL)
		return;
	SP_AUTO_BUF whole, text;
	sp_buf_init(&whole, EVENT_BYTES_MAX);
	sp_buf_init(&text, EVENT_BYTES_MAX);
	sp_arena_init(&scratch, EVENT_BYTES_MAX);
	if (sp_status_write(&whole, status) == SP_OK &&
	    sp_json_parse(&scratch, sp_buf_view(&whole), &tree, NULL) == SP_OK) {
		for (size_t i = 0; i < SP_LEN(members); i++) {
			if ((v = yyjson_obj_get(tree, members[i])) == NULL)
				continue;
			(void)sp_buf_printf(&text, "%s\"%s\":", text.len > 0 ? "," : "", members[i]);
			(void)sp_json_write(&text, v);
		}
		r->audit->status = sp_arena_try_dup(r->arena, sp_buf_view(&text));
	}
	sp_arena_done(&scratch);
}

void api_audit_started(api_request *r, uint16_t code)
{
	struct api_audit *a = r->audit;
	if (a == NULL || a->started)
		return;
	a->started = true;
	a->code = code;
	if (api_is_long_running(&r->info))
		tell(r, API_AUDIT_STARTED);
}

void api_audit_complete(api_request *r)
{
	struct api_audit *a = r->audit;
	if (a == NULL)
		return;
	if (!a->started) { /* the client did not wait for it */
		a->status = SP_STR("\"status\":\"Success\",\"message\":\"Connection closed early\"");
		api_audit_started(r, 200);
	}
	tell(r, API_AUDIT_COMPLETE);
}
